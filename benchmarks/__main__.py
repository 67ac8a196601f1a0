"""`python -m benchmarks [PART ...] [--quick]`: measure, and print a table."""

import argparse
import os
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks import codec, connections, daemon, machine, measure, scale, store
from benchmarks.measure import Extent, Row

_PARTS: Final[Mapping[str, Callable[[Extent, Path], list[Row]]]] = {
    "codec": lambda extent, _directory: codec.measure(extent),
    "machine": lambda extent, _directory: machine.measure(extent),
    "store": store.measure,
    "daemon": daemon.measure,
    "scale": scale.measure,
    "connections": connections.measure,
}


def main() -> None:
    """Run what the arguments name."""
    arguments = _parser().parse_args()
    chosen = [name for name in _PARTS if name in arguments.parts] or list(_PARTS)
    extent = measure.QUICK if arguments.quick else measure.FULL
    print(_machine(arguments.directory), flush=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="iso-gateway-benchmark-", dir=arguments.directory) as name:
        for part in chosen:
            print(f"measuring {part} ...", file=sys.stderr, flush=True)
            rows += _PARTS[part](extent, Path(name))
    print(measure.table(rows))
    print(f"load now {os.getloadavg()[0]:.2f}; {extent.rounds} rounds: median, least and greatest")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the gateway against pyasn1, bare look-ups and bare SQLite commits, in one run.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "parts", nargs="*", type=_part, metavar="PART", help=f"{', '.join(_PARTS)}; all of them without any"
    )
    parser.add_argument("--quick", action="store_true", help="one small round, to see that everything runs")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path("/var/tmp"),  # noqa: S108 - on disk, where /tmp often is not; a new directory is made in it
        help="where the databases are made: on the disk to measure (default: %(default)s)",
    )
    return parser


def _part(name: str) -> str:
    if name not in _PARTS:
        raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(_PARTS)}")
    return name


def _machine(directory: Path) -> str:
    return (
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}, {platform.system()} {platform.machine()};"
        f" Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
        f" pyasn1 {version('pyasn1')}, SQLAlchemy {version('SQLAlchemy')};"
        f" {directory} is {measure.file_system(directory)}"
    )


if __name__ == "__main__":
    main()
