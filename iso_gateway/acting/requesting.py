"""What becomes of a request of our own: a transaction begun, its ILL-REQUEST composed and queued.

The Transaction-Id is new for good, also when the database is an older backup: it is the day and 50 random
bits, and one that the database knows is never taken. What is known of the patron stays in the transaction's
sealed summary.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Final

from asn1.ill import ILLRequest, TransactionId
from config.settings import LocalSymbol, Partner, Settings
from iso_gateway import compose
from iso_gateway.acting.action import Acted, NotUnderstoodError
from iso_gateway.errors import NotFoundError, PrimitiveRefusedError
from iso_gateway.half import interpretation
from iso_gateway.half.movement import Ends, Move, ends_of, record_move, service_time
from iso_gateway.half.record import original_request, summary_of
from iso_gateway.half.sending import Destination, enqueue
from iso_gateway.message import capability
from iso_gateway.message.identity import canonical_transaction
from iso_gateway.protocol import machine
from iso_gateway.protocol.events import Service, ServiceRequested
from iso_gateway.protocol.states import HalfState, Role, TableProfile
from iso_gateway.request.new_request import NewRequest
from iso_gateway.store.records import Basis, HalfId, InputKind
from iso_gateway.store.unit_of_work import UnitOfWork

#: The letters of a transaction-qualifier: none that looks like another (Crockford's base 32).
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
QUALIFIER_LENGTH: Final = 10
#: Keys of a transaction's summary. Client and contact are the patron's: shown only to whoever asks for them.
CLIENT: Final = "client"
PATRON_CONTACT: Final = "patron_contact"
REFERENCE: Final = "reference"
RETRY_OF: Final = "retry_of"

Randomness = Callable[[int], int]
"""Gives a random number below its argument, as `secrets.randbelow` does."""


def request(
    settings: Settings,
    uow: UnitOfWork,
    new: NewRequest,
    *,
    partner: Partner,
    local: LocalSymbol,
    actor: str,
    at: datetime,
    randomness: Randomness,
) -> Acted:
    """Ask a partner for an item: begin a transaction, and queue its ILL-REQUEST.

    Args:
        settings: routes.
        uow: the unit of work in which all of it is stored.
        new: what is asked for.
        partner: whom we ask.
        local: for which library of ours.
        actor: who asks, for the audit trail.
        at: now, aware.
        randomness: see the type.

    Raises:
        NotFoundError: there is no route between the two.
        PrimitiveRefusedError: the partner's software takes no requests.
        PrimitiveInvalidError: a field is missing or wrong, or cannot be said to this partner.
    """
    _require_reachable(settings, local, partner)
    frame = _opening(uow, local, partner, at, randomness)
    apdu = compose.ill_request(new, frame, compose.Terms.between(local, partner))
    kept = {
        CLIENT: None if new.client is None else asdict(new.client),
        PATRON_CONTACT: new.patron_contact,
        REFERENCE: new.reference,
        RETRY_OF: new.retry_of,
    }
    return _begin(uow, apdu, local, partner, kept=kept, actor=actor, at=at, service_at=frame.at)


def retry(
    settings: Settings,
    uow: UnitOfWork,
    half_id: HalfId,
    *,
    partner: Partner | None = None,
    actor: str,
    at: datetime,
    randomness: Randomness,
) -> Acted:
    """Ask once more for what an ILL-ANSWER retry ended: a new transaction with retry-flag (protocol.md 2.8).

    Args:
        settings: partners, local symbols and routes.
        uow: the unit of work in which all of it is stored.
        half_id: our half of the request that came to nothing.
        partner: whom to ask now; by default whoever said retry.
        actor: who asks, for the audit trail.
        at: now, aware.
        randomness: see the type.

    Raises:
        NotFoundError: a partner or local symbol is not configured, or there is no route.
        StoreError: there is no such half, or what it says has been disposed of.
        PrimitiveRefusedError: the request did not end in retry, or the partner's software takes no requests.
        PrimitiveInvalidError: it cannot be said to this partner.
    """
    ends = ends_of(settings, uow, half_id)
    ended_by = [Service(one.service) for one in uow.inputs.of(half_id) if one.state_after != one.state_before]
    if ends.half.role != Role.REQUESTER or not ended_by or ended_by[-1] is not Service.ANS_RY:
        raise PrimitiveRefusedError(
            f"request {half_id} did not end in an ILL-ANSWER retry, so there is nothing to try again:"
            " make a new request"
        )
    partner = partner or ends.partner
    _require_reachable(settings, ends.local, partner)
    frame = _opening(uow, ends.local, partner, at, randomness)
    earlier = original_request(uow, ends.half)
    summary = uow.transactions.summary(ends.half.transaction_id)
    apdu = compose.as_retry(
        earlier,
        frame,
        compose.Terms.between(ends.local, partner),
        read_as=ends.partner.character_set.value,
    )
    kept = {name: summary.get(name) for name in (CLIENT, PATRON_CONTACT, REFERENCE)}
    kept[RETRY_OF] = half_id
    return _begin(uow, apdu, ends.local, partner, kept=kept, actor=actor, at=at, service_at=frame.at)


def _require_reachable(settings: Settings, local: LocalSymbol, partner: Partner) -> None:
    if settings.route(local, partner) is None:
        raise NotFoundError(
            f"there is no route between {local.name} and {partner.name}: add one to the configuration"
        )
    refused = capability.refusal(partner, Service.ILL)
    if refused is not None:
        raise NotUnderstoodError(refused)


def _opening(
    uow: UnitOfWork, local: LocalSymbol, partner: Partner, at: datetime, randomness: Randomness
) -> compose.Frame:
    service_at = service_time(None, at, local.zone)
    return compose.opening_frame(
        _new_transaction_id(uow, local, service_at, randomness),
        local=local.symbol,
        partner=partner.symbols[0],
        at=service_at,
        encoding=partner.character_set.value,
    )


def _new_transaction_id(
    uow: UnitOfWork, local: LocalSymbol, at: datetime, randomness: Randomness
) -> TransactionId:
    group = compose.iso_date(at)
    while True:
        letters = (ALPHABET[randomness(len(ALPHABET))] for _ in range(QUALIFIER_LENGTH))
        made = compose.transaction_id_of(local.symbol, group=group, qualifier="".join(letters))
        if uow.transactions.find(canonical_transaction(made, local.symbol)) is None:
            return made


def _begin(
    uow: UnitOfWork,
    apdu: ILLRequest,
    local: LocalSymbol,
    partner: Partner,
    *,
    kept: Mapping[str, object],
    actor: str,
    at: datetime,
    service_at: datetime,
) -> Acted:
    """Begin the transaction, our half of it, and queue the ILL-REQUEST."""
    before = HalfState(role=Role.REQUESTER, tables=TableProfile(partner.tables.value))
    event = ServiceRequested(service=Service.ILL, facts=interpretation.facts_sent(apdu, partner))
    outcome = machine.advance(before, event, at)
    after = outcome.state
    summary = summary_of(apdu, partner.character_set.value)
    transaction_id = uow.transactions.create(
        canonical_transaction(apdu.transaction_id, local.symbol),
        summary={**summary, **{name: value for name, value in kept.items() if value is not None}},
        at=at,
    )
    half = uow.halves.create(
        transaction_id=transaction_id,
        role=before.role,
        local=local.name,
        partner=partner.name,
        state=after.state,
        basis=Basis.OURS,
        flags=after.flags.to_names(),
        tables=after.tables,
        protocol_version=apdu.protocol_version_num,
        at=at,
    )
    ends = Ends(half=half, local=local, partner=partner)
    message_id = enqueue(
        uow,
        apdu,
        Destination(partner=partner),
        ends.context,
        retry=partner.retry,
        at=at,
        until=interpretation.end_of_request(apdu, local.zone),
    )
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
            payload={"primitive": "NewRequest"},
            service_at=service_at,
        ),
    )
    uow.events.append(
        kind="ill-request.request",
        half_id=half.id,
        message_id=message_id,
        detail={"service": Service.ILL.phrase, "state": after.state.value, "actor": actor},
        at=at,
    )
    uow.audit.append(
        at=at, actor=actor, action=Service.ILL.phrase, reason="", half_id=half.id, message_id=message_id
    )
    return Acted(
        half_id=half.id,
        message_id=message_id,
        apdu=apdu,
        before=before.state,
        state=after.state,
        partner=partner.name,
    )
