"""Statements that come again and go straight to the driver: the same answers, the same errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy
from sqlalchemy import bindparam, event, func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, NoResultFound

from iso_gateway.store.connection import Connection, Statements
from iso_gateway.store.engine import open_engine, upgrade
from iso_gateway.store.keyring import KeyRing
from iso_gateway.store.records import OutboxKind, OutboxStatus
from iso_gateway.store.tables import keys, outbox
from iso_gateway.store.unit_of_work import Store
from tests.integration.store import samples

#: How often a statement has to come until the driver executes it.
AGAIN = 2


@pytest.fixture
def statements() -> Statements:
    return Statements()


@contextmanager
def connected(store: Store, statements: Statements) -> Iterator[Connection]:
    with store.engine.begin() as plain:
        yield Connection(plain, statements)


@contextmanager
def executed_by_sqlalchemy(store: Store) -> Iterator[list[str]]:
    """The statements that SQLAlchemy executes meanwhile."""
    seen: list[str] = []

    def note(*arguments: object) -> None:
        seen.append(str(arguments[2]))

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(store.engine, "before_cursor_execute", note)


def queued(message_id: int, at: datetime) -> dict[str, object]:
    return {
        "lane": "a",
        "kind": OutboxKind.MESSAGE,
        "message_id": message_id,
        "partner": "SFU",
        "status": OutboxStatus.WAITING,
        "attempts": 0,
        "next_attempt_at": at,
        "fence": 0,
        "created_at": at,
        "expires_at": at,
    }


class TestAnswers:
    def test_the_driver_answers_as_sqlalchemy_does(self, store: Store, statements: Statements) -> None:
        """Types, NULL and an instant in another zone come back the same, whoever executes the statement."""
        at = datetime(2026, 11, 22, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=-8)))
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
        adding = insert(outbox).returning(outbox.c.id)
        reading = select(outbox).where(outbox.c.lane == bindparam("lane")).order_by(outbox.c.id)
        with connected(store, statements) as connection:
            numbers = [connection.execute(adding, queued(message, at)).scalar_one() for _ in range(3)]
            with executed_by_sqlalchemy(store) as seen:
                first = connection.execute(reading, {"lane": "a"}).all()
                assert len(seen) == 1
                again = connection.execute(reading, {"lane": "a"}).all()
                assert len(seen) == 1, "the driver's, this time"
        assert [tuple(row) for row in first] == [tuple(row) for row in again]
        assert [row.id for row in again] == numbers
        assert dict(again[0]._mapping) == dict(first[0]._mapping)
        assert (again[0].status, again[0].payload) == (OutboxStatus.WAITING, None)
        assert (again[0].created_at, again[0].created_at.tzinfo) == (at, UTC)

    def test_how_many_rows_changed(self, store: Store, statements: Statements) -> None:
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
        adding = insert(outbox)
        changing = (
            update(outbox).where(outbox.c.lane == bindparam("which")).values(attempts=outbox.c.attempts + 1)
        )
        with connected(store, statements) as connection:
            for _ in range(3):
                connection.execute(adding, queued(message, samples.NOW))
            assert [connection.execute(changing, {"which": "a"}).rowcount for _ in range(3)] == [3, 3, 3]
            assert [connection.execute(changing, {"which": "b"}).rowcount for _ in range(2)] == [0, 0]

    def test_one_row_or_none(self, store: Store, statements: Statements) -> None:
        counting = select(func.count()).select_from(outbox)
        reading = select(outbox.c.id).where(outbox.c.id == bindparam("id"))
        with connected(store, statements) as connection:
            for _ in range(3):
                assert connection.execute(counting).scalar_one() == 0
                answer = connection.execute(reading, {"id": 1})
                assert (answer.one_or_none(), answer.scalar(), list(answer)) == (None, None, [])
                with pytest.raises(NoResultFound):
                    answer.scalar_one()

    def test_an_insert_of_other_columns_is_not_taken_for_the_first(
        self, store: Store, statements: Statements
    ) -> None:
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
        adding = insert(outbox)
        row = queued(message, samples.NOW)
        with connected(store, statements) as connection:
            for _ in range(3):
                connection.execute(adding, row)
            connection.execute(adding, {**row, "last_error": "why"})
            connection.execute(adding, [row, row])
            found = connection.execute(select(outbox.c.last_error).order_by(outbox.c.id)).all()
        assert [one.last_error for one in found] == [None, None, None, "why", None, None]

    def test_a_statement_whose_text_depends_on_its_values_stays_with_sqlalchemy(
        self, store: Store, statements: Statements
    ) -> None:
        reading = select(keys.c.id).where(keys.c.id.in_((1, 2, 3)))
        with connected(store, statements) as connection, executed_by_sqlalchemy(store) as seen:
            answers = [[row.id for row in connection.execute(reading)] for _ in range(4)]
        assert answers == [[1, 2]] * 4
        assert len(seen) == 4

    def test_what_is_read_first_is_in_a_transaction(self, store: Store) -> None:
        """Otherwise two reads of one unit of work could see two moments."""
        statements = Statements()
        counting = select(func.count()).select_from(keys)
        with connected(store, statements) as connection:
            for _ in range(AGAIN):
                connection.execute(counting)
        with store.engine.connect() as plain:
            Connection(plain, statements).execute(counting)
            assert plain.in_transaction()


class TestErrors:
    def test_they_are_sqlalchemys(self, store: Store, statements: Statements) -> None:
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
        adding = insert(outbox)
        row = queued(message, samples.NOW)
        with connected(store, statements) as connection:
            for _ in range(AGAIN):
                connection.execute(adding, row)
        with pytest.raises(IntegrityError), connected(store, statements) as connection:
            connection.execute(adding, {**row, "message_id": message, "attempts": -1})
        with connected(store, statements) as connection:
            assert connection.execute(select(func.count()).select_from(outbox)).scalar_one() == AGAIN

    def test_a_connection_that_broke_is_given_up(
        self, postgresql_url: str, ring: KeyRing, statements: Statements
    ) -> None:
        engine = open_engine(postgresql_url)
        upgrade(engine)
        store = Store(engine, ring)
        counting = select(func.count()).select_from(keys)
        with connected(store, statements) as connection:
            for _ in range(AGAIN):
                connection.execute(counting)
        ending = sqlalchemy.text("SELECT pg_terminate_backend(:pid)")
        with store.engine.connect() as other, store.engine.connect() as plain:
            pid = plain.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            other.execute(ending, {"pid": pid})
            with pytest.raises(DBAPIError) as caught:
                Connection(plain, statements).execute(counting)
            assert caught.value.connection_invalidated
            assert plain.invalidated
        with connected(store, statements) as connection:
            assert connection.execute(counting).scalar_one() == 2
        engine.dispose()
