"""What the dispatcher sends by: handed to it by the daemon, which makes them of its adapters."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

from iso_gateway.store.records import OutboxId

#: Raises LeaseLostError if another gateway may have taken what is about to be written.
Permit: TypeAlias = Callable[[], Awaitable[None]]


class LeaseLostError(Exception):
    """Another gateway sends the row by now."""


async def permitted() -> None:
    """The permit of a gateway that is alone: always given."""


class Transmitter(Protocol):
    """Hands octets to a partner. The daemon makes one of its adapters."""

    async def transmit(
        self,
        octets: bytes,
        *,
        outbox_id: OutboxId,
        partner: str | None,
        connection_id: str | None,
        permit: Permit,
    ) -> None:
        """Write octets on the connection if it is still open, else send them to the partner's address.

        When it is cancelled it breaks off: whoever it was writing to must not take a part for the whole.

        Args:
            octets: what to write.
            outbox_id: the row that they are sent for, each time the same.
            partner: whose address it is; None for a sender that we do not know.
            connection_id: the connection.
            permit: to be awaited immediately before anything is written; nothing may be if it raises.

        Raises:
            DeliveryError: they were not accepted.
            LeaseLostError: out of `permit`.
        """


class Mailer(Protocol):
    """Gives our mail server a mail of its own. The daemon makes one of its adapters."""

    async def mail(
        self, said: Mapping[str, object], *, outbox_id: OutboxId, partner: str | None, permit: Permit
    ) -> None:
        """Send a mail.

        Args:
            said: what it says, as it was queued.
            outbox_id: the row that it is sent for, each time the same.
            partner: for whom it is.
            permit: as for `Transmitter.transmit`.

        Raises:
            DeliveryError: it was not accepted.
            LeaseLostError: out of `permit`.
        """
