"""Noticing that another process has committed something that there may be to do for this one.

SQLite is asked every 100 ms whether its file has changed. PostgreSQL tells by itself (LISTEN and NOTIFY, by
triggers of the tables: `tables.announcements`); should that fail unnoticed, every two seconds are as good as
told. Whoever is called looks for itself what there is to do: a call too many costs one query.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from iso_gateway.store.engine import data_version
from iso_gateway.store.tables import CHANNEL

log = structlog.stdlib.get_logger(__name__)

WATCH_FAILED: Final = "database.watch-failed"

#: How often an SQLite file is asked: commits are to be noticed within 300 ms.
NOTICE: Final = timedelta(milliseconds=100)
#: After how long without word from PostgreSQL it is taken that there may be something.
FALLBACK: Final = timedelta(seconds=2)
#: How long to leave a database alone that cannot be asked.
PAUSE: Final = timedelta(seconds=1)


async def watch(engine: Engine, noticed: Callable[[], None]) -> None:
    """Call `noticed` whenever others may have committed, until cancelled. A lost database is waited for."""
    listen = _listen if engine.dialect.name == "postgresql" else _poll
    while True:
        try:
            await listen(engine, noticed)
        except (SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
            log.warning(WATCH_FAILED, error=type(error).__name__)
            await asyncio.sleep(PAUSE.total_seconds())


async def _poll(engine: Engine, noticed: Callable[[], None]) -> None:
    with engine.connect() as connection:
        last = data_version(connection)
        while True:
            await asyncio.sleep(NOTICE.total_seconds())
            version = data_version(connection)
            if version != last:
                last = version
                noticed()


async def _listen(engine: Engine, noticed: Callable[[], None]) -> None:
    # Late, because the driver is an extra that a gateway on SQLite does without.
    import psycopg

    arguments, options = engine.dialect.create_connect_args(engine.url)
    connection = await psycopg.AsyncConnection.connect(*arguments, **options, autocommit=True)
    async with connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        while True:
            # At once, too: for what was committed before we listened.
            noticed()
            async for _ in connection.notifies(timeout=FALLBACK.total_seconds(), stop_after=1):
                pass
