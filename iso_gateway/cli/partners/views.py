"""How delivery to a partner stands, as a value that can be shown or written as JSON."""

from dataclasses import dataclass

from iso_gateway.outbox import operating
from iso_gateway.store.records import (
    Backlog,
    PartnerStateRecord,
)
from iso_gateway.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerDelivery:
    """How delivery to a partner stands.

    Args:
        state: what stands in between.
        reason: why it was suspended, if it is.
        backlog: what waits for it, if anything does.
    """

    state: PartnerStateRecord
    reason: str | None
    backlog: Backlog | None


def partner_delivery(uow: UnitOfWork, name: str) -> PartnerDelivery:
    """How delivery to a partner stands."""
    state = uow.partners.get(name)
    backlog = next((one for one in uow.outbox.backlogs() if one.partner == name), None)
    return PartnerDelivery(state=state, reason=operating.why_suspended(uow, state), backlog=backlog)
