"""Hypothesis strategies for values of the abstract syntax, built from the schema."""

from typing import Any

from hypothesis import strategies as st

from asn1 import ill
from asn1.bounds import MAX_ENUMERATED
from asn1.elements import header
from asn1.schema import (
    NULL,
    AnyValue,
    Arbitrary,
    BitString,
    Choice,
    Component,
    EDIFACTString,
    Enumerated,
    External,
    GeneralString,
    ObjectIdentifier,
    OctetAligned,
    Primitive,
    Sequence,
    SequenceOf,
    SingleASN1Type,
    TagClass,
    Type,
    Unlisted,
    describe,
)

_OCTETS = st.binary(max_size=12)
_TEXT = st.text(max_size=12).map(lambda text: text.encode("utf-8")) | _OCTETS
_LATIN_1 = st.text(st.characters(max_codepoint=0xFF), max_size=12)
_ARC = st.integers(0, 2**128)
_OBJECT_IDENTIFIERS = st.builds(
    lambda root, second, rest: ObjectIdentifier(".".join(map(str, (root, second, *rest)))),
    st.integers(0, 1),
    st.integers(0, 39),
    st.lists(_ARC, max_size=3),
) | st.builds(lambda second, last: ObjectIdentifier(f"2.{second}.{last}"), _ARC, _ARC)
_INTEGERS = st.integers(-(2**70), 2**70) | st.sampled_from([0, 1, 127, 128, -1, -128, -129, 2**63, -(2**63)])


@st.composite
def elements(draw: st.DrawFn, depth: int = 2) -> bytes:
    """Give the octets of one BER element of any tag, also of indefinite length."""
    tag_class = draw(st.sampled_from(TagClass))
    number = draw(st.integers(1, 2**28 - 1) | st.integers(1, 40))
    if depth == 0 or draw(st.booleans()):
        contents = draw(_OCTETS)
        return header(tag_class, number, constructed=False, length=len(contents)) + contents
    contents = b"".join(draw(st.lists(elements(depth - 1), max_size=3)))
    definite = header(tag_class, number, constructed=True, length=len(contents)) + contents
    if draw(st.booleans()):
        return definite
    return header(tag_class, number, constructed=True, length=0)[:-1] + b"\x80" + contents + b"\0\0"


@st.composite
def _bit_strings(draw: st.DrawFn) -> BitString:
    octets = draw(_OCTETS)
    if not octets:
        return BitString(octets)
    unused = draw(st.integers(0, 7))
    return BitString(octets[:-1] + bytes([octets[-1] >> unused << unused]), unused)


_EXTERNALS = st.builds(
    External,
    direct_reference=st.none() | _OBJECT_IDENTIFIERS,
    indirect_reference=st.none() | _INTEGERS,
    data_value_descriptor=st.none() | _OCTETS,
    encoding=st.builds(SingleASN1Type, elements())
    | st.builds(OctetAligned, _OCTETS)
    | st.builds(Arbitrary, _bit_strings()),
)

_PRIMITIVES: dict[Primitive, st.SearchStrategy[Any]] = {
    Primitive.BOOLEAN: st.booleans(),
    Primitive.INTEGER: _INTEGERS,
    Primitive.NULL: st.just(NULL),
    Primitive.OBJECT_IDENTIFIER: _OBJECT_IDENTIFIERS,
    Primitive.EXTERNAL: _EXTERNALS,
    Primitive.ANY: st.builds(AnyValue, elements()),
    Primitive.OCTET_STRING: _OCTETS,
    Primitive.GENERAL_STRING: _TEXT,
    Primitive.PRINTABLE_STRING: _LATIN_1,
    Primitive.VISIBLE_STRING: _LATIN_1,
}

_STRATEGIES: dict[Type, st.SearchStrategy[Any]] = {}

_STRINGS = st.builds(GeneralString, _TEXT) | st.builds(EDIFACTString, _TEXT)


def apdus() -> st.SearchStrategy[ill.ILLApdu]:
    """Give values of all twenty APDUs, of any size and in any range that the codec carries."""
    return st.sampled_from(ill.APDUS).flatmap(values_of)


def values_of(wire_type: Type) -> st.SearchStrategy[Any]:
    """Give values of one type, of any size and in any range that the codec carries."""
    # Made once each: hypothesis sees the recursion of a type only where the strategy is the same object.
    if wire_type not in _STRATEGIES:
        _STRATEGIES[wire_type] = _made(wire_type)
    return _STRATEGIES[wire_type]


def _made(wire_type: Type) -> st.SearchStrategy[Any]:
    match wire_type:
        case Primitive():
            return _PRIMITIVES[wire_type]
        case tuple():
            return _STRINGS
        case SequenceOf():
            return st.lists(st.deferred(lambda: values_of(wire_type.element)), max_size=2).map(tuple)
        case type() if issubclass(wire_type, Enumerated):
            listed = {member.value for member in wire_type}
            unlisted = st.integers(1, MAX_ENUMERATED).filter(lambda number: number not in listed)
            return st.sampled_from(wire_type) | unlisted.map(Unlisted)
        case type() if issubclass(wire_type, Choice):
            return st.sampled_from(describe(wire_type)).flatmap(
                lambda component: values_of(component.wire_type).map(
                    lambda value: wire_type(**{component.attribute: value})
                )
            )
        case _:
            return _sequences(wire_type)


def _sequences(sequence: type[Sequence]) -> st.SearchStrategy[Any]:
    return st.builds(
        sequence, **{component.attribute: _component(component) for component in describe(sequence)}
    )


def _component(component: Component) -> st.SearchStrategy[Any]:
    values = st.deferred(lambda: values_of(component.wire_type))
    return st.none() | values if component.optional else values
