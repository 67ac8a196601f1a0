"""The loop that sends what the outbox holds.

It only reads rows: whoever wants something sent writes one. It is woken when this process has written some,
when another process may have (`wake`), and when the next row falls due.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

import structlog

from config.settings import RetryPolicy, Settings
from iso_gateway.errors import DeliveryError, StoreError
from iso_gateway.outbox.policy import GiveUp, RetryAt, after_failure
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import OutboxId, OutboxRecord
from iso_gateway.store.unit_of_work import UnitOfWork
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

APDU_DELIVERED: Final = "apdu.delivered"
APDU_DEFERRED: Final = "apdu.deferred"
APDU_NOT_DELIVERED: Final = "apdu.not-delivered"
LEASE_LOST: Final = "outbox.lease-lost"
SENDING_BROKE: Final = "outbox.sending-broke"
OUTBOX_UNAVAILABLE: Final = "outbox.unavailable"

#: The kind of the event that the local side is told when a message is given up.
NOT_DELIVERED: Final = "message.not-delivered"

#: How many messages are on their way at once.
CONCURRENCY: Final = 32
#: For how long a row is this process's own; afterwards another may think it dead and send the row again.
LEASE: Final = timedelta(minutes=5)
#: How long to wait, in seconds, when the database cannot be used, or a row due is still on its way.
PAUSE: Final = 1.0


class Transmitter(Protocol):
    """Hands octets to a partner. The daemon makes one of its adapters."""

    async def transmit(
        self, octets: bytes, *, outbox_id: OutboxId, partner: str | None, connection_id: str | None
    ) -> None:
        """Write octets on the connection if it is still open, else send them to the partner's address.

        Args:
            octets: what to send.
            outbox_id: the row that they are sent for, each time the same.
            partner: whose address; None for an unknown sender, who has none.
            connection_id: the connection to answer on.

        Raises:
            DeliveryError: they were not accepted.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    row: OutboxRecord
    fence: int
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What came of looking at the outbox.

    Args:
        claimed: to be sent now.
        unreadable: given up, because their octets cannot be had; each with the reason.
        next_due: when there is more, None if nothing waits.
        held_back: whether a row was passed over that is due, but still being sent.
    """

    claimed: tuple[_Claimed, ...]
    unreadable: tuple[tuple[OutboxRecord, str], ...]
    next_due: datetime | None
    held_back: bool


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
        self._stopping = asyncio.Event()

    def wake(self) -> None:
        """Look at the outbox now: something may have been written."""
        self._wake.set()

    async def run(self) -> None:
        """Send until `stop` is called, then finish what is being sent."""
        while not self._stopping.is_set():
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
        self._stopping.set()
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
        if len(self._sending) >= CONCURRENCY:
            return None
        claim = await self._writer.run(partial(self._claim, under_way=frozenset(self._sending)))
        for row, reason in claim.unreadable:
            self._log(APDU_NOT_DELIVERED, row, reason=reason)
        for one in claim.claimed:
            task = asyncio.create_task(self._send(one), name=f"send {one.row.id}")
            self._sending[one.row.id] = task
            task.add_done_callback(partial(self._done, one.row.id))
        if claim.next_due is None:
            return None
        pause = max(0.0, (claim.next_due - self._clock()).total_seconds())
        return max(pause, PAUSE) if claim.held_back else pause

    def _claim(self, uow: UnitOfWork, *, under_way: frozenset[OutboxId]) -> _Claim:
        now = self._clock()
        claimed: list[_Claimed] = []
        unreadable: list[tuple[OutboxRecord, str]] = []
        held_back = False
        for row in uow.outbox.due(now, CONCURRENCY):
            if row.id in under_way:
                # Its lease ended, because it takes long or the clock jumped. Twice at once helps nobody.
                held_back = True
                continue
            if len(claimed) + len(under_way) >= CONCURRENCY:
                break
            fence = uow.outbox.claim(row.id, self._owner, now, now + LEASE)
            if fence is None:
                continue
            try:
                claimed.append(_Claimed(row=row, fence=fence, octets=_octets(uow, row)))
            except StoreError as error:
                # Given up at once: it would stop everything else, now and after every start.
                unreadable.append((row, str(error)))
                self._give_up(uow, row, fence, now, str(error))
        return _Claim(
            claimed=tuple(claimed),
            unreadable=tuple(unreadable),
            next_due=uow.outbox.next_due(now),
            held_back=held_back,
        )

    async def _send(self, claimed: _Claimed) -> None:
        row = claimed.row
        try:
            await self._transmitter.transmit(
                claimed.octets, outbox_id=row.id, partner=row.partner, connection_id=row.connection_id
            )
        except DeliveryError as error:
            await self._failed(claimed, error)
        except Exception as error:  # noqa: BLE001 - it must cost neither this message nor the others
            # Only the kind of error: its text may repeat what the message says.
            name = type(error).__name__
            log.error(SENDING_BROKE, outbox_id=row.id, error=name)  # noqa: TRY400
            await self._failed(
                claimed, DeliveryError(f"the gateway could not send it: {name}", temporary=True)
            )
        else:
            at = self._clock()
            held = await self._recorded(lambda uow: uow.outbox.delivered(row.id, claimed.fence, at))
            self._log(APDU_DELIVERED if held else LEASE_LOST, row)

    async def _recorded(self, record: Callable[[UnitOfWork], bool]) -> bool:
        """Store how a sending ended, for as long as it takes: what is not stored goes out a second time.

        Raises:
            StoreError: it could not be stored, and the gateway stops.
        """
        while True:
            last_try = self._stopping.is_set()
            try:
                return await self._writer.run(record)
            except StoreError as error:
                if last_try:
                    raise
                log.error(OUTBOX_UNAVAILABLE, error=str(error))  # noqa: TRY400 - it says what to do
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), PAUSE)

    async def _failed(self, claimed: _Claimed, error: DeliveryError) -> None:
        row = claimed.row
        now = self._clock()
        decision = after_failure(
            attempts=row.attempts + 1,
            policy=self._policy(row),
            now=now,
            expires_at=row.expires_at,
            # An unknown sender can be answered on its own connection only, and that once.
            temporary=error.temporary and row.partner is not None,
            reason=error.reason,
            chance=self._chance(),
        )
        match decision:
            case RetryAt(at=at):
                held = await self._recorded(
                    lambda uow: uow.outbox.failed(row.id, claimed.fence, now, at, error.reason)
                )
                self._log(APDU_DEFERRED if held else LEASE_LOST, row, reason=error.reason)
            case GiveUp(reason=reason):
                held = await self._recorded(lambda uow: self._give_up(uow, row, claimed.fence, now, reason))
                self._log(APDU_NOT_DELIVERED if held else LEASE_LOST, row, reason=reason)

    @staticmethod
    def _give_up(uow: UnitOfWork, row: OutboxRecord, fence: int, now: datetime, reason: str) -> bool:
        held = uow.outbox.gave_up(row.id, fence, now, reason)
        if held:
            known = () if row.message_id is None else uow.messages.processings(row.message_id)
            half_id = known[-1].half_id if known else None
            told = partial(
                uow.events.append, kind=NOT_DELIVERED, half_id=half_id, message_id=row.message_id, at=now
            )
            try:
                told(detail={"reason": reason})
            except KeyDisposedError:
                told(detail=None)
        return held

    def _policy(self, row: OutboxRecord) -> RetryPolicy:
        partner = None if row.partner is None else self._settings.partner(row.partner)
        return self._settings.retry if partner is None else partner.retry

    @staticmethod
    def _log(event: str, row: OutboxRecord, *, reason: str | None = None) -> None:
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
        self._sending.pop(outbox_id)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(OUTBOX_UNAVAILABLE, outbox_id=outbox_id, error=type(error).__name__)
        self._moved.set()
        self._moved = asyncio.Event()
        self._wake.set()


def _octets(uow: UnitOfWork, row: OutboxRecord) -> bytes:
    if row.message_id is None:
        raise StoreError(f"outbox row {row.id} is a mail, and this version sends none")
    return uow.messages.raw(row.message_id)
