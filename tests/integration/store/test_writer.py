"""The writer thread, on both databases."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import NoReturn

import pytest
from sqlalchemy import event

from iso_gateway.errors import ConflictError, DisconnectedError, StoreError
from iso_gateway.store.records import MessageId
from iso_gateway.store.unit_of_work import Store, UnitOfWork
from iso_gateway.store.writer import REPETITIONS, Writer
from tests.integration.store import samples

DEADLINE_SECONDS = 30


@pytest.fixture
def start(store: Store) -> Iterator[Callable[..., Writer]]:
    """Starts writers; all are closed at the end."""
    with ExitStack() as stack:

        def another(batch: int, *, share_for: float = 30.0) -> Writer:
            writer = Writer(store, batch=batch, share_for=share_for)
            stack.callback(writer.close)
            return writer

        yield another


@pytest.fixture
def writer(start: Callable[..., Writer]) -> Writer:
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


class Losing:
    """A callable that fails so many times before it works; `then` is done when it fails."""

    def __init__(self, error: Exception, *, times: int, then: Callable[[], None] = lambda: None) -> None:
        self.runs = 0
        self._error = error
        self._times = times
        self._then = then

    def __call__(self, uow: UnitOfWork) -> MessageId:
        self.runs += 1
        message = samples.add_message(uow)
        if self.runs <= self._times:
            self._then()
            raise self._error
        return message


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
    """What waits while the gate is passed joins the gate's commit."""

    @pytest.fixture
    def commits(self, store: Store) -> list[object]:
        """The commits so far."""
        seen: list[object] = []
        event.listen(store.engine, "commit", seen.append)
        return seen

    def test_callables_that_wait_share_a_commit(
        self, store: Store, start: Callable[..., Writer], commits: list[object]
    ) -> None:
        futures = self._behind_a_gate(start(3), [store_message] * 5)
        assert len({future.result() for future in futures}) == 6
        assert count(store) == 6
        assert len(commits) == 2, "three with the gate, and three more"

    def test_one_that_fails_fails_alone(
        self, store: Store, start: Callable[..., Writer], commits: list[object]
    ) -> None:
        gate, good, bad, also_good, beyond = self._behind_a_gate(
            start(4), [store_message, fail, store_message, store_message]
        )
        assert isinstance(bad.exception(), LookupError)
        assert len({future.result() for future in (gate, good, also_good, beyond)}) == 4
        assert count(store) == 4
        assert len(commits) == 3, "the gate and the good one by themselves, and two together behind the bad"

    def test_a_commit_that_takes_long_is_joined_by_no_more(
        self, start: Callable[..., Writer], commits: list[object]
    ) -> None:
        futures = self._behind_a_gate(start(64, share_for=0.0), [store_message] * 2)
        assert len({future.result() for future in futures}) == 3
        assert len(commits) == 3

    def test_what_is_cancelled_among_others_is_not_done(
        self, store: Store, start: Callable[..., Writer]
    ) -> None:
        writer = start(64)
        gate = Gate()
        writer.submit(gate)
        assert gate.entered.wait(DEADLINE_SECONDS)
        first, second, third = (writer.submit(store_message) for _ in range(3))
        cancelled = second.cancel()
        gate.opened.set()
        writer.close()
        assert cancelled
        assert first.result() != third.result()
        assert count(store) == 3

    def test_a_database_that_cannot_be_written_to_fails_all_that_wait(
        self, store: Store, start: Callable[..., Writer]
    ) -> None:
        entered, opened = threading.Event(), threading.Event()

        def refuse(_connection: object) -> None:
            entered.set()
            assert opened.wait(DEADLINE_SECONDS)
            raise OSError("locked")

        writer = start(64)
        event.listen(store.engine, "begin", refuse)
        futures = [writer.submit(store_message)]
        assert entered.wait(DEADLINE_SECONDS)
        futures += [writer.submit(store_message) for _ in range(2)]
        opened.set()
        for future in futures:
            with pytest.raises(OSError, match="locked"):
                future.result(DEADLINE_SECONDS)
        event.remove(store.engine, "begin", refuse)
        writer.submit(store_message).result(DEADLINE_SECONDS)
        assert count(store) == 1

    def test_a_commit_that_fails_is_the_result_of_none_of_those_that_share_it(
        self, store: Store, start: Callable[..., Writer]
    ) -> None:
        def refuse(_connection: object) -> None:
            raise OSError("disk full")

        event.listen(store.engine, "commit", refuse)
        futures = self._behind_a_gate(start(64), [store_message] * 2)
        assert {str(future.exception()) for future in futures} == {"disk full"}
        event.remove(store.engine, "commit", refuse)
        assert count(store) == 0

    @staticmethod
    def _behind_a_gate(
        writer: Writer, functions: Sequence[Callable[[UnitOfWork], MessageId]]
    ) -> list[Future[MessageId]]:
        gate = Gate()
        futures = [writer.submit(gate)]
        assert gate.entered.wait(DEADLINE_SECONDS)
        futures += [writer.submit(function) for function in functions]
        gate.opened.set()
        writer.close()
        return futures


class TestAgain:
    """What failed for another process only is done again."""

    def test_what_lost_to_another_process_is_done_again(self, store: Store, writer: Writer) -> None:
        losing = Losing(ConflictError("lost"), times=REPETITIONS + 1)
        writer.submit(losing).result(DEADLINE_SECONDS)
        assert losing.runs == REPETITIONS + 2, "once with others, and then by itself"
        assert count(store) == 1

    def test_but_not_for_ever(self, store: Store, writer: Writer) -> None:
        losing = Losing(ConflictError("lost"), times=100)
        with pytest.raises(ConflictError):
            writer.submit(losing).result(DEADLINE_SECONDS)
        assert losing.runs == REPETITIONS + 2
        assert count(store) == 0

    def test_what_lost_its_connection_is_done_again(self, store: Store, writer: Writer) -> None:
        writer.submit(Losing(DisconnectedError("broke"), times=2)).result(DEADLINE_SECONDS)
        assert count(store) == 1

    def test_what_lost_its_connection_in_the_commit_is_not(self, store: Store, writer: Writer) -> None:
        def lose(_connection: object) -> None:
            raise DisconnectedError("broke")

        event.listen(store.engine, "commit", lose)
        losing = Losing(DisconnectedError("broke"), times=0)
        with pytest.raises(DisconnectedError):
            writer.submit(losing).result(DEADLINE_SECONDS)
        event.remove(store.engine, "commit", lose)
        assert losing.runs == 1

    def test_nor_when_it_was_by_itself(self, store: Store, writer: Writer) -> None:
        def lose(_connection: object) -> None:
            raise DisconnectedError("broke")

        losing = Losing(
            ConflictError("lost"), times=1, then=lambda: event.listen(store.engine, "commit", lose)
        )
        with pytest.raises(DisconnectedError):
            writer.submit(losing).result(DEADLINE_SECONDS)
        event.remove(store.engine, "commit", lose)
        assert losing.runs == 2
