"""What a value must satisfy for the codec to carry it: syntax, and bounds of ours where there are none.

The three readings of the schema (shape, reference codec and JSON) share these.
"""

from functools import cache
from typing import Final

from asn1.schema import BitString, Enumerated

MAX_INTEGER_OCTETS: Final = 256
"""The longest INTEGER: far beyond any identifier, far below what makes printing it slow."""
MAX_ARC_OCTETS: Final = 19
"""The longest arc of an OBJECT IDENTIFIER: 133 bits, so that a UUID fits (X.667)."""
MAX_OBJECT_IDENTIFIER_OCTETS: Final = 1_024
"""The longest OBJECT IDENTIFIER: no registered one comes near, and its dotted form is twice as long."""
MAX_ENUMERATED: Final = 2**31 - 1
"""The largest value of an ENUMERATED that is kept though the standard does not list it."""

_MAX_ARC = 2 ** (7 * MAX_ARC_OCTETS) - 1
_MAX_ARC_DIGITS = len(str(_MAX_ARC))


def is_integer(number: int) -> bool:
    """Whether an INTEGER is within the bound."""
    return (number if number >= 0 else ~number).bit_length() < 8 * MAX_INTEGER_OCTETS


def is_object_identifier(text: str) -> bool:
    """Whether `text` is the dotted form of an OBJECT IDENTIFIER (X.660) within the bound."""
    arcs = text.split(".", maxsplit=MAX_OBJECT_IDENTIFIER_OCTETS + 1)
    if len(arcs) < 2 or not all(map(_is_arc, arcs)):
        return False
    root, second, *rest = map(int, arcs)
    if root > 2 or second > (39 if root < 2 else _MAX_ARC - 80):
        return False
    return sum(map(_octets_of, (40 * root + second, *rest))) <= MAX_OBJECT_IDENTIFIER_OCTETS


def _octets_of(arc: int) -> int:
    """How many octets an arc takes, at seven bits each."""
    return max(1, (arc.bit_length() + 6) // 7)


def _is_arc(text: str) -> bool:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_ARC_DIGITS):
        return False
    return int(text) <= _MAX_ARC and (text == "0" or text[0] != "0")


@cache
def numbers(listed: type[Enumerated]) -> frozenset[int]:
    """Give the numbers that an ENUMERATED lists."""
    return frozenset(int(member) for member in listed)


def is_unlisted(listed: type[Enumerated], number: int) -> bool:
    """Whether a number may stand for a value that a later edition of the standard may list."""
    return 1 <= number <= MAX_ENUMERATED and number not in numbers(listed)


def is_bit_string(bits: BitString) -> bool:
    """Whether a BIT STRING has 0 to 7 unused bits, all of them 0."""
    if not 0 <= bits.unused <= (7 if bits.octets else 0):
        return False
    return not bits.octets or bits.octets[-1] & (1 << bits.unused) - 1 == 0
