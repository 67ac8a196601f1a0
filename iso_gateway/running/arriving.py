"""How an adapter's envelope is told to the use cases, whichever way it came."""

from adapters.envelope import Envelope
from iso_gateway.services import Arrival
from iso_gateway.store.records import Side, Transport


def arrival_of(envelope: Envelope) -> Arrival:
    """What is stored of an envelope beside the octets that it held."""
    return Arrival(
        transport=Transport(envelope.transport.value),
        listener=envelope.listener,
        peer_address=envelope.peer_address,
        connection_id=envelope.connection_id,
        side=Side.PARTNER,
    )
