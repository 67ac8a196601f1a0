"""A database that is locked, or whose disk fails: nobody is told that a message is stored that is not."""

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from asn1.codec import decode, encode
from asn1.ill import StatusOrErrorReport
from tests.support.apdus import ill_request
from tests.support.daemon import ONE_WAY, TWO_WAY, Installation, RunningDaemon

#: The gateway waits five seconds for a lock, which is long for a test.
IMPATIENT: Final = "from iso_gateway.store import engine\nengine.BUSY_TIMEOUT_MS = 200"
#: What happens to the database of a gateway, for the time of a `with`.
Trouble: TypeAlias = Callable[[RunningDaemon], AbstractContextManager[None]]
REQUESTS: Final = [ill_request(transaction=f"2026-{number:06}") for number in range(3)]


@contextmanager
def locked(gateway: RunningDaemon) -> Iterator[None]:
    """Another process has begun to write, and does not end."""
    database = gateway.installation.settings.state_dir / "gateway.db"
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


@contextmanager
def failing(gateway: RunningDaemon) -> Iterator[None]:
    """Whatever the gateway writes to a file fails, as on a disk that is broken."""
    limits = resource.prlimit(gateway.process_id, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(gateway.process_id, resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("trouble", [locked, failing])
def test_what_cannot_be_stored_is_not_acknowledged_and_the_gateway_goes_on(
    tmp_path: Path, trouble: Trouble
) -> None:
    installation = Installation(tmp_path)
    with installation.running(before=IMPATIENT) as gateway:
        assert isinstance(decode(gateway.exchange(TWO_WAY, REQUESTS[0])), StatusOrErrorReport)
        with trouble(gateway):
            for listener in (ONE_WAY, TWO_WAY):
                with gateway.connect(listener) as peer:
                    peer.send(REQUESTS[1])
                    with pytest.raises(ConnectionResetError):
                        peer.rest()
            gateway.await_line("connection.failed", times=2, error="UnavailableError")
        assert isinstance(decode(gateway.exchange(TWO_WAY, REQUESTS[1])), StatusOrErrorReport)
        assert gateway.exchange(ONE_WAY, REQUESTS[2]) == b""
        gateway.await_line("apdu.processed", times=3, verdict="applied")
    assert [one.octets for one in installation.received()] == [encode(request) for request in REQUESTS]
    assert [one.verdict for one in installation.received()] == ["applied"] * 3
