"""Mutation of BER by its elements, and of JSON by its members, so that what comes out is one again.

A fuzzer that changes octets breaks the lengths of everything around them, and hardly ever gets beyond the
first check. Here elements are taken out, doubled, moved, swapped with others, wrapped, given other tags,
other contents and other forms of length; what encloses them is written anew. Octets that are no BER, and one
case in four, are left to the fuzzer's own mutation.
"""

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from asn1 import elements
from asn1.errors import WireError
from asn1.schema import TagClass

_LIMITS = elements.Limits(max_depth=64)
_CONTENTS = (
    b"",
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\x00\x80",
    b"\x00\x01",
    b"\xff\x80",
    b"\x01\x00",
    b"\x2a\x86\x48",
    b"\x28\xcf\x31\x0d\x01",
    b"\x80\x01",
    b"\x00\x00",
    b"\x07\x80",
    b"20261122",
    b"\x7f\xff\xff\xff",
    b"\x00\x80\x00\x00\x00",
    b"\xc3\xa9",
    b"x" * 127,
    b"x" * 128,
    b"x" * 300,
)


@dataclass(slots=True)
class _Node:
    """An element that can be changed. Its contents are `octets`, or those of `children`."""

    tag_class: TagClass
    number: int
    constructed: bool
    octets: bytes = b""
    children: list["_Node"] = field(default_factory=list)
    form: int = 0
    """Its length: 0 definite, -1 indefinite, otherwise definite in so many octets after the first."""


def mutate(data: bytes, seed: int, otherwise: Callable[[bytes], bytes]) -> bytes:
    """Change octets, by their elements if they are BER.

    Args:
        data: the octets.
        seed: decides what is changed.
        otherwise: what changes octets that are no BER.
    """
    chance = random.Random(seed)  # noqa: S311 - choices of a fuzzer
    if chance.random() < 0.25:
        return otherwise(data)
    try:
        root = _node(elements.scan(data, _LIMITS), data)
    except (WireError, RecursionError):
        return otherwise(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        _change(root, chance)
    octets = _written(root)
    return octets if chance.random() < 0.9 else otherwise(octets)


def _node(element: elements.Element, data: bytes) -> _Node:
    indefinite = element.end != element.content_end
    node = _Node(element.tag_class, element.number, element.constructed, form=-1 if indefinite else 0)
    if element.constructed:
        node.children = [_node(child, data) for child in element.children]
    else:
        node.octets = data[element.content : element.content_end]
    return node


def _written(node: _Node) -> bytes:
    contents = b"".join(map(_written, node.children)) if node.constructed else node.octets
    octets = elements.header(node.tag_class, node.number, constructed=node.constructed, length=len(contents))
    if node.form == -1 and node.constructed:
        return _identifier(node) + b"\x80" + contents + b"\0\0"
    if node.form > 0 and len(contents) < 1 << 8 * node.form:
        return (
            _identifier(node)
            + bytes([0x80 | node.form])
            + len(contents).to_bytes(node.form, "big")
            + contents
        )
    return octets + contents


def _identifier(node: _Node) -> bytes:
    return elements.header(node.tag_class, node.number, constructed=node.constructed, length=0)[:-1]


def _all(root: _Node) -> list[_Node]:
    found = [root]
    for node in found:
        found.extend(node.children)
    return found


def _copy(node: _Node) -> _Node:
    return _Node(
        node.tag_class,
        node.number,
        node.constructed,
        octets=node.octets,
        children=[_copy(child) for child in node.children],
        form=node.form,
    )


def _change(root: _Node, chance: random.Random) -> None:
    """Change one element, not often the root."""
    nodes = _all(root)
    node = chance.choice(nodes)
    match chance.randrange(10):
        case 0:
            node.form = chance.choice((-1, 0, 1, 2, 3, 8, 16))
        case 1:
            node.number = chance.choice((0, 1, 2, 3, 4, 6, 8, 10, 16, 25, 27, 30, 31, 49, 50, 200))
        case 2:
            node.tag_class = chance.choice(list(TagClass))
        case 3 if not node.constructed:
            _segment(node, chance)
        case 4 if node.children:
            _rearrange(node, chance)
        case 5 if node.children:
            node.children.insert(chance.randint(0, len(node.children)), _copy(chance.choice(nodes)))
        case 6 if node.children:
            del node.children[chance.randrange(len(node.children))]
        case 7 if node.children:
            place = chance.randrange(len(node.children))
            around = _Node(TagClass.UNIVERSAL, 16, constructed=True, children=[node.children[place]])
            node.children[place] = around
        case 8 if node.children:
            place = chance.randrange(len(node.children))
            node.children[place : place + 1] = node.children[place].children
        case _ if not node.constructed:
            _refill(node, chance)
        case _:
            other = _copy(chance.choice(nodes))
            node.children, node.octets, node.constructed = other.children, other.octets, other.constructed


def _rearrange(node: _Node, chance: random.Random) -> None:
    one, other = chance.randrange(len(node.children)), chance.randrange(len(node.children))
    node.children[one], node.children[other] = node.children[other], node.children[one]


def _segment(node: _Node, chance: random.Random) -> None:
    """Make a string of segments of a primitive element."""
    place = chance.randint(0, len(node.octets))
    kind = chance.choice((4, 4, 4, 3, 27))
    node.constructed = True
    node.children = [
        _Node(TagClass.UNIVERSAL, kind, constructed=False, octets=piece)
        for piece in (node.octets[:place], node.octets[place:])
    ]
    node.octets = b""


def _refill(node: _Node, chance: random.Random) -> None:
    if chance.random() < 0.5 or not node.octets:
        node.octets = chance.choice(_CONTENTS)
        return
    octets = bytearray(node.octets)
    octets[chance.randrange(len(octets))] = chance.randrange(256)
    node.octets = bytes(octets[: chance.randint(0, len(octets))] if chance.random() < 0.2 else octets)


_NAMES = ("hex", "unknown", "general-string", "edifact-string", "octets", "unused", "title", "Cancel")
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    1,
    -1,
    2**31,
    1.5,
    "",
    "x",
    "00",
    "0500",
    "8c00",
    "1.0.10161.2.1",
    "loan",
    "\u20ac",
    [],
    {},
    {"hex": "0500"},
    {"hex": "8c00"},
    [{"hex": "9f8100"}],
    {"general-string": "x"},
    {"general-string": {"hex": "ff"}},
)


def mutate_text(data: bytes, seed: int, otherwise: Callable[[bytes], bytes]) -> bytes:
    """Change JSON by its members, and whatever is no JSON as `otherwise` does; arguments as of `mutate`."""
    chance = random.Random(seed)  # noqa: S311 - choices of a fuzzer
    if chance.random() < 0.1:
        return otherwise(data)
    try:
        obj = json.loads(data)
    except (ValueError, RecursionError):
        return otherwise(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        _change_member(obj, chance)
    return json.dumps(obj).encode("ascii")


def _change_member(obj: Any, chance: random.Random) -> None:
    """Change one member of an object or an array, however deep; nothing if there is none."""
    holders = [obj] if isinstance(obj, dict | list) else []
    for holder in holders:
        members = holder.values() if isinstance(holder, dict) else holder
        holders.extend(one for one in members if isinstance(one, dict | list))
    if not holders:
        return
    holder = chance.choice(holders)
    value = copy.deepcopy(chance.choice((chance.choice(_VALUES), chance.choice(holders))))
    name: Any
    if isinstance(holder, dict):
        name = chance.choice([*holder, chance.choice(_NAMES)])
    else:
        holder.insert(chance.randint(0, len(holder)), value)
        name = chance.randrange(len(holder))
    if chance.random() < 0.3 and (isinstance(holder, list) or name in holder):
        del holder[name]
    else:
        holder[name] = value
