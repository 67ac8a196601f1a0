"""What the local user can ask for: one value per service, with the fields that it carries.

The command and, later, the API build these; `iso_gateway.compose` makes APDUs of them. A request that begins
a transaction is `iso_gateway.request.new_request.NewRequest`. Days are those where the library is.
"""

import datetime as dt
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import with_config

from asn1.extensions import OCLCSpecificStatus, ReasonInReview
from asn1.ill import ILLServiceType, MediumType, SupplyMediumType, TransactionResults
from iso_gateway.request.request_fields import CurrencyCode, Line, MonetaryValue


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """An amount of money."""

    value: MonetaryValue
    """How much, as `12.50`."""
    currency: CurrencyCode | None = None
    """Its currency, as `CAD`."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class PostalAddress:
    """Where post goes: a library, never a patron."""

    name: Line | None = None
    """The institution."""
    department: Line | None = None
    """What else stands on the label, as a department or room."""
    street: Line | None = None
    """Street and number."""
    post_office_box: Line | None = None
    """Post office box."""
    city: Line | None = None
    """City."""
    region: Line | None = None
    """Province, state or region."""
    country: Line | None = None
    """Country."""
    postal_code: Line | None = None
    """Postal code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitsSupplied:
    """How many units of one medium were shipped.

    Args:
        medium: of what kind.
        units: how many, 1 to 9999.
    """

    medium: SupplyMediumType
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewReason:
    """Why a request stands in a review file.

    Args:
        reason: the enumerated reason.
        text: more about it.
    """

    reason: ReasonInReview
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecificResults:
    """Responder-specific results, in the only form that was registered for them: OCLC's.

    Args:
        status: what became of the request.
        reasons: why it is to be reviewed.
    """

    status: OCLCSpecificStatus
    reasons: tuple[ReviewReason, ...] = ()


# -- what only a requester asks for


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalReply:
    """CONDITIONAL-REPLY: whether the condition of an ILL-ANSWER is accepted."""

    answer: bool
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """CANCEL."""

    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receive:
    """RECEIVED. `date_received` defaults to today, `service_type` to what was shipped or asked for."""

    date_received: dt.date | None = None
    service_type: ILLServiceType | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """RETURNED.

    Args:
        date_returned: today by default.
        via: how it travels, in words.
        insured_for: for how much it is insured on its way.
        note: requester-note.
    """

    date_returned: dt.date | None = None
    via: str | None = None
    insured_for: Amount | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """RENEW, with the day until which the item is wanted, if it matters."""

    desired_due_date: dt.date | None = None
    note: str | None = None


# -- what both ask for


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """MESSAGE. Its note is mandatory and not blank."""

    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLost:
    """LOST."""

    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDamaged:
    """DAMAGED. What is damaged goes to partners of version 2 only.

    Args:
        whole: whether all of it is damaged.
        units: or which of its units are, by their numbers.
        note: what the damage is.
    """

    whole: bool = False
    units: tuple[int, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStatus:
    """STATUS-QUERY."""

    note: str | None = None


# -- what only a responder asks for


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """ILL-ANSWER.

    Args:
        result: which of the seven answers.
        reason: the enumerated reason or condition, in the standard's spelling (`in-use-on-loan`).
        date: supply date, retry date, date for reply or estimated date available, by `result`.
        cost: the estimate, in words.
        locations: symbols of other libraries that may have the item.
        return_to: where a loan goes back to; of will-supply only.
        medium: of what kind the item on hold is; of hold-placed only.
        proposed_delivery: how it could travel instead, in words; of conditional only.
        specific: what goes with the reason `responder-specific`, and with no other.
        note: responder-note.
    """

    result: TransactionResults
    reason: str | None = None
    date: dt.date | None = None
    cost: str | None = None
    locations: tuple[str, ...] = ()
    return_to: PostalAddress | None = None
    medium: MediumType | None = None
    proposed_delivery: str | None = None
    specific: SpecificResults | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ship:
    """SHIPPED.

    Args:
        service_type: loan or copy; what was asked for by default.
        date_shipped: today by default.
        date_due: when a loan is due.
        renewable: whether it can be renewed; said only with `date_due`.
        chargeable_units: how many units are charged for, 1 to 9999.
        cost: what is charged.
        conditions: what the item is lent under, in the standard's spelling (`library-use-only`).
        shipped_via: how it travels, in words.
        insured_for: for how much it is insured on its way.
        return_insurance: for how much it has to be insured on its way back.
        units: how many units of which medium.
        return_to: where a loan goes back to.
        supplier: symbol of the library that it comes from, where that is another one.
        document_url: where the copy can be fetched; where in the APDU it stands is the partner's profile's
            affair. Not in one parcel with `shipped_via`.
        note: responder-note.
    """

    service_type: ILLServiceType | None = None
    date_shipped: dt.date | None = None
    date_due: dt.date | None = None
    renewable: bool = True
    chargeable_units: int | None = None
    cost: Amount | None = None
    conditions: str | None = None
    shipped_via: str | None = None
    insured_for: Amount | None = None
    return_insurance: Amount | None = None
    units: tuple[UnitsSupplied, ...] = ()
    return_to: PostalAddress | None = None
    supplier: str | None = None
    document_url: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """FORWARD: the request goes on to another library, and the requester hears of it.

    Args:
        to: name of the partner that it goes to.
        note: for both: forward-note and notification-note.
    """

    to: str
    note: str | None = None


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


CommonPrimitive: TypeAlias = SendMessage | ReportLost | ReportDamaged | QueryStatus
"""What a requester and a responder can ask for alike."""

RequesterPrimitive: TypeAlias = CommonPrimitive | ConditionalReply | Cancel | Receive | Return | Renew

ResponderAnswer: TypeAlias = (
    CommonPrimitive | Answer | Ship | CancelReply | RenewAnswer | RecallItem | ReportOverdue | CheckIn
)
"""What a responder can ask for that is one APDU, to the requester."""

ResponderPrimitive: TypeAlias = ResponderAnswer | Forward

SingleApduPrimitive: TypeAlias = RequesterPrimitive | ResponderAnswer
"""Every primitive that is one APDU: all but Forward, which is two."""

Primitive: TypeAlias = RequesterPrimitive | ResponderPrimitive
