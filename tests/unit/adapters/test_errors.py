"""What a call that failed says: of one address, or of several at once."""

import errno
import socket

import pytest

from adapters.errors import Failure, failure_to_connect, number_of
from adapters.tcp_connection import describe

SEVERAL = OSError(
    "Multiple exceptions: [Errno 99] Cannot assign requested address,"
    " [Errno 111] Connect call failed ('127.0.0.1', 1611)"
)


@pytest.mark.parametrize(
    ("error", "number", "words", "failure"),
    [
        (
            OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1611)"),
            errno.ECONNREFUSED,
            "connection refused",
            Failure.REFUSED,
        ),
        (SEVERAL, errno.ECONNREFUSED, "connection refused", Failure.REFUSED),
        (OSError("no number"), 0, "oserror", Failure.UNREACHABLE),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            socket.EAI_NONAME,
            "name or service not known",
            Failure.NO_SUCH_HOST,
        ),
    ],
)
def test_the_systems_own_words(error: OSError, number: int, words: str, failure: Failure) -> None:
    assert number_of(error) == number
    assert describe(error) == words
    assert failure_to_connect(error, late=False) is failure
