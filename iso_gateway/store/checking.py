"""Whether what the database holds is what was put into it: seals, digests, references.

Each method looks at a page of rows and says what is wrong with them, so that a database of any size is
checked in a bounded memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Row, Select, exists, func, select

from iso_gateway.errors import StoreError
from iso_gateway.store.connection import Connection
from iso_gateway.store.documents import document_place
from iso_gateway.store.history import audit_place, event_place
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.keys import Vault
from iso_gateway.store.mails import mail_place
from iso_gateway.store.messages import RAW_DIGEST, Messages
from iso_gateway.store.records import Direction, KeyId, MessageId, OutboxKind
from iso_gateway.store.tables import (
    audit,
    documents,
    events,
    inputs,
    messages,
    outbox,
    processings,
    transactions,
)
from iso_gateway.store.transactions import summary_place

_MESSAGES = select(messages.c.id, messages.c.direction, messages.c.size, messages.c.digest)
_broken = func.pragma_foreign_key_check().table_valued("table", "rowid", "parent")
_BROKEN = select(_broken.c.table, _broken.c.rowid, _broken.c.parent)
_HAS_OUTBOX_ROW = exists().where(outbox.c.message_id == messages.c.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A page of rows that were looked at.

    Args:
        last: the number of the last one, to go on after; None where there is none any more.
        rows: how many there were.
        wrong: what is wrong with them: the message concerned, if one is, and a sentence.
    """

    last: int | None
    rows: int
    wrong: tuple[tuple[MessageId | None, str], ...] = ()


class Checks:
    """The checks of one unit of work."""

    __slots__ = ("_connection", "_vault")

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def references(self) -> tuple[str, ...]:
        """Rows that refer to rows that are not there; PostgreSQL cannot have any."""
        if self._connection.dialect.name != "sqlite":
            return ()
        rows = self._connection.execute(_BROKEN).all()
        return tuple(
            f"row {row[1]} of table {row[0]} refers to a row of {row[2]} that is not there" for row in rows
        )

    def messages(self, after: int, limit: int) -> Checked:
        """Whether octets open, and are those of which size and digest were taken."""
        rows = self._page(_MESSAGES.where(messages.c.id > after).order_by(messages.c.id), limit)
        stored = Messages(self._connection, self._vault)
        wrong: list[tuple[MessageId | None, str]] = []
        for row in rows:
            identifier = MessageId(row.id)
            try:
                octets = stored.raw(identifier)
            except KeyDisposedError:
                continue
            except StoreError as error:
                wrong.append((identifier, str(error)))
                continue
            if len(octets) != row.size or self._vault.digest(octets, context=RAW_DIGEST) != row.digest:
                wrong.append((identifier, "its octets are not those of which the digest was taken"))
        return _checked([row.id for row in rows], wrong)

    def without_outbox_row(self, after: int, limit: int) -> Checked:
        """Whether each message that was made was put into the outbox."""
        query = select(messages.c.id, _HAS_OUTBOX_ROW.label("queued")).where(
            messages.c.direction == Direction.SENT, messages.c.id > after
        )
        rows = self._page(query.order_by(messages.c.id), limit)
        wrong = [
            (MessageId(row.id), "it was made to be sent, and never put into the outbox")
            for row in rows
            if not row.queued
        ]
        return _checked([row.id for row in rows], wrong)

    def transactions(self, after: int, limit: int) -> Checked:
        """Whether summaries open."""
        query = (
            select(transactions.c.id, transactions.c.key_id, transactions.c.sealed)
            .where(transactions.c.id > after)
            .order_by(transactions.c.id)
        )
        rows = self._page(query, limit)
        places = [(None, row.key_id, row.sealed, summary_place(row.key_id)) for row in rows]
        return _checked([row.id for row in rows], self._do_not_open(places))

    def events(self, after: int, limit: int) -> Checked:
        """Whether the details of events open."""
        rows = self._page(select(events).where(events.c.sequence > after).order_by(events.c.sequence), limit)
        places = [
            (row.message_id, row.key_id, row.detail, event_place(row.kind, row.half_id, row.message_id))
            for row in rows
        ]
        return _checked([row.sequence for row in rows], self._do_not_open(places))

    def audit(self, after: int, limit: int) -> Checked:
        """Whether the reasons of the audit open."""
        rows = self._page(select(audit).where(audit.c.id > after).order_by(audit.c.id), limit)
        places = [
            (row.message_id, row.key_id, row.reason, audit_place(row.action, row.half_id)) for row in rows
        ]
        return _checked([row.id for row in rows], self._do_not_open(places))

    def documents(self, after: int, limit: int) -> Checked:
        """Whether the links of documents open."""
        query = (
            select(documents.c.id, documents.c.message_id, documents.c.key_id, documents.c.sealed)
            .where(documents.c.id > after)
            .order_by(documents.c.id)
        )
        rows = self._page(query, limit)
        places = [(row.message_id, row.key_id, row.sealed, document_place(row.id)) for row in rows]
        return _checked([row.id for row in rows], self._do_not_open(places))

    def mails(self, after: int, limit: int) -> Checked:
        """Whether what mails of their own say opens."""
        query = (
            select(outbox.c.id, outbox.c.lane, outbox.c.key_id, outbox.c.payload)
            .where(outbox.c.id > after, outbox.c.kind == OutboxKind.MAIL)
            .order_by(outbox.c.id)
        )
        rows = self._page(query, limit)
        places = [(None, row.key_id, row.payload, mail_place(row.lane)) for row in rows]
        return _checked([row.id for row in rows], self._do_not_open(places))

    def without_input(self, after: int, limit: int, verdicts: Sequence[str]) -> Checked:
        """Whether each message that had its effect is among the inputs of the half that it moved."""
        query = (
            select(processings.c.id, processings.c.message_id, processings.c.half_id)
            .join(messages, messages.c.id == processings.c.message_id)
            .where(
                processings.c.id > after,
                processings.c.verdict.in_(verdicts),
                messages.c.direction == Direction.RECEIVED,
            )
            .order_by(processings.c.id)
        )
        rows = self._page(query, limit)
        wrong = [
            (MessageId(row.message_id), f"it had its effect, but is no input of request {row.half_id}")
            for row in rows
            if not self._has_input(row.message_id, row.half_id)
        ]
        return _checked([row.id for row in rows], wrong)

    def sent_without_input(self, after: int, limit: int, *, composed: str, but_for: Sequence[str]) -> Checked:
        """Whether each service that was sent for a half is among its inputs.

        `composed`: the verdict of what we make. `but_for`: the types that go out as no service of the half.
        """
        query = (
            select(processings.c.id, processings.c.message_id, processings.c.half_id)
            .where(
                processings.c.id > after,
                processings.c.verdict == composed,
                processings.c.half_id.is_not(None),
                processings.c.apdu_type.not_in(but_for),
            )
            .order_by(processings.c.id)
        )
        rows = self._page(query, limit)
        wrong = [
            (MessageId(row.message_id), f"it was made for request {row.half_id}, but is no input of it")
            for row in rows
            if not self._has_input(row.message_id, row.half_id)
        ]
        return _checked([row.id for row in rows], wrong)

    def _has_input(self, message_id: int, half_id: int | None) -> bool:
        query = select(exists().where(inputs.c.message_id == message_id, inputs.c.half_id == half_id))
        return bool(self._connection.execute(query).scalar())

    def _page(self, query: Select[*tuple[object, ...]], limit: int) -> Sequence[Row[*tuple[object, ...]]]:
        return self._connection.execute(query.limit(limit)).all()

    def _do_not_open(
        self, places: Sequence[tuple[MessageId | None, int | None, bytes | None, str]]
    ) -> list[tuple[MessageId | None, str]]:
        wrong: list[tuple[MessageId | None, str]] = []
        for message_id, key_id, sealed, place in places:
            if key_id is None or sealed is None:
                continue
            try:
                self._vault.open_json(self._vault.key(KeyId(key_id)), sealed, context=place)
            except KeyDisposedError:
                continue
            except StoreError as error:
                wrong.append((message_id, str(error)))
        return wrong


def _checked(numbers: Sequence[int], wrong: Sequence[tuple[MessageId | None, str]]) -> Checked:
    return Checked(last=numbers[-1] if numbers else None, rows=len(numbers), wrong=tuple(wrong))
