"""Deadlines and held messages: what waits for a moment."""

from datetime import timedelta

from iso_gateway.store.records import DeadlineKind, DeadlineRecord, HalfId, HeldRecord
from iso_gateway.store.unit_of_work import Store
from tests.integration.store import samples

SOON, LATER = samples.NOW + timedelta(minutes=1), samples.NOW + timedelta(minutes=2)


class TestDeadlines:
    def test_a_half_has_those_it_was_given_last(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            half = samples.add_half(uow, samples.add_transaction(uow))
            uow.deadlines.replace(half, {DeadlineKind.EXPIRY: LATER, DeadlineKind.REPLY: SOON})
            assert uow.deadlines.of(half) == (
                DeadlineRecord(half_id=half, kind=DeadlineKind.REPLY, at=SOON),
                DeadlineRecord(half_id=half, kind=DeadlineKind.EXPIRY, at=LATER),
            )
            uow.deadlines.replace(half, {DeadlineKind.OVERDUE: SOON})
            assert [one.kind for one in uow.deadlines.of(half)] == [DeadlineKind.OVERDUE]
            uow.deadlines.replace(half, {})
            assert uow.deadlines.of(half) == ()

    def test_what_has_passed_and_what_is_next(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            transaction = samples.add_transaction(uow)
            first, second, third = (
                samples.add_half(uow, transaction, local=f"BEX-{number}") for number in range(3)
            )
            assert uow.deadlines.next() is None
            uow.deadlines.replace(first, {DeadlineKind.EXPIRY: LATER})
            uow.deadlines.replace(second, {DeadlineKind.EXPIRY: SOON, DeadlineKind.REPLY: SOON})
            uow.deadlines.replace(third, {DeadlineKind.EXPIRY: LATER + timedelta(days=1)})
        with store.reading() as uow:
            assert uow.deadlines.next() == SOON
            assert uow.deadlines.passed(samples.NOW, 10) == ()
            assert uow.deadlines.passed(SOON, 10) == (second,)
            assert uow.deadlines.passed(LATER, 10) == (second, first)
            assert uow.deadlines.passed(LATER, 1) == (second,)
            assert uow.deadlines.of(HalfId(99)) == ()


class TestHeld:
    def test_they_are_found_by_their_transaction_once_there_is_one(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            first, second, other = (samples.add_message(uow, f"m{n}".encode()) for n in range(3))
            uow.held.hold(second, b"t-1", until=SOON)
            uow.held.hold(first, b"t-1", until=LATER)
            uow.held.hold(other, b"t-2", until=LATER)
            assert (uow.held.count(b"t-1"), uow.held.count(b"t-2"), uow.held.count(b"t-3")) == (2, 1, 0)
            transaction = samples.add_transaction(uow)
            assert uow.held.of(transaction) == (
                HeldRecord(message_id=first, until=LATER),
                HeldRecord(message_id=second, until=SOON),
            )
            assert uow.held.of(samples.add_transaction(uow, b"t-3")) == ()

    def test_one_is_taken_once(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
            assert uow.held.take(message) is None
            uow.held.hold(message, b"t-1", until=SOON)
            assert uow.held.get(message) == HeldRecord(message_id=message, until=SOON)
            assert uow.held.take(message) == HeldRecord(message_id=message, until=SOON)
            assert (uow.held.take(message), uow.held.get(message)) == (None, None)

    def test_what_has_been_held_long_enough_and_what_is_next(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            first, second = (samples.add_message(uow, f"m{n}".encode()) for n in range(2))
            assert uow.held.next() is None
            uow.held.hold(first, b"t-1", until=LATER)
            uow.held.hold(second, b"t-1", until=SOON)
        with store.reading() as uow:
            assert uow.held.next() == SOON
            assert [one.message_id for one in uow.held.passed(SOON, 10)] == [second]
            assert [one.message_id for one in uow.held.passed(LATER, 10)] == [first, second]
            assert [one.message_id for one in uow.held.passed(LATER, 1)] == [first]
            assert uow.held.passed(samples.NOW, 10) == ()
