"""What peers can do to the listeners, over real sockets."""

import asyncio
import errno
import random
import socket
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from adapters import tcp_connection
from adapters.envelope import Envelope, Transport
from adapters.errors import DeliveryFailed, ListenError
from adapters.tcp_connection import CLOSED, FAILED, OPENED, REFUSED
from adapters.tcp_listener import TcpListeners
from asn1.errors import WireErrorKind
from config.settings import Listener
from tests.integration.adapters.peers import (
    APDUS,
    ENOUGH,
    LIMITS,
    LONG,
    ONE_WAY,
    SHORT,
    TWO_WAY,
    Recorder,
    connect,
    forget_peers,
    ids,
    listening,
    never,
    reset,
    send,
    until,
)

APDU = APDUS[0]
BAD = b"GET / HTTP/1.1\r\n\r\n"


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def answering(receiver: Recorder, tcp: TcpListeners) -> None:
    """Makes the receiver write every element back on the connection it came by."""

    async def answer(octets: bytes, envelope: Envelope) -> None:
        await tcp.write(envelope.connection_id, octets)

    receiver.on_element = answer


class TestReceiving:
    async def test_the_close_comes_only_after_the_element_was_stored(self) -> None:
        receiver = Recorder()
        receiver.may_store.clear()
        async with listening(receiver) as tcp:
            sending = asyncio.create_task(send(tcp, APDU))
            await receiver.begun.wait()
            assert not sending.done()
            receiver.may_store.set()
            assert await sending == b""
            assert receiver.elements == [APDU]

    async def test_the_envelope_says_where_it_came_from(self) -> None:
        receiver = Recorder()
        async with listening(receiver, ONE_WAY, TWO_WAY) as tcp:
            reader, writer = await connect(tcp, TWO_WAY)
            host, port = writer.get_extra_info("sockname")
            writer.write(APDU)
            writer.write_eof()
            await reader.read()
            writer.close()
            await send(tcp, APDU, ONE_WAY)
        assert receiver.envelopes[0] == Envelope(
            transport=Transport.TCP_TWO_WAY,
            listener="two-way",
            peer_address=f"{host}:{port}",
            peer_host=host,
            connection_id="c1",
        )
        assert (receiver.envelopes[1].transport, receiver.envelopes[1].connection_id) == (
            Transport.TCP_ONE_WAY,
            "c2",
        )

    async def test_a_thousand_apdus_in_random_fragments_are_a_thousand_elements(self) -> None:
        chance = random.Random(10161)  # noqa: S311 - the same pieces each time
        expected = [chance.choice(APDUS) for _ in range(1000)]
        stream = b"".join(expected)
        receiver = Recorder()
        async with listening(receiver) as tcp:
            reader, writer = await connect(tcp)
            start = 0
            while start < len(stream):
                end = start + chance.choice((1, 2, 7, 100, 1000, 20_000))
                writer.write(stream[start:end])
                await writer.drain()
                start = end
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        assert receiver.elements == expected
        assert not receiver.unreadable_octets

    async def test_fifty_connections_at_once_each_get_their_own_answers(self) -> None:
        receiver = Recorder()
        async with listening(receiver, TWO_WAY) as tcp:
            answering(receiver, tcp)
            sent = [APDUS[index % len(APDUS)] + APDUS[(index * 7) % len(APDUS)] for index in range(50)]
            assert await asyncio.gather(*(send(tcp, octets, TWO_WAY) for octets in sent)) == sent

    async def test_a_peer_is_not_read_faster_than_its_elements_are_stored(self) -> None:
        receiver = Recorder()
        receiver.may_store.clear()
        async with listening(receiver) as tcp:
            reader, writer = await connect(tcp)
            writer.transport.set_write_buffer_limits(high=0)
            stuck = 0
            piece = b"".join(APDUS) * 20
            sent = 0
            while stuck < 200:
                assert sent < 64 * 2**20, "the listener takes everything"
                if writer.transport.get_write_buffer_size():
                    stuck += 1
                else:
                    writer.write(piece)
                    sent += len(piece)
                    stuck = 0
                await asyncio.sleep(0)
            receiver.may_store.set()
            await writer.drain()
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        assert sum(map(len, receiver.elements)) == sent


class TestEndings:
    async def test_answers_go_out_between_the_half_close_and_the_close(self) -> None:
        receiver = Recorder()
        async with listening(receiver, TWO_WAY) as tcp:

            async def late_answer(connection_id: str) -> None:
                assert tcp.is_live(connection_id)
                await tcp.write(connection_id, APDUS[1])

            receiver.on_settle = late_answer
            assert await send(tcp, APDU, TWO_WAY) == APDUS[1]
            await until(lambda: tcp.connections == 0)
            assert not tcp.is_live("c1")
        assert receiver.settling == ["c1"]

    async def test_answers_are_not_waited_for_longer_than_the_limit(self) -> None:
        receiver = Recorder()
        receiver.on_settle = never
        async with listening(receiver, TWO_WAY, limits=replace(LIMITS, answer_timeout=SHORT)) as tcp:
            assert await send(tcp, APDU, TWO_WAY) == b""

    async def test_nobody_waits_for_answers_on_a_one_way_connection(self) -> None:
        receiver = Recorder()
        receiver.on_settle = never
        async with listening(receiver, ONE_WAY) as tcp:
            assert await send(tcp, APDU, ONE_WAY) == b""
        assert receiver.settling == []

    async def test_a_silent_one_way_connection_is_reset_so_that_it_is_no_receipt(self) -> None:
        receiver = Recorder()
        async with listening(receiver, limits=replace(LIMITS, idle_timeout=SHORT)) as tcp:
            reader, writer = await connect(tcp)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    async def test_a_silent_two_way_connection_is_ended_so_that_no_answer_is_lost(self) -> None:
        receiver = Recorder()
        async with listening(receiver, TWO_WAY, limits=replace(LIMITS, idle_timeout=ENOUGH)) as tcp:
            answering(receiver, tcp)
            reader, writer = await connect(tcp, TWO_WAY)
            writer.write(APDU)
            assert await reader.read() == APDU
            writer.close()
            await until(lambda: tcp.connections == 0)

    async def test_what_we_write_keeps_a_two_way_connection_open(self) -> None:
        receiver = Recorder()
        loop = asyncio.get_running_loop()
        async with listening(receiver, TWO_WAY, limits=replace(LIMITS, idle_timeout=ENOUGH)) as tcp:
            reader, writer = await connect(tcp, TWO_WAY)
            await until(lambda: tcp.is_live("c1"))
            begun = loop.time()
            while loop.time() < begun + 2 * ENOUGH.total_seconds():
                await tcp.write("c1", APDU)
                assert await reader.readexactly(len(APDU)) == APDU
                await asyncio.sleep(0.01)
            assert tcp.is_live("c1")
            writer.close()

    async def test_one_element_cannot_take_for_ever(self) -> None:
        receiver = Recorder()
        loop = asyncio.get_running_loop()
        limits = replace(LIMITS, idle_timeout=timedelta(milliseconds=200), max_apdu_octets=2**24)
        async with listening(receiver, limits=limits) as tcp:
            _, writer = await connect(tcp)
            begun = loop.time()
            writer.write(b"\x61\x83\xff\xff\xf0")
            while not receiver.unreadable_octets:  # never silent, and never done
                assert loop.time() < begun + 30
                writer.write(b"\x04\x00")
                await asyncio.sleep(0)
            await until(lambda: tcp.connections == 0)
            writer.transport.abort()
        assert "cut off" in str(receiver.errors[0])

    async def test_a_stream_of_whole_elements_may_take_for_ever(self) -> None:
        receiver = Recorder()
        loop = asyncio.get_running_loop()
        async with listening(receiver, limits=replace(LIMITS, idle_timeout=ENOUGH)) as tcp:
            reader, writer = await connect(tcp)
            begun, count = loop.time(), 0
            writer.write(APDU[:1])
            while loop.time() < begun + 2 * ENOUGH.total_seconds():  # each write ends within the next element
                writer.write(APDU[1:] + APDU[:1])
                count += 1
                await receiver.until(lambda: len(receiver.elements) == count)  # noqa: B023 - awaited at once
                await asyncio.sleep(0.01)
            writer.write(APDU[1:])
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        assert len(receiver.elements) == count + 1
        assert not receiver.unreadable_octets

    async def test_a_two_way_peer_that_falls_silent_within_an_element_is_reset(self) -> None:
        receiver = Recorder()
        async with listening(receiver, TWO_WAY, limits=replace(LIMITS, idle_timeout=ENOUGH)) as tcp:
            reader, writer = await connect(tcp, TWO_WAY)
            writer.write(APDU[:-1])
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
        assert receiver.unreadable_octets == [APDU[:-1]]

    @pytest.mark.parametrize("listener", [ONE_WAY, TWO_WAY])
    async def test_what_is_no_element_is_kept_and_ends_the_connection(self, listener: Listener) -> None:
        receiver = Recorder()
        async with listening(receiver, listener) as tcp:
            answering(receiver, tcp) if listener is TWO_WAY else None
            reader, writer = await connect(tcp, listener)
            writer.write(APDUS[0] + APDUS[1] + BAD)
            answers = await reader.read()
            writer.close()
            assert answers == (APDUS[0] + APDUS[1] if listener is TWO_WAY else b"")
            assert receiver.elements == [APDUS[0], APDUS[1]]
            assert receiver.unreadable_octets == [BAD]
            assert receiver.errors[0].kind is WireErrorKind.BADLY_STRUCTURED
            await send(tcp, APDUS[2], listener)
        assert receiver.elements == list(APDUS[:3])

    async def test_what_follows_what_is_no_element_is_thrown_away(self) -> None:
        receiver = Recorder()
        async with listening(receiver) as tcp:
            reader, writer = await connect(tcp)
            writer.write(BAD)
            await receiver.until(lambda: len(receiver.errors) == 1)
            writer.write(APDU)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        assert receiver.elements == []
        assert receiver.unreadable_octets == [BAD]

    async def test_an_element_that_claims_too_much_is_refused_at_its_header(self) -> None:
        receiver = Recorder()
        async with listening(receiver, limits=replace(LIMITS, max_apdu_octets=100)) as tcp:
            reader, writer = await connect(tcp)
            writer.write(b"\x61\x82\x10\x00")
            assert await reader.read() == b""
            writer.close()
        assert receiver.unreadable_octets == [b"\x61\x82\x10\x00"]

    async def test_the_configuration_says_how_many_elements_are_stepped_over(self) -> None:
        # Only under an indefinite length does the end have to be looked for, element by element.
        many = b"\x61\x80" + b"\x05\x00" * 5_000 + b"\x00\x00"
        taken, refused = Recorder(), Recorder()
        async with listening(taken, limits=replace(LIMITS, max_elements=6_000)) as tcp:
            assert await send(tcp, many) == b""
        async with listening(refused, limits=replace(LIMITS, max_elements=1_000)) as tcp:
            _, writer = await connect(tcp)
            writer.write(many)
            await refused.until(lambda: len(refused.errors) == 1)
            writer.close()
        assert taken.elements == [many]
        assert refused.elements == []

    async def test_an_element_that_is_cut_off_is_kept_as_unreadable(self) -> None:
        receiver = Recorder()
        async with listening(receiver) as tcp:
            assert await send(tcp, APDUS[0] + APDUS[1][:-1]) == b""
        assert receiver.elements == [APDUS[0]]
        assert receiver.unreadable_octets == [APDUS[1][:-1]]
        # A place in the octets that are kept, not in the stream: its end, because what is missing follows.
        assert receiver.errors[0].offset == len(APDUS[1]) - 1

    async def test_the_place_of_what_is_wrong_counts_from_the_octets_that_are_kept(self) -> None:
        receiver = Recorder()
        async with listening(receiver) as tcp:
            assert await send(tcp, APDUS[0] + APDUS[1] + BAD) == b""
        assert receiver.elements == [APDUS[0], APDUS[1]]
        assert receiver.unreadable_octets == [BAD]
        assert receiver.errors[0].offset == 0

    async def test_an_element_that_is_cut_off_by_a_reset_is_kept_as_unreadable(self) -> None:
        receiver = Recorder()
        async with listening(receiver) as tcp:
            _, writer = await connect(tcp)
            writer.write(APDUS[0] + APDUS[1][:-1])
            await receiver.until(lambda: len(receiver.elements) == 1)
            reset(writer)
            await receiver.until(lambda: len(receiver.errors) == 1)
        assert receiver.unreadable_octets == [APDUS[1][:-1]]

    @pytest.mark.parametrize("octets", [APDU, BAD])
    async def test_what_could_not_be_stored_is_reset_and_the_rest_goes_on(self, octets: bytes) -> None:
        receiver = Recorder()
        receiver.failure = RuntimeError("patron Emily Carr")
        async with listening(receiver, ONE_WAY) as tcp:
            with capture_logs() as logs:
                with pytest.raises(ConnectionResetError):
                    await send(tcp, octets)
                await until(lambda: tcp.connections == 0)
            receiver.failure = None
            assert await send(tcp, APDUS[1]) == b""
        assert receiver.elements == [APDUS[1]]
        (failed,) = [entry for entry in logs if entry["event"] == FAILED]
        assert (failed["error"], failed["log_level"]) == ("RuntimeError", "error")
        assert failed["where"].startswith("peers.py:")
        assert "Emily" not in str(logs)
        assert logs[-1]["ending"] == "not-stored"


class TestCaps:
    async def test_over_the_cap_a_connection_is_reset_until_another_ends(self) -> None:
        receiver = Recorder()
        async with listening(receiver, ONE_WAY, limits=replace(LIMITS, max_connections=2)) as tcp:
            first, second = await connect(tcp), await connect(tcp)
            await until(lambda: tcp.connections == 2)
            with pytest.raises(ConnectionResetError):
                await send(tcp, APDU)
            for _, writer in (first, second):
                writer.close()
            await until(lambda: tcp.connections == 0)
            assert await send(tcp, APDU) == b""
        assert receiver.elements == [APDU]

    async def test_other_limits_hold_from_the_next_connection_on(self) -> None:
        receiver = Recorder()
        async with listening(receiver, ONE_WAY, limits=replace(LIMITS, max_connections=1)) as tcp:
            _, first = await connect(tcp)
            await until(lambda: tcp.connections == 1)
            tcp.follow(replace(LIMITS, max_connections=2))
            _, second = await connect(tcp)
            await until(lambda: tcp.connections == 2)
            with pytest.raises(ConnectionResetError):
                await send(tcp, APDU)
            for writer in (first, second):
                writer.close()

    async def test_one_address_cannot_take_all_connections(self) -> None:
        receiver = Recorder()
        limits = replace(LIMITS, max_connections_per_address=2)
        async with listening(receiver, ONE_WAY, limits=limits) as tcp:
            held = [await connect(tcp), await connect(tcp), await connect(tcp, source="127.0.0.2")]
            await until(lambda: tcp.connections == 3)
            with pytest.raises(ConnectionResetError):
                await send(tcp, APDU)
            for _, writer in held:
                writer.close()

    async def test_refusals_are_logged_at_a_bounded_rate_and_all_counted(self) -> None:
        receiver = Recorder()
        tcp = TcpListeners((ONE_WAY,), replace(LIMITS, max_connections=0), receiver, ids())
        with capture_logs() as logs:
            await tcp.start()
            for _ in range(5):
                with pytest.raises(ConnectionResetError):
                    await send(tcp, APDU)
            await tcp.stop(LONG)
        refused = [entry for entry in logs if entry["event"] == REFUSED]
        assert [entry["count"] for entry in refused] == [1, 4]


async def test_a_connection_that_broke_before_it_was_accepted_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receiver = Recorder()
    async with listening(receiver, ONE_WAY) as tcp:
        with monkeypatch.context() as forgetful:
            forget_peers(forgetful)
            reader, writer = await connect(tcp)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
        assert tcp.connections == 0
        assert await send(tcp, APDU) == b""


class TestWriting:
    async def test_there_is_nothing_to_write_on_once_the_connection_is_gone(self) -> None:
        receiver = Recorder()
        async with listening(receiver, TWO_WAY) as tcp:
            await send(tcp, APDU, TWO_WAY)
            await until(lambda: tcp.connections == 0)
            with pytest.raises(DeliveryFailed, match="c1 is gone") as failure:
                await tcp.write("c1", APDU)
        assert (failure.value.temporary, failure.value.ambiguous) == (True, False)

    async def test_nothing_is_ever_written_on_a_one_way_connection(self) -> None:
        receiver = Recorder()
        async with listening(receiver, ONE_WAY) as tcp:
            _, writer = await connect(tcp)
            await until(lambda: tcp.connections == 1)
            assert not tcp.is_live("c1")
            with pytest.raises(DeliveryFailed, match="gone"):
                await tcp.write("c1", APDU)
            writer.close()

    async def test_what_is_broken_off_is_never_taken_for_whole(self) -> None:
        receiver = Recorder()
        async with listening(receiver, TWO_WAY) as tcp:
            reader, writer = await connect(tcp, TWO_WAY)
            await until(lambda: tcp.is_live("c1"))
            writing = asyncio.create_task(tcp.write("c1", bytes(32 * 2**20)))
            await reader.readexactly(1)
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
            assert not tcp.is_live("c1")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    async def test_a_peer_that_does_not_read_cannot_have_the_apdu(self) -> None:
        receiver = Recorder()
        async with listening(receiver, TWO_WAY, limits=replace(LIMITS, answer_timeout=SHORT)) as tcp:
            _, writer = await connect(tcp, TWO_WAY)
            writer.transport.pause_reading()  # type: ignore[attr-defined] # StreamWriter.transport is too wide
            await until(lambda: tcp.is_live("c1"))
            with pytest.raises(DeliveryFailed, match="did not take the whole APDU in time") as failure:
                await tcp.write("c1", bytes(32 * 2**20))
            assert (failure.value.temporary, failure.value.ambiguous) == (True, False)
            assert not tcp.is_live("c1")
            await until(lambda: tcp.connections == 0)
            writer.close()

    async def test_a_peer_that_has_gone_without_reading_may_have_the_apdu(self) -> None:
        receiver = Recorder()
        outcome: list[DeliveryFailed] = []
        async with listening(receiver, TWO_WAY) as tcp:

            async def answer_into_the_void(connection_id: str) -> None:
                with pytest.raises(DeliveryFailed) as failure:
                    await tcp.write(connection_id, APDU)
                outcome.append(failure.value)
                with pytest.raises(DeliveryFailed, match="gone"):
                    await tcp.write(connection_id, APDU)

            receiver.on_settle = answer_into_the_void
            _, writer = await connect(tcp, TWO_WAY)
            writer.close()  # wholly: the answer meets a reset
            await until(lambda: bool(outcome) and tcp.connections == 0)
        assert (outcome[0].temporary, outcome[0].ambiguous) == (True, True)


class TestStarting:
    async def test_a_taken_port_is_named_and_nothing_is_left_bound(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as holder, socket.socket() as spare:
            taken = holder.getsockname()[1]
            spare.bind(("127.0.0.1", 0))
            free = spare.getsockname()[1]
            spare.close()
            tcp = TcpListeners(
                (replace(ONE_WAY, port=free), replace(TWO_WAY, port=taken)), LIMITS, Recorder(), ids()
            )
            with pytest.raises(ListenError) as failure:
                await tcp.start()
            assert str(failure.value) == (
                f"cannot listen on 127.0.0.1:{taken} (listener 'two-way'): "
                "another program is using this port; stop it, or set another port for the listener"
            )
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", free)
            assert tcp.addresses == {}

    async def test_two_listeners_on_one_port_are_one_too_many(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        tcp = TcpListeners(
            (replace(ONE_WAY, port=port), replace(TWO_WAY, port=port)), LIMITS, Recorder(), ids()
        )
        with pytest.raises(ListenError, match=r"listener 'two-way'.*another program is using this port"):
            await tcp.start()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        assert tcp.addresses == {}

    async def test_an_address_that_this_machine_does_not_have_is_named(self) -> None:
        tcp = TcpListeners((replace(ONE_WAY, host="192.0.2.1"),), LIMITS, Recorder(), ids())
        with pytest.raises(ListenError, match=r"192\.0\.2\.1:0 .*does not have this address"):
            await tcp.start()

    async def test_a_forbidden_port_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(socket.socket, "bind", refuse)
        tcp = TcpListeners((replace(ONE_WAY, port=499),), LIMITS, Recorder(), ids())
        with pytest.raises(ListenError, match=r"127\.0\.0\.1:499 .*may not use ports under 1024"):
            await tcp.start()

    async def test_a_host_that_nobody_knows_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def nowhere(*_: object, **__: object) -> object:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
        tcp = TcpListeners((replace(ONE_WAY, host="ill.example"),), LIMITS, Recorder(), ids())
        with pytest.raises(ListenError, match=r"ill\.example:0 .*name or service not known"):
            await tcp.start()

    async def test_the_addresses_of_a_name_share_a_port_and_those_not_here_are_left_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def three(*_: object, **__: object) -> object:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
            return [(*kind, (host, 0)) for host in ("127.0.0.1", "192.0.2.1", "127.0.0.2")]

        receiver = Recorder()
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", three)
        async with listening(receiver) as tcp:
            monkeypatch.undo()
            host, port = tcp.addresses["one-way"]
            assert host == "127.0.0.1"
            _, writer = await asyncio.open_connection("127.0.0.2", port)
            writer.close()

    @pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback address; switch IPv6 on")
    async def test_ipv6_is_listened_on(self) -> None:
        receiver = Recorder()
        async with listening(receiver, replace(ONE_WAY, host="::1")) as tcp:
            host, port = tcp.addresses["one-way"][:2]
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(APDU)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        assert receiver.envelopes[0].peer_host == "::1"
        assert receiver.envelopes[0].peer_address.startswith("[::1]:")

    async def test_a_socket_that_is_bound_already_is_used(self) -> None:
        receiver = Recorder()
        given = socket.create_server(("127.0.0.1", 0))
        address = given.getsockname()
        tcp = TcpListeners((replace(ONE_WAY, host="192.0.2.1", port=1611),), LIMITS, receiver, ids())
        await tcp.start({"one-way": [given]})
        assert tcp.addresses == {"one-way": address}
        assert await send(tcp, APDU) == b""
        await tcp.stop(LONG)
        assert given.fileno() == -1

    async def test_a_socket_for_no_listener_is_an_error_that_names_it(self) -> None:
        given = socket.create_server(("127.0.0.1", 0))
        tcp = TcpListeners((ONE_WAY,), LIMITS, Recorder(), ids())
        with pytest.raises(ListenError, match=r"listener 'iso-ill'.*no listener has this name"):
            await tcp.start({"iso-ill": [given]})
        assert given.fileno() == -1


class TestStopping:
    async def test_stopping_before_starting_does_nothing(self) -> None:
        await TcpListeners((ONE_WAY,), LIMITS, Recorder(), ids()).stop(LONG)

    async def test_what_was_read_is_received_and_answered(self) -> None:
        receiver = Recorder()
        receiver.may_store.clear()
        async with listening(receiver, TWO_WAY) as tcp:

            async def late_answer(connection_id: str) -> None:
                await tcp.write(connection_id, APDUS[2])

            receiver.on_settle = late_answer
            reader, writer = await connect(tcp, TWO_WAY)
            writer.write(APDUS[0] + APDUS[1])
            await receiver.begun.wait()
            stopping = asyncio.create_task(tcp.stop(LONG))
            await until(lambda: not tcp._servers[0].is_serving())
            receiver.may_store.set()
            assert await reader.read() == APDUS[2]
            writer.close()
            await stopping
            assert tcp.connections == 0
        assert receiver.elements == [APDUS[0], APDUS[1]]

    async def test_a_one_way_connection_is_reset_as_more_may_be_under_way(self) -> None:
        receiver = Recorder()
        async with listening(receiver, ONE_WAY) as tcp:
            reader, writer = await connect(tcp)
            writer.write(APDU)
            await receiver.until(lambda: len(receiver.elements) == 1)
            await tcp.stop(LONG)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            with pytest.raises(ConnectionRefusedError):
                await connect(tcp)

    async def test_a_two_way_peer_may_finish_what_it_was_sending(self) -> None:
        receiver = Recorder()
        async with listening(receiver, TWO_WAY) as tcp:
            reader, writer = await connect(tcp, TWO_WAY)
            writer.write(APDUS[0] + APDUS[1][:10])
            await receiver.until(lambda: len(receiver.elements) == 1)
            stopping = asyncio.create_task(tcp.stop(LONG))
            assert await reader.read() == b""
            assert not tcp.is_live("c1")
            writer.write(APDUS[1][10:])
            writer.write_eof()
            await stopping
            writer.close()
        assert receiver.elements == [APDUS[0], APDUS[1]]

    async def test_a_two_way_peer_that_does_not_end_its_side_is_reset(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tcp_connection, "LINGER", SHORT)
        receiver = Recorder()
        async with listening(receiver, TWO_WAY) as tcp:
            reader, writer = await connect(tcp, TWO_WAY)
            await until(lambda: tcp.connections == 1)
            await tcp.stop(LONG)
            assert await reader.read() == b""
            error = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            assert error in {errno.ECONNRESET, errno.EPIPE}
            writer.close()

    async def test_what_is_not_done_within_the_grace_is_reset(self) -> None:
        receiver = Recorder()
        receiver.may_store.clear()
        async with listening(receiver, ONE_WAY) as tcp:
            sending = asyncio.create_task(send(tcp, APDU))
            await receiver.begun.wait()
            await tcp.stop(SHORT)
            with pytest.raises(ConnectionResetError):
                await sending
        assert receiver.elements == []

    async def test_a_connection_that_comes_while_stopping_is_reset(self) -> None:
        receiver = Recorder()
        async with listening(receiver, ONE_WAY) as tcp:
            tcp._stopping = True  # as when the system had accepted it before the listener was closed
            with pytest.raises(ConnectionResetError):
                await send(tcp, APDU)
        assert receiver.elements == []


async def test_the_log_names_the_connection_and_nothing_that_came_over_it() -> None:
    receiver = Recorder()
    with capture_logs() as logs:
        async with listening(receiver, ONE_WAY) as tcp:
            await send(tcp, APDU)
            await until(lambda: tcp.connections == 0)
    peer = receiver.envelopes[0].peer_address
    assert logs == [
        {
            "event": OPENED,
            "log_level": "info",
            "connection_id": "c1",
            "listener": "one-way",
            "peer": peer,
            "transport": "tcp-one-way",
        },
        {
            "event": CLOSED,
            "log_level": "info",
            "connection_id": "c1",
            "listener": "one-way",
            "peer": peer,
            "ending": "peer-closed",
            "elements": 1,
        },
    ]
