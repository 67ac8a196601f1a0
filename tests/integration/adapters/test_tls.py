"""TLS: what it protects, what its ends say to a peer, and what an operator is told when it fails."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters import tcp_connection, tcp_socket, tls
from adapters.envelope import Envelope
from adapters.errors import DeliveryFailed, Failure, ListenError
from adapters.tcp_connection import CLOSED, OPENED, UNPROTECTED
from adapters.tcp_listener import TcpListeners
from adapters.tcp_sender import TcpSender
from adapters.tcp_stream import TlsStream
from config.settings import Listener, ListenerMode, TcpTransport
from tests.integration.adapters.peers import (
    APDUS,
    LIMITS,
    LONG,
    ONE_WAY,
    SHORT,
    TWO_WAY,
    Recorder,
    connect,
    ids,
    listening,
    never,
    until,
)
from tests.support.authority import Authority, Identity

APDU = APDUS[0]
LARGE = b"\x61\x83\x40\x00\x05\x04\x83\x40\x00\x00" + bytes(2**22)
MODES = pytest.mark.parametrize("mode", list(ListenerMode))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The CA that both ends trust."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def protected(listener: Listener, identity: Identity, *, clients: Path | None = None) -> Listener:
    """The listener, with TLS."""
    return replace(
        listener,
        tls=True,
        certificate_file=str(identity.certificate),
        key_file=str(identity.key),
        client_ca_file=None if clients is None else str(clients),
    )


def listener_of(mode: ListenerMode, identity: Identity, *, clients: Path | None = None) -> Listener:
    return protected(ONE_WAY if mode is ListenerMode.ONE_WAY else TWO_WAY, identity, clients=clients)


def to(tcp: TcpListeners, listener: Listener, authority: Authority, **settings: object) -> TcpTransport:
    """How a partner reaches a listener of ours, whose certificate is for localhost."""
    host, port = tcp.addresses[listener.name]
    transport = TcpTransport(
        host=host,
        port=port,
        mode=listener.mode,
        tls=True,
        server_name="localhost",
        ca_file=str(authority.file),
    )
    return replace(transport, **settings)  # type: ignore[arg-type] # each test names fields of it


async def deliver(
    transport: TcpTransport,
    octets: bytes = APDU,
    *,
    within: timedelta = LONG,
    receiver: Recorder | None = None,
) -> bool:
    """Sends one APDU; tells whether the partner has ended the connection after it."""
    sender = TcpSender(receiver or Recorder(), LIMITS, ids())
    try:
        delivery = await sender.send(
            transport, octets, connect_timeout=within, send_timeout=within, partner="A"
        )
    finally:
        await sender.stop(timedelta(0))
    return delivery.closed_by_peer


async def failure(transport: TcpTransport, *, within: timedelta = LONG) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as raised:
        await deliver(transport, within=within)
    assert raised.value.temporary
    return raised.value


@asynccontextmanager
async def foreign(
    tcp: TcpListeners, listener: Listener, authority: Authority
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connects with asyncio's own TLS, which is not ours."""
    context = ssl.create_default_context(cafile=str(authority.file))
    host, port = tcp.addresses[listener.name]
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="localhost")
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


class TestConversations:
    async def test_the_end_of_tls_is_the_receipt_and_comes_after_storing(self, authority: Authority) -> None:
        receiver = Recorder()
        receiver.may_store.clear()
        listener = protected(ONE_WAY, authority.identity("here"))
        with capture_logs() as logs:
            async with listening(receiver, listener) as tcp:
                delivering = asyncio.create_task(deliver(to(tcp, listener, authority)))
                await receiver.begun.wait()
                # The sender has ended its side, and we hold what it sent: nothing may look like a receipt.
                done, _ = await asyncio.wait((delivering,), timeout=SHORT.total_seconds())
                assert not done
                receiver.may_store.set()
                assert await delivering
        assert receiver.elements == [APDU]
        assert [entry["tls"] for entry in logs if entry["event"] == OPENED] == ["TLSv1.3"]

    async def test_what_could_not_be_stored_has_no_receipt(self, authority: Authority) -> None:
        receiver = Recorder()
        receiver.failure = RuntimeError("no database")
        listener = protected(ONE_WAY, authority.identity("here"))
        async with listening(receiver, listener) as tcp:
            failed = await failure(to(tcp, listener, authority))
        assert (failed.ambiguous, failed.failure) == (True, Failure.RESET)

    async def test_answers_come_back(self, authority: Authority) -> None:
        near, far = Recorder(), Recorder()
        listener = protected(TWO_WAY, authority.identity("here"))
        async with listening(far, listener) as tcp:

            async def answer(octets: bytes, envelope: Envelope) -> None:
                await tcp.write(envelope.connection_id, octets)

            far.on_element = answer
            sender = TcpSender(near, LIMITS, ids())
            transport = to(tcp, listener, authority)
            for octets in (APDU, APDUS[1]):
                await sender.send(transport, octets, connect_timeout=LONG, send_timeout=LONG, partner="A")
            await near.until(lambda: len(near.elements) == 2)
            assert tcp.connections == 1
            await sender.stop(LONG)
        assert near.elements == far.elements == [APDU, APDUS[1]]

    async def test_an_answer_comes_after_the_peer_has_ended_its_side(self, authority: Authority) -> None:
        receiver = Recorder()
        listener = protected(TWO_WAY, authority.identity("here"))
        async with listening(receiver, listener) as tcp:

            async def answer(connection_id: str) -> None:
                await tcp.write(connection_id, APDUS[1])

            receiver.on_settle = answer
            reader, writer = await connect(tcp, listener)
            context = ssl.create_default_context(cafile=str(authority.file))
            stream = TlsStream(reader, writer, context, server_name="localhost")
            await stream.open()
            stream.write(APDU)
            stream.end()
            octets = b""
            while more := await stream.read(100):
                octets += more
            assert octets == APDUS[1]
            stream.close()

    async def test_a_large_apdu_goes_through_whole(self, authority: Authority) -> None:
        receiver = Recorder()
        listener = protected(ONE_WAY, authority.identity("here"))
        limits = replace(LIMITS, max_apdu_octets=2**23)
        async with listening(receiver, listener, limits=limits) as tcp:
            assert await deliver(to(tcp, listener, authority), LARGE)
        assert receiver.elements == [LARGE]

    async def test_another_implementation_is_understood(self, authority: Authority) -> None:
        receiver = Recorder()
        listener = protected(TWO_WAY, authority.identity("here"))
        async with listening(receiver, listener) as tcp:

            async def answer(octets: bytes, envelope: Envelope) -> None:
                await tcp.write(envelope.connection_id, octets)

            receiver.on_element = answer
            async with foreign(tcp, listener, authority) as (reader, writer):
                writer.write(APDU)
                assert await reader.readexactly(len(APDU)) == APDU

    async def test_a_client_that_never_reads_loses_nothing_when_it_closes(self, authority: Authority) -> None:
        """A session ticket that it leaves unread would make its close a reset."""
        receiver = Recorder()
        listener = protected(ONE_WAY, authority.identity("here"))
        async with listening(receiver, listener) as tcp:
            async with foreign(tcp, listener, authority) as (_, writer):
                writer.write(APDU)
                writer.close()
                await receiver.until(lambda: len(receiver.elements) == 1)
            await until(lambda: tcp.connections == 0)
        assert receiver.elements == [APDU]

    async def test_the_end_of_tcp_alone_is_no_end(self, authority: Authority) -> None:
        """Who stands between could have cut off the rest: the peer must not be told that all is stored."""
        receiver = Recorder()
        listener = protected(ONE_WAY, authority.identity("here"))
        with capture_logs() as logs:
            async with listening(receiver, listener) as tcp:
                reader, writer = await connect(tcp, listener)
                context = ssl.create_default_context(cafile=str(authority.file))
                stream = TlsStream(reader, writer, context, server_name="localhost")
                await stream.open()
                stream.write(APDU)
                writer.write_eof()
                with pytest.raises(OSError, match=r"reset by peer|ALERT"):
                    await stream.read(1)
                writer.close()
        assert receiver.elements == [APDU]
        assert [entry["ending"] for entry in logs if entry["event"] == CLOSED] == ["lost"]

    async def test_a_partner_that_ends_tcp_alone_gives_no_receipt(self, authority: Authority) -> None:
        here = authority.identity("here")
        context = tls.server_context(protected(ONE_WAY, here))
        assert context is not None

        async def take_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            stream = TlsStream(reader, writer, context)
            await stream.open()
            while await stream.read(100):
                pass
            tcp_socket.close(writer)

        server = await asyncio.start_server(take_and_close, "127.0.0.1", 0)
        transport = TcpTransport(
            host="127.0.0.1",
            port=server.sockets[0].getsockname()[1],
            tls=True,
            server_name="localhost",
            ca_file=str(authority.file),
        )
        assert not await deliver(transport)
        server.close()
        await server.wait_closed()

    async def test_what_a_peer_sends_at_once_is_not_lost_to_the_end_of_our_side(
        self, authority: Authority
    ) -> None:
        """OpenSSL will not end our side while something is unread; here two APDUs are, and garbage."""
        receiver = Recorder()
        listener = protected(TWO_WAY, authority.identity("here"))
        async with listening(receiver, listener) as tcp, foreign(tcp, listener, authority) as streams:
            reader, writer = streams
            for octets in (APDU, b"\x61\xff", APDUS[1] * 2000):
                writer.write(octets)
            assert await reader.read() == b"", "an end in good order: what could be read is stored"
        assert receiver.elements == [APDU]
        assert receiver.unreadable_octets


class TestWhoIsWho:
    @MODES
    async def test_a_ca_that_we_do_not_trust(
        self, authority: Authority, stranger: Authority, mode: ListenerMode
    ) -> None:
        listener = listener_of(mode, stranger.identity("they"))
        async with listening(Recorder(), listener) as tcp:
            failed = await failure(to(tcp, listener, authority))
        assert (failed.ambiguous, failed.failure) == (False, Failure.TLS)
        assert "its CA is none that we trust; set ca_file" in failed.reason

    async def test_without_a_ca_file_it_is_this_machines_cas(self, authority: Authority) -> None:
        listener = protected(ONE_WAY, authority.identity("here"))
        async with listening(Recorder(), listener) as tcp:
            failed = await failure(to(tcp, listener, authority, ca_file=None))
        assert failed.failure is Failure.TLS

    async def test_another_hosts_certificate(self, authority: Authority) -> None:
        listener = protected(ONE_WAY, authority.identity("other", host="other.example"))
        async with listening(Recorder(), listener) as tcp:
            by_name = await failure(to(tcp, listener, authority))
            by_address = await failure(to(tcp, listener, authority, server_name=None))
        assert "it is another host's; check host, or set server_name" in by_name.reason
        assert "it is another host's; check host, or set server_name" in by_address.reason

    async def test_an_address_may_stand_in_a_certificate(self, authority: Authority) -> None:
        listener = protected(ONE_WAY, authority.identity("address", host="127.0.0.1"))
        async with listening(Recorder(), listener) as tcp:
            assert await deliver(to(tcp, listener, authority, server_name=None))

    async def test_a_certificate_that_has_ended(self, authority: Authority) -> None:
        listener = protected(ONE_WAY, authority.identity("old", lifetime=timedelta(days=-1)))
        async with listening(Recorder(), listener) as tcp:
            failed = await failure(to(tcp, listener, authority))
        assert "it has ended; the partner has to renew it" in failed.reason

    @MODES
    async def test_a_client_certificate_that_is_asked_for(
        self, authority: Authority, mode: ListenerMode
    ) -> None:
        receiver, mine = Recorder(), authority.identity("client", host="client.example")
        listener = listener_of(mode, authority.identity("here"), clients=authority.file)
        async with listening(receiver, listener) as tcp:
            transport = to(
                tcp, listener, authority, certificate_file=str(mine.certificate), key_file=str(mine.key)
            )
            await deliver(transport)
            await receiver.until(lambda: len(receiver.elements) == 1)

    @MODES
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    async def test_one_that_is_not_there_is_not_taken_for_a_delivery(
        self,
        authority: Authority,
        mode: ListenerMode,
        version: ssl.TLSVersion,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """In TLS 1.3 the listener says so after we have begun to write, and its system takes all of it."""
        known = tls.client_context

        def limited(transport: TcpTransport) -> ssl.SSLContext:
            context = known(transport)
            context.maximum_version = version
            return context

        monkeypatch.setattr("adapters.tcp_sender.client_context", limited)
        receiver = Recorder()
        listener = listener_of(mode, authority.identity("here"), clients=authority.file)
        with capture_logs() as logs:
            async with listening(receiver, listener) as tcp:
                failed = await failure(to(tcp, listener, authority))
        assert (failed.ambiguous, failed.failure) == (False, Failure.TLS)
        assert "it does not accept our certificate, or the want of one" in failed.reason
        assert receiver.elements == []
        (line,) = [entry for entry in logs if entry["event"] == UNPROTECTED]
        assert "peer did not return a certificate" in line["reason"]

    async def test_a_client_certificate_of_a_ca_that_the_listener_does_not_trust(
        self, authority: Authority, stranger: Authority
    ) -> None:
        theirs = stranger.identity("client", host="client.example")
        listener = protected(TWO_WAY, authority.identity("here"), clients=authority.file)
        async with listening(Recorder(), listener) as tcp:
            failed = await failure(
                to(
                    tcp,
                    listener,
                    authority,
                    certificate_file=str(theirs.certificate),
                    key_file=str(theirs.key),
                )
            )
        assert (failed.ambiguous, failed.failure) == (False, Failure.TLS)

    async def test_a_partner_that_says_nothing_about_it_is_believed(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("adapters.tcp_sender.CONFIRMATION", 0.05)
        receiver = Recorder()
        # One-way listeners send no ticket.
        listener = protected(ONE_WAY, authority.identity("here"))
        async with listening(receiver, listener) as tcp:
            await deliver(to(tcp, listener, authority, reuse=True))
            await receiver.until(lambda: len(receiver.elements) == 1)

    async def test_a_partner_that_speaks_first_has_accepted_us(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("adapters.tcp_sender.CONFIRMATION", 60)
        context = tls.server_context(protected(ONE_WAY, authority.identity("here")))
        assert context is not None

        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            stream = TlsStream(reader, writer, context)
            await stream.open()
            stream.write(APDUS[1] + APDUS[2])
            while await stream.read(100):
                pass
            stream.close()

        receiver = Recorder()
        server = await asyncio.start_server(speak, "127.0.0.1", 0)
        transport = TcpTransport(
            host="127.0.0.1",
            port=server.sockets[0].getsockname()[1],
            mode=ListenerMode.TWO_WAY,
            tls=True,
            server_name="localhost",
            ca_file=str(authority.file),
        )
        sender = TcpSender(receiver, LIMITS, ids())
        await sender.send(transport, APDU, connect_timeout=LONG, send_timeout=LONG, partner="A")
        await receiver.until(lambda: receiver.elements == [APDUS[1], APDUS[2]])
        await sender.stop(LONG)
        server.close()
        await server.wait_closed()

    async def test_nothing_is_left_of_one_that_is_broken_off(self, authority: Authority) -> None:
        came, ended = asyncio.Event(), asyncio.Event()

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            came.set()
            with contextlib.suppress(ConnectionResetError):
                while await reader.read(1_000):
                    pass
            ended.set()
            writer.close()

        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        transport = TcpTransport(
            host="127.0.0.1",
            port=server.sockets[0].getsockname()[1],
            tls=True,
            ca_file=str(authority.file),
        )
        delivering = asyncio.create_task(deliver(transport))
        await came.wait()
        delivering.cancel()
        await ended.wait()
        with pytest.raises(asyncio.CancelledError):
            await delivering
        server.close()
        await server.wait_closed()


class TestNoTls:
    async def test_a_partner_that_speaks_in_the_clear(self) -> None:
        async def http(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\x1b[31m\r\n")
            await never()

        server = await asyncio.start_server(http, "127.0.0.1", 0)
        transport = TcpTransport(host="127.0.0.1", port=server.sockets[0].getsockname()[1], tls=True)
        failed = await failure(transport)
        server.close()
        assert (failed.ambiguous, failed.failure) == (False, Failure.TLS)
        assert "check the port, and whether TLS 1.2 or later is spoken there" in failed.reason
        assert "\x1b" not in failed.reason

    async def test_a_partner_that_says_nothing(self) -> None:
        async def nothing(*_: object) -> None:
            await never()

        server = await asyncio.start_server(nothing, "127.0.0.1", 0)
        transport = TcpTransport(host="127.0.0.1", port=server.sockets[0].getsockname()[1], tls=True)
        failed = await failure(transport, within=SHORT)
        server.close()
        assert (failed.ambiguous, failed.failure) == (False, Failure.TLS)
        assert "it did not agree on TLS in time" in failed.reason

    async def test_a_partner_that_closes_instead(self) -> None:
        async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1_000)
            writer.close()

        server = await asyncio.start_server(close, "127.0.0.1", 0)
        transport = TcpTransport(host="127.0.0.1", port=server.sockets[0].getsockname()[1], tls=True)
        failed = await failure(transport)
        server.close()
        assert failed.failure is Failure.TLS
        assert "it ended the connection without ending TLS" in failed.reason

    async def test_a_ca_file_that_has_gone(self, authority: Authority, tmp_path: Path) -> None:
        listener = protected(ONE_WAY, authority.identity("here"))
        async with listening(Recorder(), listener) as tcp:
            failed = await failure(to(tcp, listener, authority, ca_file=str(tmp_path / "gone.pem")))
        assert (failed.ambiguous, failed.failure) == (False, Failure.TLS)
        assert "iso-gateway check says what is wrong" in failed.reason

    @pytest.mark.parametrize("octets", [APDU, b"GET / HTTP/1.1\r\n\r\n"])
    async def test_what_comes_in_the_clear_is_not_taken(self, authority: Authority, octets: bytes) -> None:
        receiver = Recorder()
        listener = protected(TWO_WAY, authority.identity("here"))
        with capture_logs() as logs:
            async with listening(receiver, listener) as tcp:
                reader, writer = await connect(tcp, listener)
                writer.write(octets)
                with pytest.raises(ConnectionResetError):
                    await reader.readexactly(1000)  # an alert, and the reset
                writer.close()
                await until(lambda: tcp.connections == 0)
        assert (receiver.elements, receiver.unreadable_octets) == ([], [])
        assert [entry["event"] for entry in logs] == [UNPROTECTED, CLOSED]
        assert logs[1]["ending"] == "no-tls"
        assert "HTTP/1.1" not in str(logs)

    async def test_a_peer_that_never_begins_is_not_waited_for(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tcp_connection, "HANDSHAKE", 0.05)
        listener = protected(TWO_WAY, authority.identity("here"))
        with capture_logs() as logs:
            async with listening(Recorder(), listener) as tcp:
                reader, writer = await connect(tcp, listener)
                with pytest.raises(ConnectionResetError):
                    await reader.read()
                writer.close()
        assert logs[0]["reason"] == "it did not begin TLS in time"

    async def test_a_stop_does_not_wait_for_a_peer_that_never_begins(self, authority: Authority) -> None:
        listener = protected(TWO_WAY, authority.identity("here"))
        async with listening(Recorder(), listener) as tcp:
            reader, writer = await connect(tcp, listener)
            await until(lambda: tcp.connections == 1)
            async with asyncio.timeout(60):
                await tcp.stop(LONG)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    async def test_an_older_version_is_refused(self, authority: Authority) -> None:
        context = tls.server_context(protected(ONE_WAY, authority.identity("here")))
        assert context is not None
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        client = tls.client_context(TcpTransport(host="a", port=1, tls=True))
        assert client.minimum_version is ssl.TLSVersion.TLSv1_2
        assert client.check_hostname
        assert client.verify_mode is ssl.CERT_REQUIRED

    async def test_a_listener_whose_key_has_gone_does_not_start(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        listener = replace(protected(ONE_WAY, authority.identity("here")), key_file=str(tmp_path / "gone"))
        tcp = TcpListeners((listener,), LIMITS, Recorder(), ids())
        with pytest.raises(ListenError, match="its certificate or key cannot be used any more"):
            await tcp.start()
