"""`iso-gateway init`: a configuration to begin with."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The directory; it is made if need be.", show_default=False),
    ],
    *,
    service: Annotated[
        bool,
        typer.Option(
            "--service",
            help="For a service that systemd runs: state in /var/lib/iso-gateway, ports 1611 and 499, and the"
            " example partners apart from those that count.",
        ),
    ] = False,
) -> None:
    """Write a configuration that runs as it is, with example partners, into a directory."""
    import shlex

    from config import starter
    from iso_gateway.cli.shared.output import shown, write_lines

    files = starter.write(directory, service=service)
    path = shown(shlex.quote(str(files[0])))
    start = "systemctl start iso-gateway" if service else f"iso-gateway serve --config {path}"
    write_lines(
        f"wrote {path} and {len(files) - 1} {'examples of ' if service else ''}partners beside it",
        f"start the gateway:        {start}",
        f"after each change, check: iso-gateway check --config {path}",
    )
