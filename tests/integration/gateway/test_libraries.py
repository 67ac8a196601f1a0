"""Whole conversations between gateways, in both roles: each step as its staff would take it."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from asn1 import ill
from asn1.ill import ILLServiceType, TransactionResults
from asn1.schema import Unlisted
from config.settings import Acknowledge, ApduName, Capabilities, OptionalMessages, Route, Wish
from config.settings import TransactionResults as TransactionResultsName
from iso_gateway import compose
from iso_gateway.acting import action
from iso_gateway.errors import GatewayError, NotFoundError, PrimitiveRefusedError
from iso_gateway.half.movement import ends_of
from iso_gateway.half.record import forwarded_to, half_state, original_request, stored_apdu
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import TableProfile
from iso_gateway.request import primitives
from iso_gateway.services import Gateway
from iso_gateway.store.records import HalfId
from tests.support import apdus
from tests.support.apdus import system_id, text
from tests.support.gateway import Desk, Outgoing
from tests.support.libraries import ADDRESSES, BOOK, Libraries, as_partner, service_time_of

DUE = dt.date(2026, 12, 24)
LATER = dt.date(2027, 1, 15)
SHIP = primitives.Ship(date_due=DUE)
FORWARDABLE = replace(BOOK, may_forward=True)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Libraries]:
    """BEX, which asks, and SFU, which lends."""
    with Libraries.open(tmp_path, "BEX", "SFU") as libraries:
        yield libraries


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Libraries]:
    """BEX, which asks, SFU, which forwards, and UBC, which lends."""
    with Libraries.open(tmp_path, "BEX", "SFU", "UBC") as libraries:
        yield libraries


def answer(result: TransactionResults, **fields: Any) -> primitives.Answer:
    return primitives.Answer(result=result, **fields)


def frame_of(libraries: Libraries, name: str) -> compose.Components:
    """The beginning of an APDU of a library about its first request, now."""
    desk = libraries.desks[name]
    with desk.reading() as uow:
        ends = ends_of(desk.site.settings, uow, HalfId(1))
        return ends.frame(original_request(uow, ends.half), libraries.clock.now).components


class TestLoan:
    def test_from_request_to_check_in_with_two_renewals(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        assert pair.states() == ("PENDING", "IN-PROCESS")
        pair.act("SFU", answer(TransactionResults.will_supply))
        pair.act("SFU", SHIP)
        assert pair.states() == ("SHIPPED", "SHIPPED")
        pair.act("BEX", primitives.Receive())
        for _ in range(2):
            pair.act("BEX", primitives.Renew(desired_due_date=LATER))
            assert pair.states() == ("RENEW/PENDING", "RENEW/PENDING")
            pair.act("SFU", primitives.RenewAnswer(answer=True, date_due=LATER))
            assert pair.states() == ("RECEIVED", "SHIPPED")
        pair.act("BEX", primitives.Return())
        pair.act("SFU", primitives.CheckIn())
        assert pair.states() == ("RETURNED", "CHECKED-IN")
        assert pair.log == [
            "BEX->SFU ILL-Request",
            "SFU->BEX ILL-Answer",
            "SFU->BEX Shipped",
            "BEX->SFU Received",
            "BEX->SFU Renew",
            "SFU->BEX Renew-Answer",
            "BEX->SFU Renew",
            "SFU->BEX Renew-Answer",
            "BEX->SFU Returned",
            "SFU->BEX Checked-In",
        ]
        assert (pair.attention("BEX"), pair.attention("SFU")) == ([], [])
        pair.assert_replayable()

    def test_recalled_and_lost(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        pair.act("SFU", SHIP)
        pair.act("BEX", primitives.Receive())
        pair.act("SFU", primitives.RecallItem())
        assert pair.states() == ("RECALL", "RECALL")
        pair.act("BEX", primitives.ReportDamaged(note="a page is torn"))
        pair.act("BEX", primitives.ReportLost())
        assert pair.states() == ("LOST", "LOST")
        pair.assert_replayable()

    def test_overdue_and_a_renewal_refused(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        pair.act("SFU", SHIP)
        pair.act("BEX", primitives.Receive())
        pair.act("SFU", primitives.ReportOverdue(date_due=DUE))
        pair.act("BEX", primitives.Renew())
        assert pair.states() == ("RENEW/OVERDUE", "RENEW/OVERDUE")
        pair.act("SFU", primitives.RenewAnswer(answer=False))
        assert pair.states() == ("OVERDUE", "OVERDUE")
        pair.assert_replayable()

    def test_a_copy_ends_when_it_is_received_as_what_was_shipped(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU", replace(BOOK, services=(ILLServiceType.loan,)))
        pair.act("SFU", primitives.Ship(service_type=ILLServiceType.copy_non_returnable))
        pair.act("BEX", primitives.Receive(), carried=False)
        [received] = pair.take("BEX")
        assert isinstance(received.apdu, ill.Received)
        assert received.apdu.shipped_service_type is ILLServiceType.copy_non_returnable
        pair.bring("BEX", received)
        assert pair.states() == ("RECEIVED", "SHIPPED")
        with pytest.raises(PrimitiveRefusedError, match="RETURNED is not possible in RECEIVED"):
            pair.act("BEX", primitives.Return())


class TestAnswers:
    @pytest.mark.parametrize(
        ("said", "states"),
        [
            (answer(TransactionResults.unfilled, reason="lost"), ("NOT-SUPPLIED", "NOT-SUPPLIED")),
            (answer(TransactionResults.retry), ("NOT-SUPPLIED", "NOT-SUPPLIED")),
            (
                answer(TransactionResults.locations_provided, locations=("ILLUME:UBC",)),
                ("NOT-SUPPLIED", "NOT-SUPPLIED"),
            ),
            (answer(TransactionResults.estimate, cost="12 dollars"), ("NOT-SUPPLIED", "NOT-SUPPLIED")),
            (answer(TransactionResults.will_supply), ("PENDING", "IN-PROCESS")),
            (answer(TransactionResults.hold_placed, date=DUE), ("PENDING", "IN-PROCESS")),
            (
                answer(TransactionResults.conditional, reason="cost-exceeds-limit"),
                ("CONDITIONAL", "CONDITIONAL"),
            ),
        ],
        ids=lambda one: one.result.asn1_name if isinstance(one, primitives.Answer) else "",
    )
    def test_each_leads_both_to_the_same(
        self, pair: Libraries, said: primitives.Answer, states: tuple[str, str]
    ) -> None:
        pair.request("BEX", "SFU")
        pair.act("SFU", said)
        assert pair.states() == states
        pair.assert_replayable()

    @pytest.mark.parametrize(
        ("accepted", "states"), [(True, ("PENDING", "IN-PROCESS")), (False, ("NOT-SUPPLIED",) * 2)]
    )
    def test_a_condition_is_answered(
        self, pair: Libraries, *, accepted: bool, states: tuple[str, str]
    ) -> None:
        pair.request("BEX", "SFU")
        pair.act("SFU", answer(TransactionResults.conditional, reason="cost-exceeds-limit"))
        pair.act("BEX", primitives.ConditionalReply(answer=accepted))
        assert pair.states() == states
        pair.assert_replayable()


class TestCancelling:
    @pytest.mark.parametrize(
        ("agreed", "states"), [(True, ("CANCELLED",) * 2), (False, ("PENDING", "IN-PROCESS"))]
    )
    def test_it_is_answered(self, pair: Libraries, *, agreed: bool, states: tuple[str, str]) -> None:
        pair.request("BEX", "SFU")
        pair.act("BEX", primitives.Cancel())
        assert pair.states() == ("CANCEL-PENDING", "CANCEL-PENDING")
        pair.act("SFU", primitives.CancelReply(answer=agreed))
        assert pair.states() == states

    def test_it_crosses_shipped(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        pair.act("BEX", primitives.Cancel(), carried=False)
        pair.act("SFU", SHIP, carried=False)
        pair.carry()
        assert pair.states() == ("SHIPPED", "SHIPPED")
        pair.act("SFU", primitives.CancelReply(answer=False))
        assert pair.states() == ("SHIPPED", "SHIPPED")
        pair.assert_replayable()

    def test_an_item_comes_although_it_was_cancelled(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        pair.act("BEX", primitives.Cancel())
        pair.act("SFU", primitives.CancelReply(answer=True))
        shipped = ill.Shipped(
            **frame_of(pair, "SFU"),
            shipped_service_type=ILLServiceType.loan,
            supply_details=ill.SupplyDetails(),
        )
        refused = pair.desks["BEX"].receive(shipped, peer=ADDRESSES["SFU"], two_way=False)
        assert refused.verdict == "prohibited"
        [why] = pair.attention("BEX")
        assert "the request is closed, and an item is on its way" in str(why)
        [report] = pair.take("BEX")
        assert report.report.error_report is not None
        assert report.report.error_report.provider_error_report is not None


class TestTransactionIds:
    def test_each_is_the_day_and_random_letters_and_new(self, pair: Libraries) -> None:
        first = pair.desks["BEX"].request(BOOK).apdu.transaction_id
        second = pair.desks["BEX"].request(BOOK).apdu.transaction_id
        assert first.transaction_group_qualifier.text == "20261116"
        assert len(first.transaction_qualifier.text) == 10
        assert first != second

    def test_one_that_is_known_is_not_given_again(self, pair: Libraries) -> None:
        given = iter([0] * 20 + [1] * 10)
        desk = pair.desks["BEX"]
        gateway = Gateway(desk.site.settings, clock=pair.clock, randomness=lambda below: next(given) % below)
        numbers = []
        for _ in range(2):
            with desk.site.store.unit_of_work() as uow:
                acted = gateway.request(
                    uow,
                    BOOK,
                    partner=desk.partner("SFU"),
                    local=desk.site.settings.local[0],
                    actor="anna",
                )
            numbers.append(acted.apdu.transaction_id.transaction_qualifier.text)
        assert numbers == ["0000000000", "1111111111"]


class TestPatron:
    def test_the_contact_stays_in_the_sealed_summary(self, pair: Libraries) -> None:
        desk = pair.desks["BEX"]
        with structlog.testing.capture_logs() as logs:
            half = pair.request(
                "BEX", "SFU", replace(BOOK, patron_contact="ada@example.org", reference="R-7")
            )
        with desk.reading() as uow:
            summary = uow.transactions.summary(desk.half(half).transaction_id)
            [octets] = [uow.messages.raw(one.message.id) for one in uow.messages.list()]
        assert summary["patron_contact"] == "ada@example.org"
        assert summary["reference"] == "R-7"
        assert b"ada@example.org" not in octets
        assert "ada@example.org" not in f"{logs} {desk.events()}"
        assert b"ada@example.org" not in Path(str(desk.site.store.engine.url.database)).read_bytes()


class TestRetry:
    def test_it_is_a_new_transaction_that_says_so(self, pair: Libraries) -> None:
        half = pair.request("BEX", "SFU", replace(BOOK, patron_contact="ada@example.org"))
        pair.act("SFU", answer(TransactionResults.retry, reason="in-use-on-loan"))
        again = pair.desks["BEX"].retry(half)
        assert isinstance(again.apdu, ill.ILLRequest)
        assert again.apdu.retry_flag
        assert again.half_id != half
        pair.carry()
        assert pair.states(half=2) == ("PENDING", "IN-PROCESS")
        desk = pair.desks["BEX"]
        with desk.reading() as uow:
            second = uow.transactions.summary(desk.half(again.half_id).transaction_id)
        assert second["retry_of"] == half, "the number of the first, as a request file gives it"
        assert second["patron_contact"] == "ada@example.org"

    @pytest.mark.parametrize("said", [None, answer(TransactionResults.unfilled, reason="lost")])
    def test_only_what_ended_in_retry(self, pair: Libraries, said: primitives.Answer | None) -> None:
        half = pair.request("BEX", "SFU")
        if said is not None:
            pair.act("SFU", said)
        with pytest.raises(PrimitiveRefusedError, match="did not end in an ILL-ANSWER retry"):
            pair.desks["BEX"].retry(half)
        with pytest.raises(PrimitiveRefusedError, match="did not end in an ILL-ANSWER retry"):
            pair.desks["SFU"].retry(HalfId(1))

    def test_of_another_library(self, three: Libraries) -> None:
        half = three.request("BEX", "SFU")
        three.act("SFU", answer(TransactionResults.retry))
        three.desks["BEX"].retry(half, partner=three.desks["BEX"].partner("UBC"))
        three.carry()
        assert three.desks["UBC"].half(1).state == "IN-PROCESS"


class TestRepeat:
    def test_the_last_service_goes_out_again_marked_by_its_first_time(self, pair: Libraries) -> None:
        half = pair.request("BEX", "SFU")
        desk = pair.desks["BEX"]
        first = desk.request(BOOK)
        pair.clock.advance(minutes=5)
        again, once_more = desk.repeat(half), desk.repeat(half)
        times = [one.apdu.service_date_time.date_time_of_original_service for one in (again, once_more)]
        assert [(one.date, one.time) for one in times if one is not None] == [("20261116", "100000")] * 2
        assert service_time_of(again.apdu) == ("20261116", "100500")
        assert service_time_of(once_more.apdu) == ("20261116", "100501")
        assert first.half_id != half
        pair.carry()
        assert [one.verdict for one in pair.desks["SFU"].inputs(1)] == ["applied", "repeated", "repeated"]
        assert pair.states() == ("PENDING", "IN-PROCESS")
        pair.assert_replayable()

    def test_a_lost_shipped_is_found_by_a_query_and_repeated(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        pair.act("SFU", SHIP, carried=False)
        assert len(pair.take("SFU")) == 1
        pair.act("BEX", primitives.QueryStatus())
        report = pair.desks["BEX"].inputs(1)[-1]
        assert report.service == "STR"
        assert pair.states() == ("PENDING", "SHIPPED")
        pair.clock.advance(minutes=5)
        pair.desks["SFU"].repeat(HalfId(1))
        pair.carry()
        assert pair.states() == ("SHIPPED", "SHIPPED")
        pair.assert_replayable()

    def test_what_would_move_the_request_is_passed_over(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        with pytest.raises(PrimitiveRefusedError, match="nothing that was sent about request 1"):
            pair.desks["SFU"].repeat(HalfId(1))
        pair.act("SFU", SHIP)
        pair.act("BEX", primitives.SendMessage(note="It is here"))
        pair.act("BEX", primitives.Receive())
        pair.act("BEX", primitives.Renew())
        pair.act("SFU", primitives.RecallItem())
        repeated = pair.desks["BEX"].repeat(HalfId(1))
        # Neither RENEW nor RECEIVED is repeated in RECALL; the message before them is.
        assert repeated.apdu.asn1_name == "Message"

    def test_expired_is_nobodys_wish(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU", replace(BOOK, expires=DUE))
        pair.act("SFU", primitives.SendMessage(note="We are looking for it"))
        pair.clock.advance(days=30)
        pair.desks["SFU"].tick()
        repeated = pair.desks["SFU"].repeat(HalfId(1))
        assert repeated.apdu.asn1_name == "Message"


class TestRecord:
    def test_the_fields_of_a_primitive_are_kept_as_they_were_given(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        pair.act(
            "SFU",
            primitives.Ship(
                date_due=DUE,
                cost=primitives.Amount(value="12.50", currency="CAD"),
                units=(primitives.UnitsSupplied(medium=ill.SupplyMediumType.printed, units=2),),
            ),
        )
        payload = pair.desks["SFU"].inputs(1)[-1].payload
        assert payload is not None
        assert (payload["primitive"], payload["date_due"]) == ("Ship", "2026-12-24")
        assert payload["cost"] == {"value": "12.50", "currency": "CAD"}
        assert payload["units"] == [{"medium": 1, "units": 2}]

    def test_what_was_not_forwarded_went_to_nobody(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        with pair.desks["SFU"].reading() as uow:
            assert forwarded_to(uow, uow.halves.get(HalfId(1))) is None


class TestRoutes:
    def test_nothing_is_asked_of_a_partner_without_one(self, tmp_path: Path) -> None:
        with Libraries.open(tmp_path, "BEX", "SFU") as pair:
            desk = pair.desks["BEX"]
            routes = (Route(local="BEX", partner="UBC"),)
            with (
                desk.under(replace(desk.site.settings, routes=routes)) as today,
                pytest.raises(NotFoundError, match="no route between BEX and SFU"),
            ):
                today.request(BOOK)


class TestForwarding:
    def test_the_request_goes_on_and_is_lent_by_the_other(self, three: Libraries) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        three.act("SFU", primitives.Forward(to="UBC", note="They have it"))
        assert three.log[1:] == ["SFU->UBC ILL-Request", "SFU->BEX Forward-Notification"]
        assert three.states() == ("PENDING", "FORWARD", "IN-PROCESS")
        bex = three.desks["BEX"].half(1)
        assert (bex.partner, bex.former_partners) == ("UBC", ("SFU",))
        assert "request.forwarded" in three.told("BEX")
        three.act("UBC", SHIP)
        three.act("BEX", primitives.Receive())
        three.act("BEX", primitives.Return())
        three.act("UBC", primitives.CheckIn())
        assert three.states() == ("RETURNED", "FORWARD", "CHECKED-IN")
        three.assert_replayable()

    def test_both_apdus_say_what_the_rules_ask_for(self, three: Libraries) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        three.act("SFU", primitives.Forward(to="UBC"), carried=False)
        onward, notification = (one.apdu for one in three.take("SFU"))
        assert isinstance(onward, ill.ILLRequest)
        assert isinstance(notification, ill.ForwardNotification)
        assert onward.forward_flag
        assert onward.third_party_info_type is not None
        assert onward.third_party_info_type.initial_requester_address is not None
        assert onward.third_party_info_type.already_tried_list == (system_id("ILLUME:SFU"),)
        assert onward.transaction_id == notification.transaction_id
        assert (notification.responder_id, notification.intermediary_id) == (
            system_id("ILLUME:UBC"),
            system_id("ILLUME:SFU"),
        )

    def test_the_new_responder_may_be_heard_of_first(self, three: Libraries) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        three.act("SFU", primitives.Forward(to="UBC"), carried=False)
        onward, notification = three.take("SFU")
        three.bring("SFU", onward)
        three.act("UBC", SHIP)
        assert three.states() == ("SHIPPED", "FORWARD", "SHIPPED")
        late = three.bring("SFU", notification)
        assert late.verdict == "applied"
        bex = three.desks["BEX"].half(1)
        assert (bex.state, bex.partner, bex.former_partners) == ("SHIPPED", "UBC", ("SFU",))
        three.assert_replayable()

    def test_without_permission_nobody_else_may_answer(self, three: Libraries) -> None:
        three.request("BEX", "SFU")
        with pytest.raises(PrimitiveRefusedError, match="FORWARD-NOTIFICATION is not possible"):
            three.act("SFU", primitives.Forward(to="UBC"))
        stranger = replace(
            ill.Message(**frame_of(three, "SFU"), note=text("hello")), responder_id=system_id("ILLUME:UBC")
        )
        refused = three.desks["BEX"].receive(stranger, peer=ADDRESSES["UBC"])
        assert refused.verdict == "not-the-partner"

    def test_the_old_responder_moves_nothing_any_more(self, three: Libraries) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        shipped = ill.Shipped(
            **frame_of(three, "SFU"),
            shipped_service_type=ILLServiceType.loan,
            supply_details=ill.SupplyDetails(),
        )
        said = ill.Message(**frame_of(three, "SFU"), note=text("It went on"))
        three.act("SFU", primitives.Forward(to="UBC"))
        desk = three.desks["BEX"]
        assert desk.receive(shipped, peer=ADDRESSES["SFU"]).verdict == "not-the-partner"
        assert desk.receive(said, peer=ADDRESSES["SFU"]).verdict == "applied"
        assert desk.half(1).state == "PENDING"

    def test_a_cancel_that_crosses_is_wished_for_still_and_can_go_to_the_new_one(
        self, three: Libraries
    ) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        three.act("SFU", primitives.Forward(to="UBC"), carried=False)
        three.act("BEX", primitives.Cancel(), carried=False)
        three.carry()
        bex = three.desks["BEX"].half(1)
        assert (bex.state, bex.partner) == ("PENDING", "UBC")
        assert "cancel_wished" in bex.flags
        [why] = three.attention("BEX")
        assert "cancel again at the new one" in str(why)
        state = half_state(bex, TableProfile.STRICT)
        assert action.possible(state, three.desks["BEX"].partner("UBC"))[0] is Service.CAN
        report = three.desks["BEX"].inputs(1)[-1]
        assert report.service == "STR"
        with three.desks["BEX"].reading() as uow:
            assert report.message_id is not None
            said = stored_apdu(uow, report.message_id)
        assert isinstance(said, ill.StatusOrErrorReport)
        assert said.error_report is not None
        user = said.error_report.user_error_report
        assert user is not None
        assert user.already_forwarded == ill.AlreadyForwarded(
            responder_id=system_id("ILLUME:UBC"),
            responder_address=ill.SystemAddress(
                telecom_service_identifier=text("TCP"), telecom_service_address=text("ubc.example:1611")
            ),
        )
        three.act("BEX", primitives.Cancel())
        three.act("UBC", primitives.CancelReply(answer=True))
        assert three.states() == ("CANCELLED", "FORWARD", "CANCELLED")
        three.assert_replayable()

    def heard_first(self, three: Libraries, said: primitives.Primitive) -> Outgoing:
        """Let UBC answer before BEX hears of the forwarding; gives the notification."""
        three.act("SFU", primitives.Forward(to="UBC"), carried=False)
        onward, notification = three.take("SFU")
        three.bring("SFU", onward)
        three.act("UBC", said)
        return notification

    def test_a_late_notification_does_not_call_back_a_cancel_that_went_to_the_new_one(
        self, three: Libraries
    ) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        notification = self.heard_first(three, answer(TransactionResults.will_supply))
        three.act("BEX", primitives.Cancel())
        assert three.bring("SFU", notification).verdict == "repeated"
        assert three.states() == ("CANCEL-PENDING", "FORWARD", "CANCEL-PENDING")
        three.act("UBC", primitives.CancelReply(answer=True))
        assert three.states() == ("CANCELLED", "FORWARD", "CANCELLED")
        assert three.attention("BEX") == []
        three.assert_replayable()

    def test_a_new_responder_that_is_heard_first_shows_that_the_cancel_went_to_the_old_one(
        self, three: Libraries
    ) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        three.act("BEX", primitives.Cancel(), carried=False)
        [cancel] = three.take("BEX")
        notification = self.heard_first(
            three, answer(TransactionResults.conditional, reason="cost-exceeds-limit")
        )
        # Both agree on the condition, although BEX has asked to cancel.
        assert three.states() == ("CONDITIONAL", "FORWARD", "CONDITIONAL")
        [why] = three.attention("BEX")
        assert why == (
            "ILL-ANSWER conditional received in CANCEL-PENDING: the CANCEL went to a responder that forwarded"
            " the request, cancel again at the new one"
        )
        assert three.bring("BEX", cancel).verdict == "already-forwarded"
        assert three.bring("SFU", notification).verdict == "applied"
        three.act("BEX", primitives.ConditionalReply(answer=False))
        assert three.states() == ("NOT-SUPPLIED", "FORWARD", "NOT-SUPPLIED")
        three.assert_replayable()

    def test_a_cancel_goes_to_a_new_responder_although_no_notification_ever_comes(
        self, three: Libraries
    ) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        three.act("BEX", primitives.Cancel(), carried=False)
        three.take("BEX")
        self.heard_first(three, answer(TransactionResults.will_supply))
        assert three.states() == ("PENDING", "FORWARD", "IN-PROCESS")
        three.act("BEX", primitives.Cancel())
        three.act("UBC", primitives.CancelReply(answer=True))
        assert three.states() == ("CANCELLED", "FORWARD", "CANCELLED")
        three.assert_replayable()

    def test_an_item_that_comes_all_the_same_needs_no_cancel_any_more(self, three: Libraries) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        three.act("BEX", primitives.Cancel(), carried=False)
        three.take("BEX")
        self.heard_first(three, SHIP)
        assert three.states() == ("SHIPPED", "FORWARD", "SHIPPED")
        assert three.attention("BEX") == []

    def test_to_a_library_that_we_do_not_know_a_person_is_told(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU", FORWARDABLE)
        components = frame_of(pair, "SFU")
        notification = ill.ForwardNotification(
            protocol_version_num=2,
            transaction_id=components["transaction_id"],
            service_date_time=components["service_date_time"],
            requester_id=components["requester_id"],
            responder_id=system_id("ILLUME:NOWHERE"),
            intermediary_id=system_id("ILLUME:SFU"),
        )
        desk = pair.desks["BEX"]
        assert desk.receive(notification, peer=ADDRESSES["SFU"]).verdict == "applied"
        [why] = pair.attention("BEX")
        assert "forwarded to a library that is no partner of this gateway" in str(why)
        assert (desk.half(1).partner, desk.half(1).state) == ("SFU", "PENDING")

    def test_a_request_handed_on_is_taken_only_from_a_partner_that_hands_it_on(
        self, three: Libraries
    ) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        three.act("SFU", primitives.Forward(to="UBC"), carried=False)
        onward, _ = three.take("SFU")
        desk = three.desks["UBC"]
        elsewhere = desk.receive(onward.octets, peer="203.0.113.9:40004")
        assert elsewhere.verdict == "unknown-sender"
        plain = replace(onward.apdu, forward_flag=False) if isinstance(onward.apdu, ill.ILLRequest) else None
        assert plain is not None
        assert desk.receive(plain, peer=ADDRESSES["SFU"]).verdict == "unknown-sender"
        assert desk.receive(onward.octets, peer=ADDRESSES["SFU"], two_way=True).verdict == "applied"

    def test_a_partner_whose_addresses_nobody_knows_hands_nothing_on(self, tmp_path: Path) -> None:
        anywhere = replace(as_partner("SFU"), allowed_sources=())
        with Libraries.open(tmp_path, "BEX", "SFU", "UBC", SFU=anywhere) as three:
            three.request("BEX", "SFU", FORWARDABLE)
            three.act("SFU", primitives.Forward(to="UBC"), carried=False)
            onward, _ = three.take("SFU")
            # Anyone could say that it was handed on by SFU.
            assert three.bring("SFU", onward).verdict == "unknown-sender"

    def test_what_the_requester_is_told_does_not_go_back_to_who_handed_it_on(self, tmp_path: Path) -> None:
        acknowledged = replace(as_partner("BEX"), acknowledge=Acknowledge.STATUS_REPORT)
        with Libraries.open(tmp_path, "BEX", "SFU", "UBC", BEX=acknowledged) as three:
            three.request("BEX", "SFU", FORWARDABLE)
            three.act("SFU", primitives.Forward(to="UBC"), carried=False)
            onward, _ = three.take("SFU")
            three.bring("SFU", onward, two_way=True)
            [report] = three.take("UBC")
            assert report.to == ("BEX", None)

    @pytest.mark.parametrize(
        ("to", "why"),
        [("NOBODY", "there is no partner 'NOBODY'"), ("BEX", "the request came from BEX")],
    )
    def test_whom_it_cannot_go_to(self, three: Libraries, to: str, why: str) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        with pytest.raises(GatewayError, match=why):
            three.act("SFU", primitives.Forward(to=to))
        assert three.desks["SFU"].half(1).state == "IN-PROCESS"

    def test_it_is_not_repeated_to_a_library_that_is_gone(self, three: Libraries) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        three.act("SFU", primitives.Forward(to="UBC"))
        desk = three.desks["SFU"]
        settings = desk.site.settings
        without = tuple(one for one in settings.partners if one.name != "UBC")
        with (
            desk.under(replace(settings, partners=without)) as today,
            pytest.raises(PrimitiveRefusedError, match="nothing that was sent"),
        ):
            today.repeat(HalfId(1))

    def test_it_is_repeated_with_both_its_apdus(self, three: Libraries) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        three.act("SFU", primitives.Forward(to="UBC"), carried=False)
        assert len(three.take("SFU")) == 2
        three.clock.advance(minutes=1)
        three.desks["SFU"].repeat(HalfId(1))
        three.carry()
        assert three.states() == ("PENDING", "FORWARD", "IN-PROCESS")
        assert three.desks["BEX"].half(1).partner == "UBC"
        three.desks["SFU"].repeat(HalfId(1))
        three.carry()
        assert three.states() == ("PENDING", "FORWARD", "IN-PROCESS")


class TestCapabilities:
    def test_what_the_partner_cannot_take_is_refused_with_what_it_can(self, tmp_path: Path) -> None:
        without = frozenset(ApduName) - {ApduName.RECALL, ApduName.ILL_REQUEST}
        deaf = replace(
            as_partner("BEX"),
            capabilities=Capabilities(
                accepts=without, accepts_results=frozenset({TransactionResultsName.UNFILLED})
            ),
        )
        with Libraries.open(tmp_path, "BEX", "SFU", BEX=deaf) as pair:
            pair.request("BEX", "SFU")
            with pytest.raises(PrimitiveRefusedError, match="send ILL-ANSWER unfilled or MESSAGE instead"):
                pair.act("SFU", answer(TransactionResults.conditional, reason="cost-exceeds-limit"))
            state = half_state(pair.desks["SFU"].half(1), TableProfile.STRICT)
            services = action.possible(state, deaf)
            assert Service.ANS_UN in services
            assert Service.ANS_CO not in services
            with pytest.raises(PrimitiveRefusedError, match="BEX does not understand ILL-REQUEST"):
                pair.desks["SFU"].request(BOOK, partner=deaf)
            assert pair.take("SFU") == []

    def test_a_lender_that_never_says_shipped_completes(self, tmp_path: Path) -> None:
        silent = replace(
            as_partner("SFU"), capabilities=Capabilities(sends=frozenset(ApduName) - {ApduName.SHIPPED})
        )
        with Libraries.open(tmp_path, "BEX", "SFU", SFU=silent) as pair:
            pair.request("BEX", "SFU")
            pair.act("BEX", primitives.Receive(), carried=False)
            pair.act("BEX", primitives.Return(), carried=False)
            assert pair.desks["BEX"].half(1).state == "RETURNED"

    def test_a_borrower_that_never_says_received_or_returned_completes(self, tmp_path: Path) -> None:
        quiet = Capabilities(sends=frozenset(ApduName) - {ApduName.RECEIVED, ApduName.RETURNED})
        with Libraries.open(
            tmp_path, "BEX", "SFU", BEX=replace(as_partner("BEX"), capabilities=quiet)
        ) as pair:
            pair.request("BEX", "SFU")
            pair.act("SFU", SHIP)
            flags = pair.desks["SFU"].half(1).flags
            assert not {"can_send_received", "can_send_returned"} & set(flags)
            pair.act("SFU", primitives.CheckIn())
            assert pair.states() == ("RETURNED", "CHECKED-IN")


class TestDemands:
    def test_of_a_borrower_a_person_hears(self, tmp_path: Path) -> None:
        local = OptionalMessages(shipped=Wish.REQUIRES, checked_in=Wish.REQUIRES)
        with Libraries.open(tmp_path, "BEX", "SFU", optional={"BEX": local}) as pair:
            pair.request("BEX", "SFU")
            assert pair.attention("SFU") == []
        quiet = OptionalMessages(sends_shipped=False, sends_checked_in=False)
        with Libraries.open(tmp_path / "2", "BEX", "SFU", optional={"BEX": local, "SFU": quiet}) as pair:
            pair.request("BEX", "SFU")
            [why] = pair.attention("SFU")
            assert str(why).startswith(
                "BEX requires Shipped and Checked-In, which is not sent: answer unfilled"
            )
            assert "can_send_shipped" not in pair.desks["SFU"].half(1).flags

    def test_what_a_borrower_cannot_send_although_we_require_it(self, tmp_path: Path) -> None:
        mute = OptionalMessages(sends_received=False)
        wants = OptionalMessages(received=Wish.REQUIRES, returned=Wish.REQUIRES)
        with Libraries.open(tmp_path, "BEX", "SFU", optional={"BEX": mute, "SFU": wants}) as pair:
            pair.request("BEX", "SFU")
            assert pair.attention("SFU") == [
                (
                    "BEX cannot send Received, which is required here: answer unfilled with"
                    " mandatory-messaging-not-supported, or change optional_messages"
                )
            ]

    def test_of_a_lender_too(self, tmp_path: Path) -> None:
        silent = OptionalMessages(sends_received=False)
        wants = OptionalMessages(received=Wish.REQUIRES, returned=Wish.REQUIRES)
        with Libraries.open(tmp_path, "BEX", "SFU", optional={"BEX": silent, "SFU": wants}) as pair:
            pair.request("BEX", "SFU")
            pair.act("SFU", answer(TransactionResults.will_supply))
            assert pair.attention("BEX") == [
                "SFU requires Received, which is not sent: cancel the request, or change optional_messages"
            ]


class TestReports:
    def test_a_requester_says_where_it_stands_and_what_happened_last(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        pair.act("SFU", SHIP)
        pair.act("BEX", primitives.Receive())
        pair.act("SFU", primitives.QueryStatus(), carried=False)
        [query] = pair.take("SFU")
        pair.bring("SFU", query)
        [answered] = pair.take("BEX")
        status = answered.report.status_report
        assert status is not None
        assert status.provider_status_report is ill.CurrentState.rECEIVED
        history = status.user_status_report
        assert history is not None
        assert history.most_recent_service is ill.MostRecentService.rECEIVED
        assert history.initiator_of_most_recent_service == system_id("ILLUME:BEX")
        assert history.shipped_service_type is ILLServiceType.loan
        assert history.date_requested == "20261116"
        assert history.title == text("The Penelopiad")


class TestErrors:
    """A report that names an error says that something of ours was lost on the partner: a person is told."""

    def test_of_a_message_that_was_not_allowed_there(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        pair.act("SFU", SHIP, carried=False)
        assert len(pair.take("SFU")) == 1
        pair.act("SFU", primitives.RecallItem(), carried=False)
        [recall] = pair.take("SFU")
        pair.bring("SFU", recall, two_way=True)
        [report] = pair.take("BEX")
        pair.bring("BEX", report)
        assert pair.attention("SFU") == [
            (
                "BEX reports the error state-transition-prohibited RECALL in PENDING: something that was sent"
                " had no effect there; ask where the request stands"
            )
        ]

    def test_of_a_request_that_is_not_known_there(self, pair: Libraries) -> None:
        pair.desks["BEX"].request(BOOK)
        assert len(pair.take("BEX")) == 1
        pair.act("BEX", primitives.QueryStatus())
        [why] = pair.attention("BEX")
        assert str(why).startswith("SFU reports the error transaction-id-problem unknown-transaction-id: ")

    @pytest.mark.parametrize(
        ("report", "words"),
        [
            ({"user_error_report": ill.UserErrorReport(unable_to_perform=Unlisted(9))}, "unable-to-perform"),
            (
                {"user_error_report": ill.UserErrorReport(security_problem=text("Go \x1b[2J away"))},
                "security-problem",
            ),
            ({}, "without a name"),
        ],
    )
    def test_in_the_words_of_the_standard_alone(
        self, pair: Libraries, report: dict[str, Any], words: str
    ) -> None:
        pair.request("BEX", "SFU")
        said = ill.StatusOrErrorReport(
            **frame_of(pair, "SFU"),
            error_report=ill.ErrorReport(
                correlation_information=text("Jane Roe"), report_source=ill.ReportSource.user, **report
            ),
        )
        for _ in range(2):
            pair.desks["BEX"].receive(said, peer=ADDRESSES["SFU"], two_way=False)
        assert pair.attention("BEX") == [
            (
                f"SFU reports the error {words}: something that was sent had no effect there; ask where the"
                " request stands"
            )
        ]


class TestUnsupported:
    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"transaction_type": ill.TransactionType.chained}, "chained transactions"),
            ({"transaction_type": ill.TransactionType.partitioned}, "partitioned transactions"),
            ({"transaction_type": Unlisted(9)}, "transactions of this type"),
        ],
    )
    def test_other_than_simple_transactions(self, desk: Desk, change: dict[str, Any], why: str) -> None:
        processed = desk.receive(replace(apdus.ill_request(), **change))
        assert processed.verdict == "transaction-type-not-supported"
        assert processed.half_id is None
        [report] = desk.outgoing()
        assert report.report.error_report is not None
        assert report.report.error_report.user_error_report == ill.UserErrorReport(
            unable_to_perform=ill.UnableToPerform.other
        )
        assert report.report.note == text(f"{why} are not supported here: send a simple request")

    def test_sub_transactions(self, desk: Desk) -> None:
        request = apdus.ill_request()
        sub = replace(request.transaction_id, sub_transaction_qualifier=text("1"))
        assert desk.receive(replace(request, transaction_id=sub)).verdict == "transaction-type-not-supported"
        blank = replace(request.transaction_id, sub_transaction_qualifier=text(" "))
        assert desk.receive(replace(request, transaction_id=blank)).verdict == "applied"
