"""Our own side's people: they act on what the gateway tells them, and only through it."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from asn1 import ill
from asn1.codec import decode
from iso_gateway.errors import GatewayError, PrimitiveInvalidError
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import State
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.simulation import scenario
from iso_gateway.simulation.partner import no_pause
from iso_gateway.simulation.scenario import Scenario
from iso_gateway.simulation.staff import Staff
from iso_gateway.store.records import MessageId
from tests.support.apdus import ill_request, status_query
from tests.support.gateway import BEX, YAZ, Desk, settings_in


def read(*rules: dict[str, Any]) -> Scenario:
    """Give a scenario of these rules."""
    return scenario.read({"description": "Our people", "rules": list(rules)}, Path("staff.toml"))


def on(service: str, *then: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """Give one rule."""
    return {"on": service, "then": list(then), **keys}


SHIP = {"send": "SHIPPED", "fields": {"date_due": "+21d"}}


@asynccontextmanager
async def working(desk: Desk, play: Scenario, partner: str | None = None) -> AsyncIterator[Staff]:
    """Let people work at a desk, beside the test."""
    staff = Staff(desk.site, play, pause=no_pause, partner=partner)
    task = asyncio.ensure_future(staff.run())
    try:
        yield staff
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def state_of(desk: Desk, staff: Staff, wanted: State) -> None:
    """Return once the only request is in a state."""
    async with asyncio.timeout(60):
        while [one.half.state for one in await staff.requests()] != [wanted]:
            staff.wake()
            await asyncio.sleep(0)
    assert desk.counts()["halves"] == 1


async def test_they_answer_what_comes_in(tmp_path: Path) -> None:
    with Desk.open(settings_in(tmp_path)) as desk:
        desk.receive(ill_request())
        async with working(desk, read(on("ILL-REQUEST", SHIP))) as staff:
            await state_of(desk, staff, State.SHIPPED)
            assert staff.left_out == []


async def test_they_say_of_no_copy_when_it_is_due(tmp_path: Path) -> None:
    with Desk.open(settings_in(tmp_path)) as desk:
        copy = (ill.ILLServiceType.copy_non_returnable,)
        desk.receive(dataclasses.replace(ill_request(), iLL_service_type=copy))
        async with working(desk, read(on("ILL-REQUEST", SHIP))) as staff:
            await state_of(desk, staff, State.SHIPPED)
        with desk.reading() as uow:
            shipped = decode(uow.messages.raw(MessageId(3)))
        assert isinstance(shipped, ill.Shipped)
        assert shipped.supply_details.date_due is None


async def test_what_the_protocol_refuses_is_left_out(tmp_path: Path) -> None:
    with Desk.open(settings_in(tmp_path)) as desk:
        desk.receive(ill_request())
        play = read(on("ILL-REQUEST", {"send": "CHECKED-IN"}, SHIP))
        async with working(desk, play) as staff:
            await state_of(desk, staff, State.SHIPPED)
            [left_out] = staff.left_out
            assert left_out.service is Service.CHK
            assert "is not possible in IN-PROCESS" in left_out.reason


async def test_they_see_their_partners_requests_only(tmp_path: Path) -> None:
    with Desk.open(settings_in(tmp_path)) as desk:
        desk.receive(ill_request())
        async with working(desk, read(on("ILL-REQUEST", SHIP)), partner="SFU") as staff:
            staff.wake()
            assert await staff.requests() == ()
        async with working(desk, read(on("ILL-REQUEST", SHIP)), partner="YAZ") as staff:
            await state_of(desk, staff, State.SHIPPED)


async def test_a_request_of_their_own_and_its_rule(tmp_path: Path) -> None:
    with Desk.open(settings_in(tmp_path)) as desk:
        play = read(on("ILL-REQUEST", {"send": "CANCEL"}, role="requester"), on("ILL-REQUEST", SHIP))
        async with working(desk, play) as staff:
            await staff.request(NewRequest(item=Item(title="A book")), partner=YAZ, local=BEX)
            await state_of(desk, staff, State.CANCEL_PENDING)


async def test_a_query_is_no_news_to_them(tmp_path: Path) -> None:
    request = ill_request()
    with Desk.open(settings_in(tmp_path)) as desk:
        desk.receive(request)
        desk.receive(status_query(request))
        async with working(desk, read(on("STATUS-QUERY", SHIP, time=2), on("MESSAGE", SHIP))) as staff:
            staff.wake()
            await state_of(desk, staff, State.IN_PROCESS)


async def test_another_failure_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise PrimitiveInvalidError("broken on purpose")

    with Desk.open(settings_in(tmp_path)) as desk:
        desk.receive(ill_request())
        monkeypatch.setattr(desk.site.gateway, "act", broken)
        staff = Staff(desk.site, read(on("ILL-REQUEST", SHIP)), pause=no_pause)
        staff.wake()
        with pytest.raises(PrimitiveInvalidError, match="broken on purpose"):
            await asyncio.wait_for(staff.run(), 60)


@pytest.mark.parametrize(
    "rule",
    [
        on("ILL-REQUEST", {**SHIP, "force": True}),
        on("ILL-REQUEST", {**SHIP, "way": "twice"}),
        on("ILL-REQUEST", {"repeat": "SHIPPED"}),
        on("ILL-REQUEST", {"send": "EXPIRED"}),
        on("CANCEL", before=[SHIP]),
        on("CANCEL", arrival="lost"),
    ],
)
def test_people_who_would_misbehave_are_not_hired(rule: dict[str, Any], tmp_path: Path) -> None:
    with (
        Desk.open(settings_in(tmp_path)) as desk,
        pytest.raises(GatewayError, match="our own staff"),
    ):
        Staff(desk.site, read(rule))
