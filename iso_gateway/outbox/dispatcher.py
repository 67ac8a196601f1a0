"""The loop that sends what the outbox holds.

It only reads rows: whoever wants something sent writes one. It is woken when this process has written some,
when another process may have (`wake`), and when the next row falls due.

Theory of operation. Each time it wakes it makes one claim: one job of the writer, in which it asks for each
partner that something waits for how much may begin (`admission`), and takes as many heads of lanes. Each of
these is sent by a task of its own. How they end is collected, and stored by one job for all that ended
meanwhile: hundreds of lanes cost the writer no more commits than one. In the same jobs the partner's breaker
moves, and what is late is told of.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol, TypeAlias, assert_never

import structlog
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from config.settings import RetryPolicy, Settings
from iso_gateway.errors import DeliveryError, StoreError
from iso_gateway.failure import Failure, advice
from iso_gateway.lifetime import next_check, notice
from iso_gateway.outbox.admission import admit, next_turn
from iso_gateway.outbox.breaker import Breaker
from iso_gateway.outbox.policy import (
    CountDelivered,
    GiveUp,
    HoldBack,
    RetryAt,
    after_failure,
)
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.leases import Claimant
from iso_gateway.store.outbox import Outbox, Trouble
from iso_gateway.store.records import (
    BreakerState,
    GatewayId,
    HalfId,
    OutboxId,
    OutboxKind,
    OutboxRecord,
    PartnerStateRecord,
)
from iso_gateway.store.unit_of_work import UnitOfWork
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

APDU_DELIVERED: Final = "apdu.delivered"
APDU_DEFERRED: Final = "apdu.deferred"
APDU_HELD: Final = "apdu.held"
APDU_INTERRUPTED: Final = "apdu.interrupted"
APDU_NOT_DELIVERED: Final = "apdu.not-delivered"
APDU_LATE: Final = "apdu.late"
LEASE_LOST: Final = "outbox.lease-lost"
SENDING_BROKE: Final = "outbox.sending-broke"
OUTBOX_UNAVAILABLE: Final = "outbox.unavailable"
CLOCK_SET_BACK: Final = "outbox.clock-set-back"

#: The kinds of the events that the local side is told.
NOT_DELIVERED: Final = "message.not-delivered"
DELIVERY_DELAYED: Final = "message.delivery-delayed"
DELIVERY_HELD: Final = "message.delivery-held"
PARTNER_UNREACHABLE: Final = "partner.unreachable"
PARTNER_REACHABLE: Final = "partner.reachable"

#: How many messages are on their way at once.
CONCURRENCY: Final = 64
#: How long to wait, in seconds, when the database cannot be used, or a row due is still on its way.
PAUSE: Final = 1.0
#: How long to leave alone, in seconds, what another gateway is just claiming.
BESIDE_OTHERS: Final = 0.05
#: How long, in seconds, what is on its way when the gateway stops may take before it is broken off.
GRACE: Final = 1.0
#: A clock that is further behind than this, compared with what it said last, was set back.
STEP: Final = timedelta(seconds=1)
#: When to look again at a message whose end has come, and that is not to be given up yet.
LOOK_AGAIN: Final = timedelta(hours=1)

_DATABASE_ERRORS: Final = (StoreError, SQLAlchemyError)


#: Raises LeaseLostError if another gateway may have taken what is about to be written.
Permit: TypeAlias = Callable[[], Awaitable[None]]


class LeaseLostError(Exception):
    """Another gateway sends the row by now."""


async def permitted() -> None:
    """The permit of a gateway that is alone: always given."""


class Transmitter(Protocol):
    """Hands octets to a partner. The daemon makes one of its adapters."""

    async def transmit(
        self,
        octets: bytes,
        *,
        outbox_id: OutboxId,
        partner: str | None,
        connection_id: str | None,
        permit: Permit,
    ) -> None:
        """Write octets on the connection if it is still open, else send them to the partner's address.

        When it is cancelled it breaks off: whoever it was writing to must not take a part for the whole.

        Args:
            octets: what to write.
            outbox_id: the row that they are sent for, each time the same.
            partner: whose address it is; None for a sender that we do not know.
            connection_id: the connection.
            permit: to be awaited immediately before anything is written; nothing may be if it raises.

        Raises:
            DeliveryError: they were not accepted.
            LeaseLostError: out of `permit`.
        """


class Mailer(Protocol):
    """Gives our mail server a mail of its own. The daemon makes one of its adapters."""

    async def mail(
        self, said: Mapping[str, object], *, outbox_id: OutboxId, partner: str | None, permit: Permit
    ) -> None:
        """Send a mail.

        Args:
            said: what it says, as it was queued.
            outbox_id: the row that it is sent for, each time the same.
            partner: for whom it is.
            permit: as for `Transmitter.transmit`.

        Raises:
            DeliveryError: it was not accepted.
            LeaseLostError: out of `permit`.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    """A row with what is to be sent for it: octets, or what a mail says."""

    row: OutboxRecord
    fence: int
    content: bytes | Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """How a sending ended: well, with an error, or broken off because the gateway stops."""

    claimed: _Claimed
    at: datetime
    chance: float
    error: DeliveryError | None = None
    broken_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line for the log, once what it tells of is stored."""

    event: str
    row: OutboxRecord
    attempt: int
    reason: str | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What came of looking at the outbox.

    Args:
        claimed: to be sent now.
        lines: what was given up, or told of, on the way.
        next_due: when there is more, None if nothing waits.
        held_back: whether a row was passed over that is due, but still being sent.
    """

    claimed: tuple[_Claimed, ...]
    lines: tuple[_Line, ...]
    next_due: datetime | None
    held_back: bool


class Dispatcher:
    """Sends what is due, lane by lane.

    Args:
        settings: the retry policies.
        writer: the one writer of the store.
        transmitter: how octets leave.
        mailer: how mails of their own do; without one they wait.
        gateway: this run of the gateway, which leases are given to.
        lease: for how long a row is this gateway's own unless it is renewed; afterwards another may think the
            gateway dead and send the row again.
        fenced: whether there can be another. Then each lease is renewed immediately before its row is sent.
        clock: gives the moment, aware.
        chance: gives random numbers in [0, 1), for jitter.
    """

    def __init__(
        self,
        settings: Settings,
        writer: Writer,
        transmitter: Transmitter,
        *,
        mailer: Mailer | None = None,
        gateway: GatewayId,
        lease: timedelta,
        fenced: bool,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._transmitter = transmitter
        self._mailer = mailer
        self._gateway = gateway
        self._lease = lease
        self._fenced = fenced
        self._clock = clock
        self._chance = chance
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._stopping = asyncio.Event()
        self._sending: dict[OutboxId, tuple[str | None, asyncio.Task[None]]] = {}
        self._fences: dict[OutboxId, int] = {}
        self._transmissions: set[asyncio.Task[None]] = set()
        self._ended: list[tuple[_Ended, asyncio.Future[None]]] = []
        self._storing: asyncio.Task[None] | None = None
        self._latest: datetime | None = None
        self._turn = 0

    def wake(self) -> None:
        """Look at the outbox now: something may have been written."""
        self._wake.set()

    def follow(self, settings: Settings) -> None:
        """Have other retry policies hold from now on; when what failed is tried next stays as it was said."""
        self._settings = settings
        self.wake()

    async def run(self) -> None:
        """Send until `stop` is called; then break off what does not end by itself at once."""
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                pause = await self._send_due()
            except Exception as error:  # noqa: BLE001 - whatever it is, tomorrow's messages have to go out
                self._unavailable(error)
                pause = PAUSE
            await self._rest(pause)
        await self._finish()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()
        self._wake.set()

    async def settled(self, connection_id: str) -> None:
        """Return once nothing waits any more to be written on a connection."""
        while True:
            moved = self._moved
            if not await self._writer.run(lambda uow: _is_owed_on(uow, connection_id)):
                return
            await moved.wait()

    def renewal(self) -> Callable[[UnitOfWork], None]:
        """Give what renews the leases of everything that is being sent."""
        held = tuple(self._fences.items())

        def renew(uow: UnitOfWork) -> None:
            until = self._clock() + self._lease
            for row, fence in held:
                uow.leases.renew(row, fence, until)

        return renew

    def _permit_for(self, claimed: _Claimed) -> Permit:
        """Give what returns if a row is still ours to send, and stays so long enough to be written.

        It raises LeaseLostError if it is not. Each lease is renewed at least once before its row is sent;
        what is asked within half of a lease after that is answered without the database.
        """
        half = self._lease.total_seconds() / 2
        granted = -math.inf

        async def permit() -> None:
            nonlocal granted
            # Again, if the process was stopped between the database's answer and here.
            while time.monotonic() - granted >= half:
                asked = time.monotonic()
                held = await self._writer.run(
                    lambda uow: uow.leases.renew(claimed.row.id, claimed.fence, self._clock() + self._lease)
                )
                if not held:
                    raise LeaseLostError
                granted = asked

        return permit

    async def _rest(self, pause: float | None) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), pause)
        except TimeoutError:
            return

    async def _finish(self) -> None:
        """Let what is on its way end within the grace; break off the rest, and store how all of it ended."""
        sending = [task for _, task in self._sending.values()]
        if not sending:
            return
        await asyncio.wait(sending, timeout=GRACE)
        for transmission in self._transmissions:
            transmission.cancel()
        await asyncio.wait(sending)

    async def _send_due(self) -> float | None:
        """Begin to send what is due; gives the seconds until something else is, None if nothing waits."""
        if len(self._sending) >= CONCURRENCY:
            return None
        under_way = {outbox_id: partner for outbox_id, (partner, _) in self._sending.items()}
        claim = await self._writer.run(partial(self._claim, under_way=under_way))
        for line in claim.lines:
            _log(line)
        for one in claim.claimed:
            task = asyncio.create_task(self._send(one), name=f"send {one.row.id}")
            self._sending[one.row.id] = (one.row.partner, task)
            self._fences[one.row.id] = one.fence
            task.add_done_callback(partial(self._done, one.row.id))
        if claim.next_due is None:
            return None
        # What is due and was not had is in another gateway's hands at this moment.
        least = BESIDE_OTHERS if self._fenced and not claim.claimed else 0.0
        pause = max(least, (claim.next_due - self._clock()).total_seconds())
        return max(pause, PAUSE) if claim.held_back else pause

    def _claim(self, uow: UnitOfWork, *, under_way: dict[OutboxId, str | None]) -> _Claim:
        now = self._clock()
        self._notice_the_clock(uow, now)
        self._turn += 1
        round_ = _Round(self, uow, now, under_way)
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
            if uow.outbox.no_later_than(now):
                log.warning(CLOCK_SET_BACK)
        self._latest = now

    def _longest_wait(self) -> timedelta:
        policies = [self._settings.retry, *(partner.retry for partner in self._settings.partners)]
        return max(policy.max_delay * (1 + policy.jitter) for policy in policies)

    async def _send(self, claimed: _Claimed) -> None:
        row = claimed.row
        transmission = asyncio.create_task(self._handed_over(claimed), name=f"transmit {row.id}")
        self._transmissions.add(transmission)
        try:
            await asyncio.wait({transmission})
        finally:
            self._transmissions.discard(transmission)
        ended = _Ended(claimed=claimed, at=self._clock(), chance=self._chance())
        if transmission.cancelled():
            await self._stored(replace(ended, broken_off=True))
            return
        match transmission.exception():
            case None:
                await self._stored(ended)
            case DeliveryError() as error:
                await self._stored(replace(ended, error=error))
            case LeaseLostError():
                _log(_Line(event=LEASE_LOST, row=row, attempt=row.attempts + 1))
            case error:
                # Only the kind of error: its text may repeat what the message says.
                name = type(error).__name__
                log.error(SENDING_BROKE, outbox_id=row.id, error=name)
                unforeseen = DeliveryError(
                    f"the gateway could not send it: {name}", temporary=True, failure=Failure.INTERNAL
                )
                await self._stored(replace(ended, error=unforeseen))

    async def _handed_over(self, claimed: _Claimed) -> None:
        row, content = claimed.row, claimed.content
        permit = self._permit_for(claimed) if self._fenced else permitted
        if isinstance(content, bytes):
            await self._transmitter.transmit(
                content,
                outbox_id=row.id,
                partner=row.partner,
                connection_id=row.connection_id,
                permit=permit,
            )
            return
        if self._mailer is None:
            raise DeliveryError(
                "this gateway sends no mails: set [mail]", temporary=True, failure=Failure.MAIL_SERVER
            )
        await self._mailer.mail(content, outbox_id=row.id, partner=row.partner, permit=permit)

    async def _stored(self, ended: _Ended) -> None:
        """Return once it is stored how a sending ended, together with all others that ended meanwhile."""
        stored = asyncio.get_running_loop().create_future()
        self._ended.append((ended, stored))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store(), name="store how sendings ended")
        await stored

    async def _store(self) -> None:
        while self._ended:
            batch, self._ended = self._ended, []
            try:
                lines = await self._recorded([ended for ended, _ in batch])
            except Exception as error:  # noqa: BLE001 - given to each that waits for it
                for _, stored in batch:
                    stored.set_exception(error)
                continue
            for line in lines:
                _log(line)
            for _, stored in batch:
                stored.set_result(None)
        self._storing = None

    async def _recorded(self, batch: Sequence[_Ended]) -> Sequence[_Line]:
        """Store how sendings ended, for as long as it takes: what is not stored goes out a second time.

        Raises:
            StoreError: it could not be stored, and the gateway stops.
        """
        isolating = False
        while True:
            last_try = self._stopping.is_set()
            try:
                return await self._writer.run(partial(self._record, batch=batch, isolating=isolating))
            except _DATABASE_ERRORS as error:
                if last_try:
                    raise
                self._unavailable(error)
            isolating = True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), PAUSE)

    def _record(self, uow: UnitOfWork, *, batch: Sequence[_Ended], isolating: bool) -> list[_Line]:
        """Store how sendings ended.

        Args:
            uow: where.
            batch: how each ended.
            isolating: whether one that the database refuses is left out, because all have been refused for it
                before. A database that cannot be used refuses all, and none is left out for that.
        """
        lines: list[_Line] = []
        for ended in batch:
            try:
                with uow.savepoint():
                    lines += self._end(uow, ended)
            except Exception as error:
                if isinstance(error, _DATABASE_ERRORS) and (
                    not isolating or isinstance(error, OperationalError)
                ):
                    raise
                # One row must not keep the others from being stored. It stays leased, and is sent again.
                name = type(error).__name__
                log.error(SENDING_BROKE, outbox_id=ended.claimed.row.id, error=name)  # noqa: TRY400
        return lines

    def _end(self, uow: UnitOfWork, ended: _Ended) -> list[_Line]:
        """Store how one sending ended, and what follows for its partner; gives what the log is to say."""
        row, fence, at, error = ended.claimed.row, ended.claimed.fence, ended.at, ended.error
        line = partial(_Line, row=row, attempt=row.attempts + 1)
        lost = [line(event=LEASE_LOST)]
        if ended.broken_off:
            reason = "the gateway stopped while it was sent; it may have arrived"
            if not uow.outbox.interrupted(row.id, fence, at, reason):
                return lost
            interrupted = line(event=APDU_INTERRUPTED, reason=reason, failure=Failure.INTERRUPTED)
            return [interrupted, *self._learn(uow, ended)]
        if error is None:
            if not uow.outbox.delivered(row.id, fence, at):
                return lost
            return [line(event=APDU_DELIVERED), *self._learn(uow, ended)]
        line = partial(line, reason=error.reason, failure=error.failure)
        trouble = Trouble(error=error.reason, failure=error.failure, ambiguous=error.ambiguous)
        decision = after_failure(
            attempts=row.attempts + 1,
            policy=self.policy(row.partner),
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
                    uow.outbox.failed(
                        row.id, fence, at, again, error.reason, error.failure, ambiguous=error.ambiguous
                    ),
                    APDU_DEFERRED,
                )
            case CountDelivered():
                stored, event = uow.outbox.delivered(row.id, fence, at, doubt=trouble), APDU_DELIVERED
            case HoldBack():
                stored, event = uow.outbox.hold_back(row.id, fence, at, trouble), APDU_HELD
                if stored:
                    tell(uow, DELIVERY_HELD, row, at, _words(error.reason, error.failure))
            case GiveUp(reason=reason, failure=failure):
                stored, event = give_up(uow, row, fence, at, reason, failure), APDU_NOT_DELIVERED
                line = partial(line, reason=reason, failure=failure)
            case _:
                assert_never(decision)
        if not stored:
            return lost
        return [line(event=event), *self._learn(uow, ended)]

    def _learn(self, uow: UnitOfWork, ended: _Ended) -> list[_Line]:
        """Move the partner's breaker by how a sending ended."""
        row, error = ended.claimed.row, ended.error
        if row.partner is None or row.kind is OutboxKind.MAIL:
            # What our mail server takes or not says nothing about the partner's ILL software.
            return []
        state = uow.partners.get(row.partner, to_change=True)
        before = _breaker(state)
        if ended.broken_off:
            after = before.untold(ended.at) if before.state is BreakerState.HALF_OPEN else before
        elif error is None or error.failure is Failure.NO_CLOSE:
            # What was written on a connection that the partner opened says nothing about its address.
            after = before if row.connection_id is not None else before.succeeded()
        elif error.failure.of_the_partner or before.state is BreakerState.HALF_OPEN:
            after = before.failed(now=ended.at, policy=self.policy(row.partner), chance=ended.chance)
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
            detail = {"partner": row.partner, **_words(error.reason, error.failure)}
            uow.events.append(
                kind=PARTNER_UNREACHABLE, half_id=None, message_id=None, detail=detail, at=ended.at
            )
            return [
                _Line(
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
            uow.events.append(
                kind=PARTNER_REACHABLE, half_id=None, message_id=None, detail=detail, at=ended.at
            )
            return [_Line(event=PARTNER_REACHABLE, row=row, attempt=row.attempts + 1)]
        return []

    def policy(self, name: str | None) -> RetryPolicy:
        """The retry policy of a partner; the general one for whoever is not configured."""
        partner = None if name is None else self._settings.partner(name)
        return self._settings.retry if partner is None else partner.retry

    def lease(self, uow: UnitOfWork, row: OutboxRecord, now: datetime) -> int | None:
        """Claim a row for this process; gives the fence, None if another has it."""
        return self.outbox(uow, now).claim(row.id, self._gateway, now, now + self._lease)

    @property
    def patience(self) -> timedelta:
        """After how long without word a probe is taken for lost."""
        return self._lease

    def outbox(self, uow: UnitOfWork, now: datetime) -> Outbox:
        """The outbox as this gateway has it."""
        return uow.outbox.of(Claimant(gateway=self._gateway, alive_since=now - self._lease))

    @staticmethod
    def _unavailable(error: Exception) -> None:
        # A StoreError says what to do. Of any other only the kind: its text may repeat what a message says.
        text = str(error) if isinstance(error, StoreError) else type(error).__name__
        log.error(OUTBOX_UNAVAILABLE, error=text)

    def _done(self, outbox_id: OutboxId, task: asyncio.Task[None]) -> None:
        self._sending.pop(outbox_id)
        self._fences.pop(outbox_id)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(OUTBOX_UNAVAILABLE, outbox_id=outbox_id, error=type(error).__name__)
        self._moved.set()
        self._moved = asyncio.Event()
        self._wake.set()


class _Round:
    """One look at the outbox, in one unit of work: what is claimed, and when to look again."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        uow: UnitOfWork,
        now: datetime,
        under_way: dict[OutboxId, str | None],
    ) -> None:
        self._dispatcher = dispatcher
        self._uow = uow
        self._outbox = dispatcher.outbox(uow, now)
        self._now = now
        self._under_way = under_way
        self._states = uow.partners.all()
        self._busy = Counter(under_way.values())
        self._claimed: list[_Claimed] = []
        self._lines: list[_Line] = []
        self._next: list[datetime] = []
        self._held_back = False

    def claim(self) -> _Claim:
        """What came of it."""
        return _Claim(
            claimed=tuple(self._claimed),
            lines=tuple(self._lines),
            next_due=min(self._next, default=None),
            held_back=self._held_back,
        )

    def answers(self) -> None:
        """Take what belongs on an open connection, whatever is known of its partner's address."""
        for row in self._outbox.fresh_answers(self._now, CONCURRENCY):
            if self._free > 0 and not self._state(row.partner).suspended:
                self._take(row)

    def mails(self) -> None:
        """Take mails of their own, whatever is known of their partner's ILL software."""
        moments = self._outbox.next_mails(self._now)
        if any(moment <= self._now for moment in moments.values()):
            for row in self._outbox.mails(self._now, CONCURRENCY):
                if self._free > 0 and not self._state(row.partner).suspended:
                    self._take(row)
        self._next += [moment for moment in moments.values() if moment > self._now]

    def partners(self, turn: int) -> None:
        """Take what is for each partner, those first that have the fewest on their way."""
        waited_for = self._outbox.waited_for()
        shift = turn % max(1, len(waited_for))
        for name in sorted(waited_for[shift:] + waited_for[:shift], key=lambda name: self._busy[name]):
            self._partner(name)

    def late(self) -> None:
        """Tell of what is late, and give up what waits for a partner that is down until its lifetime ends."""
        for row in self._outbox.to_check(self._now):
            self._check(row)
        moment = self._outbox.next_check()
        if moment is not None:
            self._next.append(max(moment, self._now))

    @property
    def _free(self) -> int:
        return CONCURRENCY - len(self._under_way) - len(self._claimed)

    def _state(self, name: str | None) -> PartnerStateRecord:
        return self._states.get(name or "", PartnerStateRecord(partner=name or ""))

    def _partner(self, name: str | None) -> None:
        state = self._end_of_backlog(self._state(name))
        policy = self._dispatcher.policy(name)
        admission = admit(
            suspended=state.suspended,
            breaker=_breaker(state),
            paced_until=state.paced_until,
            policy=policy,
            under_way=self._busy[name],
            free=self._free,
            places=CONCURRENCY,
            now=self._now,
        )
        if admission.again_at is not None:
            self._next.append(admission.again_at)
        if admission.at_most == 0:
            return
        limit = admission.at_most + self._busy[name]
        taken = 0
        for row in self._outbox.due(self._now, limit, partner=name, freshest_first=admission.probe):
            if taken == admission.at_most:
                break
            if row.id in self._under_way:
                # Its lease ended, because it takes long or the clock jumped. Twice at once helps nobody.
                self._held_back = True
            elif not admission.probe or self._is_probe(state):
                taken += self._take(row)
        if taken and state.backlog_id is not None:
            turn = next_turn(self._now, policy)
            self._uow.partners.pace(state.partner, until=turn)
            self._next.append(turn)
        elif taken < admission.at_most:
            due = self._outbox.next_due(self._now, partner=name)
            if due is not None:
                self._next.append(due)

    def _is_probe(self, state: PartnerStateRecord) -> bool:
        return self._uow.partners.take_probe(
            state.partner, now=self._now, until=self._now + self._dispatcher.patience
        )

    def _end_of_backlog(self, state: PartnerStateRecord) -> PartnerStateRecord:
        if state.backlog_id is None or self._outbox.has_backlog(state.partner, state.backlog_id):
            return state
        self._uow.partners.end_pace(state.partner)
        return replace(state, paced_until=None, backlog_id=None)

    def _take(self, row: OutboxRecord) -> bool:
        """Claim a row; one whose octets cannot be had is given up, or it would stop everything else."""
        if row.id in self._under_way:
            self._held_back = True
            return False
        fence = self._dispatcher.lease(self._uow, row, self._now)
        if fence is None:
            return False
        try:
            content = _content(self._uow, row)
        except StoreError as error:
            reason = str(error)
            give_up(self._uow, row, fence, self._now, reason, Failure.UNREADABLE)
            self._tell(APDU_NOT_DELIVERED, row, reason, Failure.UNREADABLE, attempt=row.attempts + 1)
            self._next.append(self._now)
            return False
        self._claimed.append(_Claimed(row=row, fence=fence, content=content))
        self._busy[row.partner] += 1
        return True

    def _check(self, row: OutboxRecord) -> None:
        policy, state = self._dispatcher.policy(row.partner), self._state(row.partner)
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
                **_words(reason, failure),
            }
            tell(self._uow, DELIVERY_DELAYED, row, self._now, detail)
            self._tell(APDU_LATE, row, reason, failure)
        again = next_check(created_at=row.created_at, expires_at=row.expires_at, policy=policy, now=self._now)
        self._outbox.checked(row.id, again)

    def _over(self, row: OutboxRecord, state: PartnerStateRecord, reason: str) -> None:
        """Give up a message whose end has come, unless it is still to be tried or an operator holds it up."""
        blocked = state.breaker is not BreakerState.CLOSED and not state.suspended
        if not (blocked and self._outbox.heads_among([row.id])):
            self._outbox.checked(row.id, self._now + LOOK_AGAIN)
            return
        reason = f"not delivered within its lifetime; last: {reason}"
        following = self._outbox.behind(row)
        if self._outbox.end_waiting(row.id, self._now, reason, Failure.LIFETIME):
            tell(self._uow, NOT_DELIVERED, row, self._now, _given_up(reason, Failure.LIFETIME, following))
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
        self._lines.append(_Line(event=event, row=row, attempt=number, reason=reason, failure=failure))


def give_up(
    uow: UnitOfWork, row: OutboxRecord, fence: int, at: datetime, reason: str, failure: Failure
) -> bool:
    """Send a claimed row no more, and tell the local side; its lane goes on. False if another holds it."""
    following = uow.outbox.behind(row)
    held = uow.outbox.gave_up(row.id, fence, at, reason, failure)
    if held:
        tell(uow, NOT_DELIVERED, row, at, _given_up(reason, failure, following))
    return held


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


def _words(reason: str, failure: Failure | None) -> dict[str, object]:
    if failure is None:
        return {"reason": reason}
    return {"reason": reason, "failure": failure.value, "advice": advice(failure)}


def _given_up(reason: str, failure: Failure, following: int) -> dict[str, object]:
    words = _words(reason, failure)
    if following == 0:
        return words
    attention = (
        f"{following} later of this request go out without it, and the partner may refuse them:"
        " look at the request"
    )
    return {**words, "following": following, "attention": attention}


def _breaker(state: PartnerStateRecord) -> Breaker:
    return Breaker(state=state.breaker, failures=state.failures, retry_at=state.retry_at)


def _log(line: _Line) -> None:
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


def _content(uow: UnitOfWork, row: OutboxRecord) -> bytes | Mapping[str, object]:
    return uow.mails.said(row.id) if row.message_id is None else uow.messages.raw(row.message_id)


def _is_owed_on(uow: UnitOfWork, connection_id: str) -> bool:
    """Whether something is to be written on a connection that will be: not while nothing is sent at all."""
    return uow.sending.held() is None and uow.outbox.waits_for(connection_id)
