"""Reading the facts for the rules out of the store; nothing is written, and nothing that is read is kept."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Final

from asn1.ill import StatusOrErrorReport
from asn1.schema import Unlisted
from config.settings import Settings
from iso_gateway.acting.action import REPEATS
from iso_gateway.acting.requesting import REFERENCE
from iso_gateway.half.movement import ATTENTION
from iso_gateway.half.record import settles, stored_apdu
from iso_gateway.noticing.facts import (
    Awaited,
    Facts,
    Forgotten,
    LateShipped,
    Orphaned,
    PartnerFacts,
    Raised,
    Stuck,
    Supply,
    Unclassified,
    Unreadable,
    Whereabouts,
)
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.machine import CLOSED
from iso_gateway.protocol.machine import Verdict as MachineVerdict
from iso_gateway.protocol.states import STATES, TERMINAL, CurrentState, Role, State
from iso_gateway.protocol.tables import ALWAYS
from iso_gateway.protocol.timers import ASKS, WAITS
from iso_gateway.reception import Verdict
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.observations import StepRecord, StuckRecord
from iso_gateway.store.records import (
    HalfId,
    HalfRecord,
    InputKind,
    MessageId,
    OutboxId,
    PartnerStateRecord,
)
from iso_gateway.store.unit_of_work import UnitOfWork

#: After how long a message that is not classified is none that is just being taken up.
UNCLASSIFIED_AFTER: Final = timedelta(minutes=15)
_UNFINISHED: Final = frozenset(
    state for role, states in STATES.items() for state in states if state not in TERMINAL[role]
)
_SHIPPED_NAME: Final = "Shipped"
_ON_ITS_WAY: Final = frozenset({State.SHIPPED, State.NOT_RECEIVED_OVERDUE})
_NOT_FROM_IT: Final = (Verdict.UNKNOWN_SENDER, Verdict.MAIL_NOTICE)
_HAD_EFFECT: Final = frozenset({MachineVerdict.APPLIED.value, MachineVerdict.REPEATED.value})


def gather(uow: UnitOfWork, settings: Settings, now: datetime) -> Facts:
    """Everything that the rules look at, as of one moment.

    Args:
        uow: the store; nothing is written to it.
        settings: partners, local symbols, and how far back to look.
        now: the moment, aware.
    """
    since = now - settings.noticing.look_back
    awaited = tuple(_awaited(uow, settings))
    late = tuple(_late(uow, since))
    return Facts(
        awaited=awaited,
        supplies=tuple(_supplies(uow, late, since)),
        partners=tuple(partners(uow, settings, heard={one.partner for one in awaited})),
        stuck=tuple(_stuck(uow, since)),
        late=late,
        unreadable=tuple(_unreadable(uow, since)),
        forgotten=tuple(_forgotten(uow, since)),
        orphaned=tuple(_orphaned(uow, settings)),
        unclassified=tuple(_unclassified(uow, since, now)),
        raised=tuple(_raised(uow, since)),
        webhooks=uow.webhooks.all(),
        lost=uow.daily_mails.lost(),
    )


# -- answers that are awaited


def _awaited(uow: UnitOfWork, settings: Settings) -> Iterator[Awaited]:
    zones = {local.name: local.zone for local in settings.local}
    found: dict[HalfId, Awaited] = {}
    reports: dict[HalfId, MessageId] = {}
    for step in uow.observations.steps(Role.REQUESTER, WAITS):
        zone = zones.get(step.local)
        if zone is None or step.verdict not in _HAD_EFFECT:
            continue
        _follow(found, reports, step, zone)
    for half_id, awaited in found.items():
        report = reports.get(half_id)
        yield awaited if report is None else replace(awaited, reported=_reported(uow, report))


def _follow(
    found: dict[HalfId, Awaited], reports: dict[HalfId, MessageId], step: StepRecord, zone: tzinfo
) -> None:
    """Go on by one step of a half: asked, asked again, queried, reported on, or answered."""
    service, half_id = Service(step.service), step.half_id
    before = found.get(half_id)
    asked = Awaited(half_id=half_id, partner=step.partner, asked_at=step.at, zone=zone)
    match step.kind:
        case InputKind.PRIMITIVE if service in ASKS:
            found[half_id] = asked
            reports.pop(half_id, None)
        case InputKind.PRIMITIVE if service is Service.STQ and before is not None:
            found[half_id] = replace(before, queried_at=step.at)
        case InputKind.APDU if service is Service.STR and before is not None and step.message_id is not None:
            reports[half_id] = step.message_id
        case InputKind.APDU if service is Service.FWN and before is not None and not step.original_seen:
            # Another library has to answer now, and gets as long for it.
            found[half_id] = asked
            reports.pop(half_id, None)
        case InputKind.APDU if service not in ALWAYS and not step.original_seen:
            found.pop(half_id, None)
        case _:
            return


def _reported(uow: UnitOfWork, message_id: MessageId) -> str | None:
    """What a report says of the request, in words; None if it can no longer be read."""
    try:
        report = stored_apdu(uow, message_id)
    except KeyDisposedError:
        return None
    if not isinstance(report, StatusOrErrorReport) or report.status_report is None:
        return f"its report names an error: messages show {message_id}"
    state = report.status_report.provider_status_report
    if isinstance(state, Unlisted):
        return "its status report names a state that there is not"
    return f"its status report says {CurrentState(state.value).name.replace('_', ' ').capitalize()}"


# -- items that partners supply


def _late(uow: UnitOfWork, since: datetime) -> Iterator[LateShipped]:
    for one in uow.observations.classified(Verdict.PROHIBITED, since):
        if one.apdu_type != _SHIPPED_NAME or one.half_id is None or one.partner is None:
            continue
        half = uow.halves.get(one.half_id)
        if half.role == Role.REQUESTER and half.state in CLOSED:
            yield LateShipped(
                message_id=one.message_id, half_id=half.id, partner=one.partner, at=one.stored_at
            )


def _supplies(uow: UnitOfWork, late: Iterable[LateShipped], since: datetime) -> Iterator[Supply]:
    unexpected = {one.half_id: one for one in late}
    for one in unexpected.values():
        yield from _supply(uow, uow.halves.get(one.half_id), one.partner, one.at, Whereabouts.UNEXPECTED)
    for half_id in uow.observations.moved(Role.REQUESTER, (*_ON_ITS_WAY, State.RECEIVED), since):
        half = uow.halves.get(half_id)
        where = Whereabouts.ON_ITS_WAY if half.state in _ON_ITS_WAY else Whereabouts.HERE
        yield from _supply(uow, half, half.partner, half.updated_at, where)


def _supply(
    uow: UnitOfWork, half: HalfRecord, partner: str, since: datetime, where: Whereabouts
) -> Iterator[Supply]:
    try:
        summary = uow.transactions.summary(half.transaction_id)
    except KeyDisposedError:
        return
    reference = summary.get(REFERENCE)
    yield Supply(
        half_id=half.id,
        local=half.local,
        partner=partner,
        since=since,
        whereabouts=where,
        reference=reference if isinstance(reference, str) else None,
        title=comparable(summary.get("title"), summary.get("title_of_article"), summary.get("author")),
    )


def comparable(title: object, article: object, author: object) -> str | None:
    """Title and author in letters and digits alone, without case or accents; None without a title."""
    parts = [_bare(one) for one in (title, article, author)]
    return "/".join(parts) if parts[0] or parts[1] else None


def _bare(text: object) -> str:
    if not isinstance(text, str):
        return ""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text.casefold()) if sign.isalnum())


# -- partners


def partners(uow: UnitOfWork, settings: Settings, *, heard: Iterable[str]) -> Iterator[PartnerFacts]:
    """How it stands with each partner, by name; when it was last heard only for those of `heard`."""
    wanted = frozenset(heard)
    states = uow.partners.all()
    backlogs = {one.partner: one for one in uow.outbox.backlogs()}
    names = {partner.name for partner in settings.partners} | set(states)
    names.update(name for name in backlogs if name is not None)
    for name in sorted(names):
        state = states.get(name, PartnerStateRecord(partner=name))
        backlog = backlogs.get(name)
        yield PartnerFacts(
            name=name,
            last_heard=last_heard(uow, name) if name in wanted else None,
            waiting=0 if backlog is None else backlog.count,
            oldest=None if backlog is None else backlog.oldest,
            suspended_at=state.suspended_at,
            suspended_by=state.suspended_by,
            breaker=state.breaker,
            failing_since=state.failing_since,
            last_error=state.last_error,
        )


def last_heard(uow: UnitOfWork, partner: str) -> datetime | None:
    """When the last message of a partner came; neither what came from elsewhere nor a mail server's word."""
    return uow.observations.last_heard(partner, not_from_it=_NOT_FROM_IT)


# -- messages


def _stuck(uow: UnitOfWork, since: datetime) -> Iterator[Stuck]:
    for one in uow.observations.held_back():
        yield _stuck_of(one, _half_of(uow, one), held=True)
    for one in uow.observations.undelivered(since):
        half_id = _half_of(uow, one)
        if half_id is None or not _is_made_good(uow, one, half_id):
            yield _stuck_of(one, half_id, held=False)


def _stuck_of(one: StuckRecord, half_id: HalfId | None, *, held: bool) -> Stuck:
    return Stuck(
        outbox_id=one.outbox_id,
        message_id=one.message_id,
        partner=one.partner,
        half_id=half_id,
        at=one.at,
        held=held,
    )


def _half_of(uow: UnitOfWork, stuck: StuckRecord) -> HalfId | None:
    if stuck.message_id is None:
        return uow.mails.subject(stuck.outbox_id).half_id
    known = uow.messages.processings(stuck.message_id)
    return known[-1].half_id if known else None


def _is_made_good(uow: UnitOfWork, stuck: StuckRecord, half_id: HalfId) -> bool:
    """Whether something went out since in place of what was not delivered: how that fares is told of it."""
    if stuck.message_id is None:
        return _is_mailed_again(uow, stuck.outbox_id, half_id)
    return _is_repeated(uow, stuck.message_id, half_id)


def _is_repeated(uow: UnitOfWork, message_id: MessageId, half_id: HalfId) -> bool:
    firsts: dict[MessageId, MessageId] = {}
    for record in uow.inputs.asked_for(half_id):
        repeated = (record.payload or {}).get(REPEATS)
        if record.message_id is not None and isinstance(repeated, int):
            firsts[record.message_id] = firsts.get(MessageId(repeated), MessageId(repeated))
    first = firsts.get(message_id, message_id)
    return any(one == first and repeat > message_id for repeat, one in firsts.items())


def _is_mailed_again(uow: UnitOfWork, outbox_id: OutboxId, half_id: HalfId) -> bool:
    documents = uow.documents.of(half_id)
    links = [
        one.content["url"]
        for one in documents
        if one.content is not None and one.mail is not None and one.mail.id == outbox_id
    ]
    return any(
        one.mail is not None and one.mail.id > outbox_id and one.content["url"] in links
        for one in documents
        if one.content is not None
    )


def _unreadable(uow: UnitOfWork, since: datetime) -> Iterator[Unreadable]:
    for one in uow.observations.classified(Verdict.UNREADABLE, since):
        host = None if one.peer_address is None else one.peer_address.rpartition(":")[0]
        yield Unreadable(
            message_id=one.message_id,
            source=one.partner or host or "an unknown sender",
            partner=one.partner,
            at=one.stored_at,
        )


def _forgotten(uow: UnitOfWork, since: datetime) -> Iterator[Forgotten]:
    for one in uow.observations.classified(Verdict.DISPOSED_OF, since):
        yield Forgotten(message_id=one.message_id, half_id=one.half_id, partner=one.partner, at=one.stored_at)


def _orphaned(uow: UnitOfWork, settings: Settings) -> Iterator[Orphaned]:
    for partner, number in uow.observations.with_partners(_UNFINISHED).items():
        if settings.partner(partner) is None:
            yield Orphaned(partner=partner, requests=number)


def _unclassified(uow: UnitOfWork, since: datetime, now: datetime) -> Iterator[Unclassified]:
    for message_id, at in uow.observations.unclassified(since, now - UNCLASSIFIED_AFTER):
        yield Unclassified(message_id=message_id, at=at)


def _raised(uow: UnitOfWork, since: datetime) -> Iterator[Raised]:
    settled: dict[HalfId, datetime | None] = {}
    for event in uow.events.of_kind_from(ATTENTION, uow.observations.first_event(since)):
        if event.half_id is None or event.detail is None:
            continue
        if event.half_id not in settled:
            settling = (one.at for one in uow.inputs.of(event.half_id) if settles(one))
            settled[event.half_id] = max(settling, default=None)
        last = settled[event.half_id]
        # What moved the request in the same moment was the occasion.
        if last is None or event.at >= last:
            yield Raised(
                sequence=event.sequence,
                half_id=event.half_id,
                partner=uow.halves.get(event.half_id).partner,
                message_id=event.message_id,
                reason=str(event.detail.get("reason")),
                at=event.at,
            )
