"""What the command reads of requests, as values that can be shown or written as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from config.settings import Settings
from iso_gateway.acting import action
from iso_gateway.cli.messages.views import Contents, Delivery, deliveries_of, kind_in_words
from iso_gateway.cli.requests import offers, open_points
from iso_gateway.cli.requests.offers import Offer
from iso_gateway.cli.requests.open_points import OpenPoints
from iso_gateway.cli.shared.typist import Typist
from iso_gateway.half import interpretation
from iso_gateway.half.record import half_state
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import TableProfile
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import (
    Direction,
    DocumentRecord,
    HalfId,
    HalfListing,
    HalfRecord,
    InputKind,
    InputRecord,
    MessageId,
    MessageListing,
    ProcessingRecord,
)
from iso_gateway.store.unit_of_work import UnitOfWork

#: The most messages of one request that are shown; a conversation of this length is a fault of its own.
MOST_STEPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One message of a request, or one time that a timer moved it.

    Args:
        at: when it was stored, or when the timer fired; aware.
        by_us: whether it is ours.
        name: the service with the answer that it gives, as `ILL-ANSWER will-supply`; `unreadable` where
            nothing could be read.
        message_id: None for a timer.
        state: the request's state afterwards; None for what did not go through the state tables.
        verdict: how it was classified.
        reason: why, in the gateway's own words.
        deliveries: for what we sent.
        contents: what it says.
        partner: name of the partner that it came from or goes to; None where nobody knows.
        repeat: whether it is marked as a repeat.
    """

    at: datetime
    by_us: bool
    name: str
    message_id: MessageId | None
    state: str | None
    verdict: str
    reason: str
    deliveries: tuple[Delivery, ...]
    contents: Contents
    partner: str | None = None
    repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """A request with its whole history.

    Args:
        listing: its state, and what lists know it by.
        zone: the time zone of our library.
        steps: oldest first.
        possible: the services that the local user may ask for now.
        open_points: what it waits for.
        documents: those whose links its borrower was given, oldest first.
    """

    listing: HalfListing
    zone: tzinfo
    steps: tuple[Step, ...]
    possible: tuple[Service, ...]
    open_points: OpenPoints = field(default_factory=OpenPoints)
    documents: tuple[DocumentRecord, ...] = ()

    @property
    def half(self) -> HalfRecord:
        """Our half of the transaction."""
        return self.listing.half


def read_request(uow: UnitOfWork, settings: Settings, half_id: HalfId) -> RequestRecord:
    """Read everything about one request. Raises StoreError when there is none such."""
    half = uow.halves.get(half_id)
    try:
        summary: dict[str, object] | None = uow.transactions.summary(half.transaction_id)
    except KeyDisposedError:
        summary = None
    return RequestRecord(
        listing=HalfListing(half=half, summary=summary),
        zone=_zone_of(settings, half),
        steps=_steps(uow, settings, half),
        possible=possible_now(settings, half),
        open_points=open_points.of(uow, half),
        documents=uow.documents.of(half.id),
    )


def _zone_of(settings: Settings, half: HalfRecord) -> tzinfo:
    local = next((one for one in settings.local if one.name == half.local), None)
    return UTC if local is None else local.zone


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRequest:
    """A request in a list, with what it waits for and the time zone of our library."""

    listing: HalfListing
    open_points: OpenPoints
    zone: tzinfo


def listed_requests(
    uow: UnitOfWork, settings: Settings, listings: Sequence[HalfListing]
) -> tuple[ListedRequest, ...]:
    """Requests with what each waits for."""
    known = open_points.of_all(uow, [one.half for one in listings])
    return tuple(
        ListedRequest(listing=one, open_points=known[one.half.id], zone=_zone_of(settings, one.half))
        for one in listings
    )


def offered(record: RequestRecord, typist: Typist) -> tuple[Offer, ...]:
    """What can be done about a request now; nothing once its partner is gone."""
    repeatable = any(step.by_us and step.state is not None for step in record.steps)
    return offers.offers(
        record.half.id,
        record.possible,
        typist,
        repeatable=repeatable and bool(record.possible),
        copy=offers.is_copy(record.listing.summary),
    )


def possible_now(settings: Settings, half: HalfRecord) -> tuple[Service, ...]:
    """The services that the local user may ask for now; none where its partner is gone."""
    partner = settings.partner(half.partner)
    if partner is None:
        return ()
    return action.possible(half_state(half, TableProfile(partner.tables.value)), partner)


def _steps(uow: UnitOfWork, settings: Settings, half: HalfRecord) -> tuple[Step, ...]:
    inputs = uow.inputs.of(half.id)
    by_message = {record.message_id: record for record in inputs if record.message_id is not None}
    steps = [
        _message_step(uow, settings, listing, by_message.get(listing.message.id))
        for listing in uow.messages.list(transaction_id=half.transaction_id, limit=MOST_STEPS)
        if _is_of(listing, half)
    ]
    steps += [_timer_step(record) for record in inputs if record.message_id is None]
    return tuple(sorted(steps, key=lambda step: (step.at, step.message_id or 0)))


def _is_of(listing: MessageListing, half: HalfRecord) -> bool:
    return listing.processing is None or listing.processing.half_id in (half.id, None)


def _message_step(
    uow: UnitOfWork, settings: Settings, listing: MessageListing, record: InputRecord | None
) -> Step:
    message, processing = listing.message, listing.processing
    sender = None if processing is None else processing.partner
    contents = Contents.read(uow, message.id, settings, processing)
    name = _name_of(contents, processing) if record is None else Service(record.service).phrase
    by_us = message.direction is Direction.SENT
    return Step(
        at=message.stored_at,
        by_us=by_us,
        name=name,
        message_id=message.id,
        state=None if record is None else record.state_after,
        verdict="" if processing is None else processing.verdict,
        reason="" if processing is None else processing.reason,
        deliveries=deliveries_of(uow, message.id) if by_us else (),
        contents=contents,
        partner=sender,
        repeat=record is not None and record.repeat,
    )


def _timer_step(record: InputRecord) -> Step:
    return Step(
        at=record.at,
        by_us=record.kind is not InputKind.APDU,
        name=Service(record.service).phrase,
        message_id=None,
        state=record.state_after,
        verdict=record.verdict,
        reason="",
        deliveries=(),
        contents=Contents(),
    )


def _name_of(contents: Contents, processing: ProcessingRecord | None) -> str:
    service = None if contents.apdu is None else interpretation.service_of(contents.apdu)
    if service is not None:
        return service.phrase
    if processing is not None and processing.apdu_type is not None:
        return processing.apdu_type.upper()
    return kind_in_words(None, None if processing is None else processing.verdict)
