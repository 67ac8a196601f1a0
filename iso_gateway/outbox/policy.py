"""When to try again, and when to stop: pure decisions, from the partner's retry policy."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from config.settings import RetryPolicy, Settings, Unclear
from iso_gateway.failure import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAt:
    """Try again at this moment."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Do not try again: why, and by which word."""

    reason: str
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class CountDelivered:
    """It may have arrived, and the partner's profile says that this is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldBack:
    """It may have arrived, and the partner's profile says that an operator decides."""


Decision = RetryAt | GiveUp | CountDelivered | HoldBack


def policy_of(settings: Settings, name: str | None) -> RetryPolicy:
    """The retry policy of a partner; the general one for whoever is not configured."""
    partner = None if name is None else settings.partner(name)
    return settings.retry if partner is None else partner.retry


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
    ambiguous: bool,
    failure: Failure,
    reason: str,
    chance: float,
) -> Decision:
    """What follows a failed attempt.

    Args:
        attempts: how many there have been, this one included.
        policy: the partner's.
        now: the moment of the failure.
        expires_at: when the message's lifetime ends.
        temporary: whether trying again can help.
        ambiguous: whether the partner may have it all the same.
        failure: what went wrong, by its word.
        reason: what went wrong, in words.
        chance: a random number in [0, 1).
    """
    if not temporary:
        return GiveUp(reason=reason, failure=failure)
    if ambiguous:
        match policy.unclosed if failure is Failure.NO_CLOSE else policy.ambiguous:
            case Unclear.DELIVERED:
                return CountDelivered()
            case Unclear.HOLD:
                return HoldBack()
            case Unclear.RETRY:
                pass
            case unknown:
                assert_never(unknown)
    again = now + delay_after(attempts, policy, chance)
    if again >= expires_at:
        return GiveUp(reason=f"not delivered within its lifetime; last: {reason}", failure=Failure.LIFETIME)
    return RetryAt(at=again)
