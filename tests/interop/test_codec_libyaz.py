"""What we encode, libyaz reads as we meant it."""

import pytest

from asn1.codec import decode, encode
from tests.support import corpus
from tests.support.corpus import Libyaz
from tests.support.yaz import read_with_libyaz
from tests.support.yaz_reading import reading_of

pytestmark = pytest.mark.yaz


def test_every_sample_reads_the_same_after_we_have_decoded_and_encoded_it() -> None:
    samples = corpus.samples("yaz") + corpus.samples("yaz-enums")
    ours = [encode(decode(sample.octets)) for sample in samples]
    for sample, reading in zip(samples, read_with_libyaz(ours), strict=True):
        assert reading == sample.reading, sample.name


def test_every_variant_that_we_have_decoded_and_encoded_reads_as_we_read_it() -> None:
    # libyaz crashes on segmented strings and refuses omitted DEFAULTs: it must read what we make of them.
    apdus = [decode(variant.octets) for variant in corpus.variants()]
    readings = read_with_libyaz([encode(apdu) for apdu in apdus])
    for variant, apdu, reading in zip(corpus.variants(), apdus, readings, strict=True):
        assert reading == reading_of(apdu), variant.name


def test_unusual_messages_read_as_we_read_them_where_libyaz_can() -> None:
    messages = [message for message in corpus.extra() if message.libyaz is Libyaz.ACCEPTS]
    apdus = [decode(message.octets) for message in messages]
    readings = read_with_libyaz([encode(apdu) for apdu in apdus])
    for message, apdu, reading in zip(messages, apdus, readings, strict=True):
        assert reading == reading_of(apdu), message.name
