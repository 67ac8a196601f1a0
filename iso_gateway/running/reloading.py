"""Reading the configuration anew while the gateway runs (SIGHUP).

Either everything in it is right, and from then on holds, or it is refused with the reasons, and what held
goes on holding. Some settings are used once, when the gateway starts: these keep their value, and it is said
that they wait for a restart.

Must not import: adapters, the daemon.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Final

import structlog

from config.errors import ConfigError, ConfigErrors
from config.settings import Listener, Settings
from iso_gateway import configuration
from iso_gateway.errors import GatewayError
from iso_gateway.running.service_manager import ServiceManager

log = structlog.stdlib.get_logger(__name__)

RELOADED: Final = "settings.reloaded"
REFUSED: Final = "settings.refused"
RESTART_NEEDED: Final = "settings.restart-needed"
DOUBTED: Final = "settings.doubted"

#: What is followed at once. Everything else is used when the gateway starts, and then no more.
FOLLOWED: Final = frozenset(
    {"documents", "limits", "local", "logging", "noticing", "partners", "retry", "routes"}
)
#: What is followed in part: of a listener its certificates, because they are renewed every few weeks.
FOLLOWED_IN_PART: Final = frozenset({"listeners"})


class Reloading:
    """Reads the configuration anew whenever it is asked to.

    Args:
        settings: what holds now.
        prepare: reads what other settings name, and gives what has everybody follow them. It may raise
            GatewayError, and then nothing is followed.
        manager: who is told.
        status: gives the line that is told once it is done.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        prepare: Callable[[Settings], Callable[[], None]],
        manager: ServiceManager,
        status: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._prepare = prepare
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
            examined = await asyncio.to_thread(configuration.examine, self._settings.source)
            settings, waiting = merged(self._settings, examined.settings)
            follow = await asyncio.to_thread(self._prepare, settings)
        except ConfigErrors as errors:
            problems = [str(error) for error in errors.errors]
        except GatewayError as error:
            problems = [str(error)]
        except Exception as error:  # noqa: BLE001 - whatever a file does, the gateway goes on as it was
            problems = [f"it could not be read: {type(error).__name__}; look at it with iso-gateway check"]
        else:
            follow()
            self._settings = settings
            log.info(RELOADED, partners=len(settings.partners), local=len(settings.local))
            tell_doubts(examined.warnings)
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
    by_name = {one.name: one for one in found.listeners}
    listeners = tuple(_with_certificates_of(by_name.get(one.name, one), one) for one in held.listeners)
    settings = replace(held, listeners=listeners, **followed)
    waiting = [
        name for name in names if name not in FOLLOWED and getattr(found, name) != getattr(settings, name)
    ]
    return settings, tuple(waiting)


def tell_doubts(warnings: Iterable[ConfigError]) -> None:
    """Log what hardly is what was meant."""
    for one in warnings:
        log.warning(DOUBTED, problem=str(one))


def _with_certificates_of(found: Listener, held: Listener) -> Listener:
    """Give a listener with the files for TLS that it has now, unless TLS itself comes or goes."""
    if found.tls != held.tls:
        return held
    return replace(
        held,
        certificate_file=found.certificate_file,
        key_file=found.key_file,
        client_ca_file=found.client_ca_file,
    )
