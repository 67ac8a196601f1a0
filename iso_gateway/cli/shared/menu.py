"""Groups of commands, and the help of both, in the words of people who do not write programs."""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

F = TypeVar("F", bound=Callable[..., Any])

#: What the library behind the command line says of a value, and nobody has to know: its type and its range.
_TYPE: Final = re.compile(r" <[^>]*>$")
_RANGE: Final = re.compile(r"[0-9.]+<=x<=[0-9.]+|x[<>]=[0-9.]+")


class Menu(TyperGroup):
    """A group that lists its commands with the first line of what they say of themselves, however long."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list."""
        rows = [(name, _first_line(self.get_command(ctx, name))) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Described(TyperCommand):
    """A command whose help says what arguments and options mean, and nothing of types."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write what it takes."""
        rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for one in self.get_params(ctx):
            record = one.get_help_record(ctx)
            if record is not None:
                kind = "Arguments" if one.param_type_name == "argument" else "Options"
                rows[kind].append((_TYPE.sub("", record[0]), _without_range(record[1])))
        for title, written in rows.items():
            if written:
                with formatter.section(title):
                    formatter.write_dl(written)


class App(typer.Typer):
    """Commands whose help is that of `Described`."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Register a command, as `typer.Typer` does."""
        return super().command(name, **{"cls": Described, **options})


def _first_line(command: Any) -> str:
    return str(command.help).strip().splitlines()[0]


def _without_range(meaning: str) -> str:
    said, bracket, extra = meaning.rpartition("  [")
    if not bracket:
        return meaning
    left = "; ".join(part for part in extra.removesuffix("]").split("; ") if not _RANGE.fullmatch(part))
    return f"{said}  [{left}]" if left else said


def menu(meaning: str) -> App:
    """A group of commands.

    Args:
        meaning: what they are for, as a sentence.
    """
    return App(cls=Menu, no_args_is_help=True, help=meaning)
