"""Transactions: found by a keyed digest of their canonical Transaction-Id, described by a sealed summary."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, insert, select, update

from iso_gateway.errors import StoreError
from iso_gateway.store.connection import Connection
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.keys import Vault, inserted_id
from iso_gateway.store.records import KeyId, KeyPurpose, TransactionId, TransactionRecord
from iso_gateway.store.tables import keys, transactions

#: What the digest of a canonical Transaction-Id is bound to.
DIGEST = "transactions.key"
#: What the digest of an ILL number is bound to.
NUMBER_DIGEST = "transactions.number"
#: The ILL number's name in a summary.
NUMBER = "request_number"
_COLUMNS = (transactions.c.id, transactions.c.key_id, transactions.c.created_at)
_INSERT = insert(transactions).returning(transactions.c.id)
_FIND = select(*_COLUMNS).where(transactions.c.key_digest == bindparam("digest"))
_GET = select(*_COLUMNS, transactions.c.sealed).where(transactions.c.id == bindparam("transaction_id"))
_DISPOSE = (
    update(keys)
    .where(
        keys.c.id == bindparam("key"), keys.c.purpose == KeyPurpose.TRANSACTION, keys.c.disposed_at.is_(None)
    )
    .values(wrapped=None, disposed_at=bindparam("at"))
)


class Transactions:
    """The transactions of one unit of work."""

    __slots__ = ("_connection", "_vault")

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def find(self, canonical: bytes) -> TransactionRecord | None:
        """The transaction of a canonical Transaction-Id, if we know it; also after its disposal."""
        digest = self._vault.digest(canonical, context=DIGEST)
        row = self._connection.execute(_FIND, {"digest": digest}).one_or_none()
        if row is None:
            return None
        return TransactionRecord(id=row.id, key_id=row.key_id, created_at=row.created_at)

    def create(self, canonical: bytes, *, summary: Mapping[str, object], at: datetime) -> TransactionId:
        """Begin a transaction, with a key of its own. `summary` holds JSON values only.

        The ILL number in it can be searched for. A canonical Transaction-Id that is there already makes the
        unit of work fail with StoreError.
        """
        key = self._vault.create_transaction_key(at)
        row = {
            "key_digest": self._vault.digest(canonical, context=DIGEST),
            "key_id": key.id,
            "sealed": self._vault.seal_json(key, summary, context=summary_place(key.id)),
            "created_at": at,
            "number_digest": number_digest(self._vault, summary.get(NUMBER)),
        }
        transaction_id = TransactionId(inserted_id(self._connection, _INSERT, row))
        self._vault.hold(transaction_id, key)
        return transaction_id

    def get(self, transaction_id: TransactionId) -> TransactionRecord:
        """One transaction. Raises StoreError when there is none such."""
        row = self._connection.execute(_GET, {"transaction_id": transaction_id}).one_or_none()
        if row is None:
            raise _missing(transaction_id)
        return TransactionRecord(id=row.id, key_id=row.key_id, created_at=row.created_at)

    def summary(self, transaction_id: TransactionId) -> dict[str, object]:
        """What `create` was given. Raises KeyDisposedError, or StoreError when there is none such."""
        row = self._connection.execute(_GET, {"transaction_id": transaction_id}).one_or_none()
        if row is None:
            raise _missing(transaction_id)
        return self._vault.open_json(
            self._vault.key(row.key_id), row.sealed, context=summary_place(row.key_id)
        )

    def is_disposed(self, transaction_id: TransactionId) -> bool:
        """Whether nothing of a transaction can be read any more, nor anything sealed for it."""
        try:
            self._vault.key_of_transaction(transaction_id)
        except KeyDisposedError:
            return True
        return False

    def dispose(self, transaction_id: TransactionId, *, at: datetime) -> bool:
        """Dispose of a transaction's key: nobody can read its summary, messages and fields any more.

        There is no way back. What happened (states, times, verdicts) stays. False when that had been done
        already.
        """
        key_id = self.get(transaction_id).key_id
        self._vault.forget()
        return self._connection.execute(_DISPOSE, {"key": key_id, "at": at}).rowcount == 1


def number_digest(vault: Vault, number: object) -> bytes | None:
    """The digest by which an ILL number is found again, in whatever case it is written."""
    said = number.strip().casefold() if isinstance(number, str) else ""
    return vault.digest(said.encode(), context=NUMBER_DIGEST) if said else None


def summary_place(key_id: KeyId) -> str:
    """The context that a summary is sealed in: a key belongs to one transaction, so it names the row."""
    return f"transactions.sealed:{key_id}"


def _missing(transaction_id: TransactionId) -> StoreError:
    return StoreError(f"there is no transaction {transaction_id} in the database")
