"""Keeping the table `attention` in step with what is noticed, and letting operators clear rows of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from iso_gateway.errors import NotFoundError
from iso_gateway.noticing.rules import Notice
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import AttentionId, AttentionRecord, HalfId, MessageId
from iso_gateway.store.unit_of_work import UnitOfWork

log = structlog.stdlib.get_logger(__name__)

#: The kinds of the events that the local side is told, and the log's.
RAISED: Final = "attention.raised"
CLEARED: Final = "attention.cleared"
#: What the audit trail calls it when an operator clears a row.
CLEARED_BY_HAND: Final = "attention.clear"
INFERRED_SAME_ITEM: Final = "noticing.inferred-same-item"

#: How long a row that stands is left as it is before it is noted that its cause was seen again.
SEEN_AGAIN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What has to be written: notices without a row, rows without a notice, rows to be brought up to date."""

    new: tuple[Notice, ...]
    gone: tuple[AttentionRecord, ...]
    seen: tuple[tuple[AttentionRecord, Notice], ...]

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.new or self.gone or self.seen)


def changes(uow: UnitOfWork, notices: Iterable[Notice], at: datetime) -> Changes:
    """Compare what is noticed with the rows; nothing is written."""
    noticed = {notice.key: notice for notice in notices}
    active = {row.key: row for row in uow.attention.active()}
    return Changes(
        new=tuple(notice for key, notice in noticed.items() if key not in active),
        gone=tuple(row for key, row in active.items() if key not in noticed),
        seen=tuple(
            (row, noticed[key])
            for key, row in active.items()
            if key in noticed and (row.reason != noticed[key].reason or at - row.seen_at >= SEEN_AGAIN)
        ),
    )


def keep(uow: UnitOfWork, notices: Iterable[Notice], at: datetime) -> Changes:
    """Bring the rows in step with what is noticed, and tell the local side; gives what was changed.

    Args:
        uow: where all of it is written.
        notices: everything that is noticed now.
        at: now, aware.
    """
    uow.attention.lock()
    found = changes(uow, notices, at)
    for notice in found.new:
        _raise(uow, notice, at)
    for row in found.gone:
        uow.attention.gone(row.id, at)
        if row.cleared_at is None:
            _tell(uow, CLEARED, row.id, row, at, actor=None)
    for row, notice in found.seen:
        uow.attention.seen(row.id, reason=notice.reason, at=at)
    return found


def clear(uow: UnitOfWork, attention_id: AttentionId, *, actor: str, reason: str, at: datetime) -> bool:
    """Clear a row for an operator, until its cause has gone and come again. False if it is cleared already.

    Args:
        uow: where it is written.
        attention_id: which.
        actor: who clears it, for the audit.
        reason: why, for the audit.
        at: now, aware.

    Raises:
        NotFoundError: there is no such row.
    """
    uow.attention.lock()
    row = require(uow, attention_id)
    if row.cleared_at is not None:
        return False
    audit_id = uow.audit.append(
        at=at,
        actor=actor,
        action=CLEARED_BY_HAND,
        reason=f"{attention_id}: {reason}",
        message_id=row.message_id,
    )
    uow.attention.clear(attention_id, by=actor, audit_id=audit_id, at=at)
    _tell(uow, CLEARED, attention_id, row, at, actor=actor)
    return True


def require(uow: UnitOfWork, attention_id: AttentionId) -> AttentionRecord:
    """One row. Raises NotFoundError when there is none such."""
    row = uow.attention.get(attention_id)
    if row is None:
        raise NotFoundError(f"there is no attention {attention_id}; attention list --all shows what there is")
    return row


def why_cleared(uow: UnitOfWork, row: AttentionRecord) -> str | None:
    """The reason that an operator gave for clearing a row."""
    record = None if row.audit_id is None else uow.audit.get(row.audit_id)
    if record is None or record.reason is None:
        return None
    return record.reason.removeprefix(f"{row.id}: ")


def _raise(uow: UnitOfWork, notice: Notice, at: datetime) -> None:
    attention_id = uow.attention.raise_(
        key=notice.key,
        kind=notice.kind,
        reason=notice.reason,
        since=notice.since,
        at=at,
        partner=notice.partner,
        half_id=notice.half_id,
        message_id=notice.message_id,
    )
    if notice.inferred:
        uow.once_stored(partial(log.info, INFERRED_SAME_ITEM, attention_id=attention_id))
    _tell(uow, RAISED, attention_id, notice, at, actor=None)


def _tell(
    uow: UnitOfWork,
    kind: str,
    attention_id: AttentionId,
    about: Notice | AttentionRecord,
    at: datetime,
    *,
    actor: str | None,
) -> None:
    half_id: HalfId | None = about.half_id
    message_id: MessageId | None = about.message_id
    uow.once_stored(
        partial(
            log.info,
            kind,
            attention_id=attention_id,
            attention=str(about.kind),
            partner=about.partner,
            half_id=half_id,
            message_id=message_id,
            actor=actor,
        )
    )
    append = partial(uow.events.append, kind=kind, half_id=half_id, message_id=message_id, at=at)
    detail: dict[str, object] = {
        "attention_id": attention_id,
        "attention": str(about.kind),
        "partner": about.partner,
        "reason": about.reason,
    }
    if actor is not None:
        detail["actor"] = actor
    try:
        append(detail=detail)
    except KeyDisposedError:
        append(detail=None)
