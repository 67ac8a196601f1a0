"""What becomes of a mail that is given to our mail server, at every step of the conversation."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiosmtplib
import pytest

from adapters.errors import DeliveryFailed, Failure
from adapters.mail_composer import OutgoingMail, compose
from adapters.mail_sender import MailSender
from config.settings import Mail, MailTls
from tests.integration.adapters.mails import HOST, OURS, THEIRS, MailServer
from tests.support.authority import Authority
from tests.support.ports import free_port

LONG: Final = timedelta(seconds=30)
SHORT: Final = timedelta(milliseconds=50)
#: In this a server is to come as far as where it falls silent.
ENOUGH: Final = timedelta(milliseconds=500)
MARK: Final = "17-abcdefghijklmnop"
MAIL: Final = compose(
    b"\x61\x03\x80\x01\x01",
    author=OURS,
    recipient=THEIRS,
    token=MARK,
    at=datetime(2026, 11, 16, tzinfo=UTC),
    variable_sender=True,
)


async def send(
    server: MailServer | int, mail: OutgoingMail = MAIL, *, within: timedelta = LONG, **settings: Any
) -> None:
    port = server.port if isinstance(server, MailServer) else server
    sender = MailSender(Mail(relay_host=HOST, relay_port=port, **settings))
    await sender.send(mail, connect_timeout=within, send_timeout=within)


async def failure(server: MailServer | int, *, within: timedelta = LONG, **settings: Any) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as failed:
        await send(server, within=within, **settings)
    return failed.value


async def test_a_mail_is_given_with_its_envelope_and_a_wish_for_notices() -> None:
    async with MailServer().running() as server:
        await send(server)
    assert server.commands == [
        "EHLO bex.example",
        f"MAIL FROM:<ill+{MARK}@bex.example> SIZE={len(MAIL.octets)} RET=HDRS ENVID={MARK}",
        f"RCPT TO:<{THEIRS}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;{THEIRS}",
        "DATA",
        "QUIT",
    ]
    assert server.mails == [MAIL.octets]


async def test_nothing_is_asked_of_a_server_that_offers_nothing() -> None:
    async with MailServer(extensions=()).running() as server:
        await send(server)
    assert server.commands[1:3] == [f"MAIL FROM:<ill+{MARK}@bex.example>", f"RCPT TO:<{THEIRS}>"]


async def test_an_address_is_written_as_a_parameter_may_hold_it() -> None:
    mail = OutgoingMail(sender=OURS, recipient="ill+a=b@sfu.example", token=MARK, octets=b"x\r\n")
    async with MailServer().running() as server:
        await send(server, mail)
    assert server.said("RCPT")[0].endswith("ORCPT=rfc822;ill+2Ba+3Db@sfu.example")


async def test_a_line_that_begins_with_a_dot_does_not_end_the_mail() -> None:
    mail = OutgoingMail(sender=OURS, recipient=THEIRS, token=MARK, octets=b"A: b\r\n\r\n.\r\n.x\r\n")
    async with MailServer().running() as server:
        await send(server, mail)
    assert server.mails == [b"A: b\r\n\r\n..\r\n..x\r\n"]


@pytest.mark.parametrize(
    ("step", "words"),
    [("MAIL", "the sender"), ("RCPT", "the recipient"), ("DATA", "the mail"), (".", "the mail")],
)
@pytest.mark.parametrize("final", [True, False])
async def test_the_server_refuses(step: str, words: str, *, final: bool) -> None:
    code = "550 5.1.1" if final else "451 4.3.0"
    async with MailServer({step: f"{code} no\x1b[2J\xff way"}).running() as server:
        failed = await failure(server)
    told = f"refuses {words}" if final else f"does not take {words} now"
    assert failed.reason.startswith(f"our mail server {HOST}:{server.port} {told}: {code} no\\x1b[2J")
    assert failed.reason.isprintable()
    assert (failed.temporary, failed.ambiguous) == (not final, False)
    assert failed.failure is (Failure.MAIL_REFUSED if final else Failure.MAIL_DEFERRED)
    assert server.commands[-1] == "QUIT"


async def test_a_long_answer_is_cut() -> None:
    async with MailServer({"MAIL": "550 " + "x" * 500}).running() as server:
        failed = await failure(server)
    assert failed.reason.endswith("x" * 160)
    assert not failed.reason.endswith("x" * 161)


@pytest.mark.parametrize("step", ["EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_connection_lost_before_the_mail_was_given_leaves_nothing_unclear(step: str) -> None:
    async with MailServer({step: None}).running() as server:
        failed = await failure(server)
    assert failed.reason.endswith("broke the connection, before it had the mail")
    assert (failed.temporary, failed.ambiguous, failed.failure) == (True, False, Failure.RESET)


async def test_a_connection_lost_after_it_may_mean_either() -> None:
    async with MailServer({".": None}).running() as server:
        failed = await failure(server)
    assert failed.reason.endswith(
        "broke the connection, after the whole mail was given; it may have it or not"
    )
    assert (failed.temporary, failed.ambiguous, failed.failure) == (True, True, Failure.RESET)
    assert server.mails == [MAIL.octets]


async def test_a_connection_that_is_gone_when_the_mail_could_be_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    execute = aiosmtplib.SMTP.execute_command

    async def then_close(client: aiosmtplib.SMTP, *words: bytes, **how: Any) -> aiosmtplib.SMTPResponse:
        answer = await execute(client, *words, **how)
        if words == (b"DATA",):
            client.close()
        return answer

    monkeypatch.setattr(aiosmtplib.SMTP, "execute_command", then_close)
    async with MailServer().running() as server:
        failed = await failure(server)
    assert (failed.temporary, failed.ambiguous, failed.failure) == (True, False, Failure.RESET)


async def test_a_mail_that_is_not_ours_to_send_any_more_is_not_given() -> None:
    async def refused() -> None:
        assert server.said("DATA")
        raise LookupError

    async with MailServer().running() as server:
        sender = MailSender(Mail(relay_host=HOST, relay_port=server.port))
        with pytest.raises(LookupError):
            await sender.send(MAIL, connect_timeout=LONG, send_timeout=LONG, permit=refused)
    assert server.mails == []


async def test_an_answer_that_is_none_may_mean_either() -> None:
    async with MailServer({".": "what?"}).running() as server:
        failed = await failure(server)
    assert (failed.temporary, failed.ambiguous) == (True, True)


@pytest.mark.parametrize(("step", "ambiguous"), [("EHLO", False), ("RCPT", False), (".", True)])
async def test_a_server_that_falls_silent(step: str, *, ambiguous: bool) -> None:
    async with MailServer({step: "..."}).running() as server:
        failed = await failure(server, within=ENOUGH)
    assert "did not answer in time" in failed.reason
    assert (failed.temporary, failed.ambiguous, failed.failure) == (True, ambiguous, Failure.SEND_TIMEOUT)


@pytest.mark.parametrize("answer", [None, "..."])
async def test_the_goodbye_changes_nothing(answer: str | None) -> None:
    async with MailServer({"QUIT": answer}).running() as server:
        await send(server)
    assert server.mails == [MAIL.octets]


async def test_nobody_listens() -> None:
    failed = await failure(free_port())
    assert failed.reason.startswith("cannot connect to our mail server")
    assert (failed.temporary, failed.ambiguous, failed.failure) == (True, False, Failure.REFUSED)


async def test_a_server_that_does_not_greet() -> None:
    async with MailServer({"connect": "..."}).running() as server:
        failed = await failure(server, within=SHORT)
    assert (failed.temporary, failed.ambiguous, failed.failure) == (True, False, Failure.CONNECT_TIMEOUT)


async def test_a_server_that_ends_the_connection_at_once() -> None:
    async with MailServer({"connect": None}).running() as server:
        failed = await failure(server)
    assert (failed.temporary, failed.ambiguous) == (True, False)
    assert failed.failure in {Failure.CLOSED, Failure.UNREACHABLE}


@pytest.mark.parametrize("code", ["421", "554"])
async def test_a_server_that_does_not_want_us_is_to_be_put_right_and_loses_nothing(code: str) -> None:
    async with MailServer({"connect": f"{code} not you"}).running() as server:
        failed = await failure(server)
    assert failed.reason.endswith(f"does not let us in: {code} not you")
    assert (failed.temporary, failed.failure) == (True, Failure.MAIL_SERVER)


class TestLogin:
    async def test_the_password_comes_from_its_file_each_time(self, tmp_path: Path) -> None:
        file = tmp_path / "password"
        file.write_text("secret\n", encoding="utf-8")
        answers: dict[str, str | None] = {"AUTH": "235 welcome"}
        async with MailServer(answers, extensions=("AUTH PLAIN",)).running() as server:
            await send(server, user="bex", password_file=str(file))
        # \0bex\0secret
        assert server.said("AUTH") == ["AUTH PLAIN AGJleABzZWNyZXQ="]

    async def test_a_password_that_is_refused_is_not_shown(self, tmp_path: Path) -> None:
        file = tmp_path / "password"
        file.write_text("secret", encoding="utf-8")
        async with MailServer({"AUTH": "535 5.7.8 no"}, extensions=("AUTH PLAIN",)).running() as server:
            failed = await failure(server, user="bex", password_file=str(file))
        assert failed.reason.endswith("does not let us in: 535 5.7.8 no")
        assert (failed.temporary, failed.failure) == (True, Failure.MAIL_SERVER)

    async def test_a_server_without_a_login_that_we_know(self, tmp_path: Path) -> None:
        file = tmp_path / "password"
        file.write_text("secret", encoding="utf-8")
        async with MailServer(extensions=()).running() as server:
            failed = await failure(server, user="bex", password_file=str(file))
        assert failed.reason.endswith("STARTTLS, or a login that we know")
        assert failed.temporary

    async def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        async with MailServer().running() as server:
            failed = await failure(server, user="bex", password_file=str(tmp_path / "none"))
        assert failed.reason.endswith("of [mail] cannot be used: no such file or directory")
        assert (failed.temporary, failed.failure) == (True, Failure.MAIL_SERVER)


class TestTls:
    async def test_a_server_that_cannot_is_not_given_the_mail(self) -> None:
        async with MailServer().running() as server:
            failed = await failure(server, tls=MailTls.STARTTLS)
        assert (failed.temporary, failed.failure) == (True, Failure.MAIL_SERVER)
        assert server.mails == []

    async def test_a_server_that_speaks_no_tls(self) -> None:
        async with MailServer().running() as server:
            failed = await failure(server, tls=MailTls.TLS)
        assert failed.reason.startswith("no TLS with our mail server")
        assert (failed.temporary, failed.failure) == (True, Failure.TLS)

    async def test_certificates_that_are_not_there(self, tmp_path: Path) -> None:
        async with MailServer().running() as server:
            failed = await failure(server, tls=MailTls.STARTTLS, ca_file=str(tmp_path / "none"))
        assert failed.reason.startswith("ca_file ")
        assert failed.temporary

    def test_old_versions_are_not_spoken(self) -> None:
        sender = MailSender(Mail(tls=MailTls.TLS))
        context = sender._tls_context()
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.check_hostname
        assert sender._tls_context() is context

    def test_certificates_that_are_forgotten_are_read_again(self, tmp_path: Path) -> None:
        old, new = (Authority(tmp_path, name).file for name in ("old", "new"))
        trusted = tmp_path / "ca.pem"
        trusted.write_bytes(old.read_bytes())
        sender = MailSender(Mail(tls=MailTls.TLS, ca_file=str(trusted)))
        [first] = sender._tls_context().get_ca_certs(binary_form=True)
        trusted.write_bytes(new.read_bytes())
        assert sender._tls_context().get_ca_certs(binary_form=True) == [first]
        sender.forget_certificates()
        [second] = sender._tls_context().get_ca_certs(binary_form=True)
        assert second != first
