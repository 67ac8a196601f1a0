"""Mail, wired: which of our addresses writes, by what mark a bounce is known, what came in goes where.

Theory of operation. A mail that we send carries a mark: the number of its outbox row, and a keyed digest of
it, so that nobody who has not seen the mail can claim that it came back. Whatever a notice says is done only
to the row whose mark it bears. APDUs that come in by mail are received like those of any connection; who may
send them is for reception to judge (`addressing`), by the addresses that stand in their envelope.
"""

import asyncio
import base64
import hmac
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final, Protocol

from adapters import lmtp
from adapters.envelope import Envelope
from adapters.errors import DeliveryFailed
from adapters.errors import Failure as Hindrance
from adapters.letter_composer import Letter, compose_letter
from adapters.lmtp import LmtpListener
from adapters.mail_composer import OutgoingMail, compose
from adapters.mail_inbox import MailInbox
from adapters.mail_reading import Notice
from adapters.mail_sender import MailSender
from adapters.maildir import Maildir
from adapters.receiver import Receiver
from asn1.codec import decode_header
from asn1.errors import WireError
from config.settings import LocalSymbol, Mail, MailTransport, Partner, RetryPolicy, Settings
from iso_gateway.errors import DeliveryError
from iso_gateway.failure import Failure
from iso_gateway.message.identity import symbol_of
from iso_gateway.outbox.transmitting import Permit, permitted
from iso_gateway.reception.returns import MailFate, MailNotice
from iso_gateway.running.intake import arrival_of
from iso_gateway.services import Gateway
from iso_gateway.site import Site
from iso_gateway.store.records import OutboxId
from iso_gateway.store.unit_of_work import Store
from iso_gateway.store.writer import Writer

_CONTEXT: Final = "mail.mark"

_FAILURES: Final = {
    Hindrance.MAIL_DEFERRED: Failure.MAIL_DEFERRED,
    Hindrance.MAIL_REFUSED: Failure.MAIL_REFUSED,
}

#: Octets of the digest: 80 bits, for a forger who has to try each against a running gateway.
_MARK_OCTETS: Final = 10


def _no_way(whose: str) -> DeliveryError:
    # The configuration is checked for this when it is read.
    return DeliveryError(
        f"{whose} is reached by mail, and we have no mail server or no address for it: set [mail] and"
        " public_mail",
        temporary=True,
        failure=Failure.MAIL_SERVER,
    )


def mark_of(store: Store, outbox_id: OutboxId) -> str:
    """The mark of the mail for an outbox row, as `17-abcdefghijklmnop`."""
    digest = store.keyed_digest(str(outbox_id).encode("ascii"), context=_CONTEXT)
    return f"{outbox_id}-{base64.b32encode(digest[:_MARK_OCTETS]).decode('ascii').lower()}"


def row_marked(store: Store, marks: Sequence[str]) -> OutboxId | None:
    """The row that the first mark of ours among several names."""
    for mark in marks:
        number, _, _ = mark.partition("-")
        outbox_id = OutboxId(int(number))
        if hmac.compare_digest(mark.lower(), mark_of(store, outbox_id)):
            return outbox_id
    return None


class ConnectionTransmitter(Protocol):
    """Hands octets over on connections; the daemon's `TcpTransmitter`."""

    async def transmit(
        self, octets: bytes, *, partner: str | None, connection_id: str | None, permit: Permit
    ) -> None:
        """Write octets on the connection if it is still open, else on a new one to the partner's address.

        Raises:
            DeliveryError: they were not accepted.
        """


class ByTransport:
    """Sends octets in the way in which their partner is reached; see `outbox.transmitting.Transmitter`.

    Args:
        settings: the partners.
        connections: sends by TCP.
        mail: sends by mail.
        is_live: whether an answer can be written on a connection: that comes first, whoever it is for.
    """

    def __init__(
        self,
        settings: Settings,
        connections: ConnectionTransmitter,
        mail: "MailTransmitter",
        *,
        is_live: Callable[[str], bool],
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._mail = mail
        self._is_live = is_live

    def follow(self, settings: Settings) -> None:
        """Have other partners and libraries hold from now on."""
        self._settings = settings
        self._mail.follow(settings)

    async def transmit(
        self,
        octets: bytes,
        *,
        outbox_id: OutboxId,
        partner: str | None,
        connection_id: str | None,
        permit: Permit = permitted,
    ) -> None:
        """Send octets. Raises DeliveryError, and whatever the permit raises."""
        known = None if partner is None else self._settings.partner(partner)
        answers = connection_id is not None and self._is_live(connection_id)
        if known is not None and isinstance(known.transport, MailTransport) and not answers:
            await self._mail.send(known, known.transport, octets, outbox_id=outbox_id, permit=permit)
        else:
            await self._connections.transmit(
                octets, partner=partner, connection_id=connection_id, permit=permit
            )

    async def mail(
        self, said: Mapping[str, object], *, outbox_id: OutboxId, partner: str | None, permit: Permit
    ) -> None:
        """Send a letter, in whatever way its partner's APDUs go; see `outbox.transmitting.Mailer`."""
        await self._mail.mail(said, outbox_id=outbox_id, partner=partner, permit=permit)


class MailTransmitter:
    """Sends octets to a partner that is reached by mail.

    Args:
        settings: our addresses, and the mail server.
        site: the keys that mark a mail, and the clock that dates it.
    """

    def __init__(self, settings: Settings, site: Site) -> None:
        self._settings = settings
        self._site = site
        self._sender = None if settings.mail is None else MailSender(settings.mail)

    def follow(self, settings: Settings) -> None:
        """Have other libraries of ours hold from now on; the mail server stays the one of the start."""
        self._settings = settings
        if self._sender is not None:
            self._sender.forget_certificates()

    async def send(
        self,
        partner: Partner,
        transport: MailTransport,
        octets: bytes,
        *,
        outbox_id: OutboxId,
        permit: Permit = permitted,
    ) -> None:
        """Give the mail server a mail with the octets. Raises DeliveryError, or what the permit raises."""
        author = self._author(octets).public_mail
        if author is None:
            raise _no_way(partner.name)
        composed = compose(
            octets,
            author=author,
            recipient=transport.address,
            token=mark_of(self._site.store, outbox_id),
            at=self._site.clock(),
            variable_sender=self._variable_sender,
        )
        await self._send(composed, partner.name, partner.retry, permit)

    async def mail(
        self, said: Mapping[str, object], *, outbox_id: OutboxId, partner: str | None, permit: Permit
    ) -> None:
        """Give the mail server a letter; see `outbox.transmitting.Mailer`.

        It goes out as it was written, whatever the configuration says of its partner by now.
        """
        known = None if partner is None else self._settings.partner(partner)
        letter = Letter.from_json(said)
        composed = compose_letter(
            letter,
            token=mark_of(self._site.store, outbox_id),
            at=self._site.clock(),
            variable_sender=self._variable_sender,
        )
        policy = self._settings.retry if known is None else known.retry
        await self._send(composed, partner or letter.recipient, policy, permit)

    @property
    def _variable_sender(self) -> bool:
        mail = self._settings.mail
        return mail is not None and mail.variable_sender

    async def _send(self, mail: OutgoingMail, whose: str, policy: RetryPolicy, permit: Permit) -> None:
        if self._sender is None:
            raise _no_way(whose)
        try:
            await self._sender.send(
                mail,
                connect_timeout=policy.connect_timeout,
                send_timeout=policy.send_timeout,
                permit=permit,
            )
        except DeliveryFailed as error:
            raise DeliveryError(
                error.reason,
                temporary=error.temporary,
                # Whatever keeps our own mail server from taking it, is not the partner's.
                failure=_FAILURES.get(error.failure, Failure.MAIL_SERVER),
                ambiguous=error.ambiguous,
            ) from error

    def _author(self, octets: bytes) -> LocalSymbol:
        """The library of ours that an APDU is from: whichever of its two ends is ours."""
        header = decode_header(octets)
        ends = () if header is None else (header.responder_id, header.requester_id)
        for end in ends:
            symbol = symbol_of(end)
            local = None if symbol is None else self._settings.local_for(symbol)
            if local is not None:
                return local
        return self._settings.local[0]


class MailIntake:
    """Takes what came in by mail: APDUs as any intake does, notices and the rest in one commit each.

    Args:
        receiver: takes the APDUs.
        gateway: the use cases.
        site: the keys that a mark is checked by.
        writer: the one writer of the store.
    """

    def __init__(self, receiver: Receiver, gateway: Gateway, site: Site, writer: Writer) -> None:
        self._receiver = receiver
        self._gateway = gateway
        self._site = site
        self._writer = writer

    async def element(self, octets: bytes, envelope: Envelope) -> None:
        """Store and classify an APDU."""
        await self._receiver.element(octets, envelope)

    async def unreadable(self, octets: bytes, error: WireError, envelope: Envelope) -> None:
        """Keep octets that are no element."""
        await self._receiver.unreadable(octets, error, envelope)

    async def settled(self, connection_id: str) -> None:
        """Return once nothing more is to be written on a connection: at once, there is none."""
        await self._receiver.settled(connection_id)

    async def without_apdu(self, octets: bytes, reason: str, envelope: Envelope) -> None:
        """Keep a mail that carries no APDU."""
        arrival = arrival_of(envelope)
        await self._writer.run(lambda uow: self._gateway.receive_without_apdu(uow, octets, reason, arrival))

    async def notice(self, octets: bytes, notice: Notice, envelope: Envelope) -> None:
        """Keep a mail that says what became of one of ours; without our mark it is any mail."""
        outbox_id = row_marked(self._site.store, notice.tokens)
        if outbox_id is None:
            await self.without_apdu(octets, "a notice about a mail that is not ours", envelope)
            return
        known = MailNotice(outbox_id=outbox_id, fate=MailFate(notice.fate.value), status=notice.status)
        arrival = arrival_of(envelope)
        await self._writer.run(lambda uow: self._gateway.receive_notice(uow, octets, known, arrival))


class MailEntrance:
    """The ways by which mail comes in: LMTP, and a Maildir; either, both or none.

    Args:
        settings: which, and for whose addresses.
        intake: who gets what comes in.
    """

    def __init__(self, settings: Settings, intake: MailIntake) -> None:
        mail = settings.mail or Mail()
        self._inbox = MailInbox(
            mail, settings.limits, settings.partners, intake, lambda: secrets.token_hex(8)
        )
        self._lmtp = LmtpListener(
            mail, _addresses(settings), self._inbox, silence=settings.limits.idle_timeout
        )
        self._maildir = None if mail.maildir is None else Maildir(mail, self._inbox)
        self._watching: asyncio.Task[None] | None = None

    def follow(self, settings: Settings) -> None:
        """Have other partners, libraries and limits hold from now on; the ways stay those of the start."""
        self._inbox.follow(settings.limits, settings.partners)
        self._lmtp.follow(_addresses(settings), silence=settings.limits.idle_timeout)

    @property
    def addresses(self) -> Mapping[str, tuple[str, int]]:
        """Where LMTP is listened for, if on a port."""
        address = self._lmtp.address
        return {} if address is None else {lmtp.NAME: address}

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Let mail in.

        Args:
            sockets: for LMTP, bound already (socket activation).

        Raises:
            ListenError: the address for LMTP cannot be listened on.
        """
        await self._lmtp.start(sockets)
        if self._maildir is not None:
            self._watching = asyncio.create_task(self._maildir.watch(), name="maildir")

    async def stop(self, grace: timedelta) -> None:
        """Let what is in hand be stored, and take nothing more."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        await self._lmtp.stop(grace)


def _addresses(settings: Settings) -> list[str]:
    """Those for which mail is taken."""
    return [local.public_mail for local in settings.local if local.public_mail is not None]
