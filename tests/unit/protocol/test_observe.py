"""Following the halves of others: nothing is refused or sent, and only rows move them."""

import pytest
from hypothesis import given, settings

from iso_gateway.protocol.effects import NoteInferred, RaiseAttention
from iso_gateway.protocol.events import ApduReceived, Event, ExpiryReached, Facts, Service, ServiceRequested
from iso_gateway.protocol.machine import Verdict, advance, observe
from iso_gateway.protocol.states import HalfState, Role, State
from tests.unit.protocol.halves import NOW, half
from tests.unit.protocol.test_properties import ALLOWED, events, halves


@given(start=halves, event=events)
@settings(deadline=None, max_examples=500)
def test_observing_says_what_the_table_says_and_moves_by_rows_alone(start: HalfState, event: Event) -> None:
    told, seen = advance(start, event, NOW), observe(start, event, NOW)
    assert (seen.verdict, seen.reason) == (told.verdict, told.reason)
    assert all(isinstance(effect, NoteInferred | RaiseAttention) for effect in seen.effects)
    if told.verdict in ALLOWED:
        assert (seen.state, seen.row) == (told.state, told.row)
    elif seen.row is None:
        assert seen.state is start
    else:
        assert seen.row.state is start.state
        assert seen.state.state in (start.state, seen.row.next_state)


def test_a_row_whose_conditions_are_not_met_is_followed() -> None:
    start = half(State.PENDING, role=Role.REQUESTER)
    seen = observe(start, ApduReceived(service=Service.DUE), NOW)
    assert (seen.verdict, seen.state.state) == (Verdict.PROHIBITED, State.NOT_RECEIVED_OVERDUE)
    assert seen.reason == "OVERDUE is not allowed in PENDING"
    assert RaiseAttention(reason="OVERDUE received in PENDING: shipping was not reported") in seen.effects


def test_without_a_row_the_half_stays() -> None:
    start = half(State.CANCELLED, role=Role.REQUESTER)
    seen = observe(start, ApduReceived(service=Service.SHI), NOW)
    assert seen.state is start
    assert (seen.verdict, seen.row) == (Verdict.PROHIBITED, None)
    (attention,) = seen.effects
    assert isinstance(attention, RaiseAttention)


def test_a_repeat_whose_original_passed_unseen_is_followed_and_any_other_is_not() -> None:
    start = half(State.CONDITIONAL, role=Role.REQUESTER)
    unseen = ServiceRequested(service=Service.C_REP_YES, repeat=True)
    assert observe(start, unseen, NOW).state.state is State.PENDING
    seen = ServiceRequested(service=Service.C_REP_YES, repeat=True, facts=Facts(original_seen=True))
    assert observe(start, seen, NOW).state is start


@pytest.mark.parametrize(
    ("state", "flags", "after"),
    [
        (State.IN_PROCESS, (), State.NOT_SUPPLIED),
        (State.CONDITIONAL, ("expiry_running",), State.NOT_SUPPLIED),
        (State.CANCEL_PENDING, ("expiry_running",), State.CANCEL_PENDING),
    ],
)
def test_an_expired_that_passes_expires_its_sender(
    state: State, flags: tuple[str, ...], after: State
) -> None:
    seen = observe(half(state, *flags), ExpiryReached(), NOW)
    assert seen.state.state is after
    assert not seen.state.flags.expiry_due


def test_the_moment_must_be_aware() -> None:
    with pytest.raises(ValueError, match=r"now .* has no time zone"):
        observe(half(), ExpiryReached(), NOW.replace(tzinfo=None))
