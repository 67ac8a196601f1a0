"""Checks 8 to 12 of protocol.md 5.1: the transaction, whose it is, the state tables, what the APDU says."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, assert_never

import structlog

from asn1.codec import Header
from asn1.ill import (
    ErrorReport,
    ILLApdu,
    ILLRequest,
    Shipped,
    StateTransitionProhibited,
    StatusOrErrorReport,
)
from asn1.rules import Finding
from asn1.schema import Enumerated
from config.settings import Acknowledge
from iso_gateway import compose
from iso_gateway.half import interpretation
from iso_gateway.half.movement import Move, record_move
from iso_gateway.half.record import half_state, note_inferred, summary_of
from iso_gateway.message import judgement
from iso_gateway.message.identity import canonical_transaction
from iso_gateway.protocol import effects, machine
from iso_gateway.protocol.errors import (
    GeneralProblem,
    GeneralProblemCode,
    SecurityProblem,
    TransactionIdProblem,
    TransactionIdProblemCode,
)
from iso_gateway.protocol.events import ApduReceived, Service
from iso_gateway.protocol.states import HalfState, Role, TableProfile
from iso_gateway.reception import forwarding, holding, repetition
from iso_gateway.reception.answering import Answers
from iso_gateway.reception.case import Case, Incoming, Parties, Standing, context_of
from iso_gateway.reception.outcome import (
    INFERRED_CHECK,
    MESSAGE_REFUSED,
    RULES_BROKEN,
    Processed,
    Verdict,
)
from iso_gateway.store.records import Basis, HalfRecord, InputKind, MessageId

log = structlog.stdlib.get_logger(__name__)

#: What the log calls the check that answers for a request that was disposed of.
DISPOSED_OF: Final = "disposed-of"


def apply(answers: Answers, apdu: ILLApdu, header: Header, parties: Parties) -> Processed:
    """Checks 8 to 10: the transaction, whose it is, and the state tables."""
    incoming = answers.incoming
    canonical = canonical_transaction(header.transaction_id, incoming.addressing.initial_requester(header))
    transaction = incoming.uow.transactions.find(canonical)
    half = (
        None
        if transaction is None
        else incoming.uow.halves.find(transaction.id, parties.role, parties.local.name)
    )
    case = Case(
        apdu=apdu,
        header=header,
        parties=parties,
        canonical=canonical,
        transaction=transaction,
        half=half,
        standing=forwarding.standing_of(half, parties.partner, apdu),
    )
    if transaction is not None and incoming.uow.transactions.is_disposed(transaction.id):
        return _disposed_of(answers, case)
    if case.half is not None and case.standing is Standing.STRANGER:
        return _not_the_partner(answers, case, case.half)
    service = interpretation.service_of(apdu)
    if service is None:
        return answers.refuse(
            Verdict.UNREADABLE,
            "it is an ILL-Answer whose transaction-results the standard does not list",
            header,
            parties.partner,
            GeneralProblem(code=GeneralProblemCode.MISTYPED_APDU),
        )
    repeat, original_seen = repetition.repetition(incoming.uow, apdu, service, half, parties.partner)
    facts = interpretation.facts_received(apdu, parties.partner, parties.local, original_seen=original_seen)
    if forwarding.is_old_news(case):
        repeat, facts = True, replace(facts, original_seen=True)
    elif forwarding.shows_a_forwarding(case):
        facts = replace(facts, unannounced=True)
    event = ApduReceived(service=service, repeat=repeat, facts=facts)
    return _put_to_the_machine(answers, case, _half_state(half, parties), event)


def _disposed_of(answers: Answers, case: Case) -> Processed:
    """Nothing can be sealed, composed or compared for a request whose key is gone: it is over for good.

    Inferred: its sender is told what it would be told of a request that was never here.
    """
    log.info(INFERRED_CHECK, check=DISPOSED_OF, apdu_type=case.apdu.asn1_name)
    incoming, half = answers.incoming, case.half
    which = "its request" if half is None else f"request {half.id}"
    reason = f"{which} was disposed of, so nothing can follow from it: ask its sender what it is about"
    code = (
        TransactionIdProblemCode.DUPLICATE_TRANSACTION_ID
        if isinstance(case.apdu, ILLRequest)
        else TransactionIdProblemCode.UNKNOWN_TRANSACTION_ID
    )
    answer = answers.report(case.header, TransactionIdProblem(code=code), case.parties.partner, None)
    incoming.tell(MESSAGE_REFUSED, None, {"verdict": Verdict.DISPOSED_OF.value, "reason": reason})
    return answers.conclude(
        Verdict.DISPOSED_OF,
        reason,
        type(case.apdu),
        case.parties.partner,
        context=context_of(half),
        answer=answer,
    )


def _not_the_partner(answers: Answers, case: Case, half: HalfRecord) -> Processed:
    if isinstance(case.apdu, Shipped):
        # Refused, but the item is under way all the same, and nobody expects it from there.
        reason = f"{case.parties.partner.name} says SHIPPED, but the request is with {half.partner}: ask both"
        answers.incoming.attend(half, reason)
    return answers.refuse(
        Verdict.NOT_THE_PARTNER,
        f"the request is between {half.local} and {half.partner}",
        case.header,
        case.parties.partner,
        SecurityProblem(text="The request is another library's"),
    )


def _put_to_the_machine(answers: Answers, case: Case, before: HalfState, event: ApduReceived) -> Processed:
    """Let the machine decide, store what it decided, and put what it wants sent into the outbox."""
    incoming = answers.incoming
    outcome = machine.advance(before, event, incoming.at)
    verdict = Verdict(outcome.verdict.value)
    half = case.half
    if holding.is_early(case, before, event) and (until := holding.until_when(incoming, case)) is not None:
        return holding.hold(answers, case, outcome, until)
    if half is not None and case.standing is Standing.FORMER and forwarding.is_over(outcome, event):
        # It gave the request away, so it supplies nothing and refuses nothing any more (inferred).
        return _not_the_partner(answers, case, half)
    judged = judgement.judge(case.apdu, case.parties.partner)
    if verdict is Verdict.APPLIED and judged.refusal is not None:
        return _fails_a_check(answers, case, judged.refusal)
    if half is None and isinstance(case.apdu, ILLRequest) and verdict is Verdict.APPLIED:
        half = _begin(incoming, case.apdu, case, outcome.state)
    partner = case.parties.partner
    if half is None:
        report = next((one.report for one in outcome.effects if isinstance(one, effects.SendReport)), None)
        return answers.refuse(verdict, outcome.reason, case.header, partner, report)
    incoming.uow.messages.bind(incoming.message.id, half.transaction_id)
    record_move(
        incoming.uow,
        case.ends(half),
        Move(
            kind=InputKind.APDU,
            event=event,
            before=before,
            outcome=outcome,
            at=incoming.at,
            message_id=incoming.message.id,
            days=interpretation.days_of(case.apdu),
        ),
    )
    if judged.findings:
        incoming.tell(RULES_BROKEN, half.id, _findings_told(judged.findings))
    answer = _carry_out(answers, case, half, outcome)
    if outcome.row is not None and not event.facts.original_seen:
        forwarding.follow(incoming, case, half)
        _tell_demands(incoming, case, half)
        _tell_error(incoming, case, half)
    if (
        answer is None
        and isinstance(case.apdu, ILLRequest)
        and partner.acknowledge is Acknowledge.STATUS_REPORT
        # Whoever sends one-way does not wait for it.
        and incoming.is_waited_for
    ):
        answer = answers.status_report(case, half, outcome.state.state)
    return answers.conclude(
        verdict,
        outcome.reason,
        type(case.apdu),
        partner,
        context=context_of(half),
        answer=answer,
    )


def _fails_a_check(answers: Answers, case: Case, refusal: judgement.Refusal) -> Processed:
    """Checks 11 and 12, and what is not done here: it may come now, and is refused for what it says."""
    log.info(INFERRED_CHECK, check=refusal.check.id, apdu_type=case.apdu.asn1_name)
    incoming, half = answers.incoming, case.half
    if half is not None:
        incoming.uow.messages.bind(incoming.message.id, half.transaction_id)
    return answers.refuse(
        _VERDICTS[refusal.check],
        refusal.reason,
        case.header,
        case.parties.partner,
        refusal.report,
        half=half,
        information=refusal.information,
    )


def _begin(incoming: Incoming, request: ILLRequest, case: Case, state: HalfState) -> HalfRecord:
    """The first ILL-Request of a transaction: begin it, and our half of it."""
    transaction_id = (
        incoming.uow.transactions.create(
            case.canonical,
            summary=summary_of(request, case.parties.partner.character_set.value),
            at=incoming.at,
        )
        if case.transaction is None
        else case.transaction.id
    )
    return incoming.uow.halves.create(
        transaction_id=transaction_id,
        role=case.parties.role,
        local=case.parties.local.name,
        partner=case.parties.partner.name,
        state=state.state,
        basis=Basis.OURS,
        flags=state.flags.to_names(),
        tables=state.tables,
        protocol_version=request.protocol_version_num,
        at=incoming.at,
    )


def _carry_out(answers: Answers, case: Case, half: HalfRecord, outcome: machine.Outcome) -> MessageId | None:
    """Do what the machine decided; gives the message that answers, where there is one."""
    incoming = answers.incoming
    answer: MessageId | None = None
    state = outcome.state.state
    for effect in outcome.effects:
        match effect:
            case effects.Indicate(service=service, repeat=repeat):
                detail = {"service": service.phrase, "repeat": repeat, "state": state.value}
                incoming.tell(f"{service.apdu_name.lower()}.indication", half.id, detail)
            case effects.SendReport(report=report):
                incoming.tell(MESSAGE_REFUSED, half.id, {"reason": outcome.reason})
                answer = answers.report(case.header, report, case.parties.partner, half)
            case effects.SendApdu(service=Service.STR):
                answer = answers.status_report(case, half, state)
            case effects.RaiseAttention(reason=reason):
                incoming.attend(half, reason)
            case effects.NoteInferred(row=row):
                note_inferred(row)
            case effects.SetTimer() | effects.ClearTimer():
                continue  # the half's deadlines say it
            case effects.SendApdu():
                # No row for a received APDU sends any other APDU.
                raise AssertionError(f"the machine asked for {effect!r} after {case.apdu.asn1_name}")
            case _:
                assert_never(effect)
    return answer


def _tell_demands(incoming: Incoming, case: Case, half: HalfRecord) -> None:
    """Put a half before a person whose other end requires what we do not send (protocol.md 2.7).

    A person decides: the standard's answer is unfilled, and what is required may be a default of theirs.
    """
    parties = case.parties
    terms = compose.Terms.between(parties.local, parties.partner)
    unmet = interpretation.unmet(case.apdu, terms)
    impossible = interpretation.impossible(case.apdu, terms)
    if impossible:
        names = " and ".join(name.value for name in impossible)
        reason = (
            f"{parties.partner.name} cannot send {names}, which is required here: answer unfilled with"
            " mandatory-messaging-not-supported, or change optional_messages"
        )
        incoming.attend(half, reason)
    if unmet:
        names = " and ".join(name.value for name in unmet)
        advice = (
            "answer unfilled with mandatory-messaging-not-supported, or change optional_messages"
            if parties.role is Role.RESPONDER
            else "cancel the request, or change optional_messages"
        )
        reason = f"{parties.partner.name} requires {names}, which is not sent: {advice}"
        incoming.attend(half, reason)


def _tell_error(incoming: Incoming, case: Case, half: HalfRecord) -> None:
    """Put a half before a person whose other end reports an error: what we sent had no effect there.

    A library that forwarded the request is past asking, and that it did is known.
    """
    if not isinstance(case.apdu, StatusOrErrorReport) or case.apdu.error_report is None:
        return
    if case.standing is not Standing.FORMER:
        words = _error_in_words(case.apdu.error_report)
        reason = (
            f"{case.parties.partner.name} reports the error {words}: something that was sent had no effect"
            " there; ask where the request stands"
        )
        incoming.attend(half, reason)


def _error_in_words(error: ErrorReport) -> str:
    """What an error report names, in the standard's words and none of its sender's."""
    for report in (error.user_error_report, error.provider_error_report):
        if report is None:
            continue
        name, problem = report.chosen
        match problem:
            case Enumerated():
                return f"{name.replace('_', '-')} {problem.asn1_name}"
            case StateTransitionProhibited(
                aPDU_type=Enumerated() as apdu, current_state=Enumerated() as state
            ):
                return f"{name.replace('_', '-')} {apdu.asn1_name.upper()} in {state.asn1_name.upper()}"
            case _:
                return name.replace("_", "-")
    return "without a name"


def _half_state(half: HalfRecord | None, parties: Parties) -> HalfState:
    tables = TableProfile(parties.partner.tables.value)
    if half is None:
        return HalfState(role=parties.role, tables=tables)
    return half_state(half, tables)


_VERDICTS: Final = {
    judgement.SIMPLE_TRANSACTION: Verdict.TRANSACTION_TYPE_NOT_SUPPORTED,
    judgement.CRITICAL_EXTENSION: Verdict.CRITICAL_EXTENSION,
    judgement.RULES_BEYOND_SYNTAX: Verdict.RULE_BROKEN,
}

_MOST_TOLD: Final = 20
"""How many findings about one message the local side is told: more would say the same again."""


def _findings_told(findings: Sequence[Finding]) -> dict[str, object]:
    """Which rules a message breaks, and where; none of what it says."""
    told = [
        {"rule": one.rule, "path": one.path, "severity": one.severity.value, "message": one.message}
        for one in findings[:_MOST_TOLD]
    ]
    return {"findings": told, "more": max(0, len(findings) - _MOST_TOLD)}
