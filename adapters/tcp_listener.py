"""APDUs from peers that connect to us: one-way on port 1611, two-way on port 499 (protocol.md 5.4).

What the end of a connection tells a peer is written down in `adapters.tcp_connection`. A connection over the
cap is accepted and reset at once: left waiting in the backlog, the peer could not tell a full gateway from a
dead one. Imports asn1 and config, nothing of iso_gateway.
"""

import asyncio
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.envelope import Envelope, Peer, Transport, written
from adapters.errors import ListenError
from adapters.permit import Permit, always
from adapters.receiver import Receiver
from adapters.tcp_connection import REFUSED, TcpConnection, describe, end
from adapters.tcp_connections import TcpConnections
from adapters.tcp_socket import make_room, reset_at_death
from adapters.tcp_stream import Stream, TlsStream
from adapters.throttle import Throttle
from adapters.tls import server_context
from config.settings import Limits, Listener, ListenerMode

#: Connections that the system may hold ready for us to accept.
BACKLOG: Final = 128

#: At most one line in this time says that connections were refused, and how many.
REFUSED_INTERVAL: Final = timedelta(seconds=10)

#: The addresses of a name that this machine has no use for, as `::1` of `localhost` where IPv6 is switched
#: off.
_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})

#: The system does not let this process have as many connections as the configuration does.
NO_ROOM: Final = "connection.no-room"

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class TcpListeners:
    """All TCP listeners of the gateway, under one cap.

    Args:
        listeners: what to listen on, and what for.
        limits: what one peer, and all together, may cost.
        receiver: who gets what comes in.
        new_connection_id: gives each connection a name that none other has.
        connections: where two-way connections are kept while they are open, with those of a sender if they
            are to be used for whatever a partner is owed.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        limits: Limits,
        receiver: Receiver,
        new_connection_id: Callable[[], str],
        connections: TcpConnections | None = None,
    ) -> None:
        self._listeners = tuple(listeners)
        self._limits = limits
        self._receiver = receiver
        self._new_connection_id = new_connection_id
        self._contexts: Mapping[str, ssl.SSLContext | None] = {}
        self._servers: list[asyncio.Server] = []
        self._addresses: dict[str, tuple[str, int]] = {}
        self._tasks: dict[asyncio.Task[object], TcpConnection] = {}
        self._connections = TcpConnections() if connections is None else connections
        self._by_host: Counter[str] = Counter()
        self._refused: Throttle | None = None
        self._stopping = False

    @property
    def addresses(self) -> Mapping[str, tuple[str, int]]:
        """Host and port that each listener, by its name, really listens on; the first if it has several."""
        return MappingProxyType(self._addresses)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._tasks)

    async def start(self, sockets: Mapping[str, Sequence[socket.socket]] = MappingProxyType({})) -> None:
        """Opens every listener, or none.

        Args:
            sockets: by the name of the listener, sockets that are bound already (socket activation); these
                listeners' host and port are not looked at. They belong to this object from now on.

        Raises ListenError when an address cannot be listened on; nothing is left open then, neither the
        sockets given.
        """
        self._refused = Throttle(REFUSED_INTERVAL, asyncio.get_running_loop().time)
        with ExitStack() as undo:
            for given in chain.from_iterable(sockets.values()):
                undo.callback(given.close)
            for name in sockets.keys() - {listener.name for listener in self._listeners}:
                raise ListenError(
                    listener=name,
                    address=written(*sockets[name][0].getsockname()[:2]),
                    reason="a socket was given for it, but no listener has this name; name them alike",
                )
            bound: list[tuple[Listener, socket.socket]] = []
            self._contexts = contexts_of(self._listeners)
            for listener in self._listeners:
                ready = sockets[listener.name] if listener.name in sockets else await _bind(listener)
                for one in ready:
                    undo.callback(one.close)
                    bound.append((listener, one))
            for listener, one in bound:
                # What the system accepts for us is like this from the beginning.
                reset_at_death(one)
                try:
                    one.listen(BACKLOG)
                except OSError as error:
                    raise _cannot_listen(listener, error) from error
            undo.pop_all()
        self._make_room()
        # Only now that nothing can fail any more is anybody let in.
        for listener, one in bound:
            self._servers.append(
                await asyncio.start_server(partial(self._accept, listener), sock=one, backlog=BACKLOG)
            )
            self._addresses.setdefault(listener.name, one.getsockname()[:2])

    def follow(self, limits: Limits) -> None:
        """Has other limits hold for the connections that come from now on."""
        self._limits = limits
        self._make_room()

    def protect(self, contexts: Mapping[str, ssl.SSLContext | None]) -> None:
        """Has other certificates be shown to who connects from now on; who is connected stays so.

        Args:
            contexts: what `contexts_of` gives for the same listeners.
        """
        self._contexts = contexts

    async def stop(self, grace: timedelta) -> None:
        """Stops listening, lets every element that was read be received, and ends all connections.

        Args:
            grace: how long receiving, and on two-way connections answering, may take; what is not done then
                is cut off with a reset.
        """
        self._stopping = True
        for server in self._servers:
            server.close()
        for connection in self._tasks.values():
            connection.finish()
        await end(self._tasks, grace)
        for server in self._servers:
            await server.wait_closed()
        if self._refused is not None and (count := self._refused.rest()):
            _log.warning(REFUSED, count=count)

    def is_live(self, connection_id: str) -> bool:
        """Tells whether an answer can be written on the connection: two-way, and open."""
        return self._connections.is_live(connection_id)

    async def write(self, connection_id: str, octets: bytes, *, permit: Permit = always) -> None:
        """Writes one APDU on a live two-way connection, and returns when the system has taken all of it.

        The peer gets `limits.answer_timeout` to make room for it. Raises DeliveryFailed when the connection
        is gone or breaks; one-way connections are as good as gone, because nothing is ever written on them.
        """
        await self._connections.write(
            connection_id, octets, within=self._limits.answer_timeout, permit=permit
        )

    def _make_room(self) -> None:
        wanted = self._limits.max_connections
        if (room := make_room(wanted)) < wanted:
            _log.warning(NO_ROOM, max_connections=wanted, possible=room)

    def _accept(self, listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        context = self._contexts[listener.name]
        name = writer.get_extra_info("peername")
        if name is None:  # it was gone before we came to it
            writer.transport.abort()
            return
        peer = Peer.of(name)
        connection = TcpConnection(
            Stream(reader, writer) if context is None else TlsStream(reader, writer, context),
            envelope=Envelope(
                transport=_TRANSPORTS[listener.mode],
                listener=listener.name,
                peer_address=str(peer),
                peer_host=peer.host,
                connection_id=self._new_connection_id(),
            ),
            limits=self._limits,
            silence=self._limits.idle_timeout,
            receiver=self._receiver,
        )
        if self._stopping:
            connection.reset()
        elif (
            len(self._tasks) >= self._limits.max_connections
            or self._by_host[peer.host] >= self._limits.max_connections_per_address
        ):
            connection.reset()
            self._refuse(connection.envelope)
        else:
            self._by_host[peer.host] += 1
            if connection.envelope.transport is Transport.TCP_TWO_WAY:
                self._connections.add(connection)
            task: asyncio.Task[object] = asyncio.create_task(connection.run())
            self._tasks[task] = connection
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        connection = self._tasks.pop(task)
        self._connections.remove(connection)
        envelope = connection.envelope
        self._by_host[envelope.peer_host] -= 1
        if not self._by_host[envelope.peer_host]:
            del self._by_host[envelope.peer_host]

    def _refuse(self, envelope: Envelope) -> None:
        if self._refused is not None and (count := self._refused.happened()):
            _log.warning(REFUSED, count=count, listener=envelope.listener, peer=envelope.peer_address)


_TRANSPORTS: Final = MappingProxyType(
    {ListenerMode.ONE_WAY: Transport.TCP_ONE_WAY, ListenerMode.TWO_WAY: Transport.TCP_TWO_WAY}
)


def contexts_of(listeners: Sequence[Listener]) -> Mapping[str, ssl.SSLContext | None]:
    """Returns what protects the connections of each listener, by its name; None where they are in the clear.

    Raises ListenError when a listener's files cannot be used.
    """
    return MappingProxyType({listener.name: _context(listener) for listener in listeners})


def _context(listener: Listener) -> ssl.SSLContext | None:
    """Returns what protects a listener's connections. Raises ListenError when its files cannot be used."""
    try:
        return server_context(listener)
    except OSError as error:
        raise ListenError(
            listener=listener.name,
            address=written(listener.host, listener.port),
            reason="its certificate or key cannot be used any more; iso-gateway check says what is wrong",
        ) from error


async def _bind(listener: Listener) -> list[socket.socket]:
    """Binds a socket to each address that the listener's host stands for; with port 0, all to one port.

    Raises ListenError; what was bound before it is closed.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            listener.host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise _cannot_listen(listener, error) from error
    with ExitStack() as undo:
        bound: list[socket.socket] = []
        failure: OSError | None = None
        for family, kind, protocol, _, address in dict.fromkeys(found):
            port = bound[0].getsockname()[1] if bound else listener.port
            try:
                one = _bound_socket(family, kind, protocol, (address[0], port, *address[2:]))
            except OSError as error:
                failure = error
                if error.errno not in _NOT_HERE:
                    raise _cannot_listen(listener, error) from error
            else:
                bound.append(undo.enter_context(one))
        if failure is not None and not bound:
            raise _cannot_listen(listener, failure) from failure
        undo.pop_all()
        return bound


def _bound_socket(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    one = socket.socket(family, kind, protocol)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one


def _cannot_listen(listener: Listener, error: OSError) -> ListenError:
    match error.errno:
        case errno.EADDRINUSE:
            reason = "another program is using this port; stop it, or set another port for the listener"
        case errno.EACCES:
            reason = (
                "this user may not use ports under 1024; set another port, or let systemd open it"
                " (systemctl start iso-gateway)"
            )
        case errno.EADDRNOTAVAIL:
            reason = (
                "this machine does not have this address; set the host of the listener to one that it has"
            )
        case _:
            reason = f"{describe(error)}; check the host and port of the listener"
    return ListenError(listener=listener.name, address=written(listener.host, listener.port), reason=reason)
