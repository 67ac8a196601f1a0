"""Whole conversations between gateways, in both roles: each step as its staff would take it."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asn1 import ill
from asn1.ill import ILLServiceType, TransactionResults
from iso_gateway import compose, primitives
from iso_gateway.errors import PrimitiveRefusedError
from iso_gateway.movement import ends_of
from iso_gateway.protocol import machine
from iso_gateway.protocol.states import Flags, HalfState, Role, TableProfile
from iso_gateway.record import event_of, original_request
from iso_gateway.store.records import HalfId
from tests.support.libraries import ADDRESSES, BOOK, Libraries

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


def replayed(libraries: Libraries, name: str, half: int = 1) -> HalfState:
    """What the machine makes of a half's inputs alone."""
    record = libraries.desks[name].half(half)
    state = HalfState(role=Role(record.role), tables=TableProfile(record.tables))
    for one in libraries.desks[name].inputs(half):
        outcome = machine.advance(state, event_of(one), one.at)
        assert outcome.verdict == one.verdict
        state = outcome.state
    return state


def assert_replayable(libraries: Libraries, half: int = 1) -> None:
    for name, desk in libraries.desks.items():
        record = desk.half(half)
        state = replayed(libraries, name, half)
        assert (state.state, state.flags) == (record.state, Flags.from_names(record.flags))


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
        assert_replayable(pair)

    def test_recalled_and_lost(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        pair.act("SFU", SHIP)
        pair.act("BEX", primitives.Receive())
        pair.act("SFU", primitives.RecallItem())
        assert pair.states() == ("RECALL", "RECALL")
        pair.act("BEX", primitives.ReportDamaged(note="a page is torn"))
        pair.act("BEX", primitives.ReportLost())
        assert pair.states() == ("LOST", "LOST")
        assert_replayable(pair)

    def test_overdue_and_a_renewal_refused(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        pair.act("SFU", SHIP)
        pair.act("BEX", primitives.Receive())
        pair.act("SFU", primitives.ReportOverdue(date_due=DUE))
        pair.act("BEX", primitives.Renew())
        assert pair.states() == ("RENEW/OVERDUE", "RENEW/OVERDUE")
        pair.act("SFU", primitives.RenewAnswer(answer=False))
        assert pair.states() == ("OVERDUE", "OVERDUE")
        assert_replayable(pair)

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
        assert_replayable(pair)

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
        assert_replayable(pair)


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
        assert_replayable(pair)

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
