"""Another name for a partner, wherever it is known by the old one.

What is stored of requests, messages and deliveries names partners as the configuration did then. When that
names one otherwise, what it sends about its old requests would be another library's. So the name is changed
everywhere at once. Lanes bear it, too: what waits goes on in the lane in which what is queued next goes.
"""

from collections.abc import Mapping

from sqlalchemy import bindparam, delete, or_, select, update

from iso_gateway.store.connection import Connection
from iso_gateway.store.tables import halves, outbox, partner_states, processings

_HALVES = update(halves).where(halves.c.partner == bindparam("old")).values(partner=bindparam("new"))
_PASSED_ON = select(halves.c.id, halves.c.former_partners).where(halves.c.former_partners != ())
_FORMER = update(halves).where(halves.c.id == bindparam("half_id")).values(former_partners=bindparam("names"))
_PROCESSINGS = (
    update(processings).where(processings.c.partner == bindparam("old")).values(partner=bindparam("new"))
)
_WAITING = select(outbox.c.id, outbox.c.lane).where(
    outbox.c.partner == bindparam("old"), outbox.c.finished_at.is_(None)
)
_LANE = update(outbox).where(outbox.c.id == bindparam("outbox_id")).values(lane=bindparam("other_lane"))
_OUTBOX = update(outbox).where(outbox.c.partner == bindparam("old")).values(partner=bindparam("new"))
_STATES = select(partner_states.c.partner, partner_states.c.suspended_at).where(
    or_(partner_states.c.partner == bindparam("old"), partner_states.c.partner == bindparam("new"))
)
_DROP_STATE = delete(partner_states).where(partner_states.c.partner == bindparam("name"))
_STATE = update(partner_states).where(partner_states.c.partner == bindparam("old"))
_STATE = _STATE.values(partner=bindparam("new"))


def rename(connection: Connection, old: str, new: str) -> Mapping[str, int]:
    """Name a partner otherwise; gives how many rows of each table were changed.

    Of two states the one that is suspended stays, else that of the new name.
    """
    names = {"old": old, "new": new}
    counts = {halves.name: connection.execute(_HALVES, names).rowcount}
    for row in connection.execute(_PASSED_ON).all():
        if old in row.former_partners:
            former = tuple(new if one == old else one for one in row.former_partners)
            connection.execute(_FORMER, {"half_id": row.id, "names": former})
            counts[halves.name] += 1
    counts[processings.name] = connection.execute(_PROCESSINGS, names).rowcount
    for row in connection.execute(_WAITING, {"old": old}).all():
        if row.lane.endswith(f" {old}"):
            lane = f"{row.lane.removesuffix(old)}{new}"
            connection.execute(_LANE, {"outbox_id": row.id, "other_lane": lane})
    counts[outbox.name] = connection.execute(_OUTBOX, names).rowcount
    states = {row.partner: row.suspended_at is not None for row in connection.execute(_STATES, names)}
    if old in states:
        dropped = new if states[old] else old
        if new in states:
            connection.execute(_DROP_STATE, {"name": dropped})
        connection.execute(_STATE, names)
    return counts
