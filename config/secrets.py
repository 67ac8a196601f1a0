"""Secrets that stand in files of their own, so that a configuration can be shown to anybody.

Imports nothing of ours.
"""

from pathlib import Path
from typing import Final

#: A shorter one could be found by trying.
SHORTEST: Final = 16
EXPECTED: Final = f"a file with at least {SHORTEST} octets, that the gateway may read"
A_PASSWORD: Final = "a file with the password on one line and nothing else, that the gateway may read"  # noqa: S105 - no password


def read(path: Path) -> bytes:
    """Returns the secret in a file, without what a text editor leaves around it. Raises OSError."""
    return path.read_bytes().strip()


def problem_with(path: Path) -> str | None:
    """Returns what is wrong with the secret in a file, never what stands in it; None when nothing is."""
    try:
        length = len(read(path))
    except (OSError, ValueError) as error:
        return _unreadable(error)
    return None if length >= SHORTEST else f"holds a secret of {length} octets"


def read_password(path: Path) -> str:
    """Returns the password in a file, without the end of its line. Raises OSError, UnicodeDecodeError."""
    return path.read_text(encoding="utf-8").rstrip("\r\n")


def problem_with_password(path: Path) -> str | None:
    """Returns what is wrong with the password in a file, never what stands in it; None when nothing is."""
    try:
        password = read_password(path)
    except UnicodeDecodeError:
        return "is not UTF-8"
    except (OSError, ValueError) as error:
        return _unreadable(error)
    if not password:
        return "is empty"
    # A second line, or the mark that some editors put first, would be sent as a part of it.
    return None if password.isprintable() else "holds more than one line, or a character that is not seen"


def _unreadable(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return f"cannot be read: {reason or 'no path at all'}"
