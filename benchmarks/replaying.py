"""`python -m benchmarks.replaying [COUNT]`: replay COUNT messages (100,000) that were refused, and verify.

Each is an ILL-Request of a partner that was not configured when it came. They are chosen and put into
groups, with which every replay begins; the first 1,000 are replayed as a dry run, then all in earnest, and
again, which does nothing. Then the database is verified. What each takes is printed, with the most memory
that the process had so far. Filling the database is not measured.
"""

import argparse
import os
import resource
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

from benchmarks import installation
from benchmarks.requests import Requests
from config import loading
from iso_gateway import logs
from iso_gateway.reception import Verdict
from iso_gateway.replay import replaying, verifying
from iso_gateway.services import Arrival
from iso_gateway.site import Site
from iso_gateway.store.records import Direction, Transport
from iso_gateway.store.searching import Wanted

_FILLED_AT_ONCE: Final = 1000
_DRY: Final = 1000


def main() -> None:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replaying", allow_abbrev=False)
    parser.add_argument("count", nargs="?", type=int, default=100_000, metavar="COUNT")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path("/var/tmp"),  # noqa: S108 - on disk, where /tmp often is not; a new directory is made in it
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="iso-gateway-benchmark-", dir=arguments.directory) as name:
        for line in measure(arguments.count, Path(name)):
            print(line, flush=True)


def measure(count: int, directory: Path) -> Iterator[str]:
    """Measure in a fresh database under a directory; gives a line for each part.

    Args:
        count: how many messages.
        directory: on the disk to measure.
    """
    settings = loading.load(installation.write(directory / "replay"))
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        closing(Site.create_or_open(settings)) as site,
    ):
        logs.configure(settings.logging, nowhere)
        _fill(site, count)
        for what, order in (
            ("replay --dry-run", replaying.Order(actor="benchmark", reason="", dry_run=True)),
            ("replay", replaying.Order(actor="benchmark", reason="measured")),
            ("replay, a second time", replaying.Order(actor="benchmark", reason="measured")),
        ):
            begun, cpu = perf_counter(), process_time()
            with site.store.reading() as uow:
                groups = replaying.groups_of(settings, uow, Wanted(direction=Direction.RECEIVED))
            if order.dry_run:
                yield _line("choose and group", perf_counter() - begun, process_time() - cpu, len(groups))
            # Apart, or a dry run of some would be charged with the choice of all.
            begun, cpu = perf_counter(), process_time()
            chosen = groups[:_DRY] if order.dry_run else groups
            done = replaying.replay(
                settings, site.store, site.gateway, chosen, order, clock=site.clock, pause=lambda _: None
            )
            results = Counter(one.result.value for one in done)
            told = ", ".join(f"{number:,} {result}" for result, number in results.items())
            yield f"{_line(what, perf_counter() - begun, process_time() - cpu, len(chosen))}; {told}"
        begun, cpu = perf_counter(), process_time()
        found = sum(len(one.problems) for one in verifying.verify(site.store, settings, site.clock()))
        yield f"{_line('db verify', perf_counter() - begun, process_time() - cpu, count)}; {found} wrong"


def _fill(site: Site, count: int) -> None:
    """Store requests as they were when their sender was unknown."""
    arrival = Arrival(
        transport=Transport.TCP_ONE_WAY, listener="one-way", peer_address="127.0.0.1:5", connection_id=None
    )
    waiting = iter(Requests().take(count))
    while page := list(islice(waiting, _FILLED_AT_ONCE)):
        with site.store.unit_of_work() as uow:
            for octets in page:
                message_id = site.gateway.receive(uow, octets, arrival)
                uow.messages.processed(
                    message_id,
                    at=site.clock(),
                    verdict=Verdict.UNKNOWN_SENDER,
                    reason="its sender is no partner of this gateway",
                    apdu_type="ILL-Request",
                )


def _line(what: str, seconds: float, cpu: float, count: int) -> str:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{what}: {count / seconds:,.0f} messages/s ({seconds:.1f} s),"
        f" {cpu * 1e6 / count:,.0f} µs of CPU each, at most {memory:.0f} MB"
    )


if __name__ == "__main__":
    main()
