"""`iso-gateway db`: what an operator sees of it; what it does is tested in tests/integration/gateway."""

from pathlib import Path

import pytest
from alembic import command as alembic

from config.loading import load
from iso_gateway.site import exclusive, utc_now
from iso_gateway.store import engine
from iso_gateway.store.records import GatewayId
from tests.support.apdus import ill_request
from tests.support.site import Installation
from tests.unit.cli.conftest import Command

NEWEST = engine.newest()


@pytest.fixture
def filled(place: Installation) -> Installation:
    """An installation with a request, whose acknowledgement waits."""
    place.receive(ill_request(patron="Jane Doe"))
    return place


def test_the_revision_is_shown(command: Command) -> None:
    assert command.text("db", "current") == (
        f"the tables are at revision {NEWEST}, which this version works with\n"
    )
    assert command.json("db", "current") == {"current": NEWEST, "newest": NEWEST}
    assert command.text("db", "upgrade") == f"the tables are at revision {NEWEST} already\n"
    assert command.json("db", "upgrade") == {"current": NEWEST, "newest": NEWEST}


def test_tables_of_an_earlier_version_are_upgraded(place: Installation, command: Command) -> None:
    settings = load(place.config)
    place.site.close()
    file = Path(place.site.store.engine.url.database or "")
    for path in file.parent.glob(f"{file.name}*"):
        path.unlink()
    old = engine.open_sqlite_file(file)
    with old.begin() as connection:
        config = engine._config()
        config.attributes["connection"] = connection
        alembic.upgrade(config, "0003")
    old.dispose()
    assert command.text("db", "current") == (
        f"the tables are at revision 0003; this version works with {NEWEST}\n"
    )
    with exclusive(settings):
        assert "another gateway" in command.error("db", "upgrade")
    assert command.text("db", "upgrade") == f"upgraded the tables from revision 0003 to {NEWEST}\n"
    assert command.json("db", "current")["current"] == NEWEST


def test_there_is_no_database_to_upgrade(place: Installation, command: Command) -> None:
    place.site.close()
    Path(place.site.store.engine.url.database or "").unlink()
    assert "start the gateway once" in command.error("db", "current")
    assert "start the gateway once" in command.error("db", "upgrade")


def test_a_backup_is_made_restored_and_resumed(
    filled: Installation, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "backup.db"
    said = command.text("db", "backup", file)
    assert said.startswith(f"wrote {file}: 2 messages, 1 request, ")
    assert "without the master key, which is not in it" in said
    assert "never overwritten" in command.error("db", "backup", file)
    assert command.json("db", "backup", tmp_path / "second.db")["rows"]["messages"] == 2

    database = Path(filled.site.store.engine.url.database or "")
    filled.site.close()
    assert "move it aside, with its -wal and -shm" in command.error("db", "restore", file)
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()
    said = command.text("db", "restore", file)
    assert said.splitlines()[-1] == "nothing is sent until 'iso-gateway db resume'"
    noted = "note: nothing is sent to anybody before 'iso-gateway db resume': this is a backup of"
    assert command("waiting", "list").stderr.startswith(noted)

    refused = command("db", "resume", "--reason", "the disk was lost", code=1, stdin="n\n")
    assert "this is a backup of" in refused.stderr
    assert "waiting to be sent: 1 message, 1 of them from before" in refused.stderr
    resumed = command("db", "resume", "--reason", "the disk was lost", stdin="y\n")
    assert resumed.stdout.endswith("sending\n")
    assert "the database is not held" in command.text("db", "resume", "--reason", "again", "--yes")
    assert command.json("db", "resume", "--reason", "again")["resumed"] is False


def test_partners_are_listed_when_the_database_cannot_be_read(filled: Installation, command: Command) -> None:
    filled.site.close()
    filled.site.settings.master_key_file.unlink()
    listed = command("partners", "list")
    assert "ILLUME:YAZ" in listed.stdout
    assert "note: to whom nothing is sent now is not known: master key file" in listed.stderr
    assert "put it back from where its copy is kept" in listed.stderr


def test_everything_is_held_and_resumed(filled: Installation, command: Command) -> None:
    assert command.text("db", "hold", "--reason", "a snapshot was put back") == (
        "nothing is sent until 'iso-gateway db resume'\n"
    )
    again = command.text("db", "hold", "--reason", "once more")
    assert again.startswith("held already since ")
    assert "an operator held it" in again
    assert command.json("db", "hold", "--reason", "once more")["held"] is False
    with filled.site.store.reading() as uow:
        assert uow.audit.list()[0].reason == "a snapshot was put back"
    resumed = command("db", "resume", "--reason", "looked at it", "--yes", "--json")
    assert '"from_before": 1' in resumed.stdout


def test_it_is_moved_to_another_database(filled: Installation, command: Command, tmp_path: Path) -> None:
    elsewhere = f"sqlite:///{tmp_path / 'copy.db'}"
    said = command.text("db", "copy", "--to", elsewhere)
    assert said.splitlines()[-1] == "nothing is sent from the copy until 'iso-gateway db resume'"
    moved = f"sqlite:///{tmp_path / 'moved.db'}"
    said = command.text("db", "copy", "--to", moved, "--move")
    assert said.splitlines()[-1] == "name the other database as database_url, and start the gateway"
    with filled.site.store.reading() as uow:
        held = uow.sending.held()
    assert held is not None
    assert "was moved to" in held.reason
    assert "is not empty" in command.error("db", "copy", "--to", moved)
    assert command.json("db", "copy", "--to", f"sqlite:///{tmp_path / 'third.db'}")["rows"]["halves"] == 1


def test_gateways_are_listed(place: Installation, command: Command) -> None:
    assert command.text("db", "gateways") == "no gateway has used the database yet\n"
    site = place.site
    lease = site.settings.sharing.lease
    with site.store.unit_of_work() as uow:
        for number, name in enumerate(("running", "silent", "stopped")):
            gateway = GatewayId(f"{number}" * 16)
            # The command looks at the clock of this machine.
            at = utc_now() - (2 * lease if name == "silent" else 0 * lease)
            uow.gateways.enter(gateway, state_id=name, host=f"host-{name}", pid=number, at=at, alone=False)
            if name == "stopped":
                uow.gateways.leave(gateway, at)
    listed = command.json("db", "gateways")
    assert {one["host"]: one["state"] for one in listed} == {
        "host-running": "running",
        "host-silent": "silent",
        "host-stopped": "stopped",
    }
    assert "host-silent" in command.text("db", "gateways")
