"""From the words of the command line to the primitives that the gateway acts on, and back."""

import datetime as dt
import os
import pwd
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final, assert_never

from asn1.ill import ILLServiceType, TransactionResults
from iso_gateway import primitives
from iso_gateway.cli.requests import Result, ServiceName, ShippedAs
from iso_gateway.primitives import ResponderPrimitive
from iso_gateway.protocol.events import Service


class WrongFieldError(ValueError):
    """An option that the service does not have, or one that it cannot do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The options of `requests act`; None where one was not given."""

    result: Result | None = None
    reason: str | None = None
    date: dt.date | None = None
    due: dt.date | None = None
    renewable: bool | None = None
    yes: bool | None = None
    cost: str | None = None
    location: tuple[str, ...] | None = None
    service_type: ShippedAs | None = None
    note: str | None = None


_OPTIONS: Final = MappingProxyType(
    {
        "service_type": "--service-type",
        "yes": "--yes or --no",
        "renewable": "--renewable or --not-renewable",
    }
)

_TAKES: Final[Mapping[ServiceName, frozenset[str]]] = MappingProxyType(
    {
        ServiceName.ANSWER: frozenset({"result", "reason", "date", "cost", "location", "note"}),
        ServiceName.SHIP: frozenset({"service_type", "date", "due", "renewable", "note"}),
        ServiceName.MESSAGE: frozenset({"note"}),
        ServiceName.CANCEL_REPLY: frozenset({"yes", "note"}),
        ServiceName.RENEW_ANSWER: frozenset({"yes", "due", "renewable", "note"}),
        ServiceName.RECALL: frozenset({"note"}),
        ServiceName.OVERDUE: frozenset({"due", "renewable", "note"}),
        ServiceName.CHECK_IN: frozenset({"date", "note"}),
        ServiceName.LOST: frozenset({"note"}),
        ServiceName.DAMAGED: frozenset({"note"}),
        ServiceName.STATUS_QUERY: frozenset({"note"}),
    }
)

_NEEDS: Final[Mapping[ServiceName, tuple[str, ...]]] = MappingProxyType(
    {
        ServiceName.ANSWER: ("result",),
        ServiceName.MESSAGE: ("note",),
        ServiceName.CANCEL_REPLY: ("yes",),
        ServiceName.RENEW_ANSWER: ("yes",),
        ServiceName.OVERDUE: ("due",),
    }
)

_RESULTS: Final[Mapping[Result, TransactionResults]] = MappingProxyType(
    {Result(result.asn1_name): result for result in TransactionResults}
)

_SERVICE_TYPES: Final = MappingProxyType(
    {ShippedAs.LOAN: ILLServiceType.loan, ShippedAs.COPY: ILLServiceType.copy_non_returnable}
)


def primitive_for(service: ServiceName, given: Fields) -> ResponderPrimitive:
    """The primitive that a service with its options asks for.

    Raises:
        WrongFieldError: an option that the service does not have, or one that it cannot do without.
    """
    _check(service, given)
    match service:
        case ServiceName.ANSWER:
            return primitives.Answer(
                result=_RESULTS[Result(given.result or "")],
                reason=given.reason,
                date=given.date,
                cost=given.cost,
                locations=given.location or (),
                note=given.note,
            )
        case ServiceName.SHIP:
            return primitives.Ship(
                service_type=None if given.service_type is None else _SERVICE_TYPES[given.service_type],
                date_shipped=given.date,
                date_due=given.due,
                renewable=given.renewable is not False,
                note=given.note,
            )
        case ServiceName.MESSAGE:
            return primitives.SendMessage(note=given.note or "")
        case ServiceName.CANCEL_REPLY:
            return primitives.CancelReply(answer=given.yes is True, note=given.note)
        case ServiceName.RENEW_ANSWER:
            return primitives.RenewAnswer(
                answer=given.yes is True,
                date_due=given.due,
                renewable=given.renewable is not False,
                note=given.note,
            )
        case ServiceName.RECALL:
            return primitives.RecallItem(note=given.note)
        case ServiceName.OVERDUE:
            return primitives.ReportOverdue(
                date_due=given.due or dt.date.min, renewable=given.renewable is True, note=given.note
            )
        case ServiceName.CHECK_IN:
            return primitives.CheckIn(date=given.date, note=given.note)
        case ServiceName.LOST:
            return primitives.ReportLost(note=given.note)
        case ServiceName.DAMAGED:
            return primitives.ReportDamaged(note=given.note)
        case ServiceName.STATUS_QUERY:
            return primitives.QueryStatus(note=given.note)
        case _:
            assert_never(service)


def _check(service: ServiceName, given: Fields) -> None:
    for field in fields(given):
        if getattr(given, field.name) is not None and field.name not in _TAKES[service]:
            taken = ", ".join(_option(name) for name in sorted(_TAKES[service]))
            raise WrongFieldError(f"{service} does not take {_option(field.name)}; it takes {taken}")
    for name in _NEEDS.get(service, ()):
        if getattr(given, name) is None:
            raise WrongFieldError(f"{service} needs {_option(name)}")


def _option(field: str) -> str:
    return _OPTIONS.get(field, f"--{field}")


_COMMANDS: Final[Mapping[Service, str]] = MappingProxyType(
    {
        Service.ANS_CO: "answer --result conditional --reason CONDITION",
        Service.ANS_RY: "answer --result retry",
        Service.ANS_UN: "answer --result unfilled --reason REASON",
        Service.ANS_LP: "answer --result locations-provided --location SYMBOL",
        Service.ANS_WS: "answer --result will-supply",
        Service.ANS_HP: "answer --result hold-placed --date YYYY-MM-DD",
        Service.ANS_ES: "answer --result estimate --cost TEXT",
        Service.SHI: "ship",
        Service.CAR_YES: "cancel-reply --yes",
        Service.CAR_NO: "cancel-reply --no",
        Service.REA_YES: "renew-answer --yes --due YYYY-MM-DD",
        Service.REA_NO: "renew-answer --no",
        Service.RCL: "recall",
        Service.DUE: "overdue --due YYYY-MM-DD",
        Service.CHK: "check-in",
        Service.LST: "lost",
        Service.DAM: "damaged",
        Service.MSG: "message --text TEXT",
        Service.STQ: "status-query",
    }
)


def commands_for(possible: Iterable[Service]) -> list[str]:
    """What `requests act` is told to do each of these services, as far as it can."""
    return [_COMMANDS[service] for service in possible if service in _COMMANDS]


def actor() -> str:
    """Who asks, for the audit trail: the user of the operating system, through sudo the one who called it."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
