"""What an adapter hands the elements to that it has read.

The daemon implements it with the use cases of the gateway; an adapter knows only this.
"""

from typing import Protocol

from adapters.envelope import Envelope
from asn1.errors import WireError


class Receiver(Protocol):
    """Takes what came in; for one connection the methods are called one after the other, as it arrived."""

    async def element(self, octets: bytes, envelope: Envelope) -> None:
        """Takes one whole BER element, presumably an APDU.

        Returns only once the octets are stored durably: what the adapter does next (reading on, closing in
        good order) is the only acknowledgement that the peer gets. Whatever it raises means that they are not
        stored.
        """

    async def unreadable(self, octets: bytes, error: WireError, envelope: Envelope) -> None:
        """Takes octets that are no element: the beginning of something that is not BER, too long, or cut off.

        The offset of the error counts from the first of these octets.
        Nothing more is read from this connection afterwards. The same promise of durability holds.
        """

    async def settled(self, connection_id: str) -> None:
        """Returns once nothing more is to be written on this two-way connection."""
