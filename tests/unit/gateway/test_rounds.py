"""Rounds of work: when the next one begins, and when none does any more."""

import asyncio
from datetime import timedelta

from iso_gateway.rounds import Rounds

#: For how long a test waits for what it expects before it fails.
PATIENCE = 10
LONG = timedelta(hours=1)


class Work:
    """Rounds that are counted, each of which has nothing more to do for so long."""

    def __init__(self, rounds: Rounds, *then: timedelta | None) -> None:
        self.rounds = rounds
        self._then = list(then)
        self.done: asyncio.Queue[int] = asyncio.Queue()
        self._number = 0

    async def once(self) -> timedelta | None:
        self._number += 1
        self.done.put_nowait(self._number)
        return self._then.pop(0)

    async def begun(self) -> int:
        return await asyncio.wait_for(self.done.get(), PATIENCE)


async def ended(running: asyncio.Task[None]) -> None:
    await asyncio.wait_for(running, PATIENCE)


async def test_the_next_round_begins_when_something_comes_due_or_something_wakes_it() -> None:
    rounds = Rounds()
    work = Work(rounds, timedelta(milliseconds=1), timedelta(), LONG, None, LONG)
    running = asyncio.create_task(rounds.run(work.once))
    assert [await work.begun() for _ in range(3)] == [1, 2, 3]
    rounds.wake()
    assert await work.begun() == 4
    rounds.wake()
    assert await work.begun() == 5
    rounds.stop()
    await ended(running)


async def test_what_wakes_it_in_the_middle_of_a_round_begins_another() -> None:
    rounds = Rounds()
    inside, on = asyncio.Event(), asyncio.Event()
    number = 0

    async def once() -> None:
        nonlocal number
        number += 1
        if number == 2:
            rounds.stop()
            return
        inside.set()
        await on.wait()

    running = asyncio.create_task(rounds.run(once))
    await inside.wait()
    rounds.wake()
    on.set()
    await ended(running)
    assert number == 2


async def test_however_often_it_is_woken_it_rests_for_a_while() -> None:
    rounds = Rounds(least=LONG)
    work = Work(rounds, LONG)
    running = asyncio.create_task(rounds.run(work.once))
    await work.begun()
    rounds.wake()
    await asyncio.wait({running}, timeout=0.01)
    assert work.done.empty()
    rounds.stop()
    await ended(running)


async def test_it_rests_no_longer_than_there_is_nothing_to_do() -> None:
    rounds = Rounds(least=LONG)
    work = Work(rounds, timedelta(), LONG)
    running = asyncio.create_task(rounds.run(work.once))
    assert [await work.begun() for _ in range(2)] == [1, 2]
    rounds.stop()
    await ended(running)


async def test_a_wait_within_a_round_ends_with_the_rounds_and_none_begins_after_that() -> None:
    rounds = Rounds()
    waiting = asyncio.create_task(rounds.pause(LONG))
    rounds.stop()
    await ended(waiting)
    work = Work(rounds)
    await ended(asyncio.create_task(rounds.run(work.once)))
    assert work.done.empty()
    assert rounds.ending
