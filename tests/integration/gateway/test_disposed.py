"""Messages for a request whose key was disposed of: each is decided, and none is tried for ever."""

from asn1 import ill
from iso_gateway.protocol.errors import TransactionIdProblemCode
from iso_gateway.reception import Verdict
from iso_gateway.store.records import HalfId
from tests.support import apdus
from tests.support.gateway import AT_SFU, Desk

REQUEST = apdus.ill_request(requester="ILLUME:SFU")


def dispose(desk: Desk, half_id: HalfId) -> None:
    transaction_id = desk.half(half_id).transaction_id
    with desk.site.store.unit_of_work() as uow:
        assert uow.transactions.dispose(transaction_id, at=desk.clock.now)


def code_of(desk: Desk) -> ill.TransactionIdProblem | None:
    report = desk.outgoing()[-1].report.error_report
    assert report is not None
    assert report.provider_error_report is not None
    return report.provider_error_report  # type: ignore[return-value] # which alternative it is, is asserted


def test_what_comes_for_it_is_refused_and_not_taken_up_again(desk: Desk) -> None:
    half_id = desk.begin(REQUEST, peer=AT_SFU)
    before = desk.half(half_id)
    dispose(desk, half_id)
    refused = desk.receive(apdus.cancel(REQUEST), peer=AT_SFU)
    assert (refused.verdict, refused.half_id) == (Verdict.DISPOSED_OF, half_id)
    assert str(TransactionIdProblemCode.UNKNOWN_TRANSACTION_ID.value) in str(code_of(desk))
    assert desk.half(half_id) == before
    with desk.reading() as uow:
        assert uow.messages.unprocessed() == ()
    assert "disposed of" in desk.processing(refused).reason
    assert desk.events()[-1].half_id is None


def test_its_transaction_id_is_not_free_for_another_request(desk: Desk) -> None:
    half_id = desk.begin(REQUEST, peer=AT_SFU)
    dispose(desk, half_id)
    other = apdus.ill_request(requester="ILLUME:SFU", title="Another")
    assert desk.receive(other, peer=AT_SFU).verdict is Verdict.DISPOSED_OF
    assert str(TransactionIdProblemCode.DUPLICATE_TRANSACTION_ID.value) in str(code_of(desk))


def test_the_same_octets_again_are_a_duplicate_without_an_answer(desk: Desk) -> None:
    half_id = desk.begin(REQUEST, peer=AT_SFU)
    dispose(desk, half_id)
    again = desk.receive(REQUEST, peer=AT_SFU)
    assert (again.verdict, again.answer) == (Verdict.EXACT_DUPLICATE, None)


def test_what_was_held_for_it_is_held_no_longer(desk: Desk) -> None:
    half_id = desk.begin(REQUEST, peer=AT_SFU)
    early = desk.receive(apdus.returned(REQUEST), peer=AT_SFU, two_way=False)
    assert early.verdict is Verdict.HELD
    dispose(desk, half_id)
    desk.clock.advance(hours=1)
    assert desk.tick() is None
    with desk.reading() as uow:
        assert uow.held.get(early.message_id) is None
        assert uow.messages.processings(early.message_id)[-1].verdict == Verdict.DISPOSED_OF
