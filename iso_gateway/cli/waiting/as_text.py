"""What waits to be sent and why, for people."""

from collections.abc import Sequence
from typing import assert_never

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from iso_gateway.cli.shared.output import text
from iso_gateway.cli.shared.tables import CELL, local_time
from iso_gateway.cli.waiting.views import Waiting
from iso_gateway.failure import Failure, advice
from iso_gateway.store.records import (
    BreakerState,
    OutboxKind,
    OutboxRecord,
    OutboxStatus,
    PartnerStateRecord,
)


def waiting(listed: Sequence[Waiting]) -> RenderableType:
    """What waits to be sent: each in a line, and below it why."""
    if not listed:
        return Text("nothing waits to be sent")
    heads = [
        Text(name, style="bold")
        for name in ("number", "message", "partner", "queued", "tries", "next attempt")
    ]
    rows = [_waiting_row(one) for one in listed]
    widths = [max(cell.cell_len for cell in column) for column in zip(heads, *rows, strict=True)]
    parts: list[RenderableType] = [_spread(heads, widths)]
    for one, row in zip(listed, rows, strict=True):
        held = one.row.status is OutboxStatus.HELD
        why = text(why_waiting(one.row, one.state, first=one.first), "bold" if held else "", limit=4 * CELL)
        parts += [_spread(row, widths), Padding(why, (0, 0, 0, 8), expand=False)]
    return Group(*parts)


def _waiting_row(one: Waiting) -> tuple[Text, ...]:
    row = one.row
    return (
        text(row.id, "bold"),
        text(row.message_id),
        text(row.partner or "(the connection it answers)"),
        text(local_time(row.created_at)),
        text(row.attempts),
        text(_next_attempt(one)),
    )


def _spread(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    """Cells side by side, each as wide as the widest of its column."""
    padded = [cell.copy() for cell in cells]
    for cell, width in zip(padded[:-1], widths, strict=False):
        cell.align("left", width)
    return Text("  ").join(padded)


def _next_attempt(one: Waiting) -> str:
    if not one.first:
        return "after the one before it"
    return "when it is let go" if one.next_attempt_at is None else local_time(one.next_attempt_at)


def fate(row: OutboxRecord) -> Text:
    """What became of sending a message, in the four vocabulary."""
    said = fate_in_words(row.status)
    match row.status:
        case OutboxStatus.DELIVERED:
            return Text(said, style="green")
        case OutboxStatus.NOT_DELIVERED:
            return text(f"{said}: {row.last_error}", "red", limit=2 * CELL)
        case _:
            return text(said if row.last_error is None else f"{said}: {row.last_error}", limit=2 * CELL)


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
    """Why something has not been sent yet, and what can be done, in the gateway's vocabulary.

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


def _with_advice(error: str, failure: Failure | None) -> str:
    return error if failure is None else f"{error}; {advice(failure)}"
