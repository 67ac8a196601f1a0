"""What `iso-gateway apdu decode`, `diff` and `lint` write about octets that have been read from files."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeAlias, cast

import typer
from rich.text import Text

from asn1.codec import WireError, decode_noting
from asn1.comparison import FormDifference, differences, first_difference, form_differences
from asn1.dialects import Dialect, Tolerance, ToleranceKind
from asn1.ill import ILLApdu
from asn1.inspection import Form, Inspection, Part, Stop, inspect, parts_of, second_opinion
from asn1.json import JsonError, from_json, loads, to_json
from asn1.rules import RULES, Finding, Severity, check
from iso_gateway.cli.output import complain, shown, write_json, write_lines
from iso_gateway.cli.trees import View, around, inspected, tree, value_of
from iso_gateway.errors import GatewayError

__all__ = [
    "View",
    "apdu_from_json",
    "decode",
    "decode_as_json",
    "diff",
    "lint",
    "severities",
]

Json: TypeAlias = Any
Named: TypeAlias = tuple[str, bytes | GatewayError]
"""A file as the command line names it, and its octets, or why there are none."""

SAME, DIFFERENT, UNREADABLE = 0, 1, 2

_ABSENT: Final = "(absent)"
_PLAIN: Final = "as the gateway writes it"


# -- decode


def decode(octets: bytes, dialect: Dialect, view: View, *, reference: bool) -> bool:
    """Show octets that are, or should be, an APDU.

    Args:
        octets: what to show.
        dialect: how far they may depart from the standard.
        view: how much is shown.
        reference: whether pyasn1's reading is held against ours.

    Returns:
        Whether they are an APDU.
    """
    inspection = inspect(octets, dialect=dialect)
    write_lines(*inspected(inspection, view), *_summary(inspection))
    if reference:
        write_lines(*_second_opinion(inspection, view))
    if inspection.error is None or inspection.stop is None:
        return True
    complain(f"error: {inspection.error}")
    if inspection.stop != Stop(offset=inspection.error.offset, path=inspection.error.path):
        complain(_reached(inspection.stop))
    for line in around(octets, inspection.stop.offset):
        complain(line)
    return False


def _summary(inspection: Inspection) -> Iterator[str]:
    broken = len(inspection.findings)
    if inspection.tolerances or broken:
        yield f"tolerated: {len(inspection.tolerances)}; rules broken: {broken}"


def _reached(stop: Stop) -> str:
    where = f"offset {stop.offset}" + (f", {stop.path}" if stop.path else "")
    return f"read up to {where}" + (f": {stop.reason}" if stop.reason else "")


def _second_opinion(inspection: Inspection, view: View) -> Iterator[str | Text]:
    try:
        theirs = second_opinion(inspection.octets)
    except WireError as error:
        too = " too" if inspection.error is not None else ""
        yield f"pyasn1 refuses it{too}: {error}"
        return
    if inspection.apdu is None:
        yield "pyasn1 reads it:"
        yield from tree(theirs, full=view.full, with_patron_data=True)
    elif inspection.apdu == theirs:
        yield "pyasn1 reads the same"
    else:
        yield "pyasn1 reads it otherwise (ours -> pyasn1's):"
        yield from _difference_lines(parts_of(inspection.apdu), parts_of(theirs), full=view.full)


def decode_as_json(octets: bytes, dialect: Dialect, view: View, *, reference: bool) -> bool:
    """As `decode`, for programs: one object, whether the octets are an APDU or not."""
    inspection = inspect(octets, dialect=dialect)
    shape: dict[str, Json] = {
        "apdu": None if inspection.apdu is None else to_json(inspection.apdu),
        "tolerances": [_tolerance(one) for one in inspection.tolerances],
        "findings": [_finding(one) for one in inspection.findings],
        "error": None if inspection.error is None else _error(inspection.error),
        "read_up_to": None if inspection.stop is None else asdict(inspection.stop),
    }
    if view.offsets or view.octets or inspection.error is not None:
        shape["components"] = [] if inspection.root is None else [*_components(inspection, view)]
    if reference:
        shape["reference"] = _reference(inspection)
    write_json(shape)
    return inspection.error is None


def _components(inspection: Inspection, view: View) -> Iterator[dict[str, Json]]:
    for part in () if inspection.root is None else inspection.root.walk():
        row: dict[str, Json] = {"path": part.path, "offset": part.start}
        row["length"] = None if part.start is None or part.end is None else part.end - part.start
        row["complete"] = part.complete
        if not part.parts:
            row["value"] = value_of(part, full=True)
        if view.octets and part.start is not None:
            row["octets"] = {"hex": inspection.octets[part.start : part.end].hex()}
        yield row


def _reference(inspection: Inspection) -> dict[str, Json]:
    try:
        theirs = second_opinion(inspection.octets)
    except WireError as error:
        return {"apdu": None, "error": _error(error), "same": inspection.apdu is None}
    return {"apdu": to_json(theirs), "error": None, "same": theirs == inspection.apdu}


def _error(error: WireError) -> dict[str, Json]:
    return {"reason": error.reason, "offset": error.offset, "path": error.path, "kind": error.kind.value}


def _tolerance(tolerance: Tolerance) -> dict[str, Json]:
    return {"kind": tolerance.kind.value, "offset": tolerance.offset, "path": tolerance.path}


def _finding(finding: Finding) -> dict[str, Json]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "path": finding.path,
        "message": finding.message,
    }


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


def _members_once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is given twice in one object")
    return members


# -- diff


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
        write_lines(*_difference_lines(old.root, new.root, full=full))
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


def _difference_lines(old: Part, new: Part, *, full: bool) -> Iterator[str]:
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
        yield f"{change}: {shown(changed[0])}" + (f" and {more} components more" if more and not full else "")
        for path in changed[1:] if full else ():
            yield f"{change}: {shown(path)}"


def _names(forms: frozenset[Form | ToleranceKind]) -> list[str]:
    return sorted(form.value for form in forms)


def _listed(forms: frozenset[Form | ToleranceKind]) -> str:
    return ", ".join(_names(forms)) or _PLAIN


# -- lint


def severities(given: Iterable[str]) -> dict[str, Severity]:
    """Read what the command line says of rules, each as `ID=SEVERITY`.

    Raises:
        typer.BadParameter: there is no such rule, or no such severity.
    """
    decided: dict[str, Severity] = {}
    for one in given:
        rule, _, severity = one.partition("=")
        if rule not in RULES:
            near = get_close_matches(rule, RULES, 1)
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise typer.BadParameter(f"there is no rule {rule!r}{hint}", param_hint="--rule")
        try:
            decided[rule] = Severity(severity)
        except ValueError:
            names = ", ".join(known.value for known in Severity)
            raise typer.BadParameter(
                f"{one!r} does not say what follows: one of {names}", param_hint="--rule"
            ) from None
    return decided


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remark:
    """One line of `lint`."""

    file: str
    path: str
    rule: str
    severity: str
    message: str


_TOLERATED: Final = "tolerated"
_UNREADABLE: Final = "unreadable"


def lint(
    files: Iterable[Named], dialect: Dialect, decided: Mapping[str, Severity], *, strict: bool, json: bool
) -> bool:
    """Say what is wrong with APDUs.

    Args:
        files: the files; each is judged before the next is read.
        dialect: how far they may depart from the standard.
        decided: by rule, what follows when it is broken, where that is not the rule's own default.
        strict: whether warnings, and what was tolerated, count as errors do.
        json: for programs.

    Returns:
        Whether nothing was found that counts.
    """
    counts = {_UNREADABLE: 0, Severity.ERROR.value: 0, Severity.WARNING.value: 0, _TOLERATED: 0}
    all_remarks: list[_Remark] = []
    number = 0
    for file in files:
        number += 1
        for remark in _remarks(file, dialect, decided):
            counts[remark.severity] += 1
            all_remarks.append(remark)
            if not json:
                write_lines(_remark_line(remark))
    if json:
        write_json({"files": number, **counts, "findings": [asdict(remark) for remark in all_remarks]})
    else:
        listed = ", ".join(f"{count} {_counted(name, count)}" for name, count in counts.items() if count)
        write_lines(f"{number} {'file' if number == 1 else 'files'}: {listed or 'nothing is wrong'}")
    counting = counts if strict else (_UNREADABLE, Severity.ERROR.value)
    return not any(counts[name] for name in counting)


def _counted(name: str, count: int) -> str:
    return f"{name}s" if count != 1 and name in (Severity.ERROR.value, Severity.WARNING.value) else name


def _remarks(file: Named, dialect: Dialect, decided: Mapping[str, Severity]) -> Iterator[_Remark]:
    name, octets = file
    if isinstance(octets, GatewayError):
        yield _Remark(file=name, path="", rule=_UNREADABLE, severity=_UNREADABLE, message=str(octets))
        return
    try:
        decoded = decode_noting(octets, dialect=dialect)
    except WireError as error:
        message = f"{error.reason} (offset {error.offset})"
        yield _Remark(file=name, path=error.path, rule=_UNREADABLE, severity=_UNREADABLE, message=message)
        return
    for tolerance in decoded.tolerances:
        yield _Remark(
            file=name,
            path=tolerance.path,
            rule=tolerance.kind.value,
            severity=_TOLERATED,
            message=f"tolerated at offset {tolerance.offset}",
        )
    for finding in check(decoded.apdu, decided):
        yield _Remark(
            file=name,
            path=finding.path,
            rule=finding.rule,
            severity=finding.severity.value,
            message=finding.message,
        )


def _remark_line(remark: _Remark) -> str:
    path = f" {remark.path}:" if remark.path else ""
    severity = f" ({remark.severity})" if remark.severity == Severity.ERROR.value else ""
    return shown(f"{remark.file}:{path} {remark.rule}: {remark.message}{severity}")
