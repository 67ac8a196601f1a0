"""Ports for what is to listen later, or never, so that no other test gets them meanwhile."""

import random
import socket
from contextlib import suppress

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses, below those that systems give to connections and listeners that ask for any."""
    chance = random.SystemRandom()
    found: set[int] = set()
    while len(found) < count:
        with socket.socket() as one, suppress(OSError):
            one.bind((HOST, chance.randrange(15_000, 32_000)))
            found.add(one.getsockname()[1])
    return list(found)


def free_port() -> int:
    """One of them."""
    [port] = free_ports(1)
    return port


def reserved() -> socket.socket:
    """A socket that keeps a port for a listener of ours: to be closed after that one.

    Connections are refused until somebody listens, which with SO_REUSEADDR others may do beside it.
    """
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind((HOST, 0))
    return keeper
