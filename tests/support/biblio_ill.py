"""Writes APDUs as the Perl library Biblio::ILL::ISO does, by the three rules that explain all its messages.

Its tool tags IMPLICIT by default, and its module says EXPLICIT of types instead of tags. From that follows:

1. The SEQUENCE within the APPLICATION tag is missing, but in ILL-Request, which is right.
2. The types that the module calls `EXPLICIT SEQUENCE` have a SEQUENCE of their own within their tag.
3. A tag that is explicit in the standard is implicit, except around a CHOICE or an ANY, where it cannot be.

Shares the schema with the codec, and what writes the contents of simple types.
"""

from typing import Any, Final

from asn1.codec import encode_value
from asn1.elements import Limits, header, scan
from asn1.ill import ILLApdu, ILLRequest
from asn1.schema import (
    AnyValue,
    Choice,
    EDIFACTString,
    External,
    GeneralString,
    Primitive,
    Sequence,
    SequenceOf,
    Tag,
    TagClass,
    Tagging,
    Type,
    describe,
)
from asn1.tags import universal_number

#: The types that the Perl module declares `EXPLICIT SEQUENCE`, by the names of our classes.
_EXPLICIT_SEQUENCES: Final = frozenset(
    {
        "AlreadyForwarded",
        "ConditionalResults",
        "DamagedDetails",
        "DateDue",
        "DocumentType",
        "EDeliveryService",
        "ElectronicDeliveryService",
        "ErrorReport",
        "EstimateResults",
        "HistoryReport",
        "HoldPlacedResults",
        "LocationInfo",
        "LocationsResults",
        "ResponderOptionalMessagesType",
        "RetryResults",
        "StateTransitionProhibited",
        "StatusReport",
        "SupplyDetails",
        "SupplyMediumInfoType",
        "UnfilledResults",
        "UnitsPerMediumType",
        "WillSupplyResults",
    }
)


def written_by_biblio_ill(apdu: ILLApdu) -> bytes:
    """Give the octets that the library would send."""
    components = _components(apdu)
    if isinstance(apdu, ILLRequest):
        components = _sequence(components)
    return _headed(components, apdu.apdu_tag, constructed=True)


def _components(value: Sequence) -> bytes:
    return b"".join(
        _element(component.wire_type, component.tag, member)
        for component in describe(type(value))
        if (member := getattr(value, component.attribute)) is not None
    )


def _element(wire_type: Type, tag: Tag | None, value: Any) -> bytes:
    match value:
        case Choice():
            attribute, chosen = value.chosen
            alternative = next(one for one in describe(type(value)) if one.attribute == attribute)
            return _wrapped(_element(alternative.wire_type, alternative.tag, chosen), tag)
        case AnyValue():
            return _wrapped(value.octets, tag)
        case External():
            # Its components are commented out in the Perl module: they stay as the standard has them.
            contents = _contents(wire_type, value)
            if tag is not None and tag.tagging is Tagging.IMPLICIT:
                return _headed(contents, tag, constructed=True)
            return _wrapped(_headed(contents, _own(wire_type), constructed=True), tag)
        case GeneralString() | EDIFACTString():
            return _wrapped(_string(value), tag)
        case Sequence():
            contents = _components(value)
            if type(value).__name__ in _EXPLICIT_SEQUENCES:
                contents = _sequence(contents)
            return _headed(contents, tag or _own(wire_type), constructed=True)
        case tuple():
            assert isinstance(wire_type, SequenceOf)
            contents = b"".join(_element(wire_type.element, None, member) for member in value)
            return _headed(contents, tag or _own(wire_type), constructed=True)
        case _:
            return _headed(_contents(wire_type, value), tag or _own(wire_type), constructed=False)


def _contents(wire_type: Type, value: Any) -> bytes:
    """Give what has no types of the module in it as the standard has it; TRUE is ff there."""
    if value is True:
        return b"\xff"
    octets = encode_value(value, wire_type)
    root = scan(octets, Limits())
    return octets[root.content : root.content_end]


def _string(value: GeneralString | EDIFACTString) -> bytes:
    primitive = Primitive.GENERAL_STRING if isinstance(value, GeneralString) else Primitive.VISIBLE_STRING
    return _headed(value.octets, _own(primitive), constructed=False)


def _wrapped(element: bytes, tag: Tag | None) -> bytes:
    return element if tag is None else _headed(element, tag, constructed=True)


def _sequence(contents: bytes) -> bytes:
    return _headed(contents, Tag(16, Tagging.IMPLICIT, TagClass.UNIVERSAL), constructed=True)


def _own(wire_type: Type) -> Tag:
    return Tag(universal_number(wire_type), Tagging.IMPLICIT, TagClass.UNIVERSAL)


def _headed(contents: bytes, tag: Tag, *, constructed: bool) -> bytes:
    return header(tag.tag_class, tag.number, constructed=constructed, length=len(contents)) + contents
