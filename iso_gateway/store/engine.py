"""Opening the database, and bringing its tables up to date.

Theory of operation. Python 3.11's sqlite3 starts transactions by itself, late and not for every statement,
so that SAVEPOINT and reads do not belong to them. We switch that off and send BEGIN ourselves: IMMEDIATE,
so that a unit of work which reads and then writes takes the write lock first and never has to be repeated;
DEFERRED for reading. WAL with synchronous=FULL puts every commit on disk (fdatasync of the log) before it
returns.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from iso_gateway.errors import ConflictError, DisconnectedError, StoreError, UnavailableError
from iso_gateway.logs import escaped
from iso_gateway.store.migrations import versions

if TYPE_CHECKING:
    from alembic.config import Config

#: How long a statement waits for another process before it fails, in milliseconds.
BUSY_TIMEOUT_MS = 5_000
#: PostgreSQL: how long a transaction may do nothing, in milliseconds, before it is undone. What it has locked
#: others wait for, and a gateway that was stopped in the middle of one would hold them up until it goes on.
#: Less than others wait, so that none of them fails for it.
IDLE_TIMEOUT_MS = 2_000
#: `Connection.execution_options` key: how SQLite begins a transaction on it.
BEGIN_OPTION = "iso_gateway_begin"
Begin = Literal["IMMEDIATE", "DEFERRED"]

#: How long PostgreSQL may take to be reached, in seconds, and for how long it may leave what we sent without
#: an answer, in milliseconds: without a limit, a server that vanishes holds up the gateway for a quarter of
#: an hour. What the URL says goes before.
_PATIENCE = {"connect_timeout": 10, "tcp_user_timeout": 30_000, "keepalives_idle": 30}
#: SQLSTATEs of what only happens because of another process: serialization_failure, deadlock_detected,
#: unique_violation (PostgreSQL 15, appendix A).
_CONFLICTS = frozenset({"40001", "40P01", "23505"})

#: Classes of SQLSTATEs that are no mistake of the gateway's: insufficient resources, as a full disk; operator
#: intervention; system error.
_UNAVAILABLE = frozenset({"53", "57", "58"})
#: The same for SQLite, by its primary result code, with what to do.
_ADVICE = {
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_IOERR: "see whether its disk is full or broken (dmesg)",
    sqlite3.SQLITE_READONLY: "see whether its disk is mounted read-only, and whose its files are",
    sqlite3.SQLITE_CANTOPEN: "see whether its directory is there, and whose its files are",
    sqlite3.SQLITE_NOMEM: "this machine is out of memory",
}

#: The most that is told of what a server says, in characters.
_LONGEST_REASON = 200

_UPGRADE_LOCK = 0x49534F31  # any number that only this program uses: "ISO1"
_BASE = "base"


def parsed_url(url: str) -> URL:
    """Read the URL of a database. Raises StoreError, which does not show it: it may hold a password."""
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError(
            "the database URL is not one; give sqlite:///PATH or postgresql://USER@HOST/NAME,"
            " in a password %2F for /, %40 for @, %3A for :"
        ) from None


def open_engine(url: str) -> Engine:
    """Open a database: `sqlite:///PATH` or `postgresql://...`. Nothing is created but an empty SQLite file.

    Raises StoreError for a URL that is neither, or for a place where no file can be made.
    """
    parsed = parsed_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return _open_sqlite(parsed)
        case "postgresql":
            return _open_postgresql(parsed)
        case other:
            raise StoreError(f"database {other!r} is not supported; use sqlite:///PATH or postgresql://...")


def open_sqlite_file(path: Path) -> Engine:
    """Open an SQLite database by its path, whatever characters that has."""
    return _open_sqlite(URL.create("sqlite", database=str(path.absolute())))


def _open_sqlite(url: URL) -> Engine:
    path = url.database
    if not path or path.startswith((":memory:", "file:")):
        raise StoreError("an SQLite database must be a file, or nothing would be kept; give sqlite:///PATH")
    _create_private(Path(path))
    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_private(path: Path) -> None:
    """Make an empty database that has its log and its mode from birth, unless there is a file already.

    The owner alone may read it; SQLite gives its log and index files the same mode. It is made under another
    name and linked into place, for two reasons. Switching a database to WAL that others are opening fails at
    once, without regard to busy_timeout. And closing a descriptor of a database file drops every lock that
    this process holds on it (sqlite.org/howtocorrupt.html, 2.2), so we never open the file itself.
    """
    if path.exists():
        return
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        os.close(descriptor)
        try:
            with closing(sqlite3.connect(name)) as connection:
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
            path.hardlink_to(name)
        finally:
            Path(name).unlink()
    except FileExistsError:
        return  # another process was faster, in the same way
    except OSError as error:
        raise StoreError(
            f"cannot make database file {str(path)!r}: {error.strerror};"
            " its directory must exist and be writable"
        ) from error


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # no BEGIN of the driver's own
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        (mode,) = cursor.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(
                f"SQLite cannot keep its log here (journal mode {mode!r}); put the file on a local disk"
            )
        for pragma in (
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",
            "temp_store = MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
    finally:
        cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    mode: Begin = connection.get_execution_options().get(BEGIN_OPTION, "IMMEDIATE")
    connection.exec_driver_sql(f"BEGIN {mode}")


def _open_postgresql(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        patience = {name: limit for name, limit in _PATIENCE.items() if name not in url.query}
        engine = create_engine(url, hide_parameters=True, connect_args=patience)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise StoreError(
            "the PostgreSQL driver is not installed; install iso-gateway with its extra 'postgresql'"
        ) from error
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_postgresql(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    try:
        # Whatever the server's default: a commit that has returned is on disk.
        cursor.execute("SET synchronous_commit TO on")
        cursor.execute(f"SET lock_timeout TO {BUSY_TIMEOUT_MS}")
        cursor.execute(f"SET idle_in_transaction_session_timeout TO {IDLE_TIMEOUT_MS}")
        connection.commit()
    finally:
        cursor.close()


def may_take_long(connection: Connection) -> None:
    """Let this transaction do nothing for as long as it likes: it locks nothing that gateways wait for."""
    if connection.dialect.name == "postgresql":
        # No rows to stream: a cursor of the server's cannot be declared for it.
        connection.exec_driver_sql(
            "SET LOCAL idle_in_transaction_session_timeout TO 0", execution_options={"stream_results": False}
        )


def describe(engine: Engine) -> str:
    """The database's URL for people, without its password."""
    return engine.url.render_as_string(hide_password=True)


def upgrade(engine: Engine) -> None:
    """Bring the tables up to date, in one transaction; two processes may do it at once.

    Raises StoreError when the database was made by a newer version than this one, or cannot be reached.
    """
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
                may_take_long(connection)
            found = _revision(connection)
            _refuse_newer(engine, found)
            if found != newest():
                _migrate(connection)
    except DBAPIError as error:
        raise failure(engine, error) from error


def current(engine: Engine) -> str:
    """The revision of the database's tables; "base" when there are none."""
    try:
        with engine.connect().execution_options(**{BEGIN_OPTION: "DEFERRED"}) as connection:
            return _revision(connection)
    except DBAPIError as error:
        raise failure(engine, error) from error


def newest() -> str:
    """The revision that this version of the program works with."""
    return max(_revisions())


def require_current(engine: Engine) -> None:
    """Raise StoreError unless the tables are exactly those this version works with."""
    found = current(engine)
    if found != newest():
        _refuse_newer(engine, found)
        raise StoreError(
            f"database {describe(engine)!r} is at revision {found!r}, this version works with {newest()!r};"
            " start the gateway with iso-gateway serve, which upgrades it"
        )


def data_version(connection: Connection) -> int:
    """A number that differs from the last one when others have committed since: cheap enough to ask often.

    Ask on one connection that does nothing else (`engine.connect()`, kept open): SQLite counts per
    connection, and does not count that connection's own commits. On PostgreSQL the number may also differ
    without a commit.
    """
    # Past SQLAlchemy on purpose: through it, asking would begin a transaction, and with that a lock.
    driver = connection.connection
    cursor = driver.cursor()
    try:
        if connection.dialect.name == "sqlite":
            cursor.execute("PRAGMA data_version")
        else:
            cursor.execute("SELECT hashtext(pg_current_snapshot()::text)")
        (version,) = cursor.fetchone() or (0,)
        driver.rollback()
    finally:
        cursor.close()
    return int(version)


def failure(engine: Engine, error: DBAPIError) -> StoreError:
    """Say what the database refused, without the values that were given to it."""
    where = describe(engine)
    original = error.orig
    if isinstance(original, sqlite3.OperationalError) and "locked" in str(original):
        return UnavailableError(
            f"database {where!r} was kept locked for {BUSY_TIMEOUT_MS} ms;"
            " find the process that holds it, and try again"
        )
    for earlier in _sqlite_errors(original):
        if advice := _ADVICE.get(_primary_code(earlier)):
            return UnavailableError(f"database {where!r} can take nothing now: {earlier}; {advice}")
    if isinstance(original, sqlite3.Error):
        # SQLite names tables, columns and constraints in its messages, never values.
        return StoreError(f"database {where!r} refused a statement: {original}; nothing of it was stored")
    # psycopg's messages quote values ("Key (a)=(b) already exists"): only the kind of error, and its
    # SQLSTATE.
    state = getattr(original, "sqlstate", None)
    if error.connection_invalidated:
        return DisconnectedError(
            f"the connection to database {where!r} broke: {type(original).__name__} (SQLSTATE {state});"
            " see whether the server runs"
        )
    if state is not None and state[:2] in _UNAVAILABLE:
        return UnavailableError(
            f"database {where!r} can take nothing now: {type(original).__name__} (SQLSTATE {state});"
            " see the server's log, and whether its disk is full"
        )
    if state is None and error.statement is None and isinstance(error, OperationalError):
        # Of a connection that was never made; libpq says who could not be reached, or was not let in, and
        # never a password.
        said = escaped(next(iter(str(original).splitlines()), "")[:_LONGEST_REASON])
        return UnavailableError(
            f"cannot connect to database {where!r}: {said}; check database_url, and whether the server runs"
        )
    kind = ConflictError if state in _CONFLICTS else StoreError
    return kind(
        f"database {where!r} refused a statement: {type(original).__name__} (SQLSTATE {state});"
        " nothing of it was stored"
    )


def _sqlite_errors(error: BaseException | None) -> Iterator[sqlite3.Error]:
    """An error of SQLite's and those that led to it.

    Why: a full disk ends the whole transaction, and the savepoint that is to be undone then is not found.
    """
    one = error
    while one is not None:
        if isinstance(one, sqlite3.Error):
            yield one
        one = one.__context__


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without what it says in detail (sqlite.org/rescode.html)."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _migrate(connection: Connection) -> None:
    # Late, because every start of a program would pay for it, and hardly any has tables to change.
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "iso_gateway.store:migrations")
    config.set_main_option("path_separator", "os")
    return config


@cache
def _revisions() -> frozenset[str]:
    """The revisions that this version knows: the numbers at the ends of the names of their files."""
    return frozenset(
        file.stem.rpartition("_")[2]
        for directory in versions.__path__
        for file in Path(directory).glob("*_[0-9]*.py")
    )


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return _BASE
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
    return _BASE if found is None else str(found)


def _refuse_newer(engine: Engine, revision: str) -> None:
    if revision not in _revisions() | {_BASE}:
        raise StoreError(
            f"database {describe(engine)!r} is at revision {revision!r}, which this version does not know:"
            " a newer version made it; install that version, or restore a backup"
        )
