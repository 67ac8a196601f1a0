"""What mail means to the gateway: whose APDUs are taken, and what a notice does to its message."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
import structlog

from adapters.envelope import Envelope
from adapters.envelope import Transport as Way
from adapters.errors import ListenError
from adapters.mail_reading import Fate, Notice
from asn1.codec import encode
from asn1.errors import WireError
from asn1.ill import TransactionResults
from config.settings import LocalSymbol, Mail, MailTransport, Settings
from iso_gateway.daemon import Daemon
from iso_gateway.errors import DeliveryError
from iso_gateway.failure import Failure, advice
from iso_gateway.noticing import gathering, health
from iso_gateway.outbox import telling
from iso_gateway.outbox.transmitting import Permit
from iso_gateway.reception import Processed, Verdict, returns
from iso_gateway.reception.returns import MailFate, MailNotice
from iso_gateway.request.primitives import Answer, SendMessage
from iso_gateway.running.intake import Intake
from iso_gateway.running.mailing import ByTransport, MailIntake, MailTransmitter, mark_of, row_marked
from iso_gateway.services import Arrival
from iso_gateway.store.records import HalfId, MessageId, OutboxId, OutboxRecord, OutboxStatus, Side, Transport
from iso_gateway.store.writer import Writer
from tests.integration.adapters.mails import HOST, MailServer
from tests.support import gateway
from tests.support.apdus import ill_request, message
from tests.support.gateway import AT_SFU, BEX, SFU, UBC, YAZ, Desk

ILL_SFU: Final = "ill@sfu.example"
REQUEST: Final = ill_request(requester="ILLUME:SFU")
#: It is for somebody else, so it is answered by a report, and there is no request of ours.
MISDIRECTED: Final = ill_request(requester="ILLUME:SFU", responder="ILLUME:ELSEWHERE")


def by_mail(settings: Settings) -> Settings:
    """SFU is reached by mail, UBC may send by it, YAZ may not."""
    return replace(
        settings,
        partners=(
            YAZ,
            replace(SFU, transport=MailTransport(address=ILL_SFU), allowed_sources=()),
            replace(UBC, allowed_senders=("@ubc.example",)),
        ),
        local=(replace(BEX, public_mail="ill@bex.example"),),
        mail=Mail(relay_host=HOST, lmtp_host=HOST, lmtp_port=0),
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return by_mail(gateway.settings_in(tmp_path))


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    with Desk.open(settings) as one:
        yield one


def arrival(sender: str) -> Arrival:
    return Arrival(transport=Transport.MAIL, listener="lmtp", peer_address=sender, connection_id="m-1")


def receive(desk: Desk, octets: bytes, sender: str = ILL_SFU) -> Processed:
    with desk.site.store.unit_of_work() as uow:
        message_id = desk.site.gateway.receive(uow, octets, arrival(sender))
    return desk.process(message_id)


def answered(desk: Desk) -> tuple[HalfId, OutboxRecord]:
    """A request from SFU, and our answer to it, delivered."""
    processed = receive(desk, encode(REQUEST))
    assert processed.half_id is not None
    desk.act(HalfId(processed.half_id), Answer(result=TransactionResults.will_supply))
    [sent] = desk.deliver()
    return HalfId(processed.half_id), sent.row


def notice(desk: Desk, outbox_id: OutboxId, fate: MailFate, status: str | None = "5.1.1") -> Processed:
    said = MailNotice(outbox_id=outbox_id, fate=fate, status=status)
    with desk.site.store.unit_of_work() as uow:
        return desk.site.gateway.receive_notice(uow, b"the notice", said, arrival("(none)"))


def row_of(desk: Desk, outbox_id: OutboxId) -> OutboxRecord:
    with desk.reading() as uow:
        row = uow.outbox.get(outbox_id)
    assert row is not None
    return row


class TestWhoMaySend:
    @pytest.mark.parametrize(
        ("requester", "sender"),
        [
            ("ILLUME:SFU", "ill@sfu.example"),
            ("ILLUME:UBC", "@ubc.example"),
            ("ILLUME:UBC", "any@ubc.example"),
        ],
    )
    def test_a_partner_from_its_own_addresses(self, requester: str, sender: str, desk: Desk) -> None:
        processed = receive(desk, encode(ill_request(requester=requester)), sender)
        assert processed.verdict is Verdict.APPLIED

    @pytest.mark.parametrize(
        ("requester", "sender"),
        [
            ("ILLUME:SFU", "@sfu.example"),
            ("ILLUME:SFU", "(none) ill@sfu.example"),
            ("ILLUME:SFU", "@lists.example ill@sfu.example"),
            ("ILLUME:SFU", "ill@sfu.example @home.example"),
            ("ILLUME:SFU", "(none)"),
            ("ILLUME:SFU", ""),
            ("ILLUME:UBC", "ill@sfu.example"),
            ("ILLUME:YAZ", "ill@yaz.example"),
        ],
    )
    def test_nobody_in_its_name(self, requester: str, sender: str, desk: Desk) -> None:
        processed = receive(desk, encode(ill_request(requester=requester)), sender)
        assert processed.verdict is Verdict.UNKNOWN_SENDER
        assert "outside of allowed_senders" in desk.processing(processed).reason
        assert desk.outgoing() == [], "a stranger is not answered by mail"

    def test_who_names_nobody_is_known_by_its_address(self, desk: Desk) -> None:
        half_id, _ = answered(desk)
        said = replace(message(REQUEST), requester_id=None, responder_id=None)
        processed = receive(desk, encode(said))
        assert (processed.verdict, processed.half_id) == (Verdict.APPLIED, half_id)

    def test_who_is_reached_by_mail_may_come_by_tcp_only_from_where_it_says(
        self, desk: Desk, settings: Settings
    ) -> None:
        assert desk.receive(REQUEST, peer=AT_SFU).verdict is Verdict.UNKNOWN_SENDER
        sfu = settings.partner("SFU")
        assert sfu is not None
        allowed = replace(sfu, allowed_sources=SFU.allowed_sources)
        with desk.under(gateway.with_partner(settings, allowed)) as other:
            assert other.receive(REQUEST, peer=AT_SFU).verdict is Verdict.APPLIED

    def test_the_same_octets_again_change_nothing(self, desk: Desk) -> None:
        receive(desk, encode(REQUEST))
        before = desk.counts()
        assert receive(desk, encode(REQUEST)).verdict is Verdict.EXACT_DUPLICATE
        after = desk.counts()
        assert {name for name in before if before[name] != after[name]} == {
            "messages",
            "message_keys",
            "processings",
        }


class TestNotices:
    def test_what_came_back_was_not_delivered(self, desk: Desk) -> None:
        half_id, row = answered(desk)
        desk.clock.advance(hours=2)
        processed = notice(desk, row.id, MailFate.FAILED)
        assert (processed.verdict, processed.partner, processed.half_id) == (
            Verdict.MAIL_NOTICE,
            "SFU",
            half_id,
        )
        returned = row_of(desk, row.id)
        assert (returned.status, returned.finished_at) == (OutboxStatus.NOT_DELIVERED, desk.clock.now)
        assert returned.last_error == (
            "the mail came back: there is no such mailbox: correct the partner's address (5.1.1);"
            f" message {processed.message_id} is the notice"
        )
        with desk.reading() as uow:
            assert [one.outcome for one in uow.outbox.attempts(row.id)] == ["delivered"]
        event = desk.events()[-1]
        assert (event.kind, event.half_id, event.message_id) == (
            returns.NOT_DELIVERED,
            half_id,
            row.message_id,
        )
        assert event.detail == {
            "reason": "the mail came back: there is no such mailbox: correct the partner's address (5.1.1)",
            "notice": processed.message_id,
            "failure": "returned",
            "advice": advice(Failure.RETURNED),
        }
        assert desk.half(half_id).state == "IN-PROCESS"

    def test_it_is_not_the_partner_that_wrote_it(self, desk: Desk) -> None:
        _, row = answered(desk)
        heard = desk.clock.now
        desk.clock.advance(hours=1)
        notice(desk, row.id, MailFate.FAILED)
        with desk.reading() as uow:
            assert gathering.last_heard(uow, "SFU") == heard
            seen = health.health(uow, desk.site.settings, desk.clock.now, database="")
        assert (seen.traffic.received, seen.traffic.refused) == (2, 0)

    def test_a_second_notice_and_one_too_early_change_nothing(self, desk: Desk) -> None:
        half_id, row = answered(desk)
        notice(desk, row.id, MailFate.FAILED)
        before = row_of(desk, row.id)
        notice(desk, row.id, MailFate.FAILED, "5.2.2")
        desk.act(half_id, SendMessage(note="Are you there?"))
        [waiting] = desk.outgoing()
        notice(desk, waiting.row.id, MailFate.FAILED)
        assert row_of(desk, row.id) == before
        assert desk.outgoing() == [waiting]
        assert [event.kind for event in desk.events()].count(returns.NOT_DELIVERED) == 1

    def test_a_notice_may_be_faster_than_whoever_sent_the_mail(self, desk: Desk) -> None:
        receive(desk, encode(MISDIRECTED))
        [waiting] = desk.outgoing()
        with desk.site.store.unit_of_work() as uow:
            fence = uow.leases.claim(waiting.row.id, "one", desk.clock.now, desk.clock.now)
        assert fence is not None
        notice(desk, waiting.row.id, MailFate.FAILED)
        with desk.site.store.unit_of_work() as uow:
            assert not uow.leases.delivered(waiting.row.id, fence, desk.clock.now)
            [attempt] = uow.outbox.attempts(waiting.row.id)
        assert (attempt.outcome, attempt.finished_at) == ("delivered", desk.clock.now)
        assert row_of(desk, waiting.row.id).status is OutboxStatus.NOT_DELIVERED

    @pytest.mark.parametrize(
        ("fate", "kind", "words"),
        [
            (MailFate.DELAYED, "message.delivery-delayed", "the mail is delayed, and is tried again: "),
            (
                MailFate.ANSWERED,
                "mail.answered",
                "a machine answered the mail; it says nothing about delivery",
            ),
            (MailFate.DELIVERED, None, "a mail server has taken the mail"),
        ],
    )
    def test_other_news_changes_no_fate(
        self, fate: MailFate, kind: str | None, words: str, desk: Desk
    ) -> None:
        _, row = answered(desk)
        events = desk.events()
        processed = notice(desk, row.id, fate, None)
        assert row_of(desk, row.id).status is OutboxStatus.DELIVERED
        assert [event.kind for event in desk.events()[len(events) :]] == ([] if kind is None else [kind])
        assert desk.processing(processed).reason.startswith(words)
        assert desk.processing(processed).reason.endswith(f"; about message {row.message_id}")

    def test_the_notice_is_kept_and_lives_as_long_as_its_request(self, desk: Desk) -> None:
        half_id, row = answered(desk)
        processed = notice(desk, row.id, MailFate.FAILED)
        with desk.reading() as uow:
            assert uow.messages.raw(processed.message_id) == b"the notice"
        with desk.site.store.unit_of_work() as uow:
            uow.transactions.dispose(uow.halves.get(half_id).transaction_id, at=desk.clock())
        later = notice(desk, row.id, MailFate.DELAYED)
        assert later.verdict is Verdict.MAIL_NOTICE
        assert desk.events()[-1].half_id is None

    def test_a_notice_about_a_report_to_no_half(self, desk: Desk) -> None:
        receive(desk, encode(MISDIRECTED))
        [sent] = desk.deliver()
        processed = notice(desk, sent.row.id, MailFate.FAILED)
        assert processed.half_id is None
        assert row_of(desk, sent.row.id).status is OutboxStatus.NOT_DELIVERED

    def test_a_row_that_is_not_there(self, desk: Desk) -> None:
        processed = notice(desk, OutboxId(99), MailFate.FAILED)
        assert processed.verdict is Verdict.NO_APDU
        assert desk.processing(processed).reason == "a notice about a mail that this database does not know"

    @pytest.mark.parametrize(
        ("status", "meaning"),
        [
            (None, "no reason that can be read"),
            ("5.2.2", "the mailbox is full"),
            ("4.1.99", "something is wrong with the address"),
            ("5.0.0", "no reason that can be read"),
        ],
    )
    def test_a_status_in_words(self, status: str | None, meaning: str) -> None:
        said = MailNotice(outbox_id=OutboxId(1), fate=MailFate.FAILED, status=status).in_words
        assert said.startswith(f"the mail came back: {meaning}")
        assert said.endswith(meaning if status is None else f"({status})")


class TestMarks:
    def test_a_mark_names_its_row_and_no_other(self, desk: Desk) -> None:
        mark = mark_of(desk.site.store, OutboxId(17))
        assert mark.startswith("17-")
        assert len(mark) == 19
        assert row_marked(desk.site.store, [mark.upper()]) == 17
        assert row_marked(desk.site.store, ["18" + mark[2:], mark]) == 17
        assert row_marked(desk.site.store, ["18" + mark[2:]]) is None

    def test_another_gateway_has_other_marks(self, desk: Desk, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        with Desk.open(gateway.settings_in(tmp_path / "other")) as other:
            assert mark_of(other.site.store, OutboxId(17)) != mark_of(desk.site.store, OutboxId(17))


ENVELOPE: Final = Envelope(
    transport=Way.MAIL, listener="lmtp", peer_address=ILL_SFU, peer_host=ILL_SFU, connection_id="m-1"
)


class TestIntake:
    @pytest.fixture
    def writer(self, desk: Desk) -> Iterator[Writer]:
        one = Writer(desk.site.store)
        yield one
        one.close()

    @pytest.fixture
    def intake(self, desk: Desk, writer: Writer) -> MailIntake:
        return MailIntake(Intake(desk.site.gateway, writer), desk.site.gateway, desk.site, writer)

    async def test_an_apdu_is_received_like_any_other(self, intake: MailIntake, desk: Desk) -> None:
        await intake.element(encode(REQUEST), ENVELOPE)
        await intake.unreadable(b"?", WireError("no APDU", offset=0), ENVELOPE)
        await intake.settled("m-1")
        with desk.reading() as uow:
            listed = uow.messages.list()
        assert [one.processing.verdict for one in listed if one.processing] == ["unreadable", "applied"]
        assert {(one.message.transport, one.message.side) for one in listed} == {
            (Transport.MAIL, Side.PARTNER)
        }

    async def test_a_mail_without_apdu_is_kept_and_told_of(self, intake: MailIntake, desk: Desk) -> None:
        await intake.without_apdu(b"Dear library", "a mail that carries no APDU", ENVELOPE)
        with desk.reading() as uow:
            [listed] = uow.messages.list()
            assert uow.messages.raw(listed.message.id) == b"Dear library"
        assert listed.processing is not None
        assert (listed.processing.verdict, listed.processing.partner) == ("no-apdu", None)
        [event] = desk.events()
        assert (event.kind, event.message_id) == ("mail.without-apdu", listed.message.id)

    async def test_a_notice_with_our_mark_is_about_its_row(self, intake: MailIntake, desk: Desk) -> None:
        _, row = answered(desk)
        mark = mark_of(desk.site.store, row.id)
        forged = "1-aaaaaaaaaaaaaaaa"
        await intake.notice(b"x", Notice(tokens=(forged, mark), fate=Fate.FAILED, status=None), ENVELOPE)
        assert row_of(desk, row.id).status is OutboxStatus.NOT_DELIVERED

    async def test_a_notice_without_is_any_mail(self, intake: MailIntake, desk: Desk) -> None:
        _, row = answered(desk)
        forged = f"{row.id}-aaaaaaaaaaaaaaaa"
        await intake.notice(b"x", Notice(tokens=(forged,), fate=Fate.FAILED, status=None), ENVELOPE)
        assert row_of(desk, row.id).status is OutboxStatus.DELIVERED
        assert desk.events()[-1].detail == {"reason": "a notice about a mail that is not ours"}


class Connections:
    """Sends by TCP, as far as anybody can tell."""

    def __init__(self) -> None:
        self.sent: list[tuple[str | None, str | None]] = []

    async def transmit(
        self, octets: bytes, *, partner: str | None, connection_id: str | None, permit: Permit
    ) -> None:
        await permit()
        assert octets
        self.sent.append((partner, connection_id))


class TestTransmitter:
    def transmitter(self, desk: Desk, server: MailServer, connections: Connections) -> ByTransport:
        mail = Mail(relay_host=HOST, relay_port=server.port)
        settings = replace(desk.site.settings, mail=mail)
        return ByTransport(
            settings, connections, MailTransmitter(settings, desk.site), is_live=lambda name: name == "live"
        )

    async def test_each_partner_is_sent_to_in_its_way(self, desk: Desk) -> None:
        tcp = Connections()
        async with MailServer().running() as server:
            transmitter = self.transmitter(desk, server, tcp)
            for partner, connection in [
                ("YAZ", None), ("SFU", "live"), (None, "live"), ("KPU", None), ("SFU", "gone"), ("SFU", None),
            ]:  # fmt: skip
                await transmitter.transmit(
                    encode(REQUEST), outbox_id=OutboxId(1), partner=partner, connection_id=connection
                )
        assert tcp.sent == [("YAZ", None), ("SFU", "live"), (None, "live"), ("KPU", None)]
        assert len(server.mails) == 2

    async def test_a_second_try_is_the_same_mail(self, desk: Desk) -> None:
        async with MailServer().running() as server:
            transmitter = self.transmitter(desk, server, Connections())
            for outbox_id in (1, 1, 2):
                await transmitter.transmit(
                    encode(REQUEST), outbox_id=OutboxId(outbox_id), partner="SFU", connection_id=None
                )
        first, second, third = server.mails
        assert first == second
        assert first != third, "what an operator sends again is another mail"
        assert mark_of(desk.site.store, OutboxId(1)).encode() in first

    async def test_the_library_that_the_apdu_is_from_writes(self, desk: Desk) -> None:
        other = LocalSymbol(name="ABC", symbol=gateway._symbol("ILLUME:ABC"), public_mail="abc@other.example")
        half_id, row = answered(desk)
        assert half_id
        with desk.reading() as uow:
            answer = uow.messages.raw(row.message_id or MessageId(0))
        async with MailServer().running() as server:
            settings = replace(
                desk.site.settings,
                local=(other, *desk.site.settings.local),
                mail=Mail(relay_host=HOST, relay_port=server.port),
            )
            transmitter = MailTransmitter(settings, desk.site)
            partner = settings.partner("SFU")
            assert partner is not None
            for octets in (answer, encode(ill_request(responder="ILLUME:SFU", requester="ILLUME:ABC")), b"?"):
                await transmitter.send(partner, MailTransport(address=ILL_SFU), octets, outbox_id=row.id)
        assert [mail.split(b"\r\n")[1] for mail in server.mails] == [
            b"From: <ill@bex.example>",
            b"From: <abc@other.example>",
            b"From: <abc@other.example>",
        ]

    @pytest.mark.parametrize("lacking", ["mail", "public_mail"])
    async def test_what_was_configured_otherwise_once_waits(self, lacking: str, desk: Desk) -> None:
        settings = desk.site.settings
        settings = replace(settings, mail=None) if lacking == "mail" else replace(settings, local=(BEX,))
        partner = settings.partner("SFU")
        assert partner is not None
        with pytest.raises(DeliveryError, match=r"set \[mail\] and public_mail") as caught:
            await MailTransmitter(settings, desk.site).send(
                partner, MailTransport(address=ILL_SFU), encode(REQUEST), outbox_id=OutboxId(1)
            )
        assert caught.value.temporary


class TestDaemon:
    @asynccontextmanager
    async def running(self, settings: Settings) -> AsyncIterator[dict[str, tuple[str, int]]]:
        daemon = Daemon(settings)
        ready: asyncio.Future[dict[str, tuple[str, int]]] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(daemon.run(lambda addresses: ready.set_result(dict(addresses))))
        try:
            running.add_done_callback(lambda _: ready.cancel())
            with suppress(asyncio.CancelledError):
                await ready
            if running.done():
                await running
            yield ready.result()
        finally:
            daemon.stop()
            await asyncio.gather(running, return_exceptions=True)

    async def test_it_listens_and_watches_and_stops(self, settings: Settings, tmp_path: Path) -> None:
        (tmp_path / "box" / "new").mkdir(parents=True)
        assert settings.mail is not None
        mail = replace(
            settings.mail, maildir=str(tmp_path / "box"), maildir_interval=timedelta(milliseconds=10)
        )
        (tmp_path / "box" / "new" / "1").write_bytes(b"Subject: hello\n\n")
        with structlog.testing.capture_logs() as lines:
            async with self.running(replace(settings, mail=mail)) as addresses:
                assert list(addresses) == ["lmtp"]
                while not (tmp_path / "box" / "cur" / "1:2,S").exists():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        assert [line["verdict"] for line in lines if line["event"] == "apdu.processed"] == ["no-apdu"]

    async def test_without_mail_there_is_none(self, settings: Settings) -> None:
        async with self.running(replace(settings, mail=None)) as addresses:
            assert addresses == {}

    async def test_a_place_that_is_taken_stops_the_start(self, settings: Settings) -> None:
        async with self.running(settings) as addresses:
            other = settings.state_dir / "other"
            other.mkdir()
            mail = Mail(lmtp_host=HOST, lmtp_port=addresses["lmtp"][1])
            second = replace(
                settings, state_dir=other, database_url=f"sqlite:///{other / 'gateway.db'}", mail=mail
            )
            with pytest.raises(ListenError, match="listener 'lmtp'"):
                async with self.running(second):
                    pass


def test_the_kinds_of_events_are_those_of_the_outbox() -> None:
    assert returns.NOT_DELIVERED == telling.NOT_DELIVERED
    assert {fate.value for fate in MailFate} == {fate.value for fate in Fate}
