"""How what the adapters read is told to the use cases: stored first, then classified."""

from typing import Final

import structlog

from adapters.envelope import Envelope
from asn1.codec import WireError
from iso_gateway.errors import UnavailableError
from iso_gateway.outbox.dispatcher import Dispatcher
from iso_gateway.reception import Processed
from iso_gateway.running.connecting import KnownConnections
from iso_gateway.running.timekeeping import Timekeeper
from iso_gateway.services import Arrival, Gateway
from iso_gateway.store.records import MessageId, Side, Transport
from iso_gateway.store.unit_of_work import UnitOfWork
from iso_gateway.store.writer import Writer

log = structlog.stdlib.get_logger(__name__)

PROCESSING_FAILED: Final = "apdu.processing-failed"


def arrival_of(envelope: Envelope) -> Arrival:
    """What is stored of an envelope beside the octets that it held."""
    return Arrival(
        transport=Transport(envelope.transport.value),
        listener=envelope.listener,
        peer_address=envelope.peer_address,
        connection_id=envelope.connection_id,
        side=Side.PARTNER,
    )


class Intake:
    """Takes what the adapters have read: stored first, then classified.

    Args:
        gateway: the use cases.
        writer: the one writer of the store.
        connections: told whose messages come by which connection.
    """

    def __init__(self, gateway: Gateway, writer: Writer, connections: KnownConnections | None = None) -> None:
        self._gateway = gateway
        self._writer = writer
        self._connections = connections
        self._in_hand: set[MessageId] = set()
        self.dispatcher: Dispatcher | None = None
        self.timekeeper: Timekeeper | None = None

    async def element(self, octets: bytes, envelope: Envelope) -> None:
        """Store an element durably, then classify it. Raises StoreError when it could not be stored."""
        arrival = arrival_of(envelope)
        message_id = await self._writer.run(lambda uow: self._gateway.receive(uow, octets, arrival))
        processed = await self.process(message_id)
        if processed is not None and self._connections is not None:
            self._connections.heard(envelope.connection_id, processed)

    async def unreadable(self, octets: bytes, error: WireError, envelope: Envelope) -> None:
        """Keep octets that are no element, with the reason."""
        arrival = arrival_of(envelope)
        await self._writer.run(lambda uow: self._gateway.receive_unreadable(uow, octets, error, arrival))
        self._wake()

    async def settled(self, connection_id: str) -> None:
        """Return once nothing more is to be written on a connection."""
        if self.dispatcher is not None:
            await self.dispatcher.settled(connection_id)

    async def process(self, message_id: MessageId) -> Processed | None:
        """Classify a stored message; gives None where that is left to another gateway, or to later.

        A failure loses nothing: it is tried again after a lease, and when the gateway starts.
        """
        try:
            return await self.take_up(message_id)
        except UnavailableError as error:
            log.error(PROCESSING_FAILED, message_id=message_id, error=type(error).__name__)  # noqa: TRY400
            return None

    async def take_up(self, message_id: MessageId) -> Processed | None:
        """Do what `process` does, for those who know what to do about a database that can take nothing.

        Raises:
            UnavailableError: the database can take nothing now.
        """
        if message_id in self._in_hand:
            return None
        self._in_hand.add(message_id)
        processed: Processed | None = None
        try:
            processed = await self._writer.run(lambda uow: self._process(uow, message_id))
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - the message is safe, and the others must be served
            # Only the kind of error: its text may repeat what the message says.
            log.error(PROCESSING_FAILED, message_id=message_id, error=type(error).__name__)  # noqa: TRY400
        finally:
            self._in_hand.discard(message_id)
        self._wake()
        return processed

    def _process(self, uow: UnitOfWork, message_id: MessageId) -> Processed | None:
        return self._gateway.process(uow, message_id) if uow.messages.take_up(message_id) else None

    def _wake(self) -> None:
        if self.dispatcher is not None:
            self.dispatcher.wake()
        if self.timekeeper is not None:
            self.timekeeper.wake()
