"""What becomes of a service that the local user asks for: allowed by the machine, composed, queued."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from enum import IntEnum
from typing import Final, assert_never

from asn1.ill import ILLApdu, ILLRequest, ILLServiceType, SystemAddress, SystemId
from config.settings import Partner, Settings
from iso_gateway import compose, documents
from iso_gateway.errors import NotFoundError, PrimitiveInvalidError, PrimitiveRefusedError
from iso_gateway.half import interpretation
from iso_gateway.half.movement import Ends, Move, ends_of, raise_attention, record_move, service_time
from iso_gateway.half.record import note_inferred, original_request, stored_apdu
from iso_gateway.half.sending import Destination, enqueue
from iso_gateway.message import capability
from iso_gateway.message.identity import symbol_of
from iso_gateway.protocol import effects, machine
from iso_gateway.protocol.events import Service, ServiceRequested
from iso_gateway.protocol.states import HalfState, State
from iso_gateway.request import primitives
from iso_gateway.store.records import HalfId, InputKind, InputRecord, MessageId
from iso_gateway.store.unit_of_work import UnitOfWork

#: In the payload of a FORWARD, which message is the ILL-REQUEST that went on.
ONWARD: Final = "onward_message_id"
#: In the payload of a repeat, which message it repeats.
REPEATS: Final = "repeats"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What came of a service that was asked for.

    Args:
        half_id: the half that it moved.
        message_id: the APDU that waits to be sent; of a forwarding, the one to the requester.
        apdu: that APDU.
        before: the half's state before.
        state: the half's state afterwards.
        partner: name of the partner that it goes to.
        onward: of a forwarding, the ILL-REQUEST to the next responder.
        posted: what became of the link that was given with it.
    """

    half_id: HalfId
    message_id: MessageId
    apdu: ILLApdu
    before: State
    state: State
    partner: str
    onward: MessageId | None = None
    posted: documents.Posted | None = None


class NotPossibleNowError(PrimitiveRefusedError):
    """The state tables do not allow a service now.

    Args:
        reason: why, in the machine's words.
        service: what was asked for.
        possible: what is possible instead, as `possible` gives it.
    """

    def __init__(self, reason: str, *, service: Service, possible: tuple[Service, ...]) -> None:
        super().__init__(f"{reason}; possible now: {', '.join(one.phrase for one in possible)}")
        self.service = service
        self.possible = possible


class NotUnderstoodError(PrimitiveRefusedError):
    """The partner's software cannot take a service, by its profile."""

    def __init__(self, refusal: capability.Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sending:
    """What a service puts on the wire: to the half's partner, and of a forwarding to the next responder."""

    apdu: ILLApdu
    onward: ILLRequest | None = None
    onward_to: Partner | None = None


def perform(
    settings: Settings,
    uow: UnitOfWork,
    half_id: HalfId,
    primitive: primitives.Primitive,
    *,
    actor: str,
    at: datetime,
) -> Acted:
    """Perform a service for the local user, as requester or responder.

    Args:
        settings: partners and local symbols.
        uow: the unit of work in which the state changes and the APDU is queued.
        half_id: whose service it is.
        primitive: what is asked for.
        actor: who asks, for the audit trail.
        at: now, aware.

    Raises:
        NotFoundError: the half's partner or local symbol is no longer configured, or whom to forward to.
        StoreError: there is no such half, or what it says has been disposed of.
        PrimitiveRefusedError: the state tables do not allow it now, or the partner's software cannot take it.
        PrimitiveInvalidError: a field is missing or wrong.
        TemplateUnusableError: a template of the site's own, for the mail with a link, is wrong.
    """
    ends = ends_of(settings, uow, half_id)
    before, service = ends.state, compose.service_of(primitive)
    _require_allowed(before, ServiceRequested(service=service), ends.partner, at)
    _require_capable(ends.partner, service, before)
    request = original_request(uow, ends.half)
    service_at = service_time(ends.half, at, ends.local.zone)
    frame = ends.frame(request, service_at)
    if isinstance(primitive, primitives.Forward):
        sending = _forwarding(settings, ends, primitive, request, frame)
    else:
        terms = compose.Terms.between(ends.local, ends.partner)
        apdu = compose.apdu_for(_completed(primitive, before), request, frame, terms)
        sending = _Sending(apdu=apdu)
    event = ServiceRequested(service=service, facts=interpretation.facts_sent(sending.apdu, ends.partner))
    acted = _carry_out(
        uow, ends, event, sending, payload=payload_of(primitive), actor=actor, at=at, service_at=service_at
    )
    if not isinstance(primitive, primitives.Ship) or primitive.document_url is None:
        return acted
    posted = documents.post(
        settings,
        uow,
        ends,
        request,
        primitive.document_url,
        note=primitive.note,
        message_id=acted.message_id,
        actor=actor,
        at=at,
    )
    return replace(acted, posted=posted)


def repeat(settings: Settings, uow: UnitOfWork, half_id: HalfId, *, actor: str, at: datetime) -> Acted:
    """Send the last service of ours once more, marked as a repeat (protocol.md 2.2).

    It is the last that the machine lets repeat in the half's state: what would move the half is not repeated.

    Raises:
        NotFoundError: the half's partner or local symbol is no longer configured.
        StoreError: there is no such half, or what it says has been disposed of.
        PrimitiveRefusedError: there is nothing to repeat now.
    """
    ends = ends_of(settings, uow, half_id)
    ours = [
        record
        for record in uow.inputs.of(half_id)
        if record.kind is not InputKind.APDU and record.message_id is not None
    ]
    for record in reversed(ours):
        repeated = _repetition(settings, uow, ends, record, actor=actor, at=at)
        if repeated is not None:
            return repeated
    raise PrimitiveRefusedError(
        f"nothing that was sent about request {half_id} can be repeated in {ends.half.state}"
    )


def repeat_message(
    settings: Settings,
    uow: UnitOfWork,
    half_id: HalfId,
    message_id: MessageId,
    *,
    actor: str,
    at: datetime,
) -> Acted:
    """Send the service of ours that one message carried once more, marked as a repeat.

    Raises:
        NotFoundError: the half's partner or local symbol is no longer configured.
        StoreError: there is no such half, or what it says has been disposed of.
        PrimitiveRefusedError: the message carried no service of ours, or the machine does not let it repeat.
    """
    ends = ends_of(settings, uow, half_id)
    for record in uow.inputs.of(half_id):
        onward = (record.payload or {}).get(ONWARD)
        if record.kind is InputKind.APDU or message_id not in (record.message_id, onward):
            continue
        repeated = _repetition(settings, uow, ends, record, actor=actor, at=at)
        if repeated is None:
            said = Service(record.service).phrase
            raise PrimitiveRefusedError(f"{said} cannot be repeated in {ends.half.state}")
        return repeated
    raise PrimitiveRefusedError(f"message {message_id} carried no service of request {half_id}")


def possible(state: HalfState, partner: Partner) -> tuple[Service, ...]:
    """The services that the local user may ask for now, as far as the partner's software can take them.

    A CANCEL that a forwarding outran comes first: it is to be sent to the new responder.

    Args:
        state: the half, from `record.half_state`.
        partner: the other end.
    """
    services = (
        service
        for service in machine.allowed(state)
        if service not in _NOT_PERFORMED and capability.understands(partner.capabilities, service)
    )
    return tuple(sorted(services, key=lambda one: not (one is Service.CAN and state.flags.cancel_wished)))


# A request begins a half, and reports are the gateway's own answers.
_NOT_PERFORMED = frozenset({Service.ILL, Service.STR})


def _require_allowed(before: HalfState, event: ServiceRequested, partner: Partner, at: datetime) -> None:
    """What a service says does not decide whether it is allowed, so this comes before it is composed."""
    outcome = machine.advance(before, event, at)
    if outcome.verdict is machine.Verdict.REFUSED:
        raise NotPossibleNowError(outcome.reason, service=event.service, possible=possible(before, partner))


def _require_capable(partner: Partner, service: Service, before: HalfState | None = None) -> None:
    now = None if before is None else machine.allowed(before)
    refused = capability.refusal(partner, service, possible=now)
    if refused is not None:
        raise NotUnderstoodError(refused)


def _completed(
    primitive: primitives.SingleApduPrimitive, before: HalfState
) -> primitives.SingleApduPrimitive:
    """A RECEIVED that does not say as what the item came says so as SHIPPED did."""
    if not isinstance(primitive, primitives.Receive) or primitive.service_type is not None:
        return primitive
    if not before.flags.shipped_seen:
        return primitive
    supplied = ILLServiceType.loan if before.flags.loan else ILLServiceType.copy_non_returnable
    return replace(primitive, service_type=supplied)


def _forwarding(
    settings: Settings,
    ends: Ends,
    primitive: primitives.Forward,
    request: ILLRequest,
    frame: compose.Frame,
) -> _Sending:
    """The two APDUs of a forwarding: the request to the next responder, and the notice to the requester."""
    onward_to = settings.partner(primitive.to)
    if onward_to is None or settings.route(ends.local, onward_to) is None:
        raise NotFoundError(
            f"there is no partner {primitive.to!r} with a route from {ends.local.name}: see partners list"
        )
    if onward_to.name == ends.partner.name:
        raise PrimitiveInvalidError(f"the request came from {onward_to.name}: forward it to another library")
    if _has_been_tried(request, onward_to):
        raise PrimitiveInvalidError(
            f"the request says that {onward_to.name} was tried already: forward it to another library"
        )
    if not _may_have_it(request, onward_to):
        raise PrimitiveInvalidError(
            f"the requester says to whom it may be forwarded, and {onward_to.name} is not among them: forward"
            " it to one of those, or ask the requester in a message"
        )
    _require_capable(onward_to, Service.ILL)
    theirs = compose.Terms.between(ends.local, ends.partner)
    onward_terms = compose.Terms.between(ends.local, onward_to)
    onward = compose.forwarded_request(
        request,
        frame.to(onward_to.symbols[0], encoding=onward_to.character_set.value),
        onward_terms,
        intermediary=ends.local.symbol,
        requester_address=theirs.their_address or SystemAddress(),
        note=primitive.note,
        read_as=ends.partner.character_set.value,
    )
    notification = compose.forward_notification(
        frame, to=onward_to.symbols[0], address=onward_terms.their_address, note=primitive.note
    )
    return _Sending(apdu=notification, onward=onward, onward_to=onward_to)


def _has_been_tried(request: ILLRequest, partner: Partner) -> bool:
    """Whether a request has been with a library before it came to us: it would only go round in a circle."""
    third_party = request.third_party_info_type
    tried = () if third_party is None else third_party.already_tried_list or ()
    return _is_among(partner, tried)


def _may_have_it(request: ILLRequest, partner: Partner) -> bool:
    """Whether the requester leaves it to us to whom a request goes, or names that library (inferred)."""
    third_party = request.third_party_info_type
    if third_party is None or not third_party.send_to_list or third_party.permission_to_change_send_to_list:
        return True
    return _is_among(partner, [one.system_id for one in third_party.send_to_list])


def _is_among(partner: Partner, libraries: Iterable[SystemId]) -> bool:
    symbols = [symbol for symbol in map(symbol_of, libraries) if symbol is not None]
    return any(symbol.matches(own) for symbol in symbols for own in (*partner.symbols, *partner.aliases))


def _repetition(
    settings: Settings, uow: UnitOfWork, ends: Ends, record: InputRecord, *, actor: str, at: datetime
) -> Acted | None:
    """Repeat what an input sent; None where the machine does not let it repeat now, or it went elsewhere.

    What went to a library that has handed the request on is no repeat to the one that has it now.
    """
    service = Service(record.service)
    if record.message_id is None or service is Service.EXP:
        # EXPIRED is the gateway's own doing, and no wish of anybody (protocol.md 2.6).
        return None
    if uow.messages.processings(record.message_id)[-1].partner != ends.partner.name:
        return None
    sent = stored_apdu(uow, record.message_id)
    facts = interpretation.facts_sent(sent, ends.partner, original_seen=True)
    event = ServiceRequested(service=service, repeat=True, facts=facts)
    if machine.advance(ends.state, event, at).verdict is machine.Verdict.REFUSED:
        return None
    service_at = service_time(ends.half, at, ends.local.zone)
    sending = _Sending(apdu=compose.repeat_of(sent, service_at))
    payload: dict[str, object] = {REPEATS: record.message_id}
    onward_id = (record.payload or {}).get(ONWARD)
    if isinstance(onward_id, int):
        onward = stored_apdu(uow, MessageId(onward_id))
        onward_to = settings.partner(str((record.payload or {}).get("to")))
        if not isinstance(onward, ILLRequest) or onward_to is None:
            return None
        sending = replace(sending, onward=compose.repeat_of(onward, service_at), onward_to=onward_to)
        payload["to"] = onward_to.name
    return _carry_out(uow, ends, event, sending, payload=payload, actor=actor, at=at, service_at=service_at)


def _carry_out(
    uow: UnitOfWork,
    ends: Ends,
    event: ServiceRequested,
    sending: _Sending,
    *,
    payload: dict[str, object],
    actor: str,
    at: datetime,
    service_at: datetime,
) -> Acted:
    """Let the machine decide, queue what it wants sent, and record all of it."""
    half, partner, service = ends.half, ends.partner, event.service
    before = ends.state
    outcome = machine.advance(before, event, at)
    message_id: MessageId | None = None
    onward_id: MessageId | None = None
    for effect in outcome.effects:
        match effect:
            case effects.SendApdu(onward=True):
                if sending.onward is None or sending.onward_to is None:
                    raise AssertionError("the machine forwards what nobody asked to forward")
                onward_id = enqueue(
                    uow,
                    sending.onward,
                    Destination(partner=sending.onward_to),
                    ends.context,
                    retry=sending.onward_to.retry,
                    at=at,
                    until=_end(sending.onward, ends),
                )
                payload[ONWARD] = onward_id
            case effects.SendApdu():
                message_id = enqueue(
                    uow,
                    sending.apdu,
                    Destination(partner=partner),
                    ends.context,
                    retry=partner.retry,
                    at=at,
                    until=_end(sending.apdu, ends),
                )
            case effects.RaiseAttention(reason=reason):
                raise_attention(uow, half, reason, at)
            case effects.NoteInferred(row=row):
                note_inferred(row)
            case effects.SetTimer() | effects.ClearTimer():
                continue  # the half's deadlines say it
            case effects.Indicate() | effects.SendReport():
                raise AssertionError(f"the machine asked for {effect!r} after a local primitive")
            case _:
                assert_never(effect)
    if message_id is None:
        raise AssertionError(f"the machine allowed {service.phrase} without an APDU to send")
    record_move(
        uow,
        ends,
        Move(
            kind=InputKind.PRIMITIVE,
            event=event,
            before=before,
            outcome=outcome,
            at=at,
            message_id=message_id,
            payload=payload,
            days=interpretation.days_of(sending.apdu),
            service_at=service_at,
        ),
    )
    phrase = f"{service.phrase} repeated" if event.repeat else service.phrase
    detail = {"service": service.phrase, "repeat": event.repeat, "state": outcome.state.state.value}
    uow.events.append(
        kind=f"{service.apdu_name.lower()}.request",
        half_id=half.id,
        message_id=message_id,
        detail={**detail, "actor": actor},
        at=at,
    )
    uow.audit.append(at=at, actor=actor, action=phrase, reason="", half_id=half.id, message_id=message_id)
    return Acted(
        half_id=half.id,
        message_id=message_id,
        apdu=sending.apdu,
        before=before.state,
        state=outcome.state.state,
        partner=partner.name,
        onward=onward_id,
    )


def _end(apdu: ILLApdu, ends: Ends) -> datetime | None:
    """When an APDU is of no use any more, before its lifetime ends: a request once it has expired."""
    if not isinstance(apdu, ILLRequest):
        return None
    return interpretation.end_of_request(apdu, ends.local.zone)


def payload_of(primitive: primitives.Primitive) -> dict[str, object]:
    """The fields of a primitive as JSON values, for the record."""
    fields = {name: _json(value) for name, value in asdict(primitive).items()}
    return {"primitive": type(primitive).__name__, **fields}


def _json(value: object) -> object:
    match value:
        case date():
            return value.isoformat()
        case IntEnum():
            return int(value)
        case tuple():
            return [_json(member) for member in value]
        case Mapping():
            return {name: _json(member) for name, member in value.items()}
        case _:
            return value
