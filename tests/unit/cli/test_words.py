"""The words for people, and renderings that no real store of this version leads to."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest

from config.settings import MailTransport, Partner
from config.symbols import Symbol
from iso_gateway.cli.messages.views import Contents, kind_in_words
from iso_gateway.cli.partners import as_text as partners_as_text
from iso_gateway.cli.requests import as_json, ladder
from iso_gateway.cli.requests.views import RequestRecord, Step
from iso_gateway.cli.shared import vocabulary
from iso_gateway.cli.shared.output import console, shown
from iso_gateway.cli.shared.plain import plain
from iso_gateway.cli.shared.typist import Typist
from iso_gateway.cli.waiting.as_text import fate_in_words
from iso_gateway.protocol.states import State
from iso_gateway.store.records import (
    Basis,
    HalfId,
    HalfListing,
    HalfRecord,
    MessageId,
    OutboxStatus,
    TransactionId,
)

AT = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)


def test_states_are_said_with_the_name_that_the_standard_has() -> None:
    assert vocabulary.state_in_words("IN-PROCESS") == "Pending (IN-PROCESS)"
    assert vocabulary.state_in_words("NOT-SUPPLIED") == "Not supplied"
    assert vocabulary.state_in_words("RENEW/OVERDUE") == "Renewal asked for, overdue (RENEW/OVERDUE)"
    assert vocabulary.state_in_words("of-a-newer-version") == "of-a-newer-version"
    assert len({vocabulary.state_in_words(state) for state in State}) == len(State)


def test_the_fates_of_a_message_are_never_mixed_up() -> None:
    assert len({fate_in_words(status) for status in OutboxStatus}) == len(OutboxStatus)


def test_text_is_cut_before_it_is_escaped() -> None:
    assert shown("\x1b" * 4, 2) == "\\x1b\\x1b... (4 characters)"
    assert shown(None) == ""


def test_values_without_a_form_in_json_are_no_silent_text() -> None:
    assert plain([date(2026, 1, 2), timedelta(minutes=1), b"\xff"]) == [
        "2026-01-02",
        60.0,
        {"hex": "ff"},
    ]
    with pytest.raises(TypeError, match="object has no form in JSON"):
        plain(object())


def test_a_partner_by_mail() -> None:
    partner = Partner(
        name="M", symbols=(Symbol("ILLUME", "M"),), transport=MailTransport(address="ill@m.example")
    )
    assert partners_as_text.reached_by(partner) == ("mail", "ill@m.example")


def _borrowing() -> RequestRecord:
    half = HalfRecord(
        id=HalfId(1),
        transaction_id=TransactionId(1),
        role="requester",
        local="BEX",
        partner="SFU",
        state="PENDING",
        basis=Basis.OURS,
        flags=(),
        tables="strict",
        protocol_version=2,
        created_at=AT,
        updated_at=AT,
        last_service_at=None,
    )
    request, timer = (
        Step(
            at=AT,
            by_us=True,
            name=name,
            message_id=message_id,
            state="PENDING",
            verdict="applied",
            reason="",
            deliveries=(),
            contents=Contents(octets=b""),
        )
        for name, message_id in (("ILL-REQUEST", MessageId(1)), ("EXPIRED", None))
    )
    return RequestRecord(
        listing=HalfListing(half=half, summary={"title": "T"}), zone=UTC, steps=(request, timer), possible=()
    )


@pytest.mark.parametrize("width", [120, 80])
def test_as_borrower_we_stand_on_the_left_and_a_timer_has_no_arrow(width: int) -> None:
    lines = _rendered(_borrowing(), width)
    assert "borrower BEX" in lines[3]
    assert lines[3].index("borrower BEX") < lines[3].index("lender SFU")
    (request,) = [line for line in lines if "ILL-REQUEST [1]" in line]
    assert ">|" in request
    (timer,) = [line for line in lines if "EXPIRED" in line]
    assert ". EXPIRED ." in timer
    assert not {"<", ">"} & set(timer)


def test_a_timer_in_a_paragraph() -> None:
    assert "2026-11-20 20:00:00 timer" in _rendered(_borrowing(), 40)


def _rendered(record: RequestRecord, width: int, *, with_patron_data: bool = False) -> list[str]:
    stream = StringIO()
    out = console(stream)
    out.width = width
    for part in ladder.request(record, Typist(), width=width, with_patron_data=with_patron_data, full=False):
        out.print(part)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("apdu_type", "verdict", "called"),
    [
        ("Shipped", "no-apdu", "Shipped"),
        (None, "no-apdu", "mail"),
        (None, "mail-notice", "notice about a mail"),
        (None, "unreadable", "unreadable"),
        (None, None, "unreadable"),
    ],
)
def test_a_message_is_called_what_it_is(apdu_type: str | None, verdict: str | None, called: str) -> None:
    assert kind_in_words(apdu_type, verdict) == called


@pytest.mark.parametrize("asked", [True, False])
def test_how_to_reach_the_patron_is_shown_only_when_it_is_asked_for(*, asked: bool) -> None:
    borrowing = _borrowing()
    summary = {"title": "T", "patron_contact": "ada@example.org"}
    record = replace(borrowing, listing=replace(borrowing.listing, summary=summary))
    document = as_json.request(record, [], with_patron_data=asked)
    assert ("ada@example.org" in str(document)) is asked
    assert ("ada@example.org" in str(_rendered(record, 80, with_patron_data=asked))) is asked
