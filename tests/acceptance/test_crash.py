"""kill -9 at every point at which something could be lost or done twice.

Where a point has to be hit exactly, the process kills itself there: it is made to by Python that runs in it
before the command does. The next start runs without.
"""

from pathlib import Path
from typing import Final

import pytest

from asn1.codec import decode, encode
from asn1.ill import StatusOrErrorReport
from iso_gateway.services import Arrival
from iso_gateway.site import Site
from iso_gateway.store.records import AttemptOutcome, OutboxStatus, Transport
from tests.support.apdus import ill_request, status_query
from tests.support.daemon import ONE_WAY, TWO_WAY, Installation, PartnerListener

REQUEST: Final = ill_request()

#: Read from the connection, and not stored.
DIE_BEFORE_STORING: Final = """
import os, signal
from iso_gateway.services import Gateway
Gateway.receive = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""

#: Stored, its commit on disk, and not classified.
DIE_BEFORE_PROCESSING: Final = """
import os, signal
from iso_gateway.services import Gateway
Gateway.process = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""

#: Classified, the answer in the outbox and claimed, and nothing of it sent.
DIE_BEFORE_SENDING: Final = """
import os, signal
from iso_gateway.running.connecting import TcpTransmitter
async def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
TcpTransmitter.transmit = die
"""

#: Sent, its receipt seen, and the outbox does not know of it.
DIE_AFTER_SENDING: Final = """
import os, signal
from iso_gateway.running.connecting import TcpTransmitter
transmit = TcpTransmitter.transmit
async def die(*arguments, **keywords):
    await transmit(*arguments, **keywords)
    os.kill(os.getpid(), signal.SIGKILL)
TcpTransmitter.transmit = die
"""


def assert_there_once(installation: Installation) -> None:
    """Fail unless the request is there, in its state, and only once."""
    [request] = installation.requests()
    assert request.half.state == "IN-PROCESS"
    assert (request.summary or {})["title"] == "The Penelopiad"


@pytest.mark.parametrize("listener", [ONE_WAY, TWO_WAY])
def test_what_was_read_and_not_stored_is_not_acknowledged_by_the_death(tmp_path: Path, listener: str) -> None:
    """The system ends the connections of a process that dies, and must not do it in good order."""
    installation = Installation(tmp_path)
    with (
        installation.running(before=DIE_BEFORE_STORING) as gateway,
        gateway.connect(listener) as peer,
        gateway.connect(listener) as silent,
    ):
        peer.send(REQUEST)
        with pytest.raises(ConnectionResetError):
            peer.rest()
        with pytest.raises(ConnectionResetError):
            silent.rest()
        assert gateway.wait() == -9
    assert installation.received() == []


def test_what_was_acknowledged_on_a_two_way_connection_is_there_once(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    with installation.running() as gateway, gateway.connect(TWO_WAY) as peer:
        peer.send(REQUEST)
        acknowledgement = peer.answer()
        gateway.kill()
    with installation.running() as gateway:
        assert_there_once(installation)
        # The peer cannot know whether its request was kept, and sends it again.
        assert gateway.exchange(TWO_WAY, REQUEST) == acknowledgement
        assert_there_once(installation)
    assert [one.verdict for one in installation.received()] == ["applied", "exact-duplicate"]
    assert [one.octets for one in installation.received()] == [encode(REQUEST)] * 2


def test_what_was_closed_in_good_order_on_a_one_way_connection_is_there_once(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    with installation.running() as gateway:
        gateway.exchange(ONE_WAY, REQUEST)
        gateway.kill()
    with installation.running() as gateway:
        assert_there_once(installation)
        gateway.exchange(ONE_WAY, REQUEST)
        assert_there_once(installation)
    assert [one.verdict for one in installation.received()] == ["applied", "exact-duplicate"]


def test_what_was_stored_and_not_classified_is_classified_at_the_next_start(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    with installation.running(before=DIE_BEFORE_PROCESSING) as gateway, gateway.connect(TWO_WAY) as peer:
        peer.send(REQUEST)
        assert gateway.wait() == -9
    assert installation.requests() == []
    [stored] = installation.received()
    assert stored.processing is None
    with installation.running() as gateway:
        assert gateway.await_line("gateway.recovered")["unprocessed"] == 1
        assert_there_once(installation)
        # Sent again, because it was not acknowledged, it is a duplicate of what was recovered.
        assert isinstance(decode(gateway.exchange(TWO_WAY, REQUEST)), StatusOrErrorReport)
        assert_there_once(installation)
    with installation.running() as gateway:
        assert not [line for line in gateway.log if line["event"] == "gateway.recovered"]
        assert_there_once(installation)


def test_what_another_process_stored_is_classified_at_the_start(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    site = Site.create_or_open(installation.settings)
    arrival = Arrival(
        transport=Transport.TCP_TWO_WAY, listener="two-way", peer_address="127.0.0.1:50000", connection_id="c"
    )
    with site.store.unit_of_work() as uow:
        site.gateway.receive(uow, encode(REQUEST), arrival)
    site.close()
    with installation.running() as gateway:
        assert gateway.await_line("gateway.recovered")["unprocessed"] == 1
        assert_there_once(installation)


def test_an_answer_that_was_not_sent_goes_to_the_partners_address_after_the_restart(tmp_path: Path) -> None:
    with PartnerListener().listen() as partner:
        installation = Installation(tmp_path, yaz_port=partner.port)
        with installation.running(before=DIE_BEFORE_SENDING) as gateway, gateway.connect(TWO_WAY) as peer:
            peer.send(REQUEST)
            assert gateway.wait() == -9
        assert_there_once(installation)
        with installation.running() as gateway:
            assert gateway.await_line("gateway.recovered")["in_flight"] == 1
            octets = partner.octets()
            gateway.await_line("apdu.delivered")
        [answer] = installation.sent()
        assert octets == answer.octets
        assert partner.is_quiet()


def test_at_most_what_was_in_flight_goes_out_twice_with_identical_octets(tmp_path: Path) -> None:
    with PartnerListener().listen() as partner:
        installation = Installation(tmp_path, yaz_port=partner.port)
        with installation.running(before=DIE_AFTER_SENDING) as gateway, gateway.connect(ONE_WAY) as peer:
            # It is about no request of ours, so an error report goes to the partner's address.
            peer.send(status_query(REQUEST))
            first = partner.octets()
            assert gateway.wait() == -9
        with installation.running() as gateway:
            second = partner.octets()
            gateway.await_line("apdu.delivered")
        assert first == second
        assert partner.is_quiet()
        with installation.reading() as uow:
            [row] = uow.outbox.list(finished=True)
            outcomes = [attempt.outcome for attempt in uow.outbox.attempts(row.id)]
        assert row.status is OutboxStatus.DELIVERED
        assert outcomes == [AttemptOutcome.ABANDONED, AttemptOutcome.DELIVERED]
