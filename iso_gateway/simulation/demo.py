"""A gateway and six partners on this machine, and forty requests between them, played to their ends.

Everything is real but the people and the partners' software: the daemon with its database, TCP, the use
cases. Our staff follow `demo-staff.toml`, each partner the scenarios of its part below, as far as its profile
lets it. What follows from what is known by what is asked for: its title names it.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib import resources
from ipaddress import ip_network
from pathlib import Path
from time import monotonic
from typing import Final

from asn1.ill import ILLServiceType
from config import starter
from config.loading import load
from config.settings import ListenerMode, Partner, Settings, TcpTransport
from iso_gateway.daemon import Daemon
from iso_gateway.errors import GatewayError
from iso_gateway.protocol.states import Role, State
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.simulation import scenario
from iso_gateway.simulation.partner import Pause, SimulatedPartner, pause_for
from iso_gateway.simulation.scenario import Order, Scenario
from iso_gateway.simulation.staff import Staff
from iso_gateway.site import Site
from iso_gateway.store.records import HalfId, HalfListing

HOST: Final = "127.0.0.1"
#: How long all of it may take.
PATIENCE: Final = dt.timedelta(seconds=55)

_STAFF: Final = "demo-staff.toml"
_LOAN: Final = (State.RETURNED, State.CHECKED_IN)
_COPY: Final = (State.RECEIVED, State.SHIPPED)
_NOTHING: Final = (State.NOT_SUPPLIED, State.NOT_SUPPLIED)
_CANCELLED: Final = (State.CANCELLED, State.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Requests of one kind.

    Args:
        partner: with whom.
        lender: whether the partner is the lender, so that we are the borrower.
        scenario: what the partner does.
        title: of what is asked for; no other part has it.
        count: how many.
        ends: the states in which the borrower's and the lender's half end.
    """

    partner: str
    lender: bool
    scenario: str
    title: str
    count: int
    ends: tuple[State, State]

    @property
    def wanted(self) -> NewRequest:
        """What is asked for."""
        copy = "copy" in self.title
        services = (ILLServiceType.copy_non_returnable if copy else ILLServiceType.loan,)
        return NewRequest(item=Item(title=self.title), services=services)


def _lends(partner: str, name: str, title: str, count: int, ends: tuple[State, State] = _LOAN) -> Part:
    return Part(partner=partner, lender=True, scenario=name, title=title, count=count, ends=ends)


def _borrows(partner: str, name: str, title: str, count: int, ends: tuple[State, State] = _LOAN) -> Part:
    return Part(partner=partner, lender=False, scenario=name, title=title, count=count, ends=ends)


PARTS: Final = (
    _lends("KPU", "prompt-lender", "a loan from KPU", 4),
    _lends("KPU", "prompt-lender", "a loan from KPU, renewed twice", 2),
    _lends("RRU", "conditional-lender", "a loan from RRU, under a condition", 3),
    _lends("RRU", "conditional-lender", "a loan from RRU, its condition refused", 1, _NOTHING),
    _lends("SFU", "prompt-lender", "a copy from SFU", 3, _COPY),
    _lends("TRU", "lost-shipped", "a loan from TRU, its SHIPPED lost on the way", 3),
    _lends("UBC", "strict-lender", "a loan from UBC, overdue and recalled", 3),
    _lends("UVIC", "unfilled-lender", "a loan from UVIC that it has not got", 2, _NOTHING),
    _borrows("KPU", "prompt-borrower", "a loan to KPU", 4),
    _borrows("RRU", "renewing-borrower", "a loan to RRU that it renews", 3),
    _borrows("SFU", "prompt-borrower", "a loan to SFU, not held here", 3, _NOTHING),
    _borrows("SFU", "prompt-borrower", "a copy to SFU", 1, _COPY),
    _borrows("TRU", "cancelling-borrower", "a loan to TRU, cancelled", 3, _CANCELLED),
    _borrows("UBC", "crossing-cancel", "a loan to UBC, its CANCEL crossing our SHIPPED", 3),
    _borrows("UVIC", "repeats-everything", "a loan to UVIC, which says everything twice", 2),
)
"""Forty requests, about half in each direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How one request ended.

    Args:
        part: which it belongs to.
        half_id: its number in the gateway; None when it never came there.
        ours, theirs: the states of the two halves; None where there is none.
    """

    part: Part
    half_id: HalfId | None
    ours: State | None
    theirs: State | None

    @property
    def as_expected(self) -> bool:
        """Whether both sides are where they should be."""
        borrower, lender = (self.ours, self.theirs) if self.part.lender else (self.theirs, self.ours)
        return (borrower, lender) == self.part.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of it.

    Args:
        settings: those of the gateway, to look into its database.
        lines: one for each request.
        apdus: how many the partners received and sent.
        duration: from the first request to the last end.
    """

    settings: Settings
    lines: tuple[Line, ...]
    apdus: int
    duration: dt.timedelta

    @property
    def as_expected(self) -> bool:
        """Whether every request is where it should be, on both sides."""
        return len(self.lines) == sum(part.count for part in PARTS) and all(
            line.as_expected for line in self.lines
        )


async def play(directory: Path, *, pause: Pause = pause_for, patience: dt.timedelta = PATIENCE) -> Report:
    """Play all of it.

    Args:
        directory: an empty one, in which the gateway keeps its configuration and its state.
        pause: waits.
        patience: how long the requests may take; what has not ended then is reported as it is.

    Raises:
        ConfigErrors, GatewayError, ListenError: the gateway cannot be started.
    """
    woken = asyncio.Event()
    example = load(starter.write(directory)[0])
    async with AsyncExitStack() as stack:
        partners = {
            name: await stack.enter_async_context(
                SimulatedPartner(_profile(example, name), _scenario(name), pause=pause, on_move=woken.set)
            )
            for name in dict.fromkeys(part.partner for part in PARTS)
        }
        settings = _readdressed(example, partners)
        gateway = await stack.enter_async_context(running(settings))
        site = Site.open(settings)
        stack.callback(site.close)
        staff = Staff(site, _staff(), pause=pause)
        began = monotonic()
        working = asyncio.ensure_future(staff.run())
        try:
            await _begin(staff, partners, settings, gateway)
            await _until_ended(staff, partners, woken, working, patience)
            duration = dt.timedelta(seconds=monotonic() - began)
            lines = _lines(await staff.requests(), partners)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
    apdus = sum(len(one.sent) + len(one.received) for each in partners.values() for one in each.conversations)
    return Report(settings=settings, lines=lines, apdus=apdus, duration=duration)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Mapping[str, tuple[str, int]]]:
    """A daemon in this process, while the `async with` lasts; gives the listeners' addresses.

    Raises:
        ConfigErrors, GatewayError, ListenError: it cannot be started.
    """
    daemon = Daemon(settings)
    ready: asyncio.Future[Mapping[str, tuple[str, int]]] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(daemon.run(ready.set_result))
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await task
        raise GatewayError("the gateway ended before it listened: look at what it logged")
    try:
        yield ready.result()
    finally:
        daemon.stop()
        await task


def _profile(settings: Settings, name: str) -> Partner:
    partner = settings.partner(name)
    if partner is None:
        raise GatewayError(
            f"the example partner {name!r} is missing from the configuration that comes with us"
        )
    return partner


def _scenario(name: str) -> Scenario:
    """All that a partner does: what it does as lender and as borrower, without the requests of its own."""
    used = [
        scenario.load(one) for one in dict.fromkeys(part.scenario for part in PARTS if part.partner == name)
    ]
    rules = tuple(
        replace(rule, role=rule.role or role)
        for one, role in zip(used, (Role.RESPONDER, Role.REQUESTER), strict=True)
        for rule in one.rules
    )
    # Why the last: a way of sending is a habit of the software, and the borrower's scenarios have it.
    return Scenario(description=f"What {name} does in the demonstration", way=used[-1].way, rules=rules)


def _staff() -> Scenario:
    return scenario.read_file(resources.files("iso_gateway.simulation") / _STAFF)


def _readdressed(settings: Settings, partners: Mapping[str, SimulatedPartner]) -> Settings:
    """The example configuration, with the partners on this machine and ports that the system chooses."""
    here = (ip_network("127.0.0.0/8"),)
    known = tuple(
        replace(
            partner.profile,
            allowed_sources=here,
            transport=TcpTransport(host=partner.address[0], port=partner.address[1]),
        )
        for partner in partners.values()
    )
    listeners = tuple(replace(listener, host=HOST, port=0) for listener in settings.listeners)
    return replace(settings, listeners=listeners, partners=known)


async def _begin(
    staff: Staff,
    partners: Mapping[str, SimulatedPartner],
    settings: Settings,
    gateway: Mapping[str, tuple[str, int]],
) -> None:
    [local, *_] = settings.local
    [one_way, *_] = [one.name for one in settings.listeners if one.mode is ListenerMode.ONE_WAY]
    for partner in partners.values():
        partner.meets(gateway[one_way], local.symbol)
    for part in PARTS:
        if part.lender:
            for _ in range(part.count):
                await staff.request(part.wanted, partner=_profile(settings, part.partner), local=local)
        else:
            partners[part.partner].order(Order(request=part.wanted, count=part.count))


async def _until_ended(
    staff: Staff,
    partners: Mapping[str, SimulatedPartner],
    woken: asyncio.Event,
    working: asyncio.Future[None],
    patience: dt.timedelta,
) -> None:
    """Return once every request is where it should be, or the time is over."""
    stopped = asyncio.ensure_future(woken.wait())
    try:
        async with asyncio.timeout(patience.total_seconds()):
            while not all(line.as_expected for line in _lines(await _seen(staff, partners), partners)):
                await asyncio.wait((stopped, working), return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    working.result()
                woken.clear()
                stopped = asyncio.ensure_future(woken.wait())
                staff.wake()
    except TimeoutError:
        return
    finally:
        stopped.cancel()


async def _seen(staff: Staff, partners: Mapping[str, SimulatedPartner]) -> tuple[HalfListing, ...]:
    """The gateway's requests, asked for only when the partners are done: asking costs."""
    ended = sum(
        one.state in part.ends
        for part in PARTS
        for one in partners[part.partner].conversations
        if one.title == part.title
    )
    return await staff.requests() if ended == sum(part.count for part in PARTS) else ()


def _lines(listings: Sequence[HalfListing], partners: Mapping[str, SimulatedPartner]) -> tuple[Line, ...]:
    ours = {str((one.summary or {}).get("request_number")): one.half for one in listings}
    lines: list[Line] = []
    for part in PARTS:
        theirs = [one for one in partners[part.partner].conversations if one.title == part.title]
        for place in range(part.count):
            known = theirs[place] if place < len(theirs) else None
            half = None if known is None else ours.get(known.number)
            lines.append(
                Line(
                    part=part,
                    half_id=None if half is None else half.id,
                    ours=None if half is None else State(half.state),
                    theirs=None if known is None else known.state,
                )
            )
    return tuple(lines)
