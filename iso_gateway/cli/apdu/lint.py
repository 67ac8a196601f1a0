"""What `iso-gateway apdu lint` writes about APDUs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Final, TypeAlias

import typer

from asn1.codec import WireError, decode_noting
from asn1.dialects import Dialect
from asn1.rules import RULES, Severity, check
from iso_gateway.cli.shared.output import shown, write_json, write_lines
from iso_gateway.cli.shared.vocabulary import counted
from iso_gateway.errors import GatewayError

Named: TypeAlias = tuple[str, bytes | GatewayError]
"""A file as the command line names it, and its octets, or why there are none."""


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
        write_lines(f"{counted(number, 'file')}: {listed or 'nothing is wrong'}")
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
