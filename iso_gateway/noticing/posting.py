"""Telling webhooks of events: in order, at least once, each event with its number, without patron data.

Theory of operation. The store keeps, for each webhook, the number of the last event that it has taken. What
has a greater number is posted in one request, oldest first; when that is taken, the number moves. What is not
taken is posted again, later and later; nothing is ever left out. After a crash the same may be posted twice,
so whoever listens remembers the last number and passes over what is not greater. Of several gateways one at
a time posts to a webhook, by a lease.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from config.settings import RetryPolicy
from iso_gateway.errors import StoreError
from iso_gateway.outbox.policy import delay_after
from iso_gateway.rounds import Rounds
from iso_gateway.store.records import EventRecord, GatewayId, WebhookRecord
from iso_gateway.store.unit_of_work import Store
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

TOLD: Final = "webhook.told"
FAILED: Final = "webhook.failed"
BROKE: Final = "webhook.broke"

#: How many events go in one request.
MOST: Final = 100
#: How long it does not look again after it has looked, however often it is woken.
REST: Final = timedelta(milliseconds=250)
#: How long it sleeps when nothing wakes it.
NAP: Final = timedelta(minutes=1)
#: A clock that is further behind than this, compared with what it said last, was set back.
STEP: Final = timedelta(seconds=1)
#: How much longer than a request may take a gateway holds its lease.
MARGIN: Final = timedelta(seconds=30)

#: What of an event's detail is told to anybody; anything else may be patron data.
PLAIN_DETAIL: Final = (
    "service",
    "state",
    "verdict",
    "notice",
    "partner",
    "reason",
    "failure",
    "advice",
    "may_have_arrived",
    "attention",
    "attention_id",
    "actor",
)


class NotTakenError(Exception):
    """A webhook did not take what was posted; the message says why."""


class Sender(Protocol):
    """Posts to one webhook. The daemon makes one of its adapter."""

    async def post(self, body: bytes, at: datetime) -> None:
        """Post JSON, signed with the moment. Raises NotTakenError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What is posted at once."""

    before: WebhookRecord
    events: tuple[EventRecord, ...]

    @property
    def last(self) -> int:
        """The number of the last event."""
        return self.events[-1].sequence


class Poster:
    """Tells one webhook.

    Args:
        name: of the webhook.
        store: where the events are.
        writer: the one writer of the store.
        sender: posts.
        gateway: this gateway, for the lease.
        lease: how long a request may take.
        retry: how long it waits after a failure.
        clock: gives the moment, aware.
        chance: gives a random number in [0, 1), for the waits.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        writer: Writer,
        sender: Sender,
        *,
        gateway: GatewayId,
        lease: timedelta,
        retry: RetryPolicy,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self._name = name
        self._store = store
        self._writer = writer
        self._sender = sender
        self._gateway = gateway
        self._lease = lease + MARGIN
        self._retry = retry
        self._clock = clock
        self._chance = chance
        self._latest: datetime | None = None
        self._rounds = Rounds(least=REST)

    def wake(self) -> None:
        """There may be an event."""
        self._rounds.wake()

    def stop(self) -> None:
        """Begin nothing more."""
        self._rounds.stop()

    async def run(self) -> None:
        """Tell of events until `stop` is called."""
        await self._rounds.run(self._round)

    async def _round(self) -> timedelta:
        try:
            return await self.tell()
        except StoreError as error:
            log.error(BROKE, webhook=self._name, error=str(error))  # noqa: TRY400 - it says what to do
            return NAP

    async def tell(self) -> timedelta:
        """Post what there is to tell, as long as it is taken; gives for how long there is nothing to do."""
        await self._notice_the_clock()
        while not self._rounds.ending:
            known = await asyncio.to_thread(self._look)
            if known is None:
                await self._writer.run(lambda uow: uow.webhooks.enter(self._name))
                continue
            if isinstance(known, timedelta):
                return known
            if not await self._post(known):
                return NAP
        return NAP

    async def _notice_the_clock(self) -> None:
        """Wait for nothing that a clock set back has moved away."""
        now = self._clock()
        if self._latest is not None and now < self._latest - STEP:
            await self._writer.run(lambda uow: uow.webhooks.no_later_than(self._name, now))
        self._latest = now

    def _look(self) -> _Batch | timedelta | None:
        """What is to be posted now; else for how long nothing is; None if the webhook is not known yet."""
        with self._store.reading() as uow:
            if uow.sending.held() is not None:
                return NAP
            before = uow.webhooks.get(self._name)
            if before is None:
                return None
            now = self._clock()
            waiting = [moment for moment in (before.retry_at, before.lease_until) if moment is not None]
            if waiting and max(waiting) > now:
                return min(max(waiting) - now, NAP)
            events = uow.events.after(before.sequence, MOST)
            return _Batch(before=before, events=events) if events else NAP

    async def _post(self, batch: _Batch) -> bool:
        """Post a batch; whether there may be more to do at once."""
        now = self._clock()
        claimed = await self._writer.run(
            lambda uow: uow.webhooks.claim(
                batch.before, owner=self._gateway, now=now, until=now + self._lease
            )
        )
        if not claimed:
            return False
        try:
            await self._sender.post(body(batch.events), self._clock())
        except NotTakenError as error:
            await self._failed(batch, str(error))
        else:
            await self._writer.run(
                lambda uow: uow.webhooks.told(self._name, owner=self._gateway, sequence=batch.last)
            )
            log.info(TOLD, webhook=self._name, events=len(batch.events), sequence=batch.last)
        return True

    async def _failed(self, batch: _Batch, error: str) -> None:
        now = self._clock()
        again = now + delay_after(batch.before.failures + 1, self._retry, self._chance())
        log.warning(FAILED, webhook=self._name, error=error, again=again.isoformat())
        await self._writer.run(
            lambda uow: uow.webhooks.failed(
                self._name, owner=self._gateway, now=now, again=again, error=error
            )
        )


def body(events: Sequence[EventRecord]) -> bytes:
    """What is posted: the events as JSON, with so much of their detail as is no patron data."""
    told = [
        {
            "sequence": event.sequence,
            "at": event.at.isoformat(),
            "kind": event.kind,
            "request_id": event.half_id,
            "message_id": event.message_id,
            "detail": plain_detail(event),
        }
        for event in events
    ]
    return json.dumps({"events": told}, separators=(",", ":")).encode("ascii")


def plain_detail(event: EventRecord) -> dict[str, object]:
    """So much of an event's detail as is no patron data."""
    return {
        name: event.detail[name]
        for name in PLAIN_DETAIL
        if event.detail is not None and event.detail.get(name) is not None
    }
