"""The words of library staff for what the protocol and the store call otherwise.

Borrower and lender for requester and responder; a state in words with the standard's name behind it. The four
words for what became of a message are never mixed up: stored, waiting to send, delivered, not delivered.
"""

from datetime import datetime
from typing import Final, assert_never

import typer

from iso_gateway.failure import Failure, advice
from iso_gateway.protocol.states import Role, State
from iso_gateway.store.records import (
    BreakerState,
    OutboxKind,
    OutboxRecord,
    OutboxStatus,
    PartnerStateRecord,
    Unmailed,
)

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


def state_named(name: str) -> State:
    """The state of a standard's name, whatever the case of its letters.

    Raises:
        typer.BadParameter: there is none.
    """
    try:
        return State(name.upper())
    except ValueError:
        known = ", ".join(State)
        raise typer.BadParameter(f"{name!r} is no state; states are {known}", param_hint="--state") from None


def role_in_words(role: str) -> str:
    """`borrower` or `lender`."""
    return _ROLES[Role(role)]


def role_of(side: str) -> Role:
    """The role of the `borrower` or `lender`."""
    return next(role for role, words in _ROLES.items() if words == side)


def towards(role: str) -> str:
    """How we stand to our partner: `borrow from` them, or `lend to` them."""
    return "borrow from" if Role(role) is Role.REQUESTER else "lend to"


def moment(at: datetime) -> str:
    """A time for people, in the zone of this machine, or in the one that it was given."""
    return at.strftime("%Y-%m-%d %H:%M:%S")


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


def why_waiting(row: OutboxRecord, state: PartnerStateRecord, *, first: bool) -> str:
    """Why something has not been sent yet, and what can be done, in the gateway's words.

    Args:
        row: what waits.
        state: what stands between us and its partner.
        first: whether nothing of its lane stands in front of it.
    """
    if row.status is OutboxStatus.HELD:
        if row.held_by is not None:
            return f"{row.held_by} holds it back: waiting release lets it go"
        return f"{row.last_error}: find out, then waiting release, or waiting release --as-delivered"
    if not first:
        return "an earlier message of the same request has to be delivered first"
    if state.suspended:
        return f"{state.suspended_by} suspended its partner: partners resume {state.partner} goes on"
    if row.status is OutboxStatus.SENDING:
        return "it is being tried"
    blocked = state.breaker is not BreakerState.CLOSED and row.kind is OutboxKind.MESSAGE
    if blocked and state.last_error is not None:
        error = _with_advice(state.last_error, state.failure)
        return f"{state.partner} takes nothing now, and one is tried for all: {error}"
    if row.last_error is not None:
        return _with_advice(row.last_error, row.failure)
    if state.paced_until is not None:
        return "what has waited goes out slowly, because its partner was suspended"
    return "it is its turn: is the gateway running?"


def unmailed_in_words(why: Unmailed) -> str:
    """Why no mail says where a document is."""
    match why:
        case Unmailed.LOGIN:
            return "not mailed: its borrower logs in to Illume"
        case Unmailed.NO_ADDRESS:
            return "not mailed: the partner's file has no document_email"
        case Unmailed.NO_MAIL_SERVER:
            return "not mailed: gateway.toml has no [mail], or our library no public_mail"
        case _:
            assert_never(why)


def _with_advice(error: str, failure: Failure | None) -> str:
    return error if failure is None else f"{error}; {advice(failure)}"
