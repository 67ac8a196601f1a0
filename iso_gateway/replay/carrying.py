"""Messages as lines of JSON, for another installation: exported, and imported there as received."""

import enum
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from iso_gateway.errors import GatewayError
from iso_gateway.reception import Processed
from iso_gateway.services import Arrival, Gateway
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import MessageId, MessageListing, Side, Transport
from iso_gateway.store.searching import Wanted
from iso_gateway.store.unit_of_work import Store, UnitOfWork

#: What each line says it is, so that nothing else is taken for one.
FORMAT: Final = "iso-gateway-message/1"
#: The audit's words.
EXPORTED: Final = "messages.export"
IMPORTED: Final = "messages.import"
#: The name in place of a listener's.
LISTENER: Final = "import"
#: How many lines share a unit of work, and how many messages are looked up at once.
UNIT: Final = 50
_PAGE: Final = 500
#: The longest line: an APDU of 16 MB in hexadecimal digits, and what else there is.
_LONGEST: Final = 34_000_000

Masking = Callable[[bytes], tuple[bytes | None, tuple[str, ...]]]
"""What of a message's octets may leave the house (None: nothing), and what was left out of them."""


class BadLineError(GatewayError):
    """A line that is no exported message."""


class Result(enum.StrEnum):
    """What became of a line."""

    #: it is stored as received
    IMPORTED = "imported"
    #: a message with the same octets was received already
    KNOWN = "known"
    #: it was sent by the other installation, so nobody sent it here
    SENT_BY_OTHERS = "sent-by-others"
    #: its octets were not exported
    WITHOUT_OCTETS = "without-octets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of one line.

    Args:
        line: its number, from 1.
        result: what became of it.
        message_id: the message that it is here.
        verdict: how it was classified here; None on a dry run.
    """

    line: int
    result: Result
    message_id: MessageId | None = None
    verdict: str | None = None


def exported(uow: UnitOfWork, wanted: Wanted, masking: Masking) -> Iterator[dict[str, object]]:
    """The messages that are meant, oldest first, as objects for one line each.

    Args:
        uow: where they are.
        wanted: which ones.
        masking: takes out what may not leave the house.
    """
    last = 0
    while page := uow.search.oldest_messages(wanted, after_id=last, limit=_PAGE):
        for listing in page:
            yield _line(uow, listing, masking)
        last = page[-1].message.id


def _line(uow: UnitOfWork, listing: MessageListing, masking: Masking) -> dict[str, object]:
    message, processing = listing.message, listing.processing
    left_out: tuple[str, ...]
    try:
        whole: bytes | None = uow.messages.raw(message.id)
    except KeyDisposedError:
        whole = None
    octets, left_out = (None, ("disposed-of",)) if whole is None else masking(whole)
    return {
        "format": FORMAT,
        "id": message.id,
        "direction": message.direction.value,
        "stored_at": message.stored_at.isoformat(),
        "transport": message.transport.value,
        "listener": message.listener,
        "peer_address": message.peer_address,
        "side": message.side.value,
        "type": None if processing is None else processing.apdu_type,
        "partner": None if processing is None else processing.partner,
        "verdict": None if processing is None else processing.verdict,
        "reason": None if processing is None else processing.reason,
        "octets": None if octets is None else octets.hex(),
        "as_on_the_wire": octets is not None and octets == whole,
        "left_out": list(left_out),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    number: int
    received: bool
    octets: bytes | None
    side: Side


def parsed(lines: Iterable[str]) -> Iterator[_Line]:
    """Read lines; blank ones are passed over.

    Raises:
        BadLineError: one is no exported message, with its number.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _parsed(number, line)


def _parsed(number: int, line: str) -> _Line:
    if len(line) > _LONGEST:
        raise BadLineError(
            f"line {number} is {len(line)} characters long, and an exported message is shorter"
        )
    try:
        told = json.loads(line)
        if not isinstance(told, Mapping) or told.get("format") != FORMAT:
            raise BadLineError(f"line {number} does not say that it is {FORMAT!r}: import what was exported")
        octets = told["octets"]
        return _Line(
            number=number,
            received=told["direction"] == "received",
            octets=None if octets is None else bytes.fromhex(octets),
            side=Side(told["side"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        # What is wrong is not repeated: it may be patron data.
        raise BadLineError(f"line {number} is no exported message: import what was exported") from None


def imported(
    store: Store,
    gateway: Gateway,
    lines: Iterable[str],
    *,
    dry_run: bool,
) -> Iterator[Imported]:
    """Store exported messages as received, and classify them; their senders are told nothing.

    Args:
        store: where to.
        gateway: the use cases under the settings of this installation.
        lines: of the file.
        dry_run: whether only to say which would be imported.

    Raises:
        BadLineError: a line is no exported message; the lines of the units before it are imported.
    """
    unit: list[_Line] = []
    for line in parsed(lines):
        unit.append(line)
        if len(unit) == UNIT:
            yield from _imported_unit(store, gateway, unit, dry_run=dry_run)
            unit = []
    yield from _imported_unit(store, gateway, unit, dry_run=dry_run)


def _imported_unit(store: Store, gateway: Gateway, unit: list[_Line], *, dry_run: bool) -> list[Imported]:
    if dry_run:
        with store.reading() as uow:
            return [
                _looked_at(uow, line) or Imported(line=line.number, result=Result.IMPORTED) for line in unit
            ]
    return store.perform(
        lambda uow: [_looked_at(uow, line) or _received(uow, gateway, line) for line in unit]
    )


def _looked_at(uow: UnitOfWork, line: _Line) -> Imported | None:
    """Why a line is not to be imported; None if it is."""
    if not line.received:
        return Imported(line=line.number, result=Result.SENT_BY_OTHERS)
    if line.octets is None:
        return Imported(line=line.number, result=Result.WITHOUT_OCTETS)
    known = uow.search.received(line.octets)
    if known is not None:
        return Imported(line=line.number, result=Result.KNOWN, message_id=known)
    return None


def _received(uow: UnitOfWork, gateway: Gateway, line: _Line) -> Imported:
    arrival = Arrival(
        transport=Transport.LOCAL, listener=LISTENER, peer_address=None, connection_id=None, side=line.side
    )
    message_id = gateway.receive(uow, line.octets or b"", arrival)
    processed: Processed = gateway.classify_again(uow, message_id)
    return Imported(
        line=line.number, result=Result.IMPORTED, message_id=message_id, verdict=processed.verdict.value
    )
