"""What stands between us and each partner: an operator who suspended it, and its circuit breaker."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, String, bindparam, func, insert, or_, select, update

from iso_gateway.store import renaming
from iso_gateway.store.connection import Connection, locking
from iso_gateway.store.records import AuditId, BreakerState, OutboxId, PartnerStateRecord
from iso_gateway.store.tables import partner_states

_ALL = select(partner_states).order_by(partner_states.c.partner)
_GET = select(partner_states).where(partner_states.c.partner == bindparam("name"))
_INSERT = insert(partner_states)
_PARTNERS_TURN = 0x49534F34  # any number that only this program uses: "ISO4"
_TAKE_TURN = select(
    func.pg_try_advisory_xact_lock(_PARTNERS_TURN, func.hashtext(bindparam("name", type_=String)))
)
_TAKE_PROBE = (
    update(partner_states)
    .where(
        partner_states.c.partner == bindparam("name"),
        partner_states.c.breaker != BreakerState.CLOSED,
        or_(partner_states.c.retry_at.is_(None), partner_states.c.retry_at <= bindparam("now")),
    )
    .values(breaker=BreakerState.HALF_OPEN, retry_at=bindparam("until"))
)
_END_PROBES = (
    update(partner_states)
    .where(partner_states.c.breaker == BreakerState.HALF_OPEN)
    .values(breaker=BreakerState.OPEN, retry_at=bindparam("now"))
)
_RETRY_LATEST = (
    update(partner_states)
    .where(partner_states.c.breaker != BreakerState.CLOSED, partner_states.c.retry_at > bindparam("limit"))
    .values(retry_at=bindparam("now"))
)
_TURN_LATEST = (
    update(partner_states)
    .where(partner_states.c.paced_until > bindparam("limit"))
    .values(paced_until=bindparam("now"))
)


class PartnerStates:
    """The partners' states of one unit of work."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> dict[str, PartnerStateRecord]:
        """The states that there are, by name; a partner that has none has nothing in its way."""
        return {row.partner: _record(row) for row in self._connection.execute(_ALL)}

    def get(self, partner: str, *, to_change: bool = False) -> PartnerStateRecord:
        """The state of one partner; `to_change` keeps other gateways from changing it meanwhile."""
        query = locking(_GET) if to_change else _GET
        row = self._connection.execute(query, {"name": partner}).one_or_none()
        return PartnerStateRecord(partner=partner) if row is None else _record(row)

    def take_turn(self, partner: str) -> bool:
        """Keep other gateways from beginning anything for a partner until the unit of work ends.

        False if one is just beginning something. SQLite has one gateway only.
        """
        if self._connection.dialect.name == "sqlite":
            return True
        return bool(self._connection.execute(_TAKE_TURN, {"name": partner}).scalar())

    def suspend(self, partner: str, *, at: datetime, by: str, audit_id: AuditId) -> None:
        """Send nothing to a partner any more; `audit_id` is where the reason stands."""
        self._change(partner, suspended_at=at, suspended_by=by, audit_id=audit_id)

    def resume(self, partner: str, *, at: datetime, backlog_id: OutboxId | None) -> None:
        """Send again to a partner that was suspended.

        Args:
            partner: its name.
            at: now: the first of what waited may go at once.
            backlog_id: the newest outbox row that waited, up to which the pace is limited; None when nothing
                waited.
        """
        self._change(
            partner,
            suspended_at=None,
            suspended_by=None,
            audit_id=None,
            paced_until=None if backlog_id is None else at,
            backlog_id=backlog_id,
        )

    def pace(self, partner: str, *, until: datetime) -> None:
        """One of a backlog has gone; the next may go at that moment."""
        self._change(partner, paced_until=until)

    def end_pace(self, partner: str) -> None:
        """The backlog is gone."""
        self._change(partner, paced_until=None, backlog_id=None)

    def take_probe(self, partner: str, *, now: datetime, until: datetime) -> bool:
        """Take the one probe that may go through an open breaker; False when another has taken it.

        `until`: when it is taken for lost.
        """
        parameters = {"name": partner, "now": now, "until": until}
        return self._connection.execute(_TAKE_PROBE, parameters).rowcount == 1

    def end_probes(self, now: datetime) -> None:
        """Take every probe for lost: for the only gateway of a database, when it starts."""
        self._connection.execute(_END_PROBES, {"now": now})

    def no_later_than(self, now: datetime, *, furthest: timedelta = timedelta(0)) -> None:
        """Let nothing wait for a moment that a clock set back has moved away.

        `furthest`: what is no further away than this may be as it should.
        """
        self._connection.execute(_RETRY_LATEST, {"now": now, "limit": now + furthest})
        self._connection.execute(_TURN_LATEST, {"now": now, "limit": now + furthest})

    def set_breaker(self, state: PartnerStateRecord) -> None:
        """Keep what the last attempts told: the breaker, and what went wrong last."""
        self._change(
            state.partner,
            breaker=state.breaker,
            failures=state.failures,
            retry_at=state.retry_at,
            failing_since=state.failing_since,
            failure=state.failure,
            last_error=state.last_error,
        )

    def probe_now(self, partner: str, at: datetime) -> None:
        """Let the next probe go at once: an operator asked for it."""
        state = self.get(partner)
        if state.breaker is BreakerState.OPEN:
            self._change(partner, retry_at=at)

    def rename(self, old: str, new: str) -> Mapping[str, int]:
        """Name a partner otherwise wherever it is named; see `renaming`."""
        return renaming.rename(self._connection, old, new)

    def _change(self, partner: str, **values: Any) -> None:
        changed = update(partner_states).where(partner_states.c.partner == partner).values(values)
        if self._connection.execute(changed).rowcount == 0:
            row = {"partner": partner, "breaker": BreakerState.CLOSED, "failures": 0, **values}
            self._connection.execute(_INSERT, row)


def _record(row: Row[*tuple[object, ...]]) -> PartnerStateRecord:
    return PartnerStateRecord(
        partner=row.partner,
        suspended_at=row.suspended_at,
        suspended_by=row.suspended_by,
        audit_id=row.audit_id,
        paced_until=row.paced_until,
        backlog_id=row.backlog_id,
        breaker=row.breaker,
        failures=row.failures,
        retry_at=row.retry_at,
        failing_since=row.failing_since,
        failure=row.failure,
        last_error=row.last_error,
    )
