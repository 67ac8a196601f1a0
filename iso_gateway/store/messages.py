"""Messages: every APDU as it came or went, and what became of it."""

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Row, Select, and_, bindparam, exists, func, insert, or_, select, update

from iso_gateway.errors import StoreError
from iso_gateway.store.connection import Connection
from iso_gateway.store.gateways import is_nobodys
from iso_gateway.store.keys import HeldKey, Vault, inserted_id
from iso_gateway.store.records import (
    Direction,
    HalfId,
    KeyId,
    MessageId,
    MessageListing,
    MessageRecord,
    ProcessingId,
    ProcessingRecord,
    Side,
    TransactionId,
    Transport,
)
from iso_gateway.store.tables import message_keys, messages, processings

#: The verdict of a message that had its effect: what an exact duplicate is a duplicate of.
APPLIED = "applied"

_RAW = "messages.raw"
#: What the digest of a message's octets is bound to.
RAW_DIGEST = "messages.digest"
_COLUMNS = (
    messages.c.id,
    messages.c.direction,
    messages.c.stored_at,
    messages.c.transport,
    messages.c.listener,
    messages.c.peer_address,
    messages.c.connection_id,
    messages.c.side,
    messages.c.size,
    messages.c.received_as,
)
_INSERT = insert(messages).returning(messages.c.id)
_INSERT_KEY = insert(message_keys)
_INSERT_PROCESSING = insert(processings).returning(processings.c.id)
_GET = select(*_COLUMNS).where(messages.c.id == bindparam("message_id"))
_KEY = select(message_keys.c.key_id, message_keys.c.wrapped).where(
    message_keys.c.message_id == bindparam("message_id")
)
_SEALED = (
    select(messages.c.raw, message_keys.c.key_id, message_keys.c.wrapped)
    .join(message_keys, message_keys.c.message_id == messages.c.id)
    .where(messages.c.id == bindparam("message_id"))
)
_REWRAP = (
    update(message_keys)
    .where(message_keys.c.message_id == bindparam("bound_message"))
    .values(key_id=bindparam("new_key"), wrapped=bindparam("new_wrapped"))
)
_PROCESSINGS = (
    select(processings).where(processings.c.message_id == bindparam("message_id")).order_by(processings.c.id)
)
_WITHOUT_VERDICT = ~exists().where(processings.c.message_id == messages.c.id)
_UNPROCESSED = (
    select(messages.c.id)
    .where(messages.c.direction == Direction.RECEIVED, _WITHOUT_VERDICT)
    .order_by(messages.c.id)
)
_LEFT_BEHIND = _UNPROCESSED.where(
    messages.c.id > bindparam("after"),
    or_(
        messages.c.stored_at <= bindparam("until"),
        and_(
            messages.c.connection_id.is_not(None), is_nobodys(messages.c.connection_id, alive_since="alive")
        ),
    ),
)
_LAST_STORED = select(func.max(messages.c.id))
#: Not the last of those before it: a clock that was set back gives later messages earlier times.
_FIRST_LATER = select(func.min(messages.c.id)).where(messages.c.stored_at > bindparam("until"))
_EQUAL_OCTETS = 0x49534F33  # any number that only this program uses: "ISO3"
#: Until the end of the transaction, and by the octets: those of one message, and of its exact copies.
_LOCK = select(
    func.pg_advisory_xact_lock(_EQUAL_OCTETS, func.hashtext(func.encode(messages.c.digest, "hex")))
).where(messages.c.id == bindparam("message_id"))
_IS_UNPROCESSED = select(_WITHOUT_VERDICT).where(messages.c.id == bindparam("message_id"))


class Messages:
    """The messages of one unit of work. There is no way to change one: rows are evidence."""

    __slots__ = ("_connection", "_opened", "_vault")

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault
        self._opened: dict[MessageId, bytes] = {}

    def add(
        self,
        *,
        direction: Direction,
        at: datetime,
        transport: Transport,
        listener: str | None,
        peer_address: str | None,
        connection_id: str | None,
        side: Side,
        raw: bytes,
        transaction_id: TransactionId | None = None,
        received_as: MessageId | None = None,
    ) -> MessageId:
        """Store an APDU's octets and envelope; on disk once the unit of work has ended.

        `transaction_id`: for a message that is made for a known transaction (saves a later `bind`);
        `received_as`: the received message of which this one is the relay.
        """
        secret = self._vault.new_data_key()
        row = {
            "direction": direction,
            "stored_at": at,
            "transport": transport,
            "listener": listener,
            "peer_address": peer_address,
            "connection_id": connection_id,
            "side": side,
            "size": len(raw),
            # The data key is used once, so it alone ties these octets to their row.
            "raw": self._vault.seal(secret, raw, context=_RAW),
            "digest": self._vault.digest(raw, context=RAW_DIGEST),
            "received_as": received_as,
        }
        message_id = MessageId(inserted_id(self._connection, _INSERT, row))
        if transaction_id is None:
            wrapping = self._vault.standing.intake
        else:
            wrapping = self._vault.key_of_transaction(transaction_id)
        self._connection.execute(
            _INSERT_KEY,
            {
                "message_id": message_id,
                "key_id": wrapping.id,
                "wrapped": self._vault.seal(wrapping.secret, secret, context=_place(message_id, wrapping.id)),
            },
        )
        return message_id

    def get(self, message_id: MessageId) -> MessageRecord:
        """One message without its octets. Raises StoreError when there is none such."""
        row = self._connection.execute(_GET, {"message_id": message_id}).one_or_none()
        if row is None:
            raise _missing(message_id)
        return _message(row)

    def raw(self, message_id: MessageId) -> bytes:
        """The octets exactly as they were on the wire. Raises KeyDisposedError, or StoreError."""
        row = self._connection.execute(_SEALED, {"message_id": message_id}).one_or_none()
        if row is None:
            raise _missing(message_id)
        secret = self._data_key(message_id, self._vault.key(row.key_id), row.wrapped)
        # Most messages that are opened are bound next.
        self._opened[message_id] = secret
        return self._vault.open(secret, row.raw, context=_RAW)

    def bind(self, message_id: MessageId, transaction_id: TransactionId) -> None:
        """Tie a message to a transaction: from now on it lives as long as the transaction's key.

        Binding again moves it. Raises KeyDisposedError, or StoreError when there is no such message or
        transaction.
        """
        wrapping = self._vault.key_of_transaction(transaction_id)
        secret = self._opened.pop(message_id, None)
        if secret is None:
            row = self._connection.execute(_KEY, {"message_id": message_id}).one_or_none()
            if row is None:
                raise _missing(message_id)
            if row.key_id == wrapping.id:
                return
            secret = self._data_key(message_id, self._vault.key(row.key_id), row.wrapped)
        self._connection.execute(
            _REWRAP,
            {
                "bound_message": message_id,
                "new_key": wrapping.id,
                "new_wrapped": self._vault.seal(
                    wrapping.secret, secret, context=_place(message_id, wrapping.id)
                ),
            },
        )

    def processed(
        self,
        message_id: MessageId,
        *,
        at: datetime,
        verdict: str,
        reason: str = "",
        error_offset: int | None = None,
        error_path: str | None = None,
        apdu_type: str | None = None,
        partner: str | None = None,
        profile_digest: str | None = None,
        transaction_id: TransactionId | None = None,
        half_id: HalfId | None = None,
        answer_message_id: MessageId | None = None,
    ) -> ProcessingId:
        """Record how a message was classified. Do it for sent messages too: it is what lists know them by.

        `reason` and `error_path` are kept in plain text, so they must hold no text of the message.
        `error_offset` is in octets. Does not `bind`.
        """
        row = {
            "message_id": message_id,
            "at": at,
            "verdict": verdict,
            "reason": reason,
            "error_offset": error_offset,
            "error_path": error_path,
            "apdu_type": apdu_type,
            "partner": partner,
            "profile_digest": profile_digest,
            "transaction_id": transaction_id,
            "half_id": half_id,
            "answer_message_id": answer_message_id,
        }
        return ProcessingId(inserted_id(self._connection, _INSERT_PROCESSING, row))

    def processings(self, message_id: MessageId) -> tuple[ProcessingRecord, ...]:
        """Each time the message was classified, oldest first."""
        return tuple(
            processing(row) for row in self._connection.execute(_PROCESSINGS, {"message_id": message_id})
        )

    def unprocessed(self) -> tuple[MessageId, ...]:
        """Received messages that were stored but never classified (we stopped in between), oldest first."""
        return tuple(MessageId(row.id) for row in self._connection.execute(_UNPROCESSED))

    def left_behind(
        self, *, after: int, until: datetime, alive_since: datetime
    ) -> tuple[tuple[MessageId, ...], int]:
        """Received messages that nobody classifies any more, oldest first, and up to where that is settled.

        They were stored up to `until`, or by a gateway that has ended or was not heard of since
        `alive_since`. Asking again, give the number, beyond which all are looked at, as `after`.
        """
        parameters = {"after": after, "until": until, "alive": alive_since}
        rows = self._connection.execute(_LEFT_BEHIND, parameters)
        found = tuple(MessageId(row.id) for row in rows)
        later = self._connection.execute(_FIRST_LATER, {"until": until}).scalar()
        settled = self._connection.execute(_LAST_STORED).scalar() if later is None else later - 1
        return found, max(after, settled or 0)

    def take_up(self, message_id: MessageId) -> bool:
        """Take a received message to classify it. False if another gateway has done that.

        Until the unit of work ends, no other gateway can take it or an exact copy of it, which therefore
        finds what became of this one. SQLite has one gateway only.
        """
        if self._connection.dialect.name == "sqlite":
            return True
        # Two statements: what the lock had to wait for is seen by the second.
        self.lock(message_id)
        return bool(self._connection.execute(_IS_UNPROCESSED, {"message_id": message_id}).scalar())

    def lock(self, message_id: MessageId) -> None:
        """Keep other gateways and commands from classifying a message until the unit of work ends."""
        if self._connection.dialect.name != "sqlite":
            self._connection.execute(_LOCK, {"message_id": message_id})

    def find_exact(
        self,
        raw: bytes,
        *,
        partner: str | None,
        before: MessageId | None = None,
        verdicts: Collection[str] = (APPLIED,),
    ) -> tuple[MessageId, ...]:
        """Received messages with the same octets from the same partner that had their effect, oldest first.

        `partner` None means from a sender that was not recognised. `before`: only messages stored earlier
        than this one. `verdicts`: which classifications count as having had an effect.
        """
        digest = self._vault.digest(raw, context=RAW_DIGEST)
        rows = self._connection.execute(_exact(frozenset(verdicts), partner), {"digest": digest})
        return tuple(MessageId(row.id) for row in rows if before is None or row.id < before)

    def list(
        self,
        *,
        limit: int = 100,
        before_id: MessageId | None = None,
        partner: str | None = None,
        transaction_id: TransactionId | None = None,
    ) -> tuple[MessageListing, ...]:
        """Messages, newest first, each with its latest classification.

        `before_id` continues a list after its last message; `partner` and `transaction_id` keep to messages
        that were ever classified as theirs.
        """
        query = listing_query().order_by(messages.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(messages.c.id < before_id)
        if partner is not None or transaction_id is not None:
            query = query.where(messages.c.id.in_(_classified_as(partner, transaction_id, before_id, limit)))
        return tuple(listing_of(row) for row in self._connection.execute(query))

    def _data_key(self, message_id: MessageId, wrapping: HeldKey, wrapped: bytes) -> bytes:
        return self._vault.open(wrapping.secret, wrapped, context=_place(message_id, wrapping.id))


#: The latest classification of each message, in `listing_query`.
LATEST = processings.alias("last")
_LAST_COLUMNS = tuple(column.label(f"last_{column.name}") for column in LATEST.c)


@lru_cache(maxsize=256)
def _exact(verdicts: frozenset[str], partner: str | None) -> Select[tuple[int]]:
    """The messages with one digest that had one of these verdicts, from one partner, or from nobody known."""
    condition = and_(
        processings.c.message_id == messages.c.id,
        or_(*(processings.c.verdict == verdict for verdict in sorted(verdicts))),
        processings.c.partner.is_(None) if partner is None else processings.c.partner == partner,
    )
    return (
        select(messages.c.id)
        .where(
            messages.c.digest == bindparam("digest"),
            # Why not == RECEIVED: SQLite would take the index on direction, and go through every message.
            messages.c.direction != Direction.SENT,
            exists().where(condition),
        )
        .order_by(messages.c.id)
    )


def listing_query() -> Select[*tuple[object, ...]]:
    """Every message with its latest classification."""
    newest = (
        select(func.max(processings.c.id))
        .where(processings.c.message_id == messages.c.id)
        .correlate(messages)
        .scalar_subquery()
    )
    return select(*_COLUMNS, *_LAST_COLUMNS).outerjoin_from(messages, LATEST, LATEST.c.id == newest)


def listing_of(row: Row[*tuple[object, ...]]) -> MessageListing:
    """A row of `listing_query` as a record."""
    return MessageListing(message=_message(row), processing=_latest(row))


def _classified_as(
    partner: str | None, transaction_id: TransactionId | None, before_id: MessageId | None, limit: int
) -> Select[tuple[int]]:
    """The newest messages of a partner or transaction, by the index: however many others there are."""
    query = select(processings.c.message_id).distinct().order_by(processings.c.message_id.desc()).limit(limit)
    if partner is not None:
        query = query.where(processings.c.partner == partner)
    if transaction_id is not None:
        query = query.where(processings.c.transaction_id == transaction_id)
    if before_id is not None:
        query = query.where(processings.c.message_id < before_id)
    return query


def _place(message_id: MessageId, key_id: KeyId) -> str:
    return f"message_keys.wrapped:{message_id}:{key_id}"


def _missing(message_id: MessageId) -> StoreError:
    return StoreError(
        f"there is no message {message_id} in the database; messages list shows those there are"
    )


def _message(row: Row[*tuple[object, ...]]) -> MessageRecord:
    return MessageRecord(
        id=row.id,
        direction=row.direction,
        stored_at=row.stored_at,
        transport=row.transport,
        listener=row.listener,
        peer_address=row.peer_address,
        connection_id=row.connection_id,
        side=row.side,
        size=row.size,
        received_as=row.received_as,
    )


def processing(row: Row[*tuple[object, ...]]) -> ProcessingRecord:
    """A row of the processings table as a record."""
    return ProcessingRecord(**row._asdict())


def _latest(row: Row[*tuple[object, ...]]) -> ProcessingRecord | None:
    fields = {column.name: getattr(row, f"last_{column.name}") for column in LATEST.c}
    return None if fields["id"] is None else ProcessingRecord(**fields)
