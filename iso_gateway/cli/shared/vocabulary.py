"""The words of library staff for what the protocol and the store call otherwise.

Borrower and lender for requester and responder; a state in words with the standard's name behind it. The four
words for what became of a message are never mixed up: stored, waiting to send, delivered, not delivered.
"""

from datetime import datetime
from typing import Final

import typer

from iso_gateway.protocol.states import Role, State

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
    """The state of a standard's name, whatever the case of its letters; a blank may stand for a hyphen.

    Raises:
        typer.BadParameter: there is none.
    """
    try:
        return State(name.upper().replace(" ", "-"))
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


def counted(number: int, noun: str) -> str:
    """`1 request`, `2 requests`; of several words the last one is that of which there are several."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def moment(at: datetime) -> str:
    """A time for people, in the zone of this machine, or in the one that it was given."""
    return at.strftime("%Y-%m-%d %H:%M:%S")
