"""The daemon's parts between adapters and use cases: taking in, taking up again, and handing out."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
import structlog

from adapters.envelope import Envelope, Transport
from adapters.errors import DeliveryFailed
from adapters.errors import Failure as AdapterFailure
from adapters.tcp_listener import TcpListeners
from adapters.tcp_sender import Delivery, TcpSender
from asn1.codec import WireError, encode
from config.settings import ListenerMode, MailTransport, RetryPolicy, Settings, TcpTransport
from iso_gateway import daemon
from iso_gateway.daemon import _begin
from iso_gateway.errors import DeliveryError, StoreError
from iso_gateway.failure import Failure
from iso_gateway.outbox.transmitting import Permit
from iso_gateway.reception import Processed, Reception, Verdict
from iso_gateway.running.connecting import TcpTransmitter
from iso_gateway.running.intake import PROCESSING_FAILED, Intake
from iso_gateway.running.membership import Membership, new_gateway_id
from iso_gateway.running.recovery import Recovery
from iso_gateway.store.records import MessageId
from iso_gateway.store.writer import Writer
from tests.support import apdus, gateway
from tests.support.dispatching import LEASE, LogLines, Wire, dispatching
from tests.support.gateway import Desk, with_partner

REQUEST = apdus.ill_request(patron="Jane Doe")
ENVELOPE = Envelope(
    transport=Transport.TCP_TWO_WAY,
    listener="two-way",
    peer_address=gateway.AT_YAZ,
    peer_host="127.0.0.1",
    connection_id="c-1",
)


@pytest.fixture
def writer(desk: Desk) -> Iterator[Writer]:
    """The one that writes."""
    writer = Writer(desk.site.store)
    yield writer
    writer.close()


@pytest.fixture
def lines() -> Iterator[LogLines]:
    """The log."""
    lines = LogLines()
    structlog.configure(processors=[lines])
    yield lines
    structlog.reset_defaults()


def unprocessed(desk: Desk) -> tuple[MessageId, ...]:
    with desk.reading() as uow:
        return uow.messages.unprocessed()


async def begin(desk: Desk, writer: Writer, intake: Intake) -> None:
    """Do what a daemon does before it listens."""
    clock = desk.clock
    membership = Membership(
        writer, gateway=new_gateway_id(), state_id="s", lease=LEASE, clock=clock, alone=True
    )
    recovery = Recovery(writer, intake.take_up, lease=LEASE, clock=clock)
    await _begin(membership, recovery, alone=True)


class TestIntake:
    async def test_an_element_is_stored_and_classified(self, desk: Desk, writer: Writer) -> None:
        await Intake(desk.site.gateway, writer).element(encode(REQUEST), ENVELOPE)
        with desk.reading() as uow:
            received, *_ = reversed(uow.messages.list())
        assert received.processing is not None
        assert received.processing.verdict == Verdict.APPLIED
        message = received.message
        assert (message.listener, message.peer_address, message.connection_id) == (
            "two-way",
            gateway.AT_YAZ,
            "c-1",
        )
        [answer] = desk.outgoing()
        assert answer.to == ("YAZ", "c-1")

    async def test_what_is_no_element_is_kept_with_the_reason(self, desk: Desk, writer: Writer) -> None:
        error = WireError("the reserved length octet ff", offset=1)
        await Intake(desk.site.gateway, writer).unreadable(b"\x61\xff", error, ENVELOPE)
        with desk.reading() as uow:
            [listed] = uow.messages.list()
        assert listed.processing is not None
        assert (listed.processing.verdict, listed.processing.reason) == (Verdict.UNREADABLE, error.reason)

    async def test_what_could_not_be_stored_is_said_so_that_it_is_not_acknowledged(self, desk: Desk) -> None:
        writer = Writer(desk.site.store)
        writer.close()
        with pytest.raises(StoreError):
            await Intake(desk.site.gateway, writer).element(encode(REQUEST), ENVELOPE)

    async def test_a_message_whose_processing_fails_is_kept_and_taken_up_at_the_next_start(
        self, desk: Desk, writer: Writer, lines: LogLines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(self: Reception) -> Processed:
            # After it has written something: of that, nothing may be left.
            self._incoming.tell("half", None, None)
            raise LookupError("Jane Doe")

        intake = Intake(desk.site.gateway, writer)
        with monkeypatch.context() as broken:
            broken.setattr(Reception, "process", fails)
            await intake.element(encode(REQUEST), ENVELOPE)
        [left] = unprocessed(desk)
        assert desk.events() == ()
        line = await lines.until(PROCESSING_FAILED)
        assert (line["message_id"], line["error"]) == (left, "LookupError")
        assert "Doe" not in str(lines.lines)

        await begin(desk, writer, intake)
        assert unprocessed(desk) == ()
        assert [event.kind for event in desk.events()] == ["ill-request.indication"]
        assert (await lines.until(daemon.RECOVERED))["unprocessed"] == 1

    async def test_a_start_after_a_good_end_takes_up_nothing(
        self, desk: Desk, writer: Writer, lines: LogLines
    ) -> None:
        desk.receive(REQUEST)
        before = desk.counts()
        await begin(desk, writer, Intake(desk.site.gateway, writer))
        assert desk.counts() == before | {"gateways": 1}
        assert daemon.RECOVERED not in [line["event"] for line in lines.lines]

    async def test_a_start_after_a_crash_sends_at_once_what_was_in_flight(
        self, desk: Desk, writer: Writer, lines: LogLines
    ) -> None:
        desk.receive(REQUEST)
        [waiting] = desk.outgoing()
        with desk.site.store.unit_of_work() as uow:
            uow.leases.claim(waiting.row.id, "dead", desk.clock.now, desk.clock.now.replace(hour=23))
        await begin(desk, writer, Intake(desk.site.gateway, writer))
        assert (await lines.until(daemon.RECOVERED))["in_flight"] == 1
        wire = Wire()
        async with dispatching(desk, wire):
            await wire.begun()
        assert [one.octets for one in wire.sent] == [waiting.octets]

    @pytest.mark.usefixtures("lines")
    async def test_whoever_came_is_answered_without_being_asked_to_wait(
        self, desk: Desk, writer: Writer
    ) -> None:
        intake = Intake(desk.site.gateway, writer)
        await intake.settled("c-1")
        wire = Wire()
        async with dispatching(desk, wire) as dispatcher:
            intake.dispatcher = dispatcher
            await intake.element(encode(REQUEST), ENVELOPE)
            async with asyncio.timeout(60):
                await intake.settled("c-1")
        assert [one.connection_id for one in wire.sent] == ["c-1"]
        assert desk.outgoing() == []


@dataclass(slots=True)
class Connections:
    """Open connections: those that take octets, and those that break when they do."""

    live: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    written: list[tuple[str, bytes]] = field(default_factory=list)
    sent: list[tuple[TcpTransport, bytes]] = field(default_factory=list)
    closing: bool = True

    def is_live(self, connection_id: str) -> bool:
        return connection_id in self.live | self.broken

    async def write(self, connection_id: str, octets: bytes, *, permit: Permit) -> None:
        await permit()
        if connection_id in self.broken:
            raise DeliveryFailed(
                "the connection broke", temporary=True, ambiguous=True, failure=AdapterFailure.RESET
            )
        self.written.append((connection_id, octets))

    async def send(self, to: TcpTransport, octets: bytes, *, permit: Permit, **timeouts: object) -> Delivery:
        await permit()
        policy = RetryPolicy()
        assert timeouts == {
            "connect_timeout": policy.connect_timeout,
            "send_timeout": policy.send_timeout,
            "partner": "SFU",
        }
        self.sent.append((to, octets))
        return Delivery(peer_address="192.0.2.7:1611", closed_by_peer=self.closing)


class TestTransmitter:
    def transmitter(self, settings: Settings, incoming: Connections, own: Connections) -> TcpTransmitter:
        return TcpTransmitter(settings, cast("TcpListeners", incoming), cast("TcpSender", own))

    async def test_an_answer_goes_onto_the_connection_while_it_is_open(self, settings: Settings) -> None:
        incoming, own = Connections(live={"in"}), Connections(live={"out"})
        transmitter = self.transmitter(settings, incoming, own)
        await transmitter.transmit(b"1", partner="SFU", connection_id="in")
        await transmitter.transmit(b"2", partner="SFU", connection_id="out")
        assert (incoming.written, own.written, own.sent) == ([("in", b"1")], [("out", b"2")], [])

    async def test_once_that_is_closed_it_goes_to_the_partners_address(self, settings: Settings) -> None:
        own = Connections()
        transmitter = self.transmitter(settings, Connections(), own)
        await transmitter.transmit(b"1", partner="SFU", connection_id="gone")
        await transmitter.transmit(b"2", partner="SFU", connection_id=None)
        assert own.sent == [(gateway.SFU.transport, b"1"), (gateway.SFU.transport, b"2")]

    async def test_a_stranger_has_no_address(self, settings: Settings) -> None:
        own = Connections()
        with pytest.raises(DeliveryError, match="its sender is unknown") as caught:
            await self.transmitter(settings, Connections(), own).transmit(
                b"1", partner=None, connection_id="gone"
            )
        assert not caught.value.temporary
        assert own.sent == []

    async def test_a_partner_that_is_not_configured_may_come_back(self, settings: Settings) -> None:
        with pytest.raises(DeliveryError, match="partner KPU is not configured: put its file back") as caught:
            await self.transmitter(settings, Connections(), Connections()).transmit(
                b"1", partner="KPU", connection_id=None
            )
        assert caught.value.temporary

    async def test_a_partner_that_is_reached_otherwise_is_not_reached_by_tcp(
        self, settings: Settings
    ) -> None:
        by_mail = replace(gateway.SFU, transport=MailTransport(address="ill@sfu.example"))
        with pytest.raises(DeliveryError, match="partner SFU is not reached by TCP") as caught:
            await self.transmitter(with_partner(settings, by_mail), Connections(), Connections()).transmit(
                b"1", partner="SFU", connection_id=None
            )
        assert not caught.value.temporary

    async def test_what_the_adapter_says_is_passed_on(self, settings: Settings) -> None:
        incoming = Connections(broken={"in"})
        with pytest.raises(DeliveryError, match="the connection broke") as caught:
            await self.transmitter(settings, incoming, Connections()).transmit(
                b"1", partner="SFU", connection_id="in"
            )
        assert (caught.value.reason, caught.value.temporary) == ("the connection broke", True)
        assert (caught.value.failure, caught.value.ambiguous) == (Failure.RESET, True)

    async def test_a_partner_that_takes_it_and_does_not_close_may_have_it(self, settings: Settings) -> None:
        own = Connections(closing=False)
        with pytest.raises(DeliveryError, match="did not end the connection") as caught:
            await self.transmitter(settings, Connections(), own).transmit(
                b"1", partner="SFU", connection_id=None
            )
        assert (caught.value.failure, caught.value.ambiguous) == (Failure.NO_CLOSE, True)

    async def test_on_a_two_way_connection_no_close_is_waited_for(self, settings: Settings) -> None:
        transport = TcpTransport(host="sfu.example", port=499, mode=ListenerMode.TWO_WAY)
        two_way = replace(gateway.SFU, transport=transport)
        own = Connections(closing=False)
        await self.transmitter(with_partner(settings, two_way), Connections(), own).transmit(
            b"1", partner="SFU", connection_id=None
        )
        assert own.sent == [(transport, b"1")]

    def test_the_gateway_has_a_word_for_each_failure_of_an_adapter(self) -> None:
        assert {failure.value for failure in AdapterFailure} <= {failure.value for failure in Failure}
