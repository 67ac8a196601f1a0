"""Mails that came in and carry no APDU: what a server says became of a mail of ours, and everything else.

A mail is delivered when our mail server has taken it. When it, or a later one, cannot bring it further, a
notice comes back, in minutes or days. It is tied to the outbox row whose mail it is about: a row that was
delivered is then not delivered, and the local side is told as it is of any other message that was given up.
What the state tables did when the APDU was made is not undone: an operator sends it again, or asks.
Source: RFC 3464 for what a notice can say.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, assert_never

from iso_gateway.failure import Failure, advice
from iso_gateway.reception import Processed, Verdict
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import HalfId, MessageId, OutboxId, OutboxRecord, TransactionId
from iso_gateway.store.unit_of_work import UnitOfWork

NO_APDU: Final = "mail.without-apdu"
NOT_DELIVERED: Final = "message.not-delivered"
DELAYED: Final = "message.delivery-delayed"
ANSWERED: Final = "mail.answered"


class MailFate(enum.StrEnum):
    """What a notice says that became of a mail."""

    #: it was not delivered, and nobody tries any more
    FAILED = "failed"
    #: it was not delivered yet
    DELAYED = "delayed"
    #: a server on the way, or the last, has taken it
    DELIVERED = "delivered"
    #: a machine answered it, which says nothing about delivery
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailNotice:
    """What became of a mail that we sent, as a mail says that came in.

    Args:
        outbox_id: the row that the mail was sent for.
        fate: what became of it.
        status: the enhanced status code, as `5.1.1`, where there is one.
    """

    outbox_id: OutboxId
    fate: MailFate
    status: str | None

    @property
    def in_words(self) -> str:
        """What it says, without what anybody else wrote."""
        match self.fate:
            case MailFate.FAILED:
                words = f"the mail came back: {_meaning(self.status)}"
            case MailFate.DELAYED:
                words = f"the mail is delayed, and is tried again: {_meaning(self.status)}"
            case MailFate.DELIVERED:
                words = "a mail server has taken the mail"
            case MailFate.ANSWERED:
                words = "a machine answered the mail; it says nothing about delivery"
            case _:
                assert_never(self.fate)
        return words if self.status is None else f"{words} ({self.status})"


def note_without_apdu(uow: UnitOfWork, message_id: MessageId, reason: str, at: datetime) -> Processed:
    """Keep a mail that carries no APDU, and tell the local side that there is one.

    Args:
        uow: the transaction in which the mail was stored.
        message_id: the mail.
        reason: what it seems to be, in our own words.
        at: now, aware.
    """
    uow.messages.processed(message_id, at=at, verdict=Verdict.NO_APDU, reason=reason)
    uow.events.append(kind=NO_APDU, half_id=None, message_id=message_id, detail={"reason": reason}, at=at)
    return Processed(message_id=message_id, verdict=Verdict.NO_APDU)


def note_notice(uow: UnitOfWork, message_id: MessageId, notice: MailNotice, at: datetime) -> Processed:
    """Tie a notice to the message that it is about, and do what follows from it.

    Args:
        uow: the transaction in which the notice was stored.
        message_id: the notice.
        notice: what it says; that it is about this row was checked.
        at: now, aware.
    """
    row = uow.outbox.get(notice.outbox_id)
    if row is None:
        return note_without_apdu(
            uow, message_id, "a notice about a mail that this database does not know", at
        )
    belongs = _belongs(uow, row)
    reason = f"{notice.in_words}; about {belongs.what}"
    uow.messages.processed(
        message_id,
        at=at,
        verdict=Verdict.MAIL_NOTICE,
        reason=reason,
        partner=row.partner,
        transaction_id=belongs.transaction_id,
        half_id=belongs.half_id,
    )
    if belongs.transaction_id is not None:
        try:
            uow.messages.bind(message_id, belongs.transaction_id)
        except KeyDisposedError:
            # The request was disposed of; nothing more can be said about it than that a notice came.
            belongs = _Belongs(what=belongs.what)
    _follow(uow, notice, row, belongs, message_id, at)
    return Processed(
        message_id=message_id, verdict=Verdict.MAIL_NOTICE, partner=row.partner, half_id=belongs.half_id
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Belongs:
    what: str
    transaction_id: TransactionId | None = None
    half_id: HalfId | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


def _belongs(uow: UnitOfWork, row: OutboxRecord) -> _Belongs:
    if row.message_id is None:
        subject = uow.mails.subject(row.id)
        if subject.half_id is None:
            return _Belongs(what=subject.words, detail=subject.detail)
        return _Belongs(
            what=subject.words,
            transaction_id=uow.halves.get(subject.half_id).transaction_id,
            half_id=subject.half_id,
        )
    known = uow.messages.processings(row.message_id)
    what = f"message {row.message_id}"
    if not known:
        return _Belongs(what=what)
    return _Belongs(what=what, transaction_id=known[-1].transaction_id, half_id=known[-1].half_id)


def _follow(
    uow: UnitOfWork,
    notice: MailNotice,
    row: OutboxRecord,
    belongs: _Belongs,
    message_id: MessageId,
    at: datetime,
) -> None:
    told = partial(
        uow.events.append,
        half_id=belongs.half_id,
        message_id=row.message_id,
        detail={
            "reason": notice.in_words,
            "notice": message_id,
            **({} if row.message_id is not None else {"about": belongs.what}),
            **belongs.detail,
            **({} if notice.fate is not MailFate.FAILED else _RETURNED),
        },
        at=at,
    )
    match notice.fate:
        case MailFate.FAILED:
            # A second notice about a mail, or one about a row that waits for its next try, changes nothing.
            if uow.outbox.returned(row.id, at, f"{notice.in_words}; message {message_id} is the notice"):
                told(kind=NOT_DELIVERED)
        case MailFate.DELAYED:
            told(kind=DELAYED)
        case MailFate.ANSWERED:
            told(kind=ANSWERED)
        case MailFate.DELIVERED:
            return
        case _:
            assert_never(notice.fate)


#: What is told of a mail that came back, in the words that are told of any message that was not delivered.
_RETURNED: Final = {"failure": Failure.RETURNED.value, "advice": advice(Failure.RETURNED)}

#: What the second and third number of an enhanced status code say (RFC 3463), for those that people meet.
_DETAILS: Final = {
    "1.1": "there is no such mailbox: correct the partner's address",
    "1.2": "there is no such domain: correct the partner's address",
    "1.10": "the domain takes no mail: correct the partner's address",
    "2.1": "the mailbox is closed: ask the partner",
    "2.2": "the mailbox is full: ask the partner to make room",
    "2.3": "the mail is longer than the mailbox takes: ask the partner",
    "3.4": "the mail is longer than the partner's mail system takes: ask the partner",
    "4.1": "the partner's mail server did not answer",
    "4.4": "no way to the partner's mail server is known: correct the partner's address",
    "4.7": "it could not be delivered in time",
    "7.1": "the partner's mail server does not want our mail: ask the partner to allow it",
}

#: What the second number alone says.
_SUBJECTS: Final = {
    "1": "something is wrong with the address",
    "2": "something is wrong with the mailbox",
    "3": "something is wrong with the partner's mail system",
    "4": "something is wrong on the way to the partner's mail server",
    "5": "two mail servers did not understand each other",
    "6": "the partner's mail server does not take mail of this kind",
    "7": "a rule of the partner's mail server forbids it",
}


def _meaning(status: str | None) -> str:
    unknown = "no reason that can be read"
    if status is None:
        return unknown
    _, _, detail = status.partition(".")
    return _DETAILS.get(detail) or _SUBJECTS.get(detail.partition(".")[0]) or unknown
