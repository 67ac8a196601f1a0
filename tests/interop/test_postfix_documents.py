"""The mail about a document, through a real Postfix: what people read, and what nobody can put into it."""

import asyncio
import email
import email.policy
import re
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Final

from adapters.letter_composer import compose_letter
from adapters.mail_composer import OutgoingMail
from adapters.mail_sender import MailSender
from asn1.ill import Shipped
from config import starter
from config.settings import Mail
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.request.primitives import Ship
from iso_gateway.services import Arrival
from iso_gateway.store.records import HalfId, OutboxStatus, Transport
from tests.support.apdus import ill_request
from tests.support.daemon import Installation, PartnerListener
from tests.support.hostile_texts import hostile
from tests.support.mail_libraries import BORROWER, BOX, LENDER, THEIRS, Log, MailSystem, library
from tests.support.postfix import HOST
from tests.unit.gateway.test_document_letters import AT, letter

#: The header fields that mail servers add.
SERVERS: Final = {"Return-Path", "Received", "Delivered-To", "X-Original-To"}
#: How many of the thousand hostile mails go through the mail server; all of them are in the unit test.
SAMPLE: Final = 60

#: For `before`: the daemon ends at once when it is about to give the mail server a mail.
DIE_BEFORE_THE_MAIL: Final = """
import os, signal
from adapters.mail_sender import MailSender
async def die(self, mail, **_):
    os.kill(os.getpid(), signal.SIGKILL)
MailSender.send = die
"""


def took(system: MailSystem) -> list[bytes]:
    """Take the mails out of the Maildir, once all that the mail server has is delivered."""
    system.server.await_empty()
    files = sorted((system.box / "new").iterdir())
    mails = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    return mails


def header_of(octets: bytes) -> list[tuple[str, str]]:
    """The header of a mail as it stands there, without what servers added."""
    message = email.message_from_bytes(octets, policy=email.policy.compat32)
    return [(name, value) for name, value in message.items() if name not in SERVERS]


async def test_hostile_mails_arrive_with_the_header_that_was_set_and_nowhere_else(system: MailSystem) -> None:
    mails: dict[str, OutgoingMail] = {}
    for number in range(SAMPLE):
        written = replace(letter(*hostile(number)), author=f"ill@{LENDER}", recipient=f"docs@{BOX}")
        token = f"{number + 1}-abcdefghijklmnop"
        mails[f"<iso-ill.{token}@{LENDER}>"] = compose_letter(
            written, token=token, at=AT, variable_sender=True
        )
    before = len(system.server.log)
    sender = MailSender(Mail(relay_host=HOST, relay_port=system.server.port))
    patience = timedelta(seconds=60)
    free = asyncio.Semaphore(8)

    async def send(mail: OutgoingMail) -> None:
        async with free:
            await sender.send(mail, connect_timeout=patience, send_timeout=patience)

    await asyncio.gather(*map(send, mails.values()))
    arrived = await asyncio.to_thread(took, system)
    headers = {dict(header)["Message-ID"]: header for header in map(header_of, arrived)}
    assert len(arrived) == len(headers) == SAMPLE
    for message_id, mail in mails.items():
        # A Maildir has the line breaks of its system.
        assert headers[message_id] == header_of(mail.octets.replace(b"\r\n", b"\n"))
    assert set(re.findall(r" to=<([^>]*)>", system.server.log[before:])) == {f"docs@{BOX}"}


async def test_the_link_to_a_document_is_readable_in_text(
    tmp_path: Path, system: MailSystem, lines: Log
) -> None:
    """To the borrower's mail server, which hands it to whoever reads; what the borrower wrote is hostile."""
    title = "Le désert\r\nBcc: evil@evil.example\r\n\r\n=?utf-8?q?=0ABcc=3A_evil=40evil.example?="
    link = "https://illume.example/document/7?key=" + "k" * 120
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
        ) as borrower,
    ):
        [partner] = borrower.desk.site.settings.partners
        borrower.desk.request(NewRequest(item=Item(title=title.replace("\r", " "))), partner=partner)
        [asked] = borrower.desk.deliver()
        arrival = Arrival(
            transport=Transport.MAIL, listener="lmtp", peer_address=f"ill@{BORROWER}", connection_id="m"
        )
        with lender.desk.site.store.unit_of_work() as uow:
            message_id = lender.desk.site.gateway.receive(uow, asked.octets, arrival)
        half_id = lender.desk.process(message_id).half_id
        assert half_id is not None
        lender.desk.act(HalfId(half_id), Ship(document_url=link))
        lender.dispatcher.wake()
        await lines.processed("no-apdu")
        [octets] = [one for one in borrower.came() if b"multipart/alternative" in one]
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert [name for name in message.keys() if name not in SERVERS] == [  # noqa: SIM118 - with repeats
        "Date", "From", "To", "Reply-To", "Subject", "Message-ID", "MIME-Version", "Content-Type",
        "Auto-Submitted",
    ]  # fmt: skip
    text = message.get_body(("plain",))
    assert text is not None
    said = text.get_content().splitlines()
    assert link in said
    assert any(line.startswith("Title:                Le désert Bcc: evil@") for line in said)
    assert "Le désert Bcc: evil@evil.example = ?utf-8" in message["Subject"]


def test_a_crash_between_shipped_and_the_mail_loses_neither_and_mails_once(
    tmp_path: Path, system: MailSystem
) -> None:
    url = "https://illume.example/document/7"
    with PartnerListener() as partner:
        installation = Installation(tmp_path, zed_port=partner.port)
        installation.edit(
            starter.GATEWAY_FILE,
            'symbol = "ILLUME:BEX"',
            f'symbol = "ILLUME:BEX"\npublic_mail = "ill@{LENDER}"',
        )
        config = installation.config.read_text(encoding="utf-8")
        installation.config.write_text(
            f"{config}\n[mail]\nrelay_port = {system.server.port}\n", encoding="utf-8"
        )
        installation.edit("partners/ZED.toml", "test = true", f'test = true\ndocument_email = "docs@{BOX}"')
        with installation.running() as gateway:
            gateway.exchange("one-way", ill_request(requester="ILLUME:ZED"))
            gateway.kill()
        said = installation.command("requests", "act", 1, "ship", "--document-url", url)
        assert said.returncode == 0, said.stderr
        died = installation.start(before=DIE_BEFORE_THE_MAIL)
        try:
            assert died.wait() == -9
        finally:
            died.kill()
        assert took(system) == []
        partner.listen()
        with installation.running() as gateway:
            assert isinstance(partner.apdu(), Shipped)
            gateway.await_line("document.delivered")
            gateway.await_line("apdu.delivered")
        with installation.running():
            listed = installation.command("documents", "list", "--json")
            assert b'"status": "delivered"' in listed.stdout
        with installation.reading() as uow:
            [document] = uow.documents.of(HalfId(1))
        assert document.mail is not None
        assert document.mail.status is OutboxStatus.DELIVERED
        [mail] = took(system)
        assert url.encode() in mail
