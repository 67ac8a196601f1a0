"""What waits to be sent, as values that can be shown or written as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from iso_gateway.store.records import (
    BreakerState,
    OutboxId,
    OutboxRecord,
    OutboxStatus,
    PartnerStateRecord,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Something that waits to be sent.

    Args:
        row: what waits.
        first: whether nothing of its lane stands in front of it.
        state: what stands between us and its partner.
    """

    row: OutboxRecord
    first: bool
    state: PartnerStateRecord

    @property
    def next_attempt_at(self) -> datetime | None:
        """When it is tried next, as far as a clock can tell; None where something else decides."""
        if not self.first or self.row.status is OutboxStatus.HELD or self.state.suspended:
            return None
        if self.state.breaker is BreakerState.CLOSED or self.state.retry_at is None:
            return self.row.next_attempt_at
        return max(self.row.next_attempt_at, self.state.retry_at)


def waiting(rows: Sequence[OutboxRecord], states: Mapping[str, PartnerStateRecord]) -> tuple[Waiting, ...]:
    """What waits to be sent, with what it waits for; `rows` are oldest first."""
    heads = heads_of(rows)
    return tuple(
        Waiting(
            row=row,
            first=row.id in heads,
            state=states.get(row.partner or "", PartnerStateRecord(partner=row.partner or "")),
        )
        for row in rows
    )


def heads_of(rows: Sequence[OutboxRecord]) -> frozenset[OutboxId]:
    """The rows, of all that are unfinished, that nothing of their lane stands in front of."""
    first: dict[str, OutboxId] = {}
    for row in rows:
        first.setdefault(row.lane, row.id)
    return frozenset(first.values())
