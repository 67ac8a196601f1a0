"""Reads the structure of a mail within bounds: header fields, and the parts that a multipart holds.

Python's own `email` parser has no bounds (it recurses as deep as a mail nests) and had holes in how it reads
addresses and writes headers, so mail from the network is read here. What is not needed is not read: comments
in addresses, parameters over several fields (RFC 2231), encoded words. Nothing here looks into an attached
mail (`message/rfc822`): what somebody forwards or returns is not what somebody sends.
Sources: RFC 5322, RFC 2045, RFC 2046. Imports nothing of ours.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_BLANK: Final = re.compile(rb"\r?\n\r?\n|\A\r?\n")
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")
_FIELD: Final = re.compile(rb"([!-9;-~]{1,200})[ \t]*:[ \t]*(.*)", re.DOTALL)
_TYPE: Final = re.compile(r"\s*([A-Za-z0-9.+_-]+)/([A-Za-z0-9.+_-]+)")
_PARAMETER: Final = re.compile(r';\s*([A-Za-z0-9*._-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_ADDRESS: Final = re.compile(r"[!-;=?A-~]{1,64}@[A-Za-z0-9.-]{1,255}", re.ASCII)

#: The longest value of a header field that is read as more than text: some patterns are slow over long ones.
_LONGEST_VALUE: Final = 2_000

_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64: Final = bytes(set(range(256)) - set(_BASE64))


class MailRefused(Exception):  # noqa: N818 - an outcome for whoever sends, not a fault
    """A mail that is not taken, because reading it would cost too much.

    Args:
        reason: why, in the gateway's own words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLimits:
    """What reading one mail may cost.

    Args:
        parts: how many parts it may have in all.
        depth: how deep its parts may nest.
        header_octets: how long the header of the mail, and of each part, may be.
    """

    parts: int = 100
    depth: int = 8
    header_octets: int = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A mail, or a part of one.

    Args:
        fields: names in lower case, values unfolded, in the order in which they stand.
        body: its octets as they came, still in their transfer encoding.
        parts: of a multipart, what it holds.
    """

    fields: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    parts: tuple["Part", ...] = ()

    def all(self, name: str) -> tuple[str, ...]:
        """Returns the values of every header field of this name."""
        return tuple(value for key, value in self.fields if key == name)

    def first(self, name: str) -> str:
        """Returns the value of the first header field of this name, empty without one."""
        return next(iter(self.all(name)), "")

    @property
    def media_type(self) -> str:
        """The type in lower case, as `text/plain`; that is also what it is when it says nothing readable."""
        return _media_type(self.first("content-type"))

    def parameter(self, name: str) -> str | None:
        """Returns a parameter of its Content-Type."""
        return _parameters(self.first("content-type")).get(name)

    def walk(self) -> Iterator["Part"]:
        """Yields this part and all that it holds, as they stand in the mail."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def content(self) -> bytes:
        """Returns the octets that the body stands for, as well as they can be had.

        Base64 is read past line breaks and other characters that are none of its own, up to its padding, and
        with padding that is missing. Never fails: what is wrong with the octets shows when they are decoded.
        """
        match self.first("content-transfer-encoding").strip().lower():
            case "base64":
                return from_base64(self.body)
            case "quoted-printable":
                return binascii.a2b_qp(self.body)
            case _:
                return self.body


def parse(octets: bytes, limits: MailLimits) -> Part:
    """Reads a mail.

    Raises:
        MailRefused: it has too many parts, nests too deep, or a header is too long.
    """
    return _Reader(limits).part(octets, depth=0)


def parse_header(octets: bytes, limits: MailLimits) -> Part:
    """Reads the header of a mail; its body is left out.

    Raises:
        MailRefused: the header is too long.
    """
    fields, _ = _Reader(limits).header(octets)
    return Part(fields=fields, body=b"")


def address_in(value: str) -> str | None:
    """Returns the one address that a From or Return-Path field names; None unless there is exactly one.

    What stands between quotes is somebody's name, and may look like an address.
    """
    if len(value) > _LONGEST_VALUE:
        return None
    plain = _QUOTED.sub("", value)
    if "," in plain or ";" in plain or plain.count("<") > 1:
        return None
    begin, bracket, rest = plain.partition("<")
    if bracket:
        address, closed, after = rest.partition(">")
        if not closed or after.strip():
            return None
    else:
        address = begin
    address = address.strip()
    return address if _ADDRESS.fullmatch(address) else None


def from_base64(text: bytes) -> bytes:
    """Returns what base64 stands for; see `Part.content`."""
    before, _, _ = text.partition(b"=")
    signs = before.translate(None, _NOT_BASE64)
    # One sign left over says less than an octet.
    whole = signs[: len(signs) - 1] if len(signs) % 4 == 1 else signs
    return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))


def is_base64(octets: bytes) -> bool:
    """Tells whether octets are the text of base64 and nothing else.

    No APDU is: each holds the octet 1, as the length of its version number.
    """
    text = octets.translate(None, b"\r\n\t ")
    return bool(text) and not text.rstrip(b"=").translate(None, _BASE64)


class _Reader:
    def __init__(self, limits: MailLimits) -> None:
        self._limits = limits
        self._parts = 0

    def part(self, octets: bytes, *, depth: int) -> Part:
        if depth > self._limits.depth:
            raise MailRefused(f"its parts nest deeper than {self._limits.depth}")
        fields, body = self.header(octets)
        content_type = next((value for name, value in fields if name == "content-type"), "")
        boundary = _parameters(content_type).get("boundary", "")
        if not _media_type(content_type).startswith("multipart/") or not boundary:
            return Part(fields=fields, body=body)
        parts = tuple(self.part(one, depth=depth + 1) for one in self._split(body, boundary))
        return Part(fields=fields, body=body, parts=parts)

    def header(self, octets: bytes) -> tuple[tuple[tuple[str, str], ...], bytes]:
        found = _BLANK.search(octets, 0, self._limits.header_octets + 4)
        if found is None:
            if len(octets) > self._limits.header_octets:
                raise MailRefused(f"a header is longer than {self._limits.header_octets} octets")
            header, body = octets, b""
        else:
            header, body = octets[: found.start()], octets[found.end() :]
        fields = []
        for line in re.split(rb"\r?\n", _FOLD.sub(b"", header)):
            match = _FIELD.fullmatch(line)
            # Latin-1 keeps any octet; what is no field (as the `From ` of an mbox) says nothing to us.
            if match is not None:
                fields.append((match[1].decode("ascii").lower(), match[2].decode("latin-1").strip()))
        return tuple(fields), body

    def _split(self, body: bytes, boundary: str) -> list[bytes]:
        """Returns the octets of each part; the text before the first and after the last is nobody's."""
        # Begins with what it looks for, and not with the line break before it: that is many times faster.
        delimiter = re.compile(rb"--" + re.escape(boundary.encode("latin-1")) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
        pieces: list[bytes] = []
        begin: int | None = None
        for found in delimiter.finditer(body):
            end = found.start()
            if end and body[end - 1 : end] != b"\n":
                continue
            if begin is not None:
                pieces.append(_without_line_break(body[begin:end].removesuffix(b"\n").removesuffix(b"\r")))
                self._parts += 1
                if self._parts > self._limits.parts:
                    raise MailRefused(f"it has more than {self._limits.parts} parts")
            begin = found.end()
            if found[1]:
                return pieces
        if begin is not None and (last := body[begin:]).strip():
            # Cut off before its last boundary; what is there is there.
            self._parts += 1
            pieces.append(_without_line_break(last))
        return pieces


def _without_line_break(piece: bytes) -> bytes:
    """Returns a part without the line break that ends the delimiter before it."""
    return piece.removeprefix(b"\r").removeprefix(b"\n")


def _media_type(value: str) -> str:
    match = _TYPE.match(value)
    return "text/plain" if match is None else f"{match[1]}/{match[2]}".lower()


def _parameters(value: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(value[:_LONGEST_VALUE]):
        quoted, bare = match[2], match[3]
        found.setdefault(match[1].lower(), bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    return found
