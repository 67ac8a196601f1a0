"""The APDUs that no user asks for: status reports, error reports, and the notice that a request expired."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import assert_never

from asn1 import ill
from asn1.extensions import AdditionalUserErrorReportInfo, make_extension
from asn1.ill import ILLRequest, ILLServiceType, SystemId
from asn1.schema import GeneralString
from config.symbols import Symbol
from iso_gateway.compose.answers import RESULTS
from iso_gateway.compose.frame import Frame
from iso_gateway.compose.texts import iso_date, optional_string
from iso_gateway.message.identity import system_id_of
from iso_gateway.protocol import errors as reports
from iso_gateway.protocol.events import ApduType, Service
from iso_gateway.protocol.states import CurrentState, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord:
    """One service of a transaction's history, as a report tells it.

    Args:
        service: which one.
        at: when, in the local symbol's zone.
        by_us: whether we invoked it.
        changed_state: whether the half's state changed with it.
        loan: whether, after it, what is or was supplied is to come back.
    """

    service: Service
    at: dt.datetime
    by_us: bool
    changed_state: bool
    loan: bool


def status_report(
    frame: Frame,
    request: ILLRequest,
    history: Sequence[ServiceRecord],
    state: CurrentState,
    *,
    role: Role = Role.RESPONDER,
) -> ill.StatusOrErrorReport:
    """A STATUS-OR-ERROR-REPORT that says where the transaction stands and what happened last.

    Args:
        frame: how the report begins.
        request: the ILL-Request that began the transaction.
        history: the services of the transaction, oldest first; the ILL-REQUEST at least.
        state: the state of our half.
        role: ours.
    """
    reportable = [record for record in history if record.service not in _UNREPORTABLE]
    latest = reportable[-1]
    transitions = [record for record in history if record.changed_state] or list(history[:1])
    answers = [record.service for record in history if record.service in RESULTS]
    shipments = [record for record in history if record.service is Service.SHI]
    item = request.item_id
    return ill.StatusOrErrorReport(
        **frame.components,
        status_report=ill.StatusReport(
            user_status_report=ill.HistoryReport(
                date_requested=request.service_date_time.date_time_of_this_service.date,
                author=item.author,
                title=item.title,
                author_of_article=item.author_of_article,
                title_of_article=item.title_of_article,
                date_of_last_transition=iso_date(transitions[-1].at),
                most_recent_service=_most_recent_service(latest),
                date_of_most_recent_service=iso_date(latest.at),
                initiator_of_most_recent_service=_initiator(frame, role, by_us=latest.by_us),
                shipped_service_type=_supplied(loan=shipments[-1].loan) if shipments else None,
                transaction_results=RESULTS[answers[-1]] if answers else None,
            ),
            provider_status_report=ill.CurrentState(state),
        ),
    )


def error_report(
    frame: Frame,
    report: reports.Report,
    correlation: str,
    information: AdditionalUserErrorReportInfo | None = None,
    *,
    forwarded_to: Symbol | None = None,
    forwarded_address: ill.SystemAddress | None = None,
) -> ill.StatusOrErrorReport:
    """A STATUS-OR-ERROR-REPORT that says what was wrong with an APDU.

    Args:
        frame: how the report begins.
        report: what was wrong.
        correlation: which APDU of the partner is meant, from `correlation_of`.
        information: which elements were wrong; it goes out as the extension 1.0.10161.13.6.
        forwarded_to: of AlreadyForwarded, whom the request went to.
        forwarded_address: where that library is reached, where it may be told.
    """
    user: ill.UserErrorReport | None = None
    provider: ill.ProviderErrorReport | None = None
    # The codes in words: some peers show their users the note and not the code (seen: yaz-illclient).
    note: str
    match report:
        case reports.GeneralProblem(code=general):
            provider = ill.ProviderErrorReport(general_problem=ill.GeneralProblem(general))
            note = ill.GeneralProblem(general).asn1_name
        case reports.TransactionIdProblem(code=problem):
            provider = ill.ProviderErrorReport(transaction_id_problem=ill.TransactionIdProblem(problem))
            note = ill.TransactionIdProblem(problem).asn1_name
        case reports.StateTransitionProhibited(apdu_type=apdu_type, current_state=state):
            provider = ill.ProviderErrorReport(
                state_transition_prohibited=ill.StateTransitionProhibited(
                    aPDU_type=ill.ILLAPDUType(apdu_type), current_state=ill.CurrentState(state)
                )
            )
            note = f"{_capitals(apdu_type)} is not possible in state {_capitals(state)}"
        case reports.AlreadyForwarded():
            responder = frame.responder_id if forwarded_to is None else system_id_of(forwarded_to)
            user = ill.UserErrorReport(
                already_forwarded=ill.AlreadyForwarded(
                    responder_id=responder or SystemId(), responder_address=forwarded_address
                )
            )
            note = "already forwarded"
        case reports.SecurityProblem(text=text):
            user = ill.UserErrorReport(security_problem=GeneralString.from_text(text))
            note = text
        case reports.UnableToPerform(code=unable, note=words):
            user = ill.UserErrorReport(unable_to_perform=ill.UnableToPerform(unable))
            note = words
        case _:
            assert_never(report)
    return ill.StatusOrErrorReport(
        **frame.components,
        error_report=ill.ErrorReport(
            correlation_information=GeneralString.from_text(correlation),
            report_source=ill.ReportSource(reports.source_of(report)),
            user_error_report=user,
            provider_error_report=provider,
        ),
        note=optional_string(note, frame.encoding),
        status_or_error_report_extensions=None if information is None else (make_extension(information),),
    )


def expired(frame: Frame) -> ill.Expired:
    """An EXPIRED: the request ran out before it was answered."""
    return ill.Expired(**frame.components)


def correlation_of(apdu_type: ApduType | None, service_date_time: ill.ServiceDateTime) -> str:
    """What names an APDU to its sender: its type and its service-date-time (protocol.md 5.2, inferred).

    Args:
        apdu_type: None for an APDU that is none of the twenty.
        service_date_time: as it came.
    """
    this = service_date_time.date_time_of_this_service
    name = "APDU" if apdu_type is None else _capitals(apdu_type)
    return " ".join(filter(None, (name, this.date.strip(), (this.time or "").strip())))


def _capitals(member: IntEnum) -> str:
    """A name as the standard's prose writes it: `CANCEL-REPLY`."""
    return member.name.replace("_", "-")


# most-recent-service has no value for OVERDUE and RENEW: the service before them is reported (protocol.md 3,
# inferred). A report about a report says nothing, so reports and queries are passed over as well.
_UNREPORTABLE = frozenset({Service.DUE, Service.REN, Service.STR, Service.STQ})


def _most_recent_service(record: ServiceRecord) -> ill.MostRecentService:
    if record.service is Service.FWN and record.by_us:
        # Who forwarded performed FORWARD; its notification is what the requester saw of it (inferred).
        return ill.MostRecentService.fORWARD
    return ill.MostRecentService(record.service.apdu_type)


def _initiator(frame: Frame, role: Role, *, by_us: bool) -> SystemId:
    by_responder = by_us is (role is Role.RESPONDER)
    system_id = frame.responder_id if by_responder else frame.requester_id
    return SystemId() if system_id is None else system_id


def _supplied(*, loan: bool) -> ILLServiceType:
    return ILLServiceType.loan if loan else ILLServiceType.copy_non_returnable
