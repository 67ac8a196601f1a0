"""`iso-gateway check`: what is wrong with the configuration."""

from typing import Any, Final

import typer

from config.errors import ConfigErrors
from iso_gateway.cli.shared.exit_codes import WRONG
from iso_gateway.cli.shared.options import Config, Json, path_from


def check(context: typer.Context, *, config: Config = None, json: Json = False) -> None:
    """Read the whole configuration and say everything that is wrong with it, one mistake a line.

    The files that it names are looked at too: certificates, secrets, the master key, templates. A warning is
    about what can be used, and hardly is what was meant.
    """
    from datetime import UTC, datetime

    from config import certificates
    from config.errors import ConfigError
    from iso_gateway import configuration
    from iso_gateway.cli.shared.output import shown, write_json, write_lines
    from iso_gateway.cli.shared.vocabulary import counted

    try:
        examined = configuration.examine(path_from(context, config))
    except ConfigErrors as errors:
        if not json:
            raise
        write_json({"errors": [_mistake(error) for error in errors.errors]})
        raise typer.Exit(WRONG) from None
    settings = examined.settings
    ending = [
        ConfigError(
            file=one.file, key="", problem=f"the certificate ends {one.at.date()}", expected="a renewed one"
        )
        for one in certificates.expiries(settings, now=datetime.now(UTC))
    ]
    warned = [*examined.warnings, *ending]
    counts = {
        "listeners": len(settings.listeners),
        "local": len(settings.local),
        "partners": len(settings.partners),
        "routes": len(settings.routes),
    }
    if json:
        warnings = [_mistake(warning) for warning in warned]
        write_json({"source": str(settings.source), "errors": [], "warnings": warnings, **counts})
        return
    read = ", ".join(counted(count, _NOUNS[name]) for name, count in counts.items())
    write_lines(
        *(f"warning: {warning}" for warning in warned),
        f"{shown(settings.source)}: {read}; nothing is wrong",
    )


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
