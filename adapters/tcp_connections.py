"""Which open connections something more may be written on, and which of them are which partner's.

A two-way connection is a partner's when the gateway has opened it to the partner's address, or once a message
of that partner was accepted on it (`heard_from`). Then whatever else the partner is owed may go out on it.
As soon as anybody else speaks on it, it is nobody's, for good: what is for one partner is never written where
another may read it. Answers still go back by the connection that brought the question.
Imports config and adapters, nothing of iso_gateway.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.permit import Permit, always
from adapters.tcp_connection import TcpConnection, gone

SHARED: Final = "connection.shared"

_log: FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Entry:
    connection: TcpConnection
    partner: str | None
    shared: bool = False


class TcpConnections:
    """The connections that are open, by the name that each has."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def add(self, connection: TcpConnection, *, partner: str | None = None) -> None:
        """Takes up a connection; `partner` is whose it is, if the gateway has opened it to that partner."""
        self._entries[connection.envelope.connection_id] = _Entry(connection=connection, partner=partner)

    def remove(self, connection: TcpConnection) -> None:
        """Forgets a connection that has ended."""
        self._entries.pop(connection.envelope.connection_id, None)

    def is_live(self, connection_id: str) -> bool:
        """Tells whether an answer can be written on the connection: it is here, and open."""
        entry = self._entries.get(connection_id)
        return entry is not None and entry.connection.live

    def is_partners(self, connection: TcpConnection, partner: str) -> bool:
        """Tells whether an open connection is this partner's, and may be written on."""
        entry = self._entries.get(connection.envelope.connection_id)
        return entry is not None and entry.partner == partner and connection.healthy

    def is_ours(self, connection_id: str) -> bool:
        """Tells whether the connection is open, and the gateway has opened it."""
        entry = self._entries.get(connection_id)
        return entry is not None and entry.connection.ours

    async def write(
        self, connection_id: str, octets: bytes, *, within: timedelta, permit: Permit = always
    ) -> None:
        """Writes one APDU on a connection, and returns when the peer's system has acknowledged all of it.

        Raises DeliveryFailed when the connection is gone or breaks, or the time is over.
        """
        entry = self._entries.get(connection_id)
        if entry is None:
            raise gone(connection_id)
        await entry.connection.write(octets, within=within, permit=permit)

    def heard_from(self, connection_id: str, partner: str | None, *, accepted: bool) -> None:
        """Takes note of whose message came by a connection.

        Args:
            connection_id: the connection; one that has ended meanwhile is nobody's concern.
            partner: who sent the message, if that is certain; None if it is not.
            accepted: whether the message was accepted, which makes a connection that was nobody's the
                partner's.
        """
        entry = self._entries.get(connection_id)
        if entry is None or entry.shared or (partner is not None and entry.partner == partner):
            return
        if entry.partner is None and partner is not None:
            entry.partner = partner if accepted else None
            return
        # The first to speak is not certain, or not the first: from here on anybody may be listening.
        if entry.partner is not None:
            _log.warning(SHARED, connection_id=connection_id, partner=entry.partner, other=partner)
        entry.partner, entry.shared = None, True

    def disown(self, partner: str) -> None:
        """Has no connection be the partner's any more, because it is reached elsewhere now, or nobody's.

        Those that we have opened are ended, once what is in hand is done.
        """
        for entry in self._entries.values():
            if entry.partner == partner:
                entry.partner = None
                if entry.connection.ours:
                    entry.connection.finish()

    def free(self, partner: str, *, opened_after: float) -> TcpConnection | None:
        """Returns a connection of the partner's on which nothing is being written now, the last that was
        used.

        Args:
            partner: whose.
            opened_after: when a connection of our own has to have been opened, by the event loop's clock.
                Those that are older are ended; how old one is that the partner has opened is the partner's
                affair.
        """
        own = [entry.connection for entry in self._entries.values() if entry.partner == partner]
        for connection in own:
            if connection.ours and connection.opened_at < opened_after:
                connection.finish()
        usable = [connection for connection in own if connection.healthy and connection.idle]
        return max(usable, key=lambda connection: connection.active_at, default=None)
