"""Secrets that systemd hands to a service in files of its own (systemd.exec(5), LoadCredential=).

Imports nothing of ours.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MASTER_KEY: Final = "master-key"
"""The credential that is the master key."""

_DIRECTORY: Final = "CREDENTIALS_DIRECTORY"


def passed(name: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Returns the file of a credential, None where systemd passed none of this name."""
    directory = environment.get(_DIRECTORY)
    if not directory:
        return None
    file = Path(directory) / name
    return file if file.exists() else None


def is_passed(file: Path, environment: Mapping[str, str] = os.environ) -> bool:
    """Tells whether a file is one of the credentials that systemd passed."""
    directory = environment.get(_DIRECTORY)
    return directory is not None and file.parent == Path(directory)
