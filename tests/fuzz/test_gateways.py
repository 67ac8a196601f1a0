"""Whole gateways in conversation, over ways that do every mischief, with people who do more than they may.

What `tests/conformance/protocol/test_conversations.py` shows of the machine, these show of the use cases on
their databases: the same consistent ends, and that what is sent is never illegal, what comes is never hidden,
a copy changes nothing, and nothing raises.
"""

import os
from collections.abc import Iterator, MutableMapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, ClassVar, Final

import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from iso_gateway.protocol import machine
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import State, TableProfile
from iso_gateway.protocol.tables import ALWAYS
from iso_gateway.replay import verifying
from tests.conformance.protocol.test_conversations import CONSISTENT, COPY_ENDS, ENDS, OVERTAKEN, TO_AN_END
from tests.support.gateway import MORNING
from tests.support.libraries import BOOK, Libraries
from tests.support.unreliable import WELCOME, Ways

#: How many conversations are looked at, and how long each is.
PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "short")
EXAMPLES, STEPS = {"short": (8, 25), "long": (500, 40)}[PROFILE]
LOOKING: Final = settings(
    max_examples=EXAMPLES,
    # To make a conversation shorter that fails takes minutes: that is for whoever asks for it.
    phases=set(Phase) - ({Phase.shrink, Phase.explain} if PROFILE == "short" else set()),
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
LIBRARIES: Final = ("BEX", "SFU", "UBC")
names = st.sampled_from(LIBRARIES)


def only_whispers(_: object, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Let no error be logged, behind which an exception would be hidden, and nothing else be written."""
    assert level not in ("error", "critical", "exception"), event
    raise structlog.DropEvent


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Nothing is logged as an error."""
    before = structlog.get_config()
    processors = before["processors"]
    kept = list(processors)
    processors[:] = [only_whispers]
    structlog.configure(processors=processors)
    yield
    processors[:] = kept
    structlog.configure(**before)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Libraries]:
    """Three libraries, for all conversations one after the other."""
    with Libraries.open(tmp_path_factory.mktemp("libraries"), *LIBRARIES) as libraries:
        yield libraries


class Careful(RuleBasedStateMachine):
    """People do what they may; what is lost is the last that was sent, and is repeated before anything else.

    Then everything is settled, compared, and brought to its end.
    """

    libraries: ClassVar[Libraries]
    reordering: ClassVar[bool] = False
    forwarding: ClassVar[bool] = False
    ways: Ways

    def __init__(self) -> None:
        super().__init__()
        self.undisturbed = True

    @initialize(
        loan=st.sampled_from([True, True, False]),
        stage=st.integers(min_value=0, max_value=3),
        two_way=st.booleans(),
        expires=st.booleans(),
    )
    def begin(self, stage: int, *, loan: bool, two_way: bool, expires: bool) -> None:
        """A request that has come so far already: most of what can happen, happens late."""
        new = replace(BOOK, may_forward=self.forwarding, expires=date(2026, 11, 20) if expires else None)
        # A two-way connection keeps its order, and nothing is held there.
        self.ways = Ways.begin(self.libraries, new, loan=loan, two_way=two_way and not self.reordering)
        for name, service in (("SFU", None), ("SFU", Service.SHI), ("BEX", Service.RCV))[:stage]:
            if service is not None:
                assert self.ways.act(name, service) is not None
            while lanes := self.ways.under_way():
                self.ways.deliver(lanes[0])

    @rule(name=names, data=st.data())
    def act(self, name: str, data: st.DataObject) -> None:
        """Something that is possible now, while the last that was sent is not lost."""
        possible = self.sensible(name)
        busy = [one for one in possible if one not in ALWAYS and one is not Service.DAM]
        if possible and not self.ways.is_lost(name):
            service = data.draw(st.sampled_from([*possible, *busy * 3]))
            assert self.ways.act(name, service) is not None, f"{service} was offered, and is refused"

    @rule(data=st.data(), count=st.integers(min_value=1, max_value=3))
    def deliver(self, data: st.DataObject, count: int) -> None:
        """The next messages arrive."""
        lanes = self.ways.under_way()
        if lanes:
            lane = data.draw(st.sampled_from(lanes))
            for _ in self.ways.lanes[lane][:count]:
                processed = self.ways.deliver(lane)
                if self.undisturbed:
                    assert processed.verdict in WELCOME, processed

    @rule(data=st.data())
    @precondition(lambda self: self.reordering)
    def deliver_out_of_order(self, data: st.DataObject) -> None:
        """A later message overtakes."""
        lanes = [lane for lane in self.ways.under_way() if len(self.ways.lanes[lane]) > 1]
        if lanes:
            self.undisturbed = False
            lane = data.draw(st.sampled_from(lanes))
            self.ways.deliver(lane, data.draw(st.integers(1, len(self.ways.lanes[lane]) - 1)))

    @rule(data=st.data())
    @precondition(lambda self: not self.forwarding)
    def lose(self, data: st.DataObject) -> None:
        """What was sent last is lost: nothing is sent after it until that is known."""
        ways = self.ways
        lanes = [
            (sender, recipient)
            for sender, recipient in ways.under_way()
            if ways.last[sender].number == ways.lanes[sender, recipient][-1].number
        ]
        if lanes:
            self.undisturbed = False
            ways.lose(data.draw(st.sampled_from(lanes)))

    @rule(data=st.data())
    def copy(self, data: st.DataObject) -> None:
        """A message is carried twice."""
        lanes = self.ways.under_way()
        if lanes:
            self.undisturbed = False
            self.ways.copy(data.draw(st.sampled_from(lanes)))

    @rule(name=names)
    def repeat(self, name: str) -> None:
        """People send their last message again, whether or not it was lost."""
        if name in self.ways.halves:
            self.undisturbed = False
            self.ways.repeat(name)

    @rule(seconds=st.sampled_from([0, 0, 1, 3]))
    def wait(self, seconds: int) -> None:
        """Time goes by."""
        self.ways.pass_time(seconds=seconds)

    @rule(chance=st.integers(min_value=0, max_value=4))
    def days_go_by(self, chance: int) -> None:
        """So much time goes by that the request expires, now and then; nothing waits for days on its way."""
        if chance == 4 and not self.ways.under_way():
            self.ways.pass_time(days=5)

    def sensible(self, name: str) -> list[Service]:
        """What people may do: what the strict tables allow."""
        state = self.ways.state(name)
        if state is None:
            return []
        strictly = machine.allowed(replace(state, tables=TableProfile.STRICT))
        return [one for one in self.ways.possible(name) if one in strictly]

    def teardown(self) -> None:
        """Settle, compare, bring to an end, compare."""
        if not hasattr(self, "ways"):
            return
        self.ways.settle()
        if not self.reordering:
            assert self.ends() in CONSISTENT, self.ways.names()
        for _ in range(8):
            for name in LIBRARIES:
                possible = self.sensible(name)
                role = None if (state := self.ways.state(name)) is None else state.role
                service = (
                    None if role is None else next((one for one in TO_AN_END[role] if one in possible), None)
                )
                if service is not None:
                    assert self.ways.act(name, service) is not None
                self.ways.settle()
        ends = ENDS if self.ways.loan else COPY_ENDS
        assert self.ends() in (ends | OVERTAKEN if self.reordering else ends), self.ways.names()
        self.ways.finish()

    def ends(self) -> tuple[str, str]:
        """Where the borrower is, and the lender that has its request."""
        half = self.ways.half("BEX")
        assert half is not None
        lender = self.ways.half(half.partner)
        return half.state, State.IDLE.value if lender is None else lender.state


class Reordering(Careful):
    """The same, with messages that overtake each other."""

    reordering = True


class Forwarding(Careful):
    """The same with three libraries, of which one hands the request on; nothing is lost."""

    forwarding = True

    @rule(said=st.sampled_from([Service.ANS_WS, Service.ANS_CO]), cancelled=st.booleans())
    def hear_of_the_new_responder_first(self, said: Service, *, cancelled: bool) -> None:
        """The new responder is heard of before the forwarding is, which BEX's CANCEL may have crossed."""
        ways = self.ways
        if Service.FWN not in ways.possible("SFU"):
            return
        self.undisturbed = False
        if cancelled and Service.CAN in ways.possible("BEX"):
            assert ways.act("BEX", Service.CAN) is not None
        assert ways.act("SFU", Service.FWN) is not None
        ways.deliver(("SFU", "UBC"))
        assert ways.act("UBC", said) is not None
        ways.deliver(("UBC", "BEX"))


class Careless(RuleBasedStateMachine):
    """Everything goes: what must be true of every single message is all that is asked."""

    libraries: ClassVar[Libraries]
    ways: Ways
    set_back = False

    @initialize(loan=st.booleans(), two_way=st.booleans(), expires=st.booleans())
    def begin(self, *, loan: bool, two_way: bool, expires: bool) -> None:
        """A request that may be handed on."""
        new = replace(BOOK, may_forward=True, expires=date(2026, 11, 20) if expires else None)
        self.ways = Ways.begin(self.libraries, new, loan=loan, two_way=two_way)

    @rule(name=names, data=st.data())
    def act(self, name: str, data: st.DataObject) -> None:
        """Something that is offered."""
        possible = self.ways.possible(name)
        if possible:
            service = data.draw(st.sampled_from(possible))
            assert self.ways.act(name, service) is not None, f"{service} was offered, and is refused"

    @rule(name=names, service=st.sampled_from(Service))
    def act_anyhow(self, name: str, service: Service) -> None:
        """Something that may not be possible at all: it is refused, or it is done."""
        if name in self.ways.halves and service not in (Service.ILL, Service.EXP, Service.STR):
            offered = service in self.ways.possible(name)
            assert (self.ways.act(name, service) is not None) is offered

    @rule(data=st.data(), place=st.integers(min_value=0, max_value=3))
    def deliver(self, data: st.DataObject, place: int) -> None:
        """Some message arrives."""
        lanes = self.ways.under_way()
        if lanes:
            lane = data.draw(st.sampled_from(lanes))
            self.ways.deliver(lane, min(place, len(self.ways.lanes[lane]) - 1))

    @rule(data=st.data())
    def deliver_all(self, data: st.DataObject) -> None:
        """All of one way arrives."""
        lanes = self.ways.under_way()
        if lanes:
            lane = data.draw(st.sampled_from(lanes))
            while self.ways.lanes[lane]:
                self.ways.deliver(lane)

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """A message is lost."""
        lanes = self.ways.under_way()
        if lanes:
            self.ways.lose(data.draw(st.sampled_from(lanes)))

    @rule(data=st.data())
    def carry_again(self, data: st.DataObject) -> None:
        """Something that was sent long before comes once more."""
        self.ways.carry_again(data.draw(st.sampled_from(self.ways.past)))

    @rule(name=names)
    def repeat(self, name: str) -> None:
        """People send their last message again."""
        if name in self.ways.halves:
            self.ways.repeat(name)

    @rule(seconds=st.sampled_from([0, 1, 59, 700, 86_400, 5 * 86_400, -1, -3600]))
    def wait(self, seconds: int) -> None:
        """Time goes by, or the clock is set back: by an hour once, as in autumn."""
        if seconds != -3600 or not self.set_back:
            self.set_back = self.set_back or seconds == -3600
            self.ways.pass_time(seconds=seconds)

    def teardown(self) -> None:
        """Let everything be decided."""
        if hasattr(self, "ways"):
            self.ways.finish()


@pytest.mark.parametrize("kind", [Careful, Reordering, Forwarding, Careless])
def test_gateways(
    kind: type[Careful] | type[Careless], libraries: Libraries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "libraries", libraries, raising=False)
    run_state_machine_as_test(kind, settings=LOOKING)
    for desk in libraries.desks.values():
        # Each conversation had the clock at its own beginning again; what has passed in one has passed.
        found = verifying.verify(desk.site.store, desk.site.settings, MORNING + timedelta(days=1000))
        assert [problem for progress in found for problem in progress.problems] == []
