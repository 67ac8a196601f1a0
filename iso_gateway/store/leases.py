"""Leases of outbox rows: who sends one, until when, and how that ended.

Theory of operation. A claim is a lease with a number, the fence, which grows with each claim. It runs out,
and its holder renews it for as long as it is sending. A process that was stopped for longer cannot know that
it was, so it renews the lease immediately before it writes to a partner, too: that fails when its fence is
not the latest any more, and so does whatever it says afterwards about the row. What it sent meanwhile may go
out twice, with identical octets: at least once, as promised.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Update, and_, bindparam, insert, update

from iso_gateway.failure import Failure
from iso_gateway.store.connection import Connection
from iso_gateway.store.due import Claimant, claimed_by, is_due
from iso_gateway.store.records import AttemptOutcome, GatewayId, OutboxId, OutboxStatus
from iso_gateway.store.tables import attempts, outbox

_CLAIM = (
    update(outbox)
    .where(outbox.c.id == bindparam("outbox_id"), is_due("claimed_at"))
    .values(
        status=OutboxStatus.SENDING,
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
        fence=outbox.c.fence + 1,
        attempts=outbox.c.attempts + 1,
    )
    .returning(outbox.c.fence, outbox.c.message_id)
)
_HELD_BY_FENCE = and_(
    outbox.c.id == bindparam("outbox_id"),
    outbox.c.fence == bindparam("held_fence"),
    outbox.c.status == OutboxStatus.SENDING,
)
_FINISH = (
    update(outbox)
    .where(_HELD_BY_FENCE)
    .values(
        status=bindparam("new_status"),
        lease_owner=None,
        lease_until=None,
        finished_at=bindparam("moment"),
        last_error=bindparam("error"),
        failure=bindparam("word"),
    )
)
_RETRY = (
    update(outbox)
    .where(_HELD_BY_FENCE)
    .values(
        status=bindparam("new_status"),
        lease_owner=None,
        lease_until=None,
        next_attempt_at=bindparam("moment"),
        last_error=bindparam("error"),
        failure=bindparam("word"),
    )
)
_RENEW = update(outbox).where(_HELD_BY_FENCE).values(lease_until=bindparam("until"))
_CUT = (
    update(outbox)
    .where(
        outbox.c.status == OutboxStatus.SENDING,
        outbox.c.finished_at.is_(None),
        outbox.c.lease_until > bindparam("latest"),
    )
    .values(lease_until=bindparam("latest"))
)
_END_ALL = (
    update(outbox)
    .where(outbox.c.status == OutboxStatus.SENDING, outbox.c.finished_at.is_(None))
    .values(lease_until=bindparam("ended_at"))
)
_INSERT_ATTEMPT = insert(attempts)
_ABANDON_ATTEMPTS = (
    update(attempts)
    .where(attempts.c.outbox_id == bindparam("abandoned"), attempts.c.finished_at.is_(None))
    .values(finished_at=bindparam("ended_at"), outcome=AttemptOutcome.ABANDONED, ambiguous=True)
)
_FINISH_ATTEMPT = (
    update(attempts)
    .where(attempts.c.outbox_id == bindparam("ended"), attempts.c.fence == bindparam("held_fence"))
    .values(
        finished_at=bindparam("ended_at"),
        outcome=bindparam("how"),
        error=bindparam("why"),
        failure=bindparam("word"),
        ambiguous=bindparam("unclear"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What went wrong with an attempt, if anything did.

    Args:
        error: in words; stays in plain.
        failure: by its word.
        ambiguous: whether it may have arrived all the same.
    """

    error: str | None = None
    failure: Failure | None = None
    ambiguous: bool = False


class Leases:
    """The leases of one unit of work."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim(
        self,
        outbox_id: OutboxId,
        owner: str,
        now: datetime,
        until: datetime,
        *,
        by: Claimant | None = None,
    ) -> int | None:
        """Take a row to send it, by a lease until `until`; gives the fence, or None if not claimable.

        An attempt is begun; one that its sender never finished is marked abandoned. `by`: which of several
        gateways it is, whose is only what is not bound to another's connection.
        """
        parameters = {
            "outbox_id": outbox_id,
            "claimed_at": now,
            "owner": owner,
            "until": until,
            **claimed_by(by, now),
        }
        row = self._connection.execute(_CLAIM, parameters).one_or_none()
        if row is None:
            return None
        fence = int(row.fence)
        if fence > 1:
            self._connection.execute(_ABANDON_ATTEMPTS, {"abandoned": outbox_id, "ended_at": now})
        attempt = {
            "outbox_id": outbox_id,
            "message_id": row.message_id,
            "fence": fence,
            "started_at": now,
        }
        self._connection.execute(_INSERT_ATTEMPT, attempt)
        return fence

    def delivered(
        self, outbox_id: OutboxId, fence: int, at: datetime, *, doubt: Trouble | None = None
    ) -> bool:
        """It was accepted by the other end. False if another sender holds the row by now: nothing changes.

        `doubt`: why it may not have arrived, though the partner's profile takes it for delivered.
        """
        return self._end(
            _FINISH,
            outbox_id,
            fence,
            at,
            OutboxStatus.DELIVERED,
            AttemptOutcome.DELIVERED,
            doubt or Trouble(),
        )

    def gave_up(self, outbox_id: OutboxId, fence: int, at: datetime, trouble: Trouble) -> bool:
        """It will not be sent any more; the lane goes on. False as in `delivered`."""
        return self._end(
            _FINISH, outbox_id, fence, at, OutboxStatus.NOT_DELIVERED, AttemptOutcome.GAVE_UP, trouble
        )

    def failed(
        self,
        outbox_id: OutboxId,
        fence: int,
        at: datetime,
        next_attempt_at: datetime,
        error: str,
        failure: Failure | None = None,
        *,
        ambiguous: bool = False,
    ) -> bool:
        """It did not go out this time; try again at `next_attempt_at`. False as in `delivered`."""
        trouble = Trouble(error=error, failure=failure, ambiguous=ambiguous)
        return self._end(
            _RETRY,
            outbox_id,
            fence,
            at,
            OutboxStatus.WAITING,
            AttemptOutcome.FAILED,
            trouble,
            again_at=next_attempt_at,
        )

    def hold_back(self, outbox_id: OutboxId, fence: int, at: datetime, trouble: Trouble) -> bool:
        """It may have arrived; hold it until an operator decides. False as in `delivered`."""
        return self._end(_RETRY, outbox_id, fence, at, OutboxStatus.HELD, AttemptOutcome.FAILED, trouble)

    def interrupted(self, outbox_id: OutboxId, fence: int, at: datetime, error: str) -> bool:
        """The gateway stopped while it was sent, so it may have arrived; it is due at once."""
        trouble = Trouble(error=error, failure=Failure.INTERRUPTED, ambiguous=True)
        return self._end(
            _RETRY, outbox_id, fence, at, OutboxStatus.WAITING, AttemptOutcome.ABANDONED, trouble
        )

    def renew(self, row: OutboxId, fence: int, until: datetime) -> bool:
        """Have a claim run until `until`. False if another has the row by now: nothing may be sent.

        A lease that has run out is renewed as well, as long as nobody else has claimed the row.
        """
        parameters = {"outbox_id": row, "held_fence": fence, "until": until}
        return self._connection.execute(_RENEW, parameters).rowcount == 1

    def end_of(self, dead: Collection[GatewayId], at: datetime) -> int:
        """End the leases of gateways that are dead for certain; gives how many there were."""
        statement = (
            update(outbox)
            .where(outbox.c.status == OutboxStatus.SENDING, outbox.c.lease_owner.in_(dead))
            .values(lease_until=at)
        )
        return self._connection.execute(statement).rowcount if dead else 0

    def no_later_than(self, latest: datetime) -> None:
        """Let no lease run for longer than it can have been given: a clock that was set back gave it."""
        self._connection.execute(_CUT, {"latest": latest})

    def end_all(self, at: datetime) -> int:
        """End every lease: for the only gateway of a database, when it starts, because whoever held one died.

        Gives how many there were. What they were sending is due at once, and may go out a second time.
        """
        return self._connection.execute(_END_ALL, {"ended_at": at}).rowcount

    def _end(
        self,
        change: Update,
        outbox_id: OutboxId,
        fence: int,
        at: datetime,
        status: OutboxStatus,
        outcome: AttemptOutcome,
        trouble: Trouble,
        *,
        again_at: datetime | None = None,
    ) -> bool:
        """End an attempt: `change` finishes the row, or puts it back until `again_at`."""
        parameters = {
            "outbox_id": outbox_id,
            "held_fence": fence,
            "new_status": status,
            "moment": at if again_at is None else again_at,
            "error": trouble.error,
            "word": trouble.failure,
        }
        if self._connection.execute(change, parameters).rowcount != 1:
            return False
        attempt = {
            "ended": outbox_id,
            "held_fence": fence,
            "ended_at": at,
            "how": outcome,
            "why": trouble.error,
            "word": trouble.failure,
            "unclear": trouble.ambiguous,
        }
        self._connection.execute(_FINISH_ATTEMPT, attempt)
        return True
