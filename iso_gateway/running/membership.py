"""A gateway among those that share its database: entering, saying that it is there, leaving.

Theory of operation. `store.gateways` says what being there means. A run has an id of its own; the state
directory has one that stays, in the file `gateway.id`, so that a gateway that starts again knows which run
it follows, and takes up at once what that one had in hand. If the directory was copied and both copies run,
the first finds itself declared dead by the second, and ends.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from iso_gateway.errors import GatewayError, StoreError
from iso_gateway.store.gateways import GATEWAY_ID_LENGTH
from iso_gateway.store.records import GatewayId, SendingHold
from iso_gateway.store.unit_of_work import UnitOfWork
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

HEARTBEAT_FAILED: Final = "gateway.heartbeat-failed"

#: How often in the length of a lease a gateway says that it is there.
BEATS: Final = 3
#: How long to wait, at the most, before it is said again when it could not be said.
PAUSE: Final = timedelta(seconds=1)
STATE_ID_FILE: Final = "gateway.id"


class ReplacedError(GatewayError):
    """Another gateway runs in this one's stead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What a gateway found when it started.

    Args:
        abandoned: how many messages an earlier run was sending when it died.
        hold: why nothing is sent, if that is so.
    """

    abandoned: int
    hold: SendingHold | None


def new_gateway_id() -> GatewayId:
    """An id for a run, which no other has."""
    return GatewayId(secrets.token_hex(GATEWAY_ID_LENGTH // 2))


def state_id(state_dir: Path) -> str:
    """The id of a state directory, made the first time. To be asked by who holds the directory's lock."""
    path = state_dir / STATE_ID_FILE
    try:
        known = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        known = ""
    except (OSError, ValueError) as error:
        raise GatewayError(
            f"cannot read {str(path)!r}: {type(error).__name__}; remove it, and a new one is made"
        ) from error
    if known:
        return known[:32]
    made = secrets.token_hex(16)
    try:
        path.write_text(f"{made}\n", encoding="ascii")
    except OSError as error:
        raise GatewayError(f"cannot write {str(path)!r}: {error.strerror}") from error
    return made


class Membership:
    """This gateway's place among the others.

    Args:
        writer: the one writer of the store.
        gateway: this run.
        state_id: see above.
        lease: for how long one that is not heard of counts as alive.
        clock: gives the moment, aware.
        alone: whether no other gateway can use the database.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        gateway: GatewayId,
        state_id: str,
        lease: timedelta,
        clock: Callable[[], datetime],
        alone: bool,
    ) -> None:
        self._writer = writer
        self._gateway = gateway
        self._state_id = state_id
        self._lease = lease
        self._clock = clock
        self._alone = alone

    async def join(self) -> Joined:
        """Enter, and end the leases of those that are dead for certain."""
        now = self._clock()

        def enter(uow: UnitOfWork) -> Joined:
            dead = uow.gateways.enter(
                self._gateway,
                state_id=self._state_id,
                host=socket.gethostname(),
                pid=os.getpid(),
                at=now,
                alone=self._alone,
            )
            if self._alone:
                ended = uow.leases.end_all(now)
                uow.partners.end_probes(now)
            else:
                ended = uow.leases.end_of(dead, now)
            return Joined(abandoned=ended, hold=uow.sending.held())

        return await self._writer.run(enter)

    async def run(
        self, renewal: Callable[[], Callable[[UnitOfWork], None]], beaten: Callable[[], Awaitable[None]]
    ) -> None:
        """Say again and again that this gateway is there, until cancelled.

        Args:
            renewal: gives what is to be renewed in the same unit of work.
            beaten: called after each time.

        Raises:
            ReplacedError: another gateway has declared this one dead, and has taken up what it had in hand.
        """
        interval = (self._lease / BEATS).total_seconds()
        while True:
            await asyncio.sleep(interval)
            try:
                await self._beat(renewal())
                await beaten()
            except StoreError as error:
                log.error(HEARTBEAT_FAILED, error=str(error))  # noqa: TRY400 - it says what to do
                interval = min(PAUSE, self._lease / BEATS).total_seconds()
            else:
                interval = (self._lease / BEATS).total_seconds()

    async def leave(self) -> None:
        """Say that this gateway has ended."""
        now = self._clock()
        await self._writer.run(lambda uow: uow.gateways.leave(self._gateway, now))

    async def _beat(self, renew: Callable[[UnitOfWork], None]) -> None:
        now = self._clock()

        def say(uow: UnitOfWork) -> bool:
            if not uow.gateways.seen(self._gateway, now):
                return False
            renew(uow)
            return True

        if not await self._writer.run(say):
            raise ReplacedError(
                f"another gateway has the same {STATE_ID_FILE} and started after this one, which ends now;"
                f" if the state directory was copied, remove {STATE_ID_FILE} from one of the two"
            )
