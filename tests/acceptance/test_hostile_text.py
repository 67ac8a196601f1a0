"""Text from the network: kept octet for octet, and shown without harm."""

import json
from typing import Final

import pytest

from asn1 import ill
from asn1.codec import decode, encode
from asn1.ill import ILLRequest
from asn1.schema import GeneralString
from tests.support.apdus import ill_request
from tests.support.daemon import ONE_WAY, TWO_WAY, RunningDaemon, Stored

#: What a title, or any other text, may be: as octets, because that is what it is on the wire.
TITLES: Final = {
    "terminal escapes": b"\x1b[2J\x1b]0;owned\x07\x1b[31mred\x1b[0m",
    "escapes in Latin-1": b"\x9b31mred\x9d0;owned\x9c",
    "escapes in UTF-8": "\u009b31mred\u009d0;owned\u009c".encode(),
    "line breaks": b"one\ntwo\rthree\r\nfour\x0bfive\x0csix\x85seven\tend",
    "line separators": "one\u2028two\u2029three".encode(),
    "a forged log line": b'x\n{"event": "gateway.stopped", "level": "info"}',
    "control characters": bytes(range(32)) + b"\x7f",
    "right to left": "gnp.\u202egpj.exe\u2066\u2069\u200f".encode(),
    "markup": b"[bold red]not bold[/bold red] [link=http://example]here[/link] %s {0} \\n",
    "Latin-1": b"M\xfcller, \xc9tude \xab\xbb",
    "UTF-8": "Müller, 図書館 🐧 e\u0301".encode(),
    "neither": b"\xff\xfe\x80 \xc3\x28",
    "NUL": b"before\x00after",
    "60 KB": b"Long " * 12_000,
}

#: All of them that are short, in one text.
EVERYTHING: Final = b" | ".join(title for title in TITLES.values() if len(title) < 1_000)


@pytest.mark.parametrize("name", TITLES)
def test_it_is_kept_octet_for_octet(gateway: RunningDaemon, name: str) -> None:
    request = ill_request(transaction=name, title=TITLES[name], note=TITLES[name])
    stored = received(gateway, request)
    assert stored.octets == encode(request)
    assert stored.verdict == "applied"
    kept = decode(stored.octets)
    assert isinstance(kept, ILLRequest)
    assert kept.item_id.title is not None
    assert kept.item_id.title.octets == TITLES[name]


@pytest.mark.parametrize("name", TITLES)
def test_it_comes_back_octet_for_octet_in_the_status_report(gateway: RunningDaemon, name: str) -> None:
    request = ill_request(transaction=f"back: {name}", title=TITLES[name])
    assert TITLES[name] in gateway.exchange(TWO_WAY, request)


@pytest.fixture(scope="module")
def shown(gateway: RunningDaemon) -> dict[str, str]:
    """Where the command finds a request whose every text is hostile."""
    request = ill_request(
        transaction=EVERYTHING,
        title=EVERYTHING,
        author=TITLES["60 KB"],
        patron=EVERYTHING,
        street=EVERYTHING,
        note=EVERYTHING,
    )
    stored = received(gateway, request)
    assert stored.processing is not None
    return {
        "MESSAGE": str(stored.id),
        "REQUEST": str(stored.processing.half_id),
        "OURS": str(answered_with_hostile_texts(gateway)),
    }


def answered_with_hostile_texts(gateway: RunningDaemon) -> int:
    """Give a request of ours whose lender says hostile things wherever there is room for a text."""
    file = gateway.installation.directory / "request.json"
    file.write_text(json.dumps({"item": {"title": EVERYTHING.decode("latin-1").replace("\0", "")}}))
    done = gateway.installation.command("requests", "new", file, "--to", "YAZ", "--json")
    assert done.returncode == 2, "a title in one line of text is asked for"
    file.write_text('{"item": {"title": "The Penelopiad"}}')
    told = json.loads(run(gateway, "requests", "new", str(file), "--to", "YAZ", "--json"))
    hostile = GeneralString(octets=EVERYTHING)
    sent = gateway.installation.sent()[-1].octets
    request = decode(sent)
    assert isinstance(request, ILLRequest)
    symbol = ill.SystemId(
        person_or_institution_symbol=ill.PersonOrInstitutionSymbol(institution_symbol=hostile)
    )
    answer = ill.ILLAnswer(
        protocol_version_num=request.protocol_version_num,
        transaction_id=request.transaction_id,
        service_date_time=request.service_date_time,
        requester_id=request.requester_id,
        responder_id=request.responder_id,
        transaction_results=ill.TransactionResults.estimate,
        results_explanation=ill.ResultsExplanation(
            estimate_results=ill.EstimateResults(
                cost_estimate=hostile, locations=(ill.LocationInfo(location_id=symbol),)
            )
        ),
        responder_note=hostile,
    )
    gateway.exchange(ONE_WAY, answer)
    return int(told["request_id"])


SHOWING: Final = (
    ("messages", "list"),
    ("messages", "show", "MESSAGE", "--full", "--with-patron-data"),
    ("requests", "list"),
    ("requests", "show", "REQUEST", "--full", "--with-patron-data"),
    ("requests", "show", "OURS", "--full", "--patron"),
    ("requests", "act", "REQUEST"),
    ("requests", "act", "OURS"),
    ("events",),
)


@pytest.mark.parametrize("arguments", SHOWING, ids=" ".join)
def test_the_command_shows_it_without_harm(
    gateway: RunningDaemon, shown: dict[str, str], arguments: tuple[str, ...]
) -> None:
    output = run(gateway, *(shown.get(one, one) for one in arguments))
    assert_harmless(output)
    if "show" in arguments:
        assert rb"\x1b[2J" in output, "it is there, as an escape that does nothing"


@pytest.mark.parametrize("arguments", SHOWING, ids=" ".join)
def test_the_command_writes_it_as_good_json(
    gateway: RunningDaemon, shown: dict[str, str], arguments: tuple[str, ...]
) -> None:
    output = run(gateway, *(shown.get(one, one) for one in arguments), "--json")
    assert_harmless(output)
    read = json.loads(output)
    if arguments == ("requests", "list"):
        assert EVERYTHING.decode("latin-1") in {one["title"] for one in read}


def received(gateway: RunningDaemon, request: ILLRequest) -> Stored:
    """Send a request and give what the gateway has of it."""
    before = gateway.installation.last_message()
    gateway.exchange(TWO_WAY, request)
    [stored] = gateway.installation.received(after=before)
    return stored


def run(gateway: RunningDaemon, *arguments: str) -> bytes:
    """Run the command and give what it printed."""
    done = gateway.installation.command(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    return done.stdout


def assert_harmless(output: bytes) -> None:
    """Fail if anything in it could move a cursor, change a colour or a direction, or begin a line."""
    text = output.decode("utf-8")
    assert text
    harmful = {char for char in text if char != "\n" and not char.isprintable()}
    assert harmful == set()
