"""An installation to measure: the configuration, and the bare SQLite database beside it on the same disk."""

import sqlite3
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Final

CONFIGURATION: Final = """\
state_dir = "var"
partner_dirs = ["partners"]

[[local]]
name = "BEX"
symbol = "ILLUME:BEX"

[[listeners]]
name = "two-way"
mode = "two-way"
host = "127.0.0.1"
port = 0

[logging]
level = "info"
format = "json"
"""

PARTNER: Final = """\
name = "YAZ"
symbols = ["ILLUME:YAZ"]
acknowledge = "status-report"
allowed_sources = ["127.0.0.0/8"]

[transport]
kind = "tcp"
host = "127.0.0.1"
port = 1612
mode = "one-way"
"""


def write(directory: Path) -> Path:
    """Write a configuration with one local symbol and one partner, whose requests are acknowledged.

    Args:
        directory: an empty directory, on the disk that is to be measured.

    Returns:
        The path of its gateway.toml.
    """
    directory.mkdir()
    partners = directory / "partners"
    partners.mkdir()
    (partners / "yaz.toml").write_text(PARTNER, encoding="utf-8")
    path = directory / "gateway.toml"
    path.write_text(CONFIGURATION, encoding="utf-8")
    return path


class BareCommits:
    """One-row commits to SQLite through the driver alone: what the disk and SQLite allow one writer.

    With the settings of the store (WAL, synchronous=FULL), one transaction after the other, and a row as long
    as a request.
    """

    def __init__(self, path: Path, row: bytes) -> None:
        """Make the database; `path` stands on the disk that is to be measured, and does not exist yet."""
        self._path = path
        self._row = row
        with closing(self._connect()) as connection:
            connection.execute(
                "CREATE TABLE rows (id INTEGER PRIMARY KEY AUTOINCREMENT, octets BLOB NOT NULL)"
            )

    def per_second(self, commits: int) -> float:
        """Commit so many rows; gives how many a second of wall time took."""
        with closing(self._connect()) as connection:
            before = perf_counter()
            for _ in range(commits):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO rows (octets) VALUES (?)", (self._row,))
                connection.execute("COMMIT")
            return commits / (perf_counter() - before)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        return connection
