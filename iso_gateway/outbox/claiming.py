"""One look at the outbox: what is taken from it to be sent now, and when to look again.

It is one job of the store's writer: for each partner that something waits for it is asked how much may begin
(`admission`), and as many heads of lanes are claimed. In the same job what is late is told of, and what waits
for a partner that is down is given up at the end of its lifetime.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from config.settings import RetryPolicy, Settings
from iso_gateway.errors import StoreError
from iso_gateway.failure import Failure
from iso_gateway.lifetime import next_check, notice
from iso_gateway.outbox.admission import Admission, admit, next_turn
from iso_gateway.outbox.breaker import Breaker
from iso_gateway.outbox.policy import policy_of
from iso_gateway.outbox.telling import (
    APDU_LATE,
    APDU_NOT_DELIVERED,
    DELIVERY_DELAYED,
    Line,
    give_up,
    tell,
    tell_given_up,
    words,
)
from iso_gateway.store.due import Claimant
from iso_gateway.store.records import (
    BreakerState,
    GatewayId,
    OutboxId,
    OutboxRecord,
    PartnerStateRecord,
)
from iso_gateway.store.unit_of_work import UnitOfWork

log = structlog.stdlib.get_logger(__name__)

CLOCK_SET_BACK: Final = "outbox.clock-set-back"

#: How many messages are on their way at once.
CONCURRENCY: Final = 64
#: A clock that is further behind than this, compared with what it said last, was set back.
STEP: Final = timedelta(seconds=1)
#: When to look again at a message whose end has come, and that is not to be given up yet.
LOOK_AGAIN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A row with what is to be sent for it: octets, or what a mail says.

    Args:
        row: as it was before it was claimed.
        fence: the number of the claim.
        content: what is sent.
        probe: whether it is to tell if its partner is back.
    """

    row: OutboxRecord
    fence: int
    content: bytes | Mapping[str, object]
    probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What came of looking at the outbox.

    Args:
        claimed: to be sent now.
        lines: what was given up, or told of, on the way.
        next_due: when there is more, None if nothing waits.
        held_back: whether a row was passed over that is due, but still being sent.
    """

    claimed: tuple[Claimed, ...]
    lines: tuple[Line, ...]
    next_due: datetime | None
    held_back: bool


class Claiming:
    """Claims what may be sent now, for one gateway.

    Args:
        settings: the retry policies.
        gateway: this run of the gateway, which leases are given to.
        lease: for how long.
        shared: whether other gateways can send from the same outbox: a partner's limit and pace are for all
            of them together.
        clock: gives the moment, aware.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        gateway: GatewayId,
        lease: timedelta,
        shared: bool,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._lease = lease
        self._shared = shared
        self._clock = clock
        self._latest: datetime | None = None
        self._turn = 0

    def follow(self, settings: Settings) -> None:
        """Have other retry policies hold from now on."""
        self._settings = settings

    def claim(self, uow: UnitOfWork, *, under_way: Mapping[OutboxId, str | None]) -> Claim:
        """Claim what may be sent beside what is on its way: rows, with the partners that they are for."""
        now = self._clock()
        self._notice_the_clock(uow, now)
        self._turn += 1
        claimant = Claimant(gateway=self._gateway, alive_since=now - self._lease)
        round_ = _Round(self._settings, claimant, self._lease, uow, now, under_way, shared=self._shared)
        round_.answers()
        round_.mails()
        round_.partners(self._turn)
        round_.late()
        return round_.claim()

    def _notice_the_clock(self, uow: UnitOfWork, now: datetime) -> None:
        """Let nothing wait for a moment that a clock set back has moved away: at the start, and later."""
        known = self._latest is not None
        if self._latest is None or now < self._latest - STEP:
            # At the start nobody knows, and a gateway that starts over and over must not hammer a partner.
            uow.partners.no_later_than(now, furthest=timedelta(0) if known else self._longest_wait())
            # Else others would take a gateway that died for alive, and what it had for in its hands.
            uow.leases.no_later_than(now + self._lease)
            uow.gateways.no_later_than(now)
            if uow.outbox.no_later_than(now):
                log.warning(CLOCK_SET_BACK)
        self._latest = now

    def _longest_wait(self) -> timedelta:
        policies = [self._settings.retry, *(partner.retry for partner in self._settings.partners)]
        return max(policy.max_delay * (1 + policy.jitter) for policy in policies)


class _Round:
    """One look at the outbox, in one unit of work: what is claimed, and when to look again."""

    def __init__(
        self,
        settings: Settings,
        claimant: Claimant,
        lease: timedelta,
        uow: UnitOfWork,
        now: datetime,
        under_way: Mapping[OutboxId, str | None],
        *,
        shared: bool,
    ) -> None:
        self._settings = settings
        self._shared = shared
        self._claimant = claimant
        self._lease = lease
        self._uow = uow
        self._due = uow.due.of(claimant)
        self._now = now
        self._under_way = under_way
        self._states = uow.partners.all()
        self._busy = Counter(under_way.values())
        self._claimed: list[Claimed] = []
        self._lines: list[Line] = []
        self._next: list[datetime] = []
        self._held_back = False

    def claim(self) -> Claim:
        """What came of it."""
        return Claim(
            claimed=tuple(self._claimed),
            lines=tuple(self._lines),
            next_due=min(self._next, default=None),
            held_back=self._held_back,
        )

    def answers(self) -> None:
        """Take what belongs on an open connection, whatever is known of its partner's address."""
        for row in self._due.fresh_answers(self._now, CONCURRENCY):
            if self._free > 0 and not self._state(row.partner).suspended:
                self._take(row)

    def mails(self) -> None:
        """Take mails of their own, whatever is known of their partner's ILL software."""
        moments = self._due.next_mails(self._now)
        if any(moment <= self._now for moment in moments.values()):
            for row in self._due.mails(self._now, CONCURRENCY):
                if self._free > 0 and not self._state(row.partner).suspended:
                    self._take(row)
        self._next += [moment for moment in moments.values() if moment > self._now]

    def partners(self, turn: int) -> None:
        """Take what is for each partner, those first that have the fewest on their way."""
        waited_for = self._due.waited_for()
        shift = turn % max(1, len(waited_for))
        for name in sorted(waited_for[shift:] + waited_for[:shift], key=lambda name: self._busy[name]):
            self._partner(name)

    def late(self) -> None:
        """Tell of what is late, and give up what waits for a partner that is down until its lifetime ends."""
        for row in self._due.to_check(self._now):
            self._check(row)
        moment = self._due.next_check()
        if moment is not None:
            self._next.append(max(moment, self._now))

    @property
    def _free(self) -> int:
        return CONCURRENCY - len(self._under_way) - len(self._claimed)

    def _state(self, name: str | None) -> PartnerStateRecord:
        return self._states.get(name or "", PartnerStateRecord(partner=name or ""))

    def _partner(self, name: str | None) -> None:
        state = self._end_of_backlog(self._state(name))
        policy = policy_of(self._settings, name)
        admission = self._admission(name, state, policy)
        if admission.at_most and self._shared and name is not None:
            # One gateway at a time begins something for a partner, and counts what the others have begun.
            if not self._uow.partners.take_turn(name):
                self._next.append(self._now)
                return
            state = self._end_of_backlog(self._uow.partners.get(name))
            admission = self._admission(
                name, state, policy, elsewhere=self._due.sent_by_others(name, self._now)
            )
        if admission.again_at is not None:
            self._next.append(admission.again_at)
        if admission.at_most == 0:
            return
        limit = admission.at_most + self._busy[name]
        taken = 0
        for row in self._due.heads(self._now, limit, partner=name, freshest_first=admission.probe):
            if taken == admission.at_most:
                break
            if row.id in self._under_way:
                # Its lease ended, because it takes long or the clock jumped. Twice at once helps nobody.
                self._held_back = True
            elif not admission.probe or self._is_probe(state):
                taken += self._take(row, probe=admission.probe)
        if taken and state.backlog_id is not None:
            turn = next_turn(self._now, policy)
            self._uow.partners.pace(state.partner, until=turn)
            self._next.append(turn)
        elif taken < admission.at_most:
            due = self._due.next(self._now, partner=name)
            if due is not None:
                self._next.append(due)

    def _admission(
        self, name: str | None, state: PartnerStateRecord, policy: RetryPolicy, *, elsewhere: int = 0
    ) -> Admission:
        return admit(
            suspended=state.suspended,
            breaker=Breaker.of(state),
            paced_until=state.paced_until,
            policy=policy,
            under_way=self._busy[name] + elsewhere,
            free=self._free,
            places=CONCURRENCY,
            now=self._now,
        )

    def _is_probe(self, state: PartnerStateRecord) -> bool:
        """Whether the next message is the probe. After a lease without word of it, it is taken for lost."""
        until = self._now + self._lease
        return self._uow.partners.take_probe(state.partner, now=self._now, until=until)

    def _end_of_backlog(self, state: PartnerStateRecord) -> PartnerStateRecord:
        if state.backlog_id is None or self._uow.outbox.has_backlog(state.partner, state.backlog_id):
            return state
        self._uow.partners.end_pace(state.partner)
        return replace(state, paced_until=None, backlog_id=None)

    def _take(self, row: OutboxRecord, *, probe: bool = False) -> bool:
        """Claim a row; one whose octets cannot be had is given up, or it would stop everything else."""
        if row.id in self._under_way:
            self._held_back = True
            return False
        fence = self._uow.leases.claim(
            row.id, self._claimant.gateway, self._now, self._now + self._lease, by=self._claimant
        )
        if fence is None:
            self._not_the_probe(row, probe=probe)
            return False
        try:
            content = _content(self._uow, row)
        except StoreError as error:
            reason = str(error)
            give_up(self._uow, row, fence, self._now, reason, Failure.UNREADABLE)
            self._tell(APDU_NOT_DELIVERED, row, reason, Failure.UNREADABLE, attempt=row.attempts + 1)
            self._next.append(self._now)
            self._not_the_probe(row, probe=probe)
            return False
        self._claimed.append(Claimed(row=row, fence=fence, content=content, probe=probe))
        self._busy[row.partner] += 1
        return True

    def _not_the_probe(self, row: OutboxRecord, *, probe: bool) -> None:
        """What was to be the probe is not sent: another one is it, at once."""
        if probe and row.partner is not None:
            state = self._uow.partners.get(row.partner, to_change=True)
            after = Breaker.of(state).untold(self._now)
            self._uow.partners.set_breaker(replace(state, breaker=after.state, retry_at=after.retry_at))

    def _check(self, row: OutboxRecord) -> None:
        policy, state = policy_of(self._settings, row.partner), self._state(row.partner)
        reason = row.last_error or state.last_error or "it has not been its turn yet"
        failure = row.failure or state.failure
        if self._now >= row.expires_at:
            self._over(row, state, reason)
            return
        late = notice(created_at=row.created_at, expires_at=row.expires_at, policy=policy, now=self._now)
        if late is not None:
            if state.suspended:
                reason, failure = "its partner is suspended", None
            detail = {
                "notice": late.value,
                "until": row.expires_at.isoformat(),
                "attempts": row.attempts,
                **words(reason, failure),
            }
            tell(self._uow, DELIVERY_DELAYED, row, self._now, detail)
            self._tell(APDU_LATE, row, reason, failure)
        again = next_check(created_at=row.created_at, expires_at=row.expires_at, policy=policy, now=self._now)
        self._uow.outbox.checked(row.id, again)

    def _over(self, row: OutboxRecord, state: PartnerStateRecord, reason: str) -> None:
        """Give up a message whose end has come, unless it is still to be tried or an operator holds it up."""
        blocked = state.breaker is not BreakerState.CLOSED and not state.suspended
        if not (blocked and self._uow.outbox.heads_among([row.id])):
            self._uow.outbox.checked(row.id, self._now + LOOK_AGAIN)
            return
        reason = f"not delivered within its lifetime; last: {reason}"
        following = self._uow.outbox.behind(row)
        if self._uow.outbox.end_waiting(row.id, self._now, reason, Failure.LIFETIME):
            tell_given_up(self._uow, row, self._now, reason, Failure.LIFETIME, following)
            self._tell(APDU_NOT_DELIVERED, row, reason, Failure.LIFETIME)
            self._next.append(self._now)

    def _tell(
        self,
        event: str,
        row: OutboxRecord,
        reason: str,
        failure: Failure | None,
        *,
        attempt: int | None = None,
    ) -> None:
        number = row.attempts if attempt is None else attempt
        self._lines.append(Line(event=event, row=row, attempt=number, reason=reason, failure=failure))


def _content(uow: UnitOfWork, row: OutboxRecord) -> bytes | Mapping[str, object]:
    return uow.mails.said(row.id) if row.message_id is None else uow.messages.raw(row.message_id)
