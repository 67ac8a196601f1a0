"""What an ILL-APDU must satisfy beyond its syntax: presence, consistency, sizes, alphabets, real dates.

The codec reads whatever the abstract syntax allows, and much of what is on the wire breaks one of these rules
without being the worse for it. So each rule is a row of `RULES`, with its source, and is an error, a warning
or off by default and as whoever asks decides. `check` says which rules an APDU breaks, and
`as_user_error_information` says so to its sender in the form that 1.0.10161.13.6 gives.

Sources: the comments and subtypes of the ASN.1 module, and our collection of what is known of the protocol
(protocol.md). A rule that is inferred says so; none is a quotation of the standard. Whether an APDU may come
now is no affair of these rules: that is the state tables'.
"""

import enum
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Any, Final, TypeAlias, assert_never

from asn1 import ill
from asn1.extensions import (
    AdditionalUserError,
    AdditionalUserErrorReportInfo,
    BrokenExtension,
    UnrecognizedData,
    UnsupportedFieldLength,
    extension_of,
    external_of,
)
from asn1.ill import ILLApdu
from asn1.schema import (
    Apdu,
    Choice,
    Component,
    EDIFACTString,
    Enumerated,
    External,
    GeneralString,
    Primitive,
    Range,
    Sequence,
    SequenceOf,
    Size,
    Type,
    Unlisted,
    describe,
)

MOST_FINDINGS: Final = 100
"""`check` looks no further after this many: more say nothing new of a message that is all wrong."""
_MOST_DATA: Final = 64
"""How many octets of a value that is wrong go back to its sender."""


class Severity(enum.Enum):
    """What follows when a rule is broken."""

    ERROR = "error"
    """The APDU is refused."""
    WARNING = "warning"
    """The APDU is taken, and the finding is kept beside it."""
    OFF = "off"
    """Nothing: nobody looks."""


class Provenance(enum.Enum):
    """How far a rule can be relied on, as protocol.md marks it."""

    SEEN = "S"
    """Read in the ASN.1 module or another source that is named."""
    KNOWN = "K"
    """Known of the standard, not held against its text."""
    INFERRED = "I"
    """Our conclusion."""


class ReportForm(enum.Enum):
    """The alternative of Additional-User-Error-Report-Info that tells a sender of a broken rule."""

    MISSING_REQUIRED_ELEMENT = "missing-required-element"
    UNSUPPORTED_FIELD_LENGTH = "unsupported-field-length"
    UNRECOGNIZED_DATA = "unrecognized-data"
    INCONSISTENT_DATA = "inconsistent-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value stands that a rule looks at.

    Args:
        apdu: the APDU that it is in.
        component: the component that it is the value of, or an element of; None for the APDU itself.
    """

    apdu: ILLApdu
    component: Component | None

    @property
    def marked(self) -> Component:
        """The component, for a rule that applies to components only."""
        if self.component is None:
            raise TypeError(f"{self.apdu.asn1_name} is no component")
        return self.component


@dataclass(frozen=True, slots=True, kw_only=True)
class Offence:
    """One way in which a value breaks a rule.

    Args:
        message: what is wrong; nothing of the value itself.
        member: where, as names from the value on; empty for the value itself.
        least, most: of an UNSUPPORTED_FIELD_LENGTH, what is supported.
        supported: of UNRECOGNIZED_DATA, the values that are.
        data: of UNRECOGNIZED_DATA, the value, for its sender only; absent where it could be about a person.
    """

    message: str
    member: str = ""
    least: int | None = None
    most: int | None = None
    supported: str | None = None
    data: bytes | None = field(default=None, repr=False)


Target: TypeAlias = type | str
"""What a rule applies to: the class of a value, Size or Range for the components so marked, or the name of a
type that is a string of characters, such as ISO-Date."""

Predicate: TypeAlias = Callable[[Any, Place], Iterable[Offence]]
"""Gives the ways in which a value breaks a rule; none where it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Args:
        id: what the configuration of a partner and every finding call it.
        says: what has to hold, in one clause.
        applies_to: the values that it is about.
        offences: looks at one of them.
        source: where the rule is from.
        provenance: how far that can be relied on.
        report: how a sender is told.
        severity: what follows where nobody says otherwise. A warning, except of what makes processing
            meaningless: real partners break most of these rules every day.
        expects: of UNRECOGNIZED_DATA, the form that was expected.
    """

    id: str
    says: str
    applies_to: tuple[Target, ...]
    offences: Predicate
    source: str
    provenance: Provenance
    report: ReportForm
    severity: Severity = Severity.WARNING
    expects: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that an APDU breaks, and where.

    Args:
        rule: the rule's id.
        path: the standard's names joined by dots, as in a WireError: `ILL-Request.item-id.title`.
        severity: as decided for the rule.
        message: what is wrong; nothing of what the APDU says is in it, so it may be logged and stored.
        offence: the rest, for the report to the sender.
    """

    rule: str
    path: str
    severity: Severity
    message: str
    offence: Offence = field(repr=False, compare=False)


def check(apdu: ILLApdu, severities: Mapping[str, Severity] = MappingProxyType({})) -> tuple[Finding, ...]:
    """Say which rules an APDU breaks, in the order of its components.

    Args:
        apdu: the APDU, as decoded.
        severities: by rule, what follows, where that is not the rule's own default.

    Returns:
        The findings, none of a rule that is off; not more than MOST_FINDINGS.
    """
    walk = _Walk(apdu, severities)
    walk.visit(apdu, None, (), apdu.asn1_name)
    return tuple(walk.findings[:MOST_FINDINGS])


def as_user_error_information(findings: Iterable[Finding]) -> AdditionalUserErrorReportInfo:
    """Say to a sender what is wrong: the value of the extension 1.0.10161.13.6 of a report.

    Its identifiers are `APDU-NAME.element.element` (protocol.md 5.2): places in lists are left out of them.
    """
    return AdditionalUserErrorReportInfo(elements=tuple(map(_user_error, findings)))


def _user_error(finding: Finding) -> AdditionalUserError:
    rule, offence = RULES[finding.rule], finding.offence
    element = GeneralString.from_text(identifier_of(finding.path))
    match rule.report:
        case ReportForm.MISSING_REQUIRED_ELEMENT:
            return AdditionalUserError(missing_required_element=element)
        case ReportForm.UNSUPPORTED_FIELD_LENGTH:
            return AdditionalUserError(
                unsupported_field_length=UnsupportedFieldLength(
                    element=element, min_length=offence.least, max_length=offence.most
                )
            )
        case ReportForm.UNRECOGNIZED_DATA:
            supported = offence.supported
            return AdditionalUserError(
                unrecognized_data=UnrecognizedData(
                    element=element,
                    data=None if offence.data is None else GeneralString(offence.data[:_MOST_DATA]),
                    expected_format=None
                    if supported is not None or rule.expects is None
                    else GeneralString.from_text(rule.expects),
                    supported_values=None if supported is None else GeneralString.from_text(supported),
                )
            )
        case ReportForm.INCONSISTENT_DATA:
            text = f"{identifier_of(finding.path)}: {finding.message}"
            return AdditionalUserError(inconsistent_data=GeneralString.from_text(text))
        case _:
            assert_never(rule.report)


def identifier_of(path: str) -> str:
    """Give the identifier of an element as a report has it: `ILL-REQUEST.item-id.title`."""
    name, dot, rest = path.partition(".")
    return name.upper() + dot + re.sub(r"\[\d+\]", "", rest)


# -- the walk


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A component that a rule could be about, with the rules for what it is marked with."""

    component: Component
    rules: tuple[Rule, ...]
    element: "_Part | None"
    """The same for one element, where the component is a SEQUENCE OF."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What there is to look at in the values of a class.

    Args:
        rules: the rules for its values.
        parts: the components that a rule could be about.
        clean: says of a value, in less time than the rules, that it keeps all of them.
    """

    rules: tuple[Rule, ...]
    parts: tuple[_Part, ...]
    clean: Callable[[Any], bool]


class _Walk:
    """Goes through a value and all that is in it. No type of the APDUs holds itself, so it ends."""

    def __init__(self, apdu: ILLApdu, severities: Mapping[str, Severity]) -> None:
        self._apdu = apdu
        self._severities = severities
        self.findings: list[Finding] = []

    def visit(self, value: Any, component: Component | None, marked: tuple[Rule, ...], path: str) -> None:
        """Look at a value, which is that of a component with rules for its marks, and at its components."""
        plan = _plan(type(value))
        rules = marked if plan.clean(value) else (*plan.rules, *marked)
        if rules:
            place = Place(apdu=self._apdu, component=component)
            for rule in rules:
                self._hold(rule, value, place, path)
        for part in plan.parts:
            member = getattr(value, part.component.attribute)
            if member is None:
                continue
            inner = f"{path}.{part.component.name}"
            self.visit(member, part.component, part.rules, inner)
            if part.element is not None:
                for number, element in enumerate(member):
                    if len(self.findings) >= MOST_FINDINGS:
                        return
                    self.visit(element, part.element.component, part.element.rules, f"{inner}[{number}]")

    def _hold(self, rule: Rule, value: Any, place: Place, path: str) -> None:
        severity = self._severities.get(rule.id, rule.severity)
        if severity is Severity.OFF:
            return
        for offence in rule.offences(value, place):
            self.findings.append(
                Finding(
                    rule=rule.id,
                    path=f"{path}.{offence.member}" if offence.member else path,
                    severity=severity,
                    message=offence.message,
                    offence=offence,
                )
            )


def _is_clean(value: GeneralString) -> bool:
    return _CLEAN_OCTETS.fullmatch(value.octets) is not None


def _unsaid(_: object) -> bool:
    return False


_CLEAN_OCTETS = re.compile(rb"[^\x00-\x20\x7f](?:[^\x00]*[^\x00-\x20\x7f])?")
_CLEAN: Final[Mapping[type, Callable[[Any], bool]]] = MappingProxyType({GeneralString: _is_clean})
"""Most of what an APDU holds are strings, and nearly all of them keep the rules for strings: no NUL, and what
prints at both ends. One search for that takes a sixth of the time of three rules."""

_plans: dict[type, _Plan] = {}


def _plan(kind: type) -> _Plan:
    known = _plans.get(kind)
    if known is None:
        known = _Plan(
            rules=tuple(
                rule
                for rule in RULES.values()
                if any(isinstance(target, type) and issubclass(kind, target) for target in rule.applies_to)
            ),
            parts=tuple(filter(None, map(_part, describe(kind))))
            if issubclass(kind, Sequence | Choice)
            else (),
            clean=_CLEAN.get(kind, _unsaid),
        )
        _plans[kind] = known
    return known


def _part(component: Component) -> _Part | None:
    """Give what there is to look at in a component, or None where no rule could be about it."""
    wire_type = component.wire_type
    rules = _rules_of_marks(component)
    if isinstance(wire_type, SequenceOf):
        # What a list is marked with is said of the list, not of its elements.
        element = replace(component, wire_type=wire_type.element, size=None, value_range=None, type_name=None)
        return _Part(component=component, rules=rules, element=_part(element))
    if wire_type in _NEVER_LOOKED_AT and not rules:
        return None
    return _Part(component=component, rules=rules, element=None)


def _rules_of_marks(component: Component) -> tuple[Rule, ...]:
    targets: set[Target] = set()
    if component.size is not None:
        targets.add(Size)
    if component.value_range is not None:
        targets.add(Range)
    if component.type_name is not None:
        targets.add(component.type_name)
    return tuple(rule for rule in RULES.values() if targets.intersection(rule.applies_to))


_NEVER_LOOKED_AT: Final[frozenset[Type]] = frozenset(Primitive) - {Primitive.EXTERNAL}
"""The types whose values no rule is about, but for marks of their components."""


# -- what the rules look at


def _version(apdu: ILLApdu, _: Place) -> Iterator[Offence]:
    if apdu.protocol_version_num not in (ill.VERSION_1, ill.VERSION_2):
        yield Offence(
            member="protocol-version-num",
            message="the version is neither 1 nor 2",
            supported="1, 2",
            data=_digits(apdu.protocol_version_num),
        )


def _version_2(
    value: ill.Damaged | ill.ConditionalResults | ill.DeliveryService | ill.ShippedVia, place: Place
) -> Iterator[Offence]:
    if place.apdu.protocol_version_num >= ill.VERSION_2:
        return
    member: object
    match value:
        case ill.Damaged():
            name, member = "damaged-details", value.damaged_details
        case ill.ConditionalResults():
            name, member = "proposed-delivery-service", value.proposed_delivery_service
        case ill.DeliveryService() | ill.ShippedVia():
            name, member = "electronic-delivery", value.electronic_delivery
        case _:
            assert_never(value)
    if member is not None:
        yield Offence(member=name, message="this is of version 2, and the APDU says that it is of version 1")


def _party_ids(apdu: ILLApdu, _: Place) -> Iterator[Offence]:
    for name, party in (("requester-id", apdu.requester_id), ("responder-id", apdu.responder_id)):
        if party is None:
            yield Offence(member=name, message="store-and-forward communication needs it")


def _date(value: str, _: Place) -> Iterator[Offence]:
    if not is_date(value):
        yield Offence(message="this is no date of the calendar written YYYYMMDD", data=_octets(value))


def is_date(text: str) -> bool:
    """Whether a text is an ISO-Date of a day that exists: YYYYMMDD."""
    if re.fullmatch(r"[0-9]{8}", text) is None:
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _time(value: str, _: Place) -> Iterator[Offence]:
    if not is_time(value):
        yield Offence(message="this is no time of the day written HHMMSS", data=_octets(value))


def is_time(text: str) -> bool:
    """Whether a text is an ISO-Time that exists: HHMMSS, 000000 to 235959."""
    return re.fullmatch(r"([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]", text) is not None


def _original_date_time(value: ill.ServiceDateTime, _: Place) -> Iterator[Offence]:
    this, original = value.date_time_of_this_service, value.date_time_of_original_service
    if original is None or not (is_date(this.date) and is_date(original.date)):
        return
    times = (original.time or "", this.time or "")
    same_day_later = original.date == this.date and all(map(is_time, times)) and times[0] > times[1]
    if original.date > this.date or same_day_later:
        yield Offence(member="date-time-of-original-service", message="a repeat is before what it repeats")


def _list_length(value: object, place: Place) -> Iterator[Offence]:
    size = place.marked.size
    if isinstance(value, tuple) and size is not None and not size.least <= len(value) <= size.most:
        yield Offence(
            message=f"{len(value)} elements where {_span(size.least, size.most)} may stand",
            least=size.least,
            most=size.most,
        )


def _string_length(value: object, place: Place) -> Iterator[Offence]:
    size = place.marked.size
    match value:
        case str():
            length = len(value)
        case GeneralString(octets) | EDIFACTString(octets):
            length = len(octets)
        case _:
            return
    if size is not None and not size.least <= length <= size.most and place.marked.name != "iSBN":
        yield Offence(
            message=f"{length} characters where {_span(size.least, size.most)} may stand",
            least=size.least,
            most=size.most,
        )


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _range(value: object, place: Place) -> Iterator[Offence]:
    allowed = place.marked.value_range
    # An Unlisted is no int: another rule is about it.
    if allowed is None or not isinstance(value, int) or allowed.least <= value <= allowed.most:
        return
    if isinstance(value, Enumerated):
        names = [listed.asn1_name for listed in type(value) if allowed.least <= listed <= allowed.most]
        yield Offence(
            message="the value is one of the type, and not for here",
            supported=", ".join(names),
            data=_octets(value.asn1_name),
        )
    else:
        supported = f"{allowed.least} to {allowed.most}"
        yield Offence(message=f"the number is not {supported}", supported=supported, data=_digits(value))


def _unlisted(value: Unlisted, place: Place) -> Iterator[Offence]:
    listed = place.marked.wire_type
    names = (
        ", ".join(f"{one.asn1_name} ({one.value})" for one in listed)
        if isinstance(listed, type) and issubclass(listed, Enumerated)
        else None
    )
    yield Offence(
        message="a value that the standard does not list", supported=names, data=_digits(value.value)
    )


def _system_id(value: ill.SystemId, _: Place) -> Iterator[Offence]:
    if value.person_or_institution_symbol is None and value.name_of_person_or_institution is None:
        yield Offence(
            member="person-or-institution-symbol", message="there is neither a symbol nor a name of anybody"
        )


_PRINTING = re.compile(rb"[^\x00-\x20\x7f]")
_NOT_EDIFACT = re.compile(rb"""[^A-Za-z0-9 .,()/=!"%&*;<>'+:?-]""")


def _string_blank(value: GeneralString | EDIFACTString, _: Place) -> Iterator[Offence]:
    if _PRINTING.search(value.octets) is None:
        yield Offence(message="there is nothing in it but blanks and what does not print, or nothing at all")


def _string_spaces(value: GeneralString | EDIFACTString, _: Place) -> Iterator[Offence]:
    octets = value.octets
    if (octets[:1] == b" " or octets[-1:] == b" ") and _PRINTING.search(octets) is not None:
        yield Offence(message="it begins or ends with a space")


def _string_nul(value: GeneralString | EDIFACTString, _: Place) -> Iterator[Offence]:
    if b"\0" in value.octets:
        yield Offence(message="there is a NUL in it, at which other software ends the text")


def _edifact_alphabet(value: EDIFACTString, _: Place) -> Iterator[Offence]:
    if _NOT_EDIFACT.search(value.octets) is not None:
        yield Offence(message="a character that an EDIFACTString does not have")


def _currency(value: ill.Amount, _: Place) -> Iterator[Offence]:
    code = value.currency_code
    if code is not None and len(code) == 3 and re.fullmatch(r"[A-Z]{3}", code) is None:
        yield Offence(
            member="currency-code", message="a currency is three capital letters", data=_octets(code)
        )


def _amount(value: str, _: Place) -> Iterator[Offence]:
    if re.search(r"[^0-9 .,]", value) is not None:
        yield Offence(message="an amount is of digits, blank, dot and comma", data=_octets(value))


def _isbn(value: ill.ItemId, _: Place) -> Iterator[Offence]:
    text = b"" if value.iSBN is None else value.iSBN.octets
    if (len(text) == 10 and not _has_check_digit(text)) or (len(text) == 13 and not _is_isbn_13(text)):
        yield Offence(member="iSBN", message="the check digit of the ISBN is wrong", data=text)


def _isbn_length(value: ill.ItemId, _: Place) -> Iterator[Offence]:
    if value.iSBN is not None and len(value.iSBN.octets) != 10:
        yield Offence(
            member="iSBN",
            message=f"{len(value.iSBN.octets)} characters where 10 may stand",
            least=10,
            most=10,
        )


def _is_isbn_13(text: bytes) -> bool:
    """Whether thirteen characters are an ISBN of today: digits, every second weighted 3, sum up to tens."""
    if re.fullmatch(rb"97[89][0-9]{10}", text) is None:
        return False
    return sum((digit - 0x30) * (3 if place % 2 else 1) for place, digit in enumerate(text)) % 10 == 0


def _issn(value: ill.ItemId, _: Place) -> Iterator[Offence]:
    text = b"" if value.iSSN is None else value.iSSN.octets
    if len(text) == 8 and not _has_check_digit(text):
        yield Offence(member="iSSN", message="the check digit of the ISSN is wrong", data=text)


def _has_check_digit(text: bytes) -> bool:
    """Whether the last digit is right: the weighted sum is a multiple of 11 (ISO 2108, ISO 3297)."""
    if re.fullmatch(rb"[0-9]+[0-9Xx]", text) is None:
        return False
    digits = [10 if digit in b"Xx" else digit - 0x30 for digit in text]
    return sum(weight * digit for weight, digit in enumerate(reversed(digits), start=1)) % 11 == 0


_EXPLANATIONS: Final[dict[ill.TransactionResults, str]] = {
    ill.TransactionResults.conditional: "conditional-results",
    ill.TransactionResults.retry: "retry-results",
    ill.TransactionResults.unfilled: "unfilled-results",
    ill.TransactionResults.locations_provided: "locations-results",
    ill.TransactionResults.will_supply: "will-supply-results",
    ill.TransactionResults.hold_placed: "hold-placed-results",
    ill.TransactionResults.estimate: "estimate-results",
}
_EXPLAINED: Final = frozenset(
    {
        ill.TransactionResults.conditional,
        ill.TransactionResults.locations_provided,
        ill.TransactionResults.estimate,
    }
)


def _explanation_matches(value: ill.ILLAnswer, _: Place) -> Iterator[Offence]:
    results = value.transaction_results
    if value.results_explanation is None or isinstance(results, Unlisted):
        return
    alternative, _value = value.results_explanation.chosen
    wanted = _EXPLANATIONS[results]
    if alternative.replace("_", "-") != wanted:
        yield Offence(
            member="results-explanation",
            message=f"the explanation of {results.asn1_name} is {wanted}, and another is given",
        )


def _explanation_given(value: ill.ILLAnswer, _: Place) -> Iterator[Offence]:
    results = value.transaction_results
    if results in _EXPLAINED and value.results_explanation is None:
        yield Offence(member="results-explanation", message=f"the result {_name(results)} needs it")


def _responder_specific(value: ill.ILLAnswer, _: Place) -> Iterator[Offence]:
    if value.results_explanation is None or value.responder_specific_results is not None:
        return
    match value.results_explanation.chosen[1]:
        case (
            ill.ConditionalResults(conditions=reason)
            | ill.RetryResults(reason_not_available=reason)
            | ill.UnfilledResults(reason_unfilled=reason)
            | ill.LocationsResults(reason_locs_provided=reason)
            | ill.WillSupplyResults(reason_will_supply=reason)
        ) if isinstance(reason, Enumerated) and reason.asn1_name == "responder-specific":
            yield Offence(
                member="responder-specific-results", message="a reason that is responder-specific needs it"
            )


def _locations(value: ill.LocationsResults, _: Place) -> Iterator[Offence]:
    if not value.locations:
        yield Offence(member="locations", message="the answer gives locations, and there is none")


def _error_report_given(value: ill.ErrorReport, _: Place) -> Iterator[Offence]:
    match value:
        case ill.ErrorReport(report_source=ill.ReportSource.user, user_error_report=None):
            yield Offence(member="user-error-report", message="the source user needs it")
        case ill.ErrorReport(report_source=ill.ReportSource.provider, provider_error_report=None):
            yield Offence(member="provider-error-report", message="the source provider needs it")


def _error_report_other(value: ill.ErrorReport, _: Place) -> Iterator[Offence]:
    source = value.report_source
    if source is ill.ReportSource.user and value.provider_error_report is not None:
        yield Offence(member="provider-error-report", message="the source is the user")
    if source is ill.ReportSource.provider and value.user_error_report is not None:
        yield Offence(member="user-error-report", message="the source is the provider")


def _no_report_given(value: ill.StatusOrErrorReport, _: Place) -> Iterator[Offence]:
    if value.status_report is None and value.error_report is None and value.reason_no_report is None:
        yield Offence(member="reason-no-report", message="there is no report, so a reason is needed")


def _no_report_beside(value: ill.StatusOrErrorReport, _: Place) -> Iterator[Offence]:
    reported = value.status_report is not None or value.error_report is not None
    if reported and value.reason_no_report is not None:
        yield Offence(member="reason-no-report", message="there is a report, so there is no reason for none")


def _sub_transaction(apdu: ILLApdu, _: Place) -> Iterator[Offence]:
    identifier = apdu.transaction_id
    kind = apdu.transaction_type if isinstance(apdu, ill.ILLRequest | ill.Shipped) else None
    is_sub = kind in (ill.TransactionType.chained, ill.TransactionType.partitioned)
    if is_sub and identifier.sub_transaction_qualifier is None:
        yield Offence(
            member="transaction-id.sub-transaction-qualifier", message=f"a {_name(kind)} transaction needs it"
        )
    if identifier.initial_requester_id is None:
        if is_sub:
            yield Offence(
                member="transaction-id.initial-requester-id", message=f"a {_name(kind)} transaction needs it"
            )
        elif identifier.sub_transaction_qualifier is not None:
            yield Offence(member="transaction-id.initial-requester-id", message="a sub-transaction needs it")


def _forwarded(value: ill.ILLRequest, _: Place) -> Iterator[Offence]:
    if value.forward_flag:
        yield from _third_party(value, "a forwarded request needs it", tried=True)


def _partitioned(value: ill.ILLRequest, _: Place) -> Iterator[Offence]:
    if value.transaction_type is ill.TransactionType.partitioned:
        yield from _third_party(value, "a partitioned transaction needs it", tried=False)


def _third_party(value: ill.ILLRequest, message: str, *, tried: bool) -> Iterator[Offence]:
    info = value.third_party_info_type
    if info is None:
        yield Offence(member="third-party-info-type", message=message)
        return
    if info.initial_requester_address is None:
        yield Offence(member="third-party-info-type.initial-requester-address", message=message)
    if tried and info.already_tried_list is None:
        yield Offence(member="third-party-info-type.already-tried-list", message=message)


def _send_to_permission(value: ill.ThirdPartyInfoType, _: Place) -> Iterator[Offence]:
    permitted = value.permission_to_forward or value.permission_to_chain or value.permission_to_partition
    if value.send_to_list and not permitted:
        yield Offence(
            member="send-to-list",
            message="there is nobody who may use it: forwarding, chaining and partitioning are not permitted",
        )


def _send_to_tried(value: ill.ThirdPartyInfoType | ill.ILLAnswer, _: Place) -> Iterator[Offence]:
    # A set, because both lists may be as long as an APDU allows.
    tried = frozenset(value.already_tried_list or ())
    for number, item in enumerate(value.send_to_list or ()):
        if item.system_id in tried:
            yield Offence(
                member=f"send-to-list[{number}].system-id", message="it is in the already-tried-list too"
            )


def _send_to_empty(value: ill.ThirdPartyInfoType | ill.ILLAnswer, _: Place) -> Iterator[Offence]:
    if value.send_to_list == ():
        yield Offence(member="send-to-list", message="the list is there and names nobody")


def _expiry_given(value: ill.SearchType, _: Place) -> Iterator[Offence]:
    if value.expiry_flag is ill.ExpiryFlag.other_Date and value.expiry_date is None:
        yield Offence(member="expiry-date", message="the expiry-flag other-Date needs it")
    if value.expiry_flag is ill.ExpiryFlag.need_Before_Date and value.need_before_date is None:
        yield Offence(member="need-before-date", message="the expiry-flag need-Before-Date needs it")


def _expiry_alone(value: ill.SearchType, _: Place) -> Iterator[Offence]:
    if value.expiry_date is not None and value.expiry_flag is not ill.ExpiryFlag.other_Date:
        yield Offence(member="expiry-date", message="it may stand with the expiry-flag other-Date only")


def _direct_reference(value: ill.ILLRequest, _: Place) -> Iterator[Offence]:
    external = value.responder_specific_service
    if external is not None and external.direct_reference is None:
        yield Offence(
            member="responder-specific-service.direct-reference",
            message="the type is to be named by object identifier",
        )


def _extension_value(value: ill.Extension | External, _: Place) -> Iterator[Offence]:
    reading = extension_of(value) if isinstance(value, ill.Extension) else external_of(value)
    if isinstance(reading, BrokenExtension):
        yield Offence(
            member="item" if isinstance(value, ill.Extension) else "encoding",
            message=f"it is no value of {reading.object_identifier}: {reading.reason}, {reading.path}",
        )


def _name(value: object) -> str:
    return value.asn1_name if isinstance(value, Enumerated) else "unlisted"


def _digits(number: int) -> bytes | None:
    # A number of 256 octets has 600 digits, and and the sender knows them.
    return b"%d" % number if number.bit_length() <= 64 else None


def _octets(text: str) -> bytes:
    return text.encode("latin-1", errors="replace")


# -- the rules

_ASN1: Final = "ASN.1 comment"
_SUBTYPE: Final = "ASN.1 subtype"

_ROWS: Final[tuple[Rule, ...]] = (
    Rule(
        id="protocol-version",
        says="protocol-version-num is 1 or 2",
        applies_to=(Apdu,),
        offences=_version,
        source="named numbers of the ASN.1; protocol.md 5.1 #4",
        provenance=Provenance.SEEN,
        report=ReportForm.UNRECOGNIZED_DATA,
        severity=Severity.ERROR,
    ),
    Rule(
        id="version-2-component",
        says="damaged-details, proposed-delivery-service and electronic-delivery are in version 2 only",
        applies_to=(ill.Damaged, ill.ConditionalResults, ill.DeliveryService, ill.ShippedVia),
        offences=_version_2,
        source=f"{_ASN1}; protocol.md 5.1 #12",
        provenance=Provenance.SEEN,
        report=ReportForm.INCONSISTENT_DATA,
    ),
    Rule(
        id="party-ids",
        says="requester-id and responder-id are both there, which store-and-forward communication needs",
        applies_to=(Apdu,),
        offences=_party_ids,
        source=f"{_ASN1}; whether communication is store-and-forward is not in the APDU",
        provenance=Provenance.SEEN,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
        severity=Severity.OFF,
    ),
    Rule(
        id="date",
        says="an ISO-Date is a day that exists, written YYYYMMDD",
        applies_to=("ISO-Date",),
        offences=_date,
        source=f"{_ASN1} (ISO 8601, length 8)",
        provenance=Provenance.SEEN,
        report=ReportForm.UNRECOGNIZED_DATA,
        expects="YYYYMMDD",
    ),
    Rule(
        id="time",
        says="an ISO-Time is a time that exists, written HHMMSS",
        applies_to=("ISO-Time",),
        offences=_time,
        source=f"{_ASN1} (ISO 8601, length 6)",
        provenance=Provenance.SEEN,
        report=ReportForm.UNRECOGNIZED_DATA,
        expects="HHMMSS",
    ),
    Rule(
        id="original-date-time",
        says="date-time-of-original-service is not after date-time-of-this-service",
        applies_to=(ill.ServiceDateTime,),
        offences=_original_date_time,
        source="protocol.md 2.2: a repeat comes after what it repeats",
        provenance=Provenance.INFERRED,
        report=ReportForm.INCONSISTENT_DATA,
    ),
    Rule(
        id="list-length",
        says="a list has as many elements as its SIZE allows, so iLL-service-type has 1 to 5",
        applies_to=(Size,),
        offences=_list_length,
        source=f"{_SUBTYPE} (SIZE)",
        provenance=Provenance.SEEN,
        report=ReportForm.UNSUPPORTED_FIELD_LENGTH,
    ),
    Rule(
        id="string-length",
        says="a string is as long as its SIZE allows: iSSN 8, level-of-service 1, currency-code 3, "
        "monetary-value 1 to 10; for iSBN see isbn-length",
        applies_to=(Size,),
        offences=_string_length,
        source=f"{_SUBTYPE} (SIZE)",
        provenance=Provenance.SEEN,
        report=ReportForm.UNSUPPORTED_FIELD_LENGTH,
    ),
    Rule(
        id="isbn-length",
        says="an iSBN has ten characters; off, because an ISBN has had thirteen since 2007",
        applies_to=(ill.ItemId,),
        offences=_isbn_length,
        source=f"{_SUBTYPE} (SIZE); protocol.md 3: accept any length",
        provenance=Provenance.SEEN,
        report=ReportForm.UNSUPPORTED_FIELD_LENGTH,
        severity=Severity.OFF,
    ),
    Rule(
        id="range",
        says="a number or value is one that its subtype allows: 1 to 9999 units, shipped-service-type loan "
        "or copy-non-returnable",
        applies_to=(Range,),
        offences=_range,
        source=_SUBTYPE,
        provenance=Provenance.SEEN,
        report=ReportForm.UNRECOGNIZED_DATA,
    ),
    Rule(
        id="unlisted-value",
        says="an ENUMERATED has a value that the standard lists",
        applies_to=(Unlisted,),
        offences=_unlisted,
        source="ASN.1 enumerations",
        provenance=Provenance.SEEN,
        report=ReportForm.UNRECOGNIZED_DATA,
    ),
    Rule(
        id="system-id-member",
        says="a System-Id has a symbol or a name",
        applies_to=(ill.SystemId,),
        offences=_system_id,
        source=f"{_ASN1} (at least one of the following must be present)",
        provenance=Provenance.SEEN,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
    ),
    Rule(
        id="string-blank",
        says="an ILL-String has something in it that prints",
        applies_to=(GeneralString, EDIFACTString),
        offences=_string_blank,
        source=f"{_ASN1}; that an empty one breaks the rule too is inferred",
        provenance=Provenance.SEEN,
        report=ReportForm.UNRECOGNIZED_DATA,
        expects="text that does not consist of blanks",
    ),
    Rule(
        id="string-spaces",
        says="an ILL-String neither begins nor ends with a space",
        applies_to=(GeneralString, EDIFACTString),
        offences=_string_spaces,
        source=_ASN1,
        provenance=Provenance.SEEN,
        report=ReportForm.UNRECOGNIZED_DATA,
        expects="text without leading and trailing spaces",
    ),
    Rule(
        id="string-nul",
        says="there is no NUL in an ILL-String",
        applies_to=(GeneralString, EDIFACTString),
        offences=_string_nul,
        source="libyaz and other software written in C lose what follows a NUL",
        provenance=Provenance.INFERRED,
        report=ReportForm.UNRECOGNIZED_DATA,
        expects="text without NUL",
    ),
    Rule(
        id="edifact-alphabet",
        says="an EDIFACTString has letters, digits, space and . , - ( ) / = ! \" % & * ; < > ' + : ? only",
        applies_to=(EDIFACTString,),
        offences=_edifact_alphabet,
        source=f"{_SUBTYPE} (FROM)",
        provenance=Provenance.SEEN,
        report=ReportForm.UNRECOGNIZED_DATA,
        expects="the characters of EDIFACTString",
    ),
    Rule(
        id="currency-code",
        says="a currency-code is three capital letters",
        applies_to=(ill.Amount,),
        offences=_currency,
        source=f"{_ASN1} (values of ISO 4217)",
        provenance=Provenance.SEEN,
        report=ReportForm.UNRECOGNIZED_DATA,
        expects="AAA (ISO 4217)",
    ),
    Rule(
        id="amount-alphabet",
        says="a monetary-value has digits, blank, dot and comma only",
        applies_to=("AmountString",),
        offences=_amount,
        source=f"{_SUBTYPE} (FROM)",
        provenance=Provenance.SEEN,
        report=ReportForm.UNRECOGNIZED_DATA,
        expects="digits, blank, dot and comma",
    ),
    Rule(
        id="isbn",
        says="an iSBN of ten or thirteen characters has the right check digit",
        applies_to=(ill.ItemId,),
        offences=_isbn,
        source=f"{_ASN1} (must conform to ISO 2108); that thirteen digits may stand is inferred",
        provenance=Provenance.SEEN,
        report=ReportForm.UNRECOGNIZED_DATA,
        expects="nine or twelve digits and a check digit (ISO 2108)",
    ),
    Rule(
        id="issn",
        says="an iSSN of eight characters has the right check digit",
        applies_to=(ill.ItemId,),
        offences=_issn,
        source=f"{_ASN1} (must conform to ISO 3297)",
        provenance=Provenance.SEEN,
        report=ReportForm.UNRECOGNIZED_DATA,
        expects="seven digits and a check digit (ISO 3297)",
    ),
    Rule(
        id="results-explanation-matches",
        says="results-explanation is the alternative that goes with transaction-results",
        applies_to=(ill.ILLAnswer,),
        offences=_explanation_matches,
        source=f"{_ASN1}; protocol.md 5.1 #12",
        provenance=Provenance.SEEN,
        report=ReportForm.INCONSISTENT_DATA,
    ),
    Rule(
        id="results-explanation-required",
        says="the results conditional, locations-provided and estimate come with results-explanation",
        applies_to=(ill.ILLAnswer,),
        offences=_explanation_given,
        source=_ASN1,
        provenance=Provenance.SEEN,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
    ),
    Rule(
        id="responder-specific-results",
        says="the reason responder-specific comes with responder-specific-results",
        applies_to=(ill.ILLAnswer,),
        offences=_responder_specific,
        source=_ASN1,
        provenance=Provenance.SEEN,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
    ),
    Rule(
        id="locations",
        says="locations-results has a location",
        applies_to=(ill.LocationsResults,),
        offences=_locations,
        source="the list is mandatory, so an empty one is not meant",
        provenance=Provenance.INFERRED,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
    ),
    Rule(
        id="error-report-required",
        says="an Error-Report has the report that its report-source names",
        applies_to=(ill.ErrorReport,),
        offences=_error_report_given,
        source=f"{_ASN1}; protocol.md 5.2",
        provenance=Provenance.SEEN,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
    ),
    Rule(
        id="error-report-matches",
        says="an Error-Report has no report but that which its report-source names",
        applies_to=(ill.ErrorReport,),
        offences=_error_report_other,
        source=f"{_ASN1}; protocol.md 5.2",
        provenance=Provenance.SEEN,
        report=ReportForm.INCONSISTENT_DATA,
    ),
    Rule(
        id="reason-no-report-required",
        says="a Status-Or-Error-Report without a report has reason-no-report",
        applies_to=(ill.StatusOrErrorReport,),
        offences=_no_report_given,
        source=_ASN1,
        provenance=Provenance.SEEN,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
    ),
    Rule(
        id="reason-no-report-excluded",
        says="a Status-Or-Error-Report with a report has no reason-no-report",
        applies_to=(ill.StatusOrErrorReport,),
        offences=_no_report_beside,
        source=_ASN1,
        provenance=Provenance.SEEN,
        report=ReportForm.INCONSISTENT_DATA,
    ),
    Rule(
        id="sub-transaction-id",
        says="a sub-transaction has sub-transaction-qualifier and initial-requester-id",
        applies_to=(Apdu,),
        offences=_sub_transaction,
        source=f"{_ASN1}; that chained and partitioned mark one, protocol.md 2.8",
        provenance=Provenance.INFERRED,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
    ),
    Rule(
        id="forwarded-request",
        says="a request that was forwarded has initial-requester-address and already-tried-list",
        applies_to=(ill.ILLRequest,),
        offences=_forwarded,
        source=f"{_ASN1}; that forward-flag marks one, protocol.md 2.8",
        provenance=Provenance.INFERRED,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
    ),
    Rule(
        id="partitioned-request",
        says="a request of a partitioned transaction has initial-requester-address",
        applies_to=(ill.ILLRequest,),
        offences=_partitioned,
        source=f"{_ASN1}; protocol.md 2.8",
        provenance=Provenance.SEEN,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
    ),
    Rule(
        id="send-to-list-permission",
        says="a send-to-list comes with permission to forward, chain or partition",
        applies_to=(ill.ThirdPartyInfoType,),
        offences=_send_to_permission,
        source="protocol.md 2.8 and 5.1 #12",
        provenance=Provenance.INFERRED,
        report=ReportForm.INCONSISTENT_DATA,
    ),
    Rule(
        id="send-to-list-tried",
        says="nobody is in the send-to-list and the already-tried-list",
        applies_to=(ill.ThirdPartyInfoType, ill.ILLAnswer),
        offences=_send_to_tried,
        source="protocol.md 2.8 and 5.1 #12",
        provenance=Provenance.INFERRED,
        report=ReportForm.INCONSISTENT_DATA,
    ),
    Rule(
        id="send-to-list-empty",
        says="a send-to-list names somebody",
        applies_to=(ill.ThirdPartyInfoType, ill.ILLAnswer),
        offences=_send_to_empty,
        source="the list is optional, so an empty one is not meant",
        provenance=Provenance.INFERRED,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
    ),
    Rule(
        id="expiry-date-required",
        says="the date that expiry-flag names is there",
        applies_to=(ill.SearchType,),
        offences=_expiry_given,
        source="protocol.md 2.6",
        provenance=Provenance.INFERRED,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
    ),
    Rule(
        id="expiry-date-excluded",
        says="expiry-date is there with expiry-flag other-Date only",
        applies_to=(ill.SearchType,),
        offences=_expiry_alone,
        source=_ASN1,
        provenance=Provenance.SEEN,
        report=ReportForm.INCONSISTENT_DATA,
    ),
    Rule(
        id="direct-reference",
        says="responder-specific-service names its type by object identifier",
        applies_to=(ill.ILLRequest,),
        offences=_direct_reference,
        source=f"{_ASN1} (use direct reference style)",
        provenance=Provenance.SEEN,
        report=ReportForm.MISSING_REQUIRED_ELEMENT,
    ),
    Rule(
        id="extension-value",
        says="an extension under a registered object identifier is a value of the type registered",
        applies_to=(ill.Extension, External),
        offences=_extension_value,
        source="the registered extension modules",
        provenance=Provenance.SEEN,
        report=ReportForm.INCONSISTENT_DATA,
    ),
)

RULES: Final[Mapping[str, Rule]] = MappingProxyType({rule.id: rule for rule in _ROWS})
"""Every rule, by its id."""
