"""The APDUs that the gateway writes keep every rule, those that are off included."""

import datetime as dt
from typing import Final

import pytest

from asn1.ill import ILLServiceType, TransactionResults
from asn1.rules import RULES, Severity, check
from iso_gateway import compose
from iso_gateway.protocol import errors
from iso_gateway.protocol.events import ApduType
from iso_gateway.protocol.states import CurrentState
from iso_gateway.request import primitives
from tests.support import apdus, composed

DUE: Final = dt.date(2026, 12, 16)
REQUEST: Final = apdus.ill_request()
FRAME: Final = compose.Frame(
    version=2,
    transaction_id=REQUEST.transaction_id,
    requester_id=REQUEST.requester_id,
    responder_id=REQUEST.responder_id,
    at=dt.datetime(2026, 11, 18, 10, 30, tzinfo=dt.UTC),
)
EVERYTHING: Final = dict.fromkeys(RULES, Severity.WARNING)
RESULTS: Final = TransactionResults

PRIMITIVES: Final[tuple[primitives.ResponderAnswer, ...]] = (
    primitives.Answer(result=RESULTS.conditional, reason="library-use-only", date=DUE),
    primitives.Answer(result=RESULTS.retry, reason="in-use-on-loan", date=DUE),
    primitives.Answer(result=RESULTS.unfilled, reason="lost", note=" Lost "),
    primitives.Answer(result=RESULTS.locations_provided, locations=("ILLUME:SFU",)),
    primitives.Answer(result=RESULTS.will_supply),
    primitives.Answer(result=RESULTS.hold_placed, date=DUE),
    primitives.Answer(result=RESULTS.estimate, cost="12.00 CAD"),
    primitives.Ship(date_due=DUE),
    primitives.Ship(service_type=ILLServiceType.copy_non_returnable),
    primitives.SendMessage(note="On its way"),
    primitives.CancelReply(answer=True),
    primitives.RenewAnswer(answer=True, date_due=DUE),
    primitives.RecallItem(),
    primitives.ReportOverdue(date_due=DUE),
    primitives.CheckIn(),
    primitives.ReportLost(),
    primitives.ReportDamaged(),
    primitives.QueryStatus(),
)

REPORTS: Final[tuple[errors.Report, ...]] = (
    errors.GeneralProblem(code=errors.GeneralProblemCode.MISTYPED_APDU),
    errors.TransactionIdProblem(code=errors.TransactionIdProblemCode.UNKNOWN_TRANSACTION_ID),
    errors.StateTransitionProhibited(apdu_type=ApduType.CANCEL, current_state=CurrentState.SHIPPED),
    errors.AlreadyForwarded(),
    errors.SecurityProblem(text="The sender is not known here"),
    errors.UnableToPerform(code=errors.UnableToPerformCode.OTHER, note="Not today"),
)


@pytest.mark.parametrize("name", composed.APDUS)
def test_whatever_can_be_composed_is_as_the_rules_want_it(name: str) -> None:
    findings = check(composed.APDUS[name], EVERYTHING)
    # An ISBN of thirteen digits is sent as it is to who does not mind (inferred, protocol.md 3).
    assert {finding.rule for finding in findings} <= {"isbn-length"}


@pytest.mark.parametrize("place", range(len(PRIMITIVES)), ids=lambda place: type(PRIMITIVES[place]).__name__)
def test_what_a_library_does_is_sent_as_the_rules_want_it(place: int) -> None:
    assert check(compose.apdu_for(PRIMITIVES[place], REQUEST, FRAME), EVERYTHING) == ()


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_what_is_reported_is_reported_as_the_rules_want_it(report: errors.Report) -> None:
    correlation = compose.correlation_of(ApduType.CANCEL, REQUEST.service_date_time)
    assert check(compose.error_report(FRAME, report, correlation), EVERYTHING) == ()
