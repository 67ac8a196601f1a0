"""What the machine remembers and decides beyond the tables: conversations, crossings, repeats, the timer."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from iso_gateway.protocol.effects import (
    ClearTimer,
    Indicate,
    NoteInferred,
    RaiseAttention,
    SendApdu,
    SendReport,
    SetTimer,
)
from iso_gateway.protocol.errors import StateTransitionProhibited
from iso_gateway.protocol.events import (
    ApduReceived,
    ApduType,
    ExpiryReached,
    Facts,
    Service,
    ServiceRequested,
)
from iso_gateway.protocol.machine import Verdict, advance, allowed, holds
from iso_gateway.protocol.states import CurrentState, Role, State, TableProfile
from iso_gateway.protocol.tables import Predicate
from tests.unit.protocol.halves import NOW, after, half

EXPIRES = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
LOAN = Facts(loan=True)


def got(service: Service, facts: Facts | None = None, *, repeat: bool = False) -> ApduReceived:
    return ApduReceived(service=service, repeat=repeat, facts=facts or Facts())


def asked(service: Service, facts: Facts | None = None, *, repeat: bool = False) -> ServiceRequested:
    return ServiceRequested(service=service, repeat=repeat, facts=facts or Facts())


def test_a_loan_from_request_to_check_in() -> None:
    start = half()
    conversation = (
        (got(Service.ILL), State.IN_PROCESS),
        (asked(Service.ANS_CO), State.CONDITIONAL),
        (got(Service.C_REP_YES), State.IN_PROCESS),
        (asked(Service.SHI, LOAN), State.SHIPPED),
        (got(Service.RCV, LOAN), State.SHIPPED),
        (got(Service.REN), State.RENEW_PENDING),
        (asked(Service.REA_YES), State.SHIPPED),
        (asked(Service.DUE), State.OVERDUE),
        (got(Service.RET), State.OVERDUE),
        (asked(Service.CHK), State.CHECKED_IN),
    )
    for event, state in conversation:
        outcome = advance(start, event, NOW)
        assert (outcome.verdict, outcome.state.state) == (Verdict.APPLIED, state)
        start = outcome.state
    assert start.ended
    assert set(start.flags.to_names()) >= {"loan", "shipped_seen", "received_seen", "returned_seen"}


def test_a_copy_has_no_tracking_phase() -> None:
    shipped = after(half(State.IN_PROCESS), asked(Service.SHI, Facts(loan=False))).state
    assert shipped.ended
    assert allowed(shipped) == (Service.LST, Service.DAM, Service.MSG, Service.STQ, Service.STR)
    assert after(shipped, got(Service.REN)).verdict is Verdict.PROHIBITED


def test_the_moment_must_be_aware() -> None:
    with pytest.raises(ValueError, match=r"now .* has no time zone, pass an aware datetime"):
        advance(half(), got(Service.ILL), NOW.replace(tzinfo=None))


def test_a_prohibited_apdu_is_reported_with_its_type_and_our_state() -> None:
    outcome = after(half(State.CANCELLED), got(Service.RCV))
    report = StateTransitionProhibited(apdu_type=ApduType.RECEIVED, current_state=CurrentState.CANCELLED)
    assert outcome.effects == (SendReport(report=report),)
    assert outcome.reason == "RECEIVED is not allowed in CANCELLED"


def test_an_apdu_that_only_responders_send_is_prohibited_for_a_responder() -> None:
    assert after(half(State.IN_PROCESS), got(Service.SHI)).verdict is Verdict.PROHIBITED


def test_a_refused_primitive_says_what_and_where() -> None:
    outcome = after(half(State.CANCELLED), asked(Service.SHI))
    assert (outcome.verdict, outcome.effects) == (Verdict.REFUSED, ())
    assert outcome.reason == "SHIPPED is not possible in CANCELLED"


def test_a_primitive_that_was_never_sent_cannot_be_repeated() -> None:
    outcome = after(half(State.IN_PROCESS), asked(Service.SHI, repeat=True))
    assert outcome.verdict is Verdict.REFUSED
    assert outcome.reason == "a repeat of SHIPPED is not possible in IN-PROCESS"


def test_our_repeat_is_sent_as_a_repeat() -> None:
    outcome = after(half(State.SHIPPED, "loan", "shipped_seen"), asked(Service.SHI, repeat=True))
    assert outcome.verdict is Verdict.REPEATED
    assert outcome.effects[0] == SendApdu(service=Service.SHI, repeat=True)


def test_a_repeat_whose_original_was_lost_is_the_first_one() -> None:
    outcome = after(half(State.CONDITIONAL), got(Service.C_REP_YES, repeat=True))
    assert (outcome.verdict, outcome.state.state) == (Verdict.APPLIED, State.IN_PROCESS)


def test_a_repeat_whose_original_was_processed_changes_nothing() -> None:
    # Why: a second condition must not be taken as accepted by a repeat of the answer to the first.
    start = half(State.CONDITIONAL)
    outcome = after(start, got(Service.C_REP_YES, Facts(original_seen=True, loan=True), repeat=True))
    assert outcome.verdict is Verdict.REPEATED
    assert outcome.state is start
    assert outcome.effects == (Indicate(service=Service.C_REP_YES, repeat=True),)
    assert outcome.reason == "CONDITIONAL-REPLY answer TRUE received as a repeat: stays CONDITIONAL"


def test_an_idle_half_has_processed_no_original() -> None:
    outcome = after(half(), got(Service.ILL, Facts(original_seen=True), repeat=True))
    assert (outcome.verdict, outcome.state.state) == (Verdict.APPLIED, State.IN_PROCESS)


@pytest.mark.parametrize(
    ("state", "reply"), [(State.SHIPPED, Service.CAR_NO), (State.NOT_SUPPLIED, Service.CAR_YES)]
)
def test_a_cancel_that_crossed_can_be_answered_once(state: State, reply: Service) -> None:
    start = half(state, "loan")
    assert after(start, asked(reply)).verdict is Verdict.REFUSED
    crossed = after(start, got(Service.CAN))
    assert crossed.effects[0] == Indicate(service=Service.CAN)
    assert crossed.state.flags.cancel_crossed
    answered = after(crossed.state, asked(reply))
    assert (answered.verdict, answered.state.state) == (Verdict.APPLIED, state)
    assert after(answered.state, asked(reply)).verdict is Verdict.REFUSED


@pytest.mark.parametrize("state", [State.IN_PROCESS, State.CONDITIONAL, State.CANCEL_PENDING])
def test_a_cancel_that_is_acted_upon_has_not_crossed(state: State) -> None:
    outcome = after(half(state), got(Service.CAN, repeat=True))
    assert outcome.state.state is State.CANCEL_PENDING
    assert not outcome.state.flags.cancel_crossed


def test_a_renew_that_crossed_a_recall_can_be_answered_once() -> None:
    start = half(State.RECALL, "loan")
    assert after(start, asked(Service.REA_NO)).verdict is Verdict.REFUSED
    crossed = after(start, got(Service.REN)).state
    assert crossed.flags.renew_crossed
    answered = after(crossed, asked(Service.REA_NO))
    assert (answered.verdict, answered.state.state) == (Verdict.APPLIED, State.RECALL)
    assert not answered.state.flags.renew_crossed


def test_a_renew_that_is_acted_upon_has_not_crossed() -> None:
    assert not after(half(State.SHIPPED, "loan"), got(Service.REN)).state.flags.renew_crossed


def test_an_unreported_shipping_passes_leniently_with_attention() -> None:
    start = half(State.IN_PROCESS, tables=TableProfile.LENIENT)
    outcome = after(start, got(Service.RCV, LOAN))
    assert outcome.state.state is State.SHIPPED
    assert (
        RaiseAttention(reason="RECEIVED received in IN-PROCESS: shipping was not reported") in outcome.effects
    )
    assert Service.CHK in allowed(outcome.state)
    requested = after(start, asked(Service.DUE))
    assert (
        RaiseAttention(reason="OVERDUE requested in IN-PROCESS: shipping was not reported")
        in requested.effects
    )


def test_a_responder_that_cannot_send_shipped_needs_no_leniency_and_no_attention() -> None:
    start = after(half(), got(Service.ILL, Facts(can_send_shipped=False))).state
    outcome = after(start, got(Service.RCV, LOAN))
    assert outcome.state.state is State.SHIPPED
    assert not any(isinstance(effect, RaiseAttention) for effect in outcome.effects)


def test_strict_tables_refuse_an_unreported_shipping() -> None:
    assert after(half(State.IN_PROCESS), got(Service.RCV, LOAN)).verdict is Verdict.PROHIBITED


@pytest.mark.parametrize("service", [Service.RET, Service.REN])
def test_what_comes_back_or_is_renewed_was_lent(service: Service) -> None:
    outcome = after(half(State.IN_PROCESS, tables=TableProfile.LENIENT), got(service))
    assert outcome.state.flags.loan


def test_an_inferred_row_is_noted() -> None:
    outcome = after(half(State.CONDITIONAL), got(Service.CAN))
    assert outcome.row is not None
    assert outcome.row.name == "responder/CONDITIONAL/CAN"
    assert outcome.effects[-1] == NoteInferred(row=outcome.row)


def test_what_the_request_says_is_remembered() -> None:
    facts = Facts(may_forward=True, can_send_received=False, can_send_returned=False)
    flags = after(half(), got(Service.ILL, facts)).state.flags
    assert flags.to_names() == ("can_send_shipped", "may_forward")


def test_forwarding_sends_the_request_on_and_tells_the_requester() -> None:
    outcome = after(half(State.IN_PROCESS, "may_forward"), asked(Service.FWN))
    assert outcome.effects == (
        SendApdu(service=Service.ILL, onward=True),
        SendApdu(service=Service.FWN),
    )
    assert outcome.state.state is State.FORWARD
    assert outcome.state.flags.forwarded
    later = after(outcome.state, got(Service.CAN))
    assert later.verdict is Verdict.ALREADY_FORWARDED
    assert not later.state.flags.cancel_crossed


def test_the_expiry_timer_runs_from_the_request_until_it_fires() -> None:
    requested = after(half(), got(Service.ILL, Facts(expires_at=EXPIRES)))
    assert requested.effects == (Indicate(service=Service.ILL), SetTimer(at=EXPIRES))
    expired = after(requested.state, ExpiryReached())
    assert expired.state.state is State.NOT_SUPPLIED
    assert not expired.state.flags.expiry_running
    assert expired.effects == (SendApdu(service=Service.EXP), Indicate(service=Service.EXP))
    assert expired.reason == "expiry reached: IN-PROCESS to NOT-SUPPLIED"


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State.IN_PROCESS, asked(Service.SHI)),
        (State.IN_PROCESS, asked(Service.ANS_UN)),
        (State.IN_PROCESS, asked(Service.ANS_WS)),
        (State.IN_PROCESS, asked(Service.ANS_HP)),
        (State.CONDITIONAL, got(Service.C_REP_NO)),
        (State.CANCEL_PENDING, asked(Service.CAR_YES)),
    ],
)
def test_the_timer_is_stopped_by_an_answer(state: State, event: ApduReceived | ServiceRequested) -> None:
    outcome = after(half(state, "expiry_running"), event)
    assert outcome.effects[-1] == ClearTimer()
    assert not outcome.state.flags.expiry_running


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State.IN_PROCESS, asked(Service.ANS_CO)),
        (State.IN_PROCESS, got(Service.CAN)),
        (State.CONDITIONAL, got(Service.C_REP_YES)),
        (State.CANCEL_PENDING, asked(Service.CAR_NO)),
        (State.IN_PROCESS, asked(Service.MSG)),
    ],
)
def test_the_timer_goes_on_while_the_request_is_open(
    state: State, event: ApduReceived | ServiceRequested
) -> None:
    outcome = after(half(state, "expiry_running"), event)
    assert outcome.verdict is Verdict.APPLIED
    assert outcome.state.flags.expiry_running
    assert ClearTimer() not in outcome.effects


def test_a_repeated_request_does_not_start_a_stopped_timer_again() -> None:
    expires = Facts(expires_at=EXPIRES)
    outcome = after(
        half(), got(Service.ILL, expires), asked(Service.ANS_WS), got(Service.ILL, expires, repeat=True)
    )
    assert outcome.verdict is Verdict.REPEATED
    assert not outcome.state.flags.expiry_running
    assert SetTimer(at=EXPIRES) not in outcome.effects


@pytest.mark.parametrize("state", [State.IDLE, State.IN_PROCESS, State.CANCEL_PENDING, State.SHIPPED])
def test_a_timer_that_does_not_run_is_ignored(state: State) -> None:
    start = half(state)
    outcome = after(start, ExpiryReached())
    assert (outcome.verdict, outcome.effects, outcome.state) == (Verdict.IGNORED, (), start)


def test_the_expiry_waits_for_the_answer_to_a_cancel() -> None:
    start = half(State.CANCEL_PENDING, "expiry_running")
    waiting = after(start, ExpiryReached())
    assert (waiting.verdict, waiting.effects, waiting.row) == (Verdict.POSTPONED, (), None)
    assert waiting.state == half(State.CANCEL_PENDING, "expiry_running", "expiry_due")
    assert after(waiting.state, ExpiryReached()).state == waiting.state
    refused = after(waiting.state, asked(Service.CAR_NO))
    assert refused.state == half(State.IN_PROCESS, "expiry_running")
    assert refused.effects == (SendApdu(service=Service.CAR_NO), SetTimer(at=NOW))
    accepted = after(waiting.state, asked(Service.CAR_YES))
    assert accepted.state == half(State.CANCELLED)
    assert accepted.effects == (SendApdu(service=Service.CAR_YES), ClearTimer())


@pytest.mark.parametrize("state", [State.NOT_SUPPLIED, State.CANCELLED, State.LOST])
def test_an_item_on_its_way_for_a_closed_request_is_refused_and_shown(state: State) -> None:
    outcome = after(half(state, role=Role.REQUESTER), got(Service.SHI))
    report = StateTransitionProhibited(apdu_type=ApduType.SHIPPED, current_state=state.wire)
    reason = f"SHIPPED received in {state}: the request is closed, and an item is on its way"
    assert outcome.effects == (SendReport(report=report), RaiseAttention(reason=reason))
    assert outcome.verdict is Verdict.PROHIBITED


def test_a_forwarding_that_outran_a_cancel_keeps_the_wish_to_cancel() -> None:
    pending = after(half(role=Role.REQUESTER), asked(Service.ILL), asked(Service.CAN))
    forwarded = after(pending.state, got(Service.FWN))
    assert forwarded.state.state is State.PENDING
    assert {"forwarded", "cancel_wished"} < set(forwarded.state.flags.to_names())
    assert forwarded.effects[-1] == RaiseAttention(
        reason="FORWARD-NOTIFICATION received in CANCEL-PENDING: the CANCEL went to a responder that"
        " forwarded the request, cancel again at the new one"
    )
    assert after(forwarded.state, got(Service.ANS_CO)).state.flags.cancel_wished
    assert not after(forwarded.state, asked(Service.CAN)).state.flags.cancel_wished
    assert not after(forwarded.state, got(Service.SHI)).state.flags.cancel_wished


def test_a_forwarding_that_outran_no_cancel_leaves_no_wish() -> None:
    flags = after(half(State.PENDING, role=Role.REQUESTER), got(Service.FWN)).state.flags
    assert flags.forwarded
    assert not flags.cancel_wished


def test_what_was_checked_in_is_not_lost_on_the_way_back() -> None:
    returned = after(half(State.RECEIVED, "loan", role=Role.REQUESTER), asked(Service.RET))
    assert Service.LST in allowed(returned.state)
    checked_in = after(returned.state, got(Service.CHK))
    assert Service.LST not in allowed(checked_in.state)
    assert checked_in.state.state is State.RETURNED


def test_a_loan_of_the_requester_from_request_to_return() -> None:
    start = half(role=Role.REQUESTER)
    conversation = (
        (asked(Service.ILL), State.PENDING),
        (got(Service.ANS_CO), State.CONDITIONAL),
        (asked(Service.C_REP_YES), State.PENDING),
        (got(Service.SHI, LOAN), State.SHIPPED),
        (asked(Service.RCV, LOAN), State.RECEIVED),
        (got(Service.DUE), State.OVERDUE),
        (asked(Service.REN), State.RENEW_OVERDUE),
        (got(Service.REA_YES), State.RECEIVED),
        (got(Service.RCL), State.RECALL),
        (asked(Service.RET), State.RETURNED),
        (got(Service.CHK), State.RETURNED),
    )
    for event, state in conversation:
        outcome = advance(start, event, NOW)
        assert (outcome.verdict, outcome.state.state) == (Verdict.APPLIED, state)
        start = outcome.state
    assert start.ended


def test_receipt_may_be_left_out_by_whoever_cannot_report_it() -> None:
    requests = asked(Service.ILL, Facts(can_send_received=False))
    silent = after(half(role=Role.REQUESTER), requests, got(Service.SHI, LOAN)).state
    assert {Service.RCV, Service.REN, Service.RET} <= set(allowed(silent))
    usual = after(half(role=Role.REQUESTER), asked(Service.ILL), got(Service.SHI, LOAN)).state
    assert Service.RCV in allowed(usual)
    assert not {Service.REN, Service.RET} & set(allowed(usual))


def test_a_report_is_never_answered_by_a_report() -> None:
    for start in (half(), half(State.RECEIVED), half(State.LOST)):
        outcome = after(start, got(Service.STR))
        assert not any(isinstance(effect, SendReport | SendApdu) for effect in outcome.effects)


def test_a_requester_can_begin_by_a_request_and_nothing_else() -> None:
    start = half(role=Role.REQUESTER)
    assert allowed(start) == (Service.ILL,)
    assert after(start, got(Service.ILL)).verdict is Verdict.UNKNOWN_TRANSACTION
    assert after(start, got(Service.SHI)).verdict is Verdict.UNKNOWN_TRANSACTION


@pytest.mark.parametrize(
    ("predicate", "flag", "service"),
    [
        (Predicate.LATE, None, Service.RCV),
        (Predicate.CROSSING, None, Service.SHI),
        (Predicate.LOST_ON_THE_WAY_BACK, "returned_seen", Service.LST),
        (Predicate.FORWARDED, "forwarded", Service.FWN),
    ],
)
def test_predicates_that_no_row_of_the_responder_puts_to_the_local_side(
    predicate: Predicate, flag: str | None, service: Service
) -> None:
    event = asked(service)
    plain = half(State.IN_PROCESS)
    assert not holds(predicate, plain, event)
    if flag is not None:
        assert holds(predicate, replace(plain, flags=replace(plain.flags, **{flag: True})), event)


class TestUnannounced:
    """An answer of a library that nobody has named: the CANCEL went to another (inferred)."""

    def test_it_is_met_as_if_the_forwarding_had_been_told(self) -> None:
        outcome = after(
            half(State.CANCEL_PENDING, role=Role.REQUESTER), got(Service.ANS_WS, Facts(unannounced=True))
        )
        assert (outcome.verdict, outcome.state.state) == (Verdict.APPLIED, State.PENDING)
        assert {"forwarded", "cancel_wished"} <= set(outcome.state.flags.to_names())
        assert outcome.reason == "ILL-ANSWER will-supply received: CANCEL-PENDING to PENDING"
        [told] = [effect for effect in outcome.effects if isinstance(effect, RaiseAttention)]
        assert told.reason.startswith("ILL-ANSWER will-supply received in CANCEL-PENDING: the CANCEL went to")

    def test_what_ends_the_request_leaves_no_wish(self) -> None:
        outcome = after(
            half(State.CANCEL_PENDING, role=Role.REQUESTER), got(Service.ANS_UN, Facts(unannounced=True))
        )
        assert outcome.state.state is State.NOT_SUPPLIED
        assert not outcome.state.flags.cancel_wished
        assert not any(isinstance(effect, RaiseAttention) for effect in outcome.effects)

    def test_what_is_not_allowed_leaves_the_half_as_it_was(self) -> None:
        before = half(State.CANCEL_PENDING, role=Role.REQUESTER)
        outcome = after(before, got(Service.CAR_YES, Facts(unannounced=True)))
        assert (outcome.verdict, outcome.state) == (Verdict.PROHIBITED, before)

    def test_elsewhere_it_means_nothing(self) -> None:
        outcome = after(
            half(State.PENDING, role=Role.REQUESTER), got(Service.ANS_WS, Facts(unannounced=True))
        )
        assert not outcome.state.flags.cancel_wished

    def test_an_announcement_that_is_old_news_asks_for_nobody(self) -> None:
        before = half(State.CANCEL_PENDING, role=Role.REQUESTER)
        outcome = after(before, got(Service.FWN, Facts(original_seen=True), repeat=True))
        assert (outcome.verdict, outcome.state) == (Verdict.REPEATED, before)
        assert not any(isinstance(effect, RaiseAttention) for effect in outcome.effects)


@pytest.mark.parametrize(
    ("state", "because"),
    [
        (State.CONDITIONAL, "its conditions are not accepted yet"),
        (State.NOT_SUPPLIED, "the request is closed"),
        (State.CANCELLED, "the request is closed"),
        (State.LOST, "the request is closed"),
    ],
)
def test_an_item_that_is_under_way_is_told_wherever_it_is_refused(state: State, because: str) -> None:
    outcome = after(half(state, role=Role.REQUESTER), got(Service.SHI, LOAN))
    assert outcome.verdict is Verdict.PROHIBITED
    [told] = [effect for effect in outcome.effects if isinstance(effect, RaiseAttention)]
    assert told.reason == f"SHIPPED received in {state}: {because}, and an item is on its way"
