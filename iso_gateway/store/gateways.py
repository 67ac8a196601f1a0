"""The gateway processes that share a database: who is there, and what all of them are held to.

Theory of operation. A gateway enters itself when it starts and says every third of a lease that it is still
there. One that has not been heard of for a whole lease counts as dead: others take up what it had in hand.
Nobody can tell a dead process from a stopped one, so what a gateway holds is fenced besides (`outbox`), and
one that finds itself declared dead by its own successor ends.

The id of a connection begins with the id of the gateway that has it (`GATEWAY_ID_LENGTH` characters): only
that gateway can write on it.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Engine,
    bindparam,
    delete,
    exists,
    func,
    insert,
    inspect,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import DBAPIError

from iso_gateway.store.connection import Connection
from iso_gateway.store.engine import failure
from iso_gateway.store.records import GatewayId, GatewayRecord, SendingHold
from iso_gateway.store.tables import gateways, site_state

#: How many characters the id of a gateway has; so many does the id of each of its connections begin with.
GATEWAY_ID_LENGTH: Final = 16
#: For how long the runs of the past are kept.
REMEMBERED: Final = timedelta(days=30)
_SENDING_HELD: Final = "sending-held"

_INSERT = insert(gateways)
_FORGET = delete(gateways).where(gateways.c.last_seen_at < bindparam("before"))
_SEEN = (
    update(gateways)
    .where(gateways.c.id == bindparam("gateway"), gateways.c.stopped_at.is_(None))
    .values(last_seen_at=bindparam("seen_at"))
)
_HEARD_LATEST = (
    update(gateways).where(gateways.c.last_seen_at > bindparam("now")).values(last_seen_at=bindparam("now"))
)
_END = (
    update(gateways)
    .where(gateways.c.id == bindparam("gateway"), gateways.c.stopped_at.is_(None))
    .values(stopped_at=bindparam("ended_at"))
)
_LIST = select(gateways).order_by(gateways.c.started_at.desc(), gateways.c.id).limit(bindparam("at_most"))
_HOLD = select(site_state.c.detail, site_state.c.since).where(site_state.c.name == _SENDING_HELD)
_RELEASE = delete(site_state).where(site_state.c.name == _SENDING_HELD)

#: Nothing is sent while this is not true.
MAY_SEND: Final = not_(exists().where(site_state.c.name == _SENDING_HELD))


def is_nobodys(connection_id: ColumnElement[str | None], *, alive_since: str) -> ColumnElement[bool]:
    """Whether no gateway that is alive has a connection.

    Args:
        connection_id: the column that names it, not NULL.
        alive_since: the bound parameter with the moment since which a gateway must have been heard of.
    """
    return not_(
        exists().where(
            gateways.c.id == _gateway_of(connection_id),
            gateways.c.stopped_at.is_(None),
            gateways.c.last_seen_at > bindparam(alive_since),
        )
    )


def is_free_for(
    connection_id: ColumnElement[str | None], *, gateway: str, alive_since: str
) -> ColumnElement[bool]:
    """Whether a gateway may send what is bound to a connection: its own, nobody's, or bound to none at all.

    Args:
        connection_id: the column that names it, or NULL.
        gateway: the bound parameter with the gateway's id.
        alive_since: as in `is_nobodys`.
    """
    return or_(
        connection_id.is_(None),
        _gateway_of(connection_id) == bindparam(gateway),
        is_nobodys(connection_id, alive_since=alive_since),
    )


def _gateway_of(connection_id: ColumnElement[str | None]) -> ColumnElement[str | None]:
    return func.substr(connection_id, 1, GATEWAY_ID_LENGTH)


class Gateways:
    """The gateways of one unit of work."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def enter(
        self, gateway: GatewayId, *, state_id: str, host: str, pid: int, at: datetime, alone: bool
    ) -> tuple[GatewayId, ...]:
        """Enter a gateway that starts; gives those that it found dead.

        Dead are the earlier runs on the same state directory, because whoever runs holds its lock; and every
        other, if this is the only gateway that the database can have (`alone`).
        """
        self._connection.execute(_FORGET, {"before": at - REMEMBERED})
        ours = true() if alone else gateways.c.state_id == state_id
        ended = (
            update(gateways)
            .where(gateways.c.stopped_at.is_(None), ours)
            .values(stopped_at=at)
            .returning(gateways.c.id)
        )
        dead = tuple(GatewayId(row.id) for row in self._connection.execute(ended))
        row = {
            "id": gateway,
            "state_id": state_id,
            "host": host,
            "pid": pid,
            "started_at": at,
            "last_seen_at": at,
        }
        self._connection.execute(_INSERT, row)
        return dead

    def seen(self, gateway: GatewayId, at: datetime) -> bool:
        """Say that a gateway is there. False if another has found it dead: it must not go on."""
        return self._connection.execute(_SEEN, {"gateway": gateway, "seen_at": at}).rowcount == 1

    def no_later_than(self, now: datetime) -> None:
        """Let no gateway have been heard of later than now, by a clock that was set back."""
        self._connection.execute(_HEARD_LATEST, {"now": now})

    def leave(self, gateway: GatewayId, at: datetime) -> None:
        """Say that a gateway has ended, so that nobody waits for it."""
        self._connection.execute(_END, {"gateway": gateway, "ended_at": at})

    def list(self, limit: int = 100) -> tuple[GatewayRecord, ...]:
        """The gateways, the last one started first."""
        return tuple(
            GatewayRecord(**row._mapping)  # noqa: SLF001  (SQLAlchemy's public name for it)
            for row in self._connection.execute(_LIST, {"at_most": limit})
        )

    def alive(self, since: datetime) -> tuple[GatewayRecord, ...]:
        """Those that have not ended and have been heard of since."""
        return tuple(one for one in self.list() if one.stopped_at is None and one.last_seen_at > since)


def alive_in(engine: Engine, since: datetime) -> tuple[GatewayRecord, ...]:
    """The gateways of a database that may be of an earlier version, and then tells of none."""
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(gateways.name):
                return ()
            return Gateways(Connection(connection)).alive(since)
    except DBAPIError as error:
        raise failure(engine, error) from error


class Sending:
    """Whether anything is sent from this database at all, in one unit of work."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def held(self) -> SendingHold | None:
        """Why nothing is sent; None if it is."""
        row = self._connection.execute(_HOLD).one_or_none()
        return None if row is None else SendingHold(reason=row.detail, since=row.since)

    def hold(self, reason: str, at: datetime) -> None:
        """Send nothing more, whichever gateway it is. `reason` is for people, in our words, kept in plain."""
        hold_sending(self._connection, reason, at)

    def resume(self) -> bool:
        """Send again. False if it was not held."""
        return self._connection.execute(_RELEASE).rowcount == 1


def hold_sending(connection: Connection, reason: str, at: datetime) -> None:
    """Mark a database as one from which nothing is sent."""
    connection.execute(_RELEASE)
    connection.execute(insert(site_state), {"name": _SENDING_HELD, "detail": reason, "since": at})
