"""Conversations over TCP that no scenario plays alone: what is lost and repeated, forwarded, asked for again.

The daemon is a process, the partners are simulated, and our own people act beside the daemon as the command
does. `test_scenarios` plays the others.
"""

import asyncio
import datetime as dt
import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from asn1 import ill
from asn1.codec import decode
from config.symbols import Symbol
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import Role, State
from iso_gateway.request import primitives
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.simulation import composing, scenario
from iso_gateway.simulation.partner import SimulatedPartner, no_pause
from iso_gateway.simulation.scenario import Order, Step, Way
from iso_gateway.simulation.script import Conversation
from iso_gateway.site import Site, opened
from iso_gateway.store.records import HalfId, HalfRecord
from tests.support.daemon import HOST, ONE_WAY, Installation, Line, RunningDaemon
from tests.support.ports import reserved
from tests.support.yaz import read_with_libyaz
from tests.support.yaz_reading import reading_of

BEX: Final = Symbol.parse("ILLUME:BEX")
FORWARDABLE: Final = NewRequest(item=Item(title="The Penelopiad"), may_forward=True)

#: For `before`: the daemon's clock goes thirty days ahead of ours, so that what we agree upon is over there.
AHEAD: Final = """
from datetime import timedelta
from iso_gateway.site import Site
opened = Site._opened.__func__
def ahead(cls, settings, clock, *, upgrading):
    return opened(cls, settings, lambda: clock() + timedelta(days=30), upgrading=upgrading)
Site._opened = classmethod(ahead)
"""


@dataclass(slots=True, kw_only=True)
class Talk:
    """The daemon, our people beside it, and the partners ANN and BEN."""

    daemon: RunningDaemon
    site: Site
    ann: SimulatedPartner
    ben: SimulatedPartner

    def ask(self, new: NewRequest = FORWARDABLE) -> HalfId:
        """Ask ANN for an item."""
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.request(
                uow, new, partner=self.ann.profile, local=self.site.settings.local[0], actor="anna"
            ).half_id

    def act(self, half: HalfId, *services: primitives.Primitive) -> None:
        """Perform services."""
        for one in services:
            with self.site.store.unit_of_work() as uow:
                self.site.gateway.act(uow, half, one, actor="anna")

    def half(self, half: HalfId) -> HalfRecord:
        """A request as the gateway has it, after what the daemon is writing."""
        with self.site.store.unit_of_work() as uow:
            return uow.halves.get(half)

    def attention(self, half: HalfId) -> list[str]:
        """What people were told about a request, as `half`."""
        with self.site.store.unit_of_work() as uow:
            events = uow.events.after(0, limit=1000)
        return [
            str((one.detail or {}).get("reason"))
            for one in events
            if one.kind == "attention" and one.half_id == half
        ]

    async def line(self, event: str, *, times: int = 1, **fields: object) -> Line:
        """Return once the daemon has logged this."""
        return await asyncio.to_thread(self.daemon.await_line, event, times=times, **fields)

    async def came(
        self, sender: SimulatedPartner, apdu_type: str, *, verdict: str = "applied", times: int = 1
    ) -> HalfId:
        """Return once an APDU of a partner was classified; gives the request that it is about."""
        said = {"partner": sender.profile.name, "apdu_type": apdu_type, "verdict": verdict}
        line = await self.line("apdu.processed", times=times, **said)
        return HalfId(line["half_id"] or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running gateway, and for each partner the port that is kept for it."""

    daemon: RunningDaemon
    ports: dict[str, socket.socket]

    @asynccontextmanager
    async def talk(self, name: str, *rules: dict[str, Any]) -> AsyncIterator[Talk]:
        """Let the two partners of a test come up; ANN follows the rules, and BEN none."""
        settings = self.daemon.installation.settings
        async with AsyncExitStack() as stack:
            site = stack.enter_context(opened(settings))
            partners = []
            for one, follows in ((f"{name}-ANN", rules), (f"{name}-BEN", ())):
                profile = settings.partner(one)
                assert profile is not None
                port = self.ports[one].getsockname()[1]
                play = scenario.read({"description": "A test", "rules": list(follows)}, Path("test.toml"))
                partner = SimulatedPartner(profile, play, port=port, pause=no_pause)
                partners.append(await stack.enter_async_context(partner))
            for partner, other in itertools.permutations(partners):
                partner.meets((HOST, self.daemon.ports[ONE_WAY]), BEX, others=[other.profile])
            yield Talk(daemon=self.daemon, site=site, ann=partners[0], ben=partners[1])


@contextmanager
def staged(directory: Path, *names: str, before: str = "") -> Iterator[Stage]:
    """Give a gateway that knows two partners for each test."""
    installation = Installation(directory)
    with ExitStack() as stack:
        ports = {}
        for name in (f"{one}-{who}" for one in names for who in ("ANN", "BEN")):
            ports[name] = stack.enter_context(reserved())
            port = ports[name].getsockname()[1]
            installation.add_partner(name, port=port, keys='when_overdue = "send"')
        yield Stage(daemon=stack.enter_context(installation.running(before=before)), ports=ports)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway for the conversations."""
    names = ("LOST", "AGAIN", "ONWARD", "HANDED", "CROSSED", "CHAINED")
    with staged(tmp_path_factory.mktemp("conversations"), *names) as stage:
        yield stage


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway for which it is thirty days later."""
    with staged(tmp_path_factory.mktemp("later"), "LATER", before=AHEAD) as stage:
        yield stage


def send(service: Service, **fields: object) -> Step:
    """Give a step."""
    return Step(send=service, fields=fields)


async def only(partner: SimulatedPartner, state: State, role: Role | None = None) -> Conversation:
    """Return the one request that is in a state, once it is."""
    [conversation] = await partner.reached(state, role=role)
    return conversation


async def test_a_shipped_that_was_lost_is_found_by_a_query_and_repeated(stage: Stage) -> None:
    lost = {"on": "SHIPPED", "time": 1, "arrival": "lost"}
    then = {"on": "SHIPPED", "then": [{"send": "RECEIVED"}, {"send": "RETURNED"}]}
    async with stage.talk("LOST", lost, then) as talk:
        asked = await talk.ann.request(Order(request=FORWARDABLE))
        half = await talk.came(talk.ann, "ILL-Request")
        talk.act(half, primitives.Answer(result=ill.TransactionResults.will_supply), primitives.Ship())
        await talk.line("apdu.delivered", partner=talk.ann.profile.name, times=2)
        await talk.ann.do(asked, send(Service.STQ))
        await talk.ann.until(lambda: isinstance(asked.received[-1], ill.StatusOrErrorReport))
        report = asked.received[-1]
        assert isinstance(report, ill.StatusOrErrorReport)
        assert report.status_report is not None
        assert report.status_report.provider_status_report is ill.CurrentState.sHIPPED
        assert (asked.state, talk.half(half).state) == (State.PENDING, "SHIPPED")
        with talk.site.store.unit_of_work() as uow:
            repeated = talk.site.gateway.repeat(uow, half, actor="anna")
        assert repeated.apdu.asn1_name == "Shipped"
        assert repeated.apdu.service_date_time.date_time_of_original_service is not None
        await talk.ann.reached(State.RETURNED)
        await talk.came(talk.ann, "Returned")
        talk.act(half, primitives.CheckIn())
        assert (asked.state, talk.half(half).state) == (State.RETURNED, "CHECKED-IN")


async def test_what_ended_in_retry_is_asked_for_again_in_a_new_transaction(stage: Stage) -> None:
    async with stage.talk("AGAIN") as talk:
        first = talk.ask()
        begun = await only(talk.ann, State.IN_PROCESS)
        await talk.ann.do(begun, send(Service.ANS_RY, reason="in-use-on-loan", date="+30d"))
        await talk.came(talk.ann, "ILL-Answer")
        with talk.site.store.unit_of_work() as uow:
            second = talk.site.gateway.retry(uow, first, actor="anna").half_id
        again = await only(talk.ann, State.IN_PROCESS)
        assert again.request.retry_flag
        assert again.request.transaction_id != begun.request.transaction_id
        await talk.ann.do(again, send(Service.SHI))
        assert await talk.came(talk.ann, "Shipped") == second
        talk.act(second, primitives.Receive(), primitives.Return())
        await talk.ann.until(lambda: isinstance(again.received[-1], ill.Returned))
        await talk.ann.do(again, send(Service.CHK))
        await talk.came(talk.ann, "Checked-In")
        assert (talk.half(first).state, begun.state) == ("NOT-SUPPLIED", State.NOT_SUPPLIED)
        assert (talk.half(second).state, again.state) == ("RETURNED", State.CHECKED_IN)


async def test_a_request_that_we_forward_is_lent_by_the_other(stage: Stage) -> None:
    """The borrower cancels before it hears of the forwarding, and is told whom to cancel at."""
    crossing = {"on": "FORWARD-NOTIFICATION", "before": [{"send": "CANCEL"}]}
    async with stage.talk("ONWARD", crossing) as talk:
        ann, ben = talk.ann, talk.ben
        asked = await ann.request(Order(request=FORWARDABLE))
        half = await talk.came(ann, "ILL-Request")
        talk.act(half, primitives.Forward(to=ben.profile.name))
        lent = await only(ben, State.IN_PROCESS)
        assert lent.request.forward_flag
        await talk.came(ann, "Cancel", verdict="already-forwarded")
        await ann.until(lambda: isinstance(asked.received[-1], ill.StatusOrErrorReport))
        assert (asked.state, asked.half.flags.cancel_wished) == (State.PENDING, True)
        # The two go on without us.
        await ben.do(lent, send(Service.SHI))
        await ann.do(asked, send(Service.RCV), send(Service.RET))
        await ben.do(lent, send(Service.CHK))
        assert (asked.state, lent.state) == (State.RETURNED, State.CHECKED_IN)
        assert talk.half(half).state == "FORWARD"


async def handed_on(talk: Talk) -> tuple[HalfId, Conversation, Conversation]:
    """Let ANN forward our request to BEN, which has it then; we hear nothing of it yet."""
    half = talk.ask()
    asked = await only(talk.ann, State.IN_PROCESS)
    to = talk.ben.profile.name
    await talk.ann.do(asked, Step(send=Service.FWN, fields={"to": to}, way=Way.LOST))
    return half, asked, await only(talk.ben, State.IN_PROCESS)


async def test_a_request_of_ours_that_was_forwarded_is_lent_by_the_other(stage: Stage) -> None:
    async with stage.talk("HANDED") as talk:
        half, asked, lent = await handed_on(talk)
        # BEN is heard of first.
        await talk.ben.do(lent, send(Service.SHI))
        await talk.came(talk.ben, "Shipped")
        await talk.ann.do(asked, Step(repeat=Service.FWN))
        await talk.came(talk.ann, "Forward-Notification", verdict="repeated")
        after = talk.half(half)
        assert (after.state, after.partner) == ("SHIPPED", "HANDED-BEN")
        assert after.former_partners == ("HANDED-ANN",)
        talk.act(half, primitives.Receive(), primitives.Return())
        await talk.ben.until(lambda: isinstance(lent.received[-1], ill.Returned))
        await talk.ben.do(lent, send(Service.CHK))
        await talk.came(talk.ben, "Checked-In")
        assert (talk.half(half).state, lent.state) == ("RETURNED", State.CHECKED_IN)
        assert talk.attention(half) == []


async def test_a_cancel_that_a_forwarding_outran_goes_to_the_new_responder(stage: Stage) -> None:
    async with stage.talk("CROSSED") as talk:
        half, asked, lent = await handed_on(talk)
        talk.act(half, primitives.Cancel())
        await talk.came(talk.ann, "Status-Or-Error-Report")
        await talk.ann.do(asked, Step(repeat=Service.FWN))
        await talk.came(talk.ann, "Forward-Notification")
        assert (talk.half(half).state, talk.half(half).partner) == ("PENDING", "CROSSED-BEN")
        assert "cancel_wished" in talk.half(half).flags
        [told] = talk.attention(half)
        assert "cancel again at the new one" in told
        talk.act(half, primitives.Cancel())
        await talk.ben.reached(State.CANCEL_PENDING)
        await talk.ben.do(lent, send(Service.CAR_YES))
        await talk.came(talk.ben, "Cancel-Reply")
        assert (talk.half(half).state, lent.state) == ("CANCELLED", State.CANCELLED)


async def test_a_chained_request_is_refused_and_its_sender_is_told(stage: Stage) -> None:
    async with stage.talk("CHAINED") as talk:
        ann = talk.ann
        request = composing.request_of(
            FORWARDABLE, ann.profile, them=BEX, qualifier="1", at=talk.site.clock()
        )
        await ann.send_raw(replace(request, transaction_type=ill.TransactionType.chained))
        await talk.came(ann, "ILL-Request", verdict="transaction-type-not-supported")
        await talk.line("apdu.delivered", partner=ann.profile.name)
        [refused] = [
            one
            for one in talk.daemon.installation.sent()
            if one.processing is not None and one.processing.partner == ann.profile.name
        ]
        report = decode(refused.octets)
        assert isinstance(report, ill.StatusOrErrorReport)
        assert report.error_report is not None
        assert report.error_report.user_error_report == ill.UserErrorReport(
            unable_to_perform=ill.UnableToPerform.other
        )
        assert report.transaction_id == request.transaction_id


async def test_what_nobody_does_in_time_the_gateway_does(later: Stage) -> None:
    """It is thirty days later for the gateway alone."""
    async with later.talk("LATER") as talk:
        ann, ben = talk.ann, talk.ben
        # An expiry: nobody answers in time.
        expiring = replace(FORWARDABLE, expires=talk.site.clock().date() + dt.timedelta(days=14))
        expired = await ann.request(Order(request=expiring))
        half = await talk.came(ann, "ILL-Request")
        await ann.reached(State.NOT_SUPPLIED)
        assert isinstance(expired.received[-1], ill.Expired)
        assert talk.half(half).state == "NOT-SUPPLIED"
        # An item that is not back in time.
        borrowed = await ben.request(Order(request=FORWARDABLE))
        lent = await talk.came(ben, "ILL-Request")
        due = talk.site.clock().date() + dt.timedelta(days=14)
        talk.act(lent, primitives.Ship(date_due=due))
        await ben.until(lambda: borrowed.state is State.NOT_RECEIVED_OVERDUE)
        overdue = borrowed.received[-1]
        assert isinstance(overdue, ill.Overdue)
        assert overdue.date_due.date_due_field == f"{due:%Y%m%d}"
        assert talk.half(lent).state == "OVERDUE"
        # A lender that does not answer.
        waiting = talk.ask()
        await talk.line("deadline.passed", deadline="no-answer", half_id=waiting)
        assert talk.attention(waiting) == ["no answer from the partner in PENDING"]
        assert talk.half(waiting).state == "PENDING"


@pytest.mark.yaz
def test_libyaz_reads_all_that_was_said(stage: Stage) -> None:
    installation = stage.daemon.installation
    apdus = [one.octets for one in (*installation.sent(), *installation.received())]
    for octets, reading in zip(apdus, read_with_libyaz(apdus), strict=True):
        assert reading == reading_of(decode(octets))
