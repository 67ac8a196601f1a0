"""The gateway as its users meet it: a process with a configuration, ports, a log and a state directory.

Nothing here sleeps. What the daemon does is awaited where it shows: in a line of its log, in the octets or
the end of a connection. Every wait ends after `PATIENCE`, which only a hung run uses up.

The process has a process group of its own, and only that group is ever signalled.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from asn1.codec import decode, encode
from asn1.framing import Framer
from asn1.ill import ILLApdu
from config import starter
from config.loading import load
from config.settings import Settings
from iso_gateway.acting.action import Acted
from iso_gateway.request.primitives import ResponderPrimitive
from iso_gateway.site import Site
from iso_gateway.store.records import (
    Direction,
    HalfId,
    HalfListing,
    MessageId,
    MessageRecord,
    ProcessingRecord,
)
from iso_gateway.store.unit_of_work import UnitOfWork
from tests.support import command, empty

#: Seconds that anything may take before the test fails: far more than it needs, far less than a hung run.
PATIENCE: Final = 60.0

#: A port on which nobody listens: a partner that is down.
DOWN: Final = 1

HOST: Final = "127.0.0.1"
ONE_WAY: Final = "one-way"
TWO_WAY: Final = "two-way"

COMMAND: Final = Path(sys.executable).with_name("iso-gateway")

#: The same command, for what runs before it.
RUN: Final = "import sys; from iso_gateway.cli.main import run; sys.exit(run())"

#: For `before`: between storing and classifying, the daemon logs `held`, and waits until the named pipe `go`
#: in the directory of the installation has been opened and closed (`release`).
HOLD: Final = """
import asyncio
from pathlib import Path
from iso_gateway.running.intake import Intake
process = Intake.process
async def later(self, message_id):
    print('{"event": "held"}', flush=True)
    await asyncio.to_thread(Path("go").read_bytes)
    return await process(self, message_id)
Intake.process = later
"""

#: One line of the log.
Line: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A message as the database has it: its envelope, its octets, and how it was last classified."""

    record: MessageRecord
    octets: bytes = field(repr=False)
    processing: ProcessingRecord | None

    @property
    def id(self) -> MessageId:
        """Its id."""
        return self.record.id

    @property
    def verdict(self) -> str:
        """How it was classified."""
        assert self.processing is not None, f"message {self.id} was never classified"
        return self.processing.verdict


def unmeasured() -> dict[str, str]:
    """The environment of a process whose coverage is not measured, which makes it a good deal faster."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}


class Installation:
    """A configuration in a directory, as `iso-gateway init` makes it, on ports that the system chooses.

    The rehearsal partner YAZ stays as it is, acknowledged by a status report. A second partner, ZED, differs:
    it is not acknowledged. Both are sent to on the ports given.
    """

    def __init__(
        self, directory: Path, *, yaz_port: int = DOWN, zed_port: int = DOWN, started: bool = True
    ) -> None:
        """Write it.

        Args:
            directory: where; made if need be.
            yaz_port, zed_port: where the partners are sent to.
            started: whether its database and its master key are there, as a first start makes them.
        """
        self.directory: Final = directory
        self.config: Final = directory / starter.GATEWAY_FILE
        starter.write(directory)
        self.edit(starter.GATEWAY_FILE, "port = 1611", "port = 0")
        self.edit(starter.GATEWAY_FILE, "port = 4990", "port = 0")
        self.edit(starter.GATEWAY_FILE, 'level = "info"', 'level = "debug"')
        self.edit(starter.GATEWAY_FILE, 'format = "console"', 'format = "json"')
        self.edit(starter.GATEWAY_FILE, 'first_delay = "5s"', 'first_delay = "50ms"')
        self.edit(starter.GATEWAY_FILE, 'max_delay = "1h"', 'max_delay = "200ms"')
        self.edit("partners/yaz.toml", "port = 1612", f"port = {yaz_port}")
        self.add_partner("ZED", port=zed_port)
        if started:
            empty.put_in(self.settings)

    def become_the_partner(self) -> None:
        """Become the other library: ILLUME:YAZ, which knows the partner ILLUME:BEX where YAZ would be."""
        for file, old, new in ((starter.GATEWAY_FILE, "BEX", "YAZ"), ("partners/yaz.toml", "YAZ", "BEX")):
            self.edit(file, f'name = "{old}"', f'name = "{new}"')
            self.edit(file, f'"ILLUME:{old}"', f'"ILLUME:{new}"')
            self.edit(file, f'aliases = ["{old}"]', f'aliases = ["{new}"]')

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that stands in a file of the configuration exactly once."""
        path = self.directory / file
        content = path.read_text(encoding="utf-8")
        assert content.count(old) == 1, f"{old!r} stands {content.count(old)} times in {file}"
        path.write_text(content.replace(old, new), encoding="utf-8")

    def share(self, database_url: str, *, lease: str, key_of: "Installation | None" = None) -> None:
        """Have it use a PostgreSQL database, beside other installations.

        Args:
            database_url: the database.
            lease: for how long a gateway counts as alive, as the configuration has it.
            key_of: whose master key it has. None: its own.
        """
        self.edit(
            starter.GATEWAY_FILE,
            '# database_url = "sqlite:///state/gateway.db"',
            f'database_url = "{database_url}"',
        )
        self.edit(starter.GATEWAY_FILE, 'lease = "60s"', f'lease = "{lease}"')
        if key_of is not None:
            self.settings.master_key_file.write_bytes(key_of.settings.master_key_file.read_bytes())

    def add_partner(self, name: str, *, port: int = DOWN, mode: str = ONE_WAY, keys: str = "") -> None:
        """Add a partner whose symbol is `ILLUME:` and its name.

        Args:
            name: what it is called.
            port: where we send to.
            mode: how we send.
            keys: further lines of its file.
        """
        (self.directory / "partners" / f"{name}.toml").write_text(
            f'name = "{name}"\nsymbols = ["ILLUME:{name}"]\ntest = true\n{keys}\n'
            f'[transport]\nkind = "tcp"\nhost = "{HOST}"\nport = {port}\nmode = "{mode}"\n',
            encoding="ascii",
        )

    def let_mail_in(self, way: str) -> None:
        """Let mail in for ill@bex.example, and add the partner MEL, which is reached at ill@mel.example.

        Args:
            way: the lines of `[mail]` that say how.
        """
        symbol = 'symbol = "ILLUME:BEX"'
        self.edit(starter.GATEWAY_FILE, symbol, f'{symbol}\npublic_mail = "ill@bex.example"')
        with self.config.open("a", encoding="utf-8") as file:
            file.write(f"\n[mail]\nrelay_port = 1\n{way}\n")
        (self.directory / "partners" / "MEL.toml").write_text(
            'name = "MEL"\nsymbols = ["ILLUME:MEL"]\n'
            '[transport]\nkind = "mail"\naddress = "ill@mel.example"\n',
            encoding="ascii",
        )

    @property
    def settings(self) -> Settings:
        """The configuration as the daemon reads it."""
        return load(self.config)

    @contextmanager
    def running(self, *, before: str = "", tracer: Sequence[str | Path] = ()) -> Iterator["RunningDaemon"]:
        """Run a daemon that listens; at the end it is stopped, and has to end well unless it was killed.

        Args:
            before: Python that the process runs before the command, to spoil it on purpose.
            tracer: a command that runs the daemon, such as strace with its options.
        """
        daemon = self.start(before=before, tracer=tracer)
        try:
            daemon.await_ready()
            yield daemon
            if daemon.is_alive:
                assert daemon.stop() == 0, daemon.output
        finally:
            daemon.kill()

    def start(
        self, *, before: str = "", tracer: Sequence[str | Path] = (), measured: bool = True
    ) -> "RunningDaemon":
        """Start a daemon, which may not come up; whoever calls this has to see to its end.

        Args:
            before, tracer: as for `running`.
            measured: whether its coverage is: not of one that is going to be killed, which loses it.
        """
        if 'Path("go")' in before:
            os.mkfifo(self.directory / "go")
        command: list[str | Path] = [sys.executable, "-c", f"{before}\n{RUN}"] if before else [COMMAND]
        killed = not measured or "SIGKILL" in before
        return RunningDaemon(
            self,
            [*tracer, *command, "serve", "--config", self.config],
            environment=unmeasured() if killed else None,
        )

    def command(self, *arguments: object) -> subprocess.CompletedProcess[bytes]:
        """Run the operator's command on this configuration, beside the daemon, and give what it printed."""
        done = command.run(*arguments, "--config", self.config)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(
            [*map(str, arguments)], done.exit_code, done.stdout_bytes, done.stderr_bytes
        )

    def command_process(self, *arguments: str | int | Path) -> subprocess.CompletedProcess[bytes]:
        """Do what `command` does in a process of its own."""
        return subprocess.run(
            [COMMAND, *map(str, arguments), "--config", self.config],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    @contextmanager
    def site(self) -> Iterator[Site]:
        """The installation, opened as the command opens it, beside the daemon if that runs."""
        site = Site.open(self.settings)
        try:
            yield site
        finally:
            site.close()

    @contextmanager
    def reading(self) -> Iterator[UnitOfWork]:
        """One consistent view of the database."""
        with self.site() as site, site.store.reading() as uow:
            yield uow

    def messages(self, direction: Direction, *, after: int = 0) -> list[Stored]:
        """Give the messages of one direction, in the order in which they were stored.

        Args:
            direction: in or out.
            after: only those stored after the message of this id.
        """
        with self.reading() as uow:
            return [
                Stored(record=one.message, octets=uow.messages.raw(one.message.id), processing=one.processing)
                for one in reversed(uow.messages.list(limit=1_000_000))
                if one.message.direction is direction and one.message.id > after
            ]

    def received(self, *, after: int = 0) -> list[Stored]:
        """Give what came in."""
        return self.messages(Direction.RECEIVED, after=after)

    def sent(self, *, after: int = 0) -> list[Stored]:
        """Give what went out, or is to go out."""
        return self.messages(Direction.SENT, after=after)

    def last_message(self) -> int:
        """Give the id of the newest message, 0 when there is none yet: what `after` wants."""
        with self.reading() as uow:
            return max((one.message.id for one in uow.messages.list(limit=1)), default=0)

    def requests(self) -> list[HalfListing]:
        """Give the halves, oldest first."""
        with self.reading() as uow:
            return list(reversed(uow.halves.list(limit=1_000_000)))

    def act(self, half_id: HalfId, primitive: ResponderPrimitive) -> Acted:
        """Perform a service as an operator does, in another process than the daemon's."""
        with self.site() as site, site.store.unit_of_work() as uow:
            return site.gateway.act(uow, half_id, primitive, actor="the test")


class RunningDaemon:
    """A process of ours, and what it prints."""

    def __init__(
        self,
        installation: Installation,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.installation: Final = installation
        self._process = subprocess.Popen(
            command,
            cwd=installation.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._lines: list[bytes] = []
        self._log: list[Line] = []
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="daemon's output")
        self._reader.start()
        self._ports: dict[str, int] = {}

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def process_id(self) -> int:
        """Which process it is."""
        return self._process.pid

    @property
    def output(self) -> bytes:
        """All that it has printed so far, as it came."""
        with self._changed:
            return b"".join(self._lines)

    @property
    def log(self) -> list[Line]:
        """The lines of its log so far."""
        with self._changed:
            return list(self._log)

    @property
    def ports(self) -> dict[str, int]:
        """The port of each listener, by its name."""
        return self._ports

    def connect(self, listener: str, *, source: str = HOST) -> "Peer":
        """Connect to a listener, from an address of this machine."""
        return Peer(socket.create_connection((HOST, self._ports[listener]), PATIENCE, (source, 0)))

    def exchange(self, listener: str, octets: bytes | ILLApdu, *, source: str = HOST) -> bytes:
        """Send on a connection of its own, end our side, and give all that came back until the orderly close.

        The close tells that the octets are stored, and the answer, if there is one, written.
        """
        with self.connect(listener, source=source) as peer:
            peer.send(octets)
            peer.finish()
            return peer.rest()

    def await_ready(self) -> None:
        """Return once it listens."""
        ready = self.await_line("gateway.ready")
        for name, address in ready["listeners"].items():
            self._ports[name] = int(address.rpartition(":")[2])

    def await_line(self, event: str, *, times: int = 1, **fields: object) -> Line:
        """Give the line of the log with this event and these fields, the first or a later one.

        Raises AssertionError, with all that was printed, when the process ends or nothing comes.
        """

        def matching() -> list[Line]:
            return [
                line
                for line in self._log
                if line["event"] == event and all(line.get(key) == value for key, value in fields.items())
            ]

        return self._await(lambda: matching()[times - 1 : times], f"{event} {fields}")[0]

    def await_text(self, text: bytes, *, times: int = 1) -> None:
        """Return once so many lines of what it printed hold a text."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: self._ended or sum(text in line for line in self._lines) >= times, PATIENCE
            )
        assert found, f"the process did not print {text!r}: {self.output.decode(errors='replace')}"

    def stop(self) -> int:
        """Send SIGTERM and give the exit status."""
        self.tell(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it at once, as a crash would; nothing happens when it has ended."""
        if self.is_alive:
            self.tell(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for its end and give the exit status."""
        status = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def release(self) -> None:
        """Let a daemon that runs with HOLD go on."""
        (self.installation.directory / "go").write_bytes(b"")

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        # The group, because a tracer does not pass signals on.
        os.killpg(self._process.pid, number)

    def _await(self, find: Callable[[], list[Line]], what: str) -> list[Line]:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or find(), PATIENCE)
            found = find()
        assert found, f"the daemon did not log {what}: {self.output.decode(errors='replace')}"
        return found

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                with self._changed:
                    self._lines.append(line)
                    if line.startswith(b"{"):
                        self._log.append(json.loads(line))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class Peer:
    """The far end of a connection with the gateway: blocking, and done when the `with` is left."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        # What is sent in pieces shall arrive in pieces.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._framer = Framer()
        self._elements: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def port(self) -> int:
        """Our own port, which tells this connection from others."""
        return int(self._socket.getsockname()[1])

    def fileno(self) -> int:
        """The descriptor, to wait on."""
        return self._socket.fileno()

    def send(self, octets: bytes | ILLApdu) -> None:
        """Write an APDU, or any octets."""
        self._socket.sendall(octets if isinstance(octets, bytes) else encode(octets))

    def finish(self) -> None:
        """End our side: nothing more will come."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection off."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def answer(self) -> bytes:
        """Give the octets of the next APDU that comes, while the connection stays open."""
        while not self._elements:
            octets = self._socket.recv(65_536)
            assert octets, "the gateway ended the connection without an answer"
            self._elements += self._framer.feed(octets)
        return self._elements.pop(0)

    def rest(self) -> bytes:
        """Give what still comes until the gateway ends its side in good order.

        Raises ConnectionResetError when it breaks the connection off instead.
        """
        octets = b"".join(self._elements)
        while more := self._socket.recv(65_536):
            octets += more
        return octets


class PartnerListener:
    """A partner's own listener: it takes what the gateway sends on a connection of its own, one by one.

    Until `listen` is called the partner is down: connections to its port are refused.
    """

    def __init__(self) -> None:
        self._server = socket.socket()
        self._server.bind((HOST, 0))
        self._server.settimeout(PATIENCE)

    def listen(self) -> Self:
        """Come up."""
        self._server.listen()
        return self

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def accept(self) -> Peer:
        """Take one connection, and keep it open."""
        connection, _ = self._server.accept()
        connection.settimeout(PATIENCE)
        return Peer(connection)

    def octets(self) -> bytes:
        """Take one connection and give everything that came on it; the close is the receipt."""
        with self.accept() as peer:
            return peer.rest()

    def apdu(self) -> ILLApdu:
        """Take one connection and give the APDU that came on it."""
        return decode(self.octets())

    def is_quiet(self) -> bool:
        """Whether nobody has connected: to be asked once it is certain that nothing is on its way."""
        self._server.settimeout(0)
        try:
            self._server.accept()[0].close()
        except BlockingIOError:
            return True
        finally:
            self._server.settimeout(PATIENCE)
        return False
