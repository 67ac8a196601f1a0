"""States, wire values and flags."""

from itertools import combinations

import pytest

from iso_gateway.protocol.states import STATES, TERMINAL, CurrentState, Flags, Role, State, TableProfile
from tests.unit.protocol.halves import half


def test_wire_values_are_those_of_the_abstract_syntax() -> None:
    assert {state: int(state.wire) for state in State} == {
        State.NOT_SUPPLIED: 1,
        State.PENDING: 2,
        State.IN_PROCESS: 3,
        State.FORWARD: 4,
        State.CONDITIONAL: 5,
        State.CANCEL_PENDING: 6,
        State.CANCELLED: 7,
        State.SHIPPED: 8,
        State.RECEIVED: 9,
        State.RENEW_PENDING: 10,
        State.NOT_RECEIVED_OVERDUE: 11,
        State.RENEW_OVERDUE: 12,
        State.OVERDUE: 13,
        State.RETURNED: 14,
        State.CHECKED_IN: 15,
        State.RECALL: 16,
        State.LOST: 17,
        State.IDLE: 18,
    }
    assert max(CurrentState) == 18


def test_every_state_is_one_of_a_role_and_end_states_are_states_of_their_role() -> None:
    assert {state for states in STATES.values() for state in states} == set(State)
    for role in Role:
        assert TERMINAL[role] < set(STATES[role])


def test_stored_words_do_not_change() -> None:
    assert [str(role) for role in Role] == ["requester", "responder"]
    assert [str(profile) for profile in TableProfile] == ["strict", "lenient"]


@pytest.mark.parametrize("count", range(16))
def test_flags_survive_storage(count: int) -> None:
    every = Flags.from_names(name for name in Flags.__slots__).to_names()
    assert len(every) == 15
    for names in combinations(every, count):
        assert Flags.from_names(names).to_names() == names
        assert Flags.from_names(Flags.from_names(names).to_names()) == Flags.from_names(names)


def test_a_fresh_half_assumes_that_both_sides_send_what_they_may() -> None:
    assert Flags().to_names() == ("can_send_shipped", "can_send_received", "can_send_returned")
    assert half().flags == Flags()


def test_an_unknown_flag_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown flag 'borrowed' in a stored half, known are loan, "):
        Flags.from_names(["loan", "borrowed"])


@pytest.mark.parametrize(
    ("state", "flags", "role", "ended"),
    [
        (State.IN_PROCESS, (), Role.RESPONDER, False),
        (State.SHIPPED, ("loan",), Role.RESPONDER, False),
        (State.SHIPPED, (), Role.RESPONDER, True),
        (State.OVERDUE, (), Role.RESPONDER, False),
        (State.CHECKED_IN, ("loan",), Role.RESPONDER, True),
        (State.FORWARD, (), Role.RESPONDER, True),
        (State.RECEIVED, (), Role.REQUESTER, True),
        (State.RECEIVED, ("loan",), Role.REQUESTER, False),
        (State.RETURNED, ("loan",), Role.REQUESTER, True),
    ],
)
def test_when_a_half_has_ended(state: State, flags: tuple[str, ...], role: Role, *, ended: bool) -> None:
    assert half(state, *flags, role=role).ended is ended
