"""A private PostgreSQL 15 for tests: a cluster in a temporary directory, reached by a unix socket only.

The server refuses to run as root, so as root it runs as the user `postgres` that Debian's package makes.
Durability is switched off: these tests ask whether our statements are right, not whether PostgreSQL keeps its
promises.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from unittest.mock import patch
from urllib.parse import quote

import psycopg
import pytest

from iso_gateway.store import engine as engines
from iso_gateway.store.engine import open_engine, upgrade
from tests.support.peers import require

BINARIES = Path("/usr/lib/postgresql/15/bin")
_SUPERUSER = "iso_gateway_test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running server; `database` makes a database in it."""

    socket_directory: Path
    _templates: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Start the server."""
        top = self.socket_directory
        options = f"-c listen_addresses= -k {top} -c fsync=off -c full_page_writes=off"
        control = (BINARIES / "pg_ctl", "-D", top / "data", "-l", top / "log", "-w", "-o", options, "start")
        _run(_as_server_user(*control))

    def stop(self) -> None:
        """Stop the server at once; connections break."""
        _run(
            _as_server_user(
                BINARIES / "pg_ctl", "-D", self.socket_directory / "data", "-w", "-m", "fast", "stop"
            )
        )

    @contextmanager
    def database(self, name: str, *, tables: bool = False) -> Iterator[str]:
        """Give the URL of a new database, dropped at the end.

        Args:
            name: what it is called.
            tables: whether it has its tables, as the gateway's first start makes them.
        """
        template = f' TEMPLATE "{self._template()}"' if tables else ""
        self._execute(f'CREATE DATABASE "{name}"{template}')
        try:
            yield self._url(name)
        finally:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _template(self) -> str:
        """The database that those with tables are copies of: made once, because that takes a while."""
        if not self._templates:
            name = "template"
            self._execute(f'CREATE DATABASE "{name}"')
            engine = open_engine(self._url(name))
            upgrade(engine)
            # While somebody is connected to it, it cannot be copied.
            engine.dispose()
            self._templates.append(name)
        return self._templates[0]

    def _url(self, name: str) -> str:
        host = quote(str(self.socket_directory), safe="")
        return f"postgresql://{_SUPERUSER}@/{quote(name)}?host={host}"

    def _execute(self, statement: str) -> None:
        # A connection each time: the server may have been stopped meanwhile.
        server = f"host={self.socket_directory} user={_SUPERUSER} dbname=postgres"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(statement.encode())


def _as_server_user(*command: str | Path) -> list[str]:
    words = [str(word) for word in command]
    return ["runuser", "-u", "postgres", "--", *words] if os.geteuid() == 0 else words


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Make a cluster, run it, and take it away again."""
    # Not below pytest's own directory: a socket's path is short, and `postgres` must be able to get there.
    top = Path(tempfile.mkdtemp(prefix="isogw-pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(top, "postgres")
        data = top / "data"
        trusting = ("-U", _SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        _run(_as_server_user(BINARIES / "initdb", "-D", data, *trusting))
        cluster = Cluster(socket_directory=top)
        cluster.start()
        try:
            yield cluster
        finally:
            _run(_as_server_user(BINARIES / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"))
    finally:
        shutil.rmtree(top)


def _run(command: list[str]) -> None:
    # Not captured by pipes: the server inherits them and would keep them open for ever.
    with tempfile.TemporaryFile() as output:
        result = subprocess.run(command, stdout=output, stderr=output, cwd="/", check=False)
        if result.returncode != 0:
            output.seek(0)
            pytest.fail(f"{command} ended with {result.returncode}: {output.read().decode(errors='replace')}")


#: What tests are given, and what the product gives, in milliseconds.
PATIENCE_MS: Final = 60_000
_STRICT_MS: Final = engines.IDLE_TIMEOUT_MS


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[Cluster]:
    """The cluster of this test session; skips where PostgreSQL 15 is not installed.

    Where many tests share the machine, a test may stand still for longer in the middle of a transaction than
    the server lets a gateway. What is undone then is for tests that ask for `strict_postgresql`.
    """
    require((BINARIES / "initdb").exists(), "PostgreSQL 15", "apt-get install postgresql-15")
    with running_cluster() as cluster, patch.object(engines, "IDLE_TIMEOUT_MS", PATIENCE_MS):
        yield cluster


@pytest.fixture
def strict_postgresql(monkeypatch: pytest.MonkeyPatch, postgresql_cluster: Cluster) -> None:
    """Engines that are opened from now on give a transaction that does nothing no more than they ever do."""
    del postgresql_cluster  # it comes first, and lets all others take longer
    monkeypatch.setattr(engines, "IDLE_TIMEOUT_MS", _STRICT_MS)
