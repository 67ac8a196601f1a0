"""From a request to its answer through the real daemon, over TCP, on 64 connections at once.

The daemon is a process of its own, started by the command as an operator starts it. A request is sent on a
connection when the answer to the one before it has come. So more is counted than the queued answer: the
dispatcher has claimed and written it, and it or a later one is recorded as delivered.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Final

from asn1 import codec
from asn1.ill import StatusOrErrorReport
from benchmarks import installation
from benchmarks.measure import Extent, Round, Row, Unit
from benchmarks.requests import Requests, real_request

CONNECTIONS: Final = 64

_START_TIMEOUT: Final = 30.0
"""Seconds until the daemon listens."""
_STOP_TIMEOUT: Final = 30.0
"""Seconds until it has ended after SIGTERM."""
_LONG_FORM: Final = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A daemon that is listening.

    Args:
        process: its process id.
        port: where its two-way listener is, on 127.0.0.1.
    """

    process: int
    port: int

    def cpu_seconds(self) -> float:
        """Give the CPU time that the daemon has used so far (Linux: proc(5), fields 14 and 15)."""
        status = Path(f"/proc/{self.process}/stat").read_text("ascii")
        fields = status.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_megabytes(self) -> float:
        """Give the memory that the daemon has, in MB of 1,000,000 octets (Linux: proc(5), VmRSS)."""
        lines = Path(f"/proc/{self.process}/status").read_text("ascii").splitlines()
        [resident] = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
        return int(resident) * 1024 / 1e6


def measure(extent: Extent, directory: Path) -> list[Row]:
    """Measure the daemon, with a fresh database under `directory`."""
    bare = installation.BareCommits(directory / "bare-daemon.db", real_request())
    requests = Requests()
    with serving(installation.write(directory / "daemon")) as served:
        asyncio.run(_converse_all(served.port, requests.take(CONNECTIONS)))
        rounds = [
            _round(bare.per_second(extent.commits), served, requests.take(extent.requests))
            for _ in range(extent.rounds)
        ]
    return [
        Row(
            what=f"daemon: request to answer over TCP, {CONNECTIONS} connections",
            against="bare one-row commits",
            unit=Unit.PER_SECOND,
            rounds=rounds,
        )
    ]


@contextmanager
def serving(configuration: Path) -> Iterator[Served]:
    """Run `iso-gateway serve` for as long as the `with` lasts.

    Raises:
        RuntimeError: it did not start to listen, or did not end well; its log is in the message.
    """
    log = configuration.with_name("log.jsonl")
    command = Path(sys.executable).with_name("iso-gateway")
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            [command, "serve", "--config", configuration],
            stderr=stream,
            # The gateway beside this file, whichever the virtual environment was made for.
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        ) as process,
    ):
        try:
            yield Served(process=process.pid, port=_listening(process, log))
            process.send_signal(signal.SIGTERM)
            if process.wait(_STOP_TIMEOUT) != 0:
                raise RuntimeError(f"the daemon ended with {process.returncode}:\n{_end_of(log)}")
        finally:
            process.kill()


def _listening(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait until the daemon says where it listens."""
    end = monotonic() + _START_TIMEOUT
    while process.poll() is None and monotonic() < end:
        for line in log.read_bytes().splitlines(keepends=True):
            if line.startswith(b"{") and line.endswith(b"\n"):
                entry = json.loads(line)
                if entry["event"] == "gateway.ready":
                    return int(entry["listeners"]["two-way"].rpartition(":")[2])
        sleep(0.02)
    raise RuntimeError(f"the daemon does not listen:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text("utf-8", errors="backslashreplace")[-4000:]


def _round(baseline: float, served: Served, requests: Sequence[bytes]) -> Round:
    before, cpu_before = perf_counter(), served.cpu_seconds()
    asyncio.run(_converse_all(served.port, requests))
    seconds, cpu = perf_counter() - before, served.cpu_seconds() - cpu_before
    return Round(ours=len(requests) / seconds, baseline=baseline, cpu=cpu * 1e6 / len(requests))


async def _converse_all(port: int, requests: Sequence[bytes]) -> None:
    waiting = iter(requests)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(_converse(port, waiting))


async def _converse(port: int, waiting: Iterator[bytes]) -> None:
    """Send requests from those that are waiting until there are none, each after the answer to the last."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    for octets in waiting:
        writer.write(octets)
        answer = await read_answer(reader)
    writer.close()
    await writer.wait_closed()
    # One answer a connection is read: this process shall not become what limits the figure.
    report = codec.decode(answer)
    if not isinstance(report, StatusOrErrorReport) or report.error_report is not None:
        raise RuntimeError(f"a request was answered by {report.asn1_name}, and not by a status report")


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """Read one element; the gateway writes definite lengths and a tag of one octet."""
    head = await reader.readexactly(2)
    length = head[1]
    if length >= _LONG_FORM:
        octets = await reader.readexactly(length - _LONG_FORM)
        head += octets
        length = int.from_bytes(octets, "big")
    return head + await reader.readexactly(length)
