"""docs/request-file.md says what a request file may hold, all of it."""

from dataclasses import fields
from pathlib import Path
from typing import Final

from iso_gateway.cli import request_reference
from iso_gateway.request.new_request import Address, Client, Cost, ElectronicAddress, Item, NewRequest
from iso_gateway.request.primitives import Amount, PostalAddress

PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "request-file.md"


def test_the_reference_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == request_reference.render(), (
        "run: python -m iso_gateway.cli.request_reference docs/request-file.md"
    )


def test_every_key_is_on_the_page() -> None:
    page = request_reference.render()
    for table in (NewRequest, Item, Address, PostalAddress, ElectronicAddress, Cost, Amount, Client):
        for field in fields(table):
            assert f"| `{field.name}` |" in page, f"{table.__name__}.{field.name}"


def test_names_are_those_of_the_standard() -> None:
    page = request_reference.render()
    assert (
        "| `hold` | one of 'yes', 'no', 'according-to-responder-policy' | `according-to-responder-policy` |"
        in page
    )
    assert "| `loan` | What would serve" in page
