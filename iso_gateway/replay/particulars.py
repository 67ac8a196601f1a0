"""What the row of a half says beside its state, held against its inputs and their messages.

State, flags and deadlines follow from the inputs alone (`recomputing`). Whose half it is, and with whom,
stands in the messages: the ILL-Request that began it says who asks whom, and how each message was classified
says from whom it came.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from asn1.ill import ForwardNotification, ILLApdu, ILLRequest, Message, StatusQuery
from config.settings import Settings
from config.symbols import Symbol
from iso_gateway.compose import iso_date, iso_time
from iso_gateway.errors import StoreError
from iso_gateway.half.record import stored_apdu
from iso_gateway.message.identity import symbol_of
from iso_gateway.protocol.machine import Verdict
from iso_gateway.protocol.states import Role
from iso_gateway.replay.recomputing import Difference
from iso_gateway.store.records import Basis, HalfRecord, InputKind, InputRecord, ProcessingRecord
from iso_gateway.store.unit_of_work import UnitOfWork

_NONE: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An input with what it was about.

    Args:
        record: the input.
        apdu: its APDU; None for a timer that sent none, and where it cannot be read any more.
        classified: the classification of its message that it goes with, if there is one.
    """

    record: InputRecord
    apdu: ILLApdu | None
    classified: ProcessingRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherEnd:
    """With whom a request is, and with whom it was before it was forwarded."""

    partner: str
    former: tuple[str, ...]

    def passed_on(self, partner: str) -> "OtherEnd":
        """The same after it went to another library."""
        former = tuple(one for one in (*self.former, self.partner) if one != partner)
        return OtherEnd(partner=partner, former=former)


def classification(uow: UnitOfWork, record: InputRecord) -> ProcessingRecord | None:
    """How a message that came was classified when it became an input, and how the first of ours was."""
    if record.message_id is None or (record.kind is not InputKind.APDU and record.sequence > 1):
        return None
    known = [one for one in uow.messages.processings(record.message_id) if one.half_id == record.half_id]
    # One of ours is listed as composed, whatever the machine said.
    fitting = [one for one in known if record.kind is not InputKind.APDU or one.verdict == record.verdict]
    return fitting[0] if fitting else None


def step_of(uow: UnitOfWork, record: InputRecord) -> Step:
    """An input with what it was about, as far as that can be read."""
    apdu = None
    if record.message_id is not None:
        with suppress(StoreError):
            apdu = stored_apdu(uow, record.message_id)
    return Step(record=record, apdu=apdu, classified=classification(uow, record))


def other_end(settings: Settings, half: HalfRecord, steps: Sequence[Step]) -> OtherEnd | None:
    """With whom a request is by its inputs and the partners of today; None where that cannot be told.

    It cannot where a classification or an APDU cannot be read any more, and where a forwarding went to a
    library that is no partner (any more): the request may have been passed on when it was one.
    """
    if not steps or steps[0].classified is None or steps[0].classified.partner is None:
        return None
    end = OtherEnd(partner=steps[0].classified.partner, former=())
    if half.role != Role.REQUESTER:
        return end
    for step in steps[1:]:
        if not _moves(step.record):
            continue
        sender = None if step.classified is None else step.classified.partner
        if sender is None or step.apdu is None:
            return None
        if sender != end.partner and sender not in end.former:
            # The new responder answered before anybody said that it has the request.
            if not isinstance(step.apdu, Message | StatusQuery):
                end = end.passed_on(sender)
        elif sender in end.former:
            continue
        if isinstance(step.apdu, ForwardNotification):
            symbol = symbol_of(step.apdu.responder_id)
            onward = None if symbol is None else _partner(settings, half, symbol)
            if onward is None:
                return None
            if onward != end.partner:
                end = end.passed_on(onward)
    return end


def end_differences(half: HalfRecord, end: OtherEnd | None) -> tuple[Difference, ...]:
    """What a half's row says otherwise of its other end."""
    if end is None:
        return ()
    told = (
        ("partner", half.partner, end.partner),
        ("former partners", _names(half.former_partners), _names(end.former)),
    )
    return tuple(
        Difference(what=what, stored=stored, computed=computed)
        for what, stored, computed in told
        if stored != computed
    )


def row_differences(
    settings: Settings, half: HalfRecord, steps: Sequence[Step], settled: datetime | None
) -> tuple[Difference, ...]:
    """What else a half's row says otherwise than its inputs and their messages.

    Args:
        settings: by whose symbols our library is told.
        half: as stored.
        steps: all of its inputs.
        settled: when it was rebuilt last.
    """
    return tuple(
        Difference(what=what, stored=stored, computed=computed)
        for what, stored, computed in _told(settings, half, steps, settled)
        if stored != computed
    )


def _told(
    settings: Settings, half: HalfRecord, steps: Sequence[Step], settled: datetime | None
) -> Iterator[tuple[str, str, str]]:
    # Relayed and inferred halves come with the relay; until then each is our own.
    yield "basis", half.basis.value, Basis.OURS.value
    if not steps:
        return
    first = steps[0]
    asked_by_us = first.record.kind is InputKind.PRIMITIVE
    yield "role", half.role, (Role.REQUESTER if asked_by_us else Role.RESPONDER).value
    yield "tables", half.tables, first.record.table_profile
    yield "created at", half.created_at.isoformat(), first.record.at.isoformat()
    moments = {half.created_at, *(step.record.at for step in steps), *(() if settled is None else (settled,))}
    if half.updated_at not in moments:
        last = max(moments)
        yield "updated at", half.updated_at.isoformat(), last.isoformat()
    if first.classified is not None:
        yield "transaction", str(half.transaction_id), str(first.classified.transaction_id)
    if isinstance(first.apdu, ILLRequest):
        yield "protocol version", str(half.protocol_version), str(first.apdu.protocol_version_num)
        ours = first.apdu.requester_id if asked_by_us else first.apdu.responder_id
        symbol = symbol_of(ours)
        local = None if symbol is None else settings.local_for(symbol)
        if local is not None:
            yield "local", half.local, local.name
    yield from _last_service(half, steps)


def _last_service(half: HalfRecord, steps: Sequence[Step]) -> Iterator[tuple[str, str, str]]:
    """When our last service was, as its APDU says it, on the clock of our library.

    A report of the gateway's own may have been since, which is no input; so it may be later, but not earlier.
    """
    last = next((step for step in reversed(steps) if _is_sent(step.record)), None)
    if last is None:
        return
    watch = (last.record.facts or {}).get("watch")
    if last.apdu is None or not isinstance(watch, Mapping):
        return
    said = last.apdu.service_date_time.date_time_of_this_service
    stored = _NONE
    if half.last_service_at is not None:
        at = half.last_service_at.astimezone(ZoneInfo(str(watch["zone"])))
        stored = f"{iso_date(at)} {iso_time(at)}"
    computed = f"{said.date} {said.time}"
    if stored == _NONE or stored < computed:
        yield "last service at", stored, computed


def _is_sent(record: InputRecord) -> bool:
    return record.kind is not InputKind.APDU and record.message_id is not None


def _moves(record: InputRecord) -> bool:
    """Whether an input is an APDU that had its effect, and not one that only says again what was known."""
    seen_before = bool((record.facts or {}).get("original_seen"))
    return record.kind is InputKind.APDU and record.verdict == Verdict.APPLIED and not seen_before


def _partner(settings: Settings, half: HalfRecord, symbol: Symbol) -> str | None:
    """The partner that a request went to, if our library has a route to it."""
    partner = settings.partner_for(symbol)
    local = next((one for one in settings.local if one.name == half.local), None)
    if partner is None or local is None or settings.route(local, partner) is None:
        return None
    return partner.name


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or _NONE
