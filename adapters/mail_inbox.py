"""What is done with each mail that came in, whichever way: by LMTP or in a Maildir.

Every APDU becomes an element, received as those of a TCP connection are; the mail is acknowledged only when
all of it is stored. A mail without any APDU is kept as well, because it may be a person's question or a
server's bounce.
Imports asn1 and config, nothing of iso_gateway.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.envelope import Envelope, Transport
from adapters.mail_reading import ENCODING, FoundApdu, Notice, read
from adapters.mime import MailLimits
from adapters.receiver import Receiver
from asn1.errors import WireError
from asn1.framing import Framer
from config.senders import comparable
from config.settings import Limits, Mail, Partner

TOLERATED: Final = "mail.tolerated"

#: In place of an address that is none, or that cannot be kept.
NO_ADDRESS: Final = "(none)"

#: The longest text that the store keeps for where something came from.
_LONGEST: Final = 255

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class MailReceiver(Receiver, Protocol):
    """Takes what came in by mail; the promise of durability is that of `Receiver`."""

    async def without_apdu(self, octets: bytes, reason: str, envelope: Envelope) -> None:
        """Takes a mail, or its beginning, that carries no APDU.

        The reason says what it seems to be, in the gateway's own words.
        """

    async def notice(self, octets: bytes, notice: Notice, envelope: Envelope) -> None:
        """Takes a mail that says what became of one of ours, or that seems to."""


class MailInbox:
    """Hands over what mails carry.

    Args:
        mail: what one mail may cost.
        limits: what one APDU may.
        partners: whose addresses may be kept in the clear beside what they sent.
        receiver: who gets it.
        new_connection_id: gives each mail a name that no other has.
    """

    def __init__(
        self,
        mail: Mail,
        limits: Limits,
        partners: Sequence[Partner],
        receiver: MailReceiver,
        new_connection_id: Callable[[], str],
    ) -> None:
        self._bounds = MailLimits(parts=mail.max_parts, header_octets=mail.max_header_octets)
        self._receiver = receiver
        self._new_connection_id = new_connection_id
        self.follow(limits, partners)

    def follow(self, limits: Limits, partners: Sequence[Partner]) -> None:
        """Has these limits and partners hold for the mails that come from now on."""
        self._limits = limits
        self._known = frozenset(address for partner in partners for address in partner.senders)

    async def receive(
        self, octets: bytes, *, listener: str, sender: str | None, recipients: Sequence[str]
    ) -> None:
        """Takes a mail, and returns when all of it is stored.

        Args:
            octets: the mail.
            listener: by which way it came.
            sender: of its envelope; None for the null sender.
            recipients: of its envelope.

        Raises:
            MailRefused: it would cost too much to read; nothing of it was stored.
        """
        mail = read(octets, limits=self._bounds, sender=sender, recipients=recipients)
        came_from = " ".join(self._kept([sender, mail.author]))
        envelope = Envelope(
            transport=Transport.MAIL,
            listener=listener,
            peer_address=came_from,
            peer_host=came_from,
            connection_id=self._new_connection_id(),
        )
        kept = octets[: self._limits.max_apdu_octets]
        if mail.notice is not None:
            await self._receiver.notice(kept, mail.notice, envelope)
        elif not mail.apdus:
            await self._receiver.without_apdu(kept, "a mail that carries no APDU", envelope)
        for apdu in mail.apdus:
            await self._apdu(apdu, envelope)

    async def keep(self, octets: bytes, reason: str, *, listener: str, sender: str | None = None) -> None:
        """Takes the beginning of a mail that is not read any further, as what it is.

        Args:
            octets: the beginning.
            reason: why it is not read, in our own words.
            listener: by which way it came.
            sender: of its envelope; None for the null sender, or where it is not known.
        """
        [came_from] = self._kept([sender])
        envelope = Envelope(
            transport=Transport.MAIL,
            listener=listener,
            peer_address=came_from,
            peer_host=came_from,
            connection_id=self._new_connection_id(),
        )
        await self._receiver.without_apdu(octets[: self._limits.max_apdu_octets], reason, envelope)

    async def _apdu(self, apdu: FoundApdu, envelope: Envelope) -> None:
        for tolerance in apdu.tolerances:
            _log.info(TOLERATED, tolerance=tolerance.value, peer=envelope.peer_address)
        octets = apdu.octets[: self._limits.max_apdu_octets + 1]
        if apdu.encoding != ENCODING:
            error = WireError("its transfer-encoding is not iso-8825-ber, the only one there is", offset=0)
            await self._receiver.unreadable(octets, error, envelope)
            return
        framer = Framer(
            max_octets=self._limits.max_apdu_octets,
            max_depth=self._limits.max_depth,
            max_elements=self._limits.max_elements,
        )
        found = False
        try:
            for element in framer.feed(octets):
                # One for each part, says the profile; more are not lost for that.
                await self._receiver.element(element, envelope)
                found = True
        except WireError as wrong:
            # A line break that a mail server has put at the end is not the sender's.
            if not found or framer.remainder.strip():
                begins = len(octets) - framer.pending
                error = WireError(wrong.reason, offset=wrong.offset - begins, kind=wrong.kind)
                await self._receiver.unreadable(framer.remainder, error, envelope)
            return
        if not found or not framer.at_boundary:
            cut_off = WireError("the element is cut off: the part of the mail ends", offset=framer.pending)
            await self._receiver.unreadable(framer.remainder, cut_off, envelope)

    def _kept(self, addresses: Iterable[str | None]) -> list[str]:
        """Returns each address once, as far as it may stand in the clear.

        Those of partners may. Of any other only the domain is kept: it may be a patron who writes.
        """
        kept = []
        for address in addresses:
            plain = NO_ADDRESS if address is None else comparable(address)
            if plain != NO_ADDRESS and plain not in self._known:
                domain = "@" + plain.rpartition("@")[2]
                # A partner's whole domain may be allowed; then its people's addresses are still theirs.
                plain = domain if len(domain) <= _LONGEST // 2 else NO_ADDRESS
            kept.append(plain)
        written = list(dict.fromkeys(kept))
        return written if len(" ".join(written)) <= _LONGEST else [NO_ADDRESS]
