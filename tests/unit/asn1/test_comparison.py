"""What two APDUs have that is not the same."""

from dataclasses import replace

import pytest

from asn1 import ill
from asn1.codec import Limits, decode, encode
from asn1.comparison import differences, first_difference, form_differences
from asn1.dialects import ToleranceKind
from asn1.extensions import OCLCShippedExtension, make_extension
from asn1.inspection import Form, Part, inspect, parts_of
from asn1.schema import AnyValue, EDIFACTString, GeneralString
from tests.support import apdus, corpus

REQUEST = apdus.ill_request(note="soon")


def root(octets: bytes) -> Part:
    found = inspect(octets, Limits()).root
    assert found is not None
    return found


def changed(old: ill.ILLApdu, new: ill.ILLApdu) -> dict[str, tuple[object, object]]:
    """Give the values that differ, by their path; None for what is not there."""
    return {
        one.path: (
            None if one.old is None else one.old.value,
            None if one.new is None else one.new.value,
        )
        for one in differences(parts_of(old), parts_of(new))
    }


class TestDifferences:
    def test_there_are_none(self) -> None:
        assert changed(REQUEST, REQUEST) == {}

    def test_values_that_changed_came_and_went(self) -> None:
        assert REQUEST.item_id is not None
        new = replace(
            REQUEST,
            item_id=replace(REQUEST.item_id, title=GeneralString(b"Surfacing")),
            retry_flag=True,
            requester_note=None,
            iLL_service_type=(*REQUEST.iLL_service_type, ill.ILLServiceType.locations),
        )
        found = changed(REQUEST, new)
        assert found == {
            "ILL-Request.iLL-service-type[1]": (None, ill.ILLServiceType.locations),
            "ILL-Request.item-id.title": (GeneralString(b"The Penelopiad"), GeneralString(b"Surfacing")),
            "ILL-Request.retry-flag": (False, True),
            "ILL-Request.requester-note": (GeneralString(b"soon"), None),
        }
        # In the order of the abstract syntax, whichever of the two a component is in.
        assert list(found) == list(changed(new, REQUEST))

    def test_the_alternative_of_a_string_is_part_of_its_value(self) -> None:
        new = replace(REQUEST, requester_note=EDIFACTString(b"soon"))
        assert changed(REQUEST, new) == {
            "ILL-Request.requester-note": (GeneralString(b"soon"), EDIFACTString(b"soon"))
        }

    def test_other_types_share_nothing(self) -> None:
        found = differences(parts_of(REQUEST), parts_of(apdus.cancel(REQUEST)))
        assert any(one.new is None for one in found)
        assert any(one.old is None for one in found)
        assert all(one.old is None or one.new is None for one in found)

    def test_the_values_in_extensions_are_compared_not_their_octets(self) -> None:
        item = make_extension(OCLCShippedExtension(paymentMethod=GeneralString(b"IFM"))).item.octets
        longer = item.replace(b"\x1b\x03IFM", b"\x3b\x05\x04\x03IFM")
        # Four lengths around it, all short: each is two more.
        assert longer != item
        path = "ILL-Request.iLL-request-extensions[0].item"
        fee = make_extension(OCLCShippedExtension(paymentMethod=GeneralString(b"FEE"))).item.octets
        old, new = (with_item(octets) for octets in (item, fee))
        assert changed(old, new) == {
            f"{path}.encoding.single-ASN1-type.OCLC-Shipped-Extension.paymentMethod": (
                GeneralString(b"IFM"),
                GeneralString(b"FEE"),
            )
        }

    def test_the_octets_of_extensions_that_are_broken_are_compared(self) -> None:
        item = make_extension(OCLCShippedExtension(paymentMethod=GeneralString(b"IFM"))).item.octets
        broken = item.replace(b"\x1b\x03IFM", b"\x1c\x03IFM")
        for old, new in ((item, broken), (broken, item)):
            (found,) = differences(parts_of(with_item(old)), parts_of(with_item(new)))
            assert found.path.endswith("[0].item.encoding")
            assert found.old is not None
            assert found.new is not None
        again = differences(parts_of(with_item(broken)), parts_of(with_item(broken)))
        assert again == ()


def with_item(octets: bytes) -> ill.ILLRequest:
    return replace(REQUEST, iLL_request_extensions=(ill.Extension(identifier=1, item=AnyValue(octets)),))


class TestForms:
    def test_the_same_value_in_other_octets(self) -> None:
        for variant in {one.transformation: one for one in corpus.variants()}.values():
            if variant.equal_to is None or decode(variant.octets) != decode(variant.equal_to):
                continue
            assert differences(root(variant.equal_to), root(variant.octets)) == ()
            found = form_differences(root(variant.equal_to), root(variant.octets))
            assert found or inspect(variant.octets).octets == variant.equal_to

    def test_which_side_writes_which_form(self) -> None:
        plain = encode(REQUEST)
        note = bytes.fromhex("bf2e061b04") + b"soon"
        assert plain.count(note) in (0, 1)
        (variant, equal) = next(
            (one.octets, one.equal_to)
            for one in corpus.variants()
            if one.transformation == "indef-all" and one.equal_to is not None
        )
        for found in form_differences(root(equal), root(variant)):
            assert found.old == frozenset()
            assert found.new == {Form.INDEFINITE}
        for found in form_differences(root(variant), root(equal)):
            assert found.new == frozenset()

    def test_tolerances_are_told_too(self) -> None:
        plain = encode(REQUEST)
        version = b"\x80\x01\x02"
        # The outer lengths take the octet more that the padded number has.
        padded = longer_by_one(plain).replace(version, b"\x80\x02\x00\x02", 1)
        (found,) = form_differences(root(plain), root(padded))
        assert found.path == "ILL-Request.protocol-version-num"
        assert found.new == {ToleranceKind.PADDED_INTEGER}
        assert differences(root(plain), root(padded)) == ()


def longer_by_one(data: bytes) -> bytes:
    """Add one to the lengths of the APDU and of its SEQUENCE, which have one octet each."""
    assert data[1] == data[4] == 0x81
    longer = bytearray(data)
    longer[2] += 1
    longer[5] += 1
    return bytes(longer)


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [(b"", b"", None), (b"ab", b"ab", None), (b"ab", b"ac", 1), (b"ab", b"abc", 2), (b"ab", b"", 0)],
)
def test_the_first_octet_that_differs(old: bytes, new: bytes, at: int | None) -> None:
    assert first_difference(old, new) == at
