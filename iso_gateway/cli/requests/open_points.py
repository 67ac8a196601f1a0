"""What of a request waits for a moment, for another message, or for a person."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import TypeVar, assert_never

from rich.text import Text

from iso_gateway.cli.shared import vocabulary
from iso_gateway.cli.waiting.as_text import fate
from iso_gateway.half.movement import ATTENTION
from iso_gateway.half.record import settles
from iso_gateway.protocol.states import Flags
from iso_gateway.store.records import (
    DeadlineKind,
    DeadlineRecord,
    EventRecord,
    HalfId,
    HalfRecord,
    HeldRecord,
    MessageId,
)
from iso_gateway.store.unarrived import UnarrivedRecord
from iso_gateway.store.unit_of_work import UnitOfWork

R = TypeVar("R", DeadlineRecord, EventRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that was put before a person.

    Args:
        at: when.
        reason: why, in the gateway's own words; None once it has been disposed of.
        message_id: the message that was the occasion, if one was.
        stands: whether nothing was done by us, and nothing moved the request, since.
    """

    at: datetime
    reason: str | None
    message_id: MessageId | None
    stands: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPoints:
    """What a request waits for.

    Args:
        deadlines: when something happens although nothing comes, the next one first.
        held: messages that came too early.
        notices: everything that was put before a person, oldest first.
        cancel_wished: our CANCEL went to a library that had handed the request on.
        unarrived: messages of ours that its partner does not have, oldest first.
    """

    deadlines: tuple[DeadlineRecord, ...] = ()
    held: tuple[HeldRecord, ...] = ()
    notices: tuple[Notice, ...] = ()
    cancel_wished: bool = False
    unarrived: tuple[UnarrivedRecord, ...] = ()


def of(uow: UnitOfWork, half: HalfRecord) -> OpenPoints:
    """What one request waits for."""
    return of_all(uow, (half,))[half.id]


def of_all(uow: UnitOfWork, halves: Sequence[HalfRecord]) -> Mapping[HalfId, OpenPoints]:
    """What each of some requests waits for."""
    if not halves:
        return {}
    first, last = min(one.id for one in halves), max(one.id for one in halves)
    deadlines = _by_half(uow.deadlines.between(first, last))
    events = _by_half(uow.events.of_kind(ATTENTION, first, last))
    unarrived: dict[HalfId, list[UnarrivedRecord]] = {}
    for one in uow.unarrived.of([half.transaction_id for half in halves]):
        unarrived.setdefault(one.half_id, []).append(one)
    any_held = uow.held.next() is not None
    return {
        half.id: OpenPoints(
            deadlines=tuple(deadlines.get(half.id, ())),
            held=uow.held.of(half.transaction_id) if any_held else (),
            notices=_notices(uow, half.id, events.get(half.id, [])),
            cancel_wished=Flags.from_names(half.flags).cancel_wished,
            unarrived=tuple(unarrived.get(half.id, ())),
        )
        for half in halves
    }


def _by_half(records: Sequence[R]) -> dict[HalfId, list[R]]:
    found: dict[HalfId, list[R]] = {}
    for record in records:
        if record.half_id is not None:
            found.setdefault(record.half_id, []).append(record)
    return found


def _notices(uow: UnitOfWork, half_id: HalfId, events: Sequence[EventRecord]) -> tuple[Notice, ...]:
    if not events:
        return ()
    settled = max((one.at for one in uow.inputs.of(half_id) if settles(one)), default=None)
    return tuple(
        Notice(
            at=event.at,
            reason=None if event.detail is None else str(event.detail.get("reason")),
            message_id=event.message_id,
            # What moved the request in the same moment was the occasion.
            stands=settled is None or event.at >= settled,
        )
        for event in events
    )


def in_words(points: OpenPoints, zone: tzinfo) -> Iterator[str]:
    """What a request waits for, a line each, what wants a person first.

    Args:
        points: of the request.
        zone: of our library.
    """
    for notice in points.notices:
        if notice.stands:
            yield f"attention: {notice.reason or 'why has been disposed of'}"
    if points.cancel_wished:
        yield "our cancellation is not answered: the request was handed on before; it can be sent again"
    for held in points.held:
        until = vocabulary.moment(held.until.astimezone(zone))
        yield f"message {held.message_id} came too early, and is held until {until}"
    for deadline in points.deadlines:
        yield deadline_in_words(deadline, zone)


def unarrived_as_text(points: OpenPoints) -> Iterator[Text]:
    """The messages of ours that the partner does not have, a line each, and why."""
    for one in points.unarrived:
        yield Text.assemble(f"our {one.apdu_type or 'message'} [{one.row.message_id}]: ", fate(one.row))


def deadline_in_words(deadline: DeadlineRecord, zone: tzinfo) -> str:
    """A deadline as the day by which something is expected."""
    match deadline.kind:
        case DeadlineKind.EXPIRY:
            return f"expires unless answered by {_last_day(deadline.at, zone)}"
        case DeadlineKind.NO_ANSWER:
            return f"answer expected by {_last_day(deadline.at, zone)}"
        case DeadlineKind.REPLY:
            return f"the condition is to be answered by {deadline.at.astimezone(zone).date()}"
        case DeadlineKind.OVERDUE:
            return f"expected back by {_last_day(deadline.at, zone)}"
        case _:
            assert_never(deadline.kind)


def _last_day(at: datetime, zone: tzinfo) -> date:
    """The day that ends at a moment, or in which it is."""
    return (at - timedelta(microseconds=1)).astimezone(zone).date()
