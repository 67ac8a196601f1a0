"""The clock of the daemon: woken, asleep, set back, and with a database that cannot be used for a while."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
import structlog

from asn1 import ill
from iso_gateway.errors import StoreError
from iso_gateway.running import timekeeping
from iso_gateway.running.timekeeping import CLOCK_STOOD_STILL, Timekeeper
from iso_gateway.store.records import HalfId
from iso_gateway.store.unit_of_work import UnitOfWork
from iso_gateway.store.writer import Writer
from tests.support import apdus
from tests.support.gateway import AT_SFU, Desk

#: The end of 20 November where BEX is.
AT = datetime.fromisoformat("2026-11-21T08:00:00+00:00")
SEARCH = ill.SearchType(expiry_flag=ill.ExpiryFlag.other_Date, expiry_date="20261120")
REQUEST = replace(apdus.ill_request(requester="ILLUME:SFU"), search_type=SEARCH)
#: For how long a test waits for what it expects before it fails.
PATIENCE = 60


@pytest.fixture(autouse=True)
def _short_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timekeeping, "NAP", timedelta(milliseconds=50))
    monkeypatch.setattr(timekeeping, "REST", timedelta(milliseconds=1))


@dataclass(slots=True)
class Watched:
    """A timekeeper at work, and how often it looks at its clock."""

    keeper: Timekeeper
    looks: asyncio.Queue[None]

    async def look(self, *, times: int) -> None:
        """Wait until it has looked so often from now on."""
        while not self.looks.empty():
            self.looks.get_nowait()
        for _ in range(times):
            await asyncio.wait_for(self.looks.get(), PATIENCE)


@asynccontextmanager
async def keeping_time(desk: Desk, acted: Callable[[], None]) -> AsyncIterator[Watched]:
    writer = Writer(desk.site.store)
    looks: asyncio.Queue[None] = asyncio.Queue()

    def clock() -> datetime:
        looks.put_nowait(None)
        return desk.clock()

    keeper = Timekeeper(desk.site.gateway, desk.site.store, writer, clock=clock, acted=acted)
    task = asyncio.create_task(keeper.run())
    try:
        yield Watched(keeper=keeper, looks=looks)
    finally:
        keeper.stop()
        await asyncio.wait_for(task, PATIENCE)
        await asyncio.to_thread(writer.close)


async def test_what_comes_due_is_done_when_the_clock_says_so(desk: Desk) -> None:
    half = desk.begin(REQUEST, peer=AT_SFU)
    acted = asyncio.Event()
    async with keeping_time(desk, acted.set) as watched:
        await watched.look(times=5)
        assert not acted.is_set()
        desk.clock.now = AT
        await asyncio.wait_for(acted.wait(), PATIENCE)
    assert desk.half(half).state == "NOT-SUPPLIED"


async def test_being_woken_ends_a_long_sleep(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timekeeping, "NAP", timedelta(days=1))
    acted = asyncio.Event()
    async with keeping_time(desk, acted.set) as watched:
        desk.clock.now = AT
        half = desk.begin(REQUEST, peer=AT_SFU)
        watched.keeper.wake()
        await asyncio.wait_for(acted.wait(), PATIENCE)
    assert desk.half(half).state == "NOT-SUPPLIED"


async def test_a_clock_that_is_set_back_only_puts_it_off(desk: Desk) -> None:
    half = desk.begin(REQUEST, peer=AT_SFU)
    acted = asyncio.Event()
    async with keeping_time(desk, acted.set) as watched:
        desk.clock.now = AT - timedelta(days=30)
        watched.keeper.wake()
        await watched.look(times=4)
        assert desk.half(half).state == "IN-PROCESS"
        desk.clock.now = AT
        await asyncio.wait_for(acted.wait(), PATIENCE)


async def test_a_database_that_cannot_be_used_is_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = desk.begin(REQUEST, peer=AT_SFU)
    desk.clock.now = AT
    acted = asyncio.Event()
    tick = desk.site.gateway.tick
    failures = iter([True, True, False])

    def fails_twice(uow: UnitOfWork) -> datetime | None:
        if next(failures, False):
            raise StoreError("the disk is full")
        return tick(uow)

    monkeypatch.setattr(desk.site.gateway, "tick", fails_twice)
    with structlog.testing.capture_logs() as logs:
        async with keeping_time(desk, acted.set):
            await asyncio.wait_for(acted.wait(), PATIENCE)
    assert [one["event"] for one in logs if one["log_level"] == "error"] == [CLOCK_STOOD_STILL] * 2
    assert desk.half(HalfId(half)).state == "NOT-SUPPLIED"
