"""The operator's command, `iso-gateway`: its root; each group of commands has a folder.

Exit codes: 0 done, 1 failed, 2 the configuration or the arguments are wrong.
"""

import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from config.errors import ConfigErrors
from iso_gateway.cli.apdu import commands as apdu
from iso_gateway.cli.apdu.connection import FAILURES
from iso_gateway.cli.attention import commands as attention
from iso_gateway.cli.db import commands as db
from iso_gateway.cli.documents import commands as documents
from iso_gateway.cli.gateway.check import check
from iso_gateway.cli.gateway.events import events
from iso_gateway.cli.gateway.init import init
from iso_gateway.cli.gateway.serve import serve
from iso_gateway.cli.gateway.status import status
from iso_gateway.cli.messages import commands as messages
from iso_gateway.cli.messages.replay import replay
from iso_gateway.cli.partners import commands as partners
from iso_gateway.cli.requests import commands as requests
from iso_gateway.cli.shared.exit_codes import FAILED, WRONG
from iso_gateway.cli.shared.options import CONFIG_VARIABLE, DEFAULT_CONFIG
from iso_gateway.cli.simulation.demo import demo
from iso_gateway.cli.simulation.simulate import simulate
from iso_gateway.cli.waiting import commands as waiting
from iso_gateway.errors import GatewayError


class Root(TyperGroup):
    """The root of the command, which turns the gateway's exceptions into messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ConfigErrors as errors:
            _complain(*(str(error) for error in errors.errors))
            raise typer.Exit(WRONG) from None
        except (GatewayError, *FAILURES) as error:
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
    from iso_gateway.cli.shared.output import complain

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
app.add_typer(db.app, name="db")


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


for command in (serve, init, check, status, events, replay, simulate, demo):
    app.command()(command)


def run() -> None:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a letter gets its escape; the command does not fail for it.
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="iso-gateway")
