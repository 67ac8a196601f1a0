"""Several gateways that write to each other, without a network: what one sends is laid on another's desk.

Each has a database of its own, all have one clock. Nothing is lost or late here unless a test makes it so.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Final

from asn1.ill import ILLApdu
from config.settings import LocalSymbol, OptionalMessages, Partner, Settings, TcpTransport
from config.symbols import Symbol
from iso_gateway.half.record import event_of
from iso_gateway.protocol import machine
from iso_gateway.protocol.states import Flags, HalfState, Role, TableProfile
from iso_gateway.reception import Processed
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.request.primitives import Primitive
from iso_gateway.store.records import HalfId
from tests.support.gateway import Clock, Desk, Outgoing

NAMES: Final = ("BEX", "SFU", "UBC")
#: Of those, and of others that a test may name.
ADDRESSES: Final = {
    "BEX": "192.0.2.1:40001",
    "SFU": "192.0.2.2:40002",
    "UBC": "192.0.2.3:40003",
    "KPU": "192.0.2.4:40004",
    "RRU": "192.0.2.5:40005",
    "TRU": "192.0.2.6:40006",
    "UVIC": "192.0.2.7:40007",
}
#: Eight hours behind Greenwich the whole year.
ZONE: Final = "Etc/GMT+8"
BOOK: Final = NewRequest(item=Item(title="The Penelopiad", author="Atwood, Margaret"))


def as_partner(name: str) -> Partner:
    """A library as the others know it: reached one-way, with an address of its own."""
    address, _, _ = ADDRESSES[name].rpartition(":")
    return Partner(
        name=name,
        symbols=(Symbol.parse(f"ILLUME:{name}"),),
        transport=TcpTransport(host=f"{name.lower()}.example", port=1611),
        allowed_sources=(ip_network(address),),
        time_zone=ZONE,
    )


def settings_of(name: str, directory: Path, names: Iterable[str] = NAMES) -> Settings:
    """The settings of a library: itself, and the others of `names` as its partners."""
    directory.mkdir(exist_ok=True)
    return Settings(
        source=directory / "gateway.toml",
        state_dir=directory,
        database_url=f"sqlite:///{directory / 'gateway.db'}",
        master_key_file=directory / "master.key",
        local=(LocalSymbol(name=name, symbol=Symbol.parse(f"ILLUME:{name}"), time_zone=ZONE),),
        partners=tuple(as_partner(other) for other in names if other != name),
    )


@dataclass(slots=True)
class Libraries:
    """The gateways, and what a test does with them."""

    desks: dict[str, Desk]
    clock: Clock
    #: what was carried, oldest first, as `BEX->SFU Ill-Request`
    log: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def open(
        cls,
        directory: Path,
        *names: str,
        optional: Mapping[str, OptionalMessages] = MappingProxyType({}),
        **changes: Partner,
    ) -> Iterator["Libraries"]:
        """Give libraries.

        Args:
            directory: where each has a directory of its own.
            names: which.
            optional: by name, which optional messages one sends and asks for.
            changes: by name, how the others know one.
        """
        clock = Clock()
        directory.mkdir(exist_ok=True)
        with ExitStack() as stack:
            desks = {}
            for name in names:
                settings = settings_of(name, directory / name, sorted({*NAMES, *names}))
                partners = tuple(changes.get(one.name, one) for one in settings.partners)
                [own] = settings.local
                local = replace(own, optional_messages=optional.get(name, own.optional_messages))
                settings = replace(settings, partners=partners, local=(local,))
                desks[name] = stack.enter_context(Desk.open(settings, clock))
            yield cls(desks=desks, clock=clock)

    def request(self, asker: str, asked: str, new: NewRequest = BOOK) -> HalfId:
        """Let one library ask another, and the request arrive; gives the asker's half."""
        desk = self.desks[asker]
        half = desk.request(new, partner=desk.partner(asked)).half_id
        self.carry()
        return half

    def act(self, name: str, primitive: Primitive, *, carried: bool = True, half: int = 1) -> None:
        """Let a library perform a service, a second after the last, and all that follows arrive."""
        self.clock.advance(seconds=1)
        self.desks[name].act(HalfId(half), primitive)
        if carried:
            self.carry()

    def take(self, name: str) -> list[Outgoing]:
        """Take what a library would send off its desk, without carrying it anywhere."""
        return self.desks[name].deliver()

    def bring(self, sender: str, one: Outgoing, *, two_way: bool = False) -> Processed:
        """Lay a message on the desk of the library that it is for."""
        recipient, _ = one.to
        assert recipient is not None
        self.log.append(f"{sender}->{recipient} {one.apdu.asn1_name}")
        return self.desks[recipient].receive(one.octets, peer=ADDRESSES[sender], two_way=two_way)

    def carry(self) -> list[Processed]:
        """Carry everything that waits to be sent, until nothing does."""
        carried: list[Processed] = []
        while waiting := [(name, one) for name in self.desks for one in self.take(name)]:
            carried += [self.bring(name, one) for name, one in waiting]
        return carried

    def states(self, half: int = 1) -> tuple[str, ...]:
        """The state of the half with this number, library by library."""
        return tuple(desk.half(half).state for desk in self.desks.values())

    def assert_replayable(self) -> None:
        """Hold the first half of each to what the machine makes of its inputs alone."""
        for desk in self.desks.values():
            assert_replayable(desk)

    def told(self, name: str) -> list[str]:
        """The kinds of the events that a library was told of."""
        return [event.kind for event in self.desks[name].events()]

    def attention(self, name: str) -> list[object]:
        """Why things were put before the people of a library."""
        return [
            (event.detail or {}).get("reason")
            for event in self.desks[name].events()
            if event.kind == "attention"
        ]


def assert_replayable(desk: Desk, half: int = 1) -> None:
    """Hold a half to what the machine makes of its inputs alone."""
    record = desk.half(half)
    state = HalfState(role=Role(record.role), tables=TableProfile(record.tables))
    for one in desk.inputs(half):
        outcome = machine.advance(state, event_of(one), one.at)
        assert outcome.verdict == one.verdict
        state = outcome.state
    assert (state.state, state.flags) == (record.state, Flags.from_names(record.flags))


def service_time_of(apdu: ILLApdu) -> tuple[str, str | None]:
    """The date-time-of-this-service of an APDU."""
    this = apdu.service_date_time.date_time_of_this_service
    return this.date, this.time
