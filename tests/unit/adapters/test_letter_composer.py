"""Mails for people: whatever a partner wrote, the header is ours."""

import email
import email.policy
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.letter_composer import Letter, compose_letter, header_text, one_line
from adapters.mail_composer import OutgoingMail
from tests.support.hostile_texts import ATTACKS

AT: Final = datetime(2026, 11, 2, 9, 5, 7, tzinfo=timezone(timedelta(hours=-8)))
MARK: Final = "17-abcdefghijklmnop"
LETTER: Final = Letter(
    author="ill@bex.example",
    author_name="Bibliothèque de Bowen",
    recipient="docs@sfu.example",
    reply_to="desk@bex.example",
    subject="Request 71: your document, Le Devoir",
    text="Voilà :\n\nhttps://illume.example/d/7?key=a%20b\n",
    html="<p>Voil\xe0</p>\n",
)
NAMES: Final = [
    "Date",
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Auto-Submitted",
]

HOSTILE: Final = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(),
    st.text(st.sampled_from('=?utf8qb\r\n :,<>@"\\\x85\u2028\u2029\x00é😀\ud800.'), max_size=400),
    st.builds(str.__add__, st.text(max_size=100), st.sampled_from(ATTACKS)),
)


def composed(letter: Letter = LETTER) -> OutgoingMail:
    return compose_letter(letter, token=MARK, at=AT, variable_sender=True)


def parsed(mail: OutgoingMail) -> EmailMessage:
    message = email.message_from_bytes(mail.octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def header_of(mail: OutgoingMail) -> list[tuple[str, str]]:
    """The header as a program reads it that knows of folding and of nothing else."""
    header, _, _ = mail.octets.partition(b"\r\n\r\n")
    lines = header.decode("ascii").replace("\r\n ", " ").split("\r\n")
    assert all("\n" not in line and "\r" not in line for line in lines)
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]


def test_the_header_is_exactly_this() -> None:
    mail = composed()
    assert header_of(mail) == [
        ("Date", "Mon, 2 Nov 2026 09:05:07 -0800"),
        ("From", "=?utf-8?b?QmlibGlvdGjDqHF1ZSBkZSBCb3dlbg==?= <ill@bex.example>"),
        ("To", "<docs@sfu.example>"),
        ("Reply-To", "<desk@bex.example>"),
        ("Subject", "Request 71: your document, Le Devoir"),
        ("Message-ID", f"<iso-ill.{MARK}@bex.example>"),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/alternative; boundary="=_{MARK}"'),
        ("Auto-Submitted", "auto-generated"),
    ]
    assert (mail.sender, mail.recipient) == (f"ill+{MARK}@bex.example", "docs@sfu.example")


def test_both_bodies_say_what_they_were_given() -> None:
    message = parsed(composed())
    text, html = message.iter_parts()
    assert [part.get_content_type() for part in (text, html)] == ["text/plain", "text/html"]
    assert text.get_content().replace("\r\n", "\n") == LETTER.text
    assert html.get_content().replace("\r\n", "\n") == LETTER.html


def test_without_a_contact_answers_go_to_the_author() -> None:
    assert dict(header_of(composed(replace(LETTER, reply_to=None))))["Reply-To"] == "<ill@bex.example>"


@pytest.mark.parametrize("name", ["author", "recipient", "reply_to"])
def test_an_address_that_no_configuration_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="may not stand in the header"):
        composed(replace(LETTER, **{name: "a@b.example\r\nBcc: c@d.example"}))


def test_a_name_that_is_nothing_is_left_out() -> None:
    assert dict(header_of(composed(replace(LETTER, author_name=" \n"))))["From"] == "<ill@bex.example>"


@settings(max_examples=150, deadline=None)
@given(title=HOSTILE, name=HOSTILE, note=HOSTILE)
def test_nothing_that_a_partner_wrote_becomes_a_header_or_a_recipient(
    title: str, name: str, note: str
) -> None:
    mail = composed(replace(LETTER, subject=title, author_name=name, text=note, html=note))
    assert [field for field, _ in header_of(mail)] == NAMES
    message = parsed(mail)
    assert message.keys() == NAMES
    assert message.defects == []
    assert (mail.sender, mail.recipient) == (f"ill+{MARK}@bex.example", "docs@sfu.example")
    for field, address in (("To", "docs@sfu.example"), ("From", "ill@bex.example")):
        [only] = message[field].addresses
        assert only.addr_spec == address
    subject = str(make_header(decode_header(dict(header_of(mail))["Subject"])))
    assert subject == one_line(title)
    assert "\n" not in subject
    assert "\r" not in subject
    assert all(len(line) <= 998 for line in mail.octets.split(b"\r\n"))
    # A program that decodes what it has decoded finds nothing more.
    assert str(make_header(decode_header(subject))) == subject
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert [part.keys() for part in parts] == [["Content-Type", "Content-Transfer-Encoding"]] * 2


@given(HOSTILE)
def test_an_encoded_header_has_lines_that_every_server_takes(text: str) -> None:
    lines = f"Subject: {header_text(text)}".split("\r\n")
    assert all(len(line) <= 76 for line in lines)
    assert all(line.startswith(" =?utf-8?b?") for line in lines[1:])


def test_a_long_text_is_cut() -> None:
    assert one_line("a" * 300) == "a" * 197 + "..."
