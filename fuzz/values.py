"""Values of any type of the schema, made by chance: seeds that have what the corpus does not."""

import random
from collections.abc import Iterator
from typing import Any, cast

from asn1 import extensions, ill
from asn1.codec import encode, encode_value
from asn1.schema import (
    NULL,
    AnyValue,
    BitString,
    Choice,
    EDIFACTString,
    Enumerated,
    External,
    GeneralString,
    ObjectIdentifier,
    OctetAligned,
    Primitive,
    SequenceOf,
    SingleASN1Type,
    Type,
    describe,
)

_SOME = (b"", b"x", b"20261122", b"120000", b"Universit\xc3\xa9", b" padded ", b"a" * 130)
_ELEMENTS = (
    bytes.fromhex("0500"),
    bytes.fromhex("020101"),
    bytes.fromhex("30031b0178"),
    bytes.fromhex("308004000000"),
    bytes.fromhex("1b0474657874"),
)


def values(seed: int, each: int) -> Iterator[bytes]:
    """Give values of every registered extension, `each` of them, in BER."""
    chance = random.Random(seed)  # noqa: S311 - choices of a fuzzer
    for kind in extensions.EXTENSIONS.values():
        wire_type = extensions.wire_type_of(kind)
        for _ in range(each):
            yield encode_value(_value(wire_type, chance, 0), wire_type)


def apdus(seed: int, each: int) -> Iterator[bytes]:
    """Give values of every APDU, `each` of them, in BER, with a registered extension in each."""
    chance = random.Random(seed)  # noqa: S311 - choices of a fuzzer
    kinds = sorted(extensions.EXTENSIONS.values(), key=lambda kind: kind.__name__)
    for apdu in ill.APDUS:
        for _ in range(each):
            kind = chance.choice(kinds)
            held = _value(extensions.wire_type_of(kind), chance, 0)
            typed = cast("Any", kind)(held) if issubclass(kind, extensions.SequenceOfType) else held
            extension = extensions.make_extension(typed, critical=chance.random() < 0.5)
            members = _members(apdu, chance, 0)
            members[describe(apdu)[-1].attribute] = (extension,)
            yield encode(apdu(**members))


def _members(cls: type[Any], chance: random.Random, depth: int) -> dict[str, Any]:
    return {
        one.attribute: _value(one.wire_type, chance, depth + 1)
        for one in describe(cls)
        if not one.optional or chance.random() < (0.5 if depth < 6 else 0.1)
    }


def _value(wire_type: Type, chance: random.Random, depth: int) -> Any:
    match wire_type:
        case Primitive():
            return _primitive(wire_type, chance)
        case tuple():
            return chance.choice((GeneralString, EDIFACTString))(chance.choice(_SOME))
        case SequenceOf():
            many = chance.randint(0, 2 if depth < 8 else 0)
            return tuple(_value(wire_type.element, chance, depth + 1) for _ in range(many))
        case type() if issubclass(wire_type, Enumerated):
            return chance.choice(list(wire_type))
        case type() if issubclass(wire_type, Choice):
            chosen = chance.choice(describe(wire_type))
            return wire_type(**{chosen.attribute: _value(chosen.wire_type, chance, depth + 1)})
        case _:
            return wire_type(**_members(wire_type, chance, depth))


def _primitive(primitive: Primitive, chance: random.Random) -> Any:
    match primitive:
        case Primitive.BOOLEAN:
            return chance.random() < 0.5
        case Primitive.INTEGER:
            return chance.choice((0, 1, 2, 127, 128, -1, -129, 2**31))
        case Primitive.NULL:
            return NULL
        case Primitive.BIT_STRING:
            return BitString(b"\xa0", 5)
        case Primitive.OBJECT_IDENTIFIER:
            return ObjectIdentifier("1.0.10161.2.1")
        case Primitive.ANY:
            return AnyValue(chance.choice(_ELEMENTS))
        case Primitive.EXTERNAL:
            encoding = chance.choice((SingleASN1Type(chance.choice(_ELEMENTS)), OctetAligned(b"x")))
            return External(direct_reference=ObjectIdentifier("1.2.3"), encoding=encoding)
        case Primitive.PRINTABLE_STRING | Primitive.VISIBLE_STRING:
            return chance.choice(_SOME).decode("latin-1")
        case _:
            return chance.choice(_SOME)
