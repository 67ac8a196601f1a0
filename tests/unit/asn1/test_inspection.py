"""What is shown of octets: parts with their places, forms and marks, and how far broken octets are read."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asn1 import elements, ill, inspection, reference
from asn1.codec import Dialect, Limits, WireError, decode, encode
from asn1.dialects import ToleranceKind
from asn1.extensions import (
    OCLCShippedExtension,
    SuppliersReference,
    encode_extension,
    make_extension,
    make_external,
)
from asn1.inspection import Form, Inspection, Part, Stop, inspect, parts_of, second_opinion
from asn1.rules import Severity
from asn1.schema import (
    AnyValue,
    Arbitrary,
    BitString,
    External,
    GeneralString,
    ObjectIdentifier,
    OctetAligned,
    SingleASN1Type,
    TagClass,
    Unlisted,
)
from tests.support import apdus, corpus

PAID = OCLCShippedExtension(paymentMethod=GeneralString(b"IFM"))
PAID_OID = ObjectIdentifier("1.0.10161.13.1000.2.6")
SUPPLIER = SuppliersReference(
    supplier_authority=GeneralString(b"CISTI"), supplier_reference=GeneralString(b"7741")
)
REQUEST = replace(
    apdus.ill_request(note="soon"),
    iLL_request_extensions=(make_extension(PAID), make_extension(SUPPLIER, critical=True)),
)
ITEM = "ILL-Request.iLL-request-extensions[0].item"

VERSION = "800102"
TRANSACTION = "a10aa1031b0167a2031b0171"
WHEN = "a20ca00a8008" + b"20261122".hex()
NOTE = "bf2e051b03" + b"now".hex()
CANCEL = 6


def tlv(tag: str, *contents: str) -> str:
    """Give an element of definite, minimal length."""
    inner = bytes.fromhex("".join(contents))
    header = elements.header(TagClass.UNIVERSAL, 0, constructed=False, length=len(inner))[1:]
    return tag + header.hex() + inner.hex()


def cancel(*components: str) -> bytes:
    """Give a CANCEL of these components."""
    return bytes.fromhex(tlv(f"{0x60 | ill.Cancel.apdu_tag.number:02x}", tlv("30", *components)))


def part(inspected: Inspection | Part, path: str) -> Part:
    """Give the part with a path."""
    root = inspected.root if isinstance(inspected, Inspection) else inspected
    assert root is not None
    return next(one for one in root.walk() if one.path == path)


def paths(inspected: Inspection) -> list[str]:
    assert inspected.root is not None
    return [one.path for one in inspected.root.walk()]


def octets(inspected: Inspection, path: str) -> str:
    """Give the octets at the place that a part names."""
    found = part(inspected, path)
    return inspected.octets[found.start : found.end].hex()


class TestVerdict:
    def test_it_is_that_of_the_codec_and_every_part_lies_in_the_one_around_it(self) -> None:
        for data in everything():
            inspected = held_to_the_codec(data, Dialect.STANDARD)
            for outer in () if inspected.root is None else inspected.root.walk():
                # In the order of the octets; what is not written has no place in it.
                last = outer.start
                for inner in outer.parts:
                    if inner.start is not None:
                        assert last is not None
                        assert inner.end is not None
                        assert outer.end is not None
                        assert last <= inner.start <= inner.end <= outer.end
                        last = inner.end

    @pytest.mark.parametrize("dialect", [Dialect.STRICT, Dialect.BIBLIO_ILL])
    def test_it_is_that_of_the_codec_in_other_dialects(self, dialect: Dialect) -> None:
        unusual: tuple[corpus.Malformed | corpus.Extra, ...] = (*corpus.malformed(), *corpus.extra())
        for sample in unusual:
            held_to_the_codec(sample.octets, dialect)

    @given(st.binary(max_size=60), st.integers(0, 20))
    def test_nothing_is_raised(self, junk: bytes, kept: int) -> None:
        data = cancel(VERSION, TRANSACTION, WHEN)[:kept] + junk
        assert inspect(data).octets == data


def held_to_the_codec(data: bytes, dialect: Dialect) -> Inspection:
    """Look into octets, and hold what comes out to what the codec says."""
    inspected = inspect(data, dialect=dialect)
    if inspected.error is None:
        assert inspected.stop is None
        assert inspected.root is not None
        assert inspected.root.value == inspected.apdu == decode(data, dialect=dialect)
        return inspected
    with pytest.raises(WireError) as refused:
        decode(data, dialect=dialect)
    assert str(inspected.error) == str(refused.value)
    assert inspected.apdu is None
    assert inspected.findings == ()
    assert inspected.stop is not None
    return inspected


def everything() -> list[bytes]:
    """Give all octets of the corpus."""
    samples: tuple[Any, ...] = (
        *corpus.samples("yaz"),
        *corpus.samples("yaz-enums"),
        *corpus.variants(),
        *corpus.extra(),
        *corpus.malformed(),
    )
    return [sample.octets for sample in samples]


class TestParts:
    def test_names_values_and_places(self) -> None:
        inspected = inspect(cancel(VERSION, TRANSACTION, WHEN, NOTE))
        assert paths(inspected) == [
            "Cancel",
            "Cancel.protocol-version-num",
            "Cancel.transaction-id",
            "Cancel.transaction-id.transaction-group-qualifier",
            "Cancel.transaction-id.transaction-qualifier",
            "Cancel.service-date-time",
            "Cancel.service-date-time.date-time-of-this-service",
            "Cancel.service-date-time.date-time-of-this-service.date",
            "Cancel.requester-note",
        ]
        for path, written in (
            ("Cancel", inspected.octets.hex()),
            ("Cancel.protocol-version-num", VERSION),
            ("Cancel.transaction-id", TRANSACTION),
            ("Cancel.transaction-id.transaction-qualifier", "a2031b0171"),
            ("Cancel.requester-note", NOTE),
        ):
            assert octets(inspected, path) == written
        note = part(inspected, "Cancel.requester-note")
        assert (note.name, note.value, note.parts) == ("requester-note", GeneralString(b"now"), ())

    def test_elements_of_a_list_are_named_by_their_place(self) -> None:
        kind = part(inspect(encode(REQUEST)), "ILL-Request.iLL-service-type[0]")
        assert (kind.name, kind.value) == ("[0]", ill.ILLServiceType.loan)

    def test_a_default_that_is_not_written(self) -> None:
        defaults_omitted = next(
            one for one in corpus.variants() if "defaults" in one.transformation and one.equal_to is not None
        )
        inspected = inspect(defaults_omitted.octets)
        assert inspected.root is not None
        absent = [one for one in inspected.root.walk() if Form.DEFAULT_ABSENT in one.forms]
        assert absent
        for one in absent:
            assert one.start is one.end is None
            assert one.value is not None
        # In the place that it has in the type: what is written in full has the same parts.
        assert defaults_omitted.equal_to is not None
        assert paths(inspected) == paths(inspect(defaults_omitted.equal_to))

    @pytest.mark.parametrize(
        ("note", "form"),
        [
            ("bf2e801b036e6f770000", Form.INDEFINITE),
            ("bf2e061b81036e6f77", Form.LONG_LENGTH),
            ("bf2e093b0704016e04026f77", Form.SEGMENTED),
        ],
    )
    def test_forms(self, note: str, form: Form) -> None:
        inspected = inspect(cancel(VERSION, TRANSACTION, WHEN, note))
        assert inspected.error is None
        assert part(inspected, "Cancel.requester-note").forms == {form}
        assert part(inspected, "Cancel.requester-note").value == GeneralString(b"now")
        assert part(inspected, "Cancel.transaction-id").forms == frozenset()
        assert part(inspected, "Cancel").forms == frozenset()

    def test_true_in_another_octet(self) -> None:
        data = encode(replace(REQUEST, retry_flag=True))
        flag = part(inspect(data), "ILL-Request.retry-flag")
        assert flag.start is not None
        assert (flag.value, flag.forms) == (True, frozenset())
        other = data[: flag.start + 2] + b"\xff" + data[flag.start + 3 :]
        assert part(inspect(other), "ILL-Request.retry-flag").forms == {Form.TRUE_OCTET}

    def test_what_was_tolerated_stands_at_its_component(self) -> None:
        inspected = inspect(cancel("80020002", TRANSACTION, WHEN, "9f3900", "9f3a00"))
        padded, first, second = inspected.tolerances
        version = part(inspected, "Cancel.protocol-version-num")
        assert version.tolerances == (padded,)
        assert padded.kind is ToleranceKind.PADDED_INTEGER
        assert padded.offset == version.start
        for place, (tolerance, written) in enumerate(((first, "9f3900"), (second, "9f3a00"))):
            unknown = part(inspected, f"Cancel.unknown[{place}]")
            assert unknown.tolerances == (tolerance,)
            assert unknown.value == AnyValue(bytes.fromhex(written))
            assert octets(inspected, unknown.path) == written
        assert part(inspected, "Cancel").tolerances == ()

    def test_broken_rules_stand_at_the_nearest_component_that_is_there(self) -> None:
        no_symbol = ill.SystemId()
        request = replace(REQUEST, requester_id=no_symbol, iLL_service_type=(Unlisted(77),))
        inspected = inspect(encode(request), severities={"unlisted-value": Severity.ERROR})
        assert inspected.findings
        marked = {
            finding.path: one.path
            for one in (inspected.root.walk() if inspected.root is not None else ())
            for finding in one.findings
        }
        assert marked["ILL-Request.requester-id.person-or-institution-symbol"] == "ILL-Request.requester-id"
        assert marked["ILL-Request.iLL-service-type[0]"] == "ILL-Request.iLL-service-type[0]"
        assert len(marked) == len({finding.path for finding in inspected.findings})

    def test_the_parts_of_a_value(self) -> None:
        assert parts_of(REQUEST) == inspect(encode(REQUEST)).root

    def test_a_value_that_is_longer_than_the_default_limits(self) -> None:
        request = apdus.ill_request(title="x" * 300_000)
        assert parts_of(request).value == request

    def test_a_value_that_cannot_be_written(self) -> None:
        with pytest.raises(TypeError, match="protocol-version-num"):
            parts_of(replace(REQUEST, protocol_version_num="2"))  # type: ignore[arg-type]

    def test_a_value_that_is_written_and_cannot_be_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(inspection, "encode", lambda _apdu: b"")
        with pytest.raises(ValueError, match="cannot be read again"):
            parts_of(REQUEST)


def received(external: External) -> Inspection:
    """Give what there is in a Received with an EXTERNAL."""
    return inspect(encode(replace(apdus.received(REQUEST), supplemental_item_description=(external,))))


class TestExtensions:
    EXTERNAL = "Received.supplemental-item-description[0]"

    def test_what_an_extension_says_is_in_it_with_its_place(self) -> None:
        inspected = inspect(encode(REQUEST))
        item = part(inspected, ITEM)
        reference, encoding = item.parts
        assert (reference.name, reference.value) == ("direct-reference", PAID_OID)
        (typed,) = encoding.parts
        assert typed.path == f"{ITEM}.encoding.single-ASN1-type.OCLC-Shipped-Extension"
        assert (typed.name, typed.value, typed.problem) == ("OCLC-Shipped-Extension", PAID, None)
        assert octets(inspected, typed.path) == encode_extension(PAID).hex()
        assert octets(inspected, f"{typed.path}.paymentMethod") == "a0051b03" + b"IFM".hex()
        other = part(
            inspected,
            "ILL-Request.iLL-request-extensions[1].item.encoding.single-ASN1-type"
            ".Suppliers-Reference.supplier-reference",
        )
        assert other.value == GeneralString(b"7741")

    def test_an_unknown_type_is_octets(self) -> None:
        external = External(direct_reference=ObjectIdentifier("1.2.3"), encoding=SingleASN1Type(b"\x05\x00"))
        encoding = part(received(external), f"{self.EXTERNAL}.encoding")
        assert (encoding.value, encoding.parts) == (SingleASN1Type(b"\x05\x00"), ())
        unnamed = replace(external, direct_reference=None, indirect_reference=3)
        assert part(received(unnamed), f"{self.EXTERNAL}.encoding").parts == ()

    def test_octets_that_are_not_of_the_type_they_name(self) -> None:
        external = make_external(PAID)
        broken = bytes.fromhex("3005a103" + "020105")
        inspected = received(replace(external, encoding=SingleASN1Type(broken)))
        assert inspected.error is None
        (typed,) = part(inspected, f"{self.EXTERNAL}.encoding").parts
        assert not typed.complete
        assert typed.problem is not None
        assert typed.problem.path == typed.path
        assert inspected.octets[typed.problem.offset :].startswith(bytes.fromhex("a103020105"))

    def test_the_tolerances_of_a_value_have_offsets_in_the_apdu(self) -> None:
        inspected = received(
            replace(
                make_external(PAID),
                encoding=SingleASN1Type(bytes.fromhex("300a" + "a0051b03" + b"IFM".hex() + "9f3900")),
            )
        )
        (typed,) = part(inspected, f"{self.EXTERNAL}.encoding").parts
        unknown = typed.parts[-1]
        assert unknown.tolerances[0].offset == unknown.start
        assert octets(inspected, unknown.path) == "9f3900"
        # The APDU itself needed none.
        assert inspected.tolerances == ()

    def test_octets_that_are_not_even_an_element(self) -> None:
        inspected = received(replace(make_external(PAID), encoding=OctetAligned(b"\x30\x7f\x00")))
        (typed,) = part(inspected, f"{self.EXTERNAL}.encoding").parts
        assert (typed.name, typed.value, typed.parts) == ("OCLC-Shipped-Extension", None, ())
        assert typed.problem is not None
        assert typed.problem.path == typed.path
        assert octets(inspected, typed.path) == "307f00"

    def test_an_octet_aligned_encoding(self) -> None:
        inspected = received(replace(make_external(PAID), encoding=OctetAligned(encode_extension(PAID))))
        (typed,) = part(inspected, f"{self.EXTERNAL}.encoding").parts
        assert typed.value == PAID
        assert octets(inspected, typed.path) == encode_extension(PAID).hex()

    @pytest.mark.parametrize("broken", [False, True])
    def test_encodings_whose_octets_are_not_in_one_place(self, *, broken: bool) -> None:
        value = b"\x30\x00\x00" if broken else encode_extension(PAID)
        written = tlv("a1", tlv("04", value[:2].hex()), tlv("04", value[2:].hex()))
        oid = (
            "06"
            + encode(
                replace(
                    apdus.received(REQUEST),
                    supplemental_item_description=(make_external(PAID),),
                )
            )
            .hex()
            .partition("06")[2]
        )
        del oid
        external = External(direct_reference=PAID_OID, encoding=OctetAligned(value))
        data = encode(replace(apdus.received(REQUEST), supplemental_item_description=(external,)))
        plain = tlv("81", value.hex())
        segmented = lengthened(data, bytes.fromhex(plain), bytes.fromhex(written))
        inspected = inspect(segmented)
        (typed,) = part(inspected, f"{self.EXTERNAL}.encoding").parts
        assert typed.start is typed.end is None
        assert (typed.value == PAID, typed.problem is None) == (not broken, not broken)
        assert Form.SEGMENTED in part(inspected, f"{self.EXTERNAL}.encoding").forms
        inspected = received(replace(external, encoding=Arbitrary(BitString(value))))
        (typed,) = part(inspected, f"{self.EXTERNAL}.encoding").parts
        assert typed.start is None
        assert (typed.value == PAID) == (not broken)

    def test_an_any_that_only_looks_like_an_external(self) -> None:
        for item in ("2800", "0500"):
            request = replace(
                REQUEST,
                iLL_request_extensions=(ill.Extension(identifier=1, item=AnyValue(bytes.fromhex(item))),),
            )
            assert part(inspect(encode(request)), ITEM).parts == ()


def lengthened(data: bytes, old: bytes, new: bytes) -> bytes:
    """Replace an element, and make the lengths around it indefinite so that they fit."""
    assert data.count(old) == 1
    place = data.index(old)

    def rewritten(element: elements.Element) -> bytes:
        if element.start == place and element.end == place + len(old):
            return new
        if not (element.start < place < element.end):
            return data[element.start : element.end]
        inner = b"".join(map(rewritten, element.children))
        identifier = data[element.start : element.start + (2 if data[element.start] & 0x1F == 0x1F else 1)]
        return identifier + b"\x80" + inner + bytes(2)

    return rewritten(elements.scan(data, Limits()))


class TestBroken:
    def test_what_was_whole_is_as_in_the_whole(self) -> None:
        data = encode(REQUEST)
        whole = {one.path: one for one in inspect(data).root.walk()}  # type: ignore[union-attr]
        counts = []
        for size in range(len(data)):
            inspected = inspect(data[:size])
            assert inspected.error is not None
            assert inspected.stop is not None
            assert inspected.stop.reason is None
            assert inspected.stop.offset <= size
            assert inspected.stop.path in whole or inspected.root is None
            read = [] if inspected.root is None else [one for one in inspected.root.walk() if one.complete]
            for one in read:
                assert one.start is not None
                assert one.value == whole[one.path].value
                assert one.end is not None
                assert one.end <= size
            counts.append(len(read))
        assert counts == sorted(counts)
        assert counts[-1] > 25

    def test_a_type_that_is_wrong(self) -> None:
        inspected = inspect(cancel(VERSION, tlv("a1", "a2031b0171"), WHEN, NOTE))
        assert inspected.error is not None
        assert inspected.stop == Stop(offset=inspected.error.offset, path="Cancel.transaction-id")
        assert part(inspected, "Cancel.protocol-version-num").value == 2
        assert not part(inspected, "Cancel.transaction-id").complete
        assert "Cancel.service-date-time" not in paths(inspected)

    def test_a_type_that_is_wrong_before_the_octets_fail(self) -> None:
        data = cancel("8000", TRANSACTION, WHEN, NOTE)[:-1]
        inspected = inspect(data)
        assert inspected.error is not None
        assert "truncated" in inspected.error.reason
        assert inspected.stop is not None
        assert inspected.stop.path == "Cancel.protocol-version-num"
        assert inspected.stop.offset == 4
        assert inspected.stop.reason is not None

    def test_octets_after_the_apdu(self) -> None:
        data = cancel(VERSION, TRANSACTION, WHEN)
        inspected = inspect(data + b"\x00")
        assert inspected.root is not None
        assert inspected.root.complete
        assert inspected.stop == Stop(offset=len(data), path="")

    @pytest.mark.parametrize("data", ["", "00", "47455420", "60", "7f", "7f3a0230003100", "0500", "6100"])
    def test_nothing_that_is_an_apdu(self, data: str) -> None:
        inspected = inspect(bytes.fromhex(data))
        assert inspected.error is not None
        assert inspected.stop is not None
        assert inspected.stop.offset == inspected.error.offset or inspected.stop.offset <= len(data) // 2

    def test_the_tag_of_no_apdu(self) -> None:
        inspected = inspect(bytes.fromhex("7e023000"))
        assert inspected.root is None
        assert inspected.stop == Stop(offset=0, path="")

    @pytest.mark.parametrize(
        ("note", "offset"),
        [
            ("bf2e051b046e6f77", 3),  # the string ends after the tag that it is in
            ("bf2e051b036e6f7700", 8),  # end of contents in a definite length
            ("bf2e801b036e6f770001", 9),  # not the end of contents
            ("bf2e801b036e6f7700", 9),  # half of it
            ("bf2e801b036e6f77", 9),  # none of it
            ("bf2e051bff6e6f77", 3),  # the reserved length
            ("bf2e0100", 3),
            ("bf2e021b81", 3),
        ],
    )
    def test_elements_that_are_broken(self, note: str, offset: int) -> None:
        before = cancel(VERSION, TRANSACTION, WHEN, note)
        start = before.index(bytes.fromhex("bf2e"))
        inspected = inspect(before)
        assert inspected.error is not None
        assert inspected.stop is not None
        assert inspected.stop.offset in (start, start + offset, start + offset - 1)
        assert part(inspected, "Cancel.service-date-time").complete
        assert "Cancel" not in [one.path for one in inspected.root.walk() if one.complete]  # type: ignore[union-attr]

    def test_indefinite_lengths_are_read_up_to_where_the_octets_end(self) -> None:
        data = cancel(VERSION, TRANSACTION, WHEN, NOTE)
        number = f"{data[0]:02x}"
        whole = bytes.fromhex(number + "80" + "3080" + data[4:].hex() + "0000" + "0000")
        assert inspect(whole).error is None
        assert Form.INDEFINITE in part(inspect(whole), "Cancel").forms
        for missing in range(1, 5):
            inspected = inspect(whole[:-missing])
            assert inspected.error is not None
            assert part(inspected, "Cancel.requester-note").value == GeneralString(b"now")
            assert not part(inspected, "Cancel").complete

    @pytest.mark.parametrize(
        ("limits", "offset"),
        [
            (Limits(max_octets=20), 19),
            (Limits(max_elements=4), 9),
            (Limits(max_depth=2), 7),
            (Limits(max_string_octets=4), 23),
        ],
    )
    def test_limits(self, limits: Limits, offset: int) -> None:
        inspected = inspect(cancel(VERSION, TRANSACTION, WHEN, NOTE), limits)
        assert inspected.error is not None
        assert inspected.stop is not None
        assert inspected.stop.offset == offset
        assert part(inspected, "Cancel.protocol-version-num").complete

    def test_deep_nesting_in_an_extension_is_no_recursion_without_end(self) -> None:
        # SupplementalClientInfo holds itself.
        octets_of_it = b""
        for _ in range(2_000):
            octets_of_it = (
                elements.header(TagClass.UNIVERSAL, 16, constructed=True, length=len(octets_of_it))
                + octets_of_it
            )
        external = External(
            direct_reference=ObjectIdentifier("1.0.10161.13.4"), encoding=OctetAligned(octets_of_it)
        )
        data = encode(replace(apdus.received(REQUEST), supplemental_item_description=(external,)))
        inspected = inspect(data, Limits(max_depth=5_000))
        assert inspected.error is None
        (typed,) = part(inspected, "Received.supplemental-item-description[0].encoding").parts
        assert typed.problem is not None
        assert "nested" in typed.problem.reason


class TestSecondOpinion:
    def test_it_reads_the_same(self) -> None:
        assert second_opinion(encode(REQUEST)) == REQUEST

    def test_what_is_no_apdu(self) -> None:
        with pytest.raises(WireError, match="APPLICATION 20"):
            second_opinion(bytes.fromhex("7e023000"))
        with pytest.raises(WireError, match="truncated"):
            second_opinion(encode(REQUEST)[:-1])
        with pytest.raises(WireError, match="mandatory"):
            second_opinion(cancel(VERSION))

    def test_what_pyasn1_raises_is_one_error_without_the_octets(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise IndexError("the title was The Penelopiad")

        monkeypatch.setattr(reference, "read", refuse)
        with pytest.raises(WireError, match="pyasn1 refuses the contents with IndexError") as caught:
            second_opinion(encode(REQUEST))
        assert "Penelopiad" not in str(caught.value)
