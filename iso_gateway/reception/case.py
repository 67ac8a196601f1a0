"""A message that came in, and what it concerns, as every check sees them."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from asn1.codec import Header
from asn1.ill import ForwardNotification, ILLApdu
from config.settings import LocalSymbol, Partner, Settings
from iso_gateway.half.movement import Ends, raise_attention
from iso_gateway.half.sending import Context
from iso_gateway.protocol.states import Role
from iso_gateway.reception.addressing import Addressing
from iso_gateway.store.records import (
    HalfId,
    HalfRecord,
    HeldRecord,
    MessageRecord,
    TransactionRecord,
    Transport,
)
from iso_gateway.store.unit_of_work import UnitOfWork

#: The context of a message that concerns no half of ours.
NOWHERE = Context()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message that came in, in the unit of work that classifies it.

    Args:
        settings: partners, local symbols and limits.
        uow: the unit of work; the message is stored already.
        message: the message.
        at: now, aware.
        held: for a message that is tried again, how it was held until now.
        replayed: whether an operator has it classified afresh, long after it came.
    """

    settings: Settings
    uow: UnitOfWork
    message: MessageRecord
    at: datetime
    held: HeldRecord | None
    replayed: bool
    addressing: Addressing = field(init=False)

    def __post_init__(self) -> None:
        addressing = Addressing(
            self.settings,
            self.message.peer_address,
            by_mail=self.message.transport is Transport.MAIL,
            vouched_for=self.message.transport is Transport.LOCAL,
        )
        object.__setattr__(self, "addressing", addressing)

    @property
    def is_waited_for(self) -> bool:
        """Whether its sender waits for an answer on the connection that it came by."""
        return self.message.transport is Transport.TCP_TWO_WAY and not self.replayed

    def tell(self, kind: str, half_id: HalfId | None, detail: Mapping[str, object] | None) -> None:
        """Tell the local side of something that the message did."""
        self.uow.events.append(
            kind=kind, half_id=half_id, message_id=self.message.id, detail=detail, at=self.at
        )

    def attend(self, half: HalfRecord, reason: str) -> None:
        """Put a half before a person because of the message. `reason` is a sentence without patron data."""
        raise_attention(self.uow, half, reason, self.at, self.message.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Between whom a message is.

    Args:
        local: the library of ours that it is for.
        partner: who sent it.
        role: in which role we receive it.
    """

    local: LocalSymbol
    partner: Partner
    role: Role


class Standing(enum.Enum):
    """What the sender of a message is to the half that it is about."""

    #: the other end, or the sender of the request that begins it
    PARTNER = "partner"
    #: it had the request before it was forwarded
    FORMER = "former"
    #: it may have been forwarded the request, though nobody has told us yet
    SUCCESSOR = "successor"
    #: the request is another library's
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A readable message from a partner to us, and the half that it concerns, if there is one yet.

    Args:
        apdu: what came.
        header: its beginning.
        parties: between whom it is.
        canonical: its Transaction-Id, as transactions are found by.
        transaction: the transaction, if it is known.
        half: our half of it.
        standing: what the sender is to the half.
    """

    apdu: ILLApdu
    header: Header
    parties: Parties
    canonical: bytes
    transaction: TransactionRecord | None
    half: HalfRecord | None
    standing: Standing

    def ends(self, half: HalfRecord) -> Ends:
        """The half between the two parties."""
        return Ends(half=half, local=self.parties.local, partner=self.parties.partner)


def header_of(apdu: ILLApdu) -> Header:
    """The beginning of an APDU; that of a FORWARD-NOTIFICATION names its sender where others do.

    Its responder-id is whom the request went to, and its intermediary-id who says so (protocol.md 2.8).
    """
    return Header(
        apdu_type=type(apdu),
        protocol_version_num=apdu.protocol_version_num,
        transaction_id=apdu.transaction_id,
        service_date_time=apdu.service_date_time,
        requester_id=apdu.requester_id,
        responder_id=apdu.intermediary_id if isinstance(apdu, ForwardNotification) else apdu.responder_id,
    )


def context_of(half: HalfRecord | None) -> Context:
    """What a message belongs to that concerns a half, or none."""
    return NOWHERE if half is None else Context(transaction_id=half.transaction_id, half_id=half.id)
