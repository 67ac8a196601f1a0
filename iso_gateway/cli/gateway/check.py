"""`iso-gateway check`: what is wrong with the configuration."""

from typing import Any, Final

import typer

from config.errors import ConfigErrors
from iso_gateway.cli.shared.exit_codes import WRONG
from iso_gateway.cli.shared.options import Config, Json, settings_from


def check(context: typer.Context, *, config: Config = None, json: Json = False) -> None:
    """Read the whole configuration and say everything that is wrong with it, one mistake a line."""
    from iso_gateway.cli.shared.output import shown, write_json, write_lines
    from iso_gateway.cli.shared.vocabulary import counted
    from iso_gateway.message import judgement

    try:
        settings = settings_from(context, config)
        judgement.require_known_rules(settings)
    except ConfigErrors as errors:
        if not json:
            raise
        write_json({"errors": [_mistake(error) for error in errors.errors]})
        raise typer.Exit(WRONG) from None
    counts = {
        "listeners": len(settings.listeners),
        "local": len(settings.local),
        "partners": len(settings.partners),
        "routes": len(settings.routes),
    }
    if json:
        write_json({"source": str(settings.source), "errors": [], **counts})
        return
    read = ", ".join(counted(count, _NOUNS[name]) for name, count in counts.items())
    write_lines(f"{shown(settings.source)}: {read}; nothing is wrong")


def _mistake(error: Any) -> dict[str, str]:
    return {
        "file": str(error.file),
        "key": error.key,
        "problem": error.problem,
        "expected": error.expected,
    }


_NOUNS: Final = {
    "listeners": "listener",
    "local": "local symbol",
    "partners": "partner",
    "routes": "route",
}
