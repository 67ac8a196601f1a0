"""What systemd and a daemon tell each other: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).

Three environment variables begin it: NOTIFY_SOCKET (where states are told), LISTEN_FDS (sockets that are
bound already, from descriptor 3 on) and WATCHDOG_USEC (how often we have to say that we live). They are taken
out of the environment, so that no process that we start takes them for its own. Without them, as on a
terminal, nothing is told and nothing is asked.

Must not import: adapters, the store. It knows nothing of the gateway but what a listener is.
"""

import os
import socket
import time
from collections import defaultdict
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Self

import structlog

from config import mailing
from config.settings import Listener, Mail
from iso_gateway.errors import GatewayError
from iso_gateway.logs import escaped

log = structlog.stdlib.get_logger(__name__)

UNHEARD: Final = "service-manager.unheard"

#: The first descriptor that is passed (SD_LISTEN_FDS_START).
FIRST_DESCRIPTOR: Final = 3

#: The most of a status that is told; it is a line of `systemctl status`.
LONGEST_STATUS: Final = 300


class PassedSocketError(GatewayError):
    """A socket was passed that cannot be listened on, or that no listener is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A socket that the service manager has bound.

    Args:
        name: its FileDescriptorName; systemd's own is that of the unit.
        socket: the socket; whoever takes it closes it.
    """

    name: str
    socket: socket.socket

    @property
    def path(self) -> str | None:
        """The path of a Unix socket; None for one of TCP."""
        if self.socket.family is not socket.AF_UNIX:
            return None
        return os.fsdecode(self.socket.getsockname())

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to which one of TCP is bound."""
        host, port, *_ = self.socket.getsockname()
        return host, port

    def __str__(self) -> str:
        where = f"port {self.address[1]}" if self.path is None else repr(self.path)
        return f"the socket {self.name!r} on {where}"


class ServiceManager:
    """The service manager that runs this process; without one, whatever is told goes nowhere.

    Args:
        notify: the address of its socket, `@` first if it is abstract; None: there is nobody to tell.
        watchdog: within what time we have to say that we live; None: never.
        passed: the sockets it has bound for us.
    """

    def __init__(
        self,
        *,
        notify: str | None = None,
        watchdog: timedelta | None = None,
        passed: Sequence[Passed] = (),
    ) -> None:
        self._notify = notify
        self._watchdog = watchdog
        self._passed = tuple(passed)

    @classmethod
    def from_environment(
        cls, environment: MutableMapping[str, str], *, first: int = FIRST_DESCRIPTOR
    ) -> Self:
        """Take what the environment says, out of it.

        Args:
            environment: of this process.
            first: the first descriptor that is passed.

        Raises:
            PassedSocketError: one of the descriptors is no TCP socket that listens.
        """
        notify = environment.pop("NOTIFY_SOCKET", None)
        microseconds = _number(environment.pop("WATCHDOG_USEC", None))
        watched = environment.pop("WATCHDOG_PID", None)
        receiver = environment.pop("LISTEN_PID", None)
        count = _number(environment.pop("LISTEN_FDS", None))
        names = environment.pop("LISTEN_FDNAMES", "").split(":")
        ours = str(os.getpid())
        return cls(
            notify=notify or None,
            watchdog=timedelta(microseconds=microseconds)
            if microseconds and watched in {None, ours}
            else None,
            passed=[
                _passed(first + place, names[place] if place < len(names) else "")
                for place in range(count if receiver == ours else 0)
            ],
        )

    @property
    def watchdog(self) -> timedelta | None:
        """Within what time `alive` has to be said each time; None: it need not be."""
        return self._watchdog

    def sockets(
        self, listeners: Sequence[Listener], mail: Mail | None = None
    ) -> Mapping[str, Sequence[socket.socket]]:
        """Give the sockets that were passed, by the names of the listeners they are for.

        A socket is for the listener whose name is its FileDescriptorName, else for the one with its port or
        path. That of mail is called `lmtp`.

        Raises:
            PassedSocketError: a socket is for no listener, for one of several, or for one of another kind.
        """
        found: defaultdict[str, list[socket.socket]] = defaultdict(list)
        for one in self._passed:
            is_for_mail = _is_for_mail(one, listeners, mail)
            found[mailing.LMTP if is_for_mail else _listener_for(one, listeners)].append(one.socket)
        return MappingProxyType(found)

    def starting(self, status: str) -> None:
        """Say what is done before we are ready."""
        self._tell(_status(status))

    def ready(self, status: str) -> None:
        """Say that we serve: all is open; or again, after `reloading`."""
        self._tell("READY=1", _status(status))

    def reloading(self) -> None:
        """Say that the configuration is read anew; `ready` says that this is over."""
        # systemd 253 and later want the moment with it (Type=notify-reload); earlier ones pass over it.
        moment = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={moment}", _status("reads its configuration"))

    def stopping(self) -> None:
        """Say that we end, once what is in hand is done."""
        self._tell("STOPPING=1", _status("finishes what is in hand"))

    def alive(self, status: str) -> None:
        """Say that we live."""
        self._tell("WATCHDOG=1", _status(status))

    def _tell(self, *lines: str) -> None:
        if self._notify is None:
            return
        address = f"\0{self._notify[1:]}" if self._notify.startswith("@") else self._notify
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                # Whatever becomes of the service manager, nothing here may wait for it.
                channel.setblocking(False)  # noqa: FBT003
                channel.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            log.warning(UNHEARD, said=lines[0], error=error.strerror)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else 0


def _status(text: str) -> str:
    return f"STATUS={escaped(text)[:LONGEST_STATUS]}"


def _passed(descriptor: int, name: str) -> Passed:
    shown = f"descriptor {descriptor} ({name!r})"
    advice = "have the socket unit pass ListenStream= with Accept=no"
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003
        one = socket.socket(fileno=descriptor)
    except OSError as error:
        raise PassedSocketError(f"{shown} was passed and is no socket: {error.strerror}; {advice}") from error
    listens = (
        one.family in {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}
        and one.type is socket.SOCK_STREAM
        and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    )
    if not listens:
        one.close()
        raise PassedSocketError(f"{shown} was passed and is no stream socket that listens; {advice}")
    return Passed(name=name, socket=one)


def _is_for_mail(passed: Passed, listeners: Sequence[Listener], mail: Mail | None) -> bool:
    """Tell whether a socket is for LMTP, and hold it to what `[mail]` says."""
    on_unix = None if mail is None else mail.lmtp_socket
    on_tcp = None if mail is None or mail.lmtp_host is None else mail.lmtp_port
    named = passed.name == mailing.LMTP
    if passed.path is not None:
        if named and on_unix is None:
            raise PassedSocketError(
                f"{passed} was passed, and [mail] has no lmtp_socket: set it to this path"
            )
        return named or passed.path == on_unix
    host, port = passed.address
    if named and on_tcp is None:
        raise PassedSocketError(f"{passed} was passed, and [mail] has no lmtp_host: set it, and lmtp_port")
    # A listener may have the same port on another address; then the name has to tell.
    if not named and (port != on_tcp or any(listener.port == port for listener in listeners)):
        return False
    if not mailing.is_loopback(host):
        raise PassedSocketError(
            f"{passed} was passed, and can be reached from other machines ({host!r}), which could then write"
            " in any partner's name: set ListenStream= to 127.0.0.1 and the port"
        )
    return True


def _listener_for(passed: Passed, listeners: Sequence[Listener]) -> str:
    if passed.path is not None:
        raise PassedSocketError(
            f"{passed} was passed, and no listener has it: set lmtp_socket in [mail] to this path, and"
            f" FileDescriptorName= to {mailing.LMTP}"
        )
    host, port = passed.address
    named = [listener.name for listener in listeners if listener.name == passed.name]
    fitting = [listener for listener in listeners if listener.port == port]
    exact = [listener.name for listener in fitting if listener.host == host]
    for names in (named, exact, [listener.name for listener in fitting]):
        if len(names) == 1:
            return names[0]
    what = f"{passed} was passed, and"
    if fitting:
        several = ", ".join(repr(listener.name) for listener in fitting)
        raise PassedSocketError(
            f"{what} the listeners {several} all have this port: set FileDescriptorName= to one of them"
        )
    raise PassedSocketError(
        f"{what} no listener has this name or port: set FileDescriptorName= to a listener's name, or its port"
    )
