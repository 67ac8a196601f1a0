"""Verifying a database: everything that happened is replayed, and held against what is stored.

Each request is computed anew from its inputs, by the state tables of today and in memory; nothing of the
database is changed, and no more of it is in memory than one page of rows, or the inputs of one request.
"""

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from asn1.ill import ILLApdu
from iso_gateway.errors import GatewayError
from iso_gateway.half import interpretation
from iso_gateway.half.record import stored_apdu
from iso_gateway.reception import EFFECTIVE
from iso_gateway.replay.rebuilding import settled_at
from iso_gateway.replay.recomputing import Difference, differences_of, recompute
from iso_gateway.store.checking import Checked
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import HalfId, HalfRecord, InputKind, InputRecord, MessageId
from iso_gateway.store.unit_of_work import Store, UnitOfWork

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


def verify(store: Store, now: datetime) -> Iterator[Progress]:
    """Verify the whole database as it is at one moment; gives what was found as it goes on.

    Args:
        store: the database.
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
        last = 0
        while page := uow.halves.after(last, PAGE):
            problems = tuple(problem for half in page for problem in _of_half(uow, half, now))
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


def _of_half(uow: UnitOfWork, half: HalfRecord, now: datetime) -> Iterator[Problem]:
    """What is wrong with a request."""
    try:
        inputs = uow.inputs.of(half.id)
        computed = recompute(half, inputs, settled=settled_at(uow, half.id))
        found = differences_of(half, uow.deadlines.of(half.id), computed, now)
    except (GatewayError, ValueError, KeyError) as error:
        # A word that no version knows, a value of another kind: somebody wrote it there.
        yield Problem(
            part=Part.REQUESTS,
            half_id=half.id,
            text=str(error) if isinstance(error, GatewayError) else f"an input cannot be read: {error!r}",
        )
        return
    if not inputs:
        yield Problem(part=Part.REQUESTS, half_id=half.id, text="it has no inputs")
    for difference in (*computed.differences, *found):
        yield Problem(part=Part.REQUESTS, half_id=half.id, text=_text(difference))
    for record in inputs:
        yield from _of_input(uow, record)


def _text(difference: Difference) -> str:
    return f"{difference.what} is {difference.stored!r}, and follows as {difference.computed!r}"


def _of_input(uow: UnitOfWork, record: InputRecord) -> Iterator[Problem]:
    """Whether an input is what its message says, and what was recorded of that."""
    if record.message_id is None:
        return
    try:
        apdu = stored_apdu(uow, record.message_id)
    except KeyDisposedError:
        return
    except GatewayError as error:
        yield Problem(part=Part.INPUTS, half_id=record.half_id, message_id=record.message_id, text=str(error))
        return
    if _service_of(apdu) != record.service:
        yield Problem(
            part=Part.INPUTS,
            half_id=record.half_id,
            message_id=record.message_id,
            text=f"input {record.sequence} is {record.service!r}, and its message {_service_of(apdu)!r}",
        )
    if record.kind is not InputKind.APDU:
        return
    processings = uow.messages.processings(record.message_id)
    if not any((one.verdict, one.half_id) == (record.verdict, record.half_id) for one in processings):
        yield Problem(
            part=Part.INPUTS,
            half_id=record.half_id,
            message_id=record.message_id,
            text=f"input {record.sequence} is {record.verdict!r}, and its message was never classified so",
        )


def _service_of(apdu: ILLApdu) -> str | None:
    service = interpretation.service_of(apdu)
    return None if service is None else service.value
