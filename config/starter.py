"""Writes a configuration to begin with: what `iso-gateway init DIR` puts into a directory.

Its gateway.toml is that at the root of the project, except for the directories it names; a test holds the two
equal. Imports nothing of ours outside `config`.
"""

import os
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from config.documents import Findings
from config.errors import ConfigErrors

GATEWAY_FILE: Final = "gateway.toml"
PARTNERS: Final = "partners"
REHEARSAL: Final = "rehearsal"
TEMPLATES: Final = "templates"


def write(directory: Path) -> tuple[Path, ...]:
    """Writes gateway.toml and the example partners into the directory, which is made if need be.

    Returns:
        the files written, gateway.toml first.

    Raises:
        ConfigErrors: when one of the files exists (then nothing is written), or cannot be written.
    """
    files = dict(_contents(directory))
    findings = Findings()
    for file in files:
        if os.path.lexists(file):
            findings.add(file, (), "exists already", "a directory without it, so that nothing is overwritten")
    if findings.errors:
        raise ConfigErrors(findings.errors)
    for file, content in files.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("xb") as stream:
                stream.write(content)
        except OSError as error:
            findings.add(
                file, (), f"cannot be written: {error.strerror}", "a directory that one may write to"
            )
            raise ConfigErrors(findings.errors) from error
    return tuple(files)


def _contents(directory: Path) -> list[tuple[Path, bytes]]:
    package = resources.files("config")
    partners: list[Traversable] = sorted(
        (
            file
            for source in (PARTNERS, REHEARSAL)
            for file in (package / source).iterdir()
            if file.name.endswith(".toml")
        ),
        key=lambda file: file.name,
    )
    return [
        (directory / GATEWAY_FILE, (package / TEMPLATES / GATEWAY_FILE).read_bytes()),
        *((directory / PARTNERS / file.name, file.read_bytes()) for file in partners),
    ]
