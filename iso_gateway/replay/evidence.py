"""Evidence about the messages of a request: when each was stored, classified, delivered and confirmed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from iso_gateway.protocol.events import Service
from iso_gateway.store.records import (
    Direction,
    HalfId,
    InputKind,
    InputRecord,
    MessageId,
    OutboxStatus,
)
from iso_gateway.store.unit_of_work import UnitOfWork

_FROM_RESPONDER: Final = frozenset(
    {
        Service.ANS_CO, Service.ANS_RY, Service.ANS_UN, Service.ANS_LP, Service.ANS_WS, Service.ANS_HP,
        Service.ANS_ES, Service.SHI, Service.CAR_YES, Service.CAR_NO, Service.FWN, Service.EXP,
    }
)  # fmt: skip
_AFTER_SHIPPED: Final = frozenset({Service.RCV, Service.RET, Service.REN})

#: Which APDU of the partner shows that it has ours: it could not be sent without. For what is not here, the
#: protocol has nothing that shows it.
SHOWN_BY: Final[Mapping[Service, frozenset[Service]]] = MappingProxyType(
    {
        Service.ILL: _FROM_RESPONDER,
        Service.C_REP_YES: _FROM_RESPONDER - {Service.CAR_YES, Service.CAR_NO, Service.FWN},
        Service.CAN: frozenset({Service.CAR_YES, Service.CAR_NO}),
        Service.REN: frozenset({Service.REA_YES, Service.REA_NO}),
        Service.RET: frozenset({Service.CHK}),
        Service.ANS_CO: frozenset({Service.C_REP_YES, Service.C_REP_NO}),
        Service.SHI: _AFTER_SHIPPED,
        Service.STQ: frozenset({Service.STR}),
    }
)

#: The most messages of one transaction; a conversation of this length is a fault of its own.
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one message.

    Args:
        message_id: which one.
        direction: received, or sent.
        apdu_type: by the standard's name; None where it could not be read.
        stored_at: when it was on disk, and could not be lost any more; a received one is acknowledged then.
        classified_at: when it was last classified.
        verdict: as what.
        attempts: how many times it was tried to hand it over.
        delivered_at: when it was handed over to the partner's machine; None for what was not.
        confirmed_at: when the partner's software showed that it has it; None where nothing has shown it.
        confirmed_by: the message that showed it.
    """

    message_id: MessageId
    direction: Direction
    apdu_type: str | None
    stored_at: datetime
    classified_at: datetime | None
    verdict: str | None
    attempts: int = 0
    delivered_at: datetime | None = None
    confirmed_at: datetime | None = None
    confirmed_by: MessageId | None = None


def evidence_of(uow: UnitOfWork, half_id: HalfId) -> tuple[Evidence, ...]:
    """The evidence for every message of a request, oldest first.

    Raises:
        StoreError: there is no such request.
    """
    half = uow.halves.get(half_id)
    inputs = uow.inputs.of(half_id)
    found = []
    for listing in reversed(uow.messages.list(transaction_id=half.transaction_id, limit=_MOST)):
        message, processing = listing.message, listing.processing
        if processing is not None and processing.half_id not in (half_id, None):
            continue
        rows = uow.outbox.list(message_id=message.id, finished=True)
        delivered = [row.finished_at for row in rows if row.status is OutboxStatus.DELIVERED]
        shown = _shown(inputs, message.id) if message.direction is Direction.SENT else None
        found.append(
            Evidence(
                message_id=message.id,
                direction=message.direction,
                apdu_type=None if processing is None else processing.apdu_type,
                stored_at=message.stored_at,
                classified_at=None if processing is None else processing.at,
                verdict=None if processing is None else processing.verdict,
                attempts=sum(row.attempts for row in rows),
                delivered_at=delivered[0] if delivered else None,
                confirmed_at=None if shown is None else shown.at,
                confirmed_by=None if shown is None else shown.message_id,
            )
        )
    return tuple(found)


def _shown(inputs: Sequence[InputRecord], message_id: MessageId) -> InputRecord | None:
    """The first input after the one that a message was sent for which shows that the partner has it."""
    sent = next((one for one in inputs if one.message_id == message_id), None)
    if sent is None:
        return None
    showing = SHOWN_BY.get(Service(sent.service), frozenset())
    return next(
        (
            one
            for one in inputs
            if one.sequence > sent.sequence
            and one.kind is InputKind.APDU
            and one.verdict == "applied"
            and one.service in showing
        ),
        None,
    )
