"""A transaction's record as the use cases read it: its request, its half's state, what happened so far."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import date, datetime, timedelta, tzinfo
from enum import Enum
from functools import lru_cache
from typing import Final, assert_never

import structlog

from asn1.codec import Dialect, Limits, WireError, decode
from asn1.ill import ILLApdu, ILLRequest
from config.settings import LocalSymbol, Partner
from config.symbols import Symbol
from iso_gateway.compose import ServiceRecord
from iso_gateway.errors import StoreError
from iso_gateway.message.identity import profile_digest, request_number, symbol_of, text_of
from iso_gateway.protocol.events import ApduReceived, Event, ExpiryReached, Facts, Service, ServiceRequested
from iso_gateway.protocol.machine import Verdict
from iso_gateway.protocol.states import Flags, HalfState, Role, State, TableProfile
from iso_gateway.protocol.tables import Row
from iso_gateway.protocol.timers import Days, Policy
from iso_gateway.store.records import HalfRecord, InputKind, InputRecord, MessageId
from iso_gateway.store.unit_of_work import UnitOfWork

log = structlog.stdlib.get_logger(__name__)

INFERRED_ROW = "protocol.inferred-row"


def half_state(half: HalfRecord, tables: TableProfile) -> HalfState:
    """The half as the machine sees it, held to the tables that its partner's profile names today."""
    return HalfState(
        role=Role(half.role), tables=tables, state=State(half.state), flags=Flags.from_names(half.flags)
    )


def stored_apdu(uow: UnitOfWork, message_id: MessageId) -> ILLApdu:
    """An APDU that was decoded once before, when it came.

    Whatever the dialect and the limits of its sender are today, it is read.

    Raises:
        StoreError: the octets are none any more, or their key has been disposed of.
    """
    octets = uow.messages.raw(message_id)
    size = len(octets)
    unbounded = Limits(max_octets=size, max_depth=size, max_elements=size, max_string_octets=size)
    try:
        return decode(octets, unbounded, Dialect.BIBLIO_ILL)
    except WireError as error:
        raise StoreError(
            f"message {message_id} was read when it came and now is not ({error}): restore a backup"
        ) from None


def original_request(uow: UnitOfWork, half: HalfRecord) -> ILLRequest:
    """The ILL-Request that began a half: the one that a responder received, or that a requester sent.

    Raises:
        StoreError: the record does not begin with one, or its key has been disposed of.
    """
    first = uow.inputs.first(half.id)
    message_id = None if first is None else first.message_id
    request = None if message_id is None else stored_apdu(uow, message_id)
    if isinstance(request, ILLRequest):
        return request
    raise StoreError(f"the record of request {half.id} does not begin with an ILL-Request: restore a backup")


def facts_record(event: Event, days: Days, policy: Policy, zone: tzinfo) -> dict[str, object]:
    """What the machine and the deadlines went by, beside the columns of the input, as JSON values.

    `event_of` gives the event back, so that the inputs of a half are all that its state follows from.

    Args:
        event: what happened.
        days: the days that its APDU named.
        policy: what was watched for the partner then.
        zone: the local symbol's then.
    """
    told: dict[str, object] = {"watch": {**_fields_of(policy), "zone": str(zone)}}
    if not isinstance(event, ExpiryReached):
        told |= _set_in(event.facts)
    told |= _set_in(days)
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in told.items()}


def _fields_of(values: Facts | Days | Policy) -> dict[str, object]:
    """Some values by their names. None of them holds others, so nothing has to be copied as asdict does."""
    return {field.name: getattr(values, field.name) for field in fields(values)}


def _set_in(values: Facts | Days) -> dict[str, object]:
    return {name: value for name, value in _fields_of(values).items() if value is not None}


def event_of(record: InputRecord) -> Event:
    """The event that an input was, as the machine got it; without the facts of inputs older than they are."""
    facts = _facts_of(record.facts or {})
    match record.kind:
        case InputKind.TIMER if record.service == Service.EXP:
            return ExpiryReached()
        case InputKind.APDU:
            return ApduReceived(service=Service(record.service), repeat=record.repeat, facts=facts)
        case InputKind.TIMER | InputKind.PRIMITIVE:
            return ServiceRequested(service=Service(record.service), repeat=record.repeat, facts=facts)
        case _:
            assert_never(record.kind)


def _facts_of(told: Mapping[str, object]) -> Facts:
    expires_at = told.get("expires_at")
    return Facts(
        loan=_truth(told, "loan"),
        may_forward=_truth(told, "may_forward"),
        can_send_shipped=_truth(told, "can_send_shipped"),
        can_send_received=_truth(told, "can_send_received"),
        can_send_returned=_truth(told, "can_send_returned"),
        expires_at=datetime.fromisoformat(expires_at) if isinstance(expires_at, str) else None,
        original_seen=bool(told.get("original_seen")),
        unannounced=bool(told.get("unannounced")),
    )


def _truth(told: Mapping[str, object], name: str) -> bool | None:
    value = told.get(name)
    return value if isinstance(value, bool) else None


def forwarded_to(uow: UnitOfWork, half: HalfRecord) -> Symbol | None:
    """Whom a responder handed a request on to; None where it did not.

    Raises:
        StoreError: its record cannot be read any more.
    """
    forwardings = uow.inputs.newest(
        half.id, (Service.FWN,), verdicts=(Verdict.APPLIED,), at_most=1, kind=InputKind.PRIMITIVE
    )
    for record in forwardings:
        if record.message_id is not None:
            return symbol_of(stored_apdu(uow, record.message_id).responder_id)
    return None


def history_of(uow: UnitOfWork, half: HalfRecord, local: LocalSymbol) -> tuple[ServiceRecord, ...]:
    """As much of a half's history as a status report tells, oldest first, timed in the local symbol's zone.

    That is what began it, the last of each service that had its effect, and what changed its state last. Of a
    long one the rest is not read: a partner can make a history as long as it likes.
    """
    few = uow.inputs.all_if_few(half.id, _FEW)
    return tuple(
        ServiceRecord(
            service=Service(record.service),
            at=record.at.astimezone(local.zone),
            by_us=record.kind is not InputKind.APDU,
            changed_state=record.state_after != record.state_before,
            loan=Flags.from_names(record.flags_after).loan,
        )
        for record in (_milestones(uow, half) if few is None else few)
        if record.verdict == Verdict.APPLIED
    )


def _milestones(uow: UnitOfWork, half: HalfRecord) -> tuple[InputRecord, ...]:
    ends = (uow.inputs.first(half.id), uow.inputs.last_move(half.id))
    latest = uow.inputs.newest(half.id, _REPORTED, verdicts=(Verdict.APPLIED,), at_most=1)
    told = {record.sequence: record for record in (*ends, *latest) if record is not None}
    return tuple(record for _, record in sorted(told.items()))


#: Up to how many inputs a history is read whole, by one statement: most are asked for when they have one.
_FEW: Final = 8


_REPORTED: Final = frozenset(service.value for service in Service)


def settles(record: InputRecord) -> bool:
    """Whether what was put before a person before an input is old news after it; a query settles nothing."""
    if record.verdict != Verdict.APPLIED:
        return False
    acted = record.kind is InputKind.PRIMITIVE and record.service != Service.STQ
    return acted or record.state_after != record.state_before


def summary_of(request: ILLRequest, encoding: str) -> dict[str, object]:
    """What lists and searches know a request by; it is stored sealed.

    Args:
        request: the ILL-Request.
        encoding: the character set of its sender, as Python names it.
    """
    item = request.item_id
    requester = symbol_of(request.requester_id) or symbol_of(request.transaction_id.initial_requester_id)
    responder = symbol_of(request.responder_id)
    return {
        "request_number": request_number(request.transaction_id),
        "requester": None if requester is None else str(requester),
        "responder": None if responder is None else str(responder),
        "title": text_of(item.title, encoding) or text_of(item.title_of_article, encoding),
        "author": text_of(item.author, encoding) or text_of(item.author_of_article, encoding),
        "title_of_article": text_of(item.title_of_article, encoding),
        "service_types": [kind.value for kind in request.iLL_service_type],
    }


def note_inferred(row: Row) -> None:
    """Log that an inferred row of the tables decided: a partner may see it otherwise (protocol.md 8)."""
    log.info(
        INFERRED_ROW,
        role=row.role.value,
        state=row.state.value,
        event_code=row.event.code,
        next_state=row.next_state.value,
    )


@lru_cache(maxsize=1024)
def digest_of(partner: Partner) -> str:
    """A digest of the profile under which a message is classified: the same in every process."""
    return profile_digest(json.dumps(asdict(partner), default=_plain, sort_keys=True))


def _plain(value: object) -> object:
    match value:
        case Enum():
            return value.value
        case timedelta():
            return value.total_seconds()
        case frozenset():
            # Why sorted: the order of a set differs from process to process.
            return sorted(str(_plain(member)) for member in value)
        case _:
            return str(value)
