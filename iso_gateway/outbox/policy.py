"""When to try again, and when to stop: pure decisions, from the partner's retry policy."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from config.settings import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAt:
    """Try again at this moment."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Do not try again, and why."""

    reason: str


def delay_after(attempts: int, policy: RetryPolicy, chance: float) -> timedelta:
    """How long to wait after a failed attempt.

    Args:
        attempts: how many there have been, at least 1.
        policy: first delay, factor, cap and jitter.
        chance: a random number in [0, 1), which places the delay within its jitter.
    """
    # Why the cap on the exponent: a float power overflows long before two weeks of retries are over.
    grown = policy.first_delay.total_seconds() * policy.factor ** min(attempts - 1, 64)
    capped = min(grown, policy.max_delay.total_seconds())
    return timedelta(seconds=capped * (1 + policy.jitter * (2 * chance - 1)))


def after_failure(
    *,
    attempts: int,
    policy: RetryPolicy,
    now: datetime,
    expires_at: datetime,
    temporary: bool,
    reason: str,
    chance: float,
) -> RetryAt | GiveUp:
    """What follows a failed attempt.

    Args:
        attempts: how many there have been, this one included.
        policy: the partner's.
        now: the moment of the failure.
        expires_at: when the message's lifetime ends.
        temporary: whether trying again can help.
        reason: what went wrong.
        chance: a random number in [0, 1).
    """
    if not temporary:
        return GiveUp(reason=reason)
    again = now + delay_after(attempts, policy, chance)
    if again >= expires_at:
        return GiveUp(reason=f"not delivered within its lifetime; last: {reason}")
    return RetryAt(at=again)
