"""Finding messages and requests: by what is kept in plain by the database, by what is sealed in other ways.

ILL numbers and titles are sealed. A whole ILL number is found by its keyed digest, whatever the size of the
database. A part of one, or a title, can only be looked for by opening summaries: that is done for the newest
requests, and whoever asks is told how many were looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, func, select

from iso_gateway.store.connection import Connection
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.keys import Vault
from iso_gateway.store.messages import LATEST, RAW_DIGEST, listing_of, listing_query
from iso_gateway.store.records import Direction, MessageId, MessageListing, TransactionId
from iso_gateway.store.tables import keys, messages, transactions
from iso_gateway.store.transactions import NUMBER, number_digest, summary_place

_BY_NUMBER = (
    select(transactions.c.id)
    .where(transactions.c.number_digest == bindparam("digest"))
    .order_by(transactions.c.id.desc())
)
_RECEIVED = select(func.min(messages.c.id)).where(
    messages.c.digest == bindparam("digest"), messages.c.direction == Direction.RECEIVED
)
_NEWEST = (
    select(
        transactions.c.id,
        transactions.c.key_id,
        transactions.c.sealed,
        keys.c.purpose,
        keys.c.wrapped,
        keys.c.master_id,
        keys.c.disposed_at,
    )
    .join(keys, keys.c.id == transactions.c.key_id)
    .order_by(transactions.c.id.desc())
    .limit(bindparam("at_most"))
)
_TITLES = ("title", "title_of_article")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages are meant: everything that is given has to fit the message as it was classified last.

    Args:
        ids: only these; none means all.
        direction: received, or sent.
        partner: by its name in the configuration.
        apdu_type: by the standard's name, in any case.
        verdict: what it was classified as.
        since: stored at this moment or later.
        until: stored before this moment.
        transactions: of one of these; None means of any, or of none.
    """

    ids: frozenset[MessageId] = frozenset()
    direction: Direction | None = None
    partner: str | None = None
    apdu_type: str | None = None
    verdict: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    transactions: frozenset[TransactionId] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The transactions that a search found.

    Args:
        transactions: which.
        looked_at: how many of the newest were opened to find them; None where none had to be.
        all_looked_at: whether these are all there are.
    """

    transactions: frozenset[TransactionId]
    looked_at: int | None = None
    all_looked_at: bool = True


class Search:
    """The searches of one unit of work."""

    __slots__ = ("_connection", "_vault")

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def messages(
        self, wanted: Wanted, *, limit: int, before_id: MessageId | None = None
    ) -> tuple[MessageListing, ...]:
        """Messages, newest first, each with its latest classification; `before_id` continues a list."""
        query = listing_query().where(*_conditions(wanted)).order_by(messages.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(messages.c.id < before_id)
        return tuple(listing_of(row) for row in self._connection.execute(query))

    def oldest_messages(self, wanted: Wanted, *, after_id: int, limit: int) -> tuple[MessageListing, ...]:
        """Messages, oldest first, each with its latest classification; 0 begins at the beginning."""
        query = (
            listing_query()
            .where(messages.c.id > after_id, *_conditions(wanted))
            .order_by(messages.c.id)
            .limit(limit)
        )
        return tuple(listing_of(row) for row in self._connection.execute(query))

    def received(self, octets: bytes) -> MessageId | None:
        """The first message that was received with these octets, from whomever; None without one."""
        digest = self._vault.digest(octets, context=RAW_DIGEST)
        found = self._connection.execute(_RECEIVED, {"digest": digest}).scalar()
        return None if found is None else MessageId(found)

    def by_number(self, number: str, *, within: int) -> Found:
        """The requests of an ILL number, or, if there is none, those whose number has it as a part.

        Args:
            number: in any case.
            within: how many of the newest requests are looked at for a part.
        """
        digest = number_digest(self._vault, number)
        exact = frozenset(
            TransactionId(row.id) for row in self._connection.execute(_BY_NUMBER, {"digest": digest})
        )
        return Found(transactions=exact) if exact else self._looked_for(number, (NUMBER,), within)

    def by_title(self, words: str, *, within: int) -> Found:
        """The requests whose title, or whose article's, has the words as a part, in any case."""
        return self._looked_for(words, _TITLES, within)

    def _looked_for(self, part: str, names: tuple[str, ...], within: int) -> Found:
        sought = part.strip().casefold()
        found: set[TransactionId] = set()
        looked_at = 0
        for transaction_id, summary in self._newest(within):
            looked_at += 1
            texts = (summary.get(name) for name in names)
            if any(isinstance(text, str) and sought in text.casefold() for text in texts):
                found.add(transaction_id)
        total = self._connection.execute(select(func.count()).select_from(transactions)).scalar_one()
        return Found(transactions=frozenset(found), looked_at=looked_at, all_looked_at=looked_at >= total)

    def _newest(self, within: int) -> Iterator[tuple[TransactionId, dict[str, object]]]:
        """The summaries of the newest transactions; empty for those that were disposed of."""
        for row in self._connection.execute(_NEWEST, {"at_most": within}):
            try:
                key = self._vault.opened(row.key_id, row.purpose, row.wrapped, row.master_id, row.disposed_at)
            except KeyDisposedError:
                yield TransactionId(row.id), {}
                continue
            yield (
                TransactionId(row.id),
                self._vault.open_json(key, row.sealed, context=summary_place(row.key_id)),
            )


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.ids:
        yield messages.c.id.in_(wanted.ids)
    if wanted.direction is not None:
        yield messages.c.direction == wanted.direction
    if wanted.partner is not None:
        yield LATEST.c.partner == wanted.partner
    if wanted.apdu_type is not None:
        yield func.lower(LATEST.c.apdu_type) == wanted.apdu_type.lower()
    if wanted.verdict is not None:
        yield LATEST.c.verdict == wanted.verdict
    if wanted.since is not None:
        yield messages.c.stored_at >= wanted.since
    if wanted.until is not None:
        yield messages.c.stored_at < wanted.until
    if wanted.transactions is not None:
        yield LATEST.c.transaction_id.in_(wanted.transactions)
