"""A private Postfix: the real mail server of the tests, on loopback, in a directory of its own.

It relays what it is given for the domains of the test to LMTP listeners, or puts it into a Maildir, and
bounces what it cannot deliver. What it refuses, a test says while it runs: Postfix asks a policy service at
each stage of a mail. Its start needs root, because Postfix is several users'.
"""

import os
import re
import shutil
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

import pytest

from tests.support.authority import Identity
from tests.support.peers import require
from tests.support.ports import free_port

HOST: Final = "127.0.0.1"
#: Seconds that delivering may take before a test fails.
PATIENCE: Final = 60.0
DIRECTORIES: Final = ("/usr/sbin", "/sbin")
INSTALL: Final = "apt-get install postfix"

#: The longest mail that it takes, in octets.
SIZE_LIMIT: Final = 200_000

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
lmtp_destination_concurrency_limit = 1
relay_domains = {domains}
transport_maps = texthash:{top}/transport
smtpd_recipient_restrictions =
    check_policy_service inet:{policy}
    permit_mynetworks
    reject
smtpd_data_restrictions = check_policy_service inet:{policy}
smtpd_end_of_data_restrictions = check_policy_service inet:{policy}
message_size_limit = {size_limit}
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


class Stage(Enum):
    """Where in the dialogue a mail can be refused; the value is Postfix' own word."""

    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "END-OF-MESSAGE"


class Policy:
    """What Postfix is to refuse, while it runs; see SMTPD_POLICY_README of Postfix."""

    def __init__(self) -> None:
        self._refusals: dict[tuple[str, str], str] = {}

    @contextmanager
    def refusing(self, stage: Stage, recipient: str, answer: str) -> Iterator[None]:
        """Have what is for a recipient be answered so at a stage, as `450 4.2.1 busy`."""
        self._refusals[stage.value, recipient] = answer
        try:
            yield
        finally:
            del self._refusals[stage.value, recipient]

    def decide(self, asked: Mapping[str, str]) -> str:
        """What is to become of a mail, as far as it has come."""
        return self._refusals.get((asked["protocol_state"], asked["recipient"]), "DUNNO")

    @contextmanager
    def served(self) -> Iterator[str]:
        """Answer Postfix' questions on a port of its own; gives host and port."""
        with socketserver.ThreadingTCPServer((HOST, 0), self._handler()) as server:
            server.daemon_threads = True
            # Postfix keeps its connections open; they end with it.
            server.block_on_close = False
            thread = threading.Thread(target=server.serve_forever, name="policy")
            thread.start()
            try:
                yield f"{HOST}:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join()

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        decide = self.decide

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                asked: dict[str, str] = {}
                for line in self.rfile:
                    name, _, value = line.decode("utf-8").strip().partition("=")
                    if name:
                        asked[name] = value
                    else:
                        self.wfile.write(f"action={decide(asked)}\n\n".encode("ascii"))
                        asked = {}

        return Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """A mail server that can be started and stopped."""

    top: Path
    port: int
    command: str
    policy: Policy = field(default_factory=Policy)

    def start(self) -> None:
        """Start it; returns once it listens."""
        self._run("start")

    def stop(self) -> None:
        """Stop it at once."""
        self._run("abort")

    def flush(self) -> None:
        """Let it try again what it has put off."""
        self._run("flush")

    def await_empty(self) -> None:
        """Return once it has delivered, or returned, all that it was given."""
        queue: list[str | Path] = [Path(self.command).with_name("postqueue"), "-c", self.top / "config", "-p"]
        deadline = time.monotonic() + PATIENCE
        while b"queue is empty" not in subprocess.run(queue, capture_output=True, check=True).stdout:
            if time.monotonic() > deadline:
                pytest.fail(f"postfix keeps mails back: {self.log}")

    def forget(self) -> None:
        """Take away all that it has not delivered."""
        subprocess.run(
            [Path(self.command).with_name("postsuper"), "-c", self.top / "config", "-d", "ALL"],
            capture_output=True,
            check=True,
        )

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
    policy = Policy()
    with _taken_away(top), policy.served() as policy_address:
        top.chmod(0o755)
        config = top / "config"
        config.mkdir()
        (top / "queue").mkdir()
        (top / "data").mkdir()
        shutil.chown(top / "data", "postfix")
        port = free_port()
        (top / "box").mkdir()
        shutil.chown(top / "box", _NOBODY)
        settings = _MAIN.format(
            top=top,
            domains=" ".join(domains),
            maildirs=" ".join(maildirs),
            nobody=_NOBODY,
            identity=identity,
            policy=policy_address,
            size_limit=SIZE_LIMIT,
        )
        settings = settings.replace(f"texthash:{top}/", f"texthash:{config}/")
        (config / "main.cf").write_text(settings, encoding="ascii")
        (config / "master.cf").write_text(_MASTER.format(port=f"{HOST}:{port}"), encoding="ascii")
        server = Postfix(top=top, port=port, command=command, policy=policy)
        server.route({})
        try:
            yield server
        finally:
            if re.search(r"daemon started", server.log):
                subprocess.run([command, "-c", config, "abort"], capture_output=True, check=False)


@contextmanager
def _taken_away(top: Path) -> Iterator[None]:
    try:
        yield
    finally:
        shutil.rmtree(top)
