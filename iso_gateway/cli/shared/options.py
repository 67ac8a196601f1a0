"""The options that many commands have, and the configuration that they lead to.

Light on purpose, as is every module that holds commands: `iso-gateway --help` must not wait for the database
library. What is heavy is imported in the commands.
"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from config.settings import Settings

CONFIG_VARIABLE: Final = "ISO_GATEWAY_CONFIG"
DEFAULT_CONFIG: Final = Path("gateway.toml")

#: The greatest number that an identifier or a sequence number can be.
LARGEST: Final = 2**63 - 1

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help=f"The gateway's configuration (or {CONFIG_VARIABLE}; else ./{DEFAULT_CONFIG}).",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
WithPatronData = Annotated[
    bool,
    typer.Option("--with-patron-data", "--patron", help="Show what names the patron, or how to reach them."),
]
Full = Annotated[bool, typer.Option("--full", help="Show long values in full.")]
Again = Annotated[
    bool, typer.Option("--again", help="Do it although the very same was done last, and nothing came since.")
]
Limit = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=100_000, help="The most that is listed.")
]
Before = Annotated[
    int | None,
    typer.Option(
        "--before", min=1, max=LARGEST, metavar="ID", help="Continue a list: only what is older than this."
    ),
]
PartnerName = Annotated[
    str | None, typer.Option("--partner", metavar="NAME", help="Only this partner's, by its name.")
]
RequestId = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=LARGEST, help="The request, as requests list numbers it.")
]
MessageId = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=LARGEST, help="The message, as messages list numbers it.")
]


Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before it is done.")]


def duration(text: str) -> timedelta:
    """Read a duration as the configuration writes it: `30m`, `12h`, `3d`.

    Raises:
        typer.BadParameter: it is none.
    """
    from pydantic import TypeAdapter, ValidationError

    from config.fields import Duration

    try:
        length: timedelta = TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is no duration; write 30m, 12h or 3d") from None
    return length


def settings_from(context: typer.Context, config: Path | None) -> "Settings":
    """Read the configuration that the command line names, as far as a command needs it.

    Args:
        context: of the command; the option in front of the sub-command, or the variable, is in its root.
        config: the option of the command itself, which goes before.

    Raises:
        ConfigErrors: with everything that is wrong in it.
        typer.BadParameter: it is not named, and there is none where it is looked for.
    """
    from iso_gateway import configuration

    return configuration.read(path_from(context, config))


def path_from(context: typer.Context, config: Path | None) -> Path:
    """Find the configuration that the command line names; the arguments are those of `settings_from`.

    Raises:
        typer.BadParameter: it is not named, and there is none where it is looked for.
    """
    path: Path | None = config or context.find_root().obj
    if path is None and not DEFAULT_CONFIG.exists():
        raise typer.BadParameter(
            f"there is no ./{DEFAULT_CONFIG} here: name one with --config FILE, or in {CONFIG_VARIABLE}",
            param_hint="--config",
        )
    return path or DEFAULT_CONFIG
