"""Which keys a configuration has, read from its types: for messages, and for the reference.

Imports nothing of ours.
"""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

Location = tuple[str | int, ...]
"""Where a value stands in a document: keys of tables and places in lists."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a table.

    Args:
        name: the key.
        annotation: the type of its value.
        default: its default; `dataclasses.MISSING` when it has to be written.
    """

    name: str
    annotation: Any
    default: object


def keys_of(table: type) -> tuple[Key, ...]:
    """Returns the keys of a table, in the order in which its type declares them."""
    hints = get_type_hints(table, include_extras=True)
    return tuple(
        Key(
            name=field.name,
            annotation=hints[field.name],
            default=field.default
            if field.default_factory is dataclasses.MISSING
            else field.default_factory(),
        )
        for field in dataclasses.fields(table)
    )


def texts_of(table: type) -> dict[str, str]:
    """Returns what is written under each field of the table's type: its line in the reference."""
    body = ast.parse(textwrap.dedent(inspect.getsource(table))).body[0]
    texts: dict[str, str] = {}
    name = ""
    for statement in body.body if isinstance(body, ast.ClassDef) else ():
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)):
                pass
            case ast.Assign(targets=[ast.Name(id=name)]):
                pass
            case ast.Expr(value=ast.Constant(value=str() as text)) if name:
                texts[name] = " ".join(text.split())
            case _:
                name = ""
    return texts


def tables_in(annotation: Any) -> tuple[type, ...]:
    """Returns the tables that a value of this type is or holds: none, one, or one for each kind."""
    if _description(annotation) is not None:
        return ()  # a value of its own, though a dataclass may represent it, as a symbol
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return (annotation,)
    return tuple(table for part in _parts(annotation) for table in tables_in(part))


def describe(annotation: Any) -> str:
    """Returns what may be written for a value of this type, to stand after 'expected'."""
    written = _description(annotation)
    if written is not None:
        return written
    origin = get_origin(annotation)
    if origin is Annotated:
        return describe(annotation.__origin__)
    if origin is Literal:
        return " or ".join(repr(value) for value in get_args(annotation))
    if origin in {tuple, frozenset}:
        item = get_args(annotation)[0]
        if tables_in(item):
            return "a list of tables, each under its name in double brackets"
        return f"a list, each item {describe(item)}"
    if origin in {Union, UnionType}:
        return " or ".join(describe(part) for part in _parts(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "one of " + ", ".join(repr(member.value) for member in annotation)
    kind = kind_of(annotation)
    return f"a table with kind {kind!r}" if kind else "a table"


def kind_of(table: Any) -> str | None:
    """Returns the value of the key `kind` that tells this table from others in its place."""
    hint = get_type_hints(table).get("kind")
    return str(get_args(hint)[0]) if get_origin(hint) is Literal else None


def resolve(annotation: Any, location: Location) -> tuple[Location, Any]:
    """Finds the type at a location in which the kinds of tables may stand as if they were keys.

    Returns the location without them, and the type; None for a key that does not exist.
    """
    clean: list[str | int] = []
    current = annotation
    for step in location:
        tables = tables_in(current)
        chosen = [table for table in tables if len(tables) > 1 and kind_of(table) == step]
        if chosen:
            current = chosen[0]
            continue
        clean.append(step)
        current = _item(current) if isinstance(step, int) else _member(tables, step)
    return tuple(clean), current


def _description(annotation: Any) -> str | None:
    for item in getattr(annotation, "__metadata__", ()):
        if isinstance(item, FieldInfo) and item.description is not None:
            return item.description
    return None


def _parts(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield annotation.__origin__
    elif get_origin(annotation) in {Union, UnionType, tuple, frozenset}:
        yield from (part for part in get_args(annotation) if part is not NoneType and part is not Ellipsis)


def _item(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        return _item(annotation.__origin__)
    return get_args(annotation)[0]


def _member(tables: tuple[type, ...], name: str) -> Any:
    for table in tables:
        for key in keys_of(table):
            if key.name == name:
                return key.annotation
    return None
