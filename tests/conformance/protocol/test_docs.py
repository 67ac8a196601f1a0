"""docs/protocol.md shows the tables that the machine uses."""

import pytest

from iso_gateway.protocol.describe import tables_in_markdown
from iso_gateway.protocol.machine import Verdict
from iso_gateway.protocol.states import Role
from iso_gateway.protocol.tables import Predicate
from tests.conformance.protocol.write_docs import PAGE, renewed


def test_the_page_is_fresh() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == renewed(text), "run: python -m tests.conformance.protocol.write_docs"


def test_the_page_explains_every_condition_and_verdict() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for predicate in Predicate:
        assert f"| `{predicate}` |" in text
    for verdict in Verdict:
        assert f"| {verdict} |" in text


def test_lost_markers_are_an_error() -> None:
    with pytest.raises(ValueError, match="has lost its markers"):
        renewed("# a page without tables\n")


def test_cells_show_target_mark_and_conditions() -> None:
    tables = tables_in_markdown(Role.RESPONDER)
    assert (
        "| C-REP- | · | · | = [K] forwarded | = [I] repeat or crossing | NOT-SUPPLIED [S] | · | · |" in tables
    )
    assert (
        "- SHIPPED, RET (K, high): no RETURNED state on the responder side; wait for the check-in\n" in tables
    )
