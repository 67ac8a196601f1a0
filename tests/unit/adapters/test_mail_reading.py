"""What a mail holds: APDUs, a notice, or neither."""

import base64
from typing import Final

import pytest

from adapters.mail_reading import Fate, Notice, Tolerance, read
from adapters.mime import MailLimits, MailRefused
from asn1.codec import encode
from tests.support.apdus import ill_request

APDU: Final = encode(ill_request())
BASE64: Final = base64.encodebytes(APDU)
TYPE: Final = "Content-Type: application/iso-10161-ill-1; transfer-encoding=iso-8825-ber"
MARK: Final = "17-abcdefghijklmnop"
OTHER: Final = "18-abcdefghijklmnop"
OURS: Final = f"Ill+{MARK.upper()}@library.example"


def lines(*parts: str | bytes) -> bytes:
    return b"\r\n".join(part.encode("ascii") if isinstance(part, str) else part for part in parts)


def report(action: str, *statuses: str, extra: str = "X-Other: x", body: str = "") -> bytes:
    groups = [
        f"Final-Recipient: rfc822; ill@sfu.example\r\nAction: {action}\r\nStatus: {one}\r\n"
        for one in statuses
    ]
    return lines(
        "From: Mail Delivery System <MAILER-DAEMON@mx.example>",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
        "",
        "--b",
        "",
        "It did not work.",
        "--b",
        "Content-Type: message/delivery-status",
        "",
        f"Reporting-MTA: dns; mx.example\r\n{extra}\r\n",
        *groups,
        "--b",
        "Content-Type: text/rfc822-headers",
        "",
        body,
        "--b--",
        "",
    )


def notice_in(octets: bytes, *, sender: str | None = None, to: str = "ill@library.example") -> Notice | None:
    mail = read(octets, limits=MailLimits(), sender=sender, recipients=[to])
    assert mail.apdus == ()
    return mail.notice


@pytest.mark.parametrize(
    ("header", "body", "tolerances"),
    [
        ((TYPE, "Content-Transfer-Encoding: base64"), BASE64, ()),
        ((TYPE.upper(), "Content-Transfer-Encoding: BASE64"), BASE64, ()),
        (('Content-Type: Application/ISO-10161-ILL-1; Transfer-Encoding="iso-8825-ber"',), APDU, ()),
        ((TYPE, "Content-Transfer-Encoding: binary"), APDU, ()),
        (("Content-Type: application/iso-10161-ill-1",), APDU, (Tolerance.NO_ENCODING,)),
        ((TYPE.replace("n/iso", "n/x-iso"),), APDU, (Tolerance.OTHER_TYPE,)),
        ((TYPE, "Content-Transfer-Encoding: 7bit"), BASE64, (Tolerance.BASE64_UNSAID,)),
        ((TYPE, "Content-Transfer-Encoding: base64"), base64.encodebytes(BASE64), (Tolerance.BASE64_UNSAID,)),
    ],
)  # fmt: skip
def test_an_apdu_is_found_however_it_is_carried(
    header: tuple[str, ...], body: bytes, tolerances: tuple[Tolerance, ...]
) -> None:
    mail = read(
        lines("From: ill@sfu.example", *header, "", body),
        limits=MailLimits(),
        sender="a@b.example",
        recipients=[],
    )
    [found] = mail.apdus
    assert (found.octets, found.encoding.lower(), found.tolerances) == (APDU, "iso-8825-ber", tolerances)
    assert (mail.author, mail.notice) == ("ill@sfu.example", None)


def test_quoted_printable_carries_octets_too() -> None:
    quoted = "".join(f"={octet:02X}" for octet in APDU)
    wrapped = "=\r\n".join(quoted[begin : begin + 75] for begin in range(0, len(quoted), 75))
    mail = read(
        lines(TYPE, "Content-Transfer-Encoding: quoted-printable", "", wrapped),
        limits=MailLimits(), sender=None, recipients=[],
    )  # fmt: skip
    assert mail.apdus[0].octets == APDU


def test_every_part_of_the_type_is_an_apdu_and_no_other() -> None:
    part = lines("--b", TYPE, "Content-Transfer-Encoding: base64", "", BASE64)
    ddi = lines("--b", "Content-Type: application/ill-ddi", "", "x")
    attached = lines("--b", "Content-Type: message/rfc822", "", TYPE, "", APDU)
    octets = lines(
        "Content-Type: multipart/mixed; boundary=b",
        "",
        part,
        "--b",
        "",
        "words",
        ddi,
        attached,
        part,
        "--b--",
        "",
    )
    mail = read(octets, limits=MailLimits(), sender=None, recipients=[OURS])
    assert [found.octets for found in mail.apdus] == [APDU, APDU]
    assert mail.notice is None, "a mail with APDUs is no notice, whoever it is sent to"


def test_another_encoding_than_ber_is_named() -> None:
    mail = read(
        lines(TYPE.replace("iso-8825-ber", "EDIFACT"), "", "UNA:+?'"),
        limits=MailLimits(),
        sender=None,
        recipients=[],
    )
    assert mail.apdus[0].encoding == "edifact"


@pytest.mark.parametrize(
    "header", ["", "From: a@b.example\r\nFrom: c@d.example", "From: a@b.example, c@d.example"]
)
def test_an_author_is_one_or_none(header: str) -> None:
    assert read(lines(header, "", "x"), limits=MailLimits(), sender=None, recipients=[]).author is None


def test_the_limits_hold() -> None:
    with pytest.raises(MailRefused):
        read(b"x" * 100, limits=MailLimits(header_octets=50), sender=None, recipients=[])


@pytest.mark.parametrize(
    ("octets", "to"),
    [
        (report("failed", "5.1.1"), OURS),
        (report("failed", "5.1.1", extra=f"Original-Envelope-Id: {MARK.upper()}"), "ill@library.example"),
        (report("failed", "5.1.1", body=f"Message-ID: <ISO-ILL.{MARK}@x>"), "ill@library.example"),
    ],
)  # fmt: skip
def test_a_report_is_tied_by_any_of_three_marks(octets: bytes, to: str) -> None:
    assert notice_in(octets, to=to) == Notice(tokens=(MARK,), fate=Fate.FAILED, status="5.1.1")


def test_the_address_that_it_came_to_is_more_certain_than_what_it_says() -> None:
    octets = report("failed", "5.1.1", extra=f"Original-Envelope-Id: {OTHER}", body=f"<iso-ill.{OTHER}@x>")
    found = notice_in(octets, to=OURS)
    assert found is not None
    assert found.tokens == (MARK, OTHER)


@pytest.mark.parametrize(
    ("octets", "fate", "status"),
    [
        (report("delayed", "4.4.1"), Fate.DELAYED, "4.4.1"),
        (report("delivered", "2.1.5"), Fate.DELIVERED, "2.1.5"),
        (report("relayed", "2.0.0"), Fate.DELIVERED, "2.0.0"),
        (report("Failed", "2.0.0", "5.2.2 (full)", "4.0.0"), Fate.FAILED, "5.2.2"),
        (report("failed", "x5.1.1"), Fate.FAILED, None),
        (report("expanded"), Fate.DELIVERED, None),
    ],
)
def test_a_report_says_what_became_of_it(octets: bytes, fate: Fate, status: str | None) -> None:
    found = notice_in(octets, to=OURS)
    assert found is not None
    assert (found.fate, found.status) == (fate, status)


def test_a_report_without_a_mark_is_about_nobodys_mail() -> None:
    assert notice_in(report("failed", "5.1.1")) is None
    assert notice_in(report("failed", "5.1.1"), to="ill+17-abc@library.example") is None
    assert notice_in(report("failed", "5.1.1"), to="no address") is None


def test_a_report_may_be_written_in_base64() -> None:
    status = base64.encodebytes(b"Action: failed\r\nStatus: 5.1.1\r\n")
    octets = lines(
        "Content-Type: multipart/report; boundary=b", "", "--b", "Content-Type: message/delivery-status",
        "Content-Transfer-Encoding: base64", "", status, "--b",
        "Content-Type: message/rfc822", "Content-Transfer-Encoding: base64", "",
        base64.encodebytes(f"Message-ID: <iso-ill.{MARK}@x>\r\n".encode()), "--b--", "",
    )  # fmt: skip
    assert notice_in(octets) == Notice(tokens=(MARK,), fate=Fate.FAILED, status="5.1.1")


class TestBouncesInWords:
    QMAIL: Final = lines(
        "From: MAILER-DAEMON@old.example", "Subject: failure notice", "",
        "Hi. This is the qmail-send program at old.example.", "<ill@sfu.example>:",
        "Sorry, no mailbox here by that name. (#5.1.1)", "", "--- Below is a copy of the message.", "",
        f"Message-ID: <iso-ill.{MARK}@library.example>",
    )  # fmt: skip

    def test_one_that_quotes_our_mail_is_a_bounce(self) -> None:
        assert notice_in(self.QMAIL) == Notice(tokens=(MARK,), fate=Fate.FAILED, status="5.1.1")

    def test_only_the_null_sender_bounces(self) -> None:
        assert notice_in(self.QMAIL, sender="person@sfu.example") is None

    def test_one_that_names_who_failed_is_a_bounce(self) -> None:
        octets = lines("X-Failed-Recipients: ill@sfu.example", "", "Unrouteable address")
        assert notice_in(octets, to=OURS) == Notice(tokens=(MARK,), fate=Fate.FAILED, status=None)

    def test_an_answer_for_somebody_who_is_away_is_none(self) -> None:
        octets = lines(f"In-Reply-To: <iso-ill.{MARK}@library.example>", "", "We are closed until 5.1.2027")
        assert notice_in(octets, to=OURS) == Notice(tokens=(MARK,), fate=Fate.ANSWERED, status=None)
        assert notice_in(octets) is None, "without our mark in its address nobody knows what it answers"
