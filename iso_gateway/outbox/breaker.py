"""The circuit breaker of one partner: pure decisions about whether anything is sent to it now.

Closed: it is sent to. After `breaker_after` failures in a row it is open: nothing is sent until a moment
comes. Then one message goes, the probe, and the breaker is half open: when that is delivered it closes, when
it fails it is open again and the wait grows. Whatever else waits for the partner spends no attempt meanwhile.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from config.settings import RetryPolicy
from iso_gateway.outbox.policy import delay_after
from iso_gateway.store.records import BreakerState, PartnerStateRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """What is known of a partner from the last attempts.

    Args:
        state: whether anything is sent.
        failures: how many attempts failed in a row.
        retry_at: when the next probe goes; when half open, when the one under way is taken for lost.
    """

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    retry_at: datetime | None = None

    @classmethod
    def of(cls, state: PartnerStateRecord) -> "Breaker":
        """The breaker as it is stored."""
        return cls(state=state.breaker, failures=state.failures, retry_at=state.retry_at)

    def may_probe(self, now: datetime) -> bool:
        """Whether it is time for a probe."""
        return self.state is not BreakerState.CLOSED and (self.retry_at is None or self.retry_at <= now)

    def probing(self, until: datetime) -> "Breaker":
        """A probe is on its way; when nothing has been heard of it by `until`, another one goes."""
        return replace(self, state=BreakerState.HALF_OPEN, retry_at=until)

    def succeeded(self) -> "Breaker":
        """Something was delivered."""
        return Breaker()

    def untold(self, now: datetime) -> "Breaker":
        """A probe was broken off, and told nothing: another one may go."""
        return replace(self, state=BreakerState.OPEN, retry_at=now)

    def failed(self, *, now: datetime, policy: RetryPolicy, chance: float) -> "Breaker":
        """An attempt failed because of the partner.

        Args:
            now: the moment of the failure.
            policy: the partner's.
            chance: a random number in [0, 1), for jitter.
        """
        failures = self.failures + 1
        if failures < policy.breaker_after:
            return replace(self, failures=failures)
        if self.state is BreakerState.OPEN:
            # It was on its way already when the breaker opened: that says nothing new.
            return replace(self, failures=failures)
        wait = delay_after(failures - policy.breaker_after + 1, policy, chance)
        return Breaker(state=BreakerState.OPEN, failures=failures, retry_at=now + wait)
