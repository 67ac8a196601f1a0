"""What our settings and a partner's profile say of the APDUs between the two."""

from dataclasses import replace

import pytest

from asn1 import ill
from asn1.extensions import APDUDeliveryInfo, APDUDeliveryParameters, APDUEncoding
from asn1.schema import GeneralString
from config.settings import (
    ApduName,
    Capabilities,
    ClientIdPolicy,
    Dialect,
    DocumentLink,
    MailTransport,
    OptionalMessages,
    TcpTransport,
    Wish,
)
from config.symbols import Symbol
from iso_gateway.compose import Terms
from iso_gateway.message.identity import system_id_of
from tests.support.composed import BEX, SFU

text = GeneralString.from_text
OptionalMessage = ill.OptionalMessage


def point(service: str, address: str, encoding: APDUEncoding, symbol: Symbol) -> APDUDeliveryParameters:
    return APDUDeliveryParameters(
        encoding=(encoding,),
        transport=ill.SystemAddress(
            telecom_service_identifier=text(service), telecom_service_address=text(address)
        ),
        aliases=(system_id_of(symbol),),
    )


class TestOptionalMessages:
    def test_without_settings_everything_is_sent_and_everything_desired(self) -> None:
        assert Terms().as_requester == ill.RequesterOptionalMessagesType(
            can_send_RECEIVED=True,
            can_send_RETURNED=True,
            requester_SHIPPED=OptionalMessage.desires,
            requester_CHECKED_IN=OptionalMessage.desires,
        )
        assert Terms().as_responder == ill.ResponderOptionalMessagesType(
            can_send_SHIPPED=True,
            can_send_CHECKED_IN=True,
            responder_RECEIVED=OptionalMessage.desires,
            responder_RETURNED=OptionalMessage.desires,
        )

    def test_each_setting_is_one_component(self) -> None:
        settings = OptionalMessages(
            sends_received=False, sends_shipped=False, shipped=Wish.REQUIRES, returned=Wish.NEITHER
        )
        terms = Terms.between(replace(BEX, optional_messages=settings), SFU)
        assert terms.as_requester == ill.RequesterOptionalMessagesType(
            can_send_RECEIVED=False,
            can_send_RETURNED=True,
            requester_SHIPPED=OptionalMessage.requires,
            requester_CHECKED_IN=OptionalMessage.desires,
        )
        assert terms.as_responder == ill.ResponderOptionalMessagesType(
            can_send_SHIPPED=False,
            can_send_CHECKED_IN=True,
            responder_RECEIVED=OptionalMessage.desires,
            responder_RETURNED=OptionalMessage.neither,
        )
        others = OptionalMessages(
            sends_returned=False, sends_checked_in=False, checked_in=Wish.NEITHER, received=Wish.REQUIRES
        )
        terms = Terms.between(replace(BEX, optional_messages=others), SFU)
        assert terms.as_requester == ill.RequesterOptionalMessagesType(
            can_send_RECEIVED=True,
            can_send_RETURNED=False,
            requester_SHIPPED=OptionalMessage.desires,
            requester_CHECKED_IN=OptionalMessage.neither,
        )
        assert terms.as_responder == ill.ResponderOptionalMessagesType(
            can_send_SHIPPED=True,
            can_send_CHECKED_IN=False,
            responder_RECEIVED=OptionalMessage.requires,
            responder_RETURNED=OptionalMessage.desires,
        )

    def test_what_the_partner_cannot_take_is_not_offered_nor_asked_for_what_it_cannot_send(self) -> None:
        settings = OptionalMessages(
            shipped=Wish.REQUIRES, checked_in=Wish.REQUIRES, received=Wish.REQUIRES, returned=Wish.REQUIRES
        )
        silent = replace(SFU, capabilities=Capabilities(sends=frozenset(), accepts=frozenset()))
        terms = Terms.between(replace(BEX, optional_messages=settings), silent)
        assert terms.as_requester == ill.RequesterOptionalMessagesType(
            can_send_RECEIVED=False,
            can_send_RETURNED=False,
            requester_SHIPPED=OptionalMessage.neither,
            requester_CHECKED_IN=OptionalMessage.neither,
        )
        assert terms.as_responder == ill.ResponderOptionalMessagesType(
            can_send_SHIPPED=False,
            can_send_CHECKED_IN=False,
            responder_RECEIVED=OptionalMessage.neither,
            responder_RETURNED=OptionalMessage.neither,
        )

    @pytest.mark.parametrize(
        "apdu", [ApduName.SHIPPED, ApduName.CHECKED_IN, ApduName.RECEIVED, ApduName.RETURNED]
    )
    def test_each_of_the_four_is_told_apart(self, apdu: ApduName) -> None:
        only = Terms(capabilities=Capabilities(sends=frozenset({apdu}), accepts=frozenset(ApduName) - {apdu}))
        ours, theirs = only.as_requester, only.as_responder
        assert {
            ApduName.RECEIVED: not ours.can_send_RECEIVED,
            ApduName.RETURNED: not ours.can_send_RETURNED,
            ApduName.SHIPPED: not theirs.can_send_SHIPPED,
            ApduName.CHECKED_IN: not theirs.can_send_CHECKED_IN,
        } == {
            one: one is apdu
            for one in (ApduName.RECEIVED, ApduName.RETURNED, ApduName.SHIPPED, ApduName.CHECKED_IN)
        }
        assert {
            ApduName.SHIPPED: ours.requester_SHIPPED,
            ApduName.CHECKED_IN: ours.requester_CHECKED_IN,
            ApduName.RECEIVED: theirs.responder_RECEIVED,
            ApduName.RETURNED: theirs.responder_RETURNED,
        } == {
            one: OptionalMessage.desires if one is apdu else OptionalMessage.neither
            for one in (ApduName.SHIPPED, ApduName.CHECKED_IN, ApduName.RECEIVED, ApduName.RETURNED)
        }


class TestAddresses:
    def test_both_ways_to_us_are_told_and_the_one_to_the_partner(self) -> None:
        terms = Terms.between(BEX, SFU)
        assert terms.delivery_info == APDUDeliveryInfo(
            sender_info=(
                point("TCP", "ill.bex.example:1611", APDUEncoding.bER, BEX.symbol),
                point("SMTP", "ill@bex.example", APDUEncoding.bER_IN_MIME, BEX.symbol),
            ),
            recipient_info=(point("TCP", "ill.sfu.example:1611", APDUEncoding.bER, SFU.symbols[0]),),
        )
        assert terms.our_address == terms.ours[0].transport
        assert terms.their_address == terms.theirs[0].transport

    def test_who_is_reached_by_mail_is_so_reached(self) -> None:
        by_mail = replace(SFU, transport=MailTransport(address="ill@sfu.example"))
        terms = Terms.between(replace(BEX, public_address=None), by_mail)
        assert terms.ours == (point("SMTP", "ill@bex.example", APDUEncoding.bER_IN_MIME, BEX.symbol),)
        assert terms.theirs == (point("SMTP", "ill@sfu.example", APDUEncoding.bER_IN_MIME, SFU.symbols[0]),)

    def test_an_address_of_numbers_with_colons_is_bracketed(self) -> None:
        partner = replace(SFU, transport=TcpTransport(host="2001:db8::7", port=499))
        address = Terms.between(BEX, partner).their_address
        assert address is not None
        assert address.telecom_service_address == text("[2001:db8::7]:499")

    def test_without_an_address_of_ours_nothing_is_told(self) -> None:
        terms = Terms.between(replace(BEX, public_address=None, public_mail=None), SFU)
        assert terms.delivery_info is None
        assert terms.our_address is None

    def test_of_a_partner_of_whom_nothing_is_known_nothing_is_told(self) -> None:
        assert Terms(ours=Terms.between(BEX, SFU).ours).delivery_info is None
        assert Terms().their_address is None


def test_the_rest_is_the_partners_profile() -> None:
    assert not Terms.between(BEX, SFU).strict
    assert not Terms.between(BEX, SFU).tells_client
    assert Terms.between(BEX, SFU).document_link is DocumentLink.NOTE
    other = replace(
        SFU,
        dialect=Dialect.STRICT,
        client_id=ClientIdPolicy.FORWARD,
        document_link=DocumentLink.ELECTRONIC_DELIVERY,
    )
    assert Terms.between(BEX, other).strict
    assert Terms.between(BEX, other).tells_client
    assert Terms.between(BEX, other).document_link is DocumentLink.ELECTRONIC_DELIVERY
