"""A service manager as a daemon sees one: a socket on which it is told how the daemon is."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: Seconds that anything may take before the test fails.
PATIENCE: Final = 60.0


class ServiceManager:
    """Listens to what a daemon says by sd_notify(3).

    Args:
        address: a path for its socket, or `@` and a name.
    """

    def __init__(self, address: str) -> None:
        self.address: Final = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.settimeout(PATIENCE)

    def hear(self, *, within: float = PATIENCE) -> list[str]:
        """Give the lines of the next datagram. Raises TimeoutError when none comes in so many seconds."""
        self._socket.settimeout(within)
        return self._socket.recv(4096).decode().split("\n")

    def await_said(self, assignment: str) -> str:
        """Give the status that is said with an assignment such as `READY=1`, the next time it is said."""
        while assignment not in (lines := self.hear()):
            pass
        return next(line.removeprefix("STATUS=") for line in lines if line.startswith("STATUS="))

    def close(self) -> None:
        """Hear nothing any more."""
        self._socket.close()


@contextmanager
def service_manager(directory: Path) -> Iterator[ServiceManager]:
    """A service manager whose socket is in the directory."""
    manager = ServiceManager(str(directory / "notify"))
    try:
        yield manager
    finally:
        manager.close()
