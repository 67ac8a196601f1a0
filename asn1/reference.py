"""The second opinion: the abstract syntax as a pyasn1 specification, and values to and from it.

The gateway reads and writes by `asn1.codec`. This shares the schema with it and no other line, so that where
the two differ one of them is wrong; `iso-gateway apdu decode --reference` shows this reading. It is held to
the common dialect: components that a type does not know are refused, and not written.

No pyasn1 object leaves this module. Where pyasn1 would change a value, the specification steps around it:

- character strings are OCTET STRINGs under the tag of their type, so that no character set is applied;
- DEFAULT components are OPTIONAL here and always written, because libyaz refuses an APDU without them;
- what is read has been made plain before (`asn1.shape`): definite lengths, unsegmented strings;
- absent OPTIONAL components are passed over when writing: pyasn1 would write an empty SEQUENCE for them.
"""

from collections.abc import Iterator
from typing import Any, Final, assert_never, cast

from pyasn1.codec.ber import decoder, encoder
from pyasn1.type import namedtype, tag, univ

from asn1 import shape
from asn1.bounds import (
    MAX_INTEGER_OCTETS,
    is_bit_string,
    is_integer,
    is_object_identifier,
    is_unlisted,
    numbers,
)
from asn1.elements import Limits, is_element, scan
from asn1.errors import WireError, WireErrorKind
from asn1.ill import APDU_BY_TAG, ILLApdu
from asn1.schema import (
    EXTERNAL_COMPONENTS,
    NULL,
    AnyValue,
    Apdu,
    Arbitrary,
    BitString,
    Choice,
    Component,
    EDIFACTString,
    Enumerated,
    External,
    GeneralString,
    Null,
    ObjectIdentifier,
    OctetAligned,
    Primitive,
    SequenceOf,
    SingleASN1Type,
    Tag,
    TagClass,
    Tagging,
    Type,
    Unlisted,
    describe,
)

_DEFAULT_LIMITS: Final = Limits()

_UNCHECKED: Final = {"verifyConstraints": False, "matchTags": False, "matchConstraints": False}
"""pyasn1 need not compare specifications: what is set was made from the one it is set in."""

_CLASSES: Final = {
    TagClass.UNIVERSAL: tag.tagClassUniversal,
    TagClass.APPLICATION: tag.tagClassApplication,
    TagClass.CONTEXT: tag.tagClassContext,
    TagClass.PRIVATE: tag.tagClassPrivate,
}


_specifications: dict[type[Apdu], Any] = {}


def specification(apdu: type[Apdu]) -> Any:
    """Give the pyasn1 type of an APDU. It is built when it is first needed."""
    if apdu not in _specifications:
        _specifications[apdu] = _tagged(_specified(apdu), apdu.apdu_tag)
    return _specifications[apdu]


def decode(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> ILLApdu:
    """Decode one ILL-APDU.

    Args:
        data: the APDU in BER, and nothing after it.
        limits: what is accepted at most.

    Raises:
        WireError: the octets are anything else. No other exception comes out, whatever the octets.
    """
    root = scan(data, limits)
    apdu = APDU_BY_TAG.get(root.number) if root.tag_class is TagClass.APPLICATION else None
    if apdu is None:
        raise WireError(
            "the outer tag is none of [APPLICATION 1] to [APPLICATION 20]",
            offset=root.start,
            kind=WireErrorKind.UNRECOGNIZED_APDU,
        )
    plain = shape.plain(root, data, apdu)
    try:
        return cast("ILLApdu", read(apdu, plain))
    except Exception as error:  # noqa: BLE001 - pyasn1 leaks IndexError and others (pyasn1#119)
        # Its messages repeat the octets, which may hold patron data: only the class is told.
        raise WireError(
            f"pyasn1 refuses the contents with {type(error).__name__}",
            offset=root.start,
            path=apdu.asn1_name,
            kind=WireErrorKind.MISTYPED,
        ) from None


def read(apdu: type[Apdu], plain: bytes) -> Apdu:
    """Read the value of an APDU that `asn1.shape.plain` has made.

    Raises:
        Exception: whatever pyasn1 raises, of whatever class.
    """
    found, _ = decoder.decode(plain, asn1Spec=specification(apdu))
    return cast("Apdu", _read(apdu, found))


def write(apdu: Apdu) -> bytes:
    """Write an APDU in definite, minimal lengths.

    Raises:
        TypeError: a component has a value of another type than the schema says.
        ValueError: a component has a value that its type does not have.
    """
    return bytes(_encode(_written(type(apdu), apdu, specification(type(apdu)), apdu.asn1_name)))


class _PresentComponents(encoder.SequenceEncoder):
    """Writes the components that are there, in order. That none is missing is the affair of `_sequence`."""

    def encodeValue(  # type: ignore[override] # noqa: N802 - pyasn1's name, and its stub says it returns None
        self,
        value: Any,
        asn1Spec: Any,  # noqa: N803
        encodeFun: Any,  # noqa: N803
        **options: Any,
    ) -> tuple[bytes, bool, bool]:
        """Give the contents; that they are constructed; that they are octets."""
        members = _present(value)
        return b"".join(encodeFun(member, asn1Spec, **options) for _, member in members), True, True


class _FewestOctets(encoder.IntegerEncoder):
    """Writes an INTEGER in the fewest octets; pyasn1 takes one too many for -128, -32768 and so on."""

    def encodeValue(  # type: ignore[override] # noqa: N802 - pyasn1's name, and its stub says it returns None
        self,
        value: Any,
        asn1Spec: Any,  # noqa: ARG002, N803
        encodeFun: Any,  # noqa: ARG002, N803
        **options: Any,  # noqa: ARG002
    ) -> tuple[bytes, bool, bool]:
        """Give the contents; that they are not constructed; that they are octets."""
        number = int(value)
        bits = (number if number >= 0 else ~number).bit_length()
        return number.to_bytes(bits // 8 + 1, "big", signed=True), False, True


def _present(sequence: Any) -> Iterator[tuple[int, Any]]:
    """Give the components that a pyasn1 SEQUENCE has, and their places."""
    for place in range(len(sequence.componentType)):
        member = sequence.getComponentByPosition(place, default=None, instantiate=False)
        if member is not None:
            yield place, member


_encode: Final = encoder.Encoder(
    typeMap={
        **encoder.TYPE_MAP,
        univ.Sequence.typeId: _PresentComponents(),
        univ.Integer.typeId: _FewestOctets(),
        univ.Enumerated.typeId: _FewestOctets(),
    }
)


def _tagged(specified: Any, mark: Tag) -> Any:
    number, tag_class = mark.number, _CLASSES[mark.tag_class]
    if mark.tagging is Tagging.EXPLICIT:
        return specified.subtype(explicitTag=tag.Tag(tag_class, tag.tagFormatConstructed, number))
    form = specified.tagSet.superTags[-1].tagFormat
    return specified.subtype(implicitTag=tag.Tag(tag_class, form, number))


def _universal(specified: Any, primitive: Primitive) -> Any:
    return _tagged(specified, Tag(primitive.value, Tagging.IMPLICIT, TagClass.UNIVERSAL))


def _specified(wire_type: Type) -> Any:
    """Give the pyasn1 type of a type, without the tag of a component."""
    match wire_type:
        case Primitive():
            return _specified_primitive(wire_type)
        case SequenceOf():
            return univ.SequenceOf(componentType=_specified(wire_type.element))
        case tuple():
            return univ.Choice(componentType=_named(wire_type))
        case type() if issubclass(wire_type, Choice):
            return univ.Choice(componentType=_named(describe(wire_type)))
        case type() if issubclass(wire_type, Enumerated):
            return univ.Enumerated()
        case _:
            return univ.Sequence(componentType=_named(describe(wire_type)))


def _specified_primitive(primitive: Primitive) -> Any:
    match primitive:
        case Primitive.BOOLEAN:
            return univ.Boolean()
        case Primitive.INTEGER:
            return univ.Integer()
        case Primitive.BIT_STRING:
            return univ.BitString()
        case Primitive.OCTET_STRING:
            return univ.OctetString()
        case Primitive.NULL:
            return univ.Null()
        case Primitive.OBJECT_IDENTIFIER:
            return univ.ObjectIdentifier()
        case Primitive.EXTERNAL:
            return _universal(univ.Sequence(componentType=_named(EXTERNAL_COMPONENTS)), primitive)
        case Primitive.ANY:
            return univ.Any()
        case (
            Primitive.OBJECT_DESCRIPTOR
            | Primitive.PRINTABLE_STRING
            | Primitive.GRAPHIC_STRING
            | Primitive.VISIBLE_STRING
            | Primitive.GENERAL_STRING
        ):
            return _universal(univ.OctetString(), primitive)
        case _:
            assert_never(primitive)


def _named(components: tuple[Component, ...]) -> namedtype.NamedTypes:
    return namedtype.NamedTypes(*map(_named_type, components))


def _named_type(component: Component) -> namedtype.NamedType:
    specified = _specified(component.wire_type)
    if component.tag is not None:
        specified = _tagged(specified, component.tag)
    if component.optional or component.default is not None:
        return namedtype.OptionalNamedType(component.name, specified)
    return namedtype.NamedType(component.name, specified)


def _read(wire_type: Type, found: Any) -> Any:
    match wire_type:
        case Primitive():
            return _read_primitive(wire_type, found)
        case SequenceOf():
            return tuple(_read(wire_type.element, member) for member in found)
        case tuple():
            component, value = _read_chosen(wire_type, found)
            return _wrapped(component, value)
        case type() if issubclass(wire_type, Choice):
            component, value = _read_chosen(describe(wire_type), found)
            return wire_type(**{component.attribute: value})
        case type() if issubclass(wire_type, Enumerated):
            return _enumerated(wire_type, int(found))
        case _:
            return wire_type(**_read_components(describe(wire_type), found))


def _read_chosen(alternatives: tuple[Component, ...], found: Any) -> tuple[Component, Any]:
    name = found.getName()
    component = next(alternative for alternative in alternatives if alternative.name == name)
    return component, _read(component.wire_type, found.getComponent())


def _read_components(components: tuple[Component, ...], found: Any) -> dict[str, Any]:
    return {
        components[place].attribute: _read(components[place].wire_type, member)
        for place, member in _present(found)
    }


def _read_primitive(primitive: Primitive, found: Any) -> Any:
    match primitive:
        case Primitive.BOOLEAN:
            return bool(found)
        case Primitive.INTEGER:
            return int(found)
        case Primitive.BIT_STRING:
            unused = -len(found) % 8
            return BitString((int(found) << unused).to_bytes((len(found) + unused) // 8, "big"), unused)
        case Primitive.NULL:
            return NULL
        case Primitive.OBJECT_IDENTIFIER:
            return ObjectIdentifier(".".join(map(str, found.asTuple())))
        case Primitive.EXTERNAL:
            return External(**_read_components(EXTERNAL_COMPONENTS, found))
        case Primitive.ANY:
            return AnyValue(found.asOctets())
        case Primitive.PRINTABLE_STRING | Primitive.VISIBLE_STRING:
            return found.asOctets().decode("latin-1")
        case (
            Primitive.OCTET_STRING
            | Primitive.OBJECT_DESCRIPTOR
            | Primitive.GRAPHIC_STRING
            | Primitive.GENERAL_STRING
        ):
            return found.asOctets()
        case _:
            assert_never(primitive)


def _enumerated(listed: type[Enumerated], number: int) -> Enumerated | Unlisted:
    return listed(number) if number in numbers(listed) else Unlisted(number)


def _wrapped(alternative: Component, value: Any) -> Any:
    """Give the value of a CHOICE without a class: its alternatives have classes of their own."""
    if alternative.python_type is None:
        return value
    match value:
        case str():
            return alternative.python_type(value.encode("latin-1"))
        case AnyValue():
            return alternative.python_type(value.octets)
        case _:
            return alternative.python_type(value)


def _unwrapped(alternatives: tuple[Component, ...], value: Any, path: str) -> tuple[Component, Any]:
    """Undo `_wrapped`: which alternative a value is, and its value as the type of the alternative has it."""
    for alternative in alternatives:
        if type(value) is (alternative.python_type or bytes):
            match value:
                case EDIFACTString():
                    return alternative, value.octets.decode("latin-1")
                case SingleASN1Type():
                    return alternative, AnyValue(value.octets)
                case Arbitrary():
                    return alternative, value.bits
                case GeneralString() | OctetAligned():
                    return alternative, value.octets
                case _:
                    return alternative, value
    raise TypeError(f"{path}: {type(value).__name__} is no alternative")


def _written(wire_type: Type, value: Any, specified: Any, path: str) -> Any:
    """Give a value as a pyasn1 object of the type `specified`, which has the tags of its component."""
    match wire_type:
        case Primitive.EXTERNAL:
            _expect(External, value, path)
            return _sequence(EXTERNAL_COMPONENTS, value, specified, path)
        case Primitive():
            return specified.clone(_written_primitive(wire_type, value, path))
        case SequenceOf():
            _expect(tuple, value, path)
            members = specified.clone()
            members.clear()
            for place, member in enumerate(value):
                written = _written(wire_type.element, member, specified.componentType, f"{path}[{place}]")
                members.setComponentByPosition(place, written, **_UNCHECKED)
            return members
        case tuple():
            return _choice(wire_type, *_unwrapped(wire_type, value, path), specified, path)
        case type() if issubclass(wire_type, Choice):
            _expect(wire_type, value, path)
            name, chosen = value.chosen
            alternatives = describe(wire_type)
            component = next(component for component in alternatives if component.attribute == name)
            return _choice(alternatives, component, chosen, specified, path)
        case type() if issubclass(wire_type, Enumerated):
            return specified.clone(_number(wire_type, value, path))
        case _:
            _expect(wire_type, value, path)
            if value.unknown:
                raise ValueError(f"{path}: what the type does not know is not written here")
            return _sequence(describe(wire_type), value, specified, path)


def _sequence(components: tuple[Component, ...], value: Any, specified: Any, path: str) -> Any:
    sequence = specified.clone()
    sequence.clear()
    for place, component in enumerate(components):
        member = getattr(value, component.attribute)
        inner = f"{path}.{component.name}"
        if member is not None:
            written = _written(
                component.wire_type, member, specified.componentType.getTypeByPosition(place), inner
            )
            sequence.setComponentByPosition(place, written, **_UNCHECKED)
        elif not component.optional:
            raise TypeError(f"{inner} is mandatory, not None")
    return sequence


def _choice(
    alternatives: tuple[Component, ...], component: Component, value: Any, specified: Any, path: str
) -> Any:
    place = alternatives.index(component)
    choice = specified.clone()
    written = _written(
        component.wire_type,
        value,
        specified.componentType.getTypeByPosition(place),
        f"{path}.{component.name}",
    )
    choice.setComponentByPosition(place, written, **_UNCHECKED)
    return choice


def _written_primitive(primitive: Primitive, value: Any, path: str) -> Any:
    match primitive:
        case Primitive.BOOLEAN:
            _expect(bool, value, path)
            return value
        case Primitive.INTEGER:
            _expect(int, value, path)
            if not is_integer(value):
                raise ValueError(f"{path}: more than {MAX_INTEGER_OCTETS} octets")
            return value
        case Primitive.BIT_STRING:
            _expect(BitString, value, path)
            return _bits(value, path)
        case Primitive.NULL:
            _expect(Null, value, path)
            return b""
        case Primitive.OBJECT_IDENTIFIER:
            _expect(str, value, path)
            if not is_object_identifier(value):
                raise ValueError(f"{path}: {value[:64]!r} is no OBJECT IDENTIFIER")
            return value
        case Primitive.ANY:
            _expect(AnyValue, value, path)
            if not is_element(value.octets):
                raise ValueError(f"{path}: the octets are not one BER element")
            return value.octets
        case Primitive.PRINTABLE_STRING | Primitive.VISIBLE_STRING:
            _expect(str, value, path)
            return value.encode("latin-1")
        case _:  # the strings of octets; EXTERNAL has components and does not come here
            _expect(bytes, value, path)
            return value


def _bits(value: BitString, path: str) -> Any:
    if not is_bit_string(value):
        raise ValueError(f"{path}: a BIT STRING has 0 to 7 unused bits, and these are 0")
    bits: Any = univ.SizedInteger(int.from_bytes(value.octets, "big") >> value.unused)
    return bits.setBitLength(8 * len(value.octets) - value.unused)


def _number(listed: type[Enumerated], value: object, path: str) -> int:
    """Give the number of an enumerated value."""
    match value:
        case Unlisted(number) if is_unlisted(listed, number):
            return number
        case Unlisted(number):
            raise ValueError(f"{path}: {number} cannot be an unlisted value of {listed.__name__}")
        case _:
            _expect(listed, value, path)
            return cast("Enumerated", value).value


def _expect(expected: type, value: object, path: str) -> None:
    if type(value) is not expected:
        raise TypeError(f"{path}: {expected.__name__} expected, not {type(value).__name__}")
