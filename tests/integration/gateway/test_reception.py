"""Messages about partners' requests: how they move the half, what the local side is told, what is sent."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog

from asn1 import ill
from asn1.ill import ILLServiceType, SystemId
from asn1.schema import EDIFACTString, GeneralString
from config.settings import CharacterSet, Limits, LocalSymbol, Settings
from config.symbols import Symbol
from iso_gateway.errors import PrimitiveInvalidError, StoreError
from iso_gateway.half.movement import ATTENTION, MOST_AHEAD
from iso_gateway.half.record import original_request, stored_apdu
from iso_gateway.reception import MESSAGE_REFUSED, Verdict
from iso_gateway.reception.repetition import SAME_DATE_TIME
from iso_gateway.request import primitives
from iso_gateway.store.records import Basis, HalfId
from tests.support import apdus, gateway
from tests.support.apdus import LATER
from tests.support.gateway import AT_SFU, AT_UBC, AT_YAZ, ELSEWHERE, Desk

REQUEST = apdus.ill_request()
FROM_SFU = apdus.ill_request(requester="ILLUME:SFU")
FROM_UBC = apdus.ill_request(requester="ILLUME:UBC")
MUCH_LATER = LATER + timedelta(hours=1)
BLANK = SystemId(
    person_or_institution_symbol=ill.PersonOrInstitutionSymbol(institution_symbol=GeneralString(b" "))
)


def kinds(desk: Desk) -> list[str]:
    return [event.kind for event in desk.events()]


def history(desk: Desk) -> ill.HistoryReport:
    """Give the history in the one status report that waits to be sent."""
    [answer] = desk.outgoing()
    assert answer.report.status_report is not None
    return answer.report.status_report.user_status_report


def transaction_problem(desk: Desk) -> object:
    """Give the Transaction-Id problem in the one report that waits to be sent."""
    [answer] = desk.outgoing()
    assert answer.report.error_report is not None
    assert answer.report.error_report.provider_error_report is not None
    return answer.report.error_report.provider_error_report.transaction_id_problem


class TestRequest:
    def test_it_begins_a_transaction_and_our_half_of_it(self, desk: Desk) -> None:
        processed = desk.receive(FROM_SFU, peer=AT_SFU)
        assert processed.verdict is Verdict.APPLIED
        half = desk.half(processed.half_id)
        assert (half.role, half.local, half.partner, half.state) == ("responder", "BEX", "SFU", "IN-PROCESS")
        assert (half.basis, half.tables, half.protocol_version) == (Basis.OURS, "strict", 2)
        assert set(half.flags) == {"can_send_shipped", "can_send_received", "can_send_returned"}
        [step] = desk.inputs(half.id)
        assert (step.service, step.state_before, step.state_after) == ("ILL", "IDLE", "IN-PROCESS")
        assert (step.verdict, step.provenance, step.message_id) == ("applied", "S", processed.message_id)
        record = desk.processing(processed)
        assert (record.verdict, record.partner, record.apdu_type) == ("applied", "SFU", "ILL-Request")
        assert (record.half_id, record.transaction_id) == (half.id, half.transaction_id)
        assert record.profile_digest == step.profile_digest
        [event] = desk.events()
        assert event.kind == "ill-request.indication"
        assert event.detail == {"service": "ILL-REQUEST", "repeat": False, "state": "IN-PROCESS"}
        with desk.reading() as uow:
            assert uow.transactions.summary(half.transaction_id) == {
                "request_number": "INTERLENDING/2026-000117",
                "requester": "ILLUME:SFU",
                "responder": "ILLUME:BEX",
                "title": "The Penelopiad",
                "author": "Atwood, Margaret",
                "title_of_article": None,
                "service_types": [ILLServiceType.loan.value],
            }

    def test_by_default_it_is_not_acknowledged(self, desk: Desk) -> None:
        processed = desk.receive(FROM_SFU, peer=AT_SFU)
        assert (processed.answer, desk.outgoing()) == (None, [])

    def test_a_partner_that_wants_it_is_acknowledged_on_its_connection(self, desk: Desk) -> None:
        processed = desk.receive(REQUEST, connection="c-3")
        [answer] = desk.outgoing()
        assert answer.to == ("YAZ", "c-3")
        assert answer.row.message_id == processed.answer == desk.processing(processed).answer_message_id
        report = answer.report.status_report
        assert report is not None
        assert report.provider_status_report is ill.CurrentState.iN_PROCESS
        assert history(desk).most_recent_service is ill.MostRecentService.iLL_REQUEST
        assert answer.report.transaction_id == REQUEST.transaction_id
        with desk.reading() as uow:
            [composed] = uow.messages.processings(answer.row.message_id or 0)  # type: ignore[arg-type]
        assert (composed.verdict, composed.apdu_type, composed.half_id) == (
            "composed",
            "Status-Or-Error-Report",
            processed.half_id,
        )

    def test_one_that_came_one_way_is_not_acknowledged(self, desk: Desk) -> None:
        processed = desk.receive(REQUEST, two_way=False)
        assert (processed.verdict, processed.answer) == (Verdict.APPLIED, None)
        assert desk.outgoing() == []

    def test_permission_to_forward_is_remembered(self, desk: Desk) -> None:
        processed = desk.receive(apdus.ill_request(forwardable=True))
        assert "may_forward" in desk.half(processed.half_id).flags

    def test_dates_are_those_of_the_library_not_of_greenwich(self, desk: Desk) -> None:
        desk.clock.now = gateway.MORNING.replace(day=17, hour=5, minute=30)
        desk.receive(REQUEST)
        [answer] = desk.outgoing()
        this = answer.report.service_date_time.date_time_of_this_service
        assert (this.date, this.time) == ("20261116", "213000")
        assert history(desk).date_of_last_transition == "20261116"

    def test_an_article_is_known_by_its_own_title(self, desk: Desk) -> None:
        item = ill.ItemId(
            author_of_article=GeneralString(b"Borges"), title_of_article=GeneralString(b"Funes el memorioso")
        )
        processed = desk.receive(replace(REQUEST, item_id=item))
        with desk.reading() as uow:
            summary = uow.transactions.summary(desk.half(processed.half_id).transaction_id)
        assert (summary["title"], summary["author"]) == ("Funes el memorioso", "Borges")

    def test_two_partners_may_count_alike(self, desk: Desk) -> None:
        first = desk.receive(REQUEST)
        second = desk.receive(FROM_SFU, peer=AT_SFU)
        assert first.half_id != second.half_id
        assert second.verdict is Verdict.APPLIED


class TestWhoIsMeant:
    @pytest.mark.parametrize(
        "symbol", ["SFU", "ILLUME:SFU", "illume:SFU", "Illume:SFU ", "BCNET:SFU", " SFU"]
    )
    def test_a_partner_is_one_partner_however_it_writes_itself(self, desk: Desk, symbol: str) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        other = apdus.ill_request(requester=symbol)
        processed = desk.receive(apdus.cancel(other), peer=AT_SFU)
        assert (processed.verdict, processed.half_id) == (Verdict.APPLIED, half)
        assert desk.half(half).state == "CANCEL-PENDING"

    @pytest.mark.parametrize("symbol", ["BEX", "ILLUME:BEX", "illume:BEX", " ILLUME:BEX"])
    def test_so_are_we(self, desk: Desk, symbol: str) -> None:
        assert desk.receive(apdus.ill_request(responder=symbol)).verdict is Verdict.APPLIED

    @pytest.mark.parametrize("symbol", ["ILLUME:bex", "ILLUME:sfu"])
    def test_symbols_themselves_are_compared_exactly(self, desk: Desk, symbol: str) -> None:
        processed = desk.receive(apdus.ill_request(responder=symbol))
        assert processed.verdict is Verdict.UNKNOWN_RECIPIENT

    @pytest.mark.parametrize("blank", [None, SystemId(), BLANK])
    def test_the_initial_requester_stands_for_a_requester_left_out(
        self, desk: Desk, blank: SystemId | None
    ) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        processed = desk.receive(replace(apdus.cancel(FROM_SFU), requester_id=blank), peer=AT_SFU)
        assert (processed.verdict, processed.half_id, processed.partner) == (Verdict.APPLIED, half, "SFU")

    @pytest.mark.parametrize("blank", [None, SystemId(), BLANK])
    def test_without_either_it_is_who_may_come_from_there(self, desk: Desk, blank: SystemId | None) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        nameless = replace(
            apdus.cancel(FROM_SFU),
            requester_id=blank,
            transaction_id=replace(FROM_SFU.transaction_id, initial_requester_id=blank),
        )
        processed = desk.receive(nameless, peer=AT_SFU)
        assert (processed.verdict, processed.half_id, processed.partner) == (Verdict.APPLIED, half, "SFU")
        assert desk.receive(replace(nameless, requester_id=None), peer=ELSEWHERE).verdict is (
            Verdict.UNKNOWN_SENDER
        )

    @pytest.mark.parametrize("blank", [None, SystemId(), BLANK])
    def test_our_only_library_is_meant_where_none_is_named(self, desk: Desk, blank: SystemId | None) -> None:
        processed = desk.receive(replace(REQUEST, responder_id=blank))
        assert processed.verdict is Verdict.APPLIED
        [answer] = desk.outgoing()
        assert answer.report.responder_id == apdus.system_id("ILLUME:BEX")

    def test_a_request_without_any_name_is_answered_with_all_of_them(self, desk: Desk) -> None:
        nameless = replace(
            REQUEST,
            requester_id=None,
            responder_id=None,
            transaction_id=replace(REQUEST.transaction_id, initial_requester_id=None),
        )
        assert desk.receive(nameless).verdict is Verdict.APPLIED
        [answer] = desk.outgoing()
        assert answer.report.requester_id == apdus.system_id("ILLUME:YAZ")
        desk.deliver()
        # The second one is refused, and the refusal names both too.
        assert desk.receive(replace(nameless, requester_note=GeneralString(b"x"))).answer is not None
        [answer] = desk.outgoing()
        assert answer.report.requester_id == apdus.system_id("ILLUME:YAZ")
        assert answer.report.responder_id == apdus.system_id("ILLUME:BEX")

    def test_qualifiers_are_compared_whatever_their_string_type(self, desk: Desk) -> None:
        half = desk.begin(REQUEST)
        identifier = replace(
            REQUEST.transaction_id,
            transaction_group_qualifier=EDIFACTString(b" INTERLENDING "),
            transaction_qualifier=EDIFACTString(b"2026-000117"),
        )
        processed = desk.receive(replace(apdus.cancel(REQUEST), transaction_id=identifier))
        assert (processed.verdict, processed.half_id) == (Verdict.APPLIED, half)

    def test_one_transaction_with_two_of_our_libraries_has_a_half_for_each(self, settings: Settings) -> None:
        isle = LocalSymbol(name="ISLE", symbol=Symbol("ILLUME", "ISLE"))
        with Desk.open(replace(settings, local=(*settings.local, isle), routes=())) as desk:
            first = desk.receive(REQUEST)
            second = desk.receive(replace(REQUEST, responder_id=apdus.system_id("ILLUME:ISLE")))
            assert (first.verdict, second.verdict) == (Verdict.APPLIED, Verdict.APPLIED)
            halves = [desk.half(one.half_id) for one in (first, second)]
            assert [half.local for half in halves] == ["BEX", "ISLE"]
            assert halves[0].transaction_id == halves[1].transaction_id

    def test_in_another_zone_it_is_another_day(self, settings: Settings) -> None:
        tokyo = replace(gateway.BEX, time_zone="Asia/Tokyo")
        with Desk.open(replace(settings, local=(tokyo,), routes=())) as desk:
            desk.receive(REQUEST)
            [answer] = desk.outgoing()
            assert answer.report.service_date_time.date_time_of_this_service.date == "20261117"


class TestMachine:
    def test_what_the_tables_prohibit_is_reported_with_the_state(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        before = desk.half(half)
        processed = desk.receive(apdus.received(FROM_SFU), peer=AT_SFU, connection="c-5")
        assert processed.verdict is Verdict.PROHIBITED
        # Of the half nothing changes but when we spoke last: to report it.
        assert desk.half(half) == replace(before, last_service_at=desk.clock.now)
        step = desk.inputs(half)[-1]
        assert (step.service, step.verdict, step.state_after) == ("RCV", "prohibited", "IN-PROCESS")
        assert step.provenance is None
        [answer] = desk.outgoing()
        assert answer.to == ("SFU", "c-5")
        assert answer.row.message_id == desk.processing(processed).answer_message_id
        error = answer.report.error_report
        assert error is not None
        assert error.correlation_information.text == "RECEIVED 20261116 111500"
        assert error.provider_error_report == ill.ProviderErrorReport(
            state_transition_prohibited=ill.StateTransitionProhibited(
                aPDU_type=ill.ILLAPDUType.rECEIVED, current_state=ill.CurrentState.iN_PROCESS
            )
        )
        event = desk.events()[-1]
        assert (event.kind, event.half_id) == (MESSAGE_REFUSED, half)
        assert event.detail == {"reason": "RECEIVED is not allowed in IN-PROCESS"}

    def test_no_two_reports_have_the_same_date_time(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        for apdu in (apdus.status_query(FROM_SFU), apdus.received(FROM_SFU)):
            desk.receive(apdu, peer=AT_SFU)
        acted = desk.act(half, primitives.SendMessage(note="We look for it"))
        reports = [one.apdu for one in desk.outgoing()]
        times = [one.service_date_time.date_time_of_this_service.time for one in reports]
        assert times == ["100000", "100001", "100002"]
        assert reports[-1] == acted.apdu

    def test_whoever_asks_without_end_moves_the_day_of_nothing(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        ahead = desk.clock.now + MOST_AHEAD
        with desk.site.store.unit_of_work() as uow:
            uow.halves.spoke(half, ahead)
        desk.receive(apdus.status_query(FROM_SFU), peer=AT_SFU)
        [report] = desk.outgoing()
        assert report.apdu.service_date_time.date_time_of_this_service.time == "100000"
        assert desk.half(half).last_service_at == ahead

    def test_two_services_of_one_date_time_are_both_processed_with_a_warning(self, desk: Desk) -> None:
        desk.begin(FROM_SFU, peer=AT_SFU)
        first, second = (apdus.message(FROM_SFU, note=note) for note in ("Hello", "Hello again"))
        with structlog.testing.capture_logs() as logs:
            verdicts = [desk.receive(one, peer=AT_SFU).verdict for one in (first, second)]
        assert verdicts == [Verdict.APPLIED] * 2
        [told] = [one for one in logs if one["event"] == SAME_DATE_TIME]
        assert (told["log_level"], told["service"]) == ("warning", "MSG")

    def test_each_thing_that_happens_moves_the_half_and_is_told(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU, then=(primitives.Ship(),))
        told = len(desk.events())
        happening: list[tuple[ill.ILLApdu, str]] = [
            (apdus.received(FROM_SFU), "SHIPPED"),
            (apdus.renew(FROM_SFU), "RENEW/PENDING"),
            (apdus.message(FROM_SFU), "RENEW/PENDING"),
            (apdus.returned(FROM_SFU), "RENEW/PENDING"),
            (apdus.lost(FROM_SFU), "LOST"),
        ]
        for number, (apdu, state) in enumerate(happening):
            desk.clock.advance(minutes=1)
            processed = desk.receive(apdu, peer=AT_SFU)
            assert (processed.verdict, desk.half(half).state) == (Verdict.APPLIED, state)
            assert desk.inputs(half)[-1].at == desk.clock.now
            event = desk.events()[told + number]
            assert event.kind.endswith(".indication")
            assert (event.detail or {})["state"] == state
        assert desk.outgoing() == []

    def test_a_row_that_only_leniency_allows_is_put_before_a_person(self, desk: Desk) -> None:
        half = desk.begin(FROM_UBC, peer=AT_UBC)
        processed = desk.receive(apdus.received(FROM_UBC), peer=AT_UBC)
        assert (processed.verdict, desk.half(half).state) == (Verdict.APPLIED, "SHIPPED")
        assert kinds(desk)[-2:] == ["received.indication", ATTENTION]
        assert desk.events()[-1].detail == {
            "reason": "RECEIVED received in IN-PROCESS: shipping was not reported"
        }

    def test_tables_are_those_of_the_profile_of_today(self, settings: Settings, desk: Desk) -> None:
        half = desk.begin(FROM_UBC, peer=AT_UBC)
        strict = replace(gateway.UBC, tables=gateway.SFU.tables)
        with desk.under(gateway.with_partner(settings, strict)) as today:
            assert today.receive(apdus.received(FROM_UBC), peer=AT_UBC).verdict is Verdict.PROHIBITED
            assert today.inputs(half)[-1].table_profile == "strict"
            assert today.inputs(half)[-1].profile_digest != today.inputs(half)[0].profile_digest

    def test_a_message_is_kept_and_told_without_its_words(self, desk: Desk) -> None:
        half = desk.begin(REQUEST)
        processed = desk.receive(apdus.message(REQUEST, note="The patron is J. Doe"))
        assert (processed.verdict, processed.answer) == (Verdict.APPLIED, None)
        event = desk.events()[-1]
        assert (event.kind, event.message_id) == ("message.indication", processed.message_id)
        assert "Doe" not in str(event.detail)
        assert desk.half(half).state == "IN-PROCESS"

    def test_the_first_message_of_a_request_goes_under_its_key_so_that_disposal_takes_it_along(
        self, desk: Desk
    ) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        processed = desk.receive(apdus.message(FROM_SFU), peer=AT_SFU)
        with desk.site.store.unit_of_work() as uow:
            uow.transactions.dispose(desk.half(half).transaction_id, at=desk.clock.now)
        with desk.reading() as uow, pytest.raises(StoreError):
            uow.messages.raw(processed.message_id)


class TestStatusQuery:
    def test_it_is_answered_with_the_true_history(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        desk.clock.advance(days=1)
        desk.act(half, primitives.Answer(result=ill.TransactionResults.will_supply))
        desk.clock.advance(days=1)
        desk.act(half, primitives.Ship(service_type=ILLServiceType.copy_non_returnable))
        desk.deliver()
        desk.clock.advance(days=1)
        processed = desk.receive(apdus.status_query(FROM_SFU), peer=AT_SFU, connection="c-6")
        assert processed.verdict is Verdict.APPLIED
        assert processed.answer == desk.outgoing()[0].row.message_id
        report = history(desk)
        assert report.date_requested == "20261116"
        assert report.most_recent_service is ill.MostRecentService.sHIPPED
        assert report.date_of_most_recent_service == report.date_of_last_transition == "20261118"
        assert report.initiator_of_most_recent_service == apdus.system_id("ILLUME:BEX")
        assert report.shipped_service_type is ILLServiceType.copy_non_returnable
        assert report.transaction_results is ill.TransactionResults.will_supply
        [answer] = desk.outgoing()
        assert answer.to == ("SFU", "c-6")
        assert answer.report.status_report is not None
        assert answer.report.status_report.provider_status_report is ill.CurrentState.sHIPPED

    def test_what_was_refused_or_repeated_is_no_history(self, desk: Desk) -> None:
        desk.begin(FROM_SFU, peer=AT_SFU)
        desk.clock.advance(days=1)
        desk.receive(apdus.received(FROM_SFU), peer=AT_SFU)
        desk.receive(apdus.repeat_of(FROM_SFU), peer=AT_SFU)
        desk.deliver()
        desk.receive(apdus.status_query(FROM_SFU), peer=AT_SFU)
        report = history(desk)
        assert report.most_recent_service is ill.MostRecentService.iLL_REQUEST
        assert report.date_of_most_recent_service == "20261116"

    def test_one_that_came_one_way_is_answered_at_the_partners_address(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        desk.receive(apdus.status_query(FROM_SFU), peer=AT_SFU, two_way=False)
        [answer] = desk.outgoing()
        assert answer.to == ("SFU", None)
        assert answer.row.lane == f"transaction {desk.half(half).transaction_id} SFU"


class TestExactDuplicate:
    def test_on_a_two_way_connection_the_stored_answer_is_written_again(self, desk: Desk) -> None:
        first = desk.receive(REQUEST, connection="c-1")
        [answer] = desk.deliver()
        before, events = desk.half(first.half_id), desk.events()
        desk.clock.advance(hours=1)
        again = desk.receive(REQUEST, connection="c-2")
        assert again.verdict is Verdict.EXACT_DUPLICATE
        assert (again.half_id, again.answer) == (first.half_id, first.answer)
        [repeated] = desk.outgoing()
        assert (repeated.octets, repeated.to) == (answer.octets, ("YAZ", "c-2"))
        assert (desk.half(first.half_id), desk.events()) == (before, events)
        assert len(desk.inputs(first.half_id)) == 1
        record = desk.processing(again)
        assert record.reason == f"the same octets as message {first.message_id}"
        assert (record.half_id, record.answer_message_id) == (first.half_id, first.answer)

    def test_on_a_one_way_connection_nothing_is(self, desk: Desk) -> None:
        desk.receive(REQUEST, two_way=False)
        desk.deliver()
        again = desk.receive(REQUEST, two_way=False)
        assert (again.verdict, again.answer) == (Verdict.EXACT_DUPLICATE, None)
        assert desk.outgoing() == []

    def test_where_nothing_was_answered_nothing_is_again(self, desk: Desk) -> None:
        desk.begin(FROM_SFU, peer=AT_SFU)
        again = desk.receive(FROM_SFU, peer=AT_SFU)
        assert (again.verdict, again.answer, desk.outgoing()) == (Verdict.EXACT_DUPLICATE, None, [])

    def test_the_third_time_is_like_the_second(self, desk: Desk) -> None:
        first = desk.receive(REQUEST)
        for _ in range(2):
            again = desk.receive(REQUEST)
            assert desk.processing(again).reason == f"the same octets as message {first.message_id}"
        assert len({one.octets for one in desk.outgoing()}) == 1

    def test_what_was_refused_is_classified_afresh(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        received = apdus.received(FROM_SFU)
        assert desk.receive(received, peer=AT_SFU).verdict is Verdict.PROHIBITED
        desk.act(half, primitives.Ship())
        assert desk.receive(received, peer=AT_SFU).verdict is Verdict.APPLIED
        assert desk.receive(received, peer=AT_SFU).verdict is Verdict.EXACT_DUPLICATE

    def test_what_was_applied_after_a_refusal_is_what_a_duplicate_is_a_duplicate_of(self, desk: Desk) -> None:
        assert desk.receive(apdus.cancel(REQUEST)).verdict is Verdict.UNKNOWN_TRANSACTION
        half = desk.begin(REQUEST)
        cancelled = desk.receive(apdus.cancel(REQUEST))
        again = desk.receive(apdus.cancel(REQUEST))
        assert desk.processing(again).reason == f"the same octets as message {cancelled.message_id}"
        assert again.half_id == half

    def test_what_could_not_be_processed_when_it_came_is_a_duplicate_of_what_came_later(
        self, desk: Desk
    ) -> None:
        left_over = desk.store(REQUEST)
        sent_again = desk.receive(REQUEST)
        desk.deliver()
        taken_up = desk.process(left_over)
        assert (sent_again.verdict, taken_up.verdict) == (Verdict.APPLIED, Verdict.EXACT_DUPLICATE)
        assert taken_up.half_id == sent_again.half_id
        assert [one.report.error_report for one in desk.outgoing()] == [None]

    def test_another_partners_octets_are_its_own(self, settings: Settings) -> None:
        # Octets that name nobody can come from two partners.
        nameless = replace(
            REQUEST,
            requester_id=None,
            transaction_id=replace(REQUEST.transaction_id, initial_requester_id=None),
        )
        with Desk.open(settings) as desk:
            assert desk.receive(nameless, peer=AT_YAZ).verdict is Verdict.APPLIED
            assert desk.receive(nameless, peer=AT_SFU).verdict is Verdict.APPLIED
            assert desk.receive(nameless, peer=AT_SFU).verdict is Verdict.EXACT_DUPLICATE

    def test_a_duplicate_never_moves_a_half_that_has_moved_on(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU, then=(primitives.Ship(),))
        desk.receive(apdus.renew(FROM_SFU), peer=AT_SFU)
        desk.act(half, primitives.RenewAnswer(answer=False))
        before = desk.half(half)
        assert desk.receive(apdus.renew(FROM_SFU), peer=AT_SFU).verdict is Verdict.EXACT_DUPLICATE
        assert desk.half(half) == before


class TestRepeat:
    def test_a_marked_repeat_of_what_was_seen_changes_nothing(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        desk.receive(apdus.cancel(FROM_SFU), peer=AT_SFU)
        before = desk.half(half)
        desk.clock.advance(hours=1)
        repeated = apdus.repeat_of(apdus.cancel(FROM_SFU), at=MUCH_LATER)
        processed = desk.receive(repeated, peer=AT_SFU)
        assert (processed.verdict, desk.half(half)) == (Verdict.REPEATED, before)
        step = desk.inputs(half)[-1]
        assert (step.repeat, step.verdict, step.state_after) == (True, "repeated", "CANCEL-PENDING")
        assert desk.events()[-1].detail == {"service": "CANCEL", "repeat": True, "state": "CANCEL-PENDING"}

    def test_a_repeat_whose_original_was_lost_is_the_first(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        processed = desk.receive(apdus.repeat_of(apdus.cancel(FROM_SFU), at=MUCH_LATER), peer=AT_SFU)
        assert (processed.verdict, desk.half(half).state) == (Verdict.APPLIED, "CANCEL-PENDING")

    def test_a_repeated_request_begins_a_transaction_if_the_first_was_lost(self, desk: Desk) -> None:
        processed = desk.receive(apdus.repeat_of(FROM_SFU), peer=AT_SFU)
        assert processed.verdict is Verdict.APPLIED
        assert desk.half(processed.half_id).state == "IN-PROCESS"

    def test_a_repeated_request_is_acknowledged_like_the_first(self, desk: Desk) -> None:
        half = desk.begin(REQUEST)
        processed = desk.receive(apdus.repeat_of(REQUEST), connection="c-2")
        assert (processed.verdict, processed.half_id) == (Verdict.REPEATED, half)
        [answer] = desk.outgoing()
        assert answer.to == ("YAZ", "c-2")
        assert answer.report.status_report is not None

    def test_a_repeat_of_a_renewal_that_was_answered_does_not_ask_again(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU, then=(primitives.Ship(),))
        desk.receive(apdus.renew(FROM_SFU), peer=AT_SFU)
        desk.act(half, primitives.RenewAnswer(answer=False))
        before = desk.half(half)
        assert before.state == "SHIPPED"
        processed = desk.receive(apdus.repeat_of(apdus.renew(FROM_SFU), at=MUCH_LATER), peer=AT_SFU)
        assert (processed.verdict, desk.half(half)) == (Verdict.REPEATED, before)

    def test_a_second_renewal_is_no_repeat_of_the_first(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU, then=(primitives.Ship(),))
        desk.receive(apdus.renew(FROM_SFU), peer=AT_SFU)
        desk.act(half, primitives.RenewAnswer(answer=False))
        processed = desk.receive(apdus.renew(FROM_SFU, at=MUCH_LATER), peer=AT_SFU)
        assert (processed.verdict, desk.half(half).state) == (Verdict.APPLIED, "RENEW/PENDING")

    def test_a_repeat_of_the_second_is_told_from_one_of_the_first(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU, then=(primitives.Ship(),))
        desk.receive(apdus.renew(FROM_SFU), peer=AT_SFU)
        desk.act(half, primitives.RenewAnswer(answer=False))
        # The original of this one, of another hour, never arrived.
        lost = apdus.renew(FROM_SFU, at=MUCH_LATER)
        processed = desk.receive(apdus.repeat_of(lost, at=MUCH_LATER + timedelta(hours=1)), peer=AT_SFU)
        assert (processed.verdict, desk.half(half).state) == (Verdict.APPLIED, "RENEW/PENDING")

    @pytest.mark.parametrize(
        ("date", "time", "verdict"),
        [
            ("20261116", "111500", Verdict.REPEATED),
            ("20261116", None, Verdict.REPEATED),
            ("20261116", "", Verdict.REPEATED),
            ("20261116", "111501", Verdict.APPLIED),
            ("20261117", "111500", Verdict.APPLIED),
        ],
    )
    def test_the_original_is_known_by_its_date_and_where_given_its_time(
        self, desk: Desk, date: str, time: str | None, verdict: Verdict
    ) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU, then=(primitives.Ship(),))
        desk.receive(apdus.renew(FROM_SFU), peer=AT_SFU)
        desk.act(half, primitives.RenewAnswer(answer=False))
        renewal = apdus.renew(FROM_SFU, at=MUCH_LATER)
        original = ill.DateTimeOfOriginalService(date=date, time=time)
        when = replace(renewal.service_date_time, date_time_of_original_service=original)
        processed = desk.receive(replace(renewal, service_date_time=when), peer=AT_SFU)
        assert processed.verdict is verdict
        assert desk.half(half).state == ("SHIPPED" if verdict is Verdict.REPEATED else "RENEW/PENDING")


class TestUnmarkedRequest:
    def test_a_second_request_is_refused_and_the_first_stands(self, desk: Desk) -> None:
        half = desk.begin(REQUEST)
        second = replace(REQUEST, service_date_time=apdus.service_date_time(LATER))
        processed = desk.receive(second)
        assert (processed.verdict, processed.half_id) == (Verdict.DUPLICATE_TRANSACTION_ID, half)
        assert transaction_problem(desk) is ill.TransactionIdProblem.duplicate_transaction_id
        assert desk.half(half).state == "IN-PROCESS"
        assert kinds(desk)[-1] == MESSAGE_REFUSED

    def test_from_a_lenient_partner_it_is_a_repeat_if_only_its_time_differs(self, desk: Desk) -> None:
        half = desk.begin(FROM_UBC, peer=AT_UBC)
        second = replace(FROM_UBC, service_date_time=apdus.service_date_time(LATER))
        processed = desk.receive(second, peer=AT_UBC)
        assert (processed.verdict, processed.half_id) == (Verdict.REPEATED, half)
        assert desk.outgoing() == []

    def test_and_not_if_anything_else_does(self, desk: Desk) -> None:
        desk.begin(FROM_UBC, peer=AT_UBC)
        another = apdus.ill_request(requester="ILLUME:UBC", title="Another book", at=LATER)
        assert desk.receive(another, peer=AT_UBC).verdict is Verdict.DUPLICATE_TRANSACTION_ID
        assert transaction_problem(desk) is ill.TransactionIdProblem.duplicate_transaction_id

    def test_leniency_is_for_requests_only(self, desk: Desk) -> None:
        half = desk.begin(FROM_UBC, peer=AT_UBC, then=(primitives.Ship(),))
        desk.receive(apdus.renew(FROM_UBC), peer=AT_UBC)
        desk.act(half, primitives.RenewAnswer(answer=False))
        renewed = replace(apdus.renew(FROM_UBC), service_date_time=apdus.service_date_time(MUCH_LATER))
        assert desk.receive(renewed, peer=AT_UBC).verdict is Verdict.APPLIED
        assert desk.half(half).state == "RENEW/PENDING"


class TestClock:
    def test_a_clock_that_is_set_back_breaks_nothing(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        desk.clock.advance(hours=-1)
        assert desk.receive(apdus.cancel(FROM_SFU), peer=AT_SFU).verdict is Verdict.APPLIED
        record = desk.half(half)
        assert record.state == "CANCEL-PENDING"
        assert record.updated_at < record.created_at
        assert [step.service for step in desk.inputs(half)] == ["ILL", "CAN"]

    def test_a_delivery_may_end_before_it_began(self, desk: Desk) -> None:
        desk.receive(REQUEST)
        [waiting] = desk.outgoing()
        hour = timedelta(hours=1)
        with desk.site.store.unit_of_work() as uow:
            fence = uow.leases.claim(waiting.row.id, "desk", desk.clock.now, desk.clock.now + hour)
            assert fence is not None
            assert uow.leases.delivered(waiting.row.id, fence, desk.clock.now - hour)
        assert desk.outgoing() == []


class TestRecord:
    def test_what_was_read_once_is_read_again_under_narrower_limits(self, settings: Settings) -> None:
        wide = replace(settings, limits=Limits(max_apdu_octets=2_000_000, max_string_octets=1_000_000))
        long = replace(FROM_SFU, requester_note=GeneralString(b"x" * 400_000))
        with Desk.open(wide) as desk:
            half = desk.begin(long, peer=AT_SFU)
            desk.act(half, primitives.Ship())
        with Desk.open(settings) as desk:
            desk.act(half, primitives.SendMessage(note="still here"))
            assert desk.receive(apdus.repeat_of(FROM_SFU), peer=AT_SFU).verdict is Verdict.REPEATED

    def test_a_half_that_began_with_nothing_of_ours_says_so(self, desk: Desk) -> None:
        with desk.site.store.unit_of_work() as uow:
            transaction = uow.transactions.create(b"imported", summary={}, at=desk.clock.now)
            half = uow.halves.create(
                transaction_id=transaction,
                role="responder",
                local="BEX",
                partner="SFU",
                state="IN-PROCESS",
                basis=Basis.REPORTED,
                flags=(),
                tables="strict",
                protocol_version=2,
                at=desk.clock.now,
            ).id
        with pytest.raises(StoreError, match="does not begin with an ILL-Request"):
            desk.act(half, primitives.Ship())

    def test_a_stored_message_that_is_none_is_the_databases_fault(self, desk: Desk) -> None:
        processed = desk.receive(b"\x61\x03abc")
        with desk.reading() as uow, pytest.raises(StoreError, match="was read when it came and now is not"):
            stored_apdu(uow, processed.message_id)

    def test_the_request_is_given_back_as_it_came(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        with desk.reading() as uow:
            assert original_request(uow, uow.halves.get(HalfId(half))) == FROM_SFU


class TestCharacterSet:
    """Each partner is read, and written to, in its own; the octets stay as they came."""

    @pytest.fixture
    def latin(self, settings: Settings) -> Iterator[Desk]:
        sfu = replace(gateway.SFU, character_set=CharacterSet.LATIN_1)
        with Desk.open(gateway.with_partner(settings, sfu)) as desk:
            yield desk

    @pytest.mark.parametrize(
        ("octets", "read"),
        [
            (b"Caf\xe9", "Café"),
            # Valid UTF-8 by accident: only the profile knows better.
            (b"\xc3\xa9", "Ã©"),
        ],
    )
    def test_a_title_is_read_as_the_profile_says(self, latin: Desk, octets: bytes, read: str) -> None:
        item = replace(FROM_SFU.item_id, title=GeneralString(octets))
        half = latin.begin(replace(FROM_SFU, item_id=item), peer=AT_SFU)
        with latin.reading() as uow:
            record = uow.halves.get(HalfId(half))
            assert uow.transactions.summary(record.transaction_id)["title"] == read
            assert original_request(uow, record).item_id.title == GeneralString(octets)

    def test_a_note_is_written_as_the_partner_reads(self, latin: Desk) -> None:
        half = latin.begin(FROM_SFU, peer=AT_SFU)
        latin.act(half, primitives.SendMessage(note="à bientôt"))
        [sent] = latin.outgoing()
        assert isinstance(sent.apdu, ill.Message)
        assert sent.apdu.note == GeneralString(b"\xe0 bient\xf4t")

    def test_what_the_partner_cannot_read_is_refused(self, latin: Desk) -> None:
        half = latin.begin(FROM_SFU, peer=AT_SFU)
        before = latin.counts()
        with pytest.raises(PrimitiveInvalidError, match="cannot be written in LATIN-1"):
            latin.act(half, primitives.SendMessage(note="日本"))
        assert latin.counts() == before
