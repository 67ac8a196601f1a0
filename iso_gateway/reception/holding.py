"""Messages that come too early (protocol.md 2.5, inferred): they wait for those that they overtook."""

from datetime import datetime, timedelta
from typing import Final

from iso_gateway.protocol import machine
from iso_gateway.protocol.events import ApduReceived, Service
from iso_gateway.protocol.later import could_be_allowed_later
from iso_gateway.protocol.states import HalfState
from iso_gateway.reception.answering import Answers
from iso_gateway.reception.case import Case, Incoming, Standing, context_of
from iso_gateway.reception.outcome import MESSAGE_HELD, Processed, Verdict
from iso_gateway.store.records import Transport

#: How long an APDU that comes too early is held where nothing else is configured (protocol.md 2.5).
HOLD_EARLY: Final = timedelta(minutes=10)
#: How many messages of one transaction are held at once: a conversation has no use for more.
MOST_HELD: Final = 16


def is_early(case: Case, before: HalfState, event: ApduReceived) -> bool:
    """Whether the APDU is not allowed now, but may be once others have come."""
    if event.service is Service.STQ:
        # A question is answered at once: it moves nothing, so nothing is lost by its coming first.
        return False
    if case.standing is Standing.FORMER:
        return False
    return could_be_allowed_later(before, event)


def until_when(incoming: Incoming, case: Case) -> datetime | None:
    """Until when to hold what comes too early; None where it is to be decided now."""
    if incoming.replayed:
        return None
    if incoming.held is not None:
        return incoming.held.until if incoming.at < incoming.held.until else None
    wait = case.parties.partner.hold_early
    if wait is None:
        two_way = incoming.message.transport is Transport.TCP_TWO_WAY
        wait = timedelta() if two_way else HOLD_EARLY
    if not wait or incoming.uow.held.count(case.canonical) >= MOST_HELD:
        return None
    return incoming.at + wait


def hold(answers: Answers, case: Case, outcome: machine.Outcome, until: datetime) -> Processed:
    """Let a message wait for those that it overtook; nothing is answered yet."""
    incoming = answers.incoming
    incoming.uow.held.hold(incoming.message.id, case.canonical, until=until)
    context = context_of(case.half)
    if incoming.held is not None:
        # It is held as it was before, which has been said.
        return Processed(
            message_id=incoming.message.id,
            verdict=Verdict.HELD,
            apdu_type=case.apdu.asn1_name,
            partner=case.parties.partner.name,
            transaction_id=context.transaction_id,
            half_id=context.half_id,
        )
    if case.transaction is not None:
        incoming.uow.messages.bind(incoming.message.id, case.transaction.id)
    detail = {"reason": outcome.reason, "until": until.isoformat()}
    incoming.tell(MESSAGE_HELD, context.half_id, detail)
    return answers.conclude(
        Verdict.HELD,
        f"{outcome.reason}: it may be early, so it waits until {until.isoformat(timespec='seconds')}",
        type(case.apdu),
        case.parties.partner,
        context=context,
        answer=None,
    )
