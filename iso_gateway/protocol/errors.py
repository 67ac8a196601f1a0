"""What a STATUS-OR-ERROR-REPORT can say is wrong: values, which the services turn into the APDU.

Not exceptions: a wrong message from a partner is an ordinary outcome. Sources: protocol.md 5.1, 5.2 and the
types User-Error-Report and Provider-Error-Report of ISO-10161-ILL-1.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import assert_never

from iso_gateway.protocol.events import ApduType
from iso_gateway.protocol.states import CurrentState


class ReportSource(IntEnum):
    """Report-Source on the wire; it says which of the two reports is present."""

    USER = 1
    PROVIDER = 2


class GeneralProblemCode(IntEnum):
    """General-Problem on the wire."""

    UNRECOGNIZED_APDU = 1
    MISTYPED_APDU = 2
    BADLY_STRUCTURED_APDU = 3
    PROTOCOL_VERSION_NOT_SUPPORTED = 4
    OTHER = 5


class TransactionIdProblemCode(IntEnum):
    """Transaction-Id-Problem on the wire."""

    DUPLICATE_TRANSACTION_ID = 1
    INVALID_TRANSACTION_ID = 2
    UNKNOWN_TRANSACTION_ID = 3


class UnableToPerformCode(IntEnum):
    """Unable-To-Perform on the wire."""

    NOT_AVAILABLE = 1
    RESOURCE_LIMITATION = 2
    OTHER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralProblem:
    """The APDU itself is at fault (provider error)."""

    code: GeneralProblemCode


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionIdProblem:
    """The Transaction-Id is at fault (provider error)."""

    code: TransactionIdProblemCode


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTransitionProhibited:
    """A good APDU at the wrong moment (provider error)."""

    apdu_type: ApduType
    current_state: CurrentState


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyForwarded:
    """The request was forwarded (user error).

    The services add the new responder's id and address, which they store.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityProblem:
    """The sender may not do this (user error). `text` goes to the partner: generic words, nothing of ours."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnableToPerform:
    """The responder cannot do what was asked (user error). `note` goes to the partner beside the code."""

    code: UnableToPerformCode
    note: str = ""


Report = (
    GeneralProblem
    | TransactionIdProblem
    | StateTransitionProhibited
    | AlreadyForwarded
    | SecurityProblem
    | UnableToPerform
)


def source_of(report: Report) -> ReportSource:
    """The report-source that goes with a report (protocol.md 5.2)."""
    match report:
        case GeneralProblem() | TransactionIdProblem() | StateTransitionProhibited():
            return ReportSource.PROVIDER
        case AlreadyForwarded() | SecurityProblem() | UnableToPerform():
            return ReportSource.USER
        case _:
            assert_never(report)
