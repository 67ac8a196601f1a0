"""Backups: one SQLite file with everything but the master key, whatever database the gateway has.

Theory of operation. A backup is taken while the gateway runs, as of one moment. It is written under another
name, checked, put on disk, and only then given its name, which nothing may have yet: a file of that name is
a whole backup. Nothing is ever sent from a backup by itself. It is marked as held (`gateways.Sending`), and a
gateway that is started on it, or on a database that it was restored to, receives and sends nothing until an
operator resumes: what the backup holds as waiting was delivered long ago, unless it was taken a moment ago.
Numbers that were given after it was taken are not given a second time.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import sqlalchemy
from sqlalchemy import Engine, delete, func, select
from sqlalchemy.exc import DBAPIError

from iso_gateway.errors import StoreError
from iso_gateway.store.connection import Connection
from iso_gateway.store.copying import TABLES, copy, skip_numbers
from iso_gateway.store.engine import describe, failure, open_sqlite_file, upgrade
from iso_gateway.store.gateways import hold_sending
from iso_gateway.store.tables import events, gateways, halves, messages, outbox, site_state

#: How many numbers a restored database leaves out: more than any gateway gives between two backups.
SKIPPED: Final = 1_000_000


def back_up(engine: Engine, path: Path, at: datetime) -> Mapping[str, int]:
    """Write a backup of a database to a new file that its owner alone may read; gives its rows by table.

    Raises:
        StoreError: there is such a file, it cannot be written, or the database cannot be read.
    """
    with _file_in_place(path) as unfinished:
        if engine.dialect.name == "sqlite":
            _vacuum_into(engine, unfinished)
        with _opened(unfinished) as made:
            if engine.dialect.name != "sqlite":
                copy(engine, made)
            hold(made, f"this is a backup of {at:%Y-%m-%d %H:%M} UTC", at)
            return _checked(made)


def restore(
    backup: Path, target: Engine | Path, workspace: Path, at: datetime, *, check: Callable[[Engine], None]
) -> Mapping[str, int]:
    """Put a backup, or the SQLite file of a gateway that does not run, into a new database; gives its rows.

    Args:
        backup: the file; it is not changed, and may have been made by an earlier version.
        target: an empty PostgreSQL database, or where there is to be an SQLite file.
        workspace: a directory for the work on the way, on the same disk as an SQLite target.
        at: the moment.
        check: called with the database before it is put in place; may raise.

    Raises:
        StoreError: the backup cannot be used, or the target is not new.
    """
    place = target if isinstance(target, Path) else workspace / f"restored-{secrets.token_hex(4)}.db"
    try:
        with _file_in_place(place) as unfinished:
            try:
                shutil.copyfile(backup, unfinished)
            except OSError as error:
                raise StoreError(f"cannot read backup {str(backup)!r}: {error.strerror}") from error
            with _opened(unfinished) as made:
                upgrade(made)
                check(made)
                hold(made, f"this was restored from a backup on {at:%Y-%m-%d %H:%M} UTC", at, keep=True)
                _skip_numbers(made)
                counts = _checked(made)
                if isinstance(target, Engine):
                    copy(made, target)
        return counts
    finally:
        if isinstance(target, Engine):
            place.unlink(missing_ok=True)


def hold(engine: Engine, reason: str, at: datetime, *, keep: bool = False) -> None:
    """Mark a database as one from which nothing is sent, and in which no gateway runs.

    `keep`: if it is marked already, the reason that it has stays.
    """
    try:
        with engine.begin() as connection:
            connection.execute(delete(gateways))
            hold_in(connection, reason, at, keep=keep)
    except DBAPIError as error:
        raise failure(engine, error) from error


def hold_in(connection: sqlalchemy.Connection, reason: str, at: datetime, *, keep: bool = False) -> None:
    """As `hold`, in a transaction in which no gateway is known."""
    if not (keep and connection.execute(select(site_state)).first()):
        hold_sending(Connection(connection), reason, at)


def release(engine: Engine) -> None:
    """Let a database send that was held."""
    try:
        with engine.begin() as connection:
            connection.execute(delete(site_state))
    except DBAPIError as error:
        raise failure(engine, error) from error


def _skip_numbers(engine: Engine) -> None:
    """Leave out the numbers that may have been given after the backup was taken, and that others remember.

    A webhook passes over events that it has been told of; a mail that comes back names the row of the outbox
    that it was sent for; people know requests and messages by their numbers.
    """
    try:
        with engine.begin() as connection:
            skip_numbers(connection, (messages, halves, events, outbox), SKIPPED)
    except DBAPIError as error:
        raise failure(engine, error) from error


def _vacuum_into(engine: Engine, path: Path) -> None:
    """SQLite's own copy: as of one moment, without what was deleted, and holding up no writer."""
    connection = engine.raw_connection()
    driver = engine.dialect.loaded_dbapi
    try:
        # Past SQLAlchemy on purpose: it would begin a transaction, in which there is no VACUUM.
        connection.cursor().execute("VACUUM INTO ?", (str(path),))
    except driver.Error as error:
        raise StoreError(
            f"database {describe(engine)!r} cannot be copied to {str(path.parent)!r}: {error};"
            " see that there is room for it"
        ) from error
    finally:
        connection.close()


@contextmanager
def _opened(path: Path) -> Iterator[Engine]:
    """An SQLite file to work on, which is a single file again at the end."""
    engine = open_sqlite_file(path)
    try:
        yield engine
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode = DELETE")
        finally:
            connection.close()
    finally:
        engine.dispose()


def _checked(engine: Engine) -> dict[str, int]:
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check").scalar_one()
            if found != "ok":
                raise StoreError(f"the copy is damaged: {found}; check the disk, and try again")
            return {
                table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
                for table in TABLES
            }
    except DBAPIError as error:
        raise failure(engine, error) from error


@contextmanager
def _file_in_place(path: Path) -> Iterator[Path]:
    """An empty private file to be filled; at the end it is on disk and has its name, if that is free."""
    shown = repr(str(path))
    if path.exists():
        raise StoreError(f"{shown} exists already, and is never overwritten; name a new file")
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.unfinished")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"cannot write {shown}: {error.strerror}") from error
    try:
        yield unfinished
        _on_disk(unfinished)
        try:
            # Not a rename, which would replace what has come to be there meanwhile.
            os.link(unfinished, path)
        except OSError as error:
            raise StoreError(f"cannot write {shown}: {error.strerror}; name a new file") from error
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            unfinished.with_name(f"{unfinished.name}{suffix}").unlink(missing_ok=True)
    _on_disk(path.parent)


def _on_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
