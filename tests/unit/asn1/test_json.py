"""JSON: the names, the strictness, and what the errors say."""

import json
from typing import Any

import pytest

from asn1.codec import decode, encode
from asn1.json import JsonError, dumps, from_json, loads, to_json
from asn1.schema import EDIFACTString, GeneralString

CANCEL: dict[str, Any] = {
    "protocol-version-num": 2,
    "transaction-id": {
        "transaction-group-qualifier": {"general-string": "g"},
        "transaction-qualifier": {"edifact-string": "q"},
    },
    "service-date-time": {"date-time-of-this-service": {"date": "20261122"}},
}
EXTENSION = {"identifier": 1, "critical": True, "item": {"hex": "0500"}}
RECEIVED = {
    **CANCEL,
    "date-received": "20261122",
    "shipped-service-type": "copy-non-returnable",
}


def received(**encoding: Any) -> dict[str, Any]:
    """Give a Received with one EXTERNAL."""
    external = {name.replace("_", "-"): value for name, value in encoding.items()}
    return {"Received": {**RECEIVED, "supplemental-item-description": [external]}}


ROUND_TRIPS: list[dict[str, Any]] = [
    {"Cancel": CANCEL},
    {"Cancel": {**CANCEL, "requester-note": {"general-string": "Étude \u0007 \u2028 \U0001f4da"}}},
    {"Cancel": {**CANCEL, "requester-note": {"general-string": {"hex": "ff00"}}}},
    {"Cancel": {**CANCEL, "requester-note": {"edifact-string": {"hex": "c3"}}}},
    {"Cancel": {**CANCEL, "cancel-extensions": []}},
    {"Cancel": {**CANCEL, "cancel-extensions": [EXTENSION, {**EXTENSION, "identifier": 2**64}]}},
    {"Damaged": {**CANCEL, "damaged-details": {"damaged-portion": {"complete-document": None}}}},
    {"Damaged": {**CANCEL, "damaged-details": {"damaged-portion": {"specific-units": [1, 2]}}}},
    {"Received": {**RECEIVED, "shipped-service-type": 77}},
    received(encoding={"octet-aligned": {"hex": "00ff"}}),
    received(direct_reference="1.2.3", encoding={"single-ASN1-type": {"hex": "30800000"}}),
    received(indirect_reference=-1, encoding={"arbitrary": {"hex": "f8", "unused-bits": 3}}),
    received(data_value_descriptor={"hex": "616263"}, encoding={"octet-aligned": {"hex": ""}}),
]


@pytest.mark.parametrize("obj", ROUND_TRIPS)
def test_nothing_is_lost(obj: dict[str, Any]) -> None:
    apdu = from_json(obj)
    assert to_json(apdu) == obj
    assert loads(dumps(apdu)) == apdu
    assert loads(dumps(apdu, indent=2).encode()) == apdu
    assert to_json(decode(encode(apdu))) == obj


def test_default_components_may_be_left_out_and_are_written() -> None:
    left_out = {name: value for name, value in EXTENSION.items() if name != "critical"}
    apdu = from_json({"Cancel": {**CANCEL, "cancel-extensions": [left_out]}})
    assert to_json(apdu)["Cancel"]["cancel-extensions"][0]["critical"] is False


def test_unused_bits_may_be_left_out() -> None:
    apdu = from_json(received(encoding={"arbitrary": {"hex": "f8"}}))
    external = to_json(apdu)["Received"]["supplemental-item-description"][0]
    assert external["encoding"]["arbitrary"] == {"hex": "f8", "unused-bits": 0}


def test_the_text_of_an_ill_string_is_for_people() -> None:
    assert GeneralString.from_text("Étude").text == "Étude"
    assert EDIFACTString(b"\xc9tude").text == "Étude"


def test_the_text_is_printable_ascii() -> None:
    note = {"general-string": "\x1b[31m\x7f\x9b\u202e"}
    text = dumps(from_json({"Cancel": {**CANCEL, "requester-note": note}}))
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)["Cancel"]["requester-note"] == note


WRONG: list[tuple[Any, str, str]] = [
    (None, "the top level", "an object expected, not null"),
    ({}, "the top level", "exactly one of ILL-Request, Forward-Notification"),
    ({"Cancell": CANCEL}, "the top level", "unknown name 'Cancell', did you mean 'Cancel'?"),
    ({"Cancel": []}, "Cancel", "an object expected, not an array"),
    ({"Cancel": {}}, "Cancel", "the mandatory 'protocol-version-num' is missing"),
    ({"Cancel": {**CANCEL, "requester-notes": 1}}, "Cancel", "did you mean 'requester-note'?"),
    ({"Cancel": {**CANCEL, "zzz": 1}}, "Cancel", "unknown name 'zzz': one of cancel-extensions, "),
    (
        {"Cancel": {**CANCEL, "protocol-version-num": True}},
        "Cancel.protocol-version-num",
        "not true or false",
    ),
    (
        {"Cancel": {**CANCEL, "protocol-version-num": 2.0}},
        "Cancel.protocol-version-num",
        "a whole number expected",
    ),
    ({"Cancel": {**CANCEL, "protocol-version-num": 2**2047}}, "Cancel.protocol-version-num", "256 octets"),
    (
        {"Cancel": {**CANCEL, "requester-note": "x"}},
        "Cancel.requester-note",
        "an object expected, not a string",
    ),
    ({"Cancel": {**CANCEL, "requester-note": {}}}, "Cancel.requester-note", "exactly one of general-string"),
    (
        {"Cancel": {**CANCEL, "requester-note": {"general-string": 1}}},
        "Cancel.requester-note.general-string",
        'a string or {"hex": "..."} expected, not a number',
    ),
    (
        {"Cancel": {**CANCEL, "requester-note": {"general-string": "\ud800"}}},
        "Cancel.requester-note.general-string",
        "half of a surrogate pair",
    ),
    (
        {"Cancel": {**CANCEL, "requester-note": {"general-string": {}}}},
        "Cancel.requester-note.general-string",
        '{"hex": "..."} expected',
    ),
    (
        {"Cancel": {**CANCEL, "requester-note": {"general-string": {"hex": "0"}}}},
        "Cancel.requester-note.general-string.hex",
        "an even number of hexadecimal digits",
    ),
    (
        {"Cancel": {**CANCEL, "cancel-extensions": [EXTENSION, {**EXTENSION, "item": {"hex": "05"}}]}},
        "Cancel.cancel-extensions[1].item",
        "not one BER element",
    ),
    (
        {"Cancel": {**CANCEL, "cancel-extensions": [{**EXTENSION, "critical": 0}]}},
        "Cancel.cancel-extensions[0].critical",
        "true or false expected, not a number",
    ),
    (
        {"Damaged": {**CANCEL, "damaged-details": {"damaged-portion": {"complete-document": True}}}},
        "Damaged.damaged-details.damaged-portion.complete-document",
        "null expected, not true or false",
    ),
    ({"Received": {**RECEIVED, "date-received": "\u0100"}}, "Received.date-received", "above U+00FF"),
    (
        {"Received": {**RECEIVED, "shipped-service-type": "lone"}},
        "Received.shipped-service-type",
        "'lone' is none of loan, copy-non-returnable, ",
    ),
    ({"Received": {**RECEIVED, "shipped-service-type": 1}}, "Received.shipped-service-type", "as its name"),
    ({"Received": {**RECEIVED, "shipped-service-type": 0}}, "Received.shipped-service-type", "from 1 to"),
    ({"Received": {**RECEIVED, "shipped-service-type": None}}, "Received.shipped-service-type", "not null"),
    ({"Received": {**RECEIVED, "shipped-service-type": True}}, "Received.shipped-service-type", "not true"),
    (received(), "Received.supplemental-item-description[0]", "the mandatory 'encoding' is missing"),
    (
        received(direct_reference="1.x", encoding={"octet-aligned": {"hex": ""}}),
        "Received.supplemental-item-description[0].direct-reference",
        "'1.x' is no object identifier",
    ),
    (
        received(encoding={"arbitrary": {"hex": "ff", "unused-bits": 1}}),
        "Received.supplemental-item-description[0].encoding.arbitrary.unused-bits",
        "0 to 7 unused bits",
    ),
]


@pytest.mark.parametrize(("obj", "path", "reason"), WRONG)
def test_what_is_no_apdu_is_refused_with_its_place(obj: Any, path: str, reason: str) -> None:
    with pytest.raises(JsonError) as caught:
        from_json(obj)
    assert (caught.value.path or "the top level") == path
    assert reason in caught.value.reason
    assert str(caught.value) == f"{path}: {caught.value.reason}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ('{"Cancel": {"note": 1, "note": 2}}', "'note' is given twice in one object"),
        ("[" * 100_000, "no JSON"),
        ("1" * 5_000, "no JSON"),
        (b"\xff", "no JSON"),
    ],
)
def test_what_is_no_json_is_refused(text: str | bytes, reason: str) -> None:
    with pytest.raises(JsonError, match=reason):
        loads(text)
