"""The framer: what it refuses, when, and what it keeps."""

import pytest

from asn1.framing import Framer, WireError

CANCEL = bytes.fromhex("66023000")
OPEN = bytes.fromhex("6680 3080 0000 0000")


def test_elements_come_out_when_they_are_whole() -> None:
    framer = Framer()
    assert list(framer.feed(CANCEL[:3])) == []
    assert (framer.pending, framer.at_boundary, framer.remainder) == (3, False, CANCEL[:3])
    assert list(framer.feed(CANCEL[3:] + OPEN + OPEN[:5])) == [CANCEL, OPEN]
    assert framer.pending == 5
    assert list(framer.feed(OPEN[5:])) == [OPEN]
    assert framer.at_boundary
    assert framer.pending == 0


def test_a_new_framer_is_at_a_boundary() -> None:
    framer = Framer()
    assert list(framer.feed(b"")) == []
    assert framer.at_boundary


def test_what_is_not_iterated_over_comes_with_the_next_call() -> None:
    framer = Framer()
    framer.feed(CANCEL + OPEN)
    assert framer.pending == len(CANCEL + OPEN)
    assert next(framer.feed(b"")) == CANCEL
    assert list(framer.feed(CANCEL)) == [OPEN, CANCEL]


@pytest.mark.parametrize(
    "text",
    [b"GET / HTTP/1.1\r\n", b"EHLO example.org\r\n", b"\x16\x03\x01", b"\x00\x00", b"\x30\x00", b"\x46"],
)
def test_what_cannot_begin_an_apdu_is_refused_at_its_first_octet(text: bytes) -> None:
    framer = Framer()
    with pytest.raises(WireError, match="the first octet cannot begin an ILL-APDU") as caught:
        list(framer.feed(text[:1]))
    assert caught.value.offset == 0


def test_elements_before_an_error_come_first() -> None:
    framer = Framer()
    whole = []
    with pytest.raises(WireError) as caught:  # noqa: PT012 - the elements come before the error
        for element in framer.feed(CANCEL + OPEN + b"HTTP"):
            whole.append(element)  # noqa: PERF402
    assert whole == [CANCEL, OPEN]
    assert caught.value.offset == len(CANCEL + OPEN)
    assert framer.remainder == b"HTTP"
    assert not framer.at_boundary


def test_after_an_error_a_framer_is_dead() -> None:
    framer = Framer()
    with pytest.raises(WireError) as first:
        list(framer.feed(b"Zzz\xff"))
    with pytest.raises(WireError) as second:
        list(framer.feed(CANCEL))
    assert str(second.value) == str(first.value)
    assert framer.remainder == b"Zzz\xff"


@pytest.mark.parametrize(
    ("octets", "offset", "reason"),
    [
        ("6684 00010001", 0, "more than 65536 octets in one element"),
        ("6680 3083 010000", 2, "more than 65536 octets in one element"),
        ("66ff", 1, "the reserved length octet ff"),
        ("6680 0480", 3, "indefinite length on a primitive element"),
        ("6680 0001", 2, "end-of-contents octets with a length that is not 0"),
        ("6680 3080 3080 3080", 6, "indefinite lengths nested more than 3 deep"),
    ],
)
def test_what_can_end_nowhere_is_refused_at_its_header(octets: str, offset: int, reason: str) -> None:
    framer = Framer(max_octets=65536, max_depth=3)
    assert list(framer.feed(CANCEL)) == [CANCEL]
    with pytest.raises(WireError, match=reason) as caught:
        list(framer.feed(bytes.fromhex(octets)))
    assert caught.value.offset == len(CANCEL) + offset


def test_an_element_of_exactly_the_limit_is_taken() -> None:
    octets = bytes.fromhex("6606") + bytes(6)
    assert list(Framer(max_octets=8).feed(octets)) == [octets]
    assert list(Framer(max_octets=8).feed(OPEN)) == [OPEN]
    for refused in (octets, OPEN):
        with pytest.raises(WireError, match="more than 7 octets"):
            list(Framer(max_octets=7).feed(refused))


def test_the_remainder_is_capped() -> None:
    framer = Framer(max_octets=10)
    with pytest.raises(WireError):
        list(framer.feed(b"Z" * 100))
    assert framer.remainder == b"Z" * 10
    assert framer.pending == 100


class CountingArray(bytearray):
    """Counts how many single octets are looked at."""

    looks = 0

    def __getitem__(self, key: object) -> object:  # type: ignore[override]
        """Count, and give the octet."""
        self.looks += 1
        return super().__getitem__(key)  # type: ignore[call-overload]


@pytest.mark.parametrize("piece", [1, 1000])
def test_work_is_linear_in_the_octets(piece: int) -> None:
    looks = []
    for members in (1_000, 4_000):
        framer = Framer()
        buffer = CountingArray()
        framer._buffer = buffer
        octets = bytes.fromhex("6680") + bytes.fromhex("3000") * members
        for start in range(0, len(octets), piece):
            assert list(framer.feed(octets[start : start + piece])) == []
        looks.append(buffer.looks)
    assert looks[1] < 4.1 * looks[0]
