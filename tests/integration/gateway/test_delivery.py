"""Partners that are down, slow, suspended or unclear: what is sent, and what is told. The clock is ours."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from config.settings import RetryPolicy, Settings, Unclear
from iso_gateway.errors import DeliveryError
from iso_gateway.failure import Failure
from iso_gateway.outbox import claiming, operating, telling
from iso_gateway.outbox import dispatcher as module
from iso_gateway.outbox.concluding import Ended, conclude
from iso_gateway.outbox.dispatcher import Dispatcher
from iso_gateway.outbox.policy import policy_of
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.store.records import (
    AttemptOutcome,
    BreakerState,
    OutboxStatus,
    PartnerStateRecord,
)
from iso_gateway.store.unit_of_work import UnitOfWork
from tests.support import apdus, gateway
from tests.support.dispatching import BROKE, REFUSED, LogLines, Wire, begun, dispatching, rows, said, say
from tests.support.gateway import AT_SFU, Desk


def state(desk: Desk, partner: str = "SFU") -> PartnerStateRecord:
    with desk.reading() as uow:
        return uow.partners.get(partner)


def kinds(desk: Desk) -> list[str]:
    told = {
        telling.NOT_DELIVERED,
        telling.DELIVERY_DELAYED,
        telling.DELIVERY_HELD,
        telling.PARTNER_UNREACHABLE,
        telling.PARTNER_REACHABLE,
    }
    return [event.kind for event in desk.events() if event.kind in told]


def with_retry(settings: Settings, **retry: object) -> Settings:
    policy = replace(RetryPolicy(), **retry)  # type: ignore[arg-type] # the tests below know what they give
    return gateway.with_partner(settings, replace(gateway.SFU, retry=policy))


async def fail_until_open(desk: Desk, wire: Wire, lines: LogLines, dispatcher: Dispatcher) -> None:
    """Have what is for SFU fail until its breaker opens."""
    wire.failing["SFU"] = [REFUSED] * 1000
    dispatcher.wake()
    for _ in range(20):
        await lines.until(telling.APDU_DEFERRED)
        if state(desk).breaker is BreakerState.OPEN:
            return
        desk.clock.advance(minutes=1)
        dispatcher.wake()
    pytest.fail("its breaker did not open")


BROKE_FOR_GOOD = DeliveryError("it broke", temporary=False, failure=Failure.RESET, ambiguous=True)


class TestBreaker:
    async def test_while_it_is_open_the_others_spend_no_attempt(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk, 1), "a")
        async with dispatching(desk, wire) as dispatcher:
            await fail_until_open(desk, wire, lines, dispatcher)
            for number, text in enumerate("bcdef", 2):
                say(desk, begun(desk, number), text)
            say(desk, begun(desk, 1, "UBC"), "u")
            dispatcher.wake()
            await lines.until(telling.APDU_DELIVERED)
            assert said(wire) == ["a", "a", "a", "u"]
            assert state(desk).last_error == "connection refused"
            # It is back: one goes first, which was not tried yet, and then all.
            wire.failing["SFU"] = []
            desk.clock.advance(minutes=1)
            dispatcher.wake()
            await lines.until(telling.PARTNER_REACHABLE)
            assert said(wire)[4] == "b"
            for _ in range(5):
                await lines.until(telling.APDU_DELIVERED)
        assert sorted(said(wire)[4:]) == ["a", "b", "c", "d", "e", "f"]
        assert state(desk) == PartnerStateRecord(partner="SFU")
        assert kinds(desk) == [telling.PARTNER_UNREACHABLE, telling.PARTNER_REACHABLE]
        [unreachable] = [event for event in desk.events() if event.kind == telling.PARTNER_UNREACHABLE]
        assert unreachable.detail is not None
        assert (unreachable.detail["partner"], unreachable.detail["failure"]) == ("SFU", "refused")

    async def test_an_answer_goes_out_on_its_connection_all_the_same(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk, 1), "a")
        async with dispatching(desk, wire) as dispatcher:
            await fail_until_open(desk, wire, lines, dispatcher)
            wire.failing["SFU"] = []
            cancel = apdus.cancel(apdus.ill_request(requester="ILLUME:SFU", transaction="unheard of"))
            desk.receive(cancel, peer=AT_SFU, connection="c-1")
            dispatcher.wake()
            await lines.until(telling.APDU_DELIVERED)
        assert wire.sent[-1].connection_id == "c-1"
        # It tells nothing about the address that we connect to.
        assert state(desk).breaker is BreakerState.OPEN

    async def test_down_from_friday_to_monday_nothing_is_lost_and_nobody_is_hammered(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        halves = [begun(desk, number) for number in range(5)]
        friday = desk.clock.now
        async with dispatching(desk, wire) as dispatcher:
            wire.failing["SFU"] = [REFUSED] * 10_000
            while desk.clock.now < friday + timedelta(hours=66):
                if len(wire.sent) % 10 == 0:
                    for half in halves:
                        say(desk, half, "x")
                with desk.site.store.reading() as uow:
                    due = uow.due.next(desk.clock.now)
                    probe = uow.partners.get("SFU").retry_at
                assert due is not None
                desk.clock.now = max(due, probe or due, desk.clock.now + timedelta(minutes=5))
                dispatcher.wake()
                await lines.until(telling.APDU_DEFERRED)
            attempts = len(wire.sent)
            assert attempts < 120, "not much more than one an hour, whatever waits"
            assert len(rows(desk)) >= 25
            wire.failing["SFU"] = []
            while any(row.finished_at is None for row in rows(desk)):
                desk.clock.advance(hours=1)
                dispatcher.wake()
                await lines.until(telling.APDU_DELIVERED)
        arrived = wire.sent[attempts:]
        assert {row.status for row in rows(desk)} == {OutboxStatus.DELIVERED}
        # In the order of each request, each once.
        order = [one.octets for one in arrived]
        with desk.reading() as uow:
            for half in halves:
                lane = [
                    uow.messages.raw(row.message_id)
                    for row in uow.outbox.list(finished=True)
                    if row.message_id is not None
                    and uow.messages.processings(row.message_id)[-1].half_id == half
                ]
                assert [octets for octets in order if octets in lane] == lane
        assert telling.DELIVERY_DELAYED in kinds(desk)
        assert telling.NOT_DELIVERED not in kinds(desk)

    async def test_one_message_that_the_partner_breaks_off_on_does_not_keep_the_others_back(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk, 1), "a")
        async with dispatching(desk, wire) as dispatcher:
            await fail_until_open(desk, wire, lines, dispatcher)
            # It has been due again for long when the other is queued.
            desk.clock.advance(hours=1)
            say(desk, begun(desk, 2), "b")
            wire.failing["SFU"] = []
            dispatcher.wake()
            await lines.until(telling.APDU_DELIVERED)
            assert said(wire) == ["a", "a", "a", "b"]
            await lines.until(telling.APDU_DELIVERED)

    async def test_a_probe_whose_octets_are_gone_leaves_the_next_message_to_be_the_probe(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk, 1), "a")
        async with dispatching(desk, wire) as dispatcher:
            await fail_until_open(desk, wire, lines, dispatcher)
            gone = begun(desk, 2)
            say(desk, gone, "b")
            with desk.site.store.unit_of_work() as uow:
                uow.transactions.dispose(uow.halves.get(gone).transaction_id, at=desk.clock.now)
            wire.failing["SFU"] = []
            desk.clock.advance(minutes=1)
            dispatcher.wake()
            # Tried the fewest times, it is taken first, and cannot be sent. Another tells all the same.
            await lines.until(telling.APDU_NOT_DELIVERED)
            await lines.until(telling.PARTNER_REACHABLE)
        assert said(wire)[-1] == "a"
        assert state(desk).breaker is BreakerState.CLOSED

    async def test_an_answer_whose_connection_is_gone_tells_that_the_partner_is_back(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        cancel = apdus.cancel(apdus.ill_request(requester="ILLUME:SFU", transaction="unheard of"))
        desk.receive(cancel, peer=AT_SFU, connection="c-1")
        async with dispatching(desk, wire) as dispatcher:
            await fail_until_open(desk, wire, lines, dispatcher)
            wire.failing["SFU"] = []
            desk.clock.advance(minutes=1)
            dispatcher.wake()
            await lines.until(telling.PARTNER_REACHABLE)
        assert wire.sent[-1].connection_id == "c-1"
        assert state(desk) == PartnerStateRecord(partner="SFU")

    async def test_a_gateway_that_starts_again_waits_as_the_one_before(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk), "a")
        async with dispatching(desk, wire) as dispatcher:
            await fail_until_open(desk, wire, lines, dispatcher)
        opened = state(desk)
        say(desk, begun(desk, 2), "b")
        async with dispatching(desk, wire, owner="next"):
            say(desk, begun(desk, 1, "UBC"), "u")
            await lines.until(telling.APDU_DELIVERED)
        assert said(wire) == ["a", "a", "a", "u"]
        assert state(desk) == opened


class TestFairness:
    async def test_a_partner_that_never_answers_takes_no_more_than_its_share(
        self, settings: Settings, wire: Wire, lines: LogLines
    ) -> None:
        with Desk.open(with_retry(settings, concurrency=2)) as desk:
            for number, text in enumerate("abcdef"):
                say(desk, begun(desk, number), text)
            wire.held = True
            async with dispatching(desk, wire) as dispatcher:
                await wire.begun()
                await wire.begun()
                wire.held = False
                say(desk, begun(desk, 1, "UBC"), "u")
                dispatcher.wake()
                await lines.until(telling.APDU_DELIVERED)
                assert said(wire) == ["a", "b", "u"]
                wire.release()
                for _ in range(6):
                    await lines.until(telling.APDU_DELIVERED)
            assert {row.status for row in rows(desk)} == {OutboxStatus.DELIVERED}

    async def test_what_ends_at_once_is_stored_in_few_commits(
        self, settings: Settings, wire: Wire, lines: LogLines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs: list[int] = []
        record = Dispatcher._record

        def counting(self: Dispatcher, uow: UnitOfWork, **given: Any) -> object:
            jobs.append(len(given["batch"]))
            return record(self, uow, **given)

        monkeypatch.setattr(Dispatcher, "_record", counting)
        with Desk.open(with_retry(settings, concurrency=30)) as desk:
            for number in range(20):
                say(desk, begun(desk, number), "x")
            wire.held = True
            async with dispatching(desk, wire):
                for _ in range(20):
                    await wire.begun()
                wire.release()
                for _ in range(20):
                    await lines.until(telling.APDU_DELIVERED)
        assert sum(jobs) == 20
        assert len(jobs) <= 4

    @pytest.mark.parametrize(
        "error", [ValueError("for J. Doe"), IntegrityError("for J. Doe", None, Exception())]
    )
    async def test_one_row_that_cannot_be_stored_costs_the_others_nothing(
        self,
        desk: Desk,
        wire: Wire,
        lines: LogLines,
        monkeypatch: pytest.MonkeyPatch,
        *,
        error: Exception,
    ) -> None:
        def ending(settings: Settings, uow: UnitOfWork, ended: Ended) -> object:
            if ended.claimed.row.id == 1:
                raise error
            return conclude(settings, uow, ended)

        monkeypatch.setattr(module, "PAUSE", timedelta(seconds=0.01))
        monkeypatch.setattr(module, "conclude", ending)
        say(desk, begun(desk, 1), "a")
        say(desk, begun(desk, 2), "b")
        async with dispatching(desk, wire):
            await lines.until(telling.APDU_DELIVERED)
        assert [row.status for row in rows(desk)] == [OutboxStatus.SENDING, OutboxStatus.DELIVERED]
        assert not [line for line in lines.lines if "Doe" in str(line)]

    async def test_what_goes_wrong_in_looking_is_looked_past(
        self, desk: Desk, wire: Wire, lines: LogLines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PAUSE", timedelta(seconds=0.01))
        say(desk, begun(desk, 1), "a")
        wrong = [ValueError("for J. Doe")]

        def sometimes(settings: Settings, name: str | None) -> RetryPolicy:
            if wrong:
                raise wrong.pop()
            return policy_of(settings, name)

        monkeypatch.setattr(claiming, "policy_of", sometimes)
        async with dispatching(desk, wire):
            line = await lines.until(module.OUTBOX_UNAVAILABLE)
            assert line["error"] == "ValueError"
            await lines.until(telling.APDU_DELIVERED)


class TestLate:
    async def test_the_local_side_is_told_early_and_before_the_end(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        half = begun(desk)
        say(desk, half, "a")
        wire.failing["SFU"] = [REFUSED] * 1000
        async with dispatching(desk, wire) as dispatcher:
            await lines.until(telling.APDU_DEFERRED)
            desk.clock.advance(hours=3, minutes=59)
            dispatcher.wake()
            await lines.until(telling.APDU_DEFERRED)
            assert telling.DELIVERY_DELAYED not in kinds(desk)
            for days, told in ((0, "delayed"), (13, "ends-soon")):
                desk.clock.advance(days=days, minutes=1)
                dispatcher.wake()
                line = await lines.until(telling.APDU_LATE)
                assert (line["reason"], line["failure"]) == ("connection refused", "refused")
                event = [one for one in desk.events() if one.kind == telling.DELIVERY_DELAYED][-1]
                assert (event.half_id, event.detail and event.detail["notice"]) == (half, told)
                assert event.detail is not None
                assert "ask the partner" in str(event.detail["advice"])
            desk.clock.advance(hours=1)
            dispatcher.wake()
            await lines.until(telling.APDU_DEFERRED)
        assert kinds(desk).count(telling.DELIVERY_DELAYED) == 2

    async def test_a_request_is_of_no_use_after_its_own_end(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        item = Item(title="The Penelopiad")
        desk.request(NewRequest(item=item, expires=date(2026, 11, 18)))
        [waiting] = desk.outgoing()
        # The end of that day where we are.
        assert waiting.row.expires_at == datetime(2026, 11, 19, 8, 0, tzinfo=UTC)
        wire.failing["SFU"] = [REFUSED] * 1000
        async with dispatching(desk, wire) as dispatcher:
            await lines.until(telling.APDU_DEFERRED)
            desk.clock.now = waiting.row.expires_at - timedelta(seconds=1)
            dispatcher.wake()
            line = await lines.until(telling.APDU_NOT_DELIVERED)
        assert line["failure"] == "lifetime"

    async def test_behind_an_open_breaker_the_lifetime_ends_without_another_attempt(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk, 1), "a")
        async with dispatching(desk, wire) as dispatcher:
            await fail_until_open(desk, wire, lines, dispatcher)
            other = begun(desk, 2)
            say(desk, other, "b")
            say(desk, other, "c")
            with desk.site.store.unit_of_work() as uow:
                opened = uow.partners.get("SFU")
                uow.partners.set_breaker(
                    replace(opened, retry_at=desk.clock.now + timedelta(days=30), last_error="refused")
                )
            attempts = len(wire.sent)
            desk.clock.advance(days=15)
            dispatcher.wake()
            for _ in range(3):
                line = await lines.until(telling.APDU_NOT_DELIVERED)
                assert line["failure"] == "lifetime"
                desk.clock.advance(hours=1)
                dispatcher.wake()
        assert len(wire.sent) == attempts
        assert {row.status for row in rows(desk)} == {OutboxStatus.NOT_DELIVERED}
        given_up = [event for event in desk.events() if event.kind == telling.NOT_DELIVERED]
        assert [event.detail and event.detail.get("following") for event in given_up] == [None, 1, None]

    async def test_a_clock_set_back_an_hour_delays_nothing(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk, 1), "a")
        say(desk, begun(desk, 2), "b")
        wire.failing["SFU"] = [REFUSED, REFUSED]
        async with dispatching(desk, wire) as dispatcher:
            await lines.until(telling.APDU_DEFERRED)
            await lines.until(telling.APDU_DEFERRED)
            desk.clock.advance(hours=-1)
            dispatcher.wake()
            await lines.until(claiming.CLOCK_SET_BACK)
            await lines.until(telling.APDU_DELIVERED)
            await lines.until(telling.APDU_DELIVERED)
        assert sorted(said(wire)) == ["a", "a", "b", "b"]


def suspend(desk: Desk, *, resume: bool = False) -> None:
    with desk.site.store.unit_of_work() as uow:
        change = operating.resume if resume else operating.suspend
        assert change(uow, "SFU", actor="root", reason="moving", at=desk.clock.now)


class TestOperator:
    async def test_nothing_goes_to_a_suspended_partner_and_its_backlog_is_kept(
        self, settings: Settings, wire: Wire, lines: LogLines
    ) -> None:
        with Desk.open(with_retry(settings, resume_rate=60, lifetime=timedelta(days=1))) as desk:
            for number, text in enumerate("abc"):
                say(desk, begun(desk, number), text)
            suspend(desk)
            async with dispatching(desk, wire) as dispatcher:
                say(desk, begun(desk, 1, "UBC"), "u")
                dispatcher.wake()
                await lines.until(telling.APDU_DELIVERED)
                # Longer than they live: an operator who holds them up does not end them.
                desk.clock.advance(days=3)
                dispatcher.wake()
                say(desk, begun(desk, 2, "UBC"), "v")
                dispatcher.wake()
                await lines.until(telling.APDU_DELIVERED)
                assert said(wire) == ["u", "v"]
                suspend(desk, resume=True)
                say(desk, begun(desk, 9), "d")
                dispatcher.wake()
                for number, text in enumerate("abc", 1):
                    await lines.until(telling.APDU_DELIVERED)
                    assert said(wire)[2:] == list("abc"[:number]), text
                    with desk.reading() as uow:
                        assert uow.partners.get("SFU").paced_until == desk.clock.now + timedelta(seconds=1)
                    desk.clock.advance(seconds=1)
                    dispatcher.wake()
                await lines.until(telling.APDU_DELIVERED)
            assert said(wire) == ["u", "v", "a", "b", "c", "d"]
            assert state(desk) == PartnerStateRecord(partner="SFU")

    async def test_what_an_operator_holds_up_outlives_its_lifetime_though_the_partner_is_down(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk), "a")
        async with dispatching(desk, wire) as dispatcher:
            await fail_until_open(desk, wire, lines, dispatcher)
            suspend(desk)
            desk.clock.advance(days=20)
            say(desk, begun(desk, 1, "UBC"), "u")
            dispatcher.wake()
            await lines.until(telling.APDU_DELIVERED)
            assert [row.status for row in rows(desk)] == [OutboxStatus.WAITING, OutboxStatus.DELIVERED]
            # Let go, it gets its try.
            suspend(desk, resume=True)
            wire.failing["SFU"] = []
            dispatcher.wake()
            await lines.until(telling.APDU_DELIVERED)
        assert said(wire)[-1] == "a"

    async def test_a_held_message_holds_its_lane_and_no_other(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        one = begun(desk, 1)
        say(desk, one, "a")
        say(desk, one, "b")
        say(desk, begun(desk, 2), "c")
        with desk.site.store.unit_of_work() as uow:
            held = uow.outbox.list()[:1]
            operating.carry_out(
                uow, operating.Operation.HOLD, held, actor="root", reason="wait", at=desk.clock.now
            )
        async with dispatching(desk, wire) as dispatcher:
            await lines.until(telling.APDU_DELIVERED)
            assert said(wire) == ["c"]
            with desk.site.store.unit_of_work() as uow:
                operating.carry_out(
                    uow, operating.Operation.RELEASE, held, actor="root", reason="go", at=desk.clock.now
                )
            dispatcher.wake()
            await lines.until(telling.APDU_DELIVERED)
            await lines.until(telling.APDU_DELIVERED)
        assert said(wire) == ["c", "a", "b"]


class TestAmbiguous:
    @pytest.mark.parametrize(
        ("unclear", "event", "status"),
        [
            (Unclear.RETRY, telling.APDU_DEFERRED, OutboxStatus.WAITING),
            (Unclear.DELIVERED, telling.APDU_DELIVERED, OutboxStatus.DELIVERED),
            (Unclear.HOLD, telling.APDU_HELD, OutboxStatus.HELD),
        ],
    )
    async def test_the_partners_profile_says_what_follows(
        self,
        settings: Settings,
        wire: Wire,
        lines: LogLines,
        *,
        unclear: Unclear,
        event: str,
        status: OutboxStatus,
    ) -> None:
        with Desk.open(with_retry(settings, ambiguous=unclear)) as desk:
            say(desk, begun(desk), "a")
            wire.failing["SFU"] = [BROKE]
            async with dispatching(desk, wire):
                await lines.until(event)
            [row] = rows(desk)
            assert (row.status, row.failure, row.last_error) == (status, Failure.RESET, "it broke")
            with desk.reading() as uow:
                [attempt] = uow.outbox.attempts(row.id)
            assert attempt.ambiguous
            assert (telling.DELIVERY_HELD in kinds(desk)) == (unclear is Unclear.HOLD)


class TestEvidence:
    async def test_what_is_given_up_may_have_arrived_all_the_same(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk), "a")
        wire.failing["SFU"] = [BROKE_FOR_GOOD]
        async with dispatching(desk, wire):
            await lines.until(telling.APDU_NOT_DELIVERED)
        [row] = rows(desk)
        with desk.reading() as uow:
            [attempt] = uow.outbox.attempts(row.id)
        assert (attempt.outcome, attempt.ambiguous) == (AttemptOutcome.GAVE_UP, True)
        [event] = [one for one in desk.events() if one.kind == telling.NOT_DELIVERED]
        assert event.detail is not None
        assert event.detail["may_have_arrived"] is True


class TestStop:
    async def test_what_does_not_end_by_itself_is_broken_off_and_sent_again(
        self, desk: Desk, wire: Wire, lines: LogLines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "GRACE", 0.01)
        say(desk, begun(desk), "a")
        wire.held = True
        async with dispatching(desk, wire) as dispatcher:
            await wire.begun()
            dispatcher.stop()
            await lines.until(telling.APDU_INTERRUPTED)
        [row] = rows(desk)
        assert (row.status, row.failure) == (OutboxStatus.WAITING, Failure.INTERRUPTED)
        with desk.reading() as uow:
            assert [one.outcome for one in uow.outbox.attempts(row.id)] == [AttemptOutcome.ABANDONED]
        async with dispatching(desk, wire, owner="next"):
            await lines.until(telling.APDU_DELIVERED)
        assert len({one.octets for one in wire.sent}) == 1

    async def test_a_probe_that_is_broken_off_leaves_the_next_gateway_one(
        self, desk: Desk, wire: Wire, lines: LogLines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "GRACE", 0.01)
        say(desk, begun(desk), "a")
        async with dispatching(desk, wire) as dispatcher:
            await fail_until_open(desk, wire, lines, dispatcher)
            wire.failing["SFU"], wire.held = [], True
            while not wire._begun.empty():
                await wire.begun()
            desk.clock.advance(minutes=1)
            dispatcher.wake()
            await wire.begun()
            assert state(desk).breaker is BreakerState.HALF_OPEN
            dispatcher.stop()
            await lines.until(telling.APDU_INTERRUPTED)
        assert (state(desk).breaker, state(desk).retry_at) == (BreakerState.OPEN, desk.clock.now)
        async with dispatching(desk, wire, owner="next"):
            await lines.until(telling.APDU_DELIVERED)

    async def test_a_failure_stored_while_stopping_is_no_reason_to_wait(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk), "a")
        wire.failing["SFU"] = [REFUSED]
        wire.held = True
        async with dispatching(desk, wire) as dispatcher:
            await wire.begun()
            dispatcher.stop()
            await asyncio.sleep(0)
            wire.release()
            await lines.until(telling.APDU_DEFERRED)
        assert [row.status for row in rows(desk)] == [OutboxStatus.WAITING]
