"""Messages that come again (protocol.md 2.2): the same octets, or an APDU that repeats an earlier one."""

from collections.abc import Sequence
from dataclasses import replace

from asn1.codec import Header
from asn1.ill import ILLApdu, ILLRequest
from config.settings import Partner
from iso_gateway import interpretation
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import TableProfile
from iso_gateway.reception.answering import Answers
from iso_gateway.reception.case import Arrival
from iso_gateway.reception.outcome import EFFECTIVE, Processed, Verdict
from iso_gateway.record import stored_apdu
from iso_gateway.sending import Context, send_again
from iso_gateway.store.records import InputKind, InputRecord, MessageId
from iso_gateway.store.unit_of_work import UnitOfWork


def exact_duplicate(arrival: Arrival, octets: bytes, partner: Partner) -> MessageId | None:
    """The message with these octets from this sender that had its effect.

    It may have come after this one: what could not be processed when it came is taken up at the next
    start, and its sender may have sent it again meanwhile.

    Args:
        arrival: the message.
        octets: those of the message.
        partner: its sender.
    """
    others = arrival.uow.messages.find_exact(
        octets, partner=partner.name, verdicts=(*EFFECTIVE, Verdict.HELD.value)
    )
    return next((one for one in reversed(others) if _counts(arrival, one)), None)


def _counts(arrival: Arrival, message_id: MessageId) -> bool:
    """Whether a message with the octets of this one had its effect, or waits to have it."""
    if message_id == arrival.message.id:
        return False
    known = arrival.uow.messages.processings(message_id)
    return any(one.verdict in EFFECTIVE for one in known) or arrival.uow.held.get(message_id) is not None


def answer_duplicate(answers: Answers, earlier: MessageId, header: Header, partner: Partner) -> Processed:
    """Change nothing; on a two-way connection write the stored answer again."""
    arrival = answers.arrival
    processing = arrival.uow.messages.processings(earlier)[-1]
    answer = processing.answer_message_id
    destination = answers.destination(partner)
    context = Context(transaction_id=processing.transaction_id, half_id=processing.half_id)
    if answer is not None and destination.connection_id is not None:
        send_again(arrival.uow, answer, destination, context, retry=partner.retry, at=arrival.at)
    else:
        answer = None
    if processing.transaction_id is not None:
        arrival.uow.messages.bind(arrival.message.id, processing.transaction_id)
    return answers.conclude(
        Verdict.EXACT_DUPLICATE,
        f"the same octets as message {earlier}",
        header.apdu_type,
        partner,
        context=context,
        answer=answer,
    )


def repetition(
    uow: UnitOfWork, apdu: ILLApdu, service: Service, history: Sequence[InputRecord], partner: Partner
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
        known = stored_apdu(uow, record.message_id)
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
