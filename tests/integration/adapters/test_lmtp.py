"""LMTP: what is acknowledged, what is refused, and that others are served meanwhile."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import structlog

from adapters.errors import ListenError
from adapters.lmtp import LmtpListener
from adapters.mail_inbox import MailInbox
from config.settings import Limits, Mail
from tests.integration.adapters.mails import HOST, OURS, THEIRS, LmtpClient, MailRecorder, carrying
from tests.integration.adapters.peers import APDUS, ENOUGH, LONG, SHORT, ids, until
from tests.support.gateway import SFU

APDU: Final = APDUS[0]
NO_APDU: Final = "a mail that carries no APDU"
TOO_LONG: Final = "a mail that was refused: it is longer than this gateway reads"


@asynccontextmanager
async def listening(
    receiver: MailRecorder, *, silence: timedelta = LONG, **settings: Any
) -> AsyncIterator[LmtpListener]:
    mail = Mail(**{"lmtp_host": HOST, "lmtp_port": 0, **settings})
    inbox = MailInbox(mail, Limits(), [SFU], receiver, ids())
    listener = LmtpListener(mail, [OURS, "Other@BEX.example"], inbox, silence=silence)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop(timedelta(0))


@asynccontextmanager
async def client_of(listener: LmtpListener) -> AsyncIterator[LmtpClient]:
    assert listener.address is not None
    async with LmtpClient.connected(listener.address[1]) as client:
        yield client


@pytest.fixture
def receiver() -> MailRecorder:
    return MailRecorder()


async def test_a_mail_is_acknowledged_only_when_it_is_stored(receiver: MailRecorder) -> None:
    receiver.may_store.clear()
    async with listening(receiver) as listener, client_of(listener) as client:
        delivering = asyncio.create_task(client.deliver(carrying(APDU)))
        await receiver.begun.wait()
        assert not delivering.done()
        receiver.may_store.set()
        assert await delivering == "250 2.0.0 stored"
        assert receiver.elements == [APDU]
        [envelope] = receiver.envelopes
        assert (envelope.listener, envelope.transport.value) == ("lmtp", "mail")


async def test_what_cannot_be_stored_is_to_be_sent_again(receiver: MailRecorder) -> None:
    receiver.failure = OSError("disk full")
    async with listening(receiver) as listener, client_of(listener) as client:
        assert await client.deliver(carrying(APDU)) == "451 4.3.0 cannot be stored now, try again later"
        receiver.failure = None
        assert await client.deliver(carrying(APDU)) == "250 2.0.0 stored"
    assert receiver.elements == [APDU]


async def test_each_recipient_is_answered_for(receiver: MailRecorder) -> None:
    async with listening(receiver) as listener, client_of(listener) as client:
        answers = await client.begin(
            OURS, "stranger@bex.example", "ILL+17-x@Bex.example", "other@bex.example"
        )
        assert [answer[:9] for answer in answers[:-1]] == ["250 2.1.5", "550 5.1.1", "250 2.1.5", "250 2.1.5"]
        assert await client.content(carrying(APDU)) == "250 2.0.0 stored"
        assert [await client.answer() for _ in range(2)] == ["250 2.0.0 stored"] * 2
        assert await client.say("NOOP") == "250 2.0.0 ok", "no answer is left over"
    assert receiver.elements == [APDU], "it is one mail"


async def test_a_mail_arrives_as_it_was_sent(receiver: MailRecorder) -> None:
    mail = b"Subject: x\r\n\r\n.\r\n..\r\n.hidden\r\n\r\n"
    async with listening(receiver) as listener, client_of(listener) as client:
        await client.deliver(mail)
        await client.deliver(b"." + mail)
        await client.deliver(b"")
    assert [octets for octets, _ in receiver.kept] == [mail, b"." + mail, b"\r\n"]
    assert {reason for _, reason in receiver.kept} == {"a mail that carries no APDU"}


@pytest.mark.parametrize("smuggled", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r"])
async def test_no_other_end_of_a_mail_smuggles_in_a_second(smuggled: bytes, receiver: MailRecorder) -> None:
    mail = b"Subject: x\r\n\r\nfirst" + smuggled + b"MAIL FROM:<forged@sfu.example>\r\n"
    async with listening(receiver) as listener, client_of(listener) as client:
        await client.begin()
        client.write(mail + b"\r\n.\r\n")
        assert await client.answer() == "250 2.0.0 stored"
        assert await client.say("NOOP") == "250 2.0.0 ok"
    assert len(receiver.kept) == 1
    assert b"forged" in receiver.kept[0][0]


async def test_commands_and_mails_may_come_all_at_once_or_in_pieces(receiver: MailRecorder) -> None:
    mail = f"MAIL FROM:<{THEIRS}> BODY=8BITMIME SIZE=100\r\nRCPT TO: <{OURS}>\r\nDATA\r\n".encode()
    mail += carrying(APDU) + b".\r\n"
    talk = b"lhlo mx.example\n" + mail + mail + b"QUIT\r\n"
    async with listening(receiver) as listener:
        async with client_of(listener) as client:
            client.write(talk)
            assert await client.at_end() is False, "the answers"
        async with client_of(listener) as client:
            for octet in talk:
                client.write(bytes([octet]))
                await client.writer.drain()
                await asyncio.sleep(0)
            await client.at_end()
    assert receiver.elements == [APDU] * 4


async def test_commands_out_of_order(receiver: MailRecorder) -> None:
    async with listening(receiver) as listener, client_of(listener) as client:
        assert (await client.say(f"MAIL FROM:<{THEIRS}>"))[:9] == "503 5.5.1"
        assert (await client.say("EHLO x"))[:9] == "500 5.5.2"
        assert await client.say("LHLO x") == "250 ENHANCEDSTATUSCODES"
        assert (await client.say(f"RCPT TO:<{OURS}>"))[:9] == "503 5.5.1"
        assert (await client.say("DATA"))[:9] == "503 5.5.1"
        assert (await client.say("MAIL FROM:<>"))[:3] == "250"
        assert (await client.say("MAIL FROM:<>"))[:9] == "503 5.5.1"
        assert (await client.say("RCPT TO:<>"))[:9] == "501 5.5.4"
        assert (await client.say("DATA"))[:9] == "503 5.5.1"
        assert (await client.say("RSET"))[:3] == "250"
        assert (await client.say("MAIL TO:<a@b.example>"))[:9] == "501 5.5.4"
        assert (await client.say("VRFY ill"))[:3] == "252"
        assert (await client.say("QUIT"))[:3] == "221"
        assert await client.at_end()


@pytest.mark.parametrize(
    "path",
    [
        "<a b@c.example>",
        "a@b.example",
        "<a@b.example\x00>",
        "<å@b.example>",
        "<a@b@c.example>",
        "<" + "x" * 900,
    ],
)
async def test_an_address_that_is_none(path: str, receiver: MailRecorder) -> None:
    async with listening(receiver) as listener, client_of(listener) as client:
        await client.say("LHLO x")
        assert (await client.say(f"MAIL FROM:{path}"))[:9] == "501 5.5.4"


class TestLimits:
    async def test_a_mail_that_says_it_is_too_long_is_not_even_begun(self, receiver: MailRecorder) -> None:
        async with listening(receiver, max_mail_octets=2_000) as listener, client_of(listener) as client:
            await client.say("LHLO x")
            assert (await client.say("MAIL FROM:<> SIZE=2001"))[:9] == "552 5.3.4"
            assert (await client.say("MAIL FROM:<> SIZE=2000"))[:3] == "250"
            assert listener.refusals == 1
        assert receiver.kept == [(b"", TOO_LONG)]

    async def test_a_mail_may_be_so_long_and_no_longer(self, receiver: MailRecorder) -> None:
        fits = b"A: b\r\n\r\n" + b"x" * 1_990 + b"\r\n"
        async with listening(receiver, max_mail_octets=2_000) as listener, client_of(listener) as client:
            assert await client.deliver(fits) == "250 2.0.0 stored"
            assert (await client.deliver(b"y" + fits))[:9] == "552 5.3.4"
            assert await client.deliver(fits) == "250 2.0.0 stored"
            assert listener.refusals == 1
        assert receiver.kept == [(fits, NO_APDU), (b"y" + fits, TOO_LONG), (fits, NO_APDU)]

    async def test_a_mail_of_100_megabytes_is_refused_and_another_served_meanwhile(
        self, receiver: MailRecorder
    ) -> None:
        async with listening(receiver) as listener, client_of(listener) as huge, client_of(listener) as other:
            await huge.begin()
            # Without a single line break, which a reader of lines would keep in memory.
            for number in range(1_600):
                huge.write(b"\0" * 65_536)
                await huge.writer.drain()
                if number == 800:
                    assert await other.deliver(carrying(APDU)) == "250 2.0.0 stored"
            [session] = [
                one for one in listener._sessions.values() if one._transaction is None and one._buffer
            ]
            assert len(session._buffer) < 12_000_000
            huge.write(b"\r\n.\r\n")
            assert (await huge.answer())[:9] == "552 5.3.4"
            assert listener.refusals == 1
        assert receiver.elements == [APDU]
        assert receiver.kept == [(b"\0" * 16_384, TOO_LONG)]

    async def test_ten_thousand_parts(self, receiver: MailRecorder) -> None:
        async with listening(receiver) as listener, client_of(listener) as client:
            many = carrying(*[b"a"] * 10_000)
            assert await client.deliver(many) == "554 5.6.0 it has more than 100 parts"
            assert await client.deliver(carrying(APDU)) == "250 2.0.0 stored"
            assert listener.refusals == 1
        assert receiver.elements == [APDU]
        [(octets, reason)] = receiver.kept
        assert (octets, reason) == (many[:16_384], "a mail that was refused: it has more than 100 parts")
        assert receiver.envelopes[0].peer_address == "@sfu.example"

    async def test_what_is_refused_and_cannot_be_kept_is_to_come_again(self, receiver: MailRecorder) -> None:
        receiver.failure = OSError("disk full")
        async with listening(receiver, max_mail_octets=2_000) as listener, client_of(listener) as client:
            assert (await client.deliver(b"x" * 2_001))[:9] == "451 4.3.0"
            assert (await client.say("MAIL FROM:<> SIZE=2001"))[:9] == "451 4.3.0"
            assert listener.refusals == 0

    async def test_a_million_octets_of_garbage(self, receiver: MailRecorder) -> None:
        garbage = bytes(range(256)) * 4_000
        async with listening(receiver) as listener:
            for octets in (garbage, garbage.replace(b"\n", b"")):
                async with client_of(listener) as client:
                    client.write(octets)
                    assert await client.at_end() is not None
            assert listener.refusals == 2
            async with client_of(listener) as client:
                assert await client.deliver(carrying(APDU)) == "250 2.0.0 stored"
        assert receiver.elements == [APDU]

    async def test_too_many_mistakes_end_the_session(self, receiver: MailRecorder) -> None:
        async with listening(receiver) as listener, client_of(listener) as client:
            for _ in range(10):
                assert (await client.say("HELO x"))[:9] == "500 5.5.2"
            assert await client.at_end()
            assert listener.refusals == 1

    async def test_too_many_recipients(self, receiver: MailRecorder) -> None:
        async with listening(receiver) as listener, client_of(listener) as client:
            answers = await client.begin(*[OURS] * 101)
            assert [answer[:3] for answer in answers] == ["250"] * 100 + ["452", "354"]

    async def test_too_many_connections(self, receiver: MailRecorder) -> None:
        async with listening(receiver, max_connections=1) as listener:
            async with client_of(listener):
                assert listener.address is not None
                reader, writer = await asyncio.open_connection(*listener.address)
                assert (await reader.read()).startswith(b"421 4.3.2 ")
                writer.close()
                assert listener.refusals == 1
            await until(lambda: not listener._sessions)
            async with client_of(listener) as client:
                assert await client.deliver(carrying(APDU)) == "250 2.0.0 stored"

    async def test_silence_ends_a_session(self, receiver: MailRecorder) -> None:
        async with listening(receiver, silence=ENOUGH) as listener:
            async with client_of(listener) as client:
                assert await client.at_end()
            async with client_of(listener) as client:
                await client.begin()
                client.write(b"Subject: x")
                assert await client.at_end()
        assert receiver.envelopes == []

    async def test_whoever_does_not_read_our_answers_is_let_go(self, receiver: MailRecorder) -> None:
        async with listening(receiver, silence=SHORT) as listener, client_of(listener) as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.write(b"LHLO x\r\n" * 100_000)
            await until(lambda: not listener._sessions)


class TestStopping:
    async def test_a_session_that_is_cancelled_ends(self, receiver: MailRecorder) -> None:
        async with listening(receiver) as listener, client_of(listener) as client:
            [task] = listener._sessions
            task.cancel()
            assert await client.at_end()
            await until(lambda: not listener._sessions)

    async def test_a_mail_in_hand_is_stored_and_acknowledged(self, receiver: MailRecorder) -> None:
        receiver.may_store.clear()
        async with listening(receiver) as listener, client_of(listener) as client:
            delivering = asyncio.create_task(client.deliver(carrying(APDU)))
            await receiver.begun.wait()
            stopping = asyncio.create_task(listener.stop(LONG))
            await asyncio.sleep(0)
            receiver.may_store.set()
            assert await delivering == "250 2.0.0 stored"
            await stopping
            assert await client.at_end()

    async def test_a_mail_that_is_not_whole_is_cut_off(self, receiver: MailRecorder) -> None:
        async with listening(receiver) as listener, client_of(listener) as client:
            await client.begin()
            client.write(b"Subject: x\r\n")
            await client.writer.drain()
            await listener.stop(LONG)
            assert await client.at_end()
        assert receiver.envelopes == []

    async def test_what_takes_too_long_is_given_up(self, receiver: MailRecorder) -> None:
        receiver.may_store.clear()
        async with listening(receiver) as listener, client_of(listener) as client:
            delivering = asyncio.create_task(client.deliver(carrying(APDU)))
            await receiver.begun.wait()
            await listener.stop(timedelta(0))
            assert await delivering == "", "no answer, so it is sent again"
        assert receiver.elements == []

    async def test_nobody_is_let_in_any_more(self, receiver: MailRecorder) -> None:
        async with listening(receiver) as listener:
            assert listener.address is not None
            address = listener.address
            await listener.stop(LONG)
            with pytest.raises(ConnectionError):
                await asyncio.open_connection(*address)


async def test_other_addresses_hold_for_the_clients_that_follow(receiver: MailRecorder) -> None:
    async with listening(receiver) as listener:
        listener.follow(["new@bex.example"], silence=LONG)
        async with client_of(listener) as client:
            old, new, _ = await client.begin(OURS, "new@bex.example")
    assert old.startswith("550 ")
    assert new.startswith("250 ")


class TestWhereItListens:
    async def test_a_unix_socket_is_for_user_and_group(self, receiver: MailRecorder, tmp_path: Path) -> None:
        path = tmp_path / "lmtp.sock"
        mail = Mail(lmtp_socket=str(path))
        inbox = MailInbox(mail, Limits(), [], receiver, ids())
        left_behind = socket.socket(socket.AF_UNIX)
        left_behind.bind(str(path))
        left_behind.close()
        listener = LmtpListener(mail, [OURS], inbox, silence=LONG)
        await listener.start()
        assert listener.address is None
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        reader, writer = await asyncio.open_unix_connection(str(path))
        assert (await reader.readline()).startswith(b"220 ")
        writer.close()
        await listener.stop(LONG)
        assert not path.exists()

    async def test_nowhere_if_the_configuration_says_so(self, receiver: MailRecorder) -> None:
        async with listening(receiver, lmtp_host=None) as listener:
            assert listener.address is None

    @pytest.mark.parametrize("where", ["port", "socket"])
    async def test_where_it_was_given_sockets_and_what_is_not_its_own_stays(
        self, where: str, receiver: MailRecorder, tmp_path: Path
    ) -> None:
        path = tmp_path / "lmtp.sock"
        on_unix = where == "socket"
        given = socket.socket(socket.AF_UNIX) if on_unix else socket.socket()
        given.bind(str(path) if on_unix else (HOST, 0))
        address = given.getsockname()
        mail = Mail(lmtp_socket=str(path)) if on_unix else Mail(lmtp_host="127.0.0.9", lmtp_port=1)
        inbox = MailInbox(mail, Limits(), [SFU], receiver, ids())
        listener = LmtpListener(mail, [OURS], inbox, silence=LONG)
        await listener.start([given])
        assert listener.address == (None if on_unix else address)
        opened = asyncio.open_unix_connection(str(path)) if on_unix else asyncio.open_connection(*address)
        client = LmtpClient(*await opened)
        assert (await client.answer()).startswith("220 ")
        assert await client.deliver(carrying(APDU)) == "250 2.0.0 stored"
        client.writer.close()
        await listener.stop(LONG)
        assert receiver.elements == [APDU]
        assert path.exists() == on_unix, "systemd made it, and has it for the next start"
        assert given.fileno() == -1

    @pytest.mark.parametrize("where", ["port", "socket"])
    async def test_a_place_that_cannot_be_had(
        self, where: str, receiver: MailRecorder, tmp_path: Path
    ) -> None:
        async with listening(receiver) as other:
            assert other.address is not None
            taken: dict[str, Any] = {"lmtp_port": other.address[1]}
            if where == "socket":
                taken = {"lmtp_host": None, "lmtp_socket": str(tmp_path / "none" / "x.sock")}
            with pytest.raises(ListenError, match=r"listener 'lmtp'.*check the lmtp settings"):
                async with listening(receiver, **taken):
                    pass


async def test_the_log_says_now_and_then_what_was_refused(receiver: MailRecorder) -> None:
    with structlog.testing.capture_logs() as lines:
        async with listening(receiver, max_mail_octets=2_000) as listener, client_of(listener) as client:
            for _ in range(3):
                assert (await client.deliver(b"\x1b[2J" * 1_000))[:3] == "552"
    told = [line for line in lines if line["event"] == "mail.refused"]
    assert [line["count"] for line in told] == [1, 2], "at once the first, at the end the others"
    assert "\x1b" not in repr(lines)
