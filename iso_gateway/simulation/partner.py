"""A script on the network: listens and connects as the partner's profile says, waits, sends.

Imports the adapters, and nothing that knows of a database. For tests:

    async with SimulatedPartner(profile, scenario) as partner:
        partner.meets(gateway_address, Symbol.parse("ILLUME:BEX"))
        await partner.reached(State.CHECKED_IN)
"""

import asyncio
import contextlib
import datetime as dt
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final, Self, TypeAlias

from adapters.envelope import Envelope, Transport
from adapters.errors import DeliveryFailed, Failure
from adapters.tcp_listener import TcpListeners
from adapters.tcp_sender import TcpSender
from adapters.tcp_socket import reset
from asn1.codec import encode
from asn1.errors import WireError
from asn1.ill import ILLApdu
from config.settings import Limits, Listener, Partner, TcpTransport
from config.symbols import Symbol
from iso_gateway.errors import GatewayError
from iso_gateway.protocol.states import Role, State
from iso_gateway.simulation.scenario import Arrival, Order, Scenario, Step, Way
from iso_gateway.simulation.script import Conversation, Happening, Script, Sending

#: How long what is in hand may take when the partner stops.
GRACE: Final = dt.timedelta(seconds=1)
#: How long the gateway may take to accept a connection, and then an APDU.
TIMEOUT: Final = dt.timedelta(seconds=10)
#: How long to wait before an APDU is sent again that the gateway did not take.
RETRY: Final = dt.timedelta(milliseconds=200)
#: How long a test waits for anything: far more than it needs.
PATIENCE: Final = dt.timedelta(seconds=30)

_LISTENER: Final = "partner"


Pause: TypeAlias = Callable[[dt.timedelta], Awaitable[None]]
"""Waits for so long."""


async def pause_for(time: dt.timedelta) -> None:
    """Wait indeed."""
    if time:
        await asyncio.sleep(time.total_seconds())


async def no_pause(_time: dt.timedelta) -> None:
    """For tests: no waiting at all."""


class UnseenByScriptError(Exception):
    """The scenario says that this APDU did not arrive: the connection is to be reset."""


class SimulatedPartner:
    """One partner that listens and sends while the `async with` lasts.

    Args:
        profile: whom it plays, and whether one-way or two-way (its transport's mode).
        scenario: what it does.
        host, port: where it listens; 0 lets the system choose, and the port stays the same afterwards.
        clock: the time, aware.
        pause: waits; tests that do not want to wait give `no_pause`.
        observer: is told everything that happens, as it happens.
        on_move: is called whenever anything has happened, the gateway's taking of an APDU included.
    """

    def __init__(
        self,
        profile: Partner,
        scenario: Scenario,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        pause: Pause = pause_for,
        observer: Callable[[Happening], None] = lambda _: None,
        on_move: Callable[[], None] = lambda: None,
    ) -> None:
        if not isinstance(profile.transport, TcpTransport):
            raise GatewayError(
                f"partner {profile.name} is reached by mail: only partners on TCP can be simulated"
            )
        self._mode = profile.transport.mode
        self._host = host
        self._port = port
        self._clock = clock
        self._pause = pause
        self._observer = observer
        self._on_move = on_move
        self._past: list[Happening] = []
        self._moves = 0
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._script = Script(
            profile, scenario, new_qualifier=lambda: secrets.token_hex(6), observer=self._happened
        )
        self._gateway: TcpTransport | None = None
        self._others: dict[Symbol, TcpTransport] = {}
        self._them: Symbol | None = None
        self._connections: dict[tuple[bytes, Role], str] = {}
        self._locks: defaultdict[tuple[bytes, Role], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._deliveries: set[asyncio.Task[None]] = set()
        self._running = asyncio.Event()
        self._listeners: TcpListeners | None = None
        self._sender: TcpSender | None = None

    async def __aenter__(self) -> Self:
        await self._come_up()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Why not cancelled as well: a connection that is cancelled while it is being made is never closed.
        if self._deliveries:
            await asyncio.wait(tuple(self._deliveries))
        await self._go_down()

    # -- where it is, and what it knows

    @property
    def profile(self) -> Partner:
        """Whom it plays."""
        return self._script.profile

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self._host, self._port

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        """Every request that it knows, in the order in which they began."""
        return self._script.conversations

    @property
    def happenings(self) -> tuple[Happening, ...]:
        """All that happened, in order."""
        return tuple(self._past)

    @property
    def moves(self) -> int:
        """How often anything has happened here, the gateway's taking of an APDU included."""
        return self._moves

    def meets(self, gateway: tuple[str, int], them: Symbol, others: Iterable[Partner] = ()) -> None:
        """Tell it where the gateway listens; until then it sends nothing.

        Args:
            gateway: host and port of the listener of the partner's mode.
            them: the library of the gateway that requests go to.
            others: profiles of other libraries, which listen where those say: to forward to, and to answer.
        """
        known = [one for one in others if isinstance(one.transport, TcpTransport)]
        self._script.others = {one.name: one for one in known}
        self._others = {
            symbol: one.transport
            for one in known
            for symbol in one.symbols
            if isinstance(one.transport, TcpTransport)
        }
        self._gateway = TcpTransport(host=gateway[0], port=gateway[1], mode=self._mode)
        self._them = them
        self._running.set()

    # -- what it does

    def play(self) -> None:
        """Begin the requests of the scenario, each when its time has come."""
        for order in self._script.scenario.requests:
            self.order(order)

    def order(self, order: Order) -> None:
        """Begin requests when their time has come; returns at once."""
        self._run(self._order(order))

    async def request(self, order: Order) -> Conversation:
        """Begin one request now, and return when the gateway has taken it."""
        conversation, sendings = self._script.begin(order, self._known_them, self._clock())
        async with self._locks[conversation.key]:
            await self._send(conversation, sendings)
        return conversation

    async def do(self, conversation: Conversation, *steps: Step) -> None:
        """Do something of which the scenario knows nothing, and return when the gateway has taken it."""
        await self._follow(conversation, steps)

    async def send_raw(self, what: ILLApdu | bytes) -> None:
        """Send any octets on a connection of their own, and return when the gateway has taken them.

        Raises:
            DeliveryFailed: it did not.
        """
        octets = what if isinstance(what, bytes) else encode(what)
        await self._deliver(octets, connection_id=None)

    @contextlib.asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Be down while the `async with` lasts: nobody listens, nothing is sent, nothing is forgotten."""
        await self._go_down()
        try:
            yield
        finally:
            await self._come_up()
            if self._gateway is not None:
                self._running.set()

    # -- waiting for what happens

    async def until(self, true: Callable[[], bool], *, within: dt.timedelta = PATIENCE) -> None:
        """Return once something holds; it is looked at whenever anything happens here.

        Raises:
            TimeoutError: it did not come to hold; the text is what happened instead.
        """
        if true():
            return
        waiting = (true, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(within.total_seconds()):
                await waiting[1]
        except TimeoutError:
            raise TimeoutError(self._told()) from None
        finally:
            self._waiting.remove(waiting)

    async def reached(
        self, state: State, *, count: int = 1, role: Role | None = None, within: dt.timedelta = PATIENCE
    ) -> tuple[Conversation, ...]:
        """Return the requests in a state, once there are so many.

        Args:
            state: of the partner's half.
            count: how many at least.
            role: only as borrower, or as lender.
            within: how long to wait.

        Raises:
            TimeoutError: there were not so many; the text is what happened instead.
        """

        def found() -> tuple[Conversation, ...]:
            return tuple(one for one in self.conversations if one.state is state and role in {None, one.role})

        await self.until(lambda: len(found()) >= count, within=within)
        return found()

    async def settle(self, *, within: dt.timedelta = PATIENCE) -> None:
        """Return once nothing is left to be done by what has come in so far.

        Raises:
            TimeoutError: there was more to do than that.
        """
        async with asyncio.timeout(within.total_seconds()):
            while self._tasks:
                await asyncio.wait(tuple(self._tasks))

    # -- the receiver of the adapters (adapters.receiver.Receiver)

    async def element(self, octets: bytes, envelope: Envelope) -> None:
        """Take what came in, as the scenario says."""
        taken = self._script.receive(octets, self._clock())
        conversation = taken.conversation
        if (
            conversation is not None
            and envelope.transport is Transport.TCP_TWO_WAY
            and not conversation.request.forward_flag
        ):
            # What was handed on came from another library than the one that is answered.
            self._connections[conversation.key] = envelope.connection_id
        if conversation is not None and (taken.at_once or taken.steps):
            self._run(self._react(conversation, taken.at_once, taken.steps))
        if taken.arrival in {Arrival.REFUSED, Arrival.BROKEN}:
            raise UnseenByScriptError

    async def unreadable(self, octets: bytes, error: WireError, envelope: Envelope) -> None:  # noqa: ARG002
        """Take note of octets that are no element."""
        self._script.unreadable(error, self._clock())

    async def settled(self, connection_id: str) -> None:  # noqa: ARG002 - whatever is to be said, is said
        """Return once nothing more is to be written on a connection."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    # -- inside

    async def _come_up(self) -> None:
        self._listeners = TcpListeners(
            [Listener(name=_LISTENER, mode=self._mode, host=self._host, port=self._port)],
            Limits(),
            self,
            lambda: secrets.token_hex(8),
        )
        self._sender = TcpSender(self, Limits(), lambda: secrets.token_hex(8))
        await self._listeners.start()
        self._host, self._port = self._listeners.addresses[_LISTENER]

    async def _go_down(self) -> None:
        self._running.clear()
        if self._listeners is not None and self._sender is not None:
            listeners, sender = self._listeners, self._sender
            self._listeners = self._sender = None
            await asyncio.gather(listeners.stop(GRACE), sender.stop(GRACE))

    @property
    def _known_them(self) -> Symbol:
        if self._them is None:
            raise AssertionError("call meets() first: nobody is known to send to")
        return self._them

    def _run(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _order(self, order: Order) -> None:
        await self._pause(order.after)
        await self._running.wait()
        for _ in range(order.count):
            await self.request(order)

    async def _react(
        self, conversation: Conversation, at_once: tuple[Sending, ...], steps: tuple[Step, ...]
    ) -> None:
        async with self._locks[conversation.key]:
            await self._send(conversation, at_once)
        await self._follow(conversation, steps)

    async def _follow(self, conversation: Conversation, steps: tuple[Step, ...]) -> None:
        for step in steps:
            await self._pause(step.after)
            async with self._locks[conversation.key]:
                await self._send(conversation, self._script.step(conversation, step, self._clock()))
        async with self._locks[conversation.key]:
            await self._send(conversation, self._script.end(conversation))

    async def _send(self, conversation: Conversation, sendings: tuple[Sending, ...]) -> None:
        """Send in order; what the gateway does not take is tried until it does."""
        for sending in sendings:
            if sending.way in {Way.CUT, Way.RESET}:
                await self._running.wait()
                await self._shielded(self._break_off(sending))
                continue
            while True:
                await self._running.wait()
                other = self._others.get(sending.to)
                connection_id = None if other else self._connections.get(conversation.key)
                try:
                    await self._shielded(
                        self._deliver(sending.octets, connection_id=connection_id, other=other)
                    )
                except DeliveryFailed:
                    await asyncio.sleep(RETRY.total_seconds())
                else:
                    conversation.handed_over += 1
                    self._look()
                    break

    async def _shielded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what is not to be broken off in the middle, even if whoever waits for it is."""
        task = asyncio.ensure_future(work)
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)
        await asyncio.shield(task)

    async def _deliver(
        self, octets: bytes, *, connection_id: str | None, other: TcpTransport | None = None
    ) -> None:
        listeners, sender, gateway = self._listeners, self._sender, other or self._gateway
        if listeners is None or sender is None or gateway is None:
            raise DeliveryFailed(
                "the partner is down", temporary=True, ambiguous=False, failure=Failure.CONNECTION_GONE
            )
        if connection_id is not None and listeners.is_live(connection_id):
            await listeners.write(connection_id, octets)
        elif connection_id is not None and sender.is_live(connection_id):
            await sender.write(connection_id, octets)
        else:
            await sender.send(gateway, octets, connect_timeout=TIMEOUT, send_timeout=TIMEOUT)

    async def _break_off(self, sending: Sending) -> None:
        """Send half of the octets, and end the connection: in good order, or by a reset."""
        if self._gateway is None:
            raise AssertionError("a partner runs only once it has met the gateway")
        _, writer = await asyncio.open_connection(self._gateway.host, self._gateway.port)
        writer.write(sending.octets[: len(sending.octets) // 2])
        await writer.drain()
        if sending.way is Way.RESET:
            reset(writer)
            return
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def _happened(self, happening: Happening) -> None:
        self._past.append(happening)
        self._observer(happening)
        self._look()

    def _look(self) -> None:
        self._moves += 1
        self._on_move()
        for true, future in self._waiting:
            if not future.done() and true():
                future.set_result(None)

    def _told(self) -> str:
        lines = [
            f"{one.number} {one.role} {one.state}: "
            + ", ".join(f"{line.fate.value} {line.service}" for line in one.past)
            for one in self.conversations
        ]
        return "\n".join([f"{self.profile.name} is not there yet", *lines])
