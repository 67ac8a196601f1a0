"""Messages of ours about a request that its partner does not have: they wait, or were given up.

What was given up counts until it is put into the outbox again, be it as a repeat, or until something later of
the same request was delivered: from then on the two libraries are talking again.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, or_, select

from iso_gateway.store.connection import Connection
from iso_gateway.store.outbox import record_of
from iso_gateway.store.records import HalfId, OutboxRecord, OutboxStatus, TransactionId, Unarrived
from iso_gateway.store.tables import inputs, outbox, processings

#: How many transactions are asked about at once.
_AT_ONCE = 500

_again = outbox.alias("again")
_later = outbox.alias("later")
_of_the_same = processings.alias("of_the_same")
_original = inputs.alias("original")
_repeat = inputs.alias("repeated")
_WAITS = outbox.c.finished_at.is_(None)
_GIVEN_UP = and_(
    outbox.c.status == OutboxStatus.NOT_DELIVERED,
    ~exists().where(_again.c.message_id == outbox.c.message_id, _again.c.id > outbox.c.id),
    ~exists(
        select(_later.c.id)
        .join(_repeat, _repeat.c.message_id == _later.c.message_id)
        .join(
            _original, (_original.c.half_id == _repeat.c.half_id) & (_original.c.service == _repeat.c.service)
        )
        .where(_original.c.message_id == outbox.c.message_id, _repeat.c.repeat, _later.c.id > outbox.c.id)
    ),
    ~exists(
        select(_later.c.id)
        .join(_of_the_same, _of_the_same.c.message_id == _later.c.message_id)
        .where(
            _of_the_same.c.transaction_id == processings.c.transaction_id,
            _of_the_same.c.half_id == processings.c.half_id,
            _later.c.id > outbox.c.id,
            _later.c.status == OutboxStatus.DELIVERED,
        )
    ),
)
_CONDITIONS = {Unarrived.WAITING: _WAITS, Unarrived.NOT_DELIVERED: _GIVEN_UP}
_OF = (
    select(outbox, processings.c.half_id, processings.c.apdu_type)
    .join(processings, processings.c.message_id == outbox.c.message_id)
    .where(
        processings.c.transaction_id.in_(bindparam("transactions", expanding=True)), or_(_WAITS, _GIVEN_UP)
    )
    .order_by(outbox.c.id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnarrivedRecord:
    """A message that the partner of a request does not have.

    Args:
        half_id: whose it is.
        apdu_type: by the standard's name.
        row: what became of sending it.
    """

    half_id: HalfId
    apdu_type: str | None
    row: OutboxRecord


def halves_with(kinds: Collection[Unarrived]) -> Select[tuple[int | None]]:
    """The numbers of the halves that have such messages, of any of some kinds."""
    conditions: list[ColumnElement[bool]] = [_CONDITIONS[kind] for kind in kinds]
    return (
        select(processings.c.half_id)
        .join(outbox, outbox.c.message_id == processings.c.message_id)
        .where(processings.c.half_id.is_not(None), or_(*conditions))
    )


class UnarrivedMessages:
    """These messages in one unit of work."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, transactions: Collection[TransactionId]) -> tuple[UnarrivedRecord, ...]:
        """Those of some transactions, oldest first."""
        wanted = sorted(set(transactions))
        # By row: a message that was sent once more has been classified once more.
        found: dict[int, UnarrivedRecord] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            for row in self._connection.execute(_OF, {"transactions": wanted[start : start + _AT_ONCE]}):
                if row.half_id is not None:
                    found[row.id] = UnarrivedRecord(
                        half_id=row.half_id, apdu_type=row.apdu_type, row=record_of(row)
                    )
        return tuple(found[number] for number in sorted(found))
