"""The operator's command, `iso-gateway`: its root, and the commands that concern the gateway as a whole.

Exit codes: 0 done, 1 failed, 2 the configuration or the arguments are wrong.
"""

import io
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from config.errors import ConfigErrors
from iso_gateway.cli import (
    apdu,
    attention,
    database,
    demo,
    documents,
    events,
    messages,
    partners,
    replaying,
    requests,
    simulate,
    status,
    verifying,
    waiting,
)
from iso_gateway.cli.options import CONFIG_VARIABLE, DEFAULT_CONFIG, Config, Json, path_from
from iso_gateway.errors import GatewayError

FAILED: Final = 1
WRONG: Final = 2


class Root(TyperGroup):
    """The root of the command, which turns the gateway's exceptions into messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ConfigErrors as errors:
            _complain(*(str(error) for error in errors.errors))
            raise typer.Exit(WRONG) from None
        except (GatewayError, *apdu.FAILURES) as error:
            _complain(f"error: {error}")
            raise typer.Exit(FAILED) from None
        except typer.BadParameter as error:
            error.message = _in_our_words(error.message)
            raise


def _in_our_words(message: str) -> str:
    """What the parser of the command line says of a value, without the words of the library behind it."""
    if message.startswith("Input should be a valid integer"):
        return "it is no whole number"
    return message.removeprefix("Value error, ")


def _complain(*messages: str) -> None:
    from iso_gateway.cli.output import complain

    for message in messages:
        complain(message)


app = typer.Typer(
    cls=Root,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(requests.app, name="requests")
app.add_typer(messages.app, name="messages")
app.add_typer(documents.app, name="documents")
app.add_typer(waiting.app, name="waiting")
app.add_typer(attention.app, name="attention")
app.add_typer(partners.app, name="partners")
app.add_typer(apdu.app, name="apdu")
app.add_typer(database.app, name="db")


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            envvar=CONFIG_VARIABLE,
            help=f"The gateway's configuration; else ./{DEFAULT_CONFIG}.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """The ISO ILL gateway (ISO 10160/10161): receives, answers, keeps and shows interlibrary loan requests.

    Exit codes: 0 done, 1 failed, 2 the configuration or the arguments are wrong.
    """
    context.obj = config


@app.command()
def serve(context: typer.Context, *, config: Config = None) -> None:
    """Run the gateway until SIGTERM or SIGINT; what is in hand is finished then.

    SIGHUP has it read its configuration anew; one with a mistake is refused, and the old one holds.
    """
    import asyncio

    from iso_gateway import configuration, daemon, logs

    examined = configuration.examine(path_from(context, config))
    logs.configure(examined.settings.logging, sys.stderr)
    asyncio.run(daemon.serve(examined))


@app.command()
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
    from iso_gateway.cli.output import shown, write_lines

    files = starter.write(directory, service=service)
    path = shown(shlex.quote(str(files[0])))
    start = "systemctl start iso-gateway" if service else f"iso-gateway serve --config {path}"
    write_lines(
        f"wrote {path} and {len(files) - 1} {'examples of ' if service else ''}partners beside it",
        f"start the gateway:        {start}",
        f"after each change, check: iso-gateway check --config {path}",
    )


@app.command()
def check(context: typer.Context, *, config: Config = None, json: Json = False) -> None:
    """Read the whole configuration and say everything that is wrong with it, one mistake a line.

    The files that it names are looked at too: certificates, secrets, the master key, templates. A warning is
    about what can be used, and hardly is what was meant.
    """
    from iso_gateway import configuration
    from iso_gateway.cli.output import shown, write_json, write_lines

    try:
        examined = configuration.examine(path_from(context, config))
    except ConfigErrors as errors:
        if not json:
            raise
        write_json({"errors": [_mistake(error) for error in errors.errors]})
        raise typer.Exit(WRONG) from None
    settings = examined.settings
    counts = {
        "listeners": len(settings.listeners),
        "local": len(settings.local),
        "partners": len(settings.partners),
        "routes": len(settings.routes),
    }
    if json:
        warnings = [_mistake(warning) for warning in examined.warnings]
        write_json({"source": str(settings.source), "errors": [], "warnings": warnings, **counts})
        return
    read = ", ".join(f"{count} {_NOUNS[name][count != 1]}" for name, count in counts.items())
    write_lines(
        *(f"warning: {warning}" for warning in examined.warnings),
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
    "listeners": ("listener", "listeners"),
    "local": ("local symbol", "local symbols"),
    "partners": ("partner", "partners"),
    "routes": ("route", "routes"),
}

app.command(name="status")(status.status)
app.command(name="events")(events.events)
app.command(name="replay")(replaying.replay)
database.app.command(name="verify")(verifying.verify)
app.command(name="simulate")(simulate.simulate)
app.command(name="demo")(demo.demo)


def run() -> None:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a letter gets its escape; the command does not fail for it.
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="iso-gateway")
