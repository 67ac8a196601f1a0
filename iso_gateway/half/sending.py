"""Putting an APDU into the outbox in the transaction that changes the state: the only way to send one."""

from dataclasses import dataclass
from datetime import datetime

from asn1.codec import encode
from asn1.ill import ILLApdu
from config.settings import ListenerMode, Partner, RetryPolicy, TcpTransport
from iso_gateway.lifetime import lifetime_end, next_check
from iso_gateway.store.records import Direction, HalfId, MessageId, Side, TransactionId, Transport
from iso_gateway.store.unit_of_work import UnitOfWork

COMPOSED = "composed"
"""The verdict under which a message of our own making is listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where an APDU goes.

    Args:
        partner: whom it is for; None for a report to a sender that we do not know.
        connection_id: the open two-way connection on which it is written first; an unknown sender is answered
            there or nowhere, because we never connect to an address that a message gave.
    """

    partner: Partner | None
    connection_id: str | None = None

    @property
    def reachable(self) -> bool:
        """Whether there is any way to this destination."""
        return self.partner is not None or self.connection_id is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a message belongs to, as far as that is known."""

    transaction_id: TransactionId | None = None
    half_id: HalfId | None = None


def enqueue(
    uow: UnitOfWork,
    apdu: ILLApdu,
    destination: Destination,
    context: Context,
    *,
    retry: RetryPolicy,
    at: datetime,
    until: datetime | None = None,
) -> MessageId:
    """Store an APDU that we made and the outbox row that sends it.

    Args:
        uow: the transaction in which the state changes.
        apdu: what to send.
        destination: where to; it has to be reachable.
        context: the transaction and half that it belongs to.
        retry: whose `lifetime` says when it is given up.
        at: now, aware.
        until: the end of the request, if it has one and the APDU is of no use after it.

    Returns:
        The message's id.
    """
    message_id = uow.messages.add(
        direction=Direction.SENT,
        at=at,
        transport=_transport(destination),
        listener=None,
        peer_address=None,
        connection_id=destination.connection_id,
        side=Side.PARTNER if destination.partner is None else Side(destination.partner.side.value),
        raw=unlike_http(encode(apdu)),
        transaction_id=context.transaction_id,
    )
    uow.messages.processed(
        message_id,
        at=at,
        verdict=COMPOSED,
        reason="made by this gateway",
        apdu_type=apdu.asn1_name,
        partner=None if destination.partner is None else destination.partner.name,
        transaction_id=context.transaction_id,
        half_id=context.half_id,
    )
    send_again(uow, message_id, destination, context, retry=retry, at=at, until=until)
    return message_id


def unlike_http(octets: bytes) -> bytes:
    """Keep a short APDU from being taken for HTTP by peers built on libyaz (seen with 5.34, docs/adr/0005).

    libyaz reads three printable octets at the start of what it receives as HTTP and waits for the connection
    to end. An APPLICATION tag is printable, so is a length of 32 to 126, and so is the SEQUENCE's tag behind
    it. The long form of the length, as good BER as the short one, is not.

    Args:
        octets: an encoded APDU with a definite length.
    """
    if all(0x20 <= octet < 0x7F for octet in octets[:3]):
        return octets[:1] + b"\x81" + octets[1:]
    return octets


def send_again(
    uow: UnitOfWork,
    message_id: MessageId,
    destination: Destination,
    context: Context,
    *,
    retry: RetryPolicy,
    at: datetime,
    until: datetime | None = None,
) -> None:
    """Put a message that is already stored into the outbox: identical octets. `until` as for `enqueue`."""
    expires_at = lifetime_end(at, retry, until)
    uow.outbox.add(
        lane=lane_of(destination, context),
        message_id=message_id,
        partner=None if destination.partner is None else destination.partner.name,
        connection_id=destination.connection_id,
        at=at,
        expires_at=expires_at,
        check_at=next_check(created_at=at, expires_at=expires_at, policy=retry, now=at),
    )


def lane_of(destination: Destination, context: Context) -> str:
    """The lane within which order is kept: one per transaction and partner.

    Answers on a two-way connection have that connection's lane. They are reports, which move no state, and
    whoever waits for one should not wait for a message that is stuck on its way elsewhere.
    """
    match destination:
        case Destination(connection_id=str(connection_id)):
            return f"connection {connection_id}"
        case Destination(partner=Partner(name=name)) if context.transaction_id is not None:
            return f"transaction {context.transaction_id} {name}"
        case Destination(partner=Partner(name=name)):
            return f"partner {name}"
        case _:
            raise ValueError("nothing can be sent to an unknown sender without a connection")


def _transport(destination: Destination) -> Transport:
    if destination.connection_id is not None:
        return Transport.TCP_TWO_WAY
    match destination.partner:
        case Partner(transport=TcpTransport(mode=ListenerMode.ONE_WAY)):
            return Transport.TCP_ONE_WAY
        case Partner(transport=TcpTransport()):
            return Transport.TCP_TWO_WAY
        case _:
            return Transport.MAIL
