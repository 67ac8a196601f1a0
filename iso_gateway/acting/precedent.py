"""Whether the local user has asked for the same before: a double click, or two people at two terminals.

The state tables refuse most of what is asked for twice, and then it helps to know that it is done. What they
allow twice, as an answer that leaves the request where it is, is told here. Nothing is refused here.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from config.settings import Settings
from iso_gateway import compose
from iso_gateway.acting import action
from iso_gateway.acting.action import Acted
from iso_gateway.half.record import half_state, original_request
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.machine import Verdict
from iso_gateway.protocol.states import Role, TableProfile
from iso_gateway.request.primitives import Primitive
from iso_gateway.store.records import HalfId, HalfListing, HalfRecord, InputKind, InputRecord, MessageId
from iso_gateway.store.unit_of_work import UnitOfWork

#: How many of the newest requests to a partner are compared with a new one.
_COMPARED = 200
#: What of a transaction's summary tells two requests for the same apart.
_OWN = "request_number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Precedent:
    """A service that the local user asked for before.

    Args:
        service: which one.
        at: when.
        message_id: what was sent.
        actor: who asked.
    """

    service: Service
    at: datetime
    message_id: MessageId
    actor: str | None


def latest(uow: UnitOfWork, half_id: HalfId, service: Service) -> Precedent | None:
    """The last time that a service was asked for; None if it never was."""
    for record in reversed(_effective(uow, half_id)):
        if record.kind is InputKind.PRIMITIVE and record.service == service:
            return _precedent(uow, record)
    return None


def standing(uow: UnitOfWork, half_id: HalfId, primitive: Primitive) -> Precedent | None:
    """The very same, asked for last, with nothing from either side since; None otherwise.

    Repeats of it, which the partner knows as such, do not count as something.
    """
    # Locks the half, so that two terminals cannot both find nothing.
    uow.halves.get(half_id)
    done = _effective(uow, half_id)
    if not done or done[-1].kind is not InputKind.PRIMITIVE:
        return None
    last = done[-1]
    same = last.service == compose.service_of(primitive) and last.payload == action.payload_of(primitive)
    return _precedent(uow, last) if same else None


def same_request(settings: Settings, uow: UnitOfWork, acted: Acted) -> HalfRecord | None:
    """An open request of ours to the same partner that says the same as one just begun; None without one.

    Args:
        settings: partners.
        uow: the unit of work in which the new one was begun.
        acted: what came of it.
    """
    ours = uow.halves.get(acted.half_id)
    listings = uow.halves.list(limit=_COMPARED, role=Role.REQUESTER, local=ours.local, partner=ours.partner)
    [mine] = [one for one in listings if one.half.id == ours.id]
    request = original_request(uow, ours)
    for other in listings:
        if other.half.id == ours.id or _asked(other) != _asked(mine) or _ended(settings, other.half):
            continue
        earlier = original_request(uow, other.half)
        if request == replace(
            earlier, transaction_id=request.transaction_id, service_date_time=request.service_date_time
        ):
            return other.half
    return None


def _asked(listing: HalfListing) -> dict[str, object] | None:
    """What a request was for, and for whom; None once that has been disposed of."""
    if listing.summary is None:
        return None
    return {name: value for name, value in listing.summary.items() if name != _OWN}


def _ended(settings: Settings, half: HalfRecord) -> bool:
    partner = settings.partner(half.partner)
    tables = TableProfile(half.tables) if partner is None else TableProfile(partner.tables.value)
    return half_state(half, tables).ended


def _effective(uow: UnitOfWork, half_id: HalfId) -> list[InputRecord]:
    """What had its effect on a half, without repeats, oldest first."""
    return [
        record for record in uow.inputs.of(half_id) if record.verdict == Verdict.APPLIED and not record.repeat
    ]


def _precedent(uow: UnitOfWork, record: InputRecord) -> Precedent | None:
    if record.message_id is None:
        return None
    return Precedent(
        service=Service(record.service),
        at=record.at,
        message_id=record.message_id,
        actor=uow.audit.actor_of(record.half_id, record.message_id),
    )
