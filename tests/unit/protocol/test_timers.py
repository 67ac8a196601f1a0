"""Deadlines: when they are set, what ends them, what comes of them, and what a day is."""

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iso_gateway.protocol.effects import Indicate, RaiseAttention, SendApdu
from iso_gateway.protocol.events import (
    ApduReceived,
    Event,
    ExpiryReached,
    Facts,
    Service,
    ServiceRequested,
)
from iso_gateway.protocol.machine import Verdict, advance
from iso_gateway.protocol.states import HalfState, Role, State
from iso_gateway.protocol.timers import (
    Days,
    Deadline,
    DeadlineKind,
    Expired,
    Policy,
    WhenOverdue,
    after,
    end_of,
    expire,
    next_deadline,
    start_of,
)
from tests.unit.protocol.halves import NOW, half

BERLIN: Final = ZoneInfo("Europe/Berlin")
POLICY: Final = Policy(no_answer_days=4, when_overdue=WhenOverdue.SEND, grace_days=2)
#: the end of 26 November 2026 in Berlin
ANSWERED_BY: Final = datetime(2026, 11, 26, 23, tzinfo=UTC)
LOAN: Final = Facts(loan=True)
KIND: Final = DeadlineKind


class Watched:
    """A half with its deadlines, moved by events."""

    def __init__(self, state: HalfState, policy: Policy = POLICY) -> None:
        self.state, self.policy = state, policy
        self.deadlines: tuple[Deadline, ...] = ()
        self.now = NOW

    def meet(self, event: Event, days: Days | None = None) -> "Watched":
        """Let an event happen now."""
        outcome = advance(self.state, event, self.now)
        self.state = outcome.state
        self.deadlines = after(
            self.deadlines,
            event,
            outcome,
            self.now,
            days=days or Days(),
            policy=self.policy,
            zone=BERLIN,
        )
        return self

    def pass_to(self, now: datetime) -> Expired:
        """Let the clock show a moment."""
        self.now = now
        expired = expire(self.state, self.deadlines, now, policy=self.policy, zone=BERLIN)
        self.state, self.deadlines = expired.state, expired.deadlines
        return expired

    @property
    def kinds(self) -> dict[DeadlineKind, datetime]:
        """What is waited for, and until when."""
        return {deadline.kind: deadline.at for deadline in self.deadlines}


def got(service: Service, facts: Facts | None = None, *, repeat: bool = False) -> ApduReceived:
    return ApduReceived(service=service, repeat=repeat, facts=facts or Facts())


def asked(service: Service, facts: Facts | None = None, *, repeat: bool = False) -> ServiceRequested:
    return ServiceRequested(service=service, repeat=repeat, facts=facts or Facts())


def requesting(policy: Policy = POLICY) -> Watched:
    return Watched(half(role=Role.REQUESTER), policy).meet(asked(Service.ILL))


def lent(due: date | None = date(2026, 12, 1), policy: Policy = POLICY) -> Watched:
    return Watched(half(), policy).meet(got(Service.ILL)).meet(asked(Service.SHI, LOAN), Days(due=due))


def test_a_day_ends_where_the_next_begins_in_the_local_zone() -> None:
    assert end_of(date(2026, 12, 1), BERLIN) == datetime(2026, 12, 1, 23, tzinfo=UTC)
    assert start_of(date(2026, 12, 1), BERLIN) == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert end_of(date(2026, 12, 1), BERLIN, days=3) == datetime(2026, 12, 4, 23, tzinfo=UTC)


def test_days_on_which_clocks_are_set_have_their_own_length() -> None:
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)
    assert end_of(spring, BERLIN) - start_of(spring, BERLIN) == timedelta(hours=23)
    assert end_of(autumn, BERLIN) - start_of(autumn, BERLIN) == timedelta(hours=25)


def test_a_midnight_that_does_not_exist_or_comes_twice_is_one_moment() -> None:
    # Santiago sets its clocks at midnight: 5 September 2026 is followed by 1 o'clock, 4 April by 23 o'clock.
    santiago = ZoneInfo("America/Santiago")
    assert end_of(date(2026, 9, 5), santiago) == datetime(2026, 9, 6, 4, tzinfo=UTC)
    assert end_of(date(2026, 4, 4), santiago) == datetime(2026, 4, 5, 4, tzinfo=UTC)
    # Havana repeats the hour after midnight: the day begins with the first.
    havana = ZoneInfo("America/Havana")
    assert start_of(date(2026, 11, 1), havana) == datetime(2026, 11, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize("hours", [-14, 0, 14])
def test_dates_beyond_the_calendar_are_cut_at_its_ends(hours: int) -> None:
    zone: tzinfo = timezone(timedelta(hours=hours))
    assert end_of(date.max, zone) == datetime.max.replace(tzinfo=UTC)
    assert end_of(date(2026, 1, 1), zone, days=10**9) == datetime.max.replace(tzinfo=UTC)
    assert start_of(date.min, zone) >= datetime.min.replace(tzinfo=UTC)
    assert start_of(date.max, zone) <= datetime.max.replace(tzinfo=UTC)


@given(days=st.dates(), zone=st.sampled_from(["Europe/Berlin", "America/Santiago", "Pacific/Kiritimati"]))
@settings(deadline=None)
def test_no_day_ends_before_it_begins(days: date, zone: str) -> None:
    assert start_of(days, ZoneInfo(zone)) <= end_of(days, ZoneInfo(zone))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"deadline .* has no time zone"):
        Deadline(kind=KIND.REPLY, at=NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match=r"now .* has no time zone"):
        expire(half(), (), NOW.replace(tzinfo=None), policy=POLICY, zone=BERLIN)
    with pytest.raises(ValueError, match="no_answer_days is -1, give 0 or more"):
        Policy(no_answer_days=-1)
    with pytest.raises(ValueError, match="grace_days is -1, give 0 or more"):
        Policy(grace_days=-1)


def test_the_next_deadline_is_the_earliest() -> None:
    reply, expiry = Deadline(kind=KIND.REPLY, at=NOW), Deadline(kind=KIND.EXPIRY, at=NOW)
    later = Deadline(kind=KIND.OVERDUE, at=NOW + timedelta(seconds=1))
    assert next_deadline([]) is None
    assert next_deadline([later, reply]) == reply
    assert next_deadline([later, reply, expiry]) == expiry


# -- expiry


def test_a_request_expires_at_its_deadline_and_not_before() -> None:
    at = end_of(date(2026, 12, 1), BERLIN)
    watched = Watched(half()).meet(got(Service.ILL, Facts(expires_at=at)))
    assert watched.kinds == {KIND.EXPIRY: at}
    assert watched.pass_to(at - timedelta(microseconds=1)).passed == ()
    (passed,) = watched.pass_to(at).passed
    assert passed.event == ExpiryReached()
    assert passed.outcome is not None
    assert passed.outcome.effects == (SendApdu(service=Service.EXP), Indicate(service=Service.EXP))
    assert watched.state.state is State.NOT_SUPPLIED
    assert watched.deadlines == ()


def test_an_answer_ends_the_wait_for_the_expiry() -> None:
    watched = (
        Watched(half()).meet(got(Service.ILL, Facts(expires_at=ANSWERED_BY))).meet(asked(Service.ANS_HP))
    )
    assert watched.deadlines == ()
    assert watched.pass_to(ANSWERED_BY).passed == ()


def test_an_expiry_that_comes_due_during_a_cancel_fires_after_a_refusal() -> None:
    watched = Watched(half()).meet(got(Service.ILL, Facts(expires_at=ANSWERED_BY))).meet(got(Service.CAN))
    assert watched.kinds == {KIND.EXPIRY: ANSWERED_BY}
    (postponed,) = watched.pass_to(ANSWERED_BY).passed
    assert postponed.outcome is not None
    assert (postponed.outcome.verdict, postponed.outcome.effects) == (Verdict.POSTPONED, ())
    assert watched.deadlines == ()
    assert watched.state.flags.expiry_due
    watched.now = ANSWERED_BY + timedelta(hours=5)
    watched.meet(asked(Service.CAR_NO))
    assert watched.state == half(State.IN_PROCESS, "expiry_running")
    assert watched.kinds == {KIND.EXPIRY: watched.now}
    assert watched.pass_to(watched.now).state.state is State.NOT_SUPPLIED


def test_an_expiry_that_comes_due_during_a_cancel_is_settled_by_its_acceptance() -> None:
    watched = Watched(half()).meet(got(Service.ILL, Facts(expires_at=ANSWERED_BY))).meet(got(Service.CAN))
    watched.pass_to(ANSWERED_BY)
    watched.meet(asked(Service.CAR_YES))
    assert watched.state.state is State.CANCELLED
    assert not watched.state.flags.expiry_due
    assert watched.deadlines == ()


# -- no answer, date for reply


def test_a_partner_has_whole_days_to_answer() -> None:
    watched = requesting()
    assert watched.kinds == {KIND.NO_ANSWER: ANSWERED_BY}
    (passed,) = watched.pass_to(ANSWERED_BY).passed
    assert passed.attention == RaiseAttention(reason="no answer from the partner in PENDING")
    assert (passed.event, passed.outcome) == (None, None)
    assert watched.state.state is State.PENDING
    assert watched.deadlines == ()


@pytest.mark.parametrize("service", [Service.ANS_WS, Service.SHI, Service.ANS_UN, Service.ANS_CO])
def test_an_answer_ends_the_wait_for_it(service: Service) -> None:
    assert requesting().meet(got(service)).deadlines == ()


@pytest.mark.parametrize("service", [Service.MSG, Service.STR, Service.CHK, Service.REA_YES])
def test_what_is_no_answer_does_not_end_the_wait(service: Service) -> None:
    assert requesting().meet(got(service)).kinds == {KIND.NO_ANSWER: ANSWERED_BY}


def test_a_repeat_of_an_old_answer_does_not_end_the_wait() -> None:
    watched = requesting().meet(got(Service.ANS_CO)).meet(asked(Service.C_REP_YES))
    old = got(Service.ANS_CO, Facts(original_seen=True), repeat=True)
    assert watched.meet(old).kinds == {KIND.NO_ANSWER: ANSWERED_BY}


def test_each_question_starts_the_wait_again() -> None:
    watched = requesting().meet(got(Service.ANS_WS))
    watched.now = NOW + timedelta(days=1)
    watched.meet(asked(Service.MSG))
    assert watched.deadlines == ()
    watched.meet(asked(Service.CAN))
    assert watched.kinds == {KIND.NO_ANSWER: ANSWERED_BY + timedelta(days=1)}


def test_a_new_responder_has_as_long_to_answer() -> None:
    watched = requesting()
    watched.now = NOW + timedelta(days=2)
    assert watched.meet(got(Service.FWN)).kinds == {KIND.NO_ANSWER: ANSWERED_BY + timedelta(days=2)}
    assert requesting().meet(got(Service.ANS_WS)).meet(got(Service.FWN)).deadlines == ()


def test_without_a_policy_nothing_is_watched() -> None:
    policy = Policy(when_overdue=WhenOverdue.NOTHING)
    assert requesting(policy).deadlines == ()
    assert lent(policy=policy).deadlines == ()


def test_a_reply_is_due_on_the_day_that_the_condition_names() -> None:
    watched = requesting().meet(got(Service.ANS_CO), Days(reply_by=date(2026, 11, 30)))
    begins = datetime(2026, 11, 29, 23, tzinfo=UTC)
    assert watched.kinds == {KIND.REPLY: begins}
    (passed,) = watched.pass_to(begins).passed
    assert passed.attention == RaiseAttention(reason="the condition is to be answered today")


@pytest.mark.parametrize("reply", [asked(Service.C_REP_YES), asked(Service.C_REP_NO), got(Service.EXP)])
def test_a_reply_that_was_given_is_not_due(reply: Event) -> None:
    watched = requesting().meet(got(Service.ANS_CO), Days(reply_by=date(2026, 11, 30))).meet(reply)
    assert KIND.REPLY not in watched.kinds


# -- overdue

OVERDUE_AT: Final = datetime(2026, 12, 3, 23, tzinfo=UTC)


def test_an_item_is_called_overdue_after_the_days_of_grace() -> None:
    watched = lent()
    assert watched.kinds == {KIND.OVERDUE: OVERDUE_AT}
    (passed,) = watched.pass_to(OVERDUE_AT).passed
    assert passed.event == asked(Service.DUE)
    assert passed.outcome is not None
    assert passed.outcome.effects == (SendApdu(service=Service.DUE),)
    assert watched.state.state is State.OVERDUE
    assert watched.deadlines == ()


def test_an_overdue_item_may_be_a_matter_for_people() -> None:
    watched = lent(policy=Policy())
    (passed,) = watched.pass_to(OVERDUE_AT).passed
    assert passed.attention == RaiseAttention(reason="the item is overdue")
    assert watched.state.state is State.SHIPPED


@pytest.mark.parametrize(
    "event", [got(Service.RET), asked(Service.CHK), asked(Service.RCL), asked(Service.DUE), got(Service.LST)]
)
def test_an_item_that_came_back_or_is_asked_for_is_not_watched(event: Event) -> None:
    assert lent().meet(event).deadlines == ()


def test_a_renewal_has_a_date_of_its_own() -> None:
    watched = lent().meet(got(Service.REN))
    assert watched.kinds == {KIND.OVERDUE: OVERDUE_AT}
    watched.meet(asked(Service.REA_YES), Days(due=date(2026, 12, 8)))
    assert watched.kinds == {KIND.OVERDUE: OVERDUE_AT + timedelta(days=7)}


def test_an_unanswered_renew_is_called_to_mind_each_day() -> None:
    watched = lent().meet(got(Service.REN))
    reason = "the item is overdue, and a RENEW waits for an answer"
    for days in range(2):
        (passed,) = watched.pass_to(OVERDUE_AT + timedelta(days=days, hours=1)).passed
        assert passed.attention == RaiseAttention(reason=reason)
        assert watched.kinds == {KIND.OVERDUE: OVERDUE_AT + timedelta(days=days + 1)}
    watched.meet(asked(Service.REA_NO))
    watched.pass_to(OVERDUE_AT + timedelta(days=2))
    assert watched.state.state is State.OVERDUE


def test_a_copy_and_a_loan_without_a_date_are_not_watched() -> None:
    assert lent(due=None).deadlines == ()
    copy = Watched(half(State.IN_PROCESS)).meet(asked(Service.SHI), Days(due=date(2026, 12, 1)))
    assert copy.deadlines == ()
    assert lent().meet(asked(Service.SHI, repeat=True), Days(due=date(2027, 1, 1))).kinds == {
        KIND.OVERDUE: OVERDUE_AT
    }


# -- all of them


def test_a_deadline_that_means_nothing_is_dropped_without_a_word() -> None:
    every = tuple(Deadline(kind=kind, at=NOW) for kind in DeadlineKind)
    for role in Role:
        expired = expire(half(State.LOST, role=role), every, NOW, policy=POLICY, zone=BERLIN)
        assert (expired.passed, expired.deadlines) == ((), ())


def test_what_one_deadline_ends_does_not_happen_any_more() -> None:
    state = half(State.IN_PROCESS, "expiry_running", "loan")
    deadlines = (Deadline(kind=KIND.OVERDUE, at=NOW), Deadline(kind=KIND.EXPIRY, at=NOW))
    expired = expire(state, deadlines, NOW, policy=POLICY, zone=BERLIN)
    assert [passed.deadline.kind for passed in expired.passed] == [KIND.EXPIRY]
    assert expired.deadlines == ()
