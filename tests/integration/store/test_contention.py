"""Several threads on one database, each as another process would be."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlalchemy import Engine, func, select, text

from iso_gateway.errors import DisconnectedError, StoreError
from iso_gateway.store.connection import Connection
from iso_gateway.store.engine import data_version, open_engine, upgrade
from iso_gateway.store.keyring import KeyRing
from iso_gateway.store.keys import create_key
from iso_gateway.store.records import KeyPurpose
from iso_gateway.store.unit_of_work import Store
from tests.integration.store import samples

T = TypeVar("T")
THREADS = 4
DEADLINE_SECONDS = 60


def together(work: Callable[[int], T]) -> list[T]:
    """Do `work` in several threads that begin at the same moment."""
    barrier = threading.Barrier(THREADS)

    def begin(number: int) -> T:
        barrier.wait(DEADLINE_SECONDS)
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


class TestContention:
    def test_one_of_many_claims_a_row(
        self, store: Store, ring: KeyRing, open_database: Callable[[], Engine]
    ) -> None:
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
            rows = [samples.queue(uow, message, lane=str(n)) for n in range(5)]
        stores = [Store(open_database(), ring) for _ in range(THREADS)]

        def claim_all(number: int) -> list[int | None]:
            fences = []
            for row in rows:
                with stores[number].unit_of_work() as uow:
                    until = samples.NOW + timedelta(seconds=30)
                    fences.append(uow.leases.claim(row, f"w{number}", samples.NOW, until))
            return fences

        by_row = list(zip(*together(claim_all), strict=True))
        assert [sorted(fences, key=str) for fences in by_row] == [[1, None, None, None]] * 5

    def test_inputs_of_one_half_are_numbered_without_gap_or_clash(
        self, store: Store, ring: KeyRing, open_database: Callable[[], Engine]
    ) -> None:
        with store.unit_of_work() as uow:
            half = samples.add_half(uow, samples.add_transaction(uow))
        stores = [Store(open_database(), ring) for _ in range(THREADS)]

        def move(number: int) -> None:
            for _ in range(5):
                with stores[number].unit_of_work() as uow:
                    flags = uow.halves.get(half).flags
                    samples.add_input(uow, half, None)
                    uow.halves.update(half, state="SHIPPED", flags=(*flags, f"f{len(flags)}"), at=samples.NOW)

        together(move)
        with store.reading() as uow:
            assert [row.sequence for row in uow.inputs.of(half)] == list(range(1, 21))
            assert len(uow.halves.get(half).flags) == 22, "no change was lost"

    def test_a_new_database_may_be_opened_by_many_at_once(
        self, open_database: Callable[[], Engine], ring: KeyRing
    ) -> None:
        engines = [open_database() for _ in range(THREADS)]

        def open_new(number: int) -> Store:
            upgrade(engines[number])
            return Store(engines[number], ring)

        first, *others = together(open_new)
        with first.unit_of_work() as uow:
            message = samples.add_message(uow, b"octets")
            uow.messages.processed(message, at=samples.NOW, verdict="applied", partner="SFU")
        for other in others:
            with other.reading() as uow:
                # Only with the same digest key is it found, and only with the intake key is it readable.
                assert uow.messages.find_exact(b"octets", partner="SFU") == (message,)
                assert uow.messages.raw(message) == b"octets"


@pytest.fixture
def postgresql_store(postgresql_url: str, ring: KeyRing) -> Iterator[Store]:
    """A store on PostgreSQL."""
    engine = open_engine(postgresql_url)
    upgrade(engine)
    yield Store(engine, ring)
    engine.dispose()


@pytest.mark.postgresql
class TestPostgresql:
    def test_events_become_visible_in_the_order_of_their_numbers(self, postgresql_store: Store) -> None:
        store = postgresql_store

        def append() -> int:
            with store.unit_of_work() as uow:
                return uow.events.append(
                    kind="second", half_id=None, message_id=None, detail=None, at=samples.NOW
                )

        with ThreadPoolExecutor(1) as pool:
            with store.unit_of_work() as uow:
                first = uow.events.append(
                    kind="first", half_id=None, message_id=None, detail=None, at=samples.NOW
                )
                waiting: Future[int] = pool.submit(append)
                wait_until_blocked(store.engine, waiting)
                assert not waiting.done(), "it would be visible before the event that it comes after"
            assert waiting.result(DEADLINE_SECONDS) > first

    def test_the_second_to_make_the_digest_key_takes_that_of_the_first(
        self, postgresql_url: str, ring: KeyRing
    ) -> None:
        engine = open_engine(postgresql_url)
        upgrade(engine)
        with ThreadPoolExecutor(1) as pool:
            with engine.begin() as connection:
                create_key(Connection(connection), ring, KeyPurpose.DIGEST, samples.NOW)
                waiting: Future[Store] = pool.submit(Store, engine, ring)
                wait_until_blocked(engine, waiting)
                assert not waiting.done()
            waiting.result(DEADLINE_SECONDS)
        with engine.connect() as connection:
            purposes = connection.execute(text("SELECT purpose FROM keys ORDER BY purpose")).scalars().all()
        assert purposes == ["digest", "intake"]
        engine.dispose()

    def test_commits_are_on_disk_whatever_the_server_says(self, postgresql_store: Store) -> None:
        url = postgresql_store.engine.url
        with postgresql_store.engine.begin() as connection:
            connection.execute(text(f'ALTER DATABASE "{url.database}" SET synchronous_commit TO off'))
        engine = open_engine(url.render_as_string(hide_password=False))
        with engine.connect() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
        engine.dispose()

    @pytest.mark.usefixtures("strict_postgresql")
    def test_whoever_stops_in_the_middle_holds_nobody_up_for_long(self, postgresql_store: Store) -> None:
        """A gateway that was stopped keeps what it has locked until the server breaks its connection."""
        with postgresql_store.unit_of_work() as uow:
            message = samples.add_message(uow)
            row = samples.queue(uow, message, lane="1")
        until = samples.NOW + timedelta(seconds=30)

        def stop_in_the_middle() -> None:
            with postgresql_store.unit_of_work() as stopped:
                assert stopped.leases.claim(row, "stopped", samples.NOW, until) == 1
                with postgresql_store.unit_of_work() as other:
                    assert other.leases.claim(row, "other", samples.NOW, until) == 1

        with pytest.raises(DisconnectedError):
            stop_in_the_middle()
        with postgresql_store.reading() as looking:
            assert looking.outbox.list()[0].lease_owner == "other"

    @pytest.mark.usefixtures("strict_postgresql")
    def test_whoever_only_reads_may_take_long(self, postgresql_store: Store) -> None:
        limit = select(func.current_setting("idle_in_transaction_session_timeout"))
        with postgresql_store.reading() as uow:
            assert uow._connection.execute(limit).scalar_one() == "0"
        with postgresql_store.unit_of_work() as uow:
            assert uow._connection.execute(limit).scalar_one() == "2s"

    def test_others_commits_are_noticed_and_asking_keeps_nothing_open(self, postgresql_store: Store) -> None:
        with postgresql_store.engine.connect() as watching:
            before = data_version(watching)
            with postgresql_store.unit_of_work() as uow:
                samples.add_message(uow)
            assert data_version(watching) != before
            with postgresql_store.engine.connect() as other:
                idle = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")
                assert other.execute(idle).scalar_one() == 0

    def test_values_are_not_in_errors(self, postgresql_store: Store) -> None:
        def clash() -> None:
            with postgresql_store.unit_of_work() as uow:
                transaction = samples.add_transaction(uow)
                samples.add_half(uow, transaction, local="Secretive")
                samples.add_half(uow, transaction, local="Secretive")

        with pytest.raises(StoreError, match=r"UniqueViolation \(SQLSTATE 23505\)") as caught:
            clash()
        assert "Secretive" not in str(caught.value)


def wait_until_blocked(engine: Engine, future: Future[T]) -> None:
    """Ask the server until some statement waits for a lock (or the one that should has ended)."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not future.done() and time.monotonic() < deadline:
            if connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one():
                return
