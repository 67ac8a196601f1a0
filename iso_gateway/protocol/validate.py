"""Whether a role's rows are sound: what a slip in the data would break, found before any message meets it.

A test runs it over the tables that ship; it is code and not a test, so that later tables get the same check.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from iso_gateway.protocol.events import EventKind, Service
from iso_gateway.protocol.states import STATES, TERMINAL, Role, State
from iso_gateway.protocol.tables import Answer, Row

#: Who sends an APDU of which service (protocol.md 2); both sides send those that are in neither set.
REQUESTER_SENDS: Final[frozenset[Service]] = frozenset(
    {
        Service.ILL,
        Service.C_REP_YES,
        Service.C_REP_NO,
        Service.CAN,
        Service.RCV,
        Service.REN,
        Service.RET,
    }
)
RESPONDER_SENDS: Final[frozenset[Service]] = frozenset(
    {
        Service.FWN,
        Service.SHI,
        Service.ANS_CO,
        Service.ANS_RY,
        Service.ANS_UN,
        Service.ANS_LP,
        Service.ANS_WS,
        Service.ANS_HP,
        Service.ANS_ES,
        Service.CAR_YES,
        Service.CAR_NO,
        Service.RCL,
        Service.CHK,
        Service.DUE,
        Service.REA_YES,
        Service.REA_NO,
        Service.EXP,
    }
)

#: The one way out of an end state: an item that was returned is lost on the way back (protocol.md 2).
LISTED_EXITS: Final[frozenset[tuple[Role, State, State]]] = frozenset(
    {(Role.REQUESTER, State.RETURNED, State.LOST)}
)


def problems(role: Role, rows: Sequence[Row]) -> tuple[str, ...]:
    """What is wrong with the rows of a role, one sentence each; empty when they are sound."""
    return (
        *(problem for row in rows for problem in _of_row(role, row)),
        *_duplicates(rows),
        *_unreachable(rows),
        *_dead_ends(role, rows),
    )


def _of_row(role: Role, row: Row) -> Iterable[str]:
    if row.role is not role:
        yield f"{row.name}: stands among the rows of the {role}"
    for state in dict.fromkeys((row.state, row.next_state)):
        if state not in STATES[role]:
            yield f"{row.name}: the {role} has no state {state}"
    if row.next_state is State.IDLE:
        yield f"{row.name}: leads back to IDLE"
    if len({*row.when, *row.also}) < len(row.when) + len(row.also):
        yield f"{row.name}: names a predicate twice"
    if row.answer is not Answer.NONE and row.event.kind is not EventKind.APDU:
        yield f"{row.name}: answers something that is not an APDU"
    if not _is_of_the_right_side(role, row):
        yield f"{row.name}: {row.event.service.phrase} is not for this side"
    leaves = row.state in TERMINAL[role] and row.next_state is not row.state
    if leaves and (role, row.state, row.next_state) not in LISTED_EXITS:
        yield f"{row.name}: leaves the end state {row.state}"


def _is_of_the_right_side(role: Role, row: Row) -> bool:
    ours, theirs = (
        (REQUESTER_SENDS, RESPONDER_SENDS) if role is Role.REQUESTER else (RESPONDER_SENDS, REQUESTER_SENDS)
    )
    match row.event.kind:
        case EventKind.APDU:
            return row.event.service not in ours
        case EventKind.PRIMITIVE:
            # Why: EXPIRED is sent by the provider; no user asks for it (protocol.md 2.6).
            return row.event.service not in theirs and row.event.service is not Service.EXP
        case EventKind.TIMER:
            return role is Role.RESPONDER and row.event.service is Service.EXP
        case _:
            assert_never(row.event.kind)


def _duplicates(rows: Sequence[Row]) -> Iterable[str]:
    for (state, event), count in Counter((row.state, row.event) for row in rows).items():
        if count > 1:
            yield f"{state}/{event.code}: {count} rows, of which only the last would count"


def _unreachable(rows: Sequence[Row]) -> Iterable[str]:
    reached = {State.IDLE}
    while more := {row.next_state for row in rows if row.state in reached} - reached:
        reached |= more
    for state in dict.fromkeys(row.state for row in rows):
        if state not in reached:
            yield f"{state}: has rows, but none lead to it"


def _dead_ends(role: Role, rows: Sequence[Row]) -> Iterable[str]:
    left = {row.state for row in rows if row.next_state is not row.state}
    for state in dict.fromkeys(row.next_state for row in rows):
        if state not in left and state not in TERMINAL[role]:
            yield f"{state}: is no end state, but no row leaves it"
