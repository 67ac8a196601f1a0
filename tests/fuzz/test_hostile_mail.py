"""Any octets are a mail: read within bounds, refused in one way, and nothing in them gets out."""

import asyncio
from datetime import timedelta
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.lmtp import LmtpListener
from adapters.mail_inbox import MailInbox
from adapters.mail_reading import MEDIA_TYPE, read
from adapters.mime import MailLimits, MailRefused
from asn1.codec import encode
from config.settings import Limits, Mail
from tests.integration.adapters.mails import OURS, LmtpClient, MailRecorder
from tests.integration.adapters.peers import ids
from tests.support.apdus import ill_request

SETTINGS: Final = settings(max_examples=300, deadline=None)
LIMITS: Final = MailLimits(parts=20, depth=3, header_octets=1_000)
APDU: Final = encode(ill_request())

#: What mails are made of, in any order.
PIECES: Final = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"\r\n", b"\n", b"\r\n\r\n", b"--b", b"--b--", b"--c", b"\r\n--b\r\n", b"\r\n--b--\r\n", b" ",
                b"\t", b"Content-Type: multipart/mixed; boundary=b\r\n",
                b'Content-Type: multipart/report; boundary="c"\r\n',
                b"Content-Type: message/rfc822\r\n", b"Content-Type: message/delivery-status\r\n",
                f"Content-Type: {MEDIA_TYPE}; transfer-encoding=iso-8825-ber\r\n".encode(),
                b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n",
                b"From: a@b.example\r\n", b"From: =?utf-8?q?=0A?=Bcc: x@y\r\n", b"Action: failed\r\n",
                b"Status: 5.1.1\r\n", b"Message-ID: <iso-ill.17-abcdefghijklmnop@x>\r\n", b"YWJj", b"==",
                b"=0A=", b".",
                b"Original-Envelope-Id: 17-abcdefghijklmnop\r\n", b"X-Failed-Recipients: x\r\n", APDU,
            ]
        ),
        st.binary(max_size=50),
    ),
    max_size=40,
).map(b"".join)  # fmt: skip


@SETTINGS
@given(PIECES, st.sampled_from([None, "a@b.example"]))
def test_any_octets_are_read_or_refused(octets: bytes, sender: str | None) -> None:
    try:
        mail = read(octets, limits=LIMITS, sender=sender, recipients=[f"ill+17-{'a' * 16}@b.example"])
    except MailRefused:
        return
    assert len(mail.apdus) <= LIMITS.parts + 1
    assert sum(len(found.octets) for found in mail.apdus) <= len(octets)
    assert mail.author is None or (mail.author.isascii() and mail.author.isprintable())
    if mail.notice is not None:
        assert mail.apdus == ()
        assert mail.notice.tokens[0] == f"17-{'a' * 16}"


@SETTINGS
@given(PIECES)
def test_every_octet_of_a_part_comes_out_somewhere(octets: bytes) -> None:
    """What the inbox makes of a mail: elements and what is unreadable, or the mail itself."""
    receiver = MailRecorder()
    inbox = MailInbox(Mail(), Limits(), [], receiver, ids())
    try:
        asyncio.run(inbox.receive(octets, listener="lmtp", sender=None, recipients=[OURS]))
    except MailRefused:
        assert receiver.envelopes == []
        return
    assert receiver.elements or receiver.unreadable_octets or receiver.kept
    if receiver.kept:
        assert receiver.kept[0][0] == octets
    for envelope in receiver.envelopes:
        assert envelope.peer_address.isprintable()
        assert "a@b.example" not in envelope.peer_address, "a stranger's address is not kept in the clear"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    b"LHLO x\r\n", b"MAIL FROM:<a@b.example>\r\n", f"RCPT TO:<{OURS}>\r\n".encode(),
                    b"DATA\r\n", b".\r\n", b"\r\n.\r\n", b"\n.\n", b"RSET\r\n", b"QUIT\r\n",
                    b"x" * 2_000, b"..\r\n",
                ]
            ),
            st.binary(max_size=100),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_a_hostile_client_gets_answers_and_others_are_served(said: list[bytes]) -> None:
    async def talk() -> None:
        receiver = MailRecorder()
        mail = Mail(lmtp_host="127.0.0.1", lmtp_port=0, max_mail_octets=4_096)
        inbox = MailInbox(mail, Limits(), [], receiver, ids())
        listener = LmtpListener(mail, [OURS], inbox, silence=timedelta(seconds=30))
        await listener.start()
        assert listener.address is not None
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.writelines(said)
        writer.write_eof()
        try:
            answers = await reader.read()
            for line in answers.splitlines():
                assert line[:3].isdigit()
                assert line.decode("ascii").isprintable()
        except ConnectionError:
            # It was ended while we were still talking.
            assert said
        writer.close()
        async with LmtpClient.connected(listener.address[1]) as other:
            assert await other.deliver(b"Subject: x\r\n\r\n") == "250 2.0.0 stored"
        await listener.stop(timedelta(seconds=5))

    asyncio.run(talk())
