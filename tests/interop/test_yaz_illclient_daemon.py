"""The real yaz-illclient against the real daemon: what it prints, and what the gateway keeps of it.

It is the foreign peer that the gateway can be judged by: it has no line in common with ours, and it waits for
its answer, so that an answer which it cannot read shows.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from asn1.codec import decode_header
from tests.support.daemon import TWO_WAY, Installation, RunningDaemon, Stored
from tests.support.yaz import find_yaz_illclient, read_with_libyaz, yaz_illclient

pytestmark = pytest.mark.yaz

EXAMPLE: Final = Path(__file__).parent.parent.parent / "examples" / "yaz-illclient.conf"
RESPONDER: Final = "ill,responder-id,person-or-institution-symbol,institution"
REQUESTER: Final = "ill,requester-id,person-or-institution-symbol,institution"
INITIAL: Final = "ill,transaction-id,initial-requester-id,person-or-institution-symbol,institution"
QUALIFIER: Final = "ill,transaction-id,transaction-qualifier"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A running gateway."""
    find_yaz_illclient()
    with Installation(tmp_path_factory.mktemp("gateway")).running() as daemon:
        yield daemon


class Client:
    """yaz-illclient in a directory of its own, talking to one gateway."""

    def __init__(self, gateway: RunningDaemon, directory: Path) -> None:
        self._gateway = gateway
        self._directory = directory

    def send(self, definitions: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Send the example, with some of its values replaced."""
        arguments = [
            word for name, value in (definitions or {}).items() for word in ("-D", f"{name}={value}")
        ]
        return self.run([*arguments, "-f", str(EXAMPLE)])

    def run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        """Run the client with these arguments."""
        return yaz_illclient(["-v", "none", *arguments], self._gateway.ports[TWO_WAY], self._directory)

    @property
    def octets(self) -> bytes:
        """What it sent, as it says itself."""
        return (self._directory / "req.apdu").read_bytes()

    @property
    def stored(self) -> list[Stored]:
        """What the gateway has with these octets."""
        return [one for one in self._gateway.installation.received() if one.octets == self.octets]


@pytest.fixture
def client(gateway: RunningDaemon, tmp_path: Path) -> Client:
    """The client."""
    return Client(gateway, tmp_path)


def test_a_good_request_is_acknowledged_and_kept_octet_for_octet(
    gateway: RunningDaemon, client: Client
) -> None:
    run = client.send({QUALIFIER: "good"})
    assert (run.returncode, run.stdout) == (0, "Ok\n")
    [stored] = client.stored
    assert stored.verdict == "applied"
    # The client writes indefinite lengths and empty SEQUENCEs: they are not what our encoder would write.
    assert b"\x61\x80\x30\x80" in stored.octets
    [request] = [one for one in gateway.installation.requests() if "good" in str(one.summary)]
    assert request.half.state == "IN-PROCESS"
    assert request.half.role == "responder"
    assert request.half.partner == "YAZ"
    assert (request.summary or {})["title"] == "The Penelopiad"


def test_the_acknowledgement_is_a_status_report_that_says_in_process(client: Client) -> None:
    run = client.send({QUALIFIER: "status"})
    assert run.returncode == 0
    # The client prints the APDU that it read: these are libyaz's words, not ours.
    printed = answer_as_read_by(run)
    assert "provider_status_report 3" in printed, printed


def test_a_symbol_that_is_not_served_is_a_security_problem(gateway: RunningDaemon, client: Client) -> None:
    run = client.send({QUALIFIER: "elsewhere", RESPONDER: "ILLUME:NOWHERE"})
    assert (run.returncode, run.stdout) == (7, "Security problem: The library addressed is not served here\n")
    assert [one.verdict for one in client.stored] == ["unknown-recipient"]
    assert not [one for one in gateway.installation.requests() if "elsewhere" in str(one.summary)]


def test_an_unknown_requester_is_a_security_problem(gateway: RunningDaemon, client: Client) -> None:
    run = client.send({QUALIFIER: "stranger", REQUESTER: "ILLUME:WHO", INITIAL: "ILLUME:WHO"})
    assert (run.returncode, run.stdout) == (7, "Security problem: The sender is not known here\n")
    assert [one.verdict for one in client.stored] == ["unknown-sender"]
    assert not [one for one in gateway.installation.requests() if "stranger" in str(one.summary)]


def test_the_bare_client_learns_that_version_0_is_not_spoken(client: Client) -> None:
    # Its report is short, and libyaz takes a short APDU in the short form for HTTP: it would wait until the
    # connection ends, which the gateway does not do (docs/adr/0005). The time-out of `run` is the test.
    run = client.run([])
    assert run.returncode == 7
    assert run.stdout.startswith("General Problem: 4")
    [stored] = client.stored
    assert stored.verdict == "version-not-supported"
    header = decode_header(stored.octets)
    assert header is not None
    assert header.protocol_version_num == 0


def test_the_same_request_twice_is_one_request_and_gets_the_same_answer(
    gateway: RunningDaemon, client: Client
) -> None:
    first, second = (client.send({QUALIFIER: "twice"}) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert answer_as_read_by(first) == answer_as_read_by(second)
    original, duplicate = client.stored
    assert (original.verdict, duplicate.verdict) == ("applied", "exact-duplicate")
    assert original.processing is not None
    assert duplicate.processing is not None
    assert duplicate.processing.answer_message_id == original.processing.answer_message_id is not None
    assert len([one for one in gateway.installation.requests() if "twice" in str(one.summary)]) == 1


def test_what_the_gateway_has_kept_reads_in_libyaz_as_the_client_meant_it(client: Client) -> None:
    client.send({QUALIFIER: "meant"})
    [stored] = client.stored
    [reading] = read_with_libyaz([stored.octets])
    fields = reading["u"]["illRequest"]
    assert fields["item_id"]["title"] == {"u": {"GeneralString": "The Penelopiad"}}
    assert fields["client_id"]["client_name"] == {"u": {"GeneralString": "Example, Pat"}}


def answer_as_read_by(run: subprocess.CompletedProcess[str]) -> str:
    """Give the answer in the client's own readable form: the second APDU that it prints."""
    return run.stderr[run.stderr.rindex("Status_Or_Error_Report") :]
