"""The operator's command, run in this process: a process of its own takes a second to start.

That it works as one too is shown where that matters: `tests/acceptance/test_command_apdu.py`,
`test_simulate.py`.
"""

from functools import cache
from typing import Any

import structlog
import typer.testing
from typer.main import get_command
from typer.testing import CliRunner, Result

from iso_gateway.cli.main import app

# Typer puts the whole command together for every run, which takes longer than most of what it then does.
typer.testing._get_command = cache(get_command)  # type: ignore[attr-defined]


def run(*arguments: object, stdin: bytes | str | None = None, **environment: str) -> Result:
    """Run it, and leave logging as it was: the command sets that up for its process, and this has more to do.

    Args:
        arguments: what follows `iso-gateway`.
        stdin: what it is given to read.
        environment: variables that it has besides ours.
    """
    before: dict[str, Any] = structlog.get_config()
    try:
        return CliRunner().invoke(app, [str(one) for one in arguments], input=stdin, env=environment)
    finally:
        structlog.configure(**before)
