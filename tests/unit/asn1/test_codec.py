"""What the codec refuses, what it reads nevertheless, and what it will not write."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest

from asn1 import checking, exact, ill, readers, reference, shape, tags, writers
from asn1.codec import (
    Dialect,
    Limits,
    WireError,
    WireErrorKind,
    decode,
    decode_header,
    decode_value,
    encode,
    encode_value,
)
from asn1.elements import MAX_ELEMENTS, WholeElement, is_element, scan
from asn1.ill import Cancel, Damaged, DamagedDetails, DamagedPortion, Extension, ILLApdu, Received
from asn1.schema import (
    ILL_STRING_ALTERNATIVES,
    NULL,
    AnyValue,
    Arbitrary,
    BitString,
    EDIFACTString,
    External,
    GeneralString,
    Null,
    ObjectIdentifier,
    OctetAligned,
    Primitive,
    SequenceOf,
    SingleASN1Type,
    Unlisted,
    describe,
    implicit,
)
from asn1.source import Unusual

TRANSACTION = ill.TransactionId(
    transaction_group_qualifier=GeneralString(b"g"), transaction_qualifier=GeneralString(b"q")
)
WHEN = ill.ServiceDateTime(date_time_of_this_service=ill.DateTimeOfThisService(date="20261122"))
CANCEL = Cancel(protocol_version_num=2, transaction_id=TRANSACTION, service_date_time=WHEN)
BEGINNING = "800102" + "a10aa1031b0167a2031b0171" + "a20ca00a8008" + b"20261122".hex()
SYMBOL = "a005a0031b01" + b"X".hex()


def received(external: External) -> Received:
    """Give a Received with one EXTERNAL."""
    return Received(
        protocol_version_num=2,
        transaction_id=TRANSACTION,
        service_date_time=WHEN,
        supplemental_item_description=(external,),
        date_received="20261122",
        shipped_service_type=ill.ShippedServiceType.loan,
    )


def damaged(document_type: str) -> Damaged:
    """Give a Damaged with an OBJECT IDENTIFIER."""
    return Damaged(
        protocol_version_num=2,
        transaction_id=TRANSACTION,
        service_date_time=WHEN,
        damaged_details=DamagedDetails(
            document_type_id=ObjectIdentifier(document_type),
            damaged_portion=DamagedPortion(complete_document=NULL),
        ),
    )


def extended(octets: bytes, identifier: int = 1) -> Cancel:
    """Give a Cancel with one extension."""
    return replace(CANCEL, cancel_extensions=(Extension(identifier=identifier, item=AnyValue(octets)),))


def cancel(components: str, before: str = BEGINNING) -> bytes:
    """Give the octets of a Cancel with these components after its beginning, in indefinite lengths."""
    return bytes.fromhex("66803080" + before + components + "00000000")


def test_the_beginning_that_these_tests_build_on_is_right() -> None:
    assert decode(cancel("")) == CANCEL
    assert encode(CANCEL).hex() == "661f301d" + BEGINNING


@pytest.mark.parametrize(
    ("components", "path", "reason"),
    [
        ("b1020500", "Cancel", "unexpected element [17]"),
        ("9f2e00", "Cancel.requester-note", "the explicit tag [46] is primitive"),
        ("bf2e00", "Cancel.requester-note", "the explicit tag [46] holds 0 elements instead of 1"),
        ("bf2e030c0161", "Cancel.requester-note", "unexpected element [UNIVERSAL 12]"),
        ("a500", "Cancel", "unexpected element [5]"),
        ("8300", "Cancel.requester-id", "[3] is primitive, but should have components"),
    ],
)
@pytest.mark.parametrize("read", [partial(decode, dialect=Dialect.STRICT), reference.decode])
def test_components_that_the_type_does_not_have_are_refused(
    read: Callable[[bytes], ILLApdu], components: str, path: str, reason: str
) -> None:
    with pytest.raises(WireError) as caught:
        read(cancel(components))
    assert caught.value.path == path
    assert caught.value.reason.startswith(reason)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    ("extension", "reason"),
    [
        ("8000", "a number of 0 octets"),
        ("8082 0101" + "01" * 257, "a number of 257 octets"),
        ("a003 800101", "[0] is constructed, but has no components"),
        ("800101 8100", "a BOOLEAN of 0 octets"),
        ("800101 81020000", "a BOOLEAN of 2 octets"),
        ("800101", "the mandatory item is missing"),
    ],
)
@pytest.mark.parametrize("read", [decode, reference.decode])
def test_contents_that_a_type_cannot_have_are_refused(
    read: Callable[[bytes], ILLApdu], extension: str, reason: str
) -> None:
    inner = bytes.fromhex(extension)
    with pytest.raises(WireError) as caught:
        read(cancel("bf31803080" + inner.hex() + "00000000"))
    assert caught.value.kind is WireErrorKind.MISTYPED
    assert caught.value.path.startswith("Cancel.cancel-extensions[0]")
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("bits", "value"),
    [
        ("820205a0", BitString(b"\xa0", 5)),
        ("820100", BitString(b"")),
        ("a200", BitString(b"")),
        ("a2080302 00ff 0302 0480", BitString(b"\xff\x80", 4)),
        ("a2800302 00ff 2304 0302 0010 0000", BitString(b"\xff\x10")),
        ("820201ff", BitString(b"\xfe", 1)),
        ("8200", None),
        ("820101", None),
        ("82020800", None),
        ("a2080302 01fe 0302 0480", None),
        ("a2020300", None),
        ("a2030401 00", None),
    ],
)
def test_bit_strings_are_put_together_or_refused(bits: str, value: BitString | None) -> None:
    octets = encode(received(External(encoding=Arbitrary(BitString(b"\xaa\xaa")))))
    external = bytes.fromhex(bits)
    octets = bytes.fromhex("6880 3080") + octets[4:]
    at = octets.index(bytes.fromhex("8203 00aaaa"))
    octets = octets[: at - 4] + bytes.fromhex("b180 2880") + external + bytes(4) + octets[at + 5 :] + bytes(4)
    if value is None:
        with pytest.raises(WireError) as caught:
            decode(octets)
        assert caught.value.path.endswith("encoding.arbitrary")
    else:
        assert decode(octets) == received(External(encoding=Arbitrary(value)))


def test_the_descriptor_of_an_external_is_read_under_either_tag_and_written_under_its_own() -> None:
    ours = encode(received(External(data_value_descriptor=b"abc", encoding=OctetAligned(b"x"))))
    assert bytes.fromhex("0703") + b"abc" in ours
    theirs = ours.replace(bytes.fromhex("0703") + b"abc", bytes.fromhex("1903") + b"abc")
    assert decode(theirs) == decode(ours)


@pytest.mark.parametrize("octets", ["0500", "30800500 0000", "308030800000 0000", "bf8148020500"])
def test_an_any_keeps_its_octets(octets: str) -> None:
    value = bytes.fromhex(octets)
    apdu = extended(value)
    assert decode(encode(apdu)) == apdu
    external = received(External(direct_reference=ObjectIdentifier("1.2.3"), encoding=SingleASN1Type(value)))
    assert decode(encode(external)) == external


@pytest.mark.parametrize("document_type", ["2.999.3", "0.0", "1.39", f"2.25.{2**128 - 1}", f"2.{2**128}.0"])
def test_object_identifiers_are_kept(document_type: str) -> None:
    assert decode(encode(damaged(document_type))) == damaged(document_type)


@pytest.mark.parametrize("read", [decode, reference.decode])
def test_an_arc_of_twenty_octets_is_refused(read: Callable[[bytes], ILLApdu]) -> None:
    octets = encode(damaged("1.2.3"))
    long = octets.replace(bytes.fromhex("80022a03"), b"\x80\x15\x2a" + b"\xff" * 19 + b"\x01")
    long = bytes.fromhex("7080 3080") + long[4:].replace(b"\xa5\x06\x80", b"\xa5\x19\x80") + bytes(4)
    with pytest.raises(WireError, match="an arc of more than 19 octets"):
        read(long)


@pytest.mark.parametrize("read", [decode, reference.decode])
def test_an_object_identifier_has_an_end_to_its_length(read: Callable[[bytes], ILLApdu]) -> None:
    longest = damaged("1.2" + ".3" * 1023)
    assert read(encode(longest)) == longest
    with pytest.raises(ValueError, match="is no OBJECT IDENTIFIER"):
        encode(damaged("1.2" + ".3" * 1024))
    longer = encode(longest).replace(b"\x80\x82\x04\x00", b"\x80\x82\x04\x01\x2a")
    longer = bytes.fromhex("70803080") + longer[8:-8] + longer[-8:]
    details = longer.index(b"\xa5\x82")
    longer = longer[: details + 1] + b"\x80" + longer[details + 4 :] + bytes(6)
    with pytest.raises(WireError, match="an OBJECT IDENTIFIER of 1025 octets"):
        read(longer)


@pytest.mark.parametrize("number", [1, 7, 2**31 - 1])
def test_an_enumerated_value_that_could_be_listed_one_day_is_kept(number: int) -> None:
    apdu = replace(received(External(encoding=OctetAligned(b""))), shipped_service_type=Unlisted(number))
    if number == 1:
        with pytest.raises(ValueError, match="1 cannot be an unlisted value of ILLServiceType"):
            encode(apdu)
    else:
        assert decode(encode(apdu)) == apdu


def test_default_components_are_written_and_need_not_be_there() -> None:
    assert bytes.fromhex("810100") in encode(extended(b"\x05\0"))
    left_out = cancel("bf31093007 800101 a2020500")
    assert decode(left_out) == extended(b"\x05\0")


@pytest.mark.parametrize("identifier", [0, 127, 128, -128, -129, 2**64, -(2**63), 2**2047 - 1, -(2**2047)])
def test_integers_take_the_fewest_octets(identifier: int) -> None:
    octets = encode(extended(b"\x05\0", identifier))
    assert decode(octets) == extended(b"\x05\0", identifier)
    root = scan(octets, Limits())
    number = root.children[0].children[-1].children[0].children[0]
    assert octets[number.content : number.content_end] == fewest(identifier)


def fewest(number: int) -> bytes:
    """Give a number in the first length in which it fits."""
    for length in range(1, 257):
        try:
            return number.to_bytes(length, "big", signed=True)
        except OverflowError:
            continue
    raise AssertionError("too large a number")


@pytest.mark.parametrize(("value", "name"), [(None, "NoneType"), (TRANSACTION, "TransactionId")])
def test_what_is_no_apdu_is_not_written(value: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} is no ILL-APDU"):
        encode(value)


def portioned(portion: DamagedPortion) -> Damaged:
    """Give a Damaged whose damaged-portion is this."""
    return replace(damaged("1.2"), damaged_details=DamagedDetails(damaged_portion=portion))


RECEIVED = received(External(encoding=OctetAligned(b"")))

WRONG: list[tuple[Any, type[Exception] | tuple[type[Exception], ...], str]] = [
    (
        replace(RECEIVED, shipped_service_type=Unlisted(9), requester_note=cast("Any", 1)),
        TypeError,
        "requester-note: int is no alternative",
    ),
    (
        replace(RECEIVED, shipped_service_type=Unlisted(cast("Any", "9"))),
        (TypeError, ValueError),
        "cannot be|not supported",
    ),
    (
        replace(
            CANCEL, cancel_extensions=(Extension(identifier=1, item=AnyValue(b"\x05\0")), cast("Any", 1))
        ),
        TypeError,
        r"cancel-extensions\[1\]: Extension expected, not int",
    ),
    (portioned(DamagedPortion(complete_document=cast("Any", b""))), TypeError, "Null expected, not bytes"),
    (
        portioned(DamagedPortion(specific_units=(1, cast("Any", "2")))),
        TypeError,
        r"damaged-portion.specific-units\[1\]: int expected, not str",
    ),
    (portioned(DamagedPortion(specific_units=cast("Any", 7))), TypeError, "tuple expected, not int"),
    (
        received(
            External(
                direct_reference=ObjectIdentifier("1.2"),
                indirect_reference=3,
                data_value_descriptor=b"x",
                encoding=SingleASN1Type(b"\x05"),
            )
        ),
        ValueError,
        "encoding.single-ASN1-type: the octets are not one BER element",
    ),
    (
        received(External(direct_reference=cast("Any", 12), encoding=OctetAligned(b""))),
        TypeError,
        "direct-reference: str expected, not int",
    ),
    (received(External(encoding=OctetAligned(cast("Any", "x")))), TypeError, "bytes expected, not str"),
    (received(External(encoding=Arbitrary(cast("Any", b"x")))), TypeError, "BitString expected, not bytes"),
    (
        replace(
            received(External(encoding=OctetAligned(b""))), supplemental_item_description=(cast("Any", 1),)
        ),
        TypeError,
        "External expected, not int",
    ),
    (
        replace(CANCEL, service_date_time=cast("Any", ill.ServiceDateTime(date_time_of_this_service=None))),  # type: ignore[arg-type]
        TypeError,
        "Cancel.service-date-time.date-time-of-this-service is mandatory",
    ),
    (
        replace(
            extended(b"\x05\0"), cancel_extensions=(Extension(identifier=1, item=cast("Any", b"\x05\0")),)
        ),
        TypeError,
        "AnyValue expected, not bytes",
    ),
    (
        replace(
            extended(b"\x05\0"),
            cancel_extensions=(Extension(identifier=1, critical=cast("Any", 1), item=AnyValue(b"\x05\0")),),
        ),
        TypeError,
        "critical: bool expected, not int",
    ),
    (extended(cast("Any", "text")), (TypeError, ValueError), "item: "),
    (
        replace(received(External(encoding=OctetAligned(b""))), date_received=cast("Any", b"")),
        TypeError,
        "str ex",
    ),
    (replace(CANCEL, transaction_id=cast("Any", None)), TypeError, "Cancel.transaction-id is mandatory"),
    (replace(CANCEL, protocol_version_num=True), TypeError, "int expected, not bool"),
    (replace(CANCEL, protocol_version_num=2**2047), ValueError, "more than 256 octets"),
    (
        replace(CANCEL, requester_id=cast("Any", TRANSACTION)),
        TypeError,
        "SystemId expected, not TransactionId",
    ),
    (replace(CANCEL, requester_note=cast("Any", "text")), TypeError, "requester-note: str is no alternative"),
    (
        replace(CANCEL, requester_note=GeneralString(cast("Any", "text"))),
        TypeError,
        "bytes expected, not str",
    ),
    (replace(CANCEL, cancel_extensions=cast("Any", [])), TypeError, "tuple expected, not list"),
    (extended(b""), ValueError, "item: the octets are not one BER element"),
    (extended(b"\x05\0\x05\0"), ValueError, "item: the octets are not one BER element"),
    (damaged("1"), ValueError, "'1' is no OBJECT IDENTIFIER"),
    (damaged("3.1"), ValueError, "'3.1' is no OBJECT IDENTIFIER"),
    (damaged("1.40"), ValueError, "'1.40' is no OBJECT IDENTIFIER"),
    (received(External(encoding=Arbitrary(BitString(b"", 1)))), ValueError, "0 to 7 unused bits"),
    (received(External(encoding=Arbitrary(BitString(b"\xff", 1)))), ValueError, "0 to 7 unused bits"),
    (received(External(encoding=cast("Any", b"x"))), TypeError, "bytes is no alternative"),
    (received(External(encoding=cast("Any", None))), TypeError, "encoding is mandatory"),
    (replace(received(External(encoding=OctetAligned(b""))), date_received="\u0100"), ValueError, "latin-1"),
    (
        replace(received(External(encoding=OctetAligned(b""))), shipped_service_type=cast("Any", 1)),
        TypeError,
        "ILLServiceType expected, not int",
    ),
    (
        replace(received(External(encoding=OctetAligned(b""))), shipped_service_type=Unlisted(0)),
        ValueError,
        "0 cannot be an unlisted value",
    ),
    (
        replace(
            damaged("1.2"),
            damaged_details=DamagedDetails(damaged_portion=cast("Any", CANCEL)),
        ),
        TypeError,
        "DamagedPortion expected",
    ),
]


@pytest.mark.parametrize(("value", "error", "message"), WRONG)
@pytest.mark.parametrize("write", [encode, reference.write])
def test_a_value_that_the_schema_does_not_allow_is_not_written(
    write: Callable[[Any], bytes],
    value: Any,
    error: type[Exception] | tuple[type[Exception], ...],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        write(value)


def test_a_choice_under_an_implicit_tag_is_no_asn1() -> None:
    octets = bytes.fromhex("8000")
    root = scan(octets, Limits())
    with pytest.raises(TypeError, match="under an implicit tag"):
        shape._Writer(octets).value(ill.DeliveryService, root, "x", implicit(0))
    with pytest.raises(TypeError, match="under an implicit tag"):
        exact.Reading(octets, Limits(), Dialect.STRICT).value(ill.DeliveryService, root, "x", implicit(0))
    for compile_one in (readers.element_reader, writers.element_writer):
        with pytest.raises(TypeError, match="has no contents of its own"):
            compile_one(ill.DeliveryService, implicit(0))


def test_an_any_without_a_tag_can_be_no_component() -> None:
    item = replace(describe(Extension)[-1], tag=None)
    for keys_of in (shape._component_keys, tags.component_keys):
        with pytest.raises(TypeError, match="item is ANY without a tag"):
            keys_of(item)


def test_a_sequence_of_begins_with_the_tag_of_sequence() -> None:
    assert shape._first_keys(SequenceOf(Extension)) == shape._first_keys(Cancel)


class TestDecodeHeader:
    """What can still be read of an APDU that does not decode."""

    def test_what_yaz_illclient_sends_when_run_bare_has_a_header(self) -> None:
        request = cancel("850100", before=BEGINNING.replace("800102", "800100"))
        request = b"\x61" + request[1:]
        with pytest.raises(WireError):
            decode(request)
        found = decode_header(request)
        assert found is not None
        assert found.apdu_type is ill.ILLRequest
        assert found.protocol_version_num == 0
        assert found.transaction_id == TRANSACTION
        assert found.service_date_time == WHEN
        assert found.requester_id is None
        assert found.responder_id is None

    def test_octets_cut_after_the_beginning_have_a_header(self) -> None:
        octets = encode(replace(CANCEL, requester_note=EDIFACTString(b"note")))
        have = [decode_header(octets[:end]) is not None for end in range(len(octets) + 1)]
        first = have.index(True)
        assert first == 4 + len(BEGINNING) // 2
        assert all(have[first:])

    def test_a_side_that_cannot_be_read_is_taken_for_absent(self) -> None:
        for broken in ("a3020500", "a4020500", "a3020500a4020500"):
            found = decode_header(cancel(broken))
            assert found is not None
            assert (found.requester_id, found.responder_id) == (None, None)
        requester = decode_header(cancel("a307" + SYMBOL + "a4020500"))
        assert requester is not None
        assert requester.requester_id is not None
        assert requester.responder_id is None
        responder = decode_header(cancel("a3020500" + "a407" + SYMBOL))
        assert responder is not None
        assert responder.requester_id is None
        assert responder.responder_id is not None

    def test_an_unknown_apdu_has_a_header_without_a_type(self) -> None:
        found = decode_header(cancel("").replace(b"\x66", b"\x75", 1))
        assert found is not None
        assert found.apdu_type is None
        assert found.transaction_id == TRANSACTION

    @pytest.mark.parametrize(
        "octets",
        [
            "",
            "66",
            "6680",
            "66803080",
            "46803080" + BEGINNING,
            "30803080" + BEGINNING,
            "1f80803080" + BEGINNING,
            "66803080" + BEGINNING.replace("800102", ""),
            "66803080" + BEGINNING.replace("800102", "8000"),
            "66803080" + BEGINNING.replace("a10a", "b00a"),
            "66803080" + "0500" + BEGINNING,
            "66803080" + "04ff" + BEGINNING,
        ],
    )
    def test_without_one_of_the_mandatory_components_there_is_none(self, octets: str) -> None:
        assert decode_header(bytes.fromhex(octets)) is None

    def test_no_more_than_the_limit_is_looked_at(self) -> None:
        octets = encode(CANCEL)
        assert decode_header(octets, Limits(max_octets=len(octets))) is not None
        assert decode_header(octets, Limits(max_octets=len(octets) - 1)) is None

    def test_of_components_that_come_twice_the_first_counts(self) -> None:
        found = decode_header(cancel(BEGINNING.replace("800102", "800101")))
        assert found is not None
        assert found.protocol_version_num == 2


def test_null_has_one_value() -> None:
    assert Null() == NULL


class TestValues:
    """Values of any type of the schema, apart from APDUs."""

    @pytest.mark.parametrize(
        ("value", "octets"),
        [
            (TRANSACTION, "300a" + BEGINNING[10:30]),
            (DamagedPortion(complete_document=NULL), "8100"),
            (ill.ILLServiceType.estimate, "0a0104"),
            (AnyValue(b"\x05\0"), "0500"),
        ],
    )
    def test_they_round_trip(self, value: Any, octets: str) -> None:
        wire_type = Primitive.ANY if isinstance(value, AnyValue) else type(value)
        assert encode_value(value, wire_type).hex() == octets
        assert decode_value(wire_type, bytes.fromhex(octets)) == value

    def test_a_value_has_the_type_of_its_class_unless_it_is_said(self) -> None:
        assert encode_value(TRANSACTION) == encode_value(TRANSACTION, ill.TransactionId)
        note = EDIFACTString(b"a")
        assert encode_value(note, ILL_STRING_ALTERNATIVES) == bytes.fromhex("1a0161")
        assert decode_value(ILL_STRING_ALTERNATIVES, bytes.fromhex("1a0161")) == note
        assert encode_value((1, 300), SequenceOf(Primitive.INTEGER)).hex() == "300702010102" + "02012c"
        assert decode_value(SequenceOf(Primitive.INTEGER), bytes.fromhex("3007020101" + "0202012c")) == (
            1,
            300,
        )

    @pytest.mark.parametrize(
        ("octets", "reason"),
        [("", "no octets at all"), ("31 00", "unexpected element"), ("3000 00", "1 octets after the end")],
    )
    def test_they_are_refused_as_apdus_are(self, octets: str, reason: str) -> None:
        with pytest.raises(WireError, match=reason):
            decode_value(ill.SystemId, bytes.fromhex(octets))

    def test_what_cannot_be_written_is_named(self) -> None:
        with pytest.raises(TypeError, match=r"Transaction-Id\.transaction-qualifier is mandatory"):
            encode_value(replace(TRANSACTION, transaction_qualifier=cast("Any", None)))
        with pytest.raises(TypeError, match="value: tuple expected, not str"):
            encode_value("x", SequenceOf(Primitive.INTEGER))

    def test_what_is_declined_for_no_reason_is_not_written_either(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checking, "check", lambda *_: None)
        with pytest.raises(Unusual):
            encode_value(replace(TRANSACTION, transaction_qualifier=cast("Any", None)))


def test_a_string_in_segments_is_held_to_its_limit_as_a_whole() -> None:
    octets = cancel("bf2e80" + "3b80" + "0403616263" * 3 + "0000" + "0000")
    assert decode(octets, Limits(max_string_octets=9)) == replace(
        CANCEL, requester_note=GeneralString(b"abc" * 3)
    )
    with pytest.raises(WireError, match="a string of more than 8 octets") as caught:
        decode(octets, Limits(max_string_octets=8))
    assert caught.value.path == "Cancel.requester-note.general-string"
    assert caught.value.kind is WireErrorKind.BADLY_STRUCTURED


def test_ends_of_contents_are_no_elements_when_elements_are_counted() -> None:
    many = b"\x30\x80" + b"\x30\x80\0\0" * (MAX_ELEMENTS - 1) + b"\0\0"
    assert is_element(many)
    assert not is_element(many[:-2] + b"\x05\0\0\0")


def test_only_octets_are_an_element() -> None:
    assert is_element(b"\x05\0")
    assert is_element(WholeElement(b"\x05\0"))
    assert not is_element("\x05\0")
    assert not is_element(None)
