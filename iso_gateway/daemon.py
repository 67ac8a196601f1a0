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
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Final, Protocol

import structlog

from adapters.envelope import written
from adapters.errors import ListenError
from adapters.tcp_connections import TcpConnections
from adapters.tcp_listener import TcpListeners, contexts_of
from adapters.tcp_sender import TcpSender
from config import certificates, mailing
from config.settings import Settings
from iso_gateway import logs
from iso_gateway.configuration import Examined
from iso_gateway.errors import GatewayError
from iso_gateway.outbox.dispatcher import Dispatcher
from iso_gateway.running.attendance import Attendance
from iso_gateway.running.connecting import KnownConnections, TcpTransmitter
from iso_gateway.running.intake import Intake
from iso_gateway.running.mailing import ByTransport, MailEntrance, MailIntake, MailTransmitter
from iso_gateway.running.membership import Membership, ReplacedError, new_gateway_id, state_id
from iso_gateway.running.recovery import Recovery
from iso_gateway.running.reloading import Reloading, tell_doubts
from iso_gateway.running.service_manager import ServiceManager
from iso_gateway.running.timekeeping import Timekeeper
from iso_gateway.running.watchdog import watch_over
from iso_gateway.site import Site, exclusive
from iso_gateway.store.records import GatewayId
from iso_gateway.store.watching import watch
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

READY: Final = "gateway.ready"
STOPPING: Final = "gateway.stopping"
STOPPED: Final = "gateway.stopped"
RECOVERED: Final = "gateway.recovered"
SENDING_HELD: Final = "gateway.sending-held"
CERTIFICATE_EXPIRES: Final = "certificate.expires"

#: How long what is in hand may take when the gateway stops.
GRACE: Final = timedelta(seconds=10)


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
                    writer,
                    partial(_prepare, site, listeners, followers),
                    partial(_status, site, listeners, addresses),
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
        of_mail = self._sockets.get(mailing.LMTP, ())
        try:
            await listeners.start(
                {name: self._sockets[name] for name in self._sockets.keys() - {mailing.LMTP}}
            )
        except ListenError:
            for one in of_mail:
                one.close()
            raise
        try:
            await mail.start(of_mail)
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
        self,
        writer: Writer,
        prepare: Callable[[Settings], Callable[[], None]],
        status: Callable[[], str],
    ) -> None:
        """Tell the service manager that we serve, and do what it asks for from then on, until cancelled."""
        self._manager.ready(status())
        reloading = Reloading(self._settings, prepare=prepare, manager=self._manager, status=status)
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


def _prepare(
    site: Site, listeners: TcpListeners, followers: Sequence[Follower], settings: Settings
) -> Callable[[], None]:
    """Read the certificates that settings name, and give what has everybody follow the settings.

    Raises:
        GatewayError: a certificate cannot be used: it was changed after the configuration was examined.
    """
    try:
        contexts = contexts_of(settings.listeners)
    except ListenError as error:
        raise GatewayError(str(error)) from error

    def follow() -> None:
        logs.configure(settings.logging)
        listeners.protect(contexts)
        for one in followers:
            one.follow(settings)
        _warn_of_certificates(settings, site.clock())

    return follow


def _status(site: Site, listeners: TcpListeners, addresses: Mapping[str, tuple[str, int]]) -> str:
    """The line by which `systemctl status` says how the gateway is."""
    ports = ", ".join(f"{name} on {written(*at)}" for name, at in addresses.items())
    count = len(site.settings.partners)
    partners = f"{count} partner{'' if count == 1 else 's'}"
    return f"serves {partners}; {ports}; {listeners.connections} connected"


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


async def serve(examined: Examined) -> None:
    """Run a daemon until SIGTERM or SIGINT; SIGHUP has it read its configuration anew."""
    settings = examined.settings
    tell_doubts(examined.warnings)
    manager = ServiceManager.from_environment(os.environ)
    daemon = Daemon(settings, sockets=manager.sockets(settings.listeners, settings.mail), manager=manager)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    await daemon.run()
