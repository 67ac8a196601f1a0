"""Every store test runs on both databases; what is special to one has a module of its own."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from iso_gateway.store.engine import open_engine, upgrade
from iso_gateway.store.keyring import KeyRing
from iso_gateway.store.unit_of_work import Store
from tests.support.postgresql import Cluster, postgresql_cluster

__all__ = ["postgresql_cluster"]

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
_numbers = itertools.count(1)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'gateway.db'}"
        return
    cluster: Cluster = request.getfixturevalue("postgresql_cluster")
    with cluster.database(f"store_{next(_numbers)}") as url:
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
    engine = open_database()
    upgrade(engine)
    return engine


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
    engine = open_engine(f"sqlite:///{tmp_path / 'only.db'}")
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def postgresql_url(postgresql_cluster: Cluster) -> Iterator[str]:
    """An empty PostgreSQL database, for what only PostgreSQL has."""
    with postgresql_cluster.database(f"only_{next(_numbers)}") as url:
        yield url


@pytest.fixture
def postgresql_engine(postgresql_url: str) -> Iterator[Engine]:
    """A PostgreSQL database with its tables."""
    engine = open_engine(postgresql_url)
    upgrade(engine)
    yield engine
    engine.dispose()
