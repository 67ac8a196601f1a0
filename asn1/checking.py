"""Whether a value is one that the schema allows, and if not, which component of it is not, and why.

`asn1.writers` write values without saying what is wrong with those that it cannot write. This says it.
"""

from typing import Any

from asn1.bounds import is_unlisted
from asn1.contents import write_bit_string, write_integer, write_object_identifier
from asn1.elements import is_element
from asn1.schema import (
    EXTERNAL_COMPONENTS,
    AnyValue,
    Arbitrary,
    BitString,
    Choice,
    Component,
    EDIFACTString,
    Enumerated,
    External,
    GeneralString,
    Null,
    OctetAligned,
    Primitive,
    Sequence,
    SequenceOf,
    SingleASN1Type,
    Type,
    Unlisted,
    describe,
)
from asn1.tags import is_unknown_of


def check(wire_type: Type, value: Any, path: str) -> None:
    """Hold a value to its type.

    Args:
        wire_type: the type.
        value: what should be a value of it.
        path: its name, for the message.

    Raises:
        TypeError: it, or a component, is a value of another type.
        ValueError: it, or a component, is a value that its type does not have.
    """
    match wire_type:
        case Primitive.EXTERNAL:
            _expect(External, value, path)
            _check_components(EXTERNAL_COMPONENTS, value, path)
        case Primitive():
            _check_primitive(wire_type, value, path)
        case SequenceOf():
            _expect(tuple, value, path)
            for place, member in enumerate(value):
                check(wire_type.element, member, f"{path}[{place}]")
        case tuple():
            _check_alternative(wire_type, value, path)
        case type() if issubclass(wire_type, Choice):
            _expect(wire_type, value, path)
            attribute, chosen = value.chosen
            component = next(one for one in describe(wire_type) if one.attribute == attribute)
            check(component.wire_type, chosen, f"{path}.{component.name}")
        case type() if issubclass(wire_type, Enumerated):
            _check_enumerated(wire_type, value, path)
        case _:
            _expect(wire_type, value, path)
            _check_components(describe(wire_type), value, path)
            _check_unknown(wire_type, value, path)


def _check_components(components: tuple[Component, ...], value: Any, path: str) -> None:
    for component in components:
        member = getattr(value, component.attribute)
        inner = f"{path}.{component.name}"
        if member is not None:
            check(component.wire_type, member, inner)
        elif not component.optional:
            raise TypeError(f"{inner} is mandatory, not None")


def _check_unknown(cls: type[Sequence], value: Sequence, path: str) -> None:
    if not is_unknown_of(cls, value.unknown):
        raise ValueError(
            f"{path}: unknown is a tuple of elements under context tags that the type does not have"
        )


def _check_alternative(alternatives: tuple[Component, ...], value: Any, path: str) -> None:
    """Hold a value to a CHOICE without a class, whose alternatives have classes of their own."""
    for alternative in alternatives:
        if type(value) is (alternative.python_type or bytes):
            inner = f"{path}.{alternative.name}"
            match value:
                case GeneralString() | EDIFACTString() | OctetAligned():
                    _expect(bytes, value.octets, inner)
                case SingleASN1Type():
                    check(Primitive.ANY, AnyValue(value.octets), inner)
                case Arbitrary():
                    check(alternative.wire_type, value.bits, inner)
                case _:
                    check(alternative.wire_type, value, inner)
            return
    raise TypeError(f"{path}: {type(value).__name__} is no alternative")


def _check_primitive(primitive: Primitive, value: Any, path: str) -> None:
    try:
        match primitive:
            case Primitive.BOOLEAN:
                _expect(bool, value, path)
            case Primitive.INTEGER:
                _expect(int, value, path)
                write_integer(value)
            case Primitive.BIT_STRING:
                _expect(BitString, value, path)
                _expect(bytes, value.octets, path)
                _expect(int, value.unused, path)
                write_bit_string(value)
            case Primitive.NULL:
                _expect(Null, value, path)
            case Primitive.OBJECT_IDENTIFIER:
                _expect(str, value, path)
                write_object_identifier(value)
            case Primitive.ANY:
                _expect(AnyValue, value, path)
                _check_element(value.octets, path)
            case Primitive.PRINTABLE_STRING | Primitive.VISIBLE_STRING:
                _expect(str, value, path)
                value.encode("latin-1")
            case _:  # the strings of octets; EXTERNAL has components and does not come here
                _expect(bytes, value, path)
    except UnicodeEncodeError:
        raise ValueError(f"{path}: a character that latin-1 does not have") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _check_element(octets: object, path: str) -> None:
    if not isinstance(octets, bytes):
        raise TypeError(f"{path}: bytes expected, not {type(octets).__name__}")
    if not is_element(octets):
        raise ValueError("the octets are not one BER element")


def _check_enumerated(listed: type[Enumerated], value: object, path: str) -> None:
    match value:
        case Unlisted(number):
            if type(number) is not int or not is_unlisted(listed, number):
                raise ValueError(f"{path}: {number!r} cannot be an unlisted value of {listed.__name__}")
        case _:
            _expect(listed, value, path)


def _expect(expected: type, value: object, path: str) -> None:
    if type(value) is not expected:
        raise TypeError(f"{path}: {expected.__name__} expected, not {type(value).__name__}")
