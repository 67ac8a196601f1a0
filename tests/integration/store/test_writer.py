"""The writer thread, on both databases."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from typing import NoReturn

import pytest
from sqlalchemy import Engine, event, text

from iso_gateway.errors import ConflictError, DisconnectedError, StoreError, UnavailableError
from iso_gateway.store.contention import REPETITIONS
from iso_gateway.store.engine import open_engine, upgrade
from iso_gateway.store.keyring import KeyRing
from iso_gateway.store.records import MessageId, TransactionId
from iso_gateway.store.unit_of_work import Store, UnitOfWork
from iso_gateway.store.writer import Writer
from tests.integration.store import samples
from tests.support.postgresql import Cluster

DEADLINE_SECONDS = 60


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
        losing = Losing(ConflictError("lost"), times=REPETITIONS)
        writer.submit(losing).result(DEADLINE_SECONDS)
        assert losing.runs == 1 + REPETITIONS
        assert count(store) == 1

    def test_but_not_for_ever(self, store: Store, writer: Writer) -> None:
        losing = Losing(ConflictError("lost"), times=100)
        with pytest.raises(ConflictError):
            writer.submit(losing).result(DEADLINE_SECONDS)
        assert losing.runs == 1 + REPETITIONS
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


@pytest.mark.postgresql
class TestBesideOthers:
    """Gateways that write to one PostgreSQL database at the same time."""

    @pytest.fixture
    def writers(self, postgresql_engine: Engine, ring: KeyRing) -> Iterator[tuple[Writer, Writer]]:
        """Those of two gateways."""
        one, two = (Writer(Store(postgresql_engine, ring), batch=8) for _ in range(2))
        yield one, two
        one.close()
        two.close()

    def test_two_that_begin_one_transaction_at_the_same_moment_both_get_through(
        self, writers: tuple[Writer, Writer]
    ) -> None:
        together = threading.Barrier(2)
        tries: list[bool] = []

        def begin(uow: UnitOfWork) -> TransactionId:
            known = uow.transactions.find(b"t-1")
            tries.append(known is not None)
            if known is not None:
                return known.id
            together.wait(DEADLINE_SECONDS)
            return samples.add_transaction(uow)

        one, two = writers[0].submit(begin), writers[1].submit(begin)
        assert one.result(DEADLINE_SECONDS) == two.result(DEADLINE_SECONDS)
        assert sorted(tries) == [False, False, True]

    def test_two_that_wait_for_each_other_both_get_through(
        self, writers: tuple[Writer, Writer], postgresql_engine: Engine, ring: KeyRing
    ) -> None:
        with Store(postgresql_engine, ring).unit_of_work() as uow:
            transaction = samples.add_transaction(uow)
            halves = [samples.add_half(uow, transaction, local=name) for name in ("A", "B")]
        together = threading.Barrier(2)
        tries: list[int] = []

        def lock(number: int, uow: UnitOfWork) -> int:
            tries.append(number)
            uow.halves.get(halves[number])
            if len(tries) <= 2:
                together.wait(DEADLINE_SECONDS)
            uow.halves.get(halves[1 - number])
            return number

        futures = [writer.submit(partial(lock, number)) for number, writer in enumerate(writers)]
        assert [future.result(DEADLINE_SECONDS) for future in futures] == [0, 1]
        assert 3 <= len(tries) <= 2 + REPETITIONS

    def test_one_that_loses_leaves_the_others_of_its_commit_alone(
        self, writers: tuple[Writer, Writer]
    ) -> None:
        writer, other = writers
        gate = Gate()
        first = writer.submit(gate)
        assert gate.entered.wait(DEADLINE_SECONDS)
        tries: list[None] = []

        def begin(uow: UnitOfWork) -> bool:
            tries.append(None)
            if uow.transactions.find(b"t-1") is not None:
                return False
            other.submit(samples.add_transaction).result(DEADLINE_SECONDS)
            samples.add_transaction(uow)
            return True

        before, losing, after = (
            writer.submit(store_message),
            writer.submit(begin),
            writer.submit(store_message),
        )
        gate.opened.set()
        ids = {future.result(DEADLINE_SECONDS) for future in (first, before, after)}
        assert len(ids) == 3
        assert losing.result(DEADLINE_SECONDS) is False
        assert len(tries) == 2

    def test_what_clashes_whatever_others_do_is_given_up(self, writers: tuple[Writer, Writer]) -> None:
        tries: list[None] = []

        def clash(uow: UnitOfWork) -> None:
            tries.append(None)
            transaction = samples.add_transaction(uow)
            samples.add_half(uow, transaction, local="Secretive")
            samples.add_half(uow, transaction, local="Secretive")

        with pytest.raises(ConflictError, match="UniqueViolation") as caught:
            writers[0].submit(clash).result(DEADLINE_SECONDS)
        assert "Secretive" not in str(caught.value)
        assert len(tries) == 1 + REPETITIONS
        assert writers[0].submit(store_message).result(DEADLINE_SECONDS) > 0

    def test_a_connection_that_broke_meanwhile_costs_nothing(
        self, writers: tuple[Writer, Writer], postgresql_engine: Engine
    ) -> None:
        first = writers[0].submit(store_message).result(DEADLINE_SECONDS)
        break_connections(postgresql_engine)
        assert writers[0].submit(store_message).result(DEADLINE_SECONDS) == first + 1

    def test_a_connection_that_breaks_before_the_commit_costs_nothing(
        self, writers: tuple[Writer, Writer], postgresql_engine: Engine, ring: KeyRing
    ) -> None:
        tries: list[None] = []

        def store_and_break(uow: UnitOfWork) -> MessageId:
            tries.append(None)
            stored = samples.add_message(uow)
            if len(tries) == 1:
                break_connections(postgresql_engine)
                samples.add_message(uow)
            return stored

        stored = writers[0].submit(store_and_break).result(DEADLINE_SECONDS)
        assert len(tries) == 2
        with Store(postgresql_engine, ring).reading() as uow:
            assert [one.message.id for one in uow.messages.list()] == [stored]

    def test_a_connection_that_breaks_at_the_commit_is_told(
        self, writers: tuple[Writer, Writer], postgresql_engine: Engine
    ) -> None:
        tries: list[None] = []

        def store_and_break(uow: UnitOfWork) -> None:
            tries.append(None)
            samples.add_message(uow)

        broken: list[None] = []

        def at_commit(_connection: object) -> None:
            if not broken:
                broken.append(None)
                break_connections(postgresql_engine)

        event.listen(postgresql_engine, "commit", at_commit)
        # Whether it was stored nobody can say, so it is not done a second time.
        with pytest.raises(StoreError, match="broke"):
            writers[0].submit(store_and_break).result(DEADLINE_SECONDS)
        assert len(tries) == 1
        assert writers[0].submit(store_message).result(DEADLINE_SECONDS) > 0

    def test_a_server_that_is_away_is_told_and_used_again_when_it_is_back(
        self, postgresql_cluster: Cluster, ring: KeyRing
    ) -> None:
        with postgresql_cluster.database("away") as url:
            engine = open_engine(url)
            upgrade(engine)
            writer = Writer(Store(engine, ring))
            try:
                writer.submit(store_message).result(DEADLINE_SECONDS)
                postgresql_cluster.stop()
                try:
                    with pytest.raises(UnavailableError, match="cannot connect to database"):
                        writer.submit(store_message).result(DEADLINE_SECONDS)
                finally:
                    postgresql_cluster.start()
                assert writer.submit(store_message).result(DEADLINE_SECONDS) > 0
            finally:
                writer.close()
                engine.dispose()


def break_connections(engine: Engine) -> None:
    """End every connection to a database but the one that asks for it."""
    query = (
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    another = open_engine(engine.url.render_as_string(hide_password=False))
    with another.connect() as connection:
        assert all(connection.execute(text(query)).scalars())
    another.dispose()
