"""Several gateways on one PostgreSQL database, as far as their use cases go."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from threading import Barrier

import pytest

from asn1 import ill
from config.settings import RetryPolicy, Settings
from iso_gateway.outbox import telling
from iso_gateway.store.records import InputKind
from iso_gateway.store.writer import Writer
from tests.integration.gateway.test_due import END_OF_DUE, expiring
from tests.support import apdus, gateway
from tests.support.dispatching import LogLines, Wire, begun, dispatching, said, say
from tests.support.gateway import AT_SFU, Clock, Desk

PATIENCE = 60


@pytest.mark.postgresql
@pytest.mark.parametrize("portable", ["postgresql"], indirect=True)
async def test_a_partners_limit_is_for_all_of_them_together(portable: Settings, lines: LogLines) -> None:
    narrow = replace(gateway.SFU, retry=RetryPolicy(concurrency=1))
    clock, here, there = Clock(), Wire(), Wire()
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(Desk.open(gateway.with_partner(portable, narrow), clock)) for _ in range(2)
        )
        for number, text in enumerate("ab"):
            say(first, begun(first, number), text)
        here.held = True
        async with dispatching(first, here, owner="one", fenced=True) as one:
            await here.begun()
            say(first, begun(first, 1, "UBC"), "u")
            async with dispatching(second, there, owner="two", fenced=True):
                # It has looked at both partners when it sends to one of them.
                await there.begun()
                await lines.until(telling.APDU_DELIVERED)
            assert (said(here), said(there)) == (["a"], ["u"])
            here.release()
            one.wake()
            for _ in range(2):
                await lines.until(telling.APDU_DELIVERED)
        assert said(here) == ["a", "b"]


@pytest.mark.postgresql
@pytest.mark.parametrize("portable", ["postgresql"], indirect=True)
def test_what_comes_due_is_done_by_one_of_them(portable: Settings) -> None:
    clock = Clock()
    with ExitStack() as stack:
        first = stack.enter_context(Desk.open(portable, clock))
        second = stack.enter_context(Desk.open(portable, clock))
        halves = [
            first.receive(
                expiring(ill.ExpiryFlag.other_Date, expiry="20261120", number=f"{number}"), peer=AT_SFU
            )
            for number in range(10)
        ]
        early = [
            first.receive(
                apdus.cancel(apdus.ill_request(requester="ILLUME:SFU", transaction=f"early {number}")),
                peer=AT_SFU,
                two_way=False,
            )
            for number in range(10)
        ]
        assert {one.verdict for one in early} == {"held"}
        clock.now = END_OF_DUE
        writers = [Writer(desk.site.store) for desk in (first, second)]
        for writer in writers:
            stack.callback(writer.close)
        together = Barrier(2)

        def keep_time(number: int) -> None:
            gateway, writer = (first, second)[number].site.gateway, writers[number]
            together.wait(PATIENCE)
            while (moment := writer.submit(gateway.tick).result(PATIENCE)) is not None:
                assert moment <= clock.now

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(keep_time, number) for number in range(2)]:
                done.result(PATIENCE)

        assert {first.half(one.half_id).state for one in halves} == {"NOT-SUPPLIED"}
        for one in halves:
            assert [step.kind for step in first.inputs(one.half_id)].count(InputKind.TIMER) == 1
        sent = [type(one.apdu) for one in first.outgoing()]
        assert sent.count(ill.Expired) == len(halves)
        assert sent.count(ill.StatusOrErrorReport) == len(early)
        with first.reading() as uow:
            for one in early:
                assert [step.verdict for step in uow.messages.processings(one.message_id)] == [
                    "held",
                    "unknown-transaction",
                ]
