"""What becomes of a message that came in: read, checked in the order of protocol.md 5.1, put to the machine.

Every outcome is stored beside the message: its verdict, the reason in words, and what was answered. Nothing
here sends: answers go into the outbox in the same transaction.
"""

import enum
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

import structlog

from asn1.codec import (
    Dialect,
    Header,
    WireError,
    WireErrorKind,
    decode,
    decode_header,
)
from asn1.extensions import AdditionalUserErrorReportInfo
from asn1.ill import (
    ForwardNotification,
    ILLApdu,
    ILLRequest,
    Message,
    Shipped,
    StatusOrErrorReport,
    StatusQuery,
)
from asn1.rules import Finding
from config.settings import Acknowledge, LocalSymbol, Partner, Settings
from iso_gateway import compose, interpretation, judgement, reading
from iso_gateway.addressing import Addressing
from iso_gateway.identity import canonical_transaction, is_well_formed, symbol_of, system_id_of
from iso_gateway.movement import Ends, Move, raise_attention, record_move
from iso_gateway.protocol import effects, machine
from iso_gateway.protocol.errors import (
    AlreadyForwarded,
    GeneralProblem,
    GeneralProblemCode,
    Report,
    SecurityProblem,
    TransactionIdProblem,
    TransactionIdProblemCode,
)
from iso_gateway.protocol.events import ApduReceived, ApduType, Service
from iso_gateway.protocol.later import could_be_allowed_later
from iso_gateway.protocol.states import HalfState, Role, State, TableProfile
from iso_gateway.record import (
    digest_of,
    forwarded_to,
    half_state,
    history_of,
    note_inferred,
    original_request,
    stored_apdu,
    summary_of,
)
from iso_gateway.sending import Context, Destination, enqueue, send_again
from iso_gateway.store.records import (
    Basis,
    HalfId,
    HalfRecord,
    HeldRecord,
    InputKind,
    InputRecord,
    MessageId,
    MessageRecord,
    TransactionId,
    TransactionRecord,
    Transport,
)
from iso_gateway.store.unit_of_work import UnitOfWork

log = structlog.stdlib.get_logger(__name__)

MESSAGE_UNREADABLE = "message.unreadable"
MESSAGE_REFUSED = "message.refused"
MESSAGE_HELD = "message.held"
REQUEST_FORWARDED = "request.forwarded"
RULES_BROKEN = "message.rules-broken"
INFERRED_CHECK = "protocol.inferred-check"

#: What the log calls the check that lets a new responder answer before FORWARD-NOTIFICATION has come.
UNANNOUNCED_RESPONDER: Final = "unannounced-responder"
#: How long an APDU that comes too early is held where nothing else is configured (protocol.md 2.5).
HOLD_EARLY: Final = timedelta(minutes=10)
#: How many messages of one transaction are held at once: a conversation has no use for more.
MOST_HELD: Final = 16

#: The context of a message that concerns no half of ours.
_NOWHERE: Final = Context()


class Verdict(enum.StrEnum):
    """How a message was classified, before or by the machine."""

    #: a row of the tables allowed it
    APPLIED = "applied"
    #: marked as a repeat, and nothing changed
    REPEATED = "repeated"
    #: the same octets from the same sender as before: nothing changed, the stored answer went out again
    EXACT_DUPLICATE = "exact-duplicate"
    #: the octets are no APDU
    UNREADABLE = "unreadable"
    #: protocol-version-num is neither 1 nor 2
    VERSION_NOT_SUPPORTED = "version-not-supported"
    #: it is addressed to a symbol that is not served here
    UNKNOWN_RECIPIENT = "unknown-recipient"
    #: its sender is no partner, or may not send from where it came
    UNKNOWN_SENDER = "unknown-sender"
    #: it is about another partner's request
    NOT_THE_PARTNER = "not-the-partner"
    #: its Transaction-Id says too little to find a transaction again
    INVALID_TRANSACTION_ID = "invalid-transaction-id"
    #: the tables do not allow it now
    PROHIBITED = "prohibited"
    #: there is no such transaction
    UNKNOWN_TRANSACTION = "unknown-transaction"
    #: a second ILL-Request with one Transaction-Id
    DUPLICATE_TRANSACTION_ID = "duplicate-transaction-id"
    #: the request went on to another responder
    ALREADY_FORWARDED = "already-forwarded"
    #: the tables may allow it once others have come: it waits for them
    HELD = "held"
    #: it begins a chained or partitioned transaction, or a sub-transaction
    TRANSACTION_TYPE_NOT_SUPPORTED = "transaction-type-not-supported"
    #: an extension is critical that is not understood here
    CRITICAL_EXTENSION = "critical-extension"
    #: it breaks a rule beyond syntax that is an error for its sender
    RULE_BROKEN = "rule-broken"
    #: nothing follows from it and nothing is answered
    IGNORED = "ignored"
    #: a mail that carries no APDU
    NO_APDU = "no-apdu"
    #: a mail that says what became of one that we sent
    MAIL_NOTICE = "mail-notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """What became of a message.

    Args:
        message_id: which one.
        verdict: how it was classified.
        apdu_type: its name in the standard's spelling, where that could be read.
        partner: name of the partner that sent it, where it is known.
        transaction_id: the transaction that it belongs to.
        half_id: the half that it concerns.
        answer: the message that was put into the outbox in answer; for a duplicate, put there again.
    """

    message_id: MessageId
    verdict: Verdict
    apdu_type: str | None = None
    partner: str | None = None
    transaction_id: TransactionId | None = None
    half_id: HalfId | None = None
    answer: MessageId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parties:
    local: LocalSymbol
    partner: Partner
    role: Role


class _Standing(enum.Enum):
    """What the sender of a message is to the half that it is about."""

    #: the other end, or the sender of the request that begins it
    PARTNER = "partner"
    #: it had the request before it was forwarded
    FORMER = "former"
    #: it may have been forwarded the request, though nobody has told us yet
    SUCCESSOR = "successor"
    #: the request is another library's
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A readable message from a partner to us, and the half that it concerns, if there is one yet."""

    apdu: ILLApdu
    header: Header
    parties: _Parties
    canonical: bytes
    transaction: TransactionRecord | None
    half: HalfRecord | None
    standing: _Standing

    def ends(self, half: HalfRecord) -> Ends:
        """The half between the two parties."""
        return Ends(half=half, local=self.parties.local, partner=self.parties.partner)


class Reception:
    """Classifies one message in one unit of work.

    Args:
        settings: partners, local symbols and limits.
        uow: the unit of work; the message is stored already.
        message: the message.
        at: now, aware.
        held: for a message that is tried again, how it was held until now.
        replayed: whether an operator has it classified afresh, long after it came. Then it is decided now,
            nobody is told that it is refused, and nothing is written on the connection that it came by: its
            sender has been told, or has given up waiting.
    """

    def __init__(
        self,
        settings: Settings,
        uow: UnitOfWork,
        message: MessageRecord,
        at: datetime,
        *,
        held: HeldRecord | None = None,
        replayed: bool = False,
    ) -> None:
        self._settings = settings
        self._uow = uow
        self._message = message
        self._at = at
        self._held = held
        self._replayed = replayed
        self._octets = uow.messages.raw(message.id)
        self._limits = reading.limits_for(settings, None)
        self._addressing = Addressing(
            settings,
            message.peer_address,
            by_mail=message.transport is Transport.MAIL,
            vouched_for=message.transport is Transport.LOCAL,
        )
        self._handed_on = False

    def process(self) -> Processed:
        """Read, check and apply the message."""
        try:
            apdu = self._decode()
        except WireError as error:
            return self.unreadable(error)
        if apdu.protocol_version_num not in compose.SUPPORTED_VERSIONS:
            return self._version_not_supported(header_of(apdu))
        return self._addressed(apdu)

    def _decode(self) -> ILLApdu:
        """Read the octets as their sender's profile says.

        What needs no tolerance has one value in every dialect, so most messages are read once. Of the others,
        the beginning says whose they are.
        """
        apdu = self._decode_strictly()
        header = decode_header(self._octets, self._limits) if apdu is None else header_of(apdu)
        sender = None if header is None else self._addressing.partner(header)
        if apdu is not None and reading.limits_for(self._settings, sender) == self._limits:
            return apdu
        decoded = reading.read(self._octets, self._settings, sender)
        if decoded.tolerances:
            uses = Counter(use.kind.value for use in decoded.tolerances)
            partner = None if sender is None else sender.name
            log.info("message.tolerated", message_id=self._message.id, partner=partner, **uses)
        return decoded.apdu

    def _decode_strictly(self) -> ILLApdu | None:
        try:
            return decode(self._octets, self._limits, Dialect.STRICT)
        except WireError:
            return None

    # -- checks 1 to 4: what cannot be read

    def unreadable(self, error: WireError) -> Processed:
        """Checks 1 to 4 of protocol.md 5.1 for octets that do not decode: kept, and answered if they can be.

        Args:
            error: what is wrong with them.
        """
        header = decode_header(self._octets, self._limits)
        if header is not None and header.protocol_version_num not in compose.SUPPORTED_VERSIONS:
            # This comes first: the syntax of another version is not ours to judge.
            return self._version_not_supported(header)
        partner = None if header is None else self._addressing.trusted_partner(header)
        answer: MessageId | None = None
        if header is not None:
            answer = self._report(header, _report_of(error), partner, None)
        self._uow.events.append(
            kind=MESSAGE_UNREADABLE, half_id=None, message_id=self._message.id, detail=None, at=self._at
        )
        return self._conclude(
            Verdict.UNREADABLE,
            error.reason,
            None if header is None else header.apdu_type,
            partner,
            answer=answer,
            error=error,
        )

    def _version_not_supported(self, header: Header) -> Processed:
        return self._refuse(
            Verdict.VERSION_NOT_SUPPORTED,
            f"protocol version {header.protocol_version_num} is not spoken here, only 1 and 2",
            header,
            self._addressing.trusted_partner(header),
            GeneralProblem(code=GeneralProblemCode.PROTOCOL_VERSION_NOT_SUPPORTED),
        )

    # -- checks 5 and 6: whose it is

    def _addressed(self, apdu: ILLApdu) -> Processed:
        header = header_of(apdu)
        role = self._addressing.role(header)
        sender, recipient = self._addressing.ends(header)
        partner = self._addressing.partner(header)
        local = self._addressing.local(recipient)
        if local is None:
            return self._refuse(
                Verdict.UNKNOWN_RECIPIENT,
                "it is addressed to a symbol that this gateway does not serve",
                header,
                self._addressing.trusted_partner(header),
                SecurityProblem(text="The library addressed is not served here"),
            )
        if partner is None:
            return self._refuse(
                Verdict.UNKNOWN_SENDER,
                "its sender is no partner of this gateway: add a partner file with its symbol to accept it"
                if sender is not None
                else "it does not say who sent it",
                header,
                None,
                SecurityProblem(text="The sender is not known here"),
            )
        if not self._addressing.may_come_from_here(partner) and not self._was_forwarded(apdu):
            return self._refuse(
                Verdict.UNKNOWN_SENDER,
                f"it names {partner.name} as its sender but comes from an address outside of"
                f" {'allowed_senders' if self._addressing.by_mail else 'allowed_sources'}",
                header,
                None,
                SecurityProblem(text="The sender is not known here"),
            )
        if self._settings.route(local, partner) is None:
            return self._refuse(
                Verdict.UNKNOWN_RECIPIENT,
                f"there is no route between {local.name} and {partner.name}: add one to the configuration",
                header,
                partner,
                SecurityProblem(text="The library addressed is not served here"),
            )
        self._handed_on = isinstance(apdu, ILLRequest) and apdu.forward_flag
        parties = _Parties(local=local, partner=partner, role=role)
        if not is_well_formed(header.transaction_id):
            return self._refuse(
                Verdict.INVALID_TRANSACTION_ID,
                "its Transaction-Id lacks a qualifier",
                header,
                partner,
                TransactionIdProblem(code=TransactionIdProblemCode.INVALID_TRANSACTION_ID),
            )
        earlier = self._exact_duplicate(partner)
        if earlier is not None:
            return self._duplicate(earlier, header, partner)
        return self._known(apdu, header, parties)

    def _known(self, apdu: ILLApdu, header: Header, parties: _Parties) -> Processed:
        """Checks 8 to 10: the transaction, whose it is, and the state tables."""
        canonical = canonical_transaction(header.transaction_id, self._addressing.initial_requester(header))
        transaction = self._uow.transactions.find(canonical)
        half = (
            None
            if transaction is None
            else self._uow.halves.find(transaction.id, parties.role, parties.local.name)
        )
        case = _Case(
            apdu=apdu,
            header=header,
            parties=parties,
            canonical=canonical,
            transaction=transaction,
            half=half,
            standing=_standing(half, parties.partner, apdu),
        )
        if case.half is not None and case.standing is _Standing.STRANGER:
            return self._not_the_partner(case, case.half)
        service = interpretation.service_of(apdu)
        if service is None:
            return self._refuse(
                Verdict.UNREADABLE,
                "it is an ILL-Answer whose transaction-results the standard does not list",
                header,
                parties.partner,
                GeneralProblem(code=GeneralProblemCode.MISTYPED_APDU),
            )
        history = () if half is None else self._uow.inputs.of(half.id)
        repeat, original_seen = self._repetition(apdu, service, history, parties.partner)
        event = ApduReceived(
            service=service,
            repeat=repeat,
            facts=interpretation.facts_received(
                apdu, parties.partner, parties.local, original_seen=original_seen
            ),
        )
        return self._apply(case, self._half_state(half, parties), event)

    def _not_the_partner(self, case: _Case, half: HalfRecord) -> Processed:
        if isinstance(case.apdu, Shipped):
            # Refused, but the item is under way all the same, and nobody expects it from there.
            reason = (
                f"{case.parties.partner.name} says SHIPPED, but the request is with {half.partner}: ask both"
            )
            raise_attention(self._uow, half, reason, self._at, self._message.id)
        return self._refuse(
            Verdict.NOT_THE_PARTNER,
            f"the request is between {half.local} and {half.partner}",
            case.header,
            case.parties.partner,
            SecurityProblem(text="The request is another library's"),
        )

    def _apply(self, case: _Case, before: HalfState, event: ApduReceived) -> Processed:
        """Let the machine decide, store what it decided, and put what it wants sent into the outbox."""
        outcome = machine.advance(before, event, self._at)
        verdict = Verdict(outcome.verdict.value)
        half = case.half
        if self._is_early(case, before, event) and (until := self._until(case)) is not None:
            return self._hold(case, outcome, until)
        if half is not None and case.standing is _Standing.FORMER and _is_over(outcome, event):
            # It gave the request away, so it supplies nothing and refuses nothing any more (inferred).
            return self._not_the_partner(case, half)
        judged = judgement.judge(case.apdu, case.parties.partner)
        if verdict is Verdict.APPLIED and judged.refusal is not None:
            return self._fails_a_check(case, judged.refusal)
        if half is None and isinstance(case.apdu, ILLRequest) and verdict is Verdict.APPLIED:
            half = self._begin(case.apdu, case, outcome.state)
        partner = case.parties.partner
        if half is None:
            report = next(
                (one.report for one in outcome.effects if isinstance(one, effects.SendReport)), None
            )
            return self._refuse(verdict, outcome.reason, case.header, partner, report)
        self._uow.messages.bind(self._message.id, half.transaction_id)
        record_move(
            self._uow,
            case.ends(half),
            Move(
                kind=InputKind.APDU,
                event=event,
                before=before,
                outcome=outcome,
                at=self._at,
                message_id=self._message.id,
                days=interpretation.days_of(case.apdu),
            ),
        )
        if judged.findings:
            self._tell(RULES_BROKEN, half, _findings_told(judged.findings))
        answer = self._carry_out(case, half, outcome)
        if outcome.row is not None and not event.facts.original_seen:
            self._follow_forwarding(case, half)
            self._tell_demands(case, half)
        if (
            answer is None
            and isinstance(case.apdu, ILLRequest)
            and partner.acknowledge is Acknowledge.STATUS_REPORT
            # Whoever sends one-way does not wait for it.
            and self._is_waited_for
        ):
            answer = self._status_report(case, half, outcome.state.state)
        return self._conclude(
            verdict,
            outcome.reason,
            type(case.apdu),
            partner,
            context=_context_of(half),
            answer=answer,
        )

    # -- what comes too early (protocol.md 2.5, inferred)

    def _is_early(self, case: _Case, before: HalfState, event: ApduReceived) -> bool:
        """Whether the APDU is not allowed now, but may be once others have come."""
        if event.service is Service.STQ:
            # A question is answered at once: it moves nothing, so nothing is lost by its coming first.
            return False
        if case.standing is _Standing.FORMER:
            return False
        return could_be_allowed_later(before, event)

    def _until(self, case: _Case) -> datetime | None:
        """Until when to hold what comes too early; None where it is to be decided now."""
        if self._replayed:
            return None
        if self._held is not None:
            return self._held.until if self._at < self._held.until else None
        wait = case.parties.partner.hold_early
        if wait is None:
            two_way = self._message.transport is Transport.TCP_TWO_WAY
            wait = timedelta() if two_way else HOLD_EARLY
        if not wait or self._uow.held.count(case.canonical) >= MOST_HELD:
            return None
        return self._at + wait

    def _hold(self, case: _Case, outcome: machine.Outcome, until: datetime) -> Processed:
        """Let a message wait for those that it overtook; nothing is answered yet."""
        self._uow.held.hold(self._message.id, case.canonical, until=until)
        context = _context_of(case.half)
        if self._held is not None:
            # It is held as it was before, which has been said.
            return Processed(
                message_id=self._message.id,
                verdict=Verdict.HELD,
                apdu_type=case.apdu.asn1_name,
                partner=case.parties.partner.name,
                transaction_id=context.transaction_id,
                half_id=context.half_id,
            )
        if case.transaction is not None:
            self._uow.messages.bind(self._message.id, case.transaction.id)
        detail = {"reason": outcome.reason, "until": until.isoformat()}
        self._uow.events.append(
            kind=MESSAGE_HELD,
            half_id=context.half_id,
            message_id=self._message.id,
            detail=detail,
            at=self._at,
        )
        return self._conclude(
            Verdict.HELD,
            f"{outcome.reason}: it may be early, so it waits until {until.isoformat(timespec='seconds')}",
            type(case.apdu),
            case.parties.partner,
            context=context,
            answer=None,
        )

    # -- forwarding, as the requester (protocol.md 2.8)

    def _was_forwarded(self, apdu: ILLApdu) -> bool:
        """Whether it is a request that came from the address of a partner which handed it on (inferred).

        That partner must be one whose addresses are known: otherwise anyone could say so.
        """
        if not isinstance(apdu, ILLRequest) or not apdu.forward_flag:
            return False
        third_party = apdu.third_party_info_type
        tried = () if third_party is None else third_party.already_tried_list or ()
        symbols = [symbol for symbol in map(symbol_of, tried) if symbol is not None]
        partners = [self._settings.partner_for(symbol) for symbol in symbols]
        return any(
            partner is not None
            and bool(partner.allowed_sources)
            and self._addressing.may_come_from_here(partner)
            for partner in partners
        )

    def _follow_forwarding(self, case: _Case, half: HalfRecord) -> None:
        """Let the half be with the library that has the request now."""
        sender = case.parties.partner
        if case.standing is _Standing.SUCCESSOR and not isinstance(case.apdu, Message | StatusQuery):
            # Whoever only asks or says something need not have the request, and is not given it for that.
            log.info(INFERRED_CHECK, check=UNANNOUNCED_RESPONDER, apdu_type=case.apdu.asn1_name)
            half = self._pass_on(half, sender)
        if not isinstance(case.apdu, ForwardNotification) or case.standing is _Standing.FORMER:
            return
        symbol = symbol_of(case.apdu.responder_id)
        responder = None if symbol is None else self._settings.partner_for(symbol)
        if symbol is not None and self._settings.local_for(symbol) is not None:
            reason = (
                "the request was forwarded to a library of ours, which lends it nothing: cancel the request"
            )
            raise_attention(self._uow, half, reason, self._at, self._message.id)
        elif responder is None or self._settings.route(case.parties.local, responder) is None:
            raise_attention(
                self._uow,
                half,
                "the request was forwarded to a library that is no partner of this gateway:"
                " add a partner file with its symbol, or its messages are refused",
                self._at,
                self._message.id,
            )
        elif responder.name != half.partner:
            if responder.name in half.former_partners:
                reason = (
                    f"the request was forwarded back to {responder.name}, which had forwarded it: ask it"
                    " whether it lends the item"
                )
                raise_attention(self._uow, half, reason, self._at, self._message.id)
            self._pass_on(half, responder)

    def _tell_demands(self, case: _Case, half: HalfRecord) -> None:
        """Put a half before a person whose other end requires what we do not send (protocol.md 2.7).

        A person decides: the standard's answer is unfilled, and what is required may be a default of theirs.
        """
        parties = case.parties
        unmet = interpretation.unmet(case.apdu, compose.Terms.between(parties.local, parties.partner))
        if unmet:
            names = " and ".join(name.value for name in unmet)
            advice = (
                "answer unfilled with mandatory-messaging-not-supported, or change optional_messages"
                if parties.role is Role.RESPONDER
                else "cancel the request, or change optional_messages"
            )
            reason = f"{parties.partner.name} requires {names}, which is not sent: {advice}"
            raise_attention(self._uow, half, reason, self._at, self._message.id)

    def _pass_on(self, half: HalfRecord, partner: Partner) -> HalfRecord:
        former = (one for one in (*half.former_partners, half.partner) if one != partner.name)
        self._uow.halves.pass_on(half.id, partner.name, former=former, at=self._at)
        detail: dict[str, object] = {"from": half.partner, "to": partner.name}
        self._tell(REQUEST_FORWARDED, half, detail)
        return self._uow.halves.get(half.id)

    def _fails_a_check(self, case: _Case, refusal: judgement.Refusal) -> Processed:
        """Checks 11 and 12, and what is not done here: it may come now, and is refused for what it says."""
        log.info(INFERRED_CHECK, check=refusal.check.id, apdu_type=case.apdu.asn1_name)
        half = case.half
        if half is not None:
            self._uow.messages.bind(self._message.id, half.transaction_id)
        return self._refuse(
            _VERDICTS[refusal.check],
            refusal.reason,
            case.header,
            case.parties.partner,
            refusal.report,
            half=half,
            information=refusal.information,
        )

    def _begin(self, request: ILLRequest, case: _Case, state: HalfState) -> HalfRecord:
        """The first ILL-Request of a transaction: begin it, and our half of it."""
        transaction_id = (
            self._uow.transactions.create(
                case.canonical,
                summary=summary_of(request, case.parties.partner.character_set.value),
                at=self._at,
            )
            if case.transaction is None
            else case.transaction.id
        )
        half_id = self._uow.halves.create(
            transaction_id=transaction_id,
            role=case.parties.role,
            local=case.parties.local.name,
            partner=case.parties.partner.name,
            state=state.state,
            basis=Basis.OURS,
            flags=state.flags.to_names(),
            tables=state.tables,
            protocol_version=request.protocol_version_num,
            at=self._at,
        )
        return self._uow.halves.get(half_id)

    def _carry_out(self, case: _Case, half: HalfRecord, outcome: machine.Outcome) -> MessageId | None:
        """Do what the machine decided; gives the message that answers, where there is one."""
        answer: MessageId | None = None
        state = outcome.state.state
        for effect in outcome.effects:
            match effect:
                case effects.Indicate(service=service, repeat=repeat):
                    detail = {"service": service.phrase, "repeat": repeat, "state": state.value}
                    self._tell(f"{service.apdu_name.lower()}.indication", half, detail)
                case effects.SendReport(report=report):
                    self._tell(MESSAGE_REFUSED, half, {"reason": outcome.reason})
                    answer = self._report(case.header, report, case.parties.partner, half)
                case effects.SendApdu(service=Service.STR):
                    answer = self._status_report(case, half, state)
                case effects.RaiseAttention(reason=reason):
                    raise_attention(self._uow, half, reason, self._at, self._message.id)
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

    def _status_report(self, case: _Case, half: HalfRecord, state: State) -> MessageId | None:
        """Answer with where the transaction stands."""
        ends = case.ends(half)
        request = (
            case.apdu
            if case.half is None and isinstance(case.apdu, ILLRequest)
            else original_request(self._uow, half)
        )
        history = history_of(self._uow.inputs.of(half.id), ends.local)
        report = compose.status_report(
            ends.frame(request, self._at), request, history, state.wire, role=ends.state.role
        )
        return self._send(report, ends.partner, half)

    # -- answers

    def _refuse(
        self,
        verdict: Verdict,
        reason: str,
        header: Header,
        partner: Partner | None,
        report: Report | None,
        *,
        half: HalfRecord | None = None,
        information: AdditionalUserErrorReportInfo | None = None,
    ) -> Processed:
        """Store why a message has no effect, beside the half that it concerns if any, and tell its sender."""
        answer = None if report is None else self._report(header, report, partner, half, information)
        self._uow.events.append(
            kind=MESSAGE_REFUSED,
            half_id=None if half is None else half.id,
            message_id=self._message.id,
            detail={"verdict": verdict.value, "reason": reason},
            at=self._at,
        )
        return self._conclude(
            verdict, reason, header.apdu_type, partner, context=_context_of(half), answer=answer
        )

    def _report(
        self,
        header: Header,
        report: Report,
        partner: Partner | None,
        half: HalfRecord | None,
        information: AdditionalUserErrorReportInfo | None = None,
    ) -> MessageId | None:
        """An error report to the sender; None where none can be sent: a stranger on a one-way connection."""
        if self._replayed:
            return None
        if header.apdu_type is StatusOrErrorReport:
            # Never a report in answer to a report (protocol.md 2.3, inferred: a loop guard).
            return None
        local = self._addressing.any_local(header)
        requester = compose.named(header.requester_id, header.transaction_id.initial_requester_id)
        responder = compose.named(header.responder_id)
        if partner is not None:
            # Both are always sent (inferred): whom a message left out is whoever it can only have been.
            own = self._addressing.local(None)
            sender = system_id_of(partner.symbols[0])
            recipient = None if own is None else system_id_of(own.symbol)
            as_responder = self._addressing.role(header) is Role.RESPONDER
            requester = requester or (sender if as_responder else recipient)
            responder = responder or (recipient if as_responder else sender)
        frame = compose.Frame(
            version=header.protocol_version_num
            if header.protocol_version_num in compose.SUPPORTED_VERSIONS
            else max(compose.SUPPORTED_VERSIONS),
            transaction_id=header.transaction_id,
            requester_id=requester,
            responder_id=responder,
            at=self._at.astimezone(local.zone),
        )
        correlation = compose.correlation_of(
            None if header.apdu_type is None else ApduType(header.apdu_type.apdu_tag.number),
            header.service_date_time,
        )
        onward = forwarded_to(self._uow, half) if half and isinstance(report, AlreadyForwarded) else None
        apdu = compose.error_report(frame, report, correlation, information, forwarded_to=onward)
        return self._send(apdu, partner, half)

    def _send(self, apdu: ILLApdu, partner: Partner | None, half: HalfRecord | None) -> MessageId | None:
        destination = self._destination(partner)
        if not destination.reachable:
            return None
        context = _context_of(half)
        retry = self._settings.retry if partner is None else partner.retry
        return enqueue(self._uow, apdu, destination, context, retry=retry, at=self._at)

    def _destination(self, partner: Partner | None) -> Destination:
        # A request that was handed on came from another library than the one that is answered.
        on_connection = self._is_waited_for and not self._handed_on
        return Destination(
            partner=partner, connection_id=self._message.connection_id if on_connection else None
        )

    @property
    def _is_waited_for(self) -> bool:
        """Whether its sender waits for an answer on the connection that it came by."""
        return self._message.transport is Transport.TCP_TWO_WAY and not self._replayed

    # -- exact duplicates and repeats (protocol.md 2.2)

    def _exact_duplicate(self, partner: Partner) -> MessageId | None:
        """The message with these octets from this sender that had its effect.

        It may have come after this one: what could not be processed when it came is taken up at the next
        start, and its sender may have sent it again meanwhile.
        """
        others = self._uow.messages.find_exact(
            self._octets, partner=partner.name, verdicts=(*EFFECTIVE, Verdict.HELD.value)
        )
        return next((one for one in reversed(others) if self._counts(one)), None)

    def _counts(self, message_id: MessageId) -> bool:
        """Whether a message with the octets of this one had its effect, or waits to have it."""
        if message_id == self._message.id:
            return False
        known = self._uow.messages.processings(message_id)
        return any(one.verdict in EFFECTIVE for one in known) or self._uow.held.get(message_id) is not None

    def _duplicate(self, earlier: MessageId, header: Header, partner: Partner) -> Processed:
        """Change nothing; on a two-way connection write the stored answer again."""
        processing = self._uow.messages.processings(earlier)[-1]
        answer = processing.answer_message_id
        destination = self._destination(partner)
        context = Context(transaction_id=processing.transaction_id, half_id=processing.half_id)
        if answer is not None and destination.connection_id is not None:
            send_again(self._uow, answer, destination, context, retry=partner.retry, at=self._at)
        else:
            answer = None
        if processing.transaction_id is not None:
            self._uow.messages.bind(self._message.id, processing.transaction_id)
        return self._conclude(
            Verdict.EXACT_DUPLICATE,
            f"the same octets as message {earlier}",
            header.apdu_type,
            partner,
            context=context,
            answer=answer,
        )

    def _conclude(
        self,
        verdict: Verdict,
        reason: str,
        apdu_type: type[ILLApdu] | None,
        partner: Partner | None,
        *,
        context: Context = _NOWHERE,
        answer: MessageId | None,
        error: WireError | None = None,
    ) -> Processed:
        """Store what became of the message beside it, and say so."""
        name = None if apdu_type is None else apdu_type.asn1_name
        self._uow.messages.processed(
            self._message.id,
            at=self._at,
            verdict=verdict,
            reason=reason,
            error_offset=None if error is None else error.offset,
            error_path=None if error is None else error.path or None,
            apdu_type=name,
            partner=None if partner is None else partner.name,
            profile_digest=None if partner is None else digest_of(partner),
            transaction_id=context.transaction_id,
            half_id=context.half_id,
            answer_message_id=answer,
        )
        return Processed(
            message_id=self._message.id,
            verdict=verdict,
            apdu_type=name,
            partner=None if partner is None else partner.name,
            transaction_id=context.transaction_id,
            half_id=context.half_id,
            answer=answer,
        )

    def _repetition(
        self, apdu: ILLApdu, service: Service, history: Sequence[InputRecord], partner: Partner
    ) -> tuple[bool, bool]:
        """Whether the APDU is a repeat, and whether what it repeats was seen here."""
        marked = interpretation.is_marked_repeat(apdu)
        # Inferred: lenient partners leave the mark out of a second ILL-Request (protocol.md 2.2).
        lenient = isinstance(apdu, ILLRequest) and partner.tables.value == TableProfile.LENIENT.value
        earlier = (
            record
            for record in history
            if record.service == service and record.kind is InputKind.APDU and record.verdict in EFFECTIVE
        )
        for record in earlier:
            # Whether it is a repeat that did the work of an original which had not come.
            stood_in = record.repeat and record.verdict == Verdict.APPLIED
            if record.message_id is None or not (marked or lenient or stood_in):
                continue
            known = stored_apdu(self._uow, record.message_id)
            if marked and (_repeats(apdu, known) or (stood_in and _repeat_the_same(apdu, known))):
                return True, True
            if marked:
                continue
            if (stood_in and _repeats(known, apdu, to_the_second=True)) or lenient:
                # Of the original that its repeat has overtaken, and of an unmarked repeat, the rest is equal.
                rest = replace(apdu, service_date_time=known.service_date_time)
                if rest == known:
                    return True, True
        return marked, False

    # -- the record

    def _half_state(self, half: HalfRecord | None, parties: _Parties) -> HalfState:
        tables = TableProfile(parties.partner.tables.value)
        if half is None:
            return HalfState(role=parties.role, tables=tables)
        return half_state(half, tables)

    def _tell(self, kind: str, half: HalfRecord, detail: dict[str, object]) -> None:
        self._uow.events.append(
            kind=kind, half_id=half.id, message_id=self._message.id, detail=detail, at=self._at
        )


EFFECTIVE: Final = frozenset({Verdict.APPLIED.value, Verdict.REPEATED.value})
"""The verdicts under which a message had its effect, so that the same octets again are a duplicate. What was
refused is classified afresh: it may be allowed by now."""


_VERDICTS = {
    judgement.SIMPLE_TRANSACTION: Verdict.TRANSACTION_TYPE_NOT_SUPPORTED,
    judgement.CRITICAL_EXTENSION: Verdict.CRITICAL_EXTENSION,
    judgement.RULES_BEYOND_SYNTAX: Verdict.RULE_BROKEN,
}

_MOST_TOLD = 20
"""How many findings about one message the local side is told: more would say the same again."""


def _findings_told(findings: Sequence[Finding]) -> dict[str, object]:
    """Which rules a message breaks, and where; none of what it says."""
    told = [
        {"rule": one.rule, "path": one.path, "severity": one.severity.value, "message": one.message}
        for one in findings[:_MOST_TOLD]
    ]
    return {"findings": told, "more": max(0, len(findings) - _MOST_TOLD)}


def _standing(half: HalfRecord | None, partner: Partner, apdu: ILLApdu) -> _Standing:
    """What a partner is to a half: after a forwarding there are several that may write (check 9)."""
    if half is None or half.partner == partner.name:
        return _Standing.PARTNER
    if partner.name in half.former_partners:
        return _Standing.FORMER
    # Where it went we may have been told, but as a symbol that was no partner of ours then.
    went_on = "may_forward" in half.flags or ("forwarded" in half.flags and not half.former_partners)
    if (
        half.role == Role.REQUESTER
        and went_on
        and half.state in _PROCESSING
        and not isinstance(apdu, StatusOrErrorReport)
    ):
        return _Standing.SUCCESSOR
    return _Standing.STRANGER


_PROCESSING = frozenset({State.PENDING, State.CONDITIONAL, State.CANCEL_PENDING})
"""Where a request of ours can still go on to another responder."""


def _is_over(outcome: machine.Outcome, event: ApduReceived) -> bool:
    """Whether a responder that forwarded the request says what is the new one's to say.

    That is what would move the request, other than by saying where it went; and SHIPPED, whatever it does.
    """
    moves = outcome.row is not None and outcome.row.next_state is not outcome.row.state
    return event.service is Service.SHI or (moves and event.service is not Service.FWN)


def header_of(apdu: ILLApdu) -> Header:
    """The beginning of an APDU; that of a FORWARD-NOTIFICATION names its sender where others do.

    Its responder-id is whom the request went to, and its intermediary-id who says so (protocol.md 2.8).
    """
    return Header(
        apdu_type=type(apdu),
        protocol_version_num=apdu.protocol_version_num,
        transaction_id=apdu.transaction_id,
        service_date_time=apdu.service_date_time,
        requester_id=apdu.requester_id,
        responder_id=apdu.intermediary_id if isinstance(apdu, ForwardNotification) else apdu.responder_id,
    )


def _context_of(half: HalfRecord | None) -> Context:
    return _NOWHERE if half is None else Context(transaction_id=half.transaction_id, half_id=half.id)


def _report_of(error: WireError) -> Report:
    """What is said of octets that fail one of the checks 1 to 3 of protocol.md 5.1."""
    match error.kind:
        case WireErrorKind.BADLY_STRUCTURED:
            return GeneralProblem(code=GeneralProblemCode.BADLY_STRUCTURED_APDU)
        case WireErrorKind.UNRECOGNIZED_APDU:
            return GeneralProblem(code=GeneralProblemCode.UNRECOGNIZED_APDU)
        case WireErrorKind.MISTYPED:
            return GeneralProblem(code=GeneralProblemCode.MISTYPED_APDU)
        case _:
            assert_never(error.kind)


def _repeats(repeat: ILLApdu, original: ILLApdu, *, to_the_second: bool = False) -> bool:
    """Whether the date-time that a repeat gives for its original is that of an APDU that we have.

    With `to_the_second` not where one of them leaves the time out.
    """
    named = repeat.service_date_time.date_time_of_original_service
    this = original.service_date_time.date_time_of_this_service
    if named is None or named.date != this.date:
        return False
    if not named.time or not this.time:
        return not to_the_second
    return named.time == this.time


def _repeat_the_same(one: ILLApdu, other: ILLApdu) -> bool:
    """Whether two repeats give the same date-time for their original."""
    named = one.service_date_time.date_time_of_original_service
    return named is not None and named == other.service_date_time.date_time_of_original_service
