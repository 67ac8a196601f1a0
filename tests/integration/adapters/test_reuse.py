"""Connections that are kept: whose they are, what is written on them, and when they are not used any more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from adapters.envelope import Envelope
from adapters.errors import DeliveryFailed, Failure
from adapters.tcp_connection import CLOSED, TcpConnection
from adapters.tcp_connections import SHARED, TcpConnections
from adapters.tcp_listener import TcpListeners
from adapters.tcp_sender import IGNORED, Delivery, TcpSender
from asn1.framing import Framer
from config.settings import Limits, ListenerMode, TcpTransport
from tests.integration.adapters.peers import (
    APDUS,
    ENOUGH,
    LIMITS,
    LONG,
    ONE_WAY,
    SHORT,
    TWO_WAY,
    Recorder,
    connect,
    ids,
    listening,
    never,
    reset,
    until,
)

#: A partner that nothing listens for: only a connection that is open already leads to it.
NOWHERE = TcpTransport(host="127.0.0.1", port=1, mode=ListenerMode.TWO_WAY)


class Partner:
    """A partner that takes everything that comes on its connections, and does nothing with it."""

    def __init__(self) -> None:
        self.connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.elements: list[tuple[int, bytes]] = []
        self.ended: list[int] = []
        self.changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.connections)
        self.connections.append((reader, writer))
        self._tasks.append(asyncio.create_task(self._take(number, reader, writer)))

    async def _take(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer(max_octets=2**26)
        try:
            while octets := await reader.read(65_536):
                self.elements += [(number, element) for element in framer.feed(octets)]
                await self._tell()
        except ConnectionError:
            return
        self.ended.append(number)
        writer.close()
        await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, count: int) -> None:
        """Waits until so many APDUs have come."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.elements) >= count)

    async def stop(self) -> None:
        for _, writer in self.connections:
            writer.transport.abort()
        await asyncio.gather(*self._tasks)


@asynccontextmanager
async def partner(**settings: object) -> AsyncIterator[tuple[Partner, TcpTransport]]:
    """Runs a partner, and gives how to reach it."""
    far = Partner()
    server = await asyncio.start_server(far.accept, "127.0.0.1", 0)
    transport = TcpTransport(
        host="127.0.0.1", port=server.sockets[0].getsockname()[1], mode=ListenerMode.TWO_WAY
    )
    try:
        yield far, replace(transport, **settings)  # type: ignore[arg-type] # each test names fields of it
    finally:
        server.close()
        await far.stop()
        await server.wait_closed()


@asynccontextmanager
async def sending(
    connections: TcpConnections | None = None, limits: Limits = LIMITS, receiver: Recorder | None = None
) -> AsyncIterator[TcpSender]:
    sender = TcpSender(receiver or Recorder(), limits, ids(), connections)
    try:
        yield sender
    finally:
        await sender.stop(timedelta(0))


async def send(
    sender: TcpSender,
    transport: TcpTransport,
    octets: bytes,
    *,
    to: str = "A",
    send_timeout: timedelta = LONG,
) -> Delivery:
    return await sender.send(transport, octets, connect_timeout=LONG, send_timeout=send_timeout, partner=to)


def element(size: int, filler: int = 0) -> bytes:
    """One BER element with so many octets in it."""
    inner = b"\x04\x84" + size.to_bytes(4, "big") + bytes([filler]) * size
    return b"\x61\x84" + len(inner).to_bytes(4, "big") + inner


class TestOwnConnections:
    async def test_what_follows_goes_on_the_same_connection(self) -> None:
        async with partner() as (far, transport), sending() as sender:
            for octets in APDUS[:3]:
                delivery = await send(sender, transport, octets)
                assert (delivery.kept, delivery.closed_by_peer) == (True, False)
            await far.until(3)
        assert far.elements == [(0, octets) for octets in APDUS[:3]]

    async def test_each_partner_has_its_own(self) -> None:
        async with partner() as (far, transport), sending() as sender:
            await send(sender, transport, APDUS[0], to="A")
            await send(sender, transport, APDUS[1], to="B")
            await send(sender, transport, APDUS[2], to="A")
            await far.until(3)
        assert sorted(far.elements) == [(0, APDUS[0]), (0, APDUS[2]), (1, APDUS[1])]

    async def test_other_limits_hold_for_the_connections_that_follow(self) -> None:
        receiver = Recorder()
        async with (
            partner() as (far, transport),
            sending(limits=replace(LIMITS, max_apdu_octets=len(APDUS[0]) - 1), receiver=receiver) as sender,
        ):
            sender.follow(LIMITS)
            await send(sender, transport, APDUS[1])
            await far.until(1)
            far.connections[0][1].write(APDUS[0])
            await receiver.until(lambda: receiver.elements == [APDUS[0]])

    async def test_one_that_is_nobodys_any_more_is_ended_and_not_used(self) -> None:
        connections = TcpConnections()
        async with partner() as (far, transport), sending(connections) as sender:
            await send(sender, transport, APDUS[0], to="A")
            await send(sender, transport, APDUS[1], to="B")
            connections.disown("A")
            async with far.changed:
                await far.changed.wait_for(lambda: far.ended == [0])
            await send(sender, transport, APDUS[2], to="A")
            await send(sender, transport, APDUS[3], to="B")
            await far.until(4)
        assert [number for number, _ in far.elements] == [0, 1, 2, 1]

    async def test_what_is_for_nobody_in_particular_has_a_connection_of_its_own(self) -> None:
        async with partner() as (far, transport), sending() as sender:
            await send(sender, transport, APDUS[0])
            await sender.send(transport, APDUS[1], connect_timeout=LONG, send_timeout=LONG)
            await send(sender, transport, APDUS[2])
            await far.until(3)
        assert sorted(far.elements) == [(0, APDUS[0]), (0, APDUS[2]), (1, APDUS[1])]

    async def test_it_may_be_switched_off(self) -> None:
        async with partner(reuse=False) as (far, transport), sending() as sender:
            await send(sender, transport, APDUS[0])
            await send(sender, transport, APDUS[1])
            await far.until(2)
        assert sorted(far.elements) == [(0, APDUS[0]), (1, APDUS[1])]

    async def test_apdus_at_once_are_never_within_one_another(self) -> None:
        """Each is more than the buffers of the system hold, so each is written in many parts."""
        large = [element(2**23, number) for number in range(4)]
        async with partner() as (far, transport), sending() as sender:
            await asyncio.gather(*(send(sender, transport, octets) for octets in large))
            await far.until(4)
        assert sorted(far.elements) == [(0, octets) for octets in large]

    async def test_after_the_partner_has_closed_it_a_new_one_is_opened(self) -> None:
        async with partner() as (far, transport), sending() as sender:
            await send(sender, transport, APDUS[0])
            await far.until(1)
            far.connections[0][1].close()
            await far.connections[0][1].wait_closed()
            # Whether or not the event loop has been told: the system knows.
            await send(sender, transport, APDUS[1])
            await send(sender, transport, APDUS[2])
            await far.until(3)
        assert far.elements == [(0, APDUS[0]), (1, APDUS[1]), (1, APDUS[2])]

    async def test_after_the_partner_has_ended_its_side_a_new_one_is_opened(self) -> None:
        async with partner() as (far, transport), sending() as sender:
            await send(sender, transport, APDUS[0])
            far.connections[0][1].write_eof()
            await send(sender, transport, APDUS[1])
            await far.until(2)
        assert far.elements == [(0, APDUS[0]), (1, APDUS[1])]

    async def test_a_reset_while_writing_leaves_open_whether_it_arrived(self) -> None:
        async with partner() as (far, transport), sending() as sender:
            await send(sender, transport, APDUS[0])
            await far.until(1)
            far.connections[0][1].transport.pause_reading()  # type: ignore[attr-defined] # too wide a type
            sent = asyncio.create_task(send(sender, transport, element(2**25)))
            await until(lambda: sender._connections.free("A", opened_after=0) is None)
            reset(far.connections[0][1])
            with pytest.raises(DeliveryFailed) as raised:
                await sent
            assert (raised.value.temporary, raised.value.ambiguous) == (True, True)
            assert raised.value.failure is Failure.RESET
            await send(sender, transport, APDUS[1])
            await far.until(2)
        assert far.elements == [(0, APDUS[0]), (1, APDUS[1])]

    async def test_an_old_one_is_ended_and_a_new_one_opened(self) -> None:
        async with partner(max_age=timedelta(microseconds=1)) as (far, transport), sending() as sender:
            await send(sender, transport, APDUS[0])
            await asyncio.sleep(0.001)
            await send(sender, transport, APDUS[1])
            async with far.changed:
                await far.changed.wait_for(lambda: far.ended == [0])
        assert far.elements == [(0, APDUS[0]), (1, APDUS[1])]

    async def test_one_on_which_nothing_happens_is_ended(self) -> None:
        with capture_logs() as logs:
            async with partner(idle_timeout=ENOUGH) as (far, transport), sending() as sender:
                await send(sender, transport, APDUS[0])
                async with far.changed:
                    await far.changed.wait_for(lambda: far.ended == [0])
                await until(lambda: not sender._tasks)
                await send(sender, transport, APDUS[1])
                await far.until(2)
        assert far.elements == [(0, APDUS[0]), (1, APDUS[1])]
        assert "silent" in [entry["ending"] for entry in logs if entry["event"] == CLOSED]

    async def test_nobody_waits_longer_than_its_own_time_for_those_before(self) -> None:
        async with partner() as (far, transport), sending() as sender:
            await send(sender, transport, APDUS[0])
            await far.until(1)
            far.connections[0][1].transport.pause_reading()  # type: ignore[attr-defined] # too wide a type
            slow = asyncio.create_task(send(sender, transport, element(2**25)))
            await until(lambda: sender._connections.free("A", opened_after=0) is None)
            with pytest.raises(DeliveryFailed, match="did not take the APDUs before this one") as raised:
                await send(sender, transport, APDUS[1], send_timeout=SHORT)
            assert (raised.value.temporary, raised.value.ambiguous) == (True, False)
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            # Whoever gave up holds up nobody; and half an APDU leaves no connection behind.
            await send(sender, transport, APDUS[2])
            await far.until(2)
        assert far.elements == [(0, APDUS[0]), (1, APDUS[2])]

    async def test_one_that_breaks_at_once_is_not_kept(self) -> None:
        async def break_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            reset(writer)

        server = await asyncio.start_server(break_at_once, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport = TcpTransport(host="127.0.0.1", port=port, mode=ListenerMode.TWO_WAY)
        async with sending() as sender:
            with pytest.raises(DeliveryFailed):
                await send(sender, transport, element(2**25))
            assert not sender._tasks
        server.close()
        await server.wait_closed()


class TestOneWay:
    async def test_each_apdu_has_a_connection_whose_end_is_its_receipt(self) -> None:
        async with partner(mode=ListenerMode.ONE_WAY) as (far, transport), sending() as sender:
            for octets in APDUS[:2]:
                delivery = await send(sender, transport, octets)
                assert (delivery.kept, delivery.closed_by_peer) == (False, True)
        assert far.elements == [(0, APDUS[0]), (1, APDUS[1])]

    async def test_where_it_is_wanted_they_share_one_which_ends_in_good_order(self) -> None:
        async with (
            partner(mode=ListenerMode.ONE_WAY, reuse=True, idle_timeout=2 * ENOUGH) as (
                far,
                transport,
            ),
            sending() as sender,
        ):
            for octets in APDUS[:2]:
                assert (await send(sender, transport, octets)).kept
            async with far.changed:
                await far.changed.wait_for(lambda: far.ended == [0])
        assert far.elements == [(0, APDUS[0]), (0, APDUS[1])]

    async def test_what_the_partner_writes_there_is_counted_and_not_received(self) -> None:
        receiver = Recorder()
        with capture_logs() as logs:
            async with (
                partner(mode=ListenerMode.ONE_WAY, reuse=True) as (far, transport),
                sending(receiver=receiver) as sender,
            ):
                await send(sender, transport, APDUS[0])
                await far.until(1)
                far.connections[0][1].write(APDUS[1] + b"\x61\xff")
                await until(lambda: not sender._tasks)
        assert [entry["octets"] for entry in logs if entry["event"] == IGNORED] == [len(APDUS[1]), 2]
        assert (receiver.elements, receiver.unreadable_octets) == ([], [])


@asynccontextmanager
async def inbound(
    connections: TcpConnections, *, known: str | None = "A"
) -> AsyncIterator[tuple[TcpListeners, Recorder]]:
    """Runs a listener; whoever sends an APDU there is known as a partner."""
    receiver = Recorder()

    async def identify(_: bytes, envelope: Envelope) -> None:
        connections.heard_from(envelope.connection_id, known, accepted=True)

    receiver.on_element = identify
    tcp = TcpListeners((TWO_WAY, ONE_WAY), LIMITS, receiver, ids(), connections)
    await tcp.start()
    try:
        yield tcp, receiver
    finally:
        await tcp.stop(timedelta(0))


class TestTheirConnections:
    async def test_what_a_partner_is_owed_goes_on_the_connection_that_it_opened(self) -> None:
        connections = TcpConnections()
        async with inbound(connections) as (tcp, receiver), sending(connections) as sender:
            reader, writer = await connect(tcp, TWO_WAY)
            writer.write(APDUS[0])
            await receiver.until(lambda: len(receiver.elements) == 1)
            delivery = await send(sender, NOWHERE, APDUS[1])
            assert await reader.readexactly(len(APDUS[1])) == APDUS[1]
            assert delivery.peer_address == receiver.envelopes[0].peer_address
            # And not what is owed to others.
            with pytest.raises(DeliveryFailed, match="cannot connect"):
                await send(sender, NOWHERE, APDUS[2], to="B")
            writer.close()

    async def test_one_that_is_nobodys_any_more_stays_open_and_is_not_used(self) -> None:
        connections = TcpConnections()
        async with inbound(connections) as (tcp, receiver), sending(connections) as sender:
            reader, writer = await connect(tcp, TWO_WAY)
            writer.write(APDUS[0])
            await receiver.until(lambda: len(receiver.elements) == 1)
            connections.disown("A")
            with pytest.raises(DeliveryFailed, match="cannot connect"):
                await send(sender, NOWHERE, APDUS[1])
            # What is accepted from it there makes it known again.
            writer.write(APDUS[1])
            await receiver.until(lambda: len(receiver.elements) == 2)
            await send(sender, NOWHERE, APDUS[2])
            assert await reader.readexactly(len(APDUS[2])) == APDUS[2]
            writer.close()

    async def test_before_it_has_sent_anything_nobody_is_known(self) -> None:
        connections = TcpConnections()
        async with inbound(connections) as (tcp, _), sending(connections) as sender:
            _, writer = await connect(tcp, TWO_WAY)
            await until(lambda: tcp.is_live("c1"))
            with pytest.raises(DeliveryFailed, match="cannot connect"):
                await send(sender, NOWHERE, APDUS[1])
            writer.close()

    async def test_nothing_is_ever_written_on_a_one_way_connection(self) -> None:
        connections = TcpConnections()
        async with inbound(connections) as (tcp, receiver), sending(connections) as sender:
            _, writer = await connect(tcp, ONE_WAY)
            writer.write(APDUS[0])
            await receiver.until(lambda: len(receiver.elements) == 1)
            with pytest.raises(DeliveryFailed, match="cannot connect"):
                await send(sender, NOWHERE, APDUS[1])
            writer.close()

    @pytest.mark.parametrize("other", ["B", None])
    async def test_once_anybody_else_has_spoken_on_it_it_is_nobodys_for_good(self, other: str | None) -> None:
        connections = TcpConnections()
        with capture_logs() as logs:
            async with inbound(connections) as (tcp, receiver), sending(connections) as sender:
                _, writer = await connect(tcp, TWO_WAY)
                writer.write(APDUS[0])
                await receiver.until(lambda: len(receiver.elements) == 1)
                connections.heard_from("c1", other, accepted=True)
                connections.heard_from("c1", "A", accepted=True)
                for name in ("A", "B"):
                    with pytest.raises(DeliveryFailed, match="cannot connect"):
                        await send(sender, NOWHERE, APDUS[1], to=name)
                assert tcp.is_live("c1"), "answers still go back on it"
                writer.close()
        assert [(one["partner"], one["other"]) for one in logs if one["event"] == SHARED] == [("A", other)]

    async def test_it_is_looked_at_once_more_immediately_before_writing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between choosing a connection and writing on it, another may have spoken there."""
        connections = TcpConnections()
        known = TcpConnections.is_partners

        def another_speaks(self: TcpConnections, connection: TcpConnection, name: str) -> bool:
            connections.heard_from("c1", "B", accepted=True)
            return known(self, connection, name)

        async with inbound(connections) as (tcp, receiver), sending(connections) as sender:
            reader, writer = await connect(tcp, TWO_WAY)
            writer.write(APDUS[0])
            await receiver.until(lambda: len(receiver.elements) == 1)
            monkeypatch.setattr(TcpConnections, "is_partners", another_speaks)
            with pytest.raises(DeliveryFailed, match="cannot connect"):
                await send(sender, NOWHERE, APDUS[1])
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()

    async def test_what_was_not_accepted_makes_nobody_known(self) -> None:
        connections = TcpConnections()
        async with inbound(connections, known=None) as (tcp, _), sending(connections) as sender:
            _, writer = await connect(tcp, TWO_WAY)
            await until(lambda: tcp.is_live("c1"))
            connections.heard_from("c1", "A", accepted=False)
            assert connections.free("A", opened_after=0) is None
            connections.heard_from("c1", "A", accepted=True)
            assert connections.free("A", opened_after=0) is not None
            # Known is known: that something else is refused later does not make it a stranger.
            connections.heard_from("c1", "A", accepted=False)
            assert connections.free("A", opened_after=0) is not None
            await sender.stop(timedelta(0))
            writer.close()

    async def test_a_connection_that_has_ended_is_nobodys_concern(self) -> None:
        connections = TcpConnections()
        connections.heard_from("c1", "A", accepted=True)
        assert connections.free("A", opened_after=0) is None
        assert not connections.is_ours("c1")

    async def test_how_old_it_is_is_the_partners_affair(self) -> None:
        connections = TcpConnections()
        transport = replace(NOWHERE, max_age=timedelta(microseconds=1))
        async with inbound(connections) as (tcp, receiver), sending(connections) as sender:
            reader, writer = await connect(tcp, TWO_WAY)
            writer.write(APDUS[0])
            await receiver.until(lambda: len(receiver.elements) == 1)
            await send(sender, transport, APDUS[1])
            assert await reader.readexactly(len(APDUS[1])) == APDUS[1]
            writer.close()


async def test_a_listener_that_stops_takes_its_connections_out_of_use() -> None:
    connections = TcpConnections()
    async with inbound(connections) as (tcp, receiver):
        _, writer = await connect(tcp, TWO_WAY)
        writer.write(APDUS[0])
        await receiver.until(lambda: len(receiver.elements) == 1)
        receiver.on_settle = never
        stopping = asyncio.create_task(tcp.stop(SHORT))
        await asyncio.sleep(0)
        assert connections.free("A", opened_after=0) is None
        await stopping
        assert not tcp.is_live("c1")
        writer.close()


async def test_listening_without_a_sender_needs_no_connections() -> None:
    async with listening(Recorder(), TWO_WAY) as tcp:
        assert not tcp.is_live("c1")
