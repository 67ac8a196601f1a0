"""How much may be sent to one partner now: pure decisions.

Two rules keep a partner that is slow or down from taking what others need. No partner has more on its way
than its profile allows, and only one while it fails. And half of the places are kept for partners that have
nothing on their way at all.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from config.settings import RetryPolicy
from iso_gateway.outbox.breaker import Breaker
from iso_gateway.store.records import BreakerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What may begin for a partner.

    Args:
        at_most: how many messages.
        probe: whether it is the one that tells if the partner is back.
        again_at: before when nothing more can begin; None when no moment but an event tells.
    """

    at_most: int
    probe: bool = False
    again_at: datetime | None = None


def admit(
    *,
    suspended: bool,
    breaker: Breaker,
    paced_until: datetime | None,
    policy: RetryPolicy,
    under_way: int,
    free: int,
    places: int,
    now: datetime,
) -> Admission:
    """Decide what may begin for one partner.

    Args:
        suspended: whether an operator suspended it.
        breaker: its breaker.
        paced_until: when the next message of a backlog may go after it was resumed; None when none is left.
        policy: its retry policy.
        under_way: how many messages are on their way to it.
        free: how many places are free.
        places: how many there are in all.
        now: the moment.
    """
    if suspended or free <= 0:
        return Admission(at_most=0)
    if breaker.state is not BreakerState.CLOSED:
        if not breaker.may_probe(now):
            return Admission(at_most=0, again_at=breaker.retry_at)
        return Admission(at_most=0 if under_way else 1, probe=True)
    allowed = (policy.concurrency if breaker.failures == 0 else 1) - under_way
    allowed = min(allowed, max(0 if under_way else 1, free - places // 2))
    if allowed <= 0:
        return Admission(at_most=0)
    if paced_until is not None:
        if paced_until > now:
            return Admission(at_most=0, again_at=paced_until)
        return Admission(at_most=1)
    return Admission(at_most=allowed)


def next_turn(now: datetime, policy: RetryPolicy) -> datetime:
    """When the next message of a backlog may go after one that begins now."""
    return now + timedelta(minutes=1) / policy.resume_rate
