"""What is read in one go: exactly where elements end, and no form of them that is not as it should be."""

from dataclasses import replace
from typing import Any

import pytest

from asn1 import codec
from asn1.codec import (
    Dialect,
    Header,
    Limits,
    WireError,
    decode,
    decode_header,
    decode_noting,
    decode_value,
    encode,
    encode_value,
)
from asn1.contents import read_object_identifier, write_object_identifier
from asn1.elements import MAX_DEPTH, header, plain_end, scan
from asn1.ill import Extension
from asn1.schema import AnyValue, External, OctetAligned, Primitive, TagClass
from asn1.tags import is_unknown_of
from tests.support import corpus
from tests.unit.asn1.test_codec import BEGINNING, CANCEL

WHOLE = [
    "0500",
    "0403616263",
    "3000",
    "300405000500",
    "30800000",
    "3080050030800500000005000000",
    "bf1f00",
    "9f7f0161",
    "9f81000161",
    "9f8180000161",
    "9f818080000161",
    "bf8f7f020500",
    "bf8100800500" + "0000",
    "048100",
    "04810161",
    "0482000161",
    "0484" + "00000001" + "61",
    "0490" + "00" * 15 + "01" + "61",
    "3081020500",
    "30820002" + "0500",
    "3090" + "00" * 15 + "02" + "0500",
    "300604810161" + "0500",
    "3006308000000500",
    "04818161" + "62" * 128,
    "0482012c" + "62" * 300,
]
BROKEN = [
    "",
    "30",
    "05",
    "1f",
    "9f81",
    "9f8001" + "00",
    "9f1e00",
    "9f0000",
    "9fffffffffff7f00",
    "30ff",
    "04ff",
    "0480",
    "04800000",
    "1b80",
    "3091" + "00" * 16 + "020500",
    "0491" + "00" * 17,
    "0000",
    "000161",
    "200000",
    "2000",
    "30020000",
    "3080",
    "308000",
    "3080000161",
    "30800001",
    "30030500" + "05",
    "3003040261",
    "300404036162",
    "30023004",
    "3002308000000000",
    "040261",
    "048361",
    "0481",
    "048202",
    "0484ffffffff",
]


@pytest.mark.parametrize("octets", WHOLE)
def test_where_a_whole_element_ends_is_said_wherever_it_stands(octets: str) -> None:
    data = bytes.fromhex(octets)
    assert scan(data, Limits()).end == len(data)
    assert plain_end(data, 0, MAX_DEPTH) == len(data)
    assert plain_end(b"\xbf" + data + b"\x05\x00", 1, MAX_DEPTH) == len(data) + 1
    inside = b"\x30\x80" + data + data + b"\0\0"
    assert plain_end(inside, 0, MAX_DEPTH) == len(inside)


@pytest.mark.parametrize("octets", BROKEN)
def test_of_a_broken_element_no_end_in_the_octets_is_said(octets: str) -> None:
    data = bytes.fromhex(octets)
    assert not 0 <= plain_end(data, 0, MAX_DEPTH) <= len(data)
    inside = header(TagClass.UNIVERSAL, 16, constructed=True, length=len(data)) + data
    if data:
        assert not 0 <= plain_end(inside + b"\x05\x00", 0, MAX_DEPTH) <= len(inside) + 2
        with pytest.raises(WireError):
            scan(inside, Limits())


def test_depth_and_number_of_elements_end_at_their_limits() -> None:
    nested = bytes.fromhex("3004" + "3002" + "3000")
    assert plain_end(nested, 0, 3) == len(nested)
    assert plain_end(nested, 0, 2) == -1
    listed = bytes.fromhex("3006" + "0500" * 3)
    assert plain_end(listed, 0, 3, 4) == len(listed)
    assert plain_end(listed, 0, 3, 3) == -1
    ended = bytes.fromhex("3080" + "0500" * 3 + "0000")
    assert plain_end(ended, 0, 3, 5) == len(ended)
    assert plain_end(ended, 0, 3, 4) == -1


@pytest.mark.parametrize("name", ["yaz", "yaz-enums"])
def test_what_a_foreign_encoder_wrote_is_read_in_one_go(name: str) -> None:
    for sample in corpus.samples("yaz") if name == "yaz" else corpus.samples("yaz-enums"):
        for octets in (sample.octets, sample.definite):
            assert octets is not None
            assert codec._apdu_quickly(octets, Limits()) == decode(octets)


@pytest.mark.parametrize("form", ["81", "8200", "8a" + "00" * 9, "90" + "00" * 15])
@pytest.mark.parametrize("name", ["1b", "a1", "30", "66", "a0"])
def test_a_length_of_any_form_is_read_in_one_go(form: str, name: str) -> None:
    def element(identifier: str, contents: str) -> str:
        length = f"{len(contents) // 2:02x}"
        return identifier + (form if identifier == name else "") + length + contents

    group, date = element("1b", "67"), element("80", b"20261122".hex())
    identifier = element("a1", element("a1", group) + element("a2", element("1b", "71")))
    components = "800102" + identifier + element("a2", element("a0", date))
    octets = bytes.fromhex(element("66", element("30", components)))
    assert codec._apdu_quickly(octets, Limits()) == CANCEL


def test_an_apdu_of_indefinite_lengths_is_read_in_one_go() -> None:
    variants = [one for one in corpus.variants() if one.transformation == "indef-all"]
    assert variants
    assert all(codec._apdu_quickly(one.octets, Limits()) == decode(one.octets) for one in variants)


def test_an_object_identifier_is_read_to_its_last_octet_however_long_it_is() -> None:
    for length in (1, 39, 40, 41, 42):
        octets = b"\x2a" * length
        assert read_object_identifier(octets) == "1.2" + ".42" * (length - 1)
        assert write_object_identifier("1.2" + ".42" * (length - 1)) == octets


@pytest.mark.parametrize("unknown", [[AnyValue(b"\x8c\x00")], (AnyValue(b"\x05\x00"),), (b"\x8c\x00",)])
def test_only_a_tuple_of_elements_that_are_not_known_can_be_unknown(unknown: Any) -> None:
    assert not is_unknown_of(type(CANCEL), unknown)
    assert is_unknown_of(type(CANCEL), (AnyValue(b"\x8c\x00"),))


def test_what_one_dialect_alone_refuses_is_refused_with_its_place() -> None:
    external = encode_value(
        External(data_value_descriptor=b"d", encoding=OctetAligned(b"x")), Primitive.EXTERNAL
    )
    foreign = external.replace(b"\x07\x01d", b"\x19\x01d")
    assert decode_value(Primitive.EXTERNAL, foreign) == decode_value(Primitive.EXTERNAL, external)
    with pytest.raises(WireError, match="unexpected element") as caught:
        decode_value(Primitive.EXTERNAL, foreign, dialect=Dialect.STRICT)
    assert (caught.value.offset, caught.value.path) == (2, "value")
    padded = bytes.fromhex("66803080" + BEGINNING.replace("800102", "80020002") + "00000000")
    with pytest.raises(WireError, match="more octets than it needs") as caught:
        decode(padded, dialect=Dialect.STRICT)
    assert (caught.value.offset, caught.value.path) == (4, "Cancel.protocol-version-num")


@pytest.mark.parametrize(
    ("group", "date"),
    [("1b80", "8008" + b"20261122".hex()), ("1b0167", "8080"), ("1a80", "8008" + b"20261122".hex())],
)
def test_an_indefinite_length_is_not_read_as_that_of_an_empty_string(group: str, date: str) -> None:
    identifier = "a180" + "a180" + group + "0000" + "a280" + "1b0171" + "0000" + "0000"
    octets = bytes.fromhex("66803080" + "800102" + identifier + "a280a080" + date + "0000" * 4)
    assert codec._apdu_quickly(octets, Limits()) is None
    with pytest.raises(WireError, match="indefinite length on a primitive element"):
        decode(octets)


def test_what_is_read_in_one_go_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(codec, "_apdu_exactly")
    assert decode(encode(CANCEL)) == CANCEL
    assert decode_noting(encode(CANCEL)).apdu == CANCEL


def test_elements_are_counted_where_they_are_as_short_as_can_be() -> None:
    item = AnyValue(header(TagClass.UNIVERSAL, 16, constructed=True, length=400) + b"\x05\x00" * 200)
    apdu = replace(CANCEL, cancel_extensions=(Extension(identifier=1, item=item),))
    octets = encode(apdu)
    waiting, count = [scan(octets, Limits())], 0
    while waiting:
        count += 1
        waiting.extend(waiting.pop().children)
    assert decode(octets, Limits(max_elements=count)) == apdu
    assert len(octets) < 3 * count
    with pytest.raises(WireError, match=f"more than {count - 1} elements"):
        decode(octets, Limits(max_elements=count - 1))


def test_the_header_is_read_of_what_nests_too_deep_to_be_decoded() -> None:
    octets = encode(CANCEL)
    limits = Limits(max_depth=2)
    with pytest.raises(WireError, match="nested more than 2 deep"):
        decode(octets, limits)
    assert decode_header(octets, limits) == Header(
        apdu_type=type(CANCEL),
        protocol_version_num=CANCEL.protocol_version_num,
        transaction_id=CANCEL.transaction_id,
        service_date_time=CANCEL.service_date_time,
    )
    assert decode_header(octets, Limits(max_depth=1)) is None


def test_the_header_ends_with_the_first_component_that_comes_again() -> None:
    whole = bytes.fromhex("66803080" + BEGINNING + "00000000")
    again = bytes.fromhex("66803080" + "800102" + BEGINNING + "00000000")
    assert decode_header(whole) is not None
    assert decode_header(again) is None
