"""APDUs as mails: one APDU, one mail (RFC 2503; protocol.md 5.4).

The mail is put together here, octet by octet, and not by Python's `email`, whose guard against added header
fields does not hold before 3.11.15. Nothing in the header comes from the network: addresses are those of the
configuration, the subject is fixed, the rest is ours. Pure.
Imports adapters and config, nothing of iso_gateway.
"""

import binascii
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from adapters.mail_reading import ENCODING, ID_PREFIX, MEDIA_TYPE

#: Octets whose base64 fills a line of 76 characters, the longest that RFC 2045 allows.
_LINE: Final = 57

_SAFE: Final = re.compile(r"[!-~]{1,320}", re.ASCII)

#: The longest local part of an address (RFC 5321, 4.5.3.1.1).
_LONGEST_LOCAL_PART: Final = 64

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMail:
    """A mail with its envelope.

    Args:
        sender: of the envelope: where a bounce comes to.
        recipient: of the envelope.
        token: marks it, so that a bounce can be tied to it.
        octets: header and body, with CRLF at the end of each line.
    """

    sender: str
    recipient: str
    token: str
    octets: bytes = field(repr=False)


def compose(
    apdu: bytes, *, author: str, recipient: str, token: str, at: datetime, variable_sender: bool
) -> OutgoingMail:
    """Returns the mail that carries an APDU.

    Every sending of one outbox row has the same token, so the same Message-Id: a mail server that knows
    duplicates can drop the second of two.

    Args:
        apdu: the encoded APDU.
        author: our address, which is in the From.
        recipient: the partner's address.
        token: marks the mail, as `17-abcdefghijklmnop`.
        at: now, aware.
        variable_sender: whether the envelope's sender is a sub-address with the token.

    Raises:
        ValueError: an address or token holds what a header may not.
    """
    require_safe(author, recipient, token)
    domain = author.rpartition("@")[2]
    header = (
        f"Date: {date_of(at)}",
        f"From: <{author}>",
        f"To: <{recipient}>",
        "Subject: ISO ILL message",
        f"Message-ID: <{ID_PREFIX}{token}@{domain}>",
        "MIME-Version: 1.0",
        f"Content-Type: {MEDIA_TYPE}; transfer-encoding={ENCODING}",
        "Content-Transfer-Encoding: base64",
        "Auto-Submitted: auto-generated",
    )
    body = [
        binascii.b2a_base64(apdu[begin : begin + _LINE], newline=False)
        for begin in range(0, len(apdu), _LINE)
    ]
    lines = [*(line.encode("ascii") for line in header), b"", *body, b""]
    return OutgoingMail(
        sender=sub_address(author, token) if variable_sender else author,
        recipient=recipient,
        token=token,
        octets=b"\r\n".join(lines),
    )


def require_safe(*texts: str) -> None:
    """Raises ValueError if a text is not one of visible ASCII that may stand in a header as it is."""
    for text in texts:
        if _SAFE.fullmatch(text) is None:
            raise ValueError(f"{text!r} may not stand in the header of a mail")


def sub_address(address: str, token: str) -> str:
    """Returns `ill+TOKEN@library.example`; the address itself where that would be too long."""
    local, _, domain = address.rpartition("@")
    extended = f"{local}+{token}"
    return f"{extended}@{domain}" if len(extended) <= _LONGEST_LOCAL_PART else address


def date_of(at: datetime) -> str:
    """Returns a Date as RFC 5322 writes it, in English whatever the locale."""
    return f"{_DAYS[at.weekday()]}, {at.day} {_MONTHS[at.month - 1]} {at:%Y %H:%M:%S %z}"
