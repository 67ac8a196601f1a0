"""The values of extensions: what is known comes typed, and nothing that came is lost."""

from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asn1 import ill
from asn1.codec import Limits, WireError
from asn1.extensions import (
    EXTENSIONS,
    AdditionalUserError,
    AdditionalUserErrorReportInfo,
    BrokenExtension,
    ClientInfoContent,
    ClientInfoData,
    ClientInfoType,
    CreditCard,
    CreditCardIssuer,
    ExtensionValue,
    ForwardedAddInfo,
    IPIGSystemNumber,
    OCLCShippedExtension,
    StandardClientInfoType,
    StatusCode,
    SupplementalClientInfo,
    SuppliersReference,
    SystemNumber,
    SystemNumberSystem,
    UnknownExtension,
    WellKnownSystem,
    decode_extension,
    encode_extension,
    extension_of,
    extensions_of,
    external_of,
    make_extension,
    make_external,
    wire_type_of,
)
from asn1.ill import Extension
from asn1.schema import (
    NULL,
    AnyValue,
    Arbitrary,
    BitString,
    External,
    GeneralString,
    ObjectIdentifier,
    OctetAligned,
    SequenceOf,
    SingleASN1Type,
    describe,
)
from tests.support import apdus
from tests.support.apdu_strategies import values_of

PAID = OCLCShippedExtension(paymentMethod=GeneralString(b"IFM"))
PAID_OID = ObjectIdentifier("1.0.10161.13.1000.2.6")
UNKNOWN_OID = ObjectIdentifier("1.2.3.4")


def extension_values() -> st.SearchStrategy[ExtensionValue]:
    """Give values of every registered extension."""

    def of(kind: type[ExtensionValue]) -> st.SearchStrategy[ExtensionValue]:
        values = values_of(wire_type_of(kind))
        return values.map(
            lambda value: cast("Any", kind)(elements=value) if isinstance(value, tuple) else value
        )

    return st.sampled_from(sorted(EXTENSIONS.values(), key=lambda kind: kind.__name__)).flatmap(of)


def item_of(external: str) -> Extension:
    """Give an extension whose item is these octets."""
    return Extension(identifier=1, item=AnyValue(bytes.fromhex(external)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(extension_values())
def test_a_value_comes_back_from_its_octets(value: ExtensionValue) -> None:
    assert decode_extension(type(value), encode_extension(value)) == value
    assert extension_of(make_extension(value)) == value
    assert external_of(make_external(value)) == value


def test_an_extension_looks_as_everybody_sends_it() -> None:
    extension = make_extension(PAID)
    assert (extension.identifier, extension.critical) == (1, False)
    assert (
        extension.item.octets.hex()
        == "2815" + "060828cf310d87680206" + "a009" + "3007a0051b03" + b"IFM".hex()
    )
    assert make_extension(PAID, identifier=4, critical=True) == replace(
        extension, identifier=4, critical=True
    )


@pytest.mark.parametrize(
    ("external", "object_identifier"),
    [
        pytest.param("2809 06032a0304 a0020500", UNKNOWN_OID, id="no type that is known"),
        pytest.param("2807 020101 a0020500", None, id="an indirect reference alone"),
        pytest.param("1b0161", None, id="no EXTERNAL at all"),
        pytest.param("2800", None, id="an EXTERNAL without its encoding"),
        pytest.param("2805 06032a0304", None, id="an EXTERNAL that names its type and has no value"),
    ],
)
def test_what_is_not_known_is_kept_as_octets(
    external: str, object_identifier: ObjectIdentifier | None
) -> None:
    reading = extension_of(item_of(external))
    assert reading == UnknownExtension(object_identifier=object_identifier, octets=bytes.fromhex(external))


def test_what_says_it_is_known_and_is_not_is_kept_with_the_reason() -> None:
    external = External(direct_reference=PAID_OID, encoding=SingleASN1Type(b"\x30\x00"))
    assert external_of(external) == BrokenExtension(
        object_identifier=PAID_OID,
        octets=b"\x30\x00",
        reason="the mandatory paymentMethod is missing",
        offset=2,
        path="OCLC-Shipped-Extension",
    )
    item = bytes.fromhex("2813060828cf310d87680206a0073005a003020101")
    reading = extension_of(Extension(identifier=1, item=AnyValue(item)))
    assert isinstance(reading, BrokenExtension)
    assert (reading.octets, reading.path) == (item, "OCLC-Shipped-Extension.paymentMethod")


def test_what_is_wrong_in_a_list_has_the_name_of_the_list() -> None:
    item = bytes.fromhex("2810" + "060528cf310d09" + "a007" + "3005a003020101")
    reading = extension_of(Extension(identifier=1, item=AnyValue(item)))
    assert isinstance(reading, BrokenExtension)
    assert reading.path.startswith("IPIG-ILL-Request-Extension[0].uniform-title")


def test_the_octets_of_what_is_not_understood_are_not_shown_by_accident() -> None:
    reading = UnknownExtension(object_identifier=None, octets=b"A. Patron")
    assert "Patron" not in repr(reading)


def test_an_external_may_be_octet_aligned() -> None:
    octets = encode_extension(PAID)
    assert external_of(External(direct_reference=PAID_OID, encoding=OctetAligned(octets))) == PAID


def test_an_external_of_bits_or_without_a_reference_is_kept() -> None:
    bits = External(direct_reference=UNKNOWN_OID, encoding=Arbitrary(BitString(b"\xf0", 4)))
    assert external_of(bits) == UnknownExtension(object_identifier=UNKNOWN_OID, octets=b"\xf0")
    unnamed = External(indirect_reference=1, encoding=OctetAligned(b"ab"))
    assert external_of(unnamed) == UnknownExtension(object_identifier=None, octets=b"ab")


@pytest.mark.parametrize("apdu", ill.APDUS, ids=lambda apdu: apdu.asn1_name)
def test_the_last_component_of_every_apdu_is_its_extensions(apdu: type[ill.ILLApdu]) -> None:
    last = describe(apdu)[-1]
    assert last.wire_type == SequenceOf(Extension)
    assert last.name.lower() == f"{apdu.asn1_name.lower()}-extensions"


def test_the_extensions_of_an_apdu_are_none_or_in_order() -> None:
    request = apdus.ill_request()
    paid = make_extension(PAID)
    assert extensions_of(request) == ()
    assert extensions_of(replace(request, iLL_request_extensions=())) == ()
    both = (paid, replace(paid, critical=True))
    assert extensions_of(replace(apdus.cancel(request), cancel_extensions=both)) == both


def test_client_info_holds_itself_as_deep_as_the_limits_allow() -> None:
    value = nested_client_info(4)
    assert extension_of(make_extension(value)) == value
    octets = encode_extension(value)
    assert decode_extension(SupplementalClientInfo, octets, Limits(max_depth=12)) == value
    with pytest.raises(WireError, match="nested more than 6 deep"):
        decode_extension(SupplementalClientInfo, octets, Limits(max_depth=6))


def nested_client_info(depth: int) -> SupplementalClientInfo:
    """Give client information that holds client information."""
    data = ClientInfoData(
        infoType=ClientInfoType(standard=StandardClientInfoType.statusInfo),
        infoContent=(ClientInfoContent(statusCode=StatusCode.undergraduate),),
    )
    for _ in range(depth):
        data = ClientInfoData(
            infoType=ClientInfoType(local=GeneralString(b"more")),
            infoContent=(ClientInfoContent(nested=data),),
        )
    return SupplementalClientInfo(elements=(data,))


def test_a_system_number_travels_in_an_item_id() -> None:
    number = IPIGSystemNumber(
        elements=(
            SystemNumber(
                type=SystemNumberSystem(well_known=WellKnownSystem.oCLC), number=GeneralString(b"1234567")
            ),
        )
    )
    item = ill.ItemId(system_no=make_external(number))
    assert item.system_no is not None
    assert external_of(item.system_no) == number


def test_an_extension_that_is_another_type_under_a_name_of_its_own_comes_as_its_own() -> None:
    value = ForwardedAddInfo(reason_unfilled=ill.ReasonUnfilled.lost)
    assert type(extension_of(make_extension(value))) is ForwardedAddInfo


def test_lists_keep_their_alternatives() -> None:
    value = AdditionalUserErrorReportInfo(
        elements=(
            AdditionalUserError(missing_required_element=GeneralString(b"ILL-REQUEST.item-id.title")),
            AdditionalUserError(other=GeneralString(b"?")),
        )
    )
    assert extension_of(make_extension(value)) == value
    assert encode_extension(value).hex() == (
        "3022a51b1b19" + b"ILL-REQUEST.item-id.title".hex() + "a9031b013f"
    )


def test_a_value_that_its_type_does_not_have_is_not_written() -> None:
    wrong = SuppliersReference(supplier_authority="BL", supplier_reference=GeneralString(b"1"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="supplier-authority"):
        make_extension(wrong)


def test_neither_card_numbers_nor_their_owners_are_in_a_repr() -> None:
    card = CreditCard(
        type=CreditCardIssuer(visa=NULL),
        card_number=GeneralString(b"4111"),
        expiry_date=GeneralString(b"1227"),
        name_on_card=GeneralString(b"A. Patron"),
    )
    assert "4111" not in repr(card)
    assert "Patron" not in repr(card)
