"""What every APDU begins with: version, Transaction-Id, service-date-time, and who speaks to whom.

The time of the service comes in, already in the local symbol's zone (service-date-time is the LOCAL time of
the invoking institution). What the requester wrote in its ILL-Request is given back as it came.
"""

import datetime as dt
from dataclasses import dataclass, replace
from typing import TypedDict, TypeVar, assert_never

from asn1 import ill
from asn1.ill import ILLApdu, ILLRequest, SystemId, TransactionId
from asn1.schema import GeneralString
from config.symbols import Symbol
from iso_gateway.compose.texts import iso_date, iso_time
from iso_gateway.message.identity import symbol_of, system_id_of
from iso_gateway.protocol.states import Role

A = TypeVar("A", bound=ILLApdu)

SUPPORTED_VERSIONS = frozenset({ill.VERSION_1, ill.VERSION_2})
"""The values of protocol-version-num that this gateway speaks."""


class Components(TypedDict):
    """The components that every APDU begins with."""

    protocol_version_num: int
    transaction_id: TransactionId
    service_date_time: ill.ServiceDateTime
    requester_id: SystemId | None
    responder_id: SystemId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every APDU of a transaction begins with.

    Args:
        version: protocol-version-num, the one that the partner uses.
        transaction_id: as the requester wrote it.
        requester_id, responder_id: both are always sent, though the syntax lets them be left out.
        at: the moment of the service, in the local symbol's zone.
        encoding: of our own texts: the character set of the partner, as Python names it.
    """

    version: int
    transaction_id: TransactionId
    requester_id: SystemId | None
    responder_id: SystemId | None
    at: dt.datetime
    encoding: str = "utf-8"

    @property
    def service_date_time(self) -> ill.ServiceDateTime:
        """The service-date-time of this sending; with its time, which a second service of a day needs."""
        return ill.ServiceDateTime(
            date_time_of_this_service=ill.DateTimeOfThisService(
                date=iso_date(self.at), time=iso_time(self.at)
            )
        )

    @property
    def components(self) -> Components:
        """The frame as the first components of an APDU."""
        return Components(
            protocol_version_num=self.version,
            transaction_id=self.transaction_id,
            service_date_time=self.service_date_time,
            requester_id=self.requester_id,
            responder_id=self.responder_id,
        )

    def to(self, responder: Symbol, *, encoding: str) -> "Frame":
        """The same towards another responder, whose character set is `encoding`."""
        return replace(self, responder_id=system_id_of(responder), encoding=encoding)


def transaction_id_of(requester: Symbol, *, group: str, qualifier: str) -> TransactionId:
    """The Transaction-Id of a transaction that we begin.

    Args:
        requester: our own symbol.
        group: transaction-group-qualifier; several transactions for one item share it.
        qualifier: transaction-qualifier, which no other transaction of this requester ever has.
    """
    return TransactionId(
        initial_requester_id=system_id_of(requester),
        transaction_group_qualifier=GeneralString.from_text(group),
        transaction_qualifier=GeneralString.from_text(qualifier),
    )


def opening_frame(
    transaction_id: TransactionId, *, local: Symbol, partner: Symbol, at: dt.datetime, encoding: str = "utf-8"
) -> Frame:
    """The frame of the ILL-Request by which we begin a transaction.

    Args:
        transaction_id: a new one, from `transaction_id_of`.
        local: our own symbol.
        partner: that of the library that is asked.
        at: the moment of the service, in the local symbol's zone.
        encoding: the character set in which the partner reads, as Python names it.
    """
    return Frame(
        version=ill.VERSION_2,
        transaction_id=transaction_id,
        requester_id=system_id_of(local),
        responder_id=system_id_of(partner),
        at=at,
        encoding=encoding,
    )


def frame_for(
    request: ILLRequest,
    *,
    local: Symbol,
    partner: Symbol,
    at: dt.datetime,
    encoding: str = "utf-8",
    role: Role = Role.RESPONDER,
) -> Frame:
    """The frame of what we send about a request.

    Args:
        request: the ILL-Request that began the transaction.
        local: our own symbol, for a request that does not say whom it was for.
        partner: the partner's. To a responder it says who is meant, since a request may have been forwarded;
            for a requester it stands in where the request says nowhere who sent it.
        at: the moment of the service, in the local symbol's zone.
        encoding: the character set in which the partner reads, as Python names it.
        role: ours.
    """
    match role:
        case Role.REQUESTER:
            requester_id = named(request.requester_id) or system_id_of(local)
            responder_id = system_id_of(partner)
        case Role.RESPONDER:
            requester_id = named(
                request.requester_id, request.transaction_id.initial_requester_id
            ) or system_id_of(partner)
            responder_id = named(request.responder_id) or system_id_of(local)
        case _:
            assert_never(role)
    return Frame(
        version=request.protocol_version_num,
        transaction_id=request.transaction_id,
        requester_id=requester_id,
        responder_id=responder_id,
        at=at,
        encoding=encoding,
    )


def named(*system_ids: SystemId | None) -> SystemId | None:
    """The first of the System-Ids that holds a symbol, as it came; None where none does."""
    return next((one for one in system_ids if symbol_of(one) is not None), None)


def repeat_of(apdu: A, at: dt.datetime) -> A:
    """An APDU that was sent before, as a repeat: the same service, marked by the time of its first sending.

    Args:
        apdu: what was sent; itself a repeat or not.
        at: the moment of the repeat, in the local symbol's zone.

    Source: protocol.md 2.2 (the component is in the syntax, its use is known).
    """
    sent = apdu.service_date_time
    this = sent.date_time_of_this_service
    return replace(
        apdu,
        service_date_time=ill.ServiceDateTime(
            date_time_of_this_service=ill.DateTimeOfThisService(date=iso_date(at), time=iso_time(at)),
            date_time_of_original_service=sent.date_time_of_original_service
            or ill.DateTimeOfOriginalService(date=this.date, time=this.time),
        ),
    )
