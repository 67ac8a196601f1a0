"""The writer thread, on both databases."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NoReturn

import pytest
from sqlalchemy import event

from iso_gateway.errors import StoreError
from iso_gateway.store.records import MessageId
from iso_gateway.store.unit_of_work import Store, UnitOfWork
from iso_gateway.store.writer import Writer
from tests.integration.store import samples

DEADLINE_SECONDS = 30


@pytest.fixture
def start(store: Store) -> Iterator[Callable[[int], Writer]]:
    """Starts writers; all are closed at the end."""
    with ExitStack() as stack:

        def another(batch: int) -> Writer:
            writer = Writer(store, batch=batch)
            stack.callback(writer.close)
            return writer

        yield another


@pytest.fixture
def writer(start: Callable[[int], Writer]) -> Writer:
    """A writer as the gateway has it."""
    return start(1)


def store_message(uow: UnitOfWork) -> MessageId:
    return samples.add_message(uow)


def fail(uow: UnitOfWork) -> NoReturn:
    samples.add_message(uow, b"never")
    raise LookupError("on purpose")


class Gate:
    """A callable that holds the writer until it is opened, so that others line up behind it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, uow: UnitOfWork) -> MessageId:
        self.entered.set()
        assert self.opened.wait(DEADLINE_SECONDS)
        return samples.add_message(uow, b"gate")


def count(store: Store) -> int:
    with store.reading() as uow:
        return len(uow.messages.list())


class TestWriter:
    async def test_a_result_comes_after_its_commit(self, store: Store, writer: Writer) -> None:
        message = await writer.run(store_message)
        with store.reading() as uow:
            assert uow.messages.raw(message) == b"\x61\x03abc"

    def test_nothing_is_delivered_before_the_commit_has_returned(self, store: Store, writer: Writer) -> None:
        done_at_commit = []
        gate = Gate()
        future = writer.submit(gate)
        event.listen(store.engine, "commit", lambda _connection: done_at_commit.append(future.done()))
        gate.opened.set()
        future.result(DEADLINE_SECONDS)
        assert done_at_commit == [False]

    async def test_a_failure_is_the_callers_and_undoes_its_own_work(
        self, store: Store, writer: Writer
    ) -> None:
        with pytest.raises(LookupError, match="on purpose"):
            await writer.run(fail)
        await writer.run(store_message)
        assert count(store) == 1

    def test_one_after_the_other_in_order_on_one_thread(self, writer: Writer) -> None:
        seen: list[tuple[int, int]] = []

        def note(number: int) -> Callable[[UnitOfWork], None]:
            return lambda _uow: seen.append((number, threading.get_ident()))

        futures = [writer.submit(note(number)) for number in range(20)]
        for future in futures:
            future.result(DEADLINE_SECONDS)
        assert [number for number, _ in seen] == list(range(20))
        assert len({thread for _, thread in seen}) == 1
        assert seen[0][1] != threading.get_ident()

    def test_closing_finishes_what_is_in_hand_and_takes_no_more(self, store: Store, writer: Writer) -> None:
        gate = Gate()
        futures = [writer.submit(gate), *(writer.submit(store_message) for _ in range(3))]
        assert gate.entered.wait(DEADLINE_SECONDS)
        gate.opened.set()
        writer.close()
        assert all(future.done() for future in futures)
        assert count(store) == 4
        with pytest.raises(StoreError, match="writer is closed"):
            writer.submit(store_message)
        writer.close()

    def test_what_is_cancelled_before_it_began_is_not_done(self, store: Store, writer: Writer) -> None:
        gate = Gate()
        first = writer.submit(gate)
        assert gate.entered.wait(DEADLINE_SECONDS)
        cancelled = writer.submit(store_message)
        assert cancelled.cancel()
        assert not first.cancel()
        gate.opened.set()
        writer.close()
        assert count(store) == 1

    async def test_a_caller_that_goes_away_leaves_the_writer_working(
        self, store: Store, writer: Writer
    ) -> None:
        gate = Gate()
        task = asyncio.create_task(writer.run(gate))
        assert await asyncio.to_thread(gate.entered.wait, DEADLINE_SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.opened.set()
        await writer.run(store_message)
        assert count(store) == 2

    def test_a_commit_that_fails_is_nobodys_result(self, store: Store, writer: Writer) -> None:
        def refuse(_connection: object) -> None:
            raise OSError("disk full")

        gate = Gate()
        future = writer.submit(gate)
        event.listen(store.engine, "commit", refuse)
        gate.opened.set()
        with pytest.raises(OSError, match="disk full"):
            future.result(DEADLINE_SECONDS)
        event.remove(store.engine, "commit", refuse)
        writer.submit(store_message).result(DEADLINE_SECONDS)
        assert count(store) == 1


class TestSharedCommit:
    def test_waiting_callables_share_a_commit_and_fail_alone(
        self, store: Store, start: Callable[[int], Writer]
    ) -> None:
        writer = start(3)
        gate = Gate()
        writer.submit(gate)
        assert gate.entered.wait(DEADLINE_SECONDS)
        commits: list[object] = []
        good, bad, also_good = (writer.submit(job) for job in (store_message, fail, store_message))
        beyond = writer.submit(store_message)
        event.listen(store.engine, "commit", commits.append)
        gate.opened.set()
        writer.close()
        assert isinstance(bad.exception(), LookupError)
        assert len({good.result(), also_good.result(), beyond.result()}) == 3
        assert count(store) == 4
        assert len(commits) == 3, "the gate alone, three together, one more"
