"""Every case that fuzzing found stays found: tests/fuzz/found has the octets, one case a file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz import properties

FOUND = Path(__file__).parent / "found"
PROPERTIES: dict[str, Callable[[bytes], None]] = {
    "apdu": properties.decoding,
    "extension": properties.extension,
    "stream": properties.framing,
    "text": properties.text,
}
"""What is to hold, by what the name of a file begins with."""
CASES = sorted(FOUND.glob("*.hex"))


def test_there_are_cases_and_each_is_of_a_kind() -> None:
    assert CASES
    assert {path.name.partition("-")[0] for path in CASES} <= set(PROPERTIES)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_was_found_stays_found(path: Path) -> None:
    octets = bytes.fromhex(path.read_text(encoding="ascii"))
    PROPERTIES[path.name.partition("-")[0]](octets)
