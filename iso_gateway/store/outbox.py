"""The outbox: everything that is to be sent, in lanes.

Theory of operation. Rows of one lane (a transaction and a partner) go out one after the other: only the
oldest unfinished row of a lane, its head, can be claimed (`due`, `leases`), so SHIPPED never overtakes an
ILL-ANSWER and a stuck transaction holds up nothing but itself.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Row, and_, bindparam, exists, func, insert, not_, or_, select, update

from iso_gateway.failure import Failure
from iso_gateway.store.connection import Connection
from iso_gateway.store.keys import inserted_id
from iso_gateway.store.records import (
    AttemptOutcome,
    AttemptRecord,
    Backlog,
    KeyId,
    MessageId,
    OutboxId,
    OutboxKind,
    OutboxRecord,
    OutboxStatus,
)
from iso_gateway.store.tables import attempts, outbox, partner_states

_earlier = outbox.alias("earlier")
#: Nothing older of the same lane is unfinished.
IS_HEAD = and_(
    outbox.c.finished_at.is_(None),
    not_(
        exists().where(
            _earlier.c.lane == outbox.c.lane,
            _earlier.c.id < outbox.c.id,
            _earlier.c.finished_at.is_(None),
        )
    ),
)
_INSERT = insert(outbox).returning(outbox.c.id)
#: Another statement, for a statement is kept in the form that its first values gave it.
_INSERT_MAIL = insert(outbox).returning(outbox.c.id)
_BACKLOGS = (
    select(outbox.c.partner, func.count().label("count"), func.min(outbox.c.created_at).label("oldest"))
    .where(outbox.c.finished_at.is_(None))
    .group_by(outbox.c.partner)
    .order_by(outbox.c.partner)
)
_NEWEST_OF = select(func.max(outbox.c.id)).where(
    outbox.c.finished_at.is_(None), outbox.c.partner == bindparam("name")
)
_HAS_OLDER = select(
    exists().where(
        IS_HEAD,
        outbox.c.status != OutboxStatus.HELD,
        outbox.c.partner == bindparam("name"),
        outbox.c.id <= bindparam("newest"),
    )
)
_BEHIND = select(func.count()).where(
    outbox.c.lane == bindparam("of_lane"),
    outbox.c.id > bindparam("outbox_id"),
    outbox.c.finished_at.is_(None),
)
_HEADS = select(outbox.c.id).where(IS_HEAD, outbox.c.id.in_(bindparam("ids", expanding=True)))
_CHECKED = update(outbox).where(outbox.c.id == bindparam("outbox_id")).values(check_at=bindparam("again_at"))
_GET = select(outbox).where(outbox.c.id == bindparam("outbox_id"))
_RETURNED = (
    update(outbox)
    .where(
        outbox.c.id == bindparam("outbox_id"),
        outbox.c.status.in_((OutboxStatus.DELIVERED, OutboxStatus.SENDING)),
    )
    .values(
        status=OutboxStatus.NOT_DELIVERED,
        lease_owner=None,
        lease_until=None,
        finished_at=bindparam("ended_at"),
        last_error=bindparam("error"),
        failure=Failure.RETURNED,
    )
)
_IS_WAITING = and_(outbox.c.id == bindparam("outbox_id"), outbox.c.status == OutboxStatus.WAITING)
_IS_HELD = and_(outbox.c.id == bindparam("outbox_id"), outbox.c.status == OutboxStatus.HELD)
_END_WAITING = (
    update(outbox)
    .where(_IS_WAITING)
    .values(
        status=OutboxStatus.NOT_DELIVERED,
        finished_at=bindparam("ended_at"),
        last_error=bindparam("error"),
        failure=bindparam("word"),
    )
)
_TRY_NOW = update(outbox).where(_IS_WAITING).values(next_attempt_at=bindparam("at"))
_HOLD = update(outbox).where(_IS_WAITING).values(status=OutboxStatus.HELD, held_by=bindparam("by"))
_RELEASE = (
    update(outbox)
    .where(_IS_HELD)
    .values(status=OutboxStatus.WAITING, held_by=None, next_attempt_at=bindparam("at"))
)
_TAKE_AS_DELIVERED = (
    update(outbox)
    .where(_IS_HELD)
    .values(status=OutboxStatus.DELIVERED, held_by=None, finished_at=bindparam("at"))
)
_touched_later = or_(
    outbox.c.created_at > bindparam("now"),
    exists().where(attempts.c.outbox_id == outbox.c.id, attempts.c.finished_at > bindparam("now")),
)
_NO_LATER_THAN = (
    update(outbox)
    .where(
        outbox.c.finished_at.is_(None),
        outbox.c.status == OutboxStatus.WAITING,
        outbox.c.next_attempt_at > bindparam("now"),
        _touched_later,
    )
    .values(next_attempt_at=bindparam("now"))
)
_WAITS_FOR = select(
    exists().where(
        outbox.c.connection_id == bindparam("connection"),
        outbox.c.finished_at.is_(None),
        outbox.c.status != OutboxStatus.HELD,
        not_(
            exists().where(
                partner_states.c.partner == outbox.c.partner, partner_states.c.suspended_at.is_not(None)
            )
        ),
    )
)
_ACCEPTED = (
    update(attempts)
    .where(attempts.c.outbox_id == bindparam("returned"), attempts.c.finished_at.is_(None))
    .values(finished_at=bindparam("ended_at"), outcome=AttemptOutcome.DELIVERED)
)
_ATTEMPTS = select(attempts).where(attempts.c.outbox_id == bindparam("outbox_id")).order_by(attempts.c.fence)


class Outbox:
    """The outbox of one unit of work."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(
        self,
        *,
        lane: str,
        message_id: MessageId,
        partner: str | None,
        connection_id: str | None,
        at: datetime,
        expires_at: datetime,
        check_at: datetime | None = None,
    ) -> OutboxId:
        """Queue the octets of a message, to be sent from now on and until `expires_at`.

        `check_at`: when it is looked at first for being late.
        `connection_id`: answer on that connection if it is still open. `partner` None (an unknown sender)
        means on that connection or not at all.
        """
        row = {
            "lane": lane,
            "kind": OutboxKind.MESSAGE,
            "message_id": message_id,
            "partner": partner,
            "connection_id": connection_id,
            "status": OutboxStatus.WAITING,
            "attempts": 0,
            "next_attempt_at": at,
            "fence": 0,
            "created_at": at,
            "expires_at": expires_at,
            "check_at": check_at,
        }
        return OutboxId(inserted_id(self._connection, _INSERT, row))

    def add_mail(
        self,
        *,
        lane: str,
        payload: bytes,
        key_id: KeyId,
        partner: str,
        at: datetime,
        expires_at: datetime,
        check_at: datetime | None,
    ) -> OutboxId:
        """Queue a mail of its own; its payload is sealed already, by the key named (see `mails`)."""
        row = {
            "lane": lane,
            "kind": OutboxKind.MAIL,
            "payload": payload,
            "key_id": key_id,
            "partner": partner,
            "status": OutboxStatus.WAITING,
            "attempts": 0,
            "next_attempt_at": at,
            "fence": 0,
            "created_at": at,
            "expires_at": expires_at,
            "check_at": check_at,
        }
        return OutboxId(inserted_id(self._connection, _INSERT_MAIL, row))

    def backlogs(self) -> tuple[Backlog, ...]:
        """How much waits for each partner that something waits for."""
        return tuple(
            Backlog(partner=row.partner, count=int(row[1]), oldest=row.oldest)
            for row in self._connection.execute(_BACKLOGS)
        )

    def newest_for(self, partner: str) -> OutboxId | None:
        """The newest unfinished row that is for a partner."""
        newest = self._connection.execute(_NEWEST_OF, {"name": partner}).scalar()
        return None if newest is None else OutboxId(newest)

    def has_backlog(self, partner: str, newest: OutboxId) -> bool:
        """Whether anything up to a row is still to go to a partner, as far as nobody holds it back."""
        parameters = {"name": partner, "newest": newest}
        return bool(self._connection.execute(_HAS_OLDER, parameters).scalar_one())

    def behind(self, row: OutboxRecord) -> int:
        """How many later rows of the same lane are unfinished."""
        parameters = {"of_lane": row.lane, "outbox_id": row.id}
        return int(self._connection.execute(_BEHIND, parameters).scalar_one())

    def heads_among(self, ids: Iterable[OutboxId]) -> frozenset[OutboxId]:
        """Those of some rows that nothing of their lane stands in front of."""
        rows = self._connection.execute(_HEADS, {"ids": list(ids)}).scalars()
        return frozenset(OutboxId(row) for row in rows)

    def checked(self, outbox_id: OutboxId, again_at: datetime | None) -> None:
        """It was looked at; do so again at that moment."""
        self._connection.execute(_CHECKED, {"outbox_id": outbox_id, "again_at": again_at})

    def end_waiting(self, outbox_id: OutboxId, at: datetime, error: str, failure: Failure) -> bool:
        """Give up a row that waits, without another attempt; the lane goes on. False if it does not wait."""
        parameters = {"outbox_id": outbox_id, "ended_at": at, "error": error, "word": failure}
        return self._connection.execute(_END_WAITING, parameters).rowcount == 1

    def try_now(self, outbox_id: OutboxId, at: datetime) -> bool:
        """Make a row that waits due now. False if it does not wait."""
        return self._connection.execute(_TRY_NOW, {"outbox_id": outbox_id, "at": at}).rowcount == 1

    def hold(self, outbox_id: OutboxId, by: str) -> bool:
        """Hold a row that waits, and with it its lane. False if it does not wait."""
        return self._connection.execute(_HOLD, {"outbox_id": outbox_id, "by": by}).rowcount == 1

    def release(self, outbox_id: OutboxId, at: datetime) -> bool:
        """Let a row go that was held; it is due now. False if it is not held."""
        return self._connection.execute(_RELEASE, {"outbox_id": outbox_id, "at": at}).rowcount == 1

    def take_as_delivered(self, outbox_id: OutboxId, at: datetime) -> bool:
        """Finish a row that is held, because an operator knows that it arrived. False if it is not held."""
        parameters = {"outbox_id": outbox_id, "at": at}
        return self._connection.execute(_TAKE_AS_DELIVERED, parameters).rowcount == 1

    def no_later_than(self, now: datetime) -> int:
        """Make due what waits for a moment that a clock set back has moved away; gives how many there were.

        Told by what happened to a row later than now: it was queued or tried then.
        """
        return self._connection.execute(_NO_LATER_THAN, {"now": now}).rowcount

    def returned(self, outbox_id: OutboxId, at: datetime, error: str) -> bool:
        """What the other end had accepted came back, so it was not delivered. False: nothing changes.

        It can come back before its sender has said that it was accepted: then it was all the same, and the
        sender's word comes too late. `error` stays in plain.
        """
        parameters = {"outbox_id": outbox_id, "ended_at": at, "error": error}
        if self._connection.execute(_RETURNED, parameters).rowcount != 1:
            return False
        self._connection.execute(_ACCEPTED, {"returned": outbox_id, "ended_at": at})
        return True

    def waits_for(self, connection_id: str) -> bool:
        """Whether anything is still to be written on a connection."""
        return bool(self._connection.execute(_WAITS_FOR, {"connection": connection_id}).scalar_one())

    def get(self, outbox_id: OutboxId) -> OutboxRecord | None:
        """One row, if there is one such."""
        row = self._connection.execute(_GET, {"outbox_id": outbox_id}).one_or_none()
        return None if row is None else record_of(row)

    def list(
        self,
        *,
        limit: int = 100,
        finished: bool = False,
        message_id: MessageId | None = None,
        partner: str | None = None,
        created_before: datetime | None = None,
        status: OutboxStatus | None = None,
    ) -> tuple[OutboxRecord, ...]:
        """Rows, oldest first; those that are finished only when asked for."""
        query = select(outbox).order_by(outbox.c.id).limit(limit)
        if not finished:
            query = query.where(outbox.c.finished_at.is_(None))
        if message_id is not None:
            query = query.where(outbox.c.message_id == message_id)
        if partner is not None:
            query = query.where(outbox.c.partner == partner)
        if created_before is not None:
            query = query.where(outbox.c.created_at < created_before)
        if status is not None:
            query = query.where(outbox.c.status == status)
        return tuple(record_of(row) for row in self._connection.execute(query))

    def attempts(self, outbox_id: OutboxId) -> tuple[AttemptRecord, ...]:
        """Each time a row was sent, oldest first."""
        rows = self._connection.execute(_ATTEMPTS, {"outbox_id": outbox_id})
        return tuple(
            AttemptRecord(
                outbox_id=row.outbox_id,
                message_id=row.message_id,
                fence=row.fence,
                started_at=row.started_at,
                finished_at=row.finished_at,
                outcome=row.outcome,
                error=row.error,
                failure=row.failure,
                ambiguous=row.ambiguous,
            )
            for row in rows
        )


def record_of(row: Row[*tuple[object, ...]]) -> OutboxRecord:
    """A row of the table as a record."""
    return OutboxRecord(
        id=row.id,
        lane=row.lane,
        kind=row.kind,
        message_id=row.message_id,
        partner=row.partner,
        connection_id=row.connection_id,
        status=row.status,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        lease_owner=row.lease_owner,
        lease_until=row.lease_until,
        fence=row.fence,
        created_at=row.created_at,
        expires_at=row.expires_at,
        finished_at=row.finished_at,
        last_error=row.last_error,
        failure=row.failure,
        check_at=row.check_at,
        held_by=row.held_by,
    )
