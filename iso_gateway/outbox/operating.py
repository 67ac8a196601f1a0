"""What an operator does to what waits to be sent: try now, hold, release, suspend a partner and resume it.

Each is carried out in the unit of work of the caller, and leaves its trace in the audit: who, what, why. A
running gateway finds it by itself: it reads the outbox, and nothing else.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from iso_gateway.errors import NotFoundError
from iso_gateway.outbox.telling import half_of
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import (
    AuditId,
    MessageId,
    OutboxId,
    OutboxRecord,
    OutboxStatus,
    PartnerStateRecord,
)
from iso_gateway.store.unit_of_work import UnitOfWork

SUSPENDED = "partner.suspend"
RESUMED = "partner.resume"


class Operation(enum.Enum):
    """What can be done to a row of the outbox; the value is the audit's word."""

    RETRY = "waiting.retry"
    """Try it now, whatever its back-off says."""
    HOLD = "waiting.hold"
    """Send it not before it is released; what follows it in its lane waits, too."""
    RELEASE = "waiting.release"
    """Send it after all."""
    TAKE_AS_DELIVERED = "waiting.take-as-delivered"
    """The operator knows that it arrived."""

    @property
    def acts_on(self) -> OutboxStatus:
        """The status that a row has to have."""
        match self:
            case Operation.RETRY | Operation.HOLD:
                return OutboxStatus.WAITING
            case Operation.RELEASE | Operation.TAKE_AS_DELIVERED:
                return OutboxStatus.HELD
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows are meant; everything that is given has to fit.

    Args:
        numbers: these, as `waiting list` numbers them; none means all.
        partner: what is for this partner.
        created_before: what was queued before this moment.
    """

    numbers: frozenset[OutboxId] = frozenset()
    partner: str | None = None
    created_before: datetime | None = None


def select(uow: UnitOfWork, selection: Selection, operation: Operation) -> tuple[OutboxRecord, ...]:
    """The rows of a selection to which an operation can be done, oldest first."""
    rows = uow.outbox.list(
        limit=1_000_000,
        partner=selection.partner,
        created_before=selection.created_before,
        status=operation.acts_on,
    )
    return tuple(row for row in rows if not selection.numbers or row.id in selection.numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A row that was named, and to which an operation is not done.

    Args:
        id: which.
        already: whether it is as the operation would leave it.
        why: for people, so that it can follow the number.
    """

    id: OutboxId
    already: bool
    why: str


def passed_over(
    uow: UnitOfWork, selection: Selection, operation: Operation, rows: Iterable[OutboxRecord]
) -> tuple[PassedOver, ...]:
    """Why an operation is not done to rows that were named.

    Args:
        uow: where they are.
        selection: which were named.
        operation: what is asked for.
        rows: to which it is done.

    Raises:
        NotFoundError: something is named that there is not.
    """
    left = selection.numbers - {row.id for row in rows}
    return tuple(_passed_over(uow, number, operation) for number in sorted(left))


def _passed_over(uow: UnitOfWork, number: OutboxId, operation: Operation) -> PassedOver:
    row = uow.outbox.get(number)
    if row is None:
        same = uow.outbox.list(message_id=MessageId(int(number)))
        meant = f": message {number} has the number {same[-1].id}" if same else ""
        raise NotFoundError(
            f"nothing that is to be sent has the number {number}{meant}; waiting list shows the numbers,"
            " in its first column"
        )
    if row.status is operation.acts_on:
        return PassedOver(id=number, already=False, why="is none of those that the other options choose")
    already, why = _standing(operation, row.status)
    return PassedOver(id=number, already=already, why=why)


def _standing(operation: Operation, status: OutboxStatus) -> tuple[bool, str]:
    """Whether a row of a status, to which an operation cannot be done, is as that would leave it; and why."""
    match status:
        case OutboxStatus.HELD if operation is Operation.HOLD:
            return True, "is held back already"
        case OutboxStatus.HELD:
            return False, "is held back: waiting release lets it go"
        case OutboxStatus.WAITING:
            return operation is Operation.RELEASE, "is not held back"
        case OutboxStatus.SENDING:
            return operation in {Operation.RETRY, Operation.RELEASE}, "is being sent now"
        case OutboxStatus.DELIVERED:
            return operation is not Operation.HOLD, "is delivered already"
        case OutboxStatus.NOT_DELIVERED:
            return False, "was given up: replay sends a message once more"
        case _:
            assert_never(status)


def carry_out(
    uow: UnitOfWork,
    operation: Operation,
    rows: Iterable[OutboxRecord],
    *,
    actor: str,
    reason: str,
    at: datetime,
) -> tuple[OutboxRecord, ...]:
    """Do something to rows; gives those to which it was done: the gateway may have been faster.

    Args:
        uow: the transaction in which all of it is done.
        operation: what.
        rows: to which.
        actor: who does it, for the audit.
        reason: why, for the audit.
        at: now, aware.
    """
    done = tuple(row for row in rows if _do(uow, operation, row, actor=actor, at=at))
    for row in done:
        _audit(uow, operation, row, actor=actor, reason=reason, at=at)
    if operation is Operation.RETRY:
        for partner in sorted({row.partner for row in done if row.partner is not None}):
            uow.partners.probe_now(partner, at)
    return done


def suspend(uow: UnitOfWork, partner: str, *, actor: str, reason: str, at: datetime) -> bool:
    """Send nothing to a partner until it is resumed; what is for it is kept. False if it is suspended."""
    if uow.partners.get(partner).suspended:
        return False
    audit_id = uow.audit.append(at=at, actor=actor, action=SUSPENDED, reason=f"{partner}: {reason}")
    uow.partners.suspend(partner, at=at, by=actor, audit_id=audit_id)
    return True


def resume(uow: UnitOfWork, partner: str, *, actor: str, reason: str, at: datetime) -> bool:
    """Send to a partner again, what has waited at its `resume_rate`. False if it is not suspended."""
    if not uow.partners.get(partner).suspended:
        return False
    uow.audit.append(at=at, actor=actor, action=RESUMED, reason=f"{partner}: {reason}")
    uow.partners.resume(partner, at=at, backlog_id=uow.outbox.newest_for(partner))
    uow.partners.probe_now(partner, at)
    return True


def why_suspended(uow: UnitOfWork, state: PartnerStateRecord) -> str | None:
    """The reason that was given when a partner was suspended."""
    record = None if state.audit_id is None else uow.audit.get(state.audit_id)
    if record is None or record.reason is None:
        return None
    return record.reason.removeprefix(f"{state.partner}: ")


def _do(uow: UnitOfWork, operation: Operation, row: OutboxRecord, *, actor: str, at: datetime) -> bool:
    match operation:
        case Operation.RETRY:
            return uow.outbox.try_now(row.id, at)
        case Operation.HOLD:
            return uow.outbox.hold(row.id, actor)
        case Operation.RELEASE:
            return uow.outbox.release(row.id, at)
        case Operation.TAKE_AS_DELIVERED:
            return uow.outbox.take_as_delivered(row.id, at)
        case _:
            assert_never(operation)


def _audit(
    uow: UnitOfWork, operation: Operation, row: OutboxRecord, *, actor: str, reason: str, at: datetime
) -> AuditId:
    half_id = half_of(uow, row)
    try:
        return uow.audit.append(
            at=at,
            actor=actor,
            action=operation.value,
            reason=reason,
            half_id=half_id,
            message_id=row.message_id,
        )
    except KeyDisposedError:
        return uow.audit.append(
            at=at, actor=actor, action=operation.value, reason=reason, message_id=row.message_id
        )
