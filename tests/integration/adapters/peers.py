"""Both ends of the conversations that these tests hold: a receiver that records, and peers on sockets."""

import asyncio
import itertools
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import pytest

from adapters.envelope import Envelope
from adapters.tcp_listener import TcpListeners
from asn1.errors import WireError
from config.settings import Limits, Listener, ListenerMode
from tests.support import corpus

ONE_WAY: Final = Listener(name="one-way", mode=ListenerMode.ONE_WAY, host="127.0.0.1", port=0)
TWO_WAY: Final = Listener(name="two-way", mode=ListenerMode.TWO_WAY, host="127.0.0.1", port=0)

#: Generous where nothing shall happen, so that a slow machine fails no test.
LIMITS: Final = Limits(idle_timeout=timedelta(seconds=60), answer_timeout=timedelta(seconds=60))
SHORT: Final = timedelta(milliseconds=50)
#: Short, where something has to happen within it on a machine that is busy with something else.
ENOUGH: Final = timedelta(milliseconds=500)
LONG: Final = timedelta(seconds=60)

APDUS: Final = tuple(part.octets for part in corpus.stream().parts)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Recorder:
    """A receiver that keeps everything, and can be told to answer, to wait and to fail."""

    def __init__(self) -> None:
        self.elements: list[bytes] = []
        self.envelopes: list[Envelope] = []
        self.unreadable_octets: list[bytes] = []
        self.errors: list[WireError] = []
        self.settling: list[str] = []
        self.begun = asyncio.Event()
        self.may_store = asyncio.Event()
        self.may_store.set()
        self.failure: Exception | None = None
        self.on_element: Callable[[bytes, Envelope], Awaitable[None]] | None = None
        self.on_settle: Callable[[str], Awaitable[None]] | None = None
        self._changed = asyncio.Condition()

    async def element(self, octets: bytes, envelope: Envelope) -> None:
        self.begun.set()
        await self.may_store.wait()
        if self.failure is not None:
            raise self.failure
        self.elements.append(octets)
        self.envelopes.append(envelope)
        if self.on_element is not None:
            await self.on_element(octets, envelope)
        await self._tell()

    async def unreadable(self, octets: bytes, error: WireError, envelope: Envelope) -> None:
        if self.failure is not None:
            raise self.failure
        self.unreadable_octets.append(octets)
        self.errors.append(error)
        self.envelopes.append(envelope)
        await self._tell()

    async def settled(self, connection_id: str) -> None:
        self.settling.append(connection_id)
        await self._tell()
        if self.on_settle is not None:
            await self.on_settle(connection_id)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until something recorded makes the condition true."""
        async with self._changed:
            await self._changed.wait_for(condition)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def ids() -> Callable[[], str]:
    """Gives connection ids that a test can foretell: c1, c2, and so on."""
    numbers = itertools.count(1)
    return lambda: f"c{next(numbers)}"


@asynccontextmanager
async def listening(
    receiver: Recorder, *listeners: Listener, limits: Limits = LIMITS
) -> AsyncIterator[TcpListeners]:
    """Runs listeners for the time of a test."""
    tcp = TcpListeners(listeners or (ONE_WAY,), limits, receiver, ids())
    await tcp.start()
    try:
        yield tcp
    finally:
        await tcp.stop(timedelta(0))


async def connect(tcp: TcpListeners, listener: Listener = ONE_WAY, *, source: str = "127.0.0.1") -> Streams:
    """Connects to one of the listeners."""
    host, port = tcp.addresses[listener.name]
    return await asyncio.open_connection(host, port, local_addr=(source, 0))


async def send(tcp: TcpListeners, octets: bytes, listener: Listener = ONE_WAY) -> bytes:
    """Connects, writes, ends our side and returns what comes back until the close."""
    reader, writer = await connect(tcp, listener)
    writer.write(octets)
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


async def until(condition: Callable[[], bool]) -> None:
    """Lets the event loop turn until the condition is true; the test's own time-out ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - the product has no event for it, and needs none
        await asyncio.sleep(0)


def reset(writer: asyncio.StreamWriter) -> None:
    """Breaks a connection from the peer's end."""
    on, no_time = 1, 0
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", on, no_time))
    writer.transport.abort()


def forget_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every connection look as if the peer had reset it before asyncio could ask for its address."""
    known = asyncio.StreamWriter.get_extra_info

    def forgotten(writer: asyncio.StreamWriter, name: str, default: object = None) -> object:
        return None if name == "peername" else known(writer, name, default)

    monkeypatch.setattr(asyncio.StreamWriter, "get_extra_info", forgotten)


async def never(*_: object) -> None:
    """Waits for ever."""
    await asyncio.Event().wait()
