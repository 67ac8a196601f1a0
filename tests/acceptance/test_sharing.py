"""Two gateways on one PostgreSQL database: what one had in hand when it died or stood still, the other does.

Where one has to take the other for dead, the lease is short, so that the tests are: a second and a half.
"""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from asn1.codec import decode, encode
from asn1.ill import StatusOrErrorReport
from iso_gateway.store.records import AttemptOutcome, OutboxStatus
from tests.acceptance.test_crash import DIE_BEFORE_PROCESSING
from tests.support.apdus import ill_request, status_query
from tests.support.daemon import ONE_WAY, TWO_WAY, Installation, PartnerListener
from tests.support.postgresql import Cluster

pytestmark = pytest.mark.postgresql

REQUEST: Final = ill_request()
LEASE: Final = "1500ms"

#: The gateway says that it is about to send, and does it once the named pipe `go` has been opened and closed.
HOLD_BEFORE_CONNECTING: Final = """
import asyncio
from pathlib import Path
from iso_gateway.running.connecting import TcpTransmitter
transmit = TcpTransmitter.transmit
async def later(self, octets, **keywords):
    print('{"event": "about-to-send"}', flush=True)
    await asyncio.to_thread(Path("go").read_bytes)
    return await transmit(self, octets, **keywords)
TcpTransmitter.transmit = later
"""

#: The same, when the connection to send on stands already.
HOLD_BEFORE_WRITING: Final = """
import asyncio
from pathlib import Path
from adapters import tcp_sender
connect = tcp_sender._connect
async def later(*arguments):
    stream = await connect(*arguments)
    print('{"event": "about-to-send"}', flush=True)
    await asyncio.to_thread(Path("go").read_bytes)
    return stream
tcp_sender._connect = later
"""


@pytest.fixture
def partner() -> Iterator[PartnerListener]:
    """YAZ, which both gateways send to."""
    with PartnerListener().listen() as partner:
        yield partner


@contextmanager
def sharing(
    directory: Path, cluster: Cluster, partner: PartnerListener, lease: str
) -> Iterator[tuple[Installation, Installation]]:
    """Two installations with one database and one master key, each with a state directory of its own."""
    with cluster.database("shared", tables=True) as url:
        one = Installation(directory / "one", yaz_port=partner.port)
        one.share(url, lease=lease)
        two = Installation(directory / "two", yaz_port=partner.port)
        two.share(url, lease=lease, key_of=one)
        yield one, two


@pytest.fixture
def pair(
    tmp_path: Path, postgresql_cluster: Cluster, partner: PartnerListener
) -> Iterator[tuple[Installation, Installation]]:
    """Two of which one soon takes the other for dead when it is."""
    with sharing(tmp_path, postgresql_cluster, partner, LEASE) as pair:
        yield pair


@pytest.fixture
def living(
    tmp_path: Path, postgresql_cluster: Cluster, partner: PartnerListener
) -> Iterator[tuple[Installation, Installation]]:
    """Two of which neither takes the other for dead, however busy the machine is."""
    with sharing(tmp_path, postgresql_cluster, partner, "60s") as pair:
        yield pair


def test_what_a_killed_gateway_was_sending_is_sent_by_the_other(
    pair: tuple[Installation, Installation], partner: PartnerListener
) -> None:
    one, two = pair
    with one.running() as gateway:
        with gateway.connect(ONE_WAY) as peer:
            peer.send(status_query(REQUEST))
            unfinished = partner.accept()
            first = unfinished.answer()
        with two.running() as other, unfinished:
            gateway.kill()
            # No end of the connection: as far as anybody can know, it has not arrived.
            second = partner.octets()
            other.await_line("apdu.delivered")
    assert first == second
    assert partner.is_quiet()
    with two.reading() as uow:
        [row] = uow.outbox.list(finished=True)
        assert row.status is OutboxStatus.DELIVERED
        outcomes = [attempt.outcome for attempt in uow.outbox.attempts(row.id)]
        assert outcomes == [AttemptOutcome.ABANDONED, AttemptOutcome.DELIVERED]


def test_what_a_killed_gateway_had_stored_is_classified_and_answered_by_the_other(
    pair: tuple[Installation, Installation], partner: PartnerListener
) -> None:
    one, two = pair
    with two.running() as other:
        with one.running(before=DIE_BEFORE_PROCESSING) as gateway, gateway.connect(TWO_WAY) as peer:
            peer.send(REQUEST)
            assert gateway.wait() == -9
        # Its connection is gone with it, so the answer goes to the partner's address.
        answer = decode(partner.octets())
        other.await_line("apdu.delivered")
        assert isinstance(answer, StatusOrErrorReport)
        assert answer.transaction_id == REQUEST.transaction_id
        assert [one.verdict for one in two.received()] == ["applied"]
        assert len(two.requests()) == 1


def test_one_that_stood_still_past_its_lease_sends_nothing_that_the_other_has_taken(
    pair: tuple[Installation, Installation], partner: PartnerListener
) -> None:
    one, two = pair
    with one.running(before=HOLD_BEFORE_CONNECTING) as gateway:
        with gateway.connect(ONE_WAY) as peer:
            peer.send(status_query(REQUEST))
            gateway.await_line("about-to-send")
        gateway.tell(signal.SIGSTOP)
        with two.running() as other:
            first = partner.octets()
            other.await_line("apdu.delivered")
            gateway.tell(signal.SIGCONT)
            gateway.release()
            gateway.await_line("outbox.lease-lost")
            assert partner.is_quiet()
        # It goes on as before: alone again, so that nobody else takes what follows.
        with gateway.connect(ONE_WAY) as peer:
            peer.send(status_query(ill_request(transaction="another")))
        gateway.await_line("about-to-send", times=2)
        gateway.release()
        assert partner.octets() != first
        gateway.await_line("apdu.delivered")
    with two.reading() as uow:
        assert [row.attempts for row in uow.outbox.list(finished=True)] == [2, 1]


def test_nothing_is_written_on_a_connection_that_stood_before_the_lease_was_lost(
    pair: tuple[Installation, Installation], partner: PartnerListener
) -> None:
    one, two = pair
    with one.running(before=HOLD_BEFORE_WRITING) as gateway:
        with gateway.connect(ONE_WAY) as peer:
            peer.send(status_query(REQUEST))
            gateway.await_line("about-to-send")
        with partner.accept() as unused:
            gateway.tell(signal.SIGSTOP)
            with two.running() as other:
                partner.octets()
                other.await_line("apdu.delivered")
            gateway.tell(signal.SIGCONT)
            gateway.release()
            gateway.await_line("outbox.lease-lost")
            with pytest.raises(ConnectionResetError):
                unused.rest()
        assert partner.is_quiet()


def test_an_answer_goes_out_on_the_connection_whoever_looks_first(
    living: tuple[Installation, Installation], partner: PartnerListener
) -> None:
    one, two = living
    with one.running() as gateway, two.running() as other:
        for number in range(3):
            for daemon in (gateway, other):
                request = ill_request(transaction=f"{number} {daemon.ports[TWO_WAY]}")
                answer = decode(daemon.exchange(TWO_WAY, request))
                assert answer.transaction_id == request.transaction_id
        assert partner.is_quiet()
    with one.reading() as uow:
        assert {row.attempts for row in uow.outbox.list(finished=True)} == {1}


def test_two_that_receive_one_transaction_at_the_same_moment_leave_nothing_behind(
    living: tuple[Installation, Installation],
) -> None:
    one, two = living
    with one.running() as gateway, two.running() as other:
        for number in range(3):
            request = encode(ill_request(transaction=f"race {number}"))
            both = [
                threading.Thread(target=daemon.exchange, args=(TWO_WAY, request))
                for daemon in (gateway, other)
            ]
            for thread in both:
                thread.start()
            for thread in both:
                thread.join()
        assert len(one.requests()) == 3
        verdicts = sorted(stored.verdict for stored in one.received())
        assert verdicts == ["applied"] * 3 + ["exact-duplicate"] * 3
        assert "apdu.processing-failed" not in [line["event"] for line in gateway.log + other.log]


def test_who_is_there_is_shown(living: tuple[Installation, Installation]) -> None:
    one, two = living
    with one.running() as gateway, two.running():
        assert two.command("db", "gateways").stdout.count(b"running") == 2
        refused = one.command("db", "upgrade")
        assert (refused.returncode, b"another gateway" in refused.stderr) == (1, True)
        gateway.kill()
    listed = json.loads(two.command("db", "gateways", "--json").stdout)
    states = {record["pid"]: record["state"] for record in listed}
    # Nobody can tell that the one that was killed will not be heard of again before its lease is over.
    assert states.pop(gateway.process_id) != "stopped"
    assert list(states.values()) == ["stopped"]


def test_a_copied_state_directory_does_not_run_twice(pair: tuple[Installation, Installation]) -> None:
    one, two = pair
    gateway = one.start()
    gateway.await_ready()
    (two.settings.state_dir / "gateway.id").write_bytes((one.settings.state_dir / "gateway.id").read_bytes())
    with two.running() as other:
        assert gateway.wait() == 1
        assert b"if the state directory was copied, remove gateway.id from one of the two" in gateway.output
        assert other.is_alive


def test_a_server_that_is_restarted_costs_nothing(
    living: tuple[Installation, Installation], postgresql_cluster: Cluster, partner: PartnerListener
) -> None:
    one, _ = living
    with one.running() as gateway:
        gateway.exchange(TWO_WAY, REQUEST)
        postgresql_cluster.stop()
        try:
            # Nothing is acknowledged that could not be stored.
            with pytest.raises(ConnectionResetError):
                gateway.exchange(ONE_WAY, status_query(ill_request(transaction="not kept")))
        finally:
            postgresql_cluster.start()
        gateway.exchange(ONE_WAY, status_query(ill_request(transaction="kept")))
        assert isinstance(decode(partner.octets()), StatusOrErrorReport)
        assert gateway.stop() == 0
    assert [stored.verdict for stored in one.received()] == ["applied", "unknown-transaction"]
