"""How a sending ended: what is stored of it, what follows for its row, and what it tells of its partner."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import assert_never

from config.settings import Settings
from iso_gateway.errors import DeliveryError
from iso_gateway.failure import Failure
from iso_gateway.outbox.breaker import Breaker
from iso_gateway.outbox.claiming import Claimed
from iso_gateway.outbox.policy import CountDelivered, GiveUp, HoldBack, RetryAt, after_failure, policy_of
from iso_gateway.outbox.telling import (
    APDU_DEFERRED,
    APDU_DELIVERED,
    APDU_HELD,
    APDU_INTERRUPTED,
    APDU_NOT_DELIVERED,
    DELIVERY_HELD,
    LEASE_LOST,
    PARTNER_REACHABLE,
    PARTNER_UNREACHABLE,
    Line,
    give_up,
    tell,
    words,
)
from iso_gateway.store.leases import Trouble
from iso_gateway.store.records import BreakerState, OutboxKind
from iso_gateway.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a sending ended: well, with an error, or broken off because the gateway stops."""

    claimed: Claimed
    at: datetime
    chance: float
    error: DeliveryError | None = None
    broken_off: bool = False


def conclude(settings: Settings, uow: UnitOfWork, ended: Ended) -> list[Line]:
    """Store how one sending ended, and what follows for its partner; gives what the log is to say."""
    row, fence, at, error = ended.claimed.row, ended.claimed.fence, ended.at, ended.error
    line = partial(Line, row=row, attempt=row.attempts + 1)
    lost = [line(event=LEASE_LOST)]
    if ended.broken_off:
        reason = "the gateway stopped while it was sent; it may have arrived"
        if not uow.leases.interrupted(row.id, fence, at, reason):
            return lost
        interrupted = line(event=APDU_INTERRUPTED, reason=reason, failure=Failure.INTERRUPTED)
        return [interrupted, *_learn(settings, uow, ended)]
    if error is None:
        if not uow.leases.delivered(row.id, fence, at):
            return lost
        return [line(event=APDU_DELIVERED), *_learn(settings, uow, ended)]
    line = partial(line, reason=error.reason, failure=error.failure)
    trouble = Trouble(error=error.reason, failure=error.failure, ambiguous=error.ambiguous)
    decision = after_failure(
        attempts=row.attempts + 1,
        policy=policy_of(settings, row.partner),
        now=at,
        expires_at=row.expires_at,
        # An unknown sender can be answered on its own connection only, and that once.
        temporary=error.temporary and row.partner is not None,
        ambiguous=error.ambiguous,
        failure=error.failure,
        reason=error.reason,
        chance=ended.chance,
    )
    match decision:
        case RetryAt(at=again):
            stored, event = (
                uow.leases.failed(
                    row.id, fence, at, again, error.reason, error.failure, ambiguous=error.ambiguous
                ),
                APDU_DEFERRED,
            )
        case CountDelivered():
            stored, event = uow.leases.delivered(row.id, fence, at, doubt=trouble), APDU_DELIVERED
        case HoldBack():
            stored, event = uow.leases.hold_back(row.id, fence, at, trouble), APDU_HELD
            if stored:
                tell(uow, DELIVERY_HELD, row, at, words(error.reason, error.failure))
        case GiveUp(reason=reason, failure=failure):
            stored, event = (
                give_up(uow, row, fence, at, reason, failure, ambiguous=error.ambiguous),
                APDU_NOT_DELIVERED,
            )
            line = partial(line, reason=reason, failure=failure)
        case _:
            assert_never(decision)
    if not stored:
        return lost
    return [line(event=event), *_learn(settings, uow, ended)]


def _learn(settings: Settings, uow: UnitOfWork, ended: Ended) -> list[Line]:
    """Move the partner's breaker by how a sending ended."""
    row, error = ended.claimed.row, ended.error
    if row.partner is None or row.kind is OutboxKind.MAIL:
        # What our mail server takes or not says nothing about the partner's ILL software.
        return []
    state = uow.partners.get(row.partner, to_change=True)
    before = Breaker.of(state)
    if ended.broken_off:
        after = before.untold(ended.at) if before.state is BreakerState.HALF_OPEN else before
    elif error is None or error.failure is Failure.NO_CLOSE:
        # What was written on a connection that the partner opened says nothing about its address. A probe
        # was to tell, and has: its connection was gone, or else its partner is there all the same.
        on_its_connection = row.connection_id is not None and not ended.claimed.probe
        after = before if on_its_connection else before.succeeded()
    elif error.failure.of_the_partner or before.state is BreakerState.HALF_OPEN:
        after = before.failed(now=ended.at, policy=policy_of(settings, row.partner), chance=ended.chance)
    else:
        after = before
    if after == before:
        return []
    failing = after.failures > 0
    moved = replace(
        state,
        breaker=after.state,
        failures=after.failures,
        retry_at=after.retry_at,
        failing_since=(state.failing_since or ended.at) if failing else None,
        failure=(state.failure if error is None else error.failure) if failing else None,
        last_error=(state.last_error if error is None else error.reason) if failing else None,
    )
    uow.partners.set_breaker(moved)
    if before.state is BreakerState.CLOSED and after.state is BreakerState.OPEN and error is not None:
        detail = {"partner": row.partner, **words(error.reason, error.failure)}
        uow.events.append(kind=PARTNER_UNREACHABLE, half_id=None, message_id=None, detail=detail, at=ended.at)
        return [
            Line(
                event=PARTNER_UNREACHABLE,
                row=row,
                attempt=row.attempts + 1,
                reason=error.reason,
                failure=error.failure,
            )
        ]
    if before.state is not BreakerState.CLOSED and after.state is BreakerState.CLOSED:
        since = None if state.failing_since is None else state.failing_since.isoformat()
        detail = {"partner": row.partner, "since": since}
        uow.events.append(kind=PARTNER_REACHABLE, half_id=None, message_id=None, detail=detail, at=ended.at)
        return [Line(event=PARTNER_REACHABLE, row=row, attempt=row.attempts + 1)]
    return []
