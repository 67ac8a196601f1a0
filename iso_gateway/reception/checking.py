"""Checks 1 to 7 of protocol.md 5.1: whether a message can be read, who sent it, whom it is for."""

from collections import Counter
from datetime import datetime
from typing import assert_never

import structlog

from asn1.codec import Dialect, Header, WireError, WireErrorKind, decode, decode_header
from asn1.ill import ILLApdu, ILLRequest
from config.settings import Settings
from iso_gateway import compose
from iso_gateway.message import reading
from iso_gateway.message.identity import is_well_formed
from iso_gateway.protocol.errors import (
    GeneralProblem,
    GeneralProblemCode,
    Report,
    SecurityProblem,
    TransactionIdProblem,
    TransactionIdProblemCode,
)
from iso_gateway.reception import applying, forwarding, repetition
from iso_gateway.reception.answering import Answers
from iso_gateway.reception.case import Incoming, Parties, header_of
from iso_gateway.reception.outcome import MESSAGE_UNREADABLE, Processed, Verdict
from iso_gateway.store.records import HeldRecord, MessageId, MessageRecord
from iso_gateway.store.unit_of_work import UnitOfWork

log = structlog.stdlib.get_logger(__name__)


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
        self._incoming = Incoming(
            settings=settings, uow=uow, message=message, at=at, held=held, replayed=replayed
        )
        self._answers = Answers(self._incoming)
        self._addressing = self._incoming.addressing
        self._octets = uow.messages.raw(message.id)
        self._limits = reading.limits_for(settings, None)

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
        if apdu is not None and reading.limits_for(self._incoming.settings, sender) == self._limits:
            return apdu
        decoded = reading.read(self._octets, self._incoming.settings, sender)
        if decoded.tolerances:
            uses = Counter(use.kind.value for use in decoded.tolerances)
            partner = None if sender is None else sender.name
            log.info("message.tolerated", message_id=self._incoming.message.id, partner=partner, **uses)
        return decoded.apdu

    def _decode_strictly(self) -> ILLApdu | None:
        try:
            return decode(self._octets, self._limits, Dialect.STRICT)
        except WireError:
            return None

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
            answer = self._answers.report(header, _report_of(error), partner, None)
        self._incoming.tell(MESSAGE_UNREADABLE, None, None)
        return self._answers.conclude(
            Verdict.UNREADABLE,
            error.reason,
            None if header is None else header.apdu_type,
            partner,
            answer=answer,
            error=error,
        )

    def _version_not_supported(self, header: Header) -> Processed:
        return self._answers.refuse(
            Verdict.VERSION_NOT_SUPPORTED,
            f"protocol version {header.protocol_version_num} is not spoken here, only 1 and 2",
            header,
            self._addressing.trusted_partner(header),
            GeneralProblem(code=GeneralProblemCode.PROTOCOL_VERSION_NOT_SUPPORTED),
        )

    def _addressed(self, apdu: ILLApdu) -> Processed:
        header = header_of(apdu)
        role = self._addressing.role(header)
        sender, recipient = self._addressing.ends(header)
        partner = self._addressing.partner(header)
        local = self._addressing.local(recipient)
        if local is None:
            return self._answers.refuse(
                Verdict.UNKNOWN_RECIPIENT,
                "it is addressed to a symbol that this gateway does not serve",
                header,
                self._addressing.trusted_partner(header),
                SecurityProblem(text="The library addressed is not served here"),
            )
        if partner is None:
            return self._answers.refuse(
                Verdict.UNKNOWN_SENDER,
                "its sender is no partner of this gateway: add a partner file with its symbol to accept it"
                if sender is not None
                else "it does not say who sent it",
                header,
                None,
                SecurityProblem(text="The sender is not known here"),
            )
        if not self._addressing.may_come_from_here(partner) and not forwarding.was_forwarded(
            self._incoming, apdu
        ):
            return self._answers.refuse(
                Verdict.UNKNOWN_SENDER,
                f"it names {partner.name} as its sender but comes from an address outside of"
                f" {'allowed_senders' if self._addressing.by_mail else 'allowed_sources'}",
                header,
                None,
                SecurityProblem(text="The sender is not known here"),
            )
        if self._incoming.settings.route(local, partner) is None:
            return self._answers.refuse(
                Verdict.UNKNOWN_RECIPIENT,
                f"there is no route between {local.name} and {partner.name}: add one to the configuration",
                header,
                partner,
                SecurityProblem(text="The library addressed is not served here"),
            )
        answers = Answers(self._incoming, handed_on=isinstance(apdu, ILLRequest) and apdu.forward_flag)
        parties = Parties(local=local, partner=partner, role=role)
        if not is_well_formed(header.transaction_id):
            return answers.refuse(
                Verdict.INVALID_TRANSACTION_ID,
                "its Transaction-Id lacks a qualifier",
                header,
                partner,
                TransactionIdProblem(code=TransactionIdProblemCode.INVALID_TRANSACTION_ID),
            )
        earlier = repetition.exact_duplicate(self._incoming, self._octets, partner)
        if earlier is not None:
            return repetition.answer_duplicate(answers, earlier, header, partner)
        return applying.apply(answers, apdu, header, parties)


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
