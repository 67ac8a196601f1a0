"""What becomes of a service that the local user asks for: allowed by the machine, composed, queued."""

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import IntEnum
from typing import assert_never

from asn1.ill import ILLApdu
from config.settings import Partner, Settings
from iso_gateway import compose, primitives
from iso_gateway.errors import NotFoundError, PrimitiveRefusedError
from iso_gateway.protocol import effects, machine
from iso_gateway.protocol.events import Facts, Service, ServiceRequested
from iso_gateway.protocol.states import HalfState, Role, State, TableProfile
from iso_gateway.record import digest_of, half_state, note_inferred, original_request
from iso_gateway.sending import Context, Destination, enqueue
from iso_gateway.store.records import HalfId, HalfRecord, InputKind, MessageId
from iso_gateway.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What came of a service that was asked for.

    Args:
        half_id: the half that it moved.
        message_id: the APDU that waits to be sent.
        apdu: that APDU.
        state: the half's state afterwards.
        partner: name of the partner that it goes to.
    """

    half_id: HalfId
    message_id: MessageId
    apdu: ILLApdu
    state: State
    partner: str


def perform(
    settings: Settings,
    uow: UnitOfWork,
    half_id: HalfId,
    primitive: primitives.ResponderPrimitive,
    *,
    actor: str,
    at: datetime,
) -> Acted:
    """Perform a service of the responder for the local user.

    Args:
        settings: partners and local symbols.
        uow: the unit of work in which the state changes and the APDU is queued.
        half_id: whose service it is.
        primitive: what is asked for.
        actor: who asks, for the audit trail.
        at: now, aware.

    Raises:
        NotFoundError: the half's partner or local symbol is no longer configured.
        StoreError: there is no such half, or what it says has been disposed of.
        PrimitiveRefusedError: the state tables do not allow it now.
        PrimitiveInvalidError: a field is missing or wrong.
    """
    half = uow.halves.get(half_id)
    partner = settings.partner(half.partner)
    local = next((one for one in settings.local if one.name == half.local), None)
    if partner is None or local is None:
        missing = f"partner {half.partner!r}" if partner is None else f"local symbol {half.local!r}"
        raise NotFoundError(f"{missing} of request {half_id} is no longer configured: put its entry back")
    if half.role != Role.RESPONDER:
        raise PrimitiveRefusedError(f"request {half_id} is one of our own: this version acts as lender only")
    if isinstance(primitive, primitives.Forward):
        raise PrimitiveRefusedError(f"request {half_id} cannot be forwarded: this version does not forward")
    request = original_request(uow, half)
    before = half_state(half, TableProfile(partner.tables.value))
    service = compose.service_of(primitive)
    event = ServiceRequested(service=service, facts=Facts(loan=compose.is_loan(primitive, request)))
    outcome = machine.advance(before, event, at)
    if outcome.verdict is not machine.Verdict.APPLIED:
        others = ", ".join(one.phrase for one in possible(before))
        raise PrimitiveRefusedError(f"{outcome.reason}; possible now: {others}")
    service_at = _service_time(half, at, local.zone)
    frame = compose.frame_for(
        request,
        local=local.symbol,
        partner=partner.symbols[0],
        at=service_at,
        encoding=partner.character_set.value,
    )
    apdu = compose.apdu_for(primitive, request, frame)
    message_id: MessageId | None = None
    for effect in outcome.effects:
        match effect:
            case effects.SendApdu():
                message_id = enqueue(
                    uow,
                    apdu,
                    Destination(partner=partner),
                    Context(transaction_id=half.transaction_id, half_id=half.id),
                    retry=partner.retry,
                    at=at,
                )
            case effects.RaiseAttention(reason=reason):
                uow.events.append(
                    kind="attention", half_id=half.id, message_id=None, detail={"reason": reason}, at=at
                )
            case effects.NoteInferred(row=row):
                note_inferred(row)
            case effects.ClearTimer():
                continue
            case effects.Indicate() | effects.SendReport() | effects.SetTimer():
                raise AssertionError(f"the machine asked for {effect!r} after a local primitive")
            case _:
                assert_never(effect)
    if message_id is None:
        raise AssertionError(f"the machine allowed {service.phrase} without an APDU to send")
    after = outcome.state
    uow.inputs.append(
        half_id=half.id,
        kind=InputKind.PRIMITIVE,
        message_id=message_id,
        payload=_payload(primitive),
        at=at,
        service=service,
        repeat=False,
        table_profile=before.tables,
        profile_digest=digest_of(partner),
        state_before=before.state,
        state_after=after.state,
        flags_before=before.flags.to_names(),
        flags_after=after.flags.to_names(),
        verdict=outcome.verdict,
        provenance=None if outcome.row is None else outcome.row.provenance,
    )
    uow.halves.update(
        half.id, state=after.state, flags=after.flags.to_names(), at=at, last_service_at=service_at
    )
    uow.events.append(
        kind=f"{service.apdu_name.lower()}.request",
        half_id=half.id,
        message_id=message_id,
        detail={"service": service.phrase, "state": after.state.value, "actor": actor},
        at=at,
    )
    uow.audit.append(
        at=at, actor=actor, action=service.phrase, reason="", half_id=half.id, message_id=message_id
    )
    return Acted(half_id=half.id, message_id=message_id, apdu=apdu, state=after.state, partner=partner.name)


def possible(state: HalfState, partner: Partner) -> tuple[Service, ...]:
    """The services that the local user may ask for now, as far as this version can perform them.

    Args:
        state: the half, from `record.half_state`.
    """
    return tuple(service for service in machine.allowed(state) if service not in _NOT_PERFORMED)


# Forwarding comes later; reports are the gateway's own answers.
_NOT_PERFORMED = frozenset({Service.FWN, Service.STR})


def _service_time(half: HalfRecord, at: datetime, zone: tzinfo) -> datetime:
    """The service-date-time of a new sending, in the local zone: later than all that the half has used.

    It identifies a service within its transaction (protocol.md 2.2), in whole seconds and without a zone. So
    it must not repeat itself when the clock is set back, nor in the hour that comes twice in autumn.
    """
    at = at.replace(microsecond=0)
    last = half.last_service_at
    if last is None:
        return at.astimezone(zone)
    following = max(at, last + timedelta(seconds=1))
    behind = _on_the_wall(last, zone) - _on_the_wall(following, zone)
    if behind >= timedelta(0):
        following += behind + timedelta(seconds=1)
    return following.astimezone(zone)


def _on_the_wall(moment: datetime, zone: tzinfo) -> datetime:
    """What a clock in the zone shows."""
    return moment.astimezone(zone).replace(tzinfo=None)


def _payload(primitive: primitives.ResponderPrimitive) -> dict[str, object]:
    """The fields of a primitive as JSON values, for the record."""
    values: dict[str, object] = {"primitive": type(primitive).__name__}
    for name, value in asdict(primitive).items():
        match value:
            case date():
                values[name] = value.isoformat()
            case IntEnum():
                values[name] = int(value)
            case tuple():
                values[name] = list(value)
            case _:
                values[name] = value
    return values
