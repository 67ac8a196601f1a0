"""What goes onto the wire, and the lane it takes."""

from dataclasses import replace

import pytest
from hypothesis import given

from asn1.codec import decode, encode
from asn1.ill import ILLApdu
from config.settings import Partner, TcpTransport
from config.symbols import Symbol
from iso_gateway.half.sending import Context, Destination, lane_of, unlike_http
from iso_gateway.store.records import TransactionId
from tests.support.apdu_strategies import apdus as any_apdus

SFU = Partner(
    name="SFU",
    symbols=(Symbol("ILLUME", "SFU"),),
    transport=TcpTransport(host="sfu.example", port=1611),
)


def is_printable(octet: int) -> bool:
    return 0x20 <= octet < 0x7F


class TestUnlikeHttp:
    @given(any_apdus())
    def test_no_apdu_begins_like_text_and_none_changes_its_meaning(self, apdu: ILLApdu) -> None:
        octets = unlike_http(encode(apdu))
        assert not all(is_printable(octet) for octet in octets[:3])
        assert encode(decode(octets)) == encode(apdu)

    @pytest.mark.parametrize(
        ("length", "changed"), [(0x1F, False), (0x20, True), (0x7E, True), (0x7F, False)]
    )
    def test_only_lengths_that_print_take_the_long_form(self, length: int, *, changed: bool) -> None:
        rest = b"\x30" + bytes([length - 2]) + bytes(length - 2)
        plain = b"\x71" + bytes([length]) + rest
        assert unlike_http(plain) == (b"\x71\x81" + bytes([length]) + rest if changed else plain)


class TestLane:
    def test_each_transaction_has_its_own_towards_each_partner(self) -> None:
        context = Context(transaction_id=TransactionId(7))
        lanes = {
            lane_of(Destination(partner=SFU), context),
            lane_of(Destination(partner=SFU), Context(transaction_id=TransactionId(8))),
            lane_of(Destination(partner=replace(SFU, name="UBC")), context),
            lane_of(Destination(partner=SFU), Context()),
        }
        assert len(lanes) == 4

    def test_an_answer_waits_for_nothing_but_its_connection(self) -> None:
        context = Context(transaction_id=TransactionId(7))
        assert lane_of(Destination(partner=SFU, connection_id="c1"), context) == lane_of(
            Destination(partner=None, connection_id="c1"), Context()
        )

    def test_nobody_on_no_connection_cannot_be_reached(self) -> None:
        nowhere = Destination(partner=None)
        assert not nowhere.reachable
        with pytest.raises(ValueError, match="unknown sender without a connection"):
            lane_of(nowhere, Context())
