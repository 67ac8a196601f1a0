"""The mail of the morning through a real Postfix: what wants a person arrives as it was written."""

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

from config.settings import DailyMail
from iso_gateway.noticing import reporting
from iso_gateway.noticing.working_days import WorkingDays
from tests.support.mail_libraries import BORROWER, LENDER, THEIRS, Log, MailSystem, library


async def test_the_mail_of_the_morning_is_readable_in_text(
    tmp_path: Path, system: MailSystem, lines: Log
) -> None:
    """To our own people's mail server; a peer had a hand in what it says."""
    async with (
        library(tmp_path / "l", system, lines, domain=LENDER, partner=f"ill@{BORROWER}") as lender,
        library(
            tmp_path / "b",
            system,
            lines,
            domain=BORROWER,
            partner=f"ill@{LENDER}",
            symbols=THEIRS,
            answers=False,
        ) as people,
    ):
        lender.desk.receive(b"junk", peer="x\r\nBcc: evil@evil.example\r\n\r\n\x1b[31m:40004")
        lender.look()
        recipient = DailyMail(to=f"ill@{BORROWER}")
        told = lender.desk.site.settings
        told = replace(told, noticing=replace(told.noticing, mail=(recipient,)))
        with lender.desk.site.store.unit_of_work() as uow:
            assert reporting.write(uow, told, lender.desk.clock.now, WorkingDays.of(told.noticing)) == 1
        lender.dispatcher.wake()
        await lines.processed("no-apdu")
        [octets] = [one for one in people.came() if b"thing wants a person" in one]
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message["To"].addresses[0].addr_spec == message["Reply-To"].addresses[0].addr_spec == recipient.to
    assert message["Bcc"] is None
    assert message["Subject"] == "1 thing wants a person, new: US"
    text = message.get_body(("plain",))
    assert text is not None
    said = text.get_content().splitlines()
    assert "[1] What came could not be read" in said
    assert "    1 message from x Bcc: evil@evil.example [31m on 2026-11-16 could not be" in said
    assert max(len(line) for line in said) <= 78
