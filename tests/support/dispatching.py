"""A dispatcher between a real outbox and a wire of memory, and what the tests of delivery say and ask."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import pytest
import structlog

from config.settings import Mail
from iso_gateway.errors import DeliveryError
from iso_gateway.failure import Failure
from iso_gateway.outbox.dispatcher import Dispatcher
from iso_gateway.outbox.transmitting import Permit
from iso_gateway.request import primitives
from iso_gateway.running.mailing import MailTransmitter
from iso_gateway.store.records import AttemptOutcome, GatewayId, HalfId, OutboxId, OutboxRecord
from iso_gateway.store.writer import Writer
from tests.support import apdus
from tests.support.gateway import AT_SFU, AT_UBC, Desk

T = TypeVar("T")

#: Nothing here takes long; what does, hangs.
PATIENCE = 60
LEASE = timedelta(minutes=5)

REFUSED: Final = DeliveryError("connection refused", temporary=True, failure=Failure.REFUSED)
GONE: Final = DeliveryError("no such host", temporary=False, failure=Failure.NO_SUCH_HOST)
BROKE: Final = DeliveryError("it broke", temporary=True, failure=Failure.RESET, ambiguous=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmission:
    """Octets that were handed to the wire."""

    octets: bytes
    partner: str | None
    connection_id: str | None


@dataclass(slots=True)
class Wire:
    """A transmitter that keeps what it is given, fails when told to, and waits where told to.

    `sent` is what it was given, `written` what it was permitted to write after that.
    `failing` holds, by partner, the exceptions that its next transmissions end in. `held` makes every
    transmission wait until `release`.
    """

    sent: list[Transmission] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    failing: dict[str | None, list[Exception]] = field(default_factory=lambda: defaultdict(list))
    held: bool = False
    _begun: asyncio.Queue[Transmission] = field(default_factory=asyncio.Queue)
    _gates: list[asyncio.Event] = field(default_factory=list)

    async def transmit(
        self,
        octets: bytes,
        *,
        outbox_id: OutboxId,
        partner: str | None,
        connection_id: str | None,
        permit: Permit,
    ) -> None:
        assert outbox_id
        transmission = Transmission(octets=octets, partner=partner, connection_id=connection_id)
        self.sent.append(transmission)
        gate = asyncio.Event()
        self._gates.append(gate)
        self._begun.put_nowait(transmission)
        if self.held:
            await gate.wait()
        await permit()
        self.written.append(octets)
        if self.failing[partner]:
            raise self.failing[partner].pop(0)

    async def begun(self) -> Transmission:
        """Wait for the next transmission to begin."""
        async with asyncio.timeout(PATIENCE):
            return await self._begun.get()

    def release(self, number: int | None = None) -> None:
        """Let the transmission of a number (from 0) end, or all of them, those to come included."""
        if number is not None:
            self._gates[number].set()
            return
        self.held = False
        for gate in self._gates:
            gate.set()


class LogLines:
    """The log, to wait for: what is logged has been stored. Lines may come from any thread."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._seen = 0
        self._come: Callable[[], object] = bool

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        self.lines.append(dict(event))
        self._come()
        raise structlog.DropEvent

    async def until(self, event: str) -> dict[str, Any]:
        """Wait for the next line of a kind, passing over others."""
        return await self.until_any({event})

    async def until_any(self, events: Collection[str]) -> dict[str, Any]:
        """Wait for the next line of some kinds, passing over others."""

        def next_one() -> dict[str, Any] | None:
            while self._seen < len(self.lines):
                line = self.lines[self._seen]
                self._seen += 1
                if line["event"] in events:
                    return line
            return None

        return await self._found(next_one)

    async def until_times(self, event: str, times: int) -> None:
        """Wait until there are so many lines of a kind in all, those that were passed over among them."""
        await self._found(lambda: sum(line["event"] == event for line in self.lines) >= times or None)

    async def _found(self, find: Callable[[], T | None]) -> T:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    come = asyncio.Event()
                    self._come = partial(loop.call_soon_threadsafe, come.set)
                    if (found := find()) is not None:
                        return found
                    await come.wait()
        finally:
            self._come = bool


@asynccontextmanager
async def dispatching(
    desk: Desk,
    wire: Wire,
    *,
    owner: str = "one",
    fenced: bool = False,
    relay: tuple[str, int] | None = None,
) -> AsyncIterator[Dispatcher]:
    """Run a dispatcher on the desk's database; at the end it finishes what it has in hand.

    Args:
        desk: whose database.
        wire: where it sends to.
        owner: the id of its gateway.
        fenced: whether it looks for others before it sends.
        relay: host and port of the mail server that takes its mails; without it there is none.
    """
    settings = desk.site.settings
    if relay is not None:
        settings = replace(settings, mail=Mail(relay_host=relay[0], relay_port=relay[1]))
    writer = Writer(desk.site.store)
    dispatcher = Dispatcher(
        settings,
        writer,
        wire,
        mailer=None if relay is None else MailTransmitter(settings, desk.site),
        gateway=GatewayId(owner),
        lease=LEASE,
        fenced=fenced,
        clock=desk.clock,
        chance=lambda: 0.5,
    )
    running = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        wire.release()
        dispatcher.stop()
        async with asyncio.timeout(PATIENCE):
            await running
        await asyncio.to_thread(writer.close)


@pytest.fixture
def wire() -> Wire:
    """What takes the octets."""
    return Wire()


@pytest.fixture
def lines() -> Iterator[LogLines]:
    """The log, to wait for."""
    lines = LogLines()
    structlog.configure(processors=[lines])
    yield lines
    structlog.reset_defaults()


def begun(desk: Desk, number: int = 1, partner: str = "SFU") -> HalfId:
    """Give a request of SFU's or UBC's, to which nothing has been answered yet."""
    request = apdus.ill_request(requester=f"ILLUME:{partner}", transaction=f"{partner}{number}")
    processed = desk.receive(request, peer={"SFU": AT_SFU, "UBC": AT_UBC}[partner])
    assert processed.half_id is not None
    return HalfId(processed.half_id)


def say(desk: Desk, half: HalfId, text: str) -> None:
    """Say something to the other end of a request."""
    desk.act(half, primitives.SendMessage(note=text))


def said(wire: Wire) -> list[str]:
    """Give the last letter of all that was said, in the order in which it went out."""
    return [one.octets[-1:].decode() for one in wire.sent]


def rows(desk: Desk) -> list[OutboxRecord]:
    """Give the rows of the outbox, the finished ones included."""
    with desk.reading() as uow:
        return list(uow.outbox.list(finished=True))


def outcomes(desk: Desk, row: OutboxRecord) -> list[tuple[AttemptOutcome | None, str | None]]:
    """How each attempt to send a row ended, and why."""
    with desk.reading() as uow:
        return [(attempt.outcome, attempt.error) for attempt in uow.outbox.attempts(row.id)]
