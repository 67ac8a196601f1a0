"""The command run in this process, on an installation in a temporary directory."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import Result

from iso_gateway.cli.shared.options import CONFIG_VARIABLE
from tests.support.command import run
from tests.support.site import Installation, installation


class Command:
    """`iso-gateway`, with the environment of a terminal of a known width."""

    def __init__(self, config: Path | None) -> None:
        self.config = config
        self.columns = 120

    def __call__(self, *arguments: object, code: int = 0, stdin: bytes | str | None = None) -> Result:
        """Run it, and hold it to its exit code."""
        environment = {"COLUMNS": str(self.columns), "TERM": "dumb"}
        environment |= {} if self.config is None else {CONFIG_VARIABLE: str(self.config)}
        result = run(*arguments, stdin=stdin, **environment)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def text(self, *arguments: object, code: int = 0) -> str:
        """What it writes to standard output; nothing may be on standard error."""
        result = self(*arguments, code=code)
        assert result.stderr == ""
        return result.stdout

    def json(self, *arguments: object, code: int = 0) -> Any:
        """The JSON that it writes with `--json`, which nothing else may stand beside."""
        return json.loads(self.text(*arguments, "--json", code=code))

    def error(self, *arguments: object, code: int = 1, stdin: bytes | None = None) -> str:
        """What it writes to standard error when it fails; nothing may be on standard output."""
        result = self(*arguments, code=code, stdin=stdin)
        assert result.stdout == ""
        return result.stderr


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """The command sets structlog up for its process, which here has more to do."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "gateway") as made:
        yield made


@pytest.fixture
def command(place: Installation) -> Command:
    return Command(place.config)
