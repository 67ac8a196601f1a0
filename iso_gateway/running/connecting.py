"""TCP, wired: whose the open connections are, and what is sent by which of them."""

from collections.abc import Iterator
from typing import Final

from adapters.errors import DeliveryFailed
from adapters.tcp_connections import TcpConnections
from adapters.tcp_listener import TcpListeners
from adapters.tcp_sender import TcpSender
from config.settings import ListenerMode, Settings, TcpTransport
from iso_gateway.errors import DeliveryError
from iso_gateway.failure import Failure
from iso_gateway.outbox.transmitting import Permit, permitted
from iso_gateway.reception import Processed, Verdict

#: How a message is classified whose sender's connection is taken for the partner's.
_ACCEPTED: Final = frozenset({Verdict.APPLIED, Verdict.REPEATED, Verdict.EXACT_DUPLICATE})


class KnownConnections:
    """Says whose the open connections are, by what came over them.

    A partner is known by its `allowed_sources`: without them anybody may call himself by its name, so that
    what comes under it is answered, but nothing else that the partner is owed follows.
    """

    def __init__(self, settings: Settings, connections: TcpConnections) -> None:
        self._settings = settings
        self._connections = connections

    def follow(self, settings: Settings) -> None:
        """Have other partners be known from now on, and none of those that changed by its connections."""
        for name in _met_elsewhere(self._settings, settings):
            self._connections.disown(name)
        self._settings = settings

    def heard(self, connection_id: str, processed: Processed) -> None:
        """Take note of a message that was classified."""
        name = processed.partner
        partner = None if name is None else self._settings.partner(name)
        certain = partner is not None and (
            bool(partner.allowed_sources) or self._connections.is_ours(connection_id)
        )
        self._connections.heard_from(
            connection_id, name if certain else None, accepted=processed.verdict in _ACCEPTED
        )


def _met_elsewhere(held: Settings, settings: Settings) -> Iterator[str]:
    """Give the partners that are gone, or are reached or known in another way than before."""
    for old in held.partners:
        new = settings.partner(old.name)
        if new is None or (new.transport, new.allowed_sources) != (old.transport, old.allowed_sources):
            yield old.name


class TcpTransmitter:
    """Sends octets on an open connection, or else to the partner's configured address; nowhere else."""

    def __init__(self, settings: Settings, listeners: TcpListeners, sender: TcpSender) -> None:
        self._settings = settings
        self._listeners = listeners
        self._sender = sender

    def follow(self, settings: Settings) -> None:
        """Have other partners, limits and addresses hold from now on."""
        self._settings = settings
        self._listeners.follow(settings.limits)
        self._sender.follow(settings.limits)

    async def transmit(
        self, octets: bytes, *, partner: str | None, connection_id: str | None, permit: Permit = permitted
    ) -> None:
        """See `outbox.transmitting.Transmitter`."""
        # Asked for twice: here, so that no connection is made in vain, and again once it stands.
        await permit()
        try:
            if connection_id is not None and self._listeners.is_live(connection_id):
                await self._listeners.write(connection_id, octets, permit=permit)
            elif connection_id is not None and self._sender.is_live(connection_id):
                await self._sender.write(connection_id, octets, permit=permit)
            else:
                await self._send(octets, partner, permit)
        except DeliveryFailed as error:
            raise DeliveryError(
                error.reason,
                temporary=error.temporary,
                failure=Failure(error.failure.value),
                ambiguous=error.ambiguous,
            ) from error

    async def _send(self, octets: bytes, name: str | None, permit: Permit) -> None:
        if name is None:
            raise DeliveryError(
                "the connection to answer on is closed, and its sender is unknown",
                temporary=False,
                failure=Failure.UNKNOWN_SENDER,
            )
        partner = self._settings.partner(name)
        if partner is None:
            raise DeliveryError(
                f"partner {name} is not configured: put its file back",
                temporary=True,
                failure=Failure.NOT_CONFIGURED,
            )
        if not isinstance(partner.transport, TcpTransport):
            raise DeliveryError(
                f"partner {name} is not reached by TCP", temporary=False, failure=Failure.NOT_SUPPORTED
            )
        delivery = await self._sender.send(
            partner.transport,
            octets,
            connect_timeout=partner.retry.connect_timeout,
            send_timeout=partner.retry.send_timeout,
            partner=name,
            permit=permit,
        )
        is_receipt_due = partner.transport.mode is ListenerMode.ONE_WAY and not delivery.kept
        if is_receipt_due and not delivery.closed_by_peer:
            raise DeliveryError(
                f"{delivery.peer_address} took the whole APDU and did not end the connection;"
                " it may have it or not",
                temporary=True,
                failure=Failure.NO_CLOSE,
                ambiguous=True,
            )
