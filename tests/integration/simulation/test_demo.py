"""The demonstration in this process: that it ends as it should, and says so when it does not."""

import datetime as dt
import re
from pathlib import Path
from typing import Final

import pytest

from config.errors import ConfigErrors
from iso_gateway.cli.simulation import demo as command
from iso_gateway.protocol.states import State
from iso_gateway.simulation import demo, scenario
from iso_gateway.simulation.demo import PARTS, Line
from iso_gateway.simulation.partner import no_pause

LOST: Final = next(part for part in PARTS if part.scenario == "lost-shipped")


def test_there_are_forty_requests_in_both_directions_with_six_partners() -> None:
    assert sum(part.count for part in PARTS) == 40
    assert {part.lender for part in PARTS} == {True, False}
    assert len({part.partner for part in PARTS}) == 6
    assert len({part.title for part in PARTS}) == len(PARTS)
    assert {part.scenario for part in PARTS} <= set(scenario.shipped())


def test_a_line_is_as_expected_when_both_sides_are() -> None:
    def line(ours: State | None, theirs: State | None) -> Line:
        return Line(part=LOST, half_id=None, ours=ours, theirs=theirs)

    assert line(State.RETURNED, State.CHECKED_IN).as_expected
    assert not line(State.CHECKED_IN, State.RETURNED).as_expected
    assert not line(State.RETURNED, State.SHIPPED).as_expected
    assert not line(None, None).as_expected


async def test_what_has_not_ended_in_time_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = await demo.play(tmp_path / "gateway", pause=no_pause, patience=dt.timedelta(0))
    assert not report.as_expected
    assert len(report.lines) == 40
    command._write(report, None)
    told = capsys.readouterr().out
    assert int(re.findall(r"(\d+) of 40 requests with 6 partners", told)[0]) < 40
    assert "KPU" in told


async def test_a_directory_that_is_used_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text("", encoding="ascii")
    with pytest.raises(ConfigErrors, match="exists already"):
        await demo.play(tmp_path)
