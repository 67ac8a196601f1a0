"""yaz-illclient, met by a peer of a few lines: what it sends for our example, what it makes of each answer.

The gateway is not here: these are the facts about the client on which the tests of the gateway rely.
"""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests.support import corpus
from tests.support.yaz import find_yaz_illclient, read_with_libyaz, yaz_illclient

pytestmark = pytest.mark.yaz

EXAMPLE: Final = Path(__file__).parent.parent.parent / "examples" / "yaz-illclient.conf"


def converse(answer: bytes, arguments: list[str], directory: Path) -> tuple[int, str, bytes]:
    """Give the exit status and the standard output of the client, and what it sent, when answered so."""
    find_yaz_illclient()
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ThreadPoolExecutor(max_workers=1) as pool,
    ):
        listener.settimeout(60)
        client = pool.submit(yaz_illclient, arguments, listener.getsockname()[1], directory)
        with listener.accept()[0] as connection:
            connection.settimeout(60)
            request = connection.recv(65536)
            connection.sendall(answer)
        run = client.result()
    return run.returncode, run.stdout, request


def sample(name: str) -> bytes:
    """Give the octets of a sample by the name of its file and its own, as in `yaz/0001-ill-request`."""
    file, _, own = name.partition("/")
    [octets] = [s.octets for s in corpus.samples("yaz" if file == "yaz" else "yaz-enums") if s.name == own]
    return octets


def test_the_example_is_a_loan_request_to_the_symbol_that_the_starting_configuration_serves(
    tmp_path: Path,
) -> None:
    _, _, request = converse(b"", ["-f", str(EXAMPLE)], tmp_path)
    [reading] = read_with_libyaz([request])
    fields = reading["u"]["illRequest"]
    assert fields["protocol_version_num"] == 2
    assert symbol(fields["transaction_id"]["initial_requester_id"]) == "ILLUME:YAZ"
    assert symbol(fields["requester_id"]) == "ILLUME:YAZ"
    assert symbol(fields["responder_id"]) == "ILLUME:BEX"
    assert fields["iLL_service_type"] == [1]
    assert fields["requester_optional_messages"] == {
        "can_send_RECEIVED": True,
        "can_send_RETURNED": True,
        "requester_SHIPPED": 1,
        "requester_CHECKED_IN": 2,
    }
    assert text(fields["item_id"]["title"]) == "The Penelopiad"
    assert fields["billing_address"] == {"postal_address": {}, "electronic_address": {}}
    assert (tmp_path / "req.apdu").read_bytes() == request


def test_every_name_in_the_example_reaches_the_request(tmp_path: Path) -> None:
    lines = [line for line in EXAMPLE.read_text("ascii").splitlines() if line and not line.startswith("#")]
    names, values = zip(*(line.split("=", 1) for line in lines), strict=True)
    assert len(set(names)) == len(names)
    _, _, request = converse(b"", ["-f", str(EXAMPLE)], tmp_path)
    for value in values:
        # Numbers go out in binary, and a wrong name among them shows in the test above.
        assert value.isdigit() or value.encode("ascii") in request, value


def test_a_definition_before_the_file_wins_over_the_file(tmp_path: Path) -> None:
    definition = ["-D", "ill,transaction-id,transaction-qualifier=2026-000118"]
    _, _, request = converse(b"", [*definition, "-f", str(EXAMPLE)], tmp_path)
    assert b"2026-000118" in request
    _, _, request = converse(b"", ["-f", str(EXAMPLE), *definition], tmp_path)
    assert b"2026-000118" not in request


def test_a_request_without_names_is_version_0_with_unlisted_values(tmp_path: Path) -> None:
    _, _, request = converse(b"", [], tmp_path)
    [reading] = read_with_libyaz([request])
    fields = reading["u"]["illRequest"]
    assert (fields["protocol_version_num"], fields["transaction_type"]) == (0, 0)
    assert fields["iLL_service_type"] == [0]
    assert request[:2] == b"\x61\x80"


@pytest.mark.parametrize(
    ("name", "status", "printed"),
    [
        ("yaz/0039-status-or-error-report", 0, "Ok\n"),
        ("yaz/0099-status-or-error-report", 7, "State Transition prohibited:Springer\n"),
        ("yaz-enums/0142-status-or-error-report", 7, "State Transition prohibited:Unknown error type\n"),
        ("yaz/0079-status-or-error-report", 7, "General Problem: 5:MWPL Library\n"),
        ("yaz-enums/0143-status-or-error-report", 7, "General Problem: 3:Unknown error type\n"),
        ("yaz/0179-status-or-error-report", 7, "Transaction Id Problem: 3:OONL OONL 1998 urgent\n"),
        ("yaz-enums/0123-status-or-error-report", 7, "Transaction Id Problem: 1:Unknown error type\n"),
        ("yaz-enums/0124-status-or-error-report", 7, "Security problem: pp. 12-34\n"),
        ("yaz/0119-status-or-error-report", 7, "Unable to perform: 2\n"),
        ("yaz/0059-status-or-error-report", 7, "Intermediary problem: 1\n"),
        ("yaz-enums/0129-status-or-error-report", 7, "Already forwarded: \n"),
        ("yaz/0004-ill-answer", 6, "Server returned wrong packet type: 4\n"),
    ],
)
def test_the_client_prints_the_report_and_ends_with_its_status(
    name: str, status: int, printed: str, tmp_path: Path
) -> None:
    got_status, got_printed, _ = converse(sample(name), ["-f", str(EXAMPLE)], tmp_path)
    assert (got_status, got_printed) == (status, printed)


def test_the_first_apdu_decides_even_when_a_report_follows_it(tmp_path: Path) -> None:
    answer = sample("yaz/0004-ill-answer") + sample("yaz/0039-status-or-error-report")
    status, printed, _ = converse(answer, ["-f", str(EXAMPLE)], tmp_path)
    assert (status, printed) == (6, "Server returned wrong packet type: 4\n")


def test_no_answer_before_the_end_of_the_connection_is_status_6(tmp_path: Path) -> None:
    status, printed, _ = converse(b"", ["-f", str(EXAMPLE)], tmp_path)
    assert (status, printed) == (6, "")


def text(string: dict[str, dict[str, str]]) -> str:
    """Give the characters of an ILL-String in a reading."""
    [characters] = string["u"].values()
    return characters


def symbol(system_id: corpus.Reading) -> str:
    """Give the symbol of an institution in a System-Id of a reading."""
    return text(system_id["person_or_institution_symbol"]["u"]["institution_symbol"])
