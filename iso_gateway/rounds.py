"""Rounds of work: one after the other, with a rest between them that anybody can cut short.

What the daemon does beside the messages it does in rounds: it looks what there is to do, does it, and rests
until the next thing comes due, until it is woken because there may be something, or until it is to end.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta


class Rounds:
    """The rounds of one loop.

    Args:
        least: how long it rests after each round, however often it is woken.
    """

    def __init__(self, *, least: timedelta = timedelta()) -> None:
        self._least = least
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def ending(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._stopping.is_set()

    def wake(self) -> None:
        """Begin another round soon: there may be something to do."""
        self._woken.set()

    def stop(self) -> None:
        """Begin no other round."""
        self._stopping.set()
        self._woken.set()

    async def run(self, once: Callable[[], Awaitable[timedelta | None]]) -> None:
        """Do rounds until `stop` is called.

        Args:
            once: does one, and gives for how long there is nothing to do; None until it is woken. What wakes
                it meanwhile begins another.
        """
        while not self.ending:
            self._woken.clear()
            await self._rest(await once())

    async def pause(self, duration: timedelta) -> None:
        """Wait within a round, but no longer than until the end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), duration.total_seconds())

    async def _rest(self, duration: timedelta | None) -> None:
        least = self._least if duration is None else min(duration, self._least)
        if least > timedelta():
            await self.pause(least)
        more = None if duration is None else max(duration - least, timedelta()).total_seconds()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), more)
