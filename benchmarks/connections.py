"""What a connection costs that is open and idle: memory of the daemon, with a thousand of them.

Each is two-way, and one request was answered on it, so that all is there that a connection in use has. The
baseline is the budget: what is measured is memory, which depends less on the machine than time does.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from adapters.tcp_socket import make_room
from benchmarks import installation
from benchmarks.daemon import Served, read_answer, serving
from benchmarks.measure import Extent, Round, Row, Unit
from benchmarks.requests import Requests

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

BUDGET: Final = 0.1
"""MB that one connection may add: 100 MB for a thousand."""

_ROUNDS: Final = 3
"""More would show the same: memory varies little."""
_AT_ONCE: Final = 50
"""Requests on their way at a time; so many are answered first, because what the first ones make stays."""


def measure(extent: Extent, directory: Path) -> list[Row]:
    """Measure it, in a fresh daemon each round, with databases under `directory`."""
    make_room(extent.connections)
    rounds = range(min(extent.rounds, _ROUNDS))
    return [
        Row(
            what=f"daemon: {extent.connections:,} idle two-way connections add",
            against="the budget",
            unit=Unit.MEGABYTES,
            rounds=[_round(extent.connections, directory / f"connections-{one}") for one in rounds],
        )
    ]


def _round(connections: int, directory: Path) -> Round:
    configuration = installation.write(directory)
    most = connections + _AT_ONCE
    limits = f"\n[limits]\nmax_connections = {most}\nmax_connections_per_address = {most}\n"
    configuration.write_text(configuration.read_text(encoding="utf-8") + limits, encoding="utf-8")
    with serving(configuration) as served:
        return asyncio.run(_hold(served, Requests().take(most)))


async def _hold(served: Served, requests: Sequence[bytes]) -> Round:
    held = await _connected(served, requests[:_AT_ONCE])
    before = served.resident_megabytes()
    for first in range(_AT_ONCE, len(requests), _AT_ONCE):
        held += await _connected(served, requests[first : first + _AT_ONCE])
    added = served.resident_megabytes() - before
    for _, writer in held:
        writer.close()
    return Round(ours=added, baseline=BUDGET * (len(requests) - _AT_ONCE))


async def _connected(served: Served, requests: Sequence[bytes]) -> list[Streams]:
    """Open a connection for each request, and leave it open when the answer has come."""
    # With their readers: asyncio ends a connection whose reader nobody has.
    return await asyncio.gather(*(_ask(served, octets) for octets in requests))


async def _ask(served: Served, octets: bytes) -> Streams:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(octets)
    await read_answer(reader)
    return reader, writer
