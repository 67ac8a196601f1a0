"""Messages that come again (protocol.md 2.2): the same octets, or an APDU that repeats an earlier one."""

from typing import Final

import structlog

from asn1.codec import Header
from asn1.ill import ILLApdu, ILLRequest
from config.settings import Partner
from iso_gateway.half import interpretation
from iso_gateway.half.record import stored_apdu
from iso_gateway.half.sending import Context, send_again
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import TableProfile
from iso_gateway.reception.answering import Answers
from iso_gateway.reception.case import Incoming
from iso_gateway.reception.outcome import EFFECTIVE, Processed, Verdict
from iso_gateway.store.records import HalfRecord, InputKind, InputRecord, MessageId
from iso_gateway.store.unit_of_work import UnitOfWork

log = structlog.stdlib.get_logger(__name__)

#: What is logged of a service that has the date-time of the one before it (protocol.md 2.2, inferred).
SAME_DATE_TIME: Final = "message.same-date-time"

#: How many earlier APDUs of its service a message is compared with, the newest first: so many that had their
#: effect, and so many repeats. Whoever sends more in one transaction has stopped waiting for the first.
MOST_COMPARED: Final = 32


def exact_duplicate(incoming: Incoming, octets: bytes, partner: Partner) -> MessageId | None:
    """The message with these octets from this sender that had its effect.

    It may have come after this one: what could not be processed when it came is taken up at the next
    start, and its sender may have sent it again meanwhile.

    Args:
        incoming: the message.
        octets: those of the message.
        partner: its sender.
    """
    others = incoming.uow.messages.find_exact(
        octets, partner=partner.name, verdicts=(*EFFECTIVE, Verdict.HELD.value)
    )
    return next((one for one in reversed(others) if _counts(incoming, one)), None)


def _counts(incoming: Incoming, message_id: MessageId) -> bool:
    """Whether a message with the octets of this one had its effect, or waits to have it."""
    if message_id == incoming.message.id:
        return False
    known = incoming.uow.messages.processings(message_id)
    return any(one.verdict in EFFECTIVE for one in known) or incoming.uow.held.get(message_id) is not None


def answer_duplicate(answers: Answers, earlier: MessageId, header: Header, partner: Partner) -> Processed:
    """Change nothing; on a two-way connection write the stored answer again."""
    incoming = answers.incoming
    processing = incoming.uow.messages.processings(earlier)[-1]
    answer = processing.answer_message_id
    destination = answers.destination(partner)
    context = Context(transaction_id=processing.transaction_id, half_id=processing.half_id)
    of = processing.transaction_id
    if of is not None and incoming.uow.transactions.is_disposed(of):
        # Its answer cannot be read any more, and nothing can be sealed by its key.
        of = answer = None
    if answer is not None and destination.connection_id is not None:
        send_again(incoming.uow, answer, destination, context, retry=partner.retry, at=incoming.at)
    else:
        answer = None
    if of is not None:
        incoming.uow.messages.bind(incoming.message.id, of)
    return answers.conclude(
        Verdict.EXACT_DUPLICATE,
        f"the same octets as message {earlier}",
        header.apdu_type,
        partner,
        context=context,
        answer=answer,
    )


def repetition(
    uow: UnitOfWork, apdu: ILLApdu, service: Service, half: HalfRecord | None, partner: Partner
) -> tuple[bool, bool]:
    """Whether an APDU is a repeat, and whether what it repeats was seen here.

    Args:
        uow: the unit of work.
        apdu: what came.
        service: which service it carries.
        half: the half that it concerns, if there is one yet.
        partner: its sender.
    """
    marked = interpretation.is_marked_repeat(apdu)
    # Inferred: lenient partners leave the mark out of a second ILL-Request (protocol.md 2.2).
    lenient = (
        not marked and isinstance(apdu, ILLRequest) and partner.tables.value == TableProfile.LENIENT.value
    )
    earlier = (
        ()
        if half is None
        else uow.inputs.newest(
            half.id, (service,), verdicts=EFFECTIVE, at_most=MOST_COMPARED, kind=InputKind.APDU
        )
    )
    if earlier and not marked:
        _warn_of_the_same_time(uow, apdu, service, earlier[-1])
    for record in reversed(earlier):
        # Whether it is a repeat that did the work of an original which had not come.
        stood_in = record.repeat and record.verdict == Verdict.APPLIED
        if record.message_id is None or not (marked or lenient or stood_in):
            continue
        known = stored_apdu(uow, record.message_id)
        if interpretation.says_again(apdu, known, stood_in=stood_in) or (
            lenient and interpretation.differ_in_time_only(apdu, known)
        ):
            return True, True
    return marked, False


def _warn_of_the_same_time(uow: UnitOfWork, apdu: ILLApdu, service: Service, record: InputRecord) -> None:
    """Log that a partner gave two services of one kind one date-time, which is to tell them apart."""
    if record.message_id is None:
        return
    this = apdu.service_date_time.date_time_of_this_service
    known = stored_apdu(uow, record.message_id)
    if this.time and this == known.service_date_time.date_time_of_this_service:
        log.warning(
            SAME_DATE_TIME, service=service.value, half_id=record.half_id, message_id=record.message_id
        )
