"""What is held against an APDU that can be read and may come now: checks 11 and 12 of protocol.md 5.1.

Check 11 is about extensions that their sender marks as critical, check 12 about the rules beyond syntax of
`asn1.rules`; before them comes what this gateway does not do, chained and partitioned transactions
(docs/architecture.md). All are inferred as checks, so each is data with its source, and its use is logged.
Pure: nothing is stored, sent or logged here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from asn1.extensions import (
    EXTENSIONS,
    OBJECT_IDENTIFIERS,
    AdditionalUserErrorReportInfo,
    BrokenExtension,
    UnknownExtension,
    extension_of,
    extensions_of,
)
from asn1.ill import ILLApdu, ILLRequest, StatusOrErrorReport, TransactionType
from asn1.rules import RULES, Finding, Provenance, Severity, as_user_error_information, check
from asn1.schema import ObjectIdentifier
from config.rules import RuleSetting
from config.settings import Partner
from iso_gateway.protocol.errors import Report, UnableToPerform, UnableToPerformCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One of the checks, as a row of protocol.md 5.1.

    Args:
        id: what the log calls it.
        says: what has to hold.
        source: where the check is from.
        provenance: how far that can be relied on.
    """

    id: str
    says: str
    source: str
    provenance: Provenance


SIMPLE_TRANSACTION: Final = Check(
    id="simple-transaction",
    says="a request begins a simple transaction, and no sub-transaction",
    source="protocol.md 2.8; no code exists for it, so it is reported as unable-to-perform other",
    provenance=Provenance.INFERRED,
)
CRITICAL_EXTENSION: Final = Check(
    id="critical-extension",
    says="every extension that is critical is understood here",
    source="protocol.md 5.1 #11; no code exists for it, so it is reported as unable-to-perform other",
    provenance=Provenance.INFERRED,
)
RULES_BEYOND_SYNTAX: Final = Check(
    id="rules-beyond-syntax",
    says="no rule is broken that is an error for the partner",
    source="protocol.md 5.1 #12; reported as unable-to-perform other, with 1.0.10161.13.6",
    provenance=Provenance.INFERRED,
)

NOT_OBEYED: Final[Mapping[ObjectIdentifier, str]] = MappingProxyType(
    {
        ObjectIdentifier("1.0.10161.13.3"): "delivery information changes no address here",
        ObjectIdentifier("1.0.10161.13.1000.2.7"): "this gateway is no intermediary",
        ObjectIdentifier("1.2.840.10003.8.1"): "nobody logs in here",
    }
)
"""The registered extensions that ask for something that this gateway does not do, and why it does not."""

UNDERSTOOD: Final = frozenset(EXTENSIONS) - frozenset(NOT_OBEYED)
"""The extensions that may be critical: what they say is for people, and they get to see it (inferred)."""

_MOST_OID: Final = 64
_MOST_TOLD: Final = 20
"""How many elements a sender is told of in one report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an APDU is refused, and what its sender is told.

    Args:
        check: which check it fails.
        reason: in words; nothing of what the APDU says but object identifiers and the names of components.
        report: what its sender is told.
        information: which elements are wrong, in the form of 1.0.10161.13.6.
    """

    check: Check
    reason: str
    report: Report
    information: AdditionalUserErrorReportInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is held against an APDU.

    Args:
        findings: the rules that it breaks.
        refusal: why it is refused; None where it is not.
    """

    findings: tuple[Finding, ...]
    refusal: Refusal | None


def judge(apdu: ILLApdu, partner: Partner) -> Judgement:
    """Hold an APDU to what is not done here, and to checks 11 and 12, in that order.

    A STATUS-OR-ERROR-REPORT is never refused: it asks for nothing, and no report answers a report
    (protocol.md 2.3, inferred).

    Args:
        apdu: what came.
        partner: who sent it; its profile says which rules are errors.
    """
    findings = check(apdu, _severities(partner.rules))
    if isinstance(apdu, StatusOrErrorReport):
        return Judgement(findings=findings, refusal=None)
    return Judgement(findings=findings, refusal=_not_simple(apdu) or _critical(apdu) or _broken(findings))


@lru_cache(maxsize=1024)
def _severities(settings: tuple[RuleSetting, ...]) -> Mapping[str, Severity]:
    return {setting.rule: Severity(setting.severity.value) for setting in settings}


def _not_simple(apdu: ILLApdu) -> Refusal | None:
    """Why a request is not taken that begins anything but a simple transaction."""
    if not isinstance(apdu, ILLRequest):
        return None
    if apdu.transaction_type is TransactionType.simple:
        sub = apdu.transaction_id.sub_transaction_qualifier
        if sub is None or not sub.octets.strip():
            return None
        what = "sub-transactions"
    elif isinstance(apdu.transaction_type, TransactionType):
        what = f"{apdu.transaction_type.asn1_name} transactions"
    else:
        what = "transactions of this type"
    return Refusal(
        check=SIMPLE_TRANSACTION,
        reason=f"{what} are not supported",
        report=UnableToPerform(
            code=UnableToPerformCode.OTHER, note=f"{what} are not supported here: send a simple request"
        ),
    )


def _critical(apdu: ILLApdu) -> Refusal | None:
    reason = next(_not_understood(apdu), None)
    if reason is None:
        return None
    return Refusal(
        check=CRITICAL_EXTENSION,
        reason=reason,
        report=UnableToPerform(code=UnableToPerformCode.OTHER, note=reason),
    )


def _not_understood(apdu: ILLApdu) -> Iterator[str]:
    """Give why each critical extension is not understood that is not."""
    for extension in extensions_of(apdu):
        if not extension.critical:
            continue
        match extension_of(extension):
            case UnknownExtension(object_identifier=unknown):
                name = (
                    "an extension without name" if unknown is None else f"the extension {unknown[:_MOST_OID]}"
                )
                yield f"{name} is critical, and is not understood here"
            case BrokenExtension(object_identifier=identifier):
                yield f"the extension {identifier} is critical, and does not hold what it should"
            case value if (identifier := OBJECT_IDENTIFIERS[type(value)]) in NOT_OBEYED:
                yield f"the extension {identifier} is critical, and {NOT_OBEYED[identifier]}"


def _broken(findings: tuple[Finding, ...]) -> Refusal | None:
    errors = tuple(finding for finding in findings if finding.severity is Severity.ERROR)
    if not errors:
        return None
    first = errors[0]
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return Refusal(
        check=RULES_BEYOND_SYNTAX,
        reason=f"it breaks the rule {first.rule} at {first.path}: {first.message}{more}",
        report=UnableToPerform(
            code=UnableToPerformCode.OTHER, note=f"{first.path}: {RULES[first.rule].says}{more}"
        ),
        information=as_user_error_information(errors[:_MOST_TOLD]),
    )
