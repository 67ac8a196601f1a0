"""Reads a request file, TOML or JSON: strictly, all that is wrong at once, nothing of it in an error.

A request file may name a patron. So a mistake is told by its key and by what was expected there; what stands
there goes into no message, since messages go to terminals, logs and mails.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final

from config.documents import Document, Findings, Layer
from config.errors import ConfigErrors
from iso_gateway.request.new_request import Item, NewRequest

MAX_OCTETS: Final = 1_048_576
"""The longest request file that is read: a request is a page, not a book."""


def read(path: Path) -> NewRequest:
    """Read the request file at a path; its name says whether it is TOML or JSON.

    Raises:
        ConfigErrors: with everything that is wrong with it.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except OSError as error:
        findings = Findings()
        findings.add(path, (), f"cannot be read: {error.strerror}", "a file that you may read")
        raise ConfigErrors(findings.errors) from None
    return parse(octets, path)


def parse(octets: bytes, source: Path) -> NewRequest:
    """Read a request from the contents of a file.

    Args:
        octets: the contents.
        source: the file that they are from, for messages; its name says whether it is TOML or JSON.

    Raises:
        ConfigErrors: with everything that is wrong with it.
    """
    findings = Findings()
    table = _table(octets, source, findings)
    if table is None:
        raise ConfigErrors(findings.errors)
    document = Document(layers=(Layer(file=source, table=table),), private=True)
    new = document.read(NewRequest, findings)
    if new is None:
        raise ConfigErrors(findings.errors)
    if not _can_be_found(new.item):
        findings.add(
            source,
            ("item",),
            "says nothing that it could be found by",
            "title, article_title, isbn, issn, other_numbers or system_numbers",
        )
        raise ConfigErrors(findings.errors)
    return new


def _table(octets: bytes, source: Path, findings: Findings) -> dict[str, Any] | None:
    """The table that a file holds; None, and why is said, where it holds none."""
    read_as = {".toml": _toml, ".json": _json}.get(source.suffix.lower())
    if read_as is None:
        findings.add(source, (), "is neither TOML nor JSON by its name", "a name that ends in .toml or .json")
        return None
    if len(octets) > MAX_OCTETS:
        findings.add(source, (), "is too long", f"at most {MAX_OCTETS} octets")
        return None
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        findings.add(source, (), f"is not UTF-8 at octet {error.start}", "a file in UTF-8")
        return None
    return read_as(text, source, findings)


def _toml(text: str, source: Path, findings: Findings) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Why only the place: the words of the error may quote what stands there.
        place = re.search(r" \(at (line [0-9]+, column [0-9]+|end of document)\)$", str(error))
        where = f" at {place[1]}" if place else ""
        findings.add(source, (), f"is not TOML{where}", "a TOML file (https://toml.io)")
        return None


class _RepeatedKeyError(ValueError):
    """A JSON object has a key twice."""


def _json(text: str, source: Path, findings: Findings) -> dict[str, Any] | None:
    try:
        value = json.loads(text, object_pairs_hook=_without_repeated_keys)
    except json.JSONDecodeError as error:
        problem = f"is not JSON at line {error.lineno}, column {error.colno}"
    except _RepeatedKeyError:
        problem = "has a key twice in one object"
    except (ValueError, RecursionError):
        problem = "is not JSON that can be read"
    else:
        if isinstance(value, dict):
            return value
        problem = "is no object"
    findings.add(source, (), problem, "a JSON object (RFC 8259)")
    return None


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise _RepeatedKeyError
    return table


def _can_be_found(item: Item) -> bool:
    """Whether a library can tell what is meant: the same as `compose` asks for when it makes the APDU."""
    told = (item.title, item.article_title, item.isbn, item.issn, item.other_numbers, item.system_numbers)
    return any(told)
