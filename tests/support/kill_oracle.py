"""What the gateway promises about kills, checked against what its partners wrote down.

The partners' journals (`journal`) say what they were sent, what they said, and what the gateway acknowledged.
The gateway's store says what it thinks. Neither is believed by itself: everything here compares the two.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from asn1.codec import decode
from iso_gateway.half.interpretation import service_of
from iso_gateway.protocol.states import Role, State
from iso_gateway.simulation.script import Conversation
from tests.support.journal import Entry, Kind

#: What each side says in a loan that goes as the harness has it, as (borrower, lender).
SAID: Final = (
    ("ILL-REQUEST", "RECEIVED", "RENEW", "RETURNED"),
    ("ILL-ANSWER will-supply", "SHIPPED", "RENEW-ANSWER answer TRUE", "CHECKED-IN"),
)
ENDS: Final = {Role.REQUESTER: State.RETURNED, Role.RESPONDER: State.CHECKED_IN}

#: How long octets may lie in a system's buffers before a partner reads them.
UNREAD: Final = dt.timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """A kill, or a stop for a while.

    Args:
        at: when.
        whom: the partner's name; None for a gateway.
    """

    at: dt.datetime
    whom: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerRecord:
    """What a partner knows at the end: its journal, and what its script makes of the whole of it."""

    entries: Sequence[Entry]
    conversations: Sequence[Conversation]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredApdu:
    """A message as the gateway has it.

    Args:
        octets: the APDU.
        received: whether it came in; else it went out.
        verdicts: all that it was ever classified as.
        delivered: whether it counts as delivered; of what went out.
    """

    octets: bytes = field(repr=False)
    received: bool
    verdicts: tuple[str, ...] = ()
    delivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHalf:
    """A half as the gateway has it.

    Args:
        partner, request, role: which.
        state: where it ended.
        inputs: the octets of every APDU that moved it, in order.
    """

    partner: str
    request: str
    role: Role
    state: str
    inputs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRecord:
    """What the gateway's store says at the end; `apdus` in the order in which they were stored."""

    apdus: Sequence[StoredApdu]
    halves: Sequence[StoredHalf]


@dataclass(slots=True, kw_only=True)
class Judgement:
    """What was found.

    Args:
        broken: each promise that was not kept, in words.
        requests: how many there were.
        sent, received: how many different APDUs went to partners and came from them.
        sent_twice: how often an APDU went to a partner once more.
        received_twice: how often the gateway received an APDU once more.
    """

    broken: list[str] = field(default_factory=list)
    requests: int = 0
    sent: int = 0
    received: int = 0
    sent_twice: int = 0
    received_twice: int = 0


def judge(
    partners: Mapping[str, PartnerRecord], gateway: GatewayRecord, interruptions: Sequence[Interruption]
) -> Judgement:
    """Compare all that there is, and give every promise that was not kept.

    Args:
        partners: by name.
        gateway: its store.
        interruptions: what was done to either.
    """
    judgement = Judgement()
    judgement.broken += _ends(partners, gateway)
    judgement.broken += _from_partners(partners, gateway)
    judgement.broken += _to_partners(partners, gateway, interruptions)
    came, went = _octets_of(gateway, received=True), _octets_of(gateway, received=False)
    judgement.requests = len(gateway.halves)
    judgement.sent = len(set(went))
    judgement.received = len(set(came))
    judgement.received_twice = len(came) - len(set(came))
    arrived = sum(len(_received(record)) for record in partners.values())
    judgement.sent_twice = arrived - sum(
        len({entry.octets for entry in _received(record)}) for record in partners.values()
    )
    return judgement


def _ends(partners: Mapping[str, PartnerRecord], gateway: GatewayRecord) -> Iterator[str]:
    """Every request reached its end on both sides, and both know the same requests."""
    ours = {(half.partner, half.request): half for half in gateway.halves}
    if len(ours) != len(gateway.halves):
        yield "the gateway has two halves of one request"
    known = set()
    for name, record in partners.items():
        for conversation in record.conversations:
            place = (name, conversation.number)
            known.add(place)
            half = ours.get(place)
            if conversation.state is not ENDS[conversation.role]:
                yield f"{place}: the partner's half is in {conversation.state}"
            if half is None:
                yield f"{place}: the gateway does not know it"
            elif half.role is conversation.role or half.state != ENDS[half.role]:
                yield f"{place}: the gateway's half, {half.role}, is in {half.state}"
    for place in ours.keys() - known:
        yield f"{place}: the partner does not know it"


def _from_partners(partners: Mapping[str, PartnerRecord], gateway: GatewayRecord) -> Iterator[str]:
    """What was acknowledged to partners is there, was applied once, and in the order in which it was sent."""
    verdicts: defaultdict[bytes, Counter[str]] = defaultdict(Counter)
    for apdu in gateway.apdus:
        if apdu.received:
            verdicts[apdu.octets].update(apdu.verdicts)
    inputs = {(half.partner, half.request): half.inputs for half in gateway.halves}
    said: set[bytes] = set()
    for name, record in partners.items():
        taken: defaultdict[str, list[bytes]] = defaultdict(list)
        for entry in record.entries:
            if entry.kind is Kind.TAKEN:
                taken[entry.request].append(entry.octets)
        for request, apdus in taken.items():
            said.update(apdus)
            for octets in apdus:
                what = f"{(name, request)}: {_name(octets)}"
                if octets not in verdicts:
                    yield f"{what} was acknowledged and is lost"
                elif verdicts[octets]["applied"] != 1:
                    yield f"{what} was acknowledged, and is {dict(verdicts[octets])}"
            if tuple(apdus) != inputs.get((name, request), ()):
                yield (
                    f"{(name, request)}: was sent {_names(apdus)},"
                    f" and moved by {_names(inputs.get((name, request), ()))}"
                )
    for apdu in gateway.apdus:
        if apdu.received and not apdu.verdicts:
            yield f"{_name(apdu.octets)} is stored and was never classified"
    for octets in verdicts.keys() - said:
        yield f"{_name(octets)} is stored and no partner has it acknowledged: {octets.hex()[:64]}"


def _to_partners(
    partners: Mapping[str, PartnerRecord], gateway: GatewayRecord, interruptions: Sequence[Interruption]
) -> Iterator[str]:
    """What was to be sent arrived, in order, and a second time only where a kill explains it."""
    stored = {apdu.octets: apdu for apdu in gateway.apdus if not apdu.received}
    arrived: set[bytes] = set()
    for name, record in partners.items():
        roles = {conversation.number: conversation.role for conversation in record.conversations}
        lanes: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in _received(record):
            lanes[entry.request].append(entry)
            arrived.add(entry.octets)
            if entry.octets not in stored:
                yield f"{(name, entry.request)}: {_name(entry.octets)} arrived and was never stored as sent"
        usable = [one.at for one in interruptions if one.whom in {None, name}]
        for request, entries in lanes.items():
            lender = roles.get(request) is Role.REQUESTER
            for broken in _lane(entries, usable, SAID[lender]):
                yield f"{(name, request)}: {broken}"
    for octets, apdu in stored.items():
        if octets not in arrived:
            yield f"{_name(octets)} was to be sent and is lost"
        if not apdu.delivered:
            yield f"{_name(octets)} does not count as delivered"


def _lane(entries: Sequence[Entry], kills: Sequence[dt.datetime], expected: Sequence[str]) -> Iterator[str]:
    """One request's APDUs at the partner: the right ones, in order, twice only where a kill was between."""
    first: dict[bytes, int] = {}
    before: dict[bytes, dt.datetime] = {}
    unused = sorted(kills)
    latest = 0
    for entry in entries:
        octets = entry.octets
        if octets in first:
            cause = next((at for at in unused if before[octets] - UNREAD <= at <= entry.at), None)
            if cause is None:
                yield f"{_name(octets)} arrived again at {entry.at:%H:%M:%S.%f}, and no kill explains it"
            else:
                unused.remove(cause)
            if first[octets] < latest:
                yield f"{_name(octets)} arrived again after what came later"
        else:
            latest = first[octets] = len(first)
        before[octets] = entry.at
    if (names := [_name(octets) for octets in first]) != list(expected):
        yield f"got {names}"


def _received(record: PartnerRecord) -> list[Entry]:
    return [entry for entry in record.entries if entry.kind is Kind.RECEIVED]


def _octets_of(gateway: GatewayRecord, *, received: bool) -> list[bytes]:
    return [apdu.octets for apdu in gateway.apdus if apdu.received is received]


def _name(octets: bytes) -> str:
    try:
        service = service_of(decode(octets))
    except ValueError:
        return "an unreadable APDU"
    return "an APDU of no service" if service is None else service.phrase


def _names(apdus: Iterable[bytes]) -> str:
    return str([_name(octets) for octets in apdus])
