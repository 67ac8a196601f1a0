"""What may be sent to a partner now: its breaker, its share of the places, and the order of its lanes."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from config.settings import RetryPolicy
from iso_gateway.failure import Failure, advice
from iso_gateway.outbox.admission import Admission, admit, next_turn
from iso_gateway.outbox.breaker import Breaker
from iso_gateway.outbox.policy import GiveUp, RetryAt, after_failure
from iso_gateway.store.records import BreakerState

NOW = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
POLICY = RetryPolicy(breaker_after=3, concurrency=4, jitter=0.0)
OPEN = Breaker(state=BreakerState.OPEN, failures=3, retry_at=NOW + 5 * SECOND)


def failed(breaker: Breaker, times: int = 1, *, now: datetime = NOW) -> Breaker:
    for _ in range(times):
        breaker = breaker.failed(now=now, policy=POLICY, chance=0.5)
    return breaker


class TestBreaker:
    def test_it_opens_after_so_many_failures_in_a_row(self) -> None:
        assert failed(Breaker(), 2) == Breaker(failures=2)
        assert failed(Breaker(), 3) == OPEN
        assert failed(failed(Breaker(), 2).succeeded(), 2).state is BreakerState.CLOSED

    def test_only_a_probe_goes_while_it_is_open_and_only_when_it_is_time(self) -> None:
        assert not Breaker().may_probe(NOW)
        assert not OPEN.may_probe(NOW + 4 * SECOND)
        assert OPEN.may_probe(NOW + 5 * SECOND)
        half = OPEN.probing(NOW + timedelta(minutes=5))
        assert half.state is BreakerState.HALF_OPEN
        assert not half.may_probe(NOW + timedelta(minutes=4))
        assert half.may_probe(NOW + timedelta(minutes=5)), "the one before is taken for lost"

    def test_each_failed_probe_makes_the_wait_longer_up_to_the_cap(self) -> None:
        breaker, waits = OPEN, []
        for _ in range(14):
            breaker = failed(breaker.probing(NOW + timedelta(minutes=5)))
            assert breaker.state is BreakerState.OPEN
            assert breaker.retry_at is not None
            waits.append((breaker.retry_at - NOW).total_seconds())
        assert waits == [min(5 * 2**number, 3600) for number in range(1, 15)]

    def test_what_was_on_its_way_when_it_opened_says_nothing_new(self) -> None:
        assert failed(OPEN).retry_at == OPEN.retry_at

    def test_a_probe_that_is_delivered_closes_it(self) -> None:
        assert OPEN.probing(NOW).succeeded() == Breaker()

    def test_a_probe_that_was_broken_off_leaves_room_for_another(self) -> None:
        untold = OPEN.probing(NOW + timedelta(minutes=5)).untold(NOW)
        assert untold.may_probe(NOW)
        assert untold.failures == OPEN.failures


def admitted(
    *,
    suspended: bool = False,
    breaker: Breaker | None = None,
    paced_until: datetime | None = None,
    under_way: int = 0,
    free: int = 64,
    policy: RetryPolicy = POLICY,
) -> Admission:
    return admit(
        suspended=suspended,
        breaker=breaker or Breaker(),
        paced_until=paced_until,
        policy=policy,
        under_way=under_way,
        free=free,
        places=64,
        now=NOW,
    )


class TestAdmission:
    def test_no_partner_has_more_on_its_way_than_its_profile_allows(self) -> None:
        assert [admitted(under_way=number).at_most for number in range(6)] == [4, 3, 2, 1, 0, 0]

    def test_one_that_fails_has_one(self) -> None:
        failing = Breaker(failures=1)
        assert [admitted(breaker=failing, under_way=number).at_most for number in range(3)] == [1, 0, 0]

    def test_a_suspended_one_has_none_and_nothing_wakes_for_it(self) -> None:
        assert admitted(suspended=True, breaker=OPEN) == Admission(at_most=0)

    def test_half_of_the_places_are_for_those_that_have_none(self) -> None:
        greedy = RetryPolicy(concurrency=1000)
        assert admitted(policy=greedy).at_most == 32
        assert admitted(policy=greedy, under_way=31, free=33).at_most == 1
        assert admitted(policy=greedy, under_way=32, free=32).at_most == 0
        assert admitted(policy=greedy, free=10).at_most == 1
        assert admitted(policy=greedy, free=0).at_most == 0

    def test_an_open_breaker_lets_one_through_when_it_is_time(self) -> None:
        assert admitted(breaker=OPEN) == Admission(at_most=0, again_at=OPEN.retry_at)
        due = Breaker(state=BreakerState.OPEN, failures=3, retry_at=NOW)
        assert admitted(breaker=due) == Admission(at_most=1, probe=True)
        assert admitted(breaker=due, under_way=1).at_most == 0

    def test_a_backlog_goes_out_at_its_pace(self) -> None:
        later = NOW + SECOND
        assert admitted(paced_until=later) == Admission(at_most=0, again_at=later)
        assert admitted(paced_until=NOW) == Admission(at_most=1)
        assert next_turn(NOW, RetryPolicy(resume_rate=120)) == NOW + timedelta(milliseconds=500)

    @given(
        under_way=st.integers(0, 64),
        others=st.integers(0, 64),
        concurrency=st.integers(1, 100),
        failures=st.integers(0, 9),
    )
    def test_never_more_than_there_are_places(
        self, under_way: int, others: int, concurrency: int, failures: int
    ) -> None:
        free = 64 - under_way - others
        admission = admitted(
            policy=RetryPolicy(concurrency=concurrency),
            breaker=Breaker(failures=failures),
            under_way=under_way,
            free=free,
        )
        assert 0 <= admission.at_most <= max(0, free)
        if free > 0 and under_way == 0:
            assert admission.at_most >= 1, "a partner with nothing on its way always gets a place"


@pytest.mark.parametrize("failure", Failure)
def test_there_is_advice_for_every_failure(failure: Failure) -> None:
    said = advice(failure)
    assert said[0].islower()
    assert not said.endswith(".")


@dataclass
class _Row:
    """A message of the model: its place in its lane, and what became of it."""

    number: int
    due: datetime = NOW
    attempts: int = 0
    octets_sent: int = 0
    status: str = "waiting"


@dataclass
class _Partner:
    """A partner of the model, which is up or down."""

    up: bool = True
    suspended: bool = False
    breaker: Breaker = field(default_factory=Breaker)
    lanes: dict[int, list[_Row]] = field(default_factory=lambda: defaultdict(list))
    sending: list[tuple[int, _Row]] = field(default_factory=list)
    accepted: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))


class DeliveryModel(RuleBasedStateMachine):
    """Two partners, three lanes each, driven by the real decisions as the dispatcher drives them.

    What holds whatever happens: the order of each lane, never two of a lane at once, no more on its way than
    is allowed, and that a lane never gets stuck.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.partners = [_Partner(), _Partner()]
        self.numbers = 0

    partner_numbers = st.integers(0, 1)

    @rule(which=partner_numbers, lane=st.integers(0, 2))
    def enqueue(self, which: int, lane: int) -> None:
        self.numbers += 1
        self.partners[which].lanes[lane].append(_Row(number=self.numbers, due=self.now))

    @rule(which=partner_numbers)
    def turn_up_or_down(self, which: int) -> None:
        self.partners[which].up = not self.partners[which].up

    @rule(which=partner_numbers)
    def suspend_or_resume(self, which: int) -> None:
        self.partners[which].suspended = not self.partners[which].suspended

    @rule(which=partner_numbers, lane=st.integers(0, 2))
    def hold_or_release(self, which: int, lane: int) -> None:
        for row in self.partners[which].lanes[lane]:
            if row.status in {"waiting", "held"}:
                row.status = "held" if row.status == "waiting" else "waiting"

    @rule(seconds=st.sampled_from([1, 60, 3600, 86_400]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def dispatch(self) -> None:
        for partner in self.partners:
            free = 8 - sum(len(one.sending) for one in self.partners)
            admission = admit(
                suspended=partner.suspended,
                breaker=partner.breaker,
                paced_until=None,
                policy=POLICY,
                under_way=len(partner.sending),
                free=free,
                places=8,
                now=self.now,
            )
            heads = [
                (lane, next((row for row in rows if row.status not in {"done", "gave-up"}), None))
                for lane, rows in partner.lanes.items()
            ]
            due = [
                (lane, row)
                for lane, row in heads
                if row is not None and row.status == "waiting" and row.due <= self.now
            ]
            due.sort(key=lambda one: (one[1].attempts if admission.probe else 0, one[1].due))
            for lane, row in due[: admission.at_most]:
                row.status = "sending"
                row.attempts += 1
                partner.sending.append((lane, row))
                if admission.probe:
                    partner.breaker = partner.breaker.probing(self.now + timedelta(minutes=5))

    @precondition(lambda self: any(partner.sending for partner in self.partners))
    @rule(chance=st.floats(0, 1, exclude_max=True))
    def end(self, chance: float) -> None:
        partner = next(one for one in self.partners if one.sending)
        lane, row = partner.sending.pop(0)
        if partner.up:
            row.status = "done"
            partner.accepted[lane].append(row.number)
            partner.breaker = partner.breaker.succeeded()
            return
        partner.breaker = partner.breaker.failed(now=self.now, policy=POLICY, chance=chance)
        decision = after_failure(
            attempts=row.attempts,
            policy=POLICY,
            now=self.now,
            expires_at=NOW + timedelta(days=14),
            temporary=True,
            ambiguous=False,
            failure=Failure.REFUSED,
            reason="refused",
            chance=chance,
        )
        match decision:
            case RetryAt(at=at):
                assert at > self.now
                row.status, row.due = "waiting", at
            case GiveUp():
                row.status = "gave-up"
            case _:
                pytest.fail("nothing was ambiguous")

    @invariant()
    def lanes_keep_their_order(self) -> None:
        for partner in self.partners:
            for lane, rows in partner.lanes.items():
                accepted = partner.accepted[lane]
                assert accepted == sorted(accepted)
                assert len(accepted) == len(set(accepted))
                assert sum(row.status == "sending" for row in rows) <= 1

    @invariant()
    def nobody_takes_more_than_allowed(self) -> None:
        assert sum(len(partner.sending) for partner in self.partners) <= 8
        for partner in self.partners:
            assert len(partner.sending) <= POLICY.concurrency
            if partner.breaker.state is BreakerState.HALF_OPEN:
                assert partner.breaker.retry_at is not None

    def teardown(self) -> None:
        """Once everybody is up and let go, everything that was not given up arrives: nothing is stuck."""
        for partner in self.partners:
            partner.up, partner.suspended = True, False
            for rows in partner.lanes.values():
                for row in rows:
                    row.status = "waiting" if row.status == "held" else row.status
        for _ in range(3 * self.numbers + 10):
            while any(partner.sending for partner in self.partners):
                self.end(0.5)
            self.now += timedelta(hours=2)
            self.dispatch()
        left = [row for one in self.partners for rows in one.lanes.values() for row in rows]
        assert {row.status for row in left} <= {"done", "gave-up"}


TestDelivery = settings(max_examples=60, stateful_step_count=40, deadline=None)(DeliveryModel).TestCase
