"""APDUs that a partner sends us: one call each, what matters to the test as arguments.

`ill_request` begins a transaction. The others are about one and take its identifiers from it, so
`cancel(request)` is a CANCEL of that request, whether it was ever sent or not.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypedDict, TypeVar

from asn1 import ill
from asn1.ill import ILLApdu, ILLRequest, ILLServiceType
from asn1.schema import GeneralString

A = TypeVar("A", bound=ILLApdu)

#: The rehearsal partner of the starting configuration: it is acknowledged by a status report.
YAZ: Final = "ILLUME:YAZ"
#: The symbol that the starting configuration serves.
BEX: Final = "ILLUME:BEX"
#: The service-date-time of a request; every later service is a little later by default.
BEGUN: Final = datetime(2026, 11, 16, 10, 15)  # noqa: DTZ001 - the protocol's times are local, without zone
LATER: Final = BEGUN + timedelta(hours=1)


class Beginning(TypedDict):
    """The components that every APDU begins with."""

    protocol_version_num: int
    transaction_id: ill.TransactionId
    service_date_time: ill.ServiceDateTime
    requester_id: ill.SystemId | None
    responder_id: ill.SystemId | None


def text(value: str | bytes) -> GeneralString:
    """Give a GeneralString of a text in UTF-8, or of octets as they are."""
    return GeneralString(value if isinstance(value, bytes) else value.encode())


def system_id(symbol: str | bytes) -> ill.SystemId:
    """Give the System-Id of an institution."""
    return ill.SystemId(
        person_or_institution_symbol=ill.PersonOrInstitutionSymbol(institution_symbol=text(symbol))
    )


def service_date_time(at: datetime) -> ill.ServiceDateTime:
    """Give the service-date-time of a first sending."""
    this = ill.DateTimeOfThisService(date=f"{at:%Y%m%d}", time=f"{at:%H%M%S}")
    return ill.ServiceDateTime(date_time_of_this_service=this)


def ill_request(
    *,
    title: str | bytes = "The Penelopiad",
    author: str | bytes = "Atwood, Margaret",
    transaction: str | bytes = "2026-000117",
    group: str | bytes = "INTERLENDING",
    requester: str | bytes = YAZ,
    responder: str | bytes = BEX,
    at: datetime = BEGUN,
    version: int = 2,
    service: ILLServiceType = ILLServiceType.loan,
    patron: str | bytes | None = None,
    street: str | bytes | None = None,
    note: str | bytes | None = None,
    forwardable: bool = False,
) -> ILLRequest:
    """Give an ILL-Request.

    Args:
        title, author: of a monograph.
        transaction, group: the two qualifiers of the Transaction-Id.
        requester, responder: symbols; the requester is the initial requester too.
        at: the service-date-time, local to the requester.
        version: protocol-version-num.
        service: the one service that is asked for.
        patron: client-name; None sends no Client-Id.
        street: street-and-number of the delivery address; None sends no address.
        note: requester-note.
        forwardable: permission-to-forward.
    """
    return ILLRequest(
        protocol_version_num=version,
        transaction_id=ill.TransactionId(
            initial_requester_id=system_id(requester),
            transaction_group_qualifier=text(group),
            transaction_qualifier=text(transaction),
        ),
        service_date_time=service_date_time(at),
        requester_id=system_id(requester),
        responder_id=system_id(responder),
        delivery_address=None
        if street is None
        else ill.DeliveryAddress(postal_address=ill.PostalAddress(street_and_number=text(street))),
        iLL_service_type=(service,),
        requester_optional_messages=ill.RequesterOptionalMessagesType(
            can_send_RECEIVED=True,
            can_send_RETURNED=True,
            requester_SHIPPED=ill.OptionalMessage.requires,
            requester_CHECKED_IN=ill.OptionalMessage.desires,
        ),
        client_id=None if patron is None else ill.ClientId(client_name=text(patron)),
        item_id=ill.ItemId(item_type=ill.ItemType.monograph, author=text(author), title=text(title)),
        third_party_info_type=ill.ThirdPartyInfoType(permission_to_forward=True) if forwardable else None,
        requester_note=None if note is None else text(note),
    )


def message(request: ILLRequest, note: str | bytes = "Any news?", *, at: datetime = LATER) -> ill.Message:
    """Give a MESSAGE."""
    return ill.Message(**_beginning(request, at), note=text(note))


def status_query(request: ILLRequest, *, at: datetime = LATER) -> ill.StatusQuery:
    """Give a STATUS-QUERY."""
    return ill.StatusQuery(**_beginning(request, at))


def cancel(request: ILLRequest, *, at: datetime = LATER) -> ill.Cancel:
    """Give a CANCEL."""
    return ill.Cancel(**_beginning(request, at))


def conditional_reply(
    request: ILLRequest, *, answer: bool = True, at: datetime = LATER
) -> ill.ConditionalReply:
    """Give a CONDITIONAL-REPLY."""
    return ill.ConditionalReply(**_beginning(request, at), answer=answer)


def received(request: ILLRequest, *, at: datetime = LATER) -> ill.Received:
    """Give a RECEIVED of a loan."""
    return ill.Received(
        **_beginning(request, at), date_received=f"{at:%Y%m%d}", shipped_service_type=ILLServiceType.loan
    )


def renew(request: ILLRequest, *, at: datetime = LATER) -> ill.Renew:
    """Give a RENEW."""
    return ill.Renew(**_beginning(request, at), desired_due_date=f"{at + timedelta(days=28):%Y%m%d}")


def returned(request: ILLRequest, *, at: datetime = LATER) -> ill.Returned:
    """Give a RETURNED."""
    return ill.Returned(**_beginning(request, at), date_returned=f"{at:%Y%m%d}")


def lost(request: ILLRequest, *, at: datetime = LATER) -> ill.Lost:
    """Give a LOST."""
    return ill.Lost(**_beginning(request, at))


def error_report(request: ILLRequest, *, at: datetime = LATER) -> ill.StatusOrErrorReport:
    """Give a STATUS-OR-ERROR-REPORT that complains of something."""
    return ill.StatusOrErrorReport(
        **_beginning(request, at),
        error_report=ill.ErrorReport(
            correlation_information=text("SHIPPED 20261117 090000"),
            report_source=ill.ReportSource.provider,
            provider_error_report=ill.ProviderErrorReport(general_problem=ill.GeneralProblem.mistyped_APDU),
        ),
    )


def repeat_of(apdu: A, *, at: datetime = LATER) -> A:
    """Give a repeat of an APDU: sent again at another time, with the time of its first sending."""
    this = apdu.service_date_time.date_time_of_this_service
    repeated = replace(
        service_date_time(at),
        date_time_of_original_service=ill.DateTimeOfOriginalService(date=this.date, time=this.time),
    )
    return replace(apdu, service_date_time=repeated)


def _beginning(request: ILLRequest, at: datetime) -> Beginning:
    return Beginning(
        protocol_version_num=request.protocol_version_num,
        transaction_id=request.transaction_id,
        service_date_time=service_date_time(at),
        requester_id=request.requester_id,
        responder_id=request.responder_id,
    )
