"""The gateway as systemd runs it: notified, watched, given its sockets, and told to read its files anew."""

import os
import shutil
import signal
import smtplib
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psycopg
import pytest

from asn1.codec import decode, encode
from asn1.ill import StatusOrErrorReport
from tests.integration.adapters.mails import carrying
from tests.support.apdus import ill_request, status_query
from tests.support.daemon import DOWN, HOST, ONE_WAY, TWO_WAY, Installation, PartnerListener, Peer
from tests.support.peers import require
from tests.support.ports import free_ports
from tests.support.postgresql import Cluster
from tests.support.service_manager import ServiceManager, service_manager

REQUEST: Final = ill_request()
UNIT: Final = Path(__file__).parents[2] / "config" / "systemd" / "iso-gateway.service"

#: How long the service manager waits for a sign of life, in microseconds; one comes three times as often.
WATCHED: Final = "WATCHDOG_USEC=600000"
#: Seconds in which seven signs of life would have come.
SILENCE: Final = 1.5

#: On SIGUSR1 the event loop stands still: for whatever reason, it does not turn any more.
HANG: Final = """
import signal, threading
def hang(number, frame):
    print('{"event": "hangs"}', flush=True)
    threading.Event().wait()
signal.signal(signal.SIGUSR1, hang)
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    """A service manager that hears what the daemon says."""
    with service_manager(tmp_path) as manager:
        yield manager


def under(manager: ServiceManager, *variables: str) -> Sequence[str]:
    """What runs a daemon under a service manager."""
    return ["env", f"NOTIFY_SOCKET={manager.address}", *variables]


def falls_silent(manager: ServiceManager) -> bool:
    """Whether no sign of life comes any more, but for what was said already and not yet heard."""
    for _ in range(100):
        try:
            manager.hear(within=SILENCE)
        except TimeoutError:
            return True
    return False


def set_port(installation: Installation, listener: str, port: int) -> None:
    """Have a listener be configured for a port."""
    old = f'mode = "{listener}"\nhost = "{HOST}"\nport = 0'
    installation.edit("gateway.toml", old, old.replace("port = 0", f"port = {port}"))


class TestNotifications:
    def test_it_says_that_it_serves_lives_and_ends(self, tmp_path: Path, manager: ServiceManager) -> None:
        installation = Installation(tmp_path / "site")
        count = f"serves {len(installation.settings.partners)} partners; "
        with installation.running(tracer=under(manager, WATCHED)) as gateway:
            serving = manager.await_said("READY=1")
            assert serving.startswith(f"{count}{ONE_WAY} on {HOST}:{gateway.ports[ONE_WAY]}, ")
            for _ in range(3):
                assert manager.await_said("WATCHDOG=1").startswith(count)
            assert gateway.stop() == 0
        assert manager.await_said("STOPPING=1") == "finishes what is in hand"

    def test_it_is_not_ready_before_it_listens(self, tmp_path: Path, manager: ServiceManager) -> None:
        installation = Installation(tmp_path / "site")
        with socket.create_server((HOST, 0)) as other:
            set_port(installation, ONE_WAY, other.getsockname()[1])
            assert installation.start(tracer=under(manager)).wait() == 1
        assert manager.hear() == ["STATUS=opens its database"]
        with pytest.raises(TimeoutError):
            manager.hear(within=0.01)


class TestWatchdog:
    def test_a_loop_that_hangs_says_nothing_more(self, tmp_path: Path, manager: ServiceManager) -> None:
        installation = Installation(tmp_path / "site")
        with installation.running(before=HANG, tracer=under(manager, WATCHED)) as gateway:
            manager.await_said("WATCHDOG=1")
            gateway.tell(signal.SIGUSR1)
            gateway.await_line("hangs")
            assert falls_silent(manager)
            gateway.kill()

    @pytest.mark.postgresql
    def test_a_database_that_hangs_stops_the_signs_of_life_until_it_answers(
        self, tmp_path: Path, manager: ServiceManager, postgresql_cluster: Cluster
    ) -> None:
        with postgresql_cluster.database("hanging", tables=True) as url:
            installation = Installation(tmp_path / "site")
            installation.share(url, lease="60s")
            with installation.running(tracer=under(manager, WATCHED)):
                manager.await_said("WATCHDOG=1")
                with psycopg.connect(url) as connection:
                    found = connection.execute(
                        "SELECT pid FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    ).fetchall()
                backends = [pid for (pid,) in found]
                assert backends
                for pid in backends:
                    os.kill(pid, signal.SIGSTOP)
                try:
                    assert falls_silent(manager)
                finally:
                    for pid in backends:
                        os.kill(pid, signal.SIGCONT)
                manager.await_said("WATCHDOG=1")


class TestReload:
    def test_a_new_partner_is_known_and_what_waits_goes_to_an_old_ones_new_address(
        self, tmp_path: Path, manager: ServiceManager
    ) -> None:
        installation = Installation(tmp_path / "site")
        with PartnerListener().listen() as partner, installation.running(tracer=under(manager)) as gateway:
            manager.await_said("READY=1")
            gateway.exchange(ONE_WAY, status_query(REQUEST))
            gateway.await_line("apdu.deferred")
            installation.edit("partners/yaz.toml", f"port = {DOWN}", f"port = {partner.port}")
            installation.add_partner("NEW", keys='acknowledge = "status-report"')
            count = len(installation.settings.partners)
            gateway.tell(signal.SIGHUP)
            manager.await_said("RELOADING=1")
            assert manager.await_said("READY=1").startswith(f"serves {count} partners")
            assert isinstance(partner.apdu(), StatusOrErrorReport)
            assert gateway.await_line("settings.reloaded")["partners"] == count
            answer = gateway.exchange(TWO_WAY, ill_request(requester="NEW"))
            assert isinstance(decode(answer), StatusOrErrorReport)

    def test_a_wrong_file_is_refused_and_the_old_ones_hold(
        self, tmp_path: Path, manager: ServiceManager
    ) -> None:
        installation = Installation(tmp_path / "site")
        installation.edit("gateway.toml", "[logging]", '[documents]\ntemplate_dir = "own"\n[logging]')
        letter = tmp_path / "site" / "own" / "en" / "letter.txt"
        letter.parent.mkdir(parents=True)
        letter.write_text("{{ link }}", encoding="ascii")
        with installation.running(tracer=under(manager)) as gateway:
            manager.await_said("READY=1")
            letter.write_text("Dear library,\n{{ link }", encoding="ascii")
            installation.edit("partners/yaz.toml", f"port = {DOWN}", 'port = "a port"')
            installation.edit("partners/ZED.toml", "test = true", "tset = true")
            gateway.tell(signal.SIGHUP)
            manager.await_said("RELOADING=1")
            said = manager.await_said("READY=1")
            assert said.startswith("the new configuration was refused, the old one holds: ")
            # Said and logged on ways of their own.
            gateway.await_line("settings.refused", times=3)
            problems = [line["problem"] for line in gateway.log if line["event"] == "settings.refused"]
            assert len(problems) == 3
            assert any("own/en/letter.txt: line 2: " in problem for problem in problems)
            assert any("yaz.toml: transport.port" in problem for problem in problems)
            assert any("ZED.toml: tset" in problem for problem in problems)
            answer = gateway.exchange(TWO_WAY, REQUEST)
            assert isinstance(decode(answer), StatusOrErrorReport), "YAZ is a partner as before"
            # What `systemctl reload` runs first says the same, and fails.
            assert installation.command("check").returncode == 2

    def test_what_waits_for_a_restart_is_named(self, tmp_path: Path) -> None:
        installation = Installation(tmp_path)
        with installation.running() as gateway:
            installation.edit("gateway.toml", 'state_dir = "state"', 'state_dir = "other"')
            installation.edit("gateway.toml", "max_connections = 200", "max_connections = 100")
            set_port(installation, ONE_WAY, 1611)
            gateway.tell(signal.SIGHUP)
            line = gateway.await_line("settings.restart-needed")
            assert line["settings"] == "state_dir, database_url, master_key_file, listeners"
            assert not (tmp_path / "other").exists()
            gateway.exchange(ONE_WAY, REQUEST)
            installation.edit("gateway.toml", 'state_dir = "other"', 'state_dir = "state"')
        assert [one.verdict for one in installation.received()] == ["applied"]


class TestSocketActivation:
    """By the real systemd-socket-activate, which binds, and starts the gateway when somebody connects."""

    @pytest.fixture
    def ports(self) -> tuple[int, int]:
        """Two ports that nobody uses."""
        one, two = free_ports(2)
        return one, two

    def activator(self, ports: tuple[int, int], *options: str) -> Sequence[str]:
        """What binds the ports and runs a daemon once they are used."""
        found = require(
            shutil.which("systemd-socket-activate"), "systemd-socket-activate", "apt-get install systemd"
        )
        passed = [f"--setenv={name}" for name in os.environ if name.startswith(("PYTHON", "COV"))]
        listened = [f"--listen={HOST}:{port}" for port in ports]
        return [found, *listened, *options, *passed]

    def test_a_unix_socket_of_systemds_is_listened_on_for_lmtp_and_left_to_it(
        self, tmp_path: Path, ports: tuple[int, int]
    ) -> None:
        installation = Installation(tmp_path / "site")
        path = tmp_path / "lmtp"
        installation.let_mail_in(f'lmtp_socket = "{path}"')
        options = (f"--listen={path}", f"--fdname={ONE_WAY}:{TWO_WAY}:lmtp")
        gateway = installation.start(tracer=self.activator(ports, *options))
        try:
            gateway.await_text(b"Listening on", times=3)
            mail = carrying(encode(ill_request(requester="ILLUME:MEL")), author="ill@mel.example")
            # It is connected to before there is a gateway, which this starts.
            with smtplib.LMTP(str(path), timeout=60) as client:
                assert client.sendmail("ill@mel.example", ["ill@bex.example"], mail) == {}
            gateway.await_line("apdu.processed", verdict="applied", partner="MEL")
            assert gateway.stop() == 0
        finally:
            gateway.kill()
        assert path.is_socket(), "it is systemd's"

    def served(self, installation: Installation, tracer: Sequence[str], port: int) -> None:
        """Prove that the first connection starts the gateway, which serves it."""
        gateway = installation.start(tracer=tracer)
        try:
            gateway.await_text(b"Listening on", times=2)
            with Peer(socket.create_connection((HOST, port), 60)) as peer:
                peer.send(REQUEST)
                gateway.await_ready()
                assert isinstance(decode(peer.answer()), StatusOrErrorReport)
            assert gateway.stop() == 0
        finally:
            gateway.kill()

    def test_sockets_are_matched_by_port(self, tmp_path: Path, ports: tuple[int, int]) -> None:
        installation = Installation(tmp_path)
        for listener, port in zip((ONE_WAY, TWO_WAY), ports, strict=True):
            set_port(installation, listener, port)
        self.served(installation, self.activator(ports), ports[1])

    def test_sockets_are_matched_by_name(self, tmp_path: Path, ports: tuple[int, int]) -> None:
        names = f"--fdname={TWO_WAY}:{ONE_WAY}"
        self.served(Installation(tmp_path), self.activator(ports, names), ports[0])

    def test_a_socket_for_no_listener_is_an_error_that_says_what_to_do(
        self, tmp_path: Path, ports: tuple[int, int]
    ) -> None:
        gateway = Installation(tmp_path).start(tracer=self.activator(ports))
        gateway.await_text(b"Listening on", times=2)
        with socket.create_connection((HOST, ports[0]), 60):
            assert gateway.wait() == 1
        assert f"on port {ports[0]} was passed" in gateway.output.decode()
        assert "Traceback" not in gateway.output.decode()


def test_the_master_key_is_read_from_the_credential(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "site")
    credentials = tmp_path / "credentials"
    with installation.running() as gateway:
        gateway.exchange(TWO_WAY, REQUEST)
    credentials.mkdir()
    key = installation.settings.master_key_file.rename(credentials / "master-key")
    # As systemd makes it: root's, and an ACL for the user, which shows as the group's right.
    key.chmod(0o440)
    refused = installation.start()
    assert refused.wait() == 2
    assert b"master.key' is missing" in refused.output
    with installation.running(tracer=["env", f"CREDENTIALS_DIRECTORY={credentials}"]) as gateway:
        assert isinstance(decode(gateway.exchange(TWO_WAY, status_query(REQUEST))), StatusOrErrorReport)


def allowed_system_calls() -> set[str]:
    """What the unit's filter lets through on this architecture, as systemd-analyze has the groups."""
    analyze = require(shutil.which("systemd-analyze"), "systemd-analyze", "apt-get install systemd")
    listing = subprocess.run([analyze, "syscall-filter"], capture_output=True, text=True, check=True).stdout
    groups: dict[str, list[str]] = {}
    for line in listing.splitlines():
        if line.startswith("@"):
            groups[line] = []
        elif groups and line.startswith("    ") and "#" not in line:
            groups[list(groups)[-1]].append(line.strip())

    def calls(group: str) -> set[str]:
        members = groups[group]
        return set().union(*(calls(one) if one.startswith("@") else {one} for one in members))

    allowed: set[str] = set()
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name == "SystemCallFilter":
            named = set().union(*(calls(group) for group in value.removeprefix("~").split()))
            allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed


def test_its_sandbox_lets_through_every_system_call_that_it_makes(tmp_path: Path) -> None:
    strace = require(shutil.which("strace"), "strace", "apt-get install strace")
    allowed = allowed_system_calls()
    assert {"fdatasync", "accept4", "sendto"} <= allowed
    assert not {"chown", "setpriority", "ptrace", "mount"} & allowed
    if os.geteuid() == 0:
        # SQLite gives its files to the owner of the database, and only root can have to.
        allowed.add("fchown")
    calls = tmp_path / "calls"
    # Only what is not allowed is traced: so it is fast, and whatever is written down is a mistake. A `?` has
    # strace pass over names that this architecture does not have.
    trace = "trace=!" + ",".join(f"?{name}" for name in sorted(allowed))
    tracer = [strace, "-f", "--seccomp-bpf", "-qq", "-e", "signal=none", "-e", trace, "-o", str(calls)]
    installation = Installation(tmp_path / "site")
    with installation.running(tracer=tracer) as gateway:
        assert isinstance(decode(gateway.exchange(TWO_WAY, REQUEST)), StatusOrErrorReport)
        gateway.exchange(ONE_WAY, status_query(REQUEST))
        gateway.await_line("apdu.deferred")
        gateway.tell(signal.SIGHUP)
        gateway.await_line("settings.reloaded")
    assert calls.read_text(encoding="utf-8") == ""
