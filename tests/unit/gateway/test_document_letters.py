"""What a mail about a document says: whatever a partner wrote stays a value in it."""

import email
from dataclasses import replace
from datetime import UTC, date, datetime
from email.header import decode_header, make_header
from email.message import Message
from typing import Final

from adapters.letter_composer import Letter, compose_letter, one_line
from asn1 import ill
from asn1.schema import GeneralString
from config.settings import Language
from iso_gateway.documents.describing import describe
from iso_gateway.documents.rendering import render
from tests.support.apdus import ill_request
from tests.support.gateway import BEX, SFU
from tests.support.hostile_texts import hostile

LINK: Final = "https://illume.example/d/7?key=a%20b"
MARK: Final = "17-abcdefghijklmnop"
AT: Final = datetime(2026, 11, 2, 9, 5, 7, tzinfo=UTC)
#: What the lines of a letter begin with.
OURS: Final = (
    "The document that SFU asked for is here:",
    LINK,
    "It can be downloaded 5 times, until January 31, 2027 (90 days).",
    "Every click on the link counts, so save the file the first time.",
    "Your request number:  INTERLENDING/2026-000117",
    "Our request number:   71",
    "Lender:               ",
    "Title:                ",
    "Author:               ",
    "The lender wrote: ",
    "Questions about the document: answer this mail, or write to desk@bex.example.",
)
LOCAL: Final = replace(BEX, public_mail="ill@bex.example", document_contact="desk@bex.example")
PARTNER: Final = replace(SFU, document_email="docs@sfu.example")


def letter(title: str, name: str, note: str) -> Letter:
    """The letter about a title, from a library of a name, with a note of its staff."""
    request = replace(
        ill_request(requester="ILLUME:SFU"),
        item_id=ill.ItemId(
            title=GeneralString(title.encode("utf-8", "surrogatepass")),
            author=GeneralString(name.encode("utf-8", "surrogatepass")),
        ),
    )
    about = describe(
        request,
        link=LINK,
        local=replace(LOCAL, display_name=name or "x"),
        partner=PARTNER,
        lender_number=71,
        note=note,
        downloads=5,
        days=90,
        until=date(2027, 1, 31),
    )
    rendered = render(about, Language.ENGLISH, None)
    return Letter(
        author="ill@bex.example",
        author_name=name,
        recipient="docs@sfu.example",
        reply_to="desk@bex.example",
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
    )


def test_the_header_of_a_thousand_hostile_mails_is_exactly_what_was_set() -> None:
    for number in range(1_000):
        title, name, note = hostile(number)
        written = letter(title, name, note)
        mail = compose_letter(written, token=MARK, at=AT, variable_sender=True)
        # Not by the policy that knows more: that takes three times as long, and is tried beside the composer.
        message = email.message_from_bytes(mail.octets)
        assert message.defects == []
        header = [(field, str(make_header(decode_header(value)))) for field, value in message.raw_items()]
        author = one_line(name, 80)
        assert header == [
            ("Date", "Mon, 2 Nov 2026 09:05:07 +0000"),
            ("From", f"{author} <ill@bex.example>" if author else "<ill@bex.example>"),
            ("To", "<docs@sfu.example>"),
            ("Reply-To", "<desk@bex.example>"),
            ("Subject", one_line(written.subject)),
            ("Message-ID", f"<iso-ill.{MARK}@bex.example>"),
            ("MIME-Version", "1.0"),
            ("Content-Type", f'multipart/alternative; boundary="=_{MARK}"'),
            ("Auto-Submitted", "auto-generated"),
        ], (number, title, name, note)
        assert (mail.sender, mail.recipient) == (f"ill+{MARK}@bex.example", "docs@sfu.example")
        text = message.get_payload(0)
        assert isinstance(text, Message)
        said = text.get_payload(decode=True)
        assert isinstance(said, bytes)
        lines = said.decode("utf-8").splitlines()
        assert lines.count(LINK) == 1
        assert all(line.startswith(OURS) for line in lines if line), "no value begins a line"
