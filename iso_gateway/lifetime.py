"""How long a message that is to be sent lives, and when it is looked at for being late: pure decisions."""

import enum
from datetime import datetime

from config.settings import RetryPolicy


class Notice(enum.StrEnum):
    """What the local side is told of a message that has not been delivered yet."""

    DELAYED = "delayed"
    ENDS_SOON = "ends-soon"


def lifetime_end(at: datetime, policy: RetryPolicy, until: datetime | None) -> datetime:
    """When a message queued now is given up: its lifetime, or the end of its request if that is earlier.

    A request that is over already gives its messages no time at all, and they are tried once.
    """
    end = at + policy.lifetime
    return end if until is None else max(at, min(end, until))


def next_check(
    *, created_at: datetime, expires_at: datetime, policy: RetryPolicy, now: datetime
) -> datetime | None:
    """When to look next at a message that is not delivered: for a notice, or for its end. None after that."""
    moments = (created_at + policy.warn_after, expires_at - policy.warn_before, expires_at)
    return min((moment for moment in moments if now < moment <= expires_at), default=None)


def notice(
    *, created_at: datetime, expires_at: datetime, policy: RetryPolicy, now: datetime
) -> Notice | None:
    """What to tell of a message at one of its checks; None when it is too early for anything."""
    if now < created_at + policy.warn_after and now < expires_at - policy.warn_before:
        return None
    return Notice.ENDS_SOON if now >= expires_at - policy.warn_before else Notice.DELAYED
