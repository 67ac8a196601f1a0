"""A gateway without a network: messages are laid on a desk, and what would be sent is read off it.

The database is a real one and the use cases are the real ones. Only the clock and the wire are not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from asn1.codec import decode, encode
from asn1.ill import ILLApdu, StatusOrErrorReport
from config.settings import Acknowledge, LocalSymbol, Partner, Settings, TableProfile, TcpTransport
from config.symbols import Symbol
from iso_gateway.acting.action import Acted
from iso_gateway.reception import Processed
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.request.primitives import Primitive
from iso_gateway.services import Arrival
from iso_gateway.site import Site
from iso_gateway.store.records import (
    EventRecord,
    HalfId,
    HalfRecord,
    InputRecord,
    MessageId,
    OutboxKind,
    OutboxRecord,
    ProcessingRecord,
    Transport,
)
from iso_gateway.store.tables import metadata
from iso_gateway.store.unit_of_work import UnitOfWork
from tests.support import empty

#: Ten in the morning where BEX is.
MORNING: Final = datetime(2026, 11, 16, 18, 0, tzinfo=UTC)
#: Where the partners of `settings_in` send from, and where nobody does.
AT_YAZ: Final = "127.0.0.1:40001"
AT_SFU: Final = "192.0.2.7:40002"
AT_UBC: Final = "[2001:db8::7]:40003"
ELSEWHERE: Final = "203.0.113.9:40004"


def _symbol(text: str) -> Symbol:
    return Symbol.parse(text)


def _tcp(host: str) -> TcpTransport:
    return TcpTransport(host=host, port=1611)


#: Acknowledges requests by a status report; strict tables.
YAZ: Final = Partner(
    name="YAZ",
    symbols=(_symbol("ILLUME:YAZ"),),
    aliases=(_symbol("YAZ"),),
    transport=_tcp("yaz.example"),
    acknowledge=Acknowledge.STATUS_REPORT,
    allowed_sources=(ip_network("127.0.0.0/8"),),
)
#: Says nothing when a request has arrived; strict tables.
SFU: Final = Partner(
    name="SFU",
    symbols=(_symbol("ILLUME:SFU"), _symbol("BCNET:SFU")),
    aliases=(_symbol("SFU"),),
    transport=_tcp("sfu.example"),
    allowed_sources=(ip_network("192.0.2.0/24"),),
)
#: May come from anywhere; lenient tables.
UBC: Final = Partner(
    name="UBC", symbols=(_symbol("ILLUME:UBC"),), transport=_tcp("ubc.example"), tables=TableProfile.LENIENT
)
#: Eight hours behind Greenwich the whole year: rules of summer time change, and tests should not.
BEX: Final = LocalSymbol(
    name="BEX", symbol=_symbol("ILLUME:BEX"), aliases=(_symbol("BEX"),), time_zone="Etc/GMT+8"
)


def settings_in(directory: Path) -> Settings:
    """Give settings with the local symbol BEX and the three partners above, and SQLite in a directory."""
    return Settings(
        source=directory / "gateway.toml",
        state_dir=directory,
        database_url=f"sqlite:///{directory / 'gateway.db'}",
        master_key_file=directory / "master.key",
        local=(BEX,),
        partners=(YAZ, SFU, UBC),
    )


def arrival(*, peer: str | None, two_way: bool, connection: str) -> Arrival:
    """Give the envelope of a message that came by TCP."""
    return Arrival(
        transport=Transport.TCP_TWO_WAY if two_way else Transport.TCP_ONE_WAY,
        listener="two-way" if two_way else "one-way",
        peer_address=peer,
        connection_id=connection,
    )


@dataclass(slots=True)
class Clock:
    """A clock that is set by hand, and counts how often it is looked at."""

    now: datetime = MORNING
    asked: int = 0

    def __call__(self) -> datetime:
        self.asked += 1
        return self.now

    def advance(self, **by: float) -> None:
        """Go on by so much, or back; the words are those of timedelta."""
        self.now += timedelta(**by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message that waits to be sent."""

    row: OutboxRecord
    octets: bytes = field(repr=False)

    @property
    def apdu(self) -> ILLApdu:
        """What it is."""
        return decode(self.octets)

    @property
    def report(self) -> StatusOrErrorReport:
        """What it is, where that is a report."""
        apdu = self.apdu
        assert isinstance(apdu, StatusOrErrorReport)
        return apdu

    @property
    def to(self) -> tuple[str | None, str | None]:
        """The partner and the connection that it is for."""
        return self.row.partner, self.row.connection_id


@dataclass(slots=True)
class Desk:
    """A gateway, and what a test does to it."""

    site: Site
    clock: Clock

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, clock: Clock | None = None) -> Iterator["Desk"]:
        """Give a desk under settings, with the database and the keys made if there are none."""
        clock = clock or Clock()
        empty.put_in(settings)
        site = Site.create_or_open(settings, clock=clock)
        try:
            yield cls(site=site, clock=clock)
        finally:
            site.close()

    @contextmanager
    def under(self, settings: Settings) -> Iterator["Desk"]:
        """Give the same database under other settings, as after a restart."""
        with Desk.open(settings, self.clock) as desk:
            yield desk

    def receive(
        self,
        what: ILLApdu | bytes,
        *,
        peer: str | None = AT_YAZ,
        two_way: bool = True,
        connection: str = "c-1",
    ) -> Processed:
        """Store a message and process it, in two transactions as the daemon does."""
        return self.process(self.store(what, peer=peer, two_way=two_way, connection=connection))

    def store(
        self,
        what: ILLApdu | bytes,
        *,
        peer: str | None = AT_YAZ,
        two_way: bool = True,
        connection: str = "c-1",
    ) -> MessageId:
        """Store a message, and no more."""
        octets = what if isinstance(what, bytes) else encode(what)
        came = arrival(peer=peer, two_way=two_way, connection=connection)
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.receive(uow, octets, came)

    def process(self, message_id: MessageId) -> Processed:
        """Process a stored message."""
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.process(uow, message_id)

    def begin(
        self, request: ILLApdu, *, peer: str | None = AT_YAZ, then: tuple[Primitive, ...] = ()
    ) -> HalfId:
        """Receive a request, perform services for it, and let everything that follows be delivered."""
        processed = self.receive(request, peer=peer)
        assert processed.half_id is not None, processed
        for primitive in then:
            self.act(HalfId(processed.half_id), primitive)
        self.deliver()
        return HalfId(processed.half_id)

    def act(self, half_id: HalfId, primitive: Primitive, *, actor: str = "anna") -> Acted:
        """Perform a service for the local user."""
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.act(uow, half_id, primitive, actor=actor)

    def repeat(self, half_id: HalfId, *, actor: str = "anna") -> Acted:
        """Repeat the last service of ours."""
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.repeat(uow, half_id, actor=actor)

    def request(
        self, new: NewRequest | None = None, *, partner: Partner | None = None, actor: str = "anna"
    ) -> Acted:
        """Ask a partner, SFU by default, for a loan or for what is given."""
        whom = self.partner("SFU") if partner is None else partner
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.request(
                uow,
                new or NewRequest(item=Item(title="The Penelopiad")),
                partner=whom,
                local=self.site.settings.local[0],
                actor=actor,
            )

    def retry(self, half_id: HalfId, *, partner: Partner | None = None, actor: str = "anna") -> Acted:
        """Ask once more for what ended in retry."""
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.retry(uow, half_id, partner=partner, actor=actor)

    def tick(self) -> datetime | None:
        """Do what has come due, and give when something does next."""
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.tick(uow)

    def partner(self, name: str) -> Partner:
        """The partner of a name."""
        partner = self.site.settings.partner(name)
        assert partner is not None, name
        return partner

    def outgoing(self) -> list[Outgoing]:
        """The messages that wait to be sent, oldest first."""
        with self.reading() as uow:
            return [
                Outgoing(row=row, octets=self._octets(uow, row))
                for row in uow.outbox.list(limit=1000)
                if row.kind is OutboxKind.MESSAGE
            ]

    def deliver(self) -> list[Outgoing]:
        """Let all that waits be delivered, and give it."""
        waiting = self.outgoing()
        with self.site.store.unit_of_work() as uow:
            for one in waiting:
                now = max(self.clock.now, one.row.next_attempt_at)
                fence = uow.leases.claim(one.row.id, "desk", now, now)
                assert fence is not None, one.row
                assert uow.leases.delivered(one.row.id, fence, self.clock.now)
        return waiting

    @contextmanager
    def reading(self) -> Iterator[UnitOfWork]:
        """Look at the database."""
        with self.site.store.reading() as uow:
            yield uow

    def processing(self, processed: Processed) -> ProcessingRecord:
        """The one classification of a message."""
        with self.reading() as uow:
            [record] = uow.messages.processings(processed.message_id)
        return record

    def half(self, half_id: int | None) -> HalfRecord:
        """A half."""
        assert half_id is not None
        with self.reading() as uow:
            return uow.halves.get(HalfId(half_id))

    def inputs(self, half_id: int | None) -> tuple[InputRecord, ...]:
        """Everything that moved a half."""
        assert half_id is not None
        with self.reading() as uow:
            return uow.inputs.of(HalfId(half_id))

    def events(self) -> tuple[EventRecord, ...]:
        """Everything that the local side was told."""
        with self.reading() as uow:
            return uow.events.after(0, limit=1000)

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        with self.site.store.engine.connect() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            }

    @staticmethod
    def _octets(uow: UnitOfWork, row: OutboxRecord) -> bytes:
        assert row.message_id is not None
        return uow.messages.raw(row.message_id)


def with_partner(settings: Settings, partner: Partner) -> Settings:
    """Give settings in which a partner stands in place of that of its name."""
    others = tuple(one for one in settings.partners if one.name != partner.name)
    return replace(settings, partners=(*others, partner))
