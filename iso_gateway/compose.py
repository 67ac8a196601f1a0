"""APDUs that we send, made from what the local user asked for and from the record of the transaction.

Pure: the time of the service comes in, already in the local symbol's zone (service-date-time is the LOCAL
time of the invoking institution). What the requester wrote in its ILL-Request (Transaction-Id, System-Ids,
version) is given back as it came.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypedDict, TypeVar, assert_never

from asn1 import ill
from asn1.extensions import AdditionalUserErrorReportInfo, make_extension
from asn1.ill import ILLApdu, ILLRequest, ILLServiceType, SystemId, TransactionId, TransactionResults
from asn1.schema import Enumerated, GeneralString
from config.symbols import Symbol
from iso_gateway import primitives
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.identity import symbol_of, system_id_of
from iso_gateway.protocol import errors as reports
from iso_gateway.protocol.events import ApduType, Service
from iso_gateway.protocol.states import CurrentState

E = TypeVar("E", bound=Enumerated)

SUPPORTED_VERSIONS = frozenset({ill.VERSION_1, ill.VERSION_2})
"""The values of protocol-version-num that this gateway speaks."""

_SHIPPABLE = (ILLServiceType.loan, ILLServiceType.copy_non_returnable)


class Components(TypedDict):
    """The components that every APDU begins with."""

    protocol_version_num: int
    transaction_id: TransactionId
    service_date_time: ill.ServiceDateTime
    requester_id: SystemId | None
    responder_id: SystemId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every APDU of a transaction begins with.

    Args:
        version: protocol-version-num, the one that the partner uses.
        transaction_id: as the requester wrote it.
        requester_id, responder_id: both are always sent, though the syntax lets them be left out.
        at: the moment of the service, in the local symbol's zone.
        encoding: of our own texts: the character set of the partner, as Python names it.
    """

    version: int
    transaction_id: TransactionId
    requester_id: SystemId | None
    responder_id: SystemId | None
    at: dt.datetime
    encoding: str = "utf-8"

    @property
    def service_date_time(self) -> ill.ServiceDateTime:
        """The service-date-time of this sending; with its time, which a second service of a day needs."""
        return ill.ServiceDateTime(
            date_time_of_this_service=ill.DateTimeOfThisService(
                date=iso_date(self.at), time=iso_time(self.at)
            )
        )

    @property
    def components(self) -> Components:
        """The frame as the first components of an APDU."""
        return Components(
            protocol_version_num=self.version,
            transaction_id=self.transaction_id,
            service_date_time=self.service_date_time,
            requester_id=self.requester_id,
            responder_id=self.responder_id,
        )


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


def iso_date(moment: dt.date) -> str:
    """ISO-Date: YYYYMMDD."""
    # Why not strftime: it leaves the year 202, a slip of the fingers, at three digits.
    return f"{moment.year:04}{moment.month:02}{moment.day:02}"


def iso_time(moment: dt.datetime) -> str:
    """ISO-Time: HHMMSS, in the zone that `moment` is in."""
    return moment.strftime("%H%M%S")


def frame_for(
    request: ILLRequest, *, local: Symbol, partner: Symbol, at: dt.datetime, encoding: str = "utf-8"
) -> Frame:
    """The frame of what we, as responder, send about a request.

    Args:
        request: the ILL-Request that began the transaction.
        local: our own symbol, for a request that came without a responder-id.
        partner: the requester's, for one that says nowhere who sent it.
        at: the moment of the service, in the local symbol's zone.
        encoding: the character set in which the partner reads, as Python names it.
    """
    return Frame(
        version=request.protocol_version_num,
        transaction_id=request.transaction_id,
        requester_id=named(request.requester_id, request.transaction_id.initial_requester_id)
        or system_id_of(partner),
        responder_id=named(request.responder_id) or system_id_of(local),
        at=at,
        encoding=encoding,
    )


def named(*system_ids: SystemId | None) -> SystemId | None:
    """The first of the System-Ids that holds a symbol, as it came; None where none does."""
    return next((one for one in system_ids if symbol_of(one) is not None), None)


def service_of(primitive: primitives.Primitive) -> Service:
    """The service, as the state tables name it, that a primitive asks for."""
    match primitive:
        case primitives.ConditionalReply(answer=answer):
            return Service.C_REP_YES if answer else Service.C_REP_NO
        case primitives.Cancel():
            return Service.CAN
        case primitives.Receive():
            return Service.RCV
        case primitives.Return():
            return Service.RET
        case primitives.Renew():
            return Service.REN
        case primitives.Forward():
            # The tables know the wish to forward by the notification that the requester gets.
            return Service.FWN
        case primitives.Answer(result=result):
            return ANSWER_SERVICES[result]
        case primitives.Ship():
            return Service.SHI
        case primitives.SendMessage():
            return Service.MSG
        case primitives.CancelReply(answer=answer):
            return Service.CAR_YES if answer else Service.CAR_NO
        case primitives.RenewAnswer(answer=answer):
            return Service.REA_YES if answer else Service.REA_NO
        case primitives.RecallItem():
            return Service.RCL
        case primitives.ReportOverdue():
            return Service.DUE
        case primitives.CheckIn():
            return Service.CHK
        case primitives.ReportLost():
            return Service.LST
        case primitives.ReportDamaged():
            return Service.DAM
        case primitives.QueryStatus():
            return Service.STQ
        case _:
            assert_never(primitive)


ANSWER_SERVICES = {
    TransactionResults.conditional: Service.ANS_CO,
    TransactionResults.retry: Service.ANS_RY,
    TransactionResults.unfilled: Service.ANS_UN,
    TransactionResults.locations_provided: Service.ANS_LP,
    TransactionResults.will_supply: Service.ANS_WS,
    TransactionResults.hold_placed: Service.ANS_HP,
    TransactionResults.estimate: Service.ANS_ES,
}
"""The seven answers, which the state tables tell apart."""

_RESULTS = {service: result for result, service in ANSWER_SERVICES.items()}


def apdu_for(primitive: primitives.SingleApduPrimitive, request: ILLRequest, frame: Frame) -> ILLApdu:
    """The APDU by which a service is performed; FORWARD, which takes two, is made elsewhere.

    Raises:
        PrimitiveInvalidError: a field is missing or says what the standard has no value for.
    """
    common = frame.components
    note = _note(primitive.note, frame.encoding)
    match primitive:
        case primitives.ConditionalReply(answer=answer):
            return ill.ConditionalReply(**common, answer=answer, requester_note=note)
        case primitives.Cancel():
            return ill.Cancel(**common, requester_note=note)
        case primitives.Receive():
            return ill.Received(
                **common,
                date_received=iso_date(primitive.date_received or frame.at),
                shipped_service_type=_supplied_service_type(primitive.service_type, request),
                requester_note=note,
            )
        case primitives.Return():
            return ill.Returned(
                **common,
                date_returned=iso_date(primitive.date_returned or frame.at),
                returned_via=_note(primitive.via, frame.encoding),
                requester_note=note,
            )
        case primitives.Renew(desired_due_date=desired):
            return ill.Renew(
                **common, desired_due_date=None if desired is None else iso_date(desired), requester_note=note
            )
        case primitives.Answer():
            return ill.ILLAnswer(
                **common,
                transaction_results=primitive.result,
                results_explanation=_explanation(primitive, frame.encoding),
                responder_optional_messages=_OPTIONAL_MESSAGES,
                responder_note=note,
            )
        case primitives.Ship():
            return ill.Shipped(
                **common,
                shipped_service_type=_supplied_service_type(primitive.service_type, request),
                responder_optional_messages=_OPTIONAL_MESSAGES,
                supply_details=ill.SupplyDetails(
                    date_shipped=iso_date(primitive.date_shipped or frame.at),
                    date_due=_date_due(primitive.date_due, renewable=primitive.renewable),
                ),
                responder_note=note,
            )
        case primitives.SendMessage():
            if note is None:
                raise PrimitiveInvalidError("a message needs a text: give one that is not blank")
            return ill.Message(**common, note=note)
        case primitives.CancelReply(answer=answer):
            return ill.CancelReply(**common, answer=answer, responder_note=note)
        case primitives.RenewAnswer(answer=answer):
            if answer and primitive.date_due is None:
                raise PrimitiveInvalidError("a renewal needs its new due date")
            return ill.RenewAnswer(
                **common,
                answer=answer,
                date_due=_date_due(primitive.date_due, renewable=primitive.renewable),
                responder_note=note,
            )
        case primitives.RecallItem():
            return ill.Recall(**common, responder_note=note)
        case primitives.ReportOverdue():
            return ill.Overdue(
                **common,
                date_due=ill.DateDue(
                    date_due_field=iso_date(primitive.date_due), renewable=primitive.renewable
                ),
                responder_note=note,
            )
        case primitives.CheckIn():
            return ill.CheckedIn(
                **common, date_checked_in=iso_date(primitive.date or frame.at), responder_note=note
            )
        case primitives.ReportLost():
            return ill.Lost(**common, note=note)
        case primitives.ReportDamaged():
            return ill.Damaged(**common, note=note)
        case primitives.QueryStatus():
            return ill.StatusQuery(**common, note=note)
        case _:
            assert_never(primitive)


def is_loan(primitive: primitives.Primitive, request: ILLRequest) -> bool | None:
    """Whether what is shipped or received is to come back; None for any other service."""
    if not isinstance(primitive, primitives.Ship | primitives.Receive):
        return None
    return _supplied_service_type(primitive.service_type, request) is ILLServiceType.loan


def status_report(
    frame: Frame, request: ILLRequest, history: Sequence[ServiceRecord], state: CurrentState
) -> ill.StatusOrErrorReport:
    """A STATUS-OR-ERROR-REPORT that says where the transaction stands and what happened last.

    Args:
        frame: how the report begins.
        request: the ILL-Request that began the transaction.
        history: the services of the transaction, oldest first; the ILL-REQUEST at least.
        state: the state of our half.
    """
    reportable = [record for record in history if record.service not in _UNREPORTABLE]
    latest = reportable[-1]
    transitions = [record for record in history if record.changed_state] or list(history[:1])
    answers = [record.service for record in history if record.service in _RESULTS]
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
                most_recent_service=_most_recent_service(latest.service),
                date_of_most_recent_service=iso_date(latest.at),
                initiator_of_most_recent_service=_initiator(frame, by_us=latest.by_us),
                shipped_service_type=_supplied(loan=shipments[-1].loan) if shipments else None,
                transaction_results=_RESULTS[answers[-1]] if answers else None,
            ),
            provider_status_report=ill.CurrentState(state),
        ),
    )


def error_report(
    frame: Frame,
    report: reports.Report,
    correlation: str,
    information: AdditionalUserErrorReportInfo | None = None,
) -> ill.StatusOrErrorReport:
    """A STATUS-OR-ERROR-REPORT that says what was wrong with an APDU.

    Args:
        frame: how the report begins.
        report: what was wrong.
        correlation: which APDU of the partner is meant, from `correlation_of`.
        information: which elements were wrong; it goes out as the extension 1.0.10161.13.6.
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
            user = ill.UserErrorReport(
                already_forwarded=ill.AlreadyForwarded(responder_id=frame.responder_id or SystemId())
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
        note=_note(note, frame.encoding),
        status_or_error_report_extensions=None if information is None else (make_extension(information),),
    )


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


_OPTIONAL_MESSAGES = ill.ResponderOptionalMessagesType(
    can_send_SHIPPED=True,
    can_send_CHECKED_IN=True,
    responder_RECEIVED=ill.OptionalMessage.desires,
    responder_RETURNED=ill.OptionalMessage.desires,
)

# most-recent-service has no value for OVERDUE and RENEW: the service before them is reported (protocol.md 3,
# inferred). A report about a report says nothing, so reports and queries are passed over as well.
_UNREPORTABLE = frozenset({Service.DUE, Service.REN, Service.STR, Service.STQ})


def _most_recent_service(service: Service) -> ill.MostRecentService:
    return ill.MostRecentService(service.apdu_type)


def _initiator(frame: Frame, *, by_us: bool) -> SystemId:
    system_id = frame.responder_id if by_us else frame.requester_id
    return SystemId() if system_id is None else system_id


def _supplied(*, loan: bool) -> ILLServiceType:
    return ILLServiceType.loan if loan else ILLServiceType.copy_non_returnable


def _supplied_service_type(chosen: ILLServiceType | None, request: ILLRequest) -> ILLServiceType:
    if chosen is None:
        # The requester lists what would serve it in the order of its preference (known).
        wanted = (kind for kind in request.iLL_service_type if isinstance(kind, ILLServiceType))
        chosen = next((kind for kind in wanted if kind in _SHIPPABLE), ILLServiceType.loan)
    if chosen not in _SHIPPABLE:
        raise PrimitiveInvalidError(
            f"{chosen.asn1_name!r} cannot be shipped: say loan or copy-non-returnable"
        )
    return chosen


_CARRIED = {
    TransactionResults.conditional: frozenset({"reason", "date"}),
    TransactionResults.retry: frozenset({"reason", "date"}),
    TransactionResults.unfilled: frozenset({"reason"}),
    TransactionResults.locations_provided: frozenset({"reason"}),
    TransactionResults.will_supply: frozenset({"reason", "date"}),
    TransactionResults.hold_placed: frozenset({"date"}),
    TransactionResults.estimate: frozenset({"cost"}),
}
"""What each answer has a place for in the abstract syntax, besides locations, which all of them have."""


def _refuse_what_is_not_carried(answer: primitives.Answer) -> None:
    """A date that the partner never sees would be worse than none: the local user would rely on it."""
    given = {"reason": answer.reason, "date": answer.date, "cost": answer.cost}
    for name, value in given.items():
        if value is not None and name not in _CARRIED[answer.result]:
            raise PrimitiveInvalidError(
                f"the answer {answer.result.asn1_name} carries no {name}: leave it out, or say it in the note"
            )


def _location(text: str, encoding: str) -> ill.LocationInfo:
    symbol = Symbol.parse(text.strip())
    if not symbol.symbol.strip():
        raise PrimitiveInvalidError(f"{text!r} is no location: give a library's symbol, as ILLUME:SFU")
    _string(text, encoding)
    return ill.LocationInfo(location_id=system_id_of(symbol))


def _explanation(answer: primitives.Answer, encoding: str) -> ill.ResultsExplanation:
    _refuse_what_is_not_carried(answer)
    date = None if answer.date is None else iso_date(answer.date)
    locations = tuple(_location(symbol, encoding) for symbol in answer.locations)
    match answer.result:
        case TransactionResults.conditional:
            return ill.ResultsExplanation(
                conditional_results=ill.ConditionalResults(
                    conditions=_required(ill.Conditions, answer.reason, "a condition"),
                    date_for_reply=date,
                    locations=locations or None,
                )
            )
        case TransactionResults.retry:
            return ill.ResultsExplanation(
                retry_results=ill.RetryResults(
                    reason_not_available=_enumerated(ill.ReasonNotAvailable, answer.reason),
                    retry_date=date,
                    locations=locations or None,
                )
            )
        case TransactionResults.unfilled:
            return ill.ResultsExplanation(
                unfilled_results=ill.UnfilledResults(
                    reason_unfilled=_required(ill.ReasonUnfilled, answer.reason, "a reason"),
                    locations=locations or None,
                )
            )
        case TransactionResults.locations_provided:
            if not locations:
                raise PrimitiveInvalidError("the answer locations-provided needs at least one location")
            return ill.ResultsExplanation(
                locations_results=ill.LocationsResults(
                    reason_locs_provided=_enumerated(ill.ReasonLocsProvided, answer.reason),
                    locations=locations,
                )
            )
        case TransactionResults.will_supply:
            return ill.ResultsExplanation(
                will_supply_results=ill.WillSupplyResults(
                    reason_will_supply=_enumerated(ill.ReasonWillSupply, answer.reason)
                    or ill.ReasonWillSupply.being_processed_for_supply,
                    supply_date=date,
                    locations=locations or None,
                )
            )
        case TransactionResults.hold_placed:
            if date is None:
                raise PrimitiveInvalidError(
                    "the answer hold-placed needs the date on which the item is expected"
                )
            return ill.ResultsExplanation(
                hold_placed_results=ill.HoldPlacedResults(
                    estimated_date_available=date, locations=locations or None
                )
            )
        case TransactionResults.estimate:
            if answer.cost is None or not answer.cost.strip():
                raise PrimitiveInvalidError("the answer estimate needs the cost, in words")
            return ill.ResultsExplanation(
                estimate_results=ill.EstimateResults(
                    cost_estimate=_string(answer.cost.strip(), encoding), locations=locations or None
                )
            )
        case _:
            assert_never(answer.result)


def _enumerated(kind: type[E], name: str | None) -> E | None:
    if name is None:
        return None
    for member in kind:
        if member.asn1_name == name:
            return member
    listed = ", ".join(member.asn1_name for member in kind)
    raise PrimitiveInvalidError(f"{name!r} is no {_words(kind)}: say one of {listed}")


def _required(kind: type[E], name: str | None, what: str) -> E:
    member = _enumerated(kind, name)
    if member is None:
        listed = ", ".join(member.asn1_name for member in kind)
        raise PrimitiveInvalidError(f"this answer needs {what}: say one of {listed}")
    return member


def _words(kind: type[Enumerated]) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).strip()


def _date_due(date: dt.date | None, *, renewable: bool) -> ill.DateDue | None:
    return None if date is None else ill.DateDue(date_due_field=iso_date(date), renewable=renewable)


def _note(text: str | None, encoding: str) -> GeneralString | None:
    if text is None or not text.strip():
        return None
    return _string(text.strip(), encoding)


def _string(text: str, encoding: str) -> GeneralString:
    try:
        return GeneralString(text.encode(encoding))
    except UnicodeEncodeError as error:
        # Also how Python hands on an argument of the command that is not in the terminal's encoding.
        raise PrimitiveInvalidError(
            f"{text[error.start : error.end]!r} cannot be written in {encoding.upper()}, which is what this"
            " partner reads: write it otherwise"
        ) from None
