"""Leases of outbox rows: by whom, until when, and whether a sender still has them.

Theory of operation. A row is claimed (`outbox`) by a lease that runs out, and its holder renews it for as
long as it is sending. A process that was stopped for longer cannot know that it was, so it renews the lease
immediately before it writes to a partner, too: that fails when the number of its claim, the fence, is not
the latest any more. What is bound to a connection can be claimed only by the gateway that has the
connection, as long as that is alive; afterwards by any.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, update

from iso_gateway.store.connection import Connection
from iso_gateway.store.gateways import MAY_SEND, is_free_for
from iso_gateway.store.records import GatewayId, OutboxId, OutboxStatus
from iso_gateway.store.tables import outbox

_HELD = and_(
    outbox.c.id == bindparam("held"),
    outbox.c.fence == bindparam("held_fence"),
    outbox.c.status == OutboxStatus.SENDING,
)
_RENEW = update(outbox).where(_HELD).values(lease_until=bindparam("until"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """Who wants to send.

    Args:
        gateway: the gateway.
        alive_since: one that has not been heard of since then counts as dead.
    """

    gateway: GatewayId
    alive_since: datetime


def may_be_claimed() -> ColumnElement[bool]:
    """Whether a claimant may have a row, as far as that does not depend on the row's own time and place."""
    return and_(MAY_SEND, is_free_for(outbox.c.connection_id, gateway="gateway", alive_since="alive_since"))


def claimed_by(by: Claimant | None, now: datetime) -> dict[str, object]:
    """The parameters of `may_be_claimed`. None claims as if no other gateway were alive."""
    if by is None:
        return {"gateway": "", "alive_since": now}
    return {"gateway": by.gateway, "alive_since": by.alive_since}


class Leases:
    """The leases of one unit of work."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def renew(self, row: OutboxId, fence: int, until: datetime) -> bool:
        """Have a claim run until `until`. False if another has the row by now: nothing may be sent.

        A lease that has run out is renewed as well, as long as nobody else has claimed the row.
        """
        parameters = {"held": row, "held_fence": fence, "until": until}
        return self._connection.execute(_RENEW, parameters).rowcount == 1

    def end_of(self, dead: Collection[GatewayId], at: datetime) -> int:
        """End the leases of gateways that are dead for certain; gives how many there were."""
        statement = (
            update(outbox)
            .where(outbox.c.status == OutboxStatus.SENDING, outbox.c.lease_owner.in_(dead))
            .values(lease_until=at)
        )
        return self._connection.execute(statement).rowcount if dead else 0
