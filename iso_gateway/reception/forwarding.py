"""Requests of ours that a responder hands on, as the requester sees it (protocol.md 2.8)."""

from typing import Final

import structlog

from asn1.ill import ForwardNotification, ILLApdu, ILLRequest, Message, StatusOrErrorReport, StatusQuery
from config.settings import Partner
from iso_gateway.message.identity import symbol_of
from iso_gateway.protocol import machine
from iso_gateway.protocol.events import ApduReceived, Service
from iso_gateway.protocol.states import Role, State
from iso_gateway.reception.case import Case, Incoming, Standing
from iso_gateway.reception.outcome import INFERRED_CHECK, REQUEST_FORWARDED
from iso_gateway.store.records import HalfRecord

log = structlog.stdlib.get_logger(__name__)

#: What the log calls the check that lets a new responder answer before FORWARD-NOTIFICATION has come.
UNANNOUNCED_RESPONDER: Final = "unannounced-responder"


def was_forwarded(incoming: Incoming, apdu: ILLApdu) -> bool:
    """Whether it is a request that came from the address of a partner which handed it on (inferred).

    That partner must be one whose addresses are known: otherwise anyone could say so.
    """
    if not isinstance(apdu, ILLRequest) or not apdu.forward_flag:
        return False
    third_party = apdu.third_party_info_type
    tried = () if third_party is None else third_party.already_tried_list or ()
    symbols = [symbol for symbol in map(symbol_of, tried) if symbol is not None]
    partners = [incoming.settings.partner_for(symbol) for symbol in symbols]
    return any(
        partner is not None
        and bool(partner.allowed_sources)
        and incoming.addressing.may_come_from_here(partner)
        for partner in partners
    )


_PROCESSING: Final = frozenset({State.PENDING, State.CONDITIONAL, State.CANCEL_PENDING})
"""Where a request of ours can still go on to another responder."""


def standing_of(half: HalfRecord | None, partner: Partner, apdu: ILLApdu) -> Standing:
    """What a partner is to a half: after a forwarding there are several that may write (check 9)."""
    if half is None or half.partner == partner.name:
        return Standing.PARTNER
    if partner.name in half.former_partners:
        return Standing.FORMER
    # Where it went we may have been told, but as a symbol that was no partner of ours then.
    went_on = "may_forward" in half.flags or ("forwarded" in half.flags and not half.former_partners)
    if (
        half.role == Role.REQUESTER
        and went_on
        and half.state in _PROCESSING
        and not isinstance(apdu, StatusOrErrorReport)
    ):
        return Standing.SUCCESSOR
    return Standing.STRANGER


def is_over(outcome: machine.Outcome, event: ApduReceived) -> bool:
    """Whether a responder that forwarded the request says what is the new one's to say.

    That is what would move the request, other than by saying where it went; and SHIPPED, whatever it does.
    """
    moves = outcome.row is not None and outcome.row.next_state is not outcome.row.state
    return event.service is Service.SHI or (moves and event.service is not Service.FWN)


def shows_a_forwarding(case: Case) -> bool:
    """Whether a message comes from a library that must have been handed the request, as nobody has told yet.

    Whoever only asks or says something need not have the request, and is not given it for that.
    """
    return case.standing is Standing.SUCCESSOR and not isinstance(case.apdu, Message | StatusQuery)


def is_old_news(case: Case) -> bool:
    """Whether a FORWARD-NOTIFICATION comes after the new responder itself, to which a CANCEL went since.

    It must not call that CANCEL back: it went to the right library (inferred).
    """
    return (
        isinstance(case.apdu, ForwardNotification)
        and case.standing is Standing.FORMER
        and case.half is not None
        and case.half.state == State.CANCEL_PENDING
    )


def follow(incoming: Incoming, case: Case, half: HalfRecord) -> None:
    """Let the half be with the library that has the request now."""
    sender = case.parties.partner
    if shows_a_forwarding(case):
        log.info(INFERRED_CHECK, check=UNANNOUNCED_RESPONDER, apdu_type=case.apdu.asn1_name)
        half = _pass_on(incoming, half, sender)
    if not isinstance(case.apdu, ForwardNotification) or case.standing is Standing.FORMER:
        return
    symbol = symbol_of(case.apdu.responder_id)
    responder = None if symbol is None else incoming.settings.partner_for(symbol)
    if symbol is not None and incoming.settings.local_for(symbol) is not None:
        reason = "the request was forwarded to a library of ours, which lends it nothing: cancel the request"
        incoming.attend(half, reason)
    elif responder is None or incoming.settings.route(case.parties.local, responder) is None:
        incoming.attend(
            half,
            "the request was forwarded to a library that is no partner of this gateway:"
            " add a partner file with its symbol, or its messages are refused",
        )
    elif responder.name != half.partner:
        if responder.name in half.former_partners:
            reason = (
                f"the request was forwarded back to {responder.name}, which had forwarded it: ask it"
                " whether it lends the item"
            )
            incoming.attend(half, reason)
        _pass_on(incoming, half, responder)


def _pass_on(incoming: Incoming, half: HalfRecord, partner: Partner) -> HalfRecord:
    former = (one for one in (*half.former_partners, half.partner) if one != partner.name)
    incoming.uow.halves.pass_on(half.id, partner.name, former=former, at=incoming.at)
    detail: dict[str, object] = {"from": half.partner, "to": partner.name}
    incoming.tell(REQUEST_FORWARDED, half.id, detail)
    return incoming.uow.halves.get(half.id)
