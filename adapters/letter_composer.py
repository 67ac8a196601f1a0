"""Mails for people: text and HTML of the same, from a library's address to another's.

Unlike the mails that carry APDUs, these say what a partner wrote: titles, names. None of it can become a
header field or a recipient. Python's own guard against that does not hold before 3.11.15, so it is not relied
upon: a text is first made one line of visible characters (`one_line`), in which nothing can be read as an
encoded word, and then written as ASCII that cannot hold a line break (`header_text`). The header's names are
fixed here, and addresses are those of the configuration. The bodies are quoted-printable, so no line of
theirs can be taken for the boundary between them. Pure. Imports nothing of iso_gateway.
"""

import binascii
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

from adapters.mail_composer import OutgoingMail, date_of, require_safe, sub_address
from adapters.mail_reading import ID_PREFIX

#: The most characters of a subject, and of a name.
_LONGEST: Final = 200

#: Octets whose base64, with what an encoded word has around it, leaves room for the field's name
#: in a line of 76 characters (RFC 2047, 2).
_WORD: Final = 39

#: The longest subject that is written as it is: with its name within the 78 characters of RFC 5322 (2.1.1).
_PLAIN: Final = 60

#: Control characters, signs that turn the direction of what follows, halves of characters, line separators.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a mail says, and between whom.

    Args:
        author: the address in the From.
        author_name: the name before it; any text.
        recipient: the one address that it goes to.
        reply_to: where an answer goes, if not to the author.
        subject: any text.
        text, html: the same twice.
    """

    author: str
    author_name: str
    recipient: str
    reply_to: str | None
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)

    @classmethod
    def from_json(cls, said: Mapping[str, object]) -> Self:
        """Returns a letter whose fields are the members of a JSON object."""
        reply_to = said["reply_to"]
        return cls(
            author=str(said["author"]),
            author_name=str(said["author_name"]),
            recipient=str(said["recipient"]),
            reply_to=None if reply_to is None else str(reply_to),
            subject=str(said["subject"]),
            text=str(said["text"]),
            html=str(said["html"]),
        )


def compose_letter(letter: Letter, *, token: str, at: datetime, variable_sender: bool) -> OutgoingMail:
    """Returns the mail that carries a letter. Each sending of one outbox row has the same Message-Id.

    Args:
        letter: what it says.
        token: marks the mail, as `17-abcdefghijklmnop`.
        at: now, aware.
        variable_sender: whether the envelope's sender is a sub-address with the token.

    Raises:
        ValueError: an address or the token holds what a header may not.
    """
    reply_to = letter.reply_to or letter.author
    require_safe(letter.author, letter.recipient, reply_to, token)
    domain = letter.author.rpartition("@")[2]
    # "=_" cannot stand in quoted-printable (RFC 2045, 6.7).
    boundary = f"=_{token}"
    header = (
        f"Date: {date_of(at)}",
        f"From: {_named(letter.author_name, letter.author)}",
        f"To: <{letter.recipient}>",
        f"Reply-To: <{reply_to}>",
        f"Subject: {header_text(letter.subject)}",
        f"Message-ID: <{ID_PREFIX}{token}@{domain}>",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
        "Auto-Submitted: auto-generated",
    )
    parts = (("plain", letter.text), ("html", letter.html))
    body = [line for kind, said in parts for line in _part(kind, said, boundary)]
    lines = [*header, "", *body, f"--{boundary}--", ""]
    return OutgoingMail(
        sender=sub_address(letter.author, token) if variable_sender else letter.author,
        recipient=letter.recipient,
        token=token,
        octets="\r\n".join(lines).encode("ascii"),
    )


def one_line(text: str, longest: int = _LONGEST) -> str:
    """Returns a text as one line of visible characters, cut, in which nothing reads as an encoded word.

    Args:
        text: any text, hostile or not.
        longest: the most characters.
    """
    visible = "".join(" " if unicodedata.category(char) in _UNSEEN else char for char in text)
    # Why also in what is encoded again: some programs decode a header as often as they can.
    line = " ".join(visible.split()).replace("=?", "= ?").replace("?=", "? =")
    return line if len(line) <= longest else f"{line[: longest - 3].rstrip()}..."


def header_text(text: str) -> str:
    """Returns a text as it may stand in a header: ASCII, folded, if need be in encoded words (RFC 2047)."""
    line = one_line(text)
    if line.isascii() and len(line) <= _PLAIN:
        return line
    return "\r\n ".join(f"=?utf-8?b?{word}?=" for word in _words(line))


def _words(line: str) -> Iterator[str]:
    """Yields the base64 of pieces of a text, none of which ends within a character."""
    piece = b""
    for char in line:
        octets = char.encode("utf-8")
        if len(piece) + len(octets) > _WORD:
            yield binascii.b2a_base64(piece, newline=False).decode("ascii")
            piece = b""
        piece += octets
    yield binascii.b2a_base64(piece, newline=False).decode("ascii")


def _named(name: str, address: str) -> str:
    """Returns an address with a name before it, which is always encoded: no sign of it means anything."""
    line = one_line(name, 80)
    if not line:
        return f"<{address}>"
    return "\r\n ".join([*(f"=?utf-8?b?{word}?=" for word in _words(line)), f"<{address}>"])


def _part(kind: str, said: str, boundary: str) -> Iterator[str]:
    yield f"--{boundary}"
    yield f"Content-Type: text/{kind}; charset=utf-8"
    yield "Content-Transfer-Encoding: quoted-printable"
    yield ""
    # No half of a character pair can be encoded, and only \n shall end a line.
    clean = "\n".join(_clean(line) for line in said.splitlines())
    encoded = binascii.b2a_qp(f"{clean}\n".encode(), istext=True)
    yield from encoded.decode("ascii").split("\n")


def _clean(line: str) -> str:
    return "".join(
        char if char == "\t" or unicodedata.category(char) not in {"Cc", "Cs"} else " " for char in line
    )
