"""What the parts of a mail become, and what is kept of whoever sent it."""

from dataclasses import replace
from typing import Final

import pytest
import structlog

from adapters.mail_inbox import MailInbox
from adapters.mime import MailRefused
from config.settings import Limits, Mail, MailTransport
from tests.integration.adapters.mails import THEIRS, TYPE, MailRecorder, carrying
from tests.integration.adapters.peers import APDUS, ids
from tests.support.gateway import SFU, UBC

PARTNERS: Final = (
    replace(SFU, transport=MailTransport(address="Ill@SFU.example")),
    replace(UBC, allowed_senders=("@ubc.example", "desk@lists.example")),
)


@pytest.fixture
def receiver() -> MailRecorder:
    return MailRecorder()


@pytest.fixture
def inbox(receiver: MailRecorder) -> MailInbox:
    return MailInbox(Mail(), Limits(max_apdu_octets=2_000), PARTNERS, receiver, ids())


async def give(
    inbox: MailInbox, octets: bytes, *, sender: str | None = THEIRS, to: str = "ill@bex.example"
) -> None:
    await inbox.receive(octets, listener="lmtp", sender=sender, recipients=[to])


def with_body(body: bytes, header: str = TYPE) -> bytes:
    return f"From: {THEIRS}\r\n{header}\r\n\r\n".encode("ascii") + body


async def test_every_part_becomes_an_element_in_order(inbox: MailInbox, receiver: MailRecorder) -> None:
    await give(inbox, carrying(*APDUS[:2]))
    assert receiver.elements == list(APDUS[:2])
    assert {one.connection_id for one in receiver.envelopes} == {"c1"}


async def test_several_in_one_part_are_not_lost(inbox: MailInbox, receiver: MailRecorder) -> None:
    await give(inbox, carrying(APDUS[0] + APDUS[1]))
    assert receiver.elements == list(APDUS[:2])
    assert receiver.unreadable_octets == []


@pytest.mark.parametrize("end", [b"\r\n", b"\n\n", b" \t\r\n"])
async def test_a_line_break_at_the_end_is_nobodys(
    end: bytes, inbox: MailInbox, receiver: MailRecorder
) -> None:
    await give(inbox, with_body(APDUS[0] + end))
    assert (receiver.elements, receiver.unreadable_octets) == ([APDUS[0]], [])


@pytest.mark.parametrize(
    ("body", "kept", "offset", "reason"),
    [
        (b"NotBER==", b"NotBER==", 0, "cannot begin an ILL-APDU"),
        (APDUS[0][:-1], APDUS[0][:-1], len(APDUS[0]) - 1, "the element is cut off"),
        (APDUS[0] + b"\xffmore", b"\xffmore", 0, "cannot begin an ILL-APDU"),
        (b"", b"", 0, "the element is cut off"),
        (b"\r\n", b"\r\n", 0, "cannot begin an ILL-APDU"),
        (b"\x61\x82\x10\x00" + b"x" * 3_000, b"\x61\x82\x10\x00" + b"x" * 1_996, 0, "more than 2000 octets"),
    ],
)
async def test_what_is_no_element_is_kept_with_the_reason(
    body: bytes, kept: bytes, offset: int, reason: str, inbox: MailInbox, receiver: MailRecorder
) -> None:
    await give(inbox, with_body(body))
    assert receiver.unreadable_octets == [kept]
    [error] = receiver.errors
    assert error.offset == offset
    assert reason in error.reason
    assert receiver.elements == ([APDUS[0]] if body.startswith(APDUS[0]) else [])


async def test_an_encoding_that_is_not_ber_is_kept_unread(inbox: MailInbox, receiver: MailRecorder) -> None:
    await give(inbox, with_body(b"UNA:+?'", TYPE.replace("iso-8825-ber", "edifact")))
    assert receiver.unreadable_octets == [b"UNA:+?'"]
    assert "not iso-8825-ber" in receiver.errors[0].reason


async def test_a_mail_without_any_is_kept_to_a_bound(inbox: MailInbox, receiver: MailRecorder) -> None:
    await give(inbox, b"Subject: a question\r\n\r\n" + b"x" * 5_000)
    [(octets, reason)] = receiver.kept
    assert (len(octets), reason) == (2_000, "a mail that carries no APDU")


async def test_a_notice_is_told_from_it(inbox: MailInbox, receiver: MailRecorder) -> None:
    octets = b"X-Failed-Recipients: a@b.example\r\n\r\n"
    await give(inbox, octets, sender=None, to="ill+17-abcdefghijklmnop@bex.example")
    assert [notice.tokens for notice in receiver.notices] == [("17-abcdefghijklmnop",)]
    assert receiver.kept == [(octets, "failed")]


async def test_what_is_tolerated_is_said(inbox: MailInbox) -> None:
    with structlog.testing.capture_logs() as lines:
        await give(inbox, with_body(APDUS[0], "Content-Type: application/x-iso-10161-ill-1"))
    assert [line["tolerance"] for line in lines] == ["other-media-type", "no-transfer-encoding"]


async def test_a_failure_to_store_is_the_callers(inbox: MailInbox, receiver: MailRecorder) -> None:
    receiver.failure = OSError("disk full")
    for octets in (carrying(APDUS[0]), with_body(b"x"), b"\r\n"):
        with pytest.raises(OSError, match="disk full"):
            await give(inbox, octets)


async def test_a_refusal_is_the_callers(inbox: MailInbox, receiver: MailRecorder) -> None:
    with pytest.raises(MailRefused):
        await give(inbox, carrying(*[b"x"] * 101))
    assert receiver.envelopes == []


async def test_what_is_not_read_further_can_be_kept(inbox: MailInbox, receiver: MailRecorder) -> None:
    await inbox.keep(b"x" * 5_000, "too long", listener="maildir")
    assert receiver.kept == [(b"x" * 2_000, "too long")]
    assert receiver.envelopes[0].peer_address == "(none)"


@pytest.mark.parametrize(
    ("sender", "author", "kept"),
    [
        ("ill@sfu.example", "ILL@sfu.Example", "ill@sfu.example"),
        ("ill+17-x@sfu.example", '"SFU" <ill@sfu.example>', "ill@sfu.example"),
        ("bounces@lists.example", "ill@sfu.example", "@lists.example ill@sfu.example"),
        (None, "ill@sfu.example", "(none) ill@sfu.example"),
        ("ill@sfu.example", "a@b.example, c@d.example", "ill@sfu.example (none)"),
        ("desk@lists.example", "patron@ubc.example", "desk@lists.example @ubc.example"),
        ("patron@home.example", "patron@home.example", "@home.example"),
        (f"x@{'d' * 200}.example", f"x@{'e' * 200}.example", "(none)"),
        (f"x@{'d' * 110}.example", f"x@{'e' * 110}.example", f"@{'d' * 110}.example @{'e' * 110}.example"),
    ],
)
async def test_only_addresses_of_partners_are_kept_in_the_clear(
    sender: str | None, author: str, kept: str, inbox: MailInbox, receiver: MailRecorder
) -> None:
    await give(inbox, f"From: {author}\r\n\r\n".encode("ascii"), sender=sender)
    [envelope] = receiver.envelopes
    assert (envelope.peer_address, envelope.peer_host) == (kept, kept)
