"""The library and the partner that a command line names."""

from collections.abc import Iterable

import typer

from config.settings import LocalSymbol, Partner, Settings
from iso_gateway.cli.shared.output import complain
from iso_gateway.errors import NotFoundError


def partner_named(settings: Settings, name: str) -> Partner:
    """The partner of a name, whatever the case of its letters.

    Raises:
        NotFoundError: there is none.
    """
    found = next((one for one in settings.partners if one.name.casefold() == name.casefold()), None)
    if found is None:
        raise NotFoundError(f"there is no partner {name!r}; partners list shows those there are")
    return found


def name_kept(settings: Settings, name: str | None) -> str | None:
    """The name by which the store knows a partner that is filtered by, whatever the case of its letters.

    What is kept of a partner that is configured no more is still found, by its name as it was: so an unknown
    name is no error, but is said on standard error.
    """
    if name is None:
        return None
    # What goes to our own people is kept under their address, which no partner's name can be.
    kept = (*(one.name for one in settings.partners), *(mail.to for mail in settings.noticing.mail))
    found = next((one for one in kept if one.casefold() == name.casefold()), None)
    if found is None:
        complain(f"note: no partner {name!r} is configured now; partners list shows those there are")
    return found or name


def local_named(settings: Settings, name: str | None) -> LocalSymbol:
    """The library of ours of a name, whatever the case of its letters; the only one where no name is given.

    Raises:
        NotFoundError: there is none.
        typer.BadParameter: there are several, and no name is given.
    """
    if name is None:
        if len(settings.local) == 1:
            return settings.local[0]
        raise typer.BadParameter(
            f"say for which of our libraries: {_names(settings.local)}", param_hint="--from"
        )
    found = next((one for one in settings.local if one.name.casefold() == name.casefold()), None)
    if found is None:
        raise NotFoundError(f"there is no library of ours {name!r}; there are {_names(settings.local)}")
    return found


def _names(local: Iterable[LocalSymbol]) -> str:
    return ", ".join(one.name for one in local)
