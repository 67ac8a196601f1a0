"""A whole loan on both databases: the use cases ask nothing of SQLite that PostgreSQL does not have."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest

from asn1 import ill
from config.settings import Settings
from iso_gateway.errors import PrimitiveRefusedError
from iso_gateway.outbox import telling
from iso_gateway.reception import Verdict
from iso_gateway.request import primitives
from iso_gateway.site import Site
from iso_gateway.store.records import HalfId, OutboxStatus, Unarrived
from tests.support import apdus
from tests.support.dispatching import LogLines, Wire, dispatching
from tests.support.gateway import AT_SFU, ELSEWHERE, Desk
from tests.support.libraries import assert_replayable

REQUEST = apdus.ill_request(requester="ILLUME:SFU")


@pytest.fixture
def desk(portable: Settings) -> Iterator[Desk]:
    """A gateway whose first start this is: it makes its keys and tables."""
    with Desk.open(portable) as desk:
        yield desk


def test_a_loan_from_the_request_to_its_end(desk: Desk) -> None:
    processed = desk.receive(REQUEST, peer=AT_SFU)
    assert processed.half_id is not None
    half = HalfId(processed.half_id)
    states = []
    for happening in (
        primitives.Answer(result=ill.TransactionResults.will_supply),
        primitives.Ship(date_due=dt.date(2026, 12, 24)),
        apdus.received(REQUEST),
        apdus.renew(REQUEST),
        primitives.RenewAnswer(answer=True, date_due=dt.date(2027, 1, 24)),
        apdus.returned(REQUEST),
        primitives.CheckIn(),
    ):
        # The clock goes the wrong way all the while.
        desk.clock.advance(minutes=-10)
        if isinstance(happening, ill.Received | ill.Renew | ill.Returned):
            assert desk.receive(happening, peer=AT_SFU).verdict is Verdict.APPLIED
        else:
            desk.act(half, happening)
        states.append(desk.half(half).state)
    assert states == [
        "IN-PROCESS",
        "SHIPPED",
        "SHIPPED",
        "RENEW/PENDING",
        "SHIPPED",
        "SHIPPED",
        "CHECKED-IN",
    ]
    assert [type(one.apdu) for one in desk.deliver()] == [
        ill.ILLAnswer,
        ill.Shipped,
        ill.RenewAnswer,
        ill.CheckedIn,
    ]
    assert [step.sequence for step in desk.inputs(half)] == list(range(1, 9))
    with pytest.raises(PrimitiveRefusedError):
        desk.act(half, primitives.CheckIn())
    assert desk.receive(REQUEST, peer=AT_SFU).verdict is Verdict.EXACT_DUPLICATE
    assert desk.receive(apdus.repeat_of(REQUEST), peer=AT_SFU).verdict is Verdict.PROHIBITED


def test_questions_and_refusals_are_answered(desk: Desk) -> None:
    assert desk.receive(apdus.cancel(REQUEST), peer=AT_SFU).verdict is Verdict.UNKNOWN_TRANSACTION
    assert desk.receive(REQUEST, peer=AT_SFU).verdict is Verdict.APPLIED
    assert desk.receive(apdus.status_query(REQUEST), peer=AT_SFU).verdict is Verdict.APPLIED
    assert desk.receive(REQUEST, peer=ELSEWHERE, connection="c-9").verdict is Verdict.UNKNOWN_SENDER
    assert desk.receive(b"nothing that is known", peer=ELSEWHERE).verdict is Verdict.UNREADABLE
    first, second, third = desk.outgoing()
    assert first.report.error_report is not None
    assert second.report.status_report is not None
    assert (third.report.error_report is not None, third.to) == (True, (None, "c-9"))


async def test_what_waits_is_sent(desk: Desk, lines: LogLines) -> None:
    desk.receive(apdus.ill_request())
    desk.receive(REQUEST, peer=ELSEWHERE, connection="c-9")
    wire = Wire()
    async with dispatching(desk, wire):
        await lines.until(telling.APDU_DELIVERED)
        await lines.until(telling.APDU_DELIVERED)
    assert {(one.partner, one.connection_id) for one in wire.sent} == {("YAZ", "c-1"), (None, "c-9")}
    with desk.reading() as uow:
        assert {row.status for row in uow.outbox.list(finished=True)} == {OutboxStatus.DELIVERED}


def test_an_installation_is_found_again_and_its_key_is_never_made_anew(desk: Desk) -> None:
    settings = desk.site.settings
    desk.receive(REQUEST, peer=AT_SFU)
    key = settings.master_key_file.read_bytes()
    again = Site.open(settings)
    with again.store.reading() as uow:
        assert len(uow.messages.list()) == 1
    again.close()
    settings.master_key_file.unlink()
    with pytest.raises(Exception, match="is missing; put it back"):
        Site.create_or_open(settings)
    assert len(key) > 32


def test_what_comes_too_early_waits_and_a_deadline_passes(desk: Desk) -> None:
    search = ill.SearchType(expiry_flag=ill.ExpiryFlag.other_Date, expiry_date="20261120")
    request = replace(REQUEST, search_type=search)
    held = desk.receive(apdus.cancel(request), peer=AT_SFU, two_way=False)
    assert held.verdict is Verdict.HELD
    assert desk.receive(apdus.cancel(request), peer=AT_SFU, two_way=False).verdict is Verdict.EXACT_DUPLICATE
    half = desk.begin(request, peer=AT_SFU)
    assert desk.half(half).state == "CANCEL-PENDING"
    desk.act(half, primitives.CancelReply(answer=False))
    desk.clock.advance(days=5)
    assert desk.tick() is None
    assert desk.half(half).state == "NOT-SUPPLIED"
    assert [type(one.apdu) for one in desk.deliver()] == [ill.CancelReply, ill.Expired]
    assert_replayable(desk, half)


def test_a_request_of_our_own(desk: Desk) -> None:
    acted = desk.request()
    assert desk.half(acted.half_id).state == "PENDING"
    assert desk.repeat(acted.half_id).apdu.service_date_time.date_time_of_original_service is not None
    with desk.reading() as uow:
        transaction = desk.half(acted.half_id).transaction_id
        assert uow.transactions.summary(transaction)["title"] == "The Penelopiad"
        waits = uow.unarrived.of([transaction])
        assert [(one.half_id, one.apdu_type) for one in waits] == [(acted.half_id, "ILL-Request")] * 2
        assert len(uow.halves.list(unarrived=list(Unarrived))) == 1
        assert uow.halves.list(unarrived=[Unarrived.NOT_DELIVERED]) == ()
    assert_replayable(desk, acted.half_id)
