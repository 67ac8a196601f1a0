"""The check of the rows: the shipped ones pass, and each kind of slip is named."""

from dataclasses import replace

import pytest

from iso_gateway.protocol.events import EventKey, EventKind, Service
from iso_gateway.protocol.states import Role, State
from iso_gateway.protocol.tables import (
    REQUESTER,
    RESPONDER,
    TABLES,
    Answer,
    Confidence,
    Predicate,
    Provenance,
    Row,
)
from iso_gateway.protocol.validate import REQUESTER_SENDS, RESPONDER_SENDS, problems

SHIP = next(row for row in RESPONDER if row.event.code == "SHIreq" and row.state is State.IN_PROCESS)
CANCEL = next(row for row in RESPONDER if row.event.code == "CAN" and row.state is State.IN_PROCESS)


def test_the_shipped_rows_are_sound() -> None:
    for role in Role:
        assert problems(role, tuple(TABLES[role].values())) == ()
    assert problems(Role.RESPONDER, RESPONDER) == ()
    assert problems(Role.REQUESTER, REQUESTER) == ()


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (replace(SHIP, role=Role.REQUESTER), "stands among the rows of the responder"),
        (replace(SHIP, next_state=State.RECEIVED), "the responder has no state RECEIVED"),
        (replace(SHIP, state=State.PENDING), "the responder has no state PENDING"),
        (replace(SHIP, next_state=State.IDLE), "leads back to IDLE"),
        (replace(SHIP, when=(Predicate.LOAN, Predicate.LOAN)), "names a predicate twice"),
        (replace(SHIP, when=(Predicate.LOAN,), also=(Predicate.LOAN,)), "names a predicate twice"),
        (replace(SHIP, answer=Answer.STATUS), "answers something that is not an APDU"),
        (replace(SHIP, state=State.CANCELLED), "leaves the end state CANCELLED"),
        (
            replace(SHIP, event=EventKey(EventKind.PRIMITIVE, Service.RCV)),
            "RECEIVED is not for this side",
        ),
        (replace(SHIP, event=EventKey(EventKind.PRIMITIVE, Service.EXP)), "EXPIRED is not for this side"),
        (replace(CANCEL, event=EventKey(EventKind.APDU, Service.SHI)), "SHIPPED is not for this side"),
        (replace(CANCEL, event=EventKey(EventKind.TIMER, Service.CAN)), "CANCEL is not for this side"),
    ],
)
def test_a_slip_in_one_row_is_named(row: Row, problem: str) -> None:
    found = problems(Role.RESPONDER, (*RESPONDER, row))
    assert f"{row.name}: {problem}" in found


def test_rows_that_hide_each_other_are_named() -> None:
    found = problems(Role.RESPONDER, (*RESPONDER, replace(SHIP, next_state=State.LOST)))
    assert found == ("IN-PROCESS/SHIreq: 2 rows, of which only the last would count",)


def test_a_state_that_nothing_leads_to_is_named() -> None:
    rows = tuple(
        row for row in RESPONDER if row.next_state is not State.RENEW_OVERDUE or row.state is row.next_state
    )
    assert problems(Role.RESPONDER, rows) == ("RENEW/OVERDUE: has rows, but none lead to it",)


def test_a_state_that_nothing_leaves_is_named() -> None:
    rows = tuple(row for row in RESPONDER if row.state is not State.CANCEL_PENDING)
    assert problems(Role.RESPONDER, rows) == (
        "CANCELLED: has rows, but none lead to it",
        "CANCEL-PENDING: is no end state, but no row leaves it",
    )


def test_the_requester_may_lose_what_it_returned_and_does_not_run_the_timer() -> None:
    def requester(event: EventKey, state: State, next_state: State) -> Row:
        return Row(
            role=Role.REQUESTER,
            state=state,
            event=event,
            next_state=next_state,
            provenance=Provenance.INFERRED,
            confidence=Confidence.LOW,
        )

    rows = (
        requester(EventKey(EventKind.PRIMITIVE, Service.ILL), State.IDLE, State.PENDING),
        requester(EventKey(EventKind.APDU, Service.CHK), State.PENDING, State.RETURNED),
        requester(EventKey(EventKind.PRIMITIVE, Service.LST), State.RETURNED, State.LOST),
    )
    assert problems(Role.REQUESTER, rows) == ()
    timer = requester(EventKey(EventKind.TIMER, Service.EXP), State.PENDING, State.LOST)
    assert problems(Role.REQUESTER, (*rows, timer)) == (f"{timer.name}: EXPIRED is not for this side",)


def test_five_services_are_sent_by_both_sides() -> None:
    both = set(Service) - REQUESTER_SENDS - RESPONDER_SENDS
    assert both == {Service.LST, Service.DAM, Service.MSG, Service.STQ, Service.STR}
    assert not REQUESTER_SENDS & RESPONDER_SENDS
