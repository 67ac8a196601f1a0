"""What partners can do to an APDU that is sent to them, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from adapters.envelope import OUTBOUND, Envelope, Transport
from adapters.errors import DeliveryFailed
from adapters.tcp_connection import CLOSED
from adapters.tcp_sender import IGNORED, Delivery, TcpSender
from adapters.tcp_socket import acknowledged
from config.settings import Limits, ListenerMode, TcpTransport
from tests.integration.adapters.peers import (
    APDUS,
    LIMITS,
    LONG,
    ONE_WAY,
    SHORT,
    TWO_WAY,
    Recorder,
    forget_peers,
    ids,
    listening,
    never,
    reset,
    until,
)

APDU = APDUS[0]
#: More than the socket buffers of both ends hold.
HUGE = bytes(32 * 2**20)

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def partner(
    converse: Conversation, mode: ListenerMode = ListenerMode.ONE_WAY
) -> AsyncIterator[TcpTransport]:
    """Runs a partner that does with each connection what the test wants, and closes it if that ends."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await converse(reader, writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(hold(reader, writer)))

    tasks: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield TcpTransport(host="127.0.0.1", port=server.sockets[0].getsockname()[1], mode=mode)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


@asynccontextmanager
async def sending(receiver: Recorder | None = None, limits: Limits = LIMITS) -> AsyncIterator[TcpSender]:
    sender = TcpSender(receiver or Recorder(), limits, ids())
    try:
        yield sender
    finally:
        await sender.stop(timedelta(0))


async def deliver(
    transport: TcpTransport,
    octets: bytes = APDU,
    *,
    connect_timeout: timedelta = LONG,
    send_timeout: timedelta = LONG,
) -> Delivery:
    async with sending() as sender:
        return await sender.send(
            transport, octets, connect_timeout=connect_timeout, send_timeout=send_timeout
        )


async def failure(
    transport: TcpTransport,
    octets: bytes = APDU,
    *,
    connect_timeout: timedelta = LONG,
    send_timeout: timedelta = LONG,
) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as raised:
        await deliver(transport, octets, connect_timeout=connect_timeout, send_timeout=send_timeout)
    return raised.value


class TestConnecting:
    async def test_a_refused_connection_may_be_tried_again(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        failed = await failure(TcpTransport(host="127.0.0.1", port=port))
        assert (failed.temporary, failed.ambiguous) == (True, False)
        assert failed.reason.startswith(f"cannot connect to 127.0.0.1:{port}: ")

    async def test_a_partner_that_does_not_answer_is_not_waited_for_longer_than_the_limit(self) -> None:
        with (
            socket.create_server(("127.0.0.1", 0), backlog=0) as server,
            socket.create_connection(server.getsockname()),  # fills the backlog: the next gets no answer
        ):
            failed = await failure(
                TcpTransport(host="127.0.0.1", port=server.getsockname()[1]), connect_timeout=SHORT
            )
        assert (failed.temporary, failed.ambiguous) == (True, False)
        assert failed.reason.endswith("no answer in time")

    async def test_a_host_that_is_not_found_may_be_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def nowhere(*_: object, **__: object) -> object:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
        failed = await failure(TcpTransport(host="ill.sfu.example", port=1611))
        assert (failed.temporary, failed.ambiguous) == (True, False)
        assert failed.reason == (
            "cannot connect to ill.sfu.example:1611: temporary failure in name resolution"
        )

    async def test_a_connection_that_breaks_at_once_may_be_tried_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with partner(never) as transport:
            forget_peers(monkeypatch)
            failed = await failure(transport)
        assert (failed.temporary, failed.ambiguous) == (True, False)
        assert "broke the connection at once" in failed.reason


class TestOneWay:
    async def test_the_close_of_a_listener_of_ours_is_the_receipt(self) -> None:
        receiver = Recorder()
        async with listening(receiver, ONE_WAY) as tcp:
            host, port = tcp.addresses["one-way"]
            delivery = await deliver(TcpTransport(host=host, port=port))
        assert delivery == Delivery(peer_address=f"{host}:{port}", closed_by_peer=True)
        assert receiver.elements == [APDU]

    async def test_a_listener_of_ours_that_cannot_store_gives_no_receipt(self) -> None:
        receiver = Recorder()
        receiver.failure = RuntimeError("no database")
        async with listening(receiver, ONE_WAY) as tcp:
            host, port = tcp.addresses["one-way"]
            failed = await failure(TcpTransport(host=host, port=port))
        assert (failed.temporary, failed.ambiguous) == (True, True)

    async def test_a_late_close_is_waited_for(self) -> None:
        read = asyncio.Event()
        may_close = asyncio.Event()

        async def close_late(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            assert await reader.read() == APDU
            read.set()
            await may_close.wait()

        async with partner(close_late) as transport:
            delivering = asyncio.create_task(deliver(transport))
            await read.wait()
            assert not delivering.done()
            may_close.set()
            assert (await delivering).closed_by_peer

    async def test_without_a_close_it_is_delivered_and_said_so(self) -> None:
        async with partner(never) as transport:
            delivery = await deliver(transport, send_timeout=SHORT)
        assert not delivery.closed_by_peer

    async def test_a_partner_that_never_reads_cannot_have_it(self) -> None:
        async def never_read(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined] # StreamWriter.transport is too wide
            await never()

        async with partner(never_read) as transport:
            failed = await failure(transport, HUGE, send_timeout=SHORT)
        assert (failed.temporary, failed.ambiguous) == (True, False)
        assert "did not take the whole APDU in time" in failed.reason

    async def test_what_waits_in_the_buffers_of_the_system_is_not_delivered(self) -> None:
        """The kernel has taken all of it here, but the far end's has not."""
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            server.bind(("127.0.0.1", 0))
            server.listen()
            failed = await failure(
                TcpTransport(host="127.0.0.1", port=server.getsockname()[1]),
                bytes(12_000),
                send_timeout=SHORT,
            )
        assert (failed.temporary, failed.ambiguous) == (True, True)
        assert "did not acknowledge the whole APDU in time" in failed.reason

    async def test_a_reset_after_reading_leaves_open_whether_it_arrived(self) -> None:
        async def read_and_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            reset(writer)

        async with partner(read_and_reset) as transport:
            failed = await failure(transport)
        assert (failed.temporary, failed.ambiguous) == (True, True)
        assert "connection reset by peer" in failed.reason

    async def test_a_partner_that_closes_before_it_reads_has_not_taken_it(self) -> None:
        async def close_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with partner(close_at_once) as transport:
            for _ in range(20):  # whichever of the two ends is quicker
                failed = await failure(transport, bytes(2**20))
                assert failed.temporary

    async def test_what_comes_back_is_counted_and_not_received(self) -> None:
        async def talk_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.write(APDUS[1])

        receiver = Recorder()
        async with partner(talk_back) as transport, sending(receiver) as sender:
            with capture_logs() as logs:
                delivery = await sender.send(transport, APDU, connect_timeout=LONG, send_timeout=LONG)
        assert delivery.closed_by_peer
        assert receiver.elements == []
        (ignored,) = logs
        assert (ignored["event"], ignored["octets"]) == (IGNORED, len(APDUS[1]))
        assert set(ignored) == {"event", "octets", "peer", "log_level"}


class TestTwoWay:
    async def test_the_answers_are_received_until_the_partner_closes(self) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readexactly(len(APDU)) == APDU
            writer.write(APDUS[1] + APDUS[2])

        receiver = Recorder()
        async with partner(answer, ListenerMode.TWO_WAY) as transport, sending(receiver) as sender:
            delivery = await sender.send(transport, APDU, connect_timeout=LONG, send_timeout=LONG)
            await receiver.until(lambda: len(receiver.settling) == 1)
            await until(lambda: not sender.is_live("c1"))
        address = f"127.0.0.1:{transport.port}"
        assert delivery == Delivery(peer_address=address, closed_by_peer=False)
        assert receiver.elements == [APDUS[1], APDUS[2]]
        assert receiver.envelopes[0] == Envelope(
            transport=Transport.TCP_TWO_WAY,
            listener=OUTBOUND,
            peer_address=address,
            peer_host="127.0.0.1",
            connection_id="c1",
        )

    async def test_two_gateways_converse_on_one_connection(self) -> None:
        near, far = Recorder(), Recorder()
        async with listening(far, TWO_WAY) as tcp, sending(near) as sender:

            async def answer(octets: bytes, envelope: Envelope) -> None:
                await tcp.write(envelope.connection_id, octets)

            async def go_on(_: bytes, envelope: Envelope) -> None:
                if len(near.elements) == 1:
                    await sender.write(envelope.connection_id, APDUS[1])

            far.on_element, near.on_element = answer, go_on
            host, port = tcp.addresses["two-way"]
            transport = TcpTransport(host=host, port=port, mode=ListenerMode.TWO_WAY)
            await sender.send(transport, APDU, connect_timeout=LONG, send_timeout=LONG)
            await near.until(lambda: len(near.elements) == 2)
        assert far.elements == near.elements == [APDU, APDUS[1]]

    async def test_a_quiet_connection_is_ended(self) -> None:
        ended = asyncio.Event()

        async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            assert await reader.read() == APDU
            ended.set()

        with capture_logs() as logs:
            async with (
                partner(say_nothing, ListenerMode.TWO_WAY) as transport,
                sending(limits=replace(LIMITS, answer_timeout=SHORT)) as sender,
            ):
                await sender.send(transport, APDU, connect_timeout=LONG, send_timeout=LONG)
                assert sender.is_live("c1")
                await ended.wait()
                await until(lambda: not sender._tasks)
        assert [entry["ending"] for entry in logs if entry["event"] == CLOSED] == ["silent"]

    async def test_stopping_ends_the_wait_for_answers(self) -> None:
        ended = asyncio.Event()

        async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            assert await reader.read() == APDU
            ended.set()

        async with partner(say_nothing, ListenerMode.TWO_WAY) as transport, sending() as sender:
            await sender.send(transport, APDU, connect_timeout=LONG, send_timeout=LONG)
            await sender.stop(LONG)
            await ended.wait()
            assert not sender.is_live("c1")
            with pytest.raises(DeliveryFailed, match="gone"):
                await sender.write("c1", APDU)

    async def test_a_partner_that_never_reads_cannot_have_it(self) -> None:
        async def never_read(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined] # StreamWriter.transport is too wide
            await never()

        async with partner(never_read, ListenerMode.TWO_WAY) as transport:
            failed = await failure(transport, HUGE, send_timeout=SHORT)
        assert (failed.temporary, failed.ambiguous) == (True, False)

    async def test_a_reset_before_it_was_taken_leaves_open_whether_it_arrived(self) -> None:
        async def reset_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            reset(writer)

        async with partner(reset_at_once, ListenerMode.TWO_WAY) as transport:
            failed = await failure(transport, HUGE)
        assert (failed.temporary, failed.ambiguous) == (True, True)


class TestAcknowledged:
    async def test_a_close_before_reading_is_told_from_one_after(self) -> None:
        """Both look like the same orderly end to who reads: b"" and no error."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            reader, writer = await asyncio.open_connection(*server.getsockname())
            peer, _ = server.accept()
            peer.close()
            assert await reader.read() == b""
            writer.write(APDU)
            with pytest.raises(ConnectionResetError):
                await acknowledged(writer)
            writer.close()

    async def test_what_the_far_system_has_is_acknowledged_though_nobody_reads_it(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            _, writer = await asyncio.open_connection(*server.getsockname())
            peer, _ = server.accept()
            writer.write(APDU)
            await acknowledged(writer)
            writer.close()
            peer.close()

    async def test_a_connection_that_was_reset_acknowledges_nothing(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            _, writer = await asyncio.open_connection(*server.getsockname())
            writer.transport.abort()
            with pytest.raises(ConnectionResetError):
                await acknowledged(writer)
