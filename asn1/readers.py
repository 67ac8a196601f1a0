"""Readers of the common form of each type, compiled from the schema (`asn1.source`).

A value is made under a class with the same slots that may be assigned to, and given its own class when it is
complete: the constructor of a frozen dataclass takes five times as long.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from asn1.bounds import numbers
from asn1.contents import is_padded, read_bit_string, read_integer, read_object_identifier
from asn1.elements import MAX_LENGTH_OCTETS, WholeElement, plain_end
from asn1.schema import (
    ILL_STRING_ALTERNATIVES,
    NULL,
    AnyValue,
    Arbitrary,
    BitString,
    Choice,
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
    Tag,
    Tagging,
    Type,
    describe,
)
from asn1.source import SHORT, Source, Unusual, matches_any
from asn1.tags import alternatives, once, own_identifier

ANY_DEPTH: Final = 16
"""How deep the value of an ANY may nest to be read here."""

Reader: TypeAlias = Callable[[bytes, int, int], tuple[Any, int]]
"""Reads what begins at a position and must end before another; gives the value and where it ends. The octets
may end earlier: IndexError means Unusual too."""


def _open_class(cls: type) -> Any:
    """Make a class whose instances can be given values and then the class `cls`: it has the same slots."""
    slots = cls.__dict__["__slots__"]
    # Both methods have to be those of `object`, or CPython asks for an override at every assignment.
    members = {
        "__slots__": slots,
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,
        "__init__": object.__init__,
    }
    return type(cls.__name__, cls.__bases__, members)


_STRINGS: Final[dict[int, type[GeneralString] | type[EDIFACTString]]] = {27: GeneralString, 26: EDIFACTString}
"""The alternatives of ILL-String by their first octet. Any other is a KeyError."""
_OpenString: Final = _open_class(GeneralString)
_OpenAny: Final = _open_class(AnyValue)


# -- what the readers are made of. `at` is where the length stands, after the identifier.


_SMALL: Final = tuple(octet - 256 if octet & 0x80 else octet for octet in range(256))
"""The INTEGER of each octet."""


def _contents(data: bytes, at: int) -> tuple[int, int]:
    """Where contents of definite length begin and end."""
    length = data[at]
    at += 1
    if length >= SHORT:
        count = length & 0x7F
        if not 0 < count <= MAX_LENGTH_OCTETS:
            raise Unusual
        length = int.from_bytes(data[at : at + count], "big")
        at += count
    return at, at + length


def _enclosed(read: Reader, data: bytes, at: int, end: int) -> tuple[Any, int]:
    """Read what a constructed element holds, in a length of any form."""
    if data[at] == 0x80:
        value, pos = read(data, at + 1, end)
        if data[pos] or data[pos + 1]:
            raise Unusual
        return value, pos + 2
    start, stop = _contents(data, at)
    value, pos = read(data, start, stop)
    if pos != stop:
        raise Unusual
    return value, pos


def _read_ill_string(data: bytes, pos: int, end: int) -> tuple[Any, int]:  # noqa: ARG001 - a Reader
    start, stop = _contents(data, pos + 1)
    string = _OpenString()
    string.octets = data[start:stop]
    string.__class__ = _STRINGS[data[pos]]
    return string, stop


def _read_any(data: bytes, pos: int, end: int) -> tuple[AnyValue, int]:  # noqa: ARG001 - a Reader
    stop = plain_end(data, pos, ANY_DEPTH)
    if stop < 0:
        raise Unusual
    value = _OpenAny()
    value.octets = WholeElement(data[pos:stop])
    value.__class__ = AnyValue
    return value, stop


def _integer(data: bytes, at: int) -> tuple[int, int]:
    start, stop = _contents(data, at)
    octets = data[start:stop]
    if is_padded(octets):
        raise Unusual
    return read_integer(octets), stop


def _object_identifier(data: bytes, at: int) -> tuple[ObjectIdentifier, int]:
    start, stop = _contents(data, at)
    return read_object_identifier(data[start:stop]), stop


def _octets(data: bytes, at: int) -> tuple[bytes, int]:
    start, stop = _contents(data, at)
    return data[start:stop], stop


def _characters(data: bytes, at: int) -> tuple[str, int]:
    start, stop = _contents(data, at)
    return data[start:stop].decode("latin-1"), stop


def _bit_string(data: bytes, at: int) -> tuple[BitString, int]:
    start, stop = _contents(data, at)
    return read_bit_string((data[start:stop],)), stop


def _read_external(data: bytes, pos: int, end: int) -> tuple[External, int]:
    """Read the contents of an EXTERNAL (X.690 8.18); a descriptor under another tag is Unusual."""
    direct = indirect = descriptor = None
    tag = data[pos]
    if tag == 6:
        direct, pos = _object_identifier(data, pos + 1)
        tag = data[pos]
    if tag == 2:
        indirect, pos = _integer(data, pos + 1)
        tag = data[pos]
    if tag == 7:
        descriptor, pos = _octets(data, pos + 1)
        tag = data[pos]
    encoding: SingleASN1Type | OctetAligned | Arbitrary
    match tag:
        case 0xA0:
            value, pos = _enclosed(_read_any, data, pos + 1, end)
            encoding = SingleASN1Type(value.octets)
        case 0x81:
            octets, pos = _octets(data, pos + 1)
            encoding = OctetAligned(octets)
        case 0x82:
            bits, pos = _bit_string(data, pos + 1)
            encoding = Arbitrary(bits)
        case _:
            raise Unusual
    external = External(
        direct_reference=direct,
        indirect_reference=indirect,
        data_value_descriptor=descriptor,
        encoding=encoding,
    )
    return external, pos


@once
def reader(cls: type[Sequence] | type[Choice]) -> Reader:
    """Give the reader of the components of a SEQUENCE, or of a CHOICE with the tag of its alternative."""
    if issubclass(cls, Choice):
        return _choice_reader(cls)
    name = f"read_{cls.__name__}"
    source = Source(name, "data, pos, end")
    source.add(f"self = {source.name('Open', _open_class(cls))}()", "self.unknown = ()")
    following = "tag = data[pos] if pos < end else 0"
    source.add(following)
    for component in describe(cls):
        target = f"self.{component.attribute}"
        source.indent(f"if {matches_any(component.wire_type, component.tag)}:")
        _compile_read(source, component.wire_type, component.tag, target)
        source.add(following)
        source.dedent()
        source.indent("else:")
        if component.optional:
            source.add(f"{target} = None")
        elif component.default is None:
            source.add("raise Unusual")
        else:
            source.add(f"{target} = {source.name('default', component.default)}")
        source.dedent()
    source.add(f"self.__class__ = {source.name(cls.__name__, cls)}", "return self, pos")
    read: Reader = source.function()
    return read


def _choice_reader(cls: type[Choice]) -> Reader:
    name = f"read_{cls.__name__}"
    members = describe(cls)
    source = Source(name, "data, pos, end")
    source.add(f"self = {source.name('Open', _open_class(cls))}()", "tag = data[pos]")
    source.add(*(f"self.{one.attribute} = None" for one in members))
    for place, one in enumerate(members):
        source.indent(f"{'elif' if place else 'if'} {matches_any(one.wire_type, one.tag)}:")
        _compile_read(source, one.wire_type, one.tag, f"self.{one.attribute}")
        source.dedent()
    source.indent("else:")
    source.add("raise Unusual")
    source.dedent()
    source.add(f"self.__class__ = {source.name(cls.__name__, cls)}", "return self, pos")
    read: Reader = source.function()
    return read


@once
def element_reader(wire_type: Type, tag: Tag | None = None) -> Reader:
    """Give the reader of a whole element of a type, its tag included: `tag`, or its own."""
    match wire_type:
        case _ if tag is not None:
            return _tagged_reader(wire_type, tag)
        case Primitive.ANY:
            return _read_any
        case tuple() if wire_type is ILL_STRING_ALTERNATIVES:
            return _read_ill_string
        case type() if issubclass(wire_type, Choice):
            return reader(wire_type)
        case _:
            return _tagged_reader(wire_type, None)


def _tagged_reader(wire_type: Type, tag: Tag | None) -> Reader:
    source = Source("read_element", "data, pos, end")
    source.add("tag = data[pos]")
    source.indent(f"if not ({matches_any(wire_type, tag)}):")
    source.add("raise Unusual")
    source.dedent()
    _compile_read(source, wire_type, tag, "value")
    source.add("return value, pos")
    read: Reader = source.function()
    return read


@once
def _members_reader(element: Type) -> Reader:
    """Give the reader of the contents of a SEQUENCE OF."""
    source = Source("read_members", "data, pos, end")
    source.add("members = []")
    source.indent("while pos < end and (tag := data[pos]):")
    source.indent(f"if not ({matches_any(element, None)}):")
    source.add("raise Unusual")
    source.dedent()
    _compile_read(source, element, None, "value")
    source.add("members.append(value)")
    source.dedent()
    source.add("return tuple(members), pos")
    read: Reader = source.function()
    return read


def _compile_read(source: Source, wire_type: Type, tag: Tag | None, target: str) -> None:
    """Add what reads the element at `pos`, whose identifier is right, into `target`, and moves `pos`."""
    if tag is not None and tag.tagging is Tagging.EXPLICIT:
        at = len(own_identifier(wire_type, tag))
        if wire_type is ILL_STRING_ALTERNATIVES:
            _compile_explicit_string(source, at, target)
        else:
            _compile_enclosed(source, element_reader(wire_type), at, target)
    elif tag is None and alternatives(wire_type) is not None:
        source.add(f"{target}, pos = {source.name_of(element_reader(wire_type))}(data, pos, end)")
    else:
        _compile_contents(source, wire_type, len(own_identifier(wire_type, tag)), target)


def _compile_explicit_string(source: Source, at: int, target: str) -> None:
    """Add what reads an ILL-String under an explicit tag; there is no call for a short one."""
    source.add(f"length = data[pos + {at}]")
    source.indent(f"if data[pos + {at + 2}] == length - 2 < 126:")
    strings = source.name("strings", _STRINGS)
    source.add(
        f"{target} = string = {source.name('OpenString', _OpenString)}()",
        f"stop = pos + length + {at + 1}",
        f"string.octets = data[pos + {at + 3} : stop]",
        f"string.__class__ = {strings}[data[pos + {at + 1}]]",
        "pos = stop",
    )
    source.dedent()
    source.indent("else:")
    source.add(
        f"{target}, pos = {source.name('enclosed', _enclosed)}("
        f"{source.name('read_ill_string', _read_ill_string)}, data, pos + {at}, end)"
    )
    source.dedent()


def _compile_enclosed(source: Source, read: Reader, at: int, target: str) -> None:
    name = source.name_of(read)
    source.add(f"length = data[pos + {at}]")
    source.indent(f"if length < {SHORT}:")
    source.add(
        f"pos += {at + 1}",
        "stop = pos + length",
        f"{target}, pos = {name}(data, pos, stop)",
    )
    source.indent("if pos != stop:")
    source.add("raise Unusual")
    source.dedent()
    source.dedent()
    source.indent("else:")
    source.add(f"{target}, pos = {source.name('enclosed', _enclosed)}({name}, data, pos + {at}, end)")
    source.dedent()


_READ_PRIMITIVE: Final[dict[Primitive, Callable[[bytes, int], tuple[Any, int]]]] = {
    Primitive.BIT_STRING: _bit_string,
    Primitive.OCTET_STRING: _octets,
    Primitive.OBJECT_IDENTIFIER: _object_identifier,
    Primitive.OBJECT_DESCRIPTOR: _octets,
    Primitive.PRINTABLE_STRING: _characters,
    Primitive.GRAPHIC_STRING: _octets,
    Primitive.VISIBLE_STRING: _characters,
    Primitive.GENERAL_STRING: _octets,
}


def _compile_contents(source: Source, wire_type: Type, at: int, target: str) -> None:
    """Add what reads the contents of the element at `pos`; its identifier has `at` octets."""
    match wire_type:
        case Primitive.EXTERNAL:
            _compile_enclosed(source, _read_external, at, target)
        case Primitive.BOOLEAN:
            _compile_one_octet(source, at)
            source.add(f"{target} = data[pos - 1] != 0")
        case Primitive.INTEGER:
            source.indent(f"if data[pos + {at}] == 1:")
            source.add(f"{target} = {source.name('small', _SMALL)}[data[pos + {at + 1}]]", f"pos += {at + 2}")
            source.dedent()
            source.indent("else:")
            source.add(f"{target}, pos = {source.name_of(_integer)}(data, pos + {at})")
            source.dedent()
        case Primitive.NULL:
            source.indent(f"if data[pos + {at}]:")
            source.add("raise Unusual")
            source.dedent()
            source.add(f"{target} = {source.name('NULL', NULL)}", f"pos += {at + 1}")
        case Primitive():
            source.add(f"{target}, pos = {source.name_of(_READ_PRIMITIVE[wire_type])}(data, pos + {at})")
        case type() if issubclass(wire_type, Enumerated):
            _compile_one_octet(source, at)
            listed = {number: wire_type(number) for number in numbers(wire_type) if number < SHORT}
            # What is not listed is a KeyError.
            source.add(f"{target} = {source.name(wire_type.__name__, listed)}[data[pos - 1]]")
        case SequenceOf():
            _compile_enclosed(source, _members_reader(wire_type.element), at, target)
        case type() if issubclass(wire_type, Sequence):
            _compile_enclosed(source, reader(wire_type), at, target)
        case _:
            raise TypeError(f"{wire_type!r} has no contents of its own")


def _compile_one_octet(source: Source, at: int) -> None:
    """Add what steps over an element of one octet of contents."""
    source.indent(f"if data[pos + {at}] != 1:")
    source.add("raise Unusual")
    source.dedent()
    source.add(f"pos += {at + 2}")
