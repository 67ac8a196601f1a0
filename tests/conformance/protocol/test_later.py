"""What is held because it may be early: against a search through everything that can happen to a half."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Final

import pytest

from iso_gateway.protocol.events import ApduReceived, Event, ExpiryReached, Facts, Service, ServiceRequested
from iso_gateway.protocol.later import could_be_allowed_later
from iso_gateway.protocol.machine import Verdict, advance
from iso_gateway.protocol.states import HalfState, Role, State, TableProfile

NOW: Final = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
EXPIRES: Final = datetime(2026, 12, 24, tzinfo=UTC)
ALLOWED: Final = frozenset({Verdict.APPLIED, Verdict.REPEATED})

#: They are allowed everywhere and change nothing: steps that lead nowhere.
QUIET: Final = frozenset({Service.MSG, Service.STQ, Service.STR, Service.DAM})

ARRIVALS: Final = tuple(
    ApduReceived(service=service, repeat=repeat) for service in Service for repeat in (False, True)
)


def facts_of(service: Service) -> tuple[Facts, ...]:
    """What an APDU of the service may tell that an answer of the tables depends on."""
    match service:
        case Service.ILL:
            return (Facts(), Facts(can_send_shipped=False, may_forward=True, expires_at=EXPIRES))
        case Service.SHI | Service.RCV:
            return (Facts(loan=False), Facts(loan=True))
        case Service.ANS_WS | Service.ANS_CO:
            return (Facts(), Facts(can_send_shipped=False))
        case _:
            return (Facts(),)


def steps() -> Iterator[Event]:
    """Everything that can happen."""
    for service in Service:
        if service in QUIET:
            continue
        for facts in facts_of(service):
            for repeat in (False, True):
                yield ApduReceived(service=service, repeat=repeat, facts=facts)
            yield ServiceRequested(service=service, facts=facts)
    yield ExpiryReached()


STEPS: Final = tuple(steps())


@cache
def graph(role: Role, tables: TableProfile) -> dict[HalfState, frozenset[HalfState]]:
    """Every half that a fresh one can become, and what each can become by one event more."""
    found: dict[HalfState, frozenset[HalfState]] = {}
    waiting = [HalfState(role=role, tables=tables)]
    while waiting:
        half = waiting.pop()
        if half not in found:
            found[half] = frozenset(advance(half, event, NOW).state for event in STEPS)
            waiting.extend(found[half])
    return found


def allowed_by_search(halves: dict[HalfState, frozenset[HalfState]], event: Event) -> set[HalfState]:
    """The halves from which some half that allows the event can be reached by one step or more."""
    before: defaultdict[HalfState, set[HalfState]] = defaultdict(set)
    for half, following in halves.items():
        for one in following:
            before[one].add(half)
    waiting = [half for half in halves if advance(half, event, NOW).verdict in ALLOWED]
    reached: set[HalfState] = set()
    while waiting:
        for half in before[waiting.pop()] - reached:
            reached.add(half)
            waiting.append(half)
    return reached


@pytest.mark.parametrize("tables", TableProfile)
@pytest.mark.parametrize("role", Role)
def test_the_answer_is_that_of_a_search(role: Role, tables: TableProfile) -> None:
    halves = graph(role, tables)
    assert {half.state for half in halves} > {State.IDLE, State.SHIPPED, State.LOST, State.CANCELLED}
    idle_requester = HalfState(role=Role.REQUESTER, tables=tables)
    for event in ARRIVALS:
        reached = allowed_by_search(halves, event)
        for half in halves:
            refused = advance(half, event, NOW).verdict in (Verdict.PROHIBITED, Verdict.UNKNOWN_TRANSACTION)
            expected = refused and half in reached and half != idle_requester
            assert could_be_allowed_later(half, event) is expected, (half, event)
