"""What a message costs when its request has a long history: as much as with a short one.

A partner can write about one request as often as it likes, so nothing may go through all that it wrote. What
is counted is what the gateway asks its database, the rows that it gets, and the APDUs that it reads again.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import event

from asn1 import ill
from asn1.codec import decode
from asn1.ill import ILLApdu, ILLRequest
from iso_gateway import compose
from iso_gateway.half import record
from iso_gateway.half.movement import ends_of
from iso_gateway.protocol.events import Service
from iso_gateway.reception import Processed, Verdict, repetition
from iso_gateway.request import primitives
from iso_gateway.store.connection import Answer, Connection, Statements
from iso_gateway.store.records import HalfId, InputKind
from tests.support import apdus
from tests.support.apdus import LATER
from tests.support.gateway import AT_SFU, AT_UBC, BEX, Desk

REQUEST: Final = apdus.ill_request(requester="ILLUME:SFU")
#: So that a short history is long enough to be cut.
COMPARED: Final = 2
BY_SERVICE: Final = "ix_inputs_half_id_service_verdict_sequence"


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How much was asked of the database, and how much was decoded again."""
    counts: Counter[str] = Counter()
    execute = Connection.execute

    def counted(self: Connection, *arguments: Any) -> Answer:
        answer = execute(self, *arguments)
        counts["statements"] += 1
        counts["rows"] += len(answer.all())
        return answer

    def decoded(*arguments: Any) -> ILLApdu:
        counts["decoded"] += 1
        return decode(*arguments)

    monkeypatch.setattr(repetition, "MOST_COMPARED", COMPARED)
    monkeypatch.setattr(Connection, "execute", counted)
    monkeypatch.setattr("iso_gateway.half.record.decode", decoded)
    return counts


def receive(desk: Desk, apdu: ILLApdu) -> Processed:
    """Let SFU say something on a connection of its own."""
    return desk.receive(apdu, peer=AT_SFU)


def lengthen(desk: Desk, since: int, until: int) -> None:
    """Let SFU write: what is new, a repeat of what was lost, a repeat of what came, a refusal, a question."""
    for number in range(since, until):
        at = LATER + timedelta(minutes=number)
        lost = apdus.message(REQUEST, f"lost {number}", at=at + timedelta(seconds=1))
        said = apdus.message(REQUEST, f"said {number}", at=at)
        assert receive(desk, said).verdict is Verdict.APPLIED
        assert receive(desk, apdus.repeat_of(lost, at=at)).verdict is Verdict.REPEATED
        assert receive(desk, apdus.repeat_of(said, at=at)).verdict is Verdict.REPEATED
        assert receive(desk, apdus.received(REQUEST, at=at)).verdict is Verdict.PROHIBITED
        assert receive(desk, apdus.status_query(REQUEST, at=at)).verdict is Verdict.APPLIED


def costs(desk: Desk, cost: Counter[str], at: datetime) -> dict[str, Counter[str]]:
    """What one message of each kind costs now."""
    unseen = apdus.message(REQUEST, "lost", at=at - timedelta(hours=5))
    messages: dict[str, ILLApdu] = {
        "new": apdus.message(REQUEST, "new", at=at),
        "repeat of what was lost": apdus.repeat_of(unseen, at=at),
        "refused": apdus.received(REQUEST, at=at),
        "question": apdus.status_query(REQUEST, at=at),
    }
    found = {}
    for name, apdu in messages.items():
        cost.clear()
        receive(desk, apdu)
        found[name] = Counter(cost)
    return found


def test_a_message_costs_no_more_when_much_was_said_before(desk: Desk, cost: Counter[str]) -> None:
    desk.begin(REQUEST, peer=AT_SFU)
    lengthen(desk, 0, 3)
    before = costs(desk, cost, LATER + timedelta(days=1))
    lengthen(desk, 3, 12)
    assert costs(desk, cost, LATER + timedelta(days=2)) == before
    # Twice: what had its effect, and what repeated it.
    assert before["repeat of what was lost"]["decoded"] == 2 * COMPARED
    # The request, which the answer tells of; and the question before, whose date-time may be the same.
    assert before["question"]["decoded"] == 2


def test_the_history_is_searched_by_an_index_and_not_gone_through(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(Statements, "form", lambda *_: None)

    def note(*arguments: Any) -> None:
        _, _, text, values, _, _ = arguments
        if "FROM inputs" in text:
            asked[text] = values

    half = desk.begin(REQUEST, peer=AT_SFU)
    lengthen(desk, 0, 1)
    event.listen(desk.site.store.engine, "before_cursor_execute", note)
    lengthen(desk, 1, 2)
    with desk.site.store.engine.connect() as connection:
        cursor = connection.connection.cursor()
        plans = {
            text: [
                str(row[3])
                for row in cursor.execute(f"EXPLAIN QUERY PLAN {text}", values)
                if " inputs " in str(row[3])
            ]
            for text, values in asked.items()
        }
    assert desk.half(half).state == "IN-PROCESS"
    searches = {step for steps in plans.values() for step in steps}
    assert searches == {
        # by its service and verdict; the last change of state; the number of the last; the first
        f"SEARCH inputs USING INDEX {BY_SERVICE} (half_id=? AND service=? AND verdict=?)",
        "SEARCH inputs USING INDEX ix_inputs_moves (half_id=?)",
        "SEARCH inputs USING COVERING INDEX sqlite_autoindex_inputs_1 (half_id=?)",
        "SEARCH inputs USING INDEX sqlite_autoindex_inputs_1 (half_id=?)",
    }
    [first] = [
        text
        for text, steps in plans.items()
        if steps == ["SEARCH inputs USING INDEX sqlite_autoindex_inputs_1 (half_id=?)"]
    ]
    assert "LIMIT" in first


UNREPORTED: Final = apdus.ill_request(requester="ILLUME:UBC")
AN_HOUR_ON: Final = LATER + timedelta(hours=1)


@pytest.mark.parametrize(
    ("request_", "peer", "steps"),
    [
        (
            REQUEST,
            AT_SFU,
            (
                apdus.message(REQUEST),
                primitives.Answer(result=ill.TransactionResults.will_supply),
                apdus.message(REQUEST, "again", at=AN_HOUR_ON),
                primitives.Ship(),
                primitives.SendMessage(note="it is on its way"),
                apdus.renew(REQUEST),
                primitives.RenewAnswer(answer=False),
                apdus.status_query(REQUEST),
            ),
        ),
        # What changed the state last comes once more, and changes nothing.
        (UNREPORTED, AT_UBC, (apdus.received(UNREPORTED), apdus.received(UNREPORTED, at=AN_HOUR_ON))),
    ],
)
def test_a_status_report_tells_what_the_whole_history_says(
    desk: Desk, request_: ILLRequest, peer: str, steps: tuple[primitives.Primitive | ILLApdu, ...]
) -> None:
    half = desk.begin(request_, peer=peer)
    for step in steps:
        desk.clock.advance(days=1)
        if isinstance(step, ILLApdu):
            assert desk.receive(step, peer=peer).verdict is Verdict.APPLIED
        else:
            desk.act(half, step)
        assert told(desk, half, request_) == told_by_all(desk, half, request_)
    assert desk.half(half).state == "SHIPPED"


def told(desk: Desk, half_id: HalfId, request: ILLRequest) -> ill.StatusOrErrorReport:
    """A status report as the gateway makes it."""
    with desk.reading() as uow:
        ends = ends_of(desk.site.settings, uow, half_id)
        history = record.history_of(uow, ends.half, ends.local)
        return report_of(desk, half_id, request, history)


def told_by_all(desk: Desk, half_id: HalfId, request: ILLRequest) -> ill.StatusOrErrorReport:
    """A status report from everything that happened."""
    history = tuple(
        compose.ServiceRecord(
            service=Service(one.service),
            at=one.at.astimezone(BEX.zone),
            by_us=one.kind is not InputKind.APDU,
            changed_state=one.state_after != one.state_before,
            loan="loan" in one.flags_after,
        )
        for one in desk.inputs(half_id)
        if one.verdict == Verdict.APPLIED
    )
    return report_of(desk, half_id, request, history)


def report_of(
    desk: Desk, half_id: HalfId, request: ILLRequest, history: tuple[compose.ServiceRecord, ...]
) -> ill.StatusOrErrorReport:
    """The report of a history."""
    with desk.reading() as uow:
        ends = ends_of(desk.site.settings, uow, half_id)
    return compose.status_report(ends.frame(request, desk.clock.now), request, history, ends.state.state.wire)
