"""What `iso-gateway apdu decode` writes about octets."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, TypeAlias

from rich.text import Text

from asn1.codec import WireError
from asn1.dialects import Dialect, Tolerance
from asn1.inspection import Inspection, Stop, inspect, parts_of, second_opinion
from asn1.json import to_json
from asn1.rules import Finding
from iso_gateway.cli.apdu.diff import difference_lines
from iso_gateway.cli.apdu.tree import View, around, inspected, tree, value_of
from iso_gateway.cli.shared.output import complain, write_json, write_lines
from iso_gateway.cli.shared.plain import wire_error

Json: TypeAlias = Any


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
        yield from tree(theirs, full=view.full, with_patron_data=True, encoding=view.encoding)
    elif inspection.apdu == theirs:
        yield "pyasn1 reads the same"
    else:
        yield "pyasn1 reads it otherwise (ours -> pyasn1's):"
        yield from difference_lines(parts_of(inspection.apdu), parts_of(theirs), full=view.full)


def decode_as_json(octets: bytes, dialect: Dialect, view: View, *, reference: bool) -> bool:
    """As `decode`, for programs: one object, whether the octets are an APDU or not."""
    inspection = inspect(octets, dialect=dialect)
    shape: dict[str, Json] = {
        "apdu": None if inspection.apdu is None else to_json(inspection.apdu),
        "tolerances": [_tolerance(one) for one in inspection.tolerances],
        "findings": [_finding(one) for one in inspection.findings],
        "error": None if inspection.error is None else wire_error(inspection.error),
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
            row["value"] = value_of(part, full=True, encoding=view.encoding)
        if view.octets and part.start is not None:
            row["octets"] = {"hex": inspection.octets[part.start : part.end].hex()}
        yield row


def _reference(inspection: Inspection) -> dict[str, Json]:
    try:
        theirs = second_opinion(inspection.octets)
    except WireError as error:
        return {"apdu": None, "error": wire_error(error), "same": inspection.apdu is None}
    return {"apdu": to_json(theirs), "error": None, "same": theirs == inspection.apdu}


def _tolerance(tolerance: Tolerance) -> dict[str, Json]:
    return {"kind": tolerance.kind.value, "offset": tolerance.offset, "path": tolerance.path}


def _finding(finding: Finding) -> dict[str, Json]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "path": finding.path,
        "message": finding.message,
    }
