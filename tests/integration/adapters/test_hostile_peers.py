"""What a peer can do to hold the gateway up, and how long. Each has a line in docs/operations.md."""

import asyncio
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from adapters.errors import DeliveryFailed, Failure
from adapters.tcp_connection import CLOSED, REFUSED
from adapters.tcp_listener import NO_ROOM, TcpListeners
from adapters.tcp_sender import TcpSender
from adapters.tcp_socket import make_room
from config.settings import ListenerMode, TcpTransport
from tests.integration.adapters.peers import (
    APDUS,
    ENOUGH,
    LIMITS,
    LONG,
    ONE_WAY,
    SHORT,
    TWO_WAY,
    Recorder,
    Streams,
    connect,
    ids,
    listening,
    reset,
    send,
    until,
)

APDU = APDUS[0]


@pytest.fixture
def open_files() -> Iterator[tuple[int, int]]:
    """The limits on open files, which are put back."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield limits
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def hold(ends: AsyncExitStack, streams: Streams) -> None:
    """Keeps a connection open until the end of the test; asyncio ends one whose reader nobody has."""

    def end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    ends.callback(end, *streams)


async def test_one_that_trickles_has_the_time_of_one_apdu_and_no_more() -> None:
    """It is never silent for longer than it may be; a two-way one, so that nothing but the APDU is timed."""
    receiver = Recorder()
    loop = asyncio.get_running_loop()
    limits = replace(LIMITS, idle_timeout=LONG, apdu_timeout=timedelta(milliseconds=300))
    async with listening(receiver, TWO_WAY, limits=limits) as tcp:
        reader, writer = await connect(tcp, TWO_WAY)
        writer.write(APDU)
        await receiver.until(lambda: receiver.elements == [APDU])
        begun = loop.time()
        for octet in APDU:
            writer.write(bytes([octet]))
            await asyncio.sleep(0.01)
            if receiver.unreadable_octets:
                break
        assert 0.3 <= loop.time() - begun < 30
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
    assert receiver.unreadable_octets[0] == APDU[: len(receiver.unreadable_octets[0])]
    assert receiver.elements == [APDU]


async def test_one_that_trickles_its_answer_holds_up_nothing_that_is_sent_to_it() -> None:
    receiver = Recorder()
    limits = replace(LIMITS, apdu_timeout=2 * ENOUGH)
    came: Counter[int] = Counter()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(came)
        came[number] = 0
        writer.write(APDU[:10])
        try:
            while octets := await reader.read(100_000):
                came[number] += len(octets)
                await asyncio.sleep(0)
        except ConnectionResetError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = TcpTransport(host="127.0.0.1", port=port, mode=ListenerMode.TWO_WAY)
    sender = TcpSender(receiver, limits, ids())
    for octets in APDUS[:2]:
        await sender.send(transport, octets, connect_timeout=LONG, send_timeout=LONG, partner="A")
    await until(lambda: not sender._tasks)
    assert [error.reason for error in receiver.errors] == [
        "the element is cut off: the connection ended or fell silent first"
    ]
    await sender.send(transport, APDU, connect_timeout=LONG, send_timeout=LONG, partner="A")
    await until(lambda: came[1] == len(APDU))
    await sender.stop(timedelta(0))
    server.close()
    await server.wait_closed()
    assert came == {0: len(APDUS[0]) + len(APDUS[1]), 1: len(APDU)}


async def test_one_that_accepts_and_resets_fails_each_time_and_leaves_nothing_behind() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reset(writer)

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sender = TcpSender(Recorder(), LIMITS, ids())
    for mode in (ListenerMode.ONE_WAY, ListenerMode.TWO_WAY):
        transport = TcpTransport(host="127.0.0.1", port=port, mode=mode)
        for _ in range(3):
            with pytest.raises(DeliveryFailed) as raised:
                await sender.send(
                    transport, bytes(2**25), connect_timeout=LONG, send_timeout=LONG, partner="A"
                )
            assert raised.value.temporary
            assert raised.value.failure is Failure.RESET
    assert not sender._tasks
    server.close()
    await server.wait_closed()


async def test_garbage_after_a_good_apdu_does_not_undo_it() -> None:
    receiver = Recorder()
    async with listening(receiver, ONE_WAY) as tcp:
        assert await send(tcp, APDU + b"\x1b[31m\xff\xff garbage") == b""
        assert await send(tcp, APDUS[1]) == b"", "and the next connection is as good as any"
    assert receiver.elements == [APDU, APDUS[1]]
    assert len(receiver.unreadable_octets) == 1


@pytest.mark.usefixtures("open_files")
async def test_one_that_opens_a_thousand_connections_keeps_nobody_else_out() -> None:
    make_room(2_000)
    receiver = Recorder()
    limits = replace(LIMITS, max_connections=60, max_connections_per_address=50)
    with capture_logs() as logs:
        async with AsyncExitStack() as ends, listening(receiver, ONE_WAY, limits=limits) as tcp:
            for _ in range(1_000):
                hold(ends, await connect(tcp, source="127.0.0.2"))
            await until(lambda: tcp.connections == 50)
            assert await send(tcp, APDU) == b""
            await tcp.stop(SHORT)
    assert receiver.elements == [APDU]
    assert sum(entry["count"] for entry in logs if entry["event"] == REFUSED) == 950
    assert len([entry for entry in logs if entry["event"] == REFUSED]) == 2, "not a line for each"
    assert len([entry for entry in logs if entry["event"] == CLOSED]) == 51


class TestRoom:
    def test_the_soft_limit_is_raised_as_far_as_it_has_to_be(self, open_files: tuple[int, int]) -> None:
        _, hard = open_files
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
        assert make_room(200) == 200
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 512
        assert make_room(400) == 400
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 656

    async def test_what_the_hard_limit_does_not_allow_is_said(
        self, open_files: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (512, 1_024))
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: changed.append(limits))
        limits = replace(LIMITS, max_connections=5_000)
        with capture_logs() as logs:
            async with listening(Recorder(), ONE_WAY, limits=limits):
                pass
        assert changed == [(1_024, 1_024)]
        assert logs[0] == {
            "event": NO_ROOM,
            "log_level": "warning",
            "max_connections": 5_000,
            "possible": 768,
        }
        assert open_files

    def test_no_limit_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        unlimited = resource.RLIM_INFINITY
        monkeypatch.setattr(resource, "getrlimit", lambda _: (unlimited, unlimited))
        assert make_room(100_000) == 100_000
        changed: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, unlimited))
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: changed.append(limits))
        assert make_room(2_000) == 2_000
        assert changed == [(2_256, unlimited)]


async def test_a_stop_is_prompt_however_many_are_idle() -> None:
    """None of them ends its side, and all of them once had an answer."""
    receiver = Recorder()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as ends:
        tcp = TcpListeners((TWO_WAY,), LIMITS, receiver, ids())
        await tcp.start()
        for _ in range(50):
            hold(ends, await connect(tcp, TWO_WAY))
        await until(lambda: tcp.connections == 50)
        for connection in tcp._tasks.values():
            connection._active_at -= 10  # the time that has passed since anything happened
        begun = loop.time()
        await tcp.stop(LONG)
        assert loop.time() - begun < 0.9
