"""Noticing in an installation: looking once, as the daemon does, and reading what was put up."""

from dataclasses import dataclass

from iso_gateway.noticing import asking, keeping, noticer
from iso_gateway.noticing.noticer import Seen
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.site import Site
from iso_gateway.store.records import AttentionRecord


@dataclass(frozen=True, slots=True)
class Lookout:
    """What notices in an installation."""

    site: Site

    def look(self) -> Seen:
        """Look once; write what has changed, and ask those that are late."""
        settings, now = self.site.settings, self.site.clock()
        with self.site.store.reading() as uow:
            seen = noticer.see(uow, settings, now, WorkingDays.of(settings.noticing))
        if seen.changed:
            with self.site.store.unit_of_work() as uow:
                keeping.keep(uow, seen.notices, now)
        if seen.ask:
            with self.site.store.unit_of_work() as uow:
                assert asking.ask(self.site.gateway, uow, seen.ask) == len(seen.ask)
        return seen

    def rows(self) -> tuple[AttentionRecord, ...]:
        """Every row that there ever was, oldest first."""
        with self.site.store.reading() as uow:
            return tuple(reversed(uow.attention.list(limit=1000)))

    def standing(self) -> tuple[AttentionRecord, ...]:
        """The rows that stand."""
        with self.site.store.reading() as uow:
            return uow.attention.standing()
