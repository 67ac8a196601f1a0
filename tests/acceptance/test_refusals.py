"""Whom the gateway answers, what it says is wrong, and to whom it says nothing: protocol.md 2.2, 5.1, 5.2."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from asn1 import ill
from asn1.codec import decode, encode
from asn1.ill import (
    CurrentState,
    GeneralProblem,
    ILLApdu,
    ILLAPDUType,
    ReportSource,
    StatusOrErrorReport,
    TransactionIdProblem,
)
from tests.support.apdus import (
    BEGUN,
    cancel,
    error_report,
    ill_request,
    message,
    renew,
    repeat_of,
    status_query,
    system_id,
    text,
)
from tests.support.daemon import HOLD, ONE_WAY, TWO_WAY, Installation, PartnerListener, RunningDaemon, Stored

#: An address of this machine that the partner NEAR sends from, and one that it does not.
NEAR_IS_HERE: Final = "127.0.0.2"
NEAR_IS_NOT_HERE: Final = "127.0.0.3"


@pytest.fixture(scope="module")
def up() -> Iterator[PartnerListener]:
    """The listener of YAZ, which shows what is sent to YAZ's address."""
    with PartnerListener().listen() as partner:
        yield partner


@pytest.fixture(scope="module")
def gateway(up: PartnerListener, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A gateway with a partner of every kind."""
    installation = Installation(tmp_path_factory.mktemp("gateway"), yaz_port=up.port)
    installation.add_partner(
        "NEAR", keys=f'allowed_sources = ["{NEAR_IS_HERE}"]\nacknowledge = "status-report"'
    )
    installation.add_partner("LAX", keys='tables = "lenient"\nacknowledge = "status-report"')
    with installation.running() as daemon:
        yield daemon


class Told:
    """What an error report says, once it is certain that it is well made."""

    def __init__(self, octets: bytes, *, about: str) -> None:
        report = decode(octets)
        assert isinstance(report, StatusOrErrorReport)
        assert report.status_report is None
        error = report.error_report
        assert error is not None
        assert error.correlation_information == text(about)
        self.report: Final = report
        self.user: Final = error.user_error_report
        self.provider: Final = error.provider_error_report
        assert (self.user is None) is (error.report_source is ReportSource.provider)
        assert (self.provider is None) is (error.report_source is ReportSource.user)


THE_REQUEST: Final = "ILL-REQUEST 20261116 101500"


class TestOnTheirOwnTwoWayConnection:
    """Every refusal is answered where it came from."""

    def test_a_version_that_is_not_spoken(self, gateway: RunningDaemon) -> None:
        request = ill_request(transaction="version", version=3)
        answer = Told(gateway.exchange(TWO_WAY, request), about=THE_REQUEST)
        assert answer.provider == ill.ProviderErrorReport(
            general_problem=GeneralProblem.protocol_version_not_supported
        )
        assert answer.report.protocol_version_num == 2
        assert answer.report.transaction_id == request.transaction_id

    def test_a_symbol_that_is_not_served(self, gateway: RunningDaemon) -> None:
        request = ill_request(transaction="not served", responder="ILLUME:NOWHERE")
        answer = Told(gateway.exchange(TWO_WAY, request), about=THE_REQUEST)
        assert answer.user == ill.UserErrorReport(
            security_problem=text("The library addressed is not served here")
        )
        assert answer.report.responder_id == system_id("ILLUME:NOWHERE")

    def test_a_sender_that_is_unknown(self, gateway: RunningDaemon) -> None:
        request = ill_request(transaction="unknown sender", requester="ILLUME:WHO")
        answer = Told(gateway.exchange(TWO_WAY, request), about=THE_REQUEST)
        assert answer.user == ill.UserErrorReport(security_problem=text("The sender is not known here"))
        assert answer.report.requester_id == system_id("ILLUME:WHO")

    def test_a_sender_who_does_not_say_who_he_is_and_may_be_either_of_two(
        self, gateway: RunningDaemon
    ) -> None:
        request = ill_request(transaction="nameless", requester=" ")
        # YAZ may send from any address of this machine.
        answer = Told(gateway.exchange(TWO_WAY, request, source=NEAR_IS_HERE), about=THE_REQUEST)
        assert answer.user == ill.UserErrorReport(security_problem=text("The sender is not known here"))

    def test_a_sender_who_does_not_say_who_he_is_and_can_only_be_one(self, gateway: RunningDaemon) -> None:
        request = ill_request(transaction="known by address", requester=" ")
        answer = decode(gateway.exchange(TWO_WAY, request))
        assert answer.requester_id == system_id("ILLUME:YAZ")
        assert state_of(gateway, "known by address") == "IN-PROCESS"

    def test_a_known_sender_at_an_address_that_is_not_his(self, gateway: RunningDaemon) -> None:
        before = gateway.installation.last_message()
        request = ill_request(transaction="not his address", requester="ILLUME:NEAR")
        octets = gateway.exchange(TWO_WAY, request, source=NEAR_IS_NOT_HERE)
        answer = Told(octets, about=THE_REQUEST)
        # The same words as for a stranger: nobody learns whom we know.
        assert answer.user == ill.UserErrorReport(security_problem=text("The sender is not known here"))
        assert only(gateway, before).verdict == "unknown-sender"
        assert "INTERLENDING/not his address" not in numbers(gateway)

    def test_a_known_sender_at_his_own_address_is_served(self, gateway: RunningDaemon) -> None:
        request = ill_request(transaction="his address", requester="ILLUME:NEAR")
        answer = decode(gateway.exchange(TWO_WAY, request, source=NEAR_IS_HERE))
        assert isinstance(answer, StatusOrErrorReport)
        assert answer.status_report is not None
        assert "INTERLENDING/his address" in numbers(gateway)

    def test_a_transaction_id_without_a_qualifier(self, gateway: RunningDaemon) -> None:
        before = gateway.installation.last_message()
        answer = Told(gateway.exchange(TWO_WAY, ill_request(transaction=" ")), about=THE_REQUEST)
        assert answer.provider == ill.ProviderErrorReport(
            transaction_id_problem=TransactionIdProblem.invalid_transaction_id
        )
        assert only(gateway, before).verdict == "invalid-transaction-id"

    @pytest.mark.parametrize(
        ("apdu", "name"),
        [
            (cancel(ill_request(transaction="unheard of")), "CANCEL"),
            (message(ill_request(transaction="unheard of")), "MESSAGE"),
            (status_query(ill_request(transaction="unheard of")), "STATUS-QUERY"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_transaction_that_is_unknown(self, gateway: RunningDaemon, apdu: ILLApdu, name: str) -> None:
        before = gateway.installation.last_message()
        answer = Told(gateway.exchange(TWO_WAY, apdu), about=f"{name} 20261116 111500")
        assert answer.provider == ill.ProviderErrorReport(
            transaction_id_problem=TransactionIdProblem.unknown_transaction_id
        )
        assert only(gateway, before).verdict == "unknown-transaction"

    def test_a_state_in_which_it_is_not_allowed(self, gateway: RunningDaemon) -> None:
        request = ill_request(transaction="prohibited")
        gateway.exchange(TWO_WAY, request)
        before = gateway.installation.last_message()
        answer = Told(gateway.exchange(TWO_WAY, renew(request)), about="RENEW 20261116 111500")
        assert answer.provider == ill.ProviderErrorReport(
            state_transition_prohibited=ill.StateTransitionProhibited(
                aPDU_type=ILLAPDUType.rENEW, current_state=CurrentState.iN_PROCESS
            )
        )
        assert only(gateway, before).verdict == "prohibited"

    def test_another_partners_request(self, gateway: RunningDaemon) -> None:
        request = ill_request(transaction="another's")
        gateway.exchange(TWO_WAY, request)
        before = gateway.installation.last_message()
        theirs = replace(cancel(request), requester_id=system_id("ILLUME:ZED"))
        answer = Told(gateway.exchange(TWO_WAY, theirs), about="CANCEL 20261116 111500")
        assert answer.user is not None
        assert answer.user.security_problem is not None
        assert only(gateway, before).verdict == "not-the-partner"
        assert state_of(gateway, "another's") == "IN-PROCESS"

    def test_octets_that_cannot_be_read_but_say_whose_they_are(self, gateway: RunningDaemon) -> None:
        octets = encode(cancel(ill_request(transaction="cut off")))[:-2]
        answer = Told(gateway.exchange(TWO_WAY, octets), about="CANCEL 20261116 111500")
        assert answer.provider == ill.ProviderErrorReport(
            general_problem=GeneralProblem.badly_structured_APDU
        )


class TestRepeats:
    """The same again, in all its kinds (protocol.md 2.2)."""

    def test_the_same_octets_get_the_stored_answer_and_change_nothing(self, gateway: RunningDaemon) -> None:
        request = ill_request(transaction="exact")
        first = gateway.exchange(TWO_WAY, request)
        before = gateway.installation.last_message()
        assert gateway.exchange(TWO_WAY, request) == first
        assert only(gateway, before).verdict == "exact-duplicate"
        assert gateway.installation.sent(after=before) == [], "the stored answer, and no new one"
        assert numbers(gateway).count("INTERLENDING/exact") == 1

    def test_the_same_octets_on_a_one_way_connection_get_nothing(
        self, gateway: RunningDaemon, up: PartnerListener
    ) -> None:
        request = ill_request(transaction="exact, one-way")
        gateway.exchange(TWO_WAY, request)
        before = gateway.installation.last_message()
        assert gateway.exchange(ONE_WAY, request) == b""
        assert only(gateway, before).verdict == "exact-duplicate"
        assert nothing_waits(gateway)
        assert up.is_quiet()

    def test_a_marked_repeat_is_no_second_request(self, gateway: RunningDaemon) -> None:
        request = ill_request(transaction="repeat")
        gateway.exchange(TWO_WAY, request)
        before = gateway.installation.last_message()
        answer = decode(gateway.exchange(TWO_WAY, repeat_of(request)))
        assert isinstance(answer, StatusOrErrorReport)
        assert answer.error_report is None
        assert only(gateway, before).verdict == "repeated"
        assert state_of(gateway, "repeat") == "IN-PROCESS"
        assert numbers(gateway).count("INTERLENDING/repeat") == 1

    def test_a_repeat_whose_original_was_lost_is_the_request(self, gateway: RunningDaemon) -> None:
        gateway.exchange(TWO_WAY, repeat_of(ill_request(transaction="original lost")))
        assert state_of(gateway, "original lost") == "IN-PROCESS"

    def test_an_unmarked_second_request_is_a_duplicate_transaction_id(self, gateway: RunningDaemon) -> None:
        gateway.exchange(TWO_WAY, ill_request(transaction="second"))
        before = gateway.installation.last_message()
        second = ill_request(transaction="second", at=BEGUN + timedelta(minutes=1))
        answer = Told(gateway.exchange(TWO_WAY, second), about="ILL-REQUEST 20261116 101600")
        assert answer.provider == ill.ProviderErrorReport(
            transaction_id_problem=TransactionIdProblem.duplicate_transaction_id
        )
        assert only(gateway, before).verdict == "duplicate-transaction-id"

    def test_a_lenient_partner_need_not_mark_its_repeats(self, gateway: RunningDaemon) -> None:
        request = ill_request(transaction="unmarked", requester="ILLUME:LAX")
        gateway.exchange(TWO_WAY, request)
        before = gateway.installation.last_message()
        again = ill_request(transaction="unmarked", requester="ILLUME:LAX", at=BEGUN + timedelta(minutes=1))
        answer = decode(gateway.exchange(TWO_WAY, again))
        assert isinstance(answer, StatusOrErrorReport)
        assert answer.error_report is None
        assert only(gateway, before).verdict == "repeated"
        # With another title it is another request under the same number.
        other = replace(again, item_id=replace(again.item_id, title=text("Another title")))
        Told(gateway.exchange(TWO_WAY, other), about="ILL-REQUEST 20261116 101600")


class TestOnAOneWayConnection:
    """Nothing is ever written on it, so a report goes to the partner's own address or nowhere."""

    def test_a_partner_is_told_at_its_own_address(self, gateway: RunningDaemon, up: PartnerListener) -> None:
        before = gateway.installation.last_message()
        unheard_of = status_query(ill_request(transaction="unheard of, one-way"))
        assert gateway.exchange(ONE_WAY, unheard_of) == b""
        answer = Told(up.octets(), about="STATUS-QUERY 20261116 111500")
        assert answer.provider == ill.ProviderErrorReport(
            transaction_id_problem=TransactionIdProblem.unknown_transaction_id
        )
        [sent] = gateway.installation.sent(after=before)
        gateway.await_line("apdu.delivered", message_id=sent.id)

    @pytest.mark.parametrize(
        ("apdu", "source", "verdict"),
        [
            (ill_request(transaction="stranger", requester="ILLUME:WHO"), "127.0.0.1", "unknown-sender"),
            (ill_request(transaction="nameless", requester=" "), NEAR_IS_HERE, "unknown-sender"),
            (ill_request(transaction="not his", requester="ILLUME:NEAR"), NEAR_IS_NOT_HERE, "unknown-sender"),
            (
                ill_request(transaction="neither", requester="ILLUME:WHO", responder="ILLUME:NOWHERE"),
                "127.0.0.1",
                "unknown-recipient",
            ),
            (
                ill_request(transaction="version", requester="ILLUME:WHO", version=9),
                "127.0.0.1",
                "version-not-supported",
            ),
            (encode(ill_request(transaction="cut", requester="ILLUME:WHO"))[:-1], "127.0.0.1", "unreadable"),
        ],
        ids=["stranger", "nameless", "not his address", "neither known", "version", "unreadable"],
    )
    def test_a_stranger_is_told_nothing_anywhere(
        self,
        gateway: RunningDaemon,
        up: PartnerListener,
        apdu: bytes | ILLApdu,
        source: str,
        verdict: str,
    ) -> None:
        before = gateway.installation.last_message()
        assert gateway.exchange(ONE_WAY, apdu, source=source) == b""
        assert only(gateway, before).verdict == verdict
        assert gateway.installation.sent(after=before) == []
        assert nothing_waits(gateway)
        assert up.is_quiet()

    def test_the_address_that_a_stranger_gives_is_not_connected_to(self, gateway: RunningDaemon) -> None:
        with PartnerListener().listen() as trap:
            address = ill.SystemAddress(
                telecom_service_identifier=text("TCP"),
                telecom_service_address=text(f"127.0.0.1:{trap.port}"),
            )
            request = replace(
                ill_request(transaction="trap", requester="ILLUME:WHO"),
                delivery_address=ill.DeliveryAddress(electronic_address=address),
                third_party_info_type=ill.ThirdPartyInfoType(initial_requester_address=address),
            )
            before = gateway.installation.last_message()
            gateway.exchange(ONE_WAY, request)
            gateway.exchange(TWO_WAY, request)
            assert [one.verdict for one in gateway.installation.received(after=before)] == [
                "unknown-sender"
            ] * 2
            assert nothing_waits(gateway)
            assert trap.is_quiet()


def test_a_stranger_who_has_gone_is_not_looked_for(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    with installation.running(before=HOLD) as gateway:
        with gateway.connect(TWO_WAY) as peer:
            peer.send(ill_request(requester="ILLUME:WHO"))
            gateway.await_line("held")
            peer.reset()
        gateway.release()
        line = gateway.await_line("apdu.not-delivered")
        assert line["reason"] == "the connection to answer on is closed, and its sender is unknown"
        assert nothing_waits(gateway)


@pytest.mark.parametrize("listener", [ONE_WAY, TWO_WAY])
@pytest.mark.parametrize(
    "request_",
    [
        ill_request(transaction="reported"),
        ill_request(transaction="never begun"),
        ill_request(transaction="of a stranger", requester="ILLUME:WHO"),
        ill_request(transaction="of nobody", responder="ILLUME:NOWHERE"),
        ill_request(transaction=" "),
        ill_request(transaction="in version 9", version=9),
    ],
    ids=["known", "unknown", "stranger", "not served", "no qualifier", "version"],
)
def test_a_report_is_never_answered_by_a_report(
    gateway: RunningDaemon, up: PartnerListener, listener: str, request_: ill.ILLRequest
) -> None:
    gateway.exchange(TWO_WAY, ill_request(transaction="reported"))
    before = gateway.installation.last_message()
    assert gateway.exchange(listener, error_report(request_)) == b""
    assert only(gateway, before).processing is not None
    assert gateway.installation.sent(after=before) == []
    assert nothing_waits(gateway)
    assert up.is_quiet()


def only(gateway: RunningDaemon, before: int) -> Stored:
    """Give the one message that has come in since."""
    [stored] = gateway.installation.received(after=before)
    return stored


def numbers(gateway: RunningDaemon) -> list[str]:
    """Give the numbers of all requests."""
    return [str((one.summary or {})["request_number"]) for one in gateway.installation.requests()]


def state_of(gateway: RunningDaemon, transaction: str) -> str:
    """Give the state of the one request with this transaction-qualifier."""
    [state] = [
        one.half.state
        for one in gateway.installation.requests()
        if (one.summary or {})["request_number"] == f"INTERLENDING/{transaction}"
    ]
    return state


def nothing_waits(gateway: RunningDaemon) -> bool:
    """Whether nothing is on its way to anybody."""
    with gateway.installation.reading() as uow:
        return uow.outbox.list() == ()
