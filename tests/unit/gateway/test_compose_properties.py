"""Whatever is asked for, what is sent can be read back, says what was meant, and nothing that stays here."""

from dataclasses import replace
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from asn1.codec import decode, encode
from asn1.ill import ILLRequest
from asn1.rules import RULES, Severity, check
from config.settings import CharacterSet, Dialect, DocumentLink
from iso_gateway import compose
from iso_gateway.compose.texts import transcoded
from iso_gateway.request.new_request import NewRequest
from iso_gateway.request.primitives import SingleApduPrimitive
from tests.support.composed import BEX, FRAME, REQUEST, SFU, TO_SFU, TO_UBC
from tests.support.primitive_strategies import TEXTS, new_requests, single_apdu_primitives

EVERY_RULE: Final = dict.fromkeys(RULES, Severity.ERROR)
STRICT: Final = compose.Terms.between(BEX, replace(SFU, dialect=Dialect.STRICT))
#: Nobody writes this into a title by chance.
SECRET: Final = "Xq7!jane@roe"

encodings = st.sampled_from(CharacterSet).map(lambda one: one.value)
terms = st.sampled_from(
    [TO_SFU, TO_UBC, STRICT, compose.Terms(document_link=DocumentLink.ELECTRONIC_DELIVERY)]
)


@given(single_apdu_primitives, encodings, terms)
def test_every_primitive_is_an_apdu_of_its_service_that_keeps_every_rule(
    primitive: SingleApduPrimitive, encoding: str, between: compose.Terms
) -> None:
    frame = replace(FRAME, encoding=encoding)
    apdu = compose.apdu_for(primitive, REQUEST, frame, between)
    assert decode(encode(apdu)) == apdu
    assert apdu.apdu_tag.number == compose.service_of(primitive).apdu_type
    assert (apdu.transaction_id, apdu.service_date_time) == (REQUEST.transaction_id, frame.service_date_time)
    assert (apdu.requester_id, apdu.responder_id) == (frame.requester_id, frame.responder_id)
    assert check(apdu, EVERY_RULE) == ()


@given(single_apdu_primitives)
def test_only_what_is_shipped_or_received_can_be_a_loan(primitive: SingleApduPrimitive) -> None:
    apdu = compose.apdu_for(primitive, REQUEST, FRAME)
    said = getattr(apdu, "shipped_service_type", None)
    assert compose.is_loan(primitive, REQUEST) is (None if said is None else said.asn1_name == "loan")


@given(new_requests, encodings)
def test_every_request_can_be_sent_and_keeps_every_rule_with_a_strict_partner(
    new: NewRequest, encoding: str
) -> None:
    request = compose.ill_request(new, replace(FRAME, encoding=encoding), STRICT)
    assert decode(encode(request)) == request
    assert check(request, EVERY_RULE) == ()


@given(new_requests, terms)
def test_how_the_patron_is_reached_is_in_no_apdu(new: NewRequest, between: compose.Terms) -> None:
    told = replace(new, patron_contact=SECRET)
    request = compose.ill_request(told, FRAME, between)
    assert request == compose.ill_request(replace(new, patron_contact=None), FRAME, between)
    assert SECRET.encode() not in encode(request)


@given(new_requests)
def test_the_patron_is_in_no_apdu_for_who_is_not_to_know(new: NewRequest) -> None:
    request = compose.ill_request(new, FRAME, TO_SFU)
    assert request == compose.ill_request(replace(new, client=None), FRAME, TO_SFU)
    told = compose.ill_request(new, FRAME, TO_UBC)
    assert compose.as_retry(told, FRAME, TO_SFU).client_id is None


@given(new_requests)
def test_a_request_reads_the_same_in_another_character_set(new: NewRequest) -> None:
    latin = replace(FRAME, encoding="latin-1")
    written, expected = compose.ill_request(new, FRAME, TO_UBC), compose.ill_request(new, latin, TO_UBC)
    # What is opaque is left as it came; in a new request those are our own number, and those of systems.
    opaque = replace(
        expected,
        iLL_request_extensions=written.iLL_request_extensions,
        item_id=replace(expected.item_id, system_no=written.item_id.system_no),
    )
    assert transcoded(written, "utf-8", "latin-1") == opaque
    back = transcoded(transcoded(written, "utf-8", "latin-1"), "latin-1", "utf-8")
    assert back == written


@given(new_requests, st.none() | TEXTS, terms)
def test_a_forwarded_request_keeps_every_rule_and_what_is_asked_for(
    new: NewRequest, note: str | None, between: compose.Terms
) -> None:
    request = compose.ill_request(replace(new, may_forward=True), FRAME, STRICT)
    onward = compose.forwarded_request(
        request,
        FRAME.to(SFU.symbols[0], encoding="utf-8"),
        between,
        intermediary=BEX.symbol,
        requester_address=TO_SFU.ours[0].transport,
        note=note,
    )
    assert decode(encode(onward)) == onward
    assert check(onward, EVERY_RULE) == ()
    assert onward.forward_flag
    assert _asked(onward) == _asked(request)


@given(new_requests)
def test_a_retry_differs_in_its_transaction_and_its_flag_only(new: NewRequest) -> None:
    request = compose.ill_request(new, FRAME, TO_SFU)
    frame = replace(FRAME, transaction_id=compose.transaction_id_of(BEX.symbol, group="g", qualifier="next"))
    retry = compose.as_retry(request, frame, TO_SFU)
    assert retry == replace(request, transaction_id=frame.transaction_id, retry_flag=True)


def _asked(request: ILLRequest) -> tuple[object, ...]:
    return (
        request.item_id,
        request.iLL_service_type,
        request.search_type,
        request.delivery_address,
        request.cost_info_type,
        request.requester_note,
        request.transaction_id,
    )
