"""The corpus is whole: a shortened or mangled file must not make other tests pass by testing less."""

from collections import Counter

from tests.support import corpus
from tests.support.corpus import Expect, Libyaz

#: Identifier octets of the twenty APDUs: constructed APPLICATION 1 to 20.
APDU_TAGS = frozenset(range(0x61, 0x75))


def test_samples_hold_all_twenty_types_with_readings() -> None:
    samples = corpus.samples("yaz")
    assert len(samples) == 200
    assert {sample.octets[0] for sample in samples} == APDU_TAGS
    for sample in samples:
        assert sample.definite is not None, sample.name
        assert sample.definite[0] == sample.octets[0], sample.name
        assert sample.definite[1] != 0x80, sample.name
        assert sample.reading is not None, sample.name
        assert list(sample.reading) == ["u"], sample.name


def test_enumeration_samples_have_names_of_their_own() -> None:
    samples = corpus.samples("yaz-enums")
    assert len(samples) == 152
    assert len({sample.name for sample in samples}) == 152
    assert {sample.octets for sample in samples}.isdisjoint(sample.octets for sample in corpus.samples("yaz"))


def test_every_variant_differs_from_the_octets_it_must_equal() -> None:
    variants = corpus.variants()
    assert len(variants) == 470
    assert sum(variant.equal_to is None for variant in variants) == 25
    assert {variant.base for variant in variants} <= {sample.name for sample in corpus.samples("yaz")}
    assert [variant.name for variant in variants if variant.octets == variant.equal_to] == []


def test_extra_has_readings_exactly_where_libyaz_accepts() -> None:
    assert len(corpus.extra()) == 17
    for message in corpus.extra():
        assert (message.reading is not None) == (message.libyaz is Libyaz.ACCEPTS), message.name


def test_malformed_messages_are_counted_by_what_is_expected() -> None:
    assert Counter(message.expect for message in corpus.malformed()) == {
        Expect.REJECT: 60,
        Expect.REJECT_OR_TOLERATE: 5,
        Expect.DIAGNOSE: 20,
    }


def test_stream_is_its_parts_back_to_back() -> None:
    stream = corpus.stream()
    assert len(stream.parts) == 40
    assert b"".join(part.octets for part in stream.parts) == stream.octets
    assert {part.octets[0] for part in stream.parts} <= APDU_TAGS
