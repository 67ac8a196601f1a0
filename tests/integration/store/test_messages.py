"""Messages and what became of them, on both databases."""

import pytest
from sqlalchemy import Engine, text

from iso_gateway.errors import StoreError
from iso_gateway.store.records import Direction, MessageId, Side, Transport
from iso_gateway.store.unit_of_work import Store
from tests.integration.store import samples

EVERY_OCTET = bytes(range(256)) * 3


class TestMessages:
    def test_octets_and_envelope_come_back_exactly(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            first = samples.add_message(uow, EVERY_OCTET)
            relayed = uow.messages.add(
                direction=Direction.SENT,
                at=samples.LATER,
                transport=Transport.MAIL,
                listener=None,
                peer_address=None,
                connection_id=None,
                side=Side.ILLUME,
                raw=b"",
                received_as=first,
            )
        with store.reading() as uow:
            assert uow.messages.raw(first) == EVERY_OCTET
            record = uow.messages.get(first)
            assert (record.direction, record.transport, record.side) == (
                Direction.RECEIVED,
                Transport.TCP_TWO_WAY,
                Side.PARTNER,
            )
            assert (record.listener, record.peer_address, record.connection_id) == (
                "two-way",
                "192.0.2.7",
                "c-1",
            )
            assert (record.stored_at, record.size, record.received_as) == (samples.NOW, 768, None)
            assert uow.messages.raw(relayed) == b""
            assert uow.messages.get(relayed).received_as == first

    def test_an_unknown_message_is_said_to_be_unknown(self, store: Store) -> None:
        unknown = MessageId(99)
        with store.unit_of_work() as uow:
            transaction = samples.add_transaction(uow)
            with pytest.raises(StoreError, match="no message 99"):
                uow.messages.get(unknown)
            with pytest.raises(StoreError, match="no message 99"):
                uow.messages.raw(unknown)
            with pytest.raises(StoreError, match="no message 99"):
                uow.messages.bind(unknown, transaction)

    @pytest.mark.parametrize("table", ["messages", "inputs"])
    def test_the_database_refuses_to_change_evidence(self, store: Store, engine: Engine, table: str) -> None:
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
            half = samples.add_half(uow, samples.add_transaction(uow))
            samples.add_input(uow, half, message)
        with (
            pytest.raises(Exception, match=f"rows of {table} are never changed"),
            engine.begin() as connection,
        ):
            connection.execute(text(f"UPDATE {table} SET id = id + 100"))  # noqa: S608  (two known names)

    def test_binding_rewraps_the_key_and_leaves_the_message_alone(self, store: Store, engine: Engine) -> None:
        def stored() -> tuple[bytes, int]:
            with engine.connect() as connection:
                raw = connection.execute(text("SELECT raw FROM messages")).scalar_one()
                key = connection.execute(text("SELECT key_id FROM message_keys")).scalar_one()
            return bytes(raw), int(key)

        with store.unit_of_work() as uow:
            message = samples.add_message(uow, EVERY_OCTET)
        raw_before, key_before = stored()
        with store.unit_of_work() as uow:
            first, second = samples.add_transaction(uow), samples.add_transaction(uow, b"t-2")
            uow.messages.bind(message, first)
            uow.messages.bind(message, first)
            assert uow.messages.raw(message) == EVERY_OCTET
        raw_bound, key_bound = stored()
        assert raw_bound == raw_before
        assert key_bound != key_before
        with store.unit_of_work() as uow:
            uow.messages.bind(message, second)
        with store.reading() as uow:
            assert uow.messages.raw(message) == EVERY_OCTET
            assert stored()[1] == uow.transactions.get(second).key_id

    def test_unprocessed_are_the_received_ones_without_a_verdict(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            first, second, third = (samples.add_message(uow, bytes([n])) for n in range(3))
            samples.add_message(uow, b"out", direction=Direction.SENT)
            uow.messages.processed(second, at=samples.NOW, verdict="applied")
        with store.reading() as uow:
            assert uow.messages.unprocessed() == (first, third)

    def test_every_classification_is_kept(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            message, answer = (
                samples.add_message(uow),
                samples.add_message(uow, b"a", direction=Direction.SENT),
            )
            transaction = samples.add_transaction(uow)
            half = samples.add_half(uow, transaction)
            uow.messages.processed(
                message,
                at=samples.NOW,
                verdict="unreadable",
                reason="length runs over the end",
                error_offset=7,
                error_path="ill-request.item-id",
            )
            uow.messages.processed(
                message,
                at=samples.LATER,
                verdict="applied",
                apdu_type="ILL-Request",
                partner="SFU",
                profile_digest="d1",
                transaction_id=transaction,
                half_id=half,
                answer_message_id=answer,
            )
        with store.reading() as uow:
            first, second = uow.messages.processings(message)
        assert (first.verdict, first.reason) == ("unreadable", "length runs over the end")
        assert (first.error_offset, first.error_path) == (7, "ill-request.item-id")
        assert (second.apdu_type, second.partner, second.profile_digest) == ("ILL-Request", "SFU", "d1")
        assert (second.transaction_id, second.half_id, second.answer_message_id) == (
            transaction,
            half,
            answer,
        )
        assert (second.at, second.reason, second.error_offset) == (samples.LATER, "", None)

    def test_exact_duplicates_are_found_by_octets_and_sender(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            effective = samples.add_message(uow, b"same")
            refused = samples.add_message(uow, b"same")
            elsewhere = samples.add_message(uow, b"same")
            unknown = samples.add_message(uow, b"same")
            other = samples.add_message(uow, b"other")
            sent = samples.add_message(uow, b"same", direction=Direction.SENT)
            for message, verdict, partner in (
                (effective, "applied", "SFU"),
                (refused, "prohibited", "SFU"),
                (elsewhere, "applied", "UBC"),
                (unknown, "applied", None),
                (other, "applied", "SFU"),
                (sent, "applied", "SFU"),
            ):
                uow.messages.processed(message, at=samples.NOW, verdict=verdict, partner=partner)
            again = samples.add_message(uow, b"same")
        with store.reading() as uow:
            assert uow.messages.find_exact(b"same", partner="SFU", before=again) == (effective,)
            assert uow.messages.find_exact(b"same", partner=None) == (unknown,)
            assert uow.messages.find_exact(b"same", partner="SFU", before=effective) == ()
            both = uow.messages.find_exact(b"same", partner="SFU", verdicts=("applied", "prohibited"))
            assert both == (effective, refused)
            assert uow.messages.find_exact(b"new", partner="SFU") == ()

    def test_a_list_is_newest_first_with_the_latest_verdict(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            ids = [samples.add_message(uow, bytes([n])) for n in range(5)]
            transaction = samples.add_transaction(uow)
            for verdict in ("held", "applied"):
                uow.messages.processed(
                    ids[1], at=samples.NOW, verdict=verdict, partner="SFU", transaction_id=transaction
                )
            uow.messages.processed(ids[3], at=samples.NOW, verdict="applied", partner="SFU")
            uow.messages.processed(ids[4], at=samples.NOW, verdict="applied", partner="UBC")
        with store.reading() as uow:
            page = uow.messages.list(limit=2)
            assert [listing.message.id for listing in page] == [ids[4], ids[3]]
            rest = uow.messages.list(before_id=page[-1].message.id)
            assert [listing.message.id for listing in rest] == [ids[2], ids[1], ids[0]]
            assert rest[0].processing is None
            assert rest[1].processing == uow.messages.processings(ids[1])[-1]
            of_partner = uow.messages.list(partner="SFU")
            assert [listing.message.id for listing in of_partner] == [ids[3], ids[1]]
            assert [m.message.id for m in uow.messages.list(partner="SFU", before_id=ids[3])] == [ids[1]]
            assert [m.message.id for m in uow.messages.list(transaction_id=transaction)] == [ids[1]]
            assert uow.messages.list(partner="UBC", transaction_id=transaction) == ()
