"""Backing up, restoring, copying: nothing is lost on the way, and nothing is sent twice because of it."""

import itertools
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from config.settings import Settings
from iso_gateway import upkeep
from iso_gateway.errors import GatewayError, NotFoundError, StoreError
from iso_gateway.request import primitives
from iso_gateway.site import Site, exclusive
from iso_gateway.store import backup, engine
from iso_gateway.store.keyring import create_master_key
from iso_gateway.store.records import GatewayId, HalfId
from tests.support import apdus
from tests.support.gateway import AT_SFU, Desk, settings_in
from tests.support.postgresql import Cluster

REQUEST = apdus.ill_request(requester="ILLUME:SFU", patron="Jane Doe")
_numbers = itertools.count(1)

#: From each database to the other: what does not depend on the two being different.
crossed = pytest.mark.parametrize(
    ("portable", "elsewhere"),
    [("sqlite", "postgresql"), ("postgresql", "sqlite")],
    indirect=True,
)

Elsewhere = Callable[[Desk], Settings]


@pytest.fixture
def desk(portable: Settings) -> Iterator[Desk]:
    """A gateway with a request, of which one message was delivered and one waits."""
    with Desk.open(portable) as desk:
        processed = desk.receive(REQUEST, peer=AT_SFU)
        assert processed.half_id is not None
        desk.act(HalfId(processed.half_id), primitives.SendMessage(note="from the shelf"))
        desk.deliver()
        desk.act(HalfId(processed.half_id), primitives.SendMessage(note="on its way"))
        yield desk


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Elsewhere]:
    """Gives settings of a new place, with the master key of a desk, and a database that is not there yet."""
    with ExitStack() as stack:

        def place(desk: Desk) -> Settings:
            directory = tmp_path / f"elsewhere-{next(_numbers)}"
            directory.mkdir(mode=0o700)
            settings = settings_in(directory)
            settings.master_key_file.touch(mode=0o600)
            settings.master_key_file.write_bytes(desk.site.settings.master_key_file.read_bytes())
            if request.param == "sqlite":
                return settings
            cluster: Cluster = request.getfixturevalue("postgresql_cluster")
            url = stack.enter_context(cluster.database(f"elsewhere_{next(_numbers)}"))
            return replace(settings, database_url=url)

        yield place


def contents(desk: Desk) -> list[object]:
    """All that a database says, opened."""
    with desk.reading() as uow:
        listed = uow.messages.list()
        return [
            [(one, uow.messages.raw(one.message.id)) for one in listed],
            uow.halves.list(),
            [uow.inputs.of(half.half.id) for half in uow.halves.list()],
            uow.events.after(0),
            uow.outbox.list(finished=True),
            [uow.outbox.attempts(row.id) for row in uow.outbox.list(finished=True)],
            uow.audit.list(),
        ]


def due(desk: Desk) -> list[int]:
    with desk.reading() as uow:
        return [row.id for row in uow.due.heads(desk.clock.now)]


class TestBackup:
    def test_it_is_restored_as_it_was_and_sends_nothing_until_it_is_told_to(
        self, desk: Desk, elsewhere: Elsewhere, tmp_path: Path
    ) -> None:
        file = tmp_path / "backup of the day?.db"
        counts = upkeep.back_up(desk.site, file)
        before = contents(desk)
        assert (counts["messages"], counts["halves"], counts["outbox"]) == (3, 1, 2)
        # What happens after it is not in it.
        desk.receive(apdus.ill_request(requester="ILLUME:SFU", transaction="later"), peer=AT_SFU)

        settings = elsewhere(desk)
        assert upkeep.restore(settings, file) == counts
        with Desk.open(settings, desk.clock) as restored:
            assert contents(restored) == before
            assert due(restored) == []
            with restored.reading() as uow:
                assert uow.due.next(desk.clock.now) is None
                found = upkeep.waiting_to_resume(uow)
            assert found is not None
            held, waiting = found
            assert "backup of" in held.reason or "a backup" in held.reason
            assert len(waiting) == 1
            # It receives meanwhile, and what it answers waits too.
            restored.receive(apdus.status_query(REQUEST), peer=AT_SFU)
            assert due(restored) == []

            assert upkeep.resume(restored.site, actor="anna", reason="the old one burnt", at=desk.clock.now)
            assert not upkeep.resume(restored.site, actor="anna", reason="again", at=desk.clock.now)
            assert due(restored) == [waiting[0].id, waiting[0].id + 1 + backup.SKIPPED]
            with restored.reading() as uow:
                record, *_ = uow.audit.list()
                assert (record.actor, record.action, record.reason) == (
                    "anna",
                    upkeep.RESUMED,
                    "the old one burnt",
                )
                assert upkeep.waiting_to_resume(uow) is None

    def test_it_is_private_whole_and_without_the_master_key(self, desk: Desk, tmp_path: Path) -> None:
        file = tmp_path / "backup.db"
        upkeep.back_up(desk.site, file)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["backup.db"]
        octets = file.read_bytes()
        assert desk.site.settings.master_key_file.read_bytes().strip() not in octets
        assert b"Jane Doe" not in octets
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)

    def test_it_overwrites_nothing(self, desk: Desk, tmp_path: Path) -> None:
        file = tmp_path / "backup.db"
        file.write_text("the last good one")
        with pytest.raises(StoreError, match="never overwritten"):
            upkeep.back_up(desk.site, file)
        assert file.read_text() == "the last good one"

    def test_nowhere_to_write_it(self, desk: Desk, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="cannot write"):
            upkeep.back_up(desk.site, tmp_path / "missing" / "backup.db")

    def test_it_waits_for_no_writer_and_holds_up_none(self, desk: Desk, tmp_path: Path) -> None:
        with desk.site.store.unit_of_work() as uow:
            uow.audit.append(at=desk.clock.now, actor="anna", action="test", reason="in the middle")
            counts = upkeep.back_up(desk.site, tmp_path / "backup.db")
        assert counts["audit"] == 2
        with desk.reading() as uow:
            assert len(uow.audit.list()) == 3

    def test_a_disk_that_is_full_leaves_nothing_behind(
        self, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_path: Path) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("iso_gateway.store.backup._on_disk", full)
        before = sorted(tmp_path.iterdir())
        with pytest.raises(OSError, match="No space"):
            upkeep.back_up(desk.site, tmp_path / "backup.db")
        assert sorted(tmp_path.iterdir()) == before


class TestRestore:
    @pytest.mark.postgresql
    @crossed
    def test_numbers_that_were_given_are_not_given_again(
        self, desk: Desk, elsewhere: Elsewhere, tmp_path: Path
    ) -> None:
        # The last message is gone, and its number with it.
        with desk.site.store.engine.begin() as connection:
            last = int(connection.execute(text("SELECT max(id) FROM messages")).scalar_one())
        extra = desk.store(b"nothing")
        with desk.site.store.engine.begin() as connection:
            connection.execute(text("DELETE FROM message_keys WHERE message_id = :id"), {"id": extra})
            connection.execute(text("DELETE FROM messages WHERE id = :id"), {"id": extra})
        assert extra == last + 1
        upkeep.back_up(desk.site, tmp_path / "backup.db")
        settings = elsewhere(desk)
        upkeep.restore(settings, tmp_path / "backup.db")
        with Desk.open(settings, desk.clock) as restored:
            assert restored.store(b"something") > extra

    @pytest.mark.postgresql
    @crossed
    def test_numbers_that_were_given_after_the_backup_are_not_given_again(
        self, desk: Desk, elsewhere: Elsewhere, tmp_path: Path
    ) -> None:
        # A webhook has been told of events after it, a mail has gone out whose bounce names a row of the
        # outbox, and somebody has written the number of a request on a slip.
        upkeep.back_up(desk.site, tmp_path / "backup.db")
        later = desk.begin(apdus.ill_request(requester="ILLUME:SFU", transaction="later"), peer=AT_SFU)
        desk.act(later, primitives.SendMessage(note="wait"))
        told, sent = desk.events()[-1].sequence, desk.outgoing()[-1].row
        settings = elsewhere(desk)
        upkeep.restore(settings, tmp_path / "backup.db")
        with Desk.open(settings, desk.clock) as restored:
            again = restored.receive(apdus.ill_request(requester="ILLUME:SFU", transaction="b"), peer=AT_SFU)
            assert again.half_id is not None
            restored.act(again.half_id, primitives.SendMessage(note="wait"))
            assert restored.events()[-1].sequence > told
            assert restored.outgoing()[-1].row.id > sent.id
            assert again.half_id > later
            assert again.message_id > (sent.message_id or 0)

    @pytest.mark.postgresql
    @crossed
    def test_another_master_key_is_told_at_once_and_nothing_is_there_then(
        self, desk: Desk, elsewhere: Elsewhere, tmp_path: Path
    ) -> None:
        upkeep.back_up(desk.site, tmp_path / "backup.db")
        settings = elsewhere(desk)
        settings.master_key_file.unlink()
        create_master_key(settings.master_key_file)
        with pytest.raises(StoreError, match="configure the file that belongs to this database"):
            upkeep.restore(settings, tmp_path / "backup.db")
        settings.master_key_file.write_bytes(desk.site.settings.master_key_file.read_bytes())
        assert upkeep.restore(settings, tmp_path / "backup.db")["messages"] == 3

    def test_it_overwrites_nothing(self, desk: Desk, tmp_path: Path) -> None:
        upkeep.back_up(desk.site, tmp_path / "backup.db")
        with pytest.raises(StoreError, match=r"never overwritten|is not empty"):
            upkeep.restore(desk.site.settings, tmp_path / "backup.db")
        assert len(due(desk)) == 1

    @pytest.mark.postgresql
    @crossed
    def test_what_is_no_backup_is_refused(self, desk: Desk, elsewhere: Elsewhere, tmp_path: Path) -> None:
        settings = elsewhere(desk)
        (tmp_path / "text").write_text("no database at all, and long enough to be looked at" * 20)
        with pytest.raises(StoreError, match="not a database"):
            upkeep.restore(settings, tmp_path / "text")
        with pytest.raises(StoreError, match="cannot read backup"):
            upkeep.restore(settings, tmp_path / "missing")

    @pytest.mark.postgresql
    @crossed
    def test_one_of_an_earlier_version_is_brought_up_to_date(
        self, desk: Desk, elsewhere: Elsewhere, tmp_path: Path
    ) -> None:
        old = engine.open_sqlite_file(tmp_path / "old.db")
        with old.begin() as connection:
            config = engine._config()
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
        old.dispose()
        settings = elsewhere(desk)
        assert upkeep.restore(settings, tmp_path / "old.db")["messages"] == 0
        assert upkeep.revisions(settings).current == engine.newest()
        with Desk.open(settings) as restored, restored.reading() as uow:
            assert uow.sending.held() is not None

    @pytest.mark.postgresql
    @crossed
    def test_not_beside_a_running_gateway(self, desk: Desk, elsewhere: Elsewhere, tmp_path: Path) -> None:
        upkeep.back_up(desk.site, tmp_path / "backup.db")
        settings = elsewhere(desk)
        with exclusive(settings), pytest.raises(GatewayError, match="another gateway"):
            upkeep.restore(settings, tmp_path / "backup.db")


class TestCopy:
    def test_the_copy_is_the_same_and_is_held(self, desk: Desk, elsewhere: Elsewhere) -> None:
        settings = elsewhere(desk)
        counts = upkeep.copy(desk.site, settings.database_url, move=False)
        assert counts["messages"] == 3
        with Desk.open(settings, desk.clock) as copy:
            assert contents(copy) == contents(desk)
            assert due(copy) == []
        assert len(due(desk)) == 1

    def test_after_a_move_it_is_the_old_one_that_sends_nothing(
        self, desk: Desk, elsewhere: Elsewhere
    ) -> None:
        settings = elsewhere(desk)
        upkeep.copy(desk.site, settings.database_url, move=True)
        with Desk.open(settings, desk.clock) as moved:
            assert len(due(moved)) == 1
            with desk.reading() as uow:
                held = uow.sending.held()
            assert held is not None
            assert "was moved to" in held.reason
            assert due(desk) == []
            processed = moved.receive(REQUEST, peer=AT_SFU)
            assert processed.verdict == "exact-duplicate"

    @pytest.mark.postgresql
    @crossed
    @pytest.mark.parametrize("move", [False, True])
    def test_killed_in_the_middle_of_it_one_of_the_two_sends_at_most(
        self, desk: Desk, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, *, move: bool
    ) -> None:
        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        settings = elsewhere(desk)
        monkeypatch.setattr(backup, "hold", killed)
        monkeypatch.setattr(backup, "release", killed)
        with suppress(KeyboardInterrupt):
            upkeep.copy(desk.site, settings.database_url, move=move)
        with Desk.open(settings, desk.clock) as copy:
            assert due(copy) == []
        assert len(due(desk)) == 1

    @pytest.mark.postgresql
    @crossed
    def test_what_was_held_before_a_move_is_held_after_it(self, desk: Desk, elsewhere: Elsewhere) -> None:
        upkeep.hold(desk.site, actor="anna", reason="an upgrade")
        settings = elsewhere(desk)
        upkeep.copy(desk.site, settings.database_url, move=True)
        with Desk.open(settings, desk.clock) as moved, moved.reading() as uow:
            held = uow.sending.held()
        assert held is not None
        assert "an operator held it" in held.reason

    @pytest.mark.postgresql
    @crossed
    def test_one_that_has_something_in_it_is_left_alone(self, desk: Desk, elsewhere: Elsewhere) -> None:
        settings = elsewhere(desk)
        upkeep.copy(desk.site, settings.database_url, move=False)
        with pytest.raises(StoreError, match="is not empty: table"):
            upkeep.copy(desk.site, settings.database_url, move=False)

    @pytest.mark.postgresql
    @crossed
    def test_a_move_needs_the_gateways_stopped(self, desk: Desk, elsewhere: Elsewhere) -> None:
        settings = elsewhere(desk)
        with exclusive(desk.site.settings), pytest.raises(GatewayError, match="another gateway"):
            upkeep.copy(desk.site, settings.database_url, move=True)

    @pytest.mark.parametrize("portable", ["postgresql"], indirect=True)
    @pytest.mark.parametrize("elsewhere", ["sqlite"], indirect=True)
    def test_a_gateway_on_another_machine_is_seen(
        self, desk: Desk, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("iso_gateway.upkeep.utc_now", desk.clock)
        with desk.site.store.unit_of_work() as uow:
            uow.gateways.enter(
                GatewayId("f" * 16), state_id="x", host="other", pid=7, at=desk.clock.now, alone=False
            )
        settings = elsewhere(desk)
        with pytest.raises(GatewayError, match="process 7 on other"):
            upkeep.copy(desk.site, settings.database_url, move=True)
        with pytest.raises(GatewayError, match="process 7 on other"):
            upkeep.upgrade(desk.site.settings)
        desk.clock.now += desk.site.settings.sharing.lease + timedelta(seconds=1)
        upkeep.copy(desk.site, settings.database_url, move=True)


class TestHold:
    def test_an_operator_can_hold_everything(self, desk: Desk) -> None:
        upkeep.hold(desk.site, actor="anna", reason="put back from a snapshot")
        assert due(desk) == []
        with desk.reading() as uow:
            held = uow.sending.held()
            assert held is not None
            assert "anna" in held.reason
            assert uow.audit.list()[0].action == upkeep.HELD


class TestRevisions:
    def test_they_are_told_and_brought_up_to_date(self, desk: Desk) -> None:
        settings = desk.site.settings
        newest = engine.newest()
        assert upkeep.revisions(settings) == upkeep.Revisions(current=newest, newest=newest)
        assert upkeep.upgrade(settings) == upkeep.Revisions(current=newest, newest=newest)

    def test_where_there_is_no_database_none_is_made(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match="start the gateway once"):
            upkeep.revisions(settings_in(tmp_path))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.postgresql
@pytest.mark.parametrize("portable", ["postgresql"], indirect=True)
def test_two_gateways_need_the_same_master_key(portable: Settings, tmp_path: Path) -> None:
    Site.create_or_open(portable).close()
    second = replace(
        portable, state_dir=tmp_path / "second", master_key_file=tmp_path / "second" / "master.key"
    )
    with pytest.raises(StoreError, match="is missing"):
        Site.create_or_open(second)
    create_master_key(second.master_key_file)
    with pytest.raises(StoreError, match="configure the file that belongs to this database"):
        Site.create_or_open(second)
