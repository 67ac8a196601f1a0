"""What wants a person, for people."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from iso_gateway.cli.shared.output import text
from iso_gateway.cli.shared.tables import CELL, DISPOSED, local_time, table
from iso_gateway.store.records import (
    AttentionRecord,
)


def attention(listed: Sequence[tuple[AttentionRecord, str | None]]) -> RenderableType:
    """What wants a person, or did, each with why it was cleared."""
    return table(
        "number",
        "what",
        "since",
        "why, and what to do",
        rows=(
            (
                text(row.id),
                text(row.kind, "yellow" if row.cleared_at is None else ""),
                text(local_time(row.since)),
                Text("\n").join([text(row.reason), *_clearing(row, why)]),
            )
            for row, why in listed
        ),
        empty="nothing wants a person",
    )


def _clearing(row: AttentionRecord, why: str | None) -> Iterator[Text]:
    if row.cleared_at is None:
        return
    if row.cleared_by is None:
        yield text(f"cleared itself {local_time(row.cleared_at)}", "dim")
    else:
        said = f"{row.cleared_by} cleared it {local_time(row.cleared_at)}: {why or DISPOSED}"
        yield text(said, "dim", limit=4 * CELL)
