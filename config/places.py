"""What there is at a path, for this user. What may not be looked at counts as not there.

Imports nothing of ours.
"""

from collections.abc import Callable
from pathlib import Path


def exists(path: Path) -> bool:
    """Tells whether anything is there."""
    return _told(path.exists)


def is_directory(path: Path) -> bool:
    """Tells whether a directory is there."""
    return _told(path.is_dir)


def is_socket(path: Path) -> bool:
    """Tells whether a Unix socket is there."""
    return _told(path.is_socket)


def listed(directory: Path) -> tuple[Path, ...]:
    """Returns what is in a directory, by name; nothing where that may not be read."""
    try:
        return tuple(sorted(directory.iterdir()))
    except (OSError, ValueError):
        return ()


def _told(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except (OSError, ValueError):
        return False
