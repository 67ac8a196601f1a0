"""When to try again, and when to stop."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import RetryPolicy, Unclear
from iso_gateway.failure import Failure
from iso_gateway.lifetime import Notice, lifetime_end, next_check, notice
from iso_gateway.outbox.policy import (
    CountDelivered,
    Decision,
    GiveUp,
    HoldBack,
    RetryAt,
    after_failure,
    delay_after,
)

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
    ambiguous: bool = False,
    failure: Failure = Failure.REFUSED,
    policy: RetryPolicy | None = None,
) -> Decision:
    return after_failure(
        attempts=attempts,
        policy=policy or RetryPolicy(),
        now=NOW,
        expires_at=NOW + lifetime,
        temporary=temporary,
        ambiguous=ambiguous,
        failure=failure,
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
        assert after(1, temporary=False) == GiveUp(reason="connection refused", failure=Failure.REFUSED)

    def test_nothing_is_tried_after_its_lifetime(self) -> None:
        assert after(1, lifetime=timedelta(seconds=5)) == GiveUp(
            reason="not delivered within its lifetime; last: connection refused",
            failure=Failure.LIFETIME,
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
            ambiguous=False,
            failure=Failure.REFUSED,
            reason="refused",
            chance=chance,
        )
        match decision:
            case RetryAt(at=at):
                assert NOW <= at < NOW + lifetime
            case GiveUp(reason=reason):
                assert NOW + delay_after(attempts, policy, chance) >= NOW + lifetime
                assert reason.endswith("last: refused")
            case CountDelivered() | HoldBack():
                pytest.fail("nothing was ambiguous")

    @pytest.mark.parametrize(("failure", "broken"), [(Failure.RESET, True), (Failure.NO_CLOSE, False)])
    def test_what_may_have_arrived_is_for_the_partners_profile_to_decide(
        self, *, failure: Failure, broken: bool
    ) -> None:
        def decided(unclear: Unclear) -> Decision:
            # The other setting must not matter.
            other = Unclear.HOLD if unclear is Unclear.RETRY else Unclear.RETRY
            first, second = (unclear, other) if broken else (other, unclear)
            policy = RetryPolicy(ambiguous=first, unclosed=second)
            return after(1, ambiguous=True, failure=failure, policy=policy)

        assert decided(Unclear.RETRY) == RetryAt(at=NOW + timedelta(seconds=5))
        assert decided(Unclear.DELIVERED) == CountDelivered()
        assert decided(Unclear.HOLD) == HoldBack()

    def test_by_default_a_break_is_a_reason_to_send_again_and_a_missing_close_is_not(self) -> None:
        assert isinstance(after(1, ambiguous=True, failure=Failure.RESET), RetryAt)
        assert after(1, ambiguous=True, failure=Failure.NO_CLOSE) == CountDelivered()

    def test_a_stranger_gets_it_once_whatever_became_of_it(self) -> None:
        assert isinstance(after(1, temporary=False, ambiguous=True, failure=Failure.RESET), GiveUp)


class TestLifetime:
    def test_it_ends_with_the_request_if_that_is_earlier(self) -> None:
        policy = RetryPolicy()
        assert lifetime_end(NOW, policy, None) == NOW + timedelta(days=14)
        assert lifetime_end(NOW, policy, NOW + timedelta(days=20)) == NOW + timedelta(days=14)
        assert lifetime_end(NOW, policy, NOW + timedelta(days=3)) == NOW + timedelta(days=3)
        assert lifetime_end(NOW, policy, NOW - timedelta(days=3)) == NOW

    def test_a_late_message_is_looked_at_twice_and_at_its_end(self) -> None:
        policy = RetryPolicy()
        end = NOW + timedelta(days=14)

        def after_(now: datetime) -> datetime | None:
            return next_check(created_at=NOW, expires_at=end, policy=policy, now=now)

        assert after_(NOW) == NOW + timedelta(hours=4)
        assert after_(NOW + timedelta(hours=4)) == end - timedelta(days=1)
        assert after_(end - timedelta(days=1)) == end
        assert after_(end) is None

    def test_one_that_lives_shortly_is_looked_at_at_its_end(self) -> None:
        end = NOW + timedelta(hours=1)
        assert next_check(created_at=NOW, expires_at=end, policy=RetryPolicy(), now=NOW) == end

    def test_what_is_told_is_the_more_pressing(self) -> None:
        policy = RetryPolicy()
        end = NOW + timedelta(days=14)

        def told(now: datetime) -> Notice | None:
            return notice(created_at=NOW, expires_at=end, policy=policy, now=now)

        assert told(NOW + timedelta(hours=3)) is None
        assert told(NOW + timedelta(hours=4)) is Notice.DELAYED
        assert told(end - timedelta(days=1)) is Notice.ENDS_SOON
