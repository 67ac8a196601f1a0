"""The outbox: everything that is to be sent, in lanes, with leases and fences.

Theory of operation. Rows of one lane (a transaction and a partner) go out one after the other: only the
oldest unfinished row of a lane, its head, can be claimed, so SHIPPED never overtakes an ILL-ANSWER and a
stuck transaction holds up nothing but itself. A claim is a lease with a number, the fence, which grows with
each claim. A sender that was thought dead and comes back finds its fence outdated and cannot change the
row. What it sent meanwhile may go out twice, with identical octets: at least once, as promised.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    update,
)

from iso_gateway.failure import Failure
from iso_gateway.store.connection import Connection, locking
from iso_gateway.store.keys import inserted_id
from iso_gateway.store.leases import Claimant, claimed_by, may_be_claimed
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
_CAN_BE_SENT = or_(outbox.c.status == OutboxStatus.WAITING, outbox.c.status == OutboxStatus.SENDING)


def _is_due(now: str) -> ColumnElement[bool]:
    return and_(
        _IS_HEAD,
        may_be_claimed(),
        or_(
            and_(outbox.c.status == OutboxStatus.WAITING, outbox.c.next_attempt_at <= bindparam(now)),
            and_(outbox.c.status == OutboxStatus.SENDING, outbox.c.lease_until <= bindparam(now)),
        ),
    )


_INSERT = insert(outbox).returning(outbox.c.id)
#: Another statement, for a statement is kept in the form that its first values gave it.
_INSERT_MAIL = insert(outbox).returning(outbox.c.id)
_DUE = select(outbox).where(_is_due("now")).limit(bindparam("at_most"))
_DUE_OLDEST_FIRST = _DUE.order_by(_DUE_AT, outbox.c.id)
_DUE_FRESHEST_FIRST = _DUE.order_by(outbox.c.attempts, _DUE_AT, outbox.c.id)
_NEXT_DUE = select(func.min(_DUE_AT, type_=outbox.c.next_attempt_at.type)).where(
    _IS_HEAD, _CAN_BE_SENT, may_be_claimed()
)
#: Literal, as the index has it: a database that sees a parameter there does not know that the index fits.
_IS_MAIL = and_(outbox.c.finished_at.is_(None), outbox.c.kind == literal_column("'mail'"))
_MAILS = _DUE_OLDEST_FIRST.where(_IS_MAIL)
_NEXT_MAILS = (
    select(outbox.c.partner, func.min(_DUE_AT, type_=outbox.c.next_attempt_at.type).label("next_at"))
    .where(_IS_MAIL, _CAN_BE_SENT, may_be_claimed())
    .group_by(outbox.c.partner)
)
_FRESH_ANSWERS = _DUE_OLDEST_FIRST.where(outbox.c.connection_id.is_not(None), outbox.c.attempts == 0)
#: The partners that something waits for, one after the other by the index: however much waits for each.
_first = select(func.min(outbox.c.partner).label("partner")).where(outbox.c.finished_at.is_(None))
_waited_for = _first.cte("waited_for", recursive=True)
_waited_for = _waited_for.union_all(
    select(
        select(func.min(outbox.c.partner))
        .where(outbox.c.finished_at.is_(None), outbox.c.partner > _waited_for.c.partner)
        .scalar_subquery()
    ).where(_waited_for.c.partner.is_not(None))
)
_PARTNERS = select(_waited_for.c.partner).where(_waited_for.c.partner.is_not(None))
_STRANGERS = select(exists().where(outbox.c.finished_at.is_(None), outbox.c.partner.is_(None)))
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
        outbox.c.finished_at.is_(None),
        outbox.c.partner == bindparam("name"),
        outbox.c.id <= bindparam("newest"),
    )
)
_BEHIND = select(func.count()).where(
    outbox.c.lane == bindparam("of_lane"),
    outbox.c.id > bindparam("outbox_id"),
    outbox.c.finished_at.is_(None),
)
_HEADS = select(outbox.c.id).where(_IS_HEAD, outbox.c.id.in_(bindparam("ids", expanding=True)))
_TO_CHECK = (
    select(outbox)
    .where(
        outbox.c.finished_at.is_(None),
        outbox.c.status == OutboxStatus.WAITING,
        outbox.c.check_at <= bindparam("now"),
    )
    .order_by(outbox.c.check_at, outbox.c.id)
    .limit(bindparam("at_most"))
)
_NEXT_CHECK = select(func.min(outbox.c.check_at)).where(
    outbox.c.finished_at.is_(None), outbox.c.status == OutboxStatus.WAITING
)
_CHECKED = update(outbox).where(outbox.c.id == bindparam("outbox_id")).values(check_at=bindparam("again_at"))
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
        finished_at=bindparam("moment"),
        last_error=bindparam("error"),
        failure=bindparam("word"),
    )
)
_RETRY = (
    update(outbox)
    .where(_HELD_BY_FENCE)
    .values(
        status=bindparam("new_status"),
        lease_owner=None,
        lease_until=None,
        next_attempt_at=bindparam("moment"),
        last_error=bindparam("error"),
        failure=bindparam("word"),
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
_END_LEASES = (
    update(outbox)
    .where(outbox.c.status == OutboxStatus.SENDING, outbox.c.finished_at.is_(None))
    .values(lease_until=bindparam("ended_at"))
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
_INSERT_ATTEMPT = insert(attempts)
_ABANDON_ATTEMPTS = (
    update(attempts)
    .where(attempts.c.outbox_id == bindparam("abandoned"), attempts.c.finished_at.is_(None))
    .values(finished_at=bindparam("ended_at"), outcome=AttemptOutcome.ABANDONED, ambiguous=True)
)
_FINISH_ATTEMPT = (
    update(attempts)
    .where(attempts.c.outbox_id == bindparam("ended"), attempts.c.fence == bindparam("held_fence"))
    .values(
        finished_at=bindparam("ended_at"),
        outcome=bindparam("how"),
        error=bindparam("why"),
        failure=bindparam("word"),
        ambiguous=bindparam("unclear"),
    )
)
_ACCEPTED = (
    update(attempts)
    .where(attempts.c.outbox_id == bindparam("returned"), attempts.c.finished_at.is_(None))
    .values(finished_at=bindparam("ended_at"), outcome=AttemptOutcome.DELIVERED)
)
_ATTEMPTS = select(attempts).where(attempts.c.outbox_id == bindparam("outbox_id")).order_by(attempts.c.fence)


class Everyone(enum.Enum):
    """Whoever it is for; None already means a sender that we do not know."""

    EVERYONE = enum.auto()


EVERYONE: Final = Everyone.EVERYONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What went wrong with an attempt, if anything did.

    Args:
        error: in words; stays in plain.
        failure: by its word.
        ambiguous: whether it may have arrived all the same.
    """

    error: str | None = None
    failure: Failure | None = None
    ambiguous: bool = False


class Outbox:
    """The outbox of one unit of work."""

    __slots__ = ("_by", "_connection")

    def __init__(self, connection: Connection, *, by: Claimant | None = None) -> None:
        self._connection = connection
        self._by = by

    def of(self, claimant: Claimant) -> "Outbox":
        """The same outbox as one of several gateways has it.

        What can be claimed is then only what that gateway may have, and what another is just claiming is
        passed over. What becomes claimable by another's death is not foreseen by `next_due`.
        """
        return Outbox(self._connection, by=claimant)

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

    def due(
        self,
        now: datetime,
        limit: int = 100,
        *,
        partner: str | Everyone | None = EVERYONE,
        freshest_first: bool = False,
    ) -> tuple[OutboxRecord, ...]:
        """What can be claimed now, longest due first: heads of lanes whose time came or whose lease ended.

        Args:
            now: the moment.
            limit: the most that is given.
            partner: only what is for this partner; None for senders that we do not know.
            freshest_first: what was tried the fewest times first.
        """
        query = self._unlocked(_of(_DUE_FRESHEST_FIRST if freshest_first else _DUE_OLDEST_FIRST, partner))
        parameters = {"now": now, "at_most": limit, **claimed_by(self._by, now)}
        return tuple(_record(row) for row in self._connection.execute(query, parameters))

    def fresh_answers(self, now: datetime, limit: int = 100) -> tuple[OutboxRecord, ...]:
        """As `due`: what is to be written on an open connection first, and was not tried yet."""
        parameters = {"now": now, "at_most": limit, **claimed_by(self._by, now)}
        rows = self._connection.execute(self._unlocked(_FRESH_ANSWERS), parameters)
        return tuple(_record(row) for row in rows)

    def mails(self, now: datetime, limit: int = 100) -> tuple[OutboxRecord, ...]:
        """As `due`: mails of their own, which their partner's ILL software has nothing to do with."""
        parameters = {"now": now, "at_most": limit, **claimed_by(self._by, now)}
        rows = self._connection.execute(self._unlocked(_MAILS), parameters)
        return tuple(_record(row) for row in rows)

    def next_mails(self, now: datetime) -> dict[str, datetime]:
        """When a mail of its own can be claimed next, by its partner."""
        rows = self._connection.execute(_NEXT_MAILS, claimed_by(self._by, now))
        return {row.partner: row.next_at for row in rows}

    def next_due(self, now: datetime, *, partner: str | Everyone | None = EVERYONE) -> datetime | None:
        """When something can be claimed next: `now` if something can be already, None if nothing waits."""
        parameters = claimed_by(self._by, now)
        earliest: datetime | None = self._connection.execute(_of(_NEXT_DUE, partner), parameters).scalar()
        return None if earliest is None else max(earliest, now)

    def waited_for(self) -> tuple[str | None, ...]:
        """The partners that something unfinished is for, by name; None for senders that we do not know."""
        partners: list[str | None] = list(self._connection.execute(_PARTNERS).scalars())
        if self._connection.execute(_STRANGERS).scalar_one():
            partners.append(None)
        return tuple(partners)

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
        """Whether anything up to a row is unfinished for a partner."""
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

    def to_check(self, now: datetime, limit: int = 100) -> tuple[OutboxRecord, ...]:
        """What waits, and is to be looked at now for being late."""
        parameters = {"now": now, "at_most": limit}
        rows = self._connection.execute(self._unlocked(_TO_CHECK), parameters)
        return tuple(_record(row) for row in rows)

    def next_check(self) -> datetime | None:
        """When something is to be looked at next for being late."""
        earliest: datetime | None = self._connection.execute(_NEXT_CHECK).scalar()
        return earliest

    def checked(self, outbox_id: OutboxId, again_at: datetime | None) -> None:
        """It was looked at; do so again at that moment."""
        self._connection.execute(_CHECKED, {"outbox_id": outbox_id, "again_at": again_at})

    def claim(self, outbox_id: OutboxId, owner: str, now: datetime, until: datetime) -> int | None:
        """Take a row to send it, by a lease until `until`; gives the fence, or None if not claimable.

        An attempt is begun; one that its sender never finished is marked abandoned.
        """
        parameters = {
            "outbox_id": outbox_id,
            "claimed_at": now,
            "owner": owner,
            "until": until,
            **claimed_by(self._by, now),
        }
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

    def delivered(
        self, outbox_id: OutboxId, fence: int, at: datetime, *, doubt: Trouble | None = None
    ) -> bool:
        """It was accepted by the other end. False if another sender holds the row by now: nothing changes.

        `doubt`: why it may not have arrived, though the partner's profile takes it for delivered.
        """
        return self._end(
            _FINISH,
            outbox_id,
            fence,
            at,
            OutboxStatus.DELIVERED,
            AttemptOutcome.DELIVERED,
            doubt or Trouble(),
        )

    def gave_up(
        self, outbox_id: OutboxId, fence: int, at: datetime, error: str, failure: Failure | None = None
    ) -> bool:
        """It will not be sent any more; the lane goes on. False as in `delivered`. `error` stays in plain."""
        return self._end(
            _FINISH,
            outbox_id,
            fence,
            at,
            OutboxStatus.NOT_DELIVERED,
            AttemptOutcome.GAVE_UP,
            Trouble(error=error, failure=failure),
        )

    def failed(
        self,
        outbox_id: OutboxId,
        fence: int,
        at: datetime,
        next_attempt_at: datetime,
        error: str,
        failure: Failure | None = None,
        *,
        ambiguous: bool = False,
    ) -> bool:
        """It did not go out this time; try again at `next_attempt_at`. False as in `delivered`."""
        trouble = Trouble(error=error, failure=failure, ambiguous=ambiguous)
        return self._end(
            _RETRY,
            outbox_id,
            fence,
            at,
            OutboxStatus.WAITING,
            AttemptOutcome.FAILED,
            trouble,
            again_at=next_attempt_at,
        )

    def hold_back(self, outbox_id: OutboxId, fence: int, at: datetime, trouble: Trouble) -> bool:
        """It may have arrived; hold it until an operator decides. False as in `delivered`."""
        return self._end(_RETRY, outbox_id, fence, at, OutboxStatus.HELD, AttemptOutcome.FAILED, trouble)

    def interrupted(self, outbox_id: OutboxId, fence: int, at: datetime, error: str) -> bool:
        """The gateway stopped while it was sent, so it may have arrived; it is due at once."""
        trouble = Trouble(error=error, failure=Failure.INTERRUPTED, ambiguous=True)
        return self._end(
            _RETRY, outbox_id, fence, at, OutboxStatus.WAITING, AttemptOutcome.ABANDONED, trouble
        )

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
                failure=row.failure,
                ambiguous=row.ambiguous,
            )
            for row in rows
        )

    def _unlocked(self, query: Select[Any]) -> Select[Any]:
        """Only rows that no other gateway has in hand now, and that none gets until this one is done."""
        return query if self._by is None else locking(query, skip=outbox)

    def _end(
        self,
        change: Update,
        outbox_id: OutboxId,
        fence: int,
        at: datetime,
        status: OutboxStatus,
        outcome: AttemptOutcome,
        trouble: Trouble,
        *,
        again_at: datetime | None = None,
    ) -> bool:
        """End an attempt: `change` finishes the row, or puts it back until `again_at`."""
        parameters = {
            "outbox_id": outbox_id,
            "held_fence": fence,
            "new_status": status,
            "moment": at if again_at is None else again_at,
            "error": trouble.error,
            "word": trouble.failure,
        }
        if self._connection.execute(change, parameters).rowcount != 1:
            return False
        attempt = {
            "ended": outbox_id,
            "held_fence": fence,
            "ended_at": at,
            "how": outcome,
            "why": trouble.error,
            "word": trouble.failure,
            "unclear": trouble.ambiguous,
        }
        self._connection.execute(_FINISH_ATTEMPT, attempt)
        return True


@lru_cache(maxsize=1024)
def _of(query: Select[Any], partner: str | Everyone | None) -> Select[Any]:
    match partner:
        case Everyone():
            return query
        case None:
            return query.where(outbox.c.partner.is_(None))
        case _:
            return query.where(outbox.c.partner == partner)


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
        failure=row.failure,
        check_at=row.check_at,
        held_by=row.held_by,
    )
