"""The loop that sends what the outbox holds.

It only reads rows: whoever wants something sent writes one. It is woken when this process has written some,
when another process may have (`wake`), and when the next row falls due.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

import structlog

from config.settings import RetryPolicy, Settings
from iso_gateway.errors import DeliveryError, StoreError
from iso_gateway.outbox.policy import GiveUp, RetryAt, after_failure
from iso_gateway.store.records import OutboxId, OutboxRecord
from iso_gateway.store.unit_of_work import UnitOfWork
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

APDU_DELIVERED: Final = "apdu.delivered"
APDU_DEFERRED: Final = "apdu.deferred"
APDU_NOT_DELIVERED: Final = "apdu.not-delivered"
LEASE_LOST: Final = "outbox.lease-lost"
OUTBOX_UNAVAILABLE: Final = "outbox.unavailable"

#: How many messages are on their way at once.
CONCURRENCY: Final = 32
#: Longer than any send can take (connect and send time-outs are far below): no lease ends under a live send.
LEASE: Final = timedelta(minutes=5)
#: How long to wait when the database cannot be used.
PAUSE: Final = 1.0


class Transmitter(Protocol):
    """Hands octets to a partner. The daemon makes one of its adapters."""

    async def transmit(self, octets: bytes, *, partner: str | None, connection_id: str | None) -> None:
        """Write octets on the connection if it is still open, else send them to the partner's address.

        Raises:
            DeliveryError: they were not accepted.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    row: OutboxRecord
    fence: int
    octets: bytes


class Dispatcher:
    """Sends what is due, lane by lane.

    Args:
        settings: the retry policies.
        writer: the one writer of the store.
        transmitter: how octets leave.
        owner: names this process in leases.
        clock: gives the moment, aware.
        chance: gives random numbers in [0, 1), for jitter.
    """

    def __init__(
        self,
        settings: Settings,
        writer: Writer,
        transmitter: Transmitter,
        *,
        owner: str,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._transmitter = transmitter
        self._owner = owner
        self._clock = clock
        self._chance = chance
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._sending: dict[OutboxId, asyncio.Task[None]] = {}
        self._stopping = False

    def wake(self) -> None:
        """Look at the outbox now: something may have been written."""
        self._wake.set()

    async def run(self) -> None:
        """Send until `stop` is called, then finish what is being sent."""
        while not self._stopping:
            self._wake.clear()
            try:
                pause = await self._send_due()
            except StoreError as error:
                log.error(OUTBOX_UNAVAILABLE, error=str(error))  # noqa: TRY400 - it says what to do
                pause = PAUSE
            await self._rest(pause)
        if self._sending:
            await asyncio.wait(self._sending.values())

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping = True
        self._wake.set()

    async def settled(self, connection_id: str) -> None:
        """Return once nothing waits any more to be written on a connection."""
        while True:
            moved = self._moved
            if not await self._writer.run(lambda uow: uow.outbox.waits_for(connection_id)):
                return
            await moved.wait()

    async def _rest(self, pause: float | None) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), pause)
        except TimeoutError:
            return

    async def _send_due(self) -> float | None:
        """Begin to send what is due; gives the seconds until something else is, None if nothing waits."""
        room = CONCURRENCY - len(self._sending)
        if room <= 0:
            return None
        claimed, next_due = await self._writer.run(partial(self._claim, room=room))
        for one in claimed:
            task = asyncio.create_task(self._send(one), name=f"send {one.row.id}")
            self._sending[one.row.id] = task
            task.add_done_callback(lambda done, key=one.row.id: self._done(key, done))
        if next_due is None:
            return None
        return max(0.0, (next_due - self._clock()).total_seconds())

    def _claim(self, uow: UnitOfWork, *, room: int) -> tuple[list[_Claimed], datetime | None]:
        now = self._clock()
        claimed = []
        for row in uow.outbox.due(now, room):
            fence = uow.outbox.claim(row.id, self._owner, now, now + LEASE)
            if fence is not None and row.message_id is not None:
                octets = uow.messages.raw(row.message_id)
                claimed.append(_Claimed(row=row, fence=fence, octets=octets))
        return claimed, uow.outbox.next_due(now)

    async def _send(self, claimed: _Claimed) -> None:
        row = claimed.row
        try:
            await self._transmitter.transmit(
                claimed.octets, partner=row.partner, connection_id=row.connection_id
            )
        except DeliveryError as error:
            await self._failed(claimed, error)
            return
        at = self._clock()
        held = await self._writer.run(lambda uow: uow.outbox.delivered(row.id, claimed.fence, at))
        self._log(APDU_DELIVERED if held else LEASE_LOST, claimed)

    async def _failed(self, claimed: _Claimed, error: DeliveryError) -> None:
        row = claimed.row
        now = self._clock()
        decision = after_failure(
            attempts=row.attempts + 1,
            policy=self._policy(row),
            now=now,
            expires_at=row.expires_at,
            temporary=error.temporary,
            reason=error.reason,
            chance=self._chance(),
        )
        match decision:
            case RetryAt(at=at):
                held = await self._writer.run(
                    lambda uow: uow.outbox.failed(row.id, claimed.fence, now, at, error.reason)
                )
                self._log(APDU_DEFERRED if held else LEASE_LOST, claimed, reason=error.reason)
            case GiveUp(reason=reason):
                held = await self._writer.run(lambda uow: self._give_up(uow, claimed, now, reason))
                self._log(APDU_NOT_DELIVERED if held else LEASE_LOST, claimed, reason=reason)

    @staticmethod
    def _give_up(uow: UnitOfWork, claimed: _Claimed, now: datetime, reason: str) -> bool:
        row = claimed.row
        held = uow.outbox.gave_up(row.id, claimed.fence, now, reason)
        if held and row.message_id is not None:
            half_id = uow.messages.processings(row.message_id)[-1].half_id
            uow.events.append(
                kind="message.not-delivered",
                half_id=half_id,
                message_id=row.message_id,
                detail={"reason": reason},
                at=now,
            )
        return held

    def _policy(self, row: OutboxRecord) -> RetryPolicy:
        partner = None if row.partner is None else self._settings.partner(row.partner)
        return self._settings.retry if partner is None else partner.retry

    def _log(self, event: str, claimed: _Claimed, *, reason: str | None = None) -> None:
        row = claimed.row
        log.info(
            event,
            outbox_id=row.id,
            message_id=row.message_id,
            partner=row.partner,
            connection_id=row.connection_id,
            attempt=row.attempts + 1,
            reason=reason,
        )

    def _done(self, outbox_id: OutboxId, task: asyncio.Task[None]) -> None:
        del self._sending[outbox_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(OUTBOX_UNAVAILABLE, outbox_id=outbox_id, error=type(error).__name__)
        self._moved.set()
        self._moved = asyncio.Event()
        self._wake.set()
