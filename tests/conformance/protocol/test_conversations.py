"""Requester and responder in conversation: in order, and through every mischief that a channel can do."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from iso_gateway.protocol.events import Service
from iso_gateway.protocol.machine import Verdict, allowed
from iso_gateway.protocol.states import HalfState, Role, State, TableProfile
from iso_gateway.protocol.tables import ALWAYS
from tests.conformance.protocol.conversation import ALLOWED, Conversation

REQUESTER, RESPONDER = Role.REQUESTER, Role.RESPONDER

#: Where the two may be when nothing is under way (requester, responder), in the words of the standard.
CONSISTENT: Final = frozenset(
    {
        ("IDLE", "IDLE"),
        ("PENDING", "IN-PROCESS"),
        ("CONDITIONAL", "CONDITIONAL"),
        ("CANCEL-PENDING", "CANCEL-PENDING"),
        ("CANCELLED", "CANCELLED"),
        ("NOT-SUPPLIED", "NOT-SUPPLIED"),
        ("SHIPPED", "SHIPPED"),
        ("RECEIVED", "SHIPPED"),
        ("RENEW/PENDING", "RENEW/PENDING"),
        ("NOT-RECEIVED/OVERDUE", "OVERDUE"),
        ("OVERDUE", "OVERDUE"),
        ("RENEW/OVERDUE", "RENEW/OVERDUE"),
        ("RECALL", "RECALL"),
        ("RETURNED", "CHECKED-IN"),
        ("LOST", "LOST"),
        # RETURNED moves no responder.
        *(
            ("RETURNED", state)
            for state in ("SHIPPED", "RENEW/PENDING", "OVERDUE", "RENEW/OVERDUE", "RECALL")
        ),
        # The item turned up; the protocol has no undo.
        ("LOST", "CHECKED-IN"),
    }
)
ENDS: Final = frozenset(
    {
        ("NOT-SUPPLIED", "NOT-SUPPLIED"),
        ("CANCELLED", "CANCELLED"),
        ("RETURNED", "CHECKED-IN"),
        ("LOST", "LOST"),
        ("LOST", "CHECKED-IN"),
    }
)
#: Where a CANCEL-REPLY answer TRUE overtook the answer that the CANCEL had crossed: nothing is supplied, and
#: both sides have closed the request.
OVERTAKEN: Final = frozenset({("CANCELLED", "NOT-SUPPLIED")})
COPY_ENDS: Final = ENDS | {("SHIPPED", "SHIPPED"), ("RECEIVED", "SHIPPED")}

#: What leads to an end soonest, for whoever may do it.
TO_AN_END: Final = {
    REQUESTER: (Service.C_REP_NO, Service.RCV, Service.RET),
    RESPONDER: (Service.CAR_YES, Service.ANS_UN, Service.CHK),
}


class Channels(RuleBasedStateMachine):
    """People do what they may, and the channels what they like.

    Then everything is settled, compared, and brought to its end.
    """

    reordering = False
    tables = TableProfile.STRICT

    def __init__(self) -> None:
        super().__init__()
        self.talk = Conversation(tables=self.tables)
        self.talk.ask(REQUESTER, Service.ILL)
        self.undisturbed = True

    @initialize(loan=st.sampled_from([True, True, False]), stage=st.integers(min_value=0, max_value=3))
    def begin(self, stage: int, *, loan: bool) -> None:
        """A loan or a copy, that has come so far already: most of what can happen, happens late."""
        self.talk.loan = loan
        for role, service in ((RESPONDER, None), (RESPONDER, Service.SHI), (REQUESTER, Service.RCV))[:stage]:
            if service is not None:
                self.talk.ask(role, service)
            for side in Role:
                while self.talk.sides[side].inbox:
                    self.talk.deliver(side)

    @rule(role=st.sampled_from(Role), data=st.data())
    def ask(self, role: Role, data: st.DataObject) -> None:
        """Something that is possible now, while the last APDU is not lost."""
        if not self.talk.is_lost(role) and len(self.talk.other(role).inbox) < 5:
            possible = [one for one in sensible(self.talk.sides[role].half) if one is not Service.STR]
            busy = [one for one in possible if one not in ALWAYS and one is not Service.DAM]
            if possible:
                possible = [*possible, *busy * 3]
                assert self.talk.ask(role, data.draw(st.sampled_from(possible))).verdict is Verdict.APPLIED

    @rule(chance=st.integers(min_value=0, max_value=4))
    def expire(self, chance: int) -> None:
        """The request expires, now and then."""
        if chance == 4:
            self.talk.expire()

    @rule(role=st.sampled_from(Role), count=st.integers(min_value=1, max_value=3))
    def deliver(self, role: Role, count: int) -> None:
        """The next APDUs arrive."""
        for _ in self.talk.sides[role].inbox[:count]:
            outcome = self.talk.deliver(role)
            if self.undisturbed:
                assert outcome is not None, "held, although it came in order"
                assert outcome.verdict in ALLOWED, outcome

    @rule(role=st.sampled_from(Role), place=st.integers(min_value=1, max_value=5))
    @precondition(lambda self: self.reordering)
    def deliver_out_of_order(self, role: Role, place: int) -> None:
        """A later APDU overtakes."""
        if place < len(self.talk.sides[role].inbox):
            self.undisturbed = False
            self.talk.deliver(role, place)

    @rule(role=st.sampled_from(Role))
    def drop(self, role: Role) -> None:
        """The APDU that was sent last is lost: nothing is sent after it until that is known."""
        inbox, last = self.talk.sides[role].inbox, self.talk.other(role).last
        if inbox and last is not None and inbox[-1].number == last.number:
            self.undisturbed = False
            self.talk.sides[role].inbox.pop()

    @rule(role=st.sampled_from(Role))
    def duplicate(self, role: Role) -> None:
        """An APDU is transported twice."""
        inbox = self.talk.sides[role].inbox
        if inbox:
            self.undisturbed = False
            inbox.insert(0, inbox[0])

    @rule(role=st.sampled_from(Role))
    def repeat(self, role: Role) -> None:
        """People send the last APDU again, whether or not it was lost."""
        if self.talk.sides[role].last is not None:
            self.undisturbed = False
            self.talk.repeat(role)

    @invariant()
    def observed_as_it_is(self) -> None:
        """A relay that all APDUs pass undisturbed sees both sides where they are."""
        if self.undisturbed:
            for side in self.talk.sides.values():
                assert side.seen.state is side.half.state

    def teardown(self) -> None:
        """Settle, compare, bring to an end, compare."""
        self.talk.settle()
        if not self.reordering:
            assert names(self.talk.states) in CONSISTENT
        for _ in range(8):
            for role in Role:
                possible = sensible(self.talk.sides[role].half)
                service = next((one for one in TO_AN_END[role] if one in possible), None)
                if service is not None:
                    self.talk.ask(role, service)
                self.talk.settle()
        ends = ENDS if self.talk.loan else COPY_ENDS
        assert names(self.talk.states) in (ends | OVERTAKEN if self.reordering else ends)


class ReorderingChannels(Channels):
    """The same, with APDUs that overtake each other."""

    reordering = True


class LenientChannels(Channels):
    """The same by the lenient tables, with a requester that asks again without saying so."""

    tables = TableProfile.LENIENT

    @initialize(condition=st.booleans(), taken_back=st.booleans())
    def begin_with_a_condition(self, *, condition: bool, taken_back: bool) -> None:
        """The lender makes a condition, and may think better of it."""
        while condition and self.talk.sides[RESPONDER].inbox:
            self.talk.deliver(RESPONDER)
        for service in (Service.ANS_CO, *(Service.ANS_UN,) * taken_back):
            if condition and service in sensible(self.talk.sides[RESPONDER].half):
                self.talk.ask(RESPONDER, service)

    @rule()
    def ask_again(self) -> None:
        """The ILL-REQUEST goes out once more, unmarked."""
        if len(self.talk.sides[RESPONDER].inbox) < 5:
            self.undisturbed = False
            self.talk.ask_again()


class ReorderingLenientChannels(LenientChannels):
    """The same, with APDUs that overtake each other."""

    reordering = True


def sensible(half: HalfState) -> tuple[Service, ...]:
    """What people may do: what the strict tables allow; and a condition may be taken back by unfilled.

    What leniency allows them besides is to act as if a SHIPPED had come that is lost. Whoever does that
    without an item puts the two sides at odds, and no table can help it.
    """
    withdrawn = (Service.ANS_UN,) if half.state is State.CONDITIONAL else ()
    strictly = allowed(replace(half, tables=TableProfile.STRICT))
    return tuple(one for one in allowed(half) if one in (*strictly, *withdrawn))


def names(states: Iterable[State]) -> tuple[str, ...]:
    """States as the standard writes them."""
    return tuple(str(state) for state in states)


LONG: Final = settings(
    max_examples=300, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestInOrder = Channels.TestCase
TestInOrder.settings = LONG
TestReordered = ReorderingChannels.TestCase
TestReordered.settings = LONG

SHORTER: Final = settings(LONG, max_examples=100, stateful_step_count=30)
TestLenientInOrder = LenientChannels.TestCase
TestLenientInOrder.settings = SHORTER
TestLenientReordered = ReorderingLenientChannels.TestCase
TestLenientReordered.settings = SHORTER
