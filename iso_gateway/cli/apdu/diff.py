"""What `iso-gateway apdu diff` writes about two APDUs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from asn1.codec import WireError
from asn1.comparison import FormDifference, differences, first_difference, form_differences
from asn1.dialects import Dialect, ToleranceKind
from asn1.inspection import Form, Part, inspect
from iso_gateway.cli.apdu.tree import value_of
from iso_gateway.cli.shared.output import complain, shown, write_json, write_lines
from iso_gateway.cli.shared.vocabulary import counted
from iso_gateway.errors import GatewayError

Named: TypeAlias = tuple[str, bytes | GatewayError]
"""A file as the command line names it, and its octets, or why there are none."""
SAME, DIFFERENT, UNREADABLE = 0, 1, 2
_ABSENT: Final = "(absent)"
_PLAIN: Final = "as the gateway writes it"


def diff(first: Named, second: Named, dialect: Dialect, *, full: bool, json: bool) -> int:
    """Compare two APDUs.

    Args:
        first, second: the files.
        dialect: how far either may depart from the standard.
        full: whether long values are shown as they are, and all components that are written in another way.
        json: for programs.

    Returns:
        SAME where both say the same, however they are written; DIFFERENT; or UNREADABLE.
    """
    read = [_read(file, dialect) for file in (first, second)]
    for file, outcome in zip((first, second), read, strict=True):
        if not isinstance(outcome, _Readable):
            complain(f"error: {file[0]}: {outcome}")
    old, new = read
    if not isinstance(old, _Readable) or not isinstance(new, _Readable):
        return UNREADABLE
    found = differences(old.root, new.root)
    forms = () if found else form_differences(old.root, new.root)
    at = first_difference(old.octets, new.octets)
    if json:
        write_json(
            {
                "same_value": not found,
                "same_octets": at is None,
                "first_different_octet": at,
                "differences": [
                    {"path": one.path, "old": _side(one.old, full=True), "new": _side(one.new, full=True)}
                    for one in found
                ],
                "encoding": [
                    {"path": one.path, "old": _names(one.old), "new": _names(one.new)} for one in forms
                ],
            }
        )
        return DIFFERENT if found else SAME
    if found:
        write_lines(*difference_lines(old.root, new.root, full=full))
        return DIFFERENT
    if at is None:
        write_lines("the same octets")
        return SAME
    write_lines(f"the same value; only the encoding differs, from offset {at} on")
    write_lines(*_form_lines(forms, full=full))
    return SAME


@dataclass(frozen=True, slots=True, kw_only=True)
class _Readable:
    octets: bytes
    root: Part


def _read(file: Named, dialect: Dialect) -> _Readable | WireError | GatewayError:
    _, octets = file
    if isinstance(octets, GatewayError):
        return octets
    inspection = inspect(octets, dialect=dialect)
    if inspection.error is not None:
        return inspection.error
    # What decodes has a root: `inspect` reads it twice, the second time to see where everything is.
    return _Readable(octets=octets, root=cast("Part", inspection.root))


def difference_lines(old: Part, new: Part, *, full: bool) -> Iterator[str]:
    if old.name != new.name:
        yield f"{old.name} -> {new.name}"
        return
    for one in differences(old, new):
        yield f"{shown(one.path)}: {_side(one.old, full=full)} -> {_side(one.new, full=full)}"


def _side(part: Part | None, *, full: bool) -> str:
    if part is None:
        return _ABSENT
    return value_of(part, full=full) or "(empty)"


def _form_lines(found: Iterable[FormDifference], *, full: bool) -> Iterator[str]:
    """Each change of the way of writing, and what it is about: the first component, or with `full` all."""
    paths: dict[str, list[str]] = {}
    for one in found:
        paths.setdefault(f"{_listed(one.old)} -> {_listed(one.new)}", []).append(one.path)
    for change, changed in paths.items():
        more = len(changed) - 1
        others = f" and {counted(more, 'more component')}" if more and not full else ""
        yield f"{change}: {shown(changed[0])}{others}"
        for path in changed[1:] if full else ():
            yield f"{change}: {shown(path)}"


def _names(forms: frozenset[Form | ToleranceKind]) -> list[str]:
    return sorted(form.value for form in forms)


def _listed(forms: frozenset[Form | ToleranceKind]) -> str:
    return ", ".join(_names(forms)) or _PLAIN
