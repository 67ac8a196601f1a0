"""The task of the daemon that notices: it looks every few minutes, and writes only when something changed.

At the hour of a daily mail it looks as well, and then writes the mail, so that this says what is so.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from config.settings import Settings
from iso_gateway.errors import StoreError
from iso_gateway.noticing import asking, gathering, keeping, mornings, reporting, rules
from iso_gateway.noticing.facts import Awaited
from iso_gateway.noticing.rules import Notice
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.rounds import Rounds
from iso_gateway.services import Gateway
from iso_gateway.store.unit_of_work import Store, UnitOfWork
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

NOTICING_FAILED: Final = "noticing.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was found at one look.

    Args:
        notices: everything that a person has to know.
        ask: the requests whose partners are to be asked now.
        changed: whether anything has to be written for the notices.
    """

    notices: tuple[Notice, ...] = ()
    ask: tuple[Awaited, ...] = ()
    changed: bool = False


class Noticer:
    """Notices what is missing.

    Args:
        settings: partners, and what is to be watched.
        gateway: the use cases, for Status-Queries.
        store: what to look in.
        writer: the one writer of the store.
        clock: gives the moment, aware.
        acted: called when there may be something to send.
    """

    def __init__(
        self,
        settings: Settings,
        gateway: Gateway,
        store: Store,
        writer: Writer,
        *,
        clock: Callable[[], datetime],
        acted: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._store = store
        self._writer = writer
        self._clock = clock
        self._acted = acted
        self._days = WorkingDays.of(settings.noticing)
        self._rounds = Rounds()

    def follow(self, settings: Settings) -> None:
        """Notice by other settings from now on, and look at once."""
        self._settings, self._days = settings, WorkingDays.of(settings.noticing)
        self._rounds.wake()

    def stop(self) -> None:
        """Begin nothing more."""
        self._rounds.stop()

    async def run(self) -> None:
        """Look, and again after each interval, until `stop` is called."""
        await self._rounds.run(self._once)

    async def _once(self) -> timedelta:
        """Look, and tell what there is to tell; gives for how long there is nothing to do."""
        began = self._clock()
        await self._attempt(self.look)
        await self._attempt(self.tell)
        return self._pause(began)

    async def _attempt(self, what: Callable[[], Awaitable[object]]) -> None:
        try:
            await what()
        except Exception as error:  # noqa: BLE001 - the gateway serves, whether anything is noticed or not
            # The text of our own errors says what to do; that of others may repeat what a message says.
            said = str(error) if isinstance(error, StoreError) else type(error).__name__
            log.error(NOTICING_FAILED, error=said)  # noqa: TRY400

    def _pause(self, began: datetime) -> timedelta:
        """How long there is nothing to do, unless it is woken.

        Args:
            began: when it looked last: what has fallen due since then was not seen.
        """
        now, noticing = self._clock(), self._settings.noticing
        moments = (mornings.next_moment(mail, began, self._settings, self._days) for mail in noticing.mail)
        return max(min((noticing.interval, *(moment - now for moment in moments))), timedelta())

    async def look(self) -> Seen:
        """Look once, and write what has changed; then ask those that are late."""
        seen = await asyncio.to_thread(self._see)
        if seen.changed:
            await self._writer.run(lambda uow: keeping.keep(uow, seen.notices, self._clock()))
        if seen.ask:
            asked: int = await self._writer.run(lambda uow: asking.ask(self._gateway, uow, seen.ask))
            if asked:
                self._acted()
        return seen

    async def tell(self) -> int:
        """Write the daily mails that are due; gives how many there were."""
        settings, days = self._settings, self._days
        if not settings.noticing.mail or not await asyncio.to_thread(self._is_mail_due, settings, days):
            return 0
        written: int = await self._writer.run(lambda uow: reporting.write(uow, settings, self._clock(), days))
        if written:
            self._acted()
        return written

    def _is_mail_due(self, settings: Settings, days: WorkingDays) -> bool:
        with self._store.reading() as uow:
            return bool(reporting.due(uow, settings, self._clock(), days))

    def _see(self) -> Seen:
        with self._store.reading() as uow:
            # A database that sends nothing may be an old copy: what it lacks came to another.
            return (
                Seen()
                if uow.sending.held() is not None
                else see(uow, self._settings, self._clock(), self._days)
            )


def see(uow: UnitOfWork, settings: Settings, now: datetime, days: WorkingDays) -> Seen:
    """What there is to notice now; nothing is written.

    Args:
        uow: the store.
        settings: partners, and what is to be watched.
        now: the moment, aware.
        days: the working days.
    """
    facts = gathering.gather(uow, settings, now)
    notices = rules.notices(facts, now, settings, days)
    return Seen(
        notices=notices,
        ask=asking.due(facts, now, settings, days),
        changed=bool(keeping.changes(uow, notices, now)),
    )
