"""An APDU as an indented tree for people, and octets as a dump.

Names are the standard's; enumerated values stand with their number; strings are escaped and, unless asked for
in full, cut.
"""

from collections.abc import Iterator
from typing import Any, Final, assert_never

from rich.text import Text

from asn1.ill import ILLApdu
from asn1.schema import (
    Arbitrary,
    EDIFACTString,
    Enumerated,
    External,
    GeneralString,
    OctetAligned,
    Primitive,
    SequenceOf,
    SingleASN1Type,
    Type,
    Unlisted,
    describe,
)
from iso_gateway.cli.output import shown

#: The most characters of a value, and the most octets of one that is shown in hex.
CUT: Final = 200
CUT_OCTETS: Final = 32

_INDENT: Final = "  "
_PER_LINE: Final = 16
_AROUND: Final = 16


def tree(apdu: ILLApdu, *, full: bool = False) -> Iterator[Text]:
    """The lines of an APDU.

    Args:
        apdu: what to show.
        full: whether long values are shown as they are.
    """
    yield Text(apdu.asn1_name, style="bold")
    yield from _components(apdu, 1, full=full)


def _components(value: Any, depth: int, *, full: bool) -> Iterator[Text]:
    for component in describe(type(value)):
        member = getattr(value, component.attribute)
        if member is not None:
            yield from _member(component.name, component.wire_type, member, depth, full=full)


def _member(name: str, wire_type: Type, value: Any, depth: int, *, full: bool) -> Iterator[Text]:
    match wire_type:
        case SequenceOf(element=element):
            yield _line(depth, name)
            for place, member in enumerate(value, start=1):
                yield from _member(str(place), element, member, depth + 1, full=full)
        case type() if isinstance(value, Enumerated):
            yield _line(depth, name, f"{value.asn1_name} ({value.value})")
        case type() if isinstance(value, Unlisted):
            yield _line(depth, name, f"unlisted ({value.value})")
        case type():
            yield _line(depth, name)
            yield from _components(value, depth + 1, full=full)
        case Primitive.EXTERNAL:
            yield _line(depth, name)
            yield from _external(value, depth + 1, full=full)
        case _:
            yield _line(depth, name, _leaf(value, full=full))


def _line(depth: int, name: str, value: str = "") -> Text:
    line = Text(_INDENT * depth)
    line.append(f"{name}:", style="cyan")
    if value:
        line.append(f" {value}")
    return line


def _leaf(value: Any, *, full: bool) -> str:
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case str():
            return _string(value, full=full)
        case GeneralString():
            return _string(value.text, full=full)
        case EDIFACTString():
            return f"{_string(value.text, full=full)} (edifact-string)"
        case bytes():
            return octets_in_hex(value, full=full)
        case _ if hasattr(value, "octets"):
            return octets_in_hex(value.octets, full=full)
        case _:
            return "NULL"


def _string(value: str, *, full: bool) -> str:
    """The string; in quotation marks where it could not be seen otherwise how it begins and ends."""
    text = shown(value, None if full else CUT)
    return text if value and value == value.strip() else f'"{text}"'


def octets_in_hex(octets: bytes, *, full: bool) -> str:
    """Octets as hexadecimal digits with their number."""
    if full or len(octets) <= CUT_OCTETS:
        return f"{octets.hex(' ')} ({len(octets)} octets)".lstrip()
    return f"{octets[:CUT_OCTETS].hex(' ')} ... ({len(octets)} octets)"


def _external(value: External, depth: int, *, full: bool) -> Iterator[Text]:
    if value.direct_reference is not None:
        yield _line(depth, "direct-reference", shown(value.direct_reference, None if full else CUT))
    if value.indirect_reference is not None:
        yield _line(depth, "indirect-reference", str(value.indirect_reference))
    if value.data_value_descriptor is not None:
        described = value.data_value_descriptor.decode("latin-1")
        yield _line(depth, "data-value-descriptor", _string(described, full=full))
    encoding = value.encoding
    match encoding:
        case SingleASN1Type(octets=octets):
            yield _line(depth, "single-ASN1-type", octets_in_hex(octets, full=full))
        case OctetAligned(octets=octets):
            yield _line(depth, "octet-aligned", octets_in_hex(octets, full=full))
        case Arbitrary(bits=bits):
            unused = f", {bits.unused} bits of them unused" if bits.unused else ""
            yield _line(depth, "arbitrary", f"{octets_in_hex(bits.octets, full=full)}{unused}")
        case _:
            assert_never(encoding)


def dump(octets: bytes, *, most: int | None = None) -> Iterator[str]:
    """Octets as a dump: offset, hexadecimal, and what of it is printable ASCII.

    Args:
        octets: what to show.
        most: the most lines; what is left out is counted.
    """
    starts = range(0, len(octets), _PER_LINE)
    for start in starts if most is None else starts[:most]:
        line = octets[start : start + _PER_LINE]
        ascii_part = "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in line)
        yield f"{start:06x}  {line.hex(' '):<{3 * _PER_LINE - 1}}  {ascii_part}"
    if most is not None and len(starts) > most:
        yield f"... {len(octets) - most * _PER_LINE} octets more"


def around(octets: bytes, offset: int) -> Iterator[str]:
    """The octets around an offset, with a mark under the one that stands there."""
    start = max(0, min(offset, len(octets)) - _AROUND)
    window = octets[start : offset + _AROUND]
    yield f"{start:06x}  {window.hex(' ')}"
    yield f"{'':{8 + 3 * (min(offset, len(octets)) - start)}}^^"
