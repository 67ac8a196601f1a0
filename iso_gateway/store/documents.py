"""The documents whose links borrowers were given, each with the mail that says where it is.

The mail stands in the outbox (`mails`), sealed by the transaction's key.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from iso_gateway.store.connection import Connection
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.keys import Vault, inserted_id
from iso_gateway.store.mails import Mails, QueuedMail
from iso_gateway.store.outbox import Outbox
from iso_gateway.store.records import DocumentId, DocumentRecord, HalfId, MessageId, Unmailed
from iso_gateway.store.tables import documents

_INSERT = insert(documents).returning(documents.c.id)
_MAILED = update(documents).where(documents.c.id == bindparam("document")).values(outbox_id=bindparam("mail"))
_SEALED = update(documents).where(documents.c.id == bindparam("document")).values(sealed=bindparam("content"))
_OF = select(documents).where(documents.c.half_id == bindparam("half")).order_by(documents.c.id)
_NEWEST = select(documents).order_by(documents.c.id.desc()).limit(bindparam("at_most"))


class Documents:
    """The documents of one unit of work."""

    __slots__ = ("_connection", "_vault")

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def add(
        self,
        *,
        half_id: HalfId,
        message_id: MessageId | None,
        content: Mapping[str, object],
        mail: QueuedMail | None,
        unmailed: Unmailed | None,
        actor: str,
        at: datetime,
    ) -> DocumentId:
        """Store a document, and queue its mail; `content` (JSON values) and the mail are sealed."""
        key = self._vault.key_of_half(half_id)
        row = {
            "half_id": half_id,
            "message_id": message_id,
            "unmailed": unmailed,
            "actor": actor,
            "added_at": at,
            "key_id": key.id,
            "sealed": b"",
        }
        document_id = DocumentId(inserted_id(self._connection, _INSERT, row))
        sealed = self._vault.seal_json(key, content, context=document_place(document_id))
        self._connection.execute(_SEALED, {"document": document_id, "content": sealed})
        if mail is not None:
            queued = Mails(self._connection, self._vault).queue(f"document {document_id}", mail, key, at)
            self._connection.execute(_MAILED, {"document": document_id, "mail": queued})
        return document_id

    def of(self, half_id: HalfId) -> tuple[DocumentRecord, ...]:
        """The documents of a request, oldest first."""
        rows = self._connection.execute(_OF, {"half": half_id}).all()
        return tuple(self._record(row) for row in rows)

    def list(self, limit: int = 100) -> tuple[DocumentRecord, ...]:
        """The documents of all requests, newest first."""
        rows = self._connection.execute(_NEWEST, {"at_most": limit}).all()
        return tuple(self._record(row) for row in rows)

    def _record(self, row: Row[*tuple[Any, ...]]) -> DocumentRecord:
        content, disposed = None, False
        try:
            content = self._vault.open_json(
                self._vault.key(row.key_id), row.sealed, context=document_place(row.id)
            )
        except KeyDisposedError:
            disposed = True
        return DocumentRecord(
            id=row.id,
            half_id=row.half_id,
            message_id=row.message_id,
            mail=None if row.outbox_id is None else Outbox(self._connection).get(row.outbox_id),
            unmailed=row.unmailed,
            actor=row.actor,
            added_at=row.added_at,
            content=content,
            disposed=disposed,
        )


def document_place(document_id: int) -> str:
    """The context that a document is sealed in."""
    return f"documents.sealed:{document_id}"
