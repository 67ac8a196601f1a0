"""Reading the configuration anew while the gateway runs (SIGHUP).

Either everything in it is right, and from then on holds, or it is refused with the reasons, and what held
goes on holding. Some settings are used once, when the gateway starts: these keep their value, and it is said
that they wait for a restart.

Must not import: adapters, the daemon.
"""

import asyncio
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Final

import structlog

from config import loading
from config.errors import ConfigErrors
from config.settings import Settings
from iso_gateway.message import judgement
from iso_gateway.running.service_manager import ServiceManager

log = structlog.stdlib.get_logger(__name__)

RELOADED: Final = "settings.reloaded"
REFUSED: Final = "settings.refused"
RESTART_NEEDED: Final = "settings.restart-needed"

#: What is followed at once. Everything else is used when the gateway starts, and then no more.
FOLLOWED: Final = frozenset(
    {"documents", "limits", "local", "logging", "noticing", "partners", "retry", "routes"}
)


class Reloading:
    """Reads the configuration anew whenever it is asked to.

    Args:
        settings: what holds now.
        follow: has everybody follow other settings.
        manager: who is told.
        status: gives the line that is told once it is done.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        follow: Callable[[Settings], None],
        manager: ServiceManager,
        status: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._follow = follow
        self._manager = manager
        self._status = status

    async def run(self, asked: asyncio.Event) -> None:
        """Read it each time `asked` is set, until cancelled."""
        while True:
            await asked.wait()
            asked.clear()
            self._manager.reloading()
            refusal = await self._reload()
            self._manager.ready(self._status() if refusal is None else refusal)

    async def _reload(self) -> str | None:
        """Read it, and have everybody follow; gives why not, if it was refused."""
        try:
            found = await asyncio.to_thread(_read, self._settings)
        except ConfigErrors as errors:
            problems = [str(error) for error in errors.errors]
        except Exception as error:  # noqa: BLE001 - whatever a file does, the gateway goes on as it was
            problems = [f"it could not be read: {type(error).__name__}; look at it with iso-gateway check"]
        else:
            settings, waiting = merged(self._settings, found)
            self._follow(settings)
            self._settings = settings
            log.info(RELOADED, partners=len(settings.partners), local=len(settings.local))
            if waiting:
                log.warning(RESTART_NEEDED, settings=", ".join(waiting))
            return None
        for problem in problems:
            log.error(REFUSED, problem=problem)
        return f"the new configuration was refused, the old one holds: {problems[0]}"


def merged(held: Settings, found: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Give what holds from now on, and the names of the settings that differ and wait for a restart."""
    names = [one.name for one in fields(Settings) if one.init]
    followed = {name: getattr(found, name) for name in names if name in FOLLOWED}
    waiting = [name for name in names if name not in FOLLOWED and getattr(found, name) != getattr(held, name)]
    return replace(held, **followed), tuple(waiting)


def _read(held: Settings) -> Settings:
    settings = loading.load(held.source)
    judgement.require_known_rules(settings)
    return settings
