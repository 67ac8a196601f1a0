"""Noticing on a desk: looking once, as the daemon does every few minutes, and reading what was put up."""

from dataclasses import dataclass

from iso_gateway.noticing import asking, keeping, noticer
from iso_gateway.noticing.noticer import Seen
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.store.records import AttentionRecord
from tests.support.gateway import Desk


@dataclass(frozen=True, slots=True)
class Lookout:
    """What notices at a desk."""

    desk: Desk

    def look(self) -> Seen:
        """Look once; write what has changed, and ask those that are late."""
        settings, now = self.desk.site.settings, self.desk.clock.now
        with self.desk.reading() as uow:
            seen = noticer.see(uow, settings, now, WorkingDays.of(settings.noticing))
        if seen.changed:
            with self.desk.site.store.unit_of_work() as uow:
                keeping.keep(uow, seen.notices, now)
        if seen.ask:
            with self.desk.site.store.unit_of_work() as uow:
                assert asking.ask(self.desk.site.gateway, uow, seen.ask) == len(seen.ask)
        return seen

    def rows(self) -> tuple[AttentionRecord, ...]:
        """Every row that there ever was, oldest first."""
        with self.desk.reading() as uow:
            return tuple(reversed(uow.attention.list(limit=1000)))

    def standing(self) -> tuple[AttentionRecord, ...]:
        """The rows that stand."""
        with self.desk.reading() as uow:
            return uow.attention.standing()
