"""Who sent a message, whom it is for, in which role we receive it: by its identifiers and its way in.

Sources: protocol.md section 4 and 5.1 check 5. A sender is whoever the message names, as long as it came from
where that partner's messages may come from; a message that names nobody is only from the one partner whose
allowed_sources fit.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import assert_never

from asn1.codec import Header
from config.settings import LocalSymbol, MailTransport, Partner, Settings
from config.symbols import Symbol
from iso_gateway.half import interpretation
from iso_gateway.message.identity import symbol_of
from iso_gateway.protocol.states import Role


@dataclass(frozen=True, slots=True)
class Addressing:
    """Finds the parties of messages that came from one address.

    Args:
        settings: partners and local symbols.
        peer_address: host and port that the message came from; for mail the address of the envelope's sender
            and that of the author, or one if they are the same; None where its way in has none.
        by_mail: whether it came by mail.
        vouched_for: whether an operator brought the message, so that it needs to come from no address.
    """

    settings: Settings
    peer_address: str | None
    by_mail: bool = False
    vouched_for: bool = False

    def ends(self, header: Header) -> tuple[Symbol | None, Symbol | None]:
        """Who sent a message and whom it is for, as it says."""
        requester, responder = _requester(header), symbol_of(header.responder_id)
        role = self.role(header)
        match role:
            case Role.RESPONDER:
                return requester, responder
            case Role.REQUESTER:
                return responder, requester
            case _:
                assert_never(role)

    def role(self, header: Header) -> Role:
        """Our role: by the APDU's type, or, where that travels both ways, by which of the symbols is ours."""
        by_type = (
            None
            if header.apdu_type is None
            else interpretation.receiving_role(interpretation.direction_of(header.apdu_type))
        )
        if by_type is not None:
            return by_type
        responder = symbol_of(header.responder_id)
        if responder is not None and self.settings.local_for(responder) is not None:
            return Role.RESPONDER
        requester = _requester(header)
        if requester is not None and self.settings.local_for(requester) is not None:
            return Role.REQUESTER
        if requester is None and responder is not None and self.settings.partner_for(responder) is not None:
            # It names the lender alone, so whoever it is for has borrowed.
            return Role.REQUESTER
        return Role.RESPONDER

    def partner(self, header: Header) -> Partner | None:
        """The partner that a message says it is from, by symbol; without one, by the address it came from."""
        sender, _ = self.ends(header)
        if sender is not None:
            return self.settings.partner_for(sender)
        if self.vouched_for:
            return None
        possible = [
            partner
            for partner in self.settings.partners
            if (self.by_mail or partner.allowed_sources) and self.may_come_from_here(partner)
        ]
        return possible[0] if len(possible) == 1 else None

    def trusted_partner(self, header: Header) -> Partner | None:
        """The partner that a message says it is from, if its messages may come from that address."""
        partner = self.partner(header)
        return partner if partner is not None and self.may_come_from_here(partner) else None

    def may_come_from_here(self, partner: Partner) -> bool:
        """Whether the partner's allowed_sources hold the address that the message came from.

        A mail has to come from addresses that the profile names: anybody can send one, in any name. And who
        is reached by mail may come by TCP only from where the profile says.
        """
        if self.vouched_for:
            return True
        if self.by_mail:
            return self._is_sender(partner)
        if not partner.allowed_sources:
            return not isinstance(partner.transport, MailTransport)
        host = self._host
        return host is not None and any(host in network for network in partner.allowed_sources)

    def _is_sender(self, partner: Partner) -> bool:
        addresses = (self.peer_address or "").split()
        return bool(addresses) and all(
            address in partner.senders or f"@{address.rpartition('@')[2]}" in partner.senders
            for address in addresses
        )

    def local(self, recipient: Symbol | None) -> LocalSymbol | None:
        """The library of ours that is addressed; without a symbol, our only one."""
        if recipient is not None:
            return self.settings.local_for(recipient)
        return self.settings.local[0] if len(self.settings.local) == 1 else None

    def any_local(self, header: Header) -> LocalSymbol:
        """In whose time zone to answer about a message that may be addressed to nobody."""
        for symbol in (symbol_of(header.responder_id), _requester(header)):
            local = None if symbol is None else self.settings.local_for(symbol)
            if local is not None:
                return local
        return self.settings.local[0]

    def initial_requester(self, header: Header) -> Symbol | None:
        """Who began the transaction, under the symbol that our configuration writes."""
        symbol = symbol_of(header.transaction_id.initial_requester_id) or symbol_of(header.requester_id)
        if symbol is None and self.role(header) is Role.REQUESTER:
            # A lender that leaves the borrower out means whom it writes to.
            local = self.local(None)
            return None if local is None else local.symbol
        if symbol is None:
            partner = self.partner(header)
            return None if partner is None else partner.symbols[0]
        partner = self.settings.partner_for(symbol)
        if partner is not None:
            return partner.symbols[0]
        local = self.settings.local_for(symbol)
        return symbol if local is None else local.symbol

    @property
    def _host(self) -> IPv4Address | IPv6Address | None:
        """The address that the message came from; None where its way in has none."""
        if self.peer_address is None:
            return None
        host, _, _ = self.peer_address.rpartition(":")
        return ip_address(host.strip("[]"))


def _requester(header: Header) -> Symbol | None:
    return symbol_of(header.requester_id) or symbol_of(header.transaction_id.initial_requester_id)
