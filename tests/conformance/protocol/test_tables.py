"""The machine against the second transcription: every state, event, profile and flag that matters."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import chain, combinations
from typing import Final

import pytest

from iso_gateway.protocol.effects import Indicate, NoteInferred, RaiseAttention, SendApdu, SendReport
from iso_gateway.protocol.errors import (
    AlreadyForwarded,
    StateTransitionProhibited,
    TransactionIdProblem,
    TransactionIdProblemCode,
)
from iso_gateway.protocol.events import (
    ApduReceived,
    Event,
    EventKey,
    EventKind,
    ExpiryReached,
    Service,
    ServiceRequested,
    key_of,
)
from iso_gateway.protocol.machine import Outcome, Verdict, advance, allowed
from iso_gateway.protocol.states import Flags, HalfState, Role, State, TableProfile
from iso_gateway.protocol.tables import REQUESTER, RESPONDER, TABLES, Predicate, with_always
from tests.conformance.protocol.grid import Cell, Situation, allows, load

NOW: Final = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
GRIDS: Final = {role: load(role.value) for role in Role}

#: The grid's words for the predicates; x, can-x and ren-x are all CROSSING.
CONDITIONS: Final = {
    "rep": Predicate.REPEAT,
    "late": Predicate.LATE,
    "both": Predicate.LOST_ON_THE_WAY_BACK,
    "len": Predicate.LENIENT,
    "noship": Predicate.SHIPPED_NOT_EXCHANGED,
    "loan": Predicate.LOAN,
    "timer": Predicate.EXPIRY_RUNNING,
    "fwd": Predicate.FORWARDED,
    "may-fwd": Predicate.MAY_FORWARD,
    "fwded": Predicate.FORWARDED,
    "unrcv": Predicate.RECEIVED_NOT_SENT,
    "skiprcv": Predicate.RECEIVED_NOT_SENT,
    "noret": Predicate.RETURNED_NOT_SENT,
    "back": Predicate.LOST_ON_THE_WAY_BACK,
}

#: Every flag that a predicate of the role's rows looks at.
RELEVANT: Final = {
    Role.REQUESTER: (
        "loan",
        "shipped_seen",
        "received_seen",
        "returned_seen",
        "checked_in_seen",
        "can_send_shipped",
        "can_send_received",
    ),
    Role.RESPONDER: (
        "loan",
        "shipped_seen",
        "can_send_shipped",
        "may_forward",
        "expiry_running",
        "cancel_crossed",
        "renew_crossed",
    ),
}


def halves(role: Role, state: State) -> Iterator[HalfState]:
    """Halves in a state with every set of flags that matters, under both profiles."""
    flags = RELEVANT[role]
    for names in chain.from_iterable(combinations(flags, count) for count in range(len(flags) + 1)):
        for tables in TableProfile:
            yield HalfState(role=role, tables=tables, state=state, flags=Flags.from_names(names))


EVENTS: Final[tuple[Event, ...]] = (
    *(ApduReceived(service=service, repeat=repeat) for service in Service for repeat in (False, True)),
    *(ServiceRequested(service=service, repeat=repeat) for service in Service for repeat in (False, True)),
    ExpiryReached(),
)


def code_of(event: Event) -> str:
    """The event's code as the grid spells it, made here without the code under test."""
    match event:
        case ExpiryReached():
            return "EXPIRY"
        case ApduReceived(service=service):
            return str(service)
        case ServiceRequested(service=service):
            code = str(service)
            if code == "FWN":
                return "FWDreq"
            if code.startswith("ANS-"):
                return f"ANSreq-{code[4:]}"
            if code[-1] in "+-":
                return f"{code[:-1]}req{code[-1]}"
            return f"{code}req"


def situation_of(half: HalfState, event: Event) -> Situation:
    """The half and the event as the grid judges them."""
    return Situation(
        received=isinstance(event, ApduReceived),
        repeat=not isinstance(event, ExpiryReached) and event.repeat,
        lenient=half.tables is TableProfile.LENIENT,
        flags=names_of(half.flags),
    )


@cache
def names_of(flags: Flags) -> frozenset[str]:
    """The names of flags, which the same half is asked for with every event."""
    return frozenset(flags.to_names())


def expected_verdict(half: HalfState, event: Event, cell: Cell | None) -> Verdict:
    """How the grid and section 2.2 and 2.3 of the fact sheet would meet the event."""
    idle = half.state is State.IDLE
    situation = situation_of(half, event)
    match event:
        case ApduReceived(service=Service.ILL, repeat=False) if not idle:
            return Verdict.DUPLICATE_TRANSACTION_ID
        case _ if allows(cell, half.state.value, situation):
            assert cell is not None
            if "fwd" in cell.conditions:
                return Verdict.ALREADY_FORWARDED
            stays = cell.next_state == half.state.value
            return Verdict.REPEATED if situation.repeat and stays else Verdict.APPLIED
        case ExpiryReached() if half.state is State.CANCEL_PENDING and half.flags.expiry_running:
            return Verdict.POSTPONED
        case ExpiryReached() | ApduReceived(service=Service.STR):
            return Verdict.IGNORED
        case ServiceRequested():
            return Verdict.REFUSED
        case _:
            return Verdict.UNKNOWN_TRANSACTION if idle else Verdict.PROHIBITED


def expected_messages(half: HalfState, event: Event, verdict: Verdict) -> list[object]:
    """What goes out and what is indicated, timers and notes aside."""
    problem = TransactionIdProblemCode
    match verdict, event:
        case ((Verdict.IGNORED | Verdict.REFUSED | Verdict.POSTPONED), _):
            return []
        case Verdict.DUPLICATE_TRANSACTION_ID, _:
            return [SendReport(report=TransactionIdProblem(code=problem.DUPLICATE_TRANSACTION_ID))]
        case Verdict.UNKNOWN_TRANSACTION, _:
            return [SendReport(report=TransactionIdProblem(code=problem.UNKNOWN_TRANSACTION_ID))]
        case Verdict.PROHIBITED, ApduReceived(service=service):
            report = StateTransitionProhibited(apdu_type=service.apdu_type, current_state=half.state.wire)
            return [SendReport(report=report)]
        case Verdict.ALREADY_FORWARDED, ApduReceived(service=service, repeat=repeat):
            return [Indicate(service=service, repeat=repeat), SendReport(report=AlreadyForwarded())]
        case _, ApduReceived(service=Service.STQ, repeat=repeat):
            return [Indicate(service=Service.STQ, repeat=repeat), SendApdu(service=Service.STR)]
        case _, ApduReceived(service=service, repeat=repeat):
            return [Indicate(service=service, repeat=repeat)]
        case _, ServiceRequested(service=Service.FWN, repeat=repeat):
            onward = SendApdu(service=Service.ILL, repeat=repeat, onward=True)
            return [onward, SendApdu(service=Service.FWN, repeat=repeat)]
        case _, ServiceRequested(service=service, repeat=repeat):
            return [SendApdu(service=service, repeat=repeat)]
        case _:
            return [SendApdu(service=Service.EXP), Indicate(service=Service.EXP)]


def check(half: HalfState, event: Event, cell: Cell | None) -> Outcome:
    """One point of the product."""
    outcome = advance(half, event, NOW)
    verdict = expected_verdict(half, event, cell)
    where = (half, event, outcome)
    assert outcome.verdict is verdict, where
    sent = [effect for effect in outcome.effects if isinstance(effect, SendApdu | SendReport | Indicate)]
    assert sent == expected_messages(half, event, verdict), where
    inferred = [effect for effect in outcome.effects if isinstance(effect, NoteInferred)]
    attention = [effect for effect in outcome.effects if isinstance(effect, RaiseAttention)]
    if verdict in (Verdict.APPLIED, Verdict.REPEATED, Verdict.ALREADY_FORWARDED):
        assert cell is not None
        assert outcome.state.state.value == cell.next_state, where
        assert outcome.row is not None
        assert outcome.row.provenance.value == cell.provenance, where
        assert bool(inferred) is (cell.provenance == "I"), where
        only_lenient = "len" in cell.conditions and not allows(
            cell,
            half.state.value,
            Situation(
                received=isinstance(event, ApduReceived),
                repeat=False,
                lenient=False,
                flags=names_of(half.flags),
            ),
        )
        # CONDITIONAL has lenient rows too, but a change of mind is nothing to be told beyond the answer.
        unreported = only_lenient and half.state is not State.CONDITIONAL
        always = (half.state, code_of(event)) in {(State.CANCEL_PENDING, "FWN"), (State.LOST, "CHK")}
        assert bool(attention) is (unreported or always), where
    else:
        assert outcome.row is None, where
        assert not inferred, where
        shipped = half.role is Role.REQUESTER and isinstance(event, ApduReceived) and event.service == "SHI"
        assert bool(attention) is (shipped and half.state.value in UNEXPECTED), where
        if verdict is Verdict.POSTPONED:
            flags = replace(half.flags, expiry_due=True)
            assert outcome.state == replace(half, flags=flags), where
        else:
            assert outcome.state is half, where
    return outcome


#: Where a SHIPPED has no row and finds the requester done, or with conditions that it has not accepted.
UNEXPECTED: Final = frozenset({"NOT-SUPPLIED", "CANCELLED", "LOST", "CONDITIONAL"})


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", State, ids=str)
def test_the_machine_agrees_with_the_second_transcription(role: Role, state: State) -> None:
    met = 0
    places = [(event, GRIDS[role].get((state.value, code_of(event)))) for event in EVENTS]
    for half in halves(role, state):
        for event, cell in places:
            check(half, event, cell)
            met += 1
    assert met == 128 * 2 * (4 * 29 + 1)


@pytest.mark.parametrize("role", Role)
def test_the_tables_have_exactly_the_rows_of_the_grid(role: Role) -> None:
    rows = {(row.state.value, row.event.code) for row in TABLES[role].values()}
    assert rows == set(GRIDS[role])


@pytest.mark.parametrize("role", Role)
def test_the_rows_name_the_conditions_of_the_grid(role: Role) -> None:
    # Why beside the product: some conditions are true of whatever is received, so behaviour does not show
    # whether they are there.
    named = {
        (row.state.value, row.event.code): (frozenset(row.when), frozenset(row.also))
        for row in TABLES[role].values()
    }
    meant = {place: (in_words(cell.conditions), in_words(cell.also)) for place, cell in GRIDS[role].items()}
    assert named == meant


def in_words(conditions: frozenset[str]) -> frozenset[Predicate]:
    """The predicates behind the grid's words."""
    return frozenset(CONDITIONS.get(condition, Predicate.CROSSING) for condition in conditions)


def test_the_rows_are_as_many_as_in_the_fact_sheet() -> None:
    assert (len(REQUESTER), len(with_always(Role.REQUESTER, REQUESTER))) == (177, 261)
    assert (len(RESPONDER), len(with_always(Role.RESPONDER, RESPONDER))) == (140, 218)


def test_the_codes_of_events_are_spelt_as_in_the_grid() -> None:
    assert [key_of(event).code for event in EVENTS] == [code_of(event) for event in EVENTS]
    assert EventKey(EventKind.PRIMITIVE, Service.ANS_UN).code == "ANSreq-UN"
    assert EventKey(EventKind.PRIMITIVE, Service.C_REP_YES).code == "C-REPreq+"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", State, ids=str)
def test_allowed_lists_what_advance_would_apply(role: Role, state: State) -> None:
    for half in halves(role, state):
        expected = tuple(
            service
            for service in Service
            if allows(
                GRIDS[role].get((state.value, code_of(ServiceRequested(service=service)))),
                state.value,
                situation_of(half, ServiceRequested(service=service)),
            )
        )
        assert allowed(half) == expected
