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
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from config.settings import Settings
from iso_gateway.errors import DeliveryError, StoreError
from iso_gateway.failure import Failure
from iso_gateway.outbox import claiming
from iso_gateway.outbox.claiming import Claimed, Claiming
from iso_gateway.outbox.concluding import Ended, conclude
from iso_gateway.outbox.telling import LEASE_LOST, Line, say
from iso_gateway.outbox.transmitting import LeaseLostError, Mailer, Permit, Transmitter, permitted
from iso_gateway.rounds import Rounds
from iso_gateway.store.records import GatewayId, OutboxId
from iso_gateway.store.unit_of_work import UnitOfWork
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

SENDING_BROKE: Final = "outbox.sending-broke"
OUTBOX_UNAVAILABLE: Final = "outbox.unavailable"

#: How long to wait when the database cannot be used, or a row due is still on its way.
PAUSE: Final = timedelta(seconds=1)
#: How long to leave alone what another gateway is just claiming.
BESIDE_OTHERS: Final = timedelta(milliseconds=50)
#: How long, in seconds, what is on its way when the gateway stops may take before it is broken off.
GRACE: Final = 1.0

_DATABASE_ERRORS: Final = (StoreError, SQLAlchemyError)


def elapsed() -> float:
    """Seconds by a clock that nobody sets, and that goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


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
        self._lease = lease
        self._fenced = fenced
        self._clock = clock
        self._chance = chance
        self._claiming = Claiming(settings, gateway=gateway, lease=lease, shared=fenced, clock=clock)
        self._rounds = Rounds()
        self._moved = asyncio.Event()
        self._sending: dict[OutboxId, tuple[str | None, asyncio.Task[None]]] = {}
        self._fences: dict[OutboxId, int] = {}
        self._transmissions: set[asyncio.Task[None]] = set()
        self._ended: list[tuple[Ended, asyncio.Future[None]]] = []
        self._storing: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Look at the outbox now: something may have been written."""
        self._rounds.wake()

    def follow(self, settings: Settings) -> None:
        """Have other retry policies hold from now on; when what failed is tried next stays as it was said."""
        self._settings = settings
        self._claiming.follow(settings)
        self.wake()

    async def run(self) -> None:
        """Send until `stop` is called; then break off what does not end by itself at once."""
        await self._rounds.run(self._round)
        await self._finish()

    def stop(self) -> None:
        """Begin nothing more."""
        self._rounds.stop()

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

    def _permit_for(self, claimed: Claimed) -> Permit:
        """Give what returns if a row is still ours to send, and stays so long enough to be written.

        It raises LeaseLostError if it is not. Each lease is renewed at least once before its row is sent;
        what is asked within half of a lease after that is answered without the database.
        """
        half = self._lease.total_seconds() / 2
        granted = -math.inf

        async def permit() -> None:
            nonlocal granted
            # Again, if the process or the machine was stopped between the database's answer and here.
            while elapsed() - granted >= half:
                asked = elapsed()
                held = await self._writer.run(
                    lambda uow: uow.leases.renew(claimed.row.id, claimed.fence, self._clock() + self._lease)
                )
                if not held:
                    raise LeaseLostError
                granted = asked

        return permit

    async def _round(self) -> timedelta | None:
        try:
            return await self._send_due()
        except Exception as error:  # noqa: BLE001 - whatever it is, tomorrow's messages have to go out
            self._unavailable(error)
            return PAUSE

    async def _finish(self) -> None:
        """Let what is on its way end within the grace; break off the rest, and store how all of it ended."""
        sending = [task for _, task in self._sending.values()]
        if not sending:
            return
        await asyncio.wait(sending, timeout=GRACE)
        for transmission in self._transmissions:
            transmission.cancel()
        await asyncio.wait(sending)

    async def _send_due(self) -> timedelta | None:
        """Begin to send what is due; gives for how long nothing else is, None if nothing waits."""
        if len(self._sending) >= claiming.CONCURRENCY:
            return None
        under_way = {outbox_id: partner for outbox_id, (partner, _) in self._sending.items()}
        claim = await self._writer.run(partial(self._claiming.claim, under_way=under_way))
        for line in claim.lines:
            say(line)
        if claim.lines:
            # What was given up is waited for no more.
            self._tell_those_who_wait()
        for one in claim.claimed:
            task = asyncio.create_task(self._send(one), name=f"send {one.row.id}")
            self._sending[one.row.id] = (one.row.partner, task)
            self._fences[one.row.id] = one.fence
            task.add_done_callback(partial(self._done, one.row.id))
        if claim.next_due is None:
            return None
        # What is due and was not had is in another gateway's hands at this moment.
        least = BESIDE_OTHERS if self._fenced and not claim.claimed else timedelta()
        pause = max(least, claim.next_due - self._clock())
        return max(pause, PAUSE) if claim.held_back else pause

    async def _send(self, claimed: Claimed) -> None:
        row = claimed.row
        transmission = asyncio.create_task(self._handed_over(claimed), name=f"transmit {row.id}")
        self._transmissions.add(transmission)
        try:
            await asyncio.wait({transmission})
        finally:
            self._transmissions.discard(transmission)
        ended = Ended(claimed=claimed, at=self._clock(), chance=self._chance())
        if transmission.cancelled():
            await self._stored(replace(ended, broken_off=True))
            return
        match transmission.exception():
            case None:
                await self._stored(ended)
            case DeliveryError() as error:
                await self._stored(replace(ended, error=error))
            case LeaseLostError():
                say(Line(event=LEASE_LOST, row=row, attempt=row.attempts + 1))
            case error:
                # Only the kind of error: its text may repeat what the message says.
                name = type(error).__name__
                log.error(SENDING_BROKE, outbox_id=row.id, error=name)
                unforeseen = DeliveryError(
                    f"the gateway could not send it: {name}", temporary=True, failure=Failure.INTERNAL
                )
                await self._stored(replace(ended, error=unforeseen))

    async def _handed_over(self, claimed: Claimed) -> None:
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

    async def _stored(self, ended: Ended) -> None:
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
                say(line)
            for _, stored in batch:
                stored.set_result(None)
        self._storing = None

    async def _recorded(self, batch: Sequence[Ended]) -> Sequence[Line]:
        """Store how sendings ended, for as long as it takes: what is not stored goes out a second time.

        Raises:
            StoreError: it could not be stored, and the gateway stops.
        """
        isolating = False
        while True:
            last_try = self._rounds.ending
            try:
                return await self._writer.run(partial(self._record, batch=batch, isolating=isolating))
            except _DATABASE_ERRORS as error:
                if last_try:
                    raise
                self._unavailable(error)
            isolating = True
            await self._rounds.pause(PAUSE)

    def _record(self, uow: UnitOfWork, *, batch: Sequence[Ended], isolating: bool) -> list[Line]:
        """Store how sendings ended.

        Args:
            uow: where.
            batch: how each ended.
            isolating: whether one that the database refuses is left out, because all have been refused for it
                before. A database that cannot be used refuses all, and none is left out for that.
        """
        lines: list[Line] = []
        for ended in batch:
            try:
                with uow.savepoint():
                    lines += conclude(self._settings, uow, ended)
            except Exception as error:
                if isinstance(error, _DATABASE_ERRORS) and (
                    not isolating or isinstance(error, OperationalError)
                ):
                    raise
                # One row must not keep the others from being stored. It stays leased, and is sent again.
                name = type(error).__name__
                log.error(SENDING_BROKE, outbox_id=ended.claimed.row.id, error=name)  # noqa: TRY400
        return lines

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
        self._tell_those_who_wait()
        self._rounds.wake()

    def _tell_those_who_wait(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


def _is_owed_on(uow: UnitOfWork, connection_id: str) -> bool:
    """Whether something is to be written on a connection that will be: not while nothing is sent at all."""
    return uow.sending.held() is None and uow.outbox.waits_for(connection_id)
