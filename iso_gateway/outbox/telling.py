"""What is told of a delivery: to the local side by events, to the operator by lines of the log."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from iso_gateway.failure import Failure, advice
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.leases import Trouble
from iso_gateway.store.records import HalfId, OutboxKind, OutboxRecord
from iso_gateway.store.unit_of_work import UnitOfWork

log = structlog.stdlib.get_logger(__name__)

APDU_DELIVERED: Final = "apdu.delivered"
APDU_DEFERRED: Final = "apdu.deferred"
APDU_HELD: Final = "apdu.held"
APDU_INTERRUPTED: Final = "apdu.interrupted"
APDU_NOT_DELIVERED: Final = "apdu.not-delivered"
APDU_LATE: Final = "apdu.late"
LEASE_LOST: Final = "outbox.lease-lost"

#: The kinds of the events that the local side is told.
NOT_DELIVERED: Final = "message.not-delivered"
DELIVERY_DELAYED: Final = "message.delivery-delayed"
DELIVERY_HELD: Final = "message.delivery-held"
PARTNER_UNREACHABLE: Final = "partner.unreachable"
PARTNER_REACHABLE: Final = "partner.reachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line for the log, once what it tells of is stored."""

    event: str
    row: OutboxRecord
    attempt: int
    reason: str | None = None
    failure: Failure | None = None


def give_up(
    uow: UnitOfWork,
    row: OutboxRecord,
    fence: int,
    at: datetime,
    reason: str,
    failure: Failure,
    *,
    ambiguous: bool = False,
) -> bool:
    """Send a claimed row no more, and tell the local side; its lane goes on. False if another holds it.

    `ambiguous`: whether it may have arrived all the same.
    """
    following = uow.outbox.behind(row)
    trouble = Trouble(error=reason, failure=failure, ambiguous=ambiguous)
    held = uow.leases.gave_up(row.id, fence, at, trouble)
    if held:
        tell_given_up(uow, row, at, reason, failure, following)
    return held


def tell_given_up(
    uow: UnitOfWork, row: OutboxRecord, at: datetime, reason: str, failure: Failure, following: int
) -> None:
    """Tell the local side of a message that is sent no more; `following` go on behind it in its lane."""
    told = words(reason, failure)
    if any(attempt.ambiguous for attempt in uow.outbox.attempts(row.id)):
        told["may_have_arrived"] = True
    if following:
        told["following"] = following
        told["attention"] = (
            f"{following} later of this request go out without it, and the partner may refuse them:"
            " look at the request"
        )
    tell(uow, NOT_DELIVERED, row, at, told)


def tell(uow: UnitOfWork, kind: str, row: OutboxRecord, at: datetime, detail: dict[str, object]) -> None:
    """Tell the local side something of a message, or of a mail of its own, that is to be sent."""
    if row.message_id is None:
        detail = {**detail, **uow.mails.subject(row.id).detail}
    append = partial(
        uow.events.append, kind=kind, half_id=half_of(uow, row), message_id=row.message_id, at=at
    )
    try:
        append(detail=detail)
    except KeyDisposedError:
        append(detail=None)


def half_of(uow: UnitOfWork, row: OutboxRecord) -> HalfId | None:
    """The half that a message to be sent belongs to, if it is about one."""
    if row.message_id is None:
        return uow.mails.subject(row.id).half_id
    known = uow.messages.processings(row.message_id)
    return known[-1].half_id if known else None


def words(reason: str, failure: Failure | None) -> dict[str, object]:
    """What an event says of a failure: the reason, its word, and what can be done."""
    if failure is None:
        return {"reason": reason}
    return {"reason": reason, "failure": failure.value, "advice": advice(failure)}


def say(line: Line) -> None:
    """Write a line to the log."""
    # The same words for all, but that a mail is called by what it is about: its lane begins with that.
    mail = line.row.kind is OutboxKind.MAIL
    word, _, _ = line.row.lane.partition(" ")
    log.info(
        line.event.replace("apdu.", f"{word}.", 1) if mail else line.event,
        outbox_id=line.row.id,
        message_id=line.row.message_id,
        partner=line.row.partner,
        connection_id=line.row.connection_id,
        attempt=line.attempt,
        reason=line.reason,
        failure=None if line.failure is None else line.failure.value,
    )
