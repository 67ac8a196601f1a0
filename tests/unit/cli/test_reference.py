"""docs/command.md is what the command says of itself."""

from pathlib import Path

from iso_gateway.cli import reference

DOCUMENT = Path(__file__).parents[3] / "docs" / "command.md"


def test_the_document_is_fresh() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == reference.render(), (
        "write it again: python -m iso_gateway.cli.reference docs/command.md"
    )


def test_every_option_says_what_it_means() -> None:
    rows = [line for line in reference.render().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert all(row.replace("\\|", "").split("|")[2].strip() for row in rows)
