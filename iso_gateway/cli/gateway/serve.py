"""`iso-gateway serve`: the daemon."""

import sys

import typer

from iso_gateway.cli.shared.options import Config, path_from


def serve(context: typer.Context, *, config: Config = None) -> None:
    """Run the gateway until SIGTERM or SIGINT; what is in hand is finished then.

    SIGHUP has it read its configuration anew; one with a mistake is refused, and the old one holds.
    """
    import asyncio

    from iso_gateway import configuration, daemon, logs

    examined = configuration.examine(path_from(context, config))
    logs.configure(examined.settings.logging, sys.stderr)
    asyncio.run(daemon.serve(examined))
