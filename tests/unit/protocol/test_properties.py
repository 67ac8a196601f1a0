"""Whatever happens, in whatever order: the machine never raises, leaves its tables or undoes an end."""

from datetime import UTC, datetime
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from iso_gateway.protocol.effects import SendReport
from iso_gateway.protocol.events import (
    ApduReceived,
    Event,
    ExpiryReached,
    Facts,
    Service,
    ServiceRequested,
    key_of,
)
from iso_gateway.protocol.machine import Verdict, advance
from iso_gateway.protocol.states import STATES, TERMINAL, Flags, HalfState, Role, State, TableProfile
from iso_gateway.protocol.tables import TABLES
from iso_gateway.protocol.validate import LISTED_EXITS
from tests.unit.protocol.halves import NOW

ALLOWED: Final = frozenset({Verdict.APPLIED, Verdict.REPEATED, Verdict.ALREADY_FORWARDED})

maybe = st.none() | st.booleans()
moments = st.datetimes(
    min_value=datetime(1980, 1, 1, tzinfo=UTC).replace(tzinfo=None),
    max_value=datetime(2100, 1, 1, tzinfo=UTC).replace(tzinfo=None),
    timezones=st.just(UTC),
)
facts = st.builds(
    Facts,
    loan=maybe,
    may_forward=maybe,
    can_send_shipped=maybe,
    can_send_received=maybe,
    can_send_returned=maybe,
    expires_at=st.none() | moments,
    original_seen=st.booleans(),
)
services = st.sampled_from(Service)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(ApduReceived, service=services, repeat=st.booleans(), facts=facts),
    st.builds(ServiceRequested, service=services, repeat=st.booleans(), facts=facts),
    st.builds(ExpiryReached),
)
flag_sets = st.sets(st.sampled_from(tuple(Flags.__slots__))).map(Flags.from_names)
halves = st.builds(
    HalfState,
    role=st.sampled_from(Role),
    tables=st.sampled_from(TableProfile),
    state=st.sampled_from(State),
    flags=flag_sets,
)


@given(half=halves, event=events, now=moments)
@settings(deadline=None, max_examples=500)
def test_any_event_meets_any_half(half: HalfState, event: Event, now: datetime) -> None:
    outcome = advance(half, event, now)
    assert outcome.reason
    if outcome.verdict in ALLOWED:
        assert outcome.row is not None
        assert outcome.row is TABLES[half.role][half.state, key_of(event)]
        assert outcome.state.state in (half.state, outcome.row.next_state)
    else:
        assert outcome.state.state is half.state
        assert (outcome.state is half) is (outcome.verdict is not Verdict.POSTPONED)
        assert outcome.row is None
    if isinstance(event, ApduReceived) and event.service is Service.STR:
        assert not any(isinstance(effect, SendReport) for effect in outcome.effects)
    assert advance(half, event, now) == outcome


@given(
    role=st.sampled_from(Role), tables=st.sampled_from(TableProfile), history=st.lists(events, max_size=40)
)
@settings(deadline=None, max_examples=400)
def test_no_history_leaves_the_tables_or_an_end_state(
    role: Role, tables: TableProfile, history: list[Event]
) -> None:
    half = HalfState(role=role, tables=tables)
    for event in (begin(role), *history):
        outcome = advance(half, event, NOW)
        assert outcome.state.state in STATES[role]
        assert outcome.state.state is not State.IDLE
        if half.state in TERMINAL[role] and outcome.state.state is not half.state:
            assert (role, half.state, outcome.state.state) in LISTED_EXITS
        assert (outcome.state.role, outcome.state.tables) == (half.role, half.tables)
        half = outcome.state
        assert Flags.from_names(half.flags.to_names()) == half.flags


def begin(role: Role) -> Event:
    """What creates a half."""
    if role is Role.REQUESTER:
        return ServiceRequested(service=Service.ILL)
    return ApduReceived(service=Service.ILL)


@given(
    role=st.sampled_from(Role), tables=st.sampled_from(TableProfile), history=st.lists(events, max_size=20)
)
@settings(deadline=None, max_examples=300)
def test_a_repeat_of_what_was_processed_changes_nothing(
    role: Role, tables: TableProfile, history: list[Event]
) -> None:
    half = advance(HalfState(role=role, tables=tables), begin(role), NOW).state
    for event in history:
        half = advance(half, event, NOW).state
        if isinstance(event, ApduReceived):
            again = ApduReceived(service=event.service, repeat=True, facts=Facts(original_seen=True))
            assert advance(half, again, NOW).state == half
