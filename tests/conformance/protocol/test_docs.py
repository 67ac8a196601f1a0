"""docs/protocol.md shows the tables that the machine uses."""

import pytest

from iso_gateway.protocol.describe import diagrams_in_mermaid, tables_in_markdown
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


def test_diagrams_show_what_leads_from_state_to_state() -> None:
    processing, tracking = diagrams_in_mermaid(Role.REQUESTER).split("### Tracking phase")
    assert '    state "CANCEL-PENDING" as CANCEL_PENDING\n' in processing
    assert "    [*] --> IDLE\n" in processing
    assert "    CANCEL_PENDING --> CANCELLED: CAR+\n" in processing
    assert "    CANCEL_PENDING --> PENDING: FWN?, CAR-\n" in processing
    assert "    CANCELLED --> [*]\n" in processing
    assert "    [*] --> SHIPPED\n" in tracking
    assert "    RETURNED --> LOST: LST, LSTreq?\n" in tracking
    for diagram in (processing, tracking):
        arrows = {line.split(":")[0] for line in diagram.splitlines() if "-->" in line}
        assert not {arrow for arrow in arrows if len(set(arrow.split(" --> "))) == 1}


def test_cells_show_target_mark_and_conditions() -> None:
    tables = tables_in_markdown(Role.RESPONDER)
    assert (
        "| C-REP- | · | · | = [K] forwarded | = [I] repeat or crossing | NOT-SUPPLIED [S] | · | · |" in tables
    )
    assert "| RETreq | RETURNED [I] received_not_sent and loan | RETURNED [K] loan |" in tables_in_markdown(
        Role.REQUESTER
    )
    assert (
        "| NOT-RECEIVED/OVERDUE [I] (lenient or shipped_not_exchanged) and crossing |"
        in tables_in_markdown(Role.REQUESTER)
    )
    assert (
        "- SHIPPED, RET (K, high): no RETURNED state on the responder side; wait for the check-in\n" in tables
    )
