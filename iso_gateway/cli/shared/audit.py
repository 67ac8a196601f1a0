"""Who does something, and why, for the audit trail."""

import os
import pwd
from typing import Annotated

import typer

Reason = Annotated[
    str | None,
    typer.Option("--reason", metavar="TEXT", help="Why, for the audit; asked for if it is not given."),
]


def reason_given(reason: str | None) -> str:
    """Give the reason for the audit: the one on the command line, else what the operator says when asked.

    Raises:
        typer.BadParameter: it is blank.
    """
    said: str = typer.prompt("Why", err=True) if reason is None else reason
    if not said.strip():
        raise typer.BadParameter("a reason is needed, for the audit", param_hint="--reason")
    return said


def actor() -> str:
    """Who asks, for the audit trail: the user of the operating system, through sudo the one who called it."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
