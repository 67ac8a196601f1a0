"""Opening the installation for a command, and writing files that hold what came out of it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from config.settings import Logging, LogLevel, Settings
from iso_gateway import logs
from iso_gateway.cli.output import shown
from iso_gateway.cli.reading import Contents
from iso_gateway.errors import GatewayError
from iso_gateway.site import Site, opened
from iso_gateway.store.unit_of_work import UnitOfWork


@contextmanager
def installation(settings: Settings) -> Iterator[Site]:
    """The installation, open; what is logged meanwhile goes to standard error, and only if it is a warning.

    Raises:
        GatewayError: there is none yet, or it cannot be used.
    """
    quiet()
    with opened(settings) as site:
        yield site


@contextmanager
def reading(settings: Settings) -> Iterator[UnitOfWork]:
    """One consistent view of the store."""
    with installation(settings) as site, site.store.reading() as uow:
        yield uow


def quiet() -> None:
    """Have warnings logged, to standard error: standard output belongs to what the command shows."""
    logs.configure(Logging(level=LogLevel.WARNING), sys.stderr)


def write_private(path: Path, contents: Contents) -> None:
    """Write a message's octets to a new file that its owner alone may read.

    Raises:
        GatewayError: the octets have been disposed of, or the file exists or cannot be written.
    """
    if contents.octets is None:
        raise GatewayError("the octets of this message have been disposed of: nothing was written")
    with new_private(path) as file:
        file.write(contents.octets)


@contextmanager
def new_private(path: Path) -> Iterator[BinaryIO]:
    """Open a new file to write, which its owner alone may read.

    Raises:
        GatewayError: the file exists or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise GatewayError(f"cannot write {shown(path)!r}: {error.strerror}; name a new file") from error
    with os.fdopen(descriptor, "wb") as file:
        yield file
