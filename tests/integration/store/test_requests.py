"""Transactions, halves, inputs, events and audit, on both databases."""

from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Engine, text

from iso_gateway.errors import StoreError
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import Basis, Direction, HalfId, InputKind, TransactionId
from iso_gateway.store.unit_of_work import Store, UnitOfWork
from tests.integration.store import samples


class TestTransactions:
    def test_found_by_its_canonical_form_and_described(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            assert uow.transactions.find(b"t-1") is None
            transaction = samples.add_transaction(uow)
        with store.reading() as uow:
            found = uow.transactions.find(b"t-1")
            assert found is not None
            assert (found.id, found.created_at) == (transaction, samples.NOW)
            assert uow.transactions.get(transaction) == found
            assert uow.transactions.summary(transaction) == samples.SUMMARY
            assert uow.transactions.find(b"t-2") is None

    def test_any_text_survives_in_the_summary(self, store: Store) -> None:
        hostile = {"title": "\x1b[2J\n\u202e\udcff\x00 'quoted' " + "é" * 60_000}
        with store.unit_of_work() as uow:
            transaction = uow.transactions.create(b"t", summary=hostile, at=samples.NOW)
        with store.reading() as uow:
            assert uow.transactions.summary(transaction) == hostile

    def test_the_same_one_twice_is_refused(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            samples.add_transaction(uow)
        with pytest.raises(StoreError, match="refused a statement"), store.unit_of_work() as uow:
            samples.add_transaction(uow)

    def test_unknown_ones_are_said_to_be_unknown(self, store: Store) -> None:
        with store.reading() as uow:
            with pytest.raises(StoreError, match="no transaction 9"):
                uow.transactions.get(TransactionId(9))
            with pytest.raises(StoreError, match="no transaction 9"):
                uow.transactions.summary(TransactionId(9))
        with store.unit_of_work() as uow, pytest.raises(StoreError, match="no transaction 9"):
            samples.add_message(uow, transaction_id=TransactionId(9))

    def test_disposal_makes_everything_of_it_unreadable_and_nothing_else(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            gone, stays = samples.add_transaction(uow), samples.add_transaction(uow, b"t-2")
            half, other_half = samples.add_half(uow, gone), samples.add_half(uow, stays)
            received, other = samples.add_message(uow, b"patron"), samples.add_message(uow, b"other")
            uow.messages.bind(received, gone)
            sent = samples.add_message(uow, b"answer", direction=Direction.SENT, transaction_id=gone)
            samples.add_input(uow, half, None, {"note": "for Zorn"})
            uow.events.append(kind="ILLind", half_id=half, message_id=None, detail={"t": 1}, at=samples.NOW)
            uow.audit.append(at=samples.NOW, actor="ann", action="ship", reason="Zorn asked", half_id=half)
        with store.unit_of_work() as uow:
            assert uow.transactions.dispose(gone, at=samples.LATER)
            assert not uow.transactions.dispose(gone, at=samples.LATER)
        with store.reading() as uow:
            for message in (received, sent):
                with pytest.raises(KeyDisposedError, match="was disposed of at 2026-11-22T10:01:00"):
                    uow.messages.raw(message)
            with pytest.raises(KeyDisposedError):
                uow.transactions.summary(gone)
            assert uow.messages.raw(other) == b"other"
            assert uow.transactions.summary(stays) == samples.SUMMARY
            listed = {listing.half.id: listing.summary for listing in uow.halves.list()}
            assert listed == {half: None, other_half: samples.SUMMARY}
            # What happened stays, without what it was about.
            (row,) = uow.inputs.of(half)
            assert (row.payload, row.disposed, row.state_after) == (None, True, "IN-PROCESS")
            (event,) = uow.events.after(0)
            assert (event.detail, event.disposed, event.kind) == (None, True, "ILLind")
            (entry,) = uow.audit.list()
            assert (entry.reason, entry.disposed, entry.actor) == (None, True, "ann")
            assert uow.transactions.find(b"t-1") is not None

    def test_disposal_leaves_no_key_in_the_row(self, store: Store, engine: Engine) -> None:
        with store.unit_of_work() as uow:
            uow.transactions.dispose(samples.add_transaction(uow), at=samples.LATER)
        with engine.connect() as connection:
            wrapped = connection.execute(text("SELECT wrapped FROM keys WHERE purpose = 'transaction'"))
            assert wrapped.scalars().all() == [None]


class TestHalves:
    def test_a_half_comes_back_as_it_was_made(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            transaction = samples.add_transaction(uow)
            half = samples.add_half(uow, transaction)
        with store.reading() as uow:
            record = uow.halves.get(half)
            assert (record.role, record.local, record.partner) == ("responder", "BEX", "SFU")
            assert (record.state, record.basis, record.tables) == ("IN-PROCESS", Basis.OURS, "strict")
            assert record.flags == ("can_send_shipped", "loan")
            assert (record.created_at, record.updated_at) == (samples.NOW, samples.NOW)
            assert uow.halves.find(transaction, "responder", "BEX") == record
            assert uow.halves.find(transaction, "requester", "BEX") is None
            assert uow.halves.of(transaction) == (record,)

    def test_moving_it_changes_what_is_given_and_nothing_else(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            half = samples.add_half(uow, samples.add_transaction(uow))
            before = uow.halves.get(half)
            uow.halves.update(half, state="SHIPPED", flags=("shipped_seen",), at=samples.LATER)
            moved = uow.halves.get(half)
            assert moved == replace(
                before, state="SHIPPED", flags=("shipped_seen",), updated_at=samples.LATER
            )
            uow.halves.update(
                half,
                state="SHIPPED",
                flags=("shipped_seen",),
                at=samples.LATER,
                basis=Basis.OBSERVED,
                last_service_at=samples.NOW,
            )
            assert uow.halves.get(half) == replace(moved, basis=Basis.OBSERVED, last_service_at=samples.NOW)

    def test_one_per_transaction_role_and_local_symbol(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            transaction = samples.add_transaction(uow)
            samples.add_half(uow, transaction)
            samples.add_half(uow, transaction, local="BEX-2")
        with pytest.raises(StoreError), store.unit_of_work() as uow:
            samples.add_half(uow, transaction)

    def test_unknown_ones_are_said_to_be_unknown(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            with pytest.raises(StoreError, match="no request 5"):
                uow.halves.get(HalfId(5))
            with pytest.raises(StoreError, match="no request 5"):
                uow.halves.update(HalfId(5), state="SHIPPED", flags=(), at=samples.NOW)
            with pytest.raises(StoreError, match="no half 5"):
                uow.events.append(kind="x", half_id=HalfId(5), message_id=None, detail={}, at=samples.NOW)

    def test_the_list_filters_and_pages(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            transactions = [samples.add_transaction(uow, bytes([n])) for n in range(3)]
            first, second, third = (
                samples.add_half(uow, transaction, partner=partner)
                for transaction, partner in zip(transactions, ("SFU", "UBC", "SFU"), strict=True)
            )
            uow.halves.update(first, state="SHIPPED", flags=(), at=samples.LATER)
        with store.reading() as uow:

            def ids(
                *,
                role: str | None = None,
                local: str | None = None,
                partner: str | None = None,
                state: str | None = None,
            ) -> list[HalfId]:
                found = uow.halves.list(role=role, local=local, partner=partner, state=state)
                return [listing.half.id for listing in found]

            assert ids() == [third, second, first]
            assert ids(partner="SFU") == [third, first]
            assert ids(partner="SFU", state="SHIPPED") == [first]
            assert ids(role="requester") == []
            assert ids(local="BEX", role="responder") == [third, second, first]
            (page,) = uow.halves.list(limit=1, before_id=third)
            assert (page.half.id, page.summary) == (second, samples.SUMMARY)


class TestHistory:
    def test_inputs_are_numbered_within_their_half(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
            transaction = samples.add_transaction(uow)
            half, other = (
                samples.add_half(uow, transaction),
                samples.add_half(uow, transaction, local="BEX-2"),
            )
            assert samples.add_input(uow, half, message) == 1
            assert samples.add_input(uow, other, message) == 1
            assert samples.add_input(uow, half, None, {"note": "hello"}) == 2
        with store.reading() as uow:
            first, second = uow.inputs.of(half)
        assert (first.sequence, first.kind, first.message_id) == (1, InputKind.APDU, message)
        assert (first.payload, first.disposed, first.repeat) == (None, False, False)
        assert (first.state_before, first.state_after) == ("IDLE", "IN-PROCESS")
        assert (first.flags_before, first.flags_after) == ((), ("loan",))
        assert (first.service, first.verdict, first.provenance) == ("ILL", "applied", "S")
        assert (first.table_profile, first.profile_digest, first.at) == ("strict", "p1", samples.NOW)
        assert (second.kind, second.payload) == (InputKind.PRIMITIVE, {"note": "hello"})

    def test_events_are_read_from_where_one_was(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
            half = samples.add_half(uow, samples.add_transaction(uow))
            first = uow.events.append(
                kind="ILLind", half_id=half, message_id=message, detail={"title": "Z"}, at=samples.NOW
            )
            second = uow.events.append(
                kind="unreadable", half_id=None, message_id=message, detail={"offset": 3}, at=samples.NOW
            )
            third = uow.events.append(
                kind="stopped", half_id=None, message_id=None, detail=None, at=samples.LATER
            )
        with store.reading() as uow:
            events = uow.events.after(0)
            assert [event.sequence for event in events] == [first, second, third]
            assert [event.detail for event in events] == [{"title": "Z"}, {"offset": 3}, None]
            assert (events[0].half_id, events[0].message_id) == (half, message)
            assert [event.sequence for event in uow.events.after(first, limit=1)] == [second]
            assert uow.events.after(third) == ()

    def test_operators_actions_are_newest_first(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
            half = samples.add_half(uow, samples.add_transaction(uow))
            uow.audit.append(at=samples.NOW, actor="ann", action="replay", reason="lost", message_id=message)
            uow.audit.append(at=samples.LATER, actor="bob", action="ship", reason="", half_id=half)
        with store.reading() as uow:
            last, first = uow.audit.list()
            assert uow.audit.list(limit=1) == (last,)
        assert (last.actor, last.action, last.reason, last.half_id) == ("bob", "ship", "", half)
        assert (first.reason, first.message_id, first.at) == ("lost", message, samples.NOW)


class TestUnitOfWork:
    def test_an_exception_undoes_all_of_it(self, store: Store) -> None:
        def fail_half_way() -> None:
            with store.unit_of_work() as uow:
                samples.add_transaction(uow)
                raise LookupError

        with pytest.raises(LookupError):
            fail_half_way()
        with store.reading() as uow:
            assert uow.transactions.find(b"t-1") is None

    def test_a_savepoint_fails_alone(self, store: Store) -> None:
        def fail_half_way(uow: UnitOfWork) -> None:
            with uow.savepoint():
                samples.add_transaction(uow, b"t-2")
                raise LookupError

        with store.unit_of_work() as uow:
            samples.add_transaction(uow)
            with pytest.raises(LookupError):
                fail_half_way(uow)
            with uow.savepoint():
                samples.add_transaction(uow, b"t-3")
        with store.reading() as uow:
            found = [uow.transactions.find(name) is not None for name in (b"t-1", b"t-2", b"t-3")]
        assert found == [True, False, True]

    def test_what_is_told_is_stored_and_what_is_undone_is_not_told(self, store: Store) -> None:
        told: list[tuple[str, bool]] = []

        def tell(what: str) -> None:
            with store.reading() as uow:
                told.append((what, uow.transactions.find(b"t-1") is not None))

        def fail_half_way(uow: UnitOfWork) -> None:
            with uow.savepoint():
                uow.once_stored(partial(tell, "undone alone"))
                raise LookupError

        def fail() -> None:
            with store.unit_of_work() as uow:
                uow.once_stored(partial(tell, "undone"))
                raise LookupError

        with store.unit_of_work() as uow:
            samples.add_transaction(uow)
            uow.once_stored(partial(tell, "first"))
            with pytest.raises(LookupError):
                fail_half_way(uow)
            with uow.savepoint():
                uow.once_stored(partial(tell, "second"))
            assert told == []
        with pytest.raises(LookupError):
            fail()
        assert told == [("first", True), ("second", True)]

    def test_reading_cannot_write_and_leaves_the_connection_able_to(self, store: Store) -> None:
        with pytest.raises(StoreError), store.reading() as uow:
            samples.add_message(uow)
        with store.unit_of_work() as uow:
            samples.add_message(uow)

    def test_reading_sees_one_moment(self, store: Store) -> None:
        with store.reading() as before:
            assert before.messages.list() == ()
            with store.unit_of_work() as uow:
                samples.add_message(uow)
            assert before.messages.list() == ()
        with store.reading() as after:
            assert len(after.messages.list()) == 1
