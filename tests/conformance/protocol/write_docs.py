"""Writes the generated tables into docs/protocol.md: `python -m tests.conformance.protocol.write_docs`."""

from pathlib import Path
from typing import Final

from iso_gateway.protocol.describe import tables_in_markdown
from iso_gateway.protocol.states import Role

PAGE: Final = Path(__file__).parents[3] / "docs" / "protocol.md"
BEGIN: Final = "<!-- tables: begin -->\n"
END: Final = "<!-- tables: end -->\n"


def renewed(text: str) -> str:
    """The page with its tables made anew from the data; ValueError if the markers are gone."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} has lost its markers {BEGIN.strip()!r} and {END.strip()!r}, put them back")
    return f"{before}{BEGIN}\n{tables_in_markdown(Role.RESPONDER)}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
