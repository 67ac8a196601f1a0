"""The fields of a service as a scenario writes them: checked against the primitive that they are for.

A date may be written from the day on which the service is performed (`+21d`), so a primitive is made only
then. Imports nothing that does I/O.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from asn1.ill import ILLServiceType, TransactionResults
from asn1.schema import Enumerated
from config.errors import shown
from config.keys import Location
from iso_gateway import compose
from iso_gateway.protocol.events import Service
from iso_gateway.request import primitives

_DAYS: Final = re.compile(r"([+-][0-9]{1,4})d", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with one field.

    Args:
        location: where it stands in the table of fields.
        problem: what is wrong.
        expected: what would be right.
    """

    location: Location
    problem: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The primitive of a service.

    Args:
        primitive: its type.
        fixed: the fields that the service itself decides, as an answer's result.
    """

    primitive: type[Any]
    fixed: Mapping[str, object]


def _kind(primitive: type[Any], **fixed: object) -> Kind:
    return Kind(primitive=primitive, fixed=MappingProxyType(fixed))


def _answer(service: Service) -> Kind:
    results: dict[Service, TransactionResults] = {
        known: result for result, known in compose.ANSWER_SERVICES.items()
    }
    return _kind(primitives.Answer, result=results[service])


KINDS: Final[Mapping[Service, Kind]] = MappingProxyType(
    {
        **{service: _answer(service) for service in compose.ANSWER_SERVICES.values()},
        Service.SHI: _kind(primitives.Ship),
        Service.C_REP_YES: _kind(primitives.ConditionalReply, answer=True),
        Service.C_REP_NO: _kind(primitives.ConditionalReply, answer=False),
        Service.CAN: _kind(primitives.Cancel),
        Service.RCV: _kind(primitives.Receive),
        Service.RET: _kind(primitives.Return),
        Service.REN: _kind(primitives.Renew),
        Service.CAR_YES: _kind(primitives.CancelReply, answer=True),
        Service.CAR_NO: _kind(primitives.CancelReply, answer=False),
        Service.REA_YES: _kind(primitives.RenewAnswer, answer=True),
        Service.REA_NO: _kind(primitives.RenewAnswer, answer=False),
        Service.RCL: _kind(primitives.RecallItem),
        Service.DUE: _kind(primitives.ReportOverdue),
        Service.CHK: _kind(primitives.CheckIn),
        Service.LST: _kind(primitives.ReportLost),
        Service.DAM: _kind(primitives.ReportDamaged),
        Service.MSG: _kind(primitives.SendMessage),
        Service.STQ: _kind(primitives.QueryStatus),
        Service.FWN: _kind(primitives.Forward),
    }
)
"""The services for which there is a primitive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A value of ours in which dates may still be open.

    Args:
        kind: what it will be.
        values: the fields that were written, dates from the day on as `Days`.
    """

    kind: Kind
    values: Mapping[str, object]

    def made(self, today: dt.date) -> Any:
        """The value, on a day."""
        return self.kind.primitive(
            **{**self.kind.fixed, **{name: _on(value, today) for name, value in self.values.items()}}
        )


def suiting(primitive: Any, wanted: Iterable[int]) -> Any:
    """A primitive as it suits a request: a copy is not given back, so no day is said on which it is due.

    Args:
        primitive: what a template made.
        wanted: the numbers of the service types that the request names, the one liked best first.
    """
    if not isinstance(primitive, primitives.Ship):
        return primitive
    supplied = primitive.service_type
    if supplied is None:
        liked = (kind for number in wanted for kind in _SUPPLIED if kind.value == number)
        supplied = next(liked, ILLServiceType.loan)
    return replace(primitive, date_due=None) if supplied is ILLServiceType.copy_non_returnable else primitive


_SUPPLIED: Final = (ILLServiceType.loan, ILLServiceType.copy_non_returnable)


@dataclass(frozen=True, slots=True)
class Days:
    """A date so many days from the day on which the service is performed."""

    number: int


def _on(value: object, today: dt.date) -> object:
    match value:
        case Days(number=number):
            return today + dt.timedelta(days=number)
        case Template():
            return value.made(today)
        case tuple():
            return tuple(_on(member, today) for member in value)
        case _:
            return value


def template(kind: Kind, table: Mapping[str, object]) -> tuple[Template | None, tuple[Fault, ...]]:
    """The template that a table of fields stands for; None, and everything that is wrong, if it is none."""
    faults = tuple(_faults(kind, table))
    if faults:
        return None, faults
    hints = get_type_hints(kind.primitive)
    values = {name: _read(hints[name], value)[0] for name, value in table.items()}
    return Template(kind=kind, values=MappingProxyType(values)), ()


def _faults(kind: Kind, table: Mapping[str, object]) -> Iterator[Fault]:
    hints = get_type_hints(kind.primitive)
    open_fields = [field for field in fields(kind.primitive) if field.name not in kind.fixed]
    known = [field.name for field in open_fields]
    for name, value in table.items():
        if name not in known:
            expected = "one of " + ", ".join(map(repr, known)) if known else "no field"
            yield Fault(location=(name,), problem="unknown field", expected=expected)
        else:
            for fault in _read(hints[name], value)[1]:
                yield Fault(location=(name, *fault.location), problem=fault.problem, expected=fault.expected)
    for field in open_fields:
        if field.default is MISSING and field.default_factory is MISSING and field.name not in table:
            yield Fault(location=(field.name,), problem="is missing", expected=_expected(hints[field.name]))


def _read(annotation: Any, value: object) -> tuple[object, tuple[Fault, ...]]:
    """A value of a field, and what is wrong with it."""
    for one in _alternatives(annotation):
        if get_origin(one) is tuple and isinstance(value, list):
            return _read_list(get_args(one)[0], value)
        if isinstance(one, type) and is_dataclass(one) and isinstance(value, dict):
            return template(_kind(one), value)
        found = _read_plain(one, value)
        if found is not None:
            return found, ()
    fault = Fault(location=(), problem=f"{shown(value)} cannot stand here", expected=_expected(annotation))
    return None, (fault,)


def _read_list(annotation: Any, values: list[object]) -> tuple[object, tuple[Fault, ...]]:
    members = [_read(annotation, value) for value in values]
    faults = tuple(
        Fault(location=(place, *fault.location), problem=fault.problem, expected=fault.expected)
        for place, (_, found) in enumerate(members)
        for fault in found
    )
    return tuple(member for member, _ in members), faults


def _read_plain(annotation: Any, value: object) -> object | None:
    match value:
        case bool():
            return value if annotation is bool else None
        case int():
            return value if annotation is int else None
        case dt.datetime():
            return None
        case dt.date():
            return value if annotation is dt.date else None
        case str() if annotation is str:
            return value
        case str() if annotation is dt.date:
            return _date(value)
        case str() if isinstance(annotation, type) and issubclass(annotation, Enumerated):
            return next((member for member in annotation if member.asn1_name == value), None)
        case _:
            return None


def _date(text: str) -> dt.date | Days | None:
    if (days := _DAYS.fullmatch(text)) is not None:
        return Days(int(days[1]))
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in {Union, UnionType}:
        return tuple(one for one in get_args(annotation) if one is not NoneType)
    return (annotation,)


def _expected(annotation: Any) -> str:
    return " or ".join(_described(one) for one in _alternatives(annotation))


def _described(annotation: Any) -> str:
    if get_origin(annotation) is tuple:
        return f"a list, each item {_expected(get_args(annotation)[0])}"
    if annotation is dt.date:
        return "a date as '2026-12-31', or days from then on as '+21d'"
    if isinstance(annotation, type) and issubclass(annotation, Enumerated):
        return "one of " + ", ".join(repr(member.asn1_name) for member in annotation)
    return _WORDS.get(annotation, "a table")


_WORDS: Final = {bool: "true or false", int: "a whole number", str: "a text"}
