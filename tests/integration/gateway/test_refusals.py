"""Messages that are refused before the machine sees them: what is stored, told and answered, and to whom."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from asn1 import ill
from asn1.codec import WireError, encode
from asn1.ill import SystemId
from asn1.schema import GeneralString
from config.settings import LocalSymbol, Route, Settings
from config.symbols import Symbol
from iso_gateway.message.identity import system_id_of
from iso_gateway.reception import MESSAGE_REFUSED, MESSAGE_UNREADABLE, Processed, Verdict
from tests.support import apdus, gateway
from tests.support.gateway import AT_SFU, AT_UBC, AT_YAZ, ELSEWHERE, Desk

REQUEST = apdus.ill_request()
FROM_SFU = apdus.ill_request(requester="ILLUME:SFU")
STRANGER = apdus.ill_request(requester="ILLUME:XYZ")
TO_STRANGER = apdus.ill_request(responder="ILLUME:XYZ")
SECURITY = "security_problem"


def octets_without_item(request: ill.ILLRequest) -> bytes:
    """Give octets whose beginning can be read, and whose contents cannot: a component is missing."""
    octets = encode(request)
    # The last component of the request, item-id, becomes [99]: the mandatory one is not there any more.
    marker = b"\xb0"
    place = octets.rindex(marker)
    return octets[:place] + b"\xbe" + octets[place + 1 :]


def cut(octets: bytes) -> bytes:
    """Give octets that end in the middle."""
    return octets[:-3]


def problem(desk: Desk, processed: Processed) -> tuple[str, object]:
    """Give what the one report that waits to be sent complains of, checked against what was stored."""
    [answer] = desk.outgoing()
    assert answer.row.message_id == processed.answer == desk.processing(processed).answer_message_id
    error = answer.report.error_report
    assert error is not None
    match error:
        case ill.ErrorReport(
            report_source=ill.ReportSource.user, user_error_report=ill.UserErrorReport() as of
        ):
            return of.chosen
        case ill.ErrorReport(
            report_source=ill.ReportSource.provider, provider_error_report=ill.ProviderErrorReport() as by
        ):
            return by.chosen
    raise AssertionError(error)


def refused(desk: Desk, processed: Processed, verdict: Verdict, reason: str) -> None:
    """Hold what is stored about a refused message to what it must be: no half, one event, the reason."""
    assert processed.verdict is verdict
    record = desk.processing(processed)
    assert record.verdict == verdict
    assert reason in record.reason
    assert record.partner == processed.partner
    assert (record.half_id, record.transaction_id, processed.half_id) == (None, None, None)
    [event] = desk.events()
    assert (event.kind, event.half_id, event.message_id) == (MESSAGE_REFUSED, None, processed.message_id)
    assert event.detail == {"verdict": verdict.value, "reason": record.reason}
    assert desk.counts()["halves"] == 0


class TestVersion:
    @pytest.mark.parametrize("version", [0, 3, -1, 2**70])
    def test_another_version_is_said_not_to_be_spoken(self, desk: Desk, version: int) -> None:
        processed = desk.receive(replace(REQUEST, protocol_version_num=version))
        refused(desk, processed, Verdict.VERSION_NOT_SUPPORTED, f"protocol version {version} is not spoken")
        assert processed.partner == "YAZ"
        assert problem(desk, processed) == (
            "general_problem",
            ill.GeneralProblem.protocol_version_not_supported,
        )
        [answer] = desk.outgoing()
        assert answer.report.protocol_version_num == 2
        assert answer.to == ("YAZ", "c-1")

    def test_a_version_comes_before_the_syntax_which_is_not_ours_to_judge(self, desk: Desk) -> None:
        octets = octets_without_item(replace(REQUEST, protocol_version_num=3))
        refused(desk, desk.receive(octets), Verdict.VERSION_NOT_SUPPORTED, "protocol version 3 is not spoken")

    @pytest.mark.parametrize("version", [1, 2])
    def test_both_versions_are_spoken_and_answered_in_kind(self, desk: Desk, version: int) -> None:
        processed = desk.receive(replace(REQUEST, protocol_version_num=version))
        assert processed.verdict is Verdict.APPLIED
        [answer] = desk.outgoing()
        assert answer.report.protocol_version_num == version
        assert desk.half(processed.half_id).protocol_version == version


class TestUnreadable:
    def unreadable(self, desk: Desk, processed: Processed) -> None:
        assert processed.verdict is Verdict.UNREADABLE
        [event] = desk.events()
        assert (event.kind, event.half_id, event.message_id) == (
            MESSAGE_UNREADABLE,
            None,
            processed.message_id,
        )
        assert desk.counts()["halves"] == 0

    def test_what_says_nothing_at_all_is_kept_and_not_answered(self, desk: Desk) -> None:
        processed = desk.receive(b"GET / HTTP/1.1\r\n\r\n")
        self.unreadable(desk, processed)
        record = desk.processing(processed)
        assert (record.apdu_type, record.partner, record.answer_message_id) == (None, None, None)
        assert record.error_offset is not None
        assert desk.outgoing() == []
        with desk.reading() as uow:
            assert uow.messages.raw(processed.message_id) == b"GET / HTTP/1.1\r\n\r\n"

    def test_a_missing_component_is_a_mistyped_apdu(self, desk: Desk) -> None:
        processed = desk.receive(octets_without_item(REQUEST))
        self.unreadable(desk, processed)
        record = desk.processing(processed)
        assert (record.apdu_type, record.partner, processed.apdu_type) == (
            "ILL-Request",
            "YAZ",
            "ILL-Request",
        )
        assert record.error_path == "ILL-Request"
        assert problem(desk, processed) == ("general_problem", ill.GeneralProblem.mistyped_APDU)
        [answer] = desk.outgoing()
        error = answer.report.error_report
        assert error is not None
        assert error.correlation_information.text == "ILL-REQUEST 20261116 101500"
        assert answer.report.transaction_id == REQUEST.transaction_id

    def test_octets_that_end_too_early_are_badly_structured(self, desk: Desk) -> None:
        processed = desk.receive(cut(encode(REQUEST)))
        self.unreadable(desk, processed)
        assert problem(desk, processed) == ("general_problem", ill.GeneralProblem.badly_structured_APDU)

    def test_a_tag_that_is_none_of_the_twenty_is_unrecognized(self, desk: Desk) -> None:
        processed = desk.receive(b"\x75" + encode(REQUEST)[1:])
        self.unreadable(desk, processed)
        assert processed.apdu_type is None
        assert problem(desk, processed) == ("general_problem", ill.GeneralProblem.unrecognized_APDU)
        [answer] = desk.outgoing()
        assert answer.report.error_report is not None
        assert answer.report.error_report.correlation_information.text == "APDU 20261116 101500"

    def test_a_report_that_cannot_be_read_is_not_answered_by_another(self, desk: Desk) -> None:
        processed = desk.receive(cut(encode(apdus.error_report(REQUEST))))
        self.unreadable(desk, processed)
        assert processed.apdu_type == "Status-Or-Error-Report"
        assert desk.outgoing() == []

    def test_a_stranger_is_answered_on_its_connection_and_nowhere_else(self, desk: Desk) -> None:
        processed = desk.receive(cut(encode(STRANGER)), peer=ELSEWHERE, connection="c-9")
        self.unreadable(desk, processed)
        [answer] = desk.outgoing()
        assert answer.to == (None, "c-9")

    def test_a_stranger_on_a_one_way_connection_is_not_answered(self, desk: Desk) -> None:
        processed = desk.receive(cut(encode(STRANGER)), peer=ELSEWHERE, two_way=False)
        self.unreadable(desk, processed)
        assert (processed.answer, desk.outgoing()) == (None, [])

    def test_who_only_says_that_it_is_a_partner_does_not_make_us_write_to_that_partner(
        self, desk: Desk
    ) -> None:
        processed = desk.receive(cut(encode(REQUEST)), peer=ELSEWHERE, two_way=False)
        assert processed.partner is None
        assert desk.outgoing() == []

    def test_an_answer_that_the_standard_does_not_list_is_mistyped(self, desk: Desk) -> None:
        octets = encode(
            ill.ILLAnswer(
                protocol_version_num=2,
                transaction_id=FROM_SFU.transaction_id,
                service_date_time=FROM_SFU.service_date_time,
                requester_id=apdus.system_id("ILLUME:BEX"),
                responder_id=apdus.system_id("ILLUME:SFU"),
                transaction_results=ill.TransactionResults.retry,
            )
        )
        unlisted = octets.replace(b"\x9f\x1f\x01\x02", b"\x9f\x1f\x01\x09")
        processed = desk.receive(unlisted, peer=AT_SFU)
        refused(desk, processed, Verdict.UNREADABLE, "transaction-results the standard does not list")
        assert problem(desk, processed) == ("general_problem", ill.GeneralProblem.mistyped_APDU)

    def test_what_an_adapter_could_not_frame_is_kept_with_the_reason(self, desk: Desk) -> None:
        error = WireError("the reserved length octet ff", offset=3)
        with desk.site.store.unit_of_work() as uow:
            arrival = gateway.arrival(peer=AT_SFU, two_way=True, connection="c-1")
            processed = desk.site.gateway.receive_unreadable(uow, b"\x61\xff", error, arrival)
        self.unreadable(desk, processed)
        record = desk.processing(processed)
        assert (record.reason, record.error_offset) == ("the reserved length octet ff", 3)


class TestRecipient:
    def test_a_symbol_that_is_not_served_is_refused(self, desk: Desk) -> None:
        processed = desk.receive(TO_STRANGER, connection="c-4")
        refused(
            desk, processed, Verdict.UNKNOWN_RECIPIENT, "addressed to a symbol that this gateway does not"
        )
        assert processed.partner == "YAZ"
        kind, words = problem(desk, processed)
        assert (kind, words) == (SECURITY, GeneralString(b"The library addressed is not served here"))
        [answer] = desk.outgoing()
        assert answer.to == ("YAZ", "c-4")
        assert answer.report.responder_id == apdus.system_id("ILLUME:XYZ")

    def test_a_partner_on_a_one_way_connection_is_told_at_its_own_address(self, desk: Desk) -> None:
        desk.receive(TO_STRANGER, two_way=False)
        [answer] = desk.outgoing()
        assert answer.to == ("YAZ", None)

    def test_a_stranger_who_writes_to_strangers_is_told_on_its_connection_only(self, desk: Desk) -> None:
        request = apdus.ill_request(requester="ILLUME:XYZ", responder="ILLUME:ZYX")
        refused(desk, desk.receive(request, peer=ELSEWHERE), Verdict.UNKNOWN_RECIPIENT, "not serve")
        [answer] = desk.outgoing()
        assert answer.to == (None, "c-1")

    def test_with_two_libraries_a_request_has_to_say_for_whom_it_is(self, settings: Settings) -> None:
        isle = LocalSymbol(name="ISLE", symbol=Symbol("ILLUME", "ISLE"))
        with Desk.open(replace(settings, local=(*settings.local, isle), routes=())) as desk:
            processed = desk.receive(replace(REQUEST, responder_id=None))
            refused(desk, processed, Verdict.UNKNOWN_RECIPIENT, "does not serve")
            [answer] = desk.outgoing()
            assert answer.report.responder_id is None

    def test_a_library_without_a_route_to_the_partner_is_not_served_to_it(self, settings: Settings) -> None:
        routes = (Route(local="BEX", partner="SFU"),)
        with Desk.open(replace(settings, routes=routes)) as desk:
            refused(
                desk,
                desk.receive(REQUEST),
                Verdict.UNKNOWN_RECIPIENT,
                "there is no route between BEX and YAZ: add one to the configuration",
            )
            assert desk.receive(FROM_SFU, peer=AT_SFU).verdict is Verdict.APPLIED


class TestSender:
    def test_a_stranger_is_told_on_its_own_connection(self, desk: Desk) -> None:
        processed = desk.receive(STRANGER, peer=ELSEWHERE, connection="c-7")
        refused(desk, processed, Verdict.UNKNOWN_SENDER, "its sender is no partner of this gateway: add a")
        assert processed.partner is None
        assert problem(desk, processed) == (SECURITY, GeneralString(b"The sender is not known here"))
        [answer] = desk.outgoing()
        assert answer.to == (None, "c-7")
        assert answer.report.requester_id == apdus.system_id("ILLUME:XYZ")

    def test_a_stranger_on_a_one_way_connection_is_told_nothing(self, desk: Desk) -> None:
        processed = desk.receive(STRANGER, peer=ELSEWHERE, two_way=False)
        refused(desk, processed, Verdict.UNKNOWN_SENDER, "its sender is no partner")
        assert (processed.answer, desk.processing(processed).answer_message_id) == (None, None)
        assert desk.counts()["outbox"] == 0

    @pytest.mark.parametrize("two_way", [True, False])
    def test_a_partners_symbol_from_elsewhere_is_not_that_partner(self, desk: Desk, *, two_way: bool) -> None:
        processed = desk.receive(REQUEST, peer=ELSEWHERE, two_way=two_way, connection="c-8")
        refused(
            desk,
            processed,
            Verdict.UNKNOWN_SENDER,
            "it names YAZ as its sender but comes from an address outside of allowed_sources",
        )
        assert processed.partner is None
        assert [answer.to for answer in desk.outgoing()] == ([(None, "c-8")] if two_way else [])

    def test_where_addresses_are_limited_a_message_without_one_is_a_strangers(self, desk: Desk) -> None:
        assert desk.receive(REQUEST, peer=None).verdict is Verdict.UNKNOWN_SENDER
        unlimited = apdus.ill_request(requester="ILLUME:UBC")
        assert desk.receive(unlimited, peer=None).verdict is Verdict.APPLIED

    def test_who_says_nothing_and_comes_from_nowhere_known_is_nobody(self, desk: Desk) -> None:
        nameless = replace(
            REQUEST,
            requester_id=None,
            transaction_id=replace(REQUEST.transaction_id, initial_requester_id=None),
        )
        processed = desk.receive(nameless, peer=ELSEWHERE)
        refused(desk, processed, Verdict.UNKNOWN_SENDER, "it does not say who sent it")
        [answer] = desk.outgoing()
        assert answer.report.requester_id is None

    def test_an_address_that_two_partners_share_names_neither(self, settings: Settings) -> None:
        both = replace(gateway.UBC, allowed_sources=(ip_network("127.0.0.1"),))
        nameless = replace(
            REQUEST,
            requester_id=None,
            transaction_id=replace(REQUEST.transaction_id, initial_requester_id=None),
        )
        with Desk.open(gateway.with_partner(settings, both)) as desk:
            assert desk.receive(nameless, peer=AT_YAZ).verdict is Verdict.UNKNOWN_SENDER
            assert desk.receive(REQUEST, peer=AT_YAZ).verdict is Verdict.APPLIED

    def test_ipv6_networks_are_looked_into_too(self, settings: Settings) -> None:
        inside = replace(gateway.UBC, allowed_sources=(ip_network("2001:db8::/32"),))
        with Desk.open(gateway.with_partner(settings, inside)) as desk:
            request = apdus.ill_request(requester="ILLUME:UBC")
            assert desk.receive(request, peer=AT_SFU).verdict is Verdict.UNKNOWN_SENDER
            assert desk.receive(request, peer=AT_UBC).verdict is Verdict.APPLIED


class TestNotThePartner:
    def test_another_partners_request_is_none_of_its_business(self, desk: Desk) -> None:
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        meddling = replace(apdus.cancel(FROM_SFU), requester_id=apdus.system_id("ILLUME:YAZ"))
        before = desk.half(half)
        processed = desk.receive(meddling, peer=AT_YAZ)
        assert processed.verdict is Verdict.NOT_THE_PARTNER
        assert processed.partner == "YAZ"
        record = desk.processing(processed)
        assert record.reason == "the request is between BEX and SFU"
        assert record.half_id is None
        assert problem(desk, processed) == (SECURITY, GeneralString(b"The request is another library's"))
        assert desk.half(half) == before
        assert len(desk.inputs(half)) == 1

    def test_nor_can_it_ask_how_the_request_stands(self, desk: Desk) -> None:
        desk.begin(FROM_SFU, peer=AT_SFU)
        prying = replace(apdus.status_query(FROM_SFU), requester_id=apdus.system_id("ILLUME:YAZ"))
        assert desk.receive(prying).verdict is Verdict.NOT_THE_PARTNER
        [answer] = desk.outgoing()
        assert answer.report.status_report is None


class TestTransactionId:
    @pytest.mark.parametrize(("group", "qualifier"), [("", "1"), ("  ", "1"), ("G", ""), ("G", " ")])
    def test_a_blank_qualifier_is_invalid(self, desk: Desk, group: str, qualifier: str) -> None:
        processed = desk.receive(apdus.ill_request(group=group, transaction=qualifier))
        refused(desk, processed, Verdict.INVALID_TRANSACTION_ID, "its Transaction-Id lacks a qualifier")
        assert problem(desk, processed) == (
            "transaction_id_problem",
            ill.TransactionIdProblem.invalid_transaction_id,
        )

    @pytest.mark.parametrize(
        "apdu",
        [
            apdus.cancel(REQUEST),
            apdus.message(REQUEST),
            apdus.status_query(REQUEST),
            apdus.received(REQUEST),
            apdus.repeat_of(apdus.cancel(REQUEST)),
        ],
        ids=lambda apdu: str(apdu.asn1_name),
    )
    def test_nobody_begins_with_anything_but_a_request(self, desk: Desk, apdu: ill.ILLApdu) -> None:
        processed = desk.receive(apdu)
        refused(desk, processed, Verdict.UNKNOWN_TRANSACTION, "for a transaction that is not known here")
        assert processed.partner == "YAZ"
        assert problem(desk, processed) == (
            "transaction_id_problem",
            ill.TransactionIdProblem.unknown_transaction_id,
        )

    def test_a_lenders_message_for_a_request_that_we_never_made(self, desk: Desk) -> None:
        ours = apdus.ill_request(requester="ILLUME:BEX", responder="ILLUME:SFU")
        shipped = ill.Shipped(
            protocol_version_num=2,
            transaction_id=ours.transaction_id,
            service_date_time=ours.service_date_time,
            requester_id=ours.requester_id,
            responder_id=ours.responder_id,
            shipped_service_type=ill.ILLServiceType.loan,
            supply_details=ill.SupplyDetails(),
        )
        processed = desk.receive(shipped, peer=AT_SFU)
        refused(desk, processed, Verdict.UNKNOWN_TRANSACTION, "SHIPPED for a transaction that is not known")
        assert processed.partner == "SFU"
        [answer] = desk.outgoing()
        assert answer.to == ("SFU", "c-1")

    @pytest.mark.parametrize("blank", [None, SystemId()])
    def test_a_lender_who_leaves_us_out_is_answered_in_our_name(
        self, desk: Desk, blank: SystemId | None
    ) -> None:
        ours = apdus.ill_request(requester="ILLUME:BEX", responder="ILLUME:SFU")
        shipped = ill.CheckedIn(
            protocol_version_num=2,
            transaction_id=replace(ours.transaction_id, initial_requester_id=None),
            service_date_time=ours.service_date_time,
            requester_id=blank,
            responder_id=ours.responder_id,
            date_checked_in="20261116",
        )
        assert desk.receive(shipped, peer=AT_SFU).verdict is Verdict.UNKNOWN_TRANSACTION
        [answer] = desk.outgoing()
        assert answer.report.requester_id == system_id_of(Symbol("ILLUME", "BEX"))
        assert answer.report.responder_id == ours.responder_id

    def test_a_message_from_a_lender_finds_us_by_our_symbol(self, desk: Desk) -> None:
        ours = apdus.ill_request(requester="ILLUME:BEX", responder="ILLUME:SFU")
        processed = desk.receive(apdus.message(ours), peer=AT_SFU)
        refused(desk, processed, Verdict.UNKNOWN_TRANSACTION, "MESSAGE for a transaction that is not known")
        assert processed.partner == "SFU"


class TestLoopGuard:
    @pytest.mark.parametrize(
        ("report", "peer", "verdict"),
        [
            (apdus.error_report(REQUEST), AT_YAZ, Verdict.IGNORED),
            (apdus.error_report(STRANGER), ELSEWHERE, Verdict.UNKNOWN_SENDER),
            (apdus.error_report(TO_STRANGER), AT_YAZ, Verdict.UNKNOWN_RECIPIENT),
            (
                replace(apdus.error_report(REQUEST), protocol_version_num=3),
                AT_YAZ,
                Verdict.VERSION_NOT_SUPPORTED,
            ),
        ],
    )
    def test_a_report_is_never_answered_by_a_report(
        self, desk: Desk, report: ill.StatusOrErrorReport, peer: str, verdict: Verdict
    ) -> None:
        processed = desk.receive(report, peer=peer)
        refused(desk, processed, verdict, "")
        assert desk.counts()["outbox"] == 0

    def test_not_even_about_a_request_that_is_known(self, desk: Desk) -> None:
        half = desk.begin(REQUEST)
        processed = desk.receive(apdus.error_report(REQUEST))
        assert processed.verdict is Verdict.APPLIED
        assert processed.half_id == half
        assert desk.outgoing() == []
        kinds = [event.kind for event in desk.events()]
        assert kinds[-2:] == ["status-or-error-report.indication", "attention"]
