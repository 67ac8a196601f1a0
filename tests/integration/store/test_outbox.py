"""The outbox on both databases: lanes, leases, fences."""

from datetime import timedelta

import pytest

from iso_gateway.errors import StoreError
from iso_gateway.store.leases import Trouble
from iso_gateway.store.records import AttemptOutcome, MessageId, OutboxId, OutboxStatus
from iso_gateway.store.unit_of_work import Store, UnitOfWork
from tests.integration.store import samples

NOW = samples.NOW
LEASE = NOW + timedelta(seconds=30)


@pytest.fixture
def message(store: Store) -> MessageId:
    """What is sent."""
    with store.unit_of_work() as uow:
        return samples.add_message(uow)


def due(uow: UnitOfWork, at: timedelta = timedelta(0)) -> list[OutboxId]:
    return [record.id for record in uow.due.heads(NOW + at)]


class TestOutbox:
    def test_a_row_comes_back_as_it_was_queued(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            row = uow.outbox.add(
                lane="l", message_id=message, partner=None, connection_id="c-7", at=NOW, expires_at=LEASE
            )
            record = uow.outbox.get(row)
            assert record is not None
            assert (record.partner, record.connection_id, record.message_id) == (None, "c-7", message)
            assert (record.status, record.attempts, record.fence) == (OutboxStatus.WAITING, 0, 0)
            assert (record.created_at, record.next_attempt_at, record.expires_at) == (NOW, NOW, LEASE)
            assert (record.lease_owner, record.lease_until, record.finished_at) == (None, None, None)
            assert uow.outbox.get(OutboxId(row + 1)) is None

    def test_a_row_needs_somewhere_to_go(self, store: Store, message: MessageId) -> None:
        with pytest.raises(StoreError), store.unit_of_work() as uow:
            uow.outbox.add(
                lane="l", message_id=message, partner=None, connection_id=None, at=NOW, expires_at=LEASE
            )

    def test_only_the_head_of_a_lane_is_due(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            first = samples.queue(uow, message, "1/SFU")
            second = samples.queue(uow, message, "1/SFU")
            other = samples.queue(uow, message, "2/SFU")
            assert due(uow) == [first, other]
            assert uow.leases.claim(second, "w", NOW, LEASE) is None
            fence = uow.leases.claim(first, "w", NOW, LEASE)
            assert fence == 1
            assert due(uow) == [other]
            assert uow.leases.delivered(first, fence, NOW)
            assert due(uow) == [second, other]

    def test_a_row_waiting_for_its_retry_holds_up_its_lane_only(
        self, store: Store, message: MessageId
    ) -> None:
        again = NOW + timedelta(minutes=5)
        with store.unit_of_work() as uow:
            first, second = samples.queue(uow, message), samples.queue(uow, message)
            fence = uow.leases.claim(first, "w", NOW, LEASE)
            assert fence is not None
            assert uow.leases.failed(first, fence, NOW, again, "connection refused")
            assert due(uow) == []
            assert uow.due.next(NOW) == again
            assert due(uow, timedelta(minutes=5)) == [first]
            record = uow.outbox.get(first)
            assert record is not None
            assert (record.status, record.attempts) == (OutboxStatus.WAITING, 1)
            assert record.last_error == "connection refused"
            fence = uow.leases.claim(first, "w", again, again + timedelta(seconds=30))
            assert fence == 2
            assert uow.leases.gave_up(first, fence, again, Trouble(error="expired"))
            assert due(uow) == [second]

    def test_the_longest_due_is_first_and_the_limit_holds(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            late = samples.queue(uow, message, "a", at=NOW)
            early = samples.queue(uow, message, "b", at=NOW - timedelta(minutes=1))
            assert due(uow) == [early, late]
            assert [record.id for record in uow.due.heads(NOW, 1)] == [early]

    def test_next_due_looks_at_what_can_be_claimed(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            assert uow.due.next(NOW) is None
            first = samples.queue(uow, message)
            assert uow.due.next(NOW + timedelta(minutes=1)) == NOW + timedelta(minutes=1)
            fence = uow.leases.claim(first, "w", NOW, LEASE)
            samples.queue(uow, message)
            assert uow.due.next(NOW) == LEASE
            assert fence is not None
            uow.leases.delivered(first, fence, NOW)
            assert uow.due.next(NOW) == NOW

    def test_a_lease_that_ran_out_passes_to_another(self, store: Store, message: MessageId) -> None:
        with store.unit_of_work() as uow:
            row = samples.queue(uow, message)
            old = uow.leases.claim(row, "dead", NOW, LEASE)
            assert uow.leases.claim(row, "alive", NOW, LEASE) is None
            new = uow.leases.claim(row, "alive", LEASE, LEASE + timedelta(seconds=30))
            assert (old, new) == (1, 2)
            assert old is not None
            assert new is not None
            # The one thought dead comes back: nothing that it says counts.
            assert not uow.leases.delivered(row, old, LEASE)
            assert not uow.leases.failed(row, old, LEASE, LEASE, "late")
            assert not uow.leases.gave_up(row, old, LEASE, Trouble(error="late"))
            record = uow.outbox.get(row)
            assert record is not None
            assert (record.status, record.lease_owner, record.last_error) == (
                OutboxStatus.SENDING,
                "alive",
                None,
            )
            assert uow.leases.delivered(row, new, LEASE)
            assert not uow.leases.delivered(row, new, LEASE)
            assert uow.leases.claim(row, "w", LEASE + timedelta(days=1), LEASE + timedelta(days=2)) is None

    def test_every_attempt_is_written_down(self, store: Store, message: MessageId) -> None:
        minute = timedelta(minutes=1)
        with store.unit_of_work() as uow:
            row = samples.queue(uow, message)
            first = uow.leases.claim(row, "w", NOW, NOW + minute)
            assert first is not None
            uow.leases.failed(row, first, NOW, NOW + minute, "refused")
            uow.leases.claim(row, "w", NOW + minute, NOW + 2 * minute)
            third = uow.leases.claim(row, "w", NOW + 2 * minute, NOW + 3 * minute)
            assert third is not None
            (*_, under_way) = uow.outbox.attempts(row)
            assert (under_way.outcome, under_way.finished_at) == (None, None)
            uow.leases.delivered(row, third, NOW + 2 * minute)
            attempts = uow.outbox.attempts(row)
        assert [attempt.outcome for attempt in attempts] == [
            AttemptOutcome.FAILED,
            AttemptOutcome.ABANDONED,
            AttemptOutcome.DELIVERED,
        ]
        assert [attempt.error for attempt in attempts] == ["refused", None, None]
        assert [attempt.fence for attempt in attempts] == [1, 2, 3]
        assert [attempt.message_id for attempt in attempts] == [message] * 3
        assert attempts[1].started_at == NOW + minute
        assert attempts[1].finished_at == NOW + 2 * minute

    def test_the_list_shows_the_unfinished_unless_asked_for_all(
        self, store: Store, message: MessageId
    ) -> None:
        with store.unit_of_work() as uow:
            other = samples.add_message(uow, b"other")
            first, second = samples.queue(uow, message), samples.queue(uow, other)
            fence = uow.leases.claim(first, "w", NOW, LEASE)
            assert fence is not None
            uow.leases.gave_up(first, fence, NOW, Trouble(error="no such host"))
            assert [record.id for record in uow.outbox.list()] == [second]
            everything = uow.outbox.list(finished=True)
            assert [record.id for record in everything] == [first, second]
            assert everything[0].status is OutboxStatus.NOT_DELIVERED
            assert everything[0].finished_at == NOW
            assert everything[0].last_error == "no such host"
            assert [record.id for record in uow.outbox.list(finished=True, message_id=message)] == [first]
            assert [record.id for record in uow.outbox.list(finished=True, limit=1)] == [first]
            assert uow.outbox.list(partner="UBC") == ()
