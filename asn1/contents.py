"""Contents octets of the primitive types, and their values (X.690 clauses 8.2 to 8.6, 8.19).

What every reading of the schema shares. Each reader takes the contents of one element and raises ValueError,
saying what is wrong with them without repeating them; each writer gives the contents in the fewest octets.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from asn1.bounds import (
    MAX_ARC_OCTETS,
    MAX_INTEGER_OCTETS,
    MAX_OBJECT_IDENTIFIER_OCTETS,
    is_bit_string,
    is_integer,
    is_object_identifier,
)
from asn1.schema import BitString, ObjectIdentifier

_REMEMBERED: Final = 40
"""The longest OBJECT IDENTIFIER, in octets or characters, that is worth remembering."""

TRUE: Final = b"\x01"
"""TRUE as we write it. Any octet but 0 is TRUE when read."""
FALSE: Final = b"\x00"

_ONE_OCTET: Final = tuple(bytes([octet]) for octet in range(256))


def read_boolean(octets: bytes) -> bool:
    """Read a BOOLEAN: any octet but 0 is TRUE."""
    if len(octets) != 1:
        raise ValueError(f"a BOOLEAN of {len(octets)} octets")
    return octets[0] != 0


def read_null(octets: bytes) -> None:
    """Hold a NULL to having no contents."""
    if octets:
        raise ValueError("a NULL with contents")


def read_integer(octets: bytes) -> int:
    """Read an INTEGER or ENUMERATED, padded or not."""
    if not 1 <= len(octets) <= MAX_INTEGER_OCTETS:
        raise ValueError(f"a number of {len(octets)} octets")
    return int.from_bytes(octets, "big", signed=True)


def is_padded(octets: bytes) -> bool:
    """Whether a number has more octets than it needs: the first nine bits are equal (X.690 8.3.2)."""
    return len(octets) > 1 and (octets[0], octets[1] >> 7) in ((0, 0), (0xFF, 1))


def write_integer(number: int) -> bytes:
    """Write an INTEGER or ENUMERATED.

    Raises:
        ValueError: the number is beyond the bound.
    """
    if -0x80 <= number < 0x80:
        return _ONE_OCTET[number & 0xFF]
    if not is_integer(number):
        raise ValueError(f"more than {MAX_INTEGER_OCTETS} octets")
    bits = (number if number >= 0 else ~number).bit_length()
    return number.to_bytes(bits // 8 + 1, "big", signed=True)


def read_object_identifier(octets: bytes) -> ObjectIdentifier:
    """Read an OBJECT IDENTIFIER."""
    return _known_arcs(octets) if len(octets) <= _REMEMBERED else _arcs(octets)


def _arcs(octets: bytes) -> ObjectIdentifier:
    if not octets or octets[-1] & 0x80:
        raise ValueError("an OBJECT IDENTIFIER that does not end")
    if len(octets) > MAX_OBJECT_IDENTIFIER_OCTETS:
        raise ValueError(f"an OBJECT IDENTIFIER of {len(octets)} octets")
    arcs: list[int] = []
    arc, length = 0, 0
    for octet in octets:
        if length == 0 and octet == 0x80:
            raise ValueError("an OBJECT IDENTIFIER with a padded arc")
        length += 1
        if length > MAX_ARC_OCTETS:
            raise ValueError(f"an OBJECT IDENTIFIER with an arc of more than {MAX_ARC_OCTETS} octets")
        arc = arc << 7 | octet & 0x7F
        if octet < 0x80:
            arcs.append(arc)
            arc, length = 0, 0
    root = min(arcs[0] // 40, 2)
    return ObjectIdentifier(".".join(map(str, (root, arcs[0] - 40 * root, *arcs[1:]))))


_known_arcs = lru_cache(maxsize=512)(_arcs)


def write_object_identifier(text: str) -> bytes:
    """Write an OBJECT IDENTIFIER.

    Raises:
        ValueError: the text is none, or beyond the bounds.
    """
    return _known_text(text) if len(text) <= _REMEMBERED else _text(text)


def _text(text: str) -> bytes:
    if not is_object_identifier(text):
        raise ValueError(f"{text[:64]!r} is no OBJECT IDENTIFIER")
    root, second, *rest = map(int, text.split("."))
    return b"".join(map(_septets, (40 * root + second, *rest)))


_known_text = lru_cache(maxsize=512)(_text)


def _septets(arc: int) -> bytes:
    septets = [arc & 0x7F]
    while arc := arc >> 7:
        septets.append(arc & 0x7F | 0x80)
    return bytes(reversed(septets))


def read_bit_string(segments: Sequence[bytes]) -> BitString:
    """Read a BIT STRING from the contents of its segments; of a primitive one, they are one.

    Each segment begins with a count of unused bits, and only the last may have any. What unused bits hold has
    no meaning (X.690 8.6.2.4): they are read as 0.
    """
    for place, octets in enumerate(segments):
        most = 7 if place == len(segments) - 1 and len(octets) > 1 else 0
        if not octets or octets[0] > most:
            raise ValueError("a BIT STRING whose count of unused bits is wrong")
    unused = segments[-1][0] if segments else 0
    octets = b"".join(octets[1:] for octets in segments)
    if unused:
        octets = octets[:-1] + bytes([octets[-1] >> unused << unused])
    return BitString(octets, unused)


def write_bit_string(bits: BitString) -> bytes:
    """Write a BIT STRING.

    Raises:
        ValueError: it has no such unused bits, or they are not 0.
    """
    if not is_bit_string(bits):
        raise ValueError("a BIT STRING has 0 to 7 unused bits, and these are 0")
    return bytes([bits.unused]) + bits.octets
