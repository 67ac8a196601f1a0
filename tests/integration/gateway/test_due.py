"""What happens when nothing comes: deadlines, and the messages that were held for coming too early."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from asn1 import ill
from asn1.ill import TransactionResults
from config.settings import ApduName, Capabilities, Settings, WhenOverdue
from iso_gateway.acting import passing
from iso_gateway.protocol import effects, machine
from iso_gateway.protocol.events import Event
from iso_gateway.protocol.states import HalfState
from iso_gateway.reception import Processed, Reception
from iso_gateway.request import primitives
from iso_gateway.services import DEADLINE_FAILED, HELD_FAILED
from iso_gateway.store.records import DeadlineKind, HalfId, InputKind
from tests.support import apdus
from tests.support.gateway import AT_SFU, AT_UBC, MORNING, SFU, Desk, with_partner
from tests.support.libraries import BOOK, Libraries, as_partner, assert_replayable

DUE = dt.date(2026, 11, 20)
#: Where BEX is, the day of that date is over eight hours after Greenwich.
END_OF_DUE = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SHIP = primitives.Ship(date_due=DUE)


def expiring(
    flag: ill.ExpiryFlag, *, need_before: str | None = None, expiry: str | None = None, number: str = "1"
) -> ill.ILLRequest:
    search = ill.SearchType(need_before_date=need_before, expiry_flag=flag, expiry_date=expiry)
    return replace(apdus.ill_request(requester="ILLUME:SFU", transaction=number), search_type=search)


EXPIRING = expiring(ill.ExpiryFlag.other_Date, expiry="20261120")


def deadlines(desk: Desk, half: int) -> dict[str, datetime]:
    with desk.reading() as uow:
        return {one.kind.value: one.at for one in uow.deadlines.of(HalfId(half))}


def attention(desk: Desk) -> list[object]:
    return [(one.detail or {}).get("reason") for one in desk.events() if one.kind == "attention"]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Libraries]:
    with Libraries.open(tmp_path, "BEX", "SFU") as libraries:
        yield libraries


class TestExpiry:
    @pytest.mark.parametrize(
        ("request_", "at"),
        [
            (EXPIRING, END_OF_DUE),
            (expiring(ill.ExpiryFlag.need_Before_Date, need_before=" 20261120"), END_OF_DUE),
            (expiring(ill.ExpiryFlag.need_Before_Date, expiry="20261120"), None),
            (expiring(ill.ExpiryFlag.other_Date, need_before="20261120"), None),
            (expiring(ill.ExpiryFlag.no_Expiry, need_before="20261120", expiry="20261120"), None),
            (expiring(ill.ExpiryFlag.other_Date, expiry="20261131"), None),
            (expiring(ill.ExpiryFlag.other_Date, expiry="soon"), None),
            (expiring(ill.ExpiryFlag.other_Date, expiry="2026112²"), None),
        ],
    )
    def test_the_deadline_is_the_end_of_the_day_that_is_named(
        self, desk: Desk, request_: ill.ILLRequest, at: datetime | None
    ) -> None:
        half = desk.begin(request_, peer=AT_SFU)
        assert deadlines(desk, half) == ({} if at is None else {"expiry": at})
        assert desk.tick() == at

    def test_it_sends_expired_and_says_so(self, desk: Desk) -> None:
        half = desk.begin(EXPIRING, peer=AT_SFU)
        desk.clock.now = END_OF_DUE - timedelta(seconds=1)
        assert desk.tick() == END_OF_DUE
        assert desk.half(half).state == "IN-PROCESS"
        desk.clock.advance(seconds=1)
        assert desk.tick() is None
        assert desk.half(half).state == "NOT-SUPPLIED"
        [expired] = desk.outgoing()
        assert isinstance(expired.apdu, ill.Expired)
        assert expired.to == ("SFU", None)
        assert desk.events()[-1].kind == "expired.indication"
        record = desk.inputs(half)[-1]
        assert (record.kind, record.service, record.at) == (InputKind.TIMER, "EXP", END_OF_DUE)
        assert record.message_id == expired.row.message_id
        assert desk.tick() is None
        assert len(desk.outgoing()) == 1

    def test_the_requester_is_told(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU", replace(BOOK, expires=DUE))
        pair.clock.now = END_OF_DUE
        pair.desks["SFU"].tick()
        pair.carry()
        assert pair.states() == ("NOT-SUPPLIED", "NOT-SUPPLIED")

    def test_an_answer_stops_it(self, desk: Desk) -> None:
        half = desk.begin(EXPIRING, peer=AT_SFU, then=(SHIP,))
        assert "expiry" not in deadlines(desk, half)

    def test_it_waits_for_the_answer_to_a_cancel(self, desk: Desk) -> None:
        half = desk.begin(EXPIRING, peer=AT_SFU)
        desk.receive(apdus.cancel(EXPIRING), peer=AT_SFU)
        desk.clock.now = END_OF_DUE
        assert desk.tick() is None
        assert desk.half(half).state == "CANCEL-PENDING"
        assert desk.inputs(half)[-1].verdict == "postponed"
        desk.clock.advance(hours=1)
        desk.act(half, primitives.CancelReply(answer=False))
        assert deadlines(desk, half) == {"expiry": desk.clock.now}
        desk.tick()
        assert desk.half(half).state == "NOT-SUPPLIED"
        assert [one.apdu.asn1_name for one in desk.outgoing()] == ["Cancel-Reply", "Expired"]
        assert_replayable(desk, half)

    def test_a_condition_does_not_stop_it(self, desk: Desk) -> None:
        condition = primitives.Answer(result=TransactionResults.conditional, reason="cost-exceeds-limit")
        half = desk.begin(EXPIRING, peer=AT_SFU, then=(condition,))
        desk.clock.now = END_OF_DUE
        with structlog.testing.capture_logs() as logs:
            desk.tick()
        assert desk.half(half).state == "NOT-SUPPLIED"
        assert "protocol.inferred-row" in [one["event"] for one in logs]

    def test_a_clock_that_was_set_back_changes_nothing(self, desk: Desk) -> None:
        half = desk.begin(EXPIRING, peer=AT_SFU)
        desk.clock.now = END_OF_DUE
        desk.tick()
        desk.clock.advance(days=-3)
        assert desk.tick() is None
        assert desk.half(half).state == "NOT-SUPPLIED"

    def test_it_survives_a_restart(self, desk: Desk, settings: Settings) -> None:
        half = desk.begin(EXPIRING, peer=AT_SFU)
        desk.clock.now = END_OF_DUE
        with desk.under(settings) as again:
            again.tick()
            assert again.half(half).state == "NOT-SUPPLIED"


class TestWatching:
    def test_a_partner_that_does_not_answer(self, pair: Libraries) -> None:
        half = pair.request("BEX", "SFU")
        desk = pair.desks["BEX"]
        # Seven whole days after the day of sending.
        at = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
        assert deadlines(desk, half) == {"no-answer": at}
        pair.clock.now = at
        assert desk.tick() is None
        assert attention(desk) == ["no answer from the partner in PENDING"]
        assert desk.half(half).state == "PENDING"

    def test_an_answer_ends_the_watch(self, pair: Libraries) -> None:
        half = pair.request("BEX", "SFU")
        pair.act("SFU", primitives.Answer(result=TransactionResults.will_supply))
        assert deadlines(pair.desks["BEX"], half) == {}

    def test_a_condition_that_is_to_be_answered(self, pair: Libraries) -> None:
        half = pair.request("BEX", "SFU")
        pair.act(
            "SFU",
            primitives.Answer(result=TransactionResults.conditional, reason="cost-exceeds-limit", date=DUE),
        )
        at = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
        assert deadlines(pair.desks["BEX"], half) == {"reply": at}
        pair.clock.now = at
        pair.desks["BEX"].tick()
        assert attention(pair.desks["BEX"]) == ["the condition is to be answered today"]


class TestOverdue:
    def lent(self, tmp_path: Path, **profile: object) -> Iterator[Libraries]:
        bex = replace(as_partner("BEX"), **profile)  # type: ignore[arg-type]
        with Libraries.open(tmp_path, "BEX", "SFU", BEX=bex) as pair:
            pair.request("BEX", "SFU")
            pair.act("SFU", SHIP)
            pair.clock.now = END_OF_DUE
            yield pair

    def test_a_person_is_told(self, tmp_path: Path) -> None:
        for pair in self.lent(tmp_path):
            pair.desks["SFU"].tick()
            assert attention(pair.desks["SFU"]) == ["the item is overdue"]
            assert pair.take("SFU") == []

    def test_or_the_partner_is_sent_overdue(self, tmp_path: Path) -> None:
        for pair in self.lent(tmp_path, when_overdue=WhenOverdue.SEND):
            pair.act("SFU", primitives.SendMessage(note="It is due"))
            pair.act("BEX", primitives.SendMessage(note="It is here"))
            pair.desks["SFU"].tick()
            [overdue] = pair.take("SFU")
            assert isinstance(overdue.apdu, ill.Overdue)
            assert overdue.apdu.date_due.date_due_field == "20261120"
            pair.bring("SFU", overdue)
            assert pair.states() == ("NOT-RECEIVED/OVERDUE", "OVERDUE")
            record = pair.desks["SFU"].inputs(1)[-1]
            assert (record.kind, record.service) == (InputKind.TIMER, "DUE")
            pair.assert_replayable()

    def test_the_day_that_a_renewal_gave_counts(self, tmp_path: Path) -> None:
        for pair in self.lent(tmp_path, when_overdue=WhenOverdue.SEND):
            pair.clock.now = MORNING + timedelta(days=1)
            pair.act("BEX", primitives.Receive())
            pair.act("BEX", primitives.Renew())
            pair.act("SFU", primitives.RenewAnswer(answer=True, date_due=dt.date(2026, 11, 30)))
            assert deadlines(pair.desks["SFU"], 1) == {"overdue": datetime(2026, 12, 1, 8, 0, tzinfo=UTC)}
            pair.clock.now = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
            pair.desks["SFU"].tick()
            [overdue] = pair.take("SFU")
            assert isinstance(overdue.apdu, ill.Overdue)
            assert overdue.apdu.date_due.date_due_field == "20261130"

    def test_but_not_one_that_takes_no_overdue(self, tmp_path: Path) -> None:
        deaf = Capabilities(accepts=frozenset(ApduName) - {ApduName.OVERDUE})
        for pair in self.lent(tmp_path, when_overdue=WhenOverdue.SEND, capabilities=deaf):
            pair.desks["SFU"].tick()
            assert attention(pair.desks["SFU"]) == ["the item is overdue"]
            assert pair.take("SFU") == []

    def test_nobody_watches_where_nobody_wants_it(self, tmp_path: Path) -> None:
        for pair in self.lent(tmp_path, when_overdue=WhenOverdue.NOTHING):
            assert deadlines(pair.desks["SFU"], 1) == {}

    def test_there_is_grace(self, tmp_path: Path) -> None:
        for pair in self.lent(tmp_path, overdue_grace_days=3):
            assert deadlines(pair.desks["SFU"], 1) == {"overdue": END_OF_DUE + timedelta(days=3)}


class TestTrouble:
    def test_the_machine_asks_for_nothing_else(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        half = desk.begin(EXPIRING, peer=AT_SFU)
        advance = machine.advance

        def asks_for_more(state: HalfState, event: Event, now: datetime) -> machine.Outcome:
            outcome = advance(state, event, now)
            return replace(outcome, effects=(*outcome.effects, effects.RaiseAttention(reason="why?")))

        monkeypatch.setattr("iso_gateway.protocol.timers.advance", asks_for_more)
        desk.clock.now = END_OF_DUE
        before, inputs = desk.half(half), desk.inputs(half)
        assert desk.tick() == END_OF_DUE + passing.PUT_OFF
        assert (desk.half(half), desk.inputs(half), desk.outgoing()) == (before, inputs, [])

    def test_what_the_record_does_not_say_is_not_made_up(self, tmp_path: Path) -> None:
        sends = replace(as_partner("BEX"), when_overdue=WhenOverdue.SEND)
        with Libraries.open(tmp_path, "BEX", "SFU", BEX=sends) as pair:
            pair.request("BEX", "SFU")
            pair.act("SFU", primitives.Ship())
            desk = pair.desks["SFU"]
            with desk.site.store.unit_of_work() as uow:
                uow.deadlines.replace(HalfId(1), {DeadlineKind.OVERDUE: pair.clock.now})
            assert desk.tick() == pair.clock.now + passing.PUT_OFF
            assert pair.take("SFU") == []

    def test_one_that_cannot_pass_does_not_keep_the_others(self, desk: Desk, settings: Settings) -> None:
        lost = desk.begin(EXPIRING, peer=AT_SFU)
        of_ubc = replace(EXPIRING, requester_id=apdus.system_id("ILLUME:UBC"))
        kept = desk.begin(
            replace(
                of_ubc,
                transaction_id=replace(
                    of_ubc.transaction_id, initial_requester_id=apdus.system_id("ILLUME:UBC")
                ),
            ),
            peer=AT_UBC,
        )
        desk.clock.now = END_OF_DUE
        without = replace(settings, partners=tuple(one for one in settings.partners if one.name != "SFU"))
        with desk.under(without) as today, structlog.testing.capture_logs() as logs:
            assert today.tick() == END_OF_DUE + passing.PUT_OFF
            failed = {
                "log_level": "error",
                "event": DEADLINE_FAILED,
                "half_id": lost,
                "error": "NotFoundError",
            }
            assert failed in logs
            assert today.half(kept).state == "NOT-SUPPLIED"
            assert today.half(lost).state == "IN-PROCESS"
        desk.clock.now = END_OF_DUE + passing.PUT_OFF
        assert desk.tick() is None
        assert desk.half(lost).state == "NOT-SUPPLIED"

    def test_what_was_disposed_of_waits_for_nothing(self, desk: Desk) -> None:
        half = desk.begin(EXPIRING, peer=AT_SFU)
        with desk.site.store.unit_of_work() as uow:
            uow.transactions.dispose(uow.halves.get(half).transaction_id, at=desk.clock.now)
        desk.clock.now = END_OF_DUE
        assert desk.tick() is None
        assert desk.half(half).state == "IN-PROCESS"

    def test_more_than_one_unit_of_work_holds_are_left_for_the_next(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("iso_gateway.services.MOST_DUE", 2)
        halves = [
            desk.begin(expiring(ill.ExpiryFlag.other_Date, expiry="20261120", number=f"{n}"), peer=AT_SFU)
            for n in range(3)
        ]
        desk.clock.now = END_OF_DUE
        assert desk.tick() == END_OF_DUE
        assert desk.tick() is None
        assert {desk.half(half).state for half in halves} == {"NOT-SUPPLIED"}


class TestHeld:
    """SFU sends one-way here, so that what overtakes is held for ten minutes."""

    CANCEL = apdus.cancel(apdus.ill_request(requester="ILLUME:SFU"))
    REQUEST = apdus.ill_request(requester="ILLUME:SFU")

    def test_a_cancel_waits_for_its_request(self, desk: Desk) -> None:
        held = desk.receive(self.CANCEL, peer=AT_SFU, two_way=False)
        assert held.verdict == "held"
        assert held.half_id is None
        assert desk.outgoing() == []
        until = desk.clock.now + timedelta(minutes=10)
        assert desk.tick() == until
        assert desk.processing(held).reason == (
            f"CANCEL for a transaction that is not known here: it may be early, so it waits until"
            f" {until.isoformat(timespec='seconds')}"
        )
        request = desk.receive(self.REQUEST, peer=AT_SFU, two_way=False)
        assert desk.half(request.half_id).state == "CANCEL-PENDING"
        with desk.reading() as uow:
            verdicts = [one.verdict for one in uow.messages.processings(held.message_id)]
            assert uow.held.get(held.message_id) is None
        assert verdicts == ["held", "applied"]
        assert desk.tick() is None
        assert [one.service for one in desk.inputs(request.half_id)] == ["ILL", "CAN"]

    def test_in_the_end_it_is_refused(self, desk: Desk) -> None:
        held = desk.receive(self.CANCEL, peer=AT_SFU, two_way=False)
        desk.clock.advance(minutes=10)
        assert desk.tick() is None
        [report] = desk.outgoing()
        assert report.report.error_report is not None
        with desk.reading() as uow:
            verdicts = [one.verdict for one in uow.messages.processings(held.message_id)]
        assert verdicts == ["held", "unknown-transaction"]

    def test_a_copy_of_it_changes_nothing(self, desk: Desk) -> None:
        desk.receive(self.CANCEL, peer=AT_SFU, two_way=False)
        again = desk.receive(self.CANCEL, peer=AT_SFU, two_way=False)
        assert again.verdict == "exact-duplicate"
        assert desk.outgoing() == []
        desk.clock.advance(minutes=10)
        desk.tick()
        assert len(desk.outgoing()) == 1
        # It was refused, so the same octets are judged anew.
        assert desk.receive(self.CANCEL, peer=AT_SFU, two_way=False).verdict == "held"

    def test_several_are_tried_in_the_order_in_which_they_came(self, desk: Desk) -> None:
        renewal, back = apdus.renew(self.REQUEST), apdus.returned(self.REQUEST)
        desk.receive(back, peer=AT_SFU, two_way=False)
        desk.receive(renewal, peer=AT_SFU, two_way=False)
        half = desk.begin(self.REQUEST, peer=AT_SFU)
        assert desk.half(half).state == "IN-PROCESS"
        with desk.reading() as uow:
            assert len(uow.held.of(desk.half(half).transaction_id)) == 2
        desk.act(half, SHIP)
        assert [one.service for one in desk.inputs(half)] == ["ILL", "SHI", "RET", "REN"]
        assert desk.half(half).state == "RENEW/PENDING"

    def test_what_is_not_yet_allowed_is_held_on_without_a_word(self, desk: Desk) -> None:
        held = desk.receive(apdus.renew(self.REQUEST), peer=AT_SFU, two_way=False)
        until = desk.clock.now + timedelta(minutes=10)
        desk.clock.advance(minutes=4)
        desk.begin(self.REQUEST, peer=AT_SFU)
        assert desk.tick() == until
        with desk.reading() as uow:
            assert len(uow.messages.processings(held.message_id)) == 1

    def test_one_that_cannot_be_tried_keeps_no_other_message_from_it(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held = desk.receive(self.CANCEL, peer=AT_SFU, two_way=False)
        process = Reception.process

        def broken(reception: Reception) -> Processed:
            if reception._incoming.held is not None:
                raise RuntimeError("a fault of ours")
            return process(reception)

        monkeypatch.setattr(Reception, "process", broken)
        with structlog.testing.capture_logs() as logs:
            half = desk.begin(self.REQUEST, peer=AT_SFU)
            assert desk.half(half).state == "IN-PROCESS"
            desk.clock.advance(hours=2)
            assert desk.tick() == desk.clock.now + passing.PUT_OFF
        failed = [one for one in logs if one["event"] == HELD_FAILED]
        assert [one["message_id"] for one in failed] == [held.message_id] * 2
        monkeypatch.undo()
        desk.clock.advance(hours=2)
        assert desk.tick() is None
        assert desk.half(half).state == "CANCEL-PENDING"

    def test_one_that_was_disposed_of_waits_no_more(self, desk: Desk) -> None:
        half = desk.begin(self.REQUEST, peer=AT_SFU)
        held = desk.receive(apdus.renew(self.REQUEST), peer=AT_SFU, two_way=False)
        with desk.site.store.unit_of_work() as uow:
            uow.transactions.dispose(uow.halves.get(half).transaction_id, at=desk.clock.now)
        desk.clock.advance(minutes=10)
        assert desk.tick() is None
        with desk.reading() as uow:
            assert [one.verdict for one in uow.messages.processings(held.message_id)] == [
                "held",
                "disposed-of",
            ]

    def test_it_survives_a_restart(self, desk: Desk, settings: Settings) -> None:
        desk.receive(self.CANCEL, peer=AT_SFU, two_way=False)
        with desk.under(settings) as again:
            request = again.receive(self.REQUEST, peer=AT_SFU, two_way=False)
            assert again.half(request.half_id).state == "CANCEL-PENDING"

    def test_nothing_waits_that_no_later_state_allows(self, desk: Desk) -> None:
        half = desk.begin(self.REQUEST, peer=AT_SFU, then=(SHIP, primitives.CheckIn()))
        assert desk.half(half).state == "CHECKED-IN"
        late = desk.receive(apdus.conditional_reply(self.REQUEST), peer=AT_SFU, two_way=False)
        assert late.verdict == "prohibited"

    def test_a_question_is_answered_at_once(self, desk: Desk) -> None:
        asked = desk.receive(apdus.status_query(self.REQUEST), peer=AT_SFU, two_way=False)
        assert asked.verdict == "unknown-transaction"

    @pytest.mark.parametrize(
        ("wait", "two_way", "verdict"),
        [
            (None, True, "unknown-transaction"),
            (timedelta(), False, "unknown-transaction"),
            (timedelta(minutes=1), True, "held"),
            (timedelta(minutes=1), False, "held"),
        ],
    )
    def test_for_how_long_is_the_partners_profile(
        self, desk: Desk, settings: Settings, wait: timedelta | None, verdict: str, *, two_way: bool
    ) -> None:
        with desk.under(with_partner(settings, replace(SFU, hold_early=wait))) as today:
            assert today.receive(self.CANCEL, peer=AT_SFU, two_way=two_way).verdict == verdict
            assert today.tick() == (None if verdict != "held" else desk.clock.now + timedelta(minutes=1))

    def test_one_transaction_does_not_fill_the_place(self, desk: Desk) -> None:
        verdicts = [
            desk.receive(apdus.message(self.REQUEST, f"{number}"), peer=AT_SFU, two_way=False).verdict
            for number in range(17)
        ]
        assert verdicts == ["held"] * 16 + ["unknown-transaction"]

    def test_a_deadline_may_be_what_it_waited_for(self, desk: Desk) -> None:
        half = desk.begin(EXPIRING, peer=AT_SFU)
        desk.clock.now = END_OF_DUE - timedelta(minutes=5)
        refusal = apdus.conditional_reply(EXPIRING, answer=False)
        assert desk.receive(refusal, peer=AT_SFU, two_way=False).verdict == "held"
        desk.clock.now = END_OF_DUE
        assert desk.tick() is None
        assert [one.service for one in desk.inputs(half)] == ["ILL", "EXP", "C-REP-"]
        assert desk.half(half).state == "NOT-SUPPLIED"
