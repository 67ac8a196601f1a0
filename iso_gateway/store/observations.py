"""What noticing looks at: questions over all requests and messages, answered without opening anything sealed.

What happened lately is found by ids, which are given in the order of time: so no table needs another index,
however many rows it has.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Table, bindparam, func, select

from iso_gateway.store.connection import Connection, Statement
from iso_gateway.store.records import (
    Direction,
    HalfId,
    InputKind,
    MessageId,
    OutboxId,
    OutboxStatus,
)
from iso_gateway.store.tables import daily_mails, events, halves, inputs, messages, outbox, processings

_STEPS = (
    select(
        inputs.c.half_id,
        halves.c.partner,
        halves.c.local,
        halves.c.state,
        inputs.c.sequence,
        inputs.c.kind,
        inputs.c.service,
        inputs.c.verdict,
        inputs.c.at,
        inputs.c.message_id,
        inputs.c.facts,
    )
    .join(halves, halves.c.id == inputs.c.half_id)
    .where(halves.c.role == bindparam("role"), halves.c.state.in_(bindparam("states", expanding=True)))
    .order_by(inputs.c.half_id, inputs.c.sequence)
)
_MOVED = (
    select(halves.c.id)
    .where(
        halves.c.role == bindparam("role"),
        halves.c.state.in_(bindparam("states", expanding=True)),
        halves.c.updated_at > bindparam("since"),
    )
    .order_by(halves.c.id)
)
_LAST_HEARD = (
    select(messages.c.stored_at)
    .join(processings, processings.c.message_id == messages.c.id)
    .where(
        processings.c.partner == bindparam("name"),
        processings.c.verdict.not_in(bindparam("not_from_it", expanding=True)),
        messages.c.direction == Direction.RECEIVED,
    )
    .order_by(processings.c.message_id.desc())
    .limit(1)
)
_later = processings.alias("later")
_WITH_PARTNERS = (
    select(halves.c.partner, func.count().label("number"))
    .where(halves.c.state.in_(bindparam("states", expanding=True)))
    .group_by(halves.c.partner)
    .order_by(halves.c.partner)
)
_UNCLASSIFIED = (
    select(messages.c.id, messages.c.stored_at)
    .where(
        messages.c.stored_at >= bindparam("since"),
        messages.c.stored_at <= bindparam("until"),
        # Not == RECEIVED: SQLite would take the index on direction, and go through every message.
        messages.c.direction != Direction.SENT,
        ~select(processings.c.id).where(processings.c.message_id == messages.c.id).exists(),
    )
    .order_by(messages.c.id)
)
_CLASSIFIED = (
    select(
        processings.c.message_id,
        processings.c.half_id,
        processings.c.partner,
        processings.c.apdu_type,
        processings.c.verdict,
        messages.c.stored_at,
        messages.c.peer_address,
        messages.c.listener,
    )
    .join(messages, messages.c.id == processings.c.message_id)
    .where(
        processings.c.message_id >= bindparam("first"),
        messages.c.direction == Direction.RECEIVED,
        processings.c.verdict == bindparam("wanted"),
        # The last classification counts.
        ~select(_later.c.id)
        .where(_later.c.message_id == processings.c.message_id, _later.c.id > processings.c.id)
        .exists(),
    )
    .order_by(processings.c.message_id)
)
_again = outbox.alias("again")
_UNDELIVERED = (
    select(outbox.c.id, outbox.c.message_id, outbox.c.partner, outbox.c.finished_at)
    .where(
        outbox.c.id >= bindparam("first"),
        outbox.c.status == OutboxStatus.NOT_DELIVERED,
        outbox.c.partner.is_not(None),
        # Sent once more, it may have arrived, or is under way.
        ~select(_again.c.id)
        .where(_again.c.message_id == outbox.c.message_id, _again.c.id > outbox.c.id)
        .exists(),
        # The last of them tells how it stands with its recipient: `daily_mails.lost`.
        ~select(daily_mails.c.id).where(daily_mails.c.outbox_id == outbox.c.id).exists(),
    )
    .order_by(outbox.c.id)
)
_HELD_BACK = (
    select(outbox.c.id, outbox.c.message_id, outbox.c.partner, outbox.c.next_attempt_at)
    .where(outbox.c.finished_at.is_(None), outbox.c.status == OutboxStatus.HELD, outbox.c.held_by.is_(None))
    .order_by(outbox.c.id)
)
_COUNTS = (
    select(messages.c.direction, func.count().label("number"))
    .where(messages.c.id >= bindparam("first"))
    .group_by(messages.c.direction)
)
_VERDICTS = (
    select(processings.c.verdict, func.count().label("number"))
    .where(processings.c.message_id >= bindparam("first"))
    .group_by(processings.c.verdict)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One thing that happened to a half, and where the half stands now."""

    half_id: HalfId
    partner: str
    local: str
    state: str
    kind: InputKind
    service: str
    verdict: str
    at: datetime
    message_id: MessageId | None
    original_seen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifiedRecord:
    """A message that came, and what it was taken for at last."""

    message_id: MessageId
    half_id: HalfId | None
    partner: str | None
    apdu_type: str | None
    verdict: str
    stored_at: datetime
    peer_address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckRecord:
    """Something to be sent that was given up, or that the gateway holds back; `at` is when that was."""

    outbox_id: OutboxId
    message_id: MessageId | None
    partner: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How many messages were received, made to be sent, and refused, since some moment."""

    received: int
    sent: int
    refused: int


class Observations:
    """The questions of one unit of work; nothing is written."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def steps(self, role: str, states: Collection[str]) -> tuple[StepRecord, ...]:
        """Everything that happened to the halves of a role that are in one of some states, half by half."""
        rows = self._connection.execute(_STEPS, {"role": role, "states": sorted(states)})
        return tuple(
            StepRecord(
                half_id=row.half_id,
                partner=row.partner,
                local=row.local,
                state=row.state,
                kind=row.kind,
                service=row.service,
                verdict=row.verdict,
                at=row.at,
                message_id=row.message_id,
                original_seen=bool((row.facts or {}).get("original_seen")),
            )
            for row in rows
        )

    def moved(self, role: str, states: Collection[str], since: datetime) -> tuple[HalfId, ...]:
        """The halves of a role that are in one of some states, and have moved since."""
        parameters = {"role": role, "states": sorted(states), "since": since}
        return tuple(HalfId(row.id) for row in self._connection.execute(_MOVED, parameters))

    def last_heard(self, partner: str, *, not_from_it: Collection[str]) -> datetime | None:
        """When the last message of a partner came; those of some verdicts are not its own."""
        parameters = {"name": partner, "not_from_it": list(not_from_it)}
        heard: datetime | None = self._connection.execute(_LAST_HEARD, parameters).scalar()
        return heard

    def classified(self, verdict: str, since: datetime) -> tuple[ClassifiedRecord, ...]:
        """The messages that came since, and whose last classification is this one."""
        first = self._first(messages, messages.c.stored_at, since)
        rows = self._connection.execute(_CLASSIFIED, {"first": first, "wanted": verdict})
        return tuple(
            ClassifiedRecord(
                message_id=row.message_id,
                half_id=row.half_id,
                partner=row.partner,
                apdu_type=row.apdu_type,
                verdict=row.verdict,
                stored_at=row.stored_at,
                peer_address=row.peer_address,
            )
            for row in rows
        )

    def unclassified(self, since: datetime, until: datetime) -> tuple[tuple[MessageId, datetime], ...]:
        """The messages that came between two moments and were never classified, and when they came."""
        parameters = {"since": since, "until": until}
        rows = self._connection.execute(_UNCLASSIFIED, parameters)
        return tuple((MessageId(row.id), row.stored_at) for row in rows)

    def with_partners(self, states: Collection[str]) -> Mapping[str, int]:
        """With which partners there are requests in one of some states, and how many with each."""
        rows = self._connection.execute(_WITH_PARTNERS, {"states": sorted(states)})
        return {row.partner: int(row.number) for row in rows}

    def undelivered(self, since: datetime) -> tuple[StuckRecord, ...]:
        """What was queued for a partner since, given up, and not put into the outbox again."""
        first = self._first(outbox, outbox.c.created_at, since)
        return tuple(
            StuckRecord(outbox_id=row.id, message_id=row.message_id, partner=row.partner, at=row.finished_at)
            for row in self._connection.execute(_UNDELIVERED, {"first": first})
        )

    def held_back(self) -> tuple[StuckRecord, ...]:
        """What the gateway holds back, because it may have arrived."""
        return tuple(
            StuckRecord(
                outbox_id=row.id, message_id=row.message_id, partner=row.partner, at=row.next_attempt_at
            )
            for row in self._connection.execute(_HELD_BACK)
        )

    def first_event(self, since: datetime) -> int:
        """The number from which on events are not from before a moment."""
        return self._first(events, events.c.at, since)

    def traffic(self, since: datetime, *, refusals: Collection[str]) -> Traffic:
        """How much was received, made to be sent and refused since a moment."""
        parameters = {"first": self._first(messages, messages.c.stored_at, since)}
        counts: Mapping[Direction, int] = {
            row.direction: int(row.number) for row in self._connection.execute(_COUNTS, parameters)
        }
        verdicts = {row.verdict: int(row.number) for row in self._connection.execute(_VERDICTS, parameters)}
        return Traffic(
            received=counts.get(Direction.RECEIVED, 0),
            sent=counts.get(Direction.SENT, 0),
            refused=sum(verdicts.get(verdict, 0) for verdict in refusals),
        )

    def _first(self, table: Table, moment: Column[datetime], since: datetime) -> int:
        """The number of the first row of a table that is not from before a moment, found by halving."""
        [key] = table.primary_key.columns
        last, at_or_after = _finding(key, moment)
        high = int(self._connection.execute(last).scalar() or 0) + 1
        low = 1
        while low < high:
            middle = (low + high) // 2
            rows: Sequence[Any] = self._connection.execute(at_or_after, {"from_here": middle}).all()
            if rows and rows[0][1] < since:
                low = int(rows[0][0]) + 1
            else:
                high = middle
        return low


@lru_cache(maxsize=8)
def _finding(key: Column[int], moment: Column[datetime]) -> tuple[Statement, Statement]:
    """The statements that give the last number of a table, and the first row from some number on."""
    last: Statement = select(func.max(key))
    at_or_after: Statement = select(key, moment).where(key >= bindparam("from_here")).order_by(key).limit(1)
    return last, at_or_after
