"""ILL-APDU to JSON and back, losing nothing, with the standard's names.

    {"Shipped": {"protocol-version-num": 2, "transaction-id": {...}, "shipped-service-type": "loan", ...}}

An enumerated value is its name (an unlisted one its number), an ILL-String `{"general-string": "text"}`, or
`{"general-string": {"hex": "..."}}` where its octets are not UTF-8; ANY, OCTET STRING and the octets of a BIT
STRING are `{"hex": "..."}`; a CHOICE is an object with the one alternative; NULL is null. DEFAULT components
are always written, and may be left out when read. What a SEQUENCE has after the components that its type
knows is in "unknown", an array of `{"hex": "..."}`. `iso-gateway apdu` prints and reads this.
"""

import json
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final, NoReturn, TypeAlias, TypeVar, assert_never, cast

from asn1.bounds import MAX_INTEGER_OCTETS, is_bit_string, is_integer, is_object_identifier, is_unlisted
from asn1.elements import is_element
from asn1.ill import APDUS, ILLApdu
from asn1.schema import (
    EXTERNAL_COMPONENTS,
    NULL,
    UNKNOWN,
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
    Type,
    Unlisted,
    describe,
)
from asn1.tags import is_unknown_of

Json: TypeAlias = Any
"""What `json.loads` gives."""

_STRINGS: Final[dict[str, type[GeneralString] | type[EDIFACTString]]] = {
    "general-string": GeneralString,
    "edifact-string": EDIFACTString,
}

T = TypeVar("T")

_APDU_BY_NAME: Final[dict[str, type[ILLApdu]]] = {apdu.asn1_name: apdu for apdu in APDUS}


class JsonError(ValueError):
    """JSON that is no ILL-APDU.

    Args:
        reason: what is wrong, and what would be right.
        path: where, as the names joined by dots; empty at the top.
    """

    def __init__(self, reason: str, *, path: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        """What is wrong, and where."""
        return f"{self.path or 'the top level'}: {self.reason}"


def to_json(apdu: ILLApdu) -> dict[str, Json]:
    """Give an APDU as an object that `json.dumps` takes: one key, the name of its type."""
    return {apdu.asn1_name: _to(type(apdu), apdu)}


def from_json(obj: Json) -> ILLApdu:
    """Give the APDU that an object of `to_json` stands for.

    Raises:
        JsonError: it stands for none; the path says where, the reason names what was expected.
    """
    name, contents = _only_member(obj, _APDU_BY_NAME, "")
    return cast("ILLApdu", _from(_APDU_BY_NAME[name], contents, name))


def dumps(apdu: ILLApdu, *, indent: int | None = None) -> str:
    """Write an APDU as JSON text in printable ASCII, so that a terminal can show what the network sent."""
    return json.dumps(to_json(apdu), indent=indent).replace("\x7f", "\\u007f")


def loads(text: str | bytes) -> ILLApdu:
    """Read an APDU from JSON text.

    Raises:
        JsonError: the text is no JSON, names something twice, or is no APDU.
    """
    try:
        obj = json.loads(text, object_pairs_hook=_members_once)
    except JsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise JsonError(f"no JSON: {error}", path="") from None
    return from_json(obj)


def _members_once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonError(f"{twice[:64]!r} is given twice in one object", path="")
    return members


def _to(wire_type: Type, value: Any) -> Json:
    match wire_type:
        case Primitive():
            return _to_primitive(wire_type, value)
        case SequenceOf():
            return [_to(wire_type.element, member) for member in value]
        case tuple():
            return _to_string(value)
        case type() if issubclass(wire_type, Choice):
            attribute, chosen = value.chosen
            component = next(one for one in describe(wire_type) if one.attribute == attribute)
            return {component.name: _to(component.wire_type, chosen)}
        case type() if issubclass(wire_type, Enumerated):
            return value.value if isinstance(value, Unlisted) else value.asn1_name
        case _:
            return _to_sequence(describe(wire_type), value)


def _to_sequence(components: tuple[Component, ...], value: Sequence) -> Json:
    members = {
        component.name: _to(component.wire_type, member)
        for component in components
        if (member := getattr(value, component.attribute)) is not None
    }
    if value.unknown:
        members[UNKNOWN] = [_hex(one.octets) for one in value.unknown]
    return members


def _to_primitive(primitive: Primitive, value: Any) -> Json:
    match primitive:
        case Primitive.NULL:
            return None
        case Primitive.ANY:
            return _hex(value.octets)
        case Primitive.EXTERNAL:
            return _to_external(value)
        case _:
            return value


def _hex(octets: bytes) -> Json:
    return {"hex": octets.hex()}


def _to_string(value: GeneralString | EDIFACTString) -> Json:
    name = "general-string" if isinstance(value, GeneralString) else "edifact-string"
    try:
        return {name: value.octets.decode("utf-8")}
    except UnicodeDecodeError:
        return {name: _hex(value.octets)}


def _to_external(value: External) -> Json:
    members: dict[str, Json] = {}
    if value.direct_reference is not None:
        members["direct-reference"] = value.direct_reference
    if value.indirect_reference is not None:
        members["indirect-reference"] = value.indirect_reference
    if value.data_value_descriptor is not None:
        members["data-value-descriptor"] = _hex(value.data_value_descriptor)
    match value.encoding:
        case SingleASN1Type(octets):
            members["encoding"] = {"single-ASN1-type": _hex(octets)}
        case OctetAligned(octets):
            members["encoding"] = {"octet-aligned": _hex(octets)}
        case Arbitrary(bits):
            members["encoding"] = {"arbitrary": {**_hex(bits.octets), "unused-bits": bits.unused}}
        case _:
            assert_never(value.encoding)
    return members


def _from(wire_type: Type, obj: Json, path: str) -> Any:
    match wire_type:
        case Primitive():
            return _from_primitive(wire_type, obj, path)
        case SequenceOf():
            members = _expect(list, "an array", obj, path)
            return tuple(
                _from(wire_type.element, member, f"{path}[{place}]") for place, member in enumerate(members)
            )
        case tuple():
            return _from_string(obj, path)
        case type() if issubclass(wire_type, Choice):
            alternatives = {component.name: component for component in describe(wire_type)}
            name, chosen = _only_member(obj, alternatives, path)
            component = alternatives[name]
            value = _from(component.wire_type, chosen, f"{path}.{name}")
            return wire_type(**{component.attribute: value})
        case type() if issubclass(wire_type, Enumerated):
            return _from_enumerated(wire_type, obj, path)
        case _:
            return _from_sequence(wire_type, obj, path)


def _from_sequence(wire_type: type[Sequence], obj: Json, path: str) -> Sequence:
    components = describe(wire_type)
    members = _object(obj, {*(component.name for component in components), UNKNOWN}, path)
    values = _from_components(components, members, path)
    if UNKNOWN in members:
        values[UNKNOWN] = _from_unknown(wire_type, members[UNKNOWN], f"{path}.{UNKNOWN}")
    return wire_type(**values)


def _from_unknown(wire_type: type[Sequence], obj: Json, path: str) -> tuple[AnyValue, ...]:
    unknown = tuple(
        AnyValue(_from_element(one, f"{path}[{place}]"))
        for place, one in enumerate(_expect(list, "an array", obj, path))
    )
    if not is_unknown_of(wire_type, unknown):
        raise JsonError("elements under context tags that the type does not have expected", path=path)
    return unknown


def _from_components(
    components: tuple[Component, ...], members: Mapping[str, Json], path: str
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for component in components:
        if component.name in members:
            inner = f"{path}.{component.name}"
            values[component.attribute] = _from(component.wire_type, members[component.name], inner)
        elif not component.optional and component.default is None:
            raise JsonError(f"the mandatory {component.name!r} is missing", path=path)
    return values


def _from_primitive(primitive: Primitive, obj: Json, path: str) -> Any:
    match primitive:
        case Primitive.BOOLEAN:
            return _expect(bool, "true or false", obj, path)
        case Primitive.INTEGER:
            number = _expect(int, "a whole number", obj, path)
            if not is_integer(number):
                raise JsonError(f"a number of more than {MAX_INTEGER_OCTETS} octets", path=path)
            return number
        case Primitive.NULL:
            return NULL if obj is None else _unexpected("null", obj, path)
        case Primitive.OBJECT_IDENTIFIER:
            text = _expect(str, "an object identifier such as '1.0.10161.2.1'", obj, path)
            if not is_object_identifier(text):
                raise JsonError(f"{text[:64]!r} is no object identifier such as '1.0.10161.2.1'", path=path)
            return ObjectIdentifier(text)
        case Primitive.EXTERNAL:
            return _from_external(obj, path)
        case Primitive.ANY:
            return AnyValue(_from_element(obj, path))
        case _:
            return _from_characters(obj, path).decode("latin-1")


def _from_characters(obj: Json, path: str) -> bytes:
    text = _expect(str, "a string", obj, path)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise JsonError("a character above U+00FF, which the type cannot carry", path=path) from None


def _from_hex(obj: Json, path: str) -> bytes:
    members = _object(obj, {"hex"}, path)
    if "hex" not in members:
        raise JsonError('{"hex": "..."} expected', path=path)
    text = _expect(str, "hexadecimal digits", members["hex"], f"{path}.hex")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise JsonError("an even number of hexadecimal digits expected", path=f"{path}.hex") from None


def _from_element(obj: Json, path: str) -> bytes:
    octets = _from_hex(obj, path)
    if not is_element(octets):
        raise JsonError("the octets are not one BER element", path=path)
    return octets


def _from_string(obj: Json, path: str) -> GeneralString | EDIFACTString:
    name, contents = _only_member(obj, _STRINGS, path)
    inner = f"{path}.{name}"
    match contents:
        case str():
            try:
                return _STRINGS[name].from_text(contents)
            except UnicodeEncodeError:
                raise JsonError("half of a surrogate pair, which is no character", path=inner) from None
        case Mapping():
            return _STRINGS[name](_from_hex(contents, inner))
        case _:
            return _unexpected('a string or {"hex": "..."}', contents, inner)


def _from_enumerated(listed: type[Enumerated], obj: Json, path: str) -> Enumerated | Unlisted:
    members = {member.asn1_name: member for member in listed}
    match obj:
        case str():
            if obj not in members:
                raise JsonError(f"{obj[:64]!r} is none of {', '.join(members)}", path=path)
            return members[obj]
        case int() if not isinstance(obj, bool):
            if not is_unlisted(listed, obj):
                raise JsonError(
                    "a listed value is written as its name, and others are from 1 to 2147483647", path=path
                )
            return Unlisted(obj)
        case _:
            return _unexpected("the name of a value, or the number of an unlisted one,", obj, path)


def _from_external(obj: Json, path: str) -> External:
    members = _object(obj, {component.name for component in EXTERNAL_COMPONENTS}, path)
    values: dict[str, Any] = {}
    if "direct-reference" in members:
        values["direct_reference"] = _from(
            Primitive.OBJECT_IDENTIFIER, members["direct-reference"], f"{path}.direct-reference"
        )
    if "indirect-reference" in members:
        values["indirect_reference"] = _from(
            Primitive.INTEGER, members["indirect-reference"], f"{path}.indirect-reference"
        )
    if "data-value-descriptor" in members:
        values["data_value_descriptor"] = _from_hex(
            members["data-value-descriptor"], f"{path}.data-value-descriptor"
        )
    if "encoding" not in members:
        raise JsonError("the mandatory 'encoding' is missing", path=path)
    return External(**values, encoding=_from_encoding(members["encoding"], f"{path}.encoding"))


def _from_encoding(obj: Json, path: str) -> SingleASN1Type | OctetAligned | Arbitrary:
    name, contents = _only_member(obj, ("single-ASN1-type", "octet-aligned", "arbitrary"), path)
    inner = f"{path}.{name}"
    if name == "single-ASN1-type":
        return SingleASN1Type(_from_element(contents, inner))
    if name == "octet-aligned":
        return OctetAligned(_from_hex(contents, inner))
    members = dict(_object(contents, {"hex", "unused-bits"}, inner))
    unused = _expect(int, "a number from 0 to 7", members.pop("unused-bits", 0), f"{inner}.unused-bits")
    bits = BitString(_from_hex(members, inner), unused)
    if not is_bit_string(bits):
        raise JsonError("0 to 7 unused bits, which are 0, expected", path=f"{inner}.unused-bits")
    return Arbitrary(bits)


def _object(obj: Json, known: Collection[str], path: str) -> Mapping[str, Json]:
    """Give an object of which every member is known."""
    members: Mapping[str, Json] = _expect(dict, "an object", obj, path)
    for name in members:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f", did you mean {near[0]!r}?" if near else f": one of {', '.join(sorted(known))} expected"
            raise JsonError(f"unknown name {name[:64]!r}{hint}", path=path)
    return members


def _only_member(obj: Json, known: Collection[str], path: str) -> tuple[str, Json]:
    """Give the name and the value of the one member of an object that stands for a CHOICE."""
    members = _object(obj, known, path)
    if len(members) != 1:
        raise JsonError(f"exactly one of {', '.join(known)} expected, not {len(members)}", path=path)
    return next(iter(members.items()))


def _expect(expected: type[T], what: str, obj: Json, path: str) -> T:
    return obj if type(obj) is expected else _unexpected(what, obj, path)


def _unexpected(what: str, obj: Json, path: str) -> NoReturn:
    raise JsonError(f"{what} expected, not {_KINDS.get(type(obj), type(obj).__name__)}", path=path)


_KINDS: Final = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}
