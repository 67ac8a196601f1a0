"""Addresses as the rest of the gateway sees them."""

import pytest

from adapters.envelope import Peer, written


@pytest.mark.parametrize(
    ("name", "host", "text"),
    [
        (("192.0.2.7", 51234), "192.0.2.7", "192.0.2.7:51234"),
        (("2001:db8::7", 51234, 0, 0), "2001:db8::7", "[2001:db8::7]:51234"),
        (("::ffff:192.0.2.7", 51234, 0, 0), "192.0.2.7", "192.0.2.7:51234"),
        (("::1", 5, 0, 0), "::1", "[::1]:5"),
    ],
)
def test_a_peer_is_named_by_its_shortest_address(
    name: tuple[str, int] | tuple[str, int, int, int], host: str, text: str
) -> None:
    peer = Peer.of(name)
    assert (peer.host, str(peer)) == (host, text)


def test_a_host_name_is_written_as_it_is() -> None:
    assert written("ill.sfu.example", 1611) == "ill.sfu.example:1611"
