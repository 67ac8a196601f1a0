"""A gateway among others: the name of its state, and saying that it is there."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from iso_gateway.errors import GatewayError
from iso_gateway.running import membership as module
from iso_gateway.running.membership import Membership, ReplacedError, new_gateway_id, state_id
from iso_gateway.store.gateways import GATEWAY_ID_LENGTH
from iso_gateway.store.records import GatewayId
from iso_gateway.store.unit_of_work import UnitOfWork
from iso_gateway.store.writer import Writer
from tests.support.gateway import Desk

PATIENCE = 60
#: So short that a third of it is over at once.
LEASE = timedelta(milliseconds=30)


@pytest.fixture
def writer(desk: Desk) -> Iterator[Writer]:
    """The one that writes."""
    writer = Writer(desk.site.store)
    yield writer
    writer.close()


def joining(desk: Desk, writer: Writer, gateway: GatewayId, *, alone: bool = False) -> Membership:
    return Membership(writer, gateway=gateway, state_id="same", lease=LEASE, clock=desk.clock, alone=alone)


def nothing(_uow: UnitOfWork) -> None:
    """Renew nothing."""


class TestStateId:
    def test_it_is_made_once_and_kept(self, tmp_path: Path) -> None:
        made = state_id(tmp_path)
        assert len(made) == 32
        assert state_id(tmp_path) == made
        (tmp_path / "gateway.id").write_text("")
        assert state_id(tmp_path) != made

    def test_one_that_cannot_be_read_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "gateway.id").write_bytes(b"\xff")
        with pytest.raises(GatewayError, match="remove it, and a new one is made"):
            state_id(tmp_path)

    def test_one_that_cannot_be_written_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(GatewayError, match="cannot write"):
            state_id(tmp_path / "missing")

    def test_each_run_has_an_id_of_its_own(self) -> None:
        first, second = new_gateway_id(), new_gateway_id()
        assert len(first) == GATEWAY_ID_LENGTH
        assert first != second


class TestHeartbeat:
    async def test_it_is_said_again_and_again_with_what_is_to_be_renewed(
        self, desk: Desk, writer: Writer
    ) -> None:
        gateway = new_gateway_id()
        membership = joining(desk, writer, gateway)
        await membership.join()
        desk.clock.advance(minutes=1)
        renewed: list[UnitOfWork] = []
        beats: asyncio.Queue[None] = asyncio.Queue()

        async def beaten() -> None:
            beats.put_nowait(None)

        running = asyncio.create_task(membership.run(lambda: renewed.append, beaten))
        async with asyncio.timeout(PATIENCE):
            await beats.get()
            await beats.get()
        running.cancel()
        await asyncio.wait({running})
        assert len(renewed) >= 2
        with desk.reading() as uow:
            [record] = uow.gateways.list()
        assert (record.id, record.last_seen_at) == (gateway, desk.clock.now)
        await membership.leave()
        with desk.reading() as uow:
            [record] = uow.gateways.list()
        assert record.stopped_at == desk.clock.now

    async def test_who_has_been_replaced_ends(self, desk: Desk, writer: Writer) -> None:
        first = joining(desk, writer, new_gateway_id())
        await first.join()
        await joining(desk, writer, new_gateway_id()).join()

        async def beaten() -> None:
            raise AssertionError("it is not there any more")

        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ReplacedError, match="if the state directory was copied"):
                await first.run(lambda: nothing, beaten)

    async def test_a_database_that_is_away_is_waited_for(self, desk: Desk) -> None:
        structlog.reset_defaults()
        writer = Writer(desk.site.store)
        membership = joining(desk, writer, new_gateway_id())
        await membership.join()
        writer.close()
        failed: asyncio.Queue[None] = asyncio.Queue()

        def renewal() -> Callable[[UnitOfWork], None]:
            failed.put_nowait(None)
            return nothing

        async def beaten() -> None:
            raise AssertionError("nothing was said")

        with capture_logs() as lines:
            running = asyncio.create_task(membership.run(renewal, beaten))
            async with asyncio.timeout(PATIENCE):
                await failed.get()
                await failed.get()
            running.cancel()
            await asyncio.wait({running})
        assert module.HEARTBEAT_FAILED in [line["event"] for line in lines]
