"""Opening the installation for a command."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from config.settings import Logging, LogLevel, Settings
from iso_gateway import logs, site
from iso_gateway.site import Site
from iso_gateway.store.unit_of_work import UnitOfWork


@contextmanager
def opened(settings: Settings) -> Iterator[Site]:
    """The installation, open; what is logged meanwhile goes to standard error, and only if it is a warning.

    Raises:
        GatewayError: there is none yet, or it cannot be used.
    """
    quiet()
    with site.opened(settings) as found:
        yield found


@contextmanager
def reading(settings: Settings) -> Iterator[UnitOfWork]:
    """One consistent view of the store."""
    with opened(settings) as found, found.store.reading() as uow:
        yield uow


def quiet(*, warnings: bool = True) -> None:
    """Have warnings logged, to standard error: standard output belongs to what the command shows.

    Args:
        warnings: False where the command says itself what they would say; errors are logged all the same.
    """
    logs.configure(Logging(level=LogLevel.WARNING if warnings else LogLevel.ERROR), sys.stderr)
