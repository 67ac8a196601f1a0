"""Copying a whole database, row by row: from SQLite to PostgreSQL, and the other way.

Sealed values are copied as they are: they are bound to their tables and ids, and those stay. The numbers that
were given out stay given, so that none is given twice. Which gateways run is no part of the data.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Column, Connection, Engine, Table, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from iso_gateway.errors import StoreError
from iso_gateway.store.engine import (
    BEGIN_OPTION,
    describe,
    failure,
    may_take_long,
    require_current,
    upgrade,
)
from iso_gateway.store.tables import gateways, metadata

#: How many rows are held in memory at once; each may have an APDU in it.
BATCH: Final = 200
#: In an order in which no row comes before one that it refers to.
TABLES: Final = tuple(table for table in metadata.sorted_tables if table is not gateways)


def copy(
    source: Engine, target: Engine, *, also: Callable[[Connection], None] | None = None
) -> Mapping[str, int]:
    """Copy everything to an empty database, whose tables are made; gives the number of rows by table.

    The source is seen as of one moment, and may be written to meanwhile. The target gets all or nothing.

    Args:
        source: what is copied.
        target: where to.
        also: what is written to the target besides, in the same transaction.

    Raises:
        StoreError: the source is not at this version's revision, the target is not empty, or one of them
            cannot be used.
    """
    require_current(source)
    upgrade(target)
    try:
        with snapshot(source) as reading, target.begin() as writing:
            may_take_long(writing)
            _require_empty(target, writing)
            counts = {table.name: _copy_table(reading, writing, table) for table in TABLES}
            _compare(source, target, reading, writing, counts)
            if also is not None:
                also(writing)
    except DBAPIError as error:
        raise failure(_of(error, target, source), error) from error
    return counts


def skip_numbers(connection: Connection, tables: Iterable[Table], many: int) -> None:
    """Have tables give their next numbers so many further on."""
    for table in tables:
        [column] = table.primary_key
        last = _given(connection, table.name, column.name)
        _give_on(connection, table.name, column.name, last + many)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """One consistent view of a database, for reading."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(  # noqa: PLW2901 - the same one, with options
                isolation_level="REPEATABLE READ", postgresql_readonly=True, stream_results=True
            )
        else:
            connection = connection.execution_options(**{BEGIN_OPTION: "DEFERRED"})  # noqa: PLW2901
        may_take_long(connection)
        yield connection


def _of(error: DBAPIError, target: Engine, source: Engine) -> Engine:
    """Which of the two an error came from: told by the driver; the target, where both have the same."""
    return next(
        (one for one in (target, source) if isinstance(error.orig, one.dialect.loaded_dbapi.Error)), target
    )


def _require_empty(engine: Engine, connection: Connection) -> None:
    for table in TABLES:
        if connection.execute(select(table).limit(1)).first() is not None:
            raise StoreError(
                f"database {describe(engine)!r} is not empty: table {table.name} has rows; name an empty one"
            )


def _copy_table(reading: Connection, writing: Connection, table: Table) -> int:
    count = 0
    query = select(table).order_by(*table.primary_key)
    for rows in reading.execution_options(yield_per=BATCH).execute(query).mappings().partitions():
        writing.execute(insert(table), [dict(row) for row in rows])
        count += len(rows)
    # Which of the tables number their rows; SQLAlchemy's own answer is not typed as one that may be None.
    column: Column[int] | None = table.autoincrement_column
    if column is not None:
        _give_on(writing, table.name, column.name, _given(reading, table.name, column.name))
    return count


def _given(connection: Connection, table: str, column: str) -> int:
    """The last number that a table has given to a row, which may be gone."""
    if connection.dialect.name == "sqlite":
        query = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
        return int(connection.execute(query, {"table": table}).scalar() or 0)
    sequence = _sequence(connection, table, column)
    row = connection.exec_driver_sql(f"SELECT last_value, is_called FROM {sequence}").one()  # noqa: S608
    return int(row.last_value) if row.is_called else 0


def _give_on(connection: Connection, table: str, column: str, last: int) -> None:
    """Have a table give its next number after `last`."""
    if not last:
        return
    if connection.dialect.name == "postgresql":
        values = {"sequence": _sequence(connection, table, column), "last": last}
        connection.execute(text("SELECT setval(cast(:sequence AS regclass), :last)"), values)
        return
    values = {"table": table, "last": last}
    changed = connection.execute(text("UPDATE sqlite_sequence SET seq = :last WHERE name = :table"), values)
    if changed.rowcount == 0:
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last)"), values)


def _sequence(connection: Connection, table: str, column: str) -> str:
    query = text("SELECT pg_get_serial_sequence(:table, :column)")
    return str(connection.execute(query, {"table": table, "column": column}).scalar_one())


def _compare(
    source: Engine,
    target: Engine,
    reading: Connection,
    writing: Connection,
    counts: Mapping[str, int],
) -> None:
    for table in TABLES:
        query = select(func.count()).select_from(table)
        there, here = reading.execute(query).scalar_one(), writing.execute(query).scalar_one()
        if not there == here == counts[table.name]:
            raise StoreError(
                f"table {table.name} has {there} rows in {describe(source)!r} and {here} in"
                f" {describe(target)!r}: nothing was copied; try again, and keep both databases as they are"
            )
