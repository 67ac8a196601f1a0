"""Every scenario that comes with the gateway, played over TCP with the daemon as a process.

One daemon for all, and all at once: each scenario is played by a partner of its own. Our own people are
played by `iso_gateway.simulation.staff` beside the daemon, in another process than its.
"""

import asyncio
import contextlib
import datetime as dt
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from asn1.codec import decode
from asn1.ill import ILLServiceType
from config.settings import ApduName, Settings
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import Role, State
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.simulation import scenario
from iso_gateway.simulation.partner import SimulatedPartner, no_pause
from iso_gateway.simulation.scenario import Order, Scenario
from iso_gateway.simulation.staff import LeftOut, Staff
from iso_gateway.site import Site, opened
from iso_gateway.store.records import Direction, HalfId, InputKind, OutboxStatus
from tests.support.corpus import Reading
from tests.support.daemon import HOST, ONE_WAY, PATIENCE, Installation, RunningDaemon
from tests.support.ports import reserved
from tests.support.yaz import read_with_libyaz
from tests.support.yaz_reading import reading_of

pytestmark = pytest.mark.timeout(300)

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
        unsaid: what the partner's software does not send.
        verdicts: of what the partner sent, beside `applied`.
        attention: of what our people were told, how it begins.
    """

    scenario: str
    lender: bool
    staff: tuple[dict[str, Any], ...]
    ends: tuple[State, State]
    rules: tuple[dict[str, Any], ...] | None = None
    copy: bool = False
    unsaid: tuple[ApduName, ...] = ()
    verdicts: frozenset[str] = frozenset()
    attention: tuple[str, ...] = ()

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

ASK_ONCE: Final = on("SHIPPED", "RECEIVED", "RENEW")
OVERDUE: Final = {"send": "OVERDUE", "fields": {"date_due": "+21d"}}
LOST: Final = (State.LOST, State.LOST)
#: A lender that is asked for a loan and says by no SHIPPED that it sends it.
SILENT: Final = on("ILL-REQUEST", "ILL-ANSWER will-supply", role="responder")

REPEATED: Final = frozenset({"repeated"})
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


def both_ways(
    scenario: str,
    borrower: tuple[dict[str, Any], ...],
    lender: tuple[dict[str, Any], ...],
    ends: tuple[State, State] = LENT,
) -> tuple[Case, Case]:
    """Give the cases of one conversation: the partner lends, and the partner borrows."""
    return (
        Case(scenario=scenario, lender=True, rules=lender, staff=borrower, ends=ends),
        Case(scenario=scenario, lender=False, rules=borrower, staff=lender, ends=ends),
    )


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


CONDITION: Final = {"send": "ILL-ANSWER conditional", "fields": {"reason": "library-use-only"}}
HOLD: Final = {"send": "ILL-ANSWER hold-placed", "fields": {"date": "+14d"}}
SHIPPED_CASES: Final = (
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
    # Our request does not permit it.
    Case(scenario="forwarding-lender", lender=True, staff=(), ends=(State.NOT_SUPPLIED, State.NOT_SUPPLIED)),
    Case(scenario="silent-lender", lender=True, staff=(), ends=(State.PENDING, State.IN_PROCESS)),
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
    Case(scenario="repeats-everything", lender=True, staff=BORROW, ends=LENT, verdicts=REPEATED),
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
    Case(scenario="repeats-everything", lender=False, staff=LEND, ends=LENT, verdicts=REPEATED),
    Case(scenario="out-of-order", lender=False, staff=LEND, ends=LENT),
)


CASES: Final = (
    *SHIPPED_CASES,
    *both_ways(
        "two-renewals",
        (
            ASK_ONCE,
            on("RENEW-ANSWER answer TRUE", "RENEW", time=1),
            on("RENEW-ANSWER answer TRUE", "RETURNED"),
        ),
        (*LEND, on("RENEW", RENEWED)),
    ),
    *both_ways(
        "recalled",
        (on("SHIPPED", "RECEIVED"), on("RECALL", "RETURNED")),
        (*LEND, on("RECEIVED", "RECALL")),
    ),
    *both_ways(
        "renewal-refused",
        (ASK_ONCE, on("RENEW-ANSWER answer FALSE", "RETURNED")),
        (*LEND, on("RENEW", "RENEW-ANSWER answer FALSE")),
    ),
    *both_ways(
        "overdue-and-renewed",
        (on("SHIPPED", "RECEIVED"), on("OVERDUE", "RENEW"), on("RENEW-ANSWER answer TRUE", "RETURNED")),
        (*LEND, on("RECEIVED", OVERDUE), on("RENEW", RENEWED)),
    ),
    *both_ways(
        "overdue-and-recalled",
        (on("SHIPPED", "RECEIVED"), on("RECALL", "RETURNED")),
        (*LEND, on("RECEIVED", OVERDUE, "RECALL")),
    ),
    *both_ways("lost-by-the-borrower", (on("SHIPPED", "RECEIVED", "LOST"),), LEND, LOST),
    *both_ways("lost-by-the-lender", (on("SHIPPED", "RECEIVED"),), (*LEND, on("RECEIVED", "LOST")), LOST),
    *both_ways("damaged", (on("SHIPPED", "RECEIVED", "DAMAGED", "RETURNED"),), LEND),
    *both_ways("damaged-on-the-way-back", BORROW, (LEND[0], on("RETURNED", "DAMAGED", "CHECKED-IN"))),
    *both_ways(
        "condition-accepted",
        (on("ILL-ANSWER conditional", "CONDITIONAL-REPLY answer TRUE"), *BORROW),
        (
            on("ILL-REQUEST", CONDITION, role="responder"),
            on("CONDITIONAL-REPLY answer TRUE", SHIP),
            TAKE_BACK,
        ),
    ),
    *both_ways(
        "cancel-refused",
        (on("ILL-ANSWER hold-placed", "CANCEL"), *BORROW),
        (
            on("ILL-REQUEST", HOLD, role="responder"),
            on("CANCEL", "CANCEL-REPLY answer FALSE", SHIP),
            TAKE_BACK,
        ),
    ),
    Case(
        scenario="never-says-received-or-returned",
        lender=False,
        rules=(),
        unsaid=(ApduName.RECEIVED, ApduName.RETURNED),
        staff=(on("ILL-REQUEST", SHIP, "CHECKED-IN", role="responder"),),
        ends=LENT,
    ),
    Case(
        scenario="never-says-shipped-or-checked-in",
        lender=True,
        rules=(SILENT,),
        unsaid=(ApduName.SHIPPED, ApduName.CHECKED_IN),
        staff=(on("ILL-ANSWER will-supply", "RECEIVED", "RETURNED"),),
        ends=(State.RETURNED, State.SHIPPED),
    ),
)


def name_of(case: Case) -> str:
    """Give the name of the partner that plays a case."""
    return f"P{CASES.index(case)}"


def keys_of(case: Case) -> str:
    """Give the lines of the partner's file that say what its software does not send."""
    sends = sorted(one.value for one in ApduName if one not in case.unsaid)
    return f"capabilities = {{ sends = {sends} }}" if case.unsaid else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of a case.

    Args:
        half_id: our half.
        role: of the partner.
        left_out: what our people wanted to do and could not.
    """

    half_id: HalfId
    role: Role
    left_out: tuple[LeftOut, ...]


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RunningDaemon, dict[str, socket.socket]]]:
    """A running gateway with a partner for each case, on ports that are kept for the partners."""
    installation = Installation(tmp_path_factory.mktemp("scenarios"))
    with contextlib.ExitStack() as stack:
        taken = {name_of(case): stack.enter_context(reserved()) for case in CASES}
        for name, one in taken.items():
            case = CASES[int(name.removeprefix("P"))]
            installation.add_partner(name, port=one.getsockname()[1], keys=keys_of(case))
        with installation.running() as daemon:
            yield daemon, taken


@pytest.fixture(scope="module")
def played(stage: tuple[RunningDaemon, dict[str, socket.socket]]) -> dict[str, Played | BaseException]:
    """What came of every case: all of them are played at once, which is as a gateway has it."""
    daemon, ports = stage
    settings = daemon.installation.settings

    async def play_all() -> list[Played | BaseException]:
        turns = asyncio.Lock()
        plays = (play(case, settings, daemon, ports[name_of(case)], turns) for case in CASES)
        return await asyncio.gather(*plays, return_exceptions=True)

    return {name_of(case): came for case, came in zip(CASES, asyncio.run(play_all()), strict=True)}


async def play(
    case: Case,
    settings: Settings,
    daemon: RunningDaemon,
    keeper: socket.socket,
    turns: asyncio.Lock,
) -> Played:
    """Play one case until both sides are where they should be."""
    profile = settings.partner(name_of(case))
    assert profile is not None
    woken = asyncio.Event()
    with opened(settings) as site:
        staff = Staff(site, read(case.staff), pause=no_pause, partner=profile.name, turns=turns)

        def moved() -> None:
            woken.set()
            staff.wake()

        port = keeper.getsockname()[1]
        async with SimulatedPartner(profile, case.play, port=port, pause=no_pause, on_move=moved) as partner:
            partner.meets((HOST, daemon.ports[ONE_WAY]), settings.local[0].symbol)
            working = asyncio.ensure_future(staff.run())
            try:
                if case.lender:
                    await staff.request(case.wanted, partner=profile, local=settings.local[0])
                else:
                    await partner.request(Order(request=case.wanted))
                # All of them are played at once, so each may wait for all the others.
                async with asyncio.timeout(3 * PATIENCE):
                    half_id = await until_ended(case, staff, partner, woken)
                    await partner.settle(within=dt.timedelta(seconds=PATIENCE))
                [conversation] = partner.conversations
                await asyncio.to_thread(await_every_delivery, daemon, site, profile.name)
            finally:
                working.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await working
    return Played(half_id=half_id, role=conversation.role, left_out=tuple(staff.left_out))


def await_every_delivery(daemon: RunningDaemon, site: Site, partner: str) -> None:
    """Return once all that we sent to a partner was delivered, each at the first attempt."""
    with site.store.reading() as uow:
        count = len(uow.outbox.list(partner=partner, finished=True, limit=1000))
    if count:
        daemon.await_line("apdu.delivered", partner=partner, times=count)
    with site.store.reading() as uow:
        for row in uow.outbox.list(partner=partner, finished=True, limit=1000):
            assert row.status is OutboxStatus.DELIVERED
            assert len(uow.outbox.attempts(row.id)) == 1


async def until_ended(case: Case, staff: Staff, partner: SimulatedPartner, woken: asyncio.Event) -> HalfId:
    """Return once both halves are where they should be."""
    ours, theirs = case.ends if case.lender else case.ends[::-1]
    while True:
        woken.clear()
        halves = [one.half for one in await staff.requests()]
        there = [one.state for one in partner.conversations]
        if [half.state for half in halves] == [ours] and there == [theirs]:
            return halves[0].id
        await woken.wait()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_scenario_ends_on_both_sides(case: Case, played: dict[str, Played | BaseException]) -> None:
    came = played[name_of(case)]
    if isinstance(came, BaseException):
        raise came
    assert came.left_out == ()
    assert came.role is (Role.RESPONDER if case.lender else Role.REQUESTER)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_message_has_its_verdict_and_people_are_told_of_it(
    case: Case,
    played: dict[str, Played | BaseException],
    stage: tuple[RunningDaemon, dict[str, socket.socket]],
) -> None:
    came = played[name_of(case)]
    if isinstance(came, BaseException):
        pytest.skip("it did not come to its end, as another test says")
    daemon, _ = stage
    with daemon.installation.reading() as uow:
        listed = uow.messages.list(partner=name_of(case), limit=1000)
        inputs = uow.inputs.of(came.half_id)
        events = [one for one in uow.events.after(0, limit=100_000) if one.half_id == came.half_id]
    verdicts = {
        one.processing.verdict
        for one in listed
        if one.processing is not None and one.message.direction is Direction.RECEIVED
    }
    assert all(one.processing is not None for one in listed)
    assert verdicts - {"applied"} == case.verdicts
    indicated = [(one.detail or {}).get("service") for one in events if one.kind.endswith(".indication")]
    taken = [
        Service(one.service).phrase
        for one in inputs
        if one.kind is InputKind.APDU and one.verdict in ("applied", "repeated")
    ]
    assert indicated == taken
    told = [str((one.detail or {}).get("reason")) for one in events if one.kind == "attention"]
    assert len(told) == len(case.attention)
    assert all(one.startswith(begins) for one, begins in zip(told, case.attention, strict=True)), told


def test_every_scenario_is_played() -> None:
    assert {case.scenario for case in CASES if case.rules is None} == set(scenario.shipped())


@pytest.mark.yaz
@pytest.mark.usefixtures("played")
def test_libyaz_reads_all_that_was_said(stage: tuple[RunningDaemon, dict[str, socket.socket]]) -> None:
    """What the conversations have left in the store is read again by somebody else."""
    daemon, _ = stage
    sent, received = daemon.installation.sent(), daemon.installation.received()
    assert len(sent) >= len(CASES)
    apdus = [one.octets for one in (*sent, *received)]
    for octets, reading in zip(apdus, read_with_libyaz(apdus), strict=True):
        assert reading == reading_of(decode(octets))


def wish(case: Case, message: ApduName) -> int:
    """Give what we say that we wish: a message that the partner's software lacks is not asked for (2.7)."""
    return 3 if message in case.unsaid else 2


def as_borrower(case: Case) -> Reading:
    """Give what our ILL-REQUEST says of the messages that may be left out."""
    return {
        "can_send_RECEIVED": True,
        "can_send_RETURNED": True,
        "requester_SHIPPED": wish(case, ApduName.SHIPPED),
        "requester_CHECKED_IN": wish(case, ApduName.CHECKED_IN),
    }


def as_lender(case: Case) -> Reading:
    """Give what our ILL-ANSWER and SHIPPED say of them."""
    return {
        "can_send_SHIPPED": True,
        "can_send_CHECKED_IN": True,
        "responder_RECEIVED": wish(case, ApduName.RECEIVED),
        "responder_RETURNED": wish(case, ApduName.RETURNED),
    }


@pytest.mark.yaz
@pytest.mark.usefixtures("played")
def test_libyaz_finds_the_request_the_days_and_the_flags_in_what_we_sent(
    stage: tuple[RunningDaemon, dict[str, socket.socket]],
) -> None:
    daemon, _ = stage
    sent = daemon.installation.sent()
    readings = read_with_libyaz([one.octets for one in sent])
    zone = daemon.installation.settings.local[0].zone
    for case in CASES:
        ours: list[tuple[dt.date, str, Reading]] = [
            (one.record.stored_at.astimezone(zone).date(), name, components)
            for one, reading in zip(sent, readings, strict=True)
            for name, components in reading["u"].items()
            if one.processing is not None and one.processing.partner == name_of(case)
        ]
        require_right(case, ours)
    assert {name for one in readings for name in one["u"]} >= EVERY_SERVICE


EVERY_SERVICE: Final = {
    "illRequest",
    "Shipped",
    "illAnswer",
    "Conditional_Reply",
    "Cancel",
    "Cancel_Reply",
    "Received",
    "Recall",
    "Returned",
    "Checked_In",
    "Overdue",
    "Renew",
    "Renew_Answer",
    "Lost",
    "Damaged",
    "Status_Query",
}


def require_right(case: Case, ours: list[tuple[dt.date, str, Reading]]) -> None:
    """Hold what libyaz reads in our APDUs of a case to what there has to be.

    Args:
        case: which.
        ours: of each, the day on which it was sent, its name and its components.
    """
    us, them = institution("ILLUME:BEX"), institution(f"ILLUME:{name_of(case)}")
    requester, responder = (us, them) if case.lender else (them, us)
    times = []
    for day, name, components in ours:
        number = components["transaction_id"]
        assert number == ours[0][2]["transaction_id"]
        assert number["initial_requester_id"] == requester
        assert (components["requester_id"], components["responder_id"]) == (requester, responder)
        when = components["service_date_time"]
        assert "date_time_of_original_service" not in when
        this = when["date_time_of_this_service"]
        said = dt.datetime.strptime(f"{this['date']}{this['time']}", "%Y%m%d%H%M%S")  # noqa: DTZ007 - local
        assert abs(said.date() - day) <= dt.timedelta(days=1)
        if name != "Status_Or_Error_Report":
            times.append(said)
        match name:
            case "illRequest":
                assert components["requester_optional_messages"] == as_borrower(case)
            case "illAnswer":
                assert components["responder_optional_messages"] == as_lender(case)
            case "Shipped":
                assert components["responder_optional_messages"] == as_lender(case)
                if not case.copy:
                    due = components["supply_details"]["date_due"]["date_due_field"]
                    assert dt.datetime.strptime(due, "%Y%m%d").date() - day >= dt.timedelta(days=20)  # noqa: DTZ007
            case _:
                continue
    # A service is known by its date and time, so no two of a request have the same.
    assert times == sorted(set(times))


def institution(symbol: str) -> Reading:
    """Give the reading of a System-Id."""
    return {"person_or_institution_symbol": {"u": {"institution_symbol": {"u": {"GeneralString": symbol}}}}}
