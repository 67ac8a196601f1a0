"""The documents whose links borrowers were given, each with the mail that says where it is.

The mail stands in the outbox, sealed by the transaction's key and bound to its lane, which no other row has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from iso_gateway.errors import StoreError
from iso_gateway.store.connection import Connection
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.keys import HeldKey, Vault, inserted_id
from iso_gateway.store.outbox import Outbox
from iso_gateway.store.records import DocumentId, DocumentRecord, HalfId, MessageId, OutboxId, Unmailed
from iso_gateway.store.tables import documents, outbox

_INSERT = insert(documents).returning(documents.c.id)
_MAILED = update(documents).where(documents.c.id == bindparam("document")).values(outbox_id=bindparam("mail"))
_SEALED = update(documents).where(documents.c.id == bindparam("document")).values(sealed=bindparam("content"))
_OF = select(documents).where(documents.c.half_id == bindparam("half")).order_by(documents.c.id)
_NEWEST = select(documents).order_by(documents.c.id.desc()).limit(bindparam("at_most"))
_BY_MAIL = select(documents.c.id, documents.c.half_id).where(documents.c.outbox_id == bindparam("mail"))
_PAYLOAD = select(outbox.c.lane, outbox.c.key_id, outbox.c.payload).where(outbox.c.id == bindparam("mail"))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMail:
    """A mail to be queued with a document.

    Args:
        payload: what it says, as JSON values; stored sealed.
        partner: whom it is for.
        expires_at: when it is given up.
        check_at: when it is looked at first for being late.
    """

    payload: Mapping[str, object] = field(repr=False)
    partner: str
    expires_at: datetime
    check_at: datetime | None


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
        sealed = self._vault.seal_json(key, content, context=_place(document_id))
        self._connection.execute(_SEALED, {"document": document_id, "content": sealed})
        if mail is not None:
            queued = self._queue(document_id, mail, key, at)
            self._connection.execute(_MAILED, {"document": document_id, "mail": queued})
        return document_id

    def _queue(self, document_id: DocumentId, mail: QueuedMail, key: HeldKey, at: datetime) -> OutboxId:
        lane = f"document {document_id}"
        return Outbox(self._connection).add_mail(
            lane=lane,
            payload=self._vault.seal_json(key, mail.payload, context=_mail_place(lane)),
            key_id=key.id,
            partner=mail.partner,
            at=at,
            expires_at=mail.expires_at,
            check_at=mail.check_at,
        )

    def of(self, half_id: HalfId) -> tuple[DocumentRecord, ...]:
        """The documents of a request, oldest first."""
        rows = self._connection.execute(_OF, {"half": half_id}).all()
        return tuple(self._record(row) for row in rows)

    def list(self, limit: int = 100) -> tuple[DocumentRecord, ...]:
        """The documents of all requests, newest first."""
        rows = self._connection.execute(_NEWEST, {"at_most": limit}).all()
        return tuple(self._record(row) for row in rows)

    def with_mail(self, outbox_id: OutboxId) -> tuple[DocumentId, HalfId] | None:
        """The document whose mail a row of the outbox is, and its request; None for any other row."""
        row = self._connection.execute(_BY_MAIL, {"mail": outbox_id}).one_or_none()
        return None if row is None else (DocumentId(row.id), HalfId(row.half_id))

    def mail(self, outbox_id: OutboxId) -> dict[str, object]:
        """What a queued mail says, as `add` got it.

        Raises:
            KeyDisposedError: it has been disposed of with its request.
            StoreError: there is no such mail.
        """
        row = self._connection.execute(_PAYLOAD, {"mail": outbox_id}).one_or_none()
        if row is None or row.payload is None:
            raise StoreError(f"outbox row {outbox_id} is no mail")
        return self._vault.open_json(self._vault.key(row.key_id), row.payload, context=_mail_place(row.lane))

    def _record(self, row: Row[*tuple[Any, ...]]) -> DocumentRecord:
        content, disposed = None, False
        try:
            content = self._vault.open_json(self._vault.key(row.key_id), row.sealed, context=_place(row.id))
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


def _place(document_id: DocumentId) -> str:
    return f"documents.sealed:{document_id}"


def _mail_place(lane: str) -> str:
    return f"outbox.payload:{lane}"
