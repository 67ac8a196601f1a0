"""An empty database with its tables, as a first start of the gateway leaves it: made once, and copied.

The migrations take a tenth of a second, and thousands of tests begin with a database. That they make the
right tables is shown where they are tested (`tests/integration/store/test_opening.py`).
"""

import tempfile
from functools import cache
from pathlib import Path

from config.settings import Settings
from iso_gateway.site import sqlite_path
from iso_gateway.store.engine import open_sqlite_file, upgrade
from iso_gateway.store.keyring import create_master_key


@cache
def _sqlite() -> bytes:
    with tempfile.TemporaryDirectory(prefix="iso-gateway-empty-") as directory:
        path = Path(directory) / "gateway.db"
        engine = open_sqlite_file(path)
        upgrade(engine)
        # Who closes a database last puts its log into it.
        engine.dispose()
        return path.read_bytes()


def put_sqlite(path: Path) -> None:
    """Put an empty database in a place where there is none."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(_sqlite())


def put_in(settings: Settings) -> None:
    """Put an empty database and a new master key where a gateway on SQLite has them, if it has none."""
    database = sqlite_path(settings)
    if database is None or database.exists() or settings.master_key_file.exists():
        return
    for file in (database, settings.master_key_file):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    create_master_key(settings.master_key_file)
    put_sqlite(database)
