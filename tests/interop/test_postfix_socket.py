"""Mail from a real Postfix to the gateway's process, by the Unix socket that the unit for mail describes."""

import os
import shutil
import smtplib
from pathlib import Path
from typing import Final

from asn1.codec import encode
from tests.integration.adapters.mails import carrying
from tests.support.apdus import ill_request
from tests.support.authority import Authority
from tests.support.daemon import Installation
from tests.support.peers import require
from tests.support.postfix import HOST, installed

UNIT: Final = Path(__file__).parents[2] / "config" / "systemd" / "iso-gateway-lmtp.socket"
DEBIANS: Final = "/var/spool/postfix/"
THEIRS: Final = "ill@mel.example"


def unit() -> dict[str, str]:
    """What the unit says."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_mail_comes_by_the_socket_that_systemd_made_for_postfix_alone(tmp_path: Path) -> None:
    activate = require(
        shutil.which("systemd-socket-activate"), "systemd-socket-activate", "apt-get install systemd"
    )
    said = unit()
    place = said["ListenStream"].removeprefix(DEBIANS)
    installation = Installation(tmp_path / "site")
    with installed("bex.example", identity=Authority(tmp_path).identity("mx")) as postfix:
        postfix.route({"bex.example": place})
        postfix.start()
        path = postfix.top / "queue" / place
        installation.let_mail_in(f'lmtp_socket = "{path}"')
        passed = [f"--setenv={name}" for name in os.environ if name.startswith(("PYTHON", "COV"))]
        name = f"--fdname={said['FileDescriptorName']}"
        gateway = installation.start(tracer=[activate, f"--listen={path}", name, *passed])
        try:
            gateway.await_text(b"Listening on")
            shutil.chown(path, said["SocketUser"], said["SocketGroup"])
            path.chmod(int(said["SocketMode"], 8))
            mail = carrying(encode(ill_request(requester="ILLUME:MEL")), author=THEIRS)
            with smtplib.SMTP(HOST, postfix.port, timeout=60) as client:
                assert client.sendmail(THEIRS, ["ill@bex.example"], mail) == {}
            gateway.await_line("apdu.processed", verdict="applied", partner="MEL")
            assert gateway.stop() == 0
        finally:
            gateway.kill()
    assert [one.verdict for one in installation.received()] == ["applied"]
