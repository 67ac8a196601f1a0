"""APDUs to partners, by a connection that we open (protocol.md 5.4).

This version opens one connection for each APDU. What comes back on a two-way connection is received like
anything else that comes in, in the background.
Imports asn1 and config, nothing of iso_gateway.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.envelope import OUTBOUND, Envelope, Peer, Transport, written
from adapters.errors import DeliveryFailed, Failure, failure_to_connect
from adapters.receiver import Receiver
from adapters.tcp_connection import CHUNK, TcpConnection, describe, end, gone, undelivered
from adapters.tcp_socket import acknowledged, all_but_end_acknowledged, reset
from config.settings import Limits, ListenerMode, TcpTransport

IGNORED: Final = "connection.ignored"

_log: FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An APDU that was handed over.

    Args:
        peer_address: whom it was handed to, as `192.0.2.7:1611`.
        closed_by_peer: whether the peer has ended the connection after it, in good order. One-way only: it is
            all the receipt there is. False says that the octets left this machine and nothing more is known;
            whether that is enough for this partner is for its profile to say.
    """

    peer_address: str
    closed_by_peer: bool


class TcpSender:
    """Sends APDUs by TCP.

    Args:
        receiver: who gets what comes back on two-way connections.
        limits: how much may come back, and how long it is waited for.
        new_connection_id: gives each connection a name that none other has.
    """

    def __init__(self, receiver: Receiver, limits: Limits, new_connection_id: Callable[[], str]) -> None:
        self._receiver = receiver
        self._limits = limits
        self._new_connection_id = new_connection_id
        self._tasks: dict[asyncio.Task[object], TcpConnection] = {}
        self._two_way: dict[str, TcpConnection] = {}

    async def send(
        self, transport: TcpTransport, octets: bytes, *, connect_timeout: timedelta, send_timeout: timedelta
    ) -> Delivery:
        """Sends one APDU.

        One-way: writes it, ends our side and waits for the peer to end its own. Two-way: writes it, and
        leaves our side open for the answers, which are read in the background until the peer ends its side or
        has said nothing for `limits.answer_timeout`.

        Args:
            transport: where to and how.
            octets: the encoded APDU.
            connect_timeout: how long finding and reaching the peer may take.
            send_timeout: how long the peer may take to accept the APDU, its close included.

        Raises DeliveryFailed: the peer cannot be reached or did not take all of it (not ambiguous), or it
        broke the connection afterwards (ambiguous); always temporary, but for a transport that asks for TLS.
        """
        if transport.tls:
            raise DeliveryFailed(
                f"{written(transport.host, transport.port)} asks for TLS, which this version cannot do;"
                " set tls = false if the link is protected otherwise",
                temporary=False,
                ambiguous=False,
                failure=Failure.TLS,
            )
        reader, writer = await _connect(transport, connect_timeout)
        try:
            peer = _peer(transport, writer)
            if transport.mode is ListenerMode.ONE_WAY:
                return await _send_one_way(reader, writer, str(peer), octets, send_timeout)
            connection = TcpConnection(
                reader,
                writer,
                envelope=Envelope(
                    transport=Transport.TCP_TWO_WAY,
                    listener=OUTBOUND,
                    peer_address=str(peer),
                    peer_host=peer.host,
                    connection_id=self._new_connection_id(),
                ),
                limits=self._limits,
                silence=self._limits.answer_timeout,
                receiver=self._receiver,
            )
            await connection.write(octets, within=send_timeout)
        except BaseException:
            reset(writer)
            raise
        self._read_on(connection)
        return Delivery(peer_address=str(peer), closed_by_peer=False)

    def is_live(self, connection_id: str) -> bool:
        """Tells whether an answer can be written on the connection: we opened it, two-way, and it is open."""
        connection = self._two_way.get(connection_id)
        return connection is not None and connection.live

    async def write(self, connection_id: str, octets: bytes) -> None:
        """Writes one more APDU on a live two-way connection that we opened, as `TcpListeners.write` does.

        Raises DeliveryFailed when the connection is gone or breaks.
        """
        connection = self._two_way.get(connection_id)
        if connection is None:
            raise gone(connection_id)
        await connection.write(octets, within=self._limits.answer_timeout)

    async def stop(self, grace: timedelta) -> None:
        """Lets every answer in hand be received, and ends the connections on which answers are waited for.

        Args:
            grace: how long that may take; what is not done then is cut off with a reset.
        """
        for connection in self._tasks.values():
            connection.finish()
        await end(self._tasks, grace)

    def _read_on(self, connection: TcpConnection) -> None:
        task: asyncio.Task[object] = asyncio.create_task(connection.run())
        self._tasks[task] = connection
        self._two_way[connection.envelope.connection_id] = connection
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        del self._two_way[self._tasks.pop(task).envelope.connection_id]


async def _connect(
    transport: TcpTransport, within: timedelta
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    timer = asyncio.timeout(within.total_seconds())
    try:
        async with timer:
            return await asyncio.open_connection(transport.host, transport.port)
    except OSError as error:
        why = "no answer in time" if timer.expired() else describe(error)
        raise DeliveryFailed(
            f"cannot connect to {written(transport.host, transport.port)}: {why}",
            temporary=True,
            ambiguous=False,
            failure=failure_to_connect(error, late=timer.expired()),
        ) from error


def _peer(transport: TcpTransport, writer: asyncio.StreamWriter) -> Peer:
    name = writer.get_extra_info("peername")
    if name is None:
        raise DeliveryFailed(
            f"{written(transport.host, transport.port)} broke the connection at once; does it allow us?",
            temporary=True,
            ambiguous=False,
            failure=Failure.CLOSED,
        )
    return Peer.of(name)


async def _send_one_way(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    peer: str,
    octets: bytes,
    within: timedelta,
) -> Delivery:
    # Drained shall mean that the kernel has all of it: then a time-out tells what the peer cannot have.
    writer.transport.set_write_buffer_limits(high=0)
    timer = asyncio.timeout(within.total_seconds())
    ignored = 0
    try:
        async with timer:
            writer.write(octets)
            await writer.drain()
            writer.write_eof()
            while data := await reader.read(CHUNK):
                ignored += len(data)
            await acknowledged(writer)
    except OSError as error:
        if not (timer.expired() and all_but_end_acknowledged(writer)):
            raise undelivered(writer, peer, error, late=timer.expired()) from error
    if ignored:
        _log.warning(IGNORED, peer=peer, octets=ignored)
    # Not a reset, even after the time is over: it could destroy what the peer has not read yet.
    writer.close()
    return Delivery(peer_address=peer, closed_by_peer=not timer.expired())
