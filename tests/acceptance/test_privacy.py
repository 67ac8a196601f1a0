"""Patron data: in no line of the log at any level, and nowhere in plain in the files of the gateway."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from asn1.codec import encode
from asn1.ill import ILLRequest
from iso_gateway.request import primitives
from tests.support.apdus import cancel, ill_request, message, renew
from tests.support.daemon import ONE_WAY, TWO_WAY, Installation, RunningDaemon

#: Texts of a patron, each unlike anything that the gateway itself could say. One is not ASCII.
NAME: Final = "Quenneville-Zzyzx, Ottoline"
STREET: Final = "1313 Marmalade Crescent"
NOTE: Final = "patron is in hospital, ring her sister"
TITLE: Final = "Living with a rare Disease, volume Zyx"
AUTHOR: Final = "Ångström-Żółć, Quirinius"
REPLY: Final = "tell Ottoline that it is on its way"
CONTACT: Final = "pager of her landlady 555-0199"
IDENTIFIER: Final = "Zyzzx-29000000000017"
SECRETS: Final = (NAME, STREET, NOTE, TITLE, AUTHOR, REPLY, CONTACT, IDENTIFIER)

#: A request of ours for a patron.
OURS: Final = {
    "item": {"title": TITLE, "author": AUTHOR},
    "note": NOTE,
    "client": {"name": NAME, "identifier": IDENTIFIER},
    "patron_contact": CONTACT,
}


def personal(transaction: str, **changes: str) -> ILLRequest:
    """Give a request full of patron data."""
    texts = {"patron": NAME, "street": STREET, "note": NOTE, "title": TITLE, "author": AUTHOR, **changes}
    return ill_request(transaction=transaction, **texts)  # type: ignore[arg-type]  # all of them are texts


def forms(secret: str) -> Iterator[bytes]:
    """Give the ways in which a text may turn up: in an encoding, in JSON, escaped, in hexadecimal."""
    for octets in (
        secret.encode(),
        secret.encode("latin-1", errors="ignore"),
        json.dumps(secret)[1:-1].encode(),
    ):
        yield octets
        yield octets.hex().encode()
        yield octets.hex().upper().encode()
    yield secret.encode("unicode_escape")
    # Part of it is as bad as all of it.
    yield secret.partition(",")[0].encode()


def leaks(content: bytes) -> list[str]:
    """Give the texts of which something is in the content."""
    return [secret for secret in SECRETS if any(form in content for form in forms(secret))]


@pytest.fixture(scope="module")
def busy(gateway: RunningDaemon) -> RunningDaemon:
    """A gateway that has been through everything that it has something to say about."""
    installation = gateway.installation
    request = personal("good")
    gateway.exchange(TWO_WAY, request)
    gateway.exchange(TWO_WAY, request)
    gateway.exchange(ONE_WAY, personal("one-way"))
    gateway.exchange(TWO_WAY, personal("good", note=f"again: {NOTE}"))
    gateway.exchange(TWO_WAY, message(request, NOTE))
    gateway.exchange(TWO_WAY, renew(request))
    gateway.exchange(TWO_WAY, cancel(personal("unheard of")))
    gateway.exchange(TWO_WAY, personal("stranger", requester="ILLUME:WHO"))
    gateway.exchange(TWO_WAY, personal("a person as requester", requester=NAME))
    gateway.exchange(TWO_WAY, personal("elsewhere", responder="ILLUME:NOWHERE"))
    gateway.exchange(TWO_WAY, personal(NAME))
    gateway.exchange(TWO_WAY, replace(personal("version"), protocol_version_num=7))
    octets = encode(personal("broken"))
    gateway.exchange(TWO_WAY, octets[:-1])
    gateway.exchange(ONE_WAY, octets[:-1])
    gateway.exchange(TWO_WAY, octets.replace(STREET.encode(), b"\x00" * len(STREET)))
    gateway.exchange(ONE_WAY, f"RCPT TO: {NAME} {NOTE}\r\n".encode())
    gateway.exchange(TWO_WAY, b"\x61\x80" + octets[3:] + NAME.encode())
    [half] = [one.half for one in installation.requests() if "good" in str(one.summary)]
    installation.act(half.id, primitives.SendMessage(note=REPLY))
    file = installation.directory / "request.json"
    file.write_text(json.dumps(OURS), encoding="utf-8")
    assert installation.command("requests", "new", file, "--to", "YAZ").returncode == 0
    assert installation.command("requests", "message", half.id + 2, f"for {NAME}").returncode == 0
    # The partner is down, so the reply is tried and deferred, and the log says why.
    gateway.await_line("apdu.deferred")
    return gateway


def test_no_line_of_the_log_has_any_of_it(busy: RunningDaemon) -> None:
    assert len(busy.log) > 50
    assert {line["level"] for line in busy.log} >= {"debug", "info"}
    assert leaks(busy.output) == []


def test_no_file_has_any_of_it_while_the_gateway_runs(busy: RunningDaemon) -> None:
    files = {path.name: path.read_bytes() for path in state_files(busy)}
    assert {"gateway.db", "gateway.db-wal"} <= files.keys()
    # What is not patron data is there in plain, so we are looking at the right octets.
    assert b"ILL-Request" in files["gateway.db-wal"] + files["gateway.db"]
    assert {name: leaks(content) for name, content in files.items()} == {name: [] for name in files}


def test_no_file_has_any_of_it_after_the_gateway_has_stopped(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    with installation.running() as gateway:
        gateway.exchange(TWO_WAY, personal("good"))
        gateway.exchange(TWO_WAY, encode(personal("broken"))[:-1])
    files = {path.name: path.read_bytes() for path in state_files(gateway)}
    assert b"ILL-Request" in files["gateway.db"]
    assert {name: leaks(content) for name, content in files.items()} == {name: [] for name in files}
    # And it is all there for who has the key.
    assert NAME.encode() in installation.received()[0].octets


def test_what_an_exception_says_about_a_message_is_not_logged(tmp_path: Path) -> None:
    failing = f"""
from iso_gateway.services import Gateway
def process(self, uow, message_id):
    raise ValueError("cannot process " + uow.messages.raw(message_id).decode("latin-1") + {NAME!r})
Gateway.process = process
"""
    with Installation(tmp_path).running(before=failing) as gateway:
        gateway.exchange(ONE_WAY, personal("good"))
        assert gateway.await_line("apdu.processing-failed")["error"] == "ValueError"
    assert leaks(gateway.output) == []


def test_nothing_but_sealed_columns_holds_text_of_a_message(busy: RunningDaemon) -> None:
    database = busy.installation.settings.state_dir / "gateway.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        rows = [row for name in tables for row in connection.execute(f'SELECT * FROM "{name}"')]  # noqa: S608
    assert len(rows) > 50
    assert leaks(repr(rows).encode()) == []


def test_the_command_says_nothing_of_the_patron_unasked(busy: RunningDaemon) -> None:
    installation = busy.installation
    ours = max(one.half.id for one in installation.requests() if one.half.role == "requester")
    for arguments in (
        ("requests", "list"),
        ("requests", "show", ours),
        ("requests", "show", ours, "--json"),
        ("requests", "new", installation.directory / "request.json", "--to", "YAZ"),
    ):
        done = installation.command(*arguments)
        assert not {CONTACT, IDENTIFIER, STREET} & set(leaks(done.stdout + done.stderr)), arguments
    told = installation.command("requests", "show", ours, "--patron").stdout
    assert CONTACT.encode() in told


@pytest.mark.parametrize("field", ["note", "patron_contact", "item"])
def test_a_mistake_in_a_request_file_shows_nothing_of_it(busy: RunningDaemon, field: str) -> None:
    file = busy.installation.directory / "mistaken.json"
    file.write_text(json.dumps({**OURS, field: [NAME]}), encoding="utf-8")
    done = busy.installation.command("requests", "new", file, "--to", "YAZ")
    assert done.returncode == 2
    assert field.encode() in done.stderr
    assert leaks(done.stdout + done.stderr) == []


@pytest.mark.parametrize("secret", SECRETS)
def test_a_leak_would_be_seen(secret: str) -> None:
    for content in (secret.encode(), json.dumps({"note": secret}).encode(), repr(secret).encode()):
        assert leaks(b"before " + content + b" after") == [secret]


def state_files(gateway: RunningDaemon) -> list[Path]:
    """Give the files that the gateway keeps."""
    return [path for path in gateway.installation.settings.state_dir.rglob("*") if path.is_file()]
