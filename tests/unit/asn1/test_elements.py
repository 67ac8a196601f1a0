"""Headers, lengths and nesting, octet by octet."""

import pytest

from asn1.elements import INDEFINITE, Header, Limits, header, is_element, read_header, scan, scan_at
from asn1.errors import WireError
from asn1.schema import TagClass

#: octets, bound or None for all of them, what is read
HEADERS = [
    ("3003", Header(TagClass.UNIVERSAL, 16, True, 2, 3)),  # noqa: FBT003
    ("6680", Header(TagClass.APPLICATION, 6, True, 2, INDEFINITE)),  # noqa: FBT003
    ("5f1f00", Header(TagClass.APPLICATION, 31, False, 3, 0)),  # noqa: FBT003
    ("bf8f7f817f", Header(TagClass.CONTEXT, 0x7FF, True, 5, 127)),  # noqa: FBT003
    ("dfffffff7f00", Header(TagClass.PRIVATE, 2**28 - 1, False, 6, 0)),  # noqa: FBT003
    ("0489" + "00" * 7 + "0102", Header(TagClass.UNIVERSAL, 4, False, 11, 258)),  # noqa: FBT003
    ("0484ffffffff", Header(TagClass.UNIVERSAL, 4, False, 6, 2**32 - 1)),  # noqa: FBT003
    ("0490" + "00" * 16, Header(TagClass.UNIVERSAL, 4, False, 18, 0)),  # noqa: FBT003
]


@pytest.mark.parametrize(("octets", "expected"), HEADERS)
def test_a_header_is_read_when_it_is_whole_and_not_before(octets: str, expected: Header) -> None:
    data = bytes.fromhex(octets)
    assert read_header(data, 0, len(data)) == expected
    for bound in range(1, len(data)):
        assert read_header(data, 0, bound) is None


@pytest.mark.parametrize(
    ("octets", "offset", "reason"),
    [
        ("1f8080808000", 0, "leading zeros"),
        ("1f1e00", 0, "tag number 30 in the form for 31 and above"),
        ("1fffffffffff7f00", 0, "a tag of more than 5 octets"),
        ("0480", 1, "indefinite length on a primitive element"),
        ("30ff", 1, "the reserved length octet ff"),
        ("3091" + "00" * 17, 1, "a length of 17 octets, more than 16"),
    ],
)
def test_a_header_that_no_further_octet_can_mend_is_refused(octets: str, offset: int, reason: str) -> None:
    data = bytes.fromhex(octets)
    with pytest.raises(WireError, match=reason) as caught:
        read_header(data, 0, len(data))
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("octets", "offset", "reason"),
    [
        ("", 0, "no octets at all"),
        ("66", 0, "truncated within a tag or a length"),
        ("660230", 0, "truncated: the element that begins here needs 1 more octets"),
        ("660130", 2, "the enclosing element ends within a tag or a length"),
        ("6603300505", 2, "the element that begins here ends 4 octets after the one it is in"),
        ("66020000", 2, "end-of-contents octets inside a definite length"),
        ("0000", 0, "an element with the tag of end-of-contents"),
        ("66022000", 2, "an element with the tag of end-of-contents"),
        ("6680", 2, "the end-of-contents octets of an indefinite length are missing"),
        ("66803000", 4, "the end-of-contents octets of an indefinite length are missing"),
        ("668000", 2, "the end-of-contents octets are cut to one"),
        ("66800001", 2, "end-of-contents octets with a length that is not 0"),
        ("6604308000000000", 6, "2 octets after the end of the APDU"),
        ("66023080", 4, "the end-of-contents octets of an indefinite length are missing"),
    ],
)
def test_octets_that_are_no_element_are_refused_where_they_are_wrong(
    octets: str, offset: int, reason: str
) -> None:
    with pytest.raises(WireError) as caught:
        scan(bytes.fromhex(octets), Limits())
    assert (caught.value.offset, caught.value.reason) == (offset, reason)
    assert not is_element(bytes.fromhex(octets))


def test_a_tree_has_the_places_of_its_elements() -> None:
    root = scan(bytes.fromhex("6680 3003 800102 3080 0000 0000"), Limits())
    sequence, other = root.children
    assert (root.start, root.content, root.content_end, root.end) == (0, 2, 11, 13)
    assert (sequence.start, sequence.content, sequence.content_end, sequence.end) == (2, 4, 7, 7)
    assert (other.start, other.content, other.content_end, other.end) == (7, 9, 9, 11)
    assert [child.number for child in sequence.children] == [0]


def test_a_primitive_element_is_a_tree() -> None:
    assert scan(bytes.fromhex("0500"), Limits()).children == []


def test_an_element_is_read_where_it_stands() -> None:
    element = scan_at(bytes.fromhex("ffff 020105 ffff"), 2, Limits())
    assert (element.start, element.content, element.end) == (2, 4, 5)


@pytest.mark.parametrize("indefinite", [False, True])
def test_depth_is_limited(indefinite: bool) -> None:  # noqa: FBT001
    octets = b""
    for _ in range(32):
        octets = (
            b"\x30\x80" + octets + b"\0\0"
            if indefinite
            else header(TagClass.UNIVERSAL, 16, constructed=True, length=len(octets)) + octets
        )
    assert scan(octets, Limits(max_depth=32)).end == len(octets)
    with pytest.raises(WireError, match="nested more than 31 deep"):
        scan(octets, Limits(max_depth=31))


def test_the_number_of_elements_is_limited() -> None:
    octets = bytes.fromhex("6680" + "0500" * 9 + "0000")
    assert len(scan(octets, Limits(max_elements=10)).children) == 9
    with pytest.raises(WireError, match="more than 9 elements") as caught:
        scan(octets, Limits(max_elements=9))
    assert caught.value.offset == 18


def test_the_number_of_octets_is_limited() -> None:
    octets = bytes.fromhex("66020500")
    assert scan(octets, Limits(max_octets=4)).end == 4
    with pytest.raises(WireError, match="4 octets, more than 3: raise the limit"):
        scan(octets, Limits(max_octets=3))


@pytest.mark.parametrize(
    ("number", "length", "octets"),
    [(0, 0, "8000"), (30, 127, "9e7f"), (31, 128, "9f1f8180"), (200, 65536, "9f814883010000")],
)
def test_a_header_is_written_in_the_fewest_octets(number: int, length: int, octets: str) -> None:
    assert header(TagClass.CONTEXT, number, constructed=False, length=length).hex() == octets
    constructed = header(TagClass.CONTEXT, number, constructed=True, length=length)
    assert constructed[0] == bytes.fromhex(octets)[0] | 0x20
