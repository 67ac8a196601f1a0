"""What our own people were told on each morning: one row for a recipient and a day, mailed or not.

The row is what makes the mail go out once: it is written in the transaction that queues the mail, and the
database refuses a second for the same recipient and day.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update

from iso_gateway.store.connection import Connection
from iso_gateway.store.keys import Vault, inserted_id
from iso_gateway.store.mails import Mails, QueuedMail
from iso_gateway.store.outbox import Outbox
from iso_gateway.store.records import DailyMailId, DailyMailRecord, OutboxStatus
from iso_gateway.store.tables import attention, daily_mails, outbox

_INSERT = insert(daily_mails).returning(daily_mails.c.id)
_MAILED = (
    update(daily_mails).where(daily_mails.c.id == bindparam("daily")).values(outbox_id=bindparam("mail"))
)
_OF_DAY = select(daily_mails).where(
    daily_mails.c.recipient == bindparam("whose"), daily_mails.c.day == bindparam("of_day")
)
_LAST = (
    select(daily_mails)
    .where(daily_mails.c.recipient == bindparam("whose"))
    .order_by(daily_mails.c.id.desc())
    .limit(1)
)
_LIST = select(daily_mails).order_by(daily_mails.c.id.desc()).limit(bindparam("at_most"))
_last_ended = (
    select(func.max(daily_mails.c.id))
    .join(outbox, outbox.c.id == daily_mails.c.outbox_id)
    .where(outbox.c.finished_at.is_not(None))
    .group_by(daily_mails.c.recipient)
)
_LOST = (
    select(daily_mails)
    .join(outbox, outbox.c.id == daily_mails.c.outbox_id)
    .where(daily_mails.c.id.in_(_last_ended), outbox.c.status == OutboxStatus.NOT_DELIVERED)
    .order_by(daily_mails.c.id)
)
_NEWEST = select(func.max(attention.c.id))


class DailyMails:
    """The daily mails of one unit of work."""

    __slots__ = ("_connection", "_vault")

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def add(
        self,
        *,
        recipient: str,
        day: date,
        newest: int,
        entries: int,
        mail: QueuedMail | None,
        at: datetime,
    ) -> DailyMailId:
        """Note that a recipient was told, or that there was nothing to tell, and queue the mail.

        The second for one recipient and day fails with StoreError. `mail` is sealed by the intake key: it is
        about no single request, and holds no patron data.
        """
        row = {
            "recipient": comparable(recipient),
            "day": day,
            "made_at": at,
            "newest": newest,
            "entries": entries,
        }
        number = DailyMailId(inserted_id(self._connection, _INSERT, row))
        if mail is not None:
            key = self._vault.key_for(None)
            queued = Mails(self._connection, self._vault).queue(f"daily-mail {number}", mail, key, at)
            self._connection.execute(_MAILED, {"daily": number, "mail": queued})
        return number

    def of(self, recipient: str, day: date) -> DailyMailRecord | None:
        """What a recipient was told on a day; None if that day's mail is still to be made."""
        parameters = {"whose": comparable(recipient), "of_day": day}
        row = self._connection.execute(_OF_DAY, parameters).one_or_none()
        return None if row is None else self._record(row)

    def last(self, recipient: str) -> DailyMailRecord | None:
        """What a recipient was told last."""
        row = self._connection.execute(_LAST, {"whose": comparable(recipient)}).one_or_none()
        return None if row is None else self._record(row)

    def list(self, limit: int = 100) -> tuple[DailyMailRecord, ...]:
        """What was told, newest first."""
        return tuple(self._record(row) for row in self._connection.execute(_LIST, {"at_most": limit}).all())

    def lost(self) -> tuple[DailyMailRecord, ...]:
        """By recipient, the last mail of which it is known how it ended, where it was not delivered."""
        return tuple(self._record(row) for row in self._connection.execute(_LOST).all())

    def newest_attention(self) -> int:
        """The number of the newest row of attention; 0 where there never was one."""
        return int(self._connection.execute(_NEWEST).scalar() or 0)

    def _record(self, row: Row[*tuple[Any, ...]]) -> DailyMailRecord:
        return DailyMailRecord(
            id=row.id,
            recipient=row.recipient,
            day=row.day,
            made_at=row.made_at,
            newest=row.newest,
            entries=row.entries,
            mail=None if row.outbox_id is None else Outbox(self._connection).get(row.outbox_id),
        )


def comparable(address: str) -> str:
    """An address as it is told from others: no mail server that people meet distinguishes the case."""
    return address.lower()
