"""Values of any type of the abstract syntax from octets and back, until asn1.codec has the same two names."""

from typing import Any, Final

from asn1 import elements, reference, shape
from asn1.bounds import is_unlisted, numbers
from asn1.elements import Element, Limits, header
from asn1.schema import (
    EXTERNAL_COMPONENTS,
    NULL,
    AnyValue,
    BitString,
    Choice,
    Component,
    Enumerated,
    External,
    ObjectIdentifier,
    Primitive,
    SequenceOf,
    Tag,
    TagClass,
    Tagging,
    Type,
    Unlisted,
    describe,
)

_DEFAULT: Final = Limits()


def decode_value(wire_type: Type, data: bytes, limits: Limits = _DEFAULT) -> Any:
    """Decode one value."""
    root = elements.scan(data, limits)
    plain = shape._Writer(data).value(wire_type, root, getattr(wire_type, "asn1_name", "value"))  # noqa: SLF001
    return _untagged(wire_type, elements.scan(plain, limits), plain)


def _value(c_type: Type, tag: Tag | None, e: Element, d: bytes) -> Any:
    if tag is None:
        return _untagged(c_type, e, d)
    if tag.tagging is Tagging.IMPLICIT:
        return _element(c_type, e, d)
    return _untagged(c_type, e.children[0], d)


def _untagged(t: Type, e: Element, d: bytes) -> Any:
    alternatives = shape._alternatives(t)  # noqa: SLF001
    if alternatives is None:
        return _element(t, e, d)
    one = next(a for a in alternatives if (e.tag_class, e.number) in shape._component_keys(a))  # noqa: SLF001
    value = _value(one.wire_type, one.tag, e, d)
    if isinstance(t, tuple):
        return reference._wrapped(one, value)  # noqa: SLF001
    return t(**{one.attribute: value})  # type: ignore[operator]


def _components(components: tuple[Component, ...], e: Element, d: bytes) -> dict[str, Any]:
    out = {}
    for child in e.children:
        one = next(
            c
            for c in components
            if (child.tag_class, child.number) in shape._component_keys(c)  # noqa: SLF001
        )
        out[one.attribute] = _value(one.wire_type, one.tag, child, d)
    return out


def _element(t: Type, e: Element, d: bytes) -> Any:
    octets = d[e.content : e.content_end]
    match t:
        case Primitive.ANY:
            return AnyValue(d[e.start : e.end])
        case Primitive.EXTERNAL:
            return External(**_components(EXTERNAL_COMPONENTS, e, d))
        case Primitive.BOOLEAN:
            return octets != b"\0"
        case Primitive.INTEGER:
            return int.from_bytes(octets, "big", signed=True)
        case Primitive.NULL:
            return NULL
        case Primitive.BIT_STRING:
            return BitString(octets[1:], octets[0])
        case Primitive.OBJECT_IDENTIFIER:
            arcs, arc = [], 0
            for o in octets:
                arc = arc << 7 | o & 0x7F
                if not o & 0x80:
                    arcs.append(arc)
                    arc = 0
            first = min(arcs[0] // 40, 2)
            return ObjectIdentifier(".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:]))))
        case Primitive.PRINTABLE_STRING | Primitive.VISIBLE_STRING:
            return octets.decode("latin-1")
        case Primitive():
            return octets
        case SequenceOf():
            return tuple(_untagged(t.element, c, d) for c in e.children)
        case type() if issubclass(t, Enumerated):
            n = int.from_bytes(octets, "big", signed=True)
            return t(n) if n in numbers(t) else Unlisted(n)
        case _:
            return t(**_components(describe(t), e, d))  # type: ignore[arg-type, operator]


def encode_value(wire_type: Type, value: Any) -> bytes:
    """Encode one value."""
    return _write(wire_type, value, None, "value")


def _write(t: Type, v: Any, tag: Tag | None, path: str) -> bytes:
    if tag is not None and tag.tagging is Tagging.EXPLICIT:
        inner = _write(t, v, None, path)
        return header(tag.tag_class, tag.number, constructed=True, length=len(inner)) + inner
    if isinstance(t, tuple):
        one, v = reference._unwrapped(t, v, path)  # noqa: SLF001
        return _write(one.wire_type, v, one.tag, path)
    if isinstance(t, type) and issubclass(t, Choice):
        reference._expect(t, v, path)  # noqa: SLF001
        name, chosen = v.chosen
        one = next(c for c in describe(t) if c.attribute == name)
        return _write(one.wire_type, chosen, one.tag, f"{path}.{one.name}")
    constructed = False
    match t:
        case Primitive.ANY:
            reference._expect(AnyValue, v, path)  # noqa: SLF001
            return bytes(v.octets)
        case Primitive.EXTERNAL:
            reference._expect(External, v, path)  # noqa: SLF001
            constructed, c = True, _sequence(EXTERNAL_COMPONENTS, v, path)
        case Primitive.BOOLEAN:
            c = b"\xff" if v else b"\0"
        case Primitive.INTEGER:
            c = _int(v)
        case Primitive.NULL:
            c = b""
        case Primitive.BIT_STRING:
            c = bytes([v.unused]) + v.octets
        case Primitive.OBJECT_IDENTIFIER:
            arcs = list(map(int, v.split(".")))
            c = b"".join(map(_arc, [arcs[0] * 40 + arcs[1], *arcs[2:]]))
        case Primitive():
            value = reference._written_primitive(t, v, path)  # noqa: SLF001
            c = value
        case SequenceOf():
            reference._expect(tuple, v, path)  # noqa: SLF001
            constructed, c = True, b"".join(_write(t.element, m, None, path) for m in v)
        case type() if issubclass(t, Enumerated):
            c = _int(reference._number(t, v, path))  # noqa: SLF001
        case _:
            reference._expect(t, v, path)  # noqa: SLF001
            constructed, c = True, _sequence(describe(t), v, path)
    if tag is None:
        tag = Tag(shape._universal_tag(t), Tagging.IMPLICIT, TagClass.UNIVERSAL)  # noqa: SLF001
    return header(tag.tag_class, tag.number, constructed=constructed, length=len(c)) + c


def _sequence(components: tuple[Component, ...], v: Any, path: str) -> bytes:
    return b"".join(
        _write(c.wire_type, m, c.tag, f"{path}.{c.name}")
        for c in components
        if (m := getattr(v, c.attribute)) is not None
    )


def _int(v: int) -> bytes:
    return v.to_bytes((v if v >= 0 else ~v).bit_length() // 8 + 1, "big", signed=True)


def _arc(a: int) -> bytes:
    out = [a & 0x7F]
    while a := a >> 7:
        out.append(a & 0x7F | 0x80)
    return bytes(reversed(out))
