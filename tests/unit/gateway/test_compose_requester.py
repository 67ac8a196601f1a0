"""What a requester sends about its request: every service, every default, every refusal, and repeats."""

import datetime as dt
from dataclasses import replace
from typing import Final

import pytest

from asn1 import ill
from asn1.codec import decode, encode
from asn1.ill import ILLServiceType
from asn1.schema import GeneralString
from config.symbols import Symbol
from iso_gateway import compose
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.message.identity import system_id_of
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import CurrentState, Role
from iso_gateway.request import primitives
from tests.support import apdus
from tests.support.composed import BEX, DUE, FRAME, FULL, NOW, PRIMITIVES, REQUEST, SFU, TO_SFU

text = GeneralString.from_text
NO_AMOUNT: Final = (
    "what it is insured for is no amount: write at most ten digits, dots, commas and blanks, as 12.50"
)
YORK: Final = Symbol("ILLUME", "YORK")


def composed(primitive: primitives.SingleApduPrimitive) -> ill.ILLApdu:
    """Give what we send, read back from its octets."""
    apdu = compose.apdu_for(primitive, REQUEST, FRAME, TO_SFU)
    assert decode(encode(apdu)) == apdu
    return apdu


@pytest.mark.parametrize(
    ("primitive", "service"),
    [
        (primitives.ConditionalReply(answer=True), Service.C_REP_YES),
        (primitives.ConditionalReply(answer=False), Service.C_REP_NO),
        (primitives.Cancel(), Service.CAN),
        (primitives.Receive(), Service.RCV),
        (primitives.Return(), Service.RET),
        (primitives.Renew(), Service.REN),
        (primitives.Forward(to="UBC"), Service.FWN),
    ],
)
def test_each_is_a_service_of_the_tables(primitive: primitives.Primitive, service: Service) -> None:
    assert compose.service_of(primitive) is service


@pytest.mark.parametrize(
    ("primitive", "apdu"),
    [
        (
            primitives.ConditionalReply(answer=False, note=" no "),
            ill.ConditionalReply(**FRAME.components, answer=False, requester_note=text("no")),
        ),
        (primitives.ConditionalReply(answer=True), ill.ConditionalReply(**FRAME.components, answer=True)),
        (primitives.Cancel(), ill.Cancel(**FRAME.components)),
        (primitives.Cancel(note="found"), ill.Cancel(**FRAME.components, requester_note=text("found"))),
        (
            primitives.Receive(),
            ill.Received(
                **FRAME.components,
                date_received="20261118",
                shipped_service_type=ILLServiceType.copy_non_returnable,
            ),
        ),
        (
            primitives.Receive(date_received=DUE, service_type=ILLServiceType.loan, note="intact"),
            ill.Received(
                **FRAME.components,
                date_received="20261216",
                shipped_service_type=ILLServiceType.loan,
                requester_note=text("intact"),
            ),
        ),
        (primitives.Return(), ill.Returned(**FRAME.components, date_returned="20261118")),
        (
            primitives.Return(
                date_returned=DUE,
                via="courier",
                insured_for=primitives.Amount(value=" 80,00 ", currency="CAD"),
                note="thanks",
            ),
            ill.Returned(
                **FRAME.components,
                date_returned="20261216",
                returned_via=text("courier"),
                insured_for=ill.Amount(currency_code="CAD", monetary_value="80,00"),
                requester_note=text("thanks"),
            ),
        ),
        (primitives.Renew(), ill.Renew(**FRAME.components)),
        (
            primitives.Renew(desired_due_date=DUE, note="please"),
            ill.Renew(**FRAME.components, desired_due_date="20261216", requester_note=text("please")),
        ),
    ],
)
def test_each_carries_what_was_asked_for(
    primitive: primitives.SingleApduPrimitive, apdu: ill.ILLApdu
) -> None:
    assert composed(primitive) == apdu


def test_what_was_received_is_what_was_said_to_be() -> None:
    assert compose.is_loan(primitives.Receive(service_type=ILLServiceType.loan), REQUEST) is True
    assert compose.is_loan(primitives.Receive(), REQUEST) is False
    assert compose.is_loan(primitives.Return(), REQUEST) is None


@pytest.mark.parametrize(
    ("primitive", "message"),
    [
        (
            primitives.Receive(service_type=ILLServiceType.estimate),
            "'estimate' cannot be supplied: say loan or copy-non-returnable",
        ),
        (
            primitives.Return(insured_for=primitives.Amount(value="twelve")),
            NO_AMOUNT,
        ),
        (
            primitives.Return(insured_for=primitives.Amount(value=" .")),
            NO_AMOUNT,
        ),
        (
            primitives.Return(insured_for=primitives.Amount(value="12345678901")),
            NO_AMOUNT,
        ),
        (
            primitives.Return(insured_for=primitives.Amount(value="12", currency="cad")),
            "the currency of what it is insured for is none: write three capital letters, as CAD",
        ),
        (
            primitives.Cancel(note="a\0b"),
            "a text holds a NUL, at which other software ends the text: leave it out",
        ),
    ],
)
def test_what_cannot_be_said_is_refused(primitive: primitives.SingleApduPrimitive, message: str) -> None:
    with pytest.raises(PrimitiveInvalidError) as caught:
        composed(primitive)
    assert str(caught.value) == message


class TestFrame:
    def test_a_transaction_that_we_begin_is_ours_and_of_version_2(self) -> None:
        assert FRAME.version == ill.VERSION_2
        assert FRAME.requester_id == FRAME.transaction_id.initial_requester_id == system_id_of(BEX.symbol)
        assert FRAME.responder_id == system_id_of(SFU.symbols[0])
        assert FRAME.transaction_id.transaction_group_qualifier == text("20261118")
        assert FRAME.transaction_id.transaction_qualifier == text("7F3K9Q")

    def test_what_follows_a_request_of_ours_begins_as_it_did(self) -> None:
        frame = compose.frame_for(
            REQUEST, local=BEX.symbol, partner=SFU.symbols[0], at=NOW, role=Role.REQUESTER
        )
        assert frame == FRAME

    def test_after_a_forwarding_it_goes_to_the_new_responder(self) -> None:
        frame = compose.frame_for(
            REQUEST, local=BEX.symbol, partner=YORK, at=NOW, encoding="latin-1", role=Role.REQUESTER
        )
        assert frame == replace(FRAME, responder_id=system_id_of(YORK), encoding="latin-1")

    def test_a_request_that_does_not_name_us_is_ours_all_the_same(self) -> None:
        request = replace(REQUEST, requester_id=None)
        frame = compose.frame_for(
            request, local=BEX.symbol, partner=SFU.symbols[0], at=NOW, role=Role.REQUESTER
        )
        assert frame.requester_id == system_id_of(BEX.symbol)


class TestRepeat:
    LATER: Final = NOW + dt.timedelta(days=1, minutes=5)

    @pytest.mark.parametrize("place", range(len(PRIMITIVES)))
    def test_a_repeat_differs_in_its_times_only(self, place: int) -> None:
        apdu = composed(PRIMITIVES[place])
        repeat = compose.repeat_of(apdu, self.LATER)
        assert decode(encode(repeat)) == repeat
        assert repeat.service_date_time == ill.ServiceDateTime(
            date_time_of_this_service=ill.DateTimeOfThisService(date="20261119", time="103500"),
            date_time_of_original_service=ill.DateTimeOfOriginalService(date="20261118", time="103000"),
        )
        assert replace(repeat, service_date_time=apdu.service_date_time) == apdu

    def test_a_repeat_of_a_repeat_is_one_of_the_first_sending(self) -> None:
        first = compose.repeat_of(composed(primitives.Cancel()), self.LATER)
        again = compose.repeat_of(first, self.LATER + dt.timedelta(hours=1))
        assert again.service_date_time.date_time_of_original_service == (
            first.service_date_time.date_time_of_original_service
        )
        assert again.service_date_time.date_time_of_this_service.time == "113500"

    def test_a_first_sending_without_a_time_has_none_in_its_repeat(self) -> None:
        sent = replace(
            apdus.cancel(REQUEST),
            service_date_time=ill.ServiceDateTime(
                date_time_of_this_service=ill.DateTimeOfThisService(date="20261117")
            ),
        )
        repeat = compose.repeat_of(sent, self.LATER)
        assert repeat.service_date_time.date_time_of_original_service == ill.DateTimeOfOriginalService(
            date="20261117"
        )


class TestReports:
    def record(self, service: Service, *, by_us: bool) -> compose.ServiceRecord:
        return compose.ServiceRecord(service=service, at=NOW, by_us=by_us, changed_state=True, loan=True)

    def report(self, *history: compose.ServiceRecord, role: Role = Role.REQUESTER) -> ill.HistoryReport:
        apdu = compose.status_report(FRAME, REQUEST, history, CurrentState.PENDING, role=role)
        assert decode(encode(apdu)) == apdu
        assert apdu.status_report is not None
        return apdu.status_report.user_status_report

    def test_a_requester_tells_of_its_own_request(self) -> None:
        report = self.report(self.record(Service.ILL, by_us=True))
        assert report.initiator_of_most_recent_service == system_id_of(BEX.symbol)
        assert report.date_requested == "20261118"
        assert report.title_of_article == text(FULL.item.article_title or "")

    def test_what_the_responder_did_last_is_the_responders(self) -> None:
        requested, shipped = (
            self.record(Service.ILL, by_us=True),
            self.record(Service.SHI, by_us=False),
        )
        assert self.report(requested, shipped).initiator_of_most_recent_service == system_id_of(
            SFU.symbols[0]
        )

    def test_who_forwarded_says_so_and_who_heard_of_it_says_that(self) -> None:
        requested = self.record(Service.ILL, by_us=False)
        ours = self.report(requested, self.record(Service.FWN, by_us=True), role=Role.RESPONDER)
        assert ours.most_recent_service is ill.MostRecentService.fORWARD
        theirs = self.report(requested, self.record(Service.FWN, by_us=False))
        assert theirs.most_recent_service is ill.MostRecentService.fORWARD_NOTIFICATION

    def test_a_request_that_ran_out(self) -> None:
        expired = compose.expired(FRAME)
        assert decode(encode(expired)) == expired == ill.Expired(**FRAME.components)
