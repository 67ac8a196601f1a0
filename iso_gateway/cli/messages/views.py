"""What the command reads of messages, as values that can be shown or written as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from asn1.codec import WireError
from asn1.ill import ILLApdu
from config.settings import CharacterSet, Settings
from iso_gateway.cli.shared import privacy
from iso_gateway.message import reading
from iso_gateway.reception import Verdict
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import (
    AttemptRecord,
    Direction,
    MessageId,
    MessageListing,
    MessageRecord,
    OutboxRecord,
    ProcessingRecord,
)
from iso_gateway.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a message says.

    Args:
        octets: as they were on the wire; None once they have been disposed of.
        apdu: what they decode to, if they do.
        error: why they do not.
        encoding: the character set of its texts, as Python names it.
    """

    octets: bytes | None = None
    apdu: ILLApdu | None = None
    error: WireError | None = None
    encoding: str = CharacterSet.UTF_8.value

    @property
    def names_patron(self) -> bool:
        """Whether it names the patron, or may (`privacy.names_patron`)."""
        return privacy.names_patron(self.octets, self.apdu)

    @classmethod
    def read(
        cls, uow: UnitOfWork, message_id: MessageId, settings: Settings, processing: ProcessingRecord | None
    ) -> "Contents":
        """Read the octets of a stored message, as the profile of its partner says today.

        What could not be read when it came is told as it was told then: the connection is known no more by
        which it was seen that something is cut off.

        Args:
            uow: where it is stored.
            message_id: which one.
            settings: limits and profiles.
            processing: how it was classified last, if it was.

        Raises:
            StoreError: there is none such.
        """
        name = None if processing is None else processing.partner
        partner = None if name is None else settings.partner(name)
        encoding = CharacterSet.UTF_8 if partner is None else partner.character_set
        try:
            octets = uow.messages.raw(message_id)
        except KeyDisposedError:
            return cls()
        try:
            apdu = reading.read(octets, settings, partner).apdu
        except WireError as error:
            return cls(octets=octets, error=_as_told(error, processing))
        return cls(octets=octets, apdu=apdu, encoding=encoding.value)


def _as_told(error: WireError, processing: ProcessingRecord | None) -> WireError:
    if processing is None or processing.error_offset is None:
        return error
    return WireError(
        processing.reason,
        offset=processing.error_offset,
        path=processing.error_path or "",
        kind=error.kind,
    )


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


def kind_in_words(apdu_type: str | None, verdict: str | None) -> str:
    """What a message is: the name of its APDU, or what it is instead."""
    if apdu_type is not None:
        return apdu_type
    return {Verdict.NO_APDU.value: "mail", Verdict.MAIL_NOTICE.value: "notice about a mail"}.get(
        verdict or "", "unreadable"
    )
