"""`iso-gateway simulate`, `partners test` and `demo` as their users meet them: processes that print."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import pytest

from config.loading import load
from config.symbols import Symbol
from iso_gateway.simulation import scenario
from iso_gateway.simulation.partner import SimulatedPartner
from iso_gateway.site import opened
from tests.support.daemon import COMMAND, HOST, ONE_WAY, PATIENCE, TWO_WAY, Installation

BEX: Final = Symbol.parse("ILLUME:BEX")


@contextmanager
def simulating(
    installation: Installation, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Run `iso-gateway simulate`, and end it."""
    process = subprocess.Popen(
        [COMMAND, "simulate", *arguments, "--config", installation.config],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout
    finally:
        process.kill()
        process.stdout.close()
        process.wait(PATIENCE)


def test_a_lender_is_simulated_until_it_is_told_to_stop(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    with (
        installation.running() as daemon,
        simulating(
            installation,
            "ZED",
            "--scenario",
            "prompt-borrower",
            "--listen",
            f"{HOST}:0",
            "--gateway",
            f"{HOST}:{daemon.ports[ONE_WAY]}",
        ) as (process, output),
    ):
        assert output.readline().startswith(f"ZED listens on {HOST}:")
        lines = [output.readline() for _ in range(2)]
        assert all(" sent ILL-REQUEST of SIMULATION/" in line for line in lines), lines
        assert all(line.endswith(" as borrower IDLE to PENDING\n") for line in lines), lines
        process.send_signal(signal.SIGTERM)
        rest = output.read()
        assert process.wait(PATIENCE) == 0
        assert "2 requests, 0 of them ended" in rest
        assert rest.count(": borrower, Pending\n") == 2


def test_programs_get_json(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    play = tmp_path / "mine.toml"
    play.write_text(
        'description = "Asks"\n[[requests]]\nrequest.item.title = "The Penelopiad"\n', encoding="ascii"
    )
    with (
        installation.running() as daemon,
        simulating(
            installation,
            "zed",
            "--scenario",
            str(play),
            "--listen",
            f"{HOST}:0",
            "--gateway",
            f"{HOST}:{daemon.ports[ONE_WAY]}",
            "--local",
            "BEX",
            "--json",
        ) as (process, output),
    ):
        assert set(json.loads(output.readline())) == {"listening", "partner"}
        happening = json.loads(output.readline())
        assert happening["fate"] == "sent"
        assert happening["service"] == "ILL"
        assert (happening["before"], happening["after"]) == ("IDLE", "PENDING")
        daemon.await_line("apdu.processed")
        process.send_signal(signal.SIGINT)
        [told] = [json.loads(line) for line in output]
        assert process.wait(PATIENCE) == 0
        assert [one["state"] for one in told["requests"]] == ["PENDING"]


def proved(installation: Installation, name: str) -> Any:
    """Give what `partners test` says to programs about a partner that is there."""
    result = installation.command_process("partners", "test", name, "--json")
    assert result.returncode == 0, result
    return json.loads(result.stdout)


@pytest.mark.parametrize("mode", [ONE_WAY, TWO_WAY])
async def test_a_partner_is_proved_alive(mode: str, tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.add_partner("DUO", port=1612, mode=mode)
    profile = installation.settings.partner("DUO")
    assert profile is not None
    async with SimulatedPartner(profile, scenario.load("prompt-lender")) as partner:
        installation.edit("partners/DUO.toml", "port = 1612", f"port = {partner.address[1]}")

        def test() -> Any:
            return proved(installation, "duo")

        with installation.running() as running:
            partner.meets((HOST, running.ports[mode]), BEX)
            told = await asyncio.to_thread(test)
        assert (told["outcome"], told["asked"]) == ("alive", True)
        assert partner.conversations == ()
        assert installation.requests() == [], "nothing is recorded as a request"


def test_the_demonstration_ends_as_it_should(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    result = subprocess.run(
        [COMMAND, "demo", "--keep", kept], capture_output=True, timeout=PATIENCE, check=False, text=True
    )
    assert result.returncode == 0, result
    assert "40 of 40 requests with 6 partners ended as they should, on both sides" in result.stdout
    assert result.stdout.count("ILL number: ") == 3
    with opened(load(kept / "gateway.toml")) as site, site.store.reading() as uow:
        assert len(uow.halves.list(limit=100)) == 40
