"""The daemon: the one place that wires adapters, store and use cases together, and starts and stops them.

Theory of operation. Listeners hand every element to `Intake`, which returns only when it is stored (its own
commit, its own fsync) and then classified (a second commit); only then does the adapter read on or close in
good order. Answers and everything else that is sent stand in the outbox, from which the dispatcher sends. The
timekeeper has done what comes due by itself. A task watches for commits of other processes, so that what the
command queues goes out soon after.
"""

import asyncio
import os
import random
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Final, Protocol

import structlog

from adapters.envelope import Envelope, written
from adapters.errors import DeliveryFailed, ListenError
from adapters.tcp_connections import TcpConnections
from adapters.tcp_listener import TcpListeners
from adapters.tcp_sender import TcpSender
from asn1.codec import WireError
from config import certificates
from config.settings import ListenerMode, Settings, TcpTransport
from iso_gateway import logs
from iso_gateway.errors import DeliveryError, UnavailableError
from iso_gateway.failure import Failure
from iso_gateway.outbox.dispatcher import Dispatcher
from iso_gateway.outbox.transmitting import Permit, permitted
from iso_gateway.reception import Processed, Verdict
from iso_gateway.running.arriving import arrival_of
from iso_gateway.running.attendance import Attendance
from iso_gateway.running.mailing import ByTransport, MailEntrance, MailIntake, MailTransmitter
from iso_gateway.running.membership import Membership, ReplacedError, new_gateway_id, state_id
from iso_gateway.running.recovery import Recovery
from iso_gateway.running.reloading import Reloading
from iso_gateway.running.service_manager import ServiceManager
from iso_gateway.running.timekeeping import Timekeeper
from iso_gateway.running.watchdog import watch_over
from iso_gateway.services import Gateway
from iso_gateway.site import Site, exclusive
from iso_gateway.store.records import GatewayId, MessageId
from iso_gateway.store.unit_of_work import UnitOfWork
from iso_gateway.store.watching import watch
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

READY: Final = "gateway.ready"
STOPPING: Final = "gateway.stopping"
STOPPED: Final = "gateway.stopped"
RECOVERED: Final = "gateway.recovered"
SENDING_HELD: Final = "gateway.sending-held"
CERTIFICATE_EXPIRES: Final = "certificate.expires"
PROCESSING_FAILED: Final = "apdu.processing-failed"

#: How long what is in hand may take when the gateway stops.
GRACE: Final = timedelta(seconds=10)


#: How a message is classified whose sender's connection is taken for the partner's.
_ACCEPTED: Final = frozenset({Verdict.APPLIED, Verdict.REPEATED, Verdict.EXACT_DUPLICATE})


class KnownConnections:
    """Says whose the open connections are, by what came over them.

    A partner is known by its `allowed_sources`: without them anybody may call himself by its name, so that
    what comes under it is answered, but nothing else that the partner is owed follows.
    """

    def __init__(self, settings: Settings, connections: TcpConnections) -> None:
        self._settings = settings
        self._connections = connections

    def follow(self, settings: Settings) -> None:
        """Have other partners be known from now on, and none of those that changed by its connections."""
        for name in _met_elsewhere(self._settings, settings):
            self._connections.disown(name)
        self._settings = settings

    def heard(self, connection_id: str, processed: Processed) -> None:
        """Take note of a message that was classified."""
        name = processed.partner
        partner = None if name is None else self._settings.partner(name)
        certain = partner is not None and (
            bool(partner.allowed_sources) or self._connections.is_ours(connection_id)
        )
        self._connections.heard_from(
            connection_id, name if certain else None, accepted=processed.verdict in _ACCEPTED
        )


def _met_elsewhere(held: Settings, settings: Settings) -> Iterator[str]:
    """Give the partners that are gone, or are reached or known in another way than before."""
    for old in held.partners:
        new = settings.partner(old.name)
        if new is None or (new.transport, new.allowed_sources) != (old.transport, old.allowed_sources):
            yield old.name


class Intake:
    """Takes what the adapters have read: stored first, then classified.

    Args:
        gateway: the use cases.
        writer: the one writer of the store.
        connections: told whose messages come by which connection.
    """

    def __init__(self, gateway: Gateway, writer: Writer, connections: KnownConnections | None = None) -> None:
        self._gateway = gateway
        self._writer = writer
        self._connections = connections
        self._in_hand: set[MessageId] = set()
        self.dispatcher: Dispatcher | None = None
        self.timekeeper: Timekeeper | None = None

    async def element(self, octets: bytes, envelope: Envelope) -> None:
        """Store an element durably, then classify it. Raises StoreError when it could not be stored."""
        arrival = arrival_of(envelope)
        message_id = await self._writer.run(lambda uow: self._gateway.receive(uow, octets, arrival))
        processed = await self.process(message_id)
        if processed is not None and self._connections is not None:
            self._connections.heard(envelope.connection_id, processed)

    async def unreadable(self, octets: bytes, error: WireError, envelope: Envelope) -> None:
        """Keep octets that are no element, with the reason."""
        arrival = arrival_of(envelope)
        await self._writer.run(lambda uow: self._gateway.receive_unreadable(uow, octets, error, arrival))
        self._wake()

    async def settled(self, connection_id: str) -> None:
        """Return once nothing more is to be written on a connection."""
        if self.dispatcher is not None:
            await self.dispatcher.settled(connection_id)

    async def process(self, message_id: MessageId) -> Processed | None:
        """Classify a stored message; gives None where that is left to another gateway, or to later.

        A failure loses nothing: it is tried again after a lease, and when the gateway starts.
        """
        try:
            return await self.take_up(message_id)
        except UnavailableError as error:
            log.error(PROCESSING_FAILED, message_id=message_id, error=type(error).__name__)  # noqa: TRY400
            return None

    async def take_up(self, message_id: MessageId) -> Processed | None:
        """Do what `process` does, for those who know what to do about a database that can take nothing.

        Raises:
            UnavailableError: the database can take nothing now.
        """
        if message_id in self._in_hand:
            return None
        self._in_hand.add(message_id)
        processed: Processed | None = None
        try:
            processed = await self._writer.run(lambda uow: self._process(uow, message_id))
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - the message is safe, and the others must be served
            # Only the kind of error: its text may repeat what the message says.
            log.error(PROCESSING_FAILED, message_id=message_id, error=type(error).__name__)  # noqa: TRY400
        finally:
            self._in_hand.discard(message_id)
        self._wake()
        return processed

    def _process(self, uow: UnitOfWork, message_id: MessageId) -> Processed | None:
        return self._gateway.process(uow, message_id) if uow.messages.take_up(message_id) else None

    def _wake(self) -> None:
        if self.dispatcher is not None:
            self.dispatcher.wake()
        if self.timekeeper is not None:
            self.timekeeper.wake()


class TcpTransmitter:
    """Sends octets on an open connection, or else to the partner's configured address; nowhere else."""

    def __init__(self, settings: Settings, listeners: TcpListeners, sender: TcpSender) -> None:
        self._settings = settings
        self._listeners = listeners
        self._sender = sender

    def follow(self, settings: Settings) -> None:
        """Have other partners, limits and addresses hold from now on."""
        self._settings = settings
        self._listeners.follow(settings.limits)
        self._sender.follow(settings.limits)

    async def transmit(
        self, octets: bytes, *, partner: str | None, connection_id: str | None, permit: Permit = permitted
    ) -> None:
        """See `outbox.transmitting.Transmitter`."""
        # Asked for twice: here, so that no connection is made in vain, and again once it stands.
        await permit()
        try:
            if connection_id is not None and self._listeners.is_live(connection_id):
                await self._listeners.write(connection_id, octets, permit=permit)
            elif connection_id is not None and self._sender.is_live(connection_id):
                await self._sender.write(connection_id, octets, permit=permit)
            else:
                await self._send(octets, partner, permit)
        except DeliveryFailed as error:
            raise DeliveryError(
                error.reason,
                temporary=error.temporary,
                failure=Failure(error.failure.value),
                ambiguous=error.ambiguous,
            ) from error

    async def _send(self, octets: bytes, name: str | None, permit: Permit) -> None:
        if name is None:
            raise DeliveryError(
                "the connection to answer on is closed, and its sender is unknown",
                temporary=False,
                failure=Failure.UNKNOWN_SENDER,
            )
        partner = self._settings.partner(name)
        if partner is None:
            raise DeliveryError(
                f"partner {name} is not configured: put its file back",
                temporary=True,
                failure=Failure.NOT_CONFIGURED,
            )
        if not isinstance(partner.transport, TcpTransport):
            raise DeliveryError(
                f"partner {name} is not reached by TCP", temporary=False, failure=Failure.NOT_SUPPORTED
            )
        delivery = await self._sender.send(
            partner.transport,
            octets,
            connect_timeout=partner.retry.connect_timeout,
            send_timeout=partner.retry.send_timeout,
            partner=name,
            permit=permit,
        )
        is_receipt_due = partner.transport.mode is ListenerMode.ONE_WAY and not delivery.kept
        if is_receipt_due and not delivery.closed_by_peer:
            raise DeliveryError(
                f"{delivery.peer_address} took the whole APDU and did not end the connection;"
                " it may have it or not",
                temporary=True,
                failure=Failure.NO_CLOSE,
                ambiguous=True,
            )


class Daemon:
    """A running gateway.

    Args:
        settings: what it is told.
        sockets: by listener name, sockets that are bound already.
        manager: the service manager, which is told how the gateway is.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sockets: Mapping[str, Sequence[socket.socket]] = MappingProxyType({}),
        manager: ServiceManager | None = None,
    ) -> None:
        self._settings = settings
        self._sockets = sockets
        self._manager = ServiceManager() if manager is None else manager
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._replaced: ReplacedError | None = None

    def stop(self) -> None:
        """Ask the daemon to finish what is in hand and end."""
        self._stop.set()

    def reload(self) -> None:
        """Ask the daemon to read its configuration anew, once it serves."""
        self._reload.set()

    async def run(self, ready: Callable[[Mapping[str, tuple[str, int]]], None] | None = None) -> None:
        """Serve until `stop` is called.

        Args:
            ready: called with the listeners' addresses once all of them listen.

        Raises:
            GatewayError: the state cannot be used, or another gateway uses it.
            ListenError: a listener's address cannot be had.
        """
        self._manager.starting("opens its database")
        with exclusive(self._settings):
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
        gateway = new_gateway_id()
        shared = site.store.is_shared
        lease = self._settings.sharing.lease
        connections = TcpConnections()
        known = KnownConnections(self._settings, connections)
        intake = Intake(site.gateway, writer, known)
        name = partial(_connection_id, gateway)
        listeners = TcpListeners(self._settings.listeners, self._settings.limits, intake, name, connections)
        sender = TcpSender(intake, self._settings.limits, name, connections)
        transmitter = TcpTransmitter(self._settings, listeners, sender)
        by_transport = ByTransport(
            self._settings,
            transmitter,
            MailTransmitter(self._settings, site),
            is_live=lambda connection_id: listeners.is_live(connection_id) or sender.is_live(connection_id),
        )
        dispatcher = Dispatcher(
            self._settings,
            writer,
            by_transport,
            mailer=by_transport,
            gateway=gateway,
            lease=lease,
            fenced=shared,
            clock=site.clock,
            chance=random.random,
        )
        intake.dispatcher = dispatcher
        timekeeper = Timekeeper(site.gateway, site.store, writer, clock=site.clock, acted=dispatcher.wake)
        intake.timekeeper = timekeeper
        attendance = Attendance(self._settings, site, writer, gateway=gateway, acted=dispatcher.wake)
        membership = Membership(
            writer,
            gateway=gateway,
            state_id=state_id(self._settings.state_dir),
            lease=lease,
            clock=site.clock,
            alone=not shared,
        )
        recovery = Recovery(writer, intake.take_up, lease=lease, clock=site.clock)
        await _begin(membership, recovery, alone=not shared)
        _warn_of_certificates(self._settings, site.clock())
        mail = MailEntrance(self._settings, MailIntake(intake, site.gateway, site, writer))
        addresses = await self._listen(listeners, mail)

        async def beaten() -> None:
            await recovery.run()
            # Another gateway may have died: what only it could send is for all now.
            dispatcher.wake()

        followers = (site.gateway, known, transmitter, by_transport, mail, dispatcher, attendance)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(dispatcher.run(), name="dispatcher")
            keeping_time = tasks.create_task(timekeeper.run(), name="timekeeper")
            attendance.start(tasks)
            watching = tasks.create_task(
                watch(site.store.engine, dispatcher.wake, timekeeper.wake, attendance.wake), name="watch"
            )
            beating = tasks.create_task(
                self._beat(membership.run(dispatcher.renewal, beaten)), name="heartbeat"
            )
            self._say_ready(gateway, addresses, ready)
            attending = tasks.create_task(
                self._attend(
                    writer, partial(_follow, followers), partial(_status, site, listeners, addresses)
                ),
                name="service manager",
            )
            await self._stop.wait()
            log.info(STOPPING)
            self._manager.stopping()
            attending.cancel()
            watching.cancel()
            timekeeper.stop()
            await keeping_time
            await asyncio.gather(listeners.stop(GRACE), mail.stop(GRACE), attendance.stop(GRACE))
            dispatcher.stop()
            await sending
            await sender.stop(GRACE)
            # Last, because what takes long to be sent is leased until then.
            beating.cancel()
        if self._replaced is not None:
            raise self._replaced
        await membership.leave()

    async def _listen(self, listeners: TcpListeners, mail: MailEntrance) -> Mapping[str, tuple[str, int]]:
        """Let everybody in, or nobody; gives the address of each listener."""
        await listeners.start(self._sockets)
        try:
            await mail.start()
        except ListenError:
            await listeners.stop(timedelta(0))
            raise
        return {**listeners.addresses, **mail.addresses}

    def _say_ready(
        self,
        gateway: GatewayId,
        addresses: Mapping[str, tuple[str, int]],
        ready: Callable[[Mapping[str, tuple[str, int]]], None] | None,
    ) -> None:
        log.info(
            READY,
            gateway=gateway,
            listeners={name: written(*address) for name, address in addresses.items()},
            partners=len(self._settings.partners),
        )
        if ready is not None:
            ready(addresses)

    async def _attend(
        self, writer: Writer, follow: Callable[[Settings], None], status: Callable[[], str]
    ) -> None:
        """Tell the service manager that we serve, and do what it asks for from then on, until cancelled."""
        self._manager.ready(status())
        reloading = Reloading(self._settings, follow=follow, manager=self._manager, status=status)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch_over(self._manager, writer, status), name="watchdog")
            tasks.create_task(reloading.run(self._reload), name="reloading")

    async def _beat(self, heartbeat: Coroutine[None, None, None]) -> None:
        """Say that this gateway is there, and stop it in good order once another runs in its stead."""
        try:
            await heartbeat
        except ReplacedError as error:
            self._replaced = error
            self.stop()


class Follower(Protocol):
    """Whoever works by the settings for as long as the gateway runs."""

    def follow(self, settings: Settings) -> None:
        """Have other settings hold from now on."""


def _follow(followers: Iterable[Follower], settings: Settings) -> None:
    logs.configure(settings.logging)
    for one in followers:
        one.follow(settings)


def _status(site: Site, listeners: TcpListeners, addresses: Mapping[str, tuple[str, int]]) -> str:
    """The line by which `systemctl status` says how the gateway is."""
    ports = ", ".join(f"{name} on {written(*at)}" for name, at in addresses.items())
    return f"serves {len(site.settings.partners)} partners; {ports}; {listeners.connections} connected"


def _warn_of_certificates(settings: Settings, now: datetime) -> None:
    for one in certificates.expiries(settings, now=now):
        log.warning(CERTIFICATE_EXPIRES, file=str(one.file), expires=one.at.isoformat())


async def _begin(membership: Membership, recovery: Recovery, *, alone: bool) -> None:
    """Enter the gateway, and take up what a crash left: what was not classified, what was being sent."""
    joined = await membership.join()
    if joined.hold is not None:
        log.warning(SENDING_HELD, reason=joined.hold.reason, since=joined.hold.since.isoformat())
    unprocessed = await recovery.run(alone=alone)
    if unprocessed or joined.abandoned:
        log.info(RECOVERED, unprocessed=unprocessed, in_flight=joined.abandoned)


def _connection_id(gateway: GatewayId) -> str:
    """A name that no other connection has, and that begins with its gateway's (`store.gateways`)."""
    return f"{gateway}.{secrets.token_hex(8)}"


async def serve(settings: Settings) -> None:
    """Run a daemon until SIGTERM or SIGINT; SIGHUP has it read its configuration anew."""
    manager = ServiceManager.from_environment(os.environ)
    daemon = Daemon(settings, sockets=manager.sockets(settings.listeners), manager=manager)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    await daemon.run()
