"""Sending what the outbox holds: order, retries, giving up, and what goes wrong meanwhile."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from config.settings import RetryPolicy, Settings
from iso_gateway.errors import DeliveryError
from iso_gateway.failure import Failure, advice
from iso_gateway.outbox import claiming, telling
from iso_gateway.outbox import dispatcher as module
from iso_gateway.store import engine
from iso_gateway.store.records import AttemptOutcome, GatewayId, OutboxId, OutboxStatus
from iso_gateway.store.tables import keys, outbox
from iso_gateway.store.watching import watch
from tests.support import apdus, gateway
from tests.support.dispatching import (
    GONE,
    LEASE,
    REFUSED,
    LogLines,
    Wire,
    begun,
    dispatching,
    outcomes,
    rows,
    said,
    say,
)
from tests.support.gateway import ELSEWHERE, Desk


class TestOrder:
    async def test_a_lane_sends_one_after_the_other_and_no_lane_waits_for_another(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        one, other = begun(desk, 1), begun(desk, 2)
        say(desk, one, "a")
        say(desk, one, "b")
        say(desk, other, "c")
        wire.held = True
        async with dispatching(desk, wire) as dispatcher:
            await wire.begun()
            await wire.begun()
            assert sorted(said(wire)) == ["a", "c"]
            # Both are on their way at once. The one that ends lets its own lane go on, and no other.
            say(desk, other, "d")
            dispatcher.wake()
            wire.release(said(wire).index("c"))
            await wire.begun()
            assert said(wire)[2:] == ["d"]
            wire.release(said(wire).index("a"))
            await wire.begun()
            assert said(wire)[3:] == ["b"]
            wire.release()
            for _ in range(4):
                await lines.until(telling.APDU_DELIVERED)
        assert [row.status for row in rows(desk)] == [OutboxStatus.DELIVERED] * 4

    async def test_no_more_are_on_their_way_at_once_than_allowed(
        self, desk: Desk, wire: Wire, lines: LogLines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Half of the places are kept for partners that have nothing on their way.
        monkeypatch.setattr(claiming, "CONCURRENCY", 4)
        halves = [begun(desk, number) for number in range(4)]
        for number, half in enumerate(halves):
            say(desk, half, str(number))
        wire.held = True
        async with dispatching(desk, wire) as dispatcher:
            await wire.begun()
            await wire.begun()
            dispatcher.wake()
            wire.release(0)
            await lines.until(telling.APDU_DELIVERED)
            await wire.begun()
            assert said(wire) == ["0", "1", "2"]
            assert len([line for line in lines.lines if line["event"] == telling.APDU_DELIVERED]) == 1

    async def test_what_another_process_has_written_goes_out_when_it_is_told(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        half = begun(desk)
        async with dispatching(desk, wire) as dispatcher:
            with desk.under(desk.site.settings) as command:
                say(command, half, "x")
            dispatcher.wake()
            await lines.until(telling.APDU_DELIVERED)
        assert said(wire) == ["x"]

    async def test_the_daemon_watches_for_what_another_process_commits(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        half = begun(desk)
        async with dispatching(desk, wire) as dispatcher:
            watching = asyncio.create_task(watch(desk.site.store.engine, dispatcher.wake))
            sending = asyncio.create_task(wire.begun())
            try:
                with desk.under(desk.site.settings) as command:
                    # The watch may begin after the first commit; it sees the others.
                    while not sending.done():
                        say(command, half, "x")
                        await asyncio.wait({sending}, timeout=0.5)
            finally:
                watching.cancel()
                await asyncio.wait({watching})
            await lines.until(telling.APDU_DELIVERED)


class TestFailure:
    async def test_what_fails_for_now_is_tried_again_with_the_same_octets(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk), "x")
        wire.failing["SFU"] = [REFUSED, REFUSED]
        async with dispatching(desk, wire) as dispatcher:
            for seconds in (5, 10):
                line = await lines.until(telling.APDU_DEFERRED)
                assert line["reason"] == "connection refused"
                [row] = rows(desk)
                assert row.status is OutboxStatus.WAITING
                assert row.next_attempt_at == desk.clock.now + timedelta(seconds=seconds)
                desk.clock.advance(seconds=seconds)
                dispatcher.wake()
            await lines.until(telling.APDU_DELIVERED)
        [row] = rows(desk)
        assert (row.status, row.attempts, row.finished_at) == (OutboxStatus.DELIVERED, 3, desk.clock.now)
        assert len({one.octets for one in wire.sent}) == 1
        assert outcomes(desk, row) == [
            (AttemptOutcome.FAILED, "connection refused"),
            (AttemptOutcome.FAILED, "connection refused"),
            (AttemptOutcome.DELIVERED, None),
        ]

    async def test_the_wait_for_a_retry_ends_by_itself(
        self, settings: Settings, wire: Wire, lines: LogLines
    ) -> None:
        at_once = replace(gateway.SFU, retry=RetryPolicy(first_delay=timedelta(0)))
        with Desk.open(gateway.with_partner(settings, at_once)) as desk:
            say(desk, begun(desk), "x")
            wire.failing["SFU"] = [REFUSED]
            async with dispatching(desk, wire):
                await lines.until(telling.APDU_DELIVERED)
        assert said(wire) == ["x", "x"]

    async def test_what_fails_for_good_is_not_delivered_and_its_lane_goes_on(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        half = begun(desk)
        say(desk, half, "a")
        say(desk, half, "b")
        wire.failing["SFU"] = [GONE]
        async with dispatching(desk, wire):
            line = await lines.until(telling.APDU_NOT_DELIVERED)
            assert (line["reason"], line["partner"]) == ("no such host", "SFU")
            await lines.until(telling.APDU_DELIVERED)
        first, second = rows(desk)
        assert (first.status, first.last_error) == (OutboxStatus.NOT_DELIVERED, "no such host")
        assert second.status is OutboxStatus.DELIVERED
        assert outcomes(desk, first) == [(AttemptOutcome.GAVE_UP, "no such host")]
        event = desk.events()[-1]
        assert (event.kind, event.half_id, event.message_id) == (
            telling.NOT_DELIVERED,
            half,
            first.message_id,
        )
        assert event.detail == {
            "reason": "no such host",
            "failure": "no-such-host",
            "advice": advice(Failure.NO_SUCH_HOST),
            "following": 1,
            "attention": "1 later of this request go out without it, and the partner may refuse them:"
            " look at the request",
        }

    async def test_a_message_is_given_up_when_its_lifetime_ends(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk), "x")
        wire.failing["SFU"] = [REFUSED, REFUSED]
        async with dispatching(desk, wire) as dispatcher:
            await lines.until(telling.APDU_DEFERRED)
            desk.clock.advance(days=14)
            dispatcher.wake()
            line = await lines.until(telling.APDU_NOT_DELIVERED)
        assert line["reason"] == "not delivered within its lifetime; last: connection refused"
        [row] = rows(desk)
        assert (row.status, row.attempts) == (OutboxStatus.NOT_DELIVERED, 2)

    async def test_each_partner_is_tried_as_its_own_profile_says(
        self, settings: Settings, wire: Wire, lines: LogLines
    ) -> None:
        patient = replace(gateway.SFU, retry=RetryPolicy(first_delay=timedelta(minutes=7)))
        with Desk.open(gateway.with_partner(settings, patient)) as desk:
            say(desk, begun(desk), "x")
            wire.failing["SFU"] = [REFUSED]
            async with dispatching(desk, wire):
                await lines.until(telling.APDU_DEFERRED)
            assert rows(desk)[0].next_attempt_at == desk.clock.now + timedelta(minutes=7)

    async def test_what_was_queued_for_a_partner_since_removed_is_tried_as_for_anyone(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk), "x")
        wire.failing["SFU"] = [
            DeliveryError("partner SFU is not configured", temporary=True, failure=Failure.NOT_CONFIGURED)
        ]
        without = replace(desk.site.settings, partners=(gateway.YAZ,))
        with desk.under(without) as today:
            async with dispatching(today, wire):
                await lines.until(telling.APDU_DEFERRED)
        assert rows(desk)[0].next_attempt_at == desk.clock.now + timedelta(seconds=5)

    async def test_a_report_to_a_stranger_is_tried_once(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        desk.receive(apdus.ill_request(requester="ILLUME:XYZ"), peer=ELSEWHERE, connection="c-9")
        wire.failing[None] = [REFUSED]
        async with dispatching(desk, wire):
            await lines.until(telling.APDU_NOT_DELIVERED)
        [row] = rows(desk)
        assert (row.status, row.attempts) == (OutboxStatus.NOT_DELIVERED, 1)
        assert (wire.sent[0].partner, wire.sent[0].connection_id) == (None, "c-9")
        assert desk.events()[-1].half_id is None

    async def test_what_nobody_foresaw_costs_neither_the_message_nor_the_dispatcher(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk), "x")
        wire.failing["SFU"] = [RuntimeError("for J. Doe")]
        async with dispatching(desk, wire) as dispatcher:
            line = await lines.until(telling.APDU_DEFERRED)
            assert line["reason"] == "the gateway could not send it: RuntimeError"
            desk.clock.advance(seconds=5)
            dispatcher.wake()
            await lines.until(telling.APDU_DELIVERED)
        assert not [line for line in lines.lines if "Doe" in str(line)]
        assert [outcome for outcome, _ in outcomes(desk, rows(desk)[0])] == [
            AttemptOutcome.FAILED,
            AttemptOutcome.DELIVERED,
        ]


class TestUnreadable:
    async def test_what_has_been_disposed_of_is_given_up_and_the_others_go_out(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        one, other = begun(desk, 1), begun(desk, 2)
        say(desk, one, "a")
        say(desk, other, "b")
        with desk.site.store.unit_of_work() as uow:
            uow.transactions.dispose(desk.half(one).transaction_id, at=desk.clock.now)
        with pytest.raises(Exception, match="disposed"):
            say(desk, one, "c")
        async with dispatching(desk, wire):
            line = await lines.until(telling.APDU_NOT_DELIVERED)
            assert "disposed" in line["reason"]
            await lines.until(telling.APDU_DELIVERED)
        assert said(wire) == ["b"]
        assert [row.status for row in rows(desk)] == [OutboxStatus.NOT_DELIVERED, OutboxStatus.DELIVERED]

    async def test_so_is_a_mail_that_belongs_to_no_document(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        with desk.site.store.engine.begin() as connection:
            mail = {
                "lane": "mail",
                "kind": "mail",
                "key_id": connection.execute(select(keys.c.id).limit(1)).scalar_one(),
                "payload": b"sealed",
                "partner": "SFU",
                "status": OutboxStatus.WAITING,
                "attempts": 0,
                "next_attempt_at": desk.clock.now,
                "fence": 0,
                "created_at": desk.clock.now,
                "expires_at": desk.clock.now,
            }
            connection.execute(insert(outbox), mail)
        async with dispatching(desk, wire):
            line = await lines.until("mail.not-delivered")
        assert "is not in a form this version can open" in line["reason"]
        assert (desk.events()[-1].half_id, desk.events()[-1].message_id) == (None, None)


class TestLease:
    @pytest.mark.parametrize("ending", [None, REFUSED, GONE])
    async def test_a_sending_whose_lease_another_took_over_counts_for_nothing(
        self, desk: Desk, wire: Wire, lines: LogLines, ending: Exception | None
    ) -> None:
        say(desk, begun(desk), "x")
        wire.held = True
        wire.failing["SFU"] = [] if ending is None else [ending]
        async with dispatching(desk, wire):
            await wire.begun()
            desk.clock.advance(minutes=6)
            [row] = rows(desk)
            with desk.site.store.unit_of_work() as uow:
                fence = uow.leases.claim(
                    row.id, "other", desk.clock.now, desk.clock.now + timedelta(minutes=5)
                )
            assert fence == 2
            wire.release()
            await lines.until(telling.LEASE_LOST)
            [row] = rows(desk)
            assert (row.status, row.lease_owner, row.fence) == (OutboxStatus.SENDING, "other", 2)
            assert outcomes(desk, row) == [(AttemptOutcome.ABANDONED, None), (None, None)]
        assert telling.NOT_DELIVERED not in [event.kind for event in desk.events()]

    async def test_whoever_stood_still_after_it_was_permitted_is_not_permitted_any_more(
        self, desk: Desk, lines: LogLines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seconds = time.clock_gettime(time.CLOCK_BOOTTIME)
        assert 0 <= module.elapsed() - seconds < 60
        monkeypatch.setattr(module, "elapsed", lambda: seconds)

        class Suspended(Wire):
            async def transmit(self, octets: bytes, **told: Any) -> None:
                nonlocal seconds
                await told["permit"]()
                seconds += LEASE.total_seconds()
                later = desk.clock.now + LEASE
                with desk.site.store.unit_of_work() as uow:
                    assert uow.leases.claim(told["outbox_id"], "two", later, later + LEASE)
                await super().transmit(octets, **told)

        wire = Suspended()
        say(desk, begun(desk), "x")
        async with dispatching(desk, wire, fenced=True):
            await lines.until(telling.LEASE_LOST)
        assert wire.written == []

    async def test_a_sending_that_outlasts_its_lease_is_not_begun_a_second_time(
        self, desk: Desk, wire: Wire, lines: LogLines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PAUSE", timedelta(seconds=3600))
        say(desk, begun(desk, 1), "x")
        wire.held = True
        async with dispatching(desk, wire) as dispatcher:
            await wire.begun()
            desk.clock.advance(hours=1)
            # The other goes out, so the dispatcher has looked at the first again.
            say(desk, begun(desk, 2), "y")
            dispatcher.wake()
            await wire.begun()
            assert said(wire) == ["x", "y"]
            # Nor is the outbox looked at over and over meanwhile, though the first is due.
            asked = desk.clock.asked
            for _ in range(10):
                await dispatcher.settled("another connection")
            assert desk.clock.asked <= asked + 1
            wire.release()
            await lines.until(telling.APDU_DELIVERED)
            await lines.until(telling.APDU_DELIVERED)
        assert said(wire) == ["x", "y"]
        assert {(row.status, row.fence) for row in rows(desk)} == {(OutboxStatus.DELIVERED, 1)}

    @pytest.mark.parametrize("bound", [False, True])
    async def test_a_clock_set_back_makes_no_dead_gateway_live_longer(
        self, desk: Desk, wire: Wire, lines: LogLines, *, bound: bool
    ) -> None:
        dead = "d" * 16
        if bound:
            desk.receive(apdus.ill_request(), connection=f"{dead}.1")
        else:
            say(desk, begun(desk), "x")
        with desk.site.store.unit_of_work() as uow:
            uow.gateways.enter(
                GatewayId(dead), state_id="x", host="other", pid=7, at=desk.clock.now, alone=False
            )
            if not bound:
                assert uow.leases.claim(OutboxId(1), dead, desk.clock.now, desk.clock.now + LEASE)
        desk.clock.advance(hours=-1)
        async with dispatching(desk, wire, owner="two", fenced=True) as dispatcher:
            await dispatcher.settled("another connection")
            desk.clock.advance(minutes=5)
            dispatcher.wake()
            await lines.until(telling.APDU_DELIVERED)
        assert len(wire.sent) == 1


class TestStop:
    async def test_what_is_in_hand_is_finished_and_nothing_more_is_begun(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        half = begun(desk)
        say(desk, half, "a")
        say(desk, half, "b")
        wire.held = True
        async with dispatching(desk, wire) as dispatcher:
            await wire.begun()
            dispatcher.stop()
            wire.release()
            await lines.until(telling.APDU_DELIVERED)
        assert said(wire) == ["a"]
        assert [row.status for row in rows(desk)] == [OutboxStatus.DELIVERED, OutboxStatus.WAITING]

    async def test_a_message_that_waits_for_its_retry_holds_up_no_end(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(desk, begun(desk), "a")
        wire.failing["SFU"] = [REFUSED]
        async with dispatching(desk, wire):
            await lines.until(telling.APDU_DEFERRED)
        assert [row.status for row in rows(desk)] == [OutboxStatus.WAITING]


class TestSettled:
    @pytest.mark.usefixtures("lines")
    async def test_a_connection_is_settled_when_its_answers_are_written(self, desk: Desk, wire: Wire) -> None:
        request = apdus.ill_request()
        desk.receive(request, connection="c-1")
        desk.receive(request, connection="c-1")
        wire.held = True
        async with dispatching(desk, wire) as dispatcher:
            await dispatcher.settled("c-2")
            settled = asyncio.create_task(dispatcher.settled("c-1"))
            await wire.begun()
            assert not settled.done()
            wire.release(0)
            await wire.begun()
            assert not settled.done()
            wire.release()
            async with asyncio.timeout(60):
                await settled
        assert len(wire.sent) == 2

    async def test_a_connection_is_settled_when_its_answer_cannot_be_had(
        self, desk: Desk, wire: Wire, lines: LogLines
    ) -> None:
        half = desk.half(desk.receive(apdus.ill_request(), connection="c-1").half_id)
        wire.failing["YAZ"] = [REFUSED]
        async with dispatching(desk, wire) as dispatcher:
            await lines.until(telling.APDU_DEFERRED)
            # Each goes through the writer: the sending has ended before the first, and the other waits then.
            await dispatcher.settled("another connection")
            settled = asyncio.create_task(dispatcher.settled("c-1"))
            await dispatcher.settled("another connection")
            with desk.site.store.unit_of_work() as uow:
                uow.transactions.dispose(half.transaction_id, at=desk.clock.now)
            assert not settled.done()
            desk.clock.advance(minutes=1)
            dispatcher.wake()
            await lines.until(telling.APDU_NOT_DELIVERED)
            async with asyncio.timeout(10):
                await settled
        assert len(wire.sent) == 1


@pytest.fixture
def impatient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk that does not wait long for a locked database."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 20)
    monkeypatch.setattr(module, "PAUSE", timedelta(seconds=0.01))
    with Desk.open(settings) as desk:
        yield desk


@contextmanager
def locked(desk: Desk) -> Iterator[None]:
    """Keep everyone else from writing."""
    path = desk.site.store.engine.url.database
    assert path is not None
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


class TestDatabaseLocked:
    async def test_when_it_can_be_used_again_sending_goes_on(
        self, impatient: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(impatient, begun(impatient), "x")
        with locked(impatient):
            async with dispatching(impatient, wire):
                line = await lines.until(module.OUTBOX_UNAVAILABLE)
                assert "was kept locked" in line["error"]
                await lines.until(module.OUTBOX_UNAVAILABLE)
                assert wire.sent == []
        async with dispatching(impatient, wire):
            await lines.until(telling.APDU_DELIVERED)
        assert said(wire) == ["x"]

    @pytest.mark.parametrize(
        ("ending", "event", "status"),
        [
            (None, telling.APDU_DELIVERED, OutboxStatus.DELIVERED),
            (REFUSED, telling.APDU_DEFERRED, OutboxStatus.WAITING),
            (GONE, telling.APDU_NOT_DELIVERED, OutboxStatus.NOT_DELIVERED),
        ],
    )
    async def test_how_a_sending_ended_is_stored_when_it_can_be(
        self,
        impatient: Desk,
        wire: Wire,
        lines: LogLines,
        *,
        ending: Exception | None,
        event: str,
        status: OutboxStatus,
    ) -> None:
        say(impatient, begun(impatient), "x")
        wire.held = True
        wire.failing["SFU"] = [] if ending is None else [ending]
        async with dispatching(impatient, wire):
            await wire.begun()
            with locked(impatient):
                wire.release()
                await lines.until(module.OUTBOX_UNAVAILABLE)
                await lines.until(module.OUTBOX_UNAVAILABLE)
            await lines.until(event)
        assert said(wire) == ["x"]
        assert [row.status for row in rows(impatient)] == [status]

    async def test_a_gateway_that_stops_does_not_wait_for_it_for_ever(
        self, impatient: Desk, wire: Wire, lines: LogLines
    ) -> None:
        say(impatient, begun(impatient), "x")
        wire.held = True
        with ExitStack() as until_stopped:
            async with dispatching(impatient, wire):
                await wire.begun()
                until_stopped.enter_context(locked(impatient))
                wire.release()
                await lines.until(module.OUTBOX_UNAVAILABLE)
        # Leased still: whoever starts next sends it again, with the same octets.
        [row] = rows(impatient)
        assert row.status is OutboxStatus.SENDING
        with impatient.site.store.unit_of_work() as uow:
            assert uow.leases.end_all(impatient.clock.now) == 1
        async with dispatching(impatient, wire, owner="next"):
            await lines.until(telling.APDU_DELIVERED)
        assert len({one.octets for one in wire.sent}) == 1
        assert said(wire) == ["x", "x"]
