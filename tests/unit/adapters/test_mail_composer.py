"""The mails that carry APDUs."""

import email
import email.policy
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mail_composer import OutgoingMail, compose
from adapters.mail_reading import read
from adapters.mime import MailLimits

AT: Final = datetime(2026, 11, 2, 9, 5, 7, tzinfo=timezone(timedelta(hours=-8)))
MARK: Final = "17-abcdefghijklmnop"


def composed(
    apdu: bytes = b"a", *, author: str = "ill@bex.example", recipient: str = "ill@sfu.example",
    token: str = MARK, variable: bool = True, at: datetime = AT,
) -> OutgoingMail:  # fmt: skip
    return compose(apdu, author=author, recipient=recipient, token=token, at=at, variable_sender=variable)


def test_the_header_is_exactly_this() -> None:
    header, _, body = composed(b"\x61" * 60).octets.partition(b"\r\n\r\n")
    assert header.decode("ascii").split("\r\n") == [
        "Date: Mon, 2 Nov 2026 09:05:07 -0800",
        "From: <ill@bex.example>",
        "To: <ill@sfu.example>",
        "Subject: ISO ILL message",
        f"Message-ID: <iso-ill.{MARK}@bex.example>",
        "MIME-Version: 1.0",
        "Content-Type: application/iso-10161-ill-1; transfer-encoding=iso-8825-ber",
        "Content-Transfer-Encoding: base64",
        "Auto-Submitted: auto-generated",
    ]
    assert body == b"YWFh" * 19 + b"\r\nYWFh\r\n"


def test_the_date_is_in_english_and_has_its_zone() -> None:
    assert b"Date: Sat, 7 Mar 2026 00:00:00 +0000\r\n" in composed(at=datetime(2026, 3, 7, tzinfo=UTC)).octets


def test_a_bounce_comes_to_an_address_of_the_mails_own() -> None:
    assert composed().sender == f"ill+{MARK}@bex.example"
    assert composed(variable=False).sender == "ill@bex.example"
    assert composed().recipient == "ill@sfu.example"


def test_a_sub_address_that_would_be_too_long_is_left_out() -> None:
    fits = "x" * (64 - 1 - len(MARK))
    assert composed(author=f"{fits}@bex.example").sender == f"{fits}+{MARK}@bex.example"
    assert composed(author=f"x{fits}@bex.example").sender == f"x{fits}@bex.example"


@pytest.mark.parametrize(
    "hostile",
    [
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example\n",
        "a b@c.example",
        "",
        "\x00@b.example",
        "å@b.example",
    ],
)
@pytest.mark.parametrize("place", ["author", "recipient", "token"])
def test_nothing_gets_into_the_header_that_does_not_belong_there(hostile: str, place: str) -> None:
    with pytest.raises(ValueError, match="may not stand in the header of a mail"):
        composed(**{place: hostile})  # type: ignore[arg-type]


@given(st.binary(min_size=1, max_size=500))
def test_any_reader_of_mail_gets_the_octets_back(apdu: bytes) -> None:
    octets = composed(apdu).octets
    assert max(len(line) for line in octets.split(b"\r\n")) <= 76
    assert b"\n" not in octets.replace(b"\r\n", b"")
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message.get_payload(decode=True) == apdu
    assert message.defects == []


def test_our_own_reader_finds_the_apdu_and_the_author() -> None:
    sent = composed(b"\x61\x03\x80\x01\x01")
    mail = read(sent.octets, limits=MailLimits(), sender=sent.sender, recipients=[sent.recipient])
    assert [found.octets for found in mail.apdus] == [b"\x61\x03\x80\x01\x01"]
    assert mail.author == "ill@bex.example"
