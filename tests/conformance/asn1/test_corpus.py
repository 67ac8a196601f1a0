"""The corpus that a foreign encoder wrote, decoded, read, encoded again, and taken out of streams."""

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from asn1 import json as apdu_json
from asn1.codec import Header, WireError, WireErrorKind, decode, decode_header, encode
from asn1.elements import Element, Limits, header, scan
from asn1.framing import Framer
from asn1.schema import AnyValue, BitString, SingleASN1Type
from tests.support import corpus
from tests.support.corpus import Expect, Malformed, Sample, Variant
from tests.support.yaz_reading import reading_of

SECONDS = 0.02 if sys.gettrace() is None else 0.2
"""What a malformed message may cost; what measures coverage takes several times as long."""

SAMPLES = corpus.samples("yaz") + corpus.samples("yaz-enums")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_has_the_value_that_libyaz_read(sample: Sample) -> None:
    apdu = decode(sample.octets)
    assert reading_of(apdu) == sample.reading
    assert sample.definite is not None
    assert decode(sample.definite) == apdu
    assert encode(apdu) == sample.definite


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_json_loses_nothing_of_a_sample(sample: Sample) -> None:
    apdu = decode(sample.octets)
    assert apdu_json.loads(apdu_json.dumps(apdu)) == apdu


def test_the_samples_are_of_all_twenty_types() -> None:
    assert len({type(decode(sample.octets)) for sample in SAMPLES}) == 20


def definite_any(value: Any) -> Any:
    """Give a value with each ANY in definite lengths, so that only what an ANY says is compared."""
    match value:
        case AnyValue(octets):
            return AnyValue(definite(scan(octets, Limits()), octets))
        case SingleASN1Type(octets):
            return SingleASN1Type(definite(scan(octets, Limits()), octets))
        case BitString():
            return value
        case tuple():
            return tuple(map(definite_any, value))
        case _ if is_dataclass(value) and not isinstance(value, type):
            return replace(
                value, **{field.name: definite_any(getattr(value, field.name)) for field in fields(value)}
            )
        case _:
            return value


def definite(element: Element, octets: bytes) -> bytes:
    """Give the octets of an element with definite lengths throughout."""
    contents = octets[element.content : element.content_end]
    if element.constructed:
        contents = b"".join(definite(child, octets) for child in element.children)
    start = header(element.tag_class, element.number, constructed=element.constructed, length=len(contents))
    return start + contents


@pytest.mark.parametrize("variant", corpus.variants(), ids=lambda variant: variant.name)
def test_a_variant_has_the_value_of_what_it_was_made_from(variant: Variant) -> None:
    apdu = decode(variant.octets)
    if variant.equal_to is None:
        assert decode(encode(apdu)) == apdu
        return
    base = decode(variant.equal_to)
    if variant.transformation == "indef-all-any":  # changes the octets of each ANY, and nothing else
        assert definite_any(apdu) == definite_any(base)
    else:
        assert apdu == base


@pytest.mark.parametrize("message", corpus.extra(), ids=lambda message: message.name)
def test_an_unusual_message_decodes_and_round_trips(message: corpus.Extra) -> None:
    apdu = decode(message.octets)
    assert decode(encode(apdu)) == apdu
    assert apdu_json.loads(apdu_json.dumps(apdu)) == apdu
    if message.reading is not None:
        assert reading_of(apdu) == message.reading


def test_the_unusual_messages_that_are_definite_and_minimal_come_out_as_they_went_in() -> None:
    same = {message.name for message in corpus.extra() if encode(decode(message.octets)) == message.octets}
    # The others leave out DEFAULT components, or have lengths or segments that we do not write.
    assert same >= {"001-minimal-cancel", "004-ext-descriptor", "008-ext-bits-300", "011-oid-uuid"}


@pytest.mark.parametrize("message", corpus.malformed(), ids=lambda message: message.file)
def test_a_malformed_message_gets_what_it_is_owed(message: Malformed) -> None:
    start = time.process_time()
    refused: WireError | None = None
    try:
        decode(message.octets)
    except WireError as error:
        refused = error
    assert time.process_time() - start < SECONDS
    match message.expect:
        case Expect.REJECT:
            assert refused is not None
        case Expect.DIAGNOSE:
            assert refused is None
        case Expect.REJECT_OR_TOLERATE:
            assert refused is None or refused.offset < len(message.octets)


KINDS = {
    "013-trunc-last-octet.ber": (WireErrorKind.BADLY_STRUCTURED, 0, ""),
    "016-outer-context.ber": (WireErrorKind.UNRECOGNIZED_APDU, 0, ""),
    "019-app-21.ber": (WireErrorKind.UNRECOGNIZED_APDU, 0, ""),
    "020-app-0.ber": (WireErrorKind.UNRECOGNIZED_APDU, 0, ""),
    "023-set-for-seq.ber": (WireErrorKind.MISTYPED, 2, "Cancel"),
    "025-octets-illstring.ber": (WireErrorKind.MISTYPED, 84, "Cancel.requester-note"),
    "031-unknown-universal.ber": (WireErrorKind.MISTYPED, 92, "Cancel"),
    "052-missing-tgq.ber": (WireErrorKind.MISTYPED, 21, "Cancel.transaction-id"),
    "064-dup-note.ber": (WireErrorKind.MISTYPED, 92, "Cancel"),
    "073-enum-neg.ber": (WireErrorKind.MISTYPED, 86, "ILL-Request.iLL-service-type[0]"),
    "116-trail-zero.ber": (WireErrorKind.BADLY_STRUCTURED, 92, ""),
    "119-indef-open.ber": (WireErrorKind.BADLY_STRUCTURED, 92, ""),
    "124-eoc-in-definite.ber": (WireErrorKind.BADLY_STRUCTURED, 92, ""),
}


@pytest.mark.parametrize("file", KINDS)
def test_a_refusal_says_which_check_failed_and_where(file: str) -> None:
    octets = next(message.octets for message in corpus.malformed() if _name(message) == file)
    with pytest.raises(WireError) as caught:
        decode(octets)
    assert (caught.value.kind, caught.value.offset, caught.value.path) == KINDS[file]


def _name(message: Malformed) -> str:
    return message.file if message.file.endswith(".ber") else f"{message.file}.ber"


def test_what_is_mistyped_after_its_beginning_still_has_a_header() -> None:
    for message in corpus.malformed():
        if message.category in {"value", "semantic"}:
            found = decode_header(message.octets)
            assert isinstance(found, Header), message.file


def test_a_thousand_apdus_come_out_of_a_stream_in_random_pieces() -> None:
    parts = [part.octets for part in corpus.stream().parts] * 25
    octets = b"".join(parts)
    chance = random.Random(10161)  # noqa: S311 - a fixed seed, so that a failure can be repeated
    framer = Framer()
    whole: list[bytes] = []
    start = 0
    while start < len(octets):
        end = start + chance.choice([1, 2, 3, 60, 1460, 9000])
        whole += framer.feed(octets[start:end])
        start = end
    assert len(whole) == 1000
    assert whole == parts
    assert framer.at_boundary
    _all_decode(whole[:40])


def _all_decode(octets: Sequence[bytes]) -> None:
    kinds = [type(decode(one)).asn1_name.lower() for one in octets]
    assert kinds == [part.kind for part in corpus.stream().parts]
