"""APDUs in files: as octets, as hexadecimal digits, as JSON."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from asn1.ill import ILLApdu
from asn1.json import JsonError, from_json, loads
from iso_gateway.errors import GatewayError

#: The most that is read from a file: no APDU that we read is nearly as long, even as hex or JSON.
MOST_OCTETS: Final = 8 * 1024 * 1024
_STANDARD_INPUT: Final = "-"
_HEX: Final = frozenset(b"0123456789abcdefABCDEF \t\r\n")


def read(file: str) -> bytes:
    """The contents of a file, or of standard input.

    Raises:
        GatewayError: it cannot be read, or is far too long to be an APDU.
    """
    try:
        if file == _STANDARD_INPUT:
            data = sys.stdin.buffer.read(MOST_OCTETS + 1)
        else:
            with Path(file).open("rb") as stream:
                data = stream.read(MOST_OCTETS + 1)
    except OSError as error:
        raise GatewayError(f"cannot read {named(file)}: {error.strerror}") from None
    if len(data) > MOST_OCTETS:
        raise GatewayError(f"{named(file)} has more than {MOST_OCTETS} octets: that is no APDU")
    return data


def octets_or_error(file: str) -> bytes | GatewayError:
    """What a file stands for, or why it stands for nothing: with many files, one such is one finding."""
    try:
        return octets_of(read(file))
    except GatewayError as error:
        return error


def octets_of(data: bytes) -> bytes:
    """The octets that a file stands for: its own, or those that its hexadecimal digits write.

    There is no doubt which: every APDU has a protocol-version-num, whose tag 0x80 is no digit.

    Raises:
        GatewayError: the number of digits is odd.
    """
    if not data.strip() or not _HEX.issuperset(data):
        return data
    digits = b"".join(data.split()).decode("ascii")
    if len(digits) % 2:
        raise GatewayError(
            f"an odd number of hexadecimal digits ({len(digits)}): one is missing, or too many"
        )
    return bytes.fromhex(digits)


def named(file: str) -> str:
    return "standard input" if file == _STANDARD_INPUT else repr(file)


def apdu_from_json(text: bytes) -> ILLApdu:
    """Read an APDU from its JSON, or from what `apdu decode --json` writes around it.

    Raises:
        JsonError: it is neither.
    """
    try:
        obj = json.loads(text, object_pairs_hook=_members_once)
    except (ValueError, RecursionError):
        return loads(text)  # which says what is wrong with it
    if not isinstance(obj, dict) or "apdu" not in obj:
        return from_json(obj)
    if obj["apdu"] is None:
        raise JsonError("what was decoded is no APDU", path="apdu")
    return from_json(obj["apdu"])


def _members_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is given twice in one object")
    return members
