"""What is put before a person: rows that stand until their cause is gone, or somebody clears them."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Row, bindparam, func, insert, select, update

from iso_gateway.store.connection import Connection
from iso_gateway.store.keys import inserted_id
from iso_gateway.store.records import AttentionId, AttentionRecord, AuditId, HalfId, MessageId
from iso_gateway.store.tables import attention

_INSERT = insert(attention).returning(attention.c.id)
_ACTIVE = select(attention).where(attention.c.gone_at.is_(None)).order_by(attention.c.id)
_LIST = select(attention).order_by(attention.c.id.desc()).limit(bindparam("at_most"))
_GET = select(attention).where(attention.c.id == bindparam("attention_id"))
_SEEN = (
    update(attention)
    .where(attention.c.id == bindparam("attention_id"))
    .values(seen_at=bindparam("seen"), reason=bindparam("words"))
)
_CLEAR = (
    update(attention)
    .where(attention.c.id == bindparam("attention_id"), attention.c.cleared_at.is_(None))
    .values(cleared_at=bindparam("at"), cleared_by=bindparam("by"), audit_id=bindparam("audit"))
)
_now = bindparam("at", type_=attention.c.gone_at.type)
_GONE = (
    update(attention)
    .where(attention.c.id == bindparam("attention_id"), attention.c.gone_at.is_(None))
    .values(cleared_at=func.coalesce(attention.c.cleared_at, _now), gone_at=_now)
)
_LOCK = 0x49534F36  # any number that only this program uses: "ISO6"


class Attention:
    """The attention rows of one unit of work."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lock(self) -> None:
        """Keep other gateways from noticing the same until this unit of work ends."""
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")

    def raise_(
        self,
        *,
        key: str,
        kind: str,
        reason: str,
        since: datetime,
        at: datetime,
        partner: str | None = None,
        half_id: HalfId | None = None,
        message_id: MessageId | None = None,
    ) -> AttentionId:
        """Put something before a person. A key whose cause is not gone fails with StoreError.

        `reason` is for people, in our words, and kept in plain.
        """
        row: Mapping[str, object] = {
            "key": key,
            "kind": kind,
            "reason": reason,
            "partner": partner,
            "half_id": half_id,
            "message_id": message_id,
            "since": since,
            "raised_at": at,
            "seen_at": at,
        }
        return AttentionId(inserted_id(self._connection, _INSERT, row))

    def active(self) -> tuple[AttentionRecord, ...]:
        """The rows whose cause is not gone, oldest first: also those that somebody has cleared."""
        return tuple(_record(row) for row in self._connection.execute(_ACTIVE))

    def standing(self) -> tuple[AttentionRecord, ...]:
        """The rows that nobody and nothing has cleared, oldest first."""
        return tuple(one for one in self.active() if one.cleared_at is None)

    def list(self, limit: int = 100) -> tuple[AttentionRecord, ...]:
        """All rows, newest first."""
        return tuple(_record(row) for row in self._connection.execute(_LIST, {"at_most": limit}))

    def get(self, attention_id: AttentionId) -> AttentionRecord | None:
        """One row, if there is one such."""
        row = self._connection.execute(_GET, {"attention_id": attention_id}).one_or_none()
        return None if row is None else _record(row)

    def seen(self, attention_id: AttentionId, *, reason: str, at: datetime) -> None:
        """The cause is still there; `reason` is what is said of it now."""
        self._connection.execute(_SEEN, {"attention_id": attention_id, "words": reason, "seen": at})

    def clear(self, attention_id: AttentionId, *, by: str, audit_id: AuditId, at: datetime) -> bool:
        """An operator has seen to it; not raised again while its cause lasts. False if it is cleared."""
        parameters = {"attention_id": attention_id, "by": by, "audit": audit_id, "at": at}
        return self._connection.execute(_CLEAR, parameters).rowcount == 1

    def gone(self, attention_id: AttentionId, at: datetime) -> None:
        """Its cause is gone: it clears itself, if nobody has, and may be raised anew."""
        self._connection.execute(_GONE, {"attention_id": attention_id, "at": at})


def _record(row: Row[*tuple[object, ...]]) -> AttentionRecord:
    return AttentionRecord(**row._mapping)  # noqa: SLF001  (SQLAlchemy's public name for it)
