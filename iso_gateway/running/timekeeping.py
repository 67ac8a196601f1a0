"""The one clock of the daemon: it sleeps until something comes due, and then has it done.

What comes due are the deadlines of halves and the messages that were held for coming too early. Whoever may
have changed them (a message that was processed, a commit of another process) wakes the clock, which then
looks when something is due next; it works only when something is. It never sleeps long, so that a clock that
was set, either way, costs a minute at most.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from iso_gateway.errors import StoreError
from iso_gateway.rounds import Rounds
from iso_gateway.services import Gateway
from iso_gateway.store.unit_of_work import Store
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

CLOCK_STOOD_STILL: Final = "clock.database-unavailable"

#: The longest sleep: the clock on the wall may be set meanwhile.
NAP: Final = timedelta(minutes=1)
#: How long it does not look again after it has looked, however often it is woken.
REST: Final = timedelta(milliseconds=250)


class Timekeeper:
    """Has done what comes due.

    Args:
        gateway: the use cases.
        store: what to look in.
        writer: the one writer of the store.
        clock: gives the moment, aware.
        acted: called when something was done, which may have left something to send.
    """

    def __init__(
        self,
        gateway: Gateway,
        store: Store,
        writer: Writer,
        *,
        clock: Callable[[], datetime],
        acted: Callable[[], None],
    ) -> None:
        self._gateway = gateway
        self._store = store
        self._writer = writer
        self._clock = clock
        self._acted = acted
        self._rounds = Rounds(least=REST)

    def wake(self) -> None:
        """Look again soon when something comes due: it may have changed."""
        self._rounds.wake()

    def stop(self) -> None:
        """Begin nothing more."""
        self._rounds.stop()

    async def run(self) -> None:
        """Have done what comes due, until `stop` is called."""
        await self._rounds.run(self._do_what_is_due)

    async def _do_what_is_due(self) -> timedelta:
        """Do what is due now; gives for how long nothing is."""
        try:
            moment = await asyncio.to_thread(self._look)
            while moment is not None and moment <= self._clock() and not self._rounds.ending:
                moment = await self._writer.run(self._gateway.tick)
                self._acted()
        except StoreError as error:
            log.error(CLOCK_STOOD_STILL, error=str(error))  # noqa: TRY400 - it says what to do
            return NAP
        return NAP if moment is None else min(max(moment - self._clock(), timedelta()), NAP)

    def _look(self) -> datetime | None:
        with self._store.reading() as uow:
            # A database that sends nothing may be an old copy: what passed there was dealt with elsewhere.
            return None if uow.sending.held() is not None else self._gateway.next_moment(uow)
