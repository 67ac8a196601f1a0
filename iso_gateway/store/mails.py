"""Mails of their own in the outbox: queued sealed, read again to be sent, and what each is about.

A mail is bound to its lane, which no other row has: `document 7` or `daily-mail 3`. The lane's first word is
what the log calls the mail.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import bindparam, select

from iso_gateway.errors import StoreError
from iso_gateway.store.connection import Connection
from iso_gateway.store.keys import HeldKey, Vault
from iso_gateway.store.outbox import Outbox
from iso_gateway.store.records import HalfId, OutboxId
from iso_gateway.store.tables import daily_mails, documents, outbox

_PAYLOAD = select(outbox.c.lane, outbox.c.key_id, outbox.c.payload).where(outbox.c.id == bindparam("mail"))
_DOCUMENT = select(documents.c.id, documents.c.half_id).where(documents.c.outbox_id == bindparam("mail"))
_DAILY = select(daily_mails.c.id, daily_mails.c.day, daily_mails.c.recipient).where(
    daily_mails.c.outbox_id == bindparam("mail")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMail:
    """A mail to be queued.

    Args:
        payload: what it says, as JSON values; stored sealed.
        partner: whom it is for: a partner's name, or the address of our own people.
        expires_at: when it is given up.
        check_at: when it is looked at first for being late.
    """

    payload: Mapping[str, object] = field(repr=False)
    partner: str
    expires_at: datetime
    check_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSubject:
    """What a mail of its own is about.

    Args:
        words: in words, as `document 7`.
        half_id: the request, if it is about one.
        detail: for an event: the number of the document, or of the daily mail.
    """

    words: str
    half_id: HalfId | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


class Mails:
    """The mails of one unit of work."""

    __slots__ = ("_connection", "_vault")

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def queue(self, lane: str, mail: QueuedMail, key: HeldKey, at: datetime) -> OutboxId:
        """Queue a mail in a lane of its own, sealed by a key."""
        return Outbox(self._connection).add_mail(
            lane=lane,
            payload=self._vault.seal_json(key, mail.payload, context=mail_place(lane)),
            key_id=key.id,
            partner=mail.partner,
            at=at,
            expires_at=mail.expires_at,
            check_at=mail.check_at,
        )

    def said(self, outbox_id: OutboxId) -> dict[str, object]:
        """What a queued mail says, as it was queued.

        Raises:
            KeyDisposedError: it has been disposed of with its request.
            StoreError: there is no such mail.
        """
        row = self._connection.execute(_PAYLOAD, {"mail": outbox_id}).one_or_none()
        if row is None or row.payload is None:
            raise StoreError(f"outbox row {outbox_id} is no mail")
        return self._vault.open_json(self._vault.key(row.key_id), row.payload, context=mail_place(row.lane))

    def subject(self, outbox_id: OutboxId) -> MailSubject:
        """What the mail of a row of the outbox is about."""
        document = self._connection.execute(_DOCUMENT, {"mail": outbox_id}).one_or_none()
        if document is not None:
            return MailSubject(
                words=f"document {document.id}",
                half_id=HalfId(document.half_id),
                detail={"document": document.id},
            )
        daily = self._connection.execute(_DAILY, {"mail": outbox_id}).one_or_none()
        if daily is not None:
            return MailSubject(
                words=f"the daily mail of {daily.day} to {daily.recipient}",
                detail={"daily_mail": daily.id},
            )
        return MailSubject(words="a mail of ours")


def mail_place(lane: str) -> str:
    """The context that a mail is sealed in: no other row has its lane."""
    return f"outbox.payload:{lane}"
