"""The use cases: what the daemon, the command and (later) the API ask the gateway to do.

Each takes a unit of work and never commits: whoever opened it does, so that several can share a commit. The
clock comes in; nothing here waits, connects or sends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from asn1.codec import WireError
from config.settings import Settings
from iso_gateway import action, primitives, returns
from iso_gateway.action import Acted
from iso_gateway.reception import Processed, Reception
from iso_gateway.store.records import Direction, HalfId, MessageId, Side, Transport
from iso_gateway.store.unit_of_work import UnitOfWork

log = structlog.stdlib.get_logger(__name__)

APDU_STORED = "apdu.stored"
APDU_PROCESSED = "apdu.processed"
SERVICE_REQUESTED = "service.requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How octets reached the gateway: their envelope, which is stored beside them.

    Args:
        transport: by which way; an answer may go back on a two-way connection only.
        listener: the configured name of the listener, or `outbound`.
        peer_address: host and port of the peer.
        connection_id: the connection, for answers on it.
        side: on which side of the gateway.
    """

    transport: Transport
    listener: str | None
    peer_address: str | None
    connection_id: str | None
    side: Side = Side.PARTNER


class Gateway:
    """The use cases under one configuration.

    Args:
        settings: partners, local symbols, limits.
        clock: gives the moment, aware.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock

    def receive(self, uow: UnitOfWork, octets: bytes, arrival: Arrival) -> MessageId:
        """Store what came in. Once this is committed nothing can lose it, and it may be acknowledged."""
        message_id = uow.messages.add(
            direction=Direction.RECEIVED,
            at=self._clock(),
            transport=arrival.transport,
            listener=arrival.listener,
            peer_address=arrival.peer_address,
            connection_id=arrival.connection_id,
            side=arrival.side,
            raw=octets,
        )
        log.debug(APDU_STORED, message_id=message_id, octets=len(octets))
        return message_id

    def receive_unreadable(
        self, uow: UnitOfWork, octets: bytes, error: WireError, arrival: Arrival
    ) -> Processed:
        """Keep octets that are no element at all, with the reason that the adapter found."""
        message_id = self.receive(uow, octets, arrival)
        message = uow.messages.get(message_id)
        return self._logged(Reception(self._settings, uow, message, self._clock()).unreadable(error))

    def receive_without_apdu(
        self, uow: UnitOfWork, octets: bytes, reason: str, arrival: Arrival
    ) -> Processed:
        """Keep a mail that carries no APDU."""
        message_id = self.receive(uow, octets, arrival)
        return self._logged(returns.note_without_apdu(uow, message_id, reason, self._clock()))

    def receive_notice(
        self, uow: UnitOfWork, octets: bytes, notice: returns.MailNotice, arrival: Arrival
    ) -> Processed:
        """Keep a mail that says what became of one of ours, and do what follows from it."""
        message_id = self.receive(uow, octets, arrival)
        return self._logged(returns.note_notice(uow, message_id, notice, self._clock()))

    def process(self, uow: UnitOfWork, message_id: MessageId) -> Processed:
        """Classify a stored message: its verdict, the new state, the event, the answers, all at once.

        Raises:
            StoreError: there is no such message, or it cannot be opened.
        """
        message = uow.messages.get(message_id)
        return self._logged(Reception(self._settings, uow, message, self._clock()).process())

    def act(
        self, uow: UnitOfWork, half_id: HalfId, primitive: primitives.ResponderPrimitive, *, actor: str
    ) -> Acted:
        """Perform a service for the local user; see `action.perform`."""
        acted = action.perform(self._settings, uow, half_id, primitive, actor=actor, at=self._clock())
        log.info(
            SERVICE_REQUESTED,
            half_id=half_id,
            message_id=acted.message_id,
            apdu_type=acted.apdu.asn1_name,
            state=acted.state.value,
            partner=acted.partner,
        )
        return acted

    @staticmethod
    def _logged(processed: Processed) -> Processed:
        log.info(
            APDU_PROCESSED,
            message_id=processed.message_id,
            apdu_type=processed.apdu_type,
            verdict=processed.verdict.value,
            partner=processed.partner,
            half_id=processed.half_id,
        )
        return processed
