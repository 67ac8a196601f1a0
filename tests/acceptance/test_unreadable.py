"""What is no APDU: kept with the reason and the place, and the daemon goes on as if nothing had been."""

import select
from typing import Final

import pytest

from asn1.codec import decode
from asn1.elements import MAX_OCTETS
from asn1.ill import StatusOrErrorReport
from tests.support.apdus import ill_request
from tests.support.corpus import Expect, Malformed, malformed
from tests.support.daemon import ONE_WAY, TWO_WAY, Peer, RunningDaemon, Stored

both_ways = pytest.mark.parametrize("listener", [ONE_WAY, TWO_WAY])

#: Malformed input that begins with an element that is whole: two messages for the gateway.
TWO: Final = frozenset({"034-len-outer-under", "038-len-huge-string", "116-trail-zero", "118-trail-half"})
#: Octets that arrive at once, so that all of them are there when the first wrong one is seen.
AT_ONCE: Final = 1_024


def is_explained(stored: Stored) -> bool:
    """Whether it is kept as unreadable, with a reason and with a place that lies in it."""
    processing = stored.processing
    return (
        processing is not None
        and processing.verdict == "unreadable"
        and bool(processing.reason)
        and processing.error_offset is not None
        and 0 <= processing.error_offset <= len(stored.octets)
    )


def assert_unharmed(gateway: RunningDaemon, name: str) -> None:
    """Fail unless the daemon still serves, and has seen nothing that it was not prepared for."""
    answer = decode(gateway.exchange(TWO_WAY, ill_request(transaction=f"after {name}")))
    assert isinstance(answer, StatusOrErrorReport)
    assert answer.status_report is not None
    assert {line["event"] for line in gateway.log if line["level"] in {"error", "critical"}} == set()


@both_ways
@pytest.mark.parametrize("message", malformed(), ids=lambda message: message.file)
def test_a_malformed_message_is_kept_and_harms_nothing(
    gateway: RunningDaemon, message: Malformed, listener: str
) -> None:
    installation = gateway.installation
    before = installation.last_message()
    answers = gateway.exchange(listener, message.octets)
    if listener == ONE_WAY:
        assert answers == b""
    stored = installation.received(after=before)
    kept = b"".join(one.octets for one in stored)
    if len(message.octets) <= AT_ONCE:
        assert kept == message.octets
    else:
        assert message.octets.startswith(kept)
    assert all(one.verdict for one in stored)
    match message:
        case Malformed(octets=b""):
            assert stored == []
        case Malformed(expect=Expect.REJECT):
            assert is_explained(stored[-1]), stored
            assert len(stored) == 1 + (message.file in TWO)
        case Malformed(file="070-version-3"):
            assert [one.verdict for one in stored] == ["version-not-supported"]
        case _:
            # It decodes, or may: what follows then depends on what it says, and there is no such transaction.
            assert all(one.verdict != "unreadable" or is_explained(one) for one in stored)
    assert_unharmed(gateway, f"{message.file} {listener}")


@both_ways
def test_a_text_protocol_is_cut_off_at_once_and_kept(gateway: RunningDaemon, listener: str) -> None:
    before = gateway.installation.last_message()
    octets = b"GET / HTTP/1.1\r\nHost: gateway.example\r\nUser-Agent: scanner\r\n\r\n"
    with gateway.connect(listener) as peer:
        peer.send(octets)
        assert peer.rest() == b"", "the gateway ends the connection without our ending it, and says nothing"
    [stored] = gateway.installation.received(after=before)
    assert stored.octets == octets
    assert is_explained(stored)
    assert stored.processing is not None
    assert stored.processing.error_offset == 0
    assert_unharmed(gateway, f"HTTP {listener}")


@both_ways
def test_an_element_that_claims_too_much_is_cut_off_at_its_length(
    gateway: RunningDaemon, listener: str
) -> None:
    before = gateway.installation.last_message()
    octets = b"\x61\x83" + (300 * 1024).to_bytes(3, "big")
    with gateway.connect(listener) as peer:
        peer.send(octets)
        assert peer.rest() == b""
    [stored] = gateway.installation.received(after=before)
    assert stored.octets == octets
    assert is_explained(stored)
    assert_unharmed(gateway, f"claim {listener}")


@both_ways
def test_an_element_that_grows_beyond_the_limit_is_cut_off_there(
    gateway: RunningDaemon, listener: str
) -> None:
    before = gateway.installation.last_message()
    growing = b"\x61\x80\x30\x80" + b"\x04\x82\x03\xfc".ljust(1_024, b"x") * 300
    with gateway.connect(listener) as peer:
        peer.send(growing)
        assert peer.rest() == b""
    [stored] = gateway.installation.received(after=before)
    assert growing.startswith(stored.octets)
    assert MAX_OCTETS // 2 < len(stored.octets) <= MAX_OCTETS
    assert is_explained(stored)
    assert_unharmed(gateway, f"growing {listener}")


@both_ways
def test_an_element_without_end_ends_when_the_gateway_says_so(gateway: RunningDaemon, listener: str) -> None:
    before = gateway.installation.last_message()
    with gateway.connect(listener) as peer:
        peer.send(b"\x61\x80\x30\x80")
        assert octets_until_the_end(peer, b"\x04\x02no" * 4_096) < 64 * MAX_OCTETS
    [stored] = gateway.installation.received(after=before)
    assert len(stored.octets) <= MAX_OCTETS
    assert is_explained(stored)
    assert_unharmed(gateway, f"endless {listener}")


def octets_until_the_end(peer: Peer, octets: bytes) -> int:
    """Send the same again and again until the other side ends the connection, and give how much was sent."""
    sent = 0
    while not select.select([peer], [], [], 0)[0] and sent < 64 * MAX_OCTETS:
        peer.send(octets)
        sent += len(octets)
    return sent
