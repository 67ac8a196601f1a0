"""From the words of the command line to the primitives that the gateway acts on."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final, TypeVar, assert_never

from asn1.extensions import OCLCSpecificStatus, ReasonInReview
from asn1.ill import ILLServiceType, MediumType, SupplyMediumType, TransactionResults
from asn1.schema import Enumerated
from iso_gateway.cli.requests.verbs import Result, SuppliedAs, Verb
from iso_gateway.request import primitives
from iso_gateway.request.primitives import Amount, Primitive, ReviewReason, SpecificResults, UnitsSupplied

E = TypeVar("E", bound=Enumerated)


class WrongFieldError(ValueError):
    """An option that the service does not have, cannot do without, or that says what cannot be."""


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
    medium: str | None = None
    proposed: str | None = None
    specific: str | None = None
    review_reason: tuple[str, ...] | None = None
    service_type: SuppliedAs | None = None
    conditions: str | None = None
    via: str | None = None
    insured_for: str | None = None
    return_insurance: str | None = None
    units: tuple[str, ...] | None = None
    charged_units: int | None = None
    supplier: str | None = None
    link: str | None = None
    to: str | None = None
    portion: str | None = None
    note: str | None = None


_OPTIONS: Final = MappingProxyType(
    {
        "yes": "--yes or --no",
        "renewable": "--renewable or --not-renewable",
        "note": "--note",
        "link": "--document-url",
    }
)

_NOTE: Final = frozenset({"note"})

_TAKES: Final[Mapping[Verb, frozenset[str]]] = MappingProxyType(
    {
        Verb.ANSWER: _NOTE
        | {"result", "reason", "date", "cost", "location", "medium", "proposed"}
        | {"specific", "review_reason"},
        Verb.SHIP: _NOTE
        | {"service_type", "date", "due", "renewable", "cost", "conditions", "via", "insured_for"}
        | {"return_insurance", "units", "charged_units", "supplier", "link"},
        Verb.CANCEL_REPLY: _NOTE | {"yes"},
        Verb.RENEW_ANSWER: _NOTE | {"yes", "due", "renewable"},
        Verb.RECALL: _NOTE,
        Verb.OVERDUE: _NOTE | {"due", "renewable"},
        Verb.CHECK_IN: _NOTE | {"date"},
        Verb.FORWARD: _NOTE | {"to"},
        Verb.ACCEPT_CONDITION: _NOTE,
        Verb.REFUSE_CONDITION: _NOTE,
        Verb.CANCEL: _NOTE,
        Verb.RECEIVE: _NOTE | {"date", "service_type"},
        Verb.RETURN: _NOTE | {"date", "via", "insured_for"},
        Verb.RENEW: _NOTE | {"due"},
        Verb.LOST: _NOTE,
        Verb.DAMAGED: _NOTE | {"portion"},
        Verb.MESSAGE: _NOTE,
        Verb.QUERY: _NOTE,
    }
)

_NEEDS: Final[Mapping[Verb, str]] = MappingProxyType(
    {
        Verb.ANSWER: "result",
        Verb.MESSAGE: "note",
        Verb.CANCEL_REPLY: "yes",
        Verb.RENEW_ANSWER: "yes",
        Verb.OVERDUE: "due",
        Verb.FORWARD: "to",
    }
)

_RESULTS: Final[Mapping[Result, TransactionResults]] = MappingProxyType(
    {Result(result.asn1_name): result for result in TransactionResults}
)

_SUPPLIED: Final[Mapping[SuppliedAs, ILLServiceType]] = MappingProxyType(
    {SuppliedAs.LOAN: ILLServiceType.loan, SuppliedAs.COPY: ILLServiceType.copy_non_returnable}
)


def primitive_for(verb: Verb, given: Fields) -> Primitive:
    """The primitive that a verb with its options asks for.

    Raises:
        WrongFieldError: an option that the verb does not have, or cannot do without, or that says what cannot
            be.
    """
    _check(verb, given)
    match verb:
        case Verb.ANSWER:
            return _answer(given)
        case Verb.SHIP:
            return _ship(given)
        case Verb.CANCEL_REPLY:
            return primitives.CancelReply(answer=given.yes is True, note=given.note)
        case Verb.RENEW_ANSWER:
            return primitives.RenewAnswer(
                answer=given.yes is True,
                date_due=given.due,
                renewable=given.renewable is not False,
                note=given.note,
            )
        case Verb.RECALL:
            return primitives.RecallItem(note=given.note)
        case Verb.OVERDUE:
            return primitives.ReportOverdue(
                date_due=given.due or dt.date.min, renewable=given.renewable is True, note=given.note
            )
        case Verb.CHECK_IN:
            return primitives.CheckIn(date=given.date, note=given.note)
        case Verb.FORWARD:
            return primitives.Forward(to=given.to or "", note=given.note)
        case Verb.ACCEPT_CONDITION | Verb.REFUSE_CONDITION:
            return primitives.ConditionalReply(answer=verb is Verb.ACCEPT_CONDITION, note=given.note)
        case Verb.CANCEL:
            return primitives.Cancel(note=given.note)
        case Verb.RECEIVE:
            return primitives.Receive(
                date_received=given.date, service_type=_supplied(given.service_type), note=given.note
            )
        case Verb.RETURN:
            return primitives.Return(
                date_returned=given.date,
                via=given.via,
                insured_for=_amount(given.insured_for, "--insured-for"),
                note=given.note,
            )
        case Verb.RENEW:
            return primitives.Renew(desired_due_date=given.due, note=given.note)
        case Verb.LOST:
            return primitives.ReportLost(note=given.note)
        case Verb.DAMAGED:
            return _damaged(given)
        case Verb.MESSAGE:
            return primitives.SendMessage(note=given.note or "")
        case Verb.QUERY:
            return primitives.QueryStatus(note=given.note)
        case _:
            assert_never(verb)


def _answer(given: Fields) -> Primitive:
    return primitives.Answer(
        result=_RESULTS[Result(given.result or "")],
        reason=given.reason,
        date=given.date,
        cost=given.cost,
        locations=given.location or (),
        medium=None if given.medium is None else _named(MediumType, given.medium, "--medium"),
        proposed_delivery=given.proposed,
        specific=_specific(given),
        note=given.note,
    )


def _specific(given: Fields) -> SpecificResults | None:
    if given.specific is None:
        if given.review_reason is not None:
            raise WrongFieldError("--review-reason goes with --specific")
        return None
    return SpecificResults(
        status=_named(OCLCSpecificStatus, given.specific, "--specific"),
        reasons=tuple(_review_reason(one) for one in given.review_reason or ()),
    )


def _review_reason(given: str) -> ReviewReason:
    """Why a request is to be reviewed, as `noTitle` or `reasonOther=TEXT`."""
    name, _, text = given.partition("=")
    return ReviewReason(reason=_named(ReasonInReview, name.strip(), "--review-reason"), text=text or None)


def _damaged(given: Fields) -> Primitive:
    """What is damaged, as `whole` or the numbers of units, `1,3`."""
    if given.portion is None or given.portion == "whole":
        return primitives.ReportDamaged(whole=given.portion is not None, note=given.note)
    if re.fullmatch(r"[0-9]{1,4}(,[0-9]{1,4})*", given.portion, re.ASCII) is None:
        raise WrongFieldError("--portion is 'whole', or the numbers of the damaged units, as '1,3'")
    return primitives.ReportDamaged(
        units=tuple(int(number) for number in given.portion.split(",")), note=given.note
    )


def _ship(given: Fields) -> Primitive:
    return primitives.Ship(
        service_type=_supplied(given.service_type),
        date_shipped=given.date,
        date_due=given.due,
        renewable=given.renewable is not False,
        chargeable_units=given.charged_units,
        cost=_amount(given.cost, "--cost"),
        conditions=given.conditions,
        shipped_via=given.via,
        insured_for=_amount(given.insured_for, "--insured-for"),
        return_insurance=_amount(given.return_insurance, "--return-insurance"),
        units=tuple(_units(one) for one in given.units or ()),
        supplier=given.supplier,
        document_url=given.link,
        note=given.note,
    )


def _supplied(given: SuppliedAs | None) -> ILLServiceType | None:
    return None if given is None else _SUPPLIED[given]


def _amount(given: str | None, option: str) -> Amount | None:
    """An amount as `12.50` or `12.50 CAD`; whether the amount itself is one is seen when it is composed."""
    if given is None:
        return None
    found = re.fullmatch(r"\s*([0-9.,]+)\s*([A-Z]{3})?\s*", given)
    if found is None:
        raise WrongFieldError(f"{option} is no amount: write '12.50' or '12.50 CAD'")
    return Amount(value=found[1], currency=found[2])


def _units(given: str) -> UnitsSupplied:
    """How many of which medium, as `printed=2`."""
    medium, equals, number = given.partition("=")
    if not equals or re.fullmatch(r"[0-9]{1,4}", number.strip(), re.ASCII) is None:
        raise WrongFieldError("--units says how many of which medium, as 'printed=2'")
    return UnitsSupplied(medium=_named(SupplyMediumType, medium.strip(), "--units"), units=int(number))


def _named(kind: type[E], name: str, option: str) -> E:
    for member in kind:
        if member.asn1_name == name:
            return member
    names = ", ".join(member.asn1_name for member in kind)
    raise WrongFieldError(f"{option} knows no {name!r}; it knows {names}")


def _check(verb: Verb, given: Fields) -> None:
    for field in fields(given):
        if getattr(given, field.name) is not None and field.name not in _TAKES[verb]:
            taken = ", ".join(_option(name) for name in sorted(_TAKES[verb]))
            raise WrongFieldError(f"{verb} does not take {_option(field.name)}; it takes {taken}")
    needed = _NEEDS.get(verb)
    if needed is not None and getattr(given, needed) is None:
        raise WrongFieldError(f"{verb} needs {_option(needed)}")


def _option(field: str) -> str:
    return _OPTIONS.get(field, f"--{field.replace('_', '-')}")
