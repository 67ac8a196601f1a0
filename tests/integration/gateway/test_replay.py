"""Replaying, rebuilding and verifying, over the real use cases and a real database."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import pytest

from asn1.codec import encode
from asn1.ill import ILLApdu, TransactionResults
from config.settings import Dialect, Partner, Settings
from iso_gateway.replay import rebuilding, replaying, verifying
from iso_gateway.replay.replaying import Order, Replayed, Result
from iso_gateway.request import primitives
from iso_gateway.store.leases import Trouble
from iso_gateway.store.records import Direction, HalfId
from iso_gateway.store.searching import Wanted
from tests.support import apdus
from tests.support.gateway import AT_SFU, AT_UBC, AT_YAZ, SFU, UBC, Desk, arrival, with_partner
from tests.support.libraries import BOOK, Libraries, as_partner

RECEIVED: Final = Wanted(direction=Direction.RECEIVED)
ORDER: Final = Order(actor="anna", reason="the profile was wrong")
DRY: Final = replace(ORDER, dry_run=True)


STRICT: Final = replace(SFU, dialect=Dialect.STRICT)
LIBERAL: Final = replace(SFU, dialect=Dialect.STANDARD)


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    """A gateway that reads SFU too strictly."""
    with Desk.open(with_partner(settings, STRICT)) as desk:
        yield desk


@contextmanager
def today(desk: Desk) -> Iterator[Desk]:
    """The same gateway with a profile for SFU that is right."""
    with desk.under(with_partner(desk.site.settings, LIBERAL)) as changed:
        yield changed


def padded(apdu: ILLApdu) -> bytes:
    """An APDU whose protocol-version-num takes two octets: BER forbids that, and all understand it."""
    octets = encode(apdu)
    _, contents = _opened(octets)
    _, components = _opened(contents)
    assert components[:3] == b"\x80\x01\x02"
    return _closed(octets[:1], _closed(b"\x30", b"\x80\x02\x00\x02" + components[3:]))


def _opened(octets: bytes) -> tuple[bytes, bytes]:
    more = octets[1] & 0x7F if octets[1] & 0x80 else 0
    return octets[:1], octets[2 + more :]


def _closed(tag: bytes, contents: bytes) -> bytes:
    return tag + b"\x82" + len(contents).to_bytes(2, "big") + contents


def replay(desk: Desk, wanted: Wanted = RECEIVED, order: Order = ORDER) -> list[Replayed]:
    """Replay, and give what came of it in the order of the messages."""
    with desk.reading() as uow:
        groups = replaying.groups_of(desk.site.settings, uow, wanted)
    done = replaying.replay(
        desk.site.settings,
        desk.site.store,
        desk.site.gateway,
        groups,
        order,
        clock=desk.clock,
        pause=lambda _seconds: None,
    )
    return sorted(done, key=lambda one: one.message_id)


def results(done: Iterable[Replayed]) -> list[tuple[Result, str | None]]:
    return [(one.result, one.after) for one in done]


def problems(desk: Desk) -> list[str]:
    """What `db verify` finds."""
    return [
        problem.text
        for progress in verifying.verify(desk.site.store, desk.site.settings, desk.clock.now)
        for problem in progress.problems
    ]


def without(settings: Settings, partner: Partner) -> Settings:
    return replace(settings, partners=tuple(one for one in settings.partners if one.name != partner.name))


class TestReceived:
    def test_what_was_unreadable_is_read_as_the_profile_says_today(self, desk: Desk) -> None:
        request = apdus.ill_request(requester="ILLUME:SFU")
        octets = padded(request)
        spoiled = desk.receive(octets, peer=AT_SFU)
        assert spoiled.verdict == "unreadable"
        reports = len(desk.outgoing())
        with today(desk) as now:
            before = now.counts()
            [dry] = replay(now, order=DRY)
            assert (dry.result, dry.before, dry.after) == (Result.APPLIED, "unreadable", "applied")
            assert dry.state == "IN-PROCESS"
            assert now.counts() == before
            [done] = replay(now)
            assert replace(done, half_id=None) == replace(dry, half_id=None)
            assert now.half(done.half_id).state == "IN-PROCESS"
            with now.reading() as uow:
                assert uow.messages.raw(spoiled.message_id) == octets
                kinds = [one.verdict for one in uow.messages.processings(spoiled.message_id)]
                [audit] = uow.audit.about(message_id=spoiled.message_id)
            assert kinds == ["unreadable", "applied"]
            assert (audit.actor, audit.reason, audit.half_id) == ("anna", ORDER.reason, done.half_id)
            # Whoever sent it was told long ago that it was unreadable, and is told nothing now.
            assert len(now.outgoing()) == reports
            [once_more] = replay(now, order=replace(ORDER, again=True))
            assert once_more.result is Result.PASSED_OVER
            assert problems(now) == []

    def test_a_sender_that_was_unknown_has_become_a_partner(self, desk: Desk, settings: Settings) -> None:
        request = apdus.ill_request(requester="ILLUME:UBC")
        with desk.under(without(settings, UBC)) as then:
            assert then.receive(request, peer=AT_UBC, two_way=False).verdict == "unknown-sender"
            assert results(replay(then)) == [(Result.UNCHANGED, "unknown-sender")]
        [done] = replay(desk)
        assert (done.result, done.partner) == (Result.APPLIED, "UBC")

    def test_what_needs_another_message_is_applied_after_it(self, desk: Desk) -> None:
        request = apdus.ill_request(requester="ILLUME:SFU")
        late = desk.receive(apdus.cancel(request), peer=AT_SFU, two_way=True)
        assert late.verdict == "unknown-transaction"
        first = desk.receive(padded(request), peer=AT_SFU)
        assert first.verdict == "unreadable"
        with today(desk) as now:
            assert results(replay(now)) == [(Result.APPLIED, "applied")] * 2
            assert results(replay(now)) == [(Result.PASSED_OVER, "applied")] * 2
            assert now.half(1).state == "CANCEL-PENDING"
            assert problems(now) == []

    def test_what_is_too_late_today_is_refused_as_late_and_nobody_told(self, desk: Desk) -> None:
        request = apdus.ill_request(requester="ILLUME:SFU")
        half = desk.begin(request, peer=AT_SFU)
        desk.act(half, primitives.Answer(result=TransactionResults.conditional, reason="cost-exceeds-limit"))
        lost = desk.receive(padded(apdus.conditional_reply(request)), peer=AT_SFU, two_way=False)
        assert lost.verdict == "unreadable"
        # They say it again, and we go on.
        desk.clock.advance(days=2)
        second = apdus.conditional_reply(request, at=apdus.LATER + timedelta(hours=1))
        assert desk.receive(second, peer=AT_SFU).verdict == "applied"
        desk.deliver()
        with today(desk) as now:
            [_, done, _] = replay(now)
            assert (done.result, done.after, done.late) == (Result.RECLASSIFIED, "prohibited", True)
            assert now.outgoing() == []
            [_, again, _] = replay(now)
            assert again.result is Result.UNCHANGED
            [_, told, _] = replay(now, order=replace(ORDER, again=True))
            assert told.result is Result.UNCHANGED
            with now.reading() as uow:
                assert len(uow.messages.processings(lost.message_id)) == 3
                assert len(uow.audit.about(message_id=lost.message_id)) == 2
            assert problems(now) == []

    def test_the_second_copy_of_a_message_is_a_duplicate(self, desk: Desk) -> None:
        octets = padded(apdus.ill_request(requester="ILLUME:SFU"))
        for _ in range(2):
            assert desk.receive(octets, peer=AT_SFU).verdict == "unreadable"
        with today(desk) as now:
            expected = [(Result.APPLIED, "applied"), (Result.RECLASSIFIED, "exact-duplicate")]
            assert results(replay(now)) == expected
            assert [one.result for one in replay(now)] == [Result.PASSED_OVER, Result.UNCHANGED]

    def test_what_nobody_has_looked_at_and_what_is_held_are_left_alone(self, desk: Desk) -> None:
        request = apdus.ill_request(requester="ILLUME:SFU")
        held = desk.receive(apdus.cancel(request), peer=AT_SFU, two_way=False)
        assert held.verdict == "held"
        desk.store(apdus.ill_request(transaction="T2"))
        done = replay(desk)
        assert [one.result for one in done] == [Result.PASSED_OVER] * 2
        assert "held" in done[0].reason
        assert "nobody has looked at it" in done[1].reason

    def test_what_was_disposed_of_fails_alone(self, desk: Desk) -> None:
        request = apdus.ill_request()
        desk.begin(request)
        refused = desk.receive(apdus.returned(request))
        assert refused.verdict == "prohibited"
        with desk.site.store.unit_of_work() as uow:
            assert refused.transaction_id is not None
            uow.transactions.dispose(refused.transaction_id, at=desk.clock.now)
        desk.receive(b"\x61\x03junk", peer=AT_YAZ)
        assert [one.result for one in replay(desk)] == [Result.PASSED_OVER, Result.FAILED, Result.UNCHANGED]

    def test_a_query_that_could_not_be_read_is_answered_at_the_partners_address(self, desk: Desk) -> None:
        request = apdus.ill_request(requester="ILLUME:SFU")
        desk.begin(request, peer=AT_SFU)
        desk.receive(padded(apdus.status_query(request)), peer=AT_SFU, connection="gone")
        desk.deliver()
        with today(desk) as now:
            [_, done] = replay(now)
            [answer] = now.outgoing()
            assert (answer.row.message_id, answer.to) == (done.sends, ("SFU", None))


def test_on_both_databases(portable: Settings) -> None:
    with Desk.open(with_partner(portable, STRICT)) as then:
        request = apdus.ill_request(requester="ILLUME:SFU")
        then.receive(apdus.cancel(request), peer=AT_SFU)
        then.receive(padded(request), peer=AT_SFU)
        with today(then) as now:
            before = now.counts()
            expected = [(Result.APPLIED, "applied")] * 2
            assert results(replay(now, order=DRY)) == expected
            assert now.counts() == before
            assert results(replay(now)) == expected
            with now.reading() as uow:
                assert len(uow.search.by_number("interlending/2026-000117", within=1).transactions) == 1
                assert len(uow.search.by_title("PENELOP", within=1).transactions) == 1
            assert problems(now) == []


class TestSent:
    def test_a_service_goes_out_as_a_repeat_once(self, desk: Desk) -> None:
        half = desk.begin(apdus.ill_request(requester="ILLUME:SFU"), peer=AT_SFU)
        shipped = desk.act(half, primitives.Ship())
        wanted = Wanted(ids=frozenset({shipped.message_id}))
        [waits] = replay(desk, wanted)
        assert (waits.result, "still waits" in waits.reason) == (Result.PASSED_OVER, True)
        desk.deliver()
        desk.clock.advance(days=1)
        before = desk.counts()
        [dry] = replay(desk, wanted, DRY)
        assert dry.result is Result.SENT_AGAIN
        assert desk.counts() == before
        [done] = replay(desk, wanted)
        [out] = desk.deliver()
        assert (done.result, done.sends) == (Result.SENT_AGAIN, out.row.message_id)
        assert out.apdu.service_date_time.date_time_of_original_service is not None
        assert desk.half(half).state == "SHIPPED"
        assert replay(desk, wanted)[0].result is Result.PASSED_OVER
        assert replay(desk, wanted, replace(ORDER, again=True))[0].result is Result.SENT_AGAIN
        assert len(desk.deliver()) == 1
        assert problems(desk) == []

    def test_a_report_goes_out_as_it_was(self, desk: Desk) -> None:
        desk.receive(apdus.ill_request())
        [report] = desk.deliver()
        assert report.row.message_id is not None
        [done] = replay(desk, Wanted(direction=Direction.SENT))
        [again] = desk.outgoing()
        assert (done.sends, again.octets, again.to) == (report.row.message_id, report.octets, ("YAZ", None))

    def test_what_may_not_be_repeated_goes_out_only_if_it_never_arrived(self, desk: Desk) -> None:
        half = desk.begin(apdus.ill_request(requester="ILLUME:SFU"), peer=AT_SFU)
        answer = desk.act(half, primitives.Answer(result=TransactionResults.will_supply))
        wanted = Wanted(ids=frozenset({answer.message_id}))
        [waiting] = desk.outgoing()
        with desk.site.store.unit_of_work() as uow:
            fence = uow.leases.claim(waiting.row.id, "desk", desk.clock.now, desk.clock.now)
            assert fence is not None
            assert uow.leases.gave_up(waiting.row.id, fence, desk.clock.now, Trouble(error="gone"))
        desk.act(half, primitives.Ship())
        desk.deliver()
        [done] = replay(desk, wanted)
        [again] = desk.deliver()
        assert (done.result, again.octets) == (Result.SENT_AGAIN, waiting.octets)
        # It has arrived now.
        [refused] = replay(desk, wanted, replace(ORDER, again=True))
        assert refused.result is Result.PASSED_OVER
        assert "cannot be repeated in SHIPPED, and it arrived" in refused.reason

    def test_for_nobody_that_is_configured(self, desk: Desk) -> None:
        desk.receive(apdus.ill_request(requester="ILLUME:NOBODY"), peer=AT_UBC)
        desk.deliver()
        [done] = replay(desk, Wanted(direction=Direction.SENT))
        assert (done.result, done.reason) == (Result.PASSED_OVER, "whom it is for is not configured")


class TestRebuild:
    """Corruption is written past the store, as a fault of ours or a hand in the database would."""

    @staticmethod
    def _corrupt(desk: Desk, statement: str) -> None:
        with desk.site.store.engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER IF EXISTS inputs_immutable")
            connection.exec_driver_sql("DROP TRIGGER IF EXISTS messages_immutable")
            connection.exec_driver_sql(statement)

    @staticmethod
    def _lend(desk: Desk) -> int:
        half = desk.begin(apdus.ill_request(requester="ILLUME:SFU"), peer=AT_SFU)
        desk.act(half, primitives.Ship(date_due=date(2026, 12, 24)))
        desk.deliver()
        return half

    @staticmethod
    def _rebuild(desk: Desk, half: int) -> rebuilding.Rebuild:
        with desk.site.store.unit_of_work() as uow:
            return rebuilding.rebuild(
                desk.site.settings, uow, HalfId(half), actor="anna", reason="it was wrong", now=desk.clock.now
            )

    @pytest.mark.parametrize(
        ("statement", "said"),
        [
            ("UPDATE halves SET state = 'LOST'", "state is 'LOST', and follows as 'SHIPPED'"),
            ("UPDATE halves SET flags = '[]'", "flags is 'none', and follows as"),
            (
                "DELETE FROM deadlines",
                "deadline overdue is 'none', and follows as '2026-12-25T08:00:00+00:00'",
            ),
            ("UPDATE deadlines SET at = '2026-12-01 00:00:00.000000'", "deadline overdue is '2026-12-01"),
        ],
    )
    def test_what_is_stored_otherwise_is_found_and_put_right(
        self, desk: Desk, statement: str, said: str
    ) -> None:
        half = self._lend(desk)
        right = (desk.half(half).state, desk.half(half).flags)
        assert problems(desk) == []
        self._corrupt(desk, statement)
        [problem] = problems(desk)
        assert problem.startswith(said)
        assert len(self._rebuild(desk, half).differences) == 1
        assert (desk.half(half).state, desk.half(half).flags) == right
        assert problems(desk) == []
        assert desk.outgoing() == []
        assert not self._rebuild(desk, half).is_needed
        with desk.reading() as uow:
            assert [one.action for one in uow.audit.about(half_id=HalfId(half))][1:] == ["request.rebuild"]

    @pytest.mark.parametrize(
        ("statement", "said"),
        [
            (
                "UPDATE inputs SET verdict = 'prohibited' WHERE sequence = 1",
                "input 1 verdict is 'prohibited'",
            ),
            ("UPDATE inputs SET provenance = 'I' WHERE sequence = 2", "input 2 provenance is 'I'"),
            ("UPDATE inputs SET state_after = 'LOST' WHERE sequence = 2", "input 2 state after is 'LOST'"),
            (
                "UPDATE inputs SET service = 'CHK' WHERE sequence = 2",
                "input 2 is 'CHK', and its message 'SHI'",
            ),
            ("UPDATE inputs SET service = 'XXX' WHERE sequence = 2", "an input cannot be read"),
            ("DELETE FROM inputs WHERE sequence = 1", "input 2 number is '2', and follows as '1'"),
            ("DELETE FROM inputs", "it has no inputs"),
            ("DELETE FROM inputs WHERE sequence = 1", "it had its effect, but is no input of request 1"),
            (
                "DELETE FROM processings WHERE message_id = 1",
                "input 1 is 'applied', and its message was never",
            ),
            ("UPDATE messages SET raw = zeroblob(60) WHERE id = 1", "messages.raw is not in a form"),
            ("UPDATE messages SET digest = zeroblob(32) WHERE id = 1", "its octets are not those of which"),
            ("UPDATE transactions SET sealed = zeroblob(60)", "transactions.sealed:3 is not in a form"),
            ("UPDATE events SET detail = zeroblob(60) WHERE sequence = 1", "events.detail:ill-request"),
            ("UPDATE audit SET reason = zeroblob(60)", "audit.reason:SHIPPED:1 is not in a form"),
            ("DELETE FROM outbox", "it was made to be sent, and never put into the outbox"),
        ],
    )
    def test_what_was_tampered_with_is_found(self, desk: Desk, statement: str, said: str) -> None:
        self._lend(desk)
        self._corrupt(desk, "DELETE FROM attempts")
        self._corrupt(desk, statement)
        assert any(problem.startswith(said) for problem in problems(desk)), problems(desk)

    def test_a_reference_to_nothing_is_found(self, desk: Desk) -> None:
        self._lend(desk)
        with closing(sqlite3.connect(desk.site.settings.state_dir / "gateway.db")) as connection, connection:
            connection.execute("INSERT INTO deadlines VALUES (77, 'expiry', '2026-12-01')")
        assert any("of table deadlines refers to a row of halves" in one for one in problems(desk))

    def test_what_was_never_sent_is_sent_and_nothing_else(self, desk: Desk) -> None:
        half = self._lend(desk)
        self._corrupt(desk, "DELETE FROM attempts")
        self._corrupt(desk, "DELETE FROM outbox")
        found = self._rebuild(desk, half)
        [unsent] = found.unsent
        assert (unsent.apdu_type, unsent.partner, unsent.why_not) == ("Shipped", "SFU", None)
        [out] = desk.deliver()
        assert out.row.message_id == unsent.message_id
        assert self._rebuild(desk, half).unsent == ()

    def test_what_cannot_be_sent_is_said(self, desk: Desk, settings: Settings) -> None:
        half = self._lend(desk)
        self._corrupt(desk, "DELETE FROM attempts")
        self._corrupt(desk, "DELETE FROM outbox")
        with desk.under(without(settings, SFU)) as now, now.reading() as uow:
            found = rebuilding.examine(now.site.settings, uow, HalfId(half), desk.clock.now)
        assert [one.why_not for one in found.unsent] == ["whom it is for is not configured"]
        assert not found.is_needed

    def test_what_inputs_recorded_otherwise_is_settled_by_a_rebuild(self, desk: Desk) -> None:
        half = self._lend(desk)
        # As if the tables of then had refused it.
        self._corrupt(
            desk,
            "UPDATE inputs SET verdict = 'refused', state_after = state_before, provenance = NULL"
            " WHERE sequence = 2",
        )
        self._corrupt(desk, "UPDATE halves SET state = 'IN-PROCESS'")
        assert len(self._rebuild(desk, half).history) == 3
        assert desk.half(half).state == "SHIPPED"
        assert problems(desk) == []
        desk.clock.advance(hours=1)
        desk.act(HalfId(half), primitives.RecallItem())
        assert problems(desk) == []

    def test_deadlines_that_passed_are_no_difference(self, desk: Desk) -> None:
        half = self._lend(desk)
        desk.clock.advance(days=60)
        assert problems(desk) == []
        desk.tick()
        assert problems(desk) == []
        desk.act(HalfId(half), primitives.RecallItem())
        assert problems(desk) == []


def a_day(desk: Desk, others: int, spoiled: int) -> None:
    """Conversations with YAZ, and requests of SFU that cannot be read; all in one commit, to save time."""
    came: list[tuple[bytes, str]] = []
    for number in range(max(others, spoiled)):
        request = apdus.ill_request(transaction=f"Y{number}", title=f"Book {number}")
        following = apdus.cancel(request) if number % 2 else apdus.message(request)
        came += [(encode(one), AT_YAZ) for one in (request, following) if number < others]
        spoilt = apdus.ill_request(transaction=f"S{number}", requester="ILLUME:SFU")
        came += [(padded(spoilt), AT_SFU)] if number < spoiled else []
    with desk.site.store.unit_of_work() as uow:
        for octets, peer in came:
            envelope = arrival(peer=peer, two_way=False, connection="c-1")
            desk.site.gateway.process(uow, desk.site.gateway.receive(uow, octets, envelope))


@pytest.mark.slow
def test_a_day_that_a_profile_spoiled(desk: Desk) -> None:
    """500 messages, a third of them unreadable: dry run, run, run again, and the database is in order."""
    a_day(desk, others=167, spoiled=166)
    desk.clock.advance(days=3)
    with today(desk) as now:
        before = now.counts()
        dry = replay(now, order=DRY)
        assert now.counts() == before
        assert len(dry) == 500
        assert [one.result for one in dry].count(Result.APPLIED) == 166
        assert [one.result for one in dry].count(Result.PASSED_OVER) == 334
        done = replay(now)
        assert results(done) == results(dry)
        after = now.counts()
        assert after["halves"] == before["halves"] + 166
        assert after["processings"] == before["processings"] + 166
        assert after["messages"] == before["messages"]
        assert after["outbox"] == before["outbox"]
        again = replay(now)
        assert {one.result for one in again} == {Result.PASSED_OVER}
        assert now.counts() == after
        assert problems(now) == []


class TestForwarded:
    """A request of ours that went on to a library which was no partner of ours then."""

    @pytest.fixture
    def passed_on(self, tmp_path: Path) -> Iterator[tuple[Libraries, Settings]]:
        with Libraries.open(tmp_path, "BEX", "SFU", "UBC") as libraries:
            settings = libraries.desks["BEX"].site.settings
            with libraries.desks["BEX"].under(without(settings, as_partner("UBC"))) as then:
                libraries.desks["BEX"] = then
                libraries.request("BEX", "SFU", replace(BOOK, may_forward=True))
                libraries.act("SFU", primitives.Forward(to="UBC"))
                yield libraries, settings

    def test_a_rebuild_finds_whom_it_is_with_now(self, passed_on: tuple[Libraries, Settings]) -> None:
        libraries, settings = passed_on
        then = libraries.desks["BEX"]
        assert then.half(1).partner == "SFU"
        # Nobody can say while that library is no partner.
        assert problems(then) == []
        with then.under(settings) as now:
            assert problems(now) == [
                "partner is 'SFU', and follows as 'UBC'",
                "former partners is 'none', and follows as 'SFU'",
            ]
            with now.site.store.unit_of_work() as uow:
                found = rebuilding.rebuild(
                    settings, uow, HalfId(1), actor="anna", reason="UBC is a partner", now=now.clock.now
                )
            assert [one.what for one in found.differences] == ["partner", "former partners"]
            half = now.half(1)
            assert (half.partner, half.former_partners) == ("UBC", ("SFU",))
            assert problems(now) == []

    def test_who_answers_unannounced_has_it(self, passed_on: tuple[Libraries, Settings]) -> None:
        libraries, settings = passed_on
        with libraries.desks["BEX"].under(settings) as now:
            libraries.desks["BEX"] = now
            libraries.act("UBC", primitives.Ship())
            half = now.half(1)
            assert (half.partner, half.former_partners, half.state) == ("UBC", ("SFU",), "SHIPPED")
            assert problems(now) == []
