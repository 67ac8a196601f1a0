"""What an APDU means to the protocol machine: its service, who receives it, the facts the tables ask for."""

import enum
from dataclasses import replace
from datetime import date, datetime, tzinfo
from typing import assert_never

from asn1 import ill
from asn1.ill import ILLApdu, ILLServiceType, TransactionResults
from config.settings import ApduName, LocalSymbol, Partner
from iso_gateway.compose import ANSWER_SERVICES, Terms
from iso_gateway.protocol.events import Facts, Service
from iso_gateway.protocol.states import Role
from iso_gateway.protocol.timers import Days, end_of


class Direction(enum.Enum):
    """Which way an APDU type travels (protocol.md section 4)."""

    TO_RESPONDER = "to-responder"
    TO_REQUESTER = "to-requester"
    EITHER = "either"


def direction_of(apdu_type: type[ILLApdu]) -> Direction:
    """Which way APDUs of a type travel. For five types the APDU itself does not say."""
    if apdu_type in _TO_RESPONDER:
        return Direction.TO_RESPONDER
    if apdu_type in _EITHER:
        return Direction.EITHER
    return Direction.TO_REQUESTER


_TO_RESPONDER = frozenset(
    {ill.ILLRequest, ill.ConditionalReply, ill.Cancel, ill.Received, ill.Returned, ill.Renew}
)
_EITHER = frozenset({ill.Message, ill.StatusQuery, ill.StatusOrErrorReport, ill.Lost, ill.Damaged})


def receiving_role(direction: Direction) -> Role | None:
    """The role of whoever receives an APDU; None where its type does not tell."""
    match direction:
        case Direction.TO_RESPONDER:
            return Role.RESPONDER
        case Direction.TO_REQUESTER:
            return Role.REQUESTER
        case Direction.EITHER:
            return None
        case _:
            assert_never(direction)


def service_of(apdu: ILLApdu) -> Service | None:
    """The service, as the state tables name it; None for an ILL-Answer whose result is unlisted."""
    match apdu:
        case ill.ILLAnswer(transaction_results=result):
            return ANSWER_SERVICES[result] if isinstance(result, TransactionResults) else None
        case ill.ConditionalReply(answer=answer):
            return Service.C_REP_YES if answer else Service.C_REP_NO
        case ill.CancelReply(answer=answer):
            return Service.CAR_YES if answer else Service.CAR_NO
        case ill.RenewAnswer(answer=answer):
            return Service.REA_YES if answer else Service.REA_NO
        case _:
            return _SERVICES[type(apdu)]


_SERVICES: dict[type[ILLApdu], Service] = {
    ill.ILLRequest: Service.ILL,
    ill.ForwardNotification: Service.FWN,
    ill.Shipped: Service.SHI,
    ill.Cancel: Service.CAN,
    ill.Received: Service.RCV,
    ill.Recall: Service.RCL,
    ill.Returned: Service.RET,
    ill.CheckedIn: Service.CHK,
    ill.Overdue: Service.DUE,
    ill.Renew: Service.REN,
    ill.Lost: Service.LST,
    ill.Damaged: Service.DAM,
    ill.Message: Service.MSG,
    ill.StatusQuery: Service.STQ,
    ill.StatusOrErrorReport: Service.STR,
    ill.Expired: Service.EXP,
}


def is_marked_repeat(apdu: ILLApdu) -> bool:
    """Whether the APDU says that it is a repeat: date-time-of-original-service is there and not blank."""
    original = apdu.service_date_time.date_time_of_original_service
    return original is not None and bool(original.date.strip())


def says_again(apdu: ILLApdu, known: ILLApdu, *, stood_in: bool) -> bool:
    """Whether an APDU says once more what one of the same service has said (protocol.md 2.2).

    It is a repeat of that one, or of the same lost original; or it is the original, overtaken by its repeat.

    Args:
        apdu: what came.
        known: what had its effect before.
        stood_in: whether that was a repeat that did the work of an original which had not come.
    """
    if is_marked_repeat(apdu):
        return _repeats(apdu, known) or (stood_in and _repeat_the_same(apdu, known))
    return stood_in and _repeats(known, apdu, to_the_second=True) and differ_in_time_only(apdu, known)


def differ_in_time_only(one: ILLApdu, other: ILLApdu) -> bool:
    """Whether two APDUs are equal but for their service-date-time, and for being marked as a repeat by it."""
    return replace(one, service_date_time=other.service_date_time) == other


def _repeats(repeat: ILLApdu, original: ILLApdu, *, to_the_second: bool = False) -> bool:
    """Whether the date-time that a repeat gives for its original is that of an APDU that we have.

    With `to_the_second` not where one of them leaves the time out.
    """
    named = repeat.service_date_time.date_time_of_original_service
    this = original.service_date_time.date_time_of_this_service
    if named is None or named.date != this.date:
        return False
    if not named.time or not this.time:
        return not to_the_second
    return named.time == this.time


def _repeat_the_same(one: ILLApdu, other: ILLApdu) -> bool:
    """Whether two repeats give the same date-time for their original."""
    named = one.service_date_time.date_time_of_original_service
    return named is not None and named == other.service_date_time.date_time_of_original_service


def facts_received(apdu: ILLApdu, partner: Partner, local: LocalSymbol, *, original_seen: bool) -> Facts:
    """What the tables need to know of the contents of an APDU that came from a partner.

    What the partner says that it can send, it can send only where its profile says so too.

    Args:
        apdu: what was received.
        partner: who sent it.
        local: who received it; a request expires in its days (protocol.md 2.6, inferred).
        original_seen: for a repeat, whether the record holds the sending that it repeats.
    """
    sends, accepts = partner.capabilities.sends, partner.capabilities.accepts
    match apdu:
        case ill.ILLRequest():
            optional = apdu.requester_optional_messages
            return Facts(
                may_forward=_permits_forwarding(apdu),
                can_send_shipped=local.optional_messages.sends_shipped and ApduName.SHIPPED in accepts,
                can_send_received=optional.can_send_RECEIVED and ApduName.RECEIVED in sends,
                can_send_returned=optional.can_send_RETURNED and ApduName.RETURNED in sends,
                expires_at=end_of_request(apdu, local.zone),
                original_seen=original_seen,
            )
        case ill.ILLAnswer() | ill.Shipped():
            return Facts(
                loan=_loan(apdu),
                can_send_shipped=_can_send_shipped(apdu, able=ApduName.SHIPPED in sends),
                original_seen=original_seen,
            )
        case _:
            return Facts(loan=_loan(apdu), original_seen=original_seen)


def facts_sent(apdu: ILLApdu, partner: Partner, *, original_seen: bool = False) -> Facts:
    """What the tables need to know of the contents of an APDU that goes to a partner.

    Args:
        apdu: what is sent.
        partner: to whom.
        original_seen: that it is the repeat of an APDU that was sent before.
    """
    sends, accepts = partner.capabilities.sends, partner.capabilities.accepts
    match apdu:
        case ill.ILLRequest():
            optional = apdu.requester_optional_messages
            return Facts(
                may_forward=_permits_forwarding(apdu),
                can_send_shipped=ApduName.SHIPPED in sends,
                can_send_received=optional.can_send_RECEIVED,
                can_send_returned=optional.can_send_RETURNED,
                original_seen=original_seen,
            )
        case ill.ILLAnswer() | ill.Shipped():
            return Facts(
                loan=_loan(apdu),
                can_send_shipped=_can_send_shipped(apdu, able=ApduName.SHIPPED in accepts),
                original_seen=original_seen,
            )
        case _:
            return Facts(loan=_loan(apdu), original_seen=original_seen)


def unmet(apdu: ILLApdu, terms: Terms) -> tuple[ApduName, ...]:
    """The optional messages that the sender of an APDU requires, and that we do not send (protocol.md 2.7).

    Args:
        apdu: what was received.
        terms: what our settings and the partner's profile say.
    """
    wanted: tuple[tuple[object, bool, ApduName], ...]
    match apdu:
        case ill.ILLRequest(requester_optional_messages=asked):
            as_lender = terms.as_responder
            wanted = (
                (asked.requester_SHIPPED, as_lender.can_send_SHIPPED, ApduName.SHIPPED),
                (asked.requester_CHECKED_IN, as_lender.can_send_CHECKED_IN, ApduName.CHECKED_IN),
            )
        case (
            ill.ILLAnswer(responder_optional_messages=ill.ResponderOptionalMessagesType() as demanded)
            | ill.Shipped(responder_optional_messages=ill.ResponderOptionalMessagesType() as demanded)
        ):
            as_borrower = terms.as_requester
            wanted = (
                (demanded.responder_RECEIVED, as_borrower.can_send_RECEIVED, ApduName.RECEIVED),
                (demanded.responder_RETURNED, as_borrower.can_send_RETURNED, ApduName.RETURNED),
            )
        case _:
            wanted = ()
    return tuple(name for wish, able, name in wanted if wish is ill.OptionalMessage.requires and not able)


def impossible(apdu: ILLApdu, terms: Terms) -> tuple[ApduName, ...]:
    """The optional messages that we require as lender, and that a requester says it cannot send (inferred).

    Args:
        apdu: what was received.
        terms: what our settings and the partner's profile say.
    """
    if not isinstance(apdu, ill.ILLRequest):
        return ()
    asked, told = terms.as_responder, apdu.requester_optional_messages
    demands = (
        (asked.responder_RECEIVED, told.can_send_RECEIVED, ApduName.RECEIVED),
        (asked.responder_RETURNED, told.can_send_RETURNED, ApduName.RETURNED),
    )
    return tuple(name for wish, able, name in demands if wish is ill.OptionalMessage.requires and not able)


def days_of(apdu: ILLApdu) -> Days:
    """The days that an APDU names and that deadlines follow from; one that cannot be read is none."""
    match apdu:
        case ill.ILLAnswer(results_explanation=ill.ResultsExplanation(conditional_results=results)) if (
            results
        ):
            return Days(reply_by=day_of(results.date_for_reply))
        case ill.Shipped(supply_details=ill.SupplyDetails(date_due=due)) | ill.RenewAnswer(date_due=due) if (
            due
        ):
            return Days(due=day_of(due.date_due_field))
        case _:
            return Days()


def day_of(iso_date: str | None) -> date | None:
    """The day that an ISO-Date names, `YYYYMMDD`; None where it names none."""
    digits = "" if iso_date is None else iso_date.strip()
    if len(digits) != 8 or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def end_of_request(request: ill.ILLRequest, zone: tzinfo) -> datetime | None:
    """When a request expires: the end of the day that its search-type names (protocol.md 2.6, inferred)."""
    search = request.search_type
    if search is None:
        return None
    match search.expiry_flag:
        case ill.ExpiryFlag.need_Before_Date:
            day = day_of(search.need_before_date)
        case ill.ExpiryFlag.other_Date:
            day = day_of(search.expiry_date)
        case _:
            day = None
    return None if day is None else end_of(day, zone)


def _permits_forwarding(request: ill.ILLRequest) -> bool:
    third_party = request.third_party_info_type
    return third_party is not None and third_party.permission_to_forward


def _can_send_shipped(apdu: ill.ILLAnswer | ill.Shipped, *, able: bool) -> bool | None:
    if not able:
        return False
    optional = apdu.responder_optional_messages
    return None if optional is None else optional.can_send_SHIPPED


def _loan(apdu: ILLApdu) -> bool | None:
    match apdu:
        case ill.Shipped(shipped_service_type=kind) | ill.Received(shipped_service_type=kind):
            return kind is ILLServiceType.loan
        case _:
            return None
