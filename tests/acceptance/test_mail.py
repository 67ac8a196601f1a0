"""The daemon and mail: what it has acknowledged by 250 survives it, what it has not comes again."""

import smtplib
import socket
from pathlib import Path
from typing import Final

import pytest

from asn1.codec import encode
from tests.integration.adapters.mails import carrying
from tests.support.apdus import ill_request
from tests.support.daemon import HOLD, Installation, RunningDaemon

HOST: Final = "127.0.0.1"
OURS: Final = "ill@bex.example"
THEIRS: Final = "ill@mel.example"
REQUEST: Final = ill_request(requester="ILLUME:MEL")


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """An installation that lets mail in, with the partner MEL that is reached by it: nobody is there."""
    made = Installation(tmp_path)
    made.let_mail_in(f'lmtp_host = "{HOST}"\nlmtp_port = 0')
    return made


def deliver(gateway: RunningDaemon, mail: bytes) -> None:
    """Hand a mail over as Python's own client of LMTP does it; raises when it is not taken."""
    with smtplib.LMTP(HOST, gateway.ports["lmtp"], timeout=60) as client:
        assert client.sendmail(f"Ill+x@{THEIRS.partition('@')[2]}", [OURS], mail) == {}


def test_what_was_acknowledged_is_there_after_a_crash_once(installation: Installation) -> None:
    mail = carrying(encode(REQUEST), author=THEIRS)
    with installation.running() as gateway:
        deliver(gateway, mail)
        gateway.kill()
    with installation.running() as gateway:
        deliver(gateway, mail)
        gateway.await_line("apdu.processed", verdict="exact-duplicate")
    [request] = installation.requests()
    assert (request.half.state, request.half.partner) == ("IN-PROCESS", "MEL")
    first, second = installation.received()
    assert first.octets == second.octets == encode(REQUEST)
    assert (first.record.transport, first.record.peer_address) == ("mail", THEIRS)


def test_what_was_stored_and_not_acknowledged_counts_once(installation: Installation) -> None:
    mail = carrying(encode(REQUEST), author=THEIRS)
    talk = f"LHLO x\r\nMAIL FROM:<{THEIRS}>\r\nRCPT TO:<{OURS}>\r\nDATA\r\n".encode() + mail + b".\r\n"
    with (
        installation.running(before=HOLD) as gateway,
        socket.create_connection((HOST, gateway.ports["lmtp"]), 60) as client,
    ):
        client.sendall(talk)
        gateway.await_line("held")
        gateway.kill()
    (installation.directory / "go").unlink()
    with installation.running() as gateway:
        gateway.await_line("gateway.recovered", unprocessed=1)
        deliver(gateway, mail)
        gateway.await_line("apdu.processed", verdict="exact-duplicate")
    assert len(installation.requests()) == 1


def test_what_a_mail_says_is_shown_without_harm(installation: Installation) -> None:
    hostile = b"From: \x1b[2J@home.example\r\nSubject: \x1b]0;owned\x07\r\n\r\n\x1b[31mpatron 4711\x1b[0m\r\n"
    with installation.running() as gateway:
        deliver(gateway, hostile)
        gateway.await_line("apdu.processed", verdict="no-apdu")
        listed, shown = installation.command("messages", "list"), installation.command("messages", "show", 1)
        for result in (listed, shown):
            assert result.returncode == 0, result.stderr
            assert b"\x1b[2J" not in result.stdout
            assert b"owned\x07" not in result.stdout
        assert b"Message 1: mail, received" in shown.stdout
        assert b"\x1b" not in gateway.output
        assert b"4711" not in gateway.output
