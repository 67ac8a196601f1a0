"""A database that can take nothing for a while: what was acknowledged is there, and nothing else is missed.

SQLite itself says that it is full: `max_page_count` is its own limit, and fails as a full disk does.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, event

from adapters.envelope import Envelope, Transport
from asn1.codec import encode
from iso_gateway.errors import UnavailableError
from iso_gateway.running.intake import Intake
from iso_gateway.running.recovery import TRIES, Recovery
from iso_gateway.store.writer import Writer
from tests.support import apdus, gateway
from tests.support.dispatching import LEASE
from tests.support.gateway import Desk

ENVELOPE = Envelope(
    transport=Transport.TCP_ONE_WAY,
    listener="one-way",
    peer_address=gateway.AT_YAZ,
    peer_host="127.0.0.1",
    connection_id="c-1",
)
REQUESTS = [
    encode(apdus.ill_request(transaction=f"2026-{number:06}", title="The Penelopiad " * 40))
    for number in range(60)
]


class Disk:
    """The disk under a database, as far as that can tell."""

    def __init__(self, desk: Desk) -> None:
        self._pages = 2**30
        self.desk = desk
        event.listen(desk.site.store.engine, "begin", self._limit)

    def fill(self, *, but: int) -> None:
        """Leave room for so many pages and no more."""
        with self.desk.site.store.engine.connect() as connection:
            self._pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one() + but

    def make_room(self) -> None:
        """Leave all the room that there is."""
        self._pages = 2**30

    def _limit(self, connection: Connection) -> None:
        # Past SQLAlchemy: through it, this would begin a transaction.
        cursor = connection.connection.cursor()
        cursor.execute(f"PRAGMA max_page_count = {self._pages}")
        cursor.close()


@pytest.fixture
def writer(desk: Desk) -> Iterator[Writer]:
    """The one that writes."""
    writer = Writer(desk.site.store)
    yield writer
    writer.close()


@pytest.mark.parametrize("but", [0, 3, 40])
async def test_what_was_taken_is_there_and_classified_once_there_is_room(
    desk: Desk, writer: Writer, but: int
) -> None:
    disk, intake = Disk(desk), Intake(desk.site.gateway, writer)
    recovery = Recovery(writer, intake.take_up, lease=LEASE, clock=desk.clock)
    disk.fill(but=but)
    reasons: set[str] = set()
    taken: list[bytes] = []
    refused: list[bytes] = []
    for octets in REQUESTS:
        try:
            await intake.element(octets, ENVELOPE)
        except UnavailableError as error:
            reasons.add(str(error).partition("database or disk")[2])
            refused.append(octets)
        else:
            taken.append(octets)
    assert reasons == {" is full; make room on its disk"}
    with desk.reading() as uow:
        received = [
            uow.messages.raw(one.message.id)
            for one in reversed(uow.messages.list(limit=1_000))
            if one.message.direction.value == "received"
        ]
        waiting = uow.messages.unprocessed()
    assert received == taken
    desk.clock.advance(seconds=2 * LEASE.total_seconds())
    for _ in range(TRIES + 1):
        if not waiting:
            break
        # An outage does not count, however often it is tried in the meantime.
        with pytest.raises(UnavailableError):
            await recovery.run()

    disk.make_room()
    assert await recovery.run() == len(waiting)
    for octets in refused:
        await intake.element(octets, ENVELOPE)
    with desk.reading() as uow:
        assert uow.messages.unprocessed() == ()
        halves = uow.halves.list(limit=1_000)
    assert len(halves) == len(REQUESTS)
    told = [one for one in desk.events() if one.kind == "ill-request.indication"]
    assert len(told) == len(REQUESTS), "each had its effect once"
