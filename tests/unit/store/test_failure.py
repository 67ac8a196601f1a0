"""What the database's refusals become: those that pass by themselves are told from the others."""

import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError

from iso_gateway.errors import ConflictError, DisconnectedError, StoreError, UnavailableError
from iso_gateway.store.engine import failure


class RefusedError(Exception):
    """What psycopg raises, as far as it is looked at."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("Key (title)=(The Penelopiad) already exists")
        self.sqlstate = sqlstate


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine that connects to nothing."""
    engine = create_engine("sqlite:////nowhere/gateway.db")
    yield engine
    engine.dispose()


def refused_by_sqlite(code: int, text: str) -> DBAPIError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return DBAPIError(None, None, error)


@pytest.mark.parametrize(
    ("code", "text", "advice"),
    [
        (sqlite3.SQLITE_FULL, "database or disk is full", "make room on its disk"),
        (sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error", "see whether its disk is full or broken"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "attempt to write a readonly database", "mounted read-only"),
        (sqlite3.SQLITE_CANTOPEN, "unable to open database file", "whose its files are"),
        (sqlite3.SQLITE_NOMEM, "out of memory", "this machine is out of memory"),
        (sqlite3.SQLITE_BUSY, "database is locked", "find the process that holds it"),
    ],
)
def test_what_sqlite_cannot_take_now_it_may_take_later(
    engine: Engine, code: int, text: str, advice: str
) -> None:
    error = failure(engine, refused_by_sqlite(code, text))
    assert isinstance(error, UnavailableError)
    assert advice in str(error)


def test_what_sqlite_never_takes_is_no_outage(engine: Engine) -> None:
    error = failure(engine, refused_by_sqlite(sqlite3.SQLITE_ERROR, "no such table: messages"))
    assert type(error) is StoreError
    without_a_code = failure(engine, DBAPIError(None, None, sqlite3.InterfaceError("bad")))
    assert type(without_a_code) is StoreError


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("53100", UnavailableError),
        ("57P03", UnavailableError),
        ("58030", UnavailableError),
        ("40001", ConflictError),
        ("22001", StoreError),
        (None, StoreError),
    ],
)
def test_what_postgresql_refuses_never_shows_a_value(
    engine: Engine, state: str | None, kind: type[StoreError]
) -> None:
    error = failure(engine, DBAPIError(None, None, RefusedError(state)))
    assert type(error) is kind
    assert "Penelopiad" not in str(error)


def test_a_server_that_is_not_there_is_an_outage(engine: Engine) -> None:
    error = failure(engine, OperationalError(None, None, RefusedError(None)))
    assert type(error) is UnavailableError
    assert "check database_url, and whether the server runs" in str(error)


def test_a_connection_that_broke_is_an_outage(engine: Engine) -> None:
    error = failure(engine, DBAPIError(None, None, RefusedError(None), connection_invalidated=True))
    assert isinstance(error, DisconnectedError)
    assert isinstance(error, UnavailableError)
