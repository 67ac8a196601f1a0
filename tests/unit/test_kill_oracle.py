"""The oracle of the kill harness sees every promise that is broken, and nothing where none is.

Two partners talk to each other without a network: what one of them knows stands for the gateway's store.
"""

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from asn1.codec import decode, encode
from config.settings import Partner, TcpTransport
from config.symbols import Symbol
from iso_gateway.compose import repeat_of
from tests.support import journal
from tests.support.journal import Entry, Journal, Kind
from tests.support.journaled_partner import Memory
from tests.support.kill_oracle import (
    UNREAD,
    GatewayRecord,
    Interruption,
    PartnerRecord,
    StoredApdu,
    StoredHalf,
    judge,
)

BEGUN: Final = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
NAME: Final = "ONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What both sides know at the end."""

    entries: tuple[Entry, ...]
    gateway: GatewayRecord

    def broken(self, *interruptions: Interruption) -> str:
        """What the oracle finds, as one text."""
        memory = Memory(library(NAME), Symbol.parse("ILLUME:BEX"))
        for entry in self.entries:
            if entry.kind in {Kind.BEGUN, Kind.RECEIVED}:
                memory.apply(entry)
        record = PartnerRecord(entries=self.entries, conversations=memory.conversations)
        return "\n".join(judge({NAME: record}, self.gateway, interruptions).broken)

    def at(self, name: str, kind: Kind) -> int:
        """Where the first APDU of a type stands in the journal."""
        return next(
            place
            for place, entry in enumerate(self.entries)
            if entry.kind is kind and type(decode(entry.octets)).__name__ == name
        )

    def with_entries(self, *entries: Entry) -> "Known":
        """The same with another journal."""
        return replace(self, entries=entries)

    def with_apdus(self, apdus: Iterable[StoredApdu]) -> "Known":
        """The same with other messages in the store."""
        return replace(self, gateway=replace(self.gateway, apdus=tuple(apdus)))

    def with_halves(self, halves: Iterable[StoredHalf]) -> "Known":
        """The same with other halves in the store."""
        return replace(self, gateway=replace(self.gateway, halves=tuple(halves)))


def library(name: str) -> Partner:
    """A library that speaks as the harness's partners do."""
    return Partner(
        name=name,
        symbols=(Symbol.parse(f"ILLUME:{name}"),),
        transport=TcpTransport(host="127.0.0.1", port=1),
    )


@pytest.fixture
def known() -> Known:
    """A request in each direction, gone to its end without any trouble."""
    one = Memory(library(NAME), Symbol.parse("ILLUME:BEX"))
    bex = Memory(library("BEX"), Symbol.parse(f"ILLUME:{NAME}"))
    times = (BEGUN + dt.timedelta(seconds=5 * n) for n in itertools.count())
    entries: list[Entry] = []
    stored: list[StoredApdu] = []

    def happened(kind: Kind, octets: bytes = b"", request: str = "") -> None:
        entries.append(
            Entry(kind=kind, at=next(times), request=request, octets=octets, qualifier="1" * (not octets))
        )
        one.apply(entries[-1])

    happened(Kind.BEGUN, request="SIMULATION/1")
    bex.apply(Entry(kind=Kind.BEGUN, at=next(times), request="SIMULATION/2", qualifier="2"))
    while any(one.owed.values()) or any(bex.owed.values()):
        for octets in list(_heads(one)):
            at, request = next(times), one.made[octets].number
            bex.apply(Entry(kind=Kind.RECEIVED, at=at, request=request, octets=octets))
            stored.append(StoredApdu(octets=octets, received=True, verdicts=("applied",)))
            happened(Kind.TAKEN, octets, request)
        for octets in list(_heads(bex)):
            at, request = next(times), bex.made[octets].number
            stored.append(StoredApdu(octets=octets, received=False, delivered=True))
            happened(Kind.RECEIVED, octets, request)
            bex.apply(Entry(kind=Kind.TAKEN, at=at, request=request, octets=octets))
    halves = [
        StoredHalf(
            partner=NAME,
            request=conversation.number,
            role=conversation.role,
            state=conversation.state,
            inputs=tuple(map(encode, conversation.received)),
        )
        for conversation in bex.conversations
    ]
    return Known(entries=tuple(entries), gateway=GatewayRecord(apdus=stored, halves=halves))


def _heads(memory: Memory) -> Iterator[bytes]:
    return (queue[0] for queue in memory.owed.values() if queue)


def kill(at: dt.datetime) -> Interruption:
    """A kill of the gateway."""
    return Interruption(at=at)


def test_nothing_is_found_where_nothing_is_wrong(known: Known) -> None:
    assert known.broken() == ""
    assert len(known.gateway.halves) == 2
    assert len(known.gateway.apdus) == 16


def test_what_was_acknowledged_and_is_not_there_is_found(known: Known) -> None:
    first, *others = known.gateway.apdus
    assert first.received
    assert "ILL-REQUEST was acknowledged and is lost" in known.with_apdus(others).broken()


def test_what_was_applied_twice_is_found(known: Known) -> None:
    twice = [*known.gateway.apdus, known.gateway.apdus[0]]
    assert "acknowledged, and is {'applied': 2}" in known.with_apdus(twice).broken()
    half, *others = known.gateway.halves
    moved = replace(half, inputs=(*half.inputs, half.inputs[-1]))
    assert "and moved by" in known.with_halves([moved, *others]).broken()


def test_what_was_never_applied_is_found(known: Known) -> None:
    first, *others = known.gateway.apdus
    refused = replace(first, verdicts=("prohibited",))
    assert "acknowledged, and is {'prohibited': 1}" in known.with_apdus([refused, *others]).broken()


def test_what_was_never_classified_is_found(known: Known) -> None:
    copy = replace(known.gateway.apdus[0], verdicts=())
    assert "stored and was never classified" in known.with_apdus([*known.gateway.apdus, copy]).broken()


def test_a_copy_that_was_recognised_is_nothing(known: Known) -> None:
    copy = replace(known.gateway.apdus[0], verdicts=("exact-duplicate",))
    assert known.with_apdus([*known.gateway.apdus, copy]).broken() == ""


def test_what_no_partner_has_said_is_found(known: Known) -> None:
    strange = StoredApdu(octets=b"\x61\x00", received=True, verdicts=("unreadable",))
    assert (
        "no partner has it acknowledged: 6100" in known.with_apdus([*known.gateway.apdus, strange]).broken()
    )


def test_another_order_than_the_partners_is_found(known: Known) -> None:
    half, *others = known.gateway.halves
    swapped = replace(half, inputs=half.inputs[::-1])
    assert "and moved by" in known.with_halves([swapped, *others]).broken()


def test_a_half_that_did_not_reach_its_end_is_found(known: Known) -> None:
    half, *others = known.gateway.halves
    assert "the gateway's half" in known.with_halves([replace(half, state="SHIPPED"), *others]).broken()
    assert "the gateway does not know it" in known.with_halves(others).broken()
    assert "two halves of one request" in known.with_halves([half, half, *others]).broken()
    unknown = replace(half, request="another")
    assert "the partner does not know it" in known.with_halves([half, unknown, *others]).broken()


def test_what_was_to_be_sent_and_did_not_arrive_is_found(known: Known) -> None:
    place = known.at("CheckedIn", Kind.RECEIVED)
    found = known.with_entries(*known.entries[:place], *known.entries[place + 1 :]).broken()
    assert "CHECKED-IN was to be sent and is lost" in found
    assert "got ['ILL-ANSWER will-supply', 'SHIPPED', 'RENEW-ANSWER answer TRUE']" in found


def test_what_does_not_count_as_delivered_is_found(known: Known) -> None:
    apdus = [replace(apdu, delivered=False) for apdu in known.gateway.apdus]
    assert "does not count as delivered" in known.with_apdus(apdus).broken()


def again(known: Known, name: str, *, after: dt.timedelta, times: int = 1) -> Known:
    """The same with an APDU that arrived once more, so long after the first time."""
    place = known.at(name, Kind.RECEIVED)
    first = known.entries[place]
    copies = [replace(first, at=first.at + after * n) for n in range(1, times + 1)]
    return known.with_entries(*known.entries[: place + 1], *copies, *known.entries[place + 1 :])


def test_a_second_arrival_needs_a_kill(known: Known) -> None:
    second = dt.timedelta(seconds=2)
    at = known.entries[known.at("Shipped", Kind.RECEIVED)].at
    twice = again(known, "Shipped", after=second)
    assert "SHIPPED arrived again" in twice.broken()
    assert twice.broken(kill(at + second / 2)) == ""
    assert "no kill explains it" in twice.broken(kill(at - UNREAD - second))
    assert "no kill explains it" in twice.broken(kill(at + 2 * second))
    assert twice.broken(Interruption(at=at + second / 2, whom=NAME)) == ""
    assert "no kill explains it" in twice.broken(Interruption(at=at + second / 2, whom="SIX"))


def test_a_kill_explains_one_arrival_of_a_lane(known: Known) -> None:
    second = dt.timedelta(seconds=1)
    at = known.entries[known.at("Shipped", Kind.RECEIVED)].at
    thrice = again(known, "Shipped", after=second, times=2)
    assert thrice.broken(kill(at)).count("no kill explains it") == 1
    assert thrice.broken(kill(at), kill(at + second)) == ""


def test_an_arrival_after_what_came_later_is_found(known: Known) -> None:
    first = known.entries[known.at("Shipped", Kind.RECEIVED)]
    late = replace(first, at=known.entries[-1].at)
    found = known.with_entries(*known.entries, late).broken(kill(first.at))
    assert found == f"('{NAME}', '{first.request}'): SHIPPED arrived again after what came later"


def test_a_retry_with_other_octets_is_found(known: Known) -> None:
    place = known.at("Shipped", Kind.RECEIVED)
    first = known.entries[place]
    other = encode(repeat_of(decode(first.octets), first.at + dt.timedelta(minutes=1)))
    entries = (*known.entries[: place + 1], replace(first, octets=other), *known.entries[place + 1 :])
    assert "SHIPPED arrived and was never stored as sent" in known.with_entries(*entries).broken()


def test_a_journal_is_read_as_it_was_written(known: Known, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written = Journal(path)
    for entry in known.entries:
        written.append(entry)
    written.close()
    assert journal.read(path) == known.entries
    with path.open("ab") as file:
        file.write(b'{"kind": "rec')
    again = Journal(path)
    again.append(known.entries[0])
    again.close()
    assert journal.read(path) == (*known.entries, known.entries[0])


def test_a_partner_that_starts_again_owes_what_it_owed(known: Known) -> None:
    before = known.entries[: known.at("Returned", Kind.TAKEN)]
    first = Memory(library(NAME), Symbol.parse("ILLUME:BEX"))
    for entry in before:
        first.apply(entry)
    second = Memory(library(NAME), Symbol.parse("ILLUME:BEX"))
    second.recall(before)
    assert second.owed == first.owed
    assert any(second.owed.values())
