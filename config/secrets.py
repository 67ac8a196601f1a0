"""Secrets that stand in files of their own, so that a configuration can be shown to anybody.

Imports nothing of ours.
"""

from pathlib import Path
from typing import Final

#: A shorter one could be found by trying.
SHORTEST: Final = 16
EXPECTED: Final = f"a file with at least {SHORTEST} octets, that the gateway may read"


def read(path: Path) -> bytes:
    """Returns the secret in a file, without what a text editor leaves around it. Raises OSError."""
    return path.read_bytes().strip()


def problem_with(path: Path) -> str | None:
    """Returns what is wrong with the secret in a file. Raises OSError when it cannot be read."""
    length = len(read(path))
    return None if length >= SHORTEST else f"the secret in it has {length} octets"
