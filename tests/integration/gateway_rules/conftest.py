"""A gateway without a network, under the starting configuration, whose partner YAZ can be held to rules."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from asn1.codec import decode, encode
from asn1.ill import ILLApdu, StatusOrErrorReport
from config import starter
from config.loading import load
from config.rules import RuleSetting, RuleSeverity
from config.settings import Acknowledge, Settings
from iso_gateway.reception import Processed
from iso_gateway.services import Arrival
from iso_gateway.site import Site
from iso_gateway.store.records import EventRecord, HalfId, ProcessingRecord, Transport
from tests.support import empty

NOW = datetime(2026, 11, 16, 18, 15, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Counter:
    """Where messages are handed in."""

    site: Site

    def receive(self, apdu: ILLApdu) -> Processed:
        """Hand in a message from YAZ, by a connection on which it can be answered."""
        arrival = Arrival(
            transport=Transport.TCP_TWO_WAY,
            listener="two-way",
            peer_address="127.0.0.1:40001",
            connection_id="c-1",
        )
        with self.site.store.unit_of_work() as uow:
            message_id = self.site.gateway.receive(uow, encode(apdu), arrival)
        with self.site.store.unit_of_work() as uow:
            return self.site.gateway.process(uow, message_id)

    def answer(self, processed: Processed) -> StatusOrErrorReport:
        """Give what was put into the outbox in answer."""
        assert processed.answer is not None
        with self.site.store.reading() as uow:
            report = decode(uow.messages.raw(processed.answer))
        assert isinstance(report, StatusOrErrorReport)
        return report

    def processing(self, processed: Processed) -> ProcessingRecord:
        """Give what was stored about a message."""
        with self.site.store.reading() as uow:
            [record] = uow.messages.processings(processed.message_id)
        return record

    def events(self) -> tuple[EventRecord, ...]:
        """Give what the local side was told."""
        with self.site.store.reading() as uow:
            return uow.events.after(0, limit=1000)

    def state(self, half_id: int | None) -> str:
        """Give the state of a half."""
        assert half_id is not None
        with self.site.store.reading() as uow:
            return uow.halves.get(HalfId(half_id)).state


Opened = Callable[..., Counter]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The starting configuration, in which YAZ is told nothing when its request has arrived."""
    starter.write(tmp_path)
    loaded = load(tmp_path / "gateway.toml")
    return replace(
        loaded, partners=tuple(replace(one, acknowledge=Acknowledge.NONE) for one in loaded.partners)
    )


@pytest.fixture
def opened(settings: Settings) -> Iterator[Opened]:
    """Gives a function that opens the gateway, with rules for its partners."""
    sites: list[Site] = []

    def open_with(**severities: str) -> Counter:
        rules = tuple(
            RuleSetting(rule=rule.replace("_", "-"), severity=RuleSeverity(severity))
            for rule, severity in severities.items()
        )
        partners = tuple(replace(one, rules=rules) for one in settings.partners)
        empty.put_in(settings)
        site = Site.create_or_open(replace(settings, partners=partners), clock=lambda: NOW)
        sites.append(site)
        return Counter(site)

    yield open_with
    for site in sites:
        site.close()
