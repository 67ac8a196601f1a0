"""The same work with many stored transactions as with few: whether anything goes through all of them.

Two installations, each with its own database. The first thousand requests of both are real: received,
classified and answered by the gateway. In the large one they are then copied by SQL, every row of every
table, until there are as many transactions as asked for. What tells rows apart is new in each copy:
numbers, and the digests by which messages and transactions are found. What is sealed is as long as it
should be, but opens in the original only: it is never asked for here.

Must not be pointed at a database that anybody needs.
"""

import asyncio
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

from sqlalchemy import Column, LargeBinary, Table, make_url

from benchmarks import installation, store
from benchmarks.measure import Extent, Row, Unit
from benchmarks.requests import Requests
from config import loading
from iso_gateway import logs
from iso_gateway.site import Site
from iso_gateway.store.tables import keys, metadata
from iso_gateway.store.writer import Writer

#: Digests are found by their value, so copies of them would be found too.
_DIGESTS: Final = frozenset({"digest", "key_digest"})


def measure(extent: Extent, directory: Path) -> list[Row]:
    """Measure reception with few stored transactions and with many, in turn."""
    few, many = extent.few, extent.many
    with ExitStack() as stack:
        small = stack.enter_context(_site(directory / "scale-few", few, few))
        large = stack.enter_context(_site(directory / "scale-many", few, many))
        rounds = []
        for _ in range(extent.rounds):
            baseline = small.round(1.0, extent.requests).ours
            rounds.append(large.round(baseline, extent.requests))
    return [
        Row(
            what=f"store: receive to queued answer, {many:,} transactions stored",
            against=f"with {few:,} stored",
            unit=Unit.PER_SECOND,
            rounds=rounds,
        )
    ]


@contextmanager
def _site(directory: Path, real: int, stored: int) -> Iterator[store.Reception]:
    """An installation with so many real transactions, and copies of them until so many are stored."""
    settings = loading.load(installation.write(directory))
    requests = Requests()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        logs.configure(settings.logging, nowhere)
        with closing(Site.create_or_open(settings)) as site, closing(Writer(site.store)) as writer:
            asyncio.run(store.submit_all(site.gateway, writer, requests.take(real)))
        database = make_url(settings.database_url).database
        if database is None:
            raise ValueError(
                f"{settings.database_url!r} is no file of SQLite's: only that can be filled here"
            )
        multiply(Path(database), stored // real)
        with closing(Site.create_or_open(settings)) as site, closing(Writer(site.store)) as writer:
            asyncio.run(store.submit_all(site.gateway, writer, requests.take(store.SUBMITTERS)))
            yield store.Reception(gateway=site.gateway, writer=writer, requests=requests)


def multiply(database: Path, times: int) -> float:
    """Copy the rows of an SQLite database until there are so many times as many, with nothing left to send.

    Returns:
        The seconds that it took.
    """
    begun = perf_counter()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        # For speed only: a power failure would leave a broken database, of which nobody needs anything.
        for pragma in ("synchronous = OFF", "cache_size = -1000000", "foreign_keys = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")
        first, last = connection.execute(
            "SELECT min(id), max(id) FROM keys WHERE purpose = 'transaction'"
        ).fetchone()
        strides = {keys.name: last - first + 1} | {
            table.name: int(connection.execute(f"SELECT max(rowid) FROM {table.name}").fetchone()[0] or 0)  # noqa: S608
            for table in metadata.sorted_tables
            if table is not keys
        }
        connection.execute(
            "UPDATE outbox SET status = 'delivered', finished_at = created_at WHERE finished_at IS NULL"
        )
        for table in metadata.sorted_tables:
            if strides[table.name]:
                connection.execute(_copies(table, strides, first), {"copies": times - 1})
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return perf_counter() - begun


def _copies(table: Table, strides: Mapping[str, int], first_key: int) -> str:
    """The statement that adds the copies of a table's rows, in the order of their numbers."""
    names = [column.name for column in table.columns]
    values = [_value(column, strides, first_key) for column in table.columns]
    standing = f"AND one.id >= {first_key}" if table is keys else ""
    # CROSS JOIN keeps SQLite to this order of loops, and so to appending.
    numbers = "SELECT 1 UNION ALL SELECT number + 1 FROM copy WHERE number < :copies"
    return (
        f"WITH RECURSIVE copy(number) AS ({numbers})"  # noqa: S608 - only names of ours are put in
        f" INSERT INTO {table.name} ({', '.join(names)})"
        f" SELECT {', '.join(values)} FROM copy CROSS JOIN {table.name} AS one"
        f" WHERE :copies > 0 {standing} ORDER BY copy.number"
    )


def _value(column: Column[object], strides: Mapping[str, int], first_key: int) -> str:
    """What a copy has in a column: a number moved on by as many rows as the copies before it have."""
    name = f"one.{column.name}"
    target = next((key.column.table for key in column.foreign_keys), None)
    if target is None and column.primary_key:
        target = column.table
    if target is keys:
        # The keys that stand are nobody's own.
        return (
            f"CASE WHEN {name} < {first_key} THEN {name} ELSE {name} + copy.number * {strides[keys.name]} END"
        )
    if target is not None and not isinstance(column.type, LargeBinary) and column.type.python_type is int:
        return f"{name} + copy.number * {strides[target.name]}"
    if column.name in _DIGESTS:
        return "randomblob(32)"
    return name
