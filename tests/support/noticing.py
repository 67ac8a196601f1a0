"""Noticing in an installation: looking and telling once, as the daemon does, and reading what was put up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from config.settings import DailyMail, Mail, Settings
from iso_gateway.noticing import asking, keeping, noticer, reporting
from iso_gateway.noticing.noticer import Seen
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.site import Site
from iso_gateway.store.records import AttentionRecord, OutboxKind


def telling(settings: Settings, *mails: DailyMail) -> Settings:
    """Give settings under which people are told by mail, from an address of the first library."""
    first, *others = settings.local
    return replace(
        settings,
        local=(replace(first, public_mail="ill@bex.example"), *others),
        mail=Mail(),
        noticing=replace(settings.noticing, mail=mails),
    )


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

    def tell(self, settings: Settings) -> Sequence[Mapping[str, object]]:
        """Write the daily mails that are due, and let them be delivered; gives what they say."""
        now, days = self.site.clock(), WorkingDays.of(settings.noticing)
        with self.site.store.unit_of_work() as uow:
            written = reporting.write(uow, settings, now, days)
            rows = [row for row in uow.outbox.list(limit=1000) if row.kind is OutboxKind.MAIL]
            said = [uow.mails.said(row.id) for row in rows]
            for row in rows:
                fence = uow.leases.claim(row.id, "lookout", now, now)
                assert fence is not None
                assert uow.leases.delivered(row.id, fence, now)
        assert written == len(said)
        return said
