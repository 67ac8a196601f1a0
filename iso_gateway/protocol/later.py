"""Whether an APDU that is not allowed now may only be early: some state that can still follow allows it.

Mail and parallel connections overtake each other, so what comes too early is worth holding for a while
(protocol.md 2.5, inferred). The answer is computed from the tables: every row is followed that is not ruled
out for good. What can still change is taken to change (a condition that depends on an APDU to come, such as
the kind of loan); what has happened cannot be undone (SHIPPED and RETURNED were exchanged).
"""

from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple, assert_never

from iso_gateway.protocol.events import ApduReceived, Event, EventKey, EventKind, Service, key_of
from iso_gateway.protocol.machine import Verdict, advance
from iso_gateway.protocol.states import HalfState, Role, State, TableProfile
from iso_gateway.protocol.tables import TABLES, Answer, Predicate, Row

#: What is allowed does not depend on the moment.
_ANY_MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)


class _Place(NamedTuple):
    """A half without what can still change either way."""

    role: Role
    tables: TableProfile
    state: State
    shipped_seen: bool
    returned_seen: bool


def could_be_allowed_later(state: HalfState, event: Event) -> bool:
    """Whether an event that is not allowed now may be allowed after others have happened.

    True only of APDUs: a wish of the local side is refused at once, and a timer waits by itself. False of
    what is allowed now; of a second ILL-REQUEST, which stays a duplicate; and of anything for a requester
    that has requested nothing, because no one can answer what was not asked.
    """
    if not isinstance(event, ApduReceived):
        return False
    if advance(state, event, _ANY_MOMENT).verdict not in (Verdict.PROHIBITED, Verdict.UNKNOWN_TRANSACTION):
        return False
    if state.state is State.IDLE and state.role is Role.REQUESTER:
        return False
    place = _Place(
        role=state.role,
        tables=state.tables,
        state=state.state,
        shipped_seen=state.flags.shipped_seen,
        returned_seen=state.flags.returned_seen,
    )
    return (key_of(event), event.repeat) in _allowed_after(place)


@cache
def _allowed_after(start: _Place) -> frozenset[tuple[EventKey, bool]]:
    """The APDUs, and whether as a repeat, that some place allows to which at least one step leads."""
    reached: set[_Place] = set()
    waiting = [start]
    while waiting:
        for place in _next_places(waiting.pop()):
            if place not in reached:
                reached.add(place)
                waiting.append(place)
    return frozenset(
        (row.event, repeat)
        for place in reached
        for row in _rows_of(place)
        for repeat in (False, True)
        if row.event.kind is EventKind.APDU
        and row.answer is not Answer.ALREADY_FORWARDED
        and _may_apply(row, place, repeat=repeat)
    )


def _rows_of(place: _Place) -> tuple[Row, ...]:
    return tuple(row for (state, _), row in TABLES[place.role].items() if state is place.state)


def _next_places(place: _Place) -> set[_Place]:
    """Where one event leads, that may be marked as a repeat or not."""
    return {
        place._replace(
            state=row.next_state,
            shipped_seen=place.shipped_seen or row.event.service is Service.SHI,
            returned_seen=place.returned_seen or row.event.service is Service.RET,
        )
        for row in _rows_of(place)
        if _may_apply(row, place, repeat=True) or _may_apply(row, place, repeat=False)
    }


def _may_apply(row: Row, place: _Place, *, repeat: bool) -> bool:
    either = not row.when or any(_may_hold(one, place, repeat=repeat) for one in row.when)
    return either and all(_may_hold(one, place, repeat=repeat) for one in row.also)


def _may_hold(predicate: Predicate, place: _Place, *, repeat: bool) -> bool:
    """Whether a condition may come to hold, as far as the place decides it."""
    match predicate:
        case Predicate.REPEAT:
            return repeat
        case Predicate.LENIENT:
            return place.tables is TableProfile.LENIENT
        case Predicate.SHIPPED_NOT_EXCHANGED:
            return not place.shipped_seen
        case Predicate.RETURNED_NOT_SENT:
            return not place.returned_seen
        case (
            Predicate.LOAN
            | Predicate.CROSSING
            | Predicate.LATE
            | Predicate.FORWARDED
            | Predicate.MAY_FORWARD
            | Predicate.EXPIRY_RUNNING
            | Predicate.LOST_ON_THE_WAY_BACK
            | Predicate.RECEIVED_NOT_SENT
        ):
            return True
        case _:
            assert_never(predicate)
