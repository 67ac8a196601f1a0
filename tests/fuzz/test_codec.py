"""Any value round-trips; any octets decode or are refused by WireError, and by nothing else."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asn1 import json as apdu_json
from asn1.codec import Header, Limits, WireError, decode, decode_header, encode
from asn1.elements import MAX_DEPTH, scan
from asn1.ill import ILLApdu
from tests.support import corpus
from tests.support.apdu_strategies import apdus, elements

quick = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

SEEDS = sorted((message.octets for message in corpus.extra()), key=len)


@quick
@given(apdus())
def test_every_value_round_trips_in_ber(apdu: ILLApdu) -> None:
    octets = encode(apdu)
    assert decode(octets) == apdu
    assert encode(decode(octets)) == octets


@quick
@given(apdus())
def test_every_value_round_trips_in_json(apdu: ILLApdu) -> None:
    text = apdu_json.dumps(apdu)
    assert apdu_json.loads(text) == apdu
    assert all(character.isprintable() and character.isascii() for character in text)


@quick
@given(apdus())
def test_the_header_of_a_value_is_what_it_begins_with(apdu: ILLApdu) -> None:
    assert decode_header(encode(apdu)) == Header(
        apdu_type=type(apdu),
        protocol_version_num=apdu.protocol_version_num,
        transaction_id=apdu.transaction_id,
        service_date_time=apdu.service_date_time,
        requester_id=apdu.requester_id,
        responder_id=apdu.responder_id,
    )


def refused_or_decoded(octets: bytes) -> None:
    """Let the octets be decoded; anything but a WireError comes out as it is."""
    decode_header(octets)
    outcome: ILLApdu | WireError
    try:
        outcome = decode(octets)
    except WireError as error:
        outcome = error
    if isinstance(outcome, WireError):
        assert 0 <= outcome.offset <= len(octets)
        assert str(outcome).isprintable()
    else:
        assert decode(encode(outcome)) == outcome


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
@example(b"")
@example(bytes.fromhex("0380600000"))
@example(bytes.fromhex("6680308000000000"))
def test_junk_raises_wire_error_only(octets: bytes) -> None:
    refused_or_decoded(octets)


@settings(max_examples=500, deadline=None)
@given(elements(depth=4), st.integers(1, 20))
def test_elements_of_any_kind_in_an_apdu_raise_wire_error_only(octets: bytes, number: int) -> None:
    inner = bytes.fromhex("3080") + octets + bytes(2)
    refused_or_decoded(bytes([0x60 | number, 0x80]) + inner + bytes(2))


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(SEEDS), st.data())
def test_damaged_apdus_raise_wire_error_only(seed: bytes, data: st.DataObject) -> None:
    octets = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(octets) - 1))
        match data.draw(st.sampled_from(["replace", "insert", "delete", "repeat"])):
            case "replace":
                octets[place] = data.draw(st.integers(0, 255))
            case "insert":
                octets[place:place] = data.draw(st.binary(min_size=1, max_size=3))
            case "delete" if len(octets) > 1:
                del octets[place]
            case _:
                octets[place:place] = octets[place : place + 8]
    refused_or_decoded(bytes(octets))


@pytest.mark.parametrize("place", range(len(SEEDS[1])))
def test_an_apdu_cut_anywhere_is_refused_as_truncated(place: int) -> None:
    with pytest.raises(WireError) as caught:
        decode(SEEDS[1][:place])
    assert caught.value.reason.startswith(("truncated", "no octets"))


@settings(max_examples=300, deadline=None)
@given(elements(depth=5))
def test_the_tree_of_an_element_covers_its_octets(octets: bytes) -> None:
    waiting = [scan(octets, Limits(max_depth=MAX_DEPTH))]
    assert (waiting[0].start, waiting[0].end) == (0, len(octets))
    while waiting:
        element = waiting.pop()
        assert element.start < element.content <= element.content_end <= element.end
        if element.constructed:
            bounds = [element.content, *(child.end for child in element.children)]
            assert bounds == [*(child.start for child in element.children), element.content_end]
            waiting.extend(element.children)
