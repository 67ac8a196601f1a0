"""The daemon: the one place that wires adapters, store and use cases together, and starts and stops them.

Theory of operation. Listeners hand every element to `Intake`, which returns only when it is stored (its own
commit, its own fsync) and then classified (a second commit); only then does the adapter read on or close in
good order. Answers and everything else that is sent stand in the outbox, from which the dispatcher sends. A
task watches for commits of other processes, so that what the command queues goes out soon after.
"""

import asyncio
import fcntl
import os
import random
import secrets
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from adapters.envelope import Envelope
from adapters.errors import DeliveryFailed, ListenError
from adapters.tcp_listener import TcpListeners
from adapters.tcp_sender import TcpSender
from asn1.codec import WireError
from config.settings import Settings, TcpTransport
from iso_gateway.errors import DeliveryError, GatewayError
from iso_gateway.mailing import ByTransport, MailEntrance, MailIntake, MailTransmitter
from iso_gateway.outbox.dispatcher import Dispatcher
from iso_gateway.services import Arrival, Gateway
from iso_gateway.site import Site
from iso_gateway.store.engine import data_version
from iso_gateway.store.records import MessageId, Side, Transport
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

READY: Final = "gateway.ready"
STOPPING: Final = "gateway.stopping"
STOPPED: Final = "gateway.stopped"
RECOVERED: Final = "gateway.recovered"
WATCH_FAILED: Final = "database.watch-failed"
PROCESSING_FAILED: Final = "apdu.processing-failed"

#: How often other processes' commits are looked for: they are to be noticed within 300 ms.
NOTICE: Final = timedelta(milliseconds=100)
#: How long to leave a database alone that cannot be asked.
PAUSE: Final = timedelta(seconds=1)
#: How long what is in hand may take when the gateway stops.
GRACE: Final = timedelta(seconds=10)


class Intake:
    """Takes what the adapters have read: stored first, then classified."""

    def __init__(self, gateway: Gateway, writer: Writer) -> None:
        self._gateway = gateway
        self._writer = writer
        self.dispatcher: Dispatcher | None = None

    async def element(self, octets: bytes, envelope: Envelope) -> None:
        """Store an element durably, then classify it. Raises StoreError when it could not be stored."""
        arrival = _arrival(envelope)
        message_id = await self._writer.run(lambda uow: self._gateway.receive(uow, octets, arrival))
        await self.process(message_id)

    async def unreadable(self, octets: bytes, error: WireError, envelope: Envelope) -> None:
        """Keep octets that are no element, with the reason."""
        arrival = _arrival(envelope)
        await self._writer.run(lambda uow: self._gateway.receive_unreadable(uow, octets, error, arrival))
        self._wake()

    async def settled(self, connection_id: str) -> None:
        """Return once nothing more is to be written on a connection."""
        if self.dispatcher is not None:
            await self.dispatcher.settled(connection_id)

    async def process(self, message_id: MessageId) -> None:
        """Classify a stored message. A failure loses nothing: it is tried again when the gateway starts."""
        try:
            await self._writer.run(lambda uow: self._gateway.process(uow, message_id))
        except Exception as error:  # noqa: BLE001 - the message is safe, and the others must be served
            # Only the kind of error: its text may repeat what the message says.
            log.error(PROCESSING_FAILED, message_id=message_id, error=type(error).__name__)  # noqa: TRY400
        self._wake()

    def _wake(self) -> None:
        if self.dispatcher is not None:
            self.dispatcher.wake()


class TcpTransmitter:
    """Sends octets on an open connection, or else to the partner's configured address; nowhere else."""

    def __init__(self, settings: Settings, listeners: TcpListeners, sender: TcpSender) -> None:
        self._settings = settings
        self._listeners = listeners
        self._sender = sender

    async def transmit(self, octets: bytes, *, partner: str | None, connection_id: str | None) -> None:
        """See `outbox.dispatcher.Transmitter`."""
        try:
            if connection_id is not None and self._listeners.is_live(connection_id):
                await self._listeners.write(connection_id, octets)
            elif connection_id is not None and self._sender.is_live(connection_id):
                await self._sender.write(connection_id, octets)
            else:
                await self._send(octets, partner)
        except DeliveryFailed as error:
            raise DeliveryError(error.reason, temporary=error.temporary) from error

    async def _send(self, octets: bytes, name: str | None) -> None:
        if name is None:
            raise DeliveryError(
                "the connection to answer on is closed, and its sender is unknown", temporary=False
            )
        partner = self._settings.partner(name)
        if partner is None:
            raise DeliveryError(f"partner {name} is not configured: put its file back", temporary=True)
        if not isinstance(partner.transport, TcpTransport):
            raise DeliveryError(f"partner {name} is not reached by TCP", temporary=False)
        await self._sender.send(
            partner.transport,
            octets,
            connect_timeout=partner.retry.connect_timeout,
            send_timeout=partner.retry.send_timeout,
        )


class Daemon:
    """A running gateway.

    Args:
        settings: what it is told.
        sockets: by listener name, sockets that are bound already.
    """

    def __init__(
        self, settings: Settings, *, sockets: Mapping[str, socket.socket] = MappingProxyType({})
    ) -> None:
        self._settings = settings
        self._sockets = sockets
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask the daemon to finish what is in hand and end."""
        self._stop.set()

    async def run(self, ready: Callable[[Mapping[str, tuple[str, int]]], None] | None = None) -> None:
        """Serve until `stop` is called.

        Args:
            ready: called with the listeners' addresses once all of them listen.

        Raises:
            GatewayError: the state cannot be used, or another gateway uses it.
            ListenError: a listener's address cannot be had.
        """
        with _exclusive(self._settings):
            site = Site.create_or_open(self._settings)
            writer = Writer(site.store)
            try:
                await self._serve(site, writer, ready)
            finally:
                await asyncio.to_thread(writer.close)
                site.close()
        log.info(STOPPED)

    async def _serve(
        self,
        site: Site,
        writer: Writer,
        ready: Callable[[Mapping[str, tuple[str, int]]], None] | None,
    ) -> None:
        intake = Intake(site.gateway, writer)
        listeners = TcpListeners(
            self._settings.listeners, self._settings.limits, intake, lambda: secrets.token_hex(8)
        )
        sender = TcpSender(intake, self._settings.limits, lambda: secrets.token_hex(8))
        dispatcher = Dispatcher(
            self._settings,
            writer,
            ByTransport(
                self._settings,
                TcpTransmitter(self._settings, listeners, sender),
                MailTransmitter(self._settings, site),
                is_live=lambda connection_id: (
                    listeners.is_live(connection_id) or sender.is_live(connection_id)
                ),
            ),
            owner=f"{socket.gethostname()}:{os.getpid()}",
            clock=site.clock,
            chance=random.random,
        )
        intake.dispatcher = dispatcher
        await self._recover(site, writer, intake)
        mail = MailEntrance(self._settings, MailIntake(intake, site.gateway, site, writer))
        await listeners.start(self._sockets)
        try:
            await mail.start()
        except ListenError:
            await listeners.stop(timedelta(0))
            raise
        addresses = {**listeners.addresses, **mail.addresses}
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(dispatcher.run(), name="dispatcher")
            watching = tasks.create_task(_watch(site, dispatcher), name="watch")
            log.info(
                READY,
                listeners={name: f"{host}:{port}" for name, (host, port) in addresses.items()},
                partners=len(self._settings.partners),
            )
            if ready is not None:
                ready(addresses)
            await self._stop.wait()
            log.info(STOPPING)
            watching.cancel()
            await asyncio.gather(listeners.stop(GRACE), mail.stop(GRACE))
            dispatcher.stop()
            await sending
            await sender.stop(GRACE)

    async def _recover(self, site: Site, writer: Writer, intake: Intake) -> None:
        """Take up what a crash left: messages stored but not classified, rows that were being sent."""
        now = site.clock()
        abandoned = await writer.run(lambda uow: uow.outbox.end_leases(now))
        waiting = await writer.run(lambda uow: uow.messages.unprocessed())
        for message_id in waiting:
            await intake.process(message_id)
        if waiting or abandoned:
            log.info(RECOVERED, unprocessed=len(waiting), in_flight=abandoned)


async def _watch(site: Site, dispatcher: Dispatcher) -> None:
    """Wake the dispatcher when another process, such as the command, has committed."""
    engine = site.store.engine
    while True:
        try:
            with engine.connect() as connection:
                last = data_version(connection)
                while True:
                    await asyncio.sleep(NOTICE.total_seconds())
                    version = data_version(connection)
                    if version != last:
                        last = version
                        dispatcher.wake()
        except (SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
            log.warning(WATCH_FAILED, error=type(error).__name__)
            await asyncio.sleep(PAUSE.total_seconds())


@contextmanager
def _exclusive(settings: Settings) -> Iterator[None]:
    """Hold the lock that keeps a second daemon from the same state directory."""
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = settings.state_dir / "gateway.lock"
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise GatewayError(
                f"another gateway (process {file.read(20).strip()!r}) uses the state in"
                f" {str(settings.state_dir)!r}: stop it, or give this one a state_dir of its own"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _arrival(envelope: Envelope) -> Arrival:
    return Arrival(
        transport=Transport(envelope.transport.value),
        listener=envelope.listener,
        peer_address=envelope.peer_address,
        connection_id=envelope.connection_id,
        side=Side.PARTNER,
    )


async def serve(settings: Settings) -> None:
    """Run a daemon until SIGTERM or SIGINT."""
    daemon = Daemon(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    await daemon.run()
