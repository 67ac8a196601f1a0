"""What a measurement is: rounds of ours and of a baseline in turn, and the ratio of the two.

Theory of operation. A figure alone says more about the machine than about us, and the machine is shared. So
each round measures the baseline and ours one right after the other, the ratio is taken within the round, and
what is shown is the median of the rounds, of figures and ratios alike, with the least and the greatest.
A ratio is always one of speeds: 1 is as fast as the baseline, 10 ten times as fast.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from statistics import median
from time import process_time
from typing import assert_never


class Unit(Enum):
    """In what a figure is given."""

    MICROSECONDS_PER_APDU = "µs/APDU"
    """CPU time of one APDU: less is better."""
    PER_SECOND = "per second"
    """How many in a second of wall time: more is better."""
    MEGABYTES = "MB"
    """Memory: less is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is done.

    Args:
        rounds: how often each measurement is made.
        codec_passes: how often the APDUs of a codec measurement are gone through in a round.
        requests: requests that the store and the daemon each take in a round.
        commits: bare commits in a round.
        few: stored transactions in the smaller of two databases.
        many: stored transactions in the larger, a multiple of `few`.
        connections: connections that are held open.
    """

    rounds: int
    codec_passes: int
    requests: int
    commits: int
    few: int
    many: int
    connections: int


FULL = Extent(
    rounds=7, codec_passes=3, requests=512, commits=1000, few=1000, many=1_000_000, connections=1000
)
QUICK = Extent(rounds=1, codec_passes=1, requests=64, commits=100, few=64, many=640, connections=200)
"""Enough to see that everything runs, and for no figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of a measurement.

    Args:
        ours: the gateway's figure.
        baseline: that of the baseline, measured right before.
        cpu: microseconds of CPU time that the gateway's process spent on one APDU, where that is not the
            figure itself.
    """

    ours: float
    baseline: float
    cpu: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measurement as a line of the table.

    Args:
        what: what the gateway did.
        against: what the baseline did.
        unit: in what both figures are given.
        rounds: the measurements, at least one.
    """

    what: str
    against: str
    unit: Unit
    rounds: Sequence[Round]

    @property
    def ours(self) -> float:
        """The median of the gateway's figures."""
        return median(one.ours for one in self.rounds)

    @property
    def baseline(self) -> float:
        """The median of the baseline's figures."""
        return median(one.baseline for one in self.rounds)

    @property
    def ratios(self) -> list[float]:
        """The gateway's speed in terms of the baseline's, round by round."""
        match self.unit:
            case Unit.MICROSECONDS_PER_APDU | Unit.MEGABYTES:
                return [one.baseline / one.ours for one in self.rounds]
            case Unit.PER_SECOND:
                return [one.ours / one.baseline for one in self.rounds]
            case _:
                assert_never(self.unit)

    @property
    def cpu(self) -> float | None:
        """The median CPU time per APDU in microseconds."""
        measured = [one.cpu for one in self.rounds if one.cpu is not None]
        return median(measured) if measured else None


def cpu_microseconds(work: Callable[[], None], passes: int) -> float:
    """Give the CPU time of one pass; the garbage of what ran before is not on its account."""
    gc.collect()
    before = process_time()
    for _ in range(passes):
        work()
    return (process_time() - before) * 1e6 / passes


def table(rows: Sequence[Row]) -> str:
    """Give the rows as a table for people."""
    head = ("what", "iso-gateway", "", "baseline", "", "unit", "ratio", "", "CPU µs", "baseline is")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.what,
        f"{row.ours:,.0f}",
        _range([one.ours for one in row.rounds], ",.0f"),
        f"{row.baseline:,.0f}",
        _range([one.baseline for one in row.rounds], ",.0f"),
        row.unit.value,
        f"{median(row.ratios):.3f}",
        _range(row.ratios, ".3f"),
        "" if row.cpu is None else f"{row.cpu:,.0f}",
        row.against,
    )


def _range(figures: Sequence[float], form: str) -> str:
    return f"({min(figures):{form}}-{max(figures):{form}})"


def file_system(directory: Path) -> str:
    """Give the type of the file system that a directory is on, as Linux names it; "unknown" elsewhere."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return "unknown"
    place = directory.resolve()
    types = {fields[1]: fields[2] for fields in map(str.split, mounts.read_text("utf-8").splitlines())}
    return next((types[str(one)] for one in (place, *place.parents) if str(one) in types), "unknown")
