"""Services for the local user: each to the outbox and the record, or refused without a trace."""

import datetime as dt
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from asn1 import ill
from asn1.ill import ILLServiceType, TransactionResults
from config.settings import ListenerMode, MailTransport, Settings, TcpTransport
from iso_gateway.acting import action
from iso_gateway.errors import (
    GatewayError,
    NotFoundError,
    PrimitiveInvalidError,
    PrimitiveRefusedError,
    StoreError,
)
from iso_gateway.half.record import INFERRED_ROW, half_state
from iso_gateway.protocol import effects, machine
from iso_gateway.protocol.events import Event, Service
from iso_gateway.protocol.states import HalfState, TableProfile
from iso_gateway.request import primitives
from iso_gateway.request.primitives import ResponderPrimitive
from iso_gateway.store.records import HalfId, InputKind, Transport
from tests.support import apdus, gateway
from tests.support.gateway import AT_SFU, AT_UBC, SFU, Desk

REQUEST = apdus.ill_request(requester="ILLUME:SFU")
FROM_UBC = apdus.ill_request(requester="ILLUME:UBC")
DUE = dt.date(2026, 12, 24)
SHIP = primitives.Ship(date_due=DUE)


def unfilled(note: str | None = None) -> primitives.Answer:
    return primitives.Answer(result=TransactionResults.unfilled, reason="lost", note=note)


def sent_at(desk: Desk) -> list[str]:
    """Give the service-date-times of what waits, in order."""
    times = [one.apdu.service_date_time.date_time_of_this_service for one in desk.outgoing()]
    return [f"{one.date} {one.time}" for one in times]


PERFORMED: list[tuple[tuple[ResponderPrimitive, ...], ResponderPrimitive, type[ill.ILLApdu], str, str]] = [
    (
        (),
        primitives.Answer(result=TransactionResults.conditional, reason="other"),
        ill.ILLAnswer,
        "ANS-CO",
        "CONDITIONAL",
    ),
    ((), primitives.Answer(result=TransactionResults.retry), ill.ILLAnswer, "ANS-RY", "NOT-SUPPLIED"),
    ((), unfilled(), ill.ILLAnswer, "ANS-UN", "NOT-SUPPLIED"),
    (
        (),
        primitives.Answer(result=TransactionResults.locations_provided, locations=("ILLUME:UBC",)),
        ill.ILLAnswer,
        "ANS-LP",
        "NOT-SUPPLIED",
    ),
    ((), primitives.Answer(result=TransactionResults.will_supply), ill.ILLAnswer, "ANS-WS", "IN-PROCESS"),
    (
        (),
        primitives.Answer(result=TransactionResults.hold_placed, date=DUE),
        ill.ILLAnswer,
        "ANS-HP",
        "IN-PROCESS",
    ),
    (
        (),
        primitives.Answer(result=TransactionResults.estimate, cost="CAD 10"),
        ill.ILLAnswer,
        "ANS-ES",
        "NOT-SUPPLIED",
    ),
    ((), SHIP, ill.Shipped, "SHI", "SHIPPED"),
    ((), primitives.SendMessage(note="soon"), ill.Message, "MSG", "IN-PROCESS"),
    ((), primitives.QueryStatus(), ill.StatusQuery, "STQ", "IN-PROCESS"),
    ((SHIP,), primitives.RecallItem(), ill.Recall, "RCL", "RECALL"),
    ((SHIP,), primitives.ReportOverdue(date_due=DUE), ill.Overdue, "DUE", "OVERDUE"),
    ((SHIP,), primitives.CheckIn(), ill.CheckedIn, "CHK", "CHECKED-IN"),
    ((SHIP,), primitives.ReportLost(), ill.Lost, "LST", "LOST"),
    ((SHIP,), primitives.ReportDamaged(), ill.Damaged, "DAM", "SHIPPED"),
]


class TestPerformed:
    @pytest.mark.parametrize(
        ("before", "primitive", "apdu_type", "service", "state"),
        PERFORMED,
        ids=[service for _, _, _, service, _ in PERFORMED],
    )
    def test_a_service_is_queued_recorded_told_and_audited(
        self,
        desk: Desk,
        before: tuple[ResponderPrimitive, ...],
        primitive: ResponderPrimitive,
        apdu_type: type[ill.ILLApdu],
        service: str,
        state: str,
    ) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU, then=before)
        state_before = desk.half(half).state
        desk.clock.advance(hours=1)
        acted = desk.act(half, primitive, actor="anna")

        assert (acted.half_id, acted.state, acted.partner) == (half, state, "SFU")
        [waiting] = desk.outgoing()
        assert waiting.row.message_id == acted.message_id
        assert waiting.apdu == acted.apdu
        assert isinstance(acted.apdu, apdu_type)
        assert waiting.to == ("SFU", None)
        assert waiting.row.lane == f"transaction {desk.half(half).transaction_id} SFU"
        assert waiting.row.expires_at == desk.clock.now + timedelta(days=14)
        assert (acted.apdu.requester_id, acted.apdu.responder_id) == (
            REQUEST.requester_id,
            REQUEST.responder_id,
        )
        assert desk.half(half).state == state
        step = desk.inputs(half)[-1]
        assert (step.kind, step.service, step.message_id) == (
            InputKind.PRIMITIVE,
            service,
            acted.message_id,
        )
        assert (step.state_before, step.state_after, step.verdict) == (state_before, state, "applied")
        assert step.at == desk.clock.now
        assert step.payload is not None
        assert step.payload["primitive"] == type(primitive).__name__
        event = desk.events()[-1]
        assert event.kind == f"{Service(service).apdu_name.lower()}.request"
        assert event.detail == {
            "service": Service(service).phrase,
            "repeat": False,
            "state": state,
            "actor": "anna",
        }
        assert (event.half_id, event.message_id) == (half, acted.message_id)
        with desk.reading() as uow:
            entry = uow.audit.list(limit=1)[0]
            [composed] = uow.messages.processings(acted.message_id)
        assert (entry.actor, entry.action) == ("anna", Service(service).phrase)
        assert (entry.half_id, entry.message_id, entry.at) == (half, acted.message_id, desk.clock.now)
        assert (composed.verdict, composed.partner, composed.half_id) == ("composed", "SFU", half)

    @pytest.mark.parametrize(
        ("answer", "state"), [(True, "CANCELLED"), (False, "IN-PROCESS")], ids=["yes", "no"]
    )
    def test_a_cancellation_is_answered(self, desk: Desk, *, answer: bool, state: str) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        desk.receive(apdus.cancel(REQUEST), peer=AT_SFU)
        acted = desk.act(half, primitives.CancelReply(answer=answer))
        assert isinstance(acted.apdu, ill.CancelReply)
        assert (acted.apdu.answer, acted.state) == (answer, state)

    @pytest.mark.parametrize("answer", [True, False])
    def test_a_renewal_is_answered(self, desk: Desk, *, answer: bool) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU, then=(SHIP,))
        desk.receive(apdus.renew(REQUEST), peer=AT_SFU)
        acted = desk.act(half, primitives.RenewAnswer(answer=answer, date_due=DUE if answer else None))
        assert isinstance(acted.apdu, ill.RenewAnswer)
        assert (acted.apdu.answer, acted.state) == (answer, "SHIPPED")

    def test_the_fields_are_recorded_so_that_they_can_be_read_again(self, desk: Desk) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        desk.act(
            half,
            primitives.Answer(
                result=TransactionResults.conditional,
                reason="other",
                date=DUE,
                locations=("ILLUME:UBC",),
                note="ask",
            ),
        )
        assert desk.inputs(half)[-1].payload == {
            "primitive": "Answer",
            "result": 1,
            "reason": "other",
            "date": "2026-12-24",
            "cost": None,
            "locations": ["ILLUME:UBC"],
            "return_to": None,
            "medium": None,
            "proposed_delivery": None,
            "specific": None,
            "note": "ask",
        }

    def test_a_copy_is_at_an_end_once_it_is_shipped(self, desk: Desk) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        desk.act(half, primitives.Ship(service_type=ILLServiceType.copy_non_returnable))
        with pytest.raises(PrimitiveRefusedError):
            desk.act(half, primitives.CheckIn())

    def test_a_row_that_only_leniency_allows_is_put_before_a_person(self, desk: Desk) -> None:
        half = desk.begin(FROM_UBC, peer=AT_UBC)
        desk.act(half, primitives.ReportOverdue(date_due=DUE))
        reasons = [event.detail for event in desk.events() if event.kind == "attention"]
        assert reasons == [{"reason": "OVERDUE requested in IN-PROCESS: shipping was not reported"}]

    def test_every_use_of_an_inferred_row_is_logged(self, desk: Desk) -> None:
        half = desk.begin(FROM_UBC, peer=AT_UBC)
        with structlog.testing.capture_logs() as lines:
            desk.act(half, primitives.RecallItem())
            desk.receive(apdus.renew(FROM_UBC), peer=AT_UBC)
            desk.receive(apdus.message(FROM_UBC), peer=AT_UBC)
        inferred = [line for line in lines if line["event"] == INFERRED_ROW]
        assert [(line["state"], line["event_code"], line["next_state"]) for line in inferred] == [
            ("IN-PROCESS", "RCLreq", "RECALL"),
            ("RECALL", "REN", "RECALL"),
        ]

    def test_order_is_kept_in_one_lane(self, desk: Desk) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        desk.act(half, primitives.Answer(result=TransactionResults.will_supply))
        desk.act(half, SHIP)
        waiting = desk.outgoing()
        assert [type(one.apdu) for one in waiting] == [ill.ILLAnswer, ill.Shipped]
        assert len({one.row.lane for one in waiting}) == 1

    def test_what_is_sent_is_sealed_by_the_requests_own_key(self, desk: Desk) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        acted = desk.act(half, primitives.SendMessage(note="for J. Doe"))
        with desk.site.store.unit_of_work() as uow:
            uow.transactions.dispose(desk.half(half).transaction_id, at=desk.clock.now)
        with desk.reading() as uow, pytest.raises(StoreError):
            uow.messages.raw(acted.message_id)

    @pytest.mark.parametrize(
        ("transport", "kind"),
        [
            (TcpTransport(host="sfu.example", port=1611), Transport.TCP_ONE_WAY),
            (
                TcpTransport(host="sfu.example", port=499, mode=ListenerMode.TWO_WAY),
                Transport.TCP_TWO_WAY,
            ),
            (MailTransport(address="ill@sfu.example"), Transport.MAIL),
        ],
    )
    def test_a_message_says_how_it_is_to_travel(
        self, settings: Settings, transport: TcpTransport | MailTransport, kind: Transport
    ) -> None:
        with Desk.open(gateway.with_partner(settings, replace(gateway.SFU, transport=transport))) as desk:
            half = desk.begin(REQUEST, peer=AT_SFU)
            acted = desk.act(half, SHIP)
            with desk.reading() as uow:
                assert uow.messages.get(acted.message_id).transport is kind


class TestContract:
    """What the machine never asks for after a local primitive; should it, nothing is stored."""

    def with_effects(self, monkeypatch: pytest.MonkeyPatch, *asked: effects.Effect, instead: bool) -> None:
        advance = machine.advance

        def advanced(state: HalfState, event: Event, now: datetime) -> machine.Outcome:
            outcome = advance(state, event, now)
            return replace(outcome, effects=asked if instead else (*outcome.effects, *asked))

        monkeypatch.setattr(machine, "advance", advanced)

    @pytest.mark.parametrize(
        ("asked", "instead"),
        [
            (effects.Indicate(service=Service.SHI), False),
            (effects.ClearTimer(), True),
        ],
    )
    def test_anything_else_is_our_own_mistake_and_leaves_no_trace(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, asked: effects.Effect, *, instead: bool
    ) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        counts, before = desk.counts(), desk.half(half)
        self.with_effects(monkeypatch, asked, instead=instead)
        with pytest.raises(AssertionError, match="the machine"):
            desk.act(half, SHIP)
        assert (desk.counts(), desk.half(half)) == (counts, before)

    def test_so_it_is_after_an_apdu(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        before = desk.half(half)
        self.with_effects(monkeypatch, effects.SendApdu(service=Service.EXP), instead=False)
        with pytest.raises(AssertionError, match="after Cancel"):
            desk.receive(apdus.cancel(REQUEST), peer=AT_SFU)
        assert desk.half(half) == before


class TestPossible:
    def test_what_the_machine_allows_is_offered_but_for_the_gateways_own_answers(self, desk: Desk) -> None:
        half = desk.begin(apdus.ill_request(requester="ILLUME:SFU", forwardable=True), peer=AT_SFU)
        services = action.possible(half_state(desk.half(half), TableProfile.STRICT), SFU)
        assert {Service.SHI, Service.FWN} <= set(services)
        assert not {Service.ILL, Service.STR} & set(services)


class TestRefused:
    def refused(
        self, desk: Desk, half: HalfId, primitive: ResponderPrimitive, error: type[GatewayError]
    ) -> str:
        """Give why a service is refused, after holding it to have left no trace."""
        counts, before = desk.counts(), desk.half(half)
        with pytest.raises(error) as caught:
            desk.act(half, primitive)
        assert (desk.counts(), desk.half(half)) == (counts, before)
        return str(caught.value)

    def test_what_the_tables_do_not_allow_now(self, desk: Desk) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        message = self.refused(desk, half, primitives.CheckIn(), PrimitiveRefusedError)
        assert message.startswith("CHECKED-IN is not possible in IN-PROCESS; possible now: SHIPPED, ")
        assert "STATUS-OR-ERROR-REPORT" not in message

    @pytest.mark.parametrize(
        "primitive",
        [
            SHIP,
            unfilled(),
            primitives.CancelReply(answer=True),
            primitives.RenewAnswer(answer=True, date_due=DUE),
            primitives.RecallItem(),
            primitives.ReportOverdue(date_due=DUE),
            primitives.CheckIn(),
            primitives.ReportLost(),
            primitives.ReportDamaged(),
        ],
    )
    def test_after_the_end_only_words_pass(self, desk: Desk, primitive: ResponderPrimitive) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU, then=(unfilled(),))
        self.refused(desk, half, primitive, PrimitiveRefusedError)
        assert desk.act(half, primitives.SendMessage(note="sorry")).state == "NOT-SUPPLIED"

    @pytest.mark.parametrize(
        "primitive",
        [
            primitives.SendMessage(note=" "),
            primitives.Answer(result=TransactionResults.unfilled),
            primitives.Ship(service_type=ILLServiceType.estimate),
            primitives.Answer(result=TransactionResults.hold_placed),
        ],
    )
    def test_what_lacks_a_field_or_has_a_wrong_one(self, desk: Desk, primitive: ResponderPrimitive) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        self.refused(desk, half, primitive, PrimitiveInvalidError)

    def test_a_request_that_there_is_not(self, desk: Desk) -> None:
        with pytest.raises(StoreError, match="there is no request 99"):
            desk.act(HalfId(99), SHIP)

    def test_a_partner_that_is_no_longer_configured(self, settings: Settings, desk: Desk) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        without = replace(settings, partners=(gateway.YAZ,))
        with desk.under(without) as today:
            message = self.refused(today, half, SHIP, NotFoundError)
            assert message == "partner 'SFU' of request 1 is no longer configured: put its entry back"

    def test_a_library_of_ours_that_is_no_longer_configured(self, settings: Settings, desk: Desk) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        other = replace(gateway.BEX, name="OTHER")
        with desk.under(replace(settings, local=(other,), routes=())) as today:
            message = self.refused(today, half, SHIP, NotFoundError)
            assert message == "local symbol 'BEX' of request 1 is no longer configured: put its entry back"


class TestServiceDateTime:
    def test_it_is_local_time_and_the_date_is_the_librarys(self, desk: Desk) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        desk.clock.now = datetime(2026, 11, 18, 6, 30, 15, 999_999, tzinfo=UTC)
        acted = desk.act(half, primitives.Ship())
        assert sent_at(desk) == ["20261117 223015"]
        assert isinstance(acted.apdu, ill.Shipped)
        assert acted.apdu.supply_details.date_shipped == "20261117"

    def test_it_grows_while_the_clock_stands_still(self, desk: Desk) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        for _ in range(3):
            desk.act(half, primitives.SendMessage(note="x"))
        assert sent_at(desk) == ["20261116 100000", "20261116 100001", "20261116 100002"]

    def test_it_grows_when_the_clock_is_set_back(self, desk: Desk) -> None:
        half = desk.begin(REQUEST, peer=AT_SFU)
        desk.act(half, primitives.SendMessage(note="x"))
        desk.clock.advance(hours=-1)
        desk.act(half, primitives.SendMessage(note="x"))
        desk.clock.advance(hours=1, seconds=30)
        desk.act(half, primitives.SendMessage(note="x"))
        assert sent_at(desk) == ["20261116 100000", "20261116 100001", "20261116 100030"]

    def test_it_grows_in_the_hour_that_comes_twice(self, settings: Settings) -> None:
        vancouver = replace(gateway.BEX, time_zone="America/Vancouver")
        with Desk.open(replace(settings, local=(vancouver,), routes=())) as desk:
            half = desk.begin(REQUEST, peer=AT_SFU)
            # On 3 November 2024 clocks there went from 02:00 back to 01:00, at 09:00 UTC.
            for hour, minute in ((8, 30), (9, 10), (9, 20), (10, 40)):
                desk.clock.now = datetime(2024, 11, 3, hour, minute, tzinfo=UTC)
                desk.act(half, primitives.SendMessage(note="x"))
            assert sent_at(desk) == [
                "20241103 013000",
                "20241103 013001",
                "20241103 013002",
                "20241103 024000",
            ]

    def test_it_grows_when_the_clock_is_set_back_into_that_hour(self, settings: Settings) -> None:
        vancouver = replace(gateway.BEX, time_zone="America/Vancouver")
        with Desk.open(replace(settings, local=(vancouver,), routes=())) as desk:
            half = desk.begin(REQUEST, peer=AT_SFU)
            for hour, minute in ((10, 30), (8, 40)):
                desk.clock.now = datetime(2024, 11, 3, hour, minute, tzinfo=UTC)
                desk.act(half, primitives.SendMessage(note="x"))
            assert sent_at(desk) == ["20241103 023000", "20241103 023001"]

    def test_requests_do_not_wait_for_each_other(self, desk: Desk) -> None:
        first = desk.begin(REQUEST, peer=AT_SFU)
        second = desk.begin(apdus.ill_request(requester="ILLUME:SFU", transaction="2"), peer=AT_SFU)
        desk.act(first, primitives.SendMessage(note="x"))
        desk.act(second, primitives.SendMessage(note="x"))
        assert sent_at(desk) == ["20261116 100000", "20261116 100000"]
