"""Saying that the gateway lives, as long as it does: the event loop turns, and the database answers.

Each time a unit of work goes through the one writer, like everything that comes in. If it does not come back,
nothing more is said, and the service manager starts the gateway anew. A database that answers that it can
take nothing (a full disk, a lock) does live: to start anew would not help, and what is refused now is tried
again anyway. So that is said, and no more.

Must not import: adapters.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from iso_gateway.errors import StoreError
from iso_gateway.running.service_manager import ServiceManager
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

REFUSED: Final = "watchdog.database-refuses"

#: How many times within the service manager's patience we say that we live.
TIMES: Final = 3


async def watch_over(manager: ServiceManager, writer: Writer, status: Callable[[], str]) -> None:
    """Say again and again that the gateway lives, until cancelled; returns at once if nobody asks.

    Args:
        manager: who is told.
        writer: the one writer of the store.
        status: gives the line that is said with it.
    """
    if manager.watchdog is None:
        return
    interval = (manager.watchdog / TIMES).total_seconds()
    while True:
        said = status()
        try:
            await writer.run(lambda uow: uow.sending.held())
        except StoreError as error:
            log.warning(REFUSED, error=str(error))
            said = f"the database refuses: {error}"
        manager.alive(said)
        await asyncio.sleep(interval)
