"""Python functions made from the schema: their text, the values their names stand for, and how they decline.

Theory of operation. For each SEQUENCE and CHOICE the text of a function that reads it, and of one that writes
it, is made from the schema and compiled once, when it is first needed (`asn1.readers`, `asn1.writers`). There
is one straight step for each component, in its order. A component that comes twice, out of order or unasked
for meets no step; one that runs beyond what it is in leaves `pos` beyond it, where the element around it ends
with a comparison. So the functions ask little, and have two answers only: the value, or `Unusual`. They never
say what is wrong. Whatever is segmented, padded, unlisted, tolerated by a dialect or broken is Unusual, and
left to `asn1.exact`, which reads everything and has the last word; a value that cannot be written is left to
`asn1.checking`. That both are of one mind about what is read here is held by tests/fuzz.
"""

from typing import Any, Final

from asn1.schema import Tag, Type
from asn1.tags import identifiers

SHORT: Final = 128
"""Lengths below this take one octet."""


class Unusual(ValueError):  # noqa: N818 - it says that another is to be asked, not that something is wrong
    """Not of the common form, or wrong."""


_LOCALS: Final = frozenset(
    [
        "data",
        "headers",
        "pos",
        "end",
        "self",
        "tag",
        "value",
        "member",
        "members",
        "length",
        "start",
        "stop",
        "string",
        "put",
        "size",
        "total",
        "octets",
    ]
)
"""Names that the text of functions uses for what is their own."""


class Source:
    """The text of one function, and the values that its names stand for."""

    def __init__(self, name: str, parameters: str) -> None:
        self._name = name
        self._lines = [f"def {name}({parameters}):"]
        self._names: dict[str, Any] = {"Unusual": Unusual}
        self._margin = 1

    def add(self, *lines: str) -> None:
        self._lines += ["    " * self._margin + line for line in lines]

    def indent(self, line: str) -> None:
        self.add(line)
        self._margin += 1

    def dedent(self) -> None:
        self._margin -= 1

    def name(self, stem: str, value: object) -> str:
        """Give the name under which the function knows a value."""
        name, number = stem, 1
        while name == self._name or name in _LOCALS or self._names.setdefault(name, value) is not value:
            number += 1
            name = f"{stem}_{number}"
        return name

    def function(self) -> Any:
        """Compile the text. It holds names and numbers of the schema, and nothing from elsewhere."""
        text = "\n".join(self._lines)
        exec(compile(text, f"<{self._name} of asn1.source>", "exec"), self._names)  # noqa: S102
        return self._names[self._name]

    def name_of(self, function: Any) -> str:
        """Give the name under which the function knows another."""
        return self.name(function.__name__.lstrip("_"), function)


def matches_any(wire_type: Type, tag: Tag | None) -> str:
    """Give the condition that what stands at `pos` is the beginning of a component."""
    return " or ".join(map(_matches, identifiers(wire_type, tag)))


def _matches(identifier: bytes) -> str:
    """Give the condition that the octets at `pos`, of which the first is `tag`, are an identifier."""
    first, *rest = identifier
    return " and ".join(
        [f"tag == {first}", *(f"data[pos + {place}] == {octet}" for place, octet in enumerate(rest, 1))]
    )
