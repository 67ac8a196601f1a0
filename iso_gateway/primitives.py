"""What the local user can ask for: one value per service of the responder, with the fields that it carries.

The command and, later, the API build these; `iso_gateway.compose` makes APDUs of them.
"""

import datetime as dt
from dataclasses import dataclass
from typing import TypeAlias

from asn1.ill import ILLServiceType, TransactionResults


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """ILL-ANSWER.

    Args:
        result: which of the seven answers.
        reason: the enumerated reason or condition, in the standard's spelling (`in-use-on-loan`).
        date: supply date, retry date, date for reply or estimated date available, by `result`.
        cost: the estimate, in words.
        locations: symbols of other libraries that may have the item.
        note: responder-note.
    """

    result: TransactionResults
    reason: str | None = None
    date: dt.date | None = None
    cost: str | None = None
    locations: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ship:
    """SHIPPED. `service_type` defaults to what was asked for, `date_shipped` to today."""

    service_type: ILLServiceType | None = None
    date_shipped: dt.date | None = None
    date_due: dt.date | None = None
    renewable: bool = True
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """MESSAGE. Its note is mandatory and not blank."""

    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReply:
    """CANCEL-REPLY: whether the request is cancelled."""

    answer: bool
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewAnswer:
    """RENEW-ANSWER: whether the loan is renewed, and until when."""

    answer: bool
    date_due: dt.date | None = None
    renewable: bool = True
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallItem:
    """RECALL."""

    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOverdue:
    """OVERDUE, with the date on which the item was due."""

    date_due: dt.date
    renewable: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckIn:
    """CHECKED-IN. `date` defaults to today."""

    date: dt.date | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLost:
    """LOST."""

    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDamaged:
    """DAMAGED."""

    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStatus:
    """STATUS-QUERY."""

    note: str | None = None


ResponderPrimitive: TypeAlias = (
    Answer
    | Ship
    | SendMessage
    | CancelReply
    | RenewAnswer
    | RecallItem
    | ReportOverdue
    | CheckIn
    | ReportLost
    | ReportDamaged
    | QueryStatus
)
