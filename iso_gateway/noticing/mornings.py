"""Whom a daily mail is for, and when: pure decisions. A moment comes in; nothing here reads a clock.

A mail belongs to a recipient and to a day where the recipient's library is. It is due from its hour on, on a
working day, until that day is over: a gateway that did not run in the morning is late, and what it missed
altogether it does not make up for.
"""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from config.settings import DailyMail, LocalSymbol, Settings
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.store.records import AttentionRecord


def libraries_of(mail: DailyMail, settings: Settings) -> tuple[LocalSymbol, ...]:
    """The libraries of ours that a recipient is told of: those that are named, or all."""
    named = tuple(one for one in settings.local if one.name in mail.local)
    return named or settings.local


def author_of(mail: DailyMail, settings: Settings) -> LocalSymbol | None:
    """The library that a mail comes from: one of the recipient's, else any that has an address."""
    candidates = (*libraries_of(mail, settings), *settings.local)
    return next((one for one in candidates if one.public_mail is not None), None)


def zone_of(mail: DailyMail, settings: Settings) -> ZoneInfo:
    """Where its hours and days are."""
    return libraries_of(mail, settings)[0].zone


def moment_of(mail: DailyMail, day: date, zone: ZoneInfo) -> datetime:
    """When the mail of a day is due, in UTC: between two times of one zone no clock change would count.

    An hour that a clock change leaves out is the one after it; of one that comes twice it is the first.
    """
    return datetime.combine(day, mail.at, tzinfo=zone).astimezone(UTC)


def day_due(mail: DailyMail, now: datetime, settings: Settings, days: WorkingDays) -> date | None:
    """The day whose mail is due now; None before its hour, and where nobody works.

    Args:
        mail: the recipient.
        now: the moment, aware.
        settings: the libraries.
        days: the working days.
    """
    zone = zone_of(mail, settings)
    today = now.astimezone(zone).date()
    return today if today in days and now >= moment_of(mail, today, zone) else None


def next_moment(mail: DailyMail, now: datetime, settings: Settings, days: WorkingDays) -> datetime:
    """The first moment after now at which a mail falls due, in UTC; as `day_due`."""
    zone = zone_of(mail, settings)
    today = now.astimezone(zone).date()
    if today in days and now < (moment := moment_of(mail, today, zone)):
        return moment
    return moment_of(mail, days.after(today, 1), zone)


def concerns(mail: DailyMail, row: AttentionRecord, local: str | None) -> bool:
    """Whether a recipient is told of something.

    Args:
        mail: the recipient.
        row: what stands.
        local: the library whose request it is about; None where it is about no request, and so about all.
    """
    return (
        row.kind in mail.kinds
        and (not mail.local or local is None or local in mail.local)
        and (not mail.partners or row.partner in mail.partners)
    )
