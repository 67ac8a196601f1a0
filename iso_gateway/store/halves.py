"""Halves: one party's view of a transaction each, which the protocol machine moves."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, Select, Update, bindparam, insert, select, update

from iso_gateway.errors import StoreError
from iso_gateway.store.connection import Connection, locking
from iso_gateway.store.keys import Vault, inserted_id
from iso_gateway.store.records import Basis, HalfId, HalfListing, HalfRecord, TransactionId, Unarrived
from iso_gateway.store.tables import halves, keys, transactions
from iso_gateway.store.transactions import summary_place
from iso_gateway.store.unarrived import halves_with

_INSERT = insert(halves).returning(halves.c.id)
_GET = select(halves).where(halves.c.id == bindparam("half_id"))
_FIND = select(halves).where(
    halves.c.transaction_id == bindparam("transaction_id"),
    halves.c.role == bindparam("role"),
    halves.c.local == bindparam("local"),
)
_OF = select(halves).where(halves.c.transaction_id == bindparam("transaction_id")).order_by(halves.c.id)
_LIST = (
    select(
        halves,
        transactions.c.key_id,
        transactions.c.sealed,
        keys.c.purpose,
        keys.c.wrapped,
        keys.c.master_id,
        keys.c.disposed_at,
    )
    .join(transactions, transactions.c.id == halves.c.transaction_id)
    .join(keys, keys.c.id == transactions.c.key_id)
    .order_by(halves.c.id.desc())
)


class Halves:
    """The halves of one unit of work.

    On PostgreSQL a half that is read to be written is locked until the unit of work ends, so that two
    gateway processes never move it from the same state; on SQLite a writing unit of work holds the only
    write lock there is.
    """

    __slots__ = ("_connection", "_vault", "_writing")

    def __init__(self, connection: Connection, vault: Vault, *, writing: bool) -> None:
        self._connection = connection
        self._vault = vault
        self._writing = writing

    def create(
        self,
        *,
        transaction_id: TransactionId,
        role: str,
        local: str,
        partner: str,
        state: str,
        basis: Basis,
        flags: Iterable[str],
        tables: str,
        protocol_version: int,
        at: datetime,
        last_service_at: datetime | None = None,
    ) -> HalfRecord:
        """Begin a half, and give it.

        A second one of the same transaction, role and local symbol fails with StoreError. `local` and
        `partner` are configuration names, not symbols; `tables` is the table profile.
        """
        row: dict[str, Any] = {
            "transaction_id": transaction_id,
            "role": role,
            "local": local,
            "partner": partner,
            "state": state,
            "basis": basis,
            "flags": tuple(flags),
            "tables": tables,
            "protocol_version": protocol_version,
            "created_at": at,
            "updated_at": at,
            "last_service_at": last_service_at,
            "former_partners": (),
        }
        half_id = HalfId(inserted_id(self._connection, _INSERT, row))
        self._vault.belongs(half_id, transaction_id)
        return HalfRecord(id=half_id, **row)

    def get(self, half_id: HalfId) -> HalfRecord:
        """One half. Raises StoreError when there is none such."""
        row = self._connection.execute(self._to_write(_GET), {"half_id": half_id}).one_or_none()
        if row is None:
            raise _missing(half_id)
        return _half(row)

    def find(self, transaction_id: TransactionId, role: str, local: str) -> HalfRecord | None:
        """The half of a transaction in which the local symbol named `local` has this role."""
        parameters = {"transaction_id": transaction_id, "role": role, "local": local}
        row = self._connection.execute(self._to_write(_FIND), parameters).one_or_none()
        return None if row is None else _half(row)

    def of(self, transaction_id: TransactionId) -> tuple[HalfRecord, ...]:
        """All halves of a transaction, oldest first."""
        rows = self._connection.execute(self._to_write(_OF), {"transaction_id": transaction_id})
        return tuple(_half(row) for row in rows)

    def update(
        self,
        half_id: HalfId,
        *,
        state: str,
        flags: Iterable[str],
        at: datetime,
        basis: Basis | None = None,
        last_service_at: datetime | None = None,
    ) -> None:
        """Move a half. What is None stays as it is.

        Raises StoreError when there is none such.
        """
        values: dict[str, object] = {"state": state, "flags": tuple(flags), "updated_at": at}
        if basis is not None:
            values["basis"] = basis
        if last_service_at is not None:
            values["last_service_at"] = last_service_at
        self._change(half_id, values)

    def pass_on(self, half_id: HalfId, partner: str, *, former: Iterable[str], at: datetime) -> None:
        """Make another partner the other end: the request was forwarded. `former`: whom it was with before.

        Raises StoreError when there is none such.
        """
        self._change(half_id, {"partner": partner, "former_partners": tuple(former), "updated_at": at})

    def spoke(self, half_id: HalfId, service_at: datetime) -> None:
        """Remember the service-date-time of something that was sent and moves nothing.

        Raises StoreError when there is none such.
        """
        self._change(half_id, {"last_service_at": service_at})

    def _change(self, half_id: HalfId, values: Mapping[str, object]) -> None:
        parameters = {"moved": half_id, **{f"new_{name}": value for name, value in values.items()}}
        if self._connection.execute(_moving(*values), parameters).rowcount != 1:
            raise _missing(half_id)

    def list(
        self,
        *,
        limit: int = 100,
        before_id: HalfId | None = None,
        role: str | None = None,
        local: str | None = None,
        partner: str | None = None,
        state: str | None = None,
        unarrived: Collection[Unarrived] = (),
    ) -> tuple[HalfListing, ...]:
        """Halves, newest first, with their transactions' summaries; `before_id` continues a list.

        `unarrived`: only those that have messages of ours of any of these kinds.
        """
        query = _LIST.limit(limit)
        if before_id is not None:
            query = query.where(halves.c.id < before_id)
        wanted = {
            halves.c.role: role,
            halves.c.local: local,
            halves.c.partner: partner,
            halves.c.state: state,
        }
        for column, value in wanted.items():
            if value is not None:
                query = query.where(column == value)
        if unarrived:
            query = query.where(halves.c.id.in_(halves_with(unarrived)))
        return tuple(self._listing(row) for row in self._connection.execute(query))

    def after(self, half_id: int, limit: int) -> tuple[HalfRecord, ...]:
        """Halves with a greater number, oldest first; 0 begins at the beginning."""
        query = select(halves).where(halves.c.id > half_id).order_by(halves.c.id).limit(limit)
        return tuple(_half(row) for row in self._connection.execute(query))

    def _listing(self, row: Row[*tuple[object, ...]]) -> HalfListing:
        if row.wrapped is None:
            return HalfListing(half=_half(row), summary=None)
        key = self._vault.opened(row.key_id, row.purpose, row.wrapped, row.master_id, row.disposed_at)
        summary = self._vault.open_json(key, row.sealed, context=summary_place(row.key_id))
        return HalfListing(half=_half(row), summary=summary)

    def _to_write(self, query: Select[*tuple[object, ...]]) -> Select[*tuple[object, ...]]:
        return locking(query) if self._writing else query


@lru_cache(maxsize=16)
def _moving(*columns: str) -> Update:
    """The statement that sets some columns of a half."""
    return (
        update(halves)
        .where(halves.c.id == bindparam("moved"))
        .values({name: bindparam(f"new_{name}") for name in columns})
    )


def _missing(half_id: HalfId) -> StoreError:
    return StoreError(f"there is no request {half_id} in the database; requests list shows those there are")


def _half(row: Row[*tuple[object, ...]]) -> HalfRecord:
    return HalfRecord(
        id=row.id,
        transaction_id=row.transaction_id,
        role=row.role,
        local=row.local,
        partner=row.partner,
        state=row.state,
        basis=row.basis,
        flags=row.flags,
        tables=row.tables,
        protocol_version=row.protocol_version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_service_at=row.last_service_at,
        former_partners=row.former_partners,
    )
