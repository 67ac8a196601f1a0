"""APDUs by mail through a real Postfix, as relay and as LMTP client: delivered, put off, refused, bounced."""

from datetime import date
from pathlib import Path
from typing import Final

import pytest

from asn1.codec import decode
from asn1.ill import TransactionResults
from iso_gateway.failure import Failure
from iso_gateway.outbox.telling import APDU_DEFERRED
from iso_gateway.request.primitives import (
    Answer,
    CheckIn,
    Primitive,
    Receive,
    Renew,
    RenewAnswer,
    Return,
    Ship,
)
from iso_gateway.services import APDU_PROCESSED
from iso_gateway.store.records import Direction, HalfId, OutboxStatus, Transport
from tests.support.apdus import ill_request
from tests.support.gateway import Clock
from tests.support.mail_libraries import BORROWER, BOX, LENDER, THEIRS, Library, Log, MailSystem, library

#: Of the borrower, and of the lender.
REQUEST: Final = ill_request(requester="ILLUME:SFU", responder="ILLUME:BEX")
OURS: Final = ill_request(requester="ILLUME:BEX", responder="ILLUME:SFU")
DUE: Final = date(2026, 12, 24)
LATER: Final = date(2027, 1, 14)


async def test_a_whole_loan_by_mail(tmp_path: Path, system: MailSystem, lines: Log) -> None:
    """From the request to the check-in, with a renewal; every APDU goes through the mail server, once."""
    clock = Clock()
    async with (
        library(
            tmp_path / "l", system, lines, domain=LENDER, partner=f"ill@{BORROWER}", clock=clock,
            keys='when_overdue = "send"',
        ) as lender,
        library(
            tmp_path / "b", system, lines, domain=BORROWER, partner=f"ill@{LENDER}", symbols=THEIRS,
            clock=clock,
        ) as borrower,
    ):  # fmt: skip
        borrowed = borrower.request()
        lent = HalfId((await lines.processed("applied"))["half_id"])

        def states() -> tuple[str, str]:
            return lender.state(lent), borrower.state(borrowed)

        steps: list[tuple[Library, HalfId, Primitive, tuple[str, str]]] = [
            (lender, lent, Answer(result=TransactionResults.will_supply), ("IN-PROCESS", "PENDING")),
            (lender, lent, Ship(date_due=DUE), ("SHIPPED", "SHIPPED")),
            (borrower, borrowed, Receive(), ("SHIPPED", "RECEIVED")),
            (borrower, borrowed, Renew(), ("RENEW/PENDING", "RENEW/PENDING")),
            (lender, lent, RenewAnswer(answer=True, date_due=LATER), ("SHIPPED", "RECEIVED")),
        ]
        for side, half_id, primitive, expected in steps:
            clock.advance(minutes=1)
            side.act(half_id, primitive)
            await lines.processed("applied")
            assert states() == expected
        # Nobody does anything, and the day is over on which it was due.
        lender.pass_time(days=(LATER - clock.now.date()).days + 1)
        await lines.processed("applied")
        assert states() == ("OVERDUE", "OVERDUE")
        borrower.act(borrowed, Return())
        await lines.processed("applied")
        lender.act(lent, CheckIn())
        await lines.processed("applied")
        assert states() == ("CHECKED-IN", "RETURNED")

        for one, other, domain in ((lender, borrower, BORROWER), (borrower, lender, LENDER)):
            assert one.came() == other.went(), "each once, in order"
            await one.sent()
            assert one.look() == ()
            with one.desk.reading() as uow:
                messages = [listed.message for listed in uow.messages.list()]
            assert {message.transport for message in messages} == {Transport.MAIL}
            assert {
                (message.listener, message.peer_address)
                for message in messages
                if message.direction is Direction.RECEIVED
            } == {("lmtp", f"ill@{domain}")}
        assert [type(decode(one)).__name__ for one in borrower.came()] == [
            "ILLAnswer", "Shipped", "RenewAnswer", "Overdue", "CheckedIn",
        ]  # fmt: skip
        assert [type(decode(one)).__name__ for one in lender.came()] == [
            "ILLRequest", "Received", "Renew", "Returned",
        ]  # fmt: skip


@pytest.mark.parametrize("variable_sender", [True, False])
async def test_a_bounce_is_tied_to_the_message_that_caused_it(
    tmp_path: Path, system: MailSystem, lines: Log, *, variable_sender: bool
) -> None:
    async with (
        library(
            tmp_path / "l",
            system,
            lines,
            domain=LENDER,
            partner=f"nobody@{BORROWER}",
            variable_sender=variable_sender,
        ) as lender,
        library(tmp_path / "b", system, lines, domain=BORROWER, partner="any@any.example"),
    ):
        other, message_id = lender.send(REQUEST), lender.send(OURS)
        for _ in range(2):
            await lines.processed("mail-notice")
        for one in (other, message_id):
            row = lender.row(one)
            assert row.status is OutboxStatus.NOT_DELIVERED
            assert (row.last_error or "").startswith("the mail came back: there is no such mailbox")
        told = [event for event in lender.desk.events() if event.kind == "message.not-delivered"]
        assert {event.message_id for event in told} == {other, message_id}


async def test_the_mail_server_is_known_by_its_certificate_or_gets_nothing(
    tmp_path: Path, system: MailSystem, lines: Log
) -> None:
    async with (
        library(
            tmp_path / "l",
            system,
            lines,
            domain=LENDER,
            partner=f"ill@{BORROWER}",
            tls="starttls",
            ca_file=str(system.authority),
        ) as trusting,
        library(
            tmp_path / "d",
            system,
            lines,
            domain="doubting.example",
            partner=f"ill@{BORROWER}",
            tls="starttls",
        ) as doubting,
        library(
            tmp_path / "b",
            system,
            lines,
            domain=BORROWER,
            partner=f"ill@{LENDER}",
            symbols=THEIRS,
            answers=False,
        ) as borrower,
    ):
        message_id = doubting.send(OURS)
        await lines.until(APDU_DEFERRED)
        row = doubting.row(message_id)
        assert row.failure is Failure.MAIL_SERVER
        assert "no TLS with our mail server" in (row.last_error or "")
        assert "certificate_verify_failed" in (row.last_error or "")
        trusting.send(OURS)
        await lines.processed("applied")
        assert [decode(octets) for octets in borrower.came()] == [OURS]


async def test_a_maildir_that_the_server_fills(tmp_path: Path, system: MailSystem, lines: Log) -> None:
    async with (
        library(tmp_path / "l", system, lines, domain=LENDER, partner=f"ill@{BOX}") as lender,
        library(
            tmp_path / "b", system, lines, domain=BOX, partner=f"ill@{LENDER}", symbols=THEIRS, answers=False,
            lmtp_host=None, maildir=str(system.box), maildir_interval="20ms",
        ) as borrower,
    ):  # fmt: skip
        lender.send(OURS)
        line = await lines.until(APDU_PROCESSED)
        assert line["partner"] == "THEM", "the envelope's sender is what the server wrote on top"
        [octets] = borrower.came()
        assert decode(octets) == OURS
