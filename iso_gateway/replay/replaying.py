"""Replaying messages: received ones are classified afresh, sent ones go out again."""

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, NoReturn, assert_never

import structlog

from asn1.codec import Dialect, Header, Limits, WireError, decode, decode_header
from config.settings import Settings
from iso_gateway.errors import ConflictError, GatewayError, PrimitiveRefusedError, UnavailableError
from iso_gateway.half.sending import Context, Destination, send_again
from iso_gateway.message import reading
from iso_gateway.message.identity import canonical_transaction
from iso_gateway.reception import EFFECTIVE, Processed, Verdict, header_of
from iso_gateway.reception.addressing import Addressing
from iso_gateway.services import Gateway
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import (
    Direction,
    HalfId,
    MessageId,
    MessageListing,
    OutboxStatus,
    ProcessingRecord,
    Transport,
)
from iso_gateway.store.searching import Wanted
from iso_gateway.store.unit_of_work import Store, UnitOfWork

log = structlog.stdlib.get_logger(__name__)

MESSAGE_REPLAYED = "message.replayed"
REPLAY_FAILED = "message.replay-failed"

#: The audit's word for it.
ACTION: Final = "message.replay"
#: The verdict under which a message of ours is listed that was sent once more.
SENT_AGAIN: Final = "sent-again"
#: How many messages share a unit of work, which holds up the gateway as long as it lasts.
UNIT: Final = 50
#: How many messages are looked up at once.
_PAGE: Final = 500
#: What may be allowed once another message has had its effect.
_EARLY: Final = frozenset({Verdict.PROHIBITED.value, Verdict.UNKNOWN_TRANSACTION.value})


class Result(enum.StrEnum):
    """What came of replaying a message, or would come of it."""

    #: it has its effect now
    APPLIED = "applied"
    #: it is classified otherwise than before, and has no effect
    RECLASSIFIED = "reclassified"
    #: it would be classified as it was, so nothing was done
    UNCHANGED = "unchanged"
    #: it goes out once more
    SENT_AGAIN = "sent-again"
    #: it is not for replaying: it had its effect, or something else will deal with it
    PASSED_OVER = "passed-over"
    #: it could not be replayed
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of one message.

    Args:
        message_id: which one.
        direction: received, or sent.
        result: what came of it.
        reason: why, in our words.
        before: its verdict until now.
        after: its verdict from now on.
        partner: name of the partner that it is from, or for.
        half_id: the half that it concerns.
        state: that half's state afterwards.
        late: whether it was refused because its request has moved on since it came.
        sends: the message that goes out now because of it.
    """

    message_id: MessageId
    direction: Direction
    result: Result
    reason: str
    before: str | None = None
    after: str | None = None
    partner: str | None = None
    half_id: HalfId | None = None
    state: str | None = None
    late: bool = False
    sends: MessageId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How to replay.

    Args:
        actor: who does it, for the audit.
        reason: why, for the audit.
        again: whether to do again what a replay has done already: record what is unchanged, send once more
            what was sent again.
        dry_run: whether to undo all of it, so that only the answer remains.
        rate: the most messages a minute; None for as fast as it goes.
    """

    actor: str
    reason: str
    again: bool = False
    dry_run: bool = False
    rate: int | None = None


class _UndoError(Exception):
    """Leaves a savepoint so that nothing of it remains."""


class _RehearsedError(Exception):
    """Leaves a unit of work so that nothing of it remains but what would have come of it."""

    def __init__(self, done: list[Replayed]) -> None:
        super().__init__()
        self.done = done


def _undo() -> NoReturn:
    raise _UndoError


def groups_of(settings: Settings, uow: UnitOfWork, wanted: Wanted) -> tuple[tuple[MessageId, ...], ...]:
    """The messages that are meant, in groups that do not concern each other, each in the order of arrival.

    A group is what belongs to one transaction; what cannot be read far enough to tell is one of its own.

    Args:
        settings: partners and local symbols, by which Transaction-Ids are told.
        uow: where the messages are.
        wanted: which ones.
    """
    groups: dict[object, list[MessageId]] = {}
    last = 0
    while page := uow.search.oldest_messages(wanted, after_id=last, limit=_PAGE):
        for listing in page:
            groups.setdefault(_group_of(settings, uow, listing), []).append(listing.message.id)
        last = page[-1].message.id
    return tuple(tuple(group) for group in groups.values())


def replay(
    settings: Settings,
    store: Store,
    gateway: Gateway,
    groups: Iterable[Sequence[MessageId]],
    order: Order,
    *,
    clock: Callable[[], datetime],
    pause: Callable[[float], None],
) -> Iterator[Replayed]:
    """Replay messages, a few groups at a time; gives what came of each once that is on disk.

    Args:
        settings: partners and local symbols.
        store: where the messages are.
        gateway: the use cases under those settings.
        groups: from `groups_of`.
        order: how.
        clock: gives the moment, aware.
        pause: waits for so many seconds; between units of work, if there is a rate.
    """

    def replayed(uow: UnitOfWork, unit: Sequence[Sequence[MessageId]]) -> list[Replayed]:
        replaying = _Replaying(settings, uow, gateway, order, clock)
        done = [one for group in unit for one in replaying.group(group)]
        if order.dry_run:
            raise _RehearsedError(done)
        return done

    for unit in _units(groups):
        try:
            done = store.perform(partial(replayed, unit=unit))
        except _RehearsedError as rehearsed:
            yield from rehearsed.done
            continue
        for one in done:
            _log(one)
            yield one
        if order.rate is not None:
            pause(60 * sum(one.result in _COSTLY for one in done) / order.rate)


#: What a rate limits: what changes something, or sends.
_COSTLY: Final = frozenset({Result.APPLIED, Result.RECLASSIFIED, Result.SENT_AGAIN})


def _units(groups: Iterable[Sequence[MessageId]]) -> Iterator[list[Sequence[MessageId]]]:
    unit: list[Sequence[MessageId]] = []
    for group in groups:
        unit.append(group)
        if sum(len(one) for one in unit) >= UNIT:
            yield unit
            unit = []
    if unit:
        yield unit


def _group_of(settings: Settings, uow: UnitOfWork, listing: MessageListing) -> object:
    message, processing = listing.message, listing.processing
    if processing is not None and processing.transaction_id is not None:
        return processing.transaction_id
    if message.direction is Direction.SENT:
        return f"message {message.id}"
    try:
        octets = uow.messages.raw(message.id)
    except GatewayError:
        # It says so again when it is replayed.
        return f"message {message.id}"
    header = _header_of(octets, reading.limits_for(settings, None))
    if header is None:
        return f"message {message.id}"
    addressing = Addressing(
        settings,
        message.peer_address,
        by_mail=message.transport is Transport.MAIL,
        vouched_for=message.transport is Transport.LOCAL,
    )
    canonical = canonical_transaction(header.transaction_id, addressing.initial_requester(header))
    known = uow.transactions.find(canonical)
    return canonical if known is None else known.id


def _header_of(octets: bytes, limits: Limits) -> Header | None:
    """The beginning of a message, if it has one; most messages are right, and those are read fast."""
    try:
        return header_of(decode(octets, limits, Dialect.STRICT))
    except WireError:
        return decode_header(octets, limits)


class _Replaying:
    """Replays within one unit of work."""

    def __init__(
        self,
        settings: Settings,
        uow: UnitOfWork,
        gateway: Gateway,
        order: Order,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._uow = uow
        self._gateway = gateway
        self._order = order
        self._clock = clock

    def group(self, group: Sequence[MessageId]) -> list[Replayed]:
        """Replay the messages of one transaction; what needs another one is tried again after that."""
        done = {message_id: self._one(message_id, self._order) for message_id in group}
        moved = any(one.result is Result.APPLIED for one in done.values())
        # A message is recorded once, even if that is done again: only what is otherwise now is new.
        as_new = replace(self._order, again=False)
        while moved:
            moved = False
            for message_id, before in list(done.items()):
                if before.after not in _EARLY:
                    continue
                tried = self._one(message_id, as_new)
                if tried.result is Result.APPLIED:
                    moved = True
                if tried.result is not Result.UNCHANGED:
                    done[message_id] = tried
        return list(done.values())

    def _one(self, message_id: MessageId, order: Order) -> Replayed:
        """Replay one message; one that cannot be must not keep the others from it."""
        message = self._uow.messages.get(message_id)
        self._uow.messages.lock(message_id)
        processings = self._uow.messages.processings(message_id)
        before = processings[-1] if processings else None
        half_id = None if before is None else before.half_id
        known = Replayed(
            message_id=message_id,
            direction=message.direction,
            result=Result.PASSED_OVER,
            reason="",
            before=None if before is None else before.verdict,
            after=None if before is None else before.verdict,
            partner=None if before is None else before.partner,
            half_id=half_id,
            state=None if half_id is None else self._uow.halves.get(half_id).state,
        )
        replayed = known
        try:
            with self._uow.savepoint():
                match message.direction:
                    case Direction.RECEIVED:
                        replayed = self._received(known, processings, order)
                    case Direction.SENT:
                        replayed = self._sent(known, processings, order)
                    case _:
                        assert_never(message.direction)
                if replayed.result is Result.UNCHANGED and not order.again:
                    _undo()
        except _UndoError:
            return replayed
        except KeyDisposedError:
            return replace(known, result=Result.FAILED, reason="it has been disposed of")
        except (ConflictError, UnavailableError):
            # Not about this message: all of the unit is done again.
            raise
        except GatewayError as error:
            return replace(known, result=Result.FAILED, reason=str(error))
        except Exception as error:  # noqa: BLE001 - the others must be replayed
            # Only the kind of error: its text may repeat what the message says.
            log.error(REPLAY_FAILED, message_id=message_id, error=type(error).__name__)  # noqa: TRY400
            return replace(
                known, result=Result.FAILED, reason=f"a fault of the gateway: {type(error).__name__}"
            )
        return replayed

    # -- received

    def _received(self, known: Replayed, processings: Sequence[ProcessingRecord], order: Order) -> Replayed:
        if not processings:
            return replace(known, reason="nobody has looked at it yet: the gateway does when it runs")
        applied = next((one for one in processings if one.verdict in EFFECTIVE), None)
        if applied is not None:
            return replace(known, reason=f"it had its effect already: {applied.verdict}")
        if self._uow.held.get(known.message_id) is not None:
            return replace(known, reason="it is held for those that it overtook: the gateway decides on it")
        before = processings[-1]
        processed = self._gateway.classify_again(self._uow, known.message_id)
        now = self._uow.messages.processings(known.message_id)[-1]
        half = None if processed.half_id is None else self._uow.halves.get(processed.half_id)
        replayed = replace(
            known,
            after=processed.verdict.value,
            reason=now.reason,
            partner=processed.partner,
            half_id=processed.half_id,
            state=None if half is None else half.state,
            late=self._is_late(processed),
            sends=processed.answer,
        )
        if processed.verdict.value in EFFECTIVE:
            replayed = replace(replayed, result=Result.APPLIED)
        elif _same(before, now):
            replayed = replace(replayed, result=Result.UNCHANGED)
        else:
            replayed = replace(replayed, result=Result.RECLASSIFIED)
        if replayed.result is not Result.UNCHANGED or order.again:
            self._audit(replayed, order)
        return replayed

    def _is_late(self, processed: Processed) -> bool:
        """Whether a message was refused by a half that has moved on since the message came."""
        if processed.verdict is not Verdict.PROHIBITED or processed.half_id is None:
            return False
        came_at = self._uow.messages.get(processed.message_id).stored_at
        return any(
            record.at > came_at and record.state_after != record.state_before
            for record in self._uow.inputs.of(processed.half_id)
        )

    # -- sent

    def _sent(self, known: Replayed, processings: Sequence[ProcessingRecord], order: Order) -> Replayed:
        rows = self._uow.outbox.list(message_id=known.message_id, finished=True)
        if any(row.finished_at is None for row in rows):
            return replace(known, reason="it still waits to be sent: waiting retry tries it now")
        again = [one for one in processings if one.verdict == SENT_AGAIN]
        if again and not order.again:
            return replace(known, reason=again[-1].reason)
        half_id = known.half_id
        if half_id is not None and self._uow.inputs.of_message(known.message_id):
            arrived = any(row.status is OutboxStatus.DELIVERED for row in rows)
            return self._repeated(known, processings, half_id, order, arrived=arrived)
        return self._identical(known, processings, order)

    def _repeated(
        self,
        known: Replayed,
        processings: Sequence[ProcessingRecord],
        half_id: HalfId,
        order: Order,
        *,
        arrived: bool,
    ) -> Replayed:
        """Send a service of ours as a repeat."""
        try:
            with self._uow.savepoint():
                acted = self._gateway.repeat_message(self._uow, half_id, known.message_id, actor=order.actor)
        except PrimitiveRefusedError as error:
            if not arrived:
                # The partner never had it, so it is no repeat; what came after it waits for it there.
                return self._identical(known, processings, order)
            return replace(known, reason=f"{error}, and it arrived")
        reason = f"sent again as a repeat, message {acted.message_id}"
        return self._again(known, processings, order, reason, acted.message_id)

    def _identical(self, known: Replayed, processings: Sequence[ProcessingRecord], order: Order) -> Replayed:
        """Send identical octets: a report, which moves nothing, or what never arrived."""
        partner = None if known.partner is None else self._settings.partner(known.partner)
        if partner is None:
            return replace(known, reason="whom it is for is not configured")
        latest = processings[-1]
        send_again(
            self._uow,
            known.message_id,
            Destination(partner=partner),
            Context(transaction_id=latest.transaction_id, half_id=latest.half_id),
            retry=partner.retry,
            at=self._clock(),
        )
        return self._again(known, processings, order, "sent again with identical octets", known.message_id)

    def _again(
        self,
        known: Replayed,
        processings: Sequence[ProcessingRecord],
        order: Order,
        reason: str,
        sends: MessageId,
    ) -> Replayed:
        latest = processings[-1]
        self._uow.messages.processed(
            known.message_id,
            at=self._clock(),
            verdict=SENT_AGAIN,
            reason=reason,
            apdu_type=latest.apdu_type,
            partner=latest.partner,
            transaction_id=latest.transaction_id,
            half_id=latest.half_id,
        )
        replayed = replace(known, result=Result.SENT_AGAIN, reason=reason, after=SENT_AGAIN, sends=sends)
        self._audit(replayed, order)
        return replayed

    def _audit(self, replayed: Replayed, order: Order) -> None:
        self._uow.audit.append(
            at=self._clock(),
            actor=order.actor,
            action=ACTION,
            reason=order.reason,
            half_id=replayed.half_id,
            message_id=replayed.message_id,
        )


def _same(before: ProcessingRecord, now: ProcessingRecord) -> bool:
    """Whether two classifications say the same."""
    return (before.verdict, before.reason, before.partner, before.half_id, before.error_offset) == (
        now.verdict,
        now.reason,
        now.partner,
        now.half_id,
        now.error_offset,
    )


def _log(one: Replayed) -> None:
    log.info(
        MESSAGE_REPLAYED,
        message_id=one.message_id,
        result=one.result.value,
        verdict=one.after,
        partner=one.partner,
        half_id=one.half_id,
    )
