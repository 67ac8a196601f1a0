"""What waits for a moment: the deadlines of halves, and the messages that came too early."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, delete, func, insert, select, update

from iso_gateway.store.connection import Connection
from iso_gateway.store.keys import Vault
from iso_gateway.store.records import (
    DeadlineKind,
    DeadlineRecord,
    HalfId,
    HeldRecord,
    MessageId,
    TransactionId,
)
from iso_gateway.store.tables import deadlines, held, transactions
from iso_gateway.store.transactions import DIGEST

_DEADLINES_OF = (
    select(deadlines)
    .where(deadlines.c.half_id == bindparam("half_id"))
    .order_by(deadlines.c.at, deadlines.c.kind)
)
_DEADLINES_BETWEEN = (
    select(deadlines)
    .where(deadlines.c.half_id.between(bindparam("first"), bindparam("last")))
    .order_by(deadlines.c.half_id, deadlines.c.at, deadlines.c.kind)
)
_FORGET = delete(deadlines).where(deadlines.c.half_id == bindparam("whose"))
_INSERT_DEADLINE = insert(deadlines)
_PASSED = (
    select(deadlines.c.half_id, func.min(deadlines.c.at).label("first"))
    .where(deadlines.c.at <= bindparam("now"))
    .group_by(deadlines.c.half_id)
    .order_by("first", deadlines.c.half_id)
    .limit(bindparam("at_most"))
)
_NEXT_DEADLINE = select(func.min(deadlines.c.at, type_=deadlines.c.at.type))

_INSERT_HELD = insert(held)
_HELD_OF = (
    select(held.c.message_id, held.c.until)
    .join(transactions, transactions.c.key_digest == held.c.transaction_digest)
    .where(transactions.c.id == bindparam("transaction_id"))
    .order_by(held.c.message_id)
)
_COUNT_HELD = select(func.count()).where(held.c.transaction_digest == bindparam("digest"))
_GET_HELD = select(held.c.message_id, held.c.until).where(held.c.message_id == bindparam("message_id"))
_TAKE = delete(held).where(held.c.message_id == bindparam("taken")).returning(held.c.until)
_PUT_OFF = update(held).where(held.c.message_id == bindparam("put_off")).values(until=bindparam("later"))
_HELD_PASSED = (
    select(held.c.message_id, held.c.until)
    .where(held.c.until <= bindparam("now"))
    .order_by(held.c.message_id)
    .limit(bindparam("at_most"))
)
_NEXT_HELD = select(func.min(held.c.until, type_=held.c.until.type))


class Deadlines:
    """The deadlines of one unit of work."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, half_id: HalfId) -> tuple[DeadlineRecord, ...]:
        """The deadlines of a half, the next one first."""
        rows = self._connection.execute(_DEADLINES_OF, {"half_id": half_id})
        return tuple(DeadlineRecord(half_id=HalfId(row.half_id), kind=row.kind, at=row.at) for row in rows)

    def between(self, first: HalfId, last: HalfId) -> tuple[DeadlineRecord, ...]:
        """The deadlines of the halves numbered from `first` to `last`, for each the next one first."""
        rows = self._connection.execute(_DEADLINES_BETWEEN, {"first": first, "last": last})
        return tuple(DeadlineRecord(half_id=HalfId(row.half_id), kind=row.kind, at=row.at) for row in rows)

    def replace(self, half_id: HalfId, moments: Mapping[DeadlineKind, datetime]) -> None:
        """Let a half have these deadlines and no others."""
        self._connection.execute(_FORGET, {"whose": half_id})
        rows = [{"half_id": half_id, "kind": kind, "at": at} for kind, at in moments.items()]
        if rows:
            self._connection.execute(_INSERT_DEADLINE, rows)

    def passed(self, now: datetime, limit: int) -> tuple[HalfId, ...]:
        """The halves that have a deadline which has passed, the longest passed first."""
        rows = self._connection.execute(_PASSED, {"now": now, "at_most": limit})
        return tuple(HalfId(row.half_id) for row in rows)

    def next(self) -> datetime | None:
        """The first deadline of all; None where there is none."""
        moment: datetime | None = self._connection.execute(_NEXT_DEADLINE).scalar()
        return moment


class Held:
    """The held messages of one unit of work."""

    __slots__ = ("_connection", "_vault")

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def hold(self, message_id: MessageId, canonical: bytes, *, until: datetime) -> None:
        """Hold a message for the transaction of a canonical Transaction-Id, which need not exist yet."""
        digest = self._vault.digest(canonical, context=DIGEST)
        self._connection.execute(
            _INSERT_HELD, {"message_id": message_id, "transaction_digest": digest, "until": until}
        )

    def take(self, message_id: MessageId) -> HeldRecord | None:
        """Hold a message no longer, to try it again; None if it is not held (any more)."""
        row = self._connection.execute(_TAKE, {"taken": message_id}).one_or_none()
        return None if row is None else HeldRecord(message_id=message_id, until=row.until)

    def put_off(self, message_id: MessageId, *, until: datetime) -> None:
        """Hold a message for longer, if it is held."""
        self._connection.execute(_PUT_OFF, {"put_off": message_id, "later": until})

    def get(self, message_id: MessageId) -> HeldRecord | None:
        """A message that is held; None if it is not."""
        row = self._connection.execute(_GET_HELD, {"message_id": message_id}).one_or_none()
        return None if row is None else HeldRecord(message_id=MessageId(row.message_id), until=row.until)

    def of(self, transaction_id: TransactionId) -> tuple[HeldRecord, ...]:
        """The messages that are held for a transaction, in the order in which they came."""
        rows = self._connection.execute(_HELD_OF, {"transaction_id": transaction_id})
        return tuple(HeldRecord(message_id=MessageId(row.message_id), until=row.until) for row in rows)

    def count(self, canonical: bytes) -> int:
        """How many messages are held for the transaction of a canonical Transaction-Id."""
        digest = self._vault.digest(canonical, context=DIGEST)
        return int(self._connection.execute(_COUNT_HELD, {"digest": digest}).scalar_one())

    def passed(self, now: datetime, limit: int) -> tuple[HeldRecord, ...]:
        """The messages that have been held long enough, in the order in which they came."""
        rows = self._connection.execute(_HELD_PASSED, {"now": now, "at_most": limit})
        return tuple(HeldRecord(message_id=MessageId(row.message_id), until=row.until) for row in rows)

    def next(self) -> datetime | None:
        """When the first of them is to be decided; None where none is held."""
        moment: datetime | None = self._connection.execute(_NEXT_HELD).scalar()
        return moment
