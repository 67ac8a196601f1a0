"""What a mail that came in holds: APDUs, news of a mail that we sent, or neither.

Pure. The APDUs are those of its own parts; an attached mail is not looked into, so an APDU of ours that comes
back in a bounce is not taken for one of the partner's.
Sources: RFC 2503 (the media type), RFC 3464 (delivery status), RFC 3834 (automatic answers); protocol.md 5.4.
Imports asn1 and config, nothing of iso_gateway.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from adapters.mime import MailLimits, Part, address_in, from_base64, is_base64, parse

#: The media type of an APDU (RFC 2503).
MEDIA_TYPE: Final = "application/iso-10161-ill-1"

#: The one encoding that the type's parameter may name.
ENCODING: Final = "iso-8825-ber"

#: Types under which an APDU is looked for besides. Inferred: from the habit of marking types with `x-`.
_ALSO: Final = frozenset({"application/x-iso-10161-ill-1"})

#: What stands in our Message-Ids before the token.
ID_PREFIX: Final = "iso-ill."

_MARK: Final = r"[1-9][0-9]{0,18}-[a-z2-7]{16}"
_IN_MESSAGE_ID: Final = re.compile(re.escape(ID_PREFIX) + f"({_MARK})@", re.IGNORECASE)
_BARE_MARK: Final = re.compile(_MARK, re.IGNORECASE)
_STATUS: Final = re.compile(r"\b([245]\.[0-9]{1,3}\.[0-9]{1,3})\b", re.ASCII)

#: How much of a mail is looked through for what may be quoted in it.
_LOOKED_THROUGH: Final = 262_144


class Tolerance(Enum):
    """What a mail's way of carrying an APDU departs in, and that is read all the same. All are inferred."""

    OTHER_TYPE = "other-media-type"
    """A media type that is not the registered one."""
    NO_ENCODING = "no-transfer-encoding"
    """The parameter `transfer-encoding` is left out, though RFC 2503 requires it."""
    BASE64_UNSAID = "base64-unsaid"
    """The body is base64 (perhaps a second time), and no header says so."""


class Fate(Enum):
    """What a mail says that became of one that we sent."""

    FAILED = "failed"
    """It was not delivered, and nobody tries any more."""
    DELAYED = "delayed"
    """It was not delivered yet."""
    DELIVERED = "delivered"
    """A server on the way, or the last, has taken it."""
    ANSWERED = "answered"
    """A machine answered it, as one does for somebody who is away; it says nothing about delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """News of a mail that we sent.

    Args:
        tokens: what the mail that it is about was marked with, most certain first; whoever sends a notice can
            write any, so they are to be checked.
        fate: what became of it.
        status: the enhanced status code (RFC 3463), as `5.1.1`, where there is one.
    """

    tokens: tuple[str, ...]
    fate: Fate
    status: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundApdu:
    """What a part of the type of an APDU holds.

    Args:
        octets: out of their transfer encoding.
        encoding: what the parameter names; any but `iso-8825-ber`, or none, is not BER.
        tolerances: in what its way of being carried departs.
    """

    octets: bytes = field(repr=False)
    encoding: str
    tolerances: tuple[Tolerance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMail:
    """A mail.

    Args:
        author: the address in its From; None unless there is exactly one.
        apdus: what it carries, in order.
        notice: what it says about a mail of ours, if it carries no APDU.
    """

    author: str | None
    apdus: tuple[FoundApdu, ...]
    notice: Notice | None


def read(octets: bytes, *, limits: MailLimits, sender: str | None, recipients: Sequence[str]) -> ReadMail:
    """Reads a mail.

    Args:
        octets: the mail.
        limits: what that may cost.
        sender: of its envelope; None for the null sender, which is how notices are sent.
        recipients: of its envelope; a notice comes to the sub-address that we gave the mail as its sender.

    Raises:
        MailRefused: it would cost more.
    """
    mail = parse(octets, limits)
    apdus = tuple(_found(part) for part in mail.walk() if part.media_type in {MEDIA_TYPE, *_ALSO})
    authors = mail.all("from")
    return ReadMail(
        author=address_in(authors[0]) if len(authors) == 1 else None,
        apdus=apdus,
        notice=None if apdus else _notice(mail, sender, recipients),
    )


def _found(part: Part) -> FoundApdu:
    tolerances = []
    if part.media_type != MEDIA_TYPE:
        tolerances.append(Tolerance.OTHER_TYPE)
    encoding = part.parameter("transfer-encoding")
    if encoding is None:
        tolerances.append(Tolerance.NO_ENCODING)
    octets = part.content()
    if is_base64(octets) and _may_begin_apdu(again := from_base64(octets)):
        tolerances.append(Tolerance.BASE64_UNSAID)
        octets = again
    return FoundApdu(
        octets=octets, encoding=(encoding or ENCODING).strip().lower(), tolerances=tuple(tolerances)
    )


def _may_begin_apdu(octets: bytes) -> bool:
    """Tells whether the first octet is the tag of an APPLICATION type, as that of every APDU."""
    return octets[:1] != b"" and octets[0] & 0xE0 == 0x60


def _notice(mail: Part, sender: str | None, recipients: Sequence[str]) -> Notice | None:
    marked = [found[0].lower() for one in recipients if (found := _sub_address(one)) is not None]
    status_parts = [part for part in mail.walk() if part.media_type == "message/delivery-status"]
    reported = [_lines(part.content()) for part in status_parts]
    named = [
        found[0].lower()
        for lines in reported
        for key, value in lines
        if key == "original-envelope-id" and (found := _BARE_MARK.fullmatch(value)) is not None
    ]
    quoted = _quoted(mail)
    tokens = tuple(dict.fromkeys([*marked, *named, *quoted]))
    if not tokens:
        return None
    if reported:
        return _reported(tokens, [line for lines in reported for line in lines])
    if sender is not None:
        # A person's, or a list's, mail that quotes ours is to be read by people.
        return None
    if quoted or mail.first("x-failed-recipients"):
        # A server that returns our mail in words of its own. Which words, nobody has laid down.
        status = _STATUS.search(_text(mail))
        return Notice(tokens=tokens, fate=Fate.FAILED, status=None if status is None else status[1])
    return Notice(tokens=tokens, fate=Fate.ANSWERED, status=None)


def _reported(tokens: tuple[str, ...], lines: Iterable[tuple[str, str]]) -> Notice:
    """Returns what a report says; the worst, where it is about several recipients (a list has many)."""
    actions: set[str] = set()
    statuses = []
    for key, value in lines:
        if key == "action":
            actions.add(value.lower())
        elif key == "status" and (found := _STATUS.match(value)) is not None:
            statuses.append(found[1])
    if "failed" in actions:
        fate = Fate.FAILED
    elif "delayed" in actions:
        fate = Fate.DELAYED
    else:
        fate = Fate.DELIVERED
    return Notice(tokens=tokens, fate=fate, status=max(statuses, default=None))


def _sub_address(recipient: str) -> re.Match[str] | None:
    _, plus, extension = recipient.rpartition("@")[0].partition("+")
    return _BARE_MARK.fullmatch(extension) if plus else None


def _quoted(mail: Part) -> list[str]:
    """Returns the tokens of Message-Ids of ours in the body; in the header one is what the mail answers."""
    return [found[1].lower() for found in _IN_MESSAGE_ID.finditer(_text(mail))]


def _text(mail: Part) -> str:
    """Returns what can be read in the body of a mail, its attached mails included, up to a bound."""
    texts = [mail.body[:_LOOKED_THROUGH]]
    texts += [
        part.content()[:_LOOKED_THROUGH]
        for part in mail.walk()
        if part.first("content-transfer-encoding").strip().lower() in {"base64", "quoted-printable"}
    ]
    return b"\n".join(texts)[: 2 * _LOOKED_THROUGH].decode("latin-1")


def _lines(octets: bytes) -> list[tuple[str, str]]:
    """Returns the fields of a delivery status, those of all its groups."""
    fields = []
    for line in octets[:_LOOKED_THROUGH].decode("latin-1").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.append((key.strip().lower(), value.strip()))
    return fields
