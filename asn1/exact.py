"""Reads everything that can be read, says of the rest what is wrong and where, and has the last word.

A tree of elements (`asn1.elements`) is held against the schema: order, presence and tags of components, form
and length of contents, the values that an ENUMERATED may have. Recursion follows the schema, never the
octets. `asn1.readers` read the common form faster; what this refuses, they never accept.
"""

from collections.abc import Callable
from collections.abc import Sequence as SequenceABC
from typing import Any, Final

from asn1.bounds import is_unlisted, numbers
from asn1.contents import (
    is_padded,
    read_bit_string,
    read_boolean,
    read_integer,
    read_null,
    read_object_identifier,
)
from asn1.dialects import Dialect, Tolerance, ToleranceKind
from asn1.elements import Element, Limits, WholeElement
from asn1.errors import WireError, WireErrorKind
from asn1.schema import (
    EXTERNAL_COMPONENTS,
    NULL,
    UNKNOWN,
    AnyValue,
    BitString,
    Choice,
    Component,
    Enumerated,
    External,
    Primitive,
    Sequence,
    SequenceOf,
    Tag,
    TagClass,
    Tagging,
    Type,
    Unlisted,
    describe,
)
from asn1.tags import Key, alternatives, component_keys, keys, may_be_unknown

_SEQUENCE_KEY: Final[Key] = (TagClass.UNIVERSAL, 16)
_WITHOUT_CONTENTS: Final = frozenset({Primitive.ANY, Primitive.EXTERNAL})
"""The types among `Primitive` that are no simple types: they have elements for contents."""


class Reading:
    """Reads one tree of elements.

    Args:
        data: the octets that the tree was made from.
        limits: what is accepted at most; the tree was made under the same.
        dialect: what is tolerated.
    """

    def __init__(self, data: bytes, limits: Limits, dialect: Dialect) -> None:
        self._data = data
        self._max_string_octets = limits.max_string_octets
        self._tolerated = dialect.tolerances
        self._uses: list[Tolerance] = []

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        """The tolerances used so far, by their place in the octets."""
        return tuple(sorted(self._uses, key=lambda use: use.offset))

    def value(self, wire_type: Type, element: Element, path: str, tag: Tag | None = None) -> Any:
        """Read an element that has the tag `tag`; without one, that of its type, which is checked too.

        Raises:
            WireError: MISTYPED, with the path of names to the first component that is wrong.
        """
        if tag is None:
            return self._untagged(wire_type, element, path)
        if tag.tagging is Tagging.IMPLICIT:
            return self._element(wire_type, element, path)
        return self._explicit(wire_type, element, path)

    def _use(self, kind: ToleranceKind, element: Element, path: str) -> bool:
        """Whether a departure is tolerated; if so, it is noted."""
        if kind not in self._tolerated:
            return False
        self._uses.append(Tolerance(kind=kind, offset=element.start, path=path))
        return True

    def _explicit(self, wire_type: Type, element: Element, path: str) -> Any:
        """Read what an explicit tag holds, or what stands in the place of the tag and what it holds."""
        if not element.constructed:
            if _is_simple(wire_type) and self._use(ToleranceKind.IMPLICIT_TAG, element, path):
                return self._element(wire_type, element, path)
            raise _mistyped(f"the explicit tag {_shown(element)} is primitive", element.start, path)
        if _lacks_sequence(wire_type, element) and self._use(ToleranceKind.MISSING_SEQUENCE, element, path):
            return self._element(wire_type, element, path)
        if len(element.children) != 1:
            raise _mistyped(
                f"the explicit tag {_shown(element)} holds {len(element.children)} elements instead of 1",
                element.start,
                path,
            )
        return self._untagged(wire_type, element.children[0], path)

    def _untagged(self, wire_type: Type, element: Element, path: str) -> Any:
        expected = keys(wire_type, None)
        if expected is not None and _key(element) not in expected:
            raise _mistyped(f"unexpected element {_shown(element)}", element.start, path)
        choice = alternatives(wire_type)
        if choice is None:
            return self._element(wire_type, element, path)
        chosen = next(one for one in choice if _key(element) in component_keys(one))
        value = self.value(chosen.wire_type, element, f"{path}.{chosen.name}", chosen.tag)
        if isinstance(wire_type, type) and issubclass(wire_type, Choice):
            return wire_type(**{chosen.attribute: value})
        return _in_its_class(chosen, value)

    def _element(self, wire_type: Type, element: Element, path: str) -> Any:
        """Read an element whose tag is right."""
        match wire_type:
            case Primitive.ANY:
                return AnyValue(self._octets_of(element))
            case Primitive.EXTERNAL:
                return self._external(element, path)
            case Primitive():
                return self._primitive(wire_type, element, path)
            case SequenceOf():
                return tuple(
                    self.value(wire_type.element, member, f"{path}[{place}]")
                    for place, member in enumerate(_members(element, path))
                )
            case type() if issubclass(wire_type, Enumerated):
                return self._enumerated(wire_type, element, path)
            case type() if issubclass(wire_type, Sequence):
                return self._sequence(wire_type, element, path)
            case _:
                raise TypeError(f"{path} is a CHOICE under an implicit tag: no ASN.1")

    def _sequence(self, cls: type[Sequence], element: Element, path: str) -> Sequence:
        if _has_extra_sequence(cls, element) and self._use(ToleranceKind.EXTRA_SEQUENCE, element, path):
            element = element.children[0]
        children = _members(element, path)
        known = len(children)
        if ToleranceKind.UNKNOWN_COMPONENT in self._tolerated:
            while known and may_be_unknown(cls, _key(children[known - 1])):
                known -= 1
        values = self._components(describe(cls), children, known, element.content_end, path)
        if known < len(children):
            for child in children[known:]:
                self._use(ToleranceKind.UNKNOWN_COMPONENT, child, path)
            values[UNKNOWN] = tuple(AnyValue(self._octets_of(child)) for child in children[known:])
        return cls(**values)

    def _components(
        self, components: tuple[Component, ...], children: list[Element], known: int, end: int, path: str
    ) -> dict[str, Any]:
        """Read the components, in order, each at most once and none missing.

        The first `known` of the children are to be components; those after them may stay unknown, but not in
        the place of one that is missing.
        """
        waiting = 0
        values: dict[str, Any] = {}
        for child in children[:known]:
            place = _place(components, waiting, _key(child))
            if place is None:
                raise _unexpected(components, child, path)
            component = components[place]
            _none_missing(components[waiting:place], child.start, path)
            values[component.attribute] = self.value(
                component.wire_type, child, f"{path}.{component.name}", component.tag
            )
            waiting = place + 1
        if known < len(children) and any(map(_is_mandatory, components[waiting:])):
            raise _unexpected(components, children[known], path)
        _none_missing(components[waiting:], end, path)
        return values

    def _external(self, element: Element, path: str) -> External:
        children = _members(element, path)
        for child in children:
            if _key(child) == (TagClass.UNIVERSAL, Primitive.GRAPHIC_STRING.value) and not self._use(
                ToleranceKind.DESCRIPTOR_TAG, child, path
            ):
                raise _mistyped(f"unexpected element {_shown(child)}", child.start, path)
        values = self._components(EXTERNAL_COMPONENTS, children, len(children), element.content_end, path)
        return External(**values)

    def _primitive(self, primitive: Primitive, element: Element, path: str) -> Any:
        match primitive:
            case Primitive.BOOLEAN:
                return self._simple(read_boolean, element, path)
            case Primitive.INTEGER:
                return self._integer(element, path)
            case Primitive.NULL:
                self._simple(read_null, element, path)
                return NULL
            case Primitive.OBJECT_IDENTIFIER:
                return self._simple(read_object_identifier, element, path)
            case Primitive.BIT_STRING:
                return self._bit_string(element, path)
            case Primitive.PRINTABLE_STRING | Primitive.VISIBLE_STRING:
                return self._string(element, path).decode("latin-1")
            case _:
                return self._string(element, path)

    def _octets_of(self, element: Element) -> bytes:
        return WholeElement(self._data[element.start : element.end])

    def _simple(self, read: Callable[[bytes], Any], element: Element, path: str) -> Any:
        if element.constructed:
            raise _mistyped(f"{_shown(element)} is constructed, but has no components", element.start, path)
        try:
            return read(self._data[element.content : element.content_end])
        except ValueError as error:
            raise _mistyped(str(error), element.start, path) from None

    def _integer(self, element: Element, path: str) -> int:
        number: int = self._simple(read_integer, element, path)
        padded = is_padded(self._data[element.content : element.content_end])
        if padded and not self._use(ToleranceKind.PADDED_INTEGER, element, path):
            raise _mistyped("a number in more octets than it needs", element.start, path)
        return number

    def _enumerated(self, listed: type[Enumerated], element: Element, path: str) -> Enumerated | Unlisted:
        number = self._integer(element, path)
        if number in numbers(listed):
            return listed(number)
        # Every enumeration of the module begins at 1. What no later edition could list is not a value that we
        # do not know yet, but a broken one: docs/adr/0004-asn1.md.
        if not is_unlisted(listed, number):
            raise _mistyped(f"a value that {listed.__name__} cannot have", element.start, path)
        if not self._use(ToleranceKind.UNLISTED_VALUE, element, path):
            raise _mistyped(f"a value that {listed.__name__} does not list", element.start, path)
        return Unlisted(number)

    def _string(self, element: Element, path: str) -> bytes:
        return b"".join(self._segments(element, Primitive.OCTET_STRING, path))

    def _bit_string(self, element: Element, path: str) -> BitString:
        segments = self._segments(element, Primitive.BIT_STRING, path)
        try:
            return read_bit_string(segments)
        except ValueError as error:
            raise _mistyped(str(error), element.start, path) from None

    def _segments(self, element: Element, primitive: Primitive, path: str) -> list[bytes]:
        """Give the contents of the primitive elements that a string consists of: itself, or its segments."""
        segments: list[bytes] = []
        octets = 0
        waiting = [element]
        while waiting:
            piece = waiting.pop()
            if piece is not element and _key(piece) != (TagClass.UNIVERSAL, primitive.value):
                raise _mistyped(f"{_shown(piece)} as the segment of a string", piece.start, path)
            if piece.constructed:
                waiting.extend(reversed(piece.children))
                continue
            segments.append(self._data[piece.content : piece.content_end])
            octets += len(segments[-1])
            if octets > self._max_string_octets:
                raise WireError(
                    f"a string of more than {self._max_string_octets} octets", offset=element.start, path=path
                )
        return segments


def _key(element: Element) -> Key:
    return element.tag_class, element.number


def _is_simple(wire_type: Type) -> bool:
    """Whether a type is one whose explicit tag the tool of Biblio::ILL makes an implicit one."""
    match wire_type:
        case Primitive():
            return wire_type not in _WITHOUT_CONTENTS
        case type():
            return issubclass(wire_type, Enumerated)
        case _:
            return False


def _lacks_sequence(wire_type: Type, element: Element) -> bool:
    """Whether what an explicit tag holds are the components, or members, of the SEQUENCE that is not there.

    A right message never looks so: its explicit tag holds one SEQUENCE. Where the members of a SEQUENCE OF
    are SEQUENCEs themselves, the one member of a list looks like the list, unless it begins with another.
    """
    match wire_type:
        case SequenceOf():
            if len(element.children) != 1 or _key(element.children[0]) != _SEQUENCE_KEY:
                return True
            within = element.children[0].children
            member_keys = keys(wire_type.element, None)
            return (
                member_keys is not None
                and _SEQUENCE_KEY in member_keys
                and bool(within)
                and _key(within[0]) != _SEQUENCE_KEY
            )
        case type() if issubclass(wire_type, Sequence):
            return not element.children or _key(element.children[0]) != _SEQUENCE_KEY
        case _:
            return False


def _has_extra_sequence(cls: type[Sequence], element: Element) -> bool:
    """Whether a SEQUENCE holds one SEQUENCE, and none of its components could be one."""
    return (
        element.constructed
        and len(element.children) == 1
        and _key(element.children[0]) == _SEQUENCE_KEY
        and element.children[0].constructed
        and not any(_SEQUENCE_KEY in component_keys(one) for one in describe(cls))
    )


def _place(components: tuple[Component, ...], waiting: int, key: Key) -> int | None:
    """Give the place of the first component, from `waiting` on, that an element with that tag can be."""
    return next(
        (place for place in range(waiting, len(components)) if key in component_keys(components[place])), None
    )


def _members(element: Element, path: str) -> list[Element]:
    if not element.constructed:
        raise _mistyped(f"{_shown(element)} is primitive, but should have components", element.start, path)
    return element.children


def _in_its_class(alternative: Component, value: Any) -> Any:
    """Give the value of a CHOICE without a class: its alternatives have classes of their own."""
    match value:
        case str() if alternative.python_type is not None:
            return alternative.python_type(value.encode("latin-1"))
        case AnyValue() if alternative.python_type is not None:
            return alternative.python_type(value.octets)
        case _:
            return value if alternative.python_type is None else alternative.python_type(value)


def _none_missing(passed_over: SequenceABC[Component], offset: int, path: str) -> None:
    for component in passed_over:
        if _is_mandatory(component):
            raise _mistyped(f"the mandatory {component.name} is missing", offset, path)


def _is_mandatory(component: Component) -> bool:
    return not component.optional and component.default is None


def _unexpected(components: tuple[Component, ...], child: Element, path: str) -> WireError:
    """Say why an element is none of the components that could come where it is."""
    known = next((one.name for one in components if _key(child) in component_keys(one)), None)
    if known is None:
        return _mistyped(f"unexpected element {_shown(child)}", child.start, path)
    return _mistyped(f"{known} comes twice, or out of order", child.start, path)


def _mistyped(reason: str, offset: int, path: str) -> WireError:
    return WireError(reason, offset=offset, path=path, kind=WireErrorKind.MISTYPED)


def _shown(element: Element) -> str:
    """A tag as the standard would write it."""
    if element.tag_class is TagClass.CONTEXT:
        return f"[{element.number}]"
    return f"[{element.tag_class.name} {element.number}]"
