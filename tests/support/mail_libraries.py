"""Libraries that write to each other by mail, through a real mail server: each a gateway of its own.

Each runs in this process as the daemon has it, from a configuration in files, but for two things: its clock
is the test's, and nothing looks by itself whether something has come due or is missing. So an hour takes no
time, and the operator's command can be used beside it.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Self
from unittest.mock import patch

import structlog
from typer.testing import CliRunner

from asn1.ill import ILLApdu
from config.loading import load
from config.settings import Settings
from iso_gateway.cli.main import app
from iso_gateway.half.sending import Context, Destination, enqueue
from iso_gateway.outbox.dispatcher import Dispatcher
from iso_gateway.outbox.telling import APDU_DELIVERED
from iso_gateway.outbox.transmitting import Permit
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.request.primitives import Primitive
from iso_gateway.running.intake import Intake
from iso_gateway.running.mailing import ByTransport, MailEntrance, MailIntake, MailTransmitter
from iso_gateway.services import APDU_PROCESSED
from iso_gateway.site import Site
from iso_gateway.store.records import (
    AttentionRecord,
    Direction,
    GatewayId,
    HalfId,
    MessageId,
    OutboxRecord,
)
from iso_gateway.store.writer import Writer
from tests.support.dispatching import LogLines
from tests.support.gateway import Clock, Desk
from tests.support.noticing import Lookout
from tests.support.postfix import HOST, Postfix

LENDER: Final = "lender.example"
BORROWER: Final = "borrower.example"
BOX: Final = "box.example"

#: Of the borrower: its symbol, and that of its partner. The lender's are the other way round.
THEIRS: Final = ("ILLUME:SFU", "ILLUME:BEX")

#: Each wait twice as long as the last, and none at random.
_GATEWAY: Final = """\
state_dir = "state"
partner_dirs = ["partners"]
[[local]]
name = "US"
symbol = "{ours}"
time_zone = "Etc/GMT+8"
public_mail = "ill@{domain}"
[[listeners]]
name = "one-way"
mode = "one-way"
host = "127.0.0.1"
port = 0
[retry]
jitter = 0.0
[mail]
relay_host = "{host}"
relay_port = {relay_port}
"""
_PARTNER: Final = """\
name = "THEM"
symbols = ["{theirs}"]
document_email = "{address}"
illume_login = false
{keys}
[transport]
kind = "mail"
address = "{address}"
"""


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


class Log(LogLines):
    """The log of all gateways of a test."""

    def capture(self) -> Self:
        """Have everything that is logged from now on come here."""
        structlog.reset_defaults()
        structlog.configure(processors=[self])
        return self

    async def processed(self, verdict: str) -> dict[str, Any]:
        """Wait until one of the gateways has classified a message so."""
        while (line := await self.until(APDU_PROCESSED))["verdict"] != verdict:
            continue
        return line


@dataclass(slots=True)
class Library:
    """A gateway that lets mail in and sends by it."""

    desk: Desk
    config: Path
    log: Log
    dispatcher: Dispatcher
    entrance: MailEntrance
    transmitter: ByTransport

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

    def request(self, title: str = "The Penelopiad") -> HalfId:
        """Ask the partner for a loan."""
        new = NewRequest(item=Item(title=title))
        half_id = self.desk.request(new, partner=self.desk.partner("THEM")).half_id
        assert half_id is not None
        self.dispatcher.wake()
        return half_id

    def act(self, half_id: HalfId, primitive: Primitive) -> MessageId:
        """Perform a service, and have what follows sent; gives the message."""
        message_id = self.desk.act(half_id, primitive).message_id
        self.dispatcher.wake()
        return message_id

    async def sent(self) -> None:
        """Return once nothing waits to be sent; what has arrived may not be noted as delivered yet."""
        while self.desk.outgoing():
            await self.log.until(APDU_DELIVERED)

    def state(self, half_id: HalfId) -> str:
        """The state of a half."""
        self.settle()
        return self.desk.half(half_id).state

    def settle(self) -> None:
        """Wait for what is being written: what is said in the log is stored a moment later."""
        with self.desk.site.store.unit_of_work():
            return

    def row(self, message_id: MessageId) -> OutboxRecord:
        """How the sending of a message stands; of several, the last."""
        self.settle()
        with self.desk.reading() as uow:
            return uow.outbox.list(message_id=message_id, finished=True)[-1]

    def came(self) -> list[bytes]:
        """What was received, oldest first."""
        self.settle()
        with self.desk.reading() as uow:
            return [
                uow.messages.raw(one.message.id)
                for one in reversed(uow.messages.list())
                if one.message.direction is Direction.RECEIVED
            ]

    def went(self) -> list[bytes]:
        """What was made to be sent, oldest first."""
        with self.desk.reading() as uow:
            return [
                uow.messages.raw(one.message.id)
                for one in reversed(uow.messages.list())
                if one.message.direction is Direction.SENT
            ]

    def look(self) -> tuple[AttentionRecord, ...]:
        """Look once whether something is missing; gives what wants a person."""
        self.settle()
        lookout = Lookout(self.desk.site)
        lookout.look()
        return lookout.standing()

    def pass_time(self, **by: float) -> datetime | None:
        """Let time pass, and do what has come due; gives when something does next."""
        self.desk.clock.advance(**by)
        due = self.desk.tick()
        self.dispatcher.wake()
        return due

    def reconfigure(self, old: str, new: str) -> None:
        """Replace a text in the partner's file, and go on under that, as after a reload."""
        file = self.config.parent / "partners" / "them.toml"
        content = file.read_text(encoding="ascii")
        assert old in content
        file.write_text(content.replace(old, new), encoding="ascii")
        settings = load(self.config)
        for one in (self.desk.site.gateway, self.transmitter, self.entrance, self.dispatcher):
            one.follow(settings)

    def command(self, *arguments: object, code: int = 0) -> str:
        """Run the operator's command on this installation, by its clock; gives what it says in one line."""
        self.settle()
        with patch.object(Site, "open", partial(Site.open, clock=self.desk.clock)):
            result = CliRunner().invoke(
                app,
                [*map(str, arguments), "--config", str(self.config)],
                env={"COLUMNS": "400", "TERM": "dumb"},
            )
        # It sets the log up for its process, which here has more to do.
        self.log.capture()
        assert result.exit_code == code, (result.output, result.exception)
        self.dispatcher.wake()
        return " ".join(result.output.split())


@asynccontextmanager
async def library(
    directory: Path,
    system: MailSystem,
    log: Log,
    *,
    domain: str,
    partner: str,
    symbols: tuple[str, str] = ("ILLUME:BEX", "ILLUME:SFU"),
    answers: bool = True,
    clock: Clock | None = None,
    keys: str = "",
    **mail: object,
) -> AsyncIterator[Library]:
    """Run a library of a domain whose partner has an address.

    Args:
        directory: for its configuration and its state; made if need be.
        system: the mail server of both.
        log: where it says what it does.
        domain: its own.
        partner: the address of its partner.
        symbols: its own, and the partner's.
        answers: whether it sends what its outbox holds.
        clock: that of another library, where they share one.
        keys: further lines of the partner's file.
        mail: settings of mail that differ; None leaves one out.
    """
    settings = await asyncio.to_thread(
        _configured, directory, system, domain=domain, partner=partner, symbols=symbols, keys=keys, mail=mail
    )
    with Desk.open(settings, clock) as desk:
        writer = Writer(desk.site.store)
        intake = Intake(desk.site.gateway, writer)
        entrance = MailEntrance(settings, MailIntake(intake, desk.site.gateway, desk.site, writer))
        transmitter = ByTransport(
            settings, _NoConnections(), MailTransmitter(settings, desk.site), is_live=lambda _: False
        )
        dispatcher = Dispatcher(
            settings,
            writer,
            transmitter,
            mailer=transmitter,
            gateway=GatewayId(domain),
            lease=timedelta(minutes=5),
            fenced=False,
            clock=desk.clock,
            chance=lambda: 0.5,
        )
        intake.dispatcher = dispatcher
        await entrance.start()
        if not answers:
            dispatcher.stop()
        running = asyncio.create_task(dispatcher.run())
        try:
            yield Library(
                desk=desk,
                config=settings.source,
                log=log,
                dispatcher=dispatcher,
                entrance=entrance,
                transmitter=transmitter,
            )
        finally:
            dispatcher.stop()
            await running
            await entrance.stop(timedelta(seconds=5))
            await asyncio.to_thread(writer.close)


def _configured(
    directory: Path,
    system: MailSystem,
    *,
    domain: str,
    partner: str,
    symbols: tuple[str, str],
    keys: str,
    mail: dict[str, object],
) -> Settings:
    (directory / "partners").mkdir(parents=True, exist_ok=True)
    ours, theirs = symbols
    content = _GATEWAY.format(ours=ours, domain=domain, host=HOST, relay_port=system.server.port)
    settings = {"lmtp_host": HOST, "lmtp_port": system.ports.get(domain, 0), **mail}
    # What JSON writes of a text, a number or a truth, TOML reads.
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items() if value is not None]
    config = directory / "gateway.toml"
    config.write_text(content + "".join(lines), encoding="ascii")
    them = _PARTNER.format(theirs=theirs, address=partner, keys=keys)
    (directory / "partners" / "them.toml").write_text(them, encoding="ascii")
    # Nothing here comes by TCP.
    return replace(load(config), listeners=())


class _NoConnections:
    async def transmit(
        self, octets: bytes, *, partner: str | None, connection_id: str | None, permit: Permit
    ) -> None:
        await permit()
        raise AssertionError((len(octets), partner, connection_id))
