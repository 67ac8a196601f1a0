"""docs/simulation.md is what the scenarios' types say of themselves."""

import re
import tomllib
from pathlib import Path

from iso_gateway.simulation import reference, scenario

DOCUMENT = Path(__file__).parents[3] / "docs" / "simulation.md"


def test_the_document_is_fresh() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == reference.render(), (
        "write it again: python -m iso_gateway.simulation.reference docs/simulation.md"
    )


def test_the_example_is_a_scenario() -> None:
    [example] = re.findall(
        r"(?:^    .*\n|^\n)*^    description = .*\n(?:^    .*\n|^\n)*", reference.render(), re.MULTILINE
    )
    played = scenario.read(tomllib.loads(example), DOCUMENT)
    assert len(played.rules) == 3
    assert played.requests[0].count == 2
