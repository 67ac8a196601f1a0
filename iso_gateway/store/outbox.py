"""The outbox: everything that is to be sent, in lanes, with leases and fences.

Theory of operation. Rows of one lane (a transaction and a partner) go out one after the other: only the
oldest unfinished row of a lane, its head, can be claimed, so SHIPPED never overtakes an ILL-ANSWER and a
stuck transaction holds up nothing but itself. A claim is a lease with a number, the fence, which grows with
each claim. A sender that was thought dead and comes back finds its fence outdated and cannot change the
row. What it sent meanwhile may go out twice, with identical octets: at least once, as promised.
"""

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)

from iso_gateway.store.keys import inserted_id
from iso_gateway.store.records import (
    AttemptOutcome,
    AttemptRecord,
    MessageId,
    OutboxId,
    OutboxKind,
    OutboxRecord,
    OutboxStatus,
)
from iso_gateway.store.tables import attempts, outbox

_earlier = outbox.alias("earlier")
#: Nothing older of the same lane is unfinished.
_IS_HEAD = and_(
    outbox.c.finished_at.is_(None),
    not_(
        exists().where(
            _earlier.c.lane == outbox.c.lane,
            _earlier.c.id < outbox.c.id,
            _earlier.c.finished_at.is_(None),
        )
    ),
)
#: When a row can be claimed next: its time has come, or the lease of whoever sends it has run out.
_DUE_AT = case(
    (outbox.c.status == OutboxStatus.SENDING, outbox.c.lease_until), else_=outbox.c.next_attempt_at
)
_CAN_BE_SENT = outbox.c.status.in_((OutboxStatus.WAITING, OutboxStatus.SENDING))


def _is_due(now: str) -> ColumnElement[bool]:
    return and_(
        _IS_HEAD,
        or_(
            and_(outbox.c.status == OutboxStatus.WAITING, outbox.c.next_attempt_at <= bindparam(now)),
            and_(outbox.c.status == OutboxStatus.SENDING, outbox.c.lease_until <= bindparam(now)),
        ),
    )


_INSERT = insert(outbox).returning(outbox.c.id)
_DUE = select(outbox).where(_is_due("now")).order_by(_DUE_AT, outbox.c.id).limit(bindparam("at_most"))
_NEXT_DUE = select(func.min(_DUE_AT, type_=outbox.c.next_attempt_at.type)).where(_IS_HEAD, _CAN_BE_SENT)
_GET = select(outbox).where(outbox.c.id == bindparam("outbox_id"))
_CLAIM = (
    update(outbox)
    .where(outbox.c.id == bindparam("outbox_id"), _is_due("claimed_at"))
    .values(
        status=OutboxStatus.SENDING,
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
        fence=outbox.c.fence + 1,
        attempts=outbox.c.attempts + 1,
    )
    .returning(outbox.c.fence, outbox.c.message_id)
)
_HELD_BY_FENCE = and_(
    outbox.c.id == bindparam("outbox_id"),
    outbox.c.fence == bindparam("held_fence"),
    outbox.c.status == OutboxStatus.SENDING,
)
_FINISH = (
    update(outbox)
    .where(_HELD_BY_FENCE)
    .values(
        status=bindparam("new_status"),
        lease_owner=None,
        lease_until=None,
        finished_at=bindparam("ended_at"),
        last_error=bindparam("error"),
    )
)
_RETRY = (
    update(outbox)
    .where(_HELD_BY_FENCE)
    .values(
        status=OutboxStatus.WAITING,
        lease_owner=None,
        lease_until=None,
        next_attempt_at=bindparam("again_at"),
        last_error=bindparam("error"),
    )
)
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
    )
)
_END_LEASES = (
    update(outbox).where(outbox.c.status == OutboxStatus.SENDING).values(lease_until=bindparam("ended_at"))
)
_WAITS_FOR = select(
    exists().where(outbox.c.connection_id == bindparam("connection"), outbox.c.finished_at.is_(None))
)
_INSERT_ATTEMPT = insert(attempts)
_ABANDON_ATTEMPTS = (
    update(attempts)
    .where(attempts.c.outbox_id == bindparam("abandoned"), attempts.c.finished_at.is_(None))
    .values(finished_at=bindparam("ended_at"), outcome=AttemptOutcome.ABANDONED)
)
_FINISH_ATTEMPT = (
    update(attempts)
    .where(attempts.c.outbox_id == bindparam("ended"), attempts.c.fence == bindparam("held_fence"))
    .values(finished_at=bindparam("ended_at"), outcome=bindparam("how"), error=bindparam("why"))
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
    ) -> OutboxId:
        """Queue the octets of a message, to be sent from now on and until `expires_at`.

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
        }
        return OutboxId(inserted_id(self._connection, _INSERT, row))

    def due(self, now: datetime, limit: int = 100) -> tuple[OutboxRecord, ...]:
        """What can be claimed now, longest due first: heads of lanes whose time came or whose lease ended."""
        return tuple(_record(row) for row in self._connection.execute(_DUE, {"now": now, "at_most": limit}))

    def next_due(self, now: datetime) -> datetime | None:
        """When something can be claimed next: `now` if something can be already, None if nothing waits."""
        earliest: datetime | None = self._connection.execute(_NEXT_DUE).scalar()
        return None if earliest is None else max(earliest, now)

    def claim(self, outbox_id: OutboxId, owner: str, now: datetime, until: datetime) -> int | None:
        """Take a row to send it, by a lease until `until`; gives the fence, or None if not claimable.

        An attempt is begun; one that its sender never finished is marked abandoned.
        """
        parameters = {"outbox_id": outbox_id, "claimed_at": now, "owner": owner, "until": until}
        row = self._connection.execute(_CLAIM, parameters).one_or_none()
        if row is None:
            return None
        fence = int(row.fence)
        if fence > 1:
            self._connection.execute(_ABANDON_ATTEMPTS, {"abandoned": outbox_id, "ended_at": now})
        attempt = {
            "outbox_id": outbox_id,
            "message_id": row.message_id,
            "fence": fence,
            "started_at": now,
        }
        self._connection.execute(_INSERT_ATTEMPT, attempt)
        return fence

    def delivered(self, outbox_id: OutboxId, fence: int, at: datetime) -> bool:
        """It was accepted by the other end. False if another sender holds the row by now: nothing changes."""
        return self._finish(
            outbox_id, fence, at, status=OutboxStatus.DELIVERED, outcome=AttemptOutcome.DELIVERED, error=None
        )

    def gave_up(self, outbox_id: OutboxId, fence: int, at: datetime, error: str) -> bool:
        """It will not be sent any more; the lane goes on. False as in `delivered`. `error` stays in plain."""
        return self._finish(
            outbox_id,
            fence,
            at,
            status=OutboxStatus.NOT_DELIVERED,
            outcome=AttemptOutcome.GAVE_UP,
            error=error,
        )

    def failed(
        self, outbox_id: OutboxId, fence: int, at: datetime, next_attempt_at: datetime, error: str
    ) -> bool:
        """It did not go out this time; try again at `next_attempt_at`. False as in `delivered`."""
        parameters = {
            "outbox_id": outbox_id,
            "held_fence": fence,
            "again_at": next_attempt_at,
            "error": error,
        }
        if self._connection.execute(_RETRY, parameters).rowcount != 1:
            return False
        self._end_attempt(outbox_id, fence, at, AttemptOutcome.FAILED, error)
        return True

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

    def end_leases(self, at: datetime) -> int:
        """End every lease: for the only gateway of a database, when it starts, because whoever held one died.

        Gives how many there were. What they were sending is due at once, and may go out a second time.
        """
        return self._connection.execute(_END_LEASES, {"ended_at": at}).rowcount

    def waits_for(self, connection_id: str) -> bool:
        """Whether anything is still to be written on a connection."""
        return bool(self._connection.execute(_WAITS_FOR, {"connection": connection_id}).scalar_one())

    def get(self, outbox_id: OutboxId) -> OutboxRecord | None:
        """One row, if there is one such."""
        row = self._connection.execute(_GET, {"outbox_id": outbox_id}).one_or_none()
        return None if row is None else _record(row)

    def list(
        self,
        *,
        limit: int = 100,
        finished: bool = False,
        message_id: MessageId | None = None,
        partner: str | None = None,
    ) -> tuple[OutboxRecord, ...]:
        """Rows, oldest first; those that are finished only when asked for."""
        query = select(outbox).order_by(outbox.c.id).limit(limit)
        if not finished:
            query = query.where(outbox.c.finished_at.is_(None))
        if message_id is not None:
            query = query.where(outbox.c.message_id == message_id)
        if partner is not None:
            query = query.where(outbox.c.partner == partner)
        return tuple(_record(row) for row in self._connection.execute(query))

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
            )
            for row in rows
        )

    def _finish(
        self,
        outbox_id: OutboxId,
        fence: int,
        at: datetime,
        *,
        status: OutboxStatus,
        outcome: AttemptOutcome,
        error: str | None,
    ) -> bool:
        parameters = {
            "outbox_id": outbox_id,
            "held_fence": fence,
            "new_status": status,
            "ended_at": at,
            "error": error,
        }
        if self._connection.execute(_FINISH, parameters).rowcount != 1:
            return False
        self._end_attempt(outbox_id, fence, at, outcome, error)
        return True

    def _end_attempt(
        self, outbox_id: OutboxId, fence: int, at: datetime, outcome: AttemptOutcome, error: str | None
    ) -> None:
        parameters = {"ended": outbox_id, "held_fence": fence, "ended_at": at, "how": outcome, "why": error}
        self._connection.execute(_FINISH_ATTEMPT, parameters)


def _record(row: Row[*tuple[object, ...]]) -> OutboxRecord:
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
    )
