"""APDUs to partners, by a connection that we open or by one that is the partner's already (protocol.md 5.4).

A connection that is kept goes into `TcpConnections`, and the next APDU for that partner goes on it. One APDU
is written at a time, and its system's acknowledgement awaited, before the next: none is ever within another.
What comes back on a two-way connection is received like anything else that comes in, in the background.
Imports asn1 and config, nothing of iso_gateway.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.envelope import OUTBOUND, Envelope, Peer, Transport, written
from adapters.errors import DeliveryFailed, Failure, failure_to_connect
from adapters.permit import Permit, always
from adapters.receiver import Receiver
from adapters.tcp_connection import CHUNK, TcpConnection, describe, end, undelivered
from adapters.tcp_connections import TcpConnections
from adapters.tcp_socket import acknowledged, all_but_end_acknowledged, reset
from adapters.tcp_stream import Stream, TlsStream
from adapters.tls import CONFIRMATION, client_context
from asn1.errors import WireError
from config.settings import Limits, ListenerMode, TcpTransport

IGNORED: Final = "connection.ignored"

_log: FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An APDU that was handed over.

    Args:
        peer_address: whom it was handed to, as `192.0.2.7:1611`.
        kept: whether the connection is kept for the next APDU, so that its end is no receipt for this one.
        closed_by_peer: whether the peer has ended the connection after it, in good order. One-way only: it is
            all the receipt there is. False says that the octets left this machine and nothing more is known;
            whether that is enough for this partner is for its profile to say.
        ignored: how many octets the peer wrote on a one-way connection, where it has nothing to say.
    """

    peer_address: str
    closed_by_peer: bool
    kept: bool = False
    ignored: int = 0


class TcpSender:
    """Sends APDUs by TCP.

    Args:
        receiver: who gets what comes back on two-way connections.
        limits: how much may come back, and how long it is waited for.
        new_connection_id: gives each connection a name that none other has.
        connections: where connections are kept; with those that partners have opened, if these are to be
            used.
    """

    def __init__(
        self,
        receiver: Receiver,
        limits: Limits,
        new_connection_id: Callable[[], str],
        connections: TcpConnections | None = None,
    ) -> None:
        self._receiver = receiver
        self._limits = limits
        self._new_connection_id = new_connection_id
        self._connections = TcpConnections() if connections is None else connections
        self._tasks: dict[asyncio.Task[object], TcpConnection] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def send(
        self,
        transport: TcpTransport,
        octets: bytes,
        *,
        connect_timeout: timedelta,
        send_timeout: timedelta,
        partner: str | None = None,
        permit: Permit = always,
    ) -> Delivery:
        """Sends one APDU.

        Where the transport keeps connections, an open one of the partner's is used if there is one, and a new
        one is kept. Else, one-way: writes it, ends our side and waits for the peer to end its own. Two-way:
        writes it, and leaves our side open for the answers, which are read in the background until the peer
        ends its side or has said nothing for `limits.answer_timeout`.

        Args:
            transport: where to and how.
            octets: the encoded APDU.
            connect_timeout: how long finding and reaching the peer may take, with what TLS takes.
            send_timeout: how long the peer may take to accept the APDU, its close included; and how long an
                APDU may wait for those before it.
            partner: whom it is for; None if the connection is to be used for nothing else.
            permit: asked immediately before the APDU is written.

        Raises DeliveryFailed: the peer cannot be reached or did not take all of it (not ambiguous), or it
        broke the connection afterwards (ambiguous); always temporary.
        """
        if partner is not None and transport.keeps:
            async with self._turn(partner, transport, send_timeout):
                kept = await self._send_on_open(partner, transport, octets, send_timeout, permit)
                if kept is not None:
                    return kept
                return await self._send_on_new(
                    transport, octets, connect_timeout, send_timeout, partner, permit
                )
        if transport.mode is ListenerMode.TWO_WAY:
            return await self._send_on_new(transport, octets, connect_timeout, send_timeout, None, permit)
        stream = await _connect(transport, connect_timeout)
        try:
            return await _send_one_way(stream, str(_peer(transport, stream)), octets, send_timeout, permit)
        except BaseException:
            reset(stream.writer)
            raise

    def follow(self, limits: Limits) -> None:
        """Has other limits hold for the connections that it opens from now on."""
        self._limits = limits

    def is_live(self, connection_id: str) -> bool:
        """Tells whether an answer can be written on the connection, as `TcpConnections.is_live`."""
        return self._connections.is_live(connection_id)

    async def write(self, connection_id: str, octets: bytes, *, permit: Permit = always) -> None:
        """Writes one more APDU on a live two-way connection, as `TcpListeners.write` does.

        Raises DeliveryFailed when the connection is gone or breaks.
        """
        await self._connections.write(
            connection_id, octets, within=self._limits.answer_timeout, permit=permit
        )

    async def stop(self, grace: timedelta) -> None:
        """Lets every answer in hand be received, and ends the connections that are kept.

        Args:
            grace: how long that may take; what is not done then is cut off with a reset.
        """
        for connection in self._tasks.values():
            connection.finish()
        await end(self._tasks, grace)

    @asynccontextmanager
    async def _turn(self, partner: str, transport: TcpTransport, within: timedelta) -> AsyncIterator[None]:
        """Waits until no other APDU is on its way to the partner by a connection that is kept.

        Raises DeliveryFailed when that takes too long; nothing was written then.
        """
        turn = self._turns.setdefault(partner, asyncio.Lock())
        try:
            async with asyncio.timeout(within.total_seconds()):
                await turn.acquire()
        except TimeoutError as error:
            raise DeliveryFailed(
                f"{written(transport.host, transport.port)} did not take the APDUs before this one in time",
                temporary=True,
                ambiguous=False,
                failure=Failure.SEND_TIMEOUT,
            ) from error
        try:
            yield
        finally:
            turn.release()

    async def _send_on_open(
        self, partner: str, transport: TcpTransport, octets: bytes, within: timedelta, permit: Permit
    ) -> Delivery | None:
        """Writes the APDU on a connection of the partner's; gives None when there is none to write on."""
        opened_after = asyncio.get_running_loop().time() - transport.max_age.total_seconds()
        while (connection := self._connections.free(partner, opened_after=opened_after)) is not None:
            still = partial(self._connections.is_partners, connection, partner)
            try:
                await connection.write(octets, within=within, permit=permit, still=still)
            except DeliveryFailed as error:
                if error.failure is not Failure.CONNECTION_GONE:
                    raise
            else:
                return Delivery(
                    peer_address=connection.envelope.peer_address, closed_by_peer=False, kept=True
                )
        return None

    async def _send_on_new(
        self,
        transport: TcpTransport,
        octets: bytes,
        connect_timeout: timedelta,
        send_timeout: timedelta,
        partner: str | None,
        permit: Permit,
    ) -> Delivery:
        """Writes the APDU on a new connection, and leaves that open; for others too if it is a partner's."""
        stream = await _connect(transport, connect_timeout)
        try:
            peer = _peer(transport, stream)
            two_way = transport.mode is ListenerMode.TWO_WAY
            connection = TcpConnection(
                stream,
                envelope=Envelope(
                    transport=Transport.TCP_TWO_WAY if two_way else Transport.TCP_ONE_WAY,
                    listener=OUTBOUND,
                    peer_address=str(peer),
                    peer_host=peer.host,
                    connection_id=self._new_connection_id(),
                ),
                limits=self._limits,
                silence=self._limits.answer_timeout if partner is None else transport.idle_timeout,
                receiver=self._receiver if two_way else _Ignored(),
            )
            await connection.write(octets, within=send_timeout, permit=permit)
        except BaseException:
            reset(stream.writer)
            raise
        self._read_on(connection, partner)
        return Delivery(peer_address=str(peer), closed_by_peer=False, kept=partner is not None)

    def _read_on(self, connection: TcpConnection, partner: str | None) -> None:
        task: asyncio.Task[object] = asyncio.create_task(connection.run())
        self._tasks[task] = connection
        self._connections.add(connection, partner=partner)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._connections.remove(self._tasks.pop(task))


class _Ignored:
    """Receives what a partner writes on a one-way connection of ours, where it has nothing to say."""

    async def element(self, octets: bytes, envelope: Envelope) -> None:
        _log.warning(IGNORED, peer=envelope.peer_address, octets=len(octets))

    async def unreadable(self, octets: bytes, error: WireError, envelope: Envelope) -> None:
        _log.warning(IGNORED, peer=envelope.peer_address, octets=len(octets), reason=error.reason)

    async def settled(self, connection_id: str) -> None:
        """Returns at once: nothing is ever answered."""


async def _connect(transport: TcpTransport, within: timedelta) -> Stream:
    """Opens a connection, and agrees on TLS where that is asked for.

    Raises DeliveryFailed; nothing of an APDU was written then.
    """
    address = written(transport.host, transport.port)
    context = _context(transport, address) if transport.tls else None
    timer = asyncio.timeout(within.total_seconds())
    writer: asyncio.StreamWriter | None = None
    try:
        async with timer:
            reader, writer = await asyncio.open_connection(transport.host, transport.port)
            if context is None:
                return Stream(reader, writer)
            stream = TlsStream(reader, writer, context, server_name=transport.server_name or transport.host)
            await stream.open()
            if transport.mode is ListenerMode.TWO_WAY or transport.keeps:
                with contextlib.suppress(TimeoutError):  # a peer that says nothing is taken at its word
                    async with asyncio.timeout(CONFIRMATION):
                        await stream.confirm()
            return stream
    except OSError as error:
        if writer is not None:
            reset(writer)
            raise _no_tls(address, error, late=timer.expired()) from error
        why = "no answer in time" if timer.expired() else describe(error)
        raise DeliveryFailed(
            f"cannot connect to {address}: {why}",
            temporary=True,
            ambiguous=False,
            failure=failure_to_connect(error, late=timer.expired()),
        ) from error
    except BaseException:
        if writer is not None:
            reset(writer)
        raise


def _context(transport: TcpTransport, address: str) -> ssl.SSLContext:
    try:
        return client_context(transport)
    except OSError as error:
        raise DeliveryFailed(
            f"the files for TLS with {address} cannot be used any more ({type(error).__name__});"
            " iso-gateway check says what is wrong with them",
            temporary=True,
            ambiguous=False,
            failure=Failure.TLS,
        ) from error


def _no_tls(address: str, error: OSError, *, late: bool) -> DeliveryFailed:
    why = "it did not agree on TLS in time" if late else describe(error)
    return DeliveryFailed(
        f"{address} was reached, but {why}", temporary=True, ambiguous=False, failure=Failure.TLS
    )


def _peer(transport: TcpTransport, stream: Stream) -> Peer:
    name = stream.writer.get_extra_info("peername")
    if name is None:
        raise DeliveryFailed(
            f"{written(transport.host, transport.port)} broke the connection at once; does it allow us?",
            temporary=True,
            ambiguous=False,
            failure=Failure.CLOSED,
        )
    return Peer.of(name)


async def _send_one_way(
    stream: Stream, peer: str, octets: bytes, within: timedelta, permit: Permit
) -> Delivery:
    await permit()
    writer = stream.writer
    timer = asyncio.timeout(within.total_seconds())
    ignored = 0
    closed = True
    try:
        async with timer:
            stream.write(octets)
            await writer.drain()
            stream.end()
            while data := await stream.read(CHUNK):
                ignored += len(data)
            await acknowledged(writer)
    except ssl.SSLEOFError:
        # Many end TCP without ending TLS. It may be anybody's doing, so it is no receipt; but no error
        # either.
        closed = False
    except OSError as error:
        if not (timer.expired() and all_but_end_acknowledged(writer)):
            raise undelivered(writer, peer, error, late=timer.expired()) from error
        closed = False
    if ignored:
        _log.warning(IGNORED, peer=peer, octets=ignored)
    # Not a reset, even after the time is over: it could destroy what the peer has not read yet.
    stream.close()
    return Delivery(peer_address=peer, closed_by_peer=closed, ignored=ignored)
