"""The corpus of APDUs in tests/corpus, as values.

Read here and nowhere else, so that the form of the files can change; tests/corpus/README.md says what they
hold and where they came from. Imports nothing of the product: the corpus judges it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

CORPUS: Final = Path(__file__).parent.parent / "corpus"

#: The value of an APDU in the form that tests/corpus/README.md describes.
Reading: TypeAlias = dict[str, Any]


class Expect(StrEnum):
    """What a decoder owes a malformed message."""

    #: It must be refused.
    REJECT = "reject"
    #: Refusing it and reading it are both right.
    REJECT_OR_TOLERATE = "reject-or-tolerate"
    #: It decodes, but breaks a stated rule of the standard, and the breach must be reported.
    DIAGNOSE = "diagnose"


class Libyaz(StrEnum):
    """What libyaz 5.34 did with the octets: a fact about libyaz, no measure of the octets."""

    ACCEPTS = "accepts"
    REFUSES = "refuses"
    CRASHES = "crashes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An APDU as libyaz wrote it, the same value in minimal definite lengths, and its reading."""

    name: str
    octets: bytes = field(repr=False)
    definite: bytes | None = field(repr=False)
    reading: Reading | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A value of the corpus in other legal BER."""

    name: str
    octets: bytes = field(repr=False)
    #: The name of the sample it was made from.
    base: str
    #: How it was made: `indef-all`, `long-9`, `defaults-omitted`, and so on.
    transformation: str
    what: str
    #: The sample or the variant with the same value; None where the value has no other encoding here.
    same_value_as: str | None
    #: The octets of `same_value_as`.
    equal_to: bytes | None = field(repr=False)
    libyaz: Libyaz


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """A legal but unusual APDU. The reading is None where libyaz could not read it."""

    name: str
    octets: bytes = field(repr=False)
    what: str
    note: str | None
    libyaz: Libyaz
    reading: Reading | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A broken message, and what a decoder owes it. The reading is what libyaz made of it, if anything."""

    file: str
    octets: bytes = field(repr=False)
    #: What is broken: `truncation`, `length`, `tag`, `semantic`, and so on.
    category: str
    expect: Expect
    what: str
    note: str | None
    libyaz: Libyaz
    reading: Reading | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPart:
    """One APDU of the stream: its type as in `status-query`, and its octets."""

    kind: str
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """APDUs back to back, as they come on a connection."""

    octets: bytes = field(repr=False)
    parts: tuple[StreamPart, ...] = field(repr=False)


@cache
def samples(name: Literal["yaz", "yaz-enums"] = "yaz") -> tuple[Sample, ...]:
    """Give the APDUs that libyaz wrote: `yaz` has every component, `yaz-enums` every enumerated value."""
    return tuple(
        Sample(
            name=row["name"],
            octets=bytes.fromhex(row["octets"]),
            definite=None if row["definite"] is None else bytes.fromhex(row["definite"]),
            reading=row["reading"],
        )
        for row in _rows(name)
    )


@cache
def variants() -> tuple[Variant, ...]:
    """Give the values of `samples("yaz")` in other legal BER."""
    rows = tuple(_rows("variants"))
    by_name = {sample.name: sample.octets for sample in samples("yaz")}
    by_name |= {row["name"]: bytes.fromhex(row["octets"]) for row in rows}
    return tuple(
        Variant(
            name=row["name"],
            octets=by_name[row["name"]],
            base=row["base"],
            transformation=row["transformation"],
            what=row["what"],
            same_value_as=row["same_value_as"],
            equal_to=None if row["same_value_as"] is None else by_name[row["same_value_as"]],
            libyaz=Libyaz(row["libyaz"]),
        )
        for row in rows
    )


@cache
def extra() -> tuple[Extra, ...]:
    """Give the legal but unusual APDUs."""
    return tuple(
        Extra(
            name=row["name"],
            octets=bytes.fromhex(row["octets"]),
            what=row["what"],
            note=row["note"],
            libyaz=Libyaz(row["libyaz"]),
            reading=row["reading"],
        )
        for row in _rows("extra")
    )


@cache
def malformed() -> tuple[Malformed, ...]:
    """Give the broken messages."""
    return tuple(
        Malformed(
            file=row["name"],
            octets=bytes.fromhex(row["octets"]),
            category=row["category"],
            expect=Expect(row["expect"]),
            what=row["what"],
            note=row["note"],
            libyaz=Libyaz(row["libyaz"]),
            reading=row["reading"],
        )
        for row in _rows("malformed")
    )


@cache
def stream() -> Stream:
    """Give the APDUs that stand back to back.

    Raises ValueError when the list of lengths does not cover the octets exactly: the corpus is damaged then.
    """
    octets = (CORPUS / "stream.bin").read_bytes()
    parts: list[StreamPart] = []
    start = 0
    for line in (CORPUS / "stream.txt").read_text(encoding="ascii").splitlines():
        kind, length = line.split()
        end = start + int(length)
        parts.append(StreamPart(kind=kind, octets=octets[start:end]))
        start = end
    if start != len(octets):
        raise ValueError(
            f"stream.txt accounts for {start} octets and stream.bin has {len(octets)}: restore both files"
        )
    return Stream(octets=octets, parts=tuple(parts))


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with (CORPUS / f"{name}.jsonl").open(encoding="ascii") as lines:
        for line in lines:
            yield json.loads(line)
