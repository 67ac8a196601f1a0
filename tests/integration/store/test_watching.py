"""Noticing what others have committed, on both databases."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import Engine
from structlog.testing import capture_logs

from iso_gateway.store import watching
from iso_gateway.store.keyring import KeyRing
from iso_gateway.store.unit_of_work import Store
from tests.integration.store import samples
from tests.integration.store.test_writer import break_connections

PATIENCE = 60


class Noticed:
    """Counts how often something was noticed, and can wait for the next time."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Condition()
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._event.set()

    async def next(self) -> None:
        """Return when something is noticed after now."""
        self._event.clear()
        async with asyncio.timeout(PATIENCE):
            await self._event.wait()


@asynccontextmanager
async def watched(engine: Engine, *others: Callable[[], None]) -> AsyncIterator[Noticed]:
    """Watch a database; others are told too."""
    noticed = Noticed()
    task = asyncio.create_task(watching.watch(engine, noticed, *others))
    try:
        yield noticed
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture(autouse=True)
def _no_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is noticed is noticed because it was told."""
    monkeypatch.setattr(watching, "FALLBACK", timedelta(hours=1))
    monkeypatch.setattr(watching, "PAUSE", timedelta(milliseconds=10))


def queue(store: Store) -> None:
    with store.unit_of_work() as uow:
        samples.queue(uow, samples.add_message(uow))


async def until_it_watches(store: Store, noticed: Noticed) -> None:
    """Commit until it is noticed: a watch that has just begun may miss the first one."""
    while not noticed.count:
        await asyncio.to_thread(queue, store)
        await asyncio.sleep(0)


async def test_what_another_process_queues_is_noticed(engine: Engine, store: Store) -> None:
    async with watched(engine) as noticed:
        await until_it_watches(store, noticed)
        waiting = asyncio.create_task(noticed.next())
        await asyncio.to_thread(queue, store)
        await waiting


@pytest.mark.postgresql
async def test_a_watch_that_lost_its_connection_looks_once_it_has_a_new_one(
    postgresql_engine: Engine, ring: KeyRing
) -> None:
    store = Store(postgresql_engine, ring)
    structlog.reset_defaults()
    looked_again = asyncio.Event()
    with capture_logs() as lines:

        def look() -> None:
            # What was queued before may still be noticed before it fails.
            if watching.WATCH_FAILED in [line["event"] for line in lines]:
                looked_again.set()

        async with watched(postgresql_engine, look) as noticed:
            await until_it_watches(store, noticed)
            await asyncio.to_thread(break_connections, postgresql_engine)
            async with asyncio.timeout(PATIENCE):
                await looked_again.wait()


@pytest.mark.postgresql
async def test_without_any_word_it_is_taken_that_there_may_be_something(
    postgresql_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "FALLBACK", timedelta(milliseconds=10))
    async with watched(postgresql_engine) as noticed:
        for _ in range(3):
            await noticed.next()
