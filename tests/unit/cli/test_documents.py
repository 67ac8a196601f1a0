"""`iso-gateway documents`, and the links in `requests act` and `requests show`."""

from typing import Final

import pytest

from iso_gateway.failure import Failure
from iso_gateway.store.records import BreakerState, OutboxKind, PartnerStateRecord
from tests.support import apdus
from tests.support.site import Installation
from tests.unit.cli.conftest import Command

URL: Final = "https://illume.example/document/7"
LATER: Final = "https://illume.example/document/8"
TO: Final = "docs@yaz.example"


@pytest.fixture
def request_(place: Installation) -> int:
    """A request of YAZ, which gets its links by mail."""
    gateway = place.config.read_text(encoding="utf-8")
    gateway = gateway.replace(
        'symbol = "ILLUME:BEX"', 'symbol = "ILLUME:BEX"\npublic_mail = "ill@bex.example"'
    )
    place.config.write_text(f"{gateway}\n[mail]\nrelay_port = 1\n", encoding="utf-8")
    place.configure(f'document_email = "{TO}"')
    processed = place.receive(apdus.ill_request(), two_way=False)
    assert processed.half_id is not None
    return processed.half_id


def ship(command: Command, request: int, *more: str) -> str:
    return command.text(
        "requests",
        "act",
        request,
        "ship",
        "--service-type",
        "copy-non-returnable",
        "--document-url",
        URL,
        *more,
    )


def test_ship_says_whom_the_link_is_mailed_to(request_: int, command: Command) -> None:
    said = ship(command, request_).splitlines()
    assert said[0].startswith("SHIPPED queued for YAZ")
    assert said[1] == f"document 1 of request {request_}: the mail with its link is queued for {TO}"
    shown = command.text("requests", "show", request_)
    assert f"document 1: {URL}, to {TO}: waiting to send" in shown
    [document] = command.json("requests", "show", request_)["documents"]
    assert (document["url"], document["recipient"], document["downloads"]) == (URL, TO, 5)
    assert document["mail"]["status"] == "waiting"


def test_a_link_that_is_none_is_refused(request_: int, command: Command) -> None:
    said = command.error("requests", "act", request_, "ship", "--document-url", "https://a:b@c.example/")
    assert "a user or a password" in said
    assert "a:b" not in said
    assert "does not take --document-url" in command.error(
        "requests", "act", request_, "lost", "--document-url", URL, code=2
    ).replace("\n", " ").replace("│ │", "").replace("  ", " ")


def test_a_partner_that_logs_in_gets_no_mail(request_: int, place: Installation, command: Command) -> None:
    place.configure("illume_login = true")
    assert "not mailed: its borrower logs in to Illume" in ship(command, request_)
    assert "not mailed" in command.text("documents", "list")
    assert "not mailed" in command.text("documents", "preview", request_)
    [row] = command.json("documents", "list")
    assert (row["mail"], row["unmailed"], row["recipient"]) == (None, "login", None)


def test_add_list_and_preview(request_: int, place: Installation, command: Command) -> None:
    assert "no documents" in command.text("documents", "list")
    ship(command, request_)
    added = command.json("documents", "add", request_, LATER, "--note", "The end")
    assert added == {"id": 2, "request_id": request_, "recipient": TO, "unmailed": None}
    assert "has this very link already" in command.error("documents", "add", request_, LATER)
    said = command.text("documents", "add", request_, LATER, "--again")
    assert said == f"document 3 of request {request_}: the mail with its link is queued for {TO}\n"
    rows = command.json("documents", "list", request_)
    assert [(row["id"], row["url"], row["message_id"] is None) for row in rows] == [
        (3, LATER, True),
        (2, LATER, True),
        (1, URL, False),
    ]
    assert [row["id"] for row in command.json("documents", "list", "--limit", 1)] == [3]
    text = command.text("documents", "preview", request_)
    assert text.startswith(f"To: {TO}\nReply-To: ill@bex.example\nSubject: Request ")
    assert LATER in text
    html = command.text("documents", "preview", request_, "--html", "--document-url", URL)
    assert html.startswith("<!DOCTYPE html>\n")
    assert f'<a href="{URL}">' in html
    assert set(command.json("documents", "preview", request_)) == {
        "recipient", "unmailed", "reply_to", "subject", "text", "html",
    }  # fmt: skip
    place.dispose(request_)
    assert "disposed of" in command.text("documents", "list")


def test_what_came_back_is_listed(request_: int, place: Installation, command: Command) -> None:
    ship(command, request_)
    with place.site.store.unit_of_work() as uow:
        [row] = [one for one in uow.outbox.list() if one.kind is OutboxKind.MAIL]
        fence = uow.leases.claim(row.id, "test", row.next_attempt_at, row.next_attempt_at)
        assert fence is not None
        uow.leases.delivered(row.id, fence, place.clock())
        assert uow.outbox.returned(row.id, place.clock(), "the mail came back: no such mailbox")
    command.columns = 200
    assert f"to {TO}: not delivered: the mail came back: no such mailbox" in command.text("documents", "list")


def test_a_mail_does_not_wait_for_the_partners_software(
    request_: int, place: Installation, command: Command
) -> None:
    ship(command, request_)
    with place.site.store.unit_of_work() as uow:
        uow.partners.set_breaker(
            PartnerStateRecord(
                partner="YAZ",
                breaker=BreakerState.OPEN,
                failures=3,
                retry_at=place.clock(),
                failing_since=place.clock(),
                failure=Failure.REFUSED,
                last_error="connection refused",
            )
        )
    apdu, mail = command.json("waiting", "list")
    assert "takes nothing now" in apdu["why"]
    assert mail["why"] == "it is its turn: is the gateway running?"
