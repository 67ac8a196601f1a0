"""Our codec and pyasn1 agree wherever both read something, and what only one of them reads is known."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder

from asn1 import reference
from asn1.codec import Limits, WireError, WireErrorKind, decode, decode_noting, encode
from asn1.dialects import ToleranceKind
from asn1.ill import APDUS, ILLApdu
from asn1.schema import AnyValue
from tests.support import corpus
from tests.support.apdu_strategies import apdus
from tests.unit.asn1.test_codec import CANCEL, cancel

T = TypeVar("T")

#: What pyasn1 0.6.5 alone reads although it is broken, by the files of tests/corpus/malformed.jsonl.
LENIENCIES: Final[Mapping[str, str]] = {
    "028-highform-tag": "a tag in a longer form than it needs",
    "029-padded-tag": "a tag number with leading zeros",
    "044-nest-definite": "nesting as deep as Python's stack, in an ANY",
    "071-enum-0": "a value that no ENUMERATED of the module can have",
    "073-enum-neg": "a value that no ENUMERATED of the module can have",
    "074-enum-9octets": "a value that no ENUMERATED of the module can have",
    "076-enum-empty": "an ENUMERATED without contents, as 0",
    "077-bool-empty": "a BOOLEAN without contents, as FALSE",
}

#: What pyasn1 alone refuses although it is right, in all of its variants or in some, and why.
REFUSALS: Final[Mapping[str, str]] = {
    "long-9": "a length in more than four octets",
    "indef-all": "an ANY within an indefinite length",
    "indef-all-any": "an ANY within an indefinite length",
    "mixed": "an ANY within an indefinite length",
}

#: What it reads otherwise than it is: an ANY of indefinite length loses its end-of-contents (pyasn1#66).
LOSSES: Final = frozenset({"indef-all-any"})

_BY_FIRST_OCTET: Final = {0x60 | apdu.apdu_tag.number: apdu for apdu in APDUS}


def alone(octets: bytes) -> ILLApdu | None:
    """Give what pyasn1 reads without any of our checks, or None where it refuses or there is more."""
    apdu = _BY_FIRST_OCTET.get(octets[0]) if octets else None
    if apdu is None:
        return None
    try:
        found, rest = decoder.decode(octets, asn1Spec=reference.specification(apdu))
        value: Any = None if rest else reference._read(apdu, found)
    except Exception:  # noqa: BLE001 - it raises many, and each is a refusal
        return None
    return value  # type: ignore[no-any-return]


def ours(octets: bytes) -> ILLApdu | None:
    try:
        return decode(octets)
    except WireError:
        return None


def outcome(read: Callable[[bytes], T], octets: bytes) -> T | WireError:
    try:
        return read(octets)
    except WireError as error:
        return error


def corpora() -> Iterator[tuple[str, bytes]]:
    for sample in (*corpus.samples("yaz"), *corpus.samples("yaz-enums")):
        yield sample.name, sample.octets
    for variant in corpus.variants():
        yield variant.name, variant.octets
    for message in corpus.extra():
        yield message.name, message.octets
    for broken in corpus.malformed():
        yield broken.file, broken.octets


@pytest.mark.parametrize(("name", "octets"), [pytest.param(*one, id=one[0]) for one in corpora()])
def test_both_give_the_same_verdict_and_the_same_value(name: str, octets: bytes) -> None:  # noqa: ARG001
    hold_to_each_other(octets)


def hold_to_each_other(octets: bytes) -> None:
    """Compare what we read with what pyasn1 reads behind the check of shape."""
    second, mine = outcome(reference.decode, octets), outcome(decode_noting, octets)
    if isinstance(mine, WireError):
        assert isinstance(second, WireError)
        assert mine.kind is second.kind
        # What we tolerate, the reference stops at.
        assert mine.offset == second.offset or second.reason.startswith("unexpected element [")
    elif isinstance(second, WireError):
        # The one tolerance of the common dialect that the reference does not have.
        assert ToleranceKind.UNKNOWN_COMPONENT in {use.kind for use in mine.tolerances}
    else:
        assert mine.apdu == second


@pytest.mark.parametrize(("name", "octets"), [pytest.param(*one, id=one[0]) for one in corpora()])
def test_pyasn1_alone_differs_only_where_we_know_of_it(name: str, octets: bytes) -> None:
    transformation = name.partition(".")[2]
    mine, its = ours(octets), alone(octets)
    if name in LENIENCIES:
        assert mine is None
        assert its is not None
    elif its is None:
        assert mine is None or transformation in REFUSALS
    elif transformation in LOSSES:
        assert its != mine
    else:
        assert its == mine


def test_what_we_know_of_is_still_so() -> None:
    refused = {name.partition(".")[2] for name, octets in corpora() if alone(octets) is None and ours(octets)}
    assert refused == set(REFUSALS)


@pytest.mark.parametrize("sample", corpus.samples("yaz"), ids=lambda sample: sample.name)
def test_both_write_every_sample_alike(sample: corpus.Sample) -> None:
    apdu = decode(sample.octets)
    assert reference.write(apdu) == encode(apdu)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(apdus())
def test_both_write_and_read_every_value_alike(apdu: ILLApdu) -> None:
    octets = encode(apdu)
    assert reference.write(apdu) == octets
    assert reference.decode(octets) == apdu


SEEDS = sorted((message.octets for message in corpus.extra()), key=len)


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(SEEDS), st.data())
def test_both_take_damage_alike(seed: bytes, data: st.DataObject) -> None:
    octets = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(octets) - 1))
        octets[place] = data.draw(st.integers(0, 255) | st.sampled_from([0, 1, 0x80, 0x81, 0x30, 0xFF]))
    hold_to_each_other(bytes(octets))


class TestReference:
    """The parts of the second opinion that the comparison does not reach."""

    @pytest.mark.parametrize(
        ("octets", "kind"),
        [
            (b"", WireErrorKind.BADLY_STRUCTURED),
            (b"\x75\0", WireErrorKind.UNRECOGNIZED_APDU),
            (b"\xa1\0", WireErrorKind.UNRECOGNIZED_APDU),
            (cancel("8c0100"), WireErrorKind.MISTYPED),
        ],
    )
    def test_it_says_what_is_wrong(self, octets: bytes, kind: WireErrorKind) -> None:
        with pytest.raises(WireError) as caught:
            reference.decode(octets)
        assert caught.value.kind is kind

    def test_it_keeps_to_the_limits(self) -> None:
        with pytest.raises(WireError, match="more than 10"):
            reference.decode(encode(CANCEL), Limits(max_octets=10))

    def test_whatever_pyasn1_raises_is_a_wire_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def leak(*_: object) -> None:
            raise IndexError("octets of a patron's name")

        monkeypatch.setattr(reference, "read", leak)
        with pytest.raises(WireError) as caught:
            reference.decode(encode(CANCEL))
        assert str(caught.value) == "pyasn1 refuses the contents with IndexError (offset 0, Cancel)"
        assert caught.value.__suppress_context__

    def test_it_does_not_write_what_a_type_does_not_know(self) -> None:
        apdu = decode(cancel("8c0100"))
        assert apdu.unknown == (AnyValue(b"\x8c\x01\0"),)
        with pytest.raises(ValueError, match="Cancel: what the type does not know is not written here"):
            reference.write(apdu)
