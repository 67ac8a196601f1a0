"""A whole loan over TCP, with a partner that is down when the first answer is sent to it."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from asn1 import ill
from asn1.codec import decode, encode
from asn1.ill import CurrentState, ILLAnswer, ILLApdu, ILLServiceType, StatusOrErrorReport, TransactionResults
from iso_gateway.request import primitives
from iso_gateway.store.records import AttemptOutcome, HalfId, OutboxStatus
from tests.support.apdus import cancel, ill_request, message, received, renew, returned, status_query
from tests.support.daemon import ONE_WAY, TWO_WAY, Installation, PartnerListener, RunningDaemon

DUE: Final = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=24)


def state_of(gateway: RunningDaemon, half_id: HalfId) -> str:
    """Give the state of a request."""
    with gateway.installation.reading() as uow:
        return uow.halves.get(half_id).state


def half_of(gateway: RunningDaemon, transaction: str) -> HalfId:
    """Give the request with this transaction-qualifier."""
    number = f"INTERLENDING/{transaction}"
    [half_id] = [
        one.half.id
        for one in gateway.installation.requests()
        if (one.summary or {})["request_number"] == number
    ]
    return half_id


def status_in(answer: bytes) -> CurrentState:
    """Give the state that a status report tells."""
    report = decode(answer)
    assert isinstance(report, StatusOrErrorReport)
    assert report.status_report is not None
    state = report.status_report.provider_status_report
    assert isinstance(state, CurrentState)
    return state


def test_a_loan_from_the_request_to_the_check_in(tmp_path: Path) -> None:
    with PartnerListener() as partner:
        installation = Installation(tmp_path, yaz_port=partner.port)
        request = ill_request()
        with installation.running() as gateway:
            assert status_in(gateway.exchange(TWO_WAY, request)) is CurrentState.iN_PROCESS
            half_id = half_of(gateway, "2026-000117")

            # The partner is down: what is sent to it is tried again and again, in its order.
            will_supply = installation.act(
                half_id, primitives.Answer(result=TransactionResults.will_supply, note="On its way")
            )
            gateway.await_line("apdu.deferred", message_id=will_supply.message_id, times=2)
            shipped = installation.act(half_id, primitives.Ship(date_due=DUE))
            assert shipped.state == "SHIPPED"
            gateway.await_line("apdu.deferred", message_id=will_supply.message_id, times=4)
            tried = {line["message_id"] for line in gateway.log if line["event"] == "apdu.deferred"}
            assert tried == {will_supply.message_id}, "the second waits until the first has been accepted"

            partner.listen()
            first = partner.apdu()
            assert first == will_supply.apdu
            assert isinstance(first, ILLAnswer)
            assert first.transaction_results is TransactionResults.will_supply
            assert first.transaction_id == request.transaction_id
            second = partner.apdu()
            assert second == shipped.apdu
            assert isinstance(second, ill.Shipped)
            assert second.shipped_service_type is ILLServiceType.loan
            assert second.supply_details.date_due == ill.DateDue(
                date_due_field=f"{DUE:%Y%m%d}", renewable=True
            )

            assert gateway.exchange(ONE_WAY, received(request)) == b""
            assert status_in(gateway.exchange(TWO_WAY, status_query(request))) is CurrentState.sHIPPED
            assert gateway.exchange(ONE_WAY, renew(request)) == b""
            assert state_of(gateway, half_id) == "RENEW/PENDING"
            installation.act(half_id, primitives.RenewAnswer(answer=False))
            assert isinstance(partner.apdu(), ill.RenewAnswer)
            assert gateway.exchange(ONE_WAY, returned(request)) == b""
            checked_in = installation.act(half_id, primitives.CheckIn(date=dt.date(2026, 12, 1)))
            third = partner.apdu()
            assert third == checked_in.apdu
            assert isinstance(third, ill.CheckedIn)
            assert third.date_checked_in == "20261201"
            gateway.await_line("apdu.delivered", message_id=checked_in.message_id)
            assert state_of(gateway, half_id) == "CHECKED-IN"
        assert partner.is_quiet()
        assert_told_in_order(installation, half_id)
        assert_delivered_once_with_identical_octets(installation, will_supply.message_id)


def assert_told_in_order(installation: Installation, half_id: HalfId) -> None:
    """Fail unless the local side has been told everything, in the order in which it happened."""
    with installation.reading() as uow:
        told = [event.kind for event in uow.events.after(0) if event.half_id == half_id]
    assert told == [
        "ill-request.indication",
        "ill-answer.request",
        "shipped.request",
        "received.indication",
        "status-query.indication",
        "renew.indication",
        "renew-answer.request",
        "returned.indication",
        "checked-in.request",
    ]


def assert_delivered_once_with_identical_octets(installation: Installation, message_id: int) -> None:
    """Fail unless the message was tried more than once, and delivered by the last try only."""
    with installation.reading() as uow:
        [row] = [one for one in uow.outbox.list(finished=True) if one.message_id == message_id]
        outcomes = [attempt.outcome for attempt in uow.outbox.attempts(row.id)]
    assert row.status is OutboxStatus.DELIVERED
    assert outcomes[-1] is AttemptOutcome.DELIVERED
    assert set(outcomes[:-1]) == {AttemptOutcome.FAILED}


@pytest.fixture(scope="module")
def up() -> Iterator[PartnerListener]:
    """A partner that is up."""
    with PartnerListener().listen() as partner:
        yield partner


@pytest.fixture(scope="module")
def gateway(up: PartnerListener, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A gateway whose partner ZED is up, and whose partner YAZ is down."""
    installation = Installation(tmp_path_factory.mktemp("gateway"), zed_port=up.port)
    installation.add_partner("DUO", port=up.port, mode=TWO_WAY)
    with installation.running() as daemon:
        yield daemon


def test_a_partner_that_is_down_holds_up_nobody_else(gateway: RunningDaemon, up: PartnerListener) -> None:
    gateway.exchange(ONE_WAY, status_query(ill_request(transaction="stuck")))
    gateway.await_line("apdu.deferred", partner="YAZ")
    request = ill_request(transaction="not stuck", requester="ILLUME:ZED")
    gateway.exchange(ONE_WAY, request)
    acted = gateway.installation.act(
        half_of(gateway, "not stuck"), primitives.SendMessage(note="We are looking for it")
    )
    assert up.apdu() == acted.apdu


def test_a_partner_that_is_not_to_be_acknowledged_gets_no_report(
    gateway: RunningDaemon, up: PartnerListener
) -> None:
    request = ill_request(transaction="silence", requester="ILLUME:ZED")
    assert gateway.exchange(TWO_WAY, request) == b""
    assert gateway.exchange(ONE_WAY, message(request)) == b""
    assert state_of(gateway, half_of(gateway, "silence")) == "IN-PROCESS"
    assert up.is_quiet()


def test_a_request_is_cancelled_by_both_sides(gateway: RunningDaemon, up: PartnerListener) -> None:
    request = ill_request(transaction="cancelled", requester="ILLUME:ZED")
    gateway.exchange(ONE_WAY, request)
    gateway.exchange(ONE_WAY, cancel(request))
    half_id = half_of(gateway, "cancelled")
    assert state_of(gateway, half_id) == "CANCEL-PENDING"
    gateway.installation.act(half_id, primitives.CancelReply(answer=True))
    reply = up.apdu()
    assert isinstance(reply, ill.CancelReply)
    assert reply.answer is True
    assert state_of(gateway, half_id) == "CANCELLED"


def test_answers_on_one_connection_come_in_the_order_of_the_questions(gateway: RunningDaemon) -> None:
    requests = [ill_request(transaction=f"in order {number}") for number in range(5)]
    answers: list[ILLApdu] = []
    with gateway.connect(TWO_WAY) as peer:
        peer.send(b"".join(map(encode, requests)))
        answers += [decode(peer.answer()) for _ in requests]
        peer.finish()
        assert peer.rest() == b""
    assert [one.transaction_id for one in answers] == [one.transaction_id for one in requests]


def test_a_partner_may_answer_on_the_connection_that_we_open(
    gateway: RunningDaemon, up: PartnerListener
) -> None:
    request = ill_request(transaction="both ways", requester="ILLUME:DUO")
    gateway.exchange(ONE_WAY, request)
    half_id = half_of(gateway, "both ways")
    acted = gateway.installation.act(half_id, primitives.SendMessage(note="Is volume 2 enough?"))
    with up.accept() as partner:
        assert decode(partner.answer()) == acted.apdu
        partner.send(status_query(request))
        assert status_in(partner.answer()) is CurrentState.iN_PROCESS
        partner.send(cancel(request))
        partner.finish()
        assert partner.rest() == b""
    assert state_of(gateway, half_id) == "CANCEL-PENDING"


def test_what_waits_for_a_partner_without_a_file_is_sent_when_it_has_one_again(tmp_path: Path) -> None:
    with PartnerListener().listen() as partner:
        installation = Installation(tmp_path)
        with installation.running() as gateway:
            gateway.exchange(ONE_WAY, status_query(ill_request()))
            gateway.await_line("apdu.deferred")
        file = tmp_path / "partners" / "yaz.toml"
        content = file.read_text(encoding="utf-8")
        file.unlink()
        with installation.running() as gateway:
            line = gateway.await_line("apdu.deferred")
            assert line["reason"] == "partner YAZ is not configured: put its file back"
        file.write_text(content.replace("port = 1\n", f"port = {partner.port}\n"), encoding="utf-8")
        with installation.running() as gateway:
            assert partner.octets() == installation.sent()[0].octets
            gateway.await_line("apdu.delivered")


def test_what_overtook_the_request_waits_for_it_and_what_nobody_follows_is_refused_in_time(
    tmp_path: Path,
) -> None:
    with PartnerListener().listen() as partner:
        installation = Installation(tmp_path)
        installation.add_partner("EARLY", port=partner.port, keys='hold_early = "1h"')
        installation.add_partner("HASTY", port=partner.port, keys='hold_early = "300ms"')
        with installation.running() as gateway:
            early = ill_request(transaction="overtaken", requester="ILLUME:EARLY")
            gateway.exchange(ONE_WAY, cancel(early))
            gateway.await_line("apdu.processed", verdict="held")
            gateway.exchange(ONE_WAY, early)
            assert state_of(gateway, half_of(gateway, "overtaken")) == "CANCEL-PENDING"
            gateway.exchange(ONE_WAY, cancel(ill_request(transaction="nobody", requester="ILLUME:HASTY")))
            # Nothing else happens: the daemon's own clock has it decided.
            gateway.await_line("apdu.processed", verdict="unknown-transaction", partner="HASTY")
            assert partner.apdu().asn1_name == "Status-Or-Error-Report"
