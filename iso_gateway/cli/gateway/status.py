"""`iso-gateway status`: the health of the gateway, on one screen."""

import contextlib
import time
from typing import Annotated, Final

import typer

from iso_gateway.cli.shared.options import Config, Json, settings_from

#: How often the screen is written anew, in seconds.
INTERVAL: Final = 2.0


def status(
    context: typer.Context,
    *,
    config: Config = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on showing it, until Ctrl-C; with --json, one a line.")
    ] = False,
    json: Json = False,
) -> None:
    """Show whether the gateway runs, what waits, each partner, and what wants a person.

    Ends with 0 where all is well, and with 1 where something is wrong: no gateway runs, nothing is sent, or
    something wants a person.
    """
    from iso_gateway.cli.gateway import as_json, as_text
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import console, write, write_json
    from iso_gateway.noticing import health
    from iso_gateway.store import engine

    settings = settings_from(context, config)
    well = True
    with installation.opened(settings) as site, contextlib.suppress(KeyboardInterrupt):
        screen = console()
        while True:
            with site.store.reading() as uow:
                found = health.health(
                    uow, settings, site.clock(), database=engine.describe(site.store.engine)
                )
            well = found.well
            if json:
                write_json(as_json.health(found), indent=None if watch else 2)
            else:
                if watch:
                    screen.clear()
                write(as_text.health(found))
            if not watch:
                break
            pause()
    if not well:
        raise typer.Exit(1)


def pause() -> None:
    """Wait for a moment before the screen is written anew."""
    time.sleep(INTERVAL)
