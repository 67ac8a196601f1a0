"""The tables as text for people, made from the data: docs/protocol.md holds it, and a test compares."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from iso_gateway.protocol.events import EventKey, EventKind, Service
from iso_gateway.protocol.states import STATES, Role, State
from iso_gateway.protocol.tables import ALWAYS, TABLES, Row

_PROCESSING: Final = frozenset(
    {
        State.IDLE,
        State.PENDING,
        State.IN_PROCESS,
        State.FORWARD,
        State.NOT_SUPPLIED,
        State.CONDITIONAL,
        State.CANCEL_PENDING,
        State.CANCELLED,
    }
)


def tables_in_markdown(role: Role) -> str:
    """Four Markdown tables: processing and tracking phase, what the local side asks for and what arrives."""
    processing = tuple(state for state in STATES[role] if state in _PROCESSING)
    tracking = tuple(state for state in STATES[role] if state not in _PROCESSING)
    asked, arrived = (EventKind.PRIMITIVE, EventKind.TIMER), (EventKind.APDU,)
    parts = (
        *_part(role, "Processing phase: what the local side asks for", processing, asked),
        *_part(role, "Processing phase: what arrives", processing, arrived),
        *_part(role, "Tracking phase: what the local side asks for", tracking, asked),
        *_part(role, "Tracking phase: what arrives", tracking, arrived),
        *_notes(role),
    )
    return "\n".join(parts) + "\n"


def _part(role: Role, heading: str, states: Sequence[State], kinds: Sequence[EventKind]) -> Iterator[str]:
    yield f"### {heading}"
    yield ""
    yield f"| event | {' | '.join(states)} |"
    yield f"|---{'|---' * len(states)}|"
    for event in (EventKey(kind, service) for kind in kinds for service in Service):
        rows = [TABLES[role].get((state, event)) for state in states]
        if any(rows):
            yield f"| {event.code} | {' | '.join(_cell(row) for row in rows)} |"
    yield ""


def _cell(row: Row | None) -> str:
    if row is None:
        return "·"
    target = "=" if row.next_state is row.state else row.next_state.value
    conditions = f" {' or '.join(row.when)}" if row.when else ""
    return f"{target} [{row.provenance}]{conditions}"


def _notes(role: Role) -> Iterator[str]:
    yield "### Notes on single rows"
    yield ""
    for row in _in_order(role, TABLES[role].values()):
        if row.note and row.event.service not in ALWAYS:
            yield f"- {row.state}, {row.event.code} ({row.provenance}, {row.confidence}): {row.note}"


def _in_order(role: Role, rows: Iterable[Row]) -> list[Row]:
    states, kinds, services = STATES[role], tuple(EventKind), tuple(Service)
    return sorted(
        rows,
        key=lambda row: (
            states.index(row.state),
            kinds.index(row.event.kind),
            services.index(row.event.service),
        ),
    )
