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
EXAMPLES: Final = "examples"
REHEARSAL: Final = "rehearsal"
TEMPLATES: Final = "templates"


#: What differs in the gateway.toml of a service that systemd runs, as `make install` lays it out.
_FOR_A_SERVICE: Final = (
    ('state_dir = "state"', 'state_dir = "/var/lib/iso-gateway"'),
    ("sqlite:///state/gateway.db", "sqlite:////var/lib/iso-gateway/gateway.db"),
    ('# master_key_file = "state/master.key"', 'master_key_file = "master.key"'),
    ('mode = "one-way"\nhost = "127.0.0.1"', 'mode = "one-way"\nhost = "0.0.0.0"'),
    ('mode = "two-way"\nhost = "127.0.0.1"\nport = 4990', 'mode = "two-way"\nhost = "0.0.0.0"\nport = 499'),
    (
        "In production the port is 499; a port below 1024 needs a privilege,\n# so here it is 4990.",
        "systemd opens both ports (iso-gateway.socket);\n# `host` counts for nothing then.",
    ),
    ('format = "console"', 'format = "json"'),
)


def write(directory: Path, *, service: bool = False) -> tuple[Path, ...]:
    """Writes gateway.toml and the example partners into the directory, which is made if need be.

    Args:
        directory: where to.
        service: whether it is for a service of this machine: state apart from the configuration, the ports of
            the protocol, and the example partners beside those that count, of which there are none yet.

    Returns:
        the files written, gateway.toml first.

    Raises:
        ConfigErrors: when one of the files exists (then nothing is written), or cannot be written.
    """
    files = dict(_contents(directory, service=service))
    findings = Findings()
    for file in files:
        if os.path.lexists(file):
            findings.add(file, (), "exists already", "a directory without it, so that nothing is overwritten")
    if findings.errors:
        raise ConfigErrors(findings.errors)
    for file, content in files.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            (directory / PARTNERS).mkdir(exist_ok=True)
            with file.open("xb") as stream:
                stream.write(content)
        except OSError as error:
            findings.add(
                file, (), f"cannot be written: {error.strerror}", "a directory that one may write to"
            )
            raise ConfigErrors(findings.errors) from error
    return tuple(files)


def _contents(directory: Path, *, service: bool) -> list[tuple[Path, bytes]]:
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
    gateway = (package / TEMPLATES / GATEWAY_FILE).read_text(encoding="utf-8")
    for old, new in _FOR_A_SERVICE if service else ():
        gateway = gateway.replace(old, new)
    return [
        (directory / GATEWAY_FILE, gateway.encode()),
        *(
            (directory / (EXAMPLES if service else PARTNERS) / file.name, file.read_bytes())
            for file in partners
        ),
    ]
