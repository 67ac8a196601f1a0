"""`python -m tests.acceptance.kill_harness`: kill -9 at random moments, and see that every promise is kept.

A gateway (or two on one PostgreSQL) and three partners are processes. Requests go both ways all the time; our
own people are played beside them, through the use cases. Gateways and partners are killed and started again
until there were enough kills. Then no more requests are begun, those under way go to their ends, and the
partners' journals are compared with the gateway's store (`tests.support.kill_oracle`). docs/durability.md has
the figures.
"""

import argparse
import asyncio
import contextlib
import datetime as dt
import itertools
import logging
import random
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from config import starter
from config.settings import TcpTransport
from iso_gateway.protocol.states import Role
from iso_gateway.simulation import scenario
from iso_gateway.simulation.partner import no_pause
from iso_gateway.simulation.staff import Staff
from iso_gateway.site import opened
from iso_gateway.store.records import AttemptOutcome, Direction, InputKind, OutboxStatus
from iso_gateway.store.unit_of_work import UnitOfWork
from iso_gateway.store.watching import watch
from tests.support import journal
from tests.support.daemon import HOST, ONE_WAY, TWO_WAY, Installation, RunningDaemon, unmeasured
from tests.support.journaled_partner import ORDER, Memory
from tests.support.kill_oracle import (
    ENDS,
    GatewayRecord,
    Interruption,
    Judgement,
    PartnerRecord,
    StoredApdu,
    StoredHalf,
    judge,
)
from tests.support.ports import free_ports
from tests.support.postgresql import running_cluster

#: What our own people do, in both roles.
STAFF_RULES: Final[list[dict[str, Any]]] = [
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

#: The partners, and how each is spoken with. There is no acknowledgement on a two-way connection, so whoever
#: is killed on one loses what was in its system's buffers, whatever the gateway does: TWO is not killed.
PARTNERS: Final = {"ONE": ONE_WAY, "TWO": TWO_WAY, "SIX": ONE_WAY}
KILLABLE: Final = tuple(name for name, mode in PARTNERS.items() if mode == ONE_WAY)

#: Where this package is, for processes that are to find it.
ROOT: Final = Path(__file__).resolve().parents[2]

#: How late another may be to begin to take that over: a machine is not always quick, and all of it may be for
#: a partner that is down.
LATE: Final = dt.timedelta(seconds=30)
#: Seconds that a partner may take to come up.
PATIENCE: Final = 60.0
#: How many messages may wait before our own people ask for nothing more.
BACKLOG: Final = 40

#: Promises that can be broken on purpose, to see that it is noticed: Python that a gateway runs at its start.
BREAKS: Final[Mapping[str, str]] = {
    "acknowledge-before-commit": """
import asyncio
from iso_gateway.running.intake import Intake
element = Intake.element
pending = set()
async def early(self, octets, envelope):
    task = asyncio.ensure_future(later(self, octets, envelope))
    pending.add(task)
    task.add_done_callback(pending.discard)
async def later(self, octets, envelope):
    # Longer than a gateway lives here: whatever the machine has to do besides, a kill comes first.
    await asyncio.sleep(10)
    await element(self, octets, envelope)
Intake.element = early
""",
    "end-in-good-order-at-death": """
import socket, struct
setsockopt = socket.socket.setsockopt
def gentle(self, level, name, *value):
    if (level, name) != (socket.SOL_SOCKET, socket.SO_LINGER):
        setsockopt(self, level, name, *value)
socket.socket.setsockopt = gentle
""",
    "no-lease-recovery": """
from iso_gateway.store.leases import Leases
Leases.end_all = lambda *_: 0
Leases.end_of = lambda *_: 0
""",
    "no-recovery-of-messages": """
import asyncio
from iso_gateway.running.intake import Intake
from iso_gateway.running.recovery import Recovery
process = Intake.process
async def later(self, message_id):
    await asyncio.sleep(0.05)
    return await process(self, message_id)
async def nothing(self, *, alone=False):
    return 0
Intake.process = later
Recovery.run = nothing
""",
    "apply-copies": """
from iso_gateway.store.messages import Messages
Messages.find_exact = lambda *_, **__: ()
""",
    "deliver-twice": """
from iso_gateway.running.connecting import TcpTransmitter
transmit = TcpTransmitter.transmit
async def twice(self, octets, **keywords):
    await transmit(self, octets, **keywords)
    await transmit(self, octets, **keywords)
TcpTransmitter.transmit = twice
""",
    "deliver-before-sending": """
import asyncio
from iso_gateway.running.connecting import TcpTransmitter
transmit = TcpTransmitter.transmit
pending = set()
async def early(self, octets, **keywords):
    task = asyncio.ensure_future(transmit(self, octets, **keywords))
    pending.add(task)
    task.add_done_callback(pending.discard)
TcpTransmitter.transmit = early
""",
    "no-fence": """
import asyncio
from iso_gateway.running.connecting import TcpTransmitter
from iso_gateway.store.leases import Leases
transmit = TcpTransmitter.transmit
async def later(self, octets, **keywords):
    await asyncio.sleep(0.3)
    await transmit(self, octets, **keywords)
TcpTransmitter.transmit = later
Leases.renew = lambda *_: True
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done.

    Args:
        kills: how many times a gateway is killed, or stopped for a while.
        seed: of everything that is left to chance.
        gateways: one, or two on one PostgreSQL.
        every: seconds between requests, for each partner and for our own people with each of them.
        most: how many requests of its own a partner may have open.
        lease: for how long a gateway of two that is no longer heard of keeps what it had in hand. Where a
            process may have to wait for longer than this, what it sent may be sent again without any kill.
        stops: of two gateways, how often one is stopped for a while instead, from 0 to 1.
        longest: the most seconds that a gateway runs between kills.
        broken: the promise that is broken on purpose (`BREAKS`).
        patience: seconds within which everything has to come to its end once nothing is killed any more.
    """

    kills: int
    seed: int
    gateways: int = 1
    lease: dt.timedelta = dt.timedelta(seconds=5)
    stops: float = 0.3
    every: float = 1.0
    most: int = 6
    longest: float = 1.5
    broken: str = ""
    patience: float = 60.0


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of it.

    Args:
        judgement: what the oracle says.
        kills, at_start, stops: how often gateways were killed, killed before they listened, and stopped.
        partner_kills: how often partners were killed.
        abandoned: how many sendings a kill broke off.
        lapsed: how many were taken over from a gateway that was neither killed nor stopped, only slow.
        taken_over: for each kill after which another gateway sent what the dead one had in hand, how long
            it was until it began to.
        seconds: how long it took.
    """

    judgement: Judgement = field(default_factory=Judgement)
    kills: int = 0
    at_start: int = 0
    stops: int = 0
    partner_kills: int = 0
    abandoned: int = 0
    lapsed: int = 0
    taken_over: list[dt.timedelta] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        found = self.judgement
        partners = f"partners killed {self.partner_kills} times"
        lines = [
            f"gateway killed {self.kills} times, {self.at_start} of them before it listened",
            f"gateway stopped for a while {self.stops} times; {partners}",
            f"{found.requests} requests in {self.seconds:.0f} s",
            f"{found.sent} APDUs to partners; {self.abandoned} sendings broken off",
            f"{found.sent_twice} APDUs sent once more",
            f"{found.received} APDUs from partners; {found.received_twice} received once more",
        ]
        if self.taken_over:
            times = sorted(one.total_seconds() for one in self.taken_over)
            half, most = times[len(times) // 2], times[-1]
            lines.append(
                f"{len(times)} take-overs by the other gateway, after {half:.2f} s ({most:.2f} at most)"
            )
        if self.lapsed:
            lines.append(
                f"taken over from a gateway that was only slow: {self.lapsed}; the lease is too short here"
            )
        lines.append(f"promises broken: {len(found.broken)}")
        return "\n".join([*lines, *found.broken[:40]])


class PartnerProcess:
    """A partner as a process that is killed and started again."""

    def __init__(self, name: str, installation: Installation, gateways: Sequence[int], plan: Plan) -> None:
        directory = installation.directory
        self.name: Final = name
        self.journal: Final = directory / f"{name}.journal"
        self._log = directory / f"{name}.log"
        self._command = [sys.executable, "-m", "tests.support.journaled_partner"]
        self._command += ["--config", str(installation.config), "--name", name]
        self._command += ["--journal", str(self.journal), "--drained", str(directory / "drained")]
        self._command += [word for port in gateways for word in ("--gateway", str(port))]
        self._command += ["--every", str(plan.every), "--most", str(plan.most)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it listens later."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=unmeasured(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def await_ready(self) -> None:
        """Return once it listens."""
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            assert selector.select(PATIENCE), f"{self.name} does not come up"
        assert self._process.stdout.readline() == b"ready\n", self._log.read_text()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def end(self, *, within: float) -> bool:
        """Have it end once all its requests are over; False if they do not come to their ends."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return self._process.returncode == 0


class People:
    """Our own staff, in a thread of this process: they ask, and do what follows from what comes in."""

    def __init__(self, installation: Installation, plan: Plan) -> None:
        self._installation = installation
        self._plan = plan
        self._drained = threading.Event()
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="people")
        self.left_out: list[str] = []

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def drain(self) -> None:
        """Ask for nothing more."""
        self._drained.set()

    def end(self) -> None:
        """Go home; what went wrong meanwhile is raised here."""
        self._drained.set()
        self._ended.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again by `end`
            self._error = error

    async def _work(self) -> None:
        settings = self._installation.settings
        rules = {"description": "Our own people", "rules": STAFF_RULES}
        with opened(settings) as site:
            staff = Staff(site, scenario.read(rules, Path("kill_harness.py")), pause=no_pause)
            working = asyncio.ensure_future(staff.run())
            watching = asyncio.ensure_future(watch(site.store.engine, staff.wake))
            try:
                while not self._drained.is_set() and not working.done():
                    with site.store.reading() as uow:
                        busy = len(uow.outbox.list(limit=BACKLOG)) == BACKLOG
                    for name in () if busy else PARTNERS:
                        partner = settings.partner(name)
                        assert partner is not None
                        await staff.request(ORDER.request, partner=partner, local=settings.local[0])
                    await asyncio.sleep(self._plan.every)
                ended = asyncio.create_task(asyncio.to_thread(self._ended.wait))
                await asyncio.wait((ended, working), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (working, watching):
                    task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await working
            self.left_out = [f"our people could not {one.service}: {one.reason}" for one in staff.left_out]


class Play:
    """One run of the harness.

    Args:
        plan: what is to be done.
        directory: an empty one.
        database_url: of an empty PostgreSQL database; None for SQLite.
    """

    def __init__(self, plan: Plan, directory: Path, database_url: str | None) -> None:
        self._plan = plan
        self._result = Result()
        self._interruptions: list[Interruption] = []
        self._enough = threading.Event()
        ports = iter(free_ports(2 * plan.gateways + len(PARTNERS)))
        addresses = {name: next(ports) for name in PARTNERS}
        self._installations: list[Installation] = []
        listeners: dict[str, list[int]] = {ONE_WAY: [], TWO_WAY: []}
        for number in range(plan.gateways):
            installation = Installation(directory / f"gateway{number}")
            for name, mode in PARTNERS.items():
                installation.add_partner(name, port=addresses[name], mode=mode)
            for mode, known in listeners.items():
                known.append(next(ports))
                _give_port(installation, mode, known[-1])
            installation.edit(starter.GATEWAY_FILE, 'level = "debug"', 'level = "info"')
            self._installations.append(installation)
        self._share(database_url)
        first = self._installations[0]
        self._partners = [
            PartnerProcess(name, first, listeners[mode], plan) for name, mode in PARTNERS.items()
        ]
        self._people = People(first, plan)

    def run(self) -> Result:
        """Play all of it."""
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            gateways = [
                one.start(before=BREAKS.get(self._plan.broken, ""), measured=False)
                for one in self._installations
            ]
            stack.callback(_kill_all, gateways)
            for partner in self._partners:
                stack.callback(partner.kill)
                partner.start()
            for gateway in gateways:
                gateway.await_ready()
            for partner in self._partners:
                partner.await_ready()
            self._people.start()
            stack.callback(self._people.drain)
            killing = threading.Thread(target=self._kill_partners, name="partners")
            killing.start()
            try:
                self._kill_gateways(gateways)
            finally:
                self._enough.set()
                killing.join()
            self._come_to_an_end()
            for gateway in gateways:
                assert gateway.stop() == 0, gateway.output
            self._people.end()
        self._result.judgement = self._judged()
        self._result.judgement.broken += self._people.left_out
        self._result.seconds = time.monotonic() - began
        return self._result

    # -- before

    def _share(self, database_url: str | None) -> None:
        if database_url is None:
            return
        first, *others = self._installations
        lease = f"{self._plan.lease // dt.timedelta(milliseconds=1)}ms"
        first.share(database_url, lease=lease)
        for other in others:
            other.share(database_url, lease=lease, key_of=first)

    # -- meanwhile

    def _kill_gateways(self, gateways: list[RunningDaemon]) -> None:
        chance = random.Random(f"{self._plan.seed} gateways")  # noqa: S311 - no secret
        before = BREAKS.get(self._plan.broken, "")
        while self._result.kills + self._result.stops < self._plan.kills:
            _pause(chance.uniform(0.0, self._plan.longest))
            number = chance.randrange(len(gateways))
            if len(gateways) > 1 and chance.random() < self._plan.stops:
                self._stop_for_a_while(gateways[number], chance)
                continue
            self._kill(gateways[number])
            if len(gateways) > 1:
                # Now and then for longer than the lease, so that the other has to take over.
                _pause(chance.choice((0.0, 1.0, 2.0)) * self._plan.lease.total_seconds())
            gateways[number] = self._installations[number].start(before=before, measured=False)
            while self._result.kills < self._plan.kills and chance.random() < 0.2:
                _pause(chance.uniform(0.0, 1.0))
                early = not any(line["event"] == "gateway.ready" for line in gateways[number].log)
                self._result.at_start += early
                self._kill(gateways[number])
                gateways[number] = self._installations[number].start(before=before, measured=False)
            gateways[number].await_ready()

    def _kill(self, gateway: RunningDaemon) -> None:
        self._interruptions.append(Interruption(at=dt.datetime.now(dt.UTC)))
        gateway.kill()
        self._result.kills += 1

    def _stop_for_a_while(self, gateway: RunningDaemon, chance: random.Random) -> None:
        self._interruptions.append(Interruption(at=dt.datetime.now(dt.UTC)))
        gateway.tell(signal.SIGSTOP)
        _pause(self._plan.lease.total_seconds() * chance.uniform(0.5, 3.0))
        gateway.tell(signal.SIGCONT)
        self._result.stops += 1

    def _kill_partners(self) -> None:
        chance = random.Random(f"{self._plan.seed} partners")  # noqa: S311 - no secret
        killable = [partner for partner in self._partners if partner.name in KILLABLE]
        while not self._enough.wait(chance.uniform(0.5, 3.0)):
            partner = chance.choice(killable)
            self._interruptions.append(Interruption(at=dt.datetime.now(dt.UTC), whom=partner.name))
            partner.kill()
            self._result.partner_kills += 1
            _pause(chance.choice((0.0, 0.5)))
            partner.start()
            partner.await_ready()

    # -- at the end

    def _come_to_an_end(self) -> None:
        """Begin nothing more, and wait until everything is over."""
        (self._installations[0].directory / "drained").touch()
        self._people.drain()
        until = time.monotonic() + self._plan.patience
        while time.monotonic() < until and not self._is_quiet():
            _pause(0.2)
        for partner in self._partners:
            if not partner.end(within=max(10.0, until - time.monotonic())):
                self._result.judgement.broken.append(f"{partner.name}: its requests do not come to an end")

    def _is_quiet(self) -> bool:
        with self._installations[0].reading() as uow:
            if uow.outbox.list(limit=1) or uow.messages.unprocessed():
                return False
            ended = sum(
                len(uow.halves.list(role=role, state=state, limit=1_000_000)) for role, state in ENDS.items()
            )
            return ended == len(uow.halves.list(limit=1_000_000))

    def _judged(self) -> Judgement:
        settings = self._installations[0].settings
        partners: dict[str, PartnerRecord] = {}
        for partner in self._partners:
            profile = settings.partner(partner.name)
            assert profile is not None
            assert isinstance(profile.transport, TcpTransport)
            entries = journal.read(partner.journal)
            memory = Memory(profile, settings.local[0].symbol)
            for entry in entries:
                memory.apply(entry)
            partners[partner.name] = PartnerRecord(entries=entries, conversations=memory.conversations)
        with self._installations[0].reading() as uow:
            lapses = self._measure(uow)
            found = judge(partners, _record(uow), [*self._interruptions, *lapses])
        if any(late > self._plan.lease + LATE for late in self._result.taken_over):
            found.broken.append(f"taken over {max(self._result.taken_over)} after a kill")
        found.broken += self._result.judgement.broken
        return found

    def _measure(self, uow: UnitOfWork) -> list[Interruption]:
        """What the gateway says of itself: how many sendings were broken off, and when others took over.

        Gives the moments at which one took over from another that was only slow, as a busy machine makes it:
        what that one was sending may arrive twice, as after a kill.
        """
        lapses: list[Interruption] = []
        kills = [one.at for one in self._interruptions if one.whom is None]
        first: dict[dt.datetime, dt.timedelta] = {}
        for row in uow.outbox.list(finished=True, limit=1_000_000):
            attempts = uow.outbox.attempts(row.id) if row.attempts > 1 else ()
            for one, following in itertools.pairwise(attempts):
                if one.outcome is AttemptOutcome.ABANDONED:
                    self._result.abandoned += 1
                    between = [at for at in kills if one.started_at <= at <= following.started_at]
                    if not between:
                        lapses.append(Interruption(at=following.started_at))
                    if self._plan.gateways > 1 and between:
                        after = following.started_at - between[-1]
                        first[between[-1]] = min(after, first.get(between[-1], after))
        self._result.lapsed = len(lapses)
        self._result.taken_over = list(first.values())
        return lapses


def _record(uow: UnitOfWork) -> GatewayRecord:
    delivered = {
        row.message_id
        for row in uow.outbox.list(finished=True, limit=1_000_000)
        if row.status is OutboxStatus.DELIVERED
    }
    octets: dict[int, bytes] = {}
    apdus: list[StoredApdu] = []
    for listing in reversed(uow.messages.list(limit=1_000_000)):
        message = listing.message
        octets[message.id] = uow.messages.raw(message.id)
        apdus.append(
            StoredApdu(
                octets=octets[message.id],
                received=message.direction is Direction.RECEIVED,
                verdicts=tuple(one.verdict for one in uow.messages.processings(message.id)),
                delivered=message.id in delivered,
            )
        )
    halves = [
        StoredHalf(
            partner=listing.half.partner,
            request=str((listing.summary or {}).get("request_number")),
            role=Role(listing.half.role),
            state=listing.half.state,
            inputs=tuple(
                octets[one.message_id]
                for one in uow.inputs.of(listing.half.id)
                if one.kind is InputKind.APDU and one.message_id is not None and one.verdict == "applied"
            ),
        )
        for listing in uow.halves.list(limit=1_000_000)
    ]
    return GatewayRecord(apdus=apdus, halves=halves)


def _kill_all(gateways: Sequence[RunningDaemon]) -> None:
    for gateway in gateways:
        gateway.kill()


def _pause(seconds: float) -> None:
    # The moments of the kills are what is left to chance here: there is nothing to wait for.
    time.sleep(seconds)


def _give_port(installation: Installation, mode: str, port: int) -> None:
    """Have a listener on a port that stays the same over restarts."""
    old = f'name = "{mode}"\nmode = "{mode}"\nhost = "{HOST}"\nport = 0'
    installation.edit(starter.GATEWAY_FILE, old, old.removesuffix("0") + str(port))


@contextlib.contextmanager
def _database(kind: str) -> Iterator[str | None]:
    if kind == "sqlite":
        yield None
        return
    with running_cluster() as cluster, cluster.database("harness") as url:
        yield url


def main() -> None:
    """Run what the arguments say; ends with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.kill_harness")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--gateways", type=int, choices=(1, 2), default=1)
    parser.add_argument("--stops", type=float, default=0.3, help="share of stops among kills, with two")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--break", dest="broken", choices=tuple(BREAKS), default="")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds for the end of all requests")
    parser.add_argument("--keep", type=Path, help="a directory for all that is written, which stays")
    arguments = parser.parse_args()
    if arguments.gateways > 1 and arguments.database == "sqlite":
        parser.error("two gateways need --database postgresql")
    plan = Plan(
        kills=arguments.kills,
        seed=arguments.seed,
        gateways=arguments.gateways,
        stops=arguments.stops,
        broken=arguments.broken,
        patience=arguments.patience,
    )
    # Our own people's part would have a line for each thing that they do.
    logging.getLogger().setLevel(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with contextlib.ExitStack() as stack:
        directory = (arguments.keep and arguments.keep.resolve()) or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="iso-gateway-kills-"))
        )
        url = stack.enter_context(_database(arguments.database))
        result = Play(plan, directory, url).run()
    print(result)  # noqa: T201 - its output
    sys.exit(bool(result.judgement.broken))


if __name__ == "__main__":
    main()
