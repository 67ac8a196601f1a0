"""From receiving a request to its queued answer, durably, in this process: the use cases and the writer.

What the daemon does with an element, less the sockets and the dispatcher: one commit that stores the octets,
a second that classifies them, moves the state and puts the Status-Or-Error-Report into the outbox. Many
submitters wait for their own commits at once, as connections do.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

from benchmarks import installation
from benchmarks.measure import Extent, Round, Row, Unit
from benchmarks.requests import Requests, real_request
from config import loading
from iso_gateway import logs
from iso_gateway.reception import Verdict
from iso_gateway.services import Arrival, Gateway
from iso_gateway.site import Site
from iso_gateway.store.records import Transport
from iso_gateway.store.writer import BATCH, Writer

SUBMITTERS: Final = 64

#: How many callables may share a commit: as in the daemon, and none for comparison.
_BATCHES: Final = (BATCH, 1)


def measure(extent: Extent, directory: Path) -> list[Row]:
    """Measure reception in process, in fresh databases under `directory`."""
    return [_measure(extent, directory, batch) for batch in _BATCHES]


def _measure(extent: Extent, directory: Path, batch: int) -> Row:
    bare = installation.BareCommits(directory / f"bare-{batch}.db", real_request())
    settings = loading.load(installation.write(directory / f"store-{batch}"))
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        closing(Site.create_or_open(settings)) as site,
        closing(Writer(site.store, batch=batch)) as writer,
    ):
        # The daemon writes its log lines too: what they cost belongs to the figure.
        logs.configure(settings.logging, nowhere)
        reception = Reception(gateway=site.gateway, writer=writer, requests=Requests())
        reception.round(1.0, SUBMITTERS)
        rounds = [
            reception.round(bare.per_second(extent.commits), extent.requests) for _ in range(extent.rounds)
        ]
    sharing = ", no shared commits (not what the daemon does)" if batch == 1 else ""
    return Row(
        what=f"store: receive to queued answer, {SUBMITTERS} submitters{sharing}",
        against="bare one-row commits",
        unit=Unit.PER_SECOND,
        rounds=rounds,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """An open gateway, and the requests that it is going to take."""

    gateway: Gateway
    writer: Writer
    requests: Requests

    def round(self, baseline: float, number: int) -> Round:
        """Take so many requests; `baseline` is what was measured right before."""
        requests = self.requests.take(number)
        before, cpu_before = perf_counter(), process_time()
        asyncio.run(submit_all(self.gateway, self.writer, requests))
        seconds, cpu = perf_counter() - before, process_time() - cpu_before
        return Round(ours=number / seconds, baseline=baseline, cpu=cpu * 1e6 / number)


async def submit_all(gateway: Gateway, writer: Writer, requests: Sequence[bytes]) -> None:
    """Submit requests on so many tasks as there are submitters, and wait for all to be answered."""
    waiting = iter(requests)
    async with asyncio.TaskGroup() as tasks:
        for number in range(SUBMITTERS):
            arrival = Arrival(
                transport=Transport.TCP_TWO_WAY,
                listener="two-way",
                peer_address=f"127.0.0.1:{40000 + number}",
                connection_id=f"benchmark-{number}",
            )
            tasks.create_task(_submit(gateway, writer, arrival, waiting))


async def _submit(gateway: Gateway, writer: Writer, arrival: Arrival, waiting: Iterator[bytes]) -> None:
    """Take requests from those that are waiting until there are none; each as `Intake` takes it."""
    for octets in waiting:
        message_id = await writer.run(
            lambda uow, octets=octets: gateway.receive(uow, octets, arrival)  # type: ignore[misc]
        )
        processed = await writer.run(
            lambda uow, message_id=message_id: gateway.process(uow, message_id)  # type: ignore[misc]
        )
        if processed.verdict is not Verdict.APPLIED or processed.answer is None:
            raise RuntimeError(
                f"message {message_id} was {processed.verdict.value} and not acknowledged:"
                " the benchmark measures something else than it says"
            )
