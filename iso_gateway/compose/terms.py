"""How a library of ours and one partner speak to each other, as far as APDUs show it: from settings only."""

from dataclasses import dataclass, field
from typing import Self, assert_never

from asn1 import ill
from asn1.extensions import APDUDeliveryInfo, APDUDeliveryParameters, APDUEncoding
from asn1.schema import GeneralString
from config.settings import (
    ApduName,
    Capabilities,
    ClientIdPolicy,
    Dialect,
    DocumentLink,
    LocalSymbol,
    MailTransport,
    OptionalMessages,
    Partner,
    TcpTransport,
    Transport,
    Wish,
)
from config.symbols import Symbol
from iso_gateway.message.identity import system_id_of

_WISHES = {
    Wish.REQUIRES: ill.OptionalMessage.requires,
    Wish.DESIRES: ill.OptionalMessage.desires,
    Wish.NEITHER: ill.OptionalMessage.neither,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What our settings and the partner's profile say of the APDUs between the two.

    The defaults are those between a library without settings and a partner of whom nothing is known.

    Args:
        optional_messages: what the library sends and asks for.
        capabilities: what the partner sends and accepts.
        document_link: where the partner shows the link to a document.
        tells_client: whether the partner is told who the patron is (Client-Id).
        strict: whether the partner takes nothing but what the abstract syntax allows.
        ours: where partners reach us, for APDU-Delivery-Info.
        theirs: where we reach the partner.
    """

    optional_messages: OptionalMessages = field(default_factory=OptionalMessages)
    capabilities: Capabilities = field(default_factory=Capabilities)
    document_link: DocumentLink = DocumentLink.NOTE
    tells_client: bool = False
    strict: bool = False
    ours: tuple[APDUDeliveryParameters, ...] = ()
    theirs: tuple[APDUDeliveryParameters, ...] = ()

    @classmethod
    def between(cls, local: LocalSymbol, partner: Partner) -> Self:
        """The terms between a library of ours and a partner, by their settings."""
        return cls(
            optional_messages=local.optional_messages,
            capabilities=partner.capabilities,
            document_link=partner.document_link,
            tells_client=partner.client_id is ClientIdPolicy.FORWARD,
            strict=partner.dialect is Dialect.STRICT,
            ours=_ours(local),
            theirs=(_reached_by(partner.transport, partner.symbols[0]),),
        )

    @property
    def as_requester(self) -> ill.RequesterOptionalMessagesType:
        """Requester-optional-messages: what we can send as borrower, and what we ask of the lender.

        Where the partner's profile says that it takes or sends none, we neither offer nor ask (inferred: a
        lender refuses what it cannot fulfil, protocol.md 2.7).
        """
        messages = self.optional_messages
        return ill.RequesterOptionalMessagesType(
            can_send_RECEIVED=messages.sends_received and self._takes(ApduName.RECEIVED),
            can_send_RETURNED=messages.sends_returned and self._takes(ApduName.RETURNED),
            requester_SHIPPED=self._asked(messages.shipped, ApduName.SHIPPED),
            requester_CHECKED_IN=self._asked(messages.checked_in, ApduName.CHECKED_IN),
        )

    @property
    def as_responder(self) -> ill.ResponderOptionalMessagesType:
        """Responder-optional-messages: the same as lender."""
        messages = self.optional_messages
        return ill.ResponderOptionalMessagesType(
            can_send_SHIPPED=messages.sends_shipped and self._takes(ApduName.SHIPPED),
            can_send_CHECKED_IN=messages.sends_checked_in and self._takes(ApduName.CHECKED_IN),
            responder_RECEIVED=self._asked(messages.received, ApduName.RECEIVED),
            responder_RETURNED=self._asked(messages.returned, ApduName.RETURNED),
        )

    @property
    def delivery_info(self) -> APDUDeliveryInfo | None:
        """APDU-Delivery-Info of an APDU from us; None where our settings name no address of ours."""
        if not self.ours or not self.theirs:
            return None
        return APDUDeliveryInfo(sender_info=self.ours, recipient_info=self.theirs)

    @property
    def our_address(self) -> ill.SystemAddress | None:
        """The first of our addresses; None where our settings name none."""
        return self.ours[0].transport if self.ours else None

    @property
    def their_address(self) -> ill.SystemAddress | None:
        """The address of the partner; None for one of whom nothing is known."""
        return self.theirs[0].transport if self.theirs else None

    def _takes(self, apdu: ApduName) -> bool:
        return apdu in self.capabilities.accepts

    def _asked(self, wish: Wish, apdu: ApduName) -> ill.OptionalMessage:
        return _WISHES[wish] if apdu in self.capabilities.sends else ill.OptionalMessage.neither


def _ours(local: LocalSymbol) -> tuple[APDUDeliveryParameters, ...]:
    found: list[APDUDeliveryParameters] = []
    if local.public_address is not None:
        found.append(_by_tcp(local.public_address, local.symbol))
    if local.public_mail is not None:
        found.append(_by_mail(local.public_mail, local.symbol))
    return tuple(found)


def _reached_by(transport: Transport, symbol: Symbol) -> APDUDeliveryParameters:
    match transport:
        case TcpTransport(host=host, port=port):
            return _by_tcp(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", symbol)
        case MailTransport(address=address):
            return _by_mail(address, symbol)
        case _:
            assert_never(transport)


# "TCP" with host:port and "SMTP" with a mailbox are what is usual (known, protocol.md 5.3).
def _by_tcp(address: str, symbol: Symbol) -> APDUDeliveryParameters:
    return _parameters("TCP", address, APDUEncoding.bER, symbol)


def _by_mail(address: str, symbol: Symbol) -> APDUDeliveryParameters:
    return _parameters("SMTP", address, APDUEncoding.bER_IN_MIME, symbol)


def _parameters(service: str, address: str, encoding: APDUEncoding, symbol: Symbol) -> APDUDeliveryParameters:
    return APDUDeliveryParameters(
        encoding=(encoding,),
        transport=ill.SystemAddress(
            telecom_service_identifier=GeneralString.from_text(service),
            telecom_service_address=GeneralString.from_text(address),
        ),
        aliases=(system_id_of(symbol),),
    )
