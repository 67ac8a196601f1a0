"""BER elements before any type is known: headers, lengths and nesting (X.690 clause 8.1).

Everything that depends on the octets alone is settled here, in one pass without recursion: no memory is
taken because a length claims it, every step moves forward, and the work is linear in the octets. What comes
out is a tree in which each element lies within its parent, with the offsets that later errors name.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from asn1.errors import WireError
from asn1.schema import TagClass

MAX_OCTETS: Final = 256 * 1024
"""The longest APDU that is read by default. Real requests stay under 8 KiB."""
MAX_DEPTH: Final = 32
"""How deep constructed elements may nest by default. The deepest value of the module needs 13 levels."""
MAX_ELEMENTS: Final = 4_096
"""How many elements an APDU may have by default. The fullest APDU of the corpus has fewer than 700."""
MAX_TAG_OCTETS: Final = 5
"""Octets of one tag: numbers below 2**28. The module's highest number is 50."""
MAX_LENGTH_OCTETS: Final = 16
"""Octets of one length after the first. BER allows 126; a length that fits the limits needs 3."""

INDEFINITE: Final = -1
"""The length of an element that is ended by end-of-contents octets."""
_OUTSIDE: Final = -1
"""Where an element ends that nothing is open around."""
_OPEN: Final = 1 << 200
"""Where an element ends that end-of-contents octets end: further than any length reaches."""

_LONG_TAG = 0x1F
_CONSTRUCTED = 0x20
_CLASS = 0xC0
_MORE = 0x80
_INDEFINITE_OCTET = 0x80
_RESERVED_OCTET = 0xFF

_OTHER, _PRIMITIVE_FORM, _CONSTRUCTED_FORM, _ENDED = range(4)
_FORMS: Final = bytes(
    _OTHER
    if first & _LONG_TAG == _LONG_TAG or first & ~_CONSTRUCTED == 0
    else _CONSTRUCTED_FORM
    if first & _CONSTRUCTED
    else _PRIMITIVE_FORM
    for first in range(256)
)
"""The form of an element by its first octet, where that is all of its tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a decoder accepts at most; beyond it is a WireError, whatever else the octets are."""

    max_octets: int = MAX_OCTETS
    max_depth: int = MAX_DEPTH
    max_elements: int = MAX_ELEMENTS
    max_string_octets: int = MAX_OCTETS
    """The longest contents of a primitive element, and of the segments of a string together."""


class Header(NamedTuple):
    """Identifier and length octets of an element."""

    tag_class: TagClass
    number: int
    constructed: bool
    content: int
    """Where the contents begin."""
    length: int
    """Octets of contents, or INDEFINITE."""


@dataclass(slots=True)
class Element:
    """An element that lies where it says. Positions are offsets into the octets that were scanned."""

    tag_class: TagClass
    number: int
    constructed: bool
    start: int
    content: int
    content_end: int
    """Where the contents end, without end-of-contents octets. INDEFINITE while still open."""
    end: int
    """Where the next element begins. INDEFINITE while still open."""
    children: list["Element"] = field(default_factory=list)


def read_header(data: bytes | bytearray, start: int, bound: int) -> Header | None:
    """Read the identifier and length octets at `start`.

    Args:
        data: the octets.
        start: where the element begins; less than `bound`.
        bound: where the enclosing element, or what has arrived so far, ends.

    Returns:
        The header, or None when it goes on beyond `bound`.

    Raises:
        WireError: a tag or a length that no further octet can make right.
    """
    first = data[start]
    number = first & _LONG_TAG
    position = start + 1
    if number == _LONG_TAG:
        number = 0
        while True:
            if position == bound:
                return None
            if position - start == MAX_TAG_OCTETS:
                raise WireError(f"a tag of more than {MAX_TAG_OCTETS} octets", offset=start)
            octet = data[position]
            position += 1
            number = number << 7 | octet & 0x7F
            if number == 0:
                raise WireError("a tag number with leading zeros", offset=start)
            if not octet & _MORE:
                break
        if number < _LONG_TAG:
            raise WireError(f"tag number {number} in the form for 31 and above", offset=start)
    if position == bound:
        return None
    tag_class = TagClass(first & _CLASS)
    constructed = bool(first & _CONSTRUCTED)
    length = data[position]
    position += 1
    if length >= _INDEFINITE_OCTET:
        if length == _RESERVED_OCTET:
            raise WireError("the reserved length octet ff", offset=position - 1)
        if length == _INDEFINITE_OCTET:
            if not constructed:
                raise WireError("indefinite length on a primitive element", offset=position - 1)
            return Header(tag_class, number, constructed, position, INDEFINITE)
        count = length & 0x7F
        if count > MAX_LENGTH_OCTETS:
            raise WireError(f"a length of {count} octets, more than {MAX_LENGTH_OCTETS}", offset=position - 1)
        if position + count > bound:
            return None
        length = int.from_bytes(data[position : position + count], "big")
        position += count
    return Header(tag_class, number, constructed, position, length)


def header(tag_class: TagClass, number: int, *, constructed: bool, length: int) -> bytes:
    """Write identifier and length octets, the length definite and in the fewest octets."""
    first = tag_class | (_CONSTRUCTED if constructed else 0)
    identifier = bytes([first | min(number, _LONG_TAG)])
    if number >= _LONG_TAG:
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(number & 0x7F | _MORE)
        identifier += bytes(reversed(septets))
    if length < _INDEFINITE_OCTET:
        return identifier + bytes([length])
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return identifier + bytes([_MORE | len(octets)]) + octets


def scan(data: bytes, limits: Limits) -> Element:
    """Make the tree of the one element that `data` is.

    Args:
        data: an element and nothing else.
        limits: what is accepted at most.

    Raises:
        WireError: no element, a broken one, octets after it, or more than the limits allow.
    """
    if not data:
        raise WireError("no octets at all", offset=0)
    if len(data) > limits.max_octets:
        raise WireError(
            f"{len(data)} octets, more than {limits.max_octets}: raise the limit if the sender is right",
            offset=limits.max_octets,
        )
    root = scan_at(data, 0, limits)
    if root.end != len(data):
        raise WireError(f"{len(data) - root.end} octets after the end of the APDU", offset=root.end)
    return root


class WholeElement(bytes):
    """Octets that are known to be one BER element, whole and alone, so that nobody has to look again."""

    __slots__ = ()


def is_element(octets: object) -> bool:
    """Whether something is the octets of one BER element, whole and alone, within the default limits."""
    if type(octets) is WholeElement:
        return True
    if not isinstance(octets, bytes):
        return False
    if octets and plain_end(octets, 0, MAX_DEPTH) == len(octets):
        return True
    try:
        scan(octets, Limits())
    except WireError:
        return False
    return True


def plain_end(data: bytes, position: int, depth: int, most: int = MAX_ELEMENTS) -> int:
    """Say where an element ends without making a tree of it: quick, and free to decline.

    Args:
        data: the octets.
        position: where the element begins.
        depth: how deep constructed elements may nest in it, itself included.
        most: how many elements it may have, itself and ends of contents included.

    Returns:
        Where the next element begins, which may lie beyond the octets. -1 when the element is broken, or has
        more elements, or nests deeper.
    """
    # Where the innermost open element ends, and those around it; _OPEN where end-of-contents octets say so.
    # What overruns the element that it is in makes `position` pass its end, which is never undone.
    end = _OUTSIDE
    ends: list[int] = []
    try:
        for _ in range(most):
            first = data[position]
            length = data[position + 1]
            form = _FORMS[first]
            if length < _INDEFINITE_OCTET and form != _OTHER:
                position += 2
            elif first:
                position, length = _long_header(data, position)
                form = _CONSTRUCTED_FORM if first & _CONSTRUCTED else _PRIMITIVE_FORM
            elif length or end != _OPEN:
                return -1
            else:
                position += 2
                end = ends.pop()
                form = _ENDED
            if form == _PRIMITIVE_FORM:
                position += length
            elif form == _CONSTRUCTED_FORM:
                ends.append(end)
                if len(ends) > depth:
                    return -1
                end = position + length
            if position < end:
                continue
            while position == end:
                end = ends.pop()
            if position > end:
                return position if end == _OUTSIDE else -1
    except IndexError:
        pass
    return -1


def _long_header(data: bytes, position: int) -> tuple[int, int]:
    """Give where contents begin, and how long they are; _OPEN for those of indefinite length.

    Raises:
        IndexError: the header is broken.
    """
    first = data[position]
    position = _after_long_tag(data, position + 1) if first & _LONG_TAG == _LONG_TAG else position + 1
    length = data[position]
    position += 1
    if first == _CONSTRUCTED or length == _RESERVED_OCTET:
        raise IndexError
    if length < _INDEFINITE_OCTET:
        return position, length
    if length == _INDEFINITE_OCTET:
        if not first & _CONSTRUCTED:
            raise IndexError
        return position, _OPEN - position
    count = length & 0x7F
    if count > MAX_LENGTH_OCTETS:
        raise IndexError
    return position + count, int.from_bytes(data[position : position + count], "big")


def _after_long_tag(data: bytes, position: int) -> int:
    """Say where a tag ends whose number begins at `position`. Raises IndexError where it is broken."""
    end = position + MAX_TAG_OCTETS - 1
    if not _LONG_TAG <= data[position] != _MORE:
        raise IndexError
    while data[position] >= _MORE:
        position += 1
        if position == end:
            raise IndexError
    return position + 1


def scan_at(data: bytes, start: int, limits: Limits) -> Element:
    """Make the tree of the element that begins at `start`, whatever follows it.

    Raises:
        WireError: as `scan`, except for octets that follow and for `max_octets`.
    """
    root = _open(data, start, len(data), enclosed=False)
    count = 1
    # What is open, where what encloses it ends, and whether that is the end of a definite length.
    waiting = [(root, len(data), False)] if root.constructed else []
    if not waiting:
        _hold_to_size(root, limits)
    position = root.content
    while waiting:
        parent, bound, enclosed = waiting[-1]
        if position == parent.content_end:
            waiting.pop()
            continue
        if position == bound:
            raise WireError("the end-of-contents octets of an indefinite length are missing", offset=position)
        if data[position] == 0:
            position = _close(data, position, parent, bound)
            waiting.pop()
            continue
        count += 1
        if count > limits.max_elements:
            raise WireError(f"more than {limits.max_elements} elements", offset=position)
        if parent.content_end != INDEFINITE:
            bound, enclosed = parent.content_end, True
        element = _open(data, position, bound, enclosed=enclosed)
        parent.children.append(element)
        if element.constructed:
            if len(waiting) == limits.max_depth:
                raise WireError(f"elements nested more than {limits.max_depth} deep", offset=position)
            waiting.append((element, bound, enclosed))
            position = element.content
        else:
            _hold_to_size(element, limits)
            position = element.end
    return root


def _hold_to_size(element: Element, limits: Limits) -> None:
    if element.end - element.content > limits.max_string_octets:
        raise WireError(
            f"more than {limits.max_string_octets} octets in one string: raise the limit",
            offset=element.start,
        )


def _open(data: bytes, start: int, bound: int, *, enclosed: bool) -> Element:
    found = read_header(data, start, bound)
    if found is None:
        cut = "the enclosing element ends" if enclosed else "truncated"
        raise WireError(f"{cut} within a tag or a length", offset=start)
    tag_class, number, constructed, content, length = found
    if tag_class is TagClass.UNIVERSAL and number == 0:
        raise WireError("an element with the tag of end-of-contents", offset=start)
    if length == INDEFINITE:
        return Element(tag_class, number, constructed, start, content, INDEFINITE, INDEFINITE)
    end = content + length
    if end > bound:
        if not enclosed:
            raise WireError(
                f"truncated: the element that begins here needs {end - bound} more octets", offset=start
            )
        raise WireError(
            f"the element that begins here ends {end - bound} octets after the one it is in", offset=start
        )
    return Element(tag_class, number, constructed, start, content, end, end)


def _close(data: bytes, position: int, parent: Element, bound: int) -> int:
    """Take the end-of-contents octets that end `parent`; return where the next element begins."""
    if parent.content_end != INDEFINITE:
        raise WireError("end-of-contents octets inside a definite length", offset=position)
    if position + 1 == bound:
        raise WireError("the end-of-contents octets are cut to one", offset=position)
    if data[position + 1] != 0:
        raise WireError("end-of-contents octets with a length that is not 0", offset=position)
    parent.content_end = position
    parent.end = position + 2
    return parent.end
