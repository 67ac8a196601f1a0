"""What the compiled readers accept, the exact reader reads as the same value, and without any tolerance."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asn1 import codec, elements, exact
from asn1.codec import Dialect, Limits, WireError, decode, encode
from asn1.errors import WireErrorKind
from asn1.ill import APDUS, ILLApdu
from tests.support import corpus
from tests.support.apdu_strategies import apdus
from tests.support.apdu_strategies import elements as any_elements

DEFAULT = Limits()
BY_NUMBER = {apdu.apdu_tag.number: apdu for apdu in APDUS}
CORPUS = [
    *(sample.octets for sample in corpus.samples("yaz")),
    *(sample.octets for sample in corpus.samples("yaz-enums")),
    *(variant.octets for variant in corpus.variants()),
    *(message.octets for message in corpus.extra()),
    *(message.octets for message in corpus.malformed()),
]
SEEDS = [octets for octets in CORPUS if 0 < len(octets) < 3000]


def exactly(octets: bytes, limits: Limits = DEFAULT) -> ILLApdu:
    """Read octets by the exact reader alone, as strictly as it can."""
    root = elements.scan(octets, limits)
    apdu = BY_NUMBER[root.number]
    reading = exact.Reading(octets, limits, Dialect.STRICT)
    value = reading.value(apdu, root, apdu.asn1_name, apdu.apdu_tag)
    assert isinstance(value, apdu)
    return value


def agrees(octets: bytes, limits: Limits = DEFAULT) -> bool:
    """Hold a compiled reader to the exact one; give whether it read the octets."""
    quick = codec._apdu_quickly(octets, limits)
    if quick is not None:
        assert quick == exactly(octets, limits)
    return quick is not None


def test_they_read_most_of_the_corpus_and_agree() -> None:
    read = sum(map(agrees, CORPUS))
    assert read > len(CORPUS) / 2


@pytest.mark.parametrize("name", ["yaz", "yaz-enums"])
def test_they_read_all_that_libyaz_wrote(name: str) -> None:
    samples = corpus.samples("yaz") if name == "yaz" else corpus.samples("yaz-enums")
    assert all(agrees(sample.octets) for sample in samples)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(apdus())
def test_they_agree_on_any_value(apdu: ILLApdu) -> None:
    agrees(encode(apdu))


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(SEEDS), st.data())
def test_they_agree_on_damaged_octets(seed: bytes, data: st.DataObject) -> None:
    octets = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(octets) - 1))
        match data.draw(st.sampled_from(["replace", "nudge", "insert", "delete"])):
            case "replace":
                octets[place] = data.draw(st.integers(0, 255))
            case "nudge":
                octets[place] = (octets[place] + data.draw(st.sampled_from([-2, -1, 1, 2]))) % 256
            case "insert":
                octets[place:place] = data.draw(st.binary(min_size=1, max_size=3))
            case _:
                del octets[place : place + data.draw(st.integers(1, 4))]
                octets = octets or bytearray(seed)
    agrees(bytes(octets))


@settings(max_examples=500, deadline=None)
@given(any_elements(depth=5), st.integers(1, 20))
def test_they_agree_on_any_elements(octets: bytes, number: int) -> None:
    agrees(bytes([0x60 | number, 0x80]) + bytes.fromhex("3080") + octets + bytes(4))


@settings(max_examples=1000, deadline=None)
@given(any_elements(depth=5), st.data())
@example(b"\x20\x00", None)
@example(b"\x30\x80\x00", None)
@example(b"\x3f\x1e\x00", None)
@example(b"\x3f\x80\x01\x00", None)
@example(b"\x3f\xff\xff\xff\xff\x7f\x00", None)
@example(b"\x04\xff", None)
@example(b"\x04\x91" + b"\x01" * 20, None)
@example(b"\x04\x80\x00\x00", None)
@example(b"\x30\x82\x00\x00", None)
@example(b"\x30\x03\x30\x80\x00", None)
@example(b"\x30\x02\x00\x00", None)
@example(b"\x30\x80\x00\x01\x00", None)
def test_where_an_element_ends_is_where_its_tree_ends(octets: bytes, data: st.DataObject | None) -> None:
    damaged = bytearray(octets)
    for _ in range(0 if data is None else data.draw(st.integers(0, 2))):
        assert data is not None
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(
            st.integers(0, 255) | st.sampled_from([0, 1, 0x1F, 0x20, 0x24, 0x30, 0x3F, 0x80, 0x81, 0xFF])
        )
    whole = bytes(damaged)
    try:
        end = elements.scan(whole, Limits(max_depth=4)).end
    except WireError:
        end = -1
    assert (elements.plain_end(whole, 0, 4) == len(whole)) == (end == len(whole))


SAMPLE = max(
    (sample.octets for sample in corpus.samples("yaz")), key=lambda octets: (len(octets) < 5000, len(octets))
)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(max_octets=len(SAMPLE) - 1), f"{len(SAMPLE)} octets, more than {len(SAMPLE) - 1}"),
        (Limits(max_depth=2), "elements nested more than 2 deep"),
        (Limits(max_elements=20), "more than 20 elements"),
        (Limits(max_string_octets=10), "more than 10 octets in one string"),
    ],
)
def test_every_limit_holds_however_common_the_form(limits: Limits, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(SAMPLE, limits)
    assert caught.value.reason.startswith(reason)
    assert caught.value.kind is WireErrorKind.BADLY_STRUCTURED


def test_a_limit_that_is_just_enough_is_enough() -> None:
    def count(element: elements.Element) -> int:
        return 1 + sum(map(count, element.children))

    def deepest(element: elements.Element) -> int:
        return element.constructed + max(map(deepest, element.children), default=0)

    root = elements.scan(SAMPLE, DEFAULT)
    for limits in (
        Limits(max_elements=count(root)),
        Limits(max_depth=deepest(root)),
        Limits(max_octets=len(SAMPLE)),
        Limits(max_string_octets=len(SAMPLE) - 1),
    ):
        assert decode(SAMPLE, limits) == decode(SAMPLE)


def test_elements_are_counted_in_long_octets_only_where_there_can_be_too_many() -> None:
    long = max((sample.octets for sample in corpus.samples("yaz")), key=len)
    assert len(long) > 2 * elements.MAX_ELEMENTS
    assert agrees(long)
