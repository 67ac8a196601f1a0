"""illdump reads what libyaz reads: otherwise its verdicts on our own octets would be worth nothing."""

import signal
from typing import Literal

import pytest

from tests.support import corpus
from tests.support.corpus import Libyaz
from tests.support.yaz import Crashed, Read, Refused, judge_with_libyaz, read_with_libyaz

pytestmark = pytest.mark.yaz

CANCEL = next(message.octets for message in corpus.extra() if message.name == "001-minimal-cancel")
CRASHER = next(message.octets for message in corpus.extra() if message.libyaz is Libyaz.CRASHES)


@pytest.mark.parametrize("name", ["yaz", "yaz-enums"])
def test_every_sample_reads_as_its_reading_says(name: Literal["yaz", "yaz-enums"]) -> None:
    samples = corpus.samples(name)
    for sample, reading in zip(samples, read_with_libyaz([sample.octets for sample in samples]), strict=True):
        assert reading == sample.reading, sample.name


@pytest.mark.parametrize("name", ["yaz", "yaz-enums"])
def test_definite_lengths_change_no_reading(name: Literal["yaz", "yaz-enums"]) -> None:
    samples = [sample for sample in corpus.samples(name) if sample.definite is not None]
    readings = read_with_libyaz([sample.definite for sample in samples if sample.definite is not None])
    for sample, reading in zip(samples, readings, strict=True):
        assert reading == sample.reading, sample.name


def test_an_absent_choice_shows_nothing_of_the_message_before() -> None:
    answers = [s for s in corpus.samples("yaz-enums") + corpus.samples("yaz") if s.octets[0] == 0x64]
    explained = [s for s in answers if "u" in (s.reading or {})["u"]["illAnswer"]]
    bare = [s for s in answers if s not in explained]
    assert explained
    assert bare
    pairs = [sample for other in explained for sample in (other, bare[len(other.octets) % len(bare)])]
    readings = read_with_libyaz([sample.octets for sample in pairs])
    for sample, reading in zip(pairs, readings, strict=True):
        assert reading == sample.reading, sample.name


def test_unusual_messages_are_judged_as_the_corpus_says() -> None:
    messages = corpus.extra()
    for message, verdict in zip(messages, judge_with_libyaz([m.octets for m in messages]), strict=True):
        match message.libyaz:
            case Libyaz.ACCEPTS:
                assert verdict == Read(reading=message.reading or {}), message.name
            case Libyaz.REFUSES:
                assert isinstance(verdict, Refused), message.name
            case Libyaz.CRASHES:
                assert isinstance(verdict, Crashed), message.name


def test_octets_after_the_apdu_are_refused_although_libyaz_would_not_mind() -> None:
    verdict = judge_with_libyaz([CANCEL + b"\x00\x00"])
    assert verdict == [
        Refused(code=0, where=0, message="octets after the APDU", path=(), element="", offset=len(CANCEL))
    ]


@pytest.mark.parametrize("file", ["119-indef-open", "121-indef-half-eoc"])
def test_a_missing_end_of_contents_is_refused_whatever_lies_behind_the_message(file: str) -> None:
    [message] = [m for m in corpus.malformed() if m.file == file]
    [verdict] = judge_with_libyaz([message.octets])
    assert isinstance(verdict, Refused)
    assert verdict.code != 0
    assert verdict.path[0] == "Cancel"


def test_variants_are_judged_as_the_corpus_says() -> None:
    variants = corpus.variants()
    kinds = {Read: Libyaz.ACCEPTS, Refused: Libyaz.REFUSES, Crashed: Libyaz.CRASHES}
    verdicts = judge_with_libyaz([variant.octets for variant in variants])
    judged = {variant.name: kinds[type(verdict)] for variant, verdict in zip(variants, verdicts, strict=True)}
    assert judged == {variant.name: variant.libyaz for variant in variants}


def test_a_refusal_names_the_missing_component() -> None:
    [sample] = [s for s in corpus.variants() if s.name == "0001-ill-request.defaults-omitted"]
    [verdict] = judge_with_libyaz([sample.octets])
    assert isinstance(verdict, Refused)
    assert (verdict.message, verdict.element) == ("Required data element missing", "transaction_type")


def test_a_crash_is_told_and_the_next_message_is_read_all_the_same() -> None:
    first, crashed, last = judge_with_libyaz([CANCEL, CRASHER, CANCEL])
    assert isinstance(first, Read)
    assert crashed == Crashed(signal=signal.SIGSEGV)
    assert last == first


def test_reading_fails_with_the_place_of_the_message_that_libyaz_refuses() -> None:
    with pytest.raises(AssertionError, match="does not read message 1: Refused"):
        read_with_libyaz([CANCEL, CANCEL[:-1]])


def test_nothing_to_read_is_no_reading() -> None:
    assert judge_with_libyaz([]) == []
    [verdict] = judge_with_libyaz([b""])
    assert isinstance(verdict, Refused)
