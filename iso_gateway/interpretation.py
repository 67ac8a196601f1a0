"""What an APDU means to the protocol machine: its service, who receives it, the facts the tables ask for."""

import enum
from typing import assert_never

from asn1 import ill
from asn1.ill import ILLApdu, ILLServiceType, TransactionResults
from iso_gateway.compose import ANSWER_SERVICES
from iso_gateway.protocol.events import Facts, Service
from iso_gateway.protocol.states import Role


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


def facts_of(apdu: ILLApdu, *, original_seen: bool) -> Facts:
    """What the tables need to know of an APDU's contents.

    Args:
        apdu: what was received.
        original_seen: for a repeat, whether the record holds the sending that it repeats.
    """
    match apdu:
        case ill.ILLRequest():
            third_party = apdu.third_party_info_type
            return Facts(
                may_forward=third_party is not None and third_party.permission_to_forward,
                can_send_shipped=True,
                can_send_received=apdu.requester_optional_messages.can_send_RECEIVED,
                can_send_returned=apdu.requester_optional_messages.can_send_RETURNED,
                original_seen=original_seen,
            )
        case ill.Shipped(shipped_service_type=kind) | ill.Received(shipped_service_type=kind):
            return Facts(loan=kind is ILLServiceType.loan, original_seen=original_seen)
        case _:
            return Facts(original_seen=original_seen)
