"""Every store test runs on both databases; what is special to one has a module of its own."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from iso_gateway.store.engine import open_engine
from iso_gateway.store.keyring import KeyRing
from iso_gateway.store.unit_of_work import Store
from tests.support import empty
from tests.support.postgresql import Cluster

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
_numbers = itertools.count(1)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database: with its tables for whoever asks for `engine`, and empty for others."""
    tables = "engine" in request.fixturenames
    if request.param == "sqlite":
        path = tmp_path / "gateway.db"
        if tables:
            empty.put_sqlite(path)
        yield f"sqlite:///{path}"
        return
    cluster: Cluster = request.getfixturevalue("postgresql_cluster")
    with cluster.database(f"store_{next(_numbers)}", tables=tables) as url:
        yield url


@pytest.fixture
def open_database(database_url: str) -> Iterator[Callable[[], Engine]]:
    """Opens the database, each time as another process would; all are closed at the end."""
    with ExitStack() as stack:

        def another() -> Engine:
            engine = open_engine(database_url)
            stack.callback(engine.dispose)
            return engine

        yield another


@pytest.fixture
def engine(open_database: Callable[[], Engine]) -> Engine:
    """The database with its tables."""
    return open_database()


@pytest.fixture
def ring() -> KeyRing:
    """The key ring of the database."""
    return KeyRing(b"m" * 32)


@pytest.fixture
def store(engine: Engine, ring: KeyRing) -> Store:
    """A store on the empty database."""
    return Store(engine, ring, clock=lambda: NOW)


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    """An SQLite database with its tables, for what only SQLite has."""
    path = tmp_path / "only.db"
    empty.put_sqlite(path)
    engine = open_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def postgresql_url(postgresql_cluster: Cluster) -> Iterator[str]:
    """A PostgreSQL database with its tables, for what only PostgreSQL has."""
    with postgresql_cluster.database(f"only_{next(_numbers)}", tables=True) as url:
        yield url


@pytest.fixture
def postgresql_engine(postgresql_url: str) -> Iterator[Engine]:
    """A PostgreSQL database with its tables."""
    engine = open_engine(postgresql_url)
    yield engine
    engine.dispose()
