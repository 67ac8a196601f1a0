"""The tables as text for people, made from the data: docs/protocol.md holds it, and a test compares."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from iso_gateway.protocol.events import EventKey, EventKind, Service
from iso_gateway.protocol.states import STATES, TERMINAL, Role, State
from iso_gateway.protocol.tables import ALWAYS, TABLES, Provenance, Row

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


def diagrams_in_mermaid(role: Role) -> str:
    """Two state diagrams of a role, processing and tracking phase, as Mermaid text in Markdown.

    An arrow carries the events that lead from one state to another; those that leave the state as it is are
    only in the tables. A question mark follows an event whose row is inferred.
    """
    moves: dict[tuple[State, State], list[Row]] = {}
    for row in _in_order(role, TABLES[role].values()):
        if row.next_state is not row.state:
            moves.setdefault((row.state, row.next_state), []).append(row)
    processing = {move: rows for move, rows in moves.items() if move[0] in _PROCESSING}
    tracking = {move: rows for move, rows in moves.items() if move[0] not in _PROCESSING}
    parts = (
        *_diagram("Processing phase", processing, {State.IDLE}, TERMINAL[role]),
        *_diagram("Tracking phase", tracking, {State.SHIPPED}, TERMINAL[role]),
    )
    return "\n".join(parts) + "\n"


def _diagram(
    heading: str,
    moves: Mapping[tuple[State, State], Sequence[Row]],
    first: Collection[State],
    last: Collection[State],
) -> Iterator[str]:
    yield f"### {heading}: what leads from state to state"
    yield ""
    yield "```mermaid"
    yield "stateDiagram-v2"
    shown = dict.fromkeys(state for move in moves for state in move)
    for state in shown:
        yield f'    state "{state}" as {state.name}'
    for state in (state for state in shown if state in first):
        yield f"    [*] --> {state.name}"
    for (start, end), rows in moves.items():
        events = ", ".join(
            f"{row.event.code}{'?' if row.provenance is Provenance.INFERRED else ''}" for row in rows
        )
        yield f"    {start.name} --> {end.name}: {events}"
    for state in (state for state in shown if state in last):
        yield f"    {state.name} --> [*]"
    yield "```"
    yield ""


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
    either = " or ".join(row.when)
    if row.also and len(row.when) > 1:
        either = f"({either})"
    conditions = " and ".join((*filter(None, (either,)), *row.also))
    return f"{target} [{row.provenance}]{f' {conditions}' if conditions else ''}"


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
