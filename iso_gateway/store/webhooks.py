"""Webhooks: up to which event each has been told, whether it answers, and which gateway posts to it."""

from datetime import datetime

from sqlalchemy import Row, bindparam, func, insert, or_, select, update

from iso_gateway.store.connection import Connection
from iso_gateway.store.records import WebhookRecord
from iso_gateway.store.tables import events, webhooks

_GET = select(webhooks).where(webhooks.c.name == bindparam("hook"))
_ALL = select(webhooks).order_by(webhooks.c.name)
_LAST_EVENT = select(func.coalesce(func.max(events.c.sequence), 0))
_INSERT = insert(webhooks)
_CLAIM = (
    update(webhooks)
    .where(
        webhooks.c.name == bindparam("hook"),
        webhooks.c.sequence == bindparam("expected"),
        or_(webhooks.c.lease_until.is_(None), webhooks.c.lease_until <= bindparam("now")),
        or_(webhooks.c.retry_at.is_(None), webhooks.c.retry_at <= bindparam("now")),
    )
    .values(lease_owner=bindparam("owner"), lease_until=bindparam("until"))
)
_RETRY_LATEST = (
    update(webhooks)
    .where(webhooks.c.name == bindparam("hook"), webhooks.c.retry_at > bindparam("now"))
    .values(retry_at=bindparam("now"))
)
_LEASE_LATEST = (
    update(webhooks)
    .where(webhooks.c.name == bindparam("hook"), webhooks.c.lease_until > bindparam("now"))
    .values(lease_until=bindparam("now"))
)
_TOLD = (
    update(webhooks)
    .where(webhooks.c.name == bindparam("hook"), webhooks.c.lease_owner == bindparam("owner"))
    .values(
        sequence=bindparam("told"),
        failures=0,
        failing_since=None,
        retry_at=None,
        last_error=None,
        lease_owner=None,
        lease_until=None,
    )
)
_FAILED = (
    update(webhooks)
    .where(webhooks.c.name == bindparam("hook"), webhooks.c.lease_owner == bindparam("owner"))
    .values(
        failures=webhooks.c.failures + 1,
        failing_since=func.coalesce(
            webhooks.c.failing_since, bindparam("now", type_=webhooks.c.failing_since.type)
        ),
        retry_at=bindparam("again"),
        last_error=bindparam("error"),
        lease_owner=None,
        lease_until=None,
    )
)


class Webhooks:
    """The webhooks of one unit of work."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> WebhookRecord | None:
        """How it stands with a webhook; None before it was entered."""
        row = self._connection.execute(_GET, {"hook": name}).one_or_none()
        return None if row is None else _record(row)

    def all(self) -> tuple[WebhookRecord, ...]:
        """All that were ever entered, by name."""
        return tuple(_record(row) for row in self._connection.execute(_ALL))

    def enter(self, name: str) -> WebhookRecord:
        """Enter a webhook, if it is not; it is told of what happens from now on."""
        known = self.get(name)
        if known is not None:
            return known
        last = int(self._connection.execute(_LAST_EVENT).scalar_one())
        self._connection.execute(_INSERT, {"name": name, "sequence": last, "failures": 0})
        return WebhookRecord(name=name, sequence=last)

    def claim(self, before: WebhookRecord, *, owner: str, now: datetime, until: datetime) -> bool:
        """Take a webhook to post to it; False if it has moved, another gateway posts, or it is not time."""
        parameters = {
            "hook": before.name,
            "expected": before.sequence,
            "owner": owner,
            "now": now,
            "until": until,
        }
        return self._connection.execute(_CLAIM, parameters).rowcount == 1

    def no_later_than(self, name: str, now: datetime) -> None:
        """Let a webhook wait for no moment that a clock set back has moved away."""
        self._connection.execute(_RETRY_LATEST, {"hook": name, "now": now})
        self._connection.execute(_LEASE_LATEST, {"hook": name, "now": now})

    def told(self, name: str, *, owner: str, sequence: int) -> bool:
        """It has taken everything up to an event. False if another gateway posts by now."""
        parameters = {"hook": name, "owner": owner, "told": sequence}
        return self._connection.execute(_TOLD, parameters).rowcount == 1

    def failed(self, name: str, *, owner: str, now: datetime, again: datetime, error: str) -> bool:
        """It has not; `error` is in our words. False as in `told`."""
        parameters = {"hook": name, "owner": owner, "now": now, "again": again, "error": error}
        return self._connection.execute(_FAILED, parameters).rowcount == 1


def _record(row: Row[*tuple[object, ...]]) -> WebhookRecord:
    return WebhookRecord(**row._mapping)  # noqa: SLF001  (SQLAlchemy's public name for it)
