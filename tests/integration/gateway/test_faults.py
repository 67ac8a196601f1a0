"""What partners do to what is sent to them, over real TCP and with the real outbox: nothing is lost."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

import pytest

from adapters.tcp_listener import TcpListeners
from adapters.tcp_sender import TcpSender
from asn1.framing import Framer
from config.settings import Limits, RetryPolicy, Settings, TcpTransport, Unclear
from iso_gateway.failure import Failure
from iso_gateway.outbox import dispatcher as module
from iso_gateway.outbox import telling
from iso_gateway.outbox.dispatcher import Dispatcher
from iso_gateway.running.connecting import TcpTransmitter
from iso_gateway.running.intake import Intake
from iso_gateway.running.mailing import ByTransport, MailTransmitter
from iso_gateway.store.records import AttemptRecord, GatewayId, OutboxStatus
from iso_gateway.store.writer import Writer
from tests.support import gateway
from tests.support.dispatching import LEASE, PATIENCE, LogLines, begun, rows, say
from tests.support.gateway import Desk

#: No longer than the test has to wait for what must time out.
SHORT = timedelta(milliseconds=300)
PATIENT = RetryPolicy(first_delay=timedelta(milliseconds=20), factor=1.0, send_timeout=timedelta(seconds=20))
HASTY = replace(PATIENT, send_timeout=SHORT)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Conversation = Callable[["Peer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Peer:
    """A partner's machine. It treats each connection as the next of `faults` says, and well after that."""

    faults: list[Conversation] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    port: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def listening(self, *, receive_buffer: int | None = None) -> AsyncIterator["Peer"]:
        """Listen; at the end every connection is dropped."""
        listener = socket.socket()
        if receive_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listener.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(self._accept, sock=listener, limit=1024)
        self.port = listener.getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.reached.set()
        converse = self.faults.pop(0) if self.faults else take
        try:
            await converse(self, reader, writer)
        except asyncio.CancelledError:
            break_off(writer)
        finally:
            writer.close()


async def take(peer: Peer, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    octets = await reader.read(-1)
    peer.seen.append(octets)
    peer.taken.append(octets)


def break_off(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def reset_at_once(_: Peer, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    break_off(writer)


async def reset_after_reading(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    peer.seen.append(await reader.read(-1))
    break_off(writer)


async def never_read(_: Peer, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.pause_reading()  # type: ignore[attr-defined] # StreamWriter.transport is too wide
    await asyncio.Event().wait()


async def trickle(peer: Peer, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Take an octet at a time, and close when all of it is there."""
    octets = b""
    while octet := await reader.read(1):
        octets += octet
        await asyncio.sleep(0)
    peer.seen.append(octets)
    peer.taken.append(octets)


async def hold_open(peer: Peer, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Take all of it, and never close."""
    peer.seen.append(await reader.read(-1))
    await asyncio.Event().wait()


@asynccontextmanager
async def delivering(
    settings: Settings, sfu: Peer, ubc: Peer, *, policy: RetryPolicy = PATIENT
) -> AsyncIterator[tuple[Desk, Dispatcher]]:
    """Send by TCP what is on a desk, to two partners on this machine."""
    for partner, peer in ((gateway.SFU, sfu), (gateway.UBC, ubc)):
        transport = TcpTransport(host="127.0.0.1", port=peer.port)
        settings = gateway.with_partner(settings, replace(partner, transport=transport, retry=policy))
    with Desk.open(settings) as desk:
        writer = Writer(desk.site.store)
        intake = Intake(desk.site.gateway, writer)
        ids = (f"c-{number}" for number in count(1))
        sender = TcpSender(intake, Limits(), lambda: next(ids))
        listeners = TcpListeners((), Limits(), intake, lambda: next(ids))
        dispatcher = Dispatcher(
            desk.site.settings,
            writer,
            ByTransport(
                desk.site.settings,
                TcpTransmitter(desk.site.settings, listeners, sender),
                MailTransmitter(desk.site.settings, desk.site),
                is_live=sender.is_live,
            ),
            gateway=GatewayId("one"),
            lease=LEASE,
            fenced=False,
            clock=desk.clock,
            chance=lambda: 0.5,
        )
        running = asyncio.create_task(dispatcher.run())
        try:
            yield desk, dispatcher
        finally:
            dispatcher.stop()
            async with asyncio.timeout(PATIENCE):
                await running
            await sender.stop(timedelta(0))
            await asyncio.to_thread(writer.close)


def attempts(desk: Desk) -> list[AttemptRecord]:
    with desk.reading() as uow:
        return [one for row in uow.outbox.list(finished=True) for one in uow.outbox.attempts(row.id)]


def queued(desk: Desk) -> list[bytes]:
    with desk.reading() as uow:
        return [
            uow.messages.raw(row.message_id)
            for row in uow.outbox.list(finished=True)
            if row.message_id is not None
        ]


async def delivered(desk: Desk, dispatcher: Dispatcher, lines: LogLines, number: int) -> None:
    """Wait until so many are delivered; the clock goes on meanwhile."""
    left = number
    async with asyncio.timeout(PATIENCE):
        while left:
            event = (await lines.until_any({telling.APDU_DELIVERED, telling.APDU_DEFERRED}))["event"]
            left -= event == telling.APDU_DELIVERED
            desk.clock.advance(minutes=1)
            dispatcher.wake()


@pytest.fixture
async def peers() -> AsyncIterator[tuple[Peer, Peer]]:
    """SFU, which the tests spoil, and UBC, which is well."""
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(Peer().listening()),
            await stack.enter_async_context(Peer().listening()),
        )


class TestBroken:
    @pytest.mark.parametrize("fault", [reset_at_once, reset_after_reading])
    async def test_what_a_reset_took_is_sent_again_with_the_same_octets_and_in_order(
        self, settings: Settings, lines: LogLines, peers: tuple[Peer, Peer], fault: Conversation
    ) -> None:
        sfu, ubc = peers
        sfu.faults = [fault, fault]
        async with delivering(settings, sfu, ubc) as (desk, dispatcher):
            half = begun(desk)
            for text in "abc":
                say(desk, half, text)
            dispatcher.wake()
            await delivered(desk, dispatcher, lines, 3)
            assert sfu.taken == queued(desk)
            assert set(sfu.seen) == set(sfu.taken), "never anything but whole messages"
            failed = [one for one in attempts(desk) if one.failure is not None]
            assert {one.failure for one in failed} <= {Failure.RESET, Failure.CLOSED}
            assert len(failed) == 2
            if fault is reset_after_reading:
                assert all(one.ambiguous for one in failed)

    async def test_one_that_is_down_is_served_when_it_is_up(
        self, settings: Settings, lines: LogLines, peers: tuple[Peer, Peer]
    ) -> None:
        sfu, ubc = peers
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            nobody = Peer(port=closed.getsockname()[1])
            async with delivering(settings, nobody, ubc) as (desk, dispatcher):
                say(desk, begun(desk), "a")
                dispatcher.wake()
                line = await lines.until(telling.APDU_DEFERRED)
                assert line["failure"] == "refused"
        async with delivering(settings, sfu, ubc) as (desk, dispatcher):
            desk.clock.advance(minutes=1)
            dispatcher.wake()
            await delivered(desk, dispatcher, lines, 1)
            assert sfu.taken == queued(desk)


class TestSlow:
    async def test_one_that_never_reads_costs_the_others_nothing(
        self, settings: Settings, lines: LogLines
    ) -> None:
        async with (
            Peer(faults=[never_read] * 100).listening(receive_buffer=4096) as sfu,
            Peer().listening() as ubc,
            delivering(settings, sfu, ubc, policy=HASTY) as (desk, dispatcher),
        ):
            for number in range(10):
                say(desk, begun(desk, number), "x" * 200_000)
            say(desk, begun(desk, 1, "UBC"), "u")
            dispatcher.wake()
            line = await lines.until(telling.APDU_DELIVERED)
            assert line["partner"] == "UBC"
            line = await lines.until(telling.APDU_DEFERRED)
            assert (line["partner"], line["failure"]) == ("SFU", "send-timeout")
            await lines.until(telling.PARTNER_UNREACHABLE)
            sent = [row for row in rows(desk) if row.partner == "SFU" and row.attempts]
            # Its share was on its way, and nothing more was tried in vain.
            assert len(sent) == 4
            assert all(row.finished_at is None for row in rows(desk) if row.partner == "SFU")

    async def test_one_that_takes_an_octet_at_a_time_gets_it_all(
        self, settings: Settings, lines: LogLines, peers: tuple[Peer, Peer]
    ) -> None:
        sfu, ubc = peers
        sfu.faults = [trickle]
        async with delivering(settings, sfu, ubc) as (desk, dispatcher):
            say(desk, begun(desk), "x" * 500)
            dispatcher.wake()
            await delivered(desk, dispatcher, lines, 1)
            assert sfu.taken == queued(desk)
            assert [one.failure for one in attempts(desk)] == [None]

    @pytest.mark.parametrize(
        ("unclear", "event", "status"),
        [
            (Unclear.DELIVERED, telling.APDU_DELIVERED, OutboxStatus.DELIVERED),
            (Unclear.HOLD, telling.APDU_HELD, OutboxStatus.HELD),
            (Unclear.RETRY, telling.APDU_DEFERRED, OutboxStatus.WAITING),
        ],
    )
    async def test_for_one_that_never_closes_its_profile_decides(
        self,
        settings: Settings,
        lines: LogLines,
        peers: tuple[Peer, Peer],
        *,
        unclear: Unclear,
        event: str,
        status: OutboxStatus,
    ) -> None:
        sfu, ubc = peers
        sfu.faults = [hold_open]
        policy = replace(HASTY, unclosed=unclear)
        async with delivering(settings, sfu, ubc, policy=policy) as (desk, dispatcher):
            say(desk, begun(desk), "a")
            dispatcher.wake()
            await lines.until(event)
            assert [(row.status, row.failure) for row in rows(desk)] == [(status, Failure.NO_CLOSE)]
            assert [one.ambiguous for one in attempts(desk)] == [True]
            assert sfu.seen == queued(desk)


class TestStop:
    async def test_what_nobody_takes_does_not_hold_up_the_end_and_is_never_taken_for_whole(
        self, settings: Settings, lines: LogLines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "GRACE", 0.05)
        async with Peer(faults=[never_read]).listening(receive_buffer=4096) as sfu, Peer().listening() as ubc:
            async with delivering(settings, sfu, ubc) as (desk, dispatcher):
                say(desk, begun(desk), "x" * 200_000)
                dispatcher.wake()
                await sfu.reached.wait()
                asked = asyncio.get_running_loop().time()
                dispatcher.stop()
                await lines.until(telling.APDU_INTERRUPTED)
                assert asyncio.get_running_loop().time() - asked < 5, "its time to send is 20 seconds"
            async with delivering(settings, sfu, ubc) as (desk, dispatcher):
                await delivered(desk, dispatcher, lines, 1)
                assert sfu.taken == queued(desk)
                assert list(Framer().feed(sfu.taken[0])) == sfu.taken
