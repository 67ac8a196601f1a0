"""Our values in the form of a reading, to be compared with the corpus and with what libyaz reads.

It goes by the values and not by the schema from which the codec works, so that a mistake there is not made
here a second time.
"""

from dataclasses import fields
from enum import IntEnum
from typing import Any, Final

from asn1.ill import DamagedPortion, EDeliveryDetails, ResultsExplanation, ShippedVia
from asn1.schema import (
    UNKNOWN,
    AnyValue,
    Apdu,
    Arbitrary,
    Choice,
    EDIFACTString,
    External,
    GeneralString,
    Null,
    OctetAligned,
    Sequence,
    SingleASN1Type,
    Unlisted,
)
from tests.support.corpus import Reading

#: CHOICEs without a name of their own: libyaz holds the alternative in the structure around them.
_WITHIN: Final = (EDeliveryDetails, ShippedVia, ResultsExplanation, DamagedPortion)

#: Components that libyaz gives a structure of their own, with the elements in it.
_WITH_ELEMENTS: Final = frozenset(
    {
        "already_tried_list",
        "electronic_delivery",
        "overdue_extensions",
        "send_to_list",
        "specific_units",
        "supplemental_item_description",
    }
)

#: Where libyaz does not spell an APDU as the standard does.
_SPELLINGS: Final = {"ILL-Request": "illRequest", "ILL-Answer": "illAnswer"}


def reading_of(apdu: Apdu) -> Reading:
    """Give an APDU in the form that tests/corpus/README.md describes."""
    name = _SPELLINGS.get(apdu.asn1_name, apdu.asn1_name.replace("-", "_"))
    return {"u": {name: _value(apdu)}}


def _value(value: object) -> Any:
    match value:
        case Sequence():
            return _members(value)
        case Choice():
            return _choice(value)
        case GeneralString() | EDIFACTString():
            return {"u": {type(value).__name__: value.octets.decode("latin-1")}}
        case External():
            return _external(value)
        case AnyValue():
            return {"any": value.octets.hex()}
        case Null():
            return None
        case Unlisted():
            return value.value
        case IntEnum():
            return int(value)
        case bool() | int() | str():
            return value
        case _:
            raise AssertionError(f"a value of the abstract syntax has type {type(value).__name__}")


def _members(sequence: Sequence) -> Reading:
    members: Reading = {}
    for field in fields(sequence):
        value = getattr(sequence, field.name)
        if value is None or field.name == UNKNOWN:  # what came after the components is nothing to libyaz
            continue
        if isinstance(value, _WITHIN):
            members |= _choice(value)
        else:
            members[field.name] = _member(field.name, value)
    return members


def _choice(choice: Choice) -> Reading:
    name, value = choice.chosen
    return {"u": {name: _member(name, value)}}


def _member(name: str, value: object) -> Any:
    if not isinstance(value, tuple):
        return _value(value)
    elements = [_value(element) for element in value]
    return {"elements": elements} if name in _WITH_ELEMENTS else elements


def _external(external: External) -> Reading:
    reading: Reading = {}
    if external.direct_reference is not None:
        reading["direct_reference"] = external.direct_reference
    if external.indirect_reference is not None:
        reading["indirect_reference"] = external.indirect_reference
    if external.data_value_descriptor is not None:
        reading["descriptor"] = external.data_value_descriptor.decode("latin-1")
    match external.encoding:
        case SingleASN1Type(octets):
            reading["single_ASN1_type"] = {"any": octets.hex()}
        case OctetAligned(octets):
            reading["octet_aligned"] = {"octets": octets.hex()}
        case Arbitrary(bits):
            reading["arbitrary"] = {"bits": bits.octets.hex()}
    return reading
