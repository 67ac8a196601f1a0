"""However the octets of a stream are cut into pieces, the same elements come out, and the same error."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from asn1.elements import header
from asn1.framing import Framer, WireError
from asn1.schema import TagClass
from tests.support import corpus
from tests.support.apdu_strategies import elements

SETTINGS = settings(max_examples=300, deadline=None)


def outcome(pieces: Iterable[bytes]) -> tuple[list[bytes], str | None, bytes | None]:
    """Feed the pieces; give the elements, the error, and what was left when there was none."""
    framer = Framer(max_octets=5_000)
    whole: list[bytes] = []
    for piece in pieces:
        try:
            for element in framer.feed(piece):
                whole.append(element)  # noqa: PERF402 - what came before an error must be kept
        except WireError as error:
            return whole, str(error), None
    return whole, None, framer.remainder


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """Cut octets into pieces at the places."""
    bounds = [0, *sorted({place % (len(octets) + 1) for place in places}), len(octets)]
    return [octets[start:end] for start, end in pairwise(bounds)]


PLACES = st.lists(st.integers(0, 10_000), max_size=12)

#: Elements under an APPLICATION tag, of definite and of indefinite length.
FRAMES = st.builds(
    lambda number, inner, indefinite: (
        bytes([0x60 | number, 0x80]) + inner + bytes(2)
        if indefinite
        else header(TagClass.APPLICATION, number, constructed=True, length=len(inner)) + inner
    ),
    st.integers(1, 30),
    st.lists(elements(depth=3), max_size=3).map(b"".join),
    st.booleans(),
)


@SETTINGS
@given(st.lists(FRAMES, max_size=6), PLACES)
def test_any_cut_of_whole_elements_gives_the_elements(frames: list[bytes], places: list[int]) -> None:
    octets = b"".join(frames)
    assert outcome(cut(octets, places)) == (frames, None, b"")
    assert outcome(octets[place : place + 1] for place in range(len(octets))) == (frames, None, b"")


@SETTINGS
@given(st.lists(FRAMES, min_size=1, max_size=4), st.binary(min_size=1, max_size=60), PLACES)
def test_any_cut_of_junk_gives_the_same_elements_and_the_same_error(
    frames: list[bytes], junk: bytes, places: list[int]
) -> None:
    octets = b"".join(frames) + junk
    whole, error, rest = outcome([octets])
    assert whole[: len(frames)] == frames
    assert outcome(cut(octets, places)) == (whole, error, rest)
    assert outcome(octets[place : place + 1] for place in range(len(octets))) == (whole, error, rest)


@SETTINGS
@given(PLACES, st.integers(0, 39))
def test_any_cut_of_the_stream_gives_its_apdus(places: list[int], last: int) -> None:
    parts = [part.octets for part in corpus.stream().parts][last:]
    spread = [place * 3 for place in places]
    assert outcome(cut(b"".join(parts), spread)) == (parts, None, b"")
