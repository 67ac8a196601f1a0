"""What is answered to a message, and how it is concluded: the verdict beside it, the answer in the outbox."""

from dataclasses import dataclass

from asn1.codec import Header, WireError
from asn1.extensions import AdditionalUserErrorReportInfo
from asn1.ill import ILLApdu, ILLRequest, StatusOrErrorReport
from config.settings import Partner
from iso_gateway import compose
from iso_gateway.half.movement import report_time
from iso_gateway.half.record import digest_of, forwarded_to, history_of, original_request
from iso_gateway.half.sending import Context, Destination, enqueue
from iso_gateway.message.identity import system_id_of
from iso_gateway.protocol.errors import AlreadyForwarded, Report
from iso_gateway.protocol.events import ApduType
from iso_gateway.protocol.states import Role, State
from iso_gateway.reception.case import NOWHERE, Case, Incoming, context_of
from iso_gateway.reception.outcome import MESSAGE_REFUSED, Processed, Verdict
from iso_gateway.store.records import HalfRecord, MessageId


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers one message, and concludes it.

    Args:
        incoming: the message.
        handed_on: whether another library sent it than the one that is answered: a request that was
            forwarded.
    """

    incoming: Incoming
    handed_on: bool = False

    def refuse(
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
        answer = None if report is None else self.report(header, report, partner, half, information)
        half_id = None if half is None else half.id
        self.incoming.tell(MESSAGE_REFUSED, half_id, {"verdict": verdict.value, "reason": reason})
        return self.conclude(
            verdict, reason, header.apdu_type, partner, context=context_of(half), answer=answer
        )

    def report(
        self,
        header: Header,
        report: Report,
        partner: Partner | None,
        half: HalfRecord | None,
        information: AdditionalUserErrorReportInfo | None = None,
    ) -> MessageId | None:
        """An error report to the sender; None where none can be sent: a stranger on a one-way connection."""
        if self.incoming.replayed:
            return None
        if header.apdu_type is StatusOrErrorReport:
            # Never a report in answer to a report (protocol.md 2.3, inferred: a loop guard).
            return None
        local = self.incoming.addressing.any_local(header)
        requester = compose.named(header.requester_id, header.transaction_id.initial_requester_id)
        responder = compose.named(header.responder_id)
        if partner is not None:
            # Both are always sent (inferred): whom a message left out is whoever it can only have been.
            own = self.incoming.addressing.local(None)
            sender = system_id_of(partner.symbols[0])
            recipient = None if own is None else system_id_of(own.symbol)
            as_responder = self.incoming.addressing.role(header) is Role.RESPONDER
            requester = requester or (sender if as_responder else recipient)
            responder = responder or (recipient if as_responder else sender)
        frame = compose.Frame(
            version=header.protocol_version_num
            if header.protocol_version_num in compose.SUPPORTED_VERSIONS
            else max(compose.SUPPORTED_VERSIONS),
            transaction_id=header.transaction_id,
            requester_id=requester,
            responder_id=responder,
            at=self.incoming.at.astimezone(local.zone)
            if half is None
            else report_time(self.incoming.uow, half, self.incoming.at, local.zone),
        )
        correlation = compose.correlation_of(
            None if header.apdu_type is None else ApduType(header.apdu_type.apdu_tag.number),
            header.service_date_time,
        )
        onward = (
            forwarded_to(self.incoming.uow, half) if half and isinstance(report, AlreadyForwarded) else None
        )
        onward_to = None if onward is None else self.incoming.settings.partner_for(onward)
        apdu = compose.error_report(
            frame,
            report,
            correlation,
            information,
            forwarded_to=onward,
            forwarded_address=None
            if onward_to is None
            else compose.Terms.between(local, onward_to).their_address,
        )
        return self._send(apdu, partner, half)

    def _send(self, apdu: ILLApdu, partner: Partner | None, half: HalfRecord | None) -> MessageId | None:
        destination = self.destination(partner)
        if not destination.reachable:
            return None
        context = context_of(half)
        retry = self.incoming.settings.retry if partner is None else partner.retry
        return enqueue(self.incoming.uow, apdu, destination, context, retry=retry, at=self.incoming.at)

    def status_report(self, case: Case, half: HalfRecord, state: State) -> MessageId | None:
        """Answer with where the transaction stands."""
        ends = case.ends(half)
        request = (
            case.apdu
            if case.half is None and isinstance(case.apdu, ILLRequest)
            else original_request(self.incoming.uow, half)
        )
        history = history_of(self.incoming.uow, half, ends.local)
        at = report_time(self.incoming.uow, half, self.incoming.at, ends.local.zone)
        report = compose.status_report(
            ends.frame(request, at), request, history, state.wire, role=ends.state.role
        )
        return self._send(report, ends.partner, half)

    def destination(self, partner: Partner | None) -> Destination:
        """Where an answer to the message goes."""
        # A request that was handed on came from another library than the one that is answered.
        on_connection = self.incoming.is_waited_for and not self.handed_on
        return Destination(
            partner=partner, connection_id=self.incoming.message.connection_id if on_connection else None
        )

    def conclude(
        self,
        verdict: Verdict,
        reason: str,
        apdu_type: type[ILLApdu] | None,
        partner: Partner | None,
        *,
        context: Context = NOWHERE,
        answer: MessageId | None,
        error: WireError | None = None,
    ) -> Processed:
        """Store what became of the message beside it, and say so."""
        name = None if apdu_type is None else apdu_type.asn1_name
        self.incoming.uow.messages.processed(
            self.incoming.message.id,
            at=self.incoming.at,
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
            message_id=self.incoming.message.id,
            verdict=verdict,
            apdu_type=name,
            partner=None if partner is None else partner.name,
            transaction_id=context.transaction_id,
            half_id=context.half_id,
            answer=answer,
        )
