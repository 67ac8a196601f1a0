"""What the outbox keeps for operators and for fairness, and the states of partners, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from iso_gateway.failure import Failure
from iso_gateway.store.leases import Trouble
from iso_gateway.store.records import (
    AttemptOutcome,
    Backlog,
    BreakerState,
    MessageId,
    OutboxId,
    OutboxStatus,
    PartnerStateRecord,
)
from iso_gateway.store.unit_of_work import Store, UnitOfWork
from tests.integration.store import samples

NOW = samples.NOW
MINUTE = timedelta(minutes=1)
WEEK = timedelta(days=7)
BROKE = Trouble(error="it broke", failure=Failure.RESET, ambiguous=True)


@pytest.fixture
def message(store: Store) -> MessageId:
    """What is sent."""
    with store.unit_of_work() as uow:
        return samples.add_message(uow)


def queue(
    uow: UnitOfWork,
    message: MessageId,
    lane: str = "1",
    partner: str | None = "SFU",
    *,
    connection: str | None = None,
    minutes: int = 0,
) -> OutboxId:
    at = NOW + minutes * MINUTE
    return uow.outbox.add(
        lane=lane,
        message_id=message,
        partner=partner,
        connection_id=connection,
        at=at,
        expires_at=at + WEEK,
        check_at=at + 4 * MINUTE,
    )


def claimed(uow: UnitOfWork, row: OutboxId) -> int:
    fence = uow.leases.claim(row, "w", NOW, NOW + MINUTE)
    assert fence is not None
    return fence


def status(uow: UnitOfWork, row: OutboxId) -> OutboxStatus:
    record = uow.outbox.get(row)
    assert record is not None
    return record.status


class TestFairness:
    def test_who_is_waited_for_is_told_once_each(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            assert uow.due.waited_for() == ()
            done = queue(uow, message, "0", "ALU")
            uow.leases.delivered(done, claimed(uow, done), NOW)
            assert uow.due.waited_for() == ()
            for lane, partner in (("1", "UBC"), ("2", "SFU"), ("3", "UBC"), ("4", "KPU")):
                queue(uow, message, lane, partner)
            assert uow.due.waited_for() == ("KPU", "SFU", "UBC")
            queue(uow, message, "5", None, connection="c-1")
            assert uow.due.waited_for() == ("KPU", "SFU", "UBC", None)

    def test_each_partner_is_asked_for_by_itself(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            sfu, ubc = queue(uow, message, "1", "SFU"), queue(uow, message, "2", "UBC", minutes=2)
            stranger = queue(uow, message, "3", None, connection="c-1", minutes=1)
            later = NOW + 3 * MINUTE

            def due(partner: str | None) -> list[OutboxId]:
                return [row.id for row in uow.due.heads(later, partner=partner)]

            assert (due("SFU"), due("UBC"), due(None), due("KPU")) == ([sfu], [ubc], [stranger], [])
            assert uow.due.next(NOW, partner="UBC") == NOW + 2 * MINUTE
            assert uow.due.next(NOW, partner=None) == NOW + MINUTE
            assert uow.due.next(NOW, partner="KPU") is None

    def test_a_probe_is_what_was_tried_the_fewest_times(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            tried, fresh = queue(uow, message, "1"), queue(uow, message, "2", minutes=1)
            uow.leases.failed(tried, claimed(uow, tried), NOW, NOW, "refused", Failure.REFUSED)
            later = NOW + MINUTE
            assert [row.id for row in uow.due.heads(later)] == [tried, fresh]
            assert [row.id for row in uow.due.heads(later, freshest_first=True)] == [fresh, tried]

    def test_an_answer_is_fresh_until_it_was_tried(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            queue(uow, message, "1")
            answer = queue(uow, message, "2", connection="c-1")
            assert [row.id for row in uow.due.fresh_answers(NOW)] == [answer]
            uow.leases.failed(answer, claimed(uow, answer), NOW, NOW, "gone", Failure.CONNECTION_GONE)
            assert uow.due.fresh_answers(NOW) == ()

    def test_a_connection_waits_for_nothing_that_is_held_up_by_an_operator(
        self, store: Store, message: MessageId
    ) -> None:
        with store.unit_of_work() as uow:
            row = queue(uow, message, connection="c-1")
            assert uow.outbox.waits_for("c-1")
            uow.outbox.hold(row, "root")
            assert not uow.outbox.waits_for("c-1")
            uow.outbox.release(row, NOW)
            assert uow.outbox.waits_for("c-1")
            audit = uow.audit.append(at=NOW, actor="root", action="partner.suspend", reason="SFU: moving")
            uow.partners.suspend("SFU", at=NOW, by="root", audit_id=audit)
            assert not uow.outbox.waits_for("c-1")

    def test_what_waits_is_counted_by_partner(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            first = queue(uow, message, "1", minutes=-1)
            second = queue(uow, message, "1")
            third = queue(uow, message, "1")
            assert uow.outbox.backlogs() == (Backlog(partner="SFU", count=3, oldest=NOW - MINUTE),)
            record = uow.outbox.get(first)
            assert record is not None
            assert uow.outbox.behind(record) == 2
            assert uow.outbox.heads_among([first, second]) == {first}
            assert uow.outbox.newest_for("SFU") == third
            assert uow.outbox.newest_for("UBC") is None
            assert uow.outbox.has_backlog("SFU", first)
            uow.leases.delivered(first, claimed(uow, first), NOW)
            assert not uow.outbox.has_backlog("SFU", first)

    def test_what_an_operator_holds_is_no_backlog_and_neither_is_what_waits_behind_it(
        self, store: Store, message: MessageId
    ) -> None:
        with store.unit_of_work() as uow:
            held, behind = queue(uow, message, "1"), queue(uow, message, "1")
            other = queue(uow, message, "2")
            uow.outbox.hold(held, "anna")
            assert uow.outbox.has_backlog("SFU", other)
            uow.leases.delivered(other, claimed(uow, other), NOW)
            assert not uow.outbox.has_backlog("SFU", other)
            assert not uow.outbox.has_backlog("SFU", behind)
            uow.outbox.release(held, NOW)
            assert uow.outbox.has_backlog("SFU", behind)


class TestEndings:
    def test_what_went_wrong_is_kept_by_its_word(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            row = queue(uow, message)
            uow.leases.failed(row, claimed(uow, row), NOW, NOW, "broke", Failure.RESET, ambiguous=True)
            record = uow.outbox.get(row)
            assert record is not None
            assert (record.failure, record.last_error) == (Failure.RESET, "broke")
            [attempt] = uow.outbox.attempts(row)
            assert (attempt.failure, attempt.ambiguous) == (Failure.RESET, True)

    def test_what_counts_as_delivered_keeps_its_doubt(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            row = queue(uow, message)
            assert uow.leases.delivered(row, claimed(uow, row), NOW, doubt=BROKE)
            assert status(uow, row) is OutboxStatus.DELIVERED
            [attempt] = uow.outbox.attempts(row)
            assert (attempt.outcome, attempt.error, attempt.ambiguous) == (
                AttemptOutcome.DELIVERED,
                "it broke",
                True,
            )

    def test_what_may_have_arrived_is_held_and_holds_its_lane(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            row, _ = queue(uow, message), queue(uow, message)
            fence = claimed(uow, row)
            assert not uow.leases.hold_back(row, fence + 1, NOW, BROKE)
            assert uow.leases.hold_back(row, fence, NOW, BROKE)
            record = uow.outbox.get(row)
            assert record is not None
            assert (record.status, record.held_by) == (OutboxStatus.HELD, None)
            assert uow.due.heads(NOW) == ()
            assert uow.due.next(NOW) is None
            assert uow.outbox.take_as_delivered(row, NOW)
            assert not uow.outbox.take_as_delivered(row, NOW)
            assert len(uow.due.heads(NOW)) == 1

    def test_what_was_broken_off_is_due_and_may_have_arrived(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            row = queue(uow, message)
            assert uow.leases.interrupted(row, claimed(uow, row), NOW, "stopped")
            assert [one.id for one in uow.due.heads(NOW)] == [row]
            [attempt] = uow.outbox.attempts(row)
            assert (attempt.outcome, attempt.failure, attempt.ambiguous) == (
                AttemptOutcome.ABANDONED,
                Failure.INTERRUPTED,
                True,
            )

    def test_only_what_waits_is_ended_tried_or_held(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            row = queue(uow, message)
            claimed(uow, row)
            assert not uow.outbox.end_waiting(row, NOW, "over", Failure.LIFETIME)
            assert not uow.outbox.try_now(row, NOW)
            assert not uow.outbox.hold(row, "root")
            assert not uow.outbox.release(row, NOW)
            other = queue(uow, message, "2")
            assert uow.outbox.end_waiting(other, NOW, "over", Failure.LIFETIME)
            record = uow.outbox.get(other)
            assert record is not None
            assert (record.status, record.finished_at, record.attempts) == (
                OutboxStatus.NOT_DELIVERED,
                NOW,
                0,
            )


class TestLate:
    def test_what_is_late_is_found_once_it_is_time(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            assert uow.due.next_check() is None
            row = queue(uow, message)
            assert uow.due.next_check() == NOW + 4 * MINUTE
            assert uow.due.to_check(NOW + 3 * MINUTE) == ()
            assert [one.id for one in uow.due.to_check(NOW + 4 * MINUTE)] == [row]
            uow.outbox.checked(row, None)
            assert uow.due.to_check(NOW + WEEK) == ()
            uow.outbox.checked(row, NOW)
            uow.outbox.hold(row, "root")
            assert uow.due.to_check(NOW + WEEK) == ()
            assert uow.due.next_check() is None

    def test_after_a_clock_was_set_back_nothing_waits_for_what_is_far(
        self, store: Store, message: MessageId
    ) -> None:
        earlier = NOW - timedelta(hours=1)
        with store.unit_of_work() as uow:
            queued_later = queue(uow, message, "1")
            tried_later = uow.outbox.add(
                lane="2",
                message_id=message,
                partner="SFU",
                connection_id=None,
                at=earlier - MINUTE,
                expires_at=NOW + WEEK,
            )
            uow.leases.failed(tried_later, claimed(uow, tried_later), NOW, NOW + MINUTE, "refused")
            honest = uow.outbox.add(
                lane="3",
                message_id=message,
                partner="SFU",
                connection_id=None,
                at=earlier - MINUTE,
                expires_at=NOW + WEEK,
            )
            fence = uow.leases.claim(honest, "w", earlier - MINUTE, NOW)
            assert fence is not None
            uow.leases.failed(honest, fence, earlier - MINUTE, earlier + MINUTE, "refused")
            assert uow.outbox.no_later_than(earlier) == 2
            assert [row.id for row in uow.due.heads(earlier)] == [queued_later, tried_later]


class TestPartnerStates:
    def test_a_partner_without_a_state_has_nothing_in_its_way(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            assert uow.partners.get("SFU") == PartnerStateRecord(partner="SFU")
            assert uow.partners.all() == {}

    def test_suspended_and_resumed(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            audit = uow.audit.append(at=NOW, actor="root", action="partner.suspend", reason="SFU: moving")
            uow.partners.suspend("SFU", at=NOW, by="root", audit_id=audit)
        with store.unit_of_work() as uow:
            state = uow.partners.get("SFU")
            assert (state.suspended, state.suspended_at, state.suspended_by) == (True, NOW, "root")
            assert state.audit_id == audit
            record = uow.audit.get(audit)
            assert record is not None
            assert record.reason == "SFU: moving"
            uow.partners.resume("SFU", at=NOW, backlog_id=OutboxId(7))
            state = uow.partners.get("SFU")
            assert (state.suspended, state.paced_until, state.backlog_id) == (False, NOW, 7)
            uow.partners.pace("SFU", until=NOW + MINUTE)
            assert uow.partners.get("SFU").paced_until == NOW + MINUTE
            uow.partners.no_later_than(NOW)
            assert uow.partners.get("SFU").paced_until == NOW
            uow.partners.end_pace("SFU")
            assert uow.partners.get("SFU") == PartnerStateRecord(partner="SFU")
            assert list(uow.partners.all()) == ["SFU"]

    def test_only_one_takes_the_probe(self, store: Store) -> None:
        opened = PartnerStateRecord(
            partner="SFU",
            breaker=BreakerState.OPEN,
            failures=3,
            retry_at=NOW,
            failing_since=NOW - MINUTE,
            failure=Failure.REFUSED,
            last_error="connection refused",
        )
        with store.unit_of_work() as uow:
            assert not uow.partners.take_probe("SFU", now=NOW, until=NOW + MINUTE)
            uow.partners.set_breaker(opened)
            assert uow.partners.get("SFU") == opened
            assert not uow.partners.take_probe("SFU", now=NOW - MINUTE, until=NOW)
            assert uow.partners.take_probe("SFU", now=NOW, until=NOW + MINUTE)
            assert not uow.partners.take_probe("SFU", now=NOW, until=NOW + MINUTE)
            half = replace(opened, breaker=BreakerState.HALF_OPEN, retry_at=NOW + MINUTE)
            assert uow.partners.get("SFU") == half
            # The gateway that had it died: at its start the next one takes it for lost.
            uow.partners.end_probes(NOW)
            assert uow.partners.get("SFU") == opened

    def test_an_operator_can_have_it_probed_now(self, store: Store) -> None:
        far = NOW + timedelta(hours=1)
        with store.unit_of_work() as uow:
            uow.partners.probe_now("SFU", NOW)
            assert uow.partners.all() == {}
            for name, breaker in (("SFU", BreakerState.OPEN), ("UBC", BreakerState.HALF_OPEN)):
                uow.partners.set_breaker(
                    PartnerStateRecord(partner=name, breaker=breaker, failures=3, retry_at=far)
                )
                uow.partners.probe_now(name, NOW)
            assert uow.partners.get("SFU").retry_at == NOW
            assert uow.partners.get("UBC").retry_at == far, "one is on its way already"
            uow.partners.no_later_than(NOW, furthest=timedelta(hours=1))
            assert uow.partners.get("UBC").retry_at == far, "it may be as it should"
            uow.partners.no_later_than(NOW)
            assert uow.partners.get("UBC").retry_at == NOW
