"""Whether a partner is alive, asked of simulated ones and of what is worse."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from asn1.codec import decode
from asn1.ill import StatusQuery
from config import starter
from config.loading import load
from config.settings import (
    ApduName,
    Capabilities,
    ListenerMode,
    LocalSymbol,
    MailTransport,
    Partner,
    RetryPolicy,
    TcpTransport,
)
from config.symbols import Symbol
from iso_gateway import probe
from iso_gateway.probe import Outcome
from iso_gateway.simulation.demo import running
from iso_gateway.simulation.partner import SimulatedPartner, no_pause
from iso_gateway.site import opened_if_any
from tests.integration.simulation.test_partner import profile, read

BEX: Final = LocalSymbol(name="BEX", symbol=Symbol.parse("ILLUME:BEX"))
SFU: Final = Symbol.parse("ILLUME:SFU")
NOW: Final = dt.datetime(2026, 11, 16, 18, tzinfo=dt.UTC)


async def probed(partner: Partner, *, patience: float = 10.0) -> probe.Result:
    """Test a partner, without a gateway."""
    return await probe.Probe(
        partner=partner,
        local=BEX,
        qualifier="once",
        at=NOW,
        store=None,
        patience=dt.timedelta(seconds=patience),
    ).run()


@asynccontextmanager
async def playing(mode: ListenerMode, **keys: Any) -> AsyncIterator[tuple[SimulatedPartner, Partner]]:
    """Play a partner without rules, and give its profile as the gateway has it."""
    known = profile(SFU, mode)
    async with SimulatedPartner(known, read(**keys), pause=no_pause) as played:
        played.meets(("127.0.0.1", 1), BEX.symbol)
        host, port = played.address
        yield played, dataclasses.replace(known, transport=TcpTransport(host=host, port=port, mode=mode))


async def test_a_two_way_partner_answers_that_it_knows_of_nothing() -> None:
    async with playing(ListenerMode.TWO_WAY) as (played, partner):
        result = await probed(partner)
        assert (result.outcome, result.asked) == (Outcome.ALIVE, True)
        assert result.outcome.good
        assert played.conversations == (), "nothing is recorded as a request"


async def test_a_two_way_partner_that_does_not_answer_is_silent() -> None:
    async with playing(ListenerMode.TWO_WAY, reports=False) as (_, partner):
        result = await probed(partner, patience=0.05)
        assert result.outcome is Outcome.SILENT
        assert not result.outcome.good
        assert result.words == (
            "it took the query, and did not answer it within 0.05 seconds: look whether its ILL system runs"
        )


async def test_software_that_answers_no_queries_is_only_reached() -> None:
    async with playing(ListenerMode.ONE_WAY) as (played, partner):
        everything = frozenset(ApduName)
        for capabilities in (
            Capabilities(accepts=everything - {ApduName.STATUS_QUERY}),
            Capabilities(sends=everything - {ApduName.STATUS_OR_ERROR_REPORT}),
        ):
            result = await probed(dataclasses.replace(partner, capabilities=capabilities))
            assert (result.outcome, result.asked) == (Outcome.REACHED, False)
        assert played.happenings == (), "not an octet was sent"


async def test_a_one_way_partner_answers_to_a_gateway() -> None:
    async with playing(ListenerMode.ONE_WAY) as (_, partner):
        result = await probed(partner)
        assert (result.outcome, result.asked) == (Outcome.REACHED, True)
        assert "no gateway has ever run here" in result.words


async def test_nobody_there() -> None:
    async with playing(ListenerMode.TWO_WAY) as (_, partner):
        pass
    result = await probed(partner)
    assert result.outcome is Outcome.NOT_REACHED
    assert result.words.startswith("cannot connect to 127.0.0.1:")


async def test_a_partner_that_closes_without_a_word() -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(closing, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        transport = TcpTransport(host="127.0.0.1", port=port, mode=ListenerMode.TWO_WAY)
        result = await probed(dataclasses.replace(profile(SFU, ListenerMode.TWO_WAY), transport=transport))
    assert result.outcome in {Outcome.SILENT, Outcome.NOT_REACHED}


@pytest.mark.parametrize(
    ("octets", "outcome"),
    [(b"echo", Outcome.ANSWERS_ODDLY), (b"HTTP/1.1 400 Bad Request\r\n\r\n", Outcome.SILENT)],
)
async def test_odd_answers(octets: bytes, outcome: Outcome) -> None:
    asked: list[bytes] = []

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(65536))
        writer.write(asked[0] if octets == b"echo" else octets)
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answering, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        transport = TcpTransport(host="127.0.0.1", port=port, mode=ListenerMode.TWO_WAY)
        partner = dataclasses.replace(profile(SFU, ListenerMode.TWO_WAY), transport=transport)
        result = await probed(partner, patience=0.5)
    assert result.outcome is outcome
    query = decode(asked[0])
    assert isinstance(query, StatusQuery)
    assert query.transaction_id.transaction_qualifier.text == "once"
    assert query.service_date_time.date_time_of_this_service.time == "100000"


async def test_a_partner_by_mail_cannot_be_tested() -> None:
    partner = Partner(
        name="M",
        symbols=(SFU,),
        transport=MailTransport(address="ill@sfu.example"),
        retry=RetryPolicy(),
    )
    result = await probed(partner)
    assert result.outcome is Outcome.NOT_REACHED
    assert not result.asked


@pytest.mark.parametrize(("reports", "outcome"), [(True, Outcome.ALIVE), (False, Outcome.SILENT)])
async def test_the_answer_of_a_one_way_partner_is_found_in_the_store(
    reports: bool,  # noqa: FBT001 - a parameter of the test
    outcome: Outcome,
    tmp_path: Path,
) -> None:
    async with playing(ListenerMode.ONE_WAY, reports=reports) as (played, partner):
        known = load(starter.write(tmp_path)[0])
        listeners = tuple(dataclasses.replace(one, port=0) for one in known.listeners)
        settings = dataclasses.replace(known, partners=(partner,), listeners=listeners)
        async with running(settings) as addresses:
            played.meets(addresses["one-way"], BEX.symbol)
            with opened_if_any(settings) as site:
                assert site is not None
                result = await probe.Probe(
                    partner=partner,
                    local=BEX,
                    qualifier="once",
                    at=NOW,
                    store=site.store,
                    patience=dt.timedelta(seconds=10 if reports else 0.2),
                ).run()
                with site.store.reading() as uow:
                    assert uow.halves.list() == ()
    assert result.outcome is outcome
    if not reports:
        assert "no answer reached our listener within 0.2 seconds" in result.words
