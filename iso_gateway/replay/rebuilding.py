"""Rebuilding a request from its inputs: what it should be, what it is, and how to put it right."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config.settings import Settings
from iso_gateway.half.sending import Context, Destination, send_again
from iso_gateway.protocol import timers
from iso_gateway.replay import particulars
from iso_gateway.replay.recomputing import Difference, Recomputed, differences_of, due, recompute
from iso_gateway.store.records import DeadlineKind, Direction, HalfId, HalfRecord, MessageId
from iso_gateway.store.unit_of_work import UnitOfWork

#: The audit's word for it, and the kind of the event.
ACTION: Final = "request.rebuild"
REBUILT: Final = "request.rebuilt"
#: The most messages of one transaction; a conversation of this length is a fault of its own.
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """A message that was made and was never put into the outbox; `why_not` says why it cannot be sent."""

    message_id: MessageId
    apdu_type: str | None
    partner: str | None
    why_not: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """A request as it is, and as it should be.

    Args:
        half: as it is stored.
        state: as it should be.
        differences: what is stored otherwise.
        history: what the inputs recorded otherwise than they would today; it stays as it is.
        unsent: what was never sent.
    """

    half: HalfRecord
    state: str
    differences: tuple[Difference, ...]
    history: tuple[Difference, ...]
    unsent: tuple[Unsent, ...]

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to put right."""
        return bool(self.differences) or any(one.why_not is None for one in self.unsent)


def settled_at(uow: UnitOfWork, half_id: HalfId) -> datetime | None:
    """When a half was last rebuilt; None if it never was."""
    moments = [one.at for one in uow.audit.about(half_id=half_id) if one.action == ACTION]
    return max(moments, default=None)


def examine(settings: Settings, uow: UnitOfWork, half_id: HalfId, now: datetime) -> Rebuild:
    """Recompute a request, and change nothing.

    Args:
        settings: whom unsent messages would go to.
        uow: where it is.
        half_id: which one.
        now: the moment, aware.

    Raises:
        StoreError: there is none such.
    """
    half = uow.halves.get(half_id)
    computed, end = _recomputed(settings, uow, half)
    return _examined(settings, uow, half, computed, end, now)


def rebuild(
    settings: Settings, uow: UnitOfWork, half_id: HalfId, *, actor: str, reason: str, now: datetime
) -> Rebuild:
    """Recompute a request, store what comes of it, and send what was never sent; gives what was wrong.

    Args:
        settings: whom unsent messages go to.
        uow: the unit of work in which it is put right.
        half_id: which one.
        actor: who does it, for the audit.
        reason: why, for the audit.
        now: the moment, aware.

    Raises:
        StoreError: there is none such.
    """
    half = uow.halves.get(half_id)
    computed, end = _recomputed(settings, uow, half)
    found = _examined(settings, uow, half, computed, end, now)
    if not found.is_needed:
        return found
    if found.differences:
        uow.halves.update(half_id, state=computed.state.state, flags=computed.state.flags.to_names(), at=now)
        if computed.deadlines is not None:
            stored = {timers.DeadlineKind(one.kind.value): one.at for one in uow.deadlines.of(half_id)}
            meant = due(stored, computed, now)
            uow.deadlines.replace(half_id, {DeadlineKind(kind.value): at for kind, at in meant.items()})
        if end is not None:
            uow.halves.pass_on(half_id, end.partner, former=end.former, at=now)
    for one in found.unsent:
        partner = None if one.partner is None else settings.partner(one.partner)
        if one.why_not is None and partner is not None:
            send_again(
                uow,
                one.message_id,
                Destination(partner=partner),
                Context(transaction_id=half.transaction_id, half_id=half_id),
                retry=partner.retry,
                at=now,
            )
    detail: dict[str, object] = {
        "state": found.state,
        "before": half.state,
        "sent": [one.message_id for one in found.unsent if one.why_not is None],
        "actor": actor,
    }
    uow.events.append(kind=REBUILT, half_id=half_id, message_id=None, detail=detail, at=now)
    uow.audit.append(at=now, actor=actor, action=ACTION, reason=reason, half_id=half_id)
    return found


def _recomputed(
    settings: Settings, uow: UnitOfWork, half: HalfRecord
) -> tuple[Recomputed, particulars.OtherEnd | None]:
    inputs = uow.inputs.of(half.id)
    steps = [particulars.step_of(uow, record) for record in inputs]
    computed = recompute(half, inputs, settled=settled_at(uow, half.id))
    return computed, particulars.other_end(settings, half, steps)


def _examined(
    settings: Settings,
    uow: UnitOfWork,
    half: HalfRecord,
    computed: Recomputed,
    end: particulars.OtherEnd | None,
    now: datetime,
) -> Rebuild:
    return Rebuild(
        half=half,
        state=computed.state.state.value,
        differences=(
            *differences_of(half, uow.deadlines.of(half.id), computed, now),
            *particulars.end_differences(half, end),
        ),
        history=computed.differences,
        unsent=_unsent(settings, uow, half),
    )


def _unsent(settings: Settings, uow: UnitOfWork, half: HalfRecord) -> tuple[Unsent, ...]:
    """The messages about a half that have no row in the outbox, oldest first."""
    found = []
    for listing in reversed(uow.messages.list(transaction_id=half.transaction_id, limit=_MOST)):
        message, processing = listing.message, listing.processing
        if message.direction is not Direction.SENT or processing is None or processing.half_id != half.id:
            continue
        if uow.outbox.list(message_id=message.id, finished=True, limit=1):
            continue
        known = processing.partner is not None and settings.partner(processing.partner) is not None
        found.append(
            Unsent(
                message_id=message.id,
                apdu_type=processing.apdu_type,
                partner=processing.partner,
                why_not=None if known else "whom it is for is not configured",
            )
        )
    return tuple(found)
