"""Writers of each type, compiled from the schema (`asn1.source`).

They give the pieces of an encoding from the last to the first, so that each length is known when its header
is written, and octets are copied once.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from asn1.bounds import is_unlisted, numbers
from asn1.contents import write_bit_string, write_integer, write_object_identifier
from asn1.elements import is_element
from asn1.schema import (
    ILL_STRING_ALTERNATIVES,
    AnyValue,
    Arbitrary,
    BitString,
    Choice,
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
    Tag,
    Tagging,
    Type,
    Unlisted,
    describe,
)
from asn1.source import SHORT, Source, Unusual
from asn1.tags import alternatives, depth, is_unknown_of, once, own_identifier

Put: TypeAlias = Callable[[bytes], None]
Writer: TypeAlias = Callable[[Any, Put], int]
"""Puts the pieces of an encoding, last first; gives how many octets they have."""

_LENGTHS: Final = tuple(
    bytes([length] if length < SHORT else [0x81, length] if length < 256 else [0x82, *divmod(length, 256)])
    for length in range(1024)
)
"""The octets of the lengths that are common."""


# -- what the writers are made of


def _put_header(put: Put, identifier: bytes, length: int) -> int:
    """Put a header of any length; give its own."""
    if length < len(_LENGTHS):
        octets = _LENGTHS[length]
    else:
        octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
        octets = bytes([0x80 | len(octets)]) + octets
    put(identifier + octets)
    return len(identifier) + len(octets)


def _put(put: Put, identifier: bytes, contents: bytes) -> int:
    put(contents)
    return len(contents) + _put_header(put, identifier, len(contents))


def _put_ill_string(value: Any, put: Put) -> int:
    octets = value.octets if type(value) in (GeneralString, EDIFACTString) else None
    if type(octets) is not bytes:
        raise Unusual
    return _put(put, b"\x1b" if type(value) is GeneralString else b"\x1a", octets)


def _put_any(value: Any, put: Put) -> int:
    if type(value) is not AnyValue:
        raise Unusual
    return _put_element(value.octets, put)


def _put_element(octets: Any, put: Put) -> int:
    if not is_element(octets):
        raise Unusual
    put(octets)
    return len(octets)


def _boolean_contents(value: Any) -> bytes:
    if type(value) is not bool:
        raise Unusual
    return b"\x01" if value else b"\x00"


def _integer_contents(value: Any) -> bytes:
    if type(value) is not int:
        raise Unusual
    return write_integer(value)


def _null_contents(value: Any) -> bytes:
    if type(value) is not Null:
        raise Unusual
    return b""


def _object_identifier_contents(value: Any) -> bytes:
    if type(value) is not str:
        raise Unusual
    return write_object_identifier(value)


def _octets_contents(value: Any) -> bytes:
    if type(value) is not bytes:
        raise Unusual
    return value


def _characters_contents(value: Any) -> bytes:
    if type(value) is not str:
        raise Unusual
    return value.encode("latin-1")


def _bit_string_contents(value: Any) -> bytes:
    if type(value) is not BitString or type(value.octets) is not bytes or type(value.unused) is not int:
        raise Unusual
    return write_bit_string(value)


def _unlisted_contents(value: Any, listed: type[Enumerated]) -> bytes:
    if type(value) is not Unlisted or type(value.value) is not int or not is_unlisted(listed, value.value):
        raise Unusual
    return write_integer(value.value)


def _put_external(value: Any, put: Put) -> int:
    """Put the contents of an EXTERNAL."""
    if type(value) is not External:
        raise Unusual
    match value.encoding:
        case SingleASN1Type(octets):
            size = _put_element(octets, put)
            size += _put_header(put, b"\xa0", size)
        case OctetAligned(octets):
            size = _put(put, b"\x81", _octets_contents(octets))
        case Arbitrary(bits):
            size = _put(put, b"\x82", _bit_string_contents(bits))
        case _:
            raise Unusual
    if value.data_value_descriptor is not None:
        size += _put(put, b"\x07", _octets_contents(value.data_value_descriptor))
    if value.indirect_reference is not None:
        size += _put(put, b"\x02", _integer_contents(value.indirect_reference))
    if value.direct_reference is not None:
        size += _put(put, b"\x06", _object_identifier_contents(value.direct_reference))
    return size


def writer(cls: type[Sequence] | type[Choice]) -> Writer:
    """Give the writer of the components of a SEQUENCE, or of a CHOICE with the tag of its alternative."""
    if depth(cls) is not None:
        return _compiled_writer(cls)

    def write_later(value: Any, put: Put) -> int:
        """Look the writer up when it is needed: the type holds itself."""
        return _compiled_writer(cls)(value, put)

    return write_later


@once
def _compiled_writer(cls: type[Sequence] | type[Choice]) -> Writer:
    name = f"write_{cls.__name__}"
    source = Source(name, "value, put")
    source.indent(f"if type(value) is not {source.name(cls.__name__, cls)}:")
    source.add("raise Unusual")
    source.dedent()
    if issubclass(cls, Choice):
        for one in describe(cls):
            source.add(f"member = value.{one.attribute}")
            source.indent("if member is not None:")
            _compile_write(source, one.wire_type, one.tag)
            source.add("return size")
            source.dedent()
        source.add("raise Unusual")
    else:
        source.add("total = 0")
        source.indent("if value.unknown != ():")
        source.add(f"total = {source.name('put_unknown', _unknown_writer(cls))}(value.unknown, put)")
        source.dedent()
        for component in reversed(describe(cls)):
            source.add(f"member = value.{component.attribute}")
            source.indent("if member is not None:")
            _compile_write(source, component.wire_type, component.tag)
            source.add("total += size")
            source.dedent()
            if not component.optional:
                source.indent("else:")
                source.add("raise Unusual")
                source.dedent()
        source.add("return total")
    write: Writer = source.function()
    return write


def _unknown_writer(cls: type[Sequence]) -> Writer:
    def put_unknown(value: Any, put: Put) -> int:
        if not is_unknown_of(cls, value):
            raise Unusual
        return sum(_put_any(one, put) for one in reversed(value))

    return put_unknown


@once
def element_writer(wire_type: Type, tag: Tag | None = None) -> Writer:
    """Give the writer of a whole element of a type, its tag included: `tag`, or its own."""
    match wire_type:
        case _ if tag is not None:
            return _tagged_writer(wire_type, tag)
        case Primitive.ANY:
            return _put_any
        case tuple() if wire_type is ILL_STRING_ALTERNATIVES:
            return _put_ill_string
        case type() if issubclass(wire_type, Choice):
            return writer(wire_type)
        case _:
            return _tagged_writer(wire_type, None)


def _tagged_writer(wire_type: Type, tag: Tag | None) -> Writer:
    source = Source("write_element", "member, put")
    _compile_write(source, wire_type, tag)
    source.add("return size")
    write: Writer = source.function()
    return write


@once
def _members_writer(element: Type) -> Writer:
    """Give the writer of the contents of a SEQUENCE OF."""
    source = Source("write_members", "value, put")
    source.indent("if type(value) is not tuple:")
    source.add("raise Unusual")
    source.dedent()
    source.add("total = 0")
    source.indent("for member in reversed(value):")
    _compile_write(source, element, None)
    source.add("total += size")
    source.dedent()
    source.add("return total")
    write: Writer = source.function()
    return write


@once
def _short_headers(before: bytes, after: bytes = b"") -> tuple[bytes, ...]:
    """Give headers by the length of the contents; with `after`, each is two headers, one within the other."""
    if not after:
        return tuple(before + bytes([length]) for length in range(SHORT))
    within = len(after) + 1
    return tuple(
        before + bytes([length + within]) + after + bytes([length]) for length in range(SHORT - within)
    )


def _compile_write(source: Source, wire_type: Type, tag: Tag | None) -> None:
    """Add what puts the whole element of `member`, and sets `size` to how many octets it has."""
    if tag is not None and tag.tagging is Tagging.EXPLICIT:
        if wire_type is ILL_STRING_ALTERNATIVES:
            _compile_write_explicit_string(source, own_identifier(wire_type, tag))
        else:
            source.add(f"size = {source.name_of(element_writer(wire_type))}(member, put)")
            _compile_header(source, own_identifier(wire_type, tag))
    elif tag is None and alternatives(wire_type) is not None:
        source.add(f"size = {source.name_of(element_writer(wire_type))}(member, put)")
    else:
        _compile_write_contents(source, wire_type, own_identifier(wire_type, tag))


def _compile_write_explicit_string(source: Source, identifier: bytes) -> None:
    general, edifact = _short_headers(identifier, b"\x1b"), _short_headers(identifier, b"\x1a")
    source.add(f"headers = {source.name('of_general', general)}")
    source.indent(f"if type(member) is not {source.name('GeneralString', GeneralString)}:")
    source.add(f"headers = {source.name('of_edifact', edifact)}")
    source.indent(f"if type(member) is not {source.name('EDIFACTString', EDIFACTString)}:")
    source.add("raise Unusual")
    source.dedent()
    source.dedent()
    source.indent(f"if type(octets := member.octets) is bytes and (size := len(octets)) < {len(general)}:")
    source.add("put(octets)", "put(headers[size])", f"size += {len(identifier) + 3}")
    source.dedent()
    source.indent("else:")
    source.add(f"size = {source.name('put_ill_string', _put_ill_string)}(member, put)")
    _compile_header(source, identifier)
    source.dedent()


def _compile_header(source: Source, identifier: bytes) -> None:
    """Add what puts the header before contents of `size` octets, and adds its own to it."""
    source.indent(f"if size < {SHORT}:")
    source.add(
        f"put({source.name('short_headers', _short_headers(identifier))}[size])",
        f"size += {len(identifier) + 1}",
    )
    source.dedent()
    source.indent("else:")
    source.add(f"size += {source.name('put_header', _put_header)}(put, {identifier!r}, size)")
    source.dedent()


_PRIMITIVE_CONTENTS: Final[dict[Primitive, Callable[[Any], bytes]]] = {
    Primitive.BOOLEAN: _boolean_contents,
    Primitive.INTEGER: _integer_contents,
    Primitive.BIT_STRING: _bit_string_contents,
    Primitive.OCTET_STRING: _octets_contents,
    Primitive.NULL: _null_contents,
    Primitive.OBJECT_IDENTIFIER: _object_identifier_contents,
    Primitive.OBJECT_DESCRIPTOR: _octets_contents,
    Primitive.PRINTABLE_STRING: _characters_contents,
    Primitive.GRAPHIC_STRING: _octets_contents,
    Primitive.VISIBLE_STRING: _characters_contents,
    Primitive.GENERAL_STRING: _octets_contents,
}


def _compile_write_contents(source: Source, wire_type: Type, identifier: bytes) -> None:
    match wire_type:
        case Primitive.EXTERNAL:
            source.add(f"size = {source.name('put_external', _put_external)}(member, put)")
        case Primitive():
            source.add(f"octets = {source.name_of(_PRIMITIVE_CONTENTS[wire_type])}(member)")
            source.add("put(octets)", "size = len(octets)")
        case type() if issubclass(wire_type, Enumerated):
            _compile_write_enumerated(source, wire_type, identifier)
            return
        case SequenceOf():
            source.add(f"size = {source.name_of(_members_writer(wire_type.element))}(member, put)")
        case type() if issubclass(wire_type, Sequence):
            source.add(f"size = {source.name_of(writer(wire_type))}(member, put)")
        case _:
            raise TypeError(f"{wire_type!r} has no contents of its own")
    _compile_header(source, identifier)


def _compile_write_enumerated(source: Source, listed: type[Enumerated], identifier: bytes) -> None:
    """Add what puts a whole element: the listed ones are written already."""
    known = numbers(listed)
    elements = tuple(
        identifier + b"\x01" + write_integer(number) if number in known else b""
        for number in range(max(known) + 1)
    )
    source.indent(f"if type(member) is {source.name(listed.__name__, listed)}:")
    source.add(f"octets = {source.name('elements', elements)}[member]", "put(octets)", "size = len(octets)")
    source.dedent()
    source.indent("else:")
    source.add(
        f"octets = {source.name('unlisted_contents', _unlisted_contents)}"
        f"(member, {source.name(listed.__name__, listed)})",
        "put(octets)",
        "size = len(octets)",
    )
    _compile_header(source, identifier)
    source.dedent()
