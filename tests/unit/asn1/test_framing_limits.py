"""The framer at its limits, octet for octet."""

import pytest

from asn1.elements import MAX_ELEMENTS
from asn1.framing import Framer, WireError

OPEN = bytes.fromhex("66803080")


@pytest.mark.parametrize("octets", ["6680 3080 0500 0500 0000 0000", "6680 3080 0500 3000 0000 0000"])
def test_elements_are_counted_with_the_one_that_they_are_in(octets: str) -> None:
    element = bytes.fromhex(octets)
    framer = Framer(max_elements=4)
    assert list(framer.feed(element + element)) == [element, element]
    with pytest.raises(WireError, match="more than 3 elements") as caught:
        list(Framer(max_elements=3).feed(element))
    assert caught.value.offset == 6


def test_an_element_of_definite_length_is_one_whatever_is_in_it() -> None:
    element = bytes.fromhex("6606 0500 0500 0500")
    assert list(Framer(max_elements=1).feed(element)) == [element]


def feed_all(framer: Framer, octets: bytes, piece: int) -> None:
    """Feed octets in pieces of a length."""
    for start in range(0, len(octets), piece):
        list(framer.feed(octets[start : start + piece]))


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_no_more_elements_are_stepped_over_than_could_be_decoded(piece: int) -> None:
    with pytest.raises(WireError, match=f"more than {MAX_ELEMENTS} elements") as caught:
        feed_all(Framer(), OPEN + b"\x05\x00" * 50_000, piece)
    assert caught.value.offset == len(OPEN) + 2 * (MAX_ELEMENTS - 2)
