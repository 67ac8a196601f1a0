"""The use cases: what the daemon, the command and (later) the API ask the gateway to do.

Each takes a unit of work and never commits: whoever opened it does, so that several can share a commit. The
clock comes in; nothing here waits, connects or sends.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from asn1.codec import WireError
from config.settings import LocalSymbol, Partner, Settings
from iso_gateway import documents
from iso_gateway.acting import action, passing, requesting
from iso_gateway.acting.action import Acted
from iso_gateway.acting.requesting import Randomness
from iso_gateway.errors import ConflictError, UnavailableError
from iso_gateway.reception import Processed, Reception, Verdict, returns
from iso_gateway.request import primitives
from iso_gateway.request.new_request import NewRequest
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import (
    Direction,
    HalfId,
    HeldRecord,
    MessageId,
    Side,
    TransactionId,
    Transport,
)
from iso_gateway.store.unit_of_work import UnitOfWork

log = structlog.stdlib.get_logger(__name__)

APDU_STORED = "apdu.stored"
APDU_PROCESSED = "apdu.processed"
SERVICE_REQUESTED = "service.requested"
DOCUMENT_ADDED = "document.added"
DEADLINE_FAILED = "deadline.failed"
HELD_FAILED = "message.held-failed"

#: What may be what others waited for.
_EFFECTIVE: Final = frozenset({Verdict.APPLIED, Verdict.REPEATED})
#: How many halves, and how many messages, one unit of work deals with that have come due.
MOST_DUE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How octets reached the gateway: their envelope, which is stored beside them.

    Args:
        transport: by which way; an answer may go back on a two-way connection only.
        listener: the configured name of the listener, or `outbound`.
        peer_address: host and port of the peer.
        connection_id: the connection, for answers on it.
        side: on which side of the gateway.
    """

    transport: Transport
    listener: str | None
    peer_address: str | None
    connection_id: str | None
    side: Side = Side.PARTNER


class Gateway:
    """The use cases under one configuration.

    Args:
        settings: partners, local symbols, limits.
        clock: gives the moment, aware.
        randomness: gives a random number below its argument, for Transaction-Ids.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime],
        randomness: Randomness = secrets.randbelow,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._randomness = randomness

    @property
    def settings(self) -> Settings:
        """The configuration that holds now."""
        return self._settings

    def follow(self, settings: Settings) -> None:
        """Have another configuration hold from now on. Each message sees one of the two, whole."""
        self._settings = settings

    def receive(self, uow: UnitOfWork, octets: bytes, arrival: Arrival) -> MessageId:
        """Store what came in. Once this is committed nothing can lose it, and it may be acknowledged."""
        message_id = uow.messages.add(
            direction=Direction.RECEIVED,
            at=self._clock(),
            transport=arrival.transport,
            listener=arrival.listener,
            peer_address=arrival.peer_address,
            connection_id=arrival.connection_id,
            side=arrival.side,
            raw=octets,
        )
        uow.once_stored(partial(log.debug, APDU_STORED, message_id=message_id, octets=len(octets)))
        return message_id

    def receive_unreadable(
        self, uow: UnitOfWork, octets: bytes, error: WireError, arrival: Arrival
    ) -> Processed:
        """Keep octets that are no element at all, with the reason that the adapter found."""
        message_id = self.receive(uow, octets, arrival)
        message = uow.messages.get(message_id)
        return self._logged(uow, Reception(self._settings, uow, message, self._clock()).unreadable(error))

    def receive_without_apdu(
        self, uow: UnitOfWork, octets: bytes, reason: str, arrival: Arrival
    ) -> Processed:
        """Keep a mail that carries no APDU."""
        message_id = self.receive(uow, octets, arrival)
        return self._logged(uow, returns.note_without_apdu(uow, message_id, reason, self._clock()))

    def receive_notice(
        self, uow: UnitOfWork, octets: bytes, notice: returns.MailNotice, arrival: Arrival
    ) -> Processed:
        """Keep a mail that says what became of one of ours, and do what follows from it."""
        message_id = self.receive(uow, octets, arrival)
        return self._logged(uow, returns.note_notice(uow, message_id, notice, self._clock()))

    def process(self, uow: UnitOfWork, message_id: MessageId) -> Processed:
        """Classify a stored message: its verdict, the new state, the event, the answers, all at once.

        What it overtook or was overtaken by may be waiting for it: those messages are tried again.

        Raises:
            StoreError: there is no such message, or it cannot be opened.
        """
        message = uow.messages.get(message_id)
        processed = self._logged(uow, Reception(self._settings, uow, message, self._clock()).process())
        self._after(uow, processed)
        return processed

    def classify_again(self, uow: UnitOfWork, message_id: MessageId) -> Processed:
        """Classify a message afresh that was classified before and had no effect: see `replay`.

        Its sender is told nothing. What was held for want of it is tried again.

        Raises:
            StoreError: there is no such message, or it cannot be opened.
        """
        message = uow.messages.get(message_id)
        processed = Reception(self._settings, uow, message, self._clock(), replayed=True).process()
        self._after(uow, processed)
        return processed

    def repeat_message(self, uow: UnitOfWork, half_id: HalfId, message_id: MessageId, *, actor: str) -> Acted:
        """Send one service of ours once more, marked as a repeat; see `action.repeat_message`."""
        return self._requested(
            uow,
            action.repeat_message(self._settings, uow, half_id, message_id, actor=actor, at=self._clock()),
        )

    def act(self, uow: UnitOfWork, half_id: HalfId, primitive: primitives.Primitive, *, actor: str) -> Acted:
        """Perform a service for the local user; see `action.perform`."""
        return self._requested(
            uow,
            action.perform(self._settings, uow, half_id, primitive, actor=actor, at=self._clock()),
        )

    def repeat(self, uow: UnitOfWork, half_id: HalfId, *, actor: str) -> Acted:
        """Send the last service of ours once more, marked as a repeat; see `action.repeat`."""
        return self._requested(
            uow, action.repeat(self._settings, uow, half_id, actor=actor, at=self._clock())
        )

    def request(
        self, uow: UnitOfWork, new: NewRequest, *, partner: Partner, local: LocalSymbol, actor: str
    ) -> Acted:
        """Ask a partner for an item; see `requesting.request`."""
        return self._requested(
            uow,
            requesting.request(
                self._settings,
                uow,
                new,
                partner=partner,
                local=local,
                actor=actor,
                at=self._clock(),
                randomness=self._randomness,
            ),
        )

    def retry(self, uow: UnitOfWork, half_id: HalfId, *, actor: str, partner: Partner | None = None) -> Acted:
        """Ask once more for what an ILL-ANSWER retry ended; see `requesting.retry`."""
        return self._requested(
            uow,
            requesting.retry(
                self._settings,
                uow,
                half_id,
                partner=partner,
                actor=actor,
                at=self._clock(),
                randomness=self._randomness,
            ),
        )

    def add_document(
        self,
        uow: UnitOfWork,
        half_id: HalfId,
        url: str,
        *,
        actor: str,
        note: str | None = None,
        again: bool = False,
    ) -> documents.Posted:
        """Give the borrower of a shipped item another link; see `documents.add`."""
        posted = documents.add(
            self._settings, uow, half_id, url, note=note, actor=actor, at=self._clock(), again=again
        )
        said = {"half_id": half_id, "document": posted.document_id, "mailed": posted.unmailed is None}
        uow.once_stored(partial(log.info, DOCUMENT_ADDED, **said))
        return posted

    def preview_document(
        self, uow: UnitOfWork, half_id: HalfId, *, url: str | None = None
    ) -> documents.Preview:
        """The mail about a document as it would be; see `documents.preview`."""
        return documents.preview(self._settings, uow, half_id, url=url, at=self._clock())

    def tick(self, uow: UnitOfWork) -> datetime | None:
        """Do what has come due: deadlines that have passed, and messages that were held long enough.

        Returns:
            When something comes due next, which may be now, if there was more than one unit of work should
            hold; None if nothing waits.
        """
        now = self._clock()
        for half_id in uow.deadlines.passed(now, MOST_DUE):
            self._let_pass(uow, half_id, now)
        for held in uow.held.passed(now, MOST_DUE):
            processed = self._try_again(uow, held, now)
            if processed is not None:
                self._after(uow, processed)
        return self.next_moment(uow)

    @staticmethod
    def next_moment(uow: UnitOfWork) -> datetime | None:
        """When something comes due next; None if nothing waits."""
        moments = (uow.deadlines.next(), uow.held.next())
        return min((moment for moment in moments if moment is not None), default=None)

    def _let_pass(self, uow: UnitOfWork, half_id: HalfId, now: datetime) -> None:
        """Let a half's deadlines pass; one half that cannot must not keep the others from it."""
        try:
            with uow.savepoint():
                passing.let_pass(self._settings, uow, half_id, now)
        except KeyDisposedError:
            # Nobody can say any more what the request was, so nothing can be sent or told about it.
            uow.deadlines.replace(half_id, {})
            return
        except (ConflictError, UnavailableError):
            raise  # it has nothing to do with this half, and all of it is done again
        except Exception as error:  # noqa: BLE001 - the others must be served
            # Only the kind of error: its text may repeat what a message says.
            log.error(DEADLINE_FAILED, half_id=half_id, error=type(error).__name__)  # noqa: TRY400
            passing.put_off(uow, half_id, now)
            return
        self._try_held(uow, uow.halves.get(half_id).transaction_id)

    def _requested(self, uow: UnitOfWork, acted: Acted) -> Acted:
        uow.once_stored(
            partial(
                log.info,
                SERVICE_REQUESTED,
                half_id=acted.half_id,
                message_id=acted.message_id,
                apdu_type=acted.apdu.asn1_name,
                state=acted.state.value,
                partner=acted.partner,
            )
        )
        self._try_held(uow, uow.halves.get(acted.half_id).transaction_id)
        return acted

    def _after(self, uow: UnitOfWork, processed: Processed) -> None:
        if processed.verdict in _EFFECTIVE and processed.transaction_id is not None:
            self._try_held(uow, processed.transaction_id)

    def _try_held(self, uow: UnitOfWork, transaction_id: TransactionId) -> None:
        """Try those messages again that wait for their transaction to move, in the order they came.

        Each that has its effect may be what others waited for, so then it begins anew.
        """
        now = self._clock()
        waiting = uow.held.of(transaction_id)
        while any(self._has_its_effect(uow, one, now) for one in waiting):
            waiting = uow.held.of(transaction_id)

    def _has_its_effect(self, uow: UnitOfWork, held: HeldRecord, now: datetime) -> bool:
        processed = self._try_again(uow, held, now)
        return processed is not None and processed.verdict in _EFFECTIVE

    def _try_again(self, uow: UnitOfWork, held: HeldRecord, now: datetime) -> Processed | None:
        """Classify a held message again, which may leave it held; None if it cannot be, or is held no more.

        One that cannot be classified must not keep others from it, which may be what it waits for.
        """
        try:
            with uow.savepoint():
                if uow.held.take(held.message_id) is None:
                    return None
                message = uow.messages.get(held.message_id)
                processed = Reception(self._settings, uow, message, now, held=held).process()
        except KeyDisposedError:
            # It was bound to its request's key, which is gone: nobody can read it any more.
            uow.held.take(held.message_id)
            known = uow.messages.processings(held.message_id)[-1]
            uow.messages.processed(
                held.message_id,
                at=now,
                verdict=Verdict.DISPOSED_OF,
                reason="its request was disposed of while it was held",
                apdu_type=known.apdu_type,
                partner=known.partner,
                transaction_id=known.transaction_id,
                half_id=known.half_id,
            )
            return None
        except (ConflictError, UnavailableError):
            raise  # as said
        except Exception as error:  # noqa: BLE001 - as said
            # Only the kind of error: its text may repeat what the message says.
            log.error(HELD_FAILED, message_id=held.message_id, error=type(error).__name__)  # noqa: TRY400
            uow.held.put_off(held.message_id, until=max(held.until, now + passing.PUT_OFF))
            return None
        return processed if processed.verdict is Verdict.HELD else self._logged(uow, processed)

    @staticmethod
    def _logged(uow: UnitOfWork, processed: Processed) -> Processed:
        uow.once_stored(
            partial(
                log.info,
                APDU_PROCESSED,
                message_id=processed.message_id,
                apdu_type=processed.apdu_type,
                verdict=processed.verdict.value,
                partner=processed.partner,
                half_id=processed.half_id,
            )
        )
        return processed
