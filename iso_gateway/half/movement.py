"""One move of a half, whatever caused it: who its ends are, what is recorded of it, when it is due again.

An APDU that came, a wish of the local side and a timer are recorded alike, so that the inputs of a half are
all that its state follows from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache

from asn1.ill import ILLRequest
from config.settings import ApduName, LocalSymbol, Partner, Settings
from iso_gateway import compose
from iso_gateway.errors import NotFoundError
from iso_gateway.half.record import digest_of, facts_record, half_state
from iso_gateway.half.sending import Context
from iso_gateway.protocol import timers
from iso_gateway.protocol.events import Event, ExpiryReached, Service
from iso_gateway.protocol.machine import Outcome
from iso_gateway.protocol.states import HalfState, Role, TableProfile
from iso_gateway.protocol.timers import Days, Deadline, Policy, WhenOverdue
from iso_gateway.store.records import DeadlineKind, HalfId, HalfRecord, InputKind, MessageId
from iso_gateway.store.unit_of_work import UnitOfWork

#: The kind of the event by which a half is put before a person.
ATTENTION = "attention"
#: How far ahead of the clock a report may be timed: the hour that comes twice in autumn, and then some.
MOST_AHEAD = timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """A half, and the two libraries between which it is."""

    half: HalfRecord
    local: LocalSymbol
    partner: Partner

    @property
    def context(self) -> Context:
        """What a message of this half belongs to."""
        return Context(transaction_id=self.half.transaction_id, half_id=self.half.id)

    @property
    def state(self) -> HalfState:
        """The half as the machine sees it."""
        return half_state(self.half, TableProfile(self.partner.tables.value))

    def frame(self, request: ILLRequest, at: datetime) -> compose.Frame:
        """How every APDU of ours about this half begins.

        Args:
            request: the ILL-Request that began it.
            at: the moment of the service.
        """
        return compose.frame_for(
            request,
            local=self.local.symbol,
            partner=self.partner.symbols[0],
            at=at.astimezone(self.local.zone),
            encoding=self.partner.character_set.value,
            role=Role(self.half.role),
        )


def ends_of(settings: Settings, uow: UnitOfWork, half_id: HalfId) -> Ends:
    """A half with its two ends, as they are configured.

    Raises:
        NotFoundError: the half's partner or local symbol is no longer configured.
        StoreError: there is no such half.
    """
    half = uow.halves.get(half_id)
    partner = settings.partner(half.partner)
    local = next((one for one in settings.local if one.name == half.local), None)
    if partner is None or local is None:
        missing = f"partner {half.partner!r}" if partner is None else f"local symbol {half.local!r}"
        raise NotFoundError(f"{missing} of request {half_id} is no longer configured: put its entry back")
    return Ends(half=half, local=local, partner=partner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What happened to a half, and what the machine made of it.

    Args:
        kind: what caused it.
        event: what happened.
        before: the half before it.
        outcome: what the machine decided.
        at: the moment that the machine was given.
        message_id: the APDU that came, or that is sent for it.
        payload: the fields of a primitive; sealed.
        days: the days that the APDU names.
        service_at: the service-date-time of what is sent.
    """

    kind: InputKind
    event: Event
    before: HalfState
    outcome: Outcome
    at: datetime
    message_id: MessageId | None
    payload: Mapping[str, object] | None = None
    days: Days = Days()  # noqa: RUF009 - frozen
    service_at: datetime | None = None


def record_move(uow: UnitOfWork, ends: Ends, move: Move) -> None:
    """Store the input, the half's new state and its deadlines."""
    after, policy, zone = move.outcome.state, policy_for(ends.partner), ends.local.zone
    service, repeat = Service.EXP, False
    if not isinstance(move.event, ExpiryReached):
        service, repeat = move.event.service, move.event.repeat
    number = uow.inputs.append(
        half_id=ends.half.id,
        kind=move.kind,
        message_id=move.message_id,
        payload=move.payload,
        at=move.at,
        service=service,
        repeat=repeat,
        table_profile=move.before.tables,
        profile_digest=digest_of(ends.partner),
        state_before=move.before.state,
        state_after=after.state,
        flags_before=move.before.flags.to_names(),
        flags_after=after.flags.to_names(),
        verdict=move.outcome.verdict,
        provenance=None if move.outcome.row is None else move.outcome.row.provenance,
        facts=facts_record(move.event, move.days, policy, zone),
    )
    # What began with this move stands where the move brings it, and waits for nothing yet.
    begins = number == 1 and (ends.half.state, ends.half.flags) == (after.state, after.flags.to_names())
    if (after != move.before and not begins) or move.service_at is not None:
        uow.halves.update(
            ends.half.id,
            state=after.state,
            flags=after.flags.to_names(),
            at=move.at,
            last_service_at=move.service_at,
        )
    known = () if begins else deadlines_of(uow, ends.half.id)
    waiting = timers.after(known, move.event, move.outcome, move.at, days=move.days, policy=policy, zone=zone)
    if set(waiting) != set(known):
        keep_deadlines(uow, ends.half.id, waiting)


def deadlines_of(uow: UnitOfWork, half_id: HalfId) -> tuple[Deadline, ...]:
    """The deadlines of a half as the machine's."""
    return tuple(
        Deadline(kind=timers.DeadlineKind(record.kind.value), at=record.at)
        for record in uow.deadlines.of(half_id)
    )


def keep_deadlines(uow: UnitOfWork, half_id: HalfId, waiting: tuple[Deadline, ...]) -> None:
    """Let a half have these deadlines and no others."""
    uow.deadlines.replace(half_id, {DeadlineKind(one.kind.value): one.at for one in waiting})


@lru_cache(maxsize=1024)
def policy_for(partner: Partner) -> Policy:
    """What is to be watched for a partner, by its profile."""
    when = WhenOverdue(partner.when_overdue.value)
    if when is WhenOverdue.SEND and ApduName.OVERDUE not in partner.capabilities.accepts:
        when = WhenOverdue.ATTENTION
    return Policy(
        no_answer_days=partner.days_to_respond, when_overdue=when, grace_days=partner.overdue_grace_days
    )


def raise_attention(
    uow: UnitOfWork, half: HalfRecord, reason: str, at: datetime, message_id: MessageId | None = None
) -> None:
    """Put a half before a person. `reason` is a sentence without patron data."""
    uow.events.append(
        kind=ATTENTION, half_id=half.id, message_id=message_id, detail={"reason": reason}, at=at
    )


def service_time(half: HalfRecord | None, at: datetime, zone: tzinfo) -> datetime:
    """The service-date-time of a new sending, in the local zone: later than all that the half has used.

    It identifies a service within its transaction (protocol.md 2.2), in whole seconds and without a zone. So
    it must not repeat itself when the clock is set back, nor in the hour that comes twice in autumn.
    """
    at = at.replace(microsecond=0)
    last = None if half is None else half.last_service_at
    if last is None:
        return at.astimezone(zone)
    following = max(at, last + timedelta(seconds=1))
    behind = _on_the_wall(last, zone) - _on_the_wall(following, zone)
    if behind >= timedelta(0):
        following += behind + timedelta(seconds=1)
    return following.astimezone(zone)


def report_time(uow: UnitOfWork, half: HalfRecord, at: datetime, zone: tzinfo) -> datetime:
    """The service-date-time of a report that the gateway gives by itself; the half remembers it as used.

    It is as `service_time`, so that no two APDUs of ours about a request share one. Only where that would be
    far ahead of the clock it is not: whoever asks without end must not move what people do to another day.
    """
    of_its_own = service_time(uow.halves.get(half.id), at, zone)
    if of_its_own - at > MOST_AHEAD:
        return at.astimezone(zone)
    uow.halves.spoke(half.id, of_its_own)
    return of_its_own


def _on_the_wall(moment: datetime, zone: tzinfo) -> datetime:
    """What a clock in the zone shows."""
    return moment.astimezone(zone).replace(tzinfo=None)
