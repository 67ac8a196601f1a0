"""APDUs by mail through a real Postfix, as relay and as LMTP client: delivered, put off, refused, bounced."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import pytest
import structlog

from asn1.codec import decode
from asn1.ill import ILLApdu, TransactionResults
from config.settings import LocalSymbol, Mail, MailTls, MailTransport, Partner, Settings
from config.symbols import Symbol
from iso_gateway.failure import Failure
from iso_gateway.half.sending import Context, Destination, enqueue
from iso_gateway.outbox.dispatcher import Dispatcher
from iso_gateway.outbox.telling import APDU_DEFERRED, APDU_DELIVERED, APDU_NOT_DELIVERED
from iso_gateway.outbox.transmitting import Permit
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.request.primitives import Answer, CheckIn, Primitive, Receive, Return, Ship
from iso_gateway.running.intake import Intake
from iso_gateway.running.mailing import ByTransport, MailEntrance, MailIntake, MailTransmitter
from iso_gateway.services import APDU_PROCESSED, Arrival
from iso_gateway.store.records import (
    Direction,
    GatewayId,
    HalfId,
    MessageId,
    OutboxRecord,
    OutboxStatus,
    Transport,
)
from iso_gateway.store.writer import Writer
from tests.integration.adapters.mails import HOST
from tests.support import gateway, postfix
from tests.support.apdus import ill_request
from tests.support.authority import Authority
from tests.support.dispatching import LogLines
from tests.support.gateway import Desk
from tests.support.postfix import Postfix

LENDER: Final = "lender.example"
BORROWER: Final = "borrower.example"
BOX: Final = "box.example"

#: Of the borrower, and of the lender.
REQUEST: Final = ill_request(requester="ILLUME:SFU", responder="ILLUME:BEX")
OURS: Final = ill_request(requester="ILLUME:BEX", responder="ILLUME:SFU")
DUE: Final = date(2026, 12, 24)
THEIRS: Final = ("ILLUME:SFU", "ILLUME:BEX")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSystem:
    """A Postfix, and the ports on which it hands mail over for each domain."""

    server: Postfix
    ports: dict[str, int]
    authority: Path

    @property
    def box(self) -> Path:
        """The Maildir of the third domain."""
        return self.server.top / "box" / "ill"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSystem]:
    authority = Authority(tmp_path_factory.mktemp("tls"))
    identity = authority.identity("mx", host=HOST)
    with postfix.installed(LENDER, BORROWER, maildirs=(BOX,), identity=identity) as server:
        ports = {domain: postfix.free_port() for domain in (LENDER, BORROWER)}
        server.route(ports)
        server.start()
        yield MailSystem(server=server, ports=ports, authority=authority.file)


@pytest.fixture
def lines() -> Iterator[LogLines]:
    """The log of all gateways of a test."""
    captured = LogLines()
    before = structlog.get_config()
    structlog.configure(processors=[captured])
    yield captured
    structlog.configure(**before)


async def processed(lines: LogLines, verdict: str) -> dict[str, Any]:
    """Wait until one of the gateways has classified a message so."""
    while (line := await lines.until(APDU_PROCESSED))["verdict"] != verdict:
        continue
    return line


@dataclass(slots=True)
class Library:
    """A gateway that lets mail in and sends by it, as the daemon does, on a clock of the test's."""

    desk: Desk
    dispatcher: Dispatcher

    def send(self, apdu: ILLApdu) -> MessageId:
        """Queue an APDU of a request that this gateway does not follow."""
        partner = self.desk.site.settings.partners[0]
        with self.desk.site.store.unit_of_work() as uow:
            message_id = enqueue(
                uow,
                apdu,
                Destination(partner=partner),
                Context(),
                retry=partner.retry,
                at=self.desk.clock.now,
            )
        self.dispatcher.wake()
        return message_id

    def row(self, message_id: MessageId) -> OutboxRecord:
        """How the sending of a message stands."""
        with self.desk.reading() as uow:
            [row] = uow.outbox.list(message_id=message_id, finished=True)
        return row

    def came(self) -> list[bytes]:
        """What was received, oldest first; what is being written is waited for."""
        with self.desk.site.store.unit_of_work() as uow:
            return [
                uow.messages.raw(one.message.id)
                for one in reversed(uow.messages.list())
                if one.message.direction is Direction.RECEIVED
            ]


@asynccontextmanager
async def library(
    directory: Path,
    system: MailSystem,
    *,
    domain: str,
    partner: str,
    symbols: tuple[str, str] = ("ILLUME:BEX", "ILLUME:SFU"),
    answers: bool = True,
    **mail: object,
) -> AsyncIterator[Library]:
    """Run a library of a domain whose partner has an address.

    Args:
        directory: for its state; made if need be.
        system: the mail server of both.
        domain: its own.
        partner: the address of its partner.
        symbols: its own, and the partner's.
        answers: whether it sends what its outbox holds.
        mail: settings of mail that differ.
    """
    await asyncio.to_thread(directory.mkdir, exist_ok=True)
    ours, theirs = (Symbol.parse(text) for text in symbols)
    known = Partner(
        name="THEM", symbols=(theirs,), transport=MailTransport(address=partner), document_email=partner
    )
    settings: Settings = replace(
        gateway.settings_in(directory),
        local=(LocalSymbol(name="US", symbol=ours, public_mail=f"ill@{domain}"),),
        partners=(known,),
        routes=(),
        mail=Mail(
            **{  # type: ignore[arg-type]
                "relay_host": HOST,
                "relay_port": system.server.port,
                "lmtp_host": HOST,
                "lmtp_port": system.ports.get(domain, 0),
                **mail,
            }
        ),
    )
    with Desk.open(settings) as desk:
        writer = Writer(desk.site.store)
        intake = Intake(desk.site.gateway, writer)
        entrance = MailEntrance(settings, MailIntake(intake, desk.site.gateway, desk.site, writer))
        transmitter = MailTransmitter(settings, desk.site)
        dispatcher = Dispatcher(
            settings,
            writer,
            ByTransport(settings, _NoConnections(), transmitter, is_live=lambda _: False),
            mailer=transmitter,
            gateway=GatewayId(domain),
            lease=timedelta(minutes=5),
            fenced=False,
            clock=desk.clock,
            chance=lambda: 0.5,
        )
        await entrance.start()
        if not answers:
            dispatcher.stop()
        running = asyncio.create_task(dispatcher.run())
        try:
            yield Library(desk=desk, dispatcher=dispatcher)
        finally:
            dispatcher.stop()
            await running
            await entrance.stop(timedelta(seconds=5))
            await asyncio.to_thread(writer.close)


class _NoConnections:
    """Nothing here goes by TCP."""

    async def transmit(
        self, octets: bytes, *, partner: str | None, connection_id: str | None, permit: Permit
    ) -> None:
        await permit()
        raise AssertionError((len(octets), partner, connection_id))


async def test_a_whole_loan_by_mail(tmp_path: Path, system: MailSystem, lines: LogLines) -> None:
    """From the request to the check-in, each side a gateway; every APDU goes through the mail server."""
    async with (
        library(tmp_path / "l", system, domain=LENDER, partner=f"ill@{BORROWER}") as lender,
        library(tmp_path / "b", system, domain=BORROWER, partner=f"ill@{LENDER}", symbols=THEIRS) as borrower,
    ):
        [partner] = borrower.desk.site.settings.partners
        asked = borrower.desk.request(partner=partner)
        borrower.dispatcher.wake()
        lent = HalfId((await processed(lines, "applied"))["half_id"])
        borrowed = asked.half_id
        assert borrowed is not None

        steps: list[tuple[Library, HalfId, Primitive, tuple[str, str]]] = [
            (lender, lent, Answer(result=TransactionResults.will_supply), ("IN-PROCESS", "PENDING")),
            (lender, lent, Ship(date_due=DUE), ("SHIPPED", "SHIPPED")),
            (borrower, borrowed, Receive(), ("SHIPPED", "RECEIVED")),
            (borrower, borrowed, Return(), ("SHIPPED", "RETURNED")),
            (lender, lent, CheckIn(), ("CHECKED-IN", "RETURNED")),
        ]
        for side, half_id, primitive, states in steps:
            side.desk.act(half_id, primitive)
            side.dispatcher.wake()
            await processed(lines, "applied")
            assert (lender.desk.half(lent).state, borrower.desk.half(borrowed).state) == states

        for one, theirs in ((lender, BORROWER), (borrower, LENDER)):
            with one.desk.reading() as uow:
                messages = [listed.message for listed in uow.messages.list()]
            came = [message for message in messages if message.direction is Direction.RECEIVED]
            assert {message.transport for message in messages} == {Transport.MAIL}
            assert {(message.listener, message.peer_address) for message in came} == {
                ("lmtp", f"ill@{theirs}")
            }
            assert len(messages) == 6
            assert one.desk.outgoing() == []


@pytest.mark.parametrize("variable_sender", [True, False])
async def test_a_bounce_is_tied_to_the_message_that_caused_it(
    tmp_path: Path, system: MailSystem, lines: LogLines, *, variable_sender: bool
) -> None:
    async with (
        library(
            tmp_path / "l",
            system,
            domain=LENDER,
            partner=f"nobody@{BORROWER}",
            variable_sender=variable_sender,
        ) as lender,
        library(tmp_path / "b", system, domain=BORROWER, partner="any@any.example"),
    ):
        other, message_id = lender.send(REQUEST), lender.send(OURS)
        for _ in range(2):
            await processed(lines, "mail-notice")
        for one in (other, message_id):
            row = lender.row(one)
            assert row.status is OutboxStatus.NOT_DELIVERED
            assert (row.last_error or "").startswith("the mail came back: there is no such mailbox")
        told = [event for event in lender.desk.events() if event.kind == "message.not-delivered"]
        assert {event.message_id for event in told} == {other, message_id}


async def test_what_is_refused_for_good_is_not_delivered(
    tmp_path: Path, system: MailSystem, lines: LogLines
) -> None:
    async with library(tmp_path, system, domain=LENDER, partner=f"ill@{postfix.GONE}") as lender:
        message_id = lender.send(REQUEST)
        await lines.until(APDU_NOT_DELIVERED)
        row = lender.row(message_id)
    assert row.status is OutboxStatus.NOT_DELIVERED
    assert "refuses the recipient: 550 5.1.1" in (row.last_error or "")


async def test_what_is_refused_for_now_is_tried_again(
    tmp_path: Path, system: MailSystem, lines: LogLines
) -> None:
    async with library(tmp_path, system, domain=LENDER, partner=f"ill@{postfix.TEMPFAIL}") as lender:
        message_id = lender.send(REQUEST)
        for attempts in (1, 2):
            await lines.until(APDU_DEFERRED)
            row = lender.row(message_id)
            assert (row.status, row.attempts) == (OutboxStatus.WAITING, attempts)
            assert "does not take the recipient now: 450 4.2.1" in (row.last_error or "")
            lender.desk.clock.advance(hours=2)
            lender.dispatcher.wake()


async def test_a_mail_server_that_is_gone_for_an_hour_loses_nothing(
    tmp_path: Path, system: MailSystem, lines: LogLines
) -> None:
    async with (
        library(tmp_path / "l", system, domain=LENDER, partner=f"ill@{BORROWER}") as lender,
        library(
            tmp_path / "b",
            system,
            domain=BORROWER,
            partner=f"ill@{LENDER}",
            symbols=THEIRS,
            answers=False,
        ) as borrower,
    ):
        system.server.stop()
        try:
            message_id = lender.send(OURS)
            await lines.until(APDU_DEFERRED)
            assert "cannot connect to our mail server" in (lender.row(message_id).last_error or "")
        finally:
            system.server.start()
        lender.desk.clock.advance(hours=1)
        lender.dispatcher.wake()
        await lines.until(APDU_DELIVERED)
        await lines.until(APDU_PROCESSED)
        with lender.desk.reading() as uow:
            assert borrower.came() == [uow.messages.raw(message_id)]


async def test_a_gateway_that_is_down_finds_its_mail_when_it_is_back(
    tmp_path: Path, system: MailSystem, lines: LogLines
) -> None:
    async with library(tmp_path / "l", system, domain=LENDER, partner=f"ill@{BORROWER}") as lender:
        lender.send(OURS)
        await lines.until(APDU_DELIVERED)
        async with library(
            tmp_path / "b",
            system,
            domain=BORROWER,
            partner=f"ill@{LENDER}",
            symbols=THEIRS,
            answers=False,
        ) as borrower:
            system.server.flush()
            await lines.until(APDU_PROCESSED)
            assert len(borrower.came()) == 1


async def test_the_mail_server_is_known_by_its_certificate_or_gets_nothing(
    tmp_path: Path, system: MailSystem, lines: LogLines
) -> None:
    async with (
        library(
            tmp_path / "l",
            system,
            domain=LENDER,
            partner=f"ill@{BORROWER}",
            tls=MailTls.STARTTLS,
            ca_file=str(system.authority),
        ) as trusting,
        library(
            tmp_path / "d", system, domain="doubting.example", partner=f"ill@{BORROWER}", tls=MailTls.STARTTLS
        ) as doubting,
        library(
            tmp_path / "b", system, domain=BORROWER, partner=f"ill@{LENDER}", symbols=THEIRS, answers=False
        ) as borrower,
    ):
        message_id = doubting.send(OURS)
        await lines.until(APDU_DEFERRED)
        row = doubting.row(message_id)
        assert row.failure is Failure.MAIL_SERVER
        assert "no TLS with our mail server" in (row.last_error or "")
        assert "certificate_verify_failed" in (row.last_error or "")
        trusting.send(OURS)
        await processed(lines, "applied")
        assert [decode(octets) for octets in borrower.came()] == [OURS]


async def test_the_link_to_a_document_is_readable_in_text(
    tmp_path: Path, system: MailSystem, lines: LogLines
) -> None:
    """To the borrower's mail server, which hands it to whoever reads; what the borrower wrote is hostile."""
    title = "Le désert\r\nBcc: evil@evil.example\r\n\r\n=?utf-8?q?=0ABcc=3A_evil=40evil.example?="
    link = "https://illume.example/document/7?key=" + "k" * 120
    async with (
        library(tmp_path / "l", system, domain=LENDER, partner=f"ill@{BORROWER}") as lender,
        library(
            tmp_path / "b", system, domain=BORROWER, partner=f"ill@{LENDER}", symbols=THEIRS, answers=False
        ) as borrower,
    ):
        [partner] = borrower.desk.site.settings.partners
        borrower.desk.request(NewRequest(item=Item(title=title.replace("\r", " "))), partner=partner)
        [asked] = borrower.desk.deliver()
        arrival = Arrival(
            transport=Transport.MAIL, listener="lmtp", peer_address=f"ill@{BORROWER}", connection_id="m"
        )
        with lender.desk.site.store.unit_of_work() as uow:
            message_id = lender.desk.site.gateway.receive(uow, asked.octets, arrival)
        half_id = lender.desk.process(message_id).half_id
        assert half_id is not None
        lender.desk.act(HalfId(half_id), Ship(document_url=link))
        lender.dispatcher.wake()
        await processed(lines, "no-apdu")
        [octets] = [one for one in borrower.came() if b"multipart/alternative" in one]
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    servers = {"Return-Path", "Received", "Delivered-To", "X-Original-To"}
    assert [name for name in message.keys() if name not in servers] == [  # noqa: SIM118 - with repeats
        "Date", "From", "To", "Reply-To", "Subject", "Message-ID", "MIME-Version", "Content-Type",
        "Auto-Submitted",
    ]  # fmt: skip
    text = message.get_body(("plain",))
    assert text is not None
    said = text.get_content().splitlines()
    assert link in said
    assert any(line.startswith("Title:                Le désert Bcc: evil@") for line in said)
    assert "Le désert Bcc: evil@evil.example = ?utf-8" in message["Subject"]


async def test_a_maildir_that_the_server_fills(tmp_path: Path, system: MailSystem, lines: LogLines) -> None:
    async with (
        library(tmp_path / "l", system, domain=LENDER, partner=f"ill@{BOX}") as lender,
        library(
            tmp_path / "b", system, domain=BOX, partner=f"ill@{LENDER}", symbols=THEIRS, answers=False,
            lmtp_host=None, maildir=str(system.box), maildir_interval=timedelta(milliseconds=20),
        ) as borrower,
    ):  # fmt: skip
        lender.send(OURS)
        line = await lines.until(APDU_PROCESSED)
        assert line["partner"] == "THEM", "the envelope's sender is what the server wrote on top"
        [octets] = borrower.came()
        assert decode(octets) == OURS
