"""An APDU as an indented tree for people, with what is to be said of it, and octets as a dump.

Names are the standard's; enumerated values stand with their number; strings are escaped and, unless asked for
in full, cut. What was tolerated and which rules are broken stands under the component that it is about.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rich.text import Text

from asn1.ill import ILLApdu
from asn1.inspection import Form, Inspection, Part, Stop, parts_of
from asn1.rules import Severity
from asn1.schema import (
    AnyValue,
    Arbitrary,
    Choice,
    EDIFACTString,
    Enumerated,
    GeneralString,
    OctetAligned,
    Primitive,
    Sequence,
    SequenceOf,
    SingleASN1Type,
    Unlisted,
)
from config.settings import CharacterSet
from iso_gateway.cli.shared.output import shown
from iso_gateway.cli.shared.privacy import PRIVATE_NAMES
from iso_gateway.cli.shared.vocabulary import counted
from iso_gateway.message.identity import read_as

#: The character set of who does not say otherwise.
UTF_8: Final = CharacterSet.UTF_8.value

#: The most characters of a value, and the most octets of one that is shown in hex.
CUT: Final = 200
CUT_OCTETS: Final = 32

_INDENT: Final = "  "
_PER_LINE: Final = 16
_AROUND: Final = 16
#: Octets of a component on one line of the tree.
_BESIDE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What of a tree is shown.

    Args:
        full: long values as they are.
        offsets: beside each component, where it begins and how long it is, in octets.
        octets: beside each component, its first octets; with `full` all of those that have no others in them.
        private: also the extensions of `privacy.PRIVATE`.
        encoding: the character set of whoever wrote it, as Python names it.
    """

    full: bool = False
    offsets: bool = False
    octets: bool = False
    private: bool = True
    encoding: str = UTF_8


def tree(
    apdu: ILLApdu, *, full: bool = False, with_patron_data: bool = False, encoding: str = UTF_8
) -> Iterator[Text]:
    """The lines of an APDU of which only the value is known.

    Args:
        apdu: what to show.
        full: whether long values are shown as they are.
        with_patron_data: whether the extensions of `privacy.PRIVATE` are shown, too.
        encoding: the character set of whoever wrote it, as Python names it.
    """
    view = View(full=full, private=with_patron_data, encoding=encoding)
    yield from _Tree(view, b"", None).lines(parts_of(apdu), 0)


def inspected(inspection: Inspection, view: View) -> Iterator[Text]:
    """The lines of octets that were looked into, as far as they could be read.

    Args:
        inspection: what to show.
        view: how much of it.
    """
    if inspection.root is not None:
        yield from _Tree(view, inspection.octets, inspection.stop).lines(inspection.root, 0)


class _Tree:
    def __init__(self, view: View, octets: bytes, stop: Stop | None) -> None:
        self._view = view
        self._octets = octets
        self._stop = stop

    def lines(self, part: Part, depth: int) -> Iterator[Text]:
        """The lines of a component and of all that is in it."""
        hidden = "" if self._view.private else PRIVATE_NAMES.get(part.name, "")
        inner = () if hidden else part.parts
        value = (
            f"hidden: it {hidden}"
            if hidden
            else value_of(part, full=self._view.full, encoding=self._view.encoding)
        )
        line = Text(_INDENT * depth)
        line.append(_label(part), style="bold" if depth == 0 else "cyan")
        if value and not inner:
            line.append(f": {value}" if depth else f" {value}")
        elif depth:
            line.append(":", style="cyan")
        if Form.DEFAULT_ABSENT in part.forms:
            line.append(" (default)", style="dim")
        yield from self._beside(part, line)
        for mark, style in _marks(part):
            yield self._margin() + Text(f"{_INDENT * (depth + 1)}! {shown(mark)}", style=style)
        for one in inner:
            yield from self.lines(one, depth + 1)
        if self._stop is not None and not part.complete and (not part.parts or part.parts[-1].complete):
            what = f"! not read any further than offset {self._stop.offset}"
            yield self._margin() + Text(_INDENT * (depth + 1) + what, style="red")

    def _margin(self) -> Text:
        width = (_OFFSETS_WIDTH if self._view.offsets else 0) + (_OCTETS_WIDTH if self._view.octets else 0)
        return Text(" " * width)

    def _beside(self, part: Part, line: Text) -> Iterator[Text]:
        """The line with what stands to the left of it, and the lines of octets that there is no room for."""
        margin = Text()
        located = part.start is not None and part.end is not None
        octets = self._octets[part.start : part.end] if located else b""
        if self._view.offsets:
            where = f"{part.start:>7} {len(octets):>6}  " if located else " " * _OFFSETS_WIDTH
            margin.append(where, style="dim")
        if self._view.octets:
            more = len(octets) > _BESIDE and not self._view.full
            beside = octets[:_BESIDE].hex(" ") + (" .." if more else "")
            margin.append(f"{beside:<{_OCTETS_WIDTH}}", style="dim")
        yield margin + line
        if self._view.octets and self._view.full and not part.parts:
            for start in range(_BESIDE, len(octets), _BESIDE):
                left = " " * (_OFFSETS_WIDTH if self._view.offsets else 0)
                yield Text(f"{left}{octets[start : start + _BESIDE].hex(' ')}", style="dim")


_OFFSETS_WIDTH: Final = len("      0      0  ")
_OCTETS_WIDTH: Final = 3 * _BESIDE + len("..  ")


def _label(part: Part) -> str:
    """The name of a component; of an element of a list its place, counted from 1 as people do."""
    match part.value:
        case SingleASN1Type():
            return "single-ASN1-type"
        case OctetAligned():
            return "octet-aligned"
        case Arbitrary():
            return "arbitrary"
        case _:
            return str(int(part.name[1:-1]) + 1) if part.name.startswith("[") else part.name


def _marks(part: Part) -> Iterator[tuple[str, str]]:
    """What is to be said of a component, each with its style."""
    for tolerance in part.tolerances:
        yield f"tolerated: {tolerance.kind.value} at offset {tolerance.offset}", "yellow"
    for finding in part.findings:
        where = finding.path.removeprefix(part.path).lstrip(".")
        what = f"{where}: {finding.message}" if where else finding.message
        style = "red" if finding.severity is Severity.ERROR else "yellow"
        yield f"rule {finding.rule} ({finding.severity.value}): {what}", style
    if part.problem is not None:
        yield f"no value of this type: {part.problem}", "red"


def value_of(part: Part, *, full: bool, encoding: str = UTF_8) -> str:
    """The value of a component as text; nothing where it has components of its own, or was not read.

    Args:
        part: the component.
        full: whether a long value is shown as it is.
        encoding: the character set of whoever wrote it, as Python names it.
    """
    value = part.value
    match part.wire_type:
        case SequenceOf():
            return "" if value is None or value else "(empty)"
        case Primitive.EXTERNAL:
            return ""
        case _ if value is None:
            return ""
        case tuple() | Primitive.GENERAL_STRING if isinstance(value, bytes):
            # The data-value-descriptor of an EXTERNAL, and strings that are no ILL-String.
            return _string(read_as(GeneralString(value), encoding), full=full)
        case _:
            return _leaf(value, full=full, encoding=encoding)


def _leaf(value: Any, *, full: bool, encoding: str) -> str:
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case Enumerated():
            return f"{value.asn1_name} ({value.value})"
        case Unlisted():
            return f"unlisted ({value.value})"
        case int():
            return str(value)
        case str():
            return _string(value, full=full)
        case GeneralString():
            return _string(read_as(value, encoding), full=full)
        case EDIFACTString():
            return f"{_string(read_as(value, encoding), full=full)} (edifact-string)"
        case bytes():
            return octets_in_hex(value, full=full)
        case AnyValue() | SingleASN1Type() | OctetAligned():
            return octets_in_hex(value.octets, full=full)
        case Arbitrary():
            unused = f", {value.bits.unused} bits of them unused" if value.bits.unused else ""
            return f"{octets_in_hex(value.bits.octets, full=full)}{unused}"
        case Sequence() | Choice():
            return ""
        case _:
            return "NULL"


def _string(value: str, *, full: bool) -> str:
    """The string; in quotation marks where it could not be seen otherwise how it begins and ends."""
    text = shown(value, None if full else CUT)
    return text if value and value == value.strip() else f'"{text}"'


def octets_in_hex(octets: bytes, *, full: bool) -> str:
    """Octets as hexadecimal digits with their number."""
    if full or len(octets) <= CUT_OCTETS:
        return f"{octets.hex(' ')} ({counted(len(octets), 'octet')})".lstrip()
    return f"{octets[:CUT_OCTETS].hex(' ')} ... ({len(octets)} octets)"


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
        yield f"... {counted(len(octets) - most * _PER_LINE, 'octet')} more"


def around(octets: bytes, offset: int) -> Iterator[str]:
    """The octets around an offset, with a mark under the one that stands there."""
    start = max(0, min(offset, len(octets)) - _AROUND)
    window = octets[start : offset + _AROUND]
    yield f"{start:06x}  {window.hex(' ')}"
    yield f"{'':{8 + 3 * (min(offset, len(octets)) - start)}}^^"
