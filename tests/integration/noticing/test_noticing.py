"""Noticing over a real store: what is read out of it, which rows follow, and how they end."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from asn1.codec import encode
from asn1.ill import TransactionResults
from config.settings import Noticing, Settings
from iso_gateway.errors import NotFoundError, StoreError
from iso_gateway.failure import Failure
from iso_gateway.half.record import original_request
from iso_gateway.noticing import asking, gathering, health, keeping
from iso_gateway.noticing.noticer import Noticer
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.outbox import operating
from iso_gateway.request import primitives
from iso_gateway.running.attendance import Attendance
from iso_gateway.store.leases import Trouble
from iso_gateway.store.records import (
    AttentionId,
    BreakerState,
    GatewayId,
    HalfId,
    MessageId,
    PartnerStateRecord,
)
from iso_gateway.store.writer import Writer
from tests.support import apdus
from tests.support.gateway import AT_SFU, ELSEWHERE, Desk, with_partner
from tests.support.libraries import BOOK, Libraries
from tests.support.noticing import Lookout

DUE = dt.date(2026, 12, 24)
SHIP = primitives.Ship(date_due=DUE)


@pytest.fixture
def lookout(desk: Desk) -> Lookout:
    return Lookout(desk.site)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Libraries]:
    """BEX, which asks, and SFU, which lends."""
    with Libraries.open(tmp_path, "BEX", "SFU") as libraries:
        yield libraries


def kinds(lookout: Lookout) -> list[str]:
    """Look, and give the kinds of what stands then."""
    lookout.look()
    return [row.kind for row in lookout.standing()]


class TestWhatIsRead:
    def test_a_shipped_for_a_request_that_was_over(self, pair: Libraries) -> None:
        lookout = Lookout(pair.desks["BEX"].site)
        pair.request("BEX", "SFU")
        pair.act("SFU", SHIP, carried=False)
        [shipped] = pair.take("SFU")
        # It is over before that comes, by a message that SFU sent before.
        with pair.desks["BEX"].site.store.unit_of_work() as uow:
            uow.halves.update(HalfId(1), state="CANCELLED", flags=(), at=pair.clock.now)
        assert kinds(lookout) == []
        refused = pair.bring("SFU", shipped)
        assert refused.verdict == "prohibited"
        assert kinds(lookout) == ["late-shipped"]
        [row] = lookout.standing()
        assert (row.half_id, row.message_id, row.partner) == (1, refused.message_id, "SFU")
        # And the item of the next request is the same.
        pair.request("BEX", "SFU")
        pair.act("SFU", SHIP, half=2)
        assert kinds(lookout) == ["late-shipped", "double-supply"]

    def test_what_cannot_be_read_and_is_read_later(self, desk: Desk, lookout: Lookout) -> None:
        first = desk.receive(b"GET / HTTP/1.0\r\n\r\n", peer=ELSEWHERE)
        assert first.verdict == "unreadable"
        assert kinds(lookout) == ["unreadable"]
        [row] = lookout.standing()
        assert row.reason == "1 message from 203.0.113.9 on 2026-11-16 could not be read: messages show 1"
        desk.receive(b"junk", peer=ELSEWHERE)
        lookout.look()
        [row] = lookout.standing()
        assert row.reason.startswith("2 messages from 203.0.113.9")
        # Classified once more, under a profile that can read it.
        with desk.site.store.unit_of_work() as uow:
            for message_id in (1, 2):
                uow.messages.processed(
                    MessageId(message_id),
                    at=desk.clock.now,
                    verdict="ignored",
                    reason="read",
                )
        assert kinds(lookout) == []

    def test_what_comes_for_a_request_that_was_disposed_of(self, desk: Desk, lookout: Lookout) -> None:
        request = apdus.ill_request(requester="ILLUME:SFU")
        half_id = desk.begin(request, peer=AT_SFU)
        with desk.site.store.unit_of_work() as uow:
            uow.transactions.dispose(uow.halves.get(half_id).transaction_id, at=desk.clock.now)
        cancel = desk.receive(apdus.cancel(request), peer=AT_SFU)
        assert kinds(lookout) == ["disposed-of"]
        [row] = lookout.standing()
        assert (row.half_id, row.message_id, row.partner) == (half_id, cancel.message_id, "SFU")
        assert f"about request {half_id} that was disposed of" in row.reason

    def test_what_cannot_be_classified_until_it_is(self, desk: Desk, lookout: Lookout) -> None:
        stored = desk.store(apdus.ill_request(requester="ILLUME:SFU"), peer=AT_SFU)
        assert kinds(lookout) == []
        desk.clock.advance(minutes=16)
        assert kinds(lookout) == ["unclassified"]
        [row] = lookout.standing()
        assert row.message_id == stored
        desk.process(stored)
        assert kinds(lookout) == []

    def test_it_is_forgotten_after_a_while(self, desk: Desk, lookout: Lookout) -> None:
        desk.receive(b"junk", peer=ELSEWHERE)
        assert kinds(lookout) == ["unreadable"]
        desk.clock.advance(days=31)
        assert kinds(lookout) == []

    def test_what_was_not_delivered_until_it_is_sent_again(self, desk: Desk, lookout: Lookout) -> None:
        desk.request()
        [waiting] = desk.outgoing()
        now = desk.clock.now
        with desk.site.store.unit_of_work() as uow:
            fence = uow.leases.claim(waiting.row.id, "test", now, now)
            assert fence is not None
            assert uow.leases.gave_up(
                waiting.row.id, fence, now, Trouble(error="refused", failure=Failure.REFUSED)
            )
        assert kinds(lookout) == ["not-delivered"]
        [row] = lookout.standing()
        assert (row.half_id, row.message_id, row.partner) == (1, waiting.row.message_id, "SFU")
        with desk.site.store.unit_of_work() as uow:
            assert waiting.row.message_id is not None
            uow.outbox.add(
                lane="again",
                message_id=waiting.row.message_id,
                partner="SFU",
                connection_id=None,
                at=now,
                expires_at=now + dt.timedelta(days=1),
            )
        assert kinds(lookout) == []

    def test_what_was_not_delivered_until_it_is_repeated(self, desk: Desk, lookout: Lookout) -> None:
        def lose() -> MessageId | None:
            [waiting] = desk.outgoing()
            with desk.site.store.unit_of_work() as uow:
                assert uow.outbox.end_waiting(waiting.row.id, desk.clock.now, "gone", Failure.LIFETIME)
            return waiting.row.message_id

        half_id = desk.request().half_id
        assert half_id is not None
        first = lose()
        lookout.look()
        assert [row.message_id for row in lookout.standing()] == [first]
        desk.repeat(half_id)
        assert kinds(lookout) == []
        second = lose()
        lookout.look()
        assert [row.message_id for row in lookout.standing()] == [second], "the repeat is told of by itself"
        desk.repeat(half_id)
        assert kinds(lookout) == []

    def test_a_repeat_of_one_message_makes_up_for_no_other(self, desk: Desk, lookout: Lookout) -> None:
        half_id = desk.begin(apdus.ill_request(requester="ILLUME:SFU"), peer=AT_SFU)
        for note in ("first", "second"):
            desk.act(half_id, primitives.SendMessage(note=note))
        lost, arrived = desk.outgoing()
        with desk.site.store.unit_of_work() as uow:
            assert uow.outbox.end_waiting(lost.row.id, desk.clock.now, "gone", Failure.LIFETIME)
        desk.repeat(half_id)
        lookout.look()
        assert [row.message_id for row in lookout.standing()] == [lost.row.message_id]
        assert arrived.row.message_id is not None

    def test_what_the_gateway_holds_back_and_not_what_an_operator_does(
        self, desk: Desk, lookout: Lookout
    ) -> None:
        desk.request()
        desk.request()
        first, second = desk.outgoing()
        now = desk.clock.now
        with desk.site.store.unit_of_work() as uow:
            assert uow.outbox.hold(second.row.id, "anna")
            fence = uow.leases.claim(first.row.id, "test", now, now)
            assert fence is not None
            trouble = Trouble(error="reset", failure=Failure.RESET, ambiguous=True)
            assert uow.leases.hold_back(first.row.id, fence, now, trouble)
        assert kinds(lookout) == ["held-back"]
        with desk.site.store.unit_of_work() as uow:
            assert uow.outbox.release(first.row.id, now)
        assert kinds(lookout) == []

    def test_partners(self, desk: Desk, lookout: Lookout) -> None:
        desk.request()
        assert kinds(lookout) == []
        desk.clock.advance(hours=4)
        assert kinds(lookout) == ["unsent"]
        broken = PartnerStateRecord(
            partner="SFU",
            breaker=BreakerState.OPEN,
            failures=3,
            failing_since=desk.clock.now,
            last_error="connection refused",
        )
        with desk.site.store.unit_of_work() as uow:
            uow.partners.set_breaker(broken)
        assert kinds(lookout) == []
        desk.clock.advance(minutes=30)
        assert kinds(lookout) == ["unreachable"]
        with desk.site.store.unit_of_work() as uow:
            operating.suspend(uow, "SFU", actor="anna", reason="it moves house", at=desk.clock.now)
        assert kinds(lookout) == ["suspended"]
        desk.deliver()
        assert kinds(lookout) == []

    def test_what_the_machine_put_before_a_person_until_something_settles_it(
        self, desk: Desk, lookout: Lookout
    ) -> None:
        half = desk.begin(
            apdus.ill_request(requester="ILLUME:SFU"), peer=AT_SFU, then=(primitives.Ship(date_due=DUE),)
        )
        desk.clock.now = dt.datetime(2026, 12, 25, 9, tzinfo=dt.UTC)
        desk.tick()
        assert kinds(lookout) == ["request"]
        [row] = lookout.standing()
        assert row.reason == f"request {half} with SFU: the item is overdue"
        desk.clock.advance(hours=1)
        desk.act(half, primitives.QueryStatus())
        desk.deliver()
        # A query settles nothing.
        assert kinds(lookout) == ["request"]
        desk.clock.advance(hours=1)
        desk.act(half, primitives.RecallItem())
        desk.deliver()
        assert kinds(lookout) == []

    def test_what_was_disposed_of_is_passed_over(self, pair: Libraries) -> None:
        bex = pair.desks["BEX"]
        lookout = Lookout(bex.site)
        pair.request("BEX", "SFU")
        pair.request("BEX", "SFU")
        pair.act("SFU", SHIP)
        pair.act("SFU", SHIP, half=2)
        assert kinds(lookout) == ["double-supply"]
        with bex.site.store.unit_of_work() as uow:
            uow.transactions.dispose(uow.halves.get(HalfId(1)).transaction_id, at=pair.clock.now)
        assert kinds(lookout) == []
        assert [one.detail for one in bex.events() if one.kind == "attention.cleared"]

    def test_a_report_that_names_an_error(self, pair: Libraries) -> None:
        bex = pair.desks["BEX"]
        pair.request("BEX", "SFU")
        pair.act("BEX", primitives.QueryStatus(), carried=False)
        pair.take("BEX")
        with bex.reading() as uow:
            request = original_request(uow, uow.halves.get(HalfId(1)))
        report = apdus.error_report(request)
        processed = bex.receive(encode(report), peer="192.0.2.2:40002", two_way=False)
        with bex.reading() as uow:
            [awaited] = gathering.gather(uow, bex.site.settings, pair.clock.now).awaited
        assert awaited.queried_at is not None
        assert awaited.reported == f"its report names an error: messages show {processed.message_id}"

    def test_an_answer_ends_the_waiting_and_another_wish_begins_it(self, pair: Libraries) -> None:
        bex = pair.desks["BEX"]

        def awaited() -> list[dt.datetime]:
            with bex.reading() as uow:
                return [
                    one.asked_at for one in gathering.gather(uow, bex.site.settings, pair.clock.now).awaited
                ]

        pair.request("BEX", "SFU")
        asked = pair.clock.now
        pair.act("SFU", primitives.SendMessage(note="we are looking"))
        assert awaited() == [asked]
        pair.act("SFU", primitives.Answer(result=TransactionResults.will_supply))
        assert awaited() == []
        pair.act("SFU", SHIP)
        pair.act("BEX", primitives.Receive())
        pair.clock.advance(days=1)
        pair.act("BEX", primitives.Renew())
        assert awaited() == [pair.clock.now]

    def test_whom_a_request_was_handed_on_to_gets_as_long(self, tmp_path: Path) -> None:
        with Libraries.open(tmp_path, "BEX", "SFU", "UBC") as three:
            bex = three.desks["BEX"]
            three.request("BEX", "SFU", replace(BOOK, may_forward=True))
            three.clock.advance(days=3)
            three.act("SFU", primitives.Forward(to="UBC"))
            with bex.reading() as uow:
                [awaited] = gathering.gather(uow, bex.site.settings, three.clock.now).awaited
            assert (awaited.partner, awaited.asked_at) == ("UBC", three.clock.now)

    def test_a_library_of_ours_that_is_not_configured_any_more_waits_for_nothing(self, desk: Desk) -> None:
        desk.request()
        settings = replace(desk.site.settings, local=(replace(desk.site.settings.local[0], name="NEW"),))
        with desk.reading() as uow:
            assert gathering.gather(uow, settings, desk.clock.now).awaited == ()

    def test_a_report_that_was_disposed_of_says_nothing(self, pair: Libraries) -> None:
        bex = pair.desks["BEX"]
        pair.request("BEX", "SFU")
        pair.act("BEX", primitives.QueryStatus())
        with bex.site.store.unit_of_work() as uow:
            uow.transactions.dispose(uow.halves.get(HalfId(1)).transaction_id, at=pair.clock.now)
        with bex.reading() as uow:
            [awaited] = gathering.gather(uow, bex.site.settings, pair.clock.now).awaited
        assert awaited.queried_at is not None
        assert awaited.reported is None


class TestRows:
    def test_what_an_operator_clears_stays_cleared_while_its_cause_lasts(
        self, desk: Desk, lookout: Lookout
    ) -> None:
        desk.request()
        desk.clock.advance(hours=5)
        assert kinds(lookout) == ["unsent"]
        [row] = lookout.standing()
        with desk.site.store.unit_of_work() as uow:
            keeping.clear(uow, row.id, actor="anna", reason="SFU has been told", at=desk.clock.now)
        desk.clock.advance(hours=5)
        assert kinds(lookout) == []
        [cleared] = lookout.rows()
        assert (cleared.cleared_by, cleared.gone_at) == ("anna", None)
        with desk.reading() as uow:
            assert keeping.why_cleared(uow, cleared) == "SFU has been told"
        desk.deliver()
        assert kinds(lookout) == []
        [gone] = lookout.rows()
        assert (gone.cleared_by, gone.cleared_at, gone.gone_at) == (
            "anna",
            cleared.cleared_at,
            desk.clock.now,
        )
        # The cause has gone, so it can come again.
        desk.request()
        desk.clock.advance(hours=5)
        assert kinds(lookout) == ["unsent"]
        told = [
            (one.kind, (one.detail or {}).get("actor")) for one in desk.events() if "attention" in one.kind
        ]
        assert told == [
            ("attention.raised", None),
            ("attention.cleared", "anna"),
            ("attention.raised", None),
        ]

    def test_what_is_cleared_stays_so_what_is_not_there_fails(self, desk: Desk, lookout: Lookout) -> None:
        desk.receive(b"junk", peer=ELSEWHERE)
        lookout.look()
        with desk.site.store.unit_of_work() as uow:
            keeping.clear(uow, AttentionId(1), actor="anna", reason="seen", at=desk.clock.now)
        with desk.site.store.unit_of_work() as uow:
            assert not keeping.clear(uow, AttentionId(1), actor="bert", reason="again", at=desk.clock.now)
            assert [one.actor for one in uow.audit.list()] == ["anna"]
            with pytest.raises(NotFoundError, match="there is no attention 9"):
                keeping.clear(uow, AttentionId(9), actor="anna", reason="again", at=desk.clock.now)

    def test_what_lasts_is_noted_once_an_hour(self, desk: Desk, lookout: Lookout) -> None:
        desk.receive(b"junk", peer=ELSEWHERE)
        assert lookout.look().changed
        desk.clock.advance(minutes=59)
        assert not lookout.look().changed
        desk.clock.advance(minutes=1)
        assert lookout.look().changed
        assert lookout.rows()[0].seen_at == desk.clock.now

    def test_no_text_of_a_message_stands_in_a_row(self, pair: Libraries) -> None:
        pair.request("BEX", "SFU")
        pair.request("BEX", "SFU")
        pair.act("SFU", SHIP)
        pair.act("SFU", SHIP, half=2)
        lookout = Lookout(pair.desks["BEX"].site)
        with structlog.testing.capture_logs() as logs:
            lookout.look()
        [row] = lookout.rows()
        for said in (repr(row), repr(logs)):
            assert "Penelopiad" not in said
            assert "Atwood" not in said
        assert [one["event"] for one in logs] == ["noticing.inferred-same-item", "attention.raised"]

    def test_on_both_databases(self, portable: Settings) -> None:
        with Desk.open(portable) as desk:
            lookout = Lookout(desk.site)
            desk.receive(b"junk", peer=ELSEWHERE)
            desk.request(BOOK)
            desk.clock.advance(hours=5)
            assert kinds(lookout) == ["unsent", "unreadable"]
            with desk.site.store.unit_of_work() as uow:
                keeping.clear(uow, AttentionId(1), actor="anna", reason="seen", at=desk.clock.now)
            desk.deliver()
            desk.clock.advance(days=8)
            desk.tick()
            assert kinds(lookout) == ["unreadable", "no-answer", "silent"]
            with pytest.raises(StoreError), desk.site.store.unit_of_work() as uow:
                uow.attention.raise_(
                    key=lookout.standing()[0].key,
                    kind="x",
                    reason="x",
                    since=desk.clock.now,
                    at=desk.clock.now,
                )
            with desk.reading() as uow:
                found = health.health(uow, portable, desk.clock.now, database="here")
            assert (found.traffic.received, found.traffic.sent, found.traffic.refused) == (0, 1, 0)
            assert found.wrong[0].startswith("no gateway runs")


class TestAsking:
    def test_a_query_that_cannot_be_sent_keeps_no_other_from_it(self, desk: Desk) -> None:
        desk.request()
        desk.request()
        desk.deliver()
        desk.clock.advance(days=4)
        days = WorkingDays("CA-BC")
        with desk.reading() as uow:
            facts = gathering.gather(uow, desk.site.settings, desk.clock.now)
        late = asking.due(facts, desk.clock.now, desk.site.settings, days)
        assert [one.half_id for one in late] == [1, 2]
        with desk.site.store.unit_of_work() as uow:
            uow.transactions.dispose(uow.halves.get(HalfId(1)).transaction_id, at=desk.clock.now)
        with desk.site.store.unit_of_work() as uow, structlog.testing.capture_logs() as logs:
            assert asking.ask(desk.site.gateway, uow, late) == 1
        assert [one["half_id"] for one in logs if one["event"] == asking.QUERY_FAILED] == [1]
        assert [one.apdu.asn1_name for one in desk.outgoing()] == ["Status-Query"]


class TestNoticer:
    async def test_it_looks_writes_asks_and_looks_again(self, desk: Desk) -> None:
        desk.request()
        desk.deliver()
        desk.clock.advance(days=4)
        sent = asyncio.Event()
        settings = replace(desk.site.settings, noticing=Noticing(interval=dt.timedelta(milliseconds=5)))
        writer = Writer(desk.site.store)
        try:
            noticer = Noticer(
                settings, desk.site.gateway, desk.site.store, writer, clock=desk.clock, acted=sent.set
            )
            running = asyncio.create_task(noticer.run())
            await sent.wait()
            noticer.stop()
            await running
        finally:
            writer.close()
        lookout = Lookout(desk.site)
        assert [row.kind for row in lookout.standing()] == ["answer-due", "silent"]
        assert [one.apdu.asn1_name for one in desk.outgoing()] == ["Status-Query"]

    async def test_a_database_that_sends_nothing_is_not_looked_at(self, desk: Desk) -> None:
        desk.receive(b"junk", peer=ELSEWHERE)
        with desk.site.store.unit_of_work() as uow:
            uow.sending.hold("a copy", desk.clock.now)
        writer = Writer(desk.site.store)
        try:
            noticer = Noticer(
                desk.site.settings,
                desk.site.gateway,
                desk.site.store,
                writer,
                clock=desk.clock,
                acted=lambda: None,
            )
            assert (await noticer.look()).notices == ()
        finally:
            writer.close()
        assert Lookout(desk.site).rows() == ()

    async def test_a_fault_is_logged_and_it_looks_again(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks: list[int] = []
        settings = replace(desk.site.settings, noticing=Noticing(interval=dt.timedelta(milliseconds=1)))
        noticer = Noticer(
            settings,
            desk.site.gateway,
            desk.site.store,
            Writer(desk.site.store),
            clock=desk.clock,
            acted=lambda: None,
        )

        async def look() -> None:
            looks.append(1)
            if len(looks) == 1:
                raise ValueError("a title")
            if len(looks) == 2:
                raise StoreError("the database is gone")
            noticer.stop()

        monkeypatch.setattr(noticer, "look", look)
        with structlog.testing.capture_logs() as logs:
            await noticer.run()
        noticer._writer.close()
        assert [one["error"] for one in logs] == ["ValueError", "the database is gone"]

    async def test_it_follows_other_settings(self, desk: Desk) -> None:
        desk.request()
        writer = Writer(desk.site.store)
        try:
            attendance = Attendance(
                desk.site.settings, desk.site, writer, gateway=GatewayId("a" * 16), acted=lambda: None
            )
            desk.clock.advance(hours=1)
            sfu = desk.partner("SFU")
            hasty = replace(sfu, retry=replace(sfu.retry, warn_after=dt.timedelta(minutes=1)))
            attendance.follow(with_partner(desk.site.settings, hasty))
            await attendance._noticer.look()
        finally:
            writer.close()
        assert [row.kind for row in Lookout(desk.site).standing()] == ["unsent"]
