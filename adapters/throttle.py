"""Keeps what a hostile peer can cause as often as it likes from filling the log.

Imports nothing of ours.
"""

from collections.abc import Callable
from datetime import timedelta


class Throttle:
    """Says when something that happens again and again is to be reported, and how often it has happened.

    Args:
        interval: the shortest time between two reports.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, interval: timedelta, clock: Callable[[], float]) -> None:
        self._interval = interval.total_seconds()
        self._clock = clock
        self._reported_at: float | None = None
        self._unreported = 0

    def happened(self) -> int:
        """Counts one; returns how many to report now, this one included, or 0 when it is too early."""
        self._unreported += 1
        now = self._clock()
        if self._reported_at is not None and now - self._reported_at < self._interval:
            return 0
        self._reported_at = now
        return self.rest()

    def rest(self) -> int:
        """Returns how many have not been reported, and counts them as reported: for the last report."""
        unreported, self._unreported = self._unreported, 0
        return unreported
