"""What only SQLite has: its settings, its file, its locks."""

import os
import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from iso_gateway.errors import StoreError
from iso_gateway.store import engine as engine_module
from iso_gateway.store.engine import data_version, open_engine
from iso_gateway.store.keyring import KeyRing
from iso_gateway.store.unit_of_work import Store
from tests.integration.store import samples

MARKER = b"Zorn-the-patron"


def stored_octets(engine: Engine) -> bytes:
    path = Path(str(engine.url.database))
    return b"".join(path.with_name(path.name + end).read_bytes() for end in ("", "-wal"))


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("secure_delete", 1),
        ("busy_timeout", 5000),
    ],
)
def test_every_connection_is_durable_and_strict(sqlite_engine: Engine, pragma: str, value: object) -> None:
    with sqlite_engine.connect() as first, sqlite_engine.connect() as second:
        for connection in (first, second):
            cursor = connection.connection.cursor()
            cursor.execute(f"PRAGMA {pragma}")
            assert cursor.fetchone() == (value,)


def test_files_are_the_owners_only(sqlite_engine: Engine, ring: KeyRing) -> None:
    with Store(sqlite_engine, ring).unit_of_work() as uow:
        samples.add_message(uow)
    path = Path(str(sqlite_engine.url.database))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("only.db*")}
    assert modes == {"only.db": 0o600, "only.db-wal": 0o600, "only.db-shm": 0o600}


def test_no_patron_text_is_readable_in_the_file(sqlite_engine: Engine, ring: KeyRing) -> None:
    store = Store(sqlite_engine, ring)
    text = MARKER.decode()
    with store.unit_of_work() as uow:
        message = samples.add_message(uow, b"\x61\x20" + MARKER)
        transaction = uow.transactions.create(MARKER, summary={"title": text, text: 1}, at=samples.NOW)
        half = samples.add_half(uow, transaction)
        sent = samples.add_message(uow, MARKER, transaction_id=transaction)
        samples.add_input(uow, half, None, {"note": text})
        uow.events.append(kind="x", half_id=half, message_id=message, detail={"n": text}, at=samples.NOW)
        uow.events.append(kind="x", half_id=None, message_id=message, detail={"n": text}, at=samples.NOW)
        uow.audit.append(at=samples.NOW, actor="ann", action="ship", reason=text, half_id=half)
        uow.messages.bind(message, transaction)
    octets = stored_octets(sqlite_engine)
    assert b"IN-PROCESS" in octets, "the search would find what is there"
    for form in (MARKER, MARKER.hex().encode(), MARKER.hex().upper().encode(), MARKER[:6]):
        assert form not in octets
    with store.reading() as uow:
        assert MARKER in uow.messages.raw(message)
        assert uow.messages.raw(sent) == MARKER


def test_no_key_is_readable_in_the_file(sqlite_engine: Engine) -> None:
    keys: list[bytes] = []

    def remember(octets: int) -> bytes:
        keys.append(bytes([len(keys) + 1]) * octets)
        return keys[-1]

    with Store(sqlite_engine, KeyRing(b"M" * 32, random=remember)).unit_of_work() as uow:
        samples.add_message(uow, transaction_id=samples.add_transaction(uow))
    octets = stored_octets(sqlite_engine)
    secrets = [key for key in keys if len(key) == 32]
    assert len(secrets) == 4, "digest, intake, transaction and message"
    assert not [key for key in [b"M" * 32, *secrets] if key in octets]


def test_a_key_that_vanished_is_an_error_that_names_it(sqlite_engine: Engine, ring: KeyRing) -> None:
    store = Store(sqlite_engine, ring)
    with store.unit_of_work() as uow:
        message = samples.add_message(uow, transaction_id=samples.add_transaction(uow))
    with closing(sqlite3.connect(str(sqlite_engine.url.database))) as connection, connection:
        connection.execute("DELETE FROM keys WHERE purpose = 'transaction'")
    with store.reading() as uow, pytest.raises(StoreError, match=r"key \d+ is not in the database"):
        uow.messages.raw(message)


def test_a_data_key_moved_to_another_message_does_not_open(sqlite_engine: Engine, ring: KeyRing) -> None:
    store = Store(sqlite_engine, ring)
    with store.unit_of_work() as uow:
        first, second = samples.add_message(uow, b"1"), samples.add_message(uow, b"2")
    with closing(sqlite3.connect(str(sqlite_engine.url.database))) as connection, connection:
        connection.execute(
            "UPDATE message_keys SET wrapped = (SELECT wrapped FROM message_keys WHERE message_id = ?)"
            " WHERE message_id = ?",
            (first, second),
        )
    with store.reading() as uow:
        assert uow.messages.raw(first) == b"1"
        with pytest.raises(StoreError, match=re.escape(f"message_keys.wrapped:{second}:")):
            uow.messages.raw(second)


def test_a_database_kept_locked_is_said_to_be(
    sqlite_engine: Engine, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "BUSY_TIMEOUT_MS", 1)
    impatient = open_engine(str(sqlite_engine.url))
    store, holder = Store(impatient, ring), Store(sqlite_engine, ring)
    with holder.unit_of_work():
        with pytest.raises(StoreError, match="kept locked for 1 ms"), store.unit_of_work():
            pytest.fail("two hold the write lock")
        with store.reading() as uow:
            assert uow.messages.list() == ()
    impatient.dispose()


def test_others_commits_are_noticed_and_asking_takes_no_lock(sqlite_engine: Engine, ring: KeyRing) -> None:
    store = Store(sqlite_engine, ring)
    with sqlite_engine.connect() as watching:
        before = data_version(watching)
        assert data_version(watching) == before
        with store.unit_of_work() as uow:
            samples.add_message(uow)
        after = data_version(watching)
        assert after != before
        assert data_version(watching) == after


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_database_that_would_keep_nothing_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="must be a file"):
        open_engine(url)


def test_a_new_file_is_made_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    assert [file.name for file in tmp_path.iterdir()] == ["x.db"]
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    engine.dispose()


def test_one_that_another_process_made_meanwhile_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.db"
    open_engine(f"sqlite:///{path}").dispose()
    inode = path.stat().st_ino
    with monkeypatch.context() as patched:
        patched.setattr(Path, "exists", lambda _path: False)  # as it was when we looked
        open_engine(f"sqlite:///{path}").dispose()
    assert path.stat().st_ino == inode
    assert [file.name for file in tmp_path.iterdir()] == ["x.db"]


def test_opening_again_drops_no_lock_of_this_process(sqlite_engine: Engine, ring: KeyRing) -> None:
    url = str(sqlite_engine.url)
    with Store(sqlite_engine, ring).unit_of_work() as uow:
        samples.add_message(uow)
        open_engine(url).dispose()
        inode = Path(str(sqlite_engine.url.database)).stat().st_ino
        held = Path("/proc/locks").read_text(encoding="ascii")
        assert re.search(rf"POSIX .* {os.getpid()} [0-9a-f:]+:{inode} ", held)


def test_a_place_where_sqlite_cannot_keep_its_log_is_refused() -> None:
    # As on some network file systems: the journal mode asked for is not the one that is given.
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(StoreError, match="on a local disk"),
    ):
        engine_module._prepare_sqlite(connection, None)


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot make database file '.*missing/x\.db': No such file"):
        open_engine(f"sqlite:///{tmp_path / 'missing' / 'x.db'}")


def test_something_that_is_no_database_is_said_to_be_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"this is a letter, and not a database at all" * 100)
    engine = open_engine(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="file is not a database"):
        engine_module.current(engine)
    with pytest.raises(StoreError, match="file is not a database"):
        engine_module.upgrade(engine)
    engine.dispose()
