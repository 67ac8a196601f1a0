"""APDUs by mail through a real Postfix: two gateways, and what a mail server does besides delivering."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from asn1.codec import encode
from config.settings import Mail, MailTransport, Partner, RetryPolicy, Settings
from iso_gateway.daemon import Intake
from iso_gateway.errors import DeliveryError
from iso_gateway.mailing import MailEntrance, MailIntake, MailTransmitter, mark_of
from iso_gateway.store.records import OutboxId
from iso_gateway.store.writer import Writer
from tests.support import gateway, postfix
from tests.support.apdus import ill_request
from tests.support.gateway import Desk
from tests.support.postfix import HOST, Postfix

LENDER: Final = "lender.example"
BORROWER: Final = "borrower.example"


@pytest.fixture(scope="module")
def server() -> Iterator[Postfix]:
    with postfix.installed(LENDER, BORROWER) as one:
        yield one


@asynccontextmanager
async def entrance(desk: Desk) -> AsyncIterator[MailEntrance]:
    writer = Writer(desk.site.store)
    intake = MailIntake(Intake(desk.site.gateway, writer), desk.site.gateway, desk.site, writer)
    ways = MailEntrance(desk.site.settings, intake)
    await ways.start()
    try:
        yield ways
    finally:
        await ways.stop(timedelta(seconds=5))
        await asyncio.to_thread(writer.close)


def by_mail(settings: Settings, server: Postfix) -> Settings:
    partner = replace(gateway.SFU, transport=MailTransport(address=f"ill@{BORROWER}"), allowed_sources=())
    local = replace(gateway.BEX, mail_address=f"ill@{LENDER}")
    return replace(
        gateway.with_partner(settings, partner),
        local=(local,),
        mail=Mail(relay_host=HOST, relay_port=server.port, lmtp_host=HOST, lmtp_port=0),
    )


async def test_try(tmp_path: Path, server: Postfix) -> None:
    settings = by_mail(gateway.settings_in(tmp_path), server)
    with Desk.open(settings) as desk:
        async with entrance(desk) as ways:
            port = ways.addresses["lmtp"][1]
            server.route({LENDER: port, BORROWER: port})
            server.start()
            sender = MailTransmitter(settings, desk.site)
            partner = settings.partner("SFU")
            await sender.send(partner, partner.transport, encode(ill_request()), outbox_id=OutboxId(1))
            for n in range(50):
                await asyncio.sleep(0.1)
                if desk.counts()["messages"]:
                    break
            print(server.log)
            with desk.reading() as uow:
                for one in uow.messages.list():
                    print(one)
                    print(uow.messages.raw(one.message.id))
            print(ways._lmtp.refusals)
            for to in (postfix.TEMPFAIL, postfix.GONE, postfix.BOUNCING):
                try:
                    await sender.send(
                        partner,
                        MailTransport(address=f"x@{to}"),
                        encode(ill_request()),
                        outbox_id=OutboxId(2),
                    )
                except DeliveryError as error:
                    print(error, error.temporary)
            for n in range(50):
                await asyncio.sleep(0.1)
                if desk.counts()["messages"] > 1:
                    break
            print(server.log[-3000:])
            with desk.reading() as uow:
                for one in uow.messages.list():
                    print(one)
                print(uow.messages.raw(uow.messages.list()[0].message.id).decode())
