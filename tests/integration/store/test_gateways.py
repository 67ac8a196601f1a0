"""Several gateways on one database: who is there, whose rows are whose, and what holds for all."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from iso_gateway.store.due import Claimant
from iso_gateway.store.gateways import REMEMBERED, alive_in
from iso_gateway.store.keyring import KeyRing
from iso_gateway.store.records import Direction, GatewayId, MessageId, OutboxId, Side, Transport
from iso_gateway.store.unit_of_work import Store, UnitOfWork
from tests.integration.store import samples
from tests.integration.store.samples import NOW
from tests.integration.store.test_contention import wait_until_blocked

LEASE = timedelta(minutes=1)
ONE, TWO = GatewayId("1" * 16), GatewayId("2" * 16)


def enter(store: Store, gateway: GatewayId, *, state: str | None = None, alone: bool = False) -> list[str]:
    with store.unit_of_work() as uow:
        dead = uow.gateways.enter(
            gateway, state_id=state or f"of {gateway}", host="h", pid=1, at=NOW, alone=alone
        )
    return list(dead)


def claimant(gateway: GatewayId, *, after: timedelta = timedelta()) -> Claimant:
    return Claimant(gateway=gateway, alive_since=NOW + after - LEASE)


def queue(
    uow: UnitOfWork, *, connection_id: str | None, lane: str = "l", partner: str | None = "SFU"
) -> OutboxId:
    return uow.outbox.add(
        lane=lane,
        message_id=samples.add_message(uow),
        partner=partner,
        connection_id=connection_id,
        at=NOW,
        expires_at=NOW + timedelta(days=1),
    )


def due_for(store: Store, gateway: GatewayId, *, after: timedelta = timedelta()) -> list[int]:
    with store.unit_of_work() as uow:
        return [row.id for row in uow.due.of(claimant(gateway, after=after)).heads(NOW + after)]


class TestMembership:
    def test_who_runs_is_listed_and_who_ended_is_not_alive(self, store: Store) -> None:
        assert enter(store, ONE) == []
        assert enter(store, TWO) == []
        with store.unit_of_work() as uow:
            assert uow.gateways.seen(TWO, NOW + LEASE)
            uow.gateways.leave(ONE, NOW + LEASE)
        with store.reading() as uow:
            assert [one.id for one in uow.gateways.list()] == [ONE, TWO]
            assert [one.id for one in uow.gateways.alive(NOW)] == [TWO]
            assert uow.gateways.alive(NOW + LEASE) == ()
        assert [one.id for one in alive_in(store.engine, NOW)] == [TWO]

    def test_a_successor_on_the_same_state_finds_the_earlier_run_dead(self, store: Store) -> None:
        enter(store, ONE, state="same")
        assert enter(store, TWO, state="same") == [ONE]
        with store.unit_of_work() as uow:
            assert not uow.gateways.seen(ONE, NOW), "it has been replaced, and must not go on"
            assert uow.gateways.seen(TWO, NOW)

    def test_the_only_gateway_of_a_database_finds_all_others_dead(self, store: Store) -> None:
        enter(store, ONE)
        assert enter(store, TWO, alone=True) == [ONE]

    def test_runs_of_long_ago_are_forgotten(self, store: Store) -> None:
        enter(store, ONE)
        with store.unit_of_work() as uow:
            at = NOW + REMEMBERED + timedelta(seconds=1)
            uow.gateways.enter(TWO, state_id="x", host="h", pid=1, at=at, alone=False)
            assert [one.id for one in uow.gateways.list()] == [TWO]

    def test_a_database_of_an_earlier_version_has_none(self, open_database: Callable[[], Engine]) -> None:
        assert alive_in(open_database(), NOW) == ()


class TestConnections:
    def test_an_answer_is_for_the_gateway_that_has_the_connection(self, store: Store) -> None:
        enter(store, ONE)
        enter(store, TWO)
        with store.unit_of_work() as uow:
            answer = queue(uow, connection_id=f"{ONE}.abc", partner=None)
            other = queue(uow, connection_id=None, lane="m")
        assert due_for(store, ONE) == [answer, other]
        assert due_for(store, TWO) == [other]
        with store.unit_of_work() as uow:
            theirs = uow.due.of(claimant(TWO))
            assert theirs.next(NOW, partner=None) is None
            assert uow.leases.claim(answer, TWO, NOW, NOW + LEASE, by=claimant(TWO)) is None
            assert theirs.fresh_answers(NOW) == ()
            assert uow.leases.claim(answer, ONE, NOW, NOW + LEASE, by=claimant(ONE)) == 1

    def test_when_that_gateway_is_silent_for_a_lease_it_is_for_any(self, store: Store) -> None:
        enter(store, ONE)
        enter(store, TWO)
        with store.unit_of_work() as uow:
            answer = queue(uow, connection_id=f"{ONE}.abc")
        almost = LEASE - timedelta(seconds=1)
        assert due_for(store, TWO, after=almost) == []
        assert due_for(store, TWO, after=LEASE) == [answer]
        with store.unit_of_work() as uow:
            uow.gateways.seen(ONE, NOW + LEASE)
        assert due_for(store, TWO, after=LEASE) == []

    def test_when_that_gateway_has_ended_it_is_for_any_at_once(self, store: Store) -> None:
        enter(store, ONE)
        enter(store, TWO)
        with store.unit_of_work() as uow:
            answer = queue(uow, connection_id=f"{ONE}.abc")
            uow.gateways.leave(ONE, NOW)
        assert due_for(store, TWO) == [answer]

    def test_a_connection_that_no_gateway_names_is_for_any(self, store: Store) -> None:
        enter(store, ONE)
        with store.unit_of_work() as uow:
            answer = queue(uow, connection_id="c-1")
        assert due_for(store, ONE) == [answer]


class TestLeases:
    def test_a_lease_is_renewed_until_another_has_the_row(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            row = queue(uow, connection_id=None)
            fence = uow.leases.claim(row, ONE, NOW, NOW + LEASE)
            assert fence == 1
            assert uow.leases.renew(row, fence, NOW + 2 * LEASE)
            assert uow.leases.claim(row, TWO, NOW + LEASE, NOW + 3 * LEASE) is None
            # It runs out, and nobody has taken the row: it is still the first one's.
            assert uow.leases.renew(row, fence, NOW + 2 * LEASE)
            assert uow.leases.claim(row, TWO, NOW + 2 * LEASE, NOW + 3 * LEASE) == 2
            assert not uow.leases.renew(row, fence, NOW + 9 * LEASE)
            record = uow.outbox.get(row)
            assert record is not None
            assert (record.lease_owner, record.lease_until) == (TWO, NOW + 3 * LEASE)

    def test_a_row_that_is_finished_is_not_sent_again(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            row = queue(uow, connection_id=None)
            assert uow.leases.claim(row, ONE, NOW, NOW + LEASE) == 1
            assert uow.leases.delivered(row, 1, NOW)
            assert not uow.leases.renew(row, 1, NOW + LEASE)

    def test_only_the_leases_of_the_dead_end(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            of_one, of_two = (queue(uow, connection_id=None, lane=lane) for lane in "ab")
            uow.leases.claim(of_one, ONE, NOW, NOW + LEASE)
            uow.leases.claim(of_two, TWO, NOW, NOW + LEASE)
            assert uow.leases.end_of([], NOW) == 0
            assert uow.leases.end_of([ONE], NOW) == 1
        assert due_for(store, TWO) == [of_one]


class TestSending:
    def test_while_it_is_held_nothing_is_due_for_anybody(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            row = queue(uow, connection_id=None)
            uow.sending.hold("a test", NOW)
            uow.sending.hold("another", NOW)
            assert uow.due.next(NOW) is None
            assert uow.leases.claim(row, ONE, NOW, NOW + LEASE) is None
        assert due_for(store, ONE) == []
        with store.unit_of_work() as uow:
            held = uow.sending.held()
            assert held is not None
            assert (held.reason, held.since) == ("another", NOW)
            assert uow.sending.resume()
            assert not uow.sending.resume()
        assert due_for(store, ONE) == [row]


class TestLeftBehind:
    def received(
        self, uow: UnitOfWork, connection_id: str | None, *, at: timedelta = timedelta()
    ) -> MessageId:
        return uow.messages.add(
            direction=Direction.RECEIVED,
            at=NOW + at,
            transport=Transport.TCP_ONE_WAY,
            listener="one-way",
            peer_address=None,
            connection_id=connection_id,
            side=Side.PARTNER,
            raw=b"octets",
        )

    def left(self, store: Store, *, after: int = 0, now: timedelta = timedelta()) -> tuple[list[int], int]:
        with store.reading() as uow:
            since = NOW + now - LEASE
            found, settled = uow.messages.left_behind(after=after, until=since, alive_since=since)
        return list(found), settled

    def test_what_a_living_gateway_has_in_hand_is_left_to_it_for_a_lease(self, store: Store) -> None:
        enter(store, ONE)
        with store.unit_of_work() as uow:
            of_one = self.received(uow, f"{ONE}.1")
            of_nobody = self.received(uow, f"{TWO}.1")
            by_mail = self.received(uow, None)
            done = self.received(uow, f"{TWO}.2")
            uow.messages.processed(done, at=NOW, verdict="applied")
        assert self.left(store) == ([of_nobody], 0)
        assert self.left(store, now=LEASE) == ([of_one, of_nobody, by_mail], done)
        assert self.left(store, after=of_nobody, now=LEASE) == ([by_mail], done)

    def test_a_clock_that_is_set_back_hides_none(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            before = self.received(uow, None)
            after = self.received(uow, None, at=-2 * LEASE)
        # What came before it was set back is not old enough yet by the new time, and is looked at later.
        found, settled = self.left(store)
        assert (found, settled) == ([after], before - 1)
        assert self.left(store, after=settled, now=LEASE) == ([before, after], after)

    def test_nothing_is_left_of_what_was_classified(self, store: Store) -> None:
        with store.unit_of_work() as uow:
            message = self.received(uow, "c")
            assert uow.messages.take_up(message)
            uow.messages.processed(message, at=NOW, verdict="applied")
        assert self.left(store) == ([], 0)


@pytest.mark.postgresql
class TestPostgresql:
    def test_what_another_is_claiming_is_passed_over_and_not_waited_for(
        self, postgresql_engine: Engine, ring: KeyRing
    ) -> None:
        store = Store(postgresql_engine, ring)
        with store.unit_of_work() as uow:
            first, second = (queue(uow, connection_id=None, lane=lane) for lane in "ab")
        with store.unit_of_work() as uow:
            assert uow.leases.claim(first, ONE, NOW, NOW + LEASE, by=claimant(ONE)) == 1
            # Not committed: to the other one it is neither claimed nor free.
            assert due_for(store, TWO) == [second]
        assert due_for(store, TWO) == [second]

    def test_one_gateway_at_a_time_begins_something_for_a_partner(
        self, postgresql_engine: Engine, ring: KeyRing
    ) -> None:
        store = Store(postgresql_engine, ring)
        with store.unit_of_work() as uow:
            queue(uow, connection_id=None, lane="b")
            row = queue(uow, connection_id=None)
            assert uow.partners.take_turn("SFU")
            with store.unit_of_work() as other:
                assert not other.partners.take_turn("SFU")
                assert other.partners.take_turn("UBC")
            uow.leases.claim(row, ONE, NOW, NOW + LEASE, by=claimant(ONE))
        with store.unit_of_work() as uow:
            assert uow.partners.take_turn("SFU")
            partner = uow.outbox.list()[0].partner
            assert partner is not None
            assert uow.due.of(claimant(TWO)).sent_by_others(partner, NOW) == 1
            assert uow.due.of(claimant(ONE)).sent_by_others(partner, NOW) == 0
            assert uow.due.of(claimant(TWO)).sent_by_others("another", NOW) == 0
            # Whoever is silent for so long has nothing on its way.
            assert uow.due.of(claimant(TWO)).sent_by_others(partner, NOW + LEASE) == 0
            assert uow.due.sent_by_others(partner, NOW) == 0

    def test_a_message_is_classified_by_one_gateway_only(
        self, postgresql_engine: Engine, ring: KeyRing
    ) -> None:
        store = Store(postgresql_engine, ring)
        with store.unit_of_work() as uow:
            message = samples.add_message(uow)
        with store.unit_of_work() as uow:
            assert uow.messages.take_up(message)
            uow.messages.processed(message, at=NOW, verdict="applied")
        with store.unit_of_work() as uow:
            assert not uow.messages.take_up(message)

    def test_an_exact_copy_waits_for_what_becomes_of_the_other(
        self, postgresql_engine: Engine, ring: KeyRing
    ) -> None:
        store = Store(postgresql_engine, ring)
        with store.unit_of_work() as uow:
            message, copy = (samples.add_message(uow, b"same") for _ in range(2))
            other = samples.add_message(uow, b"different")

        def classify(one: MessageId) -> tuple[MessageId, ...]:
            with store.unit_of_work() as uow:
                assert uow.messages.take_up(one)
                return uow.messages.find_exact(b"same", partner="SFU")

        with ThreadPoolExecutor(1) as pool:
            with store.unit_of_work() as uow:
                assert uow.messages.take_up(message)
                assert classify(other) == ()
                waiting = pool.submit(classify, copy)
                wait_until_blocked(postgresql_engine, waiting)
                assert not waiting.done()
                uow.messages.processed(message, at=NOW, verdict="applied", partner="SFU")
            assert waiting.result(30) == (message,)

    def test_whoever_listens_is_told_of_what_there_is_to_send(
        self, postgresql_engine: Engine, ring: KeyRing
    ) -> None:
        store = Store(postgresql_engine, ring)
        with postgresql_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as listening:
            listening.execute(text("LISTEN iso_gateway"))
            driver = listening.connection.driver_connection
            assert driver is not None
            with store.unit_of_work() as uow:
                row = queue(uow, connection_id=None)
                queue(uow, connection_id=None)
            with store.unit_of_work() as uow:
                uow.leases.claim(row, ONE, NOW, NOW + LEASE)
            with store.unit_of_work() as uow:
                uow.sending.hold("a test", NOW)
            told = [one.payload for one in driver.notifies(timeout=30, stop_after=2)]
        # Once for each transaction, and a claim is nothing to tell of.
        assert told == ["outbox", "site_state"]
