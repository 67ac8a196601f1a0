"""The keys table as seen through the key ring, within one database transaction."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine, bindparam, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import ReturningInsert

from iso_gateway.errors import StoreError
from iso_gateway.store.connection import Connection
from iso_gateway.store.keyring import KeyDisposedError, KeyRing
from iso_gateway.store.records import HalfId, KeyId, KeyPurpose, TransactionId
from iso_gateway.store.tables import halves, keys, transactions

_INSERT = insert(keys).returning(keys.c.id)
_SELECT = select(keys.c.purpose, keys.c.wrapped, keys.c.master_id, keys.c.disposed_at)
_BY_ID = _SELECT.where(keys.c.id == bindparam("key_id"))
_KEY_OF_TRANSACTION = select(transactions.c.key_id).where(transactions.c.id == bindparam("transaction_id"))
_TRANSACTION_OF_HALF = select(halves.c.transaction_id).where(halves.c.id == bindparam("half_id"))
_CURRENT = (
    select(keys.c.id, keys.c.wrapped, keys.c.master_id)
    .where(keys.c.purpose == bindparam("purpose"), keys.c.disposed_at.is_(None))
    .order_by(keys.c.id.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """An opened key; its octets stay out of every repr."""

    id: KeyId
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingKeys:
    """The keys that a database always has: for messages not yet in a transaction, and for digests."""

    intake: HeldKey
    digest: HeldKey


def standing_keys(engine: Engine, ring: KeyRing, now: datetime) -> StandingKeys:
    """Open the database's intake and digest keys, making those that it does not have yet.

    Raises StoreError when another master key sealed them.
    """
    try:
        return _open_or_create(engine, ring, now)
    except IntegrityError:
        # Another process made the digest key in the same moment: there can be only one, and now it is there.
        return _open_or_create(engine, ring, now)


def _open_or_create(engine: Engine, ring: KeyRing, now: datetime) -> StandingKeys:
    with engine.begin() as plain:
        connection = Connection(plain)
        held = {}
        for purpose in (KeyPurpose.DIGEST, KeyPurpose.INTAKE):
            row = connection.execute(_CURRENT, {"purpose": purpose}).one_or_none()
            if row is None:
                held[purpose] = create_key(connection, ring, purpose, now)
            else:
                secret = ring.unwrap(row.wrapped, purpose=purpose, master_id=row.master_id)
                held[purpose] = HeldKey(id=KeyId(row.id), secret=secret)
    return StandingKeys(intake=held[KeyPurpose.INTAKE], digest=held[KeyPurpose.DIGEST])


def create_key(connection: Connection, ring: KeyRing, purpose: KeyPurpose, at: datetime) -> HeldKey:
    """Make a key and store it, sealed by the master key."""
    secret = ring.new_key()
    row = {
        "purpose": purpose,
        "wrapped": ring.wrap(secret, purpose=purpose),
        "master_id": ring.master_id,
        "created_at": at,
    }
    return HeldKey(id=KeyId(inserted_id(connection, _INSERT, row)), secret=secret)


def inserted_id(connection: Connection, statement: ReturningInsert[int], row: Mapping[str, object]) -> int:
    """Insert one row by a statement that returns the number the database gives it."""
    return int(connection.execute(statement, row).scalar_one())


class Vault:
    """Sealing and opening for the repositories of one unit of work.

    The keys of transactions stay open until it ends, and not longer: another process may dispose of them.
    """

    __slots__ = ("_connection", "_open", "_ring", "_transactions", "standing")

    def __init__(self, connection: Connection, ring: KeyRing, standing: StandingKeys) -> None:
        self._connection = connection
        self._ring = ring
        self._open: dict[TransactionId, HeldKey] = {}
        self._transactions: dict[HalfId, TransactionId] = {}
        self.standing = standing

    def create_transaction_key(self, at: datetime) -> HeldKey:
        """Make a key for a new transaction."""
        return create_key(self._connection, self._ring, KeyPurpose.TRANSACTION, at)

    def hold(self, transaction_id: TransactionId, key: HeldKey) -> None:
        """Keep the key of a transaction open that was just made."""
        self._open[transaction_id] = key

    def belongs(self, half_id: HalfId, transaction_id: TransactionId) -> None:
        """Remember of which transaction a half is that was just made."""
        self._transactions[half_id] = transaction_id

    def forget(self) -> None:
        """Close what is open: a key was disposed of, or what was made is undone and its number free again."""
        self._open.clear()
        self._transactions.clear()

    def new_data_key(self) -> bytes:
        """A key for one message; it is stored only as sealed by another key."""
        return self._ring.new_key()

    def key(self, key_id: KeyId) -> HeldKey:
        """Open a key by its number. Raises KeyDisposedError, or StoreError when there is none such."""
        if key_id == self.standing.intake.id:
            return self.standing.intake
        row = self._connection.execute(_BY_ID, {"key_id": key_id}).one_or_none()
        if row is None:
            raise StoreError(f"key {key_id} is not in the database; check it with a backup")
        return self.opened(key_id, row.purpose, row.wrapped, row.master_id, row.disposed_at)

    def opened(
        self,
        key_id: KeyId,
        purpose: KeyPurpose,
        wrapped: bytes | None,
        master_id: str,
        disposed_at: datetime | None,
    ) -> HeldKey:
        """Open a key whose row has been read already. Raises KeyDisposedError."""
        if wrapped is None:
            when = "" if disposed_at is None else f" at {disposed_at.isoformat()}"
            raise KeyDisposedError(
                f"key {key_id} was disposed of{when}; what it sealed cannot be read any more"
            )
        return HeldKey(id=key_id, secret=self._ring.unwrap(wrapped, purpose=purpose, master_id=master_id))

    def key_of_transaction(self, transaction_id: TransactionId) -> HeldKey:
        """Open a transaction's key. Raises KeyDisposedError, or StoreError for an unknown transaction."""
        held = self._open.get(transaction_id)
        if held is None:
            key_id = self._connection.execute(
                _KEY_OF_TRANSACTION, {"transaction_id": transaction_id}
            ).scalar()
            if key_id is None:
                raise StoreError(f"there is no transaction {transaction_id} in the database")
            held = self._open[transaction_id] = self.key(KeyId(key_id))
        return held

    def key_of_half(self, half_id: HalfId) -> HeldKey:
        """Open the key of a half's transaction. Raises KeyDisposedError, or StoreError for no such half."""
        transaction_id = self._transactions.get(half_id)
        if transaction_id is None:
            transaction_id = self._connection.execute(_TRANSACTION_OF_HALF, {"half_id": half_id}).scalar()
            if transaction_id is None:
                raise StoreError(f"there is no half {half_id} in the database")
            self._transactions[half_id] = transaction_id
        return self.key_of_transaction(transaction_id)

    def key_for(self, half_id: HalfId | None) -> HeldKey:
        """The key for something said about a half, or about none: then the intake key."""
        return self.standing.intake if half_id is None else self.key_of_half(half_id)

    def seal(self, secret: bytes, data: bytes, *, context: str) -> bytes:
        """Seal octets; see `KeyRing.seal`."""
        return self._ring.seal(secret, data, context=context)

    def open(self, secret: bytes, sealed: bytes, *, context: str) -> bytes:
        """Open sealed octets; see `KeyRing.open`."""
        return self._ring.open(secret, sealed, context=context)

    def seal_json(self, key: HeldKey, value: Mapping[str, object], *, context: str) -> bytes:
        """Seal a JSON object. Escaped to ASCII, so that any text a peer may send survives."""
        text = json.dumps(dict(value), separators=(",", ":"), sort_keys=True)
        return self._ring.seal(key.secret, text.encode("ascii"), context=context)

    def open_json(self, key: HeldKey, sealed: bytes, *, context: str) -> dict[str, object]:
        """Open a JSON object made by `seal_json`."""
        value: dict[str, object] = json.loads(self._ring.open(key.secret, sealed, context=context))
        return value

    def digest(self, data: bytes, *, context: str) -> bytes:
        """The keyed digest by which equal data is found."""
        return self._ring.digest(self.standing.digest.secret, data, context=context)
