"""What a person has to know, of the facts and the moment alone. Pure: nothing here reads a clock or a store.

That two requests are for one item is inferred: by our own number where both have one, else by title and
author; no source says how to tell. Every use is logged by `keeping`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from config.settings import ApduName, NoticeKind, Partner, RetryPolicy, Settings
from iso_gateway.noticing.facts import (
    Awaited,
    Facts,
    PartnerFacts,
    Raised,
    Stuck,
    Supply,
    Unreadable,
    Whereabouts,
)
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.protocol.timers import end_of, start_of
from iso_gateway.store.records import BreakerState, DailyMailRecord, HalfId, MessageId, WebhookRecord

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that a person has to know.

    Args:
        key: what it is about; the same as long as the cause is.
        kind: of what kind.
        reason: a sentence, in our words, without patron data.
        since: the moment of the cause.
        partner, half_id, message_id: what it concerns.
        inferred: whether it rests on a guess of ours.
    """

    key: str
    kind: NoticeKind
    reason: str
    since: datetime
    partner: str | None = None
    half_id: HalfId | None = None
    message_id: MessageId | None = None
    inferred: bool = False


def notices(facts: Facts, now: datetime, settings: Settings, days: WorkingDays) -> tuple[Notice, ...]:
    """Everything that a person has to know now.

    Args:
        facts: what the store says.
        now: the moment, aware.
        settings: partners, and what is to be watched.
        days: the working days.
    """
    return tuple(_all(facts, now, settings, days))


def _all(facts: Facts, now: datetime, settings: Settings, days: WorkingDays) -> Iterator[Notice]:
    for awaited in facts.awaited:
        yield from _unanswered(awaited, now, settings, days)
    for partner in facts.partners:
        yield from _partner(partner, facts.awaited, now, settings, days)
    for stuck in facts.stuck:
        yield _stuck(stuck)
    for late in facts.late:
        yield Notice(
            key=f"{NoticeKind.LATE_SHIPPED}:{late.message_id}",
            kind=NoticeKind.LATE_SHIPPED,
            reason=f"{late.partner} has shipped an item for request {late.half_id}, which is over:"
            " tell its staff, and expect the parcel",
            since=late.at,
            partner=late.partner,
            half_id=late.half_id,
            message_id=late.message_id,
        )
    yield from _double_supplies(facts.supplies)
    yield from _unreadable(facts.unreadable, settings)
    yield from _undecided(facts)
    yield from _orphaned(facts, now)
    yield from _raised(facts)
    yield from _webhooks(facts.webhooks, now, settings)
    yield from _lost(facts.lost, settings)


# -- answers that do not come


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDays:
    """The days of an answer.

    Args:
        warned: the first on which it is warned of.
        last: the last on which it is in time.
    """

    warned: date
    last: date


def answer_days(awaited: Awaited, partner: Partner, settings: Settings, days: WorkingDays) -> AnswerDays:
    """When an answer is due, and when a person is warned of it: never on the day of asking."""
    asked = awaited.asked_at.astimezone(awaited.zone).date()
    last = asked + timedelta(days=partner.days_to_respond)
    warned = days.before(last, settings.noticing.answer_warning_days)
    return AnswerDays(warned=max(warned, asked + _DAY), last=last)


def _unanswered(awaited: Awaited, now: datetime, settings: Settings, days: WorkingDays) -> Iterator[Notice]:
    partner = settings.partner(awaited.partner)
    if partner is None:
        return
    due = answer_days(awaited, partner, settings, days)
    if now >= end_of(due.last, awaited.zone):
        kind, said = NoticeKind.NO_ANSWER, f"within its {partner.days_to_respond} days, by {due.last}"
    elif now >= start_of(due.warned, awaited.zone):
        kind, said = NoticeKind.ANSWER_DUE, f"and is to by {due.last}"
    else:
        return
    yield Notice(
        key=f"{kind}:{awaited.half_id}:{awaited.asked_at.isoformat(timespec='seconds')}",
        kind=kind,
        reason=f"{awaited.partner} has not answered request {awaited.half_id} {said};"
        f" {_asked(awaited, partner)}",
        since=awaited.asked_at,
        partner=awaited.partner,
        half_id=awaited.half_id,
    )


def _asked(awaited: Awaited, partner: Partner) -> str:
    """What asking for the status has given, or why it is not asked for."""
    if awaited.reported is not None:
        return awaited.reported
    if not can_be_asked(partner):
        return "its profile lists no Status-Query, so only its staff can say how it stands"
    if awaited.queried_at is not None:
        return f"asked by Status-Query on {awaited.queried_at.astimezone(awaited.zone).date()}, no report yet"
    return "it has not been asked by Status-Query"


def can_be_asked(partner: Partner) -> bool:
    """Whether its profile says that it takes a Status-Query and answers it."""
    capabilities = partner.capabilities
    return (
        ApduName.STATUS_QUERY in capabilities.accepts
        and ApduName.STATUS_OR_ERROR_REPORT in capabilities.sends
    )


# -- partners


def _partner(
    one: PartnerFacts, awaited: Sequence[Awaited], now: datetime, settings: Settings, days: WorkingDays
) -> Iterator[Notice]:
    partner = settings.partner(one.name)
    retry = settings.retry if partner is None else partner.retry
    if one.suspended_at is not None:
        if one.waiting:
            yield Notice(
                key=f"{NoticeKind.SUSPENDED}:{one.name}:{one.suspended_at.isoformat(timespec='seconds')}",
                kind=NoticeKind.SUSPENDED,
                reason=f"{one.name} is suspended by {one.suspended_by}, and {_messages(one)} for it:"
                f" partners resume {one.name} sends them",
                since=one.suspended_at,
                partner=one.name,
            )
        return
    if one.breaker is not BreakerState.CLOSED:
        since = one.failing_since or now
        if now - since >= settings.noticing.unreachable_after:
            yield Notice(
                key=f"{NoticeKind.UNREACHABLE}:{one.name}:{since.isoformat(timespec='seconds')}",
                kind=NoticeKind.UNREACHABLE,
                reason=f"{one.name} takes nothing, and {_messages(one)} for it; last: {one.last_error}",
                since=since,
                partner=one.name,
            )
        return
    yield from _unsent(one, retry, now)
    yield from _silent(one, awaited, now, settings, days)


def _messages(one: PartnerFacts) -> str:
    return "1 message waits" if one.waiting == 1 else f"{one.waiting} messages wait"


def _unsent(one: PartnerFacts, retry: RetryPolicy, now: datetime) -> Iterator[Notice]:
    if one.oldest is not None and now - one.oldest >= retry.warn_after:
        yield Notice(
            key=f"{NoticeKind.UNSENT}:{one.name}",
            kind=NoticeKind.UNSENT,
            reason=f"{_messages(one)} for {one.name}, the oldest since"
            f" {one.oldest.isoformat(timespec='minutes')}: waiting list --partner {one.name} says why",
            since=one.oldest,
            partner=one.name,
        )


def _silent(
    one: PartnerFacts, awaited: Sequence[Awaited], now: datetime, settings: Settings, days: WorkingDays
) -> Iterator[Notice]:
    owed = [answer for answer in awaited if answer.partner == one.name]
    if not owed:
        return
    oldest = min(owed, key=lambda answer: answer.asked_at)
    since = oldest.asked_at if one.last_heard is None else max(oldest.asked_at, one.last_heard)
    last = days.after(since.astimezone(oldest.zone).date(), settings.noticing.silence_days)
    if now < end_of(last, oldest.zone):
        return
    number = "1 request waits" if len(owed) == 1 else f"{len(owed)} requests wait"
    yield Notice(
        key=f"{NoticeKind.SILENT}:{one.name}:{since.isoformat(timespec='seconds')}",
        kind=NoticeKind.SILENT,
        reason=f"nothing has come from {one.name} for {settings.noticing.silence_days} working days, and"
        f" {number} for its answer: partners test {one.name}, or ask its staff",
        since=since,
        partner=one.name,
    )


# -- messages


def _stuck(stuck: Stuck) -> Notice:
    what = "the mail with a link" if stuck.message_id is None else f"message {stuck.message_id}"
    about = "" if stuck.half_id is None else f" about request {stuck.half_id}"
    whom = stuck.partner or "a sender that is not configured"
    kind = NoticeKind.HELD_BACK if stuck.held else NoticeKind.NOT_DELIVERED
    if stuck.held:
        said = (
            f"may have arrived or not: find out, then waiting release {stuck.outbox_id}, with --as-delivered"
            " if it has"
        )
    elif stuck.message_id is None:
        said = (
            "was not delivered: documents list says why; put that right, then documents add sends the link"
            " again, or reach its staff another way"
        )
    else:
        said = (
            f"was not delivered: messages show {stuck.message_id} says why; put that right, then"
            f" replay {stuck.message_id} sends it again, or reach its staff another way"
        )
    return Notice(
        key=f"{kind}:{stuck.outbox_id}",
        kind=kind,
        reason=f"{what} to {whom}{about} {said}",
        since=stuck.at,
        partner=stuck.partner,
        half_id=stuck.half_id,
        message_id=stuck.message_id,
    )


def _unreadable(unreadable: Sequence[Unreadable], settings: Settings) -> Iterator[Notice]:
    """One notice a day and source: who sends garbage sends much of it."""
    zone = settings.local[0].zone
    found: dict[tuple[date, str], list[Unreadable]] = defaultdict(list)
    for one in unreadable:
        found[one.at.astimezone(zone).date(), one.source].append(one)
    for (day, source), some in found.items():
        first = some[0]
        number = "1 message" if len(some) == 1 else f"{len(some)} messages"
        yield Notice(
            key=f"{NoticeKind.UNREADABLE}:{day}:{source}",
            kind=NoticeKind.UNREADABLE,
            reason=f"{number} from {source} on {day} could not be read: messages show {first.message_id}",
            since=first.at,
            partner=first.partner,
            message_id=first.message_id,
        )


def _undecided(facts: Facts) -> Iterator[Notice]:
    """Messages from which nothing can follow, so that a person has to find out what they are about."""
    for one in facts.forgotten:
        about = "a request" if one.half_id is None else f"request {one.half_id}"
        yield Notice(
            key=f"{NoticeKind.DISPOSED_OF}:{one.message_id}",
            kind=NoticeKind.DISPOSED_OF,
            reason=f"message {one.message_id} from {one.partner or 'a partner'} is about {about} that was"
            " disposed of: ask its staff what it is about",
            since=one.at,
            partner=one.partner,
            half_id=one.half_id,
            message_id=one.message_id,
        )
    for other in facts.unclassified:
        yield Notice(
            key=f"{NoticeKind.UNCLASSIFIED}:{other.message_id}",
            kind=NoticeKind.UNCLASSIFIED,
            reason=f"message {other.message_id} is stored, and the gateway cannot classify it: its log says"
            " why; upgrade it, or start it anew, and the message is tried again",
            since=other.at,
            message_id=other.message_id,
        )


def _orphaned(facts: Facts, now: datetime) -> Iterator[Notice]:
    """Requests with partners that the configuration does not name (any more), or names otherwise."""
    for one in facts.orphaned:
        number = "1 request" if one.requests == 1 else f"{one.requests} requests"
        yield Notice(
            key=f"{NoticeKind.NOT_CONFIGURED}:{one.partner}",
            kind=NoticeKind.NOT_CONFIGURED,
            reason=f"{number} under way with {one.partner}, which is not configured: what it says is refused;"
            f" put its file back, or, if it has another name now, partners rename {one.partner} NEW",
            since=now,
            partner=one.partner,
        )


def _raised(facts: Facts) -> Iterator[Notice]:
    """What was put before a person already, but for what another notice says better."""
    unanswered = {awaited.half_id for awaited in facts.awaited}
    late = {late.message_id for late in facts.late}
    for one in facts.raised:
        if not _said_otherwise(one, unanswered, late):
            yield Notice(
                key=f"{NoticeKind.REQUEST}:{one.sequence}",
                kind=NoticeKind.REQUEST,
                reason=f"request {one.half_id} with {one.partner}: {one.reason}",
                since=one.at,
                partner=one.partner,
                half_id=one.half_id,
                message_id=one.message_id,
            )


def _said_otherwise(one: Raised, unanswered: set[HalfId], late: set[MessageId]) -> bool:
    return one.message_id in late or (one.message_id is None and one.half_id in unanswered)


def _webhooks(webhooks: Sequence[WebhookRecord], now: datetime, settings: Settings) -> Iterator[Notice]:
    configured = {webhook.name for webhook in settings.webhooks}
    for one in webhooks:
        since = one.failing_since
        if one.name not in configured or since is None or now - since < settings.noticing.unreachable_after:
            continue
        yield Notice(
            key=f"{NoticeKind.WEBHOOK}:{one.name}:{since.isoformat(timespec='seconds')}",
            kind=NoticeKind.WEBHOOK,
            reason=f"webhook {one.name} does not take what it is told; last: {one.last_error}",
            since=since,
        )


def _lost(lost: Sequence[DailyMailRecord], settings: Settings) -> Iterator[Notice]:
    """One notice a recipient, for as long as its mails are lost."""
    told = {mail.to.lower() for mail in settings.noticing.mail}
    for one in lost:
        if one.mail is not None and one.recipient in told:
            yield Notice(
                key=f"{NoticeKind.NOT_DELIVERED}:daily-mail:{one.recipient}",
                kind=NoticeKind.NOT_DELIVERED,
                reason=f"the daily mail of {one.day} to {one.recipient} was not delivered:"
                f" {one.mail.last_error}; see [[noticing.mail]] and the mail server",
                since=one.mail.finished_at or one.made_at,
            )


# -- one item from two lenders


def _double_supplies(supplies: Sequence[Supply]) -> Iterator[Notice]:
    for one, others in _groups(supplies):
        all_of_it = (one, *others)
        if all(supply.whereabouts is Whereabouts.HERE for supply in all_of_it):
            continue
        last = max(all_of_it, key=lambda supply: supply.since)
        named = " and ".join(f"{supply.partner} (request {supply.half_id})" for supply in all_of_it)
        by = "our own number" if _by_reference(one, others[0]) else "title and author"
        yield Notice(
            key=f"{NoticeKind.DOUBLE_SUPPLY}:{one.half_id}",
            kind=NoticeKind.DOUBLE_SUPPLY,
            reason=f"one item is supplied by {named}, to go by {by}: tell one of them, or send one back",
            since=last.since,
            partner=last.partner,
            half_id=last.half_id,
            inferred=True,
        )


def _groups(supplies: Sequence[Supply]) -> Iterator[tuple[Supply, list[Supply]]]:
    """The supplies of one item, where there are several: the first, and the others."""
    left = sorted(supplies, key=lambda supply: supply.half_id)
    while left:
        one, *rest = left
        others = [other for other in rest if _same_item(one, other)]
        if others:
            yield one, others
        left = [other for other in rest if other not in others]


def _same_item(one: Supply, other: Supply) -> bool:
    """Whether two supplies are of one item (inferred). Two numbers of ours that differ are two wishes."""
    if one.local != other.local:
        return False
    if one.reference is not None and other.reference is not None:
        return one.reference == other.reference
    return one.title is not None and one.title == other.title


def _by_reference(one: Supply, other: Supply) -> bool:
    return one.reference is not None and one.reference == other.reference
