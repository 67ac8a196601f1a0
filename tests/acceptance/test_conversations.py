"""Conversations over TCP that no scenario plays alone: what is lost and repeated, forwarded, asked for again.

The daemon is a process, the partners are simulated, and our own people act beside the daemon as the command
does. `test_scenarios` plays the others.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from asn1 import ill
from asn1.codec import decode, encode
from config.symbols import Symbol
from iso_gateway import compose, primitives
from iso_gateway.new_request import Item, NewRequest
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import Role, State
from iso_gateway.simulation import composing, scenario
from iso_gateway.simulation.partner import SimulatedPartner, no_pause
from iso_gateway.simulation.scenario import Order, Step
from iso_gateway.simulation.script import Conversation
from iso_gateway.site import Site, opened
from iso_gateway.store.records import HalfId, HalfRecord
from tests.support.daemon import HOST, ONE_WAY, Installation, Line, RunningDaemon
from tests.support.yaz import read_with_libyaz
from tests.support.yaz_reading import reading_of

BEX: Final = Symbol.parse("ILLUME:BEX")
LENDING: Final = {"on": "RETURNED", "then": [{"send": "CHECKED-IN"}]}
FORWARDABLE: Final = NewRequest(item=Item(title="The Penelopiad"), may_forward=True)

#: For `before`: the daemon's clock, not ours, goes thirty days ahead, so that what we agree upon is over there.
AHEAD: Final = """
from datetime import timedelta
from iso_gateway.site import Site
opened = Site._opened.__func__
def ahead(cls, settings, clock, *, upgrading):
    return opened(cls, settings, lambda: clock() + timedelta(days=30), upgrading=upgrading)
Site._opened = classmethod(ahead)
"""


@dataclass(slots=True, kw_only=True)
class Talk:
    """The daemon, our people beside it, and the partners ANN and BEN."""

    daemon: RunningDaemon
    site: Site
    ann: SimulatedPartner
    ben: SimulatedPartner

    def ask(self, new: NewRequest = FORWARDABLE) -> HalfId:
        """Ask ANN for an item."""
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.request(
                uow, new, partner=self.ann.profile, local=self.site.settings.local[0], actor="anna"
            ).half_id

    def act(self, half: HalfId, *services: primitives.Primitive) -> None:
        """Perform services."""
        for one in services:
            with self.site.store.unit_of_work() as uow:
                self.site.gateway.act(uow, half, one, actor="anna")

    def half(self, half: HalfId) -> HalfRecord:
        """A request as the gateway has it."""
        with self.site.store.reading() as uow:
            return uow.halves.get(half)

    def attention(self, half: HalfId) -> list[str]:
        """What people were told about a request."""
        with self.site.store.reading() as uow:
            events = uow.events.after(0, limit=1000)
        return [
            str((one.detail or {}).get("reason"))
            for one in events
            if one.kind == "attention" and one.half_id == half
        ]

    async def line(self, event: str, *, times: int = 1, **fields: object) -> Line:
        """Return once the daemon has logged this."""
        return await asyncio.to_thread(self.daemon.await_line, event, times=times, **fields)

    async def came(
        self, sender: SimulatedPartner, apdu_type: str, *, verdict: str = "applied", times: int = 1
    ) -> HalfId:
        """Return once an APDU of a partner was classified; gives the request that it is about."""
        said = {"partner": sender.profile.name, "apdu_type": apdu_type, "verdict": verdict}
        line = await self.line("apdu.processed", times=times, **said)
        return HalfId(line["half_id"] or 0)


Play = Callable[[Talk], Awaitable[None]]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A gateway for all the conversations."""
    with Installation(tmp_path_factory.mktemp("conversations")).running() as daemon:
        yield daemon


@asynccontextmanager
async def talking(daemon: RunningDaemon, *rules: dict[str, Any], keys: str = "") -> AsyncIterator[Talk]:
    """Let ANN follow rules and BEN none; both are new to the gateway, which hears of them by a reload."""
    raise NotImplementedError
