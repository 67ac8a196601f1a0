"""What is to happen when nothing happens: deadlines as values, stored with a half and driven by one clock.

After each outcome `after` gives the deadlines that count from now on; the services store them with the half.
`next_deadline` is what the clock wakes up for, and `expire` what comes of those that have passed. Nothing
here reads a clock. The protocol itself has one timer, the responder's expiry (protocol.md 2.6); the others
watch for people (5.5) and never change a state, but that OVERDUE may be sent by policy.

Days are days of the local symbol's zone, which is passed in: a day ends where the next one begins, also when
a clock is set at midnight.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final, assert_never

from iso_gateway.protocol.effects import ClearTimer, RaiseAttention, SetTimer
from iso_gateway.protocol.events import ApduReceived, Event, ExpiryReached, Facts, Service, ServiceRequested
from iso_gateway.protocol.machine import Outcome, advance
from iso_gateway.protocol.states import HalfState, Role, State
from iso_gateway.protocol.tables import ALWAYS


class DeadlineKind(StrEnum):
    """What a deadline is for; a half has at most one of each."""

    #: responder: the request expires
    EXPIRY = "expiry"
    #: requester: the partner has not answered
    NO_ANSWER = "no-answer"
    #: requester: the reply to a condition is due
    REPLY = "reply"
    #: responder: the item is overdue
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A moment at which something is to happen, if it still means something then.

    A naive `at` raises ValueError.
    """

    kind: DeadlineKind
    at: datetime

    def __post_init__(self) -> None:
        if self.at.utcoffset() is None:
            raise ValueError(f"deadline {self.at!r} has no time zone, pass an aware datetime")


class WhenOverdue(StrEnum):
    """What to do about an item that is not back in time."""

    NOTHING = "nothing"
    ATTENTION = "attention"
    #: send OVERDUE
    SEND = "send"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the local side wants to be watched, for one partner; negative days raise ValueError."""

    #: whole days that the partner has for an answer, the day of sending not counted; None: no watch
    no_answer_days: int | None = None
    when_overdue: WhenOverdue = WhenOverdue.ATTENTION
    #: whole days after the date due
    grace_days: int = 0

    def __post_init__(self) -> None:
        for name, days in (("no_answer_days", self.no_answer_days), ("grace_days", self.grace_days)):
            if days is not None and days < 0:
                raise ValueError(f"{name} is {days}, give 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The days that an APDU names; None where it names none."""

    #: ILL-ANSWER conditional: date-for-reply
    reply_by: date | None = None
    #: SHIPPED, RENEW-ANSWER: date-due
    due: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What came of one deadline."""

    deadline: Deadline
    #: what happened to the half by it, to be recorded as any other input; None where a person is only told
    event: Event | None = None
    outcome: Outcome | None = None
    attention: RaiseAttention | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What came of the deadlines that have passed, in their order."""

    state: HalfState
    deadlines: tuple[Deadline, ...]
    passed: tuple[Passed, ...]


#: What a requester sends and wants an answer to.
ASKS: Final = frozenset({Service.ILL, Service.C_REP_YES, Service.CAN, Service.REN})
#: Where a requester waits for that answer.
WAITS: Final = frozenset({State.PENDING, State.CANCEL_PENDING, State.RENEW_PENDING, State.RENEW_OVERDUE})
#: Where an item can become overdue.
_LENT: Final = frozenset({State.SHIPPED, State.RENEW_PENDING})
#: What a responder says a date due by.
_NAMES_DUE: Final = frozenset({Service.SHI, Service.REA_YES})

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


def start_of(day: date, zone: tzinfo) -> datetime:
    """The first moment of a day in a zone, in UTC; days at the ends of the calendar are cut there."""
    try:
        return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
    except OverflowError:
        return _EARLIEST if day.year == date.min.year else _LATEST


def end_of(day: date, zone: tzinfo, *, days: int = 0) -> datetime:
    """The moment at which a day is over in a zone, or so many days later, in UTC.

    Dates come from partners: one beyond the calendar is the calendar's end.
    """
    try:
        following = day + timedelta(days=days + 1)
    except OverflowError:
        return _LATEST
    return start_of(following, zone)


def next_deadline(deadlines: Iterable[Deadline]) -> Deadline | None:
    """The first deadline that passes, or None without any.

    Of several at one moment it is the one that `expire` begins with.
    """
    return min(deadlines, key=_order, default=None)


def after(
    deadlines: Iterable[Deadline],
    event: Event,
    outcome: Outcome,
    now: datetime,
    *,
    days: Days,
    policy: Policy,
    zone: tzinfo,
) -> tuple[Deadline, ...]:
    """The deadlines that count once an event has happened.

    Args:
        deadlines: those that counted before.
        event: what happened.
        outcome: what `advance` (not `observe`) made of it.
        now: the moment of the event, aware.
        days: what the APDU, received or sent, says of days.
        policy: what is to be watched.
        zone: the local symbol's.
    """
    kept = {deadline.kind: deadline for deadline in deadlines}
    for effect in outcome.effects:
        match effect:
            case SetTimer(at=at):
                kept[DeadlineKind.EXPIRY] = Deadline(kind=DeadlineKind.EXPIRY, at=at)
            case ClearTimer():
                kept.pop(DeadlineKind.EXPIRY, None)
            case _:
                continue
    if outcome.row is not None and outcome.state.role is Role.REQUESTER:
        _watch_as_requester(kept, event, now, days, policy, zone)
    elif outcome.row is not None:
        _watch_as_responder(kept, event, days, policy, zone)
    return _meant(outcome.state, kept)


def expire(
    state: HalfState,
    deadlines: Iterable[Deadline],
    now: datetime,
    *,
    policy: Policy,
    zone: tzinfo,
) -> Expired:
    """Let the deadlines that have passed by `now` (aware) happen, the earliest first.

    One that means nothing any more is dropped without a word. An item whose RENEW is unanswered is not called
    overdue: a person is told, and its deadline is moved to the end of the day. A naive `now` raises
    ValueError.
    """
    if now.utcoffset() is None:
        raise ValueError(f"now {now!r} has no time zone, pass an aware datetime")
    waiting = {deadline.kind: deadline for deadline in deadlines}
    passed: list[Passed] = []
    for deadline in sorted(waiting.values(), key=_order):
        if deadline.at > now or deadline.kind not in waiting or not _means(deadline.kind, state):
            continue
        del waiting[deadline.kind]
        if deadline.kind is DeadlineKind.OVERDUE and state.state is State.RENEW_PENDING:
            today = now.astimezone(zone).date()
            waiting[deadline.kind] = Deadline(kind=deadline.kind, at=end_of(today, zone))
        happened = _pass(state, deadline, now, policy)
        if happened.event is not None and happened.outcome is not None:
            state = happened.outcome.state
            remaining = after(
                waiting.values(), happened.event, happened.outcome, now, days=Days(), policy=policy, zone=zone
            )
            waiting = {one.kind: one for one in remaining}
        passed.append(happened)
    return Expired(state=state, deadlines=_meant(state, waiting), passed=tuple(passed))


def _order(deadline: Deadline) -> tuple[datetime, int]:
    return deadline.at, tuple(DeadlineKind).index(deadline.kind)


def _watch_as_requester(
    kept: dict[DeadlineKind, Deadline], event: Event, now: datetime, days: Days, policy: Policy, zone: tzinfo
) -> None:
    match event:
        case ServiceRequested(service=service) if service in ASKS:
            _watch_for_an_answer(kept, now, policy, zone)
        case ApduReceived(facts=Facts(original_seen=True)):
            # It was answered, or not, before this repeat of an older message came.
            return
        case ApduReceived(service=Service.FWN):
            # Another responder has to answer now, and gets as long for it.
            if DeadlineKind.NO_ANSWER in kept:
                _watch_for_an_answer(kept, now, policy, zone)
        case ApduReceived(service=service) if service not in ALWAYS:
            kept.pop(DeadlineKind.NO_ANSWER, None)
            if service is Service.ANS_CO and days.reply_by is not None:
                at = start_of(days.reply_by, zone)
                kept[DeadlineKind.REPLY] = Deadline(kind=DeadlineKind.REPLY, at=at)
        case _:
            return


def _watch_for_an_answer(
    kept: dict[DeadlineKind, Deadline], now: datetime, policy: Policy, zone: tzinfo
) -> None:
    if policy.no_answer_days is not None:
        at = end_of(now.astimezone(zone).date(), zone, days=policy.no_answer_days)
        kept[DeadlineKind.NO_ANSWER] = Deadline(kind=DeadlineKind.NO_ANSWER, at=at)


def _watch_as_responder(
    kept: dict[DeadlineKind, Deadline], event: Event, days: Days, policy: Policy, zone: tzinfo
) -> None:
    match event:
        case ServiceRequested(service=service, repeat=False) if service in _NAMES_DUE:
            if days.due is not None and policy.when_overdue is not WhenOverdue.NOTHING:
                at = end_of(days.due, zone, days=policy.grace_days)
                kept[DeadlineKind.OVERDUE] = Deadline(kind=DeadlineKind.OVERDUE, at=at)
        case _:
            return


def _meant(state: HalfState, deadlines: Mapping[DeadlineKind, Deadline]) -> tuple[Deadline, ...]:
    return tuple(sorted((one for one in deadlines.values() if _means(one.kind, state)), key=_order))


def _means(kind: DeadlineKind, state: HalfState) -> bool:
    """Whether a deadline of the kind still means something to the half."""
    match kind:
        case DeadlineKind.EXPIRY:
            return state.flags.expiry_running
        case DeadlineKind.NO_ANSWER:
            return state.role is Role.REQUESTER and state.state in WAITS
        case DeadlineKind.REPLY:
            return state.role is Role.REQUESTER and state.state is State.CONDITIONAL
        case DeadlineKind.OVERDUE:
            lent = state.role is Role.RESPONDER and state.state in _LENT and state.flags.loan
            return lent and not state.flags.returned_seen
        case _:
            assert_never(kind)


def _pass(state: HalfState, deadline: Deadline, now: datetime, policy: Policy) -> Passed:
    match deadline.kind:
        case DeadlineKind.EXPIRY:
            return _happening(state, deadline, ExpiryReached(), now)
        case DeadlineKind.NO_ANSWER:
            return _telling(deadline, f"no answer from the partner in {state.state}")
        case DeadlineKind.REPLY:
            return _telling(deadline, "the condition is to be answered today")
        case DeadlineKind.OVERDUE if state.state is State.RENEW_PENDING:
            return _telling(deadline, "the item is overdue, and a RENEW waits for an answer")
        case DeadlineKind.OVERDUE if policy.when_overdue is WhenOverdue.SEND:
            return _happening(state, deadline, ServiceRequested(service=Service.DUE), now)
        case DeadlineKind.OVERDUE:
            return _telling(deadline, "the item is overdue")
        case _:
            assert_never(deadline.kind)


def _happening(state: HalfState, deadline: Deadline, event: Event, now: datetime) -> Passed:
    return Passed(deadline=deadline, event=event, outcome=advance(state, event, now))


def _telling(deadline: Deadline, reason: str) -> Passed:
    return Passed(deadline=deadline, attention=RaiseAttention(reason=reason))
