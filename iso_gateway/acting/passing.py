"""What becomes of a half whose deadlines have passed: EXPIRED or OVERDUE sent, or a person told."""

from datetime import date, datetime, timedelta
from functools import partial
from typing import Final, assert_never

import structlog

from asn1.ill import ILLApdu
from config.settings import Settings
from iso_gateway import compose
from iso_gateway.errors import StoreError
from iso_gateway.half import interpretation
from iso_gateway.half.movement import (
    Ends,
    Move,
    deadlines_of,
    ends_of,
    keep_deadlines,
    policy_for,
    raise_attention,
    record_move,
    service_time,
)
from iso_gateway.half.record import note_inferred, original_request, stored_apdu
from iso_gateway.half.sending import Destination, enqueue
from iso_gateway.protocol import effects, timers
from iso_gateway.protocol.events import Event, Service
from iso_gateway.protocol.machine import Outcome
from iso_gateway.protocol.states import HalfState
from iso_gateway.request import primitives
from iso_gateway.store.records import HalfId, InputKind, MessageId
from iso_gateway.store.unit_of_work import UnitOfWork

log = structlog.stdlib.get_logger(__name__)

DEADLINE_PASSED: Final = "deadline.passed"

#: How long to leave a half alone whose deadline could not be dealt with.
PUT_OFF: Final = timedelta(hours=1)


def let_pass(settings: Settings, uow: UnitOfWork, half_id: HalfId, at: datetime) -> None:
    """Let the deadlines of a half happen that have passed.

    Args:
        settings: partners and local symbols.
        uow: the unit of work in which the state changes and the APDU is queued.
        half_id: whose deadlines they are.
        at: now, aware.

    Raises:
        NotFoundError: the half's partner or local symbol is no longer configured.
        StoreError: there is no such half, or what it says has been disposed of.
    """
    ends = ends_of(settings, uow, half_id)
    before = ends.state
    expired = timers.expire(
        before,
        deadlines_of(uow, half_id),
        at,
        policy=policy_for(ends.partner),
        zone=ends.local.zone,
    )
    for passed in expired.passed:
        kind = passed.deadline.kind.value
        uow.once_stored(partial(log.info, DEADLINE_PASSED, half_id=half_id, deadline=kind))
        if passed.attention is not None:
            raise_attention(uow, ends.half, passed.attention.reason, at)
        if passed.event is not None and passed.outcome is not None:
            _carry_out(uow, ends, passed.event, passed.outcome, before, at)
            before = passed.outcome.state
    # Why last: recording a move computes deadlines too, of which the one that passed is still one.
    keep_deadlines(uow, half_id, expired.deadlines)


def put_off(uow: UnitOfWork, half_id: HalfId, at: datetime) -> None:
    """Move the deadlines of a half that have passed: what went wrong may be put right meanwhile."""
    again = at + PUT_OFF
    waiting = tuple(
        timers.Deadline(kind=one.kind, at=max(one.at, again) if one.at <= at else one.at)
        for one in deadlines_of(uow, half_id)
    )
    keep_deadlines(uow, half_id, waiting)


def _carry_out(
    uow: UnitOfWork, ends: Ends, event: Event, outcome: Outcome, before: HalfState, at: datetime
) -> None:
    """Do what the machine decided, and record it."""
    half = ends.half
    message_id: MessageId | None = None
    service_at: datetime | None = None
    days = timers.Days()
    for effect in outcome.effects:
        match effect:
            case effects.SendApdu(service=service):
                service_at = service_time(half, at, ends.local.zone)
                apdu = _apdu(uow, ends, service, service_at)
                days = interpretation.days_of(apdu)
                message_id = enqueue(
                    uow,
                    apdu,
                    Destination(partner=ends.partner),
                    ends.context,
                    retry=ends.partner.retry,
                    at=at,
                )
            case effects.Indicate(service=service, repeat=repeat):
                detail = {"service": service.phrase, "repeat": repeat, "state": outcome.state.state.value}
                uow.events.append(
                    kind=f"{service.apdu_name.lower()}.indication",
                    half_id=half.id,
                    message_id=message_id,
                    detail=detail,
                    at=at,
                )
            case effects.NoteInferred(row=row):
                note_inferred(row)
            case effects.RaiseAttention() | effects.SendReport() | effects.SetTimer() | effects.ClearTimer():
                # Nothing was received, no row of a timer asks for a person, and this timer has fired.
                raise AssertionError(f"the machine asked for {effect!r} after a deadline")
            case _:
                assert_never(effect)
    record_move(
        uow,
        ends,
        Move(
            kind=InputKind.TIMER,
            event=event,
            before=before,
            outcome=outcome,
            at=at,
            message_id=message_id,
            days=days,
            service_at=service_at,
        ),
    )


def _apdu(uow: UnitOfWork, ends: Ends, service: Service, service_at: datetime) -> ILLApdu:
    request = original_request(uow, ends.half)
    frame = ends.frame(request, service_at)
    if service is Service.EXP:
        return compose.expired(frame)
    overdue = primitives.ReportOverdue(date_due=_date_due(uow, ends.half.id))
    return compose.apdu_for(overdue, request, frame, compose.Terms.between(ends.local, ends.partner))


def _date_due(uow: UnitOfWork, half_id: HalfId) -> date:
    """The day that the partner was last given for the item to be back.

    Raises:
        StoreError: the record does not say.
    """
    for record in reversed(uow.inputs.of(half_id)):
        if record.kind is not InputKind.PRIMITIVE or record.message_id is None:
            continue
        due = interpretation.days_of(stored_apdu(uow, record.message_id)).due
        if due is not None:
            return due
    raise StoreError(f"the record of request {half_id} names no date due: restore a backup")
