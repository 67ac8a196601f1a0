"""Taking up received messages that were stored and never classified.

A gateway that dies between the two leaves them, and so does one whose classification failed: because the
database was away, or because of a mistake in the program. They are looked for when a gateway starts and after
each of its heartbeats. What fails again and again is left until the next start, so that it cannot keep the
gateway busy.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from iso_gateway.store.records import MessageId
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

LEFT_UNPROCESSED: Final = "apdu.left-unprocessed"

#: How often one message is tried in one run of the gateway.
TRIES: Final = 5


class Recovery:
    """Looks for what was left behind, and has it classified.

    Args:
        writer: the one writer of the store.
        process: classifies a message; does nothing if another gateway has, or if it is in hand. It raises
            UnavailableError when the database can take nothing.
        lease: after how long a message that another gateway stored counts as left behind.
        clock: gives the moment, aware.
    """

    def __init__(
        self,
        writer: Writer,
        process: Callable[[MessageId], Awaitable[object]],
        *,
        lease: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._writer = writer
        self._process = process
        self._lease = lease
        self._clock = clock
        self._settled = 0
        self._tries: Counter[MessageId] = Counter()

    async def run(self, *, alone: bool = False) -> int:
        """Take up what is there now, and give how many messages that is.

        Args:
            alone: nobody else can be classifying anything at this moment.

        Raises:
            StoreError: the database cannot be asked, or can take nothing now.
        """
        now = self._clock()
        since = now - self._lease
        found, settled = await self._writer.run(
            lambda uow: uow.messages.left_behind(
                after=self._settled, until=now if alone else since, alive_since=since
            )
        )
        again = [message_id for message_id in found if self._tries[message_id] < TRIES]
        for message_id in again:
            # Only what fails by itself counts: an outage, however long, may have nothing to do with it.
            await self._process(message_id)
            self._tries[message_id] += 1
            if self._tries[message_id] == TRIES:
                log.error(LEFT_UNPROCESSED, message_id=message_id, tries=TRIES)
        # Not beyond what may have to be tried once more.
        self._settled = min([settled, *(message_id - 1 for message_id in again)])
        return len(again)
