"""The machine: one pure function from a half and an event to the half's new state and what follows.

It performs no I/O, reads no clock and raises for no half and no event. Which events a state allows stands in
tables.py; what is decided here is only what the tables cannot say: whether a row's predicates hold, what a
half remembers, and how an event without a row is answered (protocol.md 2.2, 2.3).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never

from iso_gateway.protocol.effects import (
    ClearTimer,
    Effect,
    Indicate,
    NoteInferred,
    RaiseAttention,
    SendApdu,
    SendReport,
    SetTimer,
)
from iso_gateway.protocol.errors import (
    AlreadyForwarded,
    StateTransitionProhibited,
    TransactionIdProblem,
    TransactionIdProblemCode,
)
from iso_gateway.protocol.events import (
    ApduReceived,
    Event,
    ExpiryReached,
    Facts,
    Service,
    ServiceRequested,
    key_of,
)
from iso_gateway.protocol.states import TERMINAL, Flags, HalfState, Role, State, TableProfile
from iso_gateway.protocol.tables import (
    CANCEL_AGAIN,
    EXPIRY_STATES,
    EXPIRY_STOPPED_BY,
    TABLES,
    Answer,
    Predicate,
    Provenance,
    Row,
)


class Verdict(StrEnum):
    """How an event was met."""

    #: a row allowed it
    APPLIED = "applied"
    #: a row allowed it, it is marked as a repeat, and the state is as it was
    REPEATED = "repeated"
    #: an APDU at the wrong moment: state-transition-prohibited goes back
    PROHIBITED = "prohibited"
    #: a primitive of the local side that is not possible now: nothing is sent
    REFUSED = "refused"
    #: an APDU, other than ILL-REQUEST, for a transaction that does not exist
    UNKNOWN_TRANSACTION = "unknown-transaction"
    #: a second ILL-REQUEST, not marked as a repeat, with the Transaction-Id of this half
    DUPLICATE_TRANSACTION_ID = "duplicate-transaction-id"
    #: an APDU for a request that was forwarded: already-forwarded goes back
    ALREADY_FORWARDED = "already-forwarded"
    #: the expiry timer fired while a CANCEL is unanswered: it waits for the reply
    POSTPONED = "postponed"
    #: nothing happens, nothing is answered: a report that no one waits for, a timer that means nothing now
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an event."""

    #: the half afterwards; the same value when the event was not allowed
    state: HalfState
    #: what to do, in this order
    effects: tuple[Effect, ...]
    verdict: Verdict
    #: the row that decided; None where no row allowed the event
    row: Row | None
    #: one sentence for people, without patron data
    reason: str


def advance(state: HalfState, event: Event, now: datetime) -> Outcome:
    """Let one event happen to one half.

    `now` is the moment of the event, aware; it is part of the stored input, so that a replay decides alike.
    A naive `now` is a mistake of the caller and raises ValueError; nothing else raises. What is not allowed
    leaves the half as it is.
    """
    if now.utcoffset() is None:
        raise ValueError(f"now {now!r} has no time zone, pass an aware datetime")
    if _is_second_request(state, event):
        return _duplicate(state)
    met = _met_by(state, event)
    row = _row_for(met, event)
    if row is None:
        return _not_allowed(state, event)
    outcome = _apply(met, event, row, now)
    return outcome if met is state else _cancel_outrun(state, event, outcome)


def observe(state: HalfState, event: Event, now: datetime) -> Outcome:
    """Let one event happen to a half of somebody else, whose messages pass through here (relay).

    For the sender of an APDU that passes the event is ServiceRequested, for its receiver ApduReceived;
    EXPIRED is ExpiryReached for its sender. Nothing is sent, reported or refused: the event has happened. The
    verdict and the reason are what `advance` would have said. Where it would have refused, a row whose
    conditions alone are not met is followed all the same, because whoever sent the APDU is in the new state
    now; without any row the half stays as it is. Of the effects only the notes for people are left.

    `now` as for `advance`; a naive one raises ValueError.
    """
    told = advance(state, event, now)
    followed = told
    if told.row is None:
        row = TABLES[state.role].get((state.state, key_of(event)))
        followed = replace(told, state=state) if row is None else _apply(state, event, row, now)
    return Outcome(
        state=followed.state,
        effects=tuple(
            effect for effect in followed.effects if isinstance(effect, NoteInferred | RaiseAttention)
        ),
        verdict=told.verdict,
        row=followed.row,
        reason=told.reason,
    )


def allowed(state: HalfState) -> tuple[Service, ...]:
    """The services that the local side may ask for now, repeats aside, in the order of `Service`."""
    return tuple(
        service for service in Service if _row_for(state, ServiceRequested(service=service)) is not None
    )


def holds(predicate: Predicate, state: HalfState, event: Event) -> bool:
    """Whether one condition of a row is met; each case says what the condition means (state-tables.json)."""
    flags = state.flags
    received = isinstance(event, ApduReceived)
    match predicate:
        case Predicate.REPEAT:
            # The event is marked as a repeat: date-time-of-original-service is there.
            return _is_repeat(event)
        case Predicate.LOAN:
            # shipped-service-type was loan.
            return flags.loan
        case Predicate.LENIENT:
            # The partner's profile asks for the lenient tables.
            return state.tables is TableProfile.LENIENT
        case Predicate.SHIPPED_NOT_EXCHANGED:
            # The responder said that it does not send SHIPPED, so the tracking phase begins without it.
            return not flags.can_send_shipped and not flags.shipped_seen
        case Predicate.CROSSING:
            # Inferred: an APDU that can only have crossed one of ours is evidence of that by itself. Our own
            # reply to it is possible while it is unanswered.
            return received or _answers_a_crossing(flags, event)
        case Predicate.LATE:
            # Inferred: an APDU out of order is evidence of that by itself. The local side is never late.
            return received
        case Predicate.FORWARDED:
            # The request went on to another responder; being in FORWARD says the same.
            return flags.forwarded or state.state is State.FORWARD
        case Predicate.MAY_FORWARD:
            # permission-to-forward was TRUE in the ILL-REQUEST.
            return flags.may_forward
        case Predicate.EXPIRY_RUNNING:
            # The timer was started by the ILL-REQUEST and not stopped since.
            return flags.expiry_running
        case Predicate.LOST_ON_THE_WAY_BACK:
            # The partner reports the loss, or that we both lost it; or we say that what was returned never
            # arrived: not once it was checked in.
            return received or (flags.returned_seen and not flags.checked_in_seen)
        case Predicate.RECEIVED_NOT_SENT:
            # Receipt was not reported. To report it that is enough; whoever leaves RECEIVED out must have
            # said so in the ILL-REQUEST.
            reports_it = key_of(event).service is Service.RCV
            return not flags.received_seen and (reports_it or not flags.can_send_received)
        case Predicate.RETURNED_NOT_SENT:
            # RETURNED is optional, and it can be lost.
            return not flags.returned_seen
        case _:
            assert_never(predicate)


def _is_repeat(event: Event) -> bool:
    return not isinstance(event, ExpiryReached) and event.repeat


def _answers_a_crossing(flags: Flags, event: Event) -> bool:
    match event:
        case ServiceRequested(service=Service.CAR_YES | Service.CAR_NO):
            return flags.cancel_crossed
        case ServiceRequested(service=Service.REA_YES | Service.REA_NO):
            return flags.renew_crossed
        case _:
            return False


def _is_second_request(state: HalfState, event: Event) -> bool:
    """An ILL-REQUEST with a known Transaction-Id that does not say it is a repeat (protocol.md 2.2)."""
    match event:
        case ApduReceived(service=Service.ILL, repeat=False):
            return state.state is not State.IDLE
        case _:
            return False


def _row_for(state: HalfState, event: Event) -> Row | None:
    """The row that allows the event now, or None."""
    row = TABLES[state.role].get((state.state, key_of(event)))
    if row is None:
        return None
    if row.when and not any(holds(predicate, state, event) for predicate in row.when):
        return None
    if row.also and not all(holds(predicate, state, event) for predicate in row.also):
        return None
    if _repeats_nothing(event, row):
        return None
    return row


def _repeats_nothing(event: Event, row: Row) -> bool:
    """A repeat never changes the state (protocol.md 2.2), so a primitive that would do so repeats nothing."""
    return isinstance(event, ServiceRequested) and event.repeat and row.next_state is not row.state


def _apply(state: HalfState, event: Event, row: Row, now: datetime) -> Outcome:
    known = _was_processed_before(state, event)
    if known:
        after = state
    else:
        after = replace(state, state=row.next_state, flags=_flags_after(state.flags, event, row))
    effects: list[Effect] = [*_messages(event, row), *_timer_effects(state, after, event, now)]
    if row.provenance is Provenance.INFERRED:
        effects.append(NoteInferred(row=row))
    if row.attention and not known and not _needs_no_leniency(state, event, row):
        effects.append(RaiseAttention(reason=f"{_happened(event)} in {state.state}: {row.attention}"))
    return Outcome(
        state=after,
        effects=tuple(effects),
        verdict=_verdict(state, after, event, row),
        row=row,
        reason=_reason(state, after, event),
    )


def _was_processed_before(state: HalfState, event: Event) -> bool:
    """A repeat whose original did its work already: it changes nothing at all (protocol.md 2.2).

    A repeat whose original never arrived is treated as the first (inferred). An IDLE half has seen nothing.
    """
    if isinstance(event, ExpiryReached):
        return False
    return event.repeat and event.facts.original_seen and state.state is not State.IDLE


def _met_by(state: HalfState, event: Event) -> HalfState:
    """The half that an event meets, which is another than it was where the event shows more than it says.

    Inferred: whoever answers without having been announced has the request by a forwarding. So a CANCEL that
    is not answered went to the old responder, as if FORWARD-NOTIFICATION had come first.
    """
    match event:
        case ApduReceived(facts=Facts(unannounced=True)) if state.state is State.CANCEL_PENDING:
            flags = replace(state.flags, forwarded=True, cancel_wished=True)
            return replace(state, state=State.PENDING, flags=flags)
        case _:
            return state


def _cancel_outrun(before: HalfState, event: Event, outcome: Outcome) -> Outcome:
    """What came of an answer that shows that a CANCEL went to the old responder."""
    effects = outcome.effects
    if outcome.state.flags.cancel_wished:
        effects = (*effects, RaiseAttention(reason=f"{_happened(event)} in {before.state}: {CANCEL_AGAIN}"))
    return replace(outcome, effects=effects, reason=_reason(before, outcome.state, event))


def _needs_no_leniency(state: HalfState, event: Event, row: Row) -> bool:
    """Whether a row that names leniency among its conditions applies without it."""
    return Predicate.LENIENT in row.when and any(
        holds(predicate, state, event) for predicate in row.when if predicate is not Predicate.LENIENT
    )


def _messages(event: Event, row: Row) -> tuple[Effect, ...]:
    """What is sent and what is indicated."""
    match event:
        case ApduReceived(service=service, repeat=repeat):
            indication = Indicate(service=service, repeat=repeat)
            match row.answer:
                case Answer.NONE:
                    return (indication,)
                case Answer.STATUS:
                    return (indication, SendApdu(service=Service.STR))
                case Answer.ALREADY_FORWARDED:
                    return (indication, SendReport(report=AlreadyForwarded()))
                case _:
                    assert_never(row.answer)
        case ServiceRequested(service=Service.FWN, repeat=repeat):
            return (
                SendApdu(service=Service.ILL, repeat=repeat, onward=True),
                SendApdu(service=Service.FWN, repeat=repeat),
            )
        case ServiceRequested(service=service, repeat=repeat):
            return (SendApdu(service=service, repeat=repeat),)
        case ExpiryReached():
            return (SendApdu(service=Service.EXP), Indicate(service=Service.EXP))
        case _:
            assert_never(event)


def _timer_effects(before: HalfState, after: HalfState, event: Event, now: datetime) -> tuple[Effect, ...]:
    if before.flags.expiry_due and after.flags.expiry_running and not after.flags.expiry_due:
        # It came due while the CANCEL was unanswered, and the answer leaves the request open.
        return (SetTimer(at=now),)
    match event:
        case ApduReceived(facts=Facts(expires_at=expires_at)) if (
            expires_at is not None and after.flags.expiry_running and not before.flags.expiry_running
        ):
            return (SetTimer(at=expires_at),)
        case ApduReceived() | ServiceRequested() if (
            before.flags.expiry_running and not after.flags.expiry_running
        ):
            return (ClearTimer(),)
        case _:
            # Why: a timer that has just fired needs no stopping.
            return ()


def _flags_after(flags: Flags, event: Event, row: Row) -> Flags:
    """What the half remembers once a row has allowed the event."""
    match event:
        case ApduReceived(facts=facts) | ServiceRequested(facts=facts):
            after = _with_facts(flags, facts)
            if row.state is State.IDLE:
                # Why only here: a repeated request must not start a timer again that our answer has stopped.
                after = replace(after, expiry_running=facts.expires_at is not None)
        case ExpiryReached():
            after = flags
        case _:
            assert_never(event)
    crossed = Predicate.CROSSING in row.when and row.next_state is row.state
    after = _with_service(after, row, crossed=crossed)
    if after.expiry_running and (
        row.next_state not in EXPIRY_STATES or row.event.service in EXPIRY_STOPPED_BY
    ):
        after = replace(after, expiry_running=False)
    if after.expiry_due and row.next_state is not State.CANCEL_PENDING:
        after = replace(after, expiry_due=False)
    if after.cancel_wished and row.next_state not in _CANCEL_STILL_WISHED:
        after = replace(after, cancel_wished=False)
    return after


#: Where a CANCEL that a forwarding outran is still worth sending again.
_CANCEL_STILL_WISHED: Final = frozenset({State.PENDING, State.CONDITIONAL})


#: What most APDUs say: nothing that a flag is for.
_SILENT: Final = Facts()


def _with_facts(flags: Flags, facts: Facts) -> Flags:
    """The flags, as far as the APDU speaks of them."""
    if facts == _SILENT:
        return flags
    return replace(
        flags,
        loan=flags.loan if facts.loan is None else facts.loan,
        may_forward=flags.may_forward if facts.may_forward is None else facts.may_forward,
        can_send_shipped=(
            flags.can_send_shipped if facts.can_send_shipped is None else facts.can_send_shipped
        ),
        can_send_received=(
            flags.can_send_received if facts.can_send_received is None else facts.can_send_received
        ),
        can_send_returned=(
            flags.can_send_returned if facts.can_send_returned is None else facts.can_send_returned
        ),
    )


def _with_service(flags: Flags, row: Row, *, crossed: bool) -> Flags:
    """What the service itself tells, whatever its contents.

    `crossed`: the row is one for crossing messages and stays where it is, so a CANCEL or RENEW came too late
    to be acted upon; our side may still reply to it.
    """
    match row.event.service:
        case Service.SHI:
            return replace(flags, shipped_seen=True)
        case Service.RCV:
            return replace(flags, received_seen=True)
        case Service.RET:
            # Inferred: what comes back, is renewed, recalled, overdue or checked in was lent.
            return replace(flags, returned_seen=True, loan=True)
        case Service.REN if crossed:
            return replace(flags, renew_crossed=True, loan=True)
        case Service.CHK:
            return replace(flags, checked_in_seen=True, loan=True)
        case Service.REN | Service.RCL | Service.DUE:
            return replace(flags, loan=True)
        case Service.CAN if crossed:
            return replace(flags, cancel_crossed=True)
        case Service.CAR_YES | Service.CAR_NO:
            return replace(flags, cancel_crossed=False)
        case Service.REA_YES | Service.REA_NO:
            return replace(flags, renew_crossed=False)
        case Service.FWN:
            outran = row.state is State.CANCEL_PENDING
            return replace(flags, forwarded=True, cancel_wished=flags.cancel_wished or outran)
        case _:
            return flags


def _verdict(before: HalfState, after: HalfState, event: Event, row: Row) -> Verdict:
    if row.answer is Answer.ALREADY_FORWARDED:
        return Verdict.ALREADY_FORWARDED
    if _is_repeat(event) and after.state is before.state:
        return Verdict.REPEATED
    return Verdict.APPLIED


def _duplicate(state: HalfState) -> Outcome:
    problem = TransactionIdProblem(code=TransactionIdProblemCode.DUPLICATE_TRANSACTION_ID)
    return Outcome(
        state=state,
        effects=(SendReport(report=problem),),
        verdict=Verdict.DUPLICATE_TRANSACTION_ID,
        row=None,
        reason=f"a second ILL-REQUEST with this Transaction-Id, not marked as a repeat, in {state.state}",
    )


def _not_allowed(state: HalfState, event: Event) -> Outcome:
    """An event without a row (protocol.md 2.3)."""
    match event:
        case ApduReceived(service=Service.STR):
            # Why: a report about a report would go back and forth for ever.
            return _ignored(state, "a STATUS-OR-ERROR-REPORT that belongs to nothing is not answered")
        case ApduReceived(service=service):
            return _prohibited(state, service)
        case ServiceRequested(service=service, repeat=repeat):
            what = f"a repeat of {service.phrase}" if repeat else service.phrase
            reason = f"{what} is not possible in {state.state}"
            return Outcome(state=state, effects=(), verdict=Verdict.REFUSED, row=None, reason=reason)
        case ExpiryReached() if state.state is State.CANCEL_PENDING and state.flags.expiry_running:
            return _postponed(state)
        case ExpiryReached():
            return _ignored(state, f"the expiry timer means nothing in {state.state}")
        case _:
            assert_never(event)


def _ignored(state: HalfState, reason: str) -> Outcome:
    return Outcome(state=state, effects=(), verdict=Verdict.IGNORED, row=None, reason=reason)


def _postponed(state: HalfState) -> Outcome:
    """Keep the expiry in mind: a CANCEL-REPLY answer FALSE sets the timer to fire at once (inferred)."""
    return Outcome(
        state=replace(state, flags=replace(state.flags, expiry_due=True)),
        effects=(),
        verdict=Verdict.POSTPONED,
        row=None,
        reason=f"the request expired in {state.state}: it waits for the answer to the CANCEL",
    )


#: Where a requester counts on no item any more. RETURNED is not among them: there a SHIPPED is late.
CLOSED: Final = TERMINAL[Role.REQUESTER] - {State.RETURNED}
#: Where a SHIPPED, though it is refused, means an item that the requester does not count on, and why not.
_UNEXPECTED_ITEM: Final = dict.fromkeys(CLOSED, "the request is closed") | {
    State.CONDITIONAL: "its conditions are not accepted yet"
}


def _prohibited(state: HalfState, service: Service) -> Outcome:
    if state.state is State.IDLE:
        problem = TransactionIdProblem(code=TransactionIdProblemCode.UNKNOWN_TRANSACTION_ID)
        return Outcome(
            state=state,
            effects=(SendReport(report=problem),),
            verdict=Verdict.UNKNOWN_TRANSACTION,
            row=None,
            reason=f"{service.phrase} for a transaction that is not known here",
        )
    prohibited = StateTransitionProhibited(apdu_type=service.apdu_type, current_state=state.state.wire)
    effects: tuple[Effect, ...] = (SendReport(report=prohibited),)
    unexpected = _UNEXPECTED_ITEM.get(state.state)
    if service is Service.SHI and state.role is Role.REQUESTER and unexpected is not None:
        # The issue is the item, whatever the tables say of the message.
        reason = f"SHIPPED received in {state.state}: {unexpected}, and an item is on its way"
        effects = (*effects, RaiseAttention(reason=reason))
    return Outcome(
        state=state,
        effects=effects,
        verdict=Verdict.PROHIBITED,
        row=None,
        reason=f"{service.phrase} is not allowed in {state.state}",
    )


def _happened(event: Event) -> str:
    match event:
        case ApduReceived(service=service):
            return f"{service.phrase} received"
        case ServiceRequested(service=service):
            return f"{service.phrase} requested"
        case ExpiryReached():
            return "expiry reached"
        case _:
            assert_never(event)


def _reason(before: HalfState, after: HalfState, event: Event) -> str:
    marked = " as a repeat" if _is_repeat(event) else ""
    moved = f"{before.state} to {after.state}" if after.state is not before.state else f"stays {after.state}"
    return f"{_happened(event)}{marked}: {moved}"
