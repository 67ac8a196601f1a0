"""The APDUs of a simulated partner, by the gateway's own composing.

Where the two ends stand the other way round, that is all the difference. Pure.
"""

import dataclasses
import datetime as dt
from typing import Final

from asn1 import ill
from asn1.ill import ILLApdu, ILLRequest
from asn1.schema import GeneralString
from config.settings import Partner
from config.symbols import Symbol
from iso_gateway import compose, primitives
from iso_gateway.identity import system_id_of
from iso_gateway.new_request import NewRequest

_ANYBODY: Final = Symbol("EXAMPLE", "ANYBODY")
_ANY_TIME: Final = dt.datetime(2026, 1, 5, 10, tzinfo=dt.UTC)


def frame(request: ILLRequest, profile: Partner, at: dt.datetime) -> compose.Frame:
    """How everything begins that the partner sends about a request, whichever its role.

    Args:
        request: the ILL-Request that began the transaction.
        profile: the partner; it is the responder of a request that names none.
        at: the moment of the service, in the partner's zone.
    """
    return compose.Frame(
        version=request.protocol_version_num,
        transaction_id=request.transaction_id,
        requester_id=compose.named(request.requester_id, request.transaction_id.initial_requester_id),
        responder_id=compose.named(request.responder_id) or system_id_of(profile.symbols[0]),
        at=at,
        encoding=profile.character_set.value,
    )


def apdu_for(
    primitive: primitives.SingleApduPrimitive, request: ILLRequest, framed: compose.Frame
) -> ILLApdu:
    """The APDU by which the partner performs a service.

    Raises:
        PrimitiveInvalidError: a field is missing or says what the standard has no value for.
    """
    return compose.apdu_for(primitive, request, framed)


def unknown_request(apdu: ILLApdu) -> ILLRequest:
    """What a request may have been about which something came in that is not known: for the error report."""
    return dataclasses.replace(
        _any_request(),
        protocol_version_num=apdu.protocol_version_num,
        transaction_id=apdu.transaction_id,
        requester_id=apdu.requester_id,
        responder_id=apdu.responder_id,
    )


def repeat_of(apdu: ILLApdu, at: dt.datetime) -> ILLApdu:
    """The same APDU marked as a repeat: its first date-time is the original's, this one's is new.

    Args:
        apdu: as it was sent, the first time or later.
        at: now, in the sender's zone.
    """
    known = apdu.service_date_time
    this = known.date_time_of_this_service
    original = known.date_time_of_original_service or ill.DateTimeOfOriginalService(
        date=this.date, time=this.time
    )
    again = ill.ServiceDateTime(
        date_time_of_this_service=ill.DateTimeOfThisService(
            date=compose.iso_date(at), time=compose.iso_time(at)
        ),
        date_time_of_original_service=original,
    )
    return dataclasses.replace(apdu, service_date_time=again)


def request_of(
    wished: NewRequest, profile: Partner, *, them: Symbol, qualifier: str, at: dt.datetime
) -> ILLRequest:
    """The ILL-Request by which the partner asks for something.

    Args:
        wished: what it asks for.
        profile: the partner, as borrower.
        them: the symbol of the library that is asked.
        qualifier: a text that no request of this partner had before.
        at: now, in the partner's zone.

    Raises:
        PrimitiveInvalidError: something in the request cannot be said.
    """
    asked = system_id_of(profile.symbols[0])
    return dataclasses.replace(
        _any_request(),
        transaction_id=ill.TransactionId(
            initial_requester_id=asked,
            transaction_group_qualifier=GeneralString.from_text("SIMULATION"),
            transaction_qualifier=GeneralString.from_text(qualifier),
        ),
        service_date_time=ill.ServiceDateTime(
            date_time_of_this_service=ill.DateTimeOfThisService(
                date=compose.iso_date(at), time=compose.iso_time(at)
            )
        ),
        requester_id=asked,
        responder_id=system_id_of(them),
        iLL_service_type=wished.services,
        item_id=ill.ItemId(title=GeneralString.from_text(wished.item.title or "")),
    )


def trial_request(wished: NewRequest) -> None:
    """Compose a request for nobody, to see whether it can be said at all.

    Raises:
        PrimitiveInvalidError: it cannot.
    """


def trial(primitive: primitives.SingleApduPrimitive) -> None:
    """Compose a primitive for nobody, to see whether it can be said at all.

    Raises:
        PrimitiveInvalidError: it cannot.
    """
    request = _any_request()
    frame = compose.frame_for(request, local=_ANYBODY, partner=_ANYBODY, at=_ANY_TIME)
    compose.apdu_for(primitive, request, frame)


def _any_request() -> ILLRequest:
    anybody = system_id_of(_ANYBODY)
    return ILLRequest(
        protocol_version_num=ill.VERSION_2,
        transaction_id=ill.TransactionId(
            initial_requester_id=anybody,
            transaction_group_qualifier=GeneralString.from_text("SIMULATION"),
            transaction_qualifier=GeneralString.from_text("1"),
        ),
        service_date_time=ill.ServiceDateTime(
            date_time_of_this_service=ill.DateTimeOfThisService(date="20260105", time="100000")
        ),
        requester_id=anybody,
        responder_id=anybody,
        iLL_service_type=(ill.ILLServiceType.loan,),
        requester_optional_messages=ill.RequesterOptionalMessagesType(
            can_send_RECEIVED=True,
            can_send_RETURNED=True,
            requester_SHIPPED=ill.OptionalMessage.desires,
            requester_CHECKED_IN=ill.OptionalMessage.desires,
        ),
        item_id=ill.ItemId(title=GeneralString.from_text("A title")),
    )
