"""The commands that are shown to be typed next."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import typer


@dataclass(frozen=True, slots=True, kw_only=True)
class Typist:
    """How commands have to be typed, so that they mean this installation.

    Args:
        config: what `--config` was given, if it was.
    """

    config: str | None = None

    @classmethod
    def of(cls, context: typer.Context, config: Path | None) -> "Typist":
        """As the command was typed itself: one that does not name the configuration finds the same again.

        Args:
            context: of the command.
            config: the option of the command itself.
        """
        root = context.find_root()
        source = root.get_parameter_source("config")
        if config is None and source is not None and source.name == "COMMANDLINE":
            config = root.obj
        return cls(config=None if config is None else str(config))

    def command(self, words: str) -> str:
        """A whole command, of what follows `iso-gateway`."""
        named = "" if self.config is None else f"--config {shlex.quote(self.config)} "
        return f"iso-gateway {named}{words}"
