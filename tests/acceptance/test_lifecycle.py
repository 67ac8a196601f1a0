"""Starting and stopping: what is in hand is finished, and what cannot start says why."""

import signal
import socket
from pathlib import Path
from typing import Final

import pytest

from asn1.codec import decode, encode
from asn1.ill import StatusOrErrorReport
from tests.support.apdus import cancel, ill_request, status_query
from tests.support.daemon import HOLD, HOST, ONE_WAY, TWO_WAY, Installation

REQUEST: Final = ill_request()


def test_a_first_start_makes_what_there_has_to_be(tmp_path: Path) -> None:
    installation = Installation(tmp_path, started=False)
    with installation.running() as gateway:
        assert isinstance(decode(gateway.exchange(TWO_WAY, REQUEST)), StatusOrErrorReport)
    with installation.running():
        assert [one.verdict for one in installation.received()] == ["applied"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_status_0_when_it_is_told_to(tmp_path: Path, number: signal.Signals) -> None:
    with Installation(tmp_path).running() as gateway:
        gateway.tell(number)
        assert gateway.wait() == 0
        assert [line["event"] for line in gateway.log][-2:] == ["gateway.stopping", "gateway.stopped"]


def test_a_request_in_hand_is_answered_before_it_ends(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    with installation.running(before=HOLD) as gateway, gateway.connect(TWO_WAY) as peer:
        peer.send(REQUEST)
        gateway.await_line("held")
        gateway.tell(signal.SIGTERM)
        gateway.await_line("gateway.stopping")
        gateway.release()
        assert isinstance(decode(peer.answer()), StatusOrErrorReport)
        peer.finish()
        assert peer.rest() == b""
        assert gateway.wait() == 0
    assert [one.verdict for one in installation.received()] == ["applied"]
    with installation.reading() as uow:
        assert uow.outbox.list() == (), "nothing is left to be sent"


def test_half_an_apdu_on_a_one_way_connection_is_no_receipt(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    octets = encode(REQUEST)
    with installation.running() as gateway, gateway.connect(ONE_WAY) as peer:
        peer.send(encode(cancel(REQUEST)) + octets[:100])
        gateway.await_line("apdu.processed")
        gateway.tell(signal.SIGTERM)
        # An orderly close would say that everything was kept: the sender has to see that it was not.
        with pytest.raises(ConnectionResetError):
            peer.rest()
        assert gateway.wait() == 0
    assert [one.octets for one in installation.received()] == [encode(cancel(REQUEST))]


def test_half_an_apdu_on_a_two_way_connection_may_still_be_completed(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    octets = encode(REQUEST)
    with installation.running() as gateway, gateway.connect(TWO_WAY) as peer:
        peer.send(cancel(ill_request(transaction="unheard of")))
        peer.answer()
        peer.send(octets[:100])
        gateway.tell(signal.SIGTERM)
        # The gateway has ended its side, and goes on receiving for a moment.
        assert peer.rest() == b""
        peer.send(octets[100:])
        peer.finish()
        assert gateway.wait() == 0
    assert [one.octets for one in installation.received()][1:] == [octets]
    with installation.reading() as uow:
        [row] = uow.outbox.list()
    # The acknowledgement missed the connection: it goes to the partner's address after the next start.
    assert row.message_id == installation.sent()[-1].id
    assert row.partner == "YAZ"


def test_what_waits_for_a_partner_that_is_down_does_not_hold_up_the_end(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    with installation.running() as gateway:
        gateway.exchange(ONE_WAY, status_query(REQUEST))
        gateway.await_line("apdu.deferred")
        assert gateway.stop() == 0
    with installation.reading() as uow:
        [row] = uow.outbox.list()
        assert row.partner == "YAZ"


@pytest.mark.parametrize("listener", [ONE_WAY, TWO_WAY])
def test_a_taken_port_is_an_error_that_names_it(tmp_path: Path, listener: str) -> None:
    installation = Installation(tmp_path)
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        old = f'mode = "{listener}"\nhost = "127.0.0.1"\nport = 0'
        installation.edit("gateway.toml", old, old.replace("port = 0", f"port = {port}"))
        gateway = installation.start()
        assert gateway.wait() == 1
    output = gateway.output.decode()
    assert f"{HOST}:{port}" in output
    assert listener in output
    assert "another program" in output
    assert "Traceback" not in output
    assert not [line for line in gateway.log if line["event"] == "gateway.ready"]


def test_a_second_daemon_on_the_same_state_is_refused(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    with installation.running() as gateway:
        second = installation.start()
        assert second.wait() == 1
        output = second.output.decode()
        assert "another gateway" in output
        assert str(installation.settings.state_dir) in output
        assert "Traceback" not in output
        # The first one has not noticed.
        assert decode(gateway.exchange(TWO_WAY, REQUEST)).transaction_id == REQUEST.transaction_id
    with installation.running() as again:
        assert again.is_alive, "a stopped gateway has let go of its state"


def test_a_killed_daemon_has_let_go_of_its_state(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    with installation.running() as gateway:
        gateway.kill()
    with installation.running() as again:
        assert again.is_alive


def test_a_configuration_that_is_wrong_is_status_2_and_names_file_and_key(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.edit("gateway.toml", "max_depth = 32", 'max_depth = "deep"')
    gateway = installation.start()
    assert gateway.wait() == 2
    output = gateway.output.decode()
    assert "gateway.toml: limits.max_depth" in output
    assert "Traceback" not in output
