"""An installation in a directory, without a daemon: configured by the starter, filled through the use cases.

The starter's configuration serves ILLUME:BEX, and knows the partner ILLUME:YAZ from this machine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from asn1.codec import WireError, encode
from asn1.ill import ILLApdu
from config import starter
from config.loading import load
from iso_gateway.acting.action import Acted
from iso_gateway.reception import Processed
from iso_gateway.request.primitives import ResponderPrimitive
from iso_gateway.services import Arrival
from iso_gateway.site import Site
from iso_gateway.store.leases import Trouble
from iso_gateway.store.records import HalfId, MessageId, OutboxRecord, Transport
from tests.support import empty

#: When the first thing happens; each later one is a second later. In Vancouver it is 12:00 noon.
BEGUN: Final = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)


class Clock:
    """A clock that goes on by a second each time that it is looked at."""

    def __init__(self) -> None:
        self.now = BEGUN

    def __call__(self) -> datetime:
        """Give the moment."""
        self.now += timedelta(seconds=1)
        return self.now


class Installation:
    """An installation, open.

    Args:
        directory: where it is; made if need be.
        mirrored: whether it is the other library: ILLUME:YAZ, which knows the partner ILLUME:BEX.
        clock: that of another installation, where the two share one.
        database_url: its database; its own SQLite file if that is not given.
    """

    def __init__(
        self,
        directory: Path,
        *,
        mirrored: bool = False,
        clock: Clock | None = None,
        database_url: str | None = None,
    ) -> None:
        self.config, *_ = starter.write(directory)
        if database_url is not None:
            said = self.config.read_text(encoding="utf-8")
            self.config.write_text(f'database_url = "{database_url}"\n{said}', encoding="utf-8")
        self.partner_file: Final = directory / "partners" / "yaz.toml"
        if mirrored:
            _rename(self.config, "BEX", "YAZ")
            _rename(self.partner_file, "YAZ", "BEX")
        self.clock = clock or Clock()
        settings = load(self.config)
        empty.put_in(settings)
        self.site = Site.create_or_open(settings, clock=self.clock)

    def receive(
        self, apdu: ILLApdu | bytes, *, peer: str = "127.0.0.1:51234", two_way: bool = True
    ) -> Processed:
        """Have an APDU, or any octets, come in: stored in one commit, classified in another.

        Args:
            apdu: what comes in.
            peer: host and port that it comes from.
            two_way: whether it came by a connection on which it can be answered.
        """
        octets = apdu if isinstance(apdu, bytes) else encode(apdu)
        arrival = _arrival(peer, two_way=two_way)
        with self.site.store.unit_of_work() as uow:
            message_id = self.site.gateway.receive(uow, octets, arrival)
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.process(uow, message_id)

    def receive_broken(self, octets: bytes, error: WireError, *, peer: str = "127.0.0.1:51234") -> Processed:
        """Have octets come in that the adapter could not cut into elements."""
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.receive_unreadable(uow, octets, error, _arrival(peer, two_way=False))

    def store_only(self, octets: bytes) -> MessageId:
        """Have octets come in, and the gateway stop before it looked at them."""
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.receive(uow, octets, _arrival("127.0.0.1:51234", two_way=False))

    def act(self, half_id: int, primitive: ResponderPrimitive) -> Acted:
        """Perform a service of the local user, whose name is `tester`."""
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.act(uow, HalfId(half_id), primitive, actor="tester")

    def deliver(self, message_id: MessageId) -> None:
        """Have a queued message arrive at its partner."""
        row, fence, at = self._claimed(message_id)
        with self.site.store.unit_of_work() as uow:
            assert uow.leases.delivered(row.id, fence, at)

    def deliver_all(self) -> None:
        """Have everything that is queued arrive."""
        with self.site.store.reading() as uow:
            queued = uow.outbox.list()
        for row in queued:
            assert row.message_id is not None
            self.deliver(row.message_id)

    def fail(self, message_id: MessageId, why: str, *, last: bool = False) -> None:
        """Have the sending of a queued message fail, for this time or for good."""
        row, fence, at = self._claimed(message_id)
        with self.site.store.unit_of_work() as uow:
            if last:
                assert uow.leases.gave_up(row.id, fence, at, Trouble(error=why))
            else:
                assert uow.leases.failed(row.id, fence, at, at + timedelta(minutes=5), why)

    def configure(self, line: str) -> None:
        """Put a line at the top of the partner's file, and go on under that configuration."""
        content = self.partner_file.read_text(encoding="utf-8")
        self.partner_file.write_text(f"{line}\n{content}", encoding="utf-8")
        self.site.close()
        self.site = Site.create_or_open(load(self.config), clock=self.clock)

    def carry(self, other: "Installation") -> None:
        """Have everything that is queued here arrive at another installation, in its order."""
        with self.site.store.reading() as uow:
            rows = uow.outbox.list()
            queued = [(row.message_id, uow.messages.raw(row.message_id)) for row in rows if row.message_id]
        for message_id, octets in queued:
            self.deliver(message_id)
            other.receive(octets, two_way=False)

    def dispose(self, half_id: int) -> None:
        """Dispose of everything that names people in a request."""
        with self.site.store.unit_of_work() as uow:
            half = uow.halves.get(HalfId(half_id))
            assert uow.transactions.dispose(half.transaction_id, at=self.clock())

    def _claimed(self, message_id: MessageId) -> tuple[OutboxRecord, int, datetime]:
        at = self.clock()
        with self.site.store.unit_of_work() as uow:
            (row,) = uow.outbox.list(message_id=message_id)
            fence = uow.leases.claim(row.id, "test", at, at + timedelta(minutes=1))
        assert fence is not None
        return row, fence, at


def _rename(file: Path, old: str, new: str) -> None:
    content = file.read_text(encoding="utf-8")
    lines = [
        line.replace(f'"{old}"', f'"{new}"').replace(f"ILLUME:{old}", f"ILLUME:{new}")
        for line in content.splitlines(keepends=True)
    ]
    file.write_text("".join(lines), encoding="utf-8")


def _arrival(peer: str, *, two_way: bool) -> Arrival:
    return Arrival(
        transport=Transport.TCP_TWO_WAY if two_way else Transport.TCP_ONE_WAY,
        listener="two-way" if two_way else "one-way",
        peer_address=peer,
        connection_id="c0ffee" if two_way else None,
    )


@contextmanager
def installation(
    directory: Path, *, mirrored: bool = False, clock: Clock | None = None, database_url: str | None = None
) -> Iterator[Installation]:
    """An installation, closed at the end."""
    made = Installation(directory, mirrored=mirrored, clock=clock, database_url=database_url)
    try:
        yield made
    finally:
        made.site.close()
