"""Simulated partners over real TCP: two of them talk to each other, and one is asked by hand."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.errors import DeliveryFailed
from asn1.codec import decode, encode
from config.settings import ListenerMode, MailTransport, Partner, TcpTransport
from config.symbols import Symbol
from iso_gateway.errors import GatewayError
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import Role, State
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.simulation import scenario
from iso_gateway.simulation.partner import SimulatedPartner, no_pause
from iso_gateway.simulation.scenario import Order, Scenario, Step
from iso_gateway.simulation.script import Fate
from tests.support import apdus

UBC: Final = Symbol.parse("ILLUME:UBC")
SFU: Final = Symbol.parse("ILLUME:SFU")
MODES: Final = pytest.mark.parametrize("mode", ListenerMode)
A_BOOK: Final = Order(request=NewRequest(item=Item(title="A book")))


def profile(symbol: Symbol, mode: ListenerMode) -> Partner:
    """Give the profile of a partner."""
    transport = TcpTransport(host="127.0.0.1", port=1611, mode=mode)
    return Partner(name=symbol.symbol, symbols=(symbol,), transport=transport)


def read(*rules: dict[str, Any], **keys: Any) -> Scenario:
    """Give a scenario of these rules."""
    return scenario.read({"description": "A test", "rules": list(rules), **keys}, Path("test.toml"))


@asynccontextmanager
async def pair(
    borrower: Scenario, lender: Scenario, mode: ListenerMode
) -> AsyncIterator[tuple[SimulatedPartner, SimulatedPartner]]:
    """Give two partners that know each other: each is the other's gateway."""
    async with AsyncExitStack() as stack:
        ubc = await stack.enter_async_context(SimulatedPartner(profile(UBC, mode), borrower, pause=no_pause))
        sfu = await stack.enter_async_context(SimulatedPartner(profile(SFU, mode), lender, pause=no_pause))
        ubc.meets(sfu.address, SFU)
        sfu.meets(ubc.address, UBC)
        yield ubc, sfu


@MODES
async def test_a_loan_and_a_copy(mode: ListenerMode) -> None:
    async with pair(scenario.load("prompt-borrower"), scenario.load("prompt-lender"), mode) as (ubc, sfu):
        ubc.play()
        [loan] = await sfu.reached(State.CHECKED_IN, role=Role.RESPONDER)
        await ubc.reached(State.RETURNED)
        await ubc.reached(State.RECEIVED)
        assert loan.ended
        assert loan.title == "The Penelopiad"
        await sfu.until(lambda: loan.handed_over == 3)


@MODES
async def test_both_at_once(mode: ListenerMode) -> None:
    both = scenario.load("repeats-everything")
    async with pair(both, both, mode) as (ubc, sfu):
        ubc.play()
        sfu.play()
        for partner in (ubc, sfu):
            await partner.reached(State.CHECKED_IN, role=Role.RESPONDER)
            await partner.reached(State.RETURNED, role=Role.REQUESTER)


async def test_a_request_waits_for_its_time() -> None:
    waited: list[dt.timedelta] = []

    async def pause(time: dt.timedelta) -> None:
        waited.append(time)

    play = read(
        {"on": "ILL-REQUEST", "then": [{"send": "SHIPPED", "after": "3d"}, {"send": "RECALL", "after": "2h"}]}
    )
    async with (
        SimulatedPartner(profile(SFU, ListenerMode.ONE_WAY), play, pause=pause) as sfu,
        SimulatedPartner(profile(UBC, ListenerMode.ONE_WAY), read()) as ubc,
    ):
        ubc.meets(sfu.address, SFU)
        sfu.meets(ubc.address, UBC)
        await ubc.request(A_BOOK)
        await ubc.reached(State.RECALL)
    assert waited == [dt.timedelta(days=3), dt.timedelta(hours=2)]


@pytest.mark.parametrize(("arrival", "fate"), [("refused", Fate.MISSED), ("broken", Fate.RECEIVED)])
async def test_a_reset_tells_the_sender_that_it_may_not_have_arrived(arrival: str, fate: Fate) -> None:
    play = read({"on": "ILL-REQUEST", "arrival": arrival, "time": 1})
    async with pair(read(), play, ListenerMode.ONE_WAY) as (ubc, sfu):
        conversation = await ubc.request(A_BOOK)
        assert conversation.handed_over == 1, "sent again, and taken then"
        [lender] = sfu.conversations
        assert lender.past[0].fate is fate
        assert lender.past[1].fate is (Fate.RECEIVED if fate is Fate.MISSED else Fate.IGNORED)


async def test_a_lost_one_is_not_sent_again() -> None:
    play = read({"on": "ILL-REQUEST", "arrival": "lost"})
    async with pair(read(), play, ListenerMode.ONE_WAY) as (ubc, sfu):
        conversation = await ubc.request(A_BOOK)
        assert conversation.handed_over == 1
        assert sfu.conversations[0].state is State.IDLE


@pytest.mark.parametrize("way", ["cut", "reset"])
async def test_half_an_apdu(way: str) -> None:
    async with pair(read(way=way), read(), ListenerMode.ONE_WAY) as (ubc, sfu):
        told: list[Fate] = []
        conversation = await ubc.request(A_BOOK)
        await ubc.do(conversation, Step(send=Service.MSG, fields={"note": "x"}, way=scenario.Way.ONCE))
        told += [one.fate for one in conversation.past]
        assert told == [Fate.SENT, Fate.SENT]
        assert sfu.conversations == (), "the request never arrived, so the message is about nothing"


async def test_a_partner_that_is_down_comes_back_with_its_memory() -> None:
    async with pair(read(), scenario.load("prompt-lender"), ListenerMode.ONE_WAY) as (ubc, sfu):
        await ubc.request(A_BOOK)
        await ubc.reached(State.SHIPPED)
        port = sfu.address
        async with sfu.down():
            with pytest.raises(DeliveryFailed):
                await ubc.send_raw(b"")
            returning = asyncio.ensure_future(
                ubc.do(ubc.conversations[0], Step(send=Service.RCV), Step(send=Service.RET))
            )
        assert sfu.address == port
        await returning
        await ubc.settle()
        await sfu.reached(State.CHECKED_IN)


async def test_anything_can_be_sent() -> None:
    async with pair(read(), read(), ListenerMode.ONE_WAY) as (ubc, sfu):
        request = apdus.ill_request(requester="ILLUME:UBC", responder="ILLUME:SFU")
        await ubc.send_raw(request)
        await ubc.send_raw(encode(apdus.cancel(request)))
        assert decode(encode(sfu.conversations[0].received[-1])) == apdus.cancel(request)
        await ubc.send_raw(b"GET / HTTP/1.1\r\n\r\n")
        assert sfu.conversations[0].state is State.CANCEL_PENDING


async def test_waiting_in_vain_tells_what_happened_instead() -> None:
    async with pair(read(), read(), ListenerMode.ONE_WAY) as (ubc, _):
        await ubc.request(A_BOOK)
        with pytest.raises(TimeoutError, match=r"UBC is not there yet\n.* requester PENDING: sent ILL"):
            await ubc.reached(State.SHIPPED, within=dt.timedelta(milliseconds=1))


def test_a_partner_by_mail_cannot_be_played() -> None:
    by_mail = Partner(name="M", symbols=(SFU,), transport=MailTransport(address="ill@sfu.example"))
    with pytest.raises(GatewayError, match="is reached by mail"):
        SimulatedPartner(by_mail, read())
