"""Opening a store: URLs, master keys, migrations."""

import stat
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, insert, inspect, select, text

from iso_gateway.errors import StoreError, UnavailableError
from iso_gateway.store.engine import current, newest, open_engine, upgrade
from iso_gateway.store.keyring import KeyRing, create_master_key
from iso_gateway.store.records import DeadlineKind
from iso_gateway.store.tables import deadlines, halves, metadata
from iso_gateway.store.unit_of_work import Store
from tests.integration.store import samples

_CONSTRAINTS = {
    "sqlite": "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'",
    "postgresql": (
        "SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace"
        " UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        " UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger"
        " WHERE NOT tgisinternal"
        " UNION ALL SELECT 'function', proname, prosrc FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace"
    ),
}


def objects(engine: Engine) -> dict[tuple[str, str], str]:
    """Everything the database knows by name, with its definition (the parts of a table in any order)."""
    with engine.connect() as connection:
        rows = connection.execute(text(_CONSTRAINTS[engine.dialect.name])).all()
    found = {}
    for kind, name, definition in rows:
        if "alembic_version" in name:
            continue
        found[str(kind), str(name)] = "\n".join(sorted(_parts(str(definition))))
    return found


def _parts(definition: str) -> list[str]:
    """The parts of a definition between commas: a column that was added later stands where SQLite put it."""
    head, bracket, body = definition.partition("(")
    if not bracket or not head.startswith("CREATE TABLE"):
        return [definition]
    parts, depth = [""], 0
    for sign in body.strip().removesuffix(")"):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [head, *(" ".join(part.split()) for part in parts)]


class TestMigrations:
    def test_the_migrations_make_exactly_the_tables(self, engine: Engine) -> None:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
        migrated = objects(engine)
        with engine.begin() as connection:
            metadata.drop_all(connection)
            if engine.dialect.name == "postgresql":
                for function in ("messages_immutable", "inputs_immutable", "announce"):
                    connection.execute(text(f"DROP FUNCTION {function}"))
            metadata.create_all(connection)
        assert migrated == objects(engine)
        assert ("trigger", "messages_immutable") in migrated

    def test_deadlines_of_before_are_carried_over(self, open_database: Callable[[], Engine]) -> None:
        engine = open_database()
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", "iso_gateway.store:migrations")
            config.set_main_option("path_separator", "os")
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            # As the first version stored it: reflected, for today's tables lack the columns.
            old = MetaData()
            old.reflect(connection)
            postgresql = engine.dialect.name == "postgresql"
            now = samples.NOW if postgresql else samples.NOW.replace(tzinfo=None)
            key = {"id": 1, "purpose": "transaction", "wrapped": b"k", "master_id": "m", "created_at": now}
            connection.execute(insert(old.tables["keys"]), key)
            transaction = {"id": 1, "key_digest": b"t", "key_id": 1, "sealed": b"s", "created_at": now}
            connection.execute(insert(old.tables["transactions"]), transaction)
            half = {
                "transaction_id": 1,
                "role": "responder",
                "partner": "SFU",
                "state": "IN-PROCESS",
                "basis": "ours",
                "flags": "[]",
                "tables": "strict",
                "protocol_version": 2,
                "created_at": now,
                "updated_at": now,
            }
            for number, column in ((1, "expires_at"), (2, "reply_by")):
                row = {**half, "id": number, "local": f"BEX-{number}", column: now}
                connection.execute(insert(old.tables["halves"]), row)
        upgrade(engine)
        with engine.connect() as connection:
            carried = connection.execute(select(deadlines).order_by(deadlines.c.half_id)).all()
            assert [tuple(row) for row in carried] == [
                (1, DeadlineKind.EXPIRY, samples.NOW),
                (2, DeadlineKind.NO_ANSWER, samples.NOW),
            ]
            assert connection.execute(select(halves.c.former_partners)).scalars().all() == [(), ()]

    def test_an_empty_database_is_at_the_base(self, open_database: Callable[[], Engine]) -> None:
        engine = open_database()
        assert current(engine) == "base"
        upgrade(engine)
        assert current(engine) == newest() != "base"

    def test_the_newest_is_the_one_that_no_other_follows(self) -> None:
        # The names of the files say it, so that nobody has to read them at every start.
        config = Config()
        config.set_main_option("script_location", "iso_gateway.store:migrations")
        config.set_main_option("path_separator", "os")
        scripts = ScriptDirectory.from_config(config)
        assert newest() == scripts.get_current_head()
        assert all(one.path.endswith(f"_{one.revision}.py") for one in scripts.walk_revisions())

    def test_upgrading_again_changes_nothing(self, engine: Engine, store: Store) -> None:
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
        upgrade(engine)
        with store.reading() as uow:
            assert uow.messages.raw(message) == b"\x61\x03abc"

    def test_a_newer_database_is_refused(self, engine: Engine, ring: KeyRing) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StoreError, match=r"revision '9999', which this version does not know"):
            upgrade(engine)
        with pytest.raises(StoreError, match="a newer version made it"):
            Store(engine, ring)

    def test_a_store_needs_its_tables(self, open_database: Callable[[], Engine], ring: KeyRing) -> None:
        with pytest.raises(StoreError, match=r"at revision 'base'.*start the gateway"):
            Store(open_database(), ring)

    def test_half_an_upgrade_is_none(self, open_database: Callable[[], Engine]) -> None:
        engine = open_database()
        with engine.begin() as connection:
            # The last thing that the first migration makes is in the way.
            connection.execute(text("CREATE TABLE processings (id INTEGER)"))
        with pytest.raises(StoreError):
            upgrade(engine)
        assert inspect(engine).get_table_names() == ["processings"]
        assert current(engine) == "base"


class TestMasterKey:
    def test_another_master_key_is_refused(self, engine: Engine, store: Store) -> None:
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
        with pytest.raises(StoreError, match="configure the file that belongs to this database"):
            Store(engine, KeyRing(b"x" * 32))
        with Store(engine, KeyRing(b"m" * 32)).reading() as uow:
            assert uow.messages.raw(message) == b"\x61\x03abc"

    def test_the_standing_keys_are_made_once(
        self, engine: Engine, store: Store, ring: KeyRing, open_database: Callable[[], Engine]
    ) -> None:
        with store.unit_of_work() as uow:
            samples.add_transaction(uow)
        other = Store(open_database(), ring)
        with other.reading() as uow:
            assert uow.transactions.find(b"t-1") is not None
        with engine.connect() as connection:
            purposes = connection.execute(text("SELECT purpose FROM keys ORDER BY id")).scalars().all()
        assert purposes == ["digest", "intake", "transaction"]


class TestMasterKeyFile:
    def test_made_for_its_owner_and_read_again(self, tmp_path: Path) -> None:
        path = tmp_path / "master.key"
        create_master_key(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert KeyRing.load(path).master_id == KeyRing.load(path).master_id
        other = tmp_path / "other.key"
        create_master_key(other)
        assert KeyRing.load(other).master_id != KeyRing.load(path).master_id

    def test_never_overwritten(self, tmp_path: Path) -> None:
        path = tmp_path / "master.key"
        create_master_key(path)
        before = path.read_bytes()
        with pytest.raises(StoreError, match="exists already"):
            create_master_key(path)
        assert path.read_bytes() == before

    def test_nowhere_to_make_it(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="cannot create master key file"):
            create_master_key(tmp_path / "missing" / "master.key")

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
    def test_open_to_others(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "master.key"
        create_master_key(path)
        path.chmod(mode)
        with pytest.raises(StoreError, match=rf"mode {mode:04o}\); run chmod 600"):
            KeyRing.load(path)

    @pytest.mark.parametrize(("mode", "good"), [(0o400, True), (0o440, True), (0o460, False), (0o444, False)])
    def test_a_credential_may_be_read_by_its_group(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, *, good: bool
    ) -> None:
        path = tmp_path / "master-key"
        create_master_key(path)
        path.chmod(mode)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        with nullcontext() if good else pytest.raises(StoreError, match="may be used by others"):
            KeyRing.load(path)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"master\.key' is missing"):
            KeyRing.load(tmp_path / "master.key")

    def test_not_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="cannot read master key file"):
            KeyRing.load(tmp_path)

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"", "holds 0 octets, not 32"),
            (b"QUJD\n", "holds 3 octets, not 32"),
            (b"not base64 at all!", "not base64"),
            (b"\xff" * 44, "not base64"),
        ],
    )
    def test_not_a_key(self, tmp_path: Path, content: bytes, complaint: str) -> None:
        path = tmp_path / "master.key"
        path.touch(mode=0o600)
        path.write_bytes(content)
        with pytest.raises(StoreError, match=complaint):
            KeyRing.load(path)


class TestUrl:
    @pytest.mark.parametrize(
        ("url", "complaint"),
        [("", "not one"), ("nonsense", "not one"), ("mysql://u:secret@h/d", "'mysql' is not supported")],
    )
    def test_what_is_not_ours_is_refused(self, url: str, complaint: str) -> None:
        with pytest.raises(StoreError, match=complaint) as caught:
            open_engine(url)
        assert "secret" not in str(caught.value)

    def test_a_driver_that_is_not_there(self) -> None:
        with pytest.raises(StoreError, match="extra 'postgresql'"):
            open_engine("postgresql+psycopg2://u@h/d")

    def test_a_server_that_is_not_there_is_named_without_its_password(self, tmp_path: Path) -> None:
        engine = open_engine(f"postgresql://u:secret@/d?host={tmp_path}")
        with pytest.raises(UnavailableError, match="cannot connect to database") as caught:
            current(engine)
        said = str(caught.value)
        assert "No such file or directory; check database_url, and whether the server runs" in said
        assert "secret" not in said
