"""A desk for every test; the flows that depend on the database have one on PostgreSQL as well."""

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import Settings
from iso_gateway.store.keyring import create_master_key
from tests.support.dispatching import lines, wire
from tests.support.gateway import Desk, settings_in
from tests.support.postgresql import Cluster

__all__ = ["lines", "wire"]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def made_already(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an empty database and its key, for tests to copy: making one takes a while."""
    directory = tmp_path_factory.mktemp("gateway")
    with Desk.open(settings_in(directory)):
        return directory


@pytest.fixture
def settings(tmp_path: Path, made_already: Path) -> Settings:
    """Settings, and an empty SQLite database to go with them."""
    shutil.copytree(made_already, tmp_path, dirs_exist_ok=True)
    return settings_in(tmp_path)


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    """A gateway on SQLite."""
    with Desk.open(settings) as desk:
        yield desk


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def portable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings with a database in which no gateway has run yet, SQLite first and then PostgreSQL."""
    if request.param == "sqlite":
        yield settings_in(tmp_path)
        return
    cluster: Cluster = request.getfixturevalue("postgresql_cluster")
    with cluster.database(f"gateway_{next(_numbers)}", tables=True) as url:
        settings = replace(settings_in(tmp_path), database_url=url)
        create_master_key(settings.master_key_file)
        yield settings
