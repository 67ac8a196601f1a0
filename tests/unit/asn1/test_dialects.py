"""Each tolerance where it is used, where it is not tolerated, and where it does not apply."""

from dataclasses import replace
from typing import Any

import pytest

from asn1 import ill
from asn1 import json as apdu_json
from asn1.codec import (
    Dialect,
    Tolerance,
    WireError,
    WireErrorKind,
    decode,
    decode_header,
    decode_noting,
    decode_value,
    encode,
)
from asn1.dialects import TOLERANCES, ToleranceKind
from asn1.ill import Cancel, Overdue, PersonOrInstitutionSymbol, TransactionId, WillSupplyResults
from asn1.json import JsonError
from asn1.schema import AnyValue, GeneralString
from tests.support.biblio_ill import written_by_biblio_ill
from tests.unit.asn1.test_codec import BEGINNING, CANCEL, cancel, extended

UNKNOWN = "ac0302010085020102"
"""[12] with an INTEGER in it, and [5] of two octets."""


def test_each_dialect_tolerates_what_the_one_before_does() -> None:
    assert list(TOLERANCES) == list(Dialect)
    assert TOLERANCES[Dialect.STRICT] < TOLERANCES[Dialect.STANDARD] < TOLERANCES[Dialect.BIBLIO_ILL]
    assert TOLERANCES[Dialect.BIBLIO_ILL] == set(ToleranceKind)


class TestUnknownComponents:
    def test_they_are_kept_reported_and_written_again(self) -> None:
        octets = cancel(UNKNOWN)
        decoded = decode_noting(octets)
        assert isinstance(decoded.apdu, Cancel)
        assert decoded.apdu == replace(
            CANCEL, unknown=(AnyValue(bytes.fromhex(UNKNOWN[:10])), AnyValue(bytes.fromhex(UNKNOWN[10:])))
        )
        start = 4 + len(BEGINNING) // 2
        assert decoded.tolerances == (
            Tolerance(kind=ToleranceKind.UNKNOWN_COMPONENT, offset=start, path="Cancel"),
            Tolerance(kind=ToleranceKind.UNKNOWN_COMPONENT, offset=start + 5, path="Cancel"),
        )
        assert encode(decoded.apdu).hex() == "6628" + "3026" + BEGINNING + UNKNOWN
        assert apdu_json.loads(apdu_json.dumps(decoded.apdu)) == decoded.apdu

    def test_they_are_kept_within_a_component_too(self) -> None:
        octets = cancel("bf310d300b800101a20205008b024142")
        apdu = decode(octets)
        assert apdu == replace(
            CANCEL,
            cancel_extensions=(replace(_extension(), unknown=(AnyValue(bytes.fromhex("8b024142")),)),),
        )
        assert decode(encode(apdu)) == apdu

    def test_a_strict_reader_refuses_them(self) -> None:
        with pytest.raises(WireError, match=r"unexpected element \[12\]") as caught:
            decode(cancel(UNKNOWN), dialect=Dialect.STRICT)
        assert caught.value.offset == 4 + len(BEGINNING) // 2

    @pytest.mark.parametrize(
        ("components", "reason"),
        [
            (UNKNOWN + "bf2e031b0161", "unexpected element [12]"),  # a known one comes after them
            ("020100", "unexpected element [UNIVERSAL 2]"),
            ("4c0100", "unexpected element [APPLICATION 12]"),
            ("bf2e031b0161" * 2, "requester-note comes twice, or out of order"),
        ],
    )
    def test_what_is_not_after_the_last_component_is_refused(self, components: str, reason: str) -> None:
        with pytest.raises(WireError) as caught:
            decode(cancel(components))
        assert caught.value.reason == reason
        assert caught.value.kind is WireErrorKind.MISTYPED

    @pytest.mark.parametrize(
        "unknown",
        [
            (AnyValue(b""),),
            (AnyValue(b"\x05\0"),),
            (AnyValue(bytes.fromhex("800101")),),
            (b"\x8c\0",),
            [AnyValue(b"\x8c\0")],
            None,
        ],
    )
    def test_nothing_else_is_written_as_one(self, unknown: Any) -> None:
        with pytest.raises(ValueError, match="Cancel: unknown is a tuple of elements under context tags"):
            encode(replace(CANCEL, unknown=unknown))

    @pytest.mark.parametrize(
        ("unknown", "path"),
        [
            ([{"hex": "0500"}], "Cancel.unknown"),
            ([{"hex": "8001"}], "Cancel.unknown[0]"),
            ({"hex": "8c00"}, "Cancel.unknown"),
        ],
    )
    def test_json_is_held_to_the_same(self, unknown: object, path: str) -> None:
        obj = apdu_json.to_json(CANCEL)
        obj["Cancel"]["unknown"] = unknown
        with pytest.raises(JsonError) as caught:
            apdu_json.from_json(obj)
        assert caught.value.path == path


def _extension() -> ill.Extension:
    return ill.Extension(identifier=1, item=AnyValue(b"\x05\0"))


@pytest.mark.parametrize(
    ("extension", "identifier"),
    [("800200 01", 1), ("8002ff80", -128), ("8003000000", 0), ("8003 ff ff ff", -1)],
)
def test_padded_numbers(extension: str, identifier: int) -> None:
    inner = bytes.fromhex(extension + "a2020500").hex()
    octets = cancel(f"bf31{len(inner) // 2 + 2:02x}30{len(inner) // 2:02x}{inner}")
    decoded = decode_noting(octets)
    assert decoded.apdu == extended(b"\x05\0", identifier)
    assert [(use.kind, use.path) for use in decoded.tolerances] == [
        (ToleranceKind.PADDED_INTEGER, "Cancel.cancel-extensions[0].identifier")
    ]
    with pytest.raises(WireError, match="a number in more octets than it needs"):
        decode(octets, dialect=Dialect.STRICT)


def test_a_number_that_needs_its_octets_is_not_padded() -> None:
    for identifier in (128, -129, 255, 2**64):
        octets = encode(extended(b"\x05\0", identifier))
        assert decode(octets, dialect=Dialect.STRICT) == extended(b"\x05\0", identifier)


RECEIVED = "68803080" + BEGINNING + "%s" + "9f24083230323631313232" + "9b0101" + "00000000"


@pytest.mark.parametrize(
    ("octets", "kind", "reason"),
    [
        (RECEIVED.replace("9b0101", "9b0107") % "", ToleranceKind.UNLISTED_VALUE, "does not list"),
        (
            RECEIVED % "b10728051901618100",
            ToleranceKind.DESCRIPTOR_TAG,
            r"unexpected element \[UNIVERSAL 25\]",
        ),
    ],
)
def test_what_libyaz_or_a_later_edition_may_write(octets: str, kind: ToleranceKind, reason: str) -> None:
    decoded = decode_noting(bytes.fromhex(octets))
    assert [use.kind for use in decoded.tolerances] == [kind]
    with pytest.raises(WireError, match=reason):
        decode(bytes.fromhex(octets), dialect=Dialect.STRICT)


def biblio(components: str) -> bytes:
    """Give a Cancel without the SEQUENCE in its APPLICATION tag."""
    return bytes.fromhex("6680" + BEGINNING + components + "0000")


class TestBiblioIll:
    def test_the_missing_sequence_of_an_apdu(self) -> None:
        decoded = decode_noting(biblio(""), dialect=Dialect.BIBLIO_ILL)
        assert decoded.apdu == CANCEL
        assert decoded.tolerances == (
            Tolerance(kind=ToleranceKind.MISSING_SEQUENCE, offset=0, path="Cancel"),
        )
        with pytest.raises(WireError, match="holds 3 elements instead of 1"):
            decode(biblio(""))

    def test_an_apdu_without_anything_lacks_its_components(self) -> None:
        with pytest.raises(WireError, match="the mandatory protocol-version-num is missing"):
            decode(b"\x66\0", dialect=Dialect.BIBLIO_ILL)

    def test_an_extra_sequence(self) -> None:
        octets = bytes.fromhex("66803080" + "3080" + BEGINNING + "000000000000")
        decoded = decode_noting(octets, dialect=Dialect.BIBLIO_ILL)
        assert decoded.apdu == CANCEL
        assert [use.kind for use in decoded.tolerances] == [ToleranceKind.EXTRA_SEQUENCE]
        header = decode_header(octets)
        assert header is not None
        assert header.transaction_id == CANCEL.transaction_id

    @pytest.mark.parametrize("inside", ["3080 3080 3080 00000000 0000", "3000 3000", "1000"])
    def test_no_other_sequence_is_stepped_into(self, inside: str) -> None:
        with pytest.raises(WireError):
            decode(biblio("a3 80" + inside + "0000"), dialect=Dialect.BIBLIO_ILL)

    def test_explicit_tags_that_became_implicit(self) -> None:
        # reason-will-supply [0], supply-date [1], and return-to-address [2] without its SEQUENCE.
        octets = bytes.fromhex("3014" + "800106" + "8108" + b"20261122".hex() + "a205" + "a4031b0161")
        decoded = decode_value(WillSupplyResults, octets, dialect=Dialect.BIBLIO_ILL)
        assert decoded == WillSupplyResults(
            reason_will_supply=ill.ReasonWillSupply.on_order,
            supply_date="20261122",
            return_to_address=ill.PostalAddress(city=GeneralString(b"a")),
        )
        with pytest.raises(WireError, match=r"the explicit tag \[0\] is primitive"):
            decode_value(WillSupplyResults, octets)

    @pytest.mark.parametrize(
        ("value", "wire_type"),
        [
            ("30048000 8000", PersonOrInstitutionSymbol),
            ("8000", PersonOrInstitutionSymbol),
            ("3003800101", TransactionId),
        ],
    )
    def test_a_tag_around_a_choice_cannot_be_implicit(self, value: str, wire_type: Any) -> None:
        with pytest.raises(WireError):
            decode_value(wire_type, bytes.fromhex(value), dialect=Dialect.BIBLIO_ILL)

    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_extensions_without_their_list(self, number: int) -> None:
        apdu = Overdue(
            protocol_version_num=2,
            transaction_id=CANCEL.transaction_id,
            service_date_time=CANCEL.service_date_time,
            date_due=ill.DateDue(date_due_field="20261122"),
            overdue_extensions=(_extension(),) * number,
        )
        octets = written_by_biblio_ill(apdu)
        assert octets != encode(apdu)
        decoded = decode_noting(octets, dialect=Dialect.BIBLIO_ILL)
        assert decoded.apdu == apdu
        assert (
            Tolerance(
                kind=ToleranceKind.MISSING_SEQUENCE,
                offset=octets.index(b"\xbf\x31"),
                path="Overdue.overdue-extensions",
            )
            in decoded.tolerances
        )
        assert decode(encode(apdu), dialect=Dialect.BIBLIO_ILL) == apdu
