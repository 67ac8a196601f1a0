"""What `db verify` sees: every kind of damage, and nothing in a database that is right."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from asn1 import ill
from iso_gateway.replay import verifying
from iso_gateway.request import primitives
from iso_gateway.store.records import HalfId
from tests.support import apdus
from tests.support.gateway import Desk
from tests.support.libraries import ADDRESSES, Libraries, settings_of


def expiring(transaction: str, day: str) -> ill.ILLRequest:
    request = apdus.ill_request(requester="ILLUME:SFU", transaction=transaction)
    until = ill.SearchType(expiry_flag=ill.ExpiryFlag.other_Date, expiry_date=day)
    return replace(request, search_type=until)


def problems(desk: Desk) -> list[str]:
    return [
        problem.text
        for progress in verifying.verify(desk.site.store, desk.site.settings, desk.clock.now)
        for problem in progress.problems
    ]


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gateway with a request of its own, and of three that it was asked one that expired, one that will."""
    directory = tmp_path_factory.mktemp("lived-in")
    with Libraries.open(directory, "BEX", "SFU") as libraries:
        desk = libraries.desks["BEX"]
        libraries.request("BEX", "SFU")
        libraries.act("SFU", primitives.Ship())
        libraries.act("BEX", primitives.Receive())
        request = apdus.ill_request(requester="ILLUME:SFU", transaction="a")
        half = desk.begin(request, peer=ADDRESSES["SFU"], then=(primitives.SendMessage(note="Wait"),))
        desk.receive(apdus.message(request), peer=ADDRESSES["SFU"])
        desk.receive(apdus.renew(request), peer=ADDRESSES["SFU"])
        desk.act(half, primitives.SendMessage(note="Still looking"))
        desk.receive(expiring("soon", "20261120"), peer=ADDRESSES["SFU"])
        desk.receive(expiring("later", "20261220"), peer=ADDRESSES["SFU"])
        desk.clock.advance(days=6)
        desk.tick()
        return Path(desk.site.settings.state_dir)


@pytest.fixture
def desk(lived_in: Path, tmp_path: Path) -> Iterator[Desk]:
    copytree(lived_in, tmp_path, dirs_exist_ok=True)
    with Desk.open(settings_of("BEX", tmp_path)) as desk:
        desk.clock.advance(days=7)
        yield desk


def damage(desk: Desk, statement: str) -> None:
    """Write past the program, which refuses it."""
    with closing(sqlite3.connect(desk.site.settings.state_dir / "gateway.db")) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("PRAGMA ignore_check_constraints = ON")
        assert database.execute(statement).rowcount >= 1, statement
        database.commit()


def test_nothing_is_wrong_with_what_has_been_lived_in(desk: Desk) -> None:
    assert problems(desk) == []
    assert desk.counts()["inputs"] > 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("transaction_id = 2", "inputs.payload:1:1 does not open"),
        ("role = 'responder'", "role is 'responder'"),
        ("local = 'YAZ'", "local is 'YAZ', and follows as 'BEX'"),
        ("partner = 'UBC'", "partner is 'UBC', and follows as 'SFU'"),
        ("former_partners = '[\"UBC\"]'", "former partners is 'UBC'"),
        ("state = 'SHIPPED'", "state is 'SHIPPED'"),
        ("basis = 'observed'", "basis is 'observed', and follows as 'ours'"),
        ("flags = '[]'", "flags is 'none'"),
        ("tables = 'lenient'", "tables is 'lenient', and follows as 'strict'"),
        ("protocol_version = 1", "protocol version is '1', and follows as '2'"),
        ("created_at = updated_at", "created at is"),
        ("updated_at = '2026-01-01 00:00:00.000000'", "updated at is '2026-01-01"),
        ("last_service_at = NULL", "last service at is 'none'"),
        ("last_service_at = '2026-01-01 00:00:00.000000'", "last service at is '2025"),
    ],
)
def test_each_column_of_a_half(desk: Desk, change: str, said: str) -> None:
    damage(desk, f"UPDATE halves SET {change} WHERE id = 1")  # noqa: S608 - the test's own words
    assert [text for text in problems(desk) if said in text], problems(desk)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        # A lost input: in the middle, and the last of a request.
        ("DELETE FROM inputs WHERE half_id = 2 AND sequence = 2", "number is '3', and follows as '2'"),
        (
            "DELETE FROM inputs WHERE half_id = 2 AND sequence = 5",
            "it was made for request 2, but is no input of it",
        ),
        (
            "DELETE FROM inputs WHERE id = (SELECT max(id) FROM inputs WHERE half_id = 1)",
            "it was made for request 1, but is no input of it",
        ),
        ("DELETE FROM inputs WHERE half_id = 1", "it has no inputs"),
        ("DELETE FROM inputs WHERE half_id = 3 AND kind = 'timer'", "state is"),
        ("DELETE FROM outbox WHERE id = 1", "it was made to be sent, and never put into the outbox"),
        ("DELETE FROM events WHERE kind = 'ill-request.request'", "was to be told as 'ill-request.request'"),
        ("DELETE FROM events WHERE kind = 'shipped.indication'", "was to be told as 'shipped.indication'"),
        ("DELETE FROM events WHERE kind = 'message.refused'", "was to be told as 'message.refused'"),
        ("DELETE FROM events WHERE kind = 'expired.indication'", "was to be told as 'expired.indication'"),
        ("DELETE FROM deadlines", "deadline expiry is 'none'"),
        ("DELETE FROM messages WHERE id = 1", "is not there"),
        ("UPDATE inputs SET service = 'SHI' WHERE half_id = 2 AND sequence = 1", "and its message 'ILL'"),
    ],
)
def test_what_is_lost_or_changed_elsewhere(desk: Desk, statement: str, said: str) -> None:
    damage(desk, statement)
    assert [text for text in problems(desk) if said in text], problems(desk)


def test_what_was_disposed_of_is_not_wrong(desk: Desk) -> None:
    with desk.site.store.unit_of_work() as uow:
        for half_id in (1, 2, 3):
            uow.transactions.dispose(uow.halves.get(HalfId(half_id)).transaction_id, at=desk.clock.now)
    assert problems(desk) == []
