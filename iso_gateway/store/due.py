"""What of the outbox can be sent now, and what comes due when.

Only the head of a lane can be (`outbox`): one whose time has come, or whose sender's lease has run out
(`leases`); and nothing at all from a database whose sending is held (`gateways`). What is bound to a
connection can be claimed only by the gateway that has it, as long as that is alive; afterwards by any.
"""

import enum
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
)

from iso_gateway.store.connection import Connection, locking
from iso_gateway.store.gateways import MAY_SEND, is_free_for
from iso_gateway.store.outbox import IS_HEAD, record_of
from iso_gateway.store.records import GatewayId, OutboxRecord, OutboxStatus
from iso_gateway.store.tables import outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """Who wants to send.

    Args:
        gateway: the gateway.
        alive_since: one that has not been heard of since then counts as dead.
    """

    gateway: GatewayId
    alive_since: datetime


def may_be_claimed() -> ColumnElement[bool]:
    """Whether a claimant may have a row, as far as that does not depend on the row's own time and place."""
    return and_(MAY_SEND, is_free_for(outbox.c.connection_id, gateway="gateway", alive_since="alive_since"))


def claimed_by(by: Claimant | None, now: datetime) -> dict[str, object]:
    """The parameters of `may_be_claimed`. None claims as if no other gateway were alive."""
    if by is None:
        return {"gateway": "", "alive_since": now}
    return {"gateway": by.gateway, "alive_since": by.alive_since}


#: When a row can be claimed next: its time has come, or the lease of whoever sends it has run out.
_DUE_AT = case(
    (outbox.c.status == OutboxStatus.SENDING, outbox.c.lease_until), else_=outbox.c.next_attempt_at
)
_CAN_BE_SENT = or_(outbox.c.status == OutboxStatus.WAITING, outbox.c.status == OutboxStatus.SENDING)


def is_due(now: str) -> ColumnElement[bool]:
    """Whether a row can be claimed at the moment that the bound parameter named `now` holds."""
    return and_(
        IS_HEAD,
        may_be_claimed(),
        or_(
            and_(outbox.c.status == OutboxStatus.WAITING, outbox.c.next_attempt_at <= bindparam(now)),
            and_(outbox.c.status == OutboxStatus.SENDING, outbox.c.lease_until <= bindparam(now)),
        ),
    )


_DUE = select(outbox).where(is_due("now")).limit(bindparam("at_most"))
_DUE_OLDEST_FIRST = _DUE.order_by(_DUE_AT, outbox.c.id)
_DUE_FRESHEST_FIRST = _DUE.order_by(outbox.c.attempts, _DUE_AT, outbox.c.id)
_NEXT_DUE = select(func.min(_DUE_AT, type_=outbox.c.next_attempt_at.type)).where(
    IS_HEAD, _CAN_BE_SENT, may_be_claimed()
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
#: Literal, as in `_IS_MAIL`.
_SENT_BY_OTHERS = select(func.count()).where(
    outbox.c.status == literal_column("'sending'"),
    outbox.c.partner == bindparam("name"),
    outbox.c.lease_owner != bindparam("gateway"),
    outbox.c.lease_until > bindparam("now"),
)
_STRANGERS = select(exists().where(outbox.c.finished_at.is_(None), outbox.c.partner.is_(None)))
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


class Everyone(enum.Enum):
    """Whoever it is for; None already means a sender that we do not know."""

    EVERYONE = enum.auto()


EVERYONE: Final = Everyone.EVERYONE


class Due:
    """What is due in one unit of work."""

    __slots__ = ("_by", "_connection")

    def __init__(self, connection: Connection, *, by: Claimant | None = None) -> None:
        self._connection = connection
        self._by = by

    def of(self, claimant: Claimant) -> "Due":
        """The same for one of several gateways.

        What can be claimed is then only what that gateway may have, and what another is just claiming is
        passed over. What becomes claimable by another's death is not foreseen by `next`.
        """
        return Due(self._connection, by=claimant)

    def heads(
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
        return tuple(record_of(row) for row in self._connection.execute(query, parameters))

    def fresh_answers(self, now: datetime, limit: int = 100) -> tuple[OutboxRecord, ...]:
        """As `heads`: what is to be written on an open connection first, and was not tried yet."""
        parameters = {"now": now, "at_most": limit, **claimed_by(self._by, now)}
        rows = self._connection.execute(self._unlocked(_FRESH_ANSWERS), parameters)
        return tuple(record_of(row) for row in rows)

    def mails(self, now: datetime, limit: int = 100) -> tuple[OutboxRecord, ...]:
        """As `heads`: mails of their own, which their partner's ILL software has nothing to do with."""
        parameters = {"now": now, "at_most": limit, **claimed_by(self._by, now)}
        rows = self._connection.execute(self._unlocked(_MAILS), parameters)
        return tuple(record_of(row) for row in rows)

    def next_mails(self, now: datetime) -> dict[str, datetime]:
        """When a mail of its own can be claimed next, by its partner."""
        rows = self._connection.execute(_NEXT_MAILS, claimed_by(self._by, now))
        return {row.partner: row.next_at for row in rows}

    def next(self, now: datetime, *, partner: str | Everyone | None = EVERYONE) -> datetime | None:
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

    def sent_by_others(self, partner: str, now: datetime) -> int:
        """How much other gateways have on its way to a partner."""
        if self._by is None:
            return 0
        parameters = {"name": partner, "gateway": self._by.gateway, "now": now}
        return int(self._connection.execute(_SENT_BY_OTHERS, parameters).scalar_one())

    def to_check(self, now: datetime, limit: int = 100) -> tuple[OutboxRecord, ...]:
        """What waits, and is to be looked at now for being late."""
        parameters = {"now": now, "at_most": limit}
        rows = self._connection.execute(self._unlocked(_TO_CHECK), parameters)
        return tuple(record_of(row) for row in rows)

    def next_check(self) -> datetime | None:
        """When something is to be looked at next for being late."""
        earliest: datetime | None = self._connection.execute(_NEXT_CHECK).scalar()
        return earliest

    def _unlocked(self, query: Select[Any]) -> Select[Any]:
        """Only rows that no other gateway has in hand now, and that none gets until this one is done."""
        return query if self._by is None else locking(query, skip=outbox)


@lru_cache(maxsize=1024)
def _of(query: Select[Any], partner: str | Everyone | None) -> Select[Any]:
    match partner:
        case Everyone():
            return query
        case None:
            return query.where(outbox.c.partner.is_(None))
        case _:
            return query.where(outbox.c.partner == partner)
