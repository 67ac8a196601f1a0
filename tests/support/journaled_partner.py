"""A simulated partner that can be killed: a process that knows after its restart all that it knew before.

Its rules are those of `iso_gateway.simulation`. What moves them is written into its journal first, and at the
start the script goes through the whole journal again: the same inputs at the same times make the same APDUs,
octet for octet. What the gateway has not taken of these is sent (again), in order within a request.

It ends at SIGTERM, as soon as every request that it knows is over. It is never more forgiving than a real
partner may be: an APDU counts as taken only when the connection that it went by was ended in good order.
"""

import argparse
import asyncio
import datetime as dt
import itertools
import secrets
import signal
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from adapters.envelope import Envelope
from adapters.tcp_listener import TcpListeners
from asn1.codec import decode
from asn1.errors import WireError
from asn1.framing import Framer
from asn1.ill import CheckedIn
from config.loading import load
from config.settings import Limits, Listener, Partner, TcpTransport
from config.symbols import Symbol
from iso_gateway.message.identity import request_number
from iso_gateway.protocol.states import Role, State
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.simulation import scenario
from iso_gateway.simulation.composing import GROUP
from iso_gateway.simulation.scenario import Order, Scenario
from iso_gateway.simulation.script import Conversation, Script, Taken
from tests.support.journal import Entry, Journal, Kind

#: A loan in either role: asked for, promised, shipped, received, renewed, returned, checked in.
RULES: Final[list[dict[str, Any]]] = [
    {
        "on": "ILL-REQUEST",
        "role": "responder",
        "then": [
            {"send": "ILL-ANSWER will-supply"},
            {"send": "SHIPPED", "fields": {"date_due": "+21d"}},
        ],
    },
    {"on": "RENEW", "then": [{"send": "RENEW-ANSWER answer TRUE", "fields": {"date_due": "+42d"}}]},
    {"on": "RETURNED", "then": [{"send": "CHECKED-IN"}]},
    {"on": "SHIPPED", "then": [{"send": "RECEIVED"}, {"send": "RENEW"}]},
    {"on": "RENEW-ANSWER", "then": [{"send": "RETURNED"}]},
]
SCENARIO: Final[Scenario] = scenario.read(
    {"description": "A loan, renewed once", "rules": RULES}, Path("journaled_partner.py")
)
ORDER: Final = Order(request=NewRequest(item=Item(title="The Penelopiad")))

#: Seconds that the gateway may take for one APDU, and that are waited before it is tried again.
PATIENCE: Final = 5.0
PAUSE: Final = 0.05

Key = tuple[bytes, Role]


class Memory:
    """What a partner knows: a script that is moved by entries of the journal alone.

    Args:
        profile: whom it plays.
        them: the library of the gateway.
    """

    def __init__(self, profile: Partner, them: Symbol) -> None:
        self._them = them
        self._qualifier = ""
        self.owed: Final[dict[Key, deque[bytes]]] = {}
        self.made: Final[dict[bytes, Conversation]] = {}
        self._known: set[bytes] = set()
        self._script = Script(profile, SCENARIO, new_qualifier=lambda: self._qualifier)

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        """Every request, in the order in which they began."""
        return self._script.conversations

    @property
    def complete(self) -> bool:
        """Whether every request is over and all that was to be said was taken."""
        return not any(self.owed.values()) and all(map(is_over, self.conversations))

    def recall(self, entries: Sequence[Entry]) -> None:
        """Go through a journal; of requests that are over only that is kept which may come once more."""
        over = {entry.request for entry in entries if entry.kind is Kind.OVER}
        for entry in entries:
            if entry.request not in over:
                self.apply(entry)
            elif entry.kind is Kind.RECEIVED:
                self._known.add(entry.octets)

    def apply(self, entry: Entry) -> Conversation | None:
        """Take what happened; gives the request that it was about."""
        match entry.kind:
            case Kind.BEGUN:
                self._qualifier = entry.qualifier
                conversation, sendings = self._script.begin(ORDER, self._them, entry.at)
                self._owe(conversation, (one.octets for one in sendings))
                return conversation
            case Kind.RECEIVED:
                if entry.octets in self._known:
                    return None
                return self._react(self._script.receive(entry.octets, entry.at), entry.at)
            case Kind.TAKEN:
                conversation = self.made[entry.octets]
                assert self.owed[conversation.key].popleft() == entry.octets
                return conversation
            case Kind.OVER:
                return None

    def _react(self, taken: Taken, at: dt.datetime) -> Conversation | None:
        conversation = taken.conversation
        if conversation is None:
            return None
        self._owe(conversation, (one.octets for one in taken.at_once))
        for step in taken.steps:
            self._owe(conversation, (one.octets for one in self._script.step(conversation, step, at)))
        return conversation

    def _owe(self, conversation: Conversation, apdus: Iterable[bytes]) -> None:
        queue = self.owed.setdefault(conversation.key, deque())
        for octets in apdus:
            assert octets not in self.made, "two APDUs of a partner are told apart by their octets"
            self.made[octets] = conversation
            queue.append(octets)


def is_over(conversation: Conversation) -> bool:
    """Whether nothing more is to come in a request that goes as `RULES` have it."""
    if conversation.role is Role.RESPONDER:
        return conversation.state is State.CHECKED_IN
    return conversation.state is State.RETURNED and isinstance(conversation.received[-1], CheckedIn)


class JournaledPartner:
    """The partner while it runs.

    Args:
        profile: whom it plays; it listens where its transport says.
        them: the library of the gateway.
        journal: what it remembers.
        gateways: host and port of each gateway's listener of its mode; each attempt takes the next.
    """

    def __init__(
        self, profile: Partner, them: Symbol, journal: Journal, gateways: list[tuple[str, int]]
    ) -> None:
        assert isinstance(profile.transport, TcpTransport)
        self._transport = profile.transport
        self._journal = journal
        self._memory = Memory(profile, them)
        self._gateways = itertools.cycle(gateways)
        self._handing_over: dict[Key, asyncio.Task[None]] = {}
        self._moved = asyncio.Event()
        self._memory.recall(journal.entries)

    async def run(self, *, every: float, most: int, drained: Path) -> None:
        """Play until SIGTERM and the end of every request.

        Args:
            every: seconds between requests of its own.
            most: how many requests it may have open.
            drained: the file whose existence says that no more requests are to be begun.
        """
        asked_to_end = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_end.set)
        address = Listener(
            name="partner",
            mode=self._transport.mode,
            host=self._transport.host,
            port=self._transport.port,
        )
        listeners = TcpListeners([address], Limits(), self, lambda: secrets.token_hex(8))
        await listeners.start()
        print("ready", flush=True)  # noqa: T201 - the harness waits for it
        for key in list(self._memory.owed):
            self._hand_over(key)
        asking = asyncio.create_task(self._ask(every, most, drained))
        await asked_to_end.wait()
        await asking
        while not self._memory.complete:
            self._moved.clear()
            await self._moved.wait()
        await listeners.stop(dt.timedelta(seconds=1))

    async def element(self, octets: bytes, envelope: Envelope) -> None:  # noqa: ARG002 - whoever sent it
        """Take an APDU: written down first, acknowledged by returning."""
        self._came_in(octets)

    async def unreadable(self, octets: bytes, error: WireError, envelope: Envelope) -> None:  # noqa: ARG002
        """Write down octets that are no element as well: the oracle has to see them."""
        self._came_in(octets)

    async def settled(self, connection_id: str) -> None:
        """Return at once: what is to be said is said on connections of our own."""

    def _came_in(self, octets: bytes) -> None:
        try:
            request = request_number(decode(octets).transaction_id)
        except WireError:
            request = ""
        self._happened(Entry(kind=Kind.RECEIVED, at=_now(), request=request, octets=octets))

    def _happened(self, entry: Entry) -> None:
        self._journal.append(entry)
        conversation = self._memory.apply(entry)
        if conversation is not None:
            self._hand_over(conversation.key)
            if is_over(conversation) and not self._memory.owed.get(conversation.key):
                self._journal.append(Entry(kind=Kind.OVER, at=_now(), request=conversation.number))
        self._moved.set()

    async def _ask(self, every: float, most: int, drained: Path) -> None:
        while not await asyncio.to_thread(drained.exists):
            going_on = sum(not is_over(one) for one in self._memory.conversations[-4 * most :])
            if going_on < most:
                qualifier = secrets.token_hex(6)
                begun = Entry(kind=Kind.BEGUN, at=_now(), request=f"{GROUP}/{qualifier}", qualifier=qualifier)
                self._happened(begun)
            await asyncio.sleep(every)

    def _hand_over(self, key: Key) -> None:
        if self._memory.owed.get(key) and key not in self._handing_over:
            self._handing_over[key] = asyncio.create_task(self._deliver(key))

    async def _deliver(self, key: Key) -> None:
        queue = self._memory.owed[key]
        while queue:
            octets = queue[0]
            if await self._is_taken(octets):
                request = self._memory.made[octets].number
                self._happened(Entry(kind=Kind.TAKEN, at=_now(), request=request, octets=octets))
            else:
                await asyncio.sleep(PAUSE)
        # Not by a callback: what is owed from here on needs a task of its own at once.
        del self._handing_over[key]

    async def _is_taken(self, octets: bytes) -> bool:
        """Whether the gateway ends the connection in good order after an APDU."""
        host, port = next(self._gateways)
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    writer.write(octets)
                    writer.write_eof()
                    framer = Framer()
                    while data := await reader.read(65_536):
                        for element in framer.feed(data):
                            self._came_in(element)
                    return framer.at_boundary
                finally:
                    writer.close()
        except (OSError, WireError):
            return False


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--gateway", type=int, action="append", required=True)
    parser.add_argument("--every", type=float, required=True)
    parser.add_argument("--most", type=int, required=True)
    parser.add_argument("--drained", type=Path, required=True)
    arguments = parser.parse_args()
    settings = load(arguments.config)
    profile = settings.partner(arguments.name)
    assert profile is not None
    journal = Journal(arguments.journal)
    partner = JournaledPartner(
        profile,
        settings.local[0].symbol,
        journal,
        [("127.0.0.1", port) for port in arguments.gateway],
    )
    asyncio.run(partner.run(every=arguments.every, most=arguments.most, drained=arguments.drained))
    journal.close()


if __name__ == "__main__":
    main()
