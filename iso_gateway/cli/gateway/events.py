"""`iso-gateway events`: what the gateway tells the local side, in order."""

import contextlib
import time
from typing import Annotated, Final

import typer

from iso_gateway.cli.shared.options import LARGEST, Config, Json, Limit, settings_from

#: How often new events are looked for, in seconds.
INTERVAL: Final = 0.3


def events(
    context: typer.Context,
    *,
    config: Config = None,
    after: Annotated[
        int,
        typer.Option("--after", min=0, max=LARGEST, metavar="N", help="Only events with a greater number."),
    ] = 0,
    limit: Limit = 100,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Go on with each new event, until Ctrl-C; with --json, one a line."),
    ] = False,
    json: Json = False,
) -> None:
    """List what the gateway told the local side, oldest first."""
    from iso_gateway.cli.gateway import as_json, as_text
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import write_json, write_lines

    settings = settings_from(context, config)
    with installation.opened(settings) as site, contextlib.suppress(KeyboardInterrupt):
        while True:
            with site.store.reading() as uow:
                page = uow.events.after(after, limit)
            if json and not follow:
                write_json([as_json.event(record) for record in page])
            for record in page:
                after = record.sequence
                if json and follow:
                    write_json(as_json.event(record), indent=None)
                elif not json:
                    write_lines(as_text.event(record))
            if not follow:
                return
            if not page:
                pause()


def pause() -> None:
    """Wait for a moment before looking for new events."""
    time.sleep(INTERVAL)
