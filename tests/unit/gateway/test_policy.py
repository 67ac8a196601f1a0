"""When to try again, and when to stop."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import RetryPolicy
from iso_gateway.outbox.policy import GiveUp, RetryAt, after_failure, delay_after

NOW = datetime(2026, 11, 16, 18, 0, tzinfo=UTC)
MIDDLE = 0.5
CHANCE = st.floats(0, 1, exclude_max=True)
POLICIES = st.builds(
    RetryPolicy,
    first_delay=st.timedeltas(timedelta(seconds=1), timedelta(days=1)),
    factor=st.floats(1, 100),
    max_delay=st.timedeltas(timedelta(days=1), timedelta(days=30)),
    jitter=st.floats(0, 1),
)


def after(
    attempts: int,
    *,
    lifetime: timedelta = timedelta(days=14),
    temporary: bool = True,
) -> RetryAt | GiveUp:
    return after_failure(
        attempts=attempts,
        policy=RetryPolicy(),
        now=NOW,
        expires_at=NOW + lifetime,
        temporary=temporary,
        reason="connection refused",
        chance=MIDDLE,
    )


class TestDelay:
    def test_it_grows_by_the_factor_up_to_the_cap(self) -> None:
        policy = RetryPolicy(
            first_delay=timedelta(seconds=5), factor=3.0, max_delay=timedelta(minutes=5), jitter=0.2
        )
        delays = [delay_after(attempts, policy, MIDDLE).total_seconds() for attempts in range(1, 7)]
        assert delays == [5, 15, 45, 135, 300, 300]

    def test_jitter_spreads_it_evenly_around_its_middle(self) -> None:
        policy = RetryPolicy(first_delay=timedelta(seconds=100), jitter=0.2)
        delays = [delay_after(1, policy, chance).total_seconds() for chance in (0.0, 0.25, 0.5, 0.75)]
        assert delays == pytest.approx([80, 90, 100, 110])

    @given(st.integers(1, 10**9), POLICIES, CHANCE)
    def test_it_stays_within_its_jitter_however_often_it_is_tried(
        self, attempts: int, policy: RetryPolicy, chance: float
    ) -> None:
        delay = delay_after(attempts, policy, chance)
        second = timedelta(microseconds=10)
        assert policy.first_delay * (1 - policy.jitter) - second <= delay
        assert delay <= policy.max_delay * (1 + policy.jitter) + second

    @given(st.integers(1, 100), POLICIES, CHANCE)
    def test_it_never_shrinks_from_one_attempt_to_the_next(
        self, attempts: int, policy: RetryPolicy, chance: float
    ) -> None:
        assert delay_after(attempts, policy, chance) <= delay_after(attempts + 1, policy, chance)


class TestAfterFailure:
    def test_what_can_pass_is_tried_again(self) -> None:
        assert after(1) == RetryAt(at=NOW + timedelta(seconds=5))
        assert after(2) == RetryAt(at=NOW + timedelta(seconds=10))

    def test_what_cannot_is_given_up_at_once_and_for_its_own_reason(self) -> None:
        assert after(1, temporary=False) == GiveUp(reason="connection refused")

    def test_nothing_is_tried_after_its_lifetime(self) -> None:
        assert after(1, lifetime=timedelta(seconds=5)) == GiveUp(
            reason="not delivered within its lifetime; last: connection refused"
        )
        assert isinstance(after(1, lifetime=timedelta(seconds=6)), RetryAt)

    @given(st.integers(1, 1000), POLICIES, CHANCE, st.timedeltas(timedelta(0), timedelta(days=365)))
    def test_a_retry_lies_between_now_and_the_end(
        self, attempts: int, policy: RetryPolicy, chance: float, lifetime: timedelta
    ) -> None:
        decision = after_failure(
            attempts=attempts,
            policy=policy,
            now=NOW,
            expires_at=NOW + lifetime,
            temporary=True,
            reason="refused",
            chance=chance,
        )
        match decision:
            case RetryAt(at=at):
                assert NOW <= at < NOW + lifetime
            case GiveUp(reason=reason):
                assert NOW + delay_after(attempts, policy, chance) >= NOW + lifetime
                assert reason.endswith("last: refused")
