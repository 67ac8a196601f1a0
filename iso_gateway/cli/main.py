"""The operator's command, `iso-gateway`: its root; each group of commands has a folder.

Exit codes: 0 done, 1 failed, 2 the configuration or the arguments are wrong.
"""

import io
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

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
from iso_gateway.cli.shared.menu import App, Menu
from iso_gateway.cli.shared.options import CONFIG_VARIABLE, DEFAULT_CONFIG
from iso_gateway.cli.simulation.demo import demo
from iso_gateway.cli.simulation.simulate import simulate
from iso_gateway.cli.waiting import commands as waiting
from iso_gateway.errors import GatewayError


class Root(Menu):
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
        except OSError as error:
            # Of a file that somebody named; anything else is a fault of ours, and nobody is told less of it.
            if error.filename is None:
                raise
            _complain(f"error: cannot use {str(error.filename)!r}: {error.strerror}")
            raise typer.Exit(FAILED) from None
        except typer.BadParameter as error:
            error.message = _in_our_words(error.message)
            raise


_DATE: Final = re.compile(r"('.*') does not match the formats? (.*)$")
_BOUND: Final = re.compile(r"Input should be (greater|less) than( or equal to)? (\S+)$")
_BOUNDS: Final = {
    ("greater", True): "at least",
    ("greater", False): "more than",
    ("less", True): "at most",
    ("less", False): "less than",
}


def _in_our_words(message: str) -> str:
    """What the parser of the command line says of a value, without the words of the library behind it."""
    said = message.removeprefix("Value error, ")
    if said.startswith("Input should be a valid integer"):
        return "it is no whole number"
    date = _DATE.match(said)
    if date is not None:
        with_time = " or '2026-11-20 08:30'" if "%H" in date[2] else ""
        return f"{date[1]} is no date; write 2026-11-20{with_time}"
    bound = _BOUND.match(said)
    if bound is not None:
        return f"it has to be {_BOUNDS[bound[1], bound[2] is not None]} {bound[3]}"
    return said


def _complain(*messages: str) -> None:
    from iso_gateway.cli.shared.output import complain

    for message in messages:
        complain(message)


app = App(
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


def _say_version(asked: bool) -> None:  # noqa: FBT001 - as a callback is called
    if asked:
        from importlib.metadata import version

        from iso_gateway.cli.shared.output import write_lines

        write_lines(f"iso-gateway {version('iso-gateway')}")
        raise typer.Exit


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
    *,
    version: Annotated[  # noqa: ARG001 - its callback has seen to it
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version this is."),
    ] = False,
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
