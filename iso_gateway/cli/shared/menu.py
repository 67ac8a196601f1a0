"""A group of commands, whose help says of each what it does in a whole sentence."""

from typing import Any

import typer
from typer.core import TyperGroup


class Menu(TyperGroup):
    """A group that lists its commands with the first line of what they say of themselves, however long."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list."""
        rows = [(name, _first_line(self.get_command(ctx, name))) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _first_line(command: Any) -> str:
    return str(command.short_help or command.help).strip().splitlines()[0]


def menu(meaning: str) -> typer.Typer:
    """A group of commands.

    Args:
        meaning: what they are for, as a sentence.
    """
    return typer.Typer(cls=Menu, no_args_is_help=True, help=meaning)
