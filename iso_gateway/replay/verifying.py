"""Verifying a database: everything that happened is replayed, and held against what is stored.

Each request is computed anew from its inputs, by the state tables of today and in memory; nothing of the
database is changed, and no more of it is in memory than one page of rows, or the inputs of one request. Why
not in a database of its own: docs/adr/0012-verifying-in-memory.md.
"""

import enum
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from asn1.ill import ILLApdu, ILLRequest, StatusOrErrorReport
from config.settings import Settings
from iso_gateway.errors import GatewayError
from iso_gateway.half import interpretation
from iso_gateway.half.record import stored_apdu
from iso_gateway.half.sending import COMPOSED
from iso_gateway.reception import EFFECTIVE
from iso_gateway.replay import particulars
from iso_gateway.replay.particulars import Step
from iso_gateway.replay.rebuilding import settled_at
from iso_gateway.replay.recomputing import Difference, Told, differences_of, recompute
from iso_gateway.store.checking import Checked
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import HalfId, HalfRecord, InputKind, InputRecord, MessageId
from iso_gateway.store.unit_of_work import Store, UnitOfWork

#: Reports are no service; and the request that is handed on belongs to the notification that says so.
_NO_SERVICE: Final = (StatusOrErrorReport.asn1_name, ILLRequest.asn1_name)
#: How many rows are in memory at once.
PAGE: Final = 500


class Part(enum.StrEnum):
    """What is verified."""

    REFERENCES = "references"
    MESSAGES = "messages"
    TRANSACTIONS = "transactions"
    EVENTS = "events"
    AUDIT = "audit"
    DOCUMENTS = "documents"
    MAILS = "mails"
    OUTBOX = "outbox"
    INPUTS = "inputs"
    REQUESTS = "requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is wrong, in our words; about a message or a request, where it is."""

    part: Part
    text: str
    message_id: MessageId | None = None
    half_id: HalfId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How many rows of a part were looked at since the last time, and what is wrong with them."""

    part: Part
    rows: int
    problems: tuple[Problem, ...] = ()


def verify(store: Store, settings: Settings, now: datetime) -> Iterator[Progress]:
    """Verify the whole database as it is at one moment; gives what was found as it goes on.

    Args:
        store: the database.
        settings: partners and local symbols, by which it is told whose a request is.
        now: the moment, aware.
    """
    with store.reading() as uow:
        wrong = uow.checks.references()
        yield Progress(
            part=Part.REFERENCES,
            rows=0,
            problems=tuple(Problem(part=Part.REFERENCES, text=text) for text in wrong),
        )
        yield from _pages(Part.MESSAGES, uow.checks.messages)
        yield from _pages(Part.TRANSACTIONS, uow.checks.transactions)
        yield from _pages(Part.EVENTS, uow.checks.events)
        yield from _pages(Part.AUDIT, uow.checks.audit)
        yield from _pages(Part.DOCUMENTS, uow.checks.documents)
        yield from _pages(Part.MAILS, uow.checks.mails)
        yield from _pages(Part.OUTBOX, uow.checks.without_outbox_row)
        yield from _pages(
            Part.INPUTS, lambda after, limit: uow.checks.without_input(after, limit, sorted(EFFECTIVE))
        )
        sent = partial(uow.checks.sent_without_input, composed=COMPOSED, but_for=_NO_SERVICE)
        yield from _pages(Part.INPUTS, sent)
        last = 0
        while page := uow.halves.after(last, PAGE):
            problems = tuple(problem for half in page for problem in _of_half(uow, settings, half, now))
            yield Progress(part=Part.REQUESTS, rows=len(page), problems=problems)
            last = page[-1].id


def _pages(part: Part, check: Callable[[int, int], Checked]) -> Iterator[Progress]:
    last: int | None = 0
    while last is not None:
        checked = check(last, PAGE)
        problems = tuple(
            Problem(part=part, message_id=message_id, text=text) for message_id, text in checked.wrong
        )
        if checked.rows:
            yield Progress(part=part, rows=checked.rows, problems=problems)
        last = checked.last


def _of_half(uow: UnitOfWork, settings: Settings, half: HalfRecord, now: datetime) -> Iterator[Problem]:
    """What is wrong with a request."""
    wrong = partial(Problem, part=Part.REQUESTS, half_id=half.id)
    try:
        inputs = uow.inputs.of(half.id)
        settled = settled_at(uow, half.id)
        computed = recompute(half, inputs, settled=settled)
        found = differences_of(half, uow.deadlines.of(half.id), computed, now)
    except (GatewayError, ValueError, KeyError) as error:
        # A word that no version knows, a value of another kind: somebody wrote it there.
        said = str(error) if isinstance(error, GatewayError) else f"an input cannot be read: {error!r}"
        yield wrong(text=said)
        return
    if not inputs:
        yield wrong(text="it has no inputs")
    for difference in (*computed.differences, *found):
        yield wrong(text=_text(difference))
    steps = []
    for record in inputs:
        step, problem = _opened(uow, record)
        steps.append(step)
        if problem is not None:
            yield problem
    end = particulars.other_end(settings, half, steps)
    for difference in (
        *particulars.end_differences(half, end),
        *particulars.row_differences(settings, half, steps, settled),
    ):
        yield wrong(text=_text(difference))
    for step in steps:
        yield from _of_input(step)
    yield from _untold(uow, half.id, computed.told)


def _text(difference: Difference) -> str:
    return f"{difference.what} is {difference.stored!r}, and follows as {difference.computed!r}"


def _opened(uow: UnitOfWork, record: InputRecord) -> tuple[Step, Problem | None]:
    """An input with its APDU, and why there is none where there should be one."""
    apdu, problem = None, None
    if record.message_id is not None:
        try:
            apdu = stored_apdu(uow, record.message_id)
        except KeyDisposedError:
            problem = None
        except GatewayError as error:
            problem = _about(record, str(error))
    classified = particulars.classification(uow, record)
    return Step(record=record, apdu=apdu, classified=classified), problem


def _of_input(step: Step) -> Iterator[Problem]:
    """Whether an input is what its message says, and what was recorded of that."""
    record = step.record
    if step.apdu is not None and _service_of(step.apdu) != record.service:
        said = _service_of(step.apdu)
        yield _about(record, f"input {record.sequence} is {record.service!r}, and its message {said!r}")
    if record.kind is InputKind.APDU and step.classified is None:
        yield _about(
            record, f"input {record.sequence} is {record.verdict!r}, and its message was never classified so"
        )


def _untold(uow: UnitOfWork, half_id: HalfId, told: Sequence[Told]) -> Iterator[Problem]:
    """What the local side should have been told of a request, and was not."""
    known = Counter(uow.events.kinds_about(half_id))
    for one in told:
        if not known[one.kind, one.message_id]:
            yield Problem(
                part=Part.EVENTS,
                half_id=half_id,
                message_id=one.message_id,
                text=f"input {one.sequence} was to be told as {one.kind!r}, and there is no such event",
            )
        known[one.kind, one.message_id] -= 1


def _about(record: InputRecord, text: str) -> Problem:
    return Problem(part=Part.INPUTS, half_id=record.half_id, message_id=record.message_id, text=text)


def _service_of(apdu: ILLApdu) -> str | None:
    service = interpretation.service_of(apdu)
    return None if service is None else service.value
