"""What asyncio leaves to the system: ending a connection with a reset, and what the far end has taken.

Linux only, like the daemon (TCP_INFO and SIOCOUTQ, tcp(7)). Imports nothing of ours.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import resource
import socket
import struct
import termios
from typing import Final

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_END_ON_CLOSE: Final = struct.pack("ii", 0, 0)

#: TCP_CLOSE in the first octet of TCP_INFO: nothing more will be acknowledged.
_CLOSED: Final = 7

#: TCP_ESTABLISHED in the first octet of TCP_INFO: neither end has ended its side.
_ESTABLISHED: Final = 1

#: When a connection on which nothing happens is asked whether its far end is still there, how often again,
#: and how often without an answer until it is given up; in seconds.
_KEEP_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)

#: Seconds between two looks at what has been acknowledged. The system tells no other way; most often the
#: first look is enough on a local network, and a delayed acknowledgement takes 0.04.
_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05


#: Files that the gateway has open besides connections: the database, the log, listeners, what it sends on.
_OTHER_FILES: Final = 256


def make_room(connections: int) -> int:
    """Lets this process have so many connections open at once, as far as the system allows it.

    Most systems begin with 1,024 open files. Beyond that a connection could not even be refused: it would
    wait, unanswered, with all those that come after it.

    Returns:
        How many there can be; less than was asked for only where the system's hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < wanted:
        soft = wanted if hard == unlimited else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == unlimited else min(connections, soft - _OTHER_FILES)


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with RST whatever its state, so that the peer cannot take the end for a receipt."""
    reset_at_death(writer.get_extra_info("socket"))
    writer.transport.abort()


def reset_at_death(connection: socket.socket) -> None:
    """Has the system reset a connection that is open when this process dies; of a listening one, all of its.

    Otherwise the system would end it in good order for a process that was killed after it had read an APDU
    and before that was stored, and its sender would take that end for the receipt.
    """
    with contextlib.suppress(OSError):  # the socket is closed already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


def close(writer: asyncio.StreamWriter) -> None:
    """Ends a connection in good order, once the system has all that was written."""
    with contextlib.suppress(OSError):  # the socket is closed already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _END_ON_CLOSE)
    writer.close()


def keep_alive(writer: asyncio.StreamWriter) -> None:
    """Lets the system find out when the far end has vanished without a word, as a machine that lost power."""
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):  # the socket is closed already
        for level, option, value in _KEEP_ALIVE:
            connection.setsockopt(level, option, value)


def is_established(writer: asyncio.StreamWriter) -> bool:
    """Tells whether both sides of a connection are open, as far as this machine's system has heard."""
    if writer.transport.is_closing():
        return False
    connection = writer.get_extra_info("socket")
    return bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED)


async def acknowledged(writer: asyncio.StreamWriter) -> None:
    """Waits until the peer's system has acknowledged every octet, and the end of our side if that was sent.

    Without it, octets count as sent that wait in this machine for a peer that is off, or that a peer refused
    which closed before it read: its close looks like the orderly one that is a receipt.

    Raises ConnectionResetError when the connection ended first. Waits without end: the caller limits the
    time.
    """
    pause = _FIRST_PAUSE
    while not writer.transport.is_closing():
        connection = writer.get_extra_info("socket")
        if not _unacknowledged(connection.fileno()):
            return
        if connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _CLOSED:
            break
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def all_but_end_acknowledged(writer: asyncio.StreamWriter) -> bool:
    """Tells whether the peer's system has acknowledged every octet; the end of our side need not be yet."""
    transport = writer.transport
    if transport.is_closing() or transport.get_write_buffer_size():
        return False
    return _unacknowledged(writer.get_extra_info("socket").fileno()) <= 1


def _unacknowledged(descriptor: int) -> int:
    """Returns how many octets, a FIN counted as one, the peer's system has not acknowledged (SIOCOUTQ)."""
    (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))
    return int(count)
