"""The words of library staff for what the protocol and the store call otherwise.

Borrower and lender for requester and responder; a state in words with the standard's name behind it. The four
words for what became of a message are never mixed up: stored, waiting to send, delivered, not delivered.
"""

from typing import Final, assert_never

from iso_gateway.protocol.states import Role, State
from iso_gateway.reception import Verdict
from iso_gateway.store.records import OutboxStatus

_STATES: Final = {
    State.IDLE: "Not begun",
    State.PENDING: "Pending",
    State.NOT_SUPPLIED: "Not supplied",
    State.CONDITIONAL: "Conditional",
    State.CANCEL_PENDING: "Cancellation asked for",
    State.CANCELLED: "Cancelled",
    State.SHIPPED: "Shipped",
    State.RECEIVED: "Received",
    State.RENEW_PENDING: "Renewal asked for",
    State.NOT_RECEIVED_OVERDUE: "Overdue, never received",
    State.OVERDUE: "Overdue",
    State.RENEW_OVERDUE: "Renewal asked for, overdue",
    State.RECALL: "Recalled",
    State.RETURNED: "Returned",
    State.LOST: "Lost",
    State.IN_PROCESS: "Pending",
    State.FORWARD: "Forwarded",
    State.CHECKED_IN: "Checked in",
}

_ROLES: Final = {Role.REQUESTER: "borrower", Role.RESPONDER: "lender"}


def state_in_words(state: str) -> str:
    """`Pending (IN-PROCESS)`, or `Shipped` where the words are the name.

    A state that this version does not know keeps its name alone.
    """
    try:
        words = _STATES[State(state)]
    except ValueError:
        return state
    return words if words.upper().replace(" ", "-") == state else f"{words} ({state})"


def role_in_words(role: str) -> str:
    """`borrower` or `lender`."""
    return _ROLES[Role(role)]


def kind_in_words(apdu_type: str | None, verdict: str | None) -> str:
    """What a message is: the name of its APDU, or what it is instead."""
    if apdu_type is not None:
        return apdu_type
    return {Verdict.NO_APDU.value: "mail", Verdict.MAIL_NOTICE.value: "notice about a mail"}.get(
        verdict or "", "unreadable"
    )


def fate_in_words(status: OutboxStatus) -> str:
    """What became of a message that is to be sent."""
    match status:
        case OutboxStatus.WAITING:
            return "waiting to send"
        case OutboxStatus.SENDING:
            return "being sent"
        case OutboxStatus.HELD:
            return "held back"
        case OutboxStatus.DELIVERED:
            return "delivered"
        case OutboxStatus.NOT_DELIVERED:
            return "not delivered"
        case _:
            assert_never(status)
