"""The benchmarks still run, and measure what they say: no figure is judged here."""

import asyncio
import os
import re
import socket
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

import pytest
import structlog
from sqlalchemy import make_url

from asn1.codec import decode
from asn1.ill import ILLRequest
from benchmarks import installation, replaying, scale, store
from benchmarks.measure import Round, Row, Unit, table
from benchmarks.requests import Requests, real_request
from config import loading
from iso_gateway.site import Site
from iso_gateway.store.tables import metadata
from iso_gateway.store.writer import Writer
from tests.support.yaz import find_yaz_illclient, yaz_illclient

ROOT: Final = Path(__file__).parent.parent.parent
EXAMPLE: Final = ROOT / "examples" / "yaz-illclient.conf"

#: The keys that every database has: for digests, and for what belongs to no transaction yet.
STANDING: Final = 2

ROW: Final = (
    r"(.+?)  +([\d,]+) +\([\d,]+-[\d,]+\) +([\d,]+) +\([\d,]+-[\d,]+\)"
    r" +(?:µs/APDU|per second|MB) +(\d+\.\d{3}) .*"
)

#: What stands at the beginning of the rows, in order.
ROWS: Final = (
    "decode ILL-Request of yaz-illclient",
    "encode ILL-Request of yaz-illclient",
    "decode all 20 types",
    "encode all 20 types",
    "advance: a loan with a renewal, both sides (24 events)",
    "advance: a message that is refused (12 states)",
    "store: receive to queued answer, 64 submitters",
    "store: receive to queued answer, 64 submitters, no shared commits (not what the daemon does)",
    "daemon: request to answer over TCP, 64 connections",
    "store: receive to queued answer, 640 transactions stored",
    "daemon: 200 idle two-way connections add",
)


def test_a_quick_run_prints_a_row_for_each_measurement(tmp_path: Path) -> None:
    run = benchmarks("--quick", "--directory", str(tmp_path))
    assert run.returncode == 0, run.stderr
    _, head, *rows, end = run.stdout.splitlines()
    assert head.split()[:3] == ["what", "iso-gateway", "baseline"]
    assert end.startswith("load now ")
    assert len(rows) == len(ROWS)
    for expected, row in zip(ROWS, rows, strict=True):
        found = re.fullmatch(ROW, row)
        assert found is not None, row
        assert found[1].startswith(expected)
        assert all(float(figure.replace(",", "")) > 0 for figure in found.groups()[1:])
    assert list(tmp_path.iterdir()) == []


def test_replaying_is_measured(tmp_path: Path) -> None:
    try:
        lines = list(replaying.measure(3, tmp_path))
    finally:
        # It sets the log up for its process, which here has more to do.
        structlog.reset_defaults()
    assert [line.partition(":")[0] for line in lines] == [
        "choose and group",
        "replay --dry-run",
        "replay",
        "replay, a second time",
        "db verify",
    ]
    assert [line.rpartition("; ")[2] for line in lines[1:]] == [
        "3 applied",
        "3 applied",
        "3 passed-over",
        "0 wrong",
    ]


def test_an_unknown_part_is_refused_by_name() -> None:
    run = benchmarks("adapters")
    assert run.returncode == 2
    assert "'adapters' is not one of codec, machine, store, daemon, scale, connections" in run.stderr


def test_copies_are_rows_as_the_gateway_makes_them(tmp_path: Path) -> None:
    """Every table has so many times as many rows, and each refers to those of its own copy."""
    settings = loading.load(installation.write(tmp_path / "site"))
    requests = Requests()
    with closing(Site.create_or_open(settings)) as site, closing(Writer(site.store)) as writer:
        asyncio.run(store.submit_all(site.gateway, writer, requests.take(3)))
    database = Path(str(make_url(settings.database_url).database))
    before = counts(database)
    scale.multiply(database, 5)
    after = counts(database)
    assert before["transactions"] == 3
    assert after == {
        name: 5 * (number - STANDING) + STANDING if name == "keys" else 5 * number
        for name, number in before.items()
    }
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        shared = (
            "SELECT count(*) FROM halves JOIN inputs ON inputs.half_id = halves.id"
            " JOIN processings ON processings.message_id = inputs.message_id"
            " WHERE processings.half_id = halves.id"
        )
        assert connection.execute(shared).fetchone() == (15,)
    with closing(Site.open(settings)) as site, closing(Writer(site.store)) as writer:
        asyncio.run(store.submit_all(site.gateway, writer, requests.take(2)))
    assert counts(database)["transactions"] == 17


def counts(database: Path) -> dict[str, int]:
    """How many rows each table has that has any."""
    with closing(sqlite3.connect(database)) as connection:
        found = {
            table.name: int(connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0])  # noqa: S608
            for table in metadata.sorted_tables
        }
    return {name: number for name, number in found.items() if number}


def test_a_ratio_is_one_of_speeds_taken_within_each_round() -> None:
    rounds = (Round(ours=2.0, baseline=1.0), Round(ours=4.0, baseline=1.0), Round(ours=5.0, baseline=5.0))
    cost = Row(what="cost", against="bare", unit=Unit.MICROSECONDS_PER_APDU, rounds=rounds)
    rate = Row(what="rate", against="bare", unit=Unit.PER_SECOND, rounds=rounds)
    assert cost.ratios == [0.5, 0.25, 1.0]
    assert rate.ratios == [2.0, 4.0, 1.0]
    assert (cost.ours, cost.baseline, cost.cpu) == (4.0, 1.0, None)
    assert [line.split() for line in table([cost, rate]).splitlines()[1:]] == [
        ["cost", "4", "(2-5)", "1", "(1-5)", "µs/APDU", "0.500", "(0.250-1.000)", "bare"],
        ["rate", "4", "(2-5)", "1", "(1-5)", "per", "second", "2.000", "(1.000-4.000)", "bare"],
    ]


def test_no_two_requests_have_one_transaction_id_and_nothing_else_differs() -> None:
    requests = Requests()
    first, second, third = (decode(octets) for octets in requests.take(2) + requests.take(1))
    assert isinstance(first, ILLRequest)
    ids = {apdu.transaction_id.transaction_qualifier.octets for apdu in (first, second, third)}
    assert len(ids) == 3
    original = real_request()
    for octets in islice(requests.take(200), 199, None):
        assert len(octets) == len(original)
        assert octets.replace(b"00000000203", b"2026-000117") == original


@pytest.mark.yaz
def test_the_request_is_the_one_that_yaz_illclient_sends_for_the_example(tmp_path: Path) -> None:
    find_yaz_illclient()
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(max_workers=1) as pool:
        listener.settimeout(60)
        client = pool.submit(
            yaz_illclient, ["-v", "none", "-f", str(EXAMPLE)], listener.getsockname()[1], tmp_path
        )
        with listener.accept()[0] as connection:
            connection.settimeout(60)
            sent = connection.recv(65536)
        client.result()
    assert sent == real_request(), "write the client's octets into benchmarks/yaz-illclient-request.hex"


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m benchmarks` and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        timeout=100,
        check=False,
    )
