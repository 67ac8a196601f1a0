"""What the command reads of the store, as values that can be shown or written as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from asn1.codec import WireError
from asn1.ill import ILLApdu
from config.settings import Settings
from iso_gateway.acting import action
from iso_gateway.cli import offering, standing
from iso_gateway.cli.offering import Offer, Typist
from iso_gateway.cli.standing import Standing
from iso_gateway.half import interpretation
from iso_gateway.half.record import half_state
from iso_gateway.message import reading
from iso_gateway.outbox import operating
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import TableProfile
from iso_gateway.reception import Verdict
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import (
    AttemptRecord,
    Backlog,
    BreakerState,
    Direction,
    DocumentRecord,
    HalfId,
    HalfListing,
    HalfRecord,
    InputKind,
    InputRecord,
    MessageId,
    MessageListing,
    MessageRecord,
    OutboxId,
    OutboxRecord,
    OutboxStatus,
    PartnerStateRecord,
    ProcessingRecord,
)
from iso_gateway.store.unit_of_work import UnitOfWork

#: The most messages of one request that are shown; a conversation of this length is a fault of its own.
MOST_STEPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a message says.

    Args:
        octets: as they were on the wire; None once they have been disposed of.
        apdu: what they decode to, if they do.
        error: why they do not.
    """

    octets: bytes | None = None
    apdu: ILLApdu | None = None
    error: WireError | None = None

    @classmethod
    def read(
        cls, uow: UnitOfWork, message_id: MessageId, settings: Settings, sender: str | None
    ) -> "Contents":
        """Read the octets of a stored message, as the profile of its sender says today.

        Args:
            uow: where it is stored.
            message_id: which one.
            settings: limits and profiles.
            sender: name of the partner that sent it, where that is known.

        Raises:
            StoreError: there is none such.
        """
        partner = None if sender is None else settings.partner(sender)
        try:
            octets = uow.messages.raw(message_id)
        except KeyDisposedError:
            return cls()
        try:
            return cls(octets=octets, apdu=reading.read(octets, settings, partner).apdu)
        except WireError as error:
            return cls(octets=octets, error=error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One time that a message was put into the outbox, and each attempt to send it."""

    row: OutboxRecord
    attempts: tuple[AttemptRecord, ...]


def deliveries_of(uow: UnitOfWork, message_id: MessageId) -> tuple[Delivery, ...]:
    """Each time that a message was to be sent, oldest first."""
    return tuple(
        Delivery(row=row, attempts=uow.outbox.attempts(row.id))
        for row in uow.outbox.list(message_id=message_id, finished=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedMessage:
    """A message in a list; `delivery` is the latest, for one that is to be sent."""

    message: MessageRecord
    processing: ProcessingRecord | None
    delivery: OutboxRecord | None


def listed(uow: UnitOfWork, listing: MessageListing) -> ListedMessage:
    """A message with what became of its sending."""
    rows: Sequence[OutboxRecord] = ()
    if listing.message.direction is Direction.SENT:
        rows = uow.outbox.list(message_id=listing.message.id, finished=True)
    return ListedMessage(
        message=listing.message, processing=listing.processing, delivery=rows[-1] if rows else None
    )


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
        standing: what it waits for.
        documents: those whose links its borrower was given, oldest first.
    """

    listing: HalfListing
    zone: tzinfo
    steps: tuple[Step, ...]
    possible: tuple[Service, ...]
    standing: Standing = field(default_factory=Standing)
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
        standing=standing.of(uow, half),
        documents=uow.documents.of(half.id),
    )


def _zone_of(settings: Settings, half: HalfRecord) -> tzinfo:
    local = next((one for one in settings.local if one.name == half.local), None)
    return UTC if local is None else local.zone


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRequest:
    """A request in a list, with what it waits for and the time zone of our library."""

    listing: HalfListing
    standing: Standing
    zone: tzinfo


def listed_requests(
    uow: UnitOfWork, settings: Settings, listings: Sequence[HalfListing]
) -> tuple[ListedRequest, ...]:
    """Requests with what each waits for."""
    known = standing.of_all(uow, [one.half for one in listings])
    return tuple(
        ListedRequest(listing=one, standing=known[one.half.id], zone=_zone_of(settings, one.half))
        for one in listings
    )


def offers(record: RequestRecord, typist: Typist) -> tuple[Offer, ...]:
    """What can be done about a request now; nothing once its partner is gone."""
    repeatable = any(step.by_us and step.state is not None for step in record.steps)
    return offering.offers(
        record.half.id, record.possible, typist, repeatable=repeatable and bool(record.possible)
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
    contents = Contents.read(uow, message.id, settings, sender)
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


def kind_in_words(apdu_type: str | None, verdict: str | None) -> str:
    """What a message is: the name of its APDU, or what it is instead."""
    if apdu_type is not None:
        return apdu_type
    return {Verdict.NO_APDU.value: "mail", Verdict.MAIL_NOTICE.value: "notice about a mail"}.get(
        verdict or "", "unreadable"
    )


def _name_of(contents: Contents, processing: ProcessingRecord | None) -> str:
    service = None if contents.apdu is None else interpretation.service_of(contents.apdu)
    if service is not None:
        return service.phrase
    if processing is not None and processing.apdu_type is not None:
        return processing.apdu_type.upper()
    return kind_in_words(None, None if processing is None else processing.verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Something that waits to be sent.

    Args:
        row: what waits.
        first: whether nothing of its lane stands in front of it.
        state: what stands between us and its partner.
    """

    row: OutboxRecord
    first: bool
    state: PartnerStateRecord

    @property
    def next_attempt_at(self) -> datetime | None:
        """When it is tried next, as far as a clock can tell; None where something else decides."""
        if not self.first or self.row.status is OutboxStatus.HELD or self.state.suspended:
            return None
        if self.state.breaker is BreakerState.CLOSED or self.state.retry_at is None:
            return self.row.next_attempt_at
        return max(self.row.next_attempt_at, self.state.retry_at)


def waiting(rows: Sequence[OutboxRecord], states: Mapping[str, PartnerStateRecord]) -> tuple[Waiting, ...]:
    """What waits to be sent, with what it waits for; `rows` are oldest first."""
    heads = heads_of(rows)
    return tuple(
        Waiting(
            row=row,
            first=row.id in heads,
            state=states.get(row.partner or "", PartnerStateRecord(partner=row.partner or "")),
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerDelivery:
    """How delivery to a partner stands.

    Args:
        state: what stands in between.
        reason: why it was suspended, if it is.
        backlog: what waits for it, if anything does.
    """

    state: PartnerStateRecord
    reason: str | None
    backlog: Backlog | None


def partner_delivery(uow: UnitOfWork, name: str) -> PartnerDelivery:
    """How delivery to a partner stands."""
    state = uow.partners.get(name)
    backlog = next((one for one in uow.outbox.backlogs() if one.partner == name), None)
    return PartnerDelivery(state=state, reason=operating.why_suspended(uow, state), backlog=backlog)


def heads_of(rows: Sequence[OutboxRecord]) -> frozenset[OutboxId]:
    """The rows, of all that are unfinished, that nothing of their lane stands in front of."""
    first: dict[str, OutboxId] = {}
    for row in rows:
        first.setdefault(row.lane, row.id)
    return frozenset(first.values())
