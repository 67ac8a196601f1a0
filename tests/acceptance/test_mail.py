"""The daemon and mail: what it has acknowledged by 250 survives it, what it has not comes again."""

import re
import smtplib
import socket
from contextlib import suppress
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


def peak(gateway: RunningDaemon) -> int:
    """The most memory that the process has had at once, in octets."""
    status = Path(f"/proc/{gateway.process_id}/status").read_text(encoding="ascii")
    [kilobytes] = re.findall(r"^VmHWM:\s+([0-9]+) kB$", status, re.MULTILINE)
    return int(kilobytes) * 1_024


def test_hostile_mails_are_refused_cheaply_and_counted_and_others_are_served(
    installation: Installation,
) -> None:
    """A million octets of garbage, ten thousand parts, and a mail of 100 MB without a line break."""
    talk = f"LHLO x\r\nMAIL FROM:<{THEIRS}>\r\nRCPT TO:<{OURS}>\r\nDATA\r\n".encode()
    with installation.running() as gateway:
        address = (HOST, gateway.ports["lmtp"])
        deliver(gateway, b"Subject: the first\r\n\r\n")
        before = peak(gateway)
        with socket.create_connection(address, 60) as client, suppress(ConnectionError):
            client.sendall(bytes(range(256)) * 4_000)
            while client.recv(65_536):
                continue
        with pytest.raises(smtplib.SMTPDataError) as refused:
            deliver(gateway, carrying(*[b"a"] * 10_000, author=THEIRS))
        assert refused.value.smtp_error == b"5.6.0 it has more than 100 parts"
        with socket.create_connection(address, 60) as client:
            client.sendall(talk)
            for number in range(1_600):
                client.sendall(bytes(65_536))
                if number == 800:
                    deliver(gateway, carrying(encode(REQUEST), author=THEIRS))
                    gateway.await_line("apdu.processed", verdict="applied")
            client.sendall(b"\r\n.\r\nQUIT\r\n")
            answers = client.makefile("rb").read().splitlines()
        assert answers[-2] == b"552 5.3.4 it is longer than this gateway reads"
        assert peak(gateway) - before < 32 * 2**20, "13 MB when this was written"
        status = installation.command("status")
    assert gateway.await_line("lmtp.refused", count=1)["reason"] == "too many mistakes"
    assert gateway.await_line("mail.refused", count=1)["reason"] == "it has more than 100 parts"
    assert gateway.await_line("mail.refused", count=1, times=2), "the second is told when it stops"
    kept = [one.processing.reason for one in installation.received() if one.processing is not None]
    assert kept == [
        "a mail that carries no APDU",
        "a mail that was refused: it has more than 100 parts",
        "ILL-REQUEST received: IDLE to IN-PROCESS",
        "a mail that was refused: it is longer than this gateway reads",
    ]
    assert b"4 received" in status.stdout
    assert b"3 refused" in status.stdout
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
