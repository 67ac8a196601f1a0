"""The shape of an APDU: what pyasn1 forgets to ask, where it is not so, and the same value in plain BER.

pyasn1 reads an empty INTEGER as 0, stumbles over long lengths and over an ANY of indefinite length
(pyasn1#66), and says of no error where it is. So the tree of elements is held against the schema before
pyasn1 sees anything: order, presence and tags of components, form and length of contents, the values that
an ENUMERATED may have. What pyasn1 sees is written on the way: the same value in definite lengths and
unsegmented strings, the octets of each ANY as they came.
"""

from collections.abc import Sequence as SequenceABC
from functools import cache

from asn1.bounds import MAX_ARC_OCTETS, MAX_INTEGER_OCTETS, MAX_OBJECT_IDENTIFIER_OCTETS, is_unlisted, numbers
from asn1.elements import Element, header
from asn1.errors import WireError, WireErrorKind
from asn1.schema import (
    EXTERNAL_COMPONENTS,
    Apdu,
    Choice,
    Component,
    Enumerated,
    Primitive,
    Sequence,
    SequenceOf,
    Tag,
    TagClass,
    Tagging,
    Type,
    describe,
)

_SEQUENCE = 16
_ENUMERATED = 10

_Key = tuple[TagClass, int]


def plain(root: Element, data: bytes, apdu: type[Apdu]) -> bytes:
    """Hold an element under an APPLICATION tag against the type of APDU that the tag stands for.

    Args:
        root: the element with the APPLICATION tag.
        data: the octets that the tree was made from.
        apdu: the type.

    Returns:
        The same value in definite, minimal lengths and unsegmented strings; the octets of each ANY unchanged.

    Raises:
        WireError: MISTYPED, with the path of names to the first component that is wrong.
    """
    return _Writer(data).value(apdu, root, apdu.asn1_name, apdu.apdu_tag)


class _Writer:
    """Checks an element and all that is in it. Methods give the element, or its contents, in plain BER."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def value(self, wire_type: Type, element: Element, path: str, tag: Tag | None = None) -> bytes:
        """Check an element that has the tag `tag`; without one, that of its type, which is checked too."""
        if tag is None:
            return self._untagged(wire_type, element, path)
        if tag.tagging is Tagging.IMPLICIT:
            return self._element(wire_type, element, path)
        return _written(
            element, self._untagged(wire_type, _only_child(element, path), path), constructed=True
        )

    def _untagged(self, wire_type: Type, element: Element, path: str) -> bytes:
        keys = _first_keys(wire_type)
        key = (element.tag_class, element.number)
        if keys is not None and key not in keys:
            raise _mistyped(f"unexpected element {_shown(element)}", element.start, path)
        alternatives = _alternatives(wire_type)
        if alternatives is None:
            return self._element(wire_type, element, path)
        chosen = next(alternative for alternative in alternatives if key in _component_keys(alternative))
        return self.value(chosen.wire_type, element, f"{path}.{chosen.name}", chosen.tag)

    def _element(self, wire_type: Type, element: Element, path: str) -> bytes:
        """Check an element whose tag is right."""
        match wire_type:
            case Primitive.ANY:
                return self._data[element.start : element.end]
            case Primitive.EXTERNAL:
                return _written(
                    element, self._components(EXTERNAL_COMPONENTS, element, path), constructed=True
                )
            case Primitive():
                return _written(element, self._primitive(wire_type, element, path), constructed=False)
            case SequenceOf():
                members = (
                    self.value(wire_type.element, member, f"{path}[{place}]")
                    for place, member in enumerate(_members(element, path))
                )
                return _written(element, b"".join(members), constructed=True)
            case type() if issubclass(wire_type, Enumerated):
                return _written(element, self._enumerated(wire_type, element, path), constructed=False)
            case type() if issubclass(wire_type, Sequence):
                contents = self._components(describe(wire_type), element, path)
                return _written(element, contents, constructed=True)
            case _:
                raise TypeError(f"{path} is a CHOICE under an implicit tag: no ASN.1")

    def _components(self, components: tuple[Component, ...], element: Element, path: str) -> bytes:
        """Check that the children are the components, in order, each at most once and none missing."""
        waiting = 0
        contents: list[bytes] = []
        for child in _members(element, path):
            key = (child.tag_class, child.number)
            place = next(
                (place for place, component in enumerate(components) if key in _component_keys(component)),
                None,
            )
            if place is None:
                raise _mistyped(f"unexpected element {_shown(child)}", child.start, path)
            component = components[place]
            if place < waiting:
                raise _mistyped(f"{component.name} comes twice, or out of order", child.start, path)
            _none_missing(components[waiting:place], child.start, path)
            contents.append(self.value(component.wire_type, child, f"{path}.{component.name}", component.tag))
            waiting = place + 1
        _none_missing(components[waiting:], element.content_end, path)
        return b"".join(contents)

    def _primitive(self, primitive: Primitive, element: Element, path: str) -> bytes:
        match primitive:
            case Primitive.BOOLEAN:
                return self._boolean(element, path)
            case Primitive.INTEGER:
                return self._integer(element, path)
            case Primitive.NULL:
                return self._null(element, path)
            case Primitive.OBJECT_IDENTIFIER:
                return self._object_identifier(element, path)
            case Primitive.BIT_STRING:
                return self._bit_string(element, path)
            case _:
                segments = _segments(element, Primitive.OCTET_STRING, path)
                return b"".join(self._data[segment.content : segment.content_end] for segment in segments)

    def _octets(self, element: Element, path: str) -> bytes:
        if element.constructed:
            raise _mistyped(f"{_shown(element)} is constructed, but has no components", element.start, path)
        return self._data[element.content : element.content_end]

    def _boolean(self, element: Element, path: str) -> bytes:
        octets = self._octets(element, path)
        if len(octets) != 1:
            raise _mistyped(f"a BOOLEAN of {len(octets)} octets", element.start, path)
        return octets

    def _null(self, element: Element, path: str) -> bytes:
        octets = self._octets(element, path)
        if octets:
            raise _mistyped("a NULL with contents", element.start, path)
        return octets

    def _integer(self, element: Element, path: str) -> bytes:
        octets = self._octets(element, path)
        if not 1 <= len(octets) <= MAX_INTEGER_OCTETS:
            raise _mistyped(f"a number of {len(octets)} octets", element.start, path)
        return octets

    def _enumerated(self, listed: type[Enumerated], element: Element, path: str) -> bytes:
        octets = self._integer(element, path)
        number = int.from_bytes(octets, "big", signed=True)
        # Every enumeration of the module begins at 1. What no later edition could list is not a value that we
        # do not know yet, but a broken one: docs/adr/0004-asn1.md.
        if not (number in numbers(listed) or is_unlisted(listed, number)):
            raise _mistyped(f"a value that {listed.__name__} cannot have", element.start, path)
        return octets

    def _object_identifier(self, element: Element, path: str) -> bytes:
        octets = self._octets(element, path)
        if not octets or octets[-1] & 0x80:
            raise _mistyped("an OBJECT IDENTIFIER that does not end", element.start, path)
        if len(octets) > MAX_OBJECT_IDENTIFIER_OCTETS:
            raise _mistyped(f"an OBJECT IDENTIFIER of {len(octets)} octets", element.start, path)
        arc = 0
        for octet in octets:
            if arc == 0 and octet == 0x80:
                raise _mistyped("an OBJECT IDENTIFIER with a padded arc", element.start, path)
            arc += 1
            if arc > MAX_ARC_OCTETS:
                raise _mistyped(
                    f"an OBJECT IDENTIFIER with an arc of more than {MAX_ARC_OCTETS} octets",
                    element.start,
                    path,
                )
            if not octet & 0x80:
                arc = 0
        return octets

    def _bit_string(self, element: Element, path: str) -> bytes:
        """Check the count of unused bits that each segment begins with: only the last may have any."""
        segments = _segments(element, Primitive.BIT_STRING, path)
        contents = [self._data[segment.content : segment.content_end] for segment in segments]
        for place, octets in enumerate(contents):
            most = 7 if place == len(contents) - 1 and len(octets) > 1 else 0
            if not octets or octets[0] > most:
                raise _mistyped(
                    "a BIT STRING whose count of unused bits is wrong", segments[place].start, path
                )
        unused = contents[-1][:1] if contents else b"\0"
        return unused + b"".join(octets[1:] for octets in contents)


def _written(element: Element, contents: bytes, *, constructed: bool) -> bytes:
    return header(element.tag_class, element.number, constructed=constructed, length=len(contents)) + contents


def _only_child(element: Element, path: str) -> Element:
    """Give the one element that an explicit tag must hold."""
    if not element.constructed:
        raise _mistyped(f"the explicit tag {_shown(element)} is primitive", element.start, path)
    if len(element.children) != 1:
        raise _mistyped(
            f"the explicit tag {_shown(element)} holds {len(element.children)} elements instead of 1",
            element.start,
            path,
        )
    return element.children[0]


def _members(element: Element, path: str) -> list[Element]:
    if not element.constructed:
        raise _mistyped(f"{_shown(element)} is primitive, but should have components", element.start, path)
    return element.children


def _segments(element: Element, primitive: Primitive, path: str) -> list[Element]:
    """Give the primitive elements that a string consists of, in order: itself, or its segments."""
    segments: list[Element] = []
    waiting = [element]
    while waiting:
        piece = waiting.pop()
        if piece is not element and (piece.tag_class, piece.number) != (TagClass.UNIVERSAL, primitive.value):
            raise _mistyped(f"{_shown(piece)} as the segment of a string", piece.start, path)
        if piece.constructed:
            waiting.extend(reversed(piece.children))
        else:
            segments.append(piece)
    return segments


def _mistyped(reason: str, offset: int, path: str) -> WireError:
    return WireError(reason, offset=offset, path=path, kind=WireErrorKind.MISTYPED)


def _none_missing(passed_over: SequenceABC[Component], offset: int, path: str) -> None:
    for component in passed_over:
        if not component.optional and component.default is None:
            raise _mistyped(f"the mandatory {component.name} is missing", offset, path)


def _shown(element: Element) -> str:
    """A tag as the standard would write it."""
    if element.tag_class is TagClass.CONTEXT:
        return f"[{element.number}]"
    return f"[{element.tag_class.name} {element.number}]"


def _alternatives(wire_type: Type) -> tuple[Component, ...] | None:
    """Give the alternatives of a CHOICE, or None where the type is none."""
    match wire_type:
        case tuple():
            return wire_type
        case type() if issubclass(wire_type, Choice):
            return describe(wire_type)
        case _:
            return None


_known_keys: dict[Type, frozenset[_Key] | None] = {}


def _first_keys(wire_type: Type) -> frozenset[_Key] | None:
    """Give the tags that a value can begin with, or None where it can begin with any."""
    if wire_type not in _known_keys:
        alternatives = _alternatives(wire_type)
        if alternatives is not None:
            _known_keys[wire_type] = frozenset().union(*map(_component_keys, alternatives))
        elif wire_type is Primitive.ANY:
            _known_keys[wire_type] = None
        else:
            _known_keys[wire_type] = frozenset({(TagClass.UNIVERSAL, _universal_tag(wire_type))})
    return _known_keys[wire_type]


def _universal_tag(wire_type: Type) -> int:
    match wire_type:
        case Primitive():
            return wire_type.value
        case type() if issubclass(wire_type, Enumerated):
            return _ENUMERATED
        case _:
            return _SEQUENCE


@cache
def _component_keys(component: Component) -> frozenset[_Key]:
    if component.tag is not None:
        return frozenset({(component.tag.tag_class, component.tag.number)})
    keys = _first_keys(component.wire_type)
    if keys is None:
        raise TypeError(f"{component.name} is ANY without a tag: nothing could follow it")
    return keys
