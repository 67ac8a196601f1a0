"""What can go wrong on the way in and out, as far as the rest of the gateway has to know.

Imports nothing of ours.
"""

import errno
import re
import socket
from enum import Enum
from typing import Final


class ListenError(Exception):
    """A listener cannot be opened; nothing was left bound.

    Args:
        listener: the configured name of the listener.
        address: what it was to listen on, as `127.0.0.1:1611`.
        reason: why not and what to do, in the gateway's own words.
    """

    def __init__(self, *, listener: str, address: str, reason: str) -> None:
        super().__init__(f"cannot listen on {address} (listener {listener!r}): {reason}")
        self.listener = listener
        self.address = address
        self.reason = reason


class Failure(Enum):
    """What kept an APDU from being handed over. The gateway has the same words, and what to do about each."""

    NO_SUCH_HOST = "no-such-host"
    """Its name leads to no address now."""
    REFUSED = "refused"
    """Its machine answers, and nothing listens on the port."""
    UNREACHABLE = "unreachable"
    """No way leads to its machine, or ours has no means left to take one."""
    CONNECT_TIMEOUT = "connect-timeout"
    """Nothing answered in time."""
    TLS = "tls"
    """It was reached, and no protected connection could be made."""
    CLOSED = "closed"
    """It ended the connection before anything could be written."""
    SEND_TIMEOUT = "send-timeout"
    """It did not take the APDU in time."""
    RESET = "reset"
    """It broke the connection while the APDU was sent, or after."""
    CONNECTION_GONE = "connection-gone"
    """The connection that an answer belongs on is not there any more."""
    MAIL_SERVER = "mail-server"
    """Our mail server does not let us in: it refuses us, or the login, or lacks STARTTLS."""
    MAIL_DEFERRED = "mail-deferred"
    """Our mail server does not take the mail now (4xx)."""
    MAIL_REFUSED = "mail-refused"
    """Our mail server refuses the mail for good (5xx)."""


#: What a system call that failed says about the peer, by its number.
_FAILURES: Final = {
    errno.ECONNREFUSED: Failure.REFUSED,
    errno.ETIMEDOUT: Failure.CONNECT_TIMEOUT,
    errno.ECONNRESET: Failure.CLOSED,
    errno.EPIPE: Failure.CLOSED,
    errno.ECONNABORTED: Failure.CLOSED,
}


_NUMBER: Final = re.compile(r"\[Errno ([0-9]+)\]")


def number_of(error: OSError) -> int:
    """Returns the number by which the system names an error; 0 where it has none.

    Where a name leads to several addresses, and each fails in its own way, asyncio tells the numbers in its
    text alone: it is the last address that counts then.
    """
    if error.errno is not None:
        return error.errno
    return int([0, *_NUMBER.findall(str(error))][-1])


def failure_to_connect(error: OSError, *, late: bool) -> Failure:
    """Returns what kept a connection from being made.

    Args:
        error: what the system said.
        late: whether it was not the system, but our own limit of time.
    """
    if late:
        return Failure.CONNECT_TIMEOUT
    if isinstance(error, socket.gaierror):
        return Failure.NO_SUCH_HOST
    return _FAILURES.get(number_of(error), Failure.UNREACHABLE)


class DeliveryFailed(Exception):  # noqa: N818 - an outcome for the outbox, not a fault
    """An APDU could not be handed over.

    Args:
        reason: for the operator, in the gateway's own words; nothing that the peer wrote.
        temporary: whether trying again can help.
        ambiguous: whether the peer may have the whole APDU all the same. Trying again sends identical octets,
            which an ISO 10161 system takes for the duplicate they are.
        failure: what it was that went wrong.
    """

    def __init__(self, reason: str, *, temporary: bool, ambiguous: bool, failure: Failure) -> None:
        super().__init__(reason)
        self.reason = reason
        self.failure = failure
        self.temporary = temporary
        self.ambiguous = ambiguous
