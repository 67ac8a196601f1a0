"""Halves, events and a moment for the machine's tests."""

from datetime import UTC, datetime
from typing import Final

from iso_gateway.protocol.events import Event
from iso_gateway.protocol.machine import Outcome, advance
from iso_gateway.protocol.states import Flags, HalfState, Role, State, TableProfile

NOW: Final = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def half(
    state: State = State.IDLE,
    *flags: str,
    tables: TableProfile = TableProfile.STRICT,
    role: Role = Role.RESPONDER,
) -> HalfState:
    """A half in a state, with these flags set beside those that a fresh half has."""
    names = (*Flags().to_names(), *flags)
    return HalfState(role=role, tables=tables, state=state, flags=Flags.from_names(names))


def after(start: HalfState, *events: Event) -> Outcome:
    """The outcome of the last of several events."""
    outcomes = []
    for event in events:
        outcomes.append(advance(start, event, NOW))
        start = outcomes[-1].state
    return outcomes[-1]
