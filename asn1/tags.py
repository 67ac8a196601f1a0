"""The identifier octets that the schema asks for: what a value of a type, or a component, begins with."""

from collections.abc import Callable
from functools import cache
from typing import Final, ParamSpec, TypeAlias, TypeVar, cast

from asn1.elements import header, is_element, read_header
from asn1.schema import (
    AnyValue,
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

Key: TypeAlias = tuple[TagClass, int]
"""Class and number of a tag."""

P = ParamSpec("P")
R = TypeVar("R")

_SEQUENCE: Final = 16
_ENUMERATED: Final = 10


def once(make: Callable[P, R]) -> Callable[P, R]:
    """Make what a function gives for each type once, and remember it: there are a few hundred types."""
    return cast("Callable[P, R]", cache(make))


def alternatives(wire_type: Type) -> tuple[Component, ...] | None:
    """Give the alternatives of a CHOICE; None where the type is none."""
    match wire_type:
        case tuple():
            return wire_type
        case type() if issubclass(wire_type, Choice):
            return describe(wire_type)
        case _:
            return None


def is_constructed(wire_type: Type) -> bool:
    """Whether a type that is neither CHOICE nor ANY has elements for contents."""
    match wire_type:
        case Primitive():
            return wire_type is Primitive.EXTERNAL
        case type():
            return not issubclass(wire_type, Enumerated)
        case _:
            return True


def universal_number(wire_type: Type) -> int:
    """Give the universal tag of a type that is neither CHOICE nor ANY."""
    match wire_type:
        case Primitive():
            return wire_type.value
        case type() if issubclass(wire_type, Enumerated):
            return _ENUMERATED
        case _:
            return _SEQUENCE


def keys(wire_type: Type, tag: Tag | None) -> frozenset[Key] | None:
    """Give the tags that a value can begin with under a tag, or under none; None where it may be any."""
    if tag is not None:
        return frozenset({(tag.tag_class, tag.number)})
    return _own_keys(wire_type)


@once
def _own_keys(wire_type: Type) -> frozenset[Key] | None:
    if wire_type is Primitive.ANY:
        return None
    choice = alternatives(wire_type)
    if choice is None:
        return frozenset({(TagClass.UNIVERSAL, universal_number(wire_type))})
    return frozenset().union(*map(component_keys, choice))


@once
def component_keys(component: Component) -> frozenset[Key]:
    """Give the tags that a component can begin with.

    Raises:
        TypeError: it is ANY without a tag, which the abstract syntax does not have.
    """
    found = keys(component.wire_type, component.tag)
    if found is None:
        raise TypeError(f"{component.name} is ANY without a tag: nothing could follow it")
    return found


def own_identifier(wire_type: Type, tag: Tag | None) -> bytes:
    """Give the identifier octets of a type under its tag, or under none if it is neither CHOICE nor ANY."""
    if tag is None:
        return _identifier(
            TagClass.UNIVERSAL, universal_number(wire_type), constructed=is_constructed(wire_type)
        )
    constructed = tag.tagging is Tagging.EXPLICIT or is_constructed(wire_type)
    return _identifier(tag.tag_class, tag.number, constructed=constructed)


def _identifier(tag_class: TagClass, number: int, *, constructed: bool) -> bytes:
    return header(tag_class, number, constructed=constructed, length=0)[:-1]


def identifiers(wire_type: Type, tag: Tag | None) -> list[bytes]:
    """Give the identifier octets that a component can begin with, its strings not being segmented."""
    choice = alternatives(wire_type) if tag is None else None
    if choice is None:
        return [own_identifier(wire_type, tag)]
    return [octets for one in choice for octets in identifiers(one.wire_type, one.tag)]


@once
def _keys_within(cls: type[Sequence]) -> frozenset[Key]:
    return frozenset().union(*map(component_keys, describe(cls)))


def may_be_unknown(cls: type[Sequence], key: Key) -> bool:
    """Whether an element may be one that the type does not know: under a context tag that is not its own."""
    return key[0] is TagClass.CONTEXT and key not in _keys_within(cls)


def is_unknown_of(cls: type[Sequence], value: object) -> bool:
    """Whether a value can be the `unknown` of a SEQUENCE."""
    return type(value) is tuple and all(_is_unknown_element(cls, one) for one in value)


def _is_unknown_element(cls: type[Sequence], one: object) -> bool:
    if type(one) is not AnyValue or not is_element(one.octets):
        return False
    found = read_header(one.octets, 0, len(one.octets))
    return found is not None and may_be_unknown(cls, (found.tag_class, found.number))


@once
def depth(wire_type: Type) -> int | None:
    """Say how deep constructed elements nest in a value, those in the value of an ANY not counted.

    Returns:
        The depth, or None where the type holds itself, so that there is no end to it.
    """
    return _depth(wire_type, ())


def _depth(wire_type: Type, within: tuple[Type, ...]) -> int | None:
    if wire_type in within:
        return None
    within = (*within, wire_type)
    match wire_type:
        case Primitive.EXTERNAL:
            return 2
        case Primitive():
            return 0
        case SequenceOf():
            inner = _depth(wire_type.element, within)
            return None if inner is None else inner + 1
        case type() if issubclass(wire_type, Enumerated):
            return 0
        case tuple():
            return 0
        case _:
            deepest = 0 if issubclass(wire_type, Choice) else 1
            own = deepest
            for component in describe(wire_type):
                inner = _depth(component.wire_type, within)
                if inner is None:
                    return None
                explicit = component.tag is not None and component.tag.tagging is Tagging.EXPLICIT
                deepest = max(deepest, own + inner + explicit)
            return deepest
