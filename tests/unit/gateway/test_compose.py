"""The APDUs that we send: every service, every default, every refusal."""

import datetime as dt
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from asn1 import ill
from asn1.codec import decode, encode
from asn1.ill import ILLServiceType, SystemId, TransactionResults
from asn1.schema import GeneralString, Unlisted
from config.symbols import Symbol
from iso_gateway.compose import (
    Frame,
    ServiceRecord,
    apdu_for,
    correlation_of,
    error_report,
    frame_for,
    is_loan,
    iso_date,
    service_of,
    status_report,
)
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.message.identity import system_id_of
from iso_gateway.protocol import errors as reports
from iso_gateway.protocol.events import ApduType, Service
from iso_gateway.protocol.states import CurrentState
from iso_gateway.request import primitives
from tests.support import apdus

#: Late in the evening in Vancouver; in UTC the next day has begun.
AT = dt.datetime(2026, 11, 16, 22, 5, 9, tzinfo=ZoneInfo("America/Vancouver"))
DATE = dt.date(2026, 12, 1)
BEX, YAZ = Symbol("ILLUME", "BEX"), Symbol("ILLUME", "YAZ")
REQUEST = apdus.ill_request()
FRAME = frame_for(REQUEST, local=BEX, partner=YAZ, at=AT)
BLANK = SystemId(
    person_or_institution_symbol=ill.PersonOrInstitutionSymbol(institution_symbol=GeneralString(b" "))
)
OPTIONAL_MESSAGES: Final = ill.ResponderOptionalMessagesType(
    can_send_SHIPPED=True,
    can_send_CHECKED_IN=True,
    responder_RECEIVED=ill.OptionalMessage.desires,
    responder_RETURNED=ill.OptionalMessage.desires,
)
ELSEWHERE: Final = (ill.LocationInfo(location_id=system_id_of(Symbol("ILLUME", "SFU"))),)


def text(value: str) -> GeneralString:
    return GeneralString.from_text(value)


def composed(primitive: primitives.SingleApduPrimitive, request: ill.ILLRequest = REQUEST) -> ill.ILLApdu:
    """Give what we send, read back from its octets, so that it can be sent at all."""
    apdu = apdu_for(primitive, request, FRAME)
    assert decode(encode(apdu)) == apdu
    return apdu


def answer(**fields: object) -> ill.ResultsExplanation:
    apdu = composed(primitives.Answer(**fields))  # type: ignore[arg-type]
    assert isinstance(apdu, ill.ILLAnswer)
    assert apdu.transaction_results == fields["result"]
    assert apdu.responder_optional_messages == OPTIONAL_MESSAGES
    assert apdu.results_explanation is not None
    return apdu.results_explanation


def refused(primitive: primitives.SingleApduPrimitive, request: ill.ILLRequest = REQUEST) -> str:
    with pytest.raises(PrimitiveInvalidError) as caught:
        apdu_for(primitive, request, FRAME)
    return str(caught.value)


class TestFrame:
    def test_what_the_requester_wrote_is_given_back_as_it_came(self) -> None:
        assert FRAME.components == {
            "protocol_version_num": 2,
            "transaction_id": REQUEST.transaction_id,
            "service_date_time": ill.ServiceDateTime(
                date_time_of_this_service=ill.DateTimeOfThisService(date="20261116", time="220509")
            ),
            "requester_id": REQUEST.requester_id,
            "responder_id": REQUEST.responder_id,
        }

    def test_the_version_is_that_of_the_request(self) -> None:
        assert frame_for(replace(REQUEST, protocol_version_num=1), local=BEX, partner=YAZ, at=AT).version == 1

    @pytest.mark.parametrize("blank", [None, SystemId(), BLANK])
    def test_the_initial_requester_stands_in_for_a_requester_that_is_left_out(
        self, blank: SystemId | None
    ) -> None:
        identifier = replace(REQUEST.transaction_id, initial_requester_id=apdus.system_id("ILLUME:SFU"))
        request = replace(REQUEST, transaction_id=identifier, requester_id=blank)
        frame = frame_for(request, local=BEX, partner=YAZ, at=AT)
        assert frame.requester_id == apdus.system_id("ILLUME:SFU")

    @pytest.mark.parametrize("blank", [None, SystemId(), BLANK])
    def test_where_both_are_left_out_it_is_the_partner_and_we_are_who_we_are(
        self, blank: SystemId | None
    ) -> None:
        identifier = replace(REQUEST.transaction_id, initial_requester_id=blank)
        request = replace(REQUEST, transaction_id=identifier, requester_id=blank, responder_id=blank)
        frame = frame_for(request, local=BEX, partner=YAZ, at=AT)
        assert frame.requester_id == system_id_of(YAZ)
        assert frame.responder_id == system_id_of(BEX)

    def test_a_date_has_eight_digits_in_any_year(self) -> None:
        assert iso_date(dt.date(202, 1, 2)) == "02020102"


class TestServiceOf:
    def test_every_primitive_asks_for_a_service(self) -> None:
        asked: dict[primitives.Primitive, Service] = {
            primitives.Ship(): Service.SHI,
            primitives.SendMessage(note="x"): Service.MSG,
            primitives.CancelReply(answer=True): Service.CAR_YES,
            primitives.CancelReply(answer=False): Service.CAR_NO,
            primitives.RenewAnswer(answer=True): Service.REA_YES,
            primitives.RenewAnswer(answer=False): Service.REA_NO,
            primitives.RecallItem(): Service.RCL,
            primitives.ReportOverdue(date_due=DATE): Service.DUE,
            primitives.CheckIn(): Service.CHK,
            primitives.ReportLost(): Service.LST,
            primitives.ReportDamaged(): Service.DAM,
            primitives.QueryStatus(): Service.STQ,
        }
        assert {primitive: service_of(primitive) for primitive in asked} == asked

    def test_each_answer_is_a_service_of_its_own(self) -> None:
        services = [service_of(primitives.Answer(result=result)) for result in TransactionResults]
        assert services == [
            Service.ANS_CO,
            Service.ANS_RY,
            Service.ANS_UN,
            Service.ANS_LP,
            Service.ANS_WS,
            Service.ANS_HP,
            Service.ANS_ES,
        ]


class TestAnswer:
    def test_conditional(self) -> None:
        explanation = answer(
            result=TransactionResults.conditional,
            reason="library-use-only",
            date=DATE,
            locations=("ILLUME:SFU",),
        )
        assert explanation == ill.ResultsExplanation(
            conditional_results=ill.ConditionalResults(
                conditions=ill.Conditions.library_use_only, date_for_reply="20261201", locations=ELSEWHERE
            )
        )

    def test_retry(self) -> None:
        assert answer(
            result=TransactionResults.retry, reason="in-use-on-loan", date=DATE, locations=("ILLUME:SFU",)
        ) == ill.ResultsExplanation(
            retry_results=ill.RetryResults(
                reason_not_available=ill.ReasonNotAvailable.in_use_on_loan,
                retry_date="20261201",
                locations=ELSEWHERE,
            )
        )
        assert answer(result=TransactionResults.retry) == ill.ResultsExplanation(
            retry_results=ill.RetryResults()
        )

    def test_unfilled(self) -> None:
        assert answer(
            result=TransactionResults.unfilled, reason="not-owned", locations=(" ILLUME:SFU ",)
        ) == ill.ResultsExplanation(
            unfilled_results=ill.UnfilledResults(
                reason_unfilled=ill.ReasonUnfilled.not_owned, locations=ELSEWHERE
            )
        )

    def test_locations_provided(self) -> None:
        assert answer(
            result=TransactionResults.locations_provided, reason="lost", locations=("ILLUME:SFU",)
        ) == ill.ResultsExplanation(
            locations_results=ill.LocationsResults(
                reason_locs_provided=ill.ReasonLocsProvided.lost, locations=ELSEWHERE
            )
        )

    def test_will_supply(self) -> None:
        assert answer(
            result=TransactionResults.will_supply, reason="on-order", date=DATE, locations=("ILLUME:SFU",)
        ) == ill.ResultsExplanation(
            will_supply_results=ill.WillSupplyResults(
                reason_will_supply=ill.ReasonWillSupply.on_order, supply_date="20261201", locations=ELSEWHERE
            )
        )

    def test_will_supply_needs_no_reason_of_its_own(self) -> None:
        assert answer(result=TransactionResults.will_supply) == ill.ResultsExplanation(
            will_supply_results=ill.WillSupplyResults(
                reason_will_supply=ill.ReasonWillSupply.being_processed_for_supply
            )
        )

    def test_hold_placed(self) -> None:
        assert answer(
            result=TransactionResults.hold_placed, date=DATE, locations=("ILLUME:SFU",)
        ) == ill.ResultsExplanation(
            hold_placed_results=ill.HoldPlacedResults(
                estimated_date_available="20261201", locations=ELSEWHERE
            )
        )

    def test_estimate(self) -> None:
        assert answer(
            result=TransactionResults.estimate, cost=" CAD 12.50 ", locations=("ILLUME:SFU",)
        ) == ill.ResultsExplanation(
            estimate_results=ill.EstimateResults(cost_estimate=text("CAD 12.50"), locations=ELSEWHERE)
        )

    def test_a_note_goes_with_it_unless_it_is_blank(self) -> None:
        unfilled = primitives.Answer(result=TransactionResults.unfilled, reason="lost", note=" sorry\n")
        apdu = composed(unfilled)
        assert isinstance(apdu, ill.ILLAnswer)
        assert apdu.responder_note == text("sorry")
        blank = composed(replace(unfilled, note="  "))
        assert isinstance(blank, ill.ILLAnswer)
        assert blank.responder_note is None

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"result": TransactionResults.conditional}, "this answer needs a condition: say one of cost-"),
            ({"result": TransactionResults.unfilled}, "this answer needs a reason: say one of in-use-on-"),
            (
                {"result": TransactionResults.unfilled, "reason": "no such reason"},
                "'no such reason' is no reason unfilled: say one of in-use-on-loan, in-process, lost, ",
            ),
            (
                {"result": TransactionResults.retry, "reason": "in_use_on_loan"},
                "'in_use_on_loan' is no reason not available: say one of in-use-on-loan, ",
            ),
            (
                {"result": TransactionResults.locations_provided},
                "the answer locations-provided needs at least one location",
            ),
            (
                {"result": TransactionResults.hold_placed},
                "the answer hold-placed needs the date on which the item is expected",
            ),
            ({"result": TransactionResults.estimate}, "the answer estimate needs the cost, in words"),
            (
                {"result": TransactionResults.estimate, "cost": " "},
                "the answer estimate needs the cost, in words",
            ),
            (
                {"result": TransactionResults.unfilled, "reason": "lost", "date": DATE},
                "the answer unfilled carries no date: leave it out, or say it in the note",
            ),
            (
                {"result": TransactionResults.hold_placed, "date": DATE, "reason": "on-order"},
                "the answer hold-placed carries no reason: leave it out",
            ),
            (
                {"result": TransactionResults.will_supply, "cost": "CAD 12"},
                "the answer will-supply carries no cost: leave it out",
            ),
            (
                {"result": TransactionResults.locations_provided, "locations": ("ILLUME: ",)},
                "'ILLUME: ' is no location: give a library's symbol, as ILLUME:SFU",
            ),
            (
                {"result": TransactionResults.locations_provided, "locations": ("caf\udce9",)},
                r"'\udce9' cannot be written in UTF-8",
            ),
            (
                {"result": TransactionResults.retry, "note": "caf\udce9"},
                r"'\udce9' cannot be written in UTF-8",
            ),
        ],
    )
    def test_what_is_not_enough_or_too_much_is_refused_with_what_to_do(
        self, fields: dict[str, object], message: str
    ) -> None:
        assert refused(primitives.Answer(**fields)).startswith(message)  # type: ignore[arg-type]


class TestShip:
    def test_everything_given(self) -> None:
        apdu = composed(
            primitives.Ship(
                service_type=ILLServiceType.copy_non_returnable,
                date_shipped=dt.date(2026, 11, 15),
                date_due=DATE,
                renewable=False,
                note="in two parcels",
            )
        )
        assert apdu == ill.Shipped(
            **FRAME.components,
            shipped_service_type=ILLServiceType.copy_non_returnable,
            responder_optional_messages=OPTIONAL_MESSAGES,
            supply_details=ill.SupplyDetails(
                date_shipped="20261115",
                date_due=ill.DateDue(date_due_field="20261201", renewable=False),
            ),
            responder_note=text("in two parcels"),
        )

    def test_by_default_it_is_shipped_today_where_the_library_is(self) -> None:
        apdu = composed(primitives.Ship())
        assert isinstance(apdu, ill.Shipped)
        assert apdu.supply_details == ill.SupplyDetails(date_shipped="20261116")
        assert apdu.responder_note is None

    @pytest.mark.parametrize(
        ("asked_for", "shipped"),
        [
            ((ILLServiceType.loan,), ILLServiceType.loan),
            ((ILLServiceType.copy_non_returnable, ILLServiceType.loan), ILLServiceType.copy_non_returnable),
            ((ILLServiceType.loan, ILLServiceType.copy_non_returnable), ILLServiceType.loan),
            (
                (ILLServiceType.estimate, Unlisted(9), ILLServiceType.copy_non_returnable),
                ILLServiceType.copy_non_returnable,
            ),
            ((ILLServiceType.locations,), ILLServiceType.loan),
        ],
    )
    def test_by_default_it_is_what_the_requester_likes_best(
        self, asked_for: tuple[ILLServiceType | Unlisted, ...], shipped: ILLServiceType
    ) -> None:
        request = replace(REQUEST, iLL_service_type=asked_for)
        apdu = composed(primitives.Ship(), request)
        assert isinstance(apdu, ill.Shipped)
        assert apdu.shipped_service_type is shipped
        assert is_loan(primitives.Ship(), request) is (shipped is ILLServiceType.loan)

    def test_only_what_can_travel_is_shipped(self) -> None:
        message = refused(primitives.Ship(service_type=ILLServiceType.locations))
        assert message == "'locations' cannot be supplied: say loan or copy-non-returnable"

    def test_the_other_services_say_nothing_about_loans(self) -> None:
        assert is_loan(primitives.CheckIn(), REQUEST) is None


class TestOtherServices:
    @pytest.mark.parametrize(
        ("primitive", "apdu"),
        [
            (
                primitives.SendMessage(note=" when? "),
                ill.Message(**FRAME.components, note=text("when?")),
            ),
            (
                primitives.CancelReply(answer=False, note="too late"),
                ill.CancelReply(**FRAME.components, answer=False, responder_note=text("too late")),
            ),
            (
                primitives.RenewAnswer(answer=True, date_due=DATE),
                ill.RenewAnswer(
                    **FRAME.components, answer=True, date_due=ill.DateDue(date_due_field="20261201")
                ),
            ),
            (
                primitives.RenewAnswer(answer=False, note="on hold"),
                ill.RenewAnswer(**FRAME.components, answer=False, responder_note=text("on hold")),
            ),
            (
                primitives.RecallItem(note="needed"),
                ill.Recall(**FRAME.components, responder_note=text("needed")),
            ),
            (
                primitives.ReportOverdue(date_due=DATE),
                ill.Overdue(
                    **FRAME.components, date_due=ill.DateDue(date_due_field="20261201", renewable=False)
                ),
            ),
            (primitives.CheckIn(), ill.CheckedIn(**FRAME.components, date_checked_in="20261116")),
            (
                primitives.CheckIn(date=DATE, note="wet"),
                ill.CheckedIn(**FRAME.components, date_checked_in="20261201", responder_note=text("wet")),
            ),
            (primitives.ReportLost(note="fire"), ill.Lost(**FRAME.components, note=text("fire"))),
            (primitives.ReportDamaged(), ill.Damaged(**FRAME.components)),
            (primitives.QueryStatus(), ill.StatusQuery(**FRAME.components)),
        ],
    )
    def test_each_carries_what_was_asked_for(
        self, primitive: primitives.SingleApduPrimitive, apdu: ill.ILLApdu
    ) -> None:
        assert composed(primitive) == apdu

    def test_a_message_without_words_is_refused(self) -> None:
        assert refused(primitives.SendMessage(note=" ")) == (
            "a message needs a text: give one that is not blank"
        )

    def test_a_renewal_until_no_day_is_refused(self) -> None:
        assert refused(primitives.RenewAnswer(answer=True)) == "a renewal needs its new due date"


def record(
    service: Service, day: int, *, by_us: bool = False, changed: bool = False, loan: bool = False
) -> ServiceRecord:
    return ServiceRecord(
        service=service, at=AT.replace(day=day), by_us=by_us, changed_state=changed, loan=loan
    )


REQUESTED = record(Service.ILL, 1, changed=True)


def history_report(*history: ServiceRecord, request: ill.ILLRequest = REQUEST) -> ill.HistoryReport:
    report = status_report(FRAME, request, history, CurrentState.SHIPPED)
    assert decode(encode(report)) == report
    assert report.error_report is None
    assert report.status_report is not None
    assert report.status_report.provider_status_report is ill.CurrentState.sHIPPED
    return report.status_report.user_status_report


class TestStatusReport:
    def test_a_request_that_only_arrived(self) -> None:
        assert history_report(REQUESTED) == ill.HistoryReport(
            date_requested="20261116",
            author=text("Atwood, Margaret"),
            title=text("The Penelopiad"),
            date_of_last_transition="20261101",
            most_recent_service=ill.MostRecentService.iLL_REQUEST,
            date_of_most_recent_service="20261101",
            initiator_of_most_recent_service=apdus.system_id("ILLUME:YAZ"),
        )

    def test_an_article_is_told_by_its_own_author_and_title(self) -> None:
        item = ill.ItemId(author_of_article=text("Borges"), title_of_article=text("Funes"))
        report = history_report(REQUESTED, request=replace(REQUEST, item_id=item))
        assert (report.author, report.title) == (None, None)
        assert (report.author_of_article, report.title_of_article) == (text("Borges"), text("Funes"))

    def test_what_we_did_last_is_ours(self) -> None:
        report = history_report(
            REQUESTED,
            record(Service.ANS_WS, 2, by_us=True),
            record(Service.SHI, 3, by_us=True, changed=True, loan=True),
            record(Service.MSG, 4),
        )
        assert report.most_recent_service is ill.MostRecentService.mESSAGE
        assert report.initiator_of_most_recent_service == apdus.system_id("ILLUME:YAZ")
        assert report.date_of_most_recent_service == "20261104"
        assert report.date_of_last_transition == "20261103"
        assert report.shipped_service_type is ILLServiceType.loan
        assert report.transaction_results is TransactionResults.will_supply
        assert history_report(
            REQUESTED, record(Service.SHI, 3, by_us=True)
        ).initiator_of_most_recent_service == apdus.system_id("ILLUME:BEX")

    def test_a_copy_that_was_shipped_for_a_loan_is_told_as_a_copy(self) -> None:
        report = history_report(REQUESTED, record(Service.SHI, 3, by_us=True, changed=True))
        assert report.shipped_service_type is ILLServiceType.copy_non_returnable

    def test_the_last_answer_counts(self) -> None:
        report = history_report(
            REQUESTED,
            record(Service.ANS_CO, 2, by_us=True, changed=True),
            record(Service.C_REP_YES, 3, changed=True),
            record(Service.ANS_HP, 4, by_us=True),
        )
        assert report.transaction_results is TransactionResults.hold_placed
        assert report.most_recent_service is ill.MostRecentService.iLL_ANSWER

    @pytest.mark.parametrize("service", [Service.DUE, Service.REN, Service.STQ, Service.STR])
    def test_what_the_report_has_no_word_for_gives_way_to_the_service_before(self, service: Service) -> None:
        report = history_report(
            REQUESTED,
            record(Service.SHI, 3, by_us=True, changed=True, loan=True),
            record(service, 5, by_us=True, changed=True),
        )
        assert report.most_recent_service is ill.MostRecentService.sHIPPED
        assert report.date_of_most_recent_service == "20261103"
        # The transition is told all the same: it has no name to give.
        assert report.date_of_last_transition == "20261105"

    @pytest.mark.parametrize(
        "service", sorted(set(Service) - {Service.DUE, Service.REN, Service.STQ, Service.STR})
    )
    def test_every_other_service_has_a_word(self, service: Service) -> None:
        report = history_report(REQUESTED, record(service, 5))
        assert report.most_recent_service is ill.MostRecentService(service.apdu_type)

    def test_without_a_transition_it_is_the_day_of_the_request(self) -> None:
        report = history_report(record(Service.ILL, 1), record(Service.MSG, 2))
        assert report.date_of_last_transition == "20261101"

    def test_an_initiator_that_nobody_named_is_blank(self) -> None:
        frame = replace(FRAME, requester_id=None)
        report = status_report(frame, REQUEST, [REQUESTED], CurrentState.IN_PROCESS)
        assert report.status_report is not None
        assert report.status_report.user_status_report.initiator_of_most_recent_service == SystemId()


def error_report_of(report: reports.Report, frame: Frame = FRAME) -> tuple[ill.ErrorReport, str | None]:
    apdu = error_report(frame, report, "CANCEL 20261116 101500")
    assert decode(encode(apdu)) == apdu
    assert apdu.status_report is None
    assert apdu.error_report is not None
    assert apdu.error_report.correlation_information == text("CANCEL 20261116 101500")
    return apdu.error_report, None if apdu.note is None else apdu.note.text


class TestErrorReport:
    @pytest.mark.parametrize("code", reports.GeneralProblemCode)
    def test_general_problem(self, code: reports.GeneralProblemCode) -> None:
        report, note = error_report_of(reports.GeneralProblem(code=code))
        assert report.report_source is ill.ReportSource.provider
        assert report.user_error_report is None
        assert report.provider_error_report == ill.ProviderErrorReport(
            general_problem=ill.GeneralProblem(code)
        )
        assert note == ill.GeneralProblem(code).asn1_name

    @pytest.mark.parametrize("code", reports.TransactionIdProblemCode)
    def test_transaction_id_problem(self, code: reports.TransactionIdProblemCode) -> None:
        report, note = error_report_of(reports.TransactionIdProblem(code=code))
        assert report.report_source is ill.ReportSource.provider
        assert report.provider_error_report == ill.ProviderErrorReport(
            transaction_id_problem=ill.TransactionIdProblem(code)
        )
        assert note == ill.TransactionIdProblem(code).asn1_name

    @pytest.mark.parametrize("state", CurrentState)
    @pytest.mark.parametrize("apdu_type", [ApduType.ILL_REQUEST, ApduType.CANCEL_REPLY, ApduType.EXPIRED])
    def test_state_transition_prohibited(self, apdu_type: ApduType, state: CurrentState) -> None:
        report, note = error_report_of(
            reports.StateTransitionProhibited(apdu_type=apdu_type, current_state=state)
        )
        assert report.report_source is ill.ReportSource.provider
        assert report.provider_error_report == ill.ProviderErrorReport(
            state_transition_prohibited=ill.StateTransitionProhibited(
                aPDU_type=ill.ILLAPDUType(apdu_type), current_state=ill.CurrentState(state)
            )
        )
        name = apdu_type.name.replace("_", "-")
        assert note == f"{name} is not possible in state {state.name.replace('_', '-')}"

    @pytest.mark.parametrize("responder", [apdus.system_id("ILLUME:BEX"), None])
    def test_already_forwarded(self, responder: SystemId | None) -> None:
        report, note = error_report_of(reports.AlreadyForwarded(), replace(FRAME, responder_id=responder))
        assert report.report_source is ill.ReportSource.user
        assert report.provider_error_report is None
        assert report.user_error_report == ill.UserErrorReport(
            already_forwarded=ill.AlreadyForwarded(responder_id=responder or SystemId())
        )
        assert note == "already forwarded"

    def test_security_problem(self) -> None:
        report, note = error_report_of(reports.SecurityProblem(text="The sender is not known here"))
        assert report.report_source is ill.ReportSource.user
        assert report.user_error_report == ill.UserErrorReport(
            security_problem=text("The sender is not known here")
        )
        assert note == "The sender is not known here"

    @pytest.mark.parametrize("code", reports.UnableToPerformCode)
    @pytest.mark.parametrize("words", ["", "come back tomorrow"])
    def test_unable_to_perform(self, code: reports.UnableToPerformCode, words: str) -> None:
        report, note = error_report_of(reports.UnableToPerform(code=code, note=words))
        assert report.report_source is ill.ReportSource.user
        assert report.user_error_report == ill.UserErrorReport(unable_to_perform=ill.UnableToPerform(code))
        assert note == (words or None)


class TestCorrelation:
    @pytest.mark.parametrize(
        ("apdu_type", "date", "time", "expected"),
        [
            (ApduType.CANCEL, "20261122", "101500", "CANCEL 20261122 101500"),
            (ApduType.STATUS_OR_ERROR_REPORT, "20261122", None, "STATUS-OR-ERROR-REPORT 20261122"),
            (ApduType.RENEW, " 20261122", " ", "RENEW 20261122"),
            (None, "", None, "APDU"),
        ],
    )
    def test_an_apdu_is_named_by_its_type_and_time(
        self, apdu_type: ApduType | None, date: str, time: str | None, expected: str
    ) -> None:
        when = ill.ServiceDateTime(date_time_of_this_service=ill.DateTimeOfThisService(date=date, time=time))
        assert correlation_of(apdu_type, when) == expected
