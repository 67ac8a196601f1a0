"""Writes what is generated into docs/protocol.md: `python -m tests.conformance.protocol.write_docs`."""

from pathlib import Path
from typing import Final

from iso_gateway.protocol.describe import diagrams_in_mermaid, tables_in_markdown
from iso_gateway.protocol.states import Role

PAGE: Final = Path(__file__).parents[3] / "docs" / "protocol.md"


def generated(role: Role) -> str:
    """The diagrams and tables of a role."""
    return f"{diagrams_in_mermaid(role)}\n{tables_in_markdown(role)}"


def renewed(text: str) -> str:
    """The page with its diagrams and tables made anew from the data; ValueError if the markers are gone."""
    for role in Role:
        opening, closing = f"<!-- {role}: begin -->\n", f"<!-- {role}: end -->\n"
        before, begin, rest = text.partition(opening)
        _, end, after = rest.partition(closing)
        if not (begin and end):
            raise ValueError(
                f"{PAGE} has lost its markers {opening.strip()!r} and {closing.strip()!r}, put them back"
            )
        text = f"{before}{begin}\n{generated(role)}\n{end}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
