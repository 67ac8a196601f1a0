"""Hypothesis strategies for what the local user can ask for: every primitive, and every new request.

Everything that they give can be sent to a partner who reads Latin-1, so that only the tests of what cannot
say so.
"""

import datetime as dt
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from asn1 import ill
from asn1.extensions import OCLCILLServiceType, OCLCSpecificStatus, ReasonInReview
from asn1.ill import (
    ILLServiceType,
    ItemType,
    MediumType,
    PlaceOnHoldType,
    SupplyMediumType,
    TransactionResults,
)
from iso_gateway.request import new_request, primitives

TODAY = dt.date(2026, 11, 18)

#: Printable, in Latin-1, and not only blanks.
TEXTS = st.text(
    st.characters(codec="latin-1", exclude_categories=("C", "Z"), include_characters=" "),
    min_size=1,
    max_size=20,
).filter(lambda text: bool(text.strip()))
_NOTES = st.none() | TEXTS
_OPTIONAL = st.none() | TEXTS
_DATES = st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))
_OPTIONAL_DATES = st.none() | _DATES
_UNITS = st.integers(1, 9999)
_SUPPLIED = st.sampled_from([ILLServiceType.loan, ILLServiceType.copy_non_returnable])
_SYMBOLS = st.from_regex(r"(ILLUME:|BCNET/X:)?[A-Z]{2,6}", fullmatch=True)
_AMOUNTS = st.builds(
    primitives.Amount,
    value=st.from_regex(r"[0-9]{1,6}([.,][0-9]{2})?", fullmatch=True),
    currency=st.none() | st.from_regex(r"[A-Z]{3}", fullmatch=True),
)
_OPTIONAL_AMOUNTS = st.none() | _AMOUNTS
_POSTAL = st.builds(
    primitives.PostalAddress,
    name=_OPTIONAL,
    department=_OPTIONAL,
    street=_OPTIONAL,
    post_office_box=_OPTIONAL,
    city=_OPTIONAL,
    region=_OPTIONAL,
    country=_OPTIONAL,
    postal_code=_OPTIONAL,
)
_LINKS = st.from_regex(r"https?://[a-z]{1,8}\.example/[A-Za-z0-9%?=&/~-]{0,30}", fullmatch=True)


def _names(kind: type[Any], *, but: tuple[str, ...] = ("responder-specific",)) -> st.SearchStrategy[str]:
    return st.sampled_from([member.asn1_name for member in kind if member.asn1_name not in but])


def _answers(result: TransactionResults, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    locations = st.lists(_SYMBOLS, max_size=3).map(tuple)
    return st.builds(
        primitives.Answer, result=st.just(result), **{"locations": locations, "note": _NOTES, **fields}
    )


_PROPOSED = ill.Conditions.proposed_delivery_service.asn1_name

_SPECIFIC = st.builds(
    primitives.SpecificResults,
    status=st.sampled_from(OCLCSpecificStatus),
    reasons=st.lists(
        st.builds(primitives.ReviewReason, reason=st.sampled_from(ReasonInReview), text=_NOTES), max_size=2
    ).map(tuple),
)

answers: st.SearchStrategy[primitives.Answer] = st.one_of(
    _answers(TransactionResults.unfilled, reason=st.just("responder-specific"), specific=_SPECIFIC),
    _answers(
        TransactionResults.conditional,
        reason=_names(ill.Conditions, but=("responder-specific", _PROPOSED)),
        date=_OPTIONAL_DATES,
    ),
    _answers(TransactionResults.conditional, reason=st.just(_PROPOSED), proposed_delivery=TEXTS),
    _answers(
        TransactionResults.retry, reason=st.none() | _names(ill.ReasonNotAvailable), date=_OPTIONAL_DATES
    ),
    _answers(TransactionResults.unfilled, reason=_names(ill.ReasonUnfilled)),
    _answers(
        TransactionResults.locations_provided,
        reason=st.none() | _names(ill.ReasonLocsProvided),
        locations=st.lists(_SYMBOLS, min_size=1, max_size=3).map(tuple),
    ),
    _answers(
        TransactionResults.will_supply,
        reason=st.none() | _names(ill.ReasonWillSupply),
        date=_OPTIONAL_DATES,
        return_to=st.none() | _POSTAL,
    ),
    _answers(TransactionResults.hold_placed, date=_DATES, medium=st.none() | st.sampled_from(MediumType)),
    _answers(TransactionResults.estimate, cost=TEXTS),
)

ships: st.SearchStrategy[primitives.Ship] = st.builds(
    primitives.Ship,
    service_type=st.none() | _SUPPLIED,
    date_shipped=_OPTIONAL_DATES,
    date_due=_OPTIONAL_DATES,
    renewable=st.booleans(),
    chargeable_units=st.none() | _UNITS,
    cost=_OPTIONAL_AMOUNTS,
    conditions=st.none() | _names(ill.ShippedConditions),
    shipped_via=_OPTIONAL,
    insured_for=_OPTIONAL_AMOUNTS,
    return_insurance=_OPTIONAL_AMOUNTS,
    units=st.lists(
        st.builds(primitives.UnitsSupplied, medium=st.sampled_from(SupplyMediumType), units=_UNITS),
        max_size=2,
    ).map(tuple),
    return_to=st.none() | _POSTAL,
    supplier=st.none() | _SYMBOLS,
    document_url=st.none() | _LINKS,
    note=_NOTES,
)

single_apdu_primitives: st.SearchStrategy[primitives.SingleApduPrimitive] = st.one_of(
    st.builds(primitives.ConditionalReply, answer=st.booleans(), note=_NOTES),
    st.builds(primitives.Cancel, note=_NOTES),
    st.builds(
        primitives.Receive, date_received=_OPTIONAL_DATES, service_type=st.none() | _SUPPLIED, note=_NOTES
    ),
    st.builds(
        primitives.Return,
        date_returned=_OPTIONAL_DATES,
        via=_OPTIONAL,
        insured_for=_OPTIONAL_AMOUNTS,
        note=_NOTES,
    ),
    st.builds(primitives.Renew, desired_due_date=_OPTIONAL_DATES, note=_NOTES),
    st.builds(primitives.SendMessage, note=TEXTS),
    st.builds(primitives.ReportLost, note=_NOTES),
    st.builds(
        primitives.ReportDamaged, units=st.lists(_UNITS, max_size=3, unique=True).map(tuple), note=_NOTES
    ),
    st.builds(primitives.ReportDamaged, whole=st.booleans(), note=_NOTES),
    st.builds(primitives.QueryStatus, note=_NOTES),
    answers,
    ships,
    st.builds(primitives.CancelReply, answer=st.booleans(), note=_NOTES),
    st.builds(
        primitives.RenewAnswer,
        answer=st.sampled_from([True]),
        date_due=_DATES,
        renewable=st.booleans(),
        note=_NOTES,
    ),
    st.builds(primitives.RenewAnswer, answer=st.sampled_from([False]), note=_NOTES),
    st.builds(primitives.RecallItem, note=_NOTES),
    st.builds(primitives.ReportOverdue, date_due=_DATES, renewable=st.booleans(), note=_NOTES),
    st.builds(primitives.CheckIn, date=_OPTIONAL_DATES, note=_NOTES),
)

_ADDRESSES = st.builds(
    new_request.Address,
    postal=st.none() | _POSTAL,
    electronic=st.none()
    | st.builds(new_request.ElectronicAddress, service=st.sampled_from(["SMTP", "FTP"]), address=TEXTS),
)
_DAYS_TO_COME = st.none() | st.dates(TODAY, dt.date(2030, 1, 1))

items: st.SearchStrategy[new_request.Item] = st.builds(
    new_request.Item,
    item_type=st.none() | st.sampled_from(ItemType),
    medium=st.none() | st.sampled_from(MediumType),
    call_number=_OPTIONAL,
    author=_OPTIONAL,
    title=TEXTS,
    sub_title=_OPTIONAL,
    sponsoring_body=_OPTIONAL,
    place_of_publication=_OPTIONAL,
    publisher=_OPTIONAL,
    series=_OPTIONAL,
    volume_issue=_OPTIONAL,
    edition=_OPTIONAL,
    publication_date=_OPTIONAL,
    component_date=_OPTIONAL,
    article_author=_OPTIONAL,
    article_title=_OPTIONAL,
    pages=_OPTIONAL,
    isbn=st.none()
    | st.sampled_from(["978-1-84195-645-9", "080442957X", "979-10-90636-07-1", "0 306 40615 2"]),
    issn=st.none() | st.sampled_from(["1234-5679", "2434561x"]),
    other_numbers=_OPTIONAL,
    system_numbers=st.lists(
        st.builds(
            new_request.SystemNumber,
            system=st.sampled_from(["oclc", "Canadiana", "library-of-Congress", "ILLUME:BEX", "AMICUS"]),
            database=_OPTIONAL,
            number=TEXTS,
        ),
        max_size=2,
    ).map(tuple),
    verified_in=_OPTIONAL,
)

_plain_requests: st.SearchStrategy[new_request.NewRequest] = st.builds(
    new_request.NewRequest,
    item=items,
    services=st.lists(
        st.sampled_from([one for one in ILLServiceType if one is not ILLServiceType.responder_specific]),
        min_size=1,
        max_size=4,
        unique=True,
    ).map(tuple),
    need_before=_DAYS_TO_COME,
    expires=_DAYS_TO_COME,
    level_of_service=st.none() | st.sampled_from("AX1"),
    media=st.lists(st.sampled_from(SupplyMediumType), max_size=3, unique=True).map(tuple),
    hold=st.sampled_from(PlaceOnHoldType),
    delivery=st.none() | _ADDRESSES,
    transport=_OPTIONAL,
    billing=st.none() | _ADDRESSES,
    cost=st.none()
    | st.builds(
        new_request.Cost,
        account=_OPTIONAL,
        maximum=_OPTIONAL_AMOUNTS,
        reciprocal=st.booleans(),
        will_pay=st.booleans(),
        paid=st.booleans(),
    ),
    copyright=_OPTIONAL,
    may_forward=st.booleans(),
    already_tried=st.lists(_SYMBOLS, max_size=2).map(tuple),
    reference=_OPTIONAL,
    note=_NOTES,
    retry_of=st.none() | st.integers(1, 2**31),
    client=st.none() | st.builds(new_request.Client, name=_OPTIONAL, status=_OPTIONAL, identifier=_OPTIONAL),
    patron_contact=_NOTES,
)


def _asking_more(
    new: new_request.NewRequest,
    service: OCLCILLServiceType | None,
    send_to: tuple[str, ...],
    *,
    ordered: bool,
) -> new_request.NewRequest:
    """The request with what goes together only: a service of the responder's own, to whom it may go on."""
    if service is not None:
        services = (*new.services, ILLServiceType.responder_specific)
        new = replace(new, services=services, specific_service=service)
    if new.may_forward and send_to:
        new = replace(new, send_to=send_to, send_in_order=ordered)
    return new


new_requests: st.SearchStrategy[new_request.NewRequest] = st.builds(
    _asking_more,
    _plain_requests,
    st.none() | st.sampled_from(OCLCILLServiceType),
    st.lists(st.sampled_from(["OTHER:ONE", "OTHER:TWO"]), max_size=2, unique=True).map(tuple),
    ordered=st.booleans(),
)
