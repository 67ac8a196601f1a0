"""One document of the configuration: read from TOML, and everything said that is wrong with it.

A partner's document is laid over its base profile, and that over the gateway's own defaults; an error is
reported in the file in which the value stands. Imports nothing of ours outside `config`.
"""

import codecs
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from config import fields
from config.errors import ConfigError, shown
from config.keys import Location, describe, keys_of, resolve, tables_in

T = TypeVar("T")

#: What people who write TOML for the first time stumble over.
_TOML: Final = (
    "TOML (https://toml.io): texts in straight quotation marks, each table once,"
    " one of several in double brackets as [[local]]"
)

#: How far into a file that is not TOML is looked for what can be read: each line costs another reading.
_MOST_LINES: Final = 300

_ADAPTERS: Final[dict[type[Any], TypeAdapter[Any]]] = {}


class Findings:
    """Collects what is wrong, each thing once, file by file in the order in which it was found."""

    def __init__(self) -> None:
        self._errors: dict[ConfigError, None] = {}

    def add(self, file: Path, location: Location, problem: str, expected: str) -> None:
        """Notes one thing that is wrong at a location of a file."""
        error = ConfigError(file=file, key=dotted(location), problem=problem, expected=expected)
        self._errors.setdefault(error)

    @property
    def errors(self) -> tuple[ConfigError, ...]:
        """Everything noted so far."""
        by_file: dict[Path, list[ConfigError]] = {}
        for error in self._errors:
            by_file.setdefault(error.file, []).append(error)
        return tuple(chain.from_iterable(by_file.values()))


def dotted(location: Location) -> str:
    """Returns a location as an operator reads it: `listeners[0].port`."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if is_bare(step) else shown(step))
    return text


def is_bare(key: str) -> bool:
    """Whether a key is a word of the kind that TOML writes without quotation marks."""
    return len(key) <= 64 and key.isascii() and key.replace("-", "_").isidentifier()


def read_table(file: Path | Traversable, findings: Findings) -> dict[str, Any] | None:
    """Reads a TOML file; returns None, and says why, when it cannot be read or is not TOML."""
    path = Path(str(file))
    try:
        return tomllib.loads(_text_of(file.read_bytes()))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        findings.add(path, (), f"cannot be read: {reason}", "a file that the gateway may read")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = f"is not UTF-8: line {line}, octet {error.object[error.start]:02x}"
        findings.add(path, (), problem, "a TOML file, which is to be saved as UTF-8")
    except (ValueError, RecursionError) as error:
        findings.add(path, (), f"is not TOML: {error}", _TOML)
    return None


def beginning_of(file: Path) -> dict[str, Any]:
    """Reads what stands above the mistake in a file that is not TOML; an empty table when that is nothing."""
    try:
        lines = _text_of(file.read_bytes()).splitlines(keepends=True)
    except (OSError, UnicodeDecodeError):
        return {}
    for count in range(min(len(lines), _MOST_LINES), 0, -1):
        try:
            return tomllib.loads("".join(lines[:count]))
        except (ValueError, RecursionError):
            continue
    return {}


def _text_of(octets: bytes) -> str:
    # Some editors put a byte order mark before the text; it means nothing in UTF-8.
    return octets.removeprefix(codecs.BOM_UTF8).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The table that one file contributes to a document."""

    file: Path
    table: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A table put together from layers.

    Args:
        layers: its own file's last; what a later layer says replaces what an earlier one says, key by key.
        extra_keys: keys that it may also have and that its type does not know.
        private: whether it may be about people: then nothing that it says stands in an error.
    """

    layers: tuple[Layer, ...]
    extra_keys: tuple[str, ...] = ()
    private: bool = False
    table: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        table: dict[str, Any] = {}
        for layer in self.layers:
            table = _overlaid(table, layer.table)
        for key in self.extra_keys:
            table.pop(key, None)
        object.__setattr__(self, "table", table)

    @property
    def own_file(self) -> Path:
        """The file that the document is named by."""
        return self.layers[-1].file

    def file_of(self, location: Location) -> Path:
        """Returns the file that says what stands at the location; the own file when none does."""
        holding = (layer.file for layer in reversed(self.layers) if _holds(layer.table, location))
        return next(holding, self.own_file)

    def read(self, kind: type[T], findings: Findings, *, complete: bool = True) -> T | None:
        """Returns the document as a value of its type, or None after saying everything that is wrong with it.

        Args:
            kind: the dataclass that says what the document may hold.
            findings: what is wrong is added here.
            complete: False for a base profile, in which keys may be missing; it is checked, never returned.
        """
        try:
            value = _adapter(kind).validate_python(self.table)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_context=True):
                self._report(kind, detail, findings, complete=complete)
            return None
        return value if complete else None

    def _report(self, kind: type, detail: ErrorDetails, findings: Findings, *, complete: bool) -> None:
        location, annotation = resolve(kind, detail["loc"])
        match detail["type"]:
            case "missing" | "union_tag_not_found":
                if not complete:
                    return
                if detail["type"] == "union_tag_not_found":
                    location = (*location, "kind")
                findings.add(self.own_file, location, "is missing", describe(annotation))
            case "unexpected_keyword_argument":
                known = _known_keys(kind, detail["loc"][:-1]) + (
                    self.extra_keys if len(location) == 1 else ()
                )
                near = get_close_matches(str(location[-1]), known, n=1)
                wanted = repr(near[0]) if near else "one of " + ", ".join(repr(key) for key in known)
                if len(location) > 1 and location[-1] in _known_keys(kind, ()) + self.extra_keys:
                    # What stands below the head of a table belongs to it: TOML's commonest trap.
                    wanted = f"it above the first [table] of the file, or {wanted}"
                if self.private and not is_bare(str(location[-1])):
                    location = location[:-1]
                findings.add(self.file_of(location), location, "unknown key", wanted)
            case fields.EXPLAINED:
                context = detail["ctx"]
                findings.add(self.file_of(location), location, context["problem"], context["expected"])
            case "too_short" if detail["input"]:
                pass  # it holds only what is wrong, which is said already
            case "too_short":
                findings.add(
                    self.file_of(location), location, "is empty", describe(annotation) + ", at least one"
                )
            case "too_long":
                most = detail["ctx"]["max_length"]
                findings.add(
                    self.file_of(location), location, "is too long", f"{describe(annotation)}, at most {most}"
                )
            case _:
                value = "what is written" if self.private else shown(detail["input"])
                problem = f"{value} cannot stand here"
                findings.add(self.file_of(location), location, problem, describe(annotation))


def valid_items(kind: type[T], items: object) -> list[tuple[int, T]]:
    """Returns those items of a list that are right in themselves, with their places.

    For the checks of one thing against another, which are made even when some of the things are wrong.
    """
    found: list[tuple[int, T]] = []
    for place, item in enumerate(items if isinstance(items, list) else ()):
        try:
            found.append((place, _adapter(kind).validate_python(item)))
        except ValidationError:
            continue  # said already, when the document as a whole was read
    return found


def texts(items: object) -> Iterable[tuple[int, str]]:
    """Returns those items of a list that are texts, with their places."""
    return [
        (place, item)
        for place, item in enumerate(items if isinstance(items, list) else ())
        if isinstance(item, str)
    ]


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        adapter = _ADAPTERS[kind] = TypeAdapter(kind)
    return adapter


def _known_keys(kind: type, location: Location) -> tuple[str, ...]:
    _, annotation = resolve(kind, location)
    return tuple(key.name for table in tables_in(annotation) for key in keys_of(table))


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        # Why the kind decides: what a profile says of one transport means nothing for another.
        if isinstance(value, dict) and isinstance(known, dict) and _same_kind(known, value):
            merged[key] = _overlaid(known, value)
        else:
            merged[key] = value
    return merged


def _same_kind(below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    return "kind" not in below or "kind" not in above or below["kind"] == above["kind"]


def _holds(table: Mapping[str, Any], location: Location) -> bool:
    current: Any = table
    try:
        for step in location:
            current = current[step]
    except (KeyError, IndexError, TypeError):
        return False
    return True
