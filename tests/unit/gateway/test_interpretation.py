"""What each of the twenty APDUs means to the machine."""

from dataclasses import replace
from typing import Final

import pytest

from asn1 import ill
from asn1.ill import ILLApdu, ILLServiceType, TransactionResults
from asn1.schema import Unlisted
from iso_gateway.half.interpretation import (
    Direction,
    direction_of,
    facts_received,
    is_marked_repeat,
    receiving_role,
    service_of,
)
from iso_gateway.protocol.events import ApduType, Facts, Service
from iso_gateway.protocol.states import Role
from tests.support import apdus
from tests.support.gateway import BEX, SFU

REQUEST = apdus.ill_request()
FRAME: Final = {
    "protocol_version_num": 2,
    "transaction_id": REQUEST.transaction_id,
    "service_date_time": REQUEST.service_date_time,
}
TO_RESPONDER = {
    ill.ILLRequest,
    ill.ConditionalReply,
    ill.Cancel,
    ill.Received,
    ill.Returned,
    ill.Renew,
}
EITHER = {ill.Message, ill.StatusQuery, ill.StatusOrErrorReport, ill.Lost, ill.Damaged}


def answer(result: TransactionResults | Unlisted) -> ill.ILLAnswer:
    return ill.ILLAnswer(**FRAME, transaction_results=result)  # type: ignore[arg-type]


def shipped(kind: ILLServiceType | Unlisted) -> ill.Shipped:
    return ill.Shipped(**FRAME, shipped_service_type=kind, supply_details=ill.SupplyDetails())  # type: ignore[arg-type]


def bare(apdu_type: type[ILLApdu], **fields: object) -> ILLApdu:
    return apdu_type(**FRAME, **fields)  # type: ignore[arg-type]


SERVICES: list[tuple[ILLApdu, Service]] = [
    (REQUEST, Service.ILL),
    (
        bare(
            ill.ForwardNotification,
            responder_id=apdus.system_id("ILLUME:UBC"),
            intermediary_id=apdus.system_id("ILLUME:SFU"),
        ),
        Service.FWN,
    ),
    (shipped(ILLServiceType.loan), Service.SHI),
    (answer(TransactionResults.conditional), Service.ANS_CO),
    (answer(TransactionResults.retry), Service.ANS_RY),
    (answer(TransactionResults.unfilled), Service.ANS_UN),
    (answer(TransactionResults.locations_provided), Service.ANS_LP),
    (answer(TransactionResults.will_supply), Service.ANS_WS),
    (answer(TransactionResults.hold_placed), Service.ANS_HP),
    (answer(TransactionResults.estimate), Service.ANS_ES),
    (apdus.conditional_reply(REQUEST, answer=True), Service.C_REP_YES),
    (apdus.conditional_reply(REQUEST, answer=False), Service.C_REP_NO),
    (apdus.cancel(REQUEST), Service.CAN),
    (bare(ill.CancelReply, answer=True), Service.CAR_YES),
    (bare(ill.CancelReply, answer=False), Service.CAR_NO),
    (apdus.received(REQUEST), Service.RCV),
    (bare(ill.Recall), Service.RCL),
    (apdus.returned(REQUEST), Service.RET),
    (bare(ill.CheckedIn, date_checked_in="20261116"), Service.CHK),
    (bare(ill.Overdue, date_due=ill.DateDue(date_due_field="20261116")), Service.DUE),
    (apdus.renew(REQUEST), Service.REN),
    (bare(ill.RenewAnswer, answer=True), Service.REA_YES),
    (bare(ill.RenewAnswer, answer=False), Service.REA_NO),
    (apdus.lost(REQUEST), Service.LST),
    (bare(ill.Damaged), Service.DAM),
    (apdus.message(REQUEST), Service.MSG),
    (apdus.status_query(REQUEST), Service.STQ),
    (apdus.error_report(REQUEST), Service.STR),
    (bare(ill.Expired), Service.EXP),
]


class TestService:
    @pytest.mark.parametrize(("apdu", "service"), SERVICES, ids=[service.value for _, service in SERVICES])
    def test_every_apdu_is_a_service(self, apdu: ILLApdu, service: Service) -> None:
        assert service_of(apdu) is service
        assert service.apdu_type is ApduType(type(apdu).apdu_tag.number)

    def test_no_apdu_and_no_service_is_left_out(self) -> None:
        assert {type(apdu) for apdu, _ in SERVICES} == set(ill.APDUS)
        assert {service for _, service in SERVICES} == set(Service)

    def test_an_answer_that_the_standard_does_not_list_is_no_service(self) -> None:
        assert service_of(answer(Unlisted(9))) is None


class TestDirection:
    def test_every_type_has_one(self) -> None:
        for apdu_type in ill.APDUS:
            expected = (
                Direction.TO_RESPONDER
                if apdu_type in TO_RESPONDER
                else Direction.EITHER
                if apdu_type in EITHER
                else Direction.TO_REQUESTER
            )
            assert direction_of(apdu_type) is expected, apdu_type

    def test_the_receivers_role_follows_where_the_type_tells(self) -> None:
        assert receiving_role(Direction.TO_RESPONDER) is Role.RESPONDER
        assert receiving_role(Direction.TO_REQUESTER) is Role.REQUESTER
        assert receiving_role(Direction.EITHER) is None


class TestRepeat:
    def test_a_first_sending_is_none(self) -> None:
        assert not is_marked_repeat(REQUEST)

    def test_the_time_of_the_original_marks_one(self) -> None:
        assert is_marked_repeat(apdus.repeat_of(REQUEST))

    def test_a_blank_date_marks_nothing(self) -> None:
        blank = ill.DateTimeOfOriginalService(date="  ")
        when = replace(REQUEST.service_date_time, date_time_of_original_service=blank)
        assert not is_marked_repeat(replace(REQUEST, service_date_time=when))


def received(apdu: ILLApdu, *, original_seen: bool = False) -> Facts:
    return facts_received(apdu, SFU, BEX, original_seen=original_seen)


class TestFacts:
    def test_a_request_says_what_its_sender_can_do(self) -> None:
        assert received(REQUEST) == Facts(
            may_forward=False, can_send_shipped=True, can_send_received=True, can_send_returned=True
        )

    def test_each_of_them_is_read_from_its_own_field(self) -> None:
        messages = replace(REQUEST.requester_optional_messages, can_send_RECEIVED=False)
        request = replace(apdus.ill_request(forwardable=True), requester_optional_messages=messages)
        assert received(request, original_seen=True) == Facts(
            may_forward=True,
            can_send_shipped=True,
            can_send_received=False,
            can_send_returned=True,
            original_seen=True,
        )

    def test_third_party_info_without_permission_permits_nothing(self) -> None:
        request = replace(REQUEST, third_party_info_type=ill.ThirdPartyInfoType())
        assert received(request).may_forward is False

    @pytest.mark.parametrize(
        ("kind", "loan"),
        [
            (ILLServiceType.loan, True),
            (ILLServiceType.copy_non_returnable, False),
            (Unlisted(9), False),
        ],
    )
    def test_what_was_shipped_is_a_loan_or_not(self, kind: ILLServiceType | Unlisted, *, loan: bool) -> None:
        assert received(shipped(kind)) == Facts(loan=loan)
        arrived = replace(apdus.received(REQUEST), shipped_service_type=kind)
        assert received(arrived) == Facts(loan=loan)

    def test_the_others_say_nothing(self) -> None:
        assert received(apdus.cancel(REQUEST)) == Facts()
        assert received(apdus.renew(REQUEST), original_seen=True) == Facts(original_seen=True)
