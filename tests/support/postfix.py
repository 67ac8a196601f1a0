"""A private Postfix: the real mail server of the tests, on loopback, in a directory of its own.

It relays what it is given for the domains of the test to LMTP listeners, refuses some recipients in the ways
that servers do, and bounces what it cannot deliver. Its start needs root, because Postfix is several users'.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.authority import Identity
from tests.support.peers import require

HOST: Final = "127.0.0.1"
DIRECTORIES: Final = ("/usr/sbin", "/sbin")
INSTALL: Final = "apt-get install postfix"

#: Domains in which every recipient has one fate, whatever is before the @.
TEMPFAIL: Final = "busy.example"
"""Refused for now, at RCPT."""
GONE: Final = "gone.example"
"""Refused for good, at RCPT."""

#: The user whose Maildirs are; Postfix delivers as nobody of importance only.
_NOBODY: Final = 65_534

_MASTER: Final = """\
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

_MAIN: Final = """\
compatibility_level = 3.6
queue_directory = {top}/queue
data_directory = {top}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {top}/log
maillog_file_prefixes = {top}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.test.example
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
recipient_delimiter = +
relay_domains = {domains}
transport_maps = texthash:{top}/transport
smtpd_recipient_restrictions = check_recipient_access texthash:{top}/access, permit_mynetworks, reject
smtpd_peername_lookup = no
smtp_host_lookup = native
disable_dns_lookups = yes
notify_classes =
double_bounce_sender = nobody
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
virtual_mailbox_domains = {maildirs}
virtual_mailbox_base = {top}/box
virtual_mailbox_maps = static:ill/
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
smtpd_tls_security_level = may
smtpd_tls_cert_file = {identity.certificate}
smtpd_tls_key_file = {identity.key}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """A mail server that can be started and stopped."""

    top: Path
    port: int
    command: str

    def start(self) -> None:
        """Start it; returns once it listens."""
        self._run("start")

    def stop(self) -> None:
        """Stop it at once."""
        self._run("abort")

    def flush(self) -> None:
        """Let it try again what it has put off."""
        self._run("flush")

    @property
    def log(self) -> str:
        """What it says."""
        path = self.top / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def route(self, domains: Mapping[str, int | str]) -> None:
        """Say where each domain is, before it is started: an LMTP port of this machine, or a Unix socket."""
        lines = [
            f"{domain} lmtp:{f'unix:{where}' if isinstance(where, str) else f'inet:{HOST}:{where}'}"
            for domain, where in domains.items()
        ]
        (self.top / "config" / "transport").write_text("\n".join([*lines, ""]), encoding="ascii")

    def _run(self, action: str) -> None:
        result = subprocess.run(
            [self.command, "-c", self.top / "config", action], capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            pytest.fail(f"postfix {action}: {result.stdout}{result.stderr}{self.log}")


@contextmanager
def installed(*domains: str, maildirs: Sequence[str] = (), identity: Identity) -> Iterator[Postfix]:
    """Make a Postfix for these domains, not started; at the end it is stopped and taken away.

    Args:
        domains: those that it relays to LMTP listeners.
        maildirs: those whose mail for `ill` it puts into the Maildir `box/ill`.
        identity: by which it is known to those who begin TLS.
    """
    command = require(
        shutil.which("postfix", path=os.pathsep.join([os.environ["PATH"], *DIRECTORIES])), "postfix", INSTALL
    )
    if os.geteuid() != 0:
        pytest.skip("postfix can be started by root only")
    # Not below pytest's own directory: Postfix wants to get there as its own user.
    top = Path(tempfile.mkdtemp(prefix="isogw-mx-"))
    try:
        top.chmod(0o755)
        config = top / "config"
        config.mkdir()
        (top / "queue").mkdir()
        (top / "data").mkdir()
        shutil.chown(top / "data", "postfix")
        port = free_port()
        (top / "box").mkdir()
        shutil.chown(top / "box", _NOBODY)
        relayed = " ".join([*domains, TEMPFAIL, GONE])
        settings = _MAIN.format(
            top=top, domains=relayed, maildirs=" ".join(maildirs), nobody=_NOBODY, identity=identity
        )
        settings = settings.replace(f"texthash:{top}/", f"texthash:{config}/")
        (config / "main.cf").write_text(settings, encoding="ascii")
        (config / "master.cf").write_text(_MASTER.format(port=f"{HOST}:{port}"), encoding="ascii")
        (config / "access").write_text(
            f"{TEMPFAIL} 450 4.2.1 the mailbox is busy\n{GONE} 550 5.1.1 no such mailbox\n", encoding="ascii"
        )
        server = Postfix(top=top, port=port, command=command)
        server.route({})
        try:
            yield server
        finally:
            if re.search(r"daemon started", server.log):
                subprocess.run([command, "-c", config, "abort"], capture_output=True, check=False)
    finally:
        shutil.rmtree(top)


def free_port() -> int:
    """Give a port of this machine that nobody uses now."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])
