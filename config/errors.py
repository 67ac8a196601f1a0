"""What is wrong with a configuration, said so that an operator can put it right.

Imports nothing of ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path

_SHOWN = 64


def escaped(text: str) -> str:
    """Returns the text with everything unprintable (terminal escapes, newlines) written as an escape."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def shown(value: object) -> str:
    """Returns a value from a file as it may stand in a message: its repr, escaped, cut at 64 characters.

    A table or list is only named as such, because anything may stand in it.
    """
    match value:
        case dict():
            return "a table"
        case list() | tuple():
            return "a list"
        case date() | time():
            return value.isoformat()
        case int() if value.bit_length() > _SHOWN * 4:
            return "a huge number"
        case _:
            text = escaped(repr(value))
            return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigError:
    """One thing that is wrong in one file. A value, not an exception: there are usually several at once.

    Args:
        file: the file it stands in (or should stand in).
        key: the dotted path of the key in that file, as `transport.port` or `listeners[0].port`; empty when
            the file as a whole is meant.
        problem: what is wrong.
        expected: what would be right.
    """

    file: Path
    key: str
    problem: str
    expected: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else str(self.file)
        return escaped(f"{where}: {self.problem}; expected {self.expected}")


class ConfigErrors(Exception):  # noqa: N818 - plural, because it carries everything that is wrong
    """A configuration that cannot be used, with everything that is wrong in all of its files.

    Args:
        errors: at least one error, in the order in which they are shown.

    Its text is one line for each error.
    """

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))
