"""Every scenario that comes with the gateway, played over TCP with the daemon as a process.

One daemon for all: each scenario is played by a partner of its own. Our own people are played by
`iso_gateway.simulation.staff` beside the daemon, in another process than its.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from asn1.codec import decode
from asn1.ill import ILLServiceType
from config.settings import Partner
from iso_gateway.new_request import Item, NewRequest
from iso_gateway.protocol.states import Role, State
from iso_gateway.simulation import scenario
from iso_gateway.simulation.partner import SimulatedPartner, no_pause
from iso_gateway.simulation.scenario import Order, Scenario
from iso_gateway.simulation.staff import Staff
from iso_gateway.site import Site
from iso_gateway.store.records import HalfId, OutboxStatus
from tests.support.daemon import HOST, ONE_WAY, PATIENCE, Installation, RunningDaemon
from tests.support.yaz import read_with_libyaz
from tests.support.yaz_reading import reading_of

LENT: Final = (State.RETURNED, State.CHECKED_IN)
COPIED: Final = (State.RECEIVED, State.SHIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One scenario as it is played.

    Args:
        scenario: the partner's, by its name; with `rules`, what these are called.
        lender: whether the partner lends, so that we ask.
        staff: what our people do.
        ends: where the borrower and the lender end.
        rules: the partner's, where they are no scenario that comes with the gateway.
        copy: whether a copy is asked for, and no loan.
    """

    scenario: str
    lender: bool
    staff: tuple[dict[str, Any], ...]
    ends: tuple[State, State]
    rules: tuple[dict[str, Any], ...] | None = None
    copy: bool = False

    def __str__(self) -> str:
        return f"{self.scenario}-{'lends' if self.lender else 'borrows'}"

    @property
    def play(self) -> Scenario:
        """The partner's scenario."""
        return scenario.load(self.scenario) if self.rules is None else read(self.rules)

    @property
    def wanted(self) -> NewRequest:
        """What is asked for."""
        kind = ILLServiceType.copy_non_returnable if self.copy else ILLServiceType.loan
        return NewRequest(item=Item(title=str(self)), services=(kind,))


def read(rules: tuple[dict[str, Any], ...]) -> Scenario:
    """Give a scenario of rules."""
    return scenario.read({"description": "Rules of a test", "rules": list(rules)}, Path("test.toml"))


def on(service: str, *services: str | dict[str, Any], **keys: Any) -> dict[str, Any]:
    """Give a rule: services without fields by their name alone."""
    steps = [{"send": one} if isinstance(one, str) else one for one in services]
    return {"on": service, "then": steps, **keys}


SHIP: Final = {"send": "SHIPPED", "fields": {"date_due": "+21d"}}
TAKE_BACK: Final = on("RETURNED", "CHECKED-IN")
LEND: Final = (on("ILL-REQUEST", SHIP, role="responder"), TAKE_BACK)
BORROW: Final = (on("SHIPPED", "RECEIVED", "RETURNED"),)
RENEWED: Final = {"send": "RENEW-ANSWER answer TRUE", "fields": {"date_due": "+42d"}}
ASK: Final = on("ILL-REQUEST", "STATUS-QUERY", role="requester")
ASK_AGAIN: Final = on("STATUS-OR-ERROR-REPORT", {"send": "STATUS-QUERY", "after": "50ms"}, state="PENDING")

NOTHING: Final = (State.NOT_SUPPLIED, State.NOT_SUPPLIED)
CANCELLED: Final = (State.CANCELLED, State.CANCELLED)

#: The seven answers: what each says, what the borrower says to it, and where that leads.
ANSWERS: Final[dict[str, tuple[dict[str, Any], tuple[dict[str, Any], ...], tuple[State, State]]]] = {
    "conditional": (
        {"reason": "library-use-only", "date": "+7d"},
        (on("ILL-ANSWER conditional", "CONDITIONAL-REPLY answer FALSE"),),
        NOTHING,
    ),
    "retry": ({"reason": "in-use-on-loan", "date": "+30d"}, (), NOTHING),
    "unfilled": ({"reason": "non-circulating"}, (), NOTHING),
    "locations-provided": ({"locations": ["ILLUME:UBC", "ILLUME:SFU"]}, (), NOTHING),
    "will-supply": ({"date": "+3d"}, (on("ILL-ANSWER will-supply", "CANCEL"),), CANCELLED),
    "hold-placed": ({"date": "+14d"}, (on("ILL-ANSWER hold-placed", "CANCEL"),), CANCELLED),
    "estimate": ({"cost": "12.50 CAD"}, (), NOTHING),
}


def answered(result: str, *, lender: bool) -> Case:
    """Give the case of one answer, given by the partner or by our people."""
    fields, replies, ends = ANSWERS[result]
    step = {"send": f"ILL-ANSWER {result}", "fields": fields}
    agrees = on("CANCEL", "CANCEL-REPLY answer TRUE")
    lends = (on("ILL-REQUEST", step, role="responder"), agrees)
    return Case(
        scenario=result,
        lender=lender,
        rules=lends if lender else replies,
        staff=replies if lender else lends,
        ends=ends,
    )


CASES: Final = (
    *(answered(result, lender=lender) for result in ANSWERS for lender in (True, False)),
    Case(
        scenario="an-expiry",
        lender=True,
        rules=(on("ILL-REQUEST", "EXPIRED"),),
        staff=(),
        ends=NOTHING,
    ),
    Case(scenario="prompt-lender", lender=True, copy=True, staff=(on("SHIPPED", "RECEIVED"),), ends=COPIED),
    Case(scenario="prompt-borrower", lender=False, copy=True, staff=LEND[:1], ends=COPIED),
    Case(scenario="prompt-lender", lender=True, staff=BORROW, ends=LENT),
    Case(
        scenario="conditional-lender",
        lender=True,
        staff=(on("ILL-ANSWER conditional", "CONDITIONAL-REPLY answer TRUE"), *BORROW),
        ends=LENT,
    ),
    Case(
        scenario="conditional-lender",
        lender=True,
        staff=(on("ILL-ANSWER conditional", "CONDITIONAL-REPLY answer FALSE"),),
        ends=(State.NOT_SUPPLIED, State.NOT_SUPPLIED),
    ),
    Case(scenario="unfilled-lender", lender=True, staff=(), ends=(State.NOT_SUPPLIED, State.NOT_SUPPLIED)),
    Case(scenario="silent-lender", lender=True, staff=(ASK,), ends=(State.PENDING, State.IN_PROCESS)),
    Case(scenario="lost-shipped", lender=True, staff=(ASK, ASK_AGAIN, *BORROW), ends=LENT),
    Case(
        scenario="strict-lender",
        lender=True,
        staff=(on("SHIPPED", "RECEIVED"), on("RECALL", "RETURNED")),
        ends=LENT,
    ),
    Case(
        scenario="crossing-cancel",
        lender=True,
        staff=(on("ILL-REQUEST", "CANCEL", role="requester"), on("CANCEL-REPLY", "RECEIVED", "RETURNED")),
        ends=LENT,
    ),
    Case(scenario="repeats-everything", lender=True, staff=BORROW, ends=LENT),
    Case(scenario="out-of-order", lender=True, staff=BORROW, ends=LENT),
    Case(scenario="prompt-borrower", lender=False, staff=LEND, ends=LENT),
    Case(
        scenario="renewing-borrower",
        lender=False,
        staff=(*LEND, on("RENEW", RENEWED)),
        ends=LENT,
    ),
    Case(
        scenario="cancelling-borrower",
        lender=False,
        staff=(on("ILL-REQUEST", "ILL-ANSWER will-supply"), on("CANCEL", "CANCEL-REPLY answer TRUE")),
        ends=(State.CANCELLED, State.CANCELLED),
    ),
    Case(
        scenario="crossing-cancel",
        lender=False,
        staff=(*LEND, on("CANCEL", "CANCEL-REPLY answer FALSE")),
        ends=LENT,
    ),
    Case(scenario="repeats-everything", lender=False, staff=LEND, ends=LENT),
    Case(scenario="out-of-order", lender=False, staff=LEND, ends=LENT),
)


def name_of(case: Case) -> str:
    """Give the name of the partner that plays a case."""
    return f"P{CASES.index(case)}"


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, socket.socket]]:
    """Ports that stay taken until the partners come up on them."""
    with contextlib.ExitStack() as stack:
        taken = {name_of(case): stack.enter_context(socket.socket()) for case in CASES}
        for one in taken.values():
            one.bind((HOST, 0))
        yield taken


@pytest.fixture(scope="module")
def daemon(
    ports: dict[str, socket.socket], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningDaemon]:
    """A running gateway with a partner for each case."""
    installation = Installation(tmp_path_factory.mktemp("scenarios"))
    for name, one in ports.items():
        installation.add_partner(name, port=one.getsockname()[1])
    with installation.running() as running:
        yield running


@dataclass(slots=True)
class Scene:
    """A partner and our people, who talk through the daemon."""

    partner: SimulatedPartner
    staff: Staff
    site: Site
    profile: Partner
    woken: asyncio.Event

    async def half(self) -> tuple[HalfId, State] | None:
        """Give our half of the only request with this partner."""
        mine = [one.half for one in await self.staff.requests() if one.half.partner == self.profile.name]
        assert len(mine) <= 1, mine
        return (mine[0].id, State(mine[0].state)) if mine else None

    async def until(self, ours: State, theirs: State) -> HalfId:
        """Return once both halves are there."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self.woken.clear()
                half = await self.half()
                there = [one.state for one in self.partner.conversations]
                if half is not None and half[1] is ours and there == [theirs]:
                    return half[0]
                await self.woken.wait()


@contextlib.asynccontextmanager
async def scene(
    daemon: RunningDaemon, name: str, port: int, play: Scenario, staff: Scenario
) -> AsyncIterator[Scene]:
    """Bring a partner and our people up."""
    settings = daemon.installation.settings
    profile = settings.partner(name)
    assert profile is not None
    woken = asyncio.Event()
    with daemon.installation.site() as site:
        with site.store.reading() as uow:
            since = max((one.sequence for one in uow.events.after(0, limit=10_000)), default=0)
        people = Staff(site, staff, pause=no_pause, since=since)

        def moved() -> None:
            woken.set()
            people.wake()

        async with SimulatedPartner(profile, play, port=port, pause=no_pause, on_move=moved) as partner:
            partner.meets((HOST, daemon.ports[ONE_WAY]), settings.local[0].symbol)
            working = asyncio.ensure_future(people.run())
            try:
                yield Scene(partner=partner, staff=people, site=site, profile=profile, woken=woken)
            finally:
                working.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await working


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_scenario_ends_on_both_sides(
    case: Case, daemon: RunningDaemon, ports: dict[str, socket.socket]
) -> None:
    one = ports[name_of(case)]
    port = one.getsockname()[1]
    one.close()
    async with scene(daemon, name_of(case), port, case.play, read(case.staff)) as play:
        if case.lender:
            local = daemon.installation.settings.local[0]
            await play.staff.request(case.wanted, partner=play.profile, local=local)
            ours, theirs = case.ends
        else:
            await play.partner.request(Order(request=case.wanted))
            theirs, ours = case.ends
        half_id = await play.until(ours, theirs)
        await play.partner.settle()
        assert play.staff.left_out == []
        [conversation] = play.partner.conversations
        assert conversation.role is (Role.RESPONDER if case.lender else Role.REQUESTER)
        await asyncio.to_thread(assert_every_apdu_was_taken_once, daemon, name_of(case), half_id)


def assert_every_apdu_was_taken_once(daemon: RunningDaemon, name: str, half_id: HalfId) -> None:
    """Fail unless all that we sent about a request was delivered, each at the first attempt."""
    sent = [
        one.id
        for one in daemon.installation.sent()
        if one.processing is not None and one.processing.half_id == half_id
    ]
    for message_id in sent:
        daemon.await_line("apdu.delivered", message_id=message_id)
    with daemon.installation.reading() as uow:
        rows = uow.outbox.list(partner=name, finished=True, limit=1000)
        assert [row.status for row in rows] == [OutboxStatus.DELIVERED] * len(sent)
        assert {len(uow.outbox.attempts(row.id)) for row in rows} <= {1}


def test_every_scenario_is_played() -> None:
    assert {case.scenario for case in CASES if case.rules is None} == set(scenario.shipped())


@pytest.mark.yaz
def test_libyaz_reads_all_that_was_said(daemon: RunningDaemon) -> None:
    """Stands last: what the conversations above have left in the store is read again by somebody else."""
    sent, received = daemon.installation.sent(), daemon.installation.received()
    assert len(sent) >= len(CASES)
    apdus = [one.octets for one in (*sent, *received)]
    for octets, reading in zip(apdus, read_with_libyaz(apdus), strict=True):
        assert reading == reading_of(decode(octets))
