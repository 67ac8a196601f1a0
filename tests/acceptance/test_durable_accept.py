"""Nothing is acknowledged before it is on disk: seen in the system calls of the running daemon.

kill -9 cannot show this: what a killed process wrote is kept by the kernel, synced or not. So strace looks
on, and to show that it would see the fault, the same daemon is run with synchronous=OFF, where the same
questions must be answered with no.
"""

import enum
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.apdus import ill_request
from tests.support.daemon import ONE_WAY, TWO_WAY, Installation
from tests.support.peers import require

SYNCHRONOUS_OFF: Final = """
from iso_gateway.store import engine
prepare = engine._prepare_sqlite
def carelessly(connection, record):
    prepare(connection, record)
    connection.execute("PRAGMA synchronous = OFF")
engine._prepare_sqlite = carelessly
"""

CALLS: Final = "pwrite64,fdatasync,fsync,recvfrom,recvmsg,read,sendto,sendmsg,write,writev,shutdown,close"
LOG_OF_THE_DATABASE: Final = "/gateway.db-wal>"

_NAME: Final = re.compile(r" *(\w+)\(")
_UNFINISHED: Final = "<unfinished ...>"
_RESUMED: Final = re.compile(r"<\.\.\. \w+ resumed>")
_NOTHING_READ: Final = re.compile(r"= (0|-1 .*)$")


class Step(enum.Enum):
    """What the daemon did, as far as it matters for one connection."""

    RECEIVED = "octets came in on the connection"
    WRITTEN = "something was written to the log of the database"
    SYNCED = "the log of the database is on disk"
    SENT = "an answer is about to go out on the connection"
    CLOSED = "the connection is about to be closed"


def steps(trace: str, port: int) -> Iterator[Step]:
    """Give the steps in the order in which they were seen.

    Args:
        trace: what strace wrote with -f and -yy. What was done counts when it has ended, what is told to the
            peer when it begins.
        port: the peer's, which tells its connection from others.
    """
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        process, _, call = line.partition(" ")
        if (resumed := _RESUMED.search(call)) is not None:
            yield from _done(begun.pop(process, "") + call[resumed.end() :], port)
            continue
        yield from _told(call, port)
        if call.endswith(_UNFINISHED):
            begun[process] = call.removesuffix(_UNFINISHED)
        else:
            yield from _done(call, port)


def _told(call: str, port: int) -> Iterator[Step]:
    name = _name(call)
    if f":{port}]>" in call and name in {"sendto", "sendmsg", "write", "writev"}:
        yield Step.SENT
    elif f":{port}]>" in call and name in {"shutdown", "close"}:
        yield Step.CLOSED


def _done(call: str, port: int) -> Iterator[Step]:
    name = _name(call)
    if f":{port}]>" in call and name in {"recvfrom", "recvmsg", "read"} and not _NOTHING_READ.search(call):
        yield Step.RECEIVED
    elif LOG_OF_THE_DATABASE in call and name == "pwrite64":
        yield Step.WRITTEN
    elif LOG_OF_THE_DATABASE in call and name in {"fdatasync", "fsync"} and call.endswith("= 0"):
        yield Step.SYNCED


def _name(call: str) -> str:
    found = _NAME.match(call)
    return "" if found is None else found[1]


def was_on_disk_before(told: Step, seen: list[Step]) -> bool:
    """Whether, between the arrival of the octets and what the peer is told, the database was put on disk."""
    arrived = seen.index(Step.RECEIVED)
    between = seen[arrived : seen.index(told, arrived)]
    return Step.SYNCED in between[between.index(Step.WRITTEN) :]


@pytest.fixture(scope="module", params=["", SYNCHRONOUS_OFF], ids=["as-it-is", "synchronous-off"])
def conversations(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bool, list[Step], list[Step]]:
    """Whether the daemon was left as it is, and its steps for a one-way and for a two-way request."""
    strace = require(shutil.which("strace"), "strace", "apt-get install strace")
    directory: Path = tmp_path_factory.mktemp("traced")
    file = directory / "trace"
    attempt = subprocess.run([strace, "-o", file, "true"], capture_output=True, check=False)
    require(attempt.returncode == 0, "the right to trace", "allow ptrace (CAP_SYS_PTRACE in a container)")
    tracer: list[str | Path] = [strace, "-f", "-yy", "-s", "16", "-e", f"trace={CALLS}", "-o", file, "--"]
    with Installation(directory).running(before=request.param, tracer=tracer) as gateway:
        with gateway.connect(ONE_WAY) as one_way:
            one_way.send(ill_request(transaction="one-way"))
            one_way.finish()
            one_way.rest()
            one_way_port = one_way.port
        with gateway.connect(TWO_WAY) as two_way:
            two_way.send(ill_request(transaction="two-way"))
            two_way.answer()
            two_way_port = two_way.port
    trace = file.read_text(encoding="ascii")
    return (
        not request.param,
        list(steps(trace, one_way_port)),
        list(steps(trace, two_way_port)),
    )


def test_a_two_way_request_is_on_disk_before_its_answer_goes_out(
    conversations: tuple[bool, list[Step], list[Step]],
) -> None:
    as_it_is, _, two_way = conversations
    assert was_on_disk_before(Step.SENT, two_way) is as_it_is


def test_a_one_way_request_is_on_disk_before_the_connection_is_closed(
    conversations: tuple[bool, list[Step], list[Step]],
) -> None:
    as_it_is, one_way, _ = conversations
    assert Step.SENT not in one_way
    assert was_on_disk_before(Step.CLOSED, one_way) is as_it_is


def test_calls_that_others_interrupt_are_put_together_again() -> None:
    trace = """
7  recvfrom(9<TCP:[127.0.0.1:1->127.0.0.1:5]>,  <unfinished ...>
8  pwrite64(3</state/gateway.db-wal>, "a", 1, 0) = 1
7  <... recvfrom resumed>"b", 9) = 1
8  pwrite64(3</state/gateway.db-wal>, "a", 1, 0 <unfinished ...>
7  recvfrom(9<TCP:[127.0.0.1:1->127.0.0.1:5]>, 0x1, 9) = -1 EAGAIN (Resource temporarily unavailable)
8  <... pwrite64 resumed>) = 1
8  fdatasync(3</state/gateway.db-wal> <unfinished ...>
7  sendto(8<TCP:[127.0.0.1:1->127.0.0.1:55]>, "c", 1) = 1
7  sendto(9<TCP:[127.0.0.1:1->127.0.0.1:5]>, "c", 1 <unfinished ...>
8  <... fdatasync resumed>) = 0
7  <... sendto resumed>) = 1
7  recvfrom(9<TCP:[127.0.0.1:1->127.0.0.1:5]>, "", 9) = 0
7  close(9<TCP:[127.0.0.1:1->127.0.0.1:5]>) = 0
"""
    seen = list(steps(trace, 5))
    expected = [Step.WRITTEN, Step.RECEIVED, Step.WRITTEN, Step.SENT, Step.SYNCED, Step.CLOSED]
    assert seen == expected
    assert not was_on_disk_before(Step.SENT, seen)
    assert was_on_disk_before(Step.CLOSED, seen)
