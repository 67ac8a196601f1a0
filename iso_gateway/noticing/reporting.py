"""The daily mails: who is told what, written once for a recipient and a day, and sent from the outbox.

Theory of operation. Whether a mail is due is told by the clock (`mornings`) and by the table `daily_mails`,
which has one row for each recipient and day for which it was decided. The row, and the mail in the outbox,
are written in one transaction: a gateway that is killed has written both or neither, and another that looks
at the same moment finds the row, or is refused a second by the database. Where there is nothing to tell, the
row alone says that this day is done. It also keeps the number of the newest row of attention, by which the
next mail knows what is new.

What stands in a mail is what `iso-gateway attention` lists: numbers, names of the configuration and our own
words. Some of these repeat what a peer said, so all of it is made visible text first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final

import structlog

from config.settings import DailyMail, LocalSymbol, NoticeKind, Settings
from iso_gateway.errors import NotFoundError, TemplateUnusableError
from iso_gateway.lettering import Mistake, Rendered, Templates, visible
from iso_gateway.lifetime import lifetime_end, next_check
from iso_gateway.noticing import mornings, wording
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.store.mails import QueuedMail
from iso_gateway.store.records import AttentionRecord
from iso_gateway.store.unit_of_work import UnitOfWork

log = structlog.stdlib.get_logger(__name__)

WRITTEN: Final = "daily-mail.written"
NOTHING_TO_TELL: Final = "daily-mail.nothing-to-tell"
TEMPLATE_UNUSABLE: Final = "daily-mail.template-unusable"

TEMPLATES: Final = Templates(
    package="iso_gateway.noticing",
    subject="daily-subject.txt",
    text="daily.txt",
    html="daily.html",
    setting="noticing.template_dir",
)

#: The most things that one mail tells of; how many more there are it says.
MOST: Final = 100
#: What is about messages that wait for a partner.
_WAITING: Final = frozenset(
    {NoticeKind.UNSENT, NoticeKind.UNREACHABLE, NoticeKind.SUSPENDED, NoticeKind.HELD_BACK}
)
#: The most characters of a reason.
_LONGEST_REASON: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing, as templates can use it; what is not known is empty.

    Args:
        number: as `attention list` numbers it.
        kind: the word for what it is.
        title: the same for people.
        about: the partner and the request.
        partner, request: each of them.
        reason: what it is, in a sentence.
        since, age: the moment of its cause, and how long ago that was.
        advice: what to do.
        look, clear: the commands that show more of it, and that clear it.
    """

    number: int
    kind: str
    title: str
    about: str
    partner: str
    request: str
    reason: str
    since: str
    age: str
    advice: str
    look: str
    clear: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a recipient is told at a moment.

    Args:
        mail: the recipient.
        author: the library that it comes from.
        new, standing: what was not there at the last mail, and what was.
        left: how many more there are.
        newest: the newest row of attention that there is.
        rendered: the mail.
    """

    mail: DailyMail
    author: LocalSymbol
    new: tuple[Entry, ...]
    standing: tuple[Entry, ...]
    left: int
    newest: int
    rendered: Rendered

    @property
    def total(self) -> int:
        """How much there is to tell."""
        return len(self.new) + len(self.standing) + self.left

    @property
    def is_sent(self) -> bool:
        """Whether a mail goes out at all."""
        return self.total > 0 or self.mail.always


def mistakes_in(template_dir: Path) -> tuple[Mistake, ...]:
    """What is wrong with a site's own templates for these mails."""
    return TEMPLATES.mistakes_in(template_dir, _examples())


def _examples() -> tuple[Mapping[str, object], ...]:
    """What mails of nobody say: of something new and something that stands, and of nothing at all."""
    words = {one.name: one.name for one in fields(Entry) if one.name != "number"}
    whole = Entry(number=1, **words)
    bare = replace(whole, number=2, about="", partner="", request="", look="")
    said = {"site": "site", "at": "2026-01-02 07:30", "hour": "07:30"}
    much = {"new": (whole, bare), "standing": (bare,), "new_count": 3, "standing_count": 1, "left": 1}
    nothing = {"new": (), "standing": (), "new_count": 0, "standing_count": 0, "left": 0}
    return {**said, **much, "total": 4, "always": False}, {**said, **nothing, "total": 0, "always": True}


def due(
    uow: UnitOfWork, settings: Settings, now: datetime, days: WorkingDays
) -> tuple[tuple[DailyMail, date], ...]:
    """The recipients whose mail is due and not written yet, each with the day; nothing is written.

    Args:
        uow: the store.
        settings: who is told, and our mail server: without one, which a restart may bring, nobody is.
        now: the moment, aware.
        days: the working days.
    """
    if settings.mail is None or uow.sending.held() is not None:
        return ()
    today = ((mail, mornings.day_due(mail, now, settings, days)) for mail in settings.noticing.mail)
    return tuple(
        (mail, day) for mail, day in today if day is not None and uow.daily_mails.of(mail.to, day) is None
    )


def write(uow: UnitOfWork, settings: Settings, now: datetime, days: WorkingDays) -> int:
    """Write the mails that are due, into the outbox; gives how many there were.

    Args:
        uow: where all of it is written.
        settings: who is told.
        now: the moment, aware.
        days: the working days.
    """
    # What is noticed is kept under the same lock: a row is either told of today, or new tomorrow.
    uow.attention.lock()
    return sum(_write(uow, settings, mail, day, now, days) for mail, day in due(uow, settings, now, days))


def report(
    uow: UnitOfWork, settings: Settings, mail: DailyMail, now: datetime, *, own_templates: bool = True
) -> Report | None:
    """What a recipient would be told now; None where no library of ours has an address to write from.

    Args:
        uow: the store; nothing is written.
        settings: the libraries, and the templates.
        mail: the recipient.
        now: the moment, aware.
        own_templates: whether the site's own templates are used, where it has any.

    Raises:
        TemplateUnusableError: a template of the site's own is wrong.
    """
    author = mornings.author_of(mail, settings)
    if author is None:
        return None
    last = uow.daily_mails.last(mail.to)
    known = 0 if last is None else last.newest
    concerned = _concerning(uow, mail)
    rows = sorted(concerned, key=lambda row: row.id <= known)[:MOST]
    entries = {row.id: _entry(row, settings, mail, now) for row in rows}
    new = tuple(entries[row.id] for row in rows if row.id > known)
    standing = tuple(entries[row.id] for row in rows if row.id <= known)
    values = {
        "site": visible(author.display_name or author.name),
        "at": wording.moment(now, mornings.zone_of(mail, settings), mail.language),
        "hour": f"{mail.at:%H:%M}",
        "always": mail.always,
        "new": new,
        "standing": standing,
        "new_count": sum(row.id > known for row in concerned),
        "standing_count": sum(row.id <= known for row in concerned),
        "left": len(concerned) - len(rows),
        "total": len(concerned),
    }
    template_dir = settings.noticing.template_dir if own_templates else None
    return Report(
        mail=mail,
        author=author,
        new=new,
        standing=standing,
        left=len(concerned) - len(rows),
        newest=uow.daily_mails.newest_attention(),
        rendered=TEMPLATES.render(values, mail.language, template_dir),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A mail as it would be now, and when it falls due next."""

    report: Report
    next_at: datetime


def previews(
    uow: UnitOfWork, settings: Settings, now: datetime, days: WorkingDays, *, to: str | None = None
) -> tuple[Preview, ...]:
    """The mails as they would be now, whatever the day and the hour; nothing is written.

    Args:
        uow: the store.
        settings: who is told.
        now: the moment, aware.
        days: the working days.
        to: only to this address.

    Raises:
        NotFoundError: nobody is told by mail, or nobody at this address.
        TemplateUnusableError: a template of the site's own is wrong.
    """
    wanted = [mail for mail in settings.noticing.mail if to is None or mail.to.lower() == to.lower()]
    if not wanted:
        known = ", ".join(mail.to for mail in settings.noticing.mail) or "nobody"
        raise NotFoundError(
            f"no daily mail goes to {'anybody' if to is None else repr(to)}: [[noticing.mail]] in"
            f" {settings.source} names {known}"
        )
    return tuple(
        Preview(report=found, next_at=_next_at(uow, settings, mail, now, days))
        for mail in wanted
        if (found := report(uow, settings, mail, now)) is not None
    )


def _next_at(
    uow: UnitOfWork, settings: Settings, mail: DailyMail, now: datetime, days: WorkingDays
) -> datetime:
    """When the next mail falls due: now, if that of today is not written yet."""
    day = mornings.day_due(mail, now, settings, days)
    if day is not None and uow.daily_mails.of(mail.to, day) is None:
        return now
    return mornings.next_moment(mail, now, settings, days)


def _write(
    uow: UnitOfWork, settings: Settings, mail: DailyMail, day: date, now: datetime, days: WorkingDays
) -> int:
    try:
        found = report(uow, settings, mail, now)
    except TemplateUnusableError as error:
        # Better a mail in our words than none, and the log says what to correct.
        log.error(TEMPLATE_UNUSABLE, error=str(error))  # noqa: TRY400 - it says what to do
        found = report(uow, settings, mail, now, own_templates=False)
    if found is None:
        return 0
    number = uow.daily_mails.add(
        recipient=mail.to,
        day=day,
        newest=found.newest,
        entries=found.total,
        mail=_queued(settings, found, now, days) if found.is_sent else None,
        at=now,
    )
    log.info(
        WRITTEN if found.is_sent else NOTHING_TO_TELL,
        daily_mail=number,
        day=day.isoformat(),
        entries=found.total,
        new=len(found.new),
    )
    return int(found.is_sent)


def _queued(settings: Settings, found: Report, now: datetime, days: WorkingDays) -> QueuedMail:
    mail, policy = found.mail, settings.retry
    # The next one says it better.
    expires_at = lifetime_end(now, policy, mornings.next_moment(mail, now, settings, days))
    return QueuedMail(
        payload={
            "author": found.author.public_mail,
            "author_name": found.author.display_name or found.author.name,
            "recipient": mail.to,
            # Answers go to those who got it: what comes to the author is read by the gateway.
            "reply_to": mail.to,
            "subject": found.rendered.subject,
            "text": found.rendered.text,
            "html": found.rendered.html,
        },
        partner=mail.to,
        expires_at=expires_at,
        check_at=next_check(created_at=now, expires_at=expires_at, policy=policy, now=now),
    )


def _concerning(uow: UnitOfWork, mail: DailyMail) -> tuple[AttentionRecord, ...]:
    """What stands, and concerns a recipient, oldest first."""
    return tuple(_those(uow, mail, uow.attention.standing()))


def _those(uow: UnitOfWork, mail: DailyMail, rows: Iterable[AttentionRecord]) -> Iterable[AttentionRecord]:
    for row in rows:
        # Whose request it is has to be looked up only for those who want to know.
        local = None if row.half_id is None or not mail.local else uow.halves.get(row.half_id).local
        if mornings.concerns(mail, row, local):
            yield row


def _entry(row: AttentionRecord, settings: Settings, mail: DailyMail, now: datetime) -> Entry:
    words = wording.WORDS[mail.language][NoticeKind(row.kind)]
    partner = None if row.partner is None else visible(row.partner)
    return Entry(
        number=row.id,
        kind=row.kind,
        title=words.title,
        about=wording.about(partner, row.half_id, mail.language),
        partner=partner or "",
        request="" if row.half_id is None else str(row.half_id),
        reason=visible(row.reason, _LONGEST_REASON),
        since=wording.moment(row.since, mornings.zone_of(mail, settings), mail.language),
        age=wording.age(row.since, now, mail.language),
        advice=words.advice,
        look=_look(row),
        clear=f"iso-gateway attention clear {row.id}",
    )


def _look(row: AttentionRecord) -> str:
    """The command that shows more of what a row is about; empty where the row says it all."""
    if row.half_id is not None:
        return f"iso-gateway requests show {row.half_id}"
    if row.message_id is not None:
        return f"iso-gateway messages show {row.message_id}"
    if row.partner is None:
        return ""
    shows = "waiting list --partner" if row.kind in _WAITING else "partners show"
    return f"iso-gateway {shows} {visible(row.partner)}"
