"""SHIPPED: what is on its way, how, for how much, and where a copy can be fetched."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from asn1 import ill
from asn1.ill import ILLServiceType
from asn1.schema import GeneralString
from config.settings import DocumentLink
from iso_gateway import links
from iso_gateway.compose.frame import Frame
from iso_gateway.compose.terms import Terms
from iso_gateway.compose.texts import (
    amount,
    date_due,
    enumerated,
    iso_date,
    library,
    optional_string,
    postal_address,
    units,
)
from iso_gateway.request.primitives import Ship


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How something reaches the requester, and the note that goes with it."""

    via: ill.ShippedVia | None
    note: str | None


def shipped(primitive: Ship, service_type: ILLServiceType, frame: Frame, terms: Terms) -> ill.Shipped:
    """The SHIPPED that says what the local user said.

    Args:
        primitive: what the local user said.
        service_type: loan or copy.
        frame: how the APDU begins.
        terms: what our settings and the partner's profile say of it.

    Raises:
        PrimitiveInvalidError: a field says what the standard has no value for.
    """
    way = _way(primitive, frame, terms)
    counted = tuple(
        ill.UnitsPerMediumType(medium=one.medium, no_of_units=units(one.units, "the number of units"))
        for one in primitive.units
    )
    return ill.Shipped(
        **frame.components,
        supplier_id=None
        if primitive.supplier is None
        else library(primitive.supplier, frame.encoding, what="supplier"),
        shipped_service_type=service_type,
        responder_optional_messages=terms.as_responder,
        supply_details=ill.SupplyDetails(
            date_shipped=iso_date(primitive.date_shipped or frame.at),
            date_due=date_due(primitive.date_due, renewable=primitive.renewable),
            chargeable_units=None
            if primitive.chargeable_units is None
            else units(primitive.chargeable_units, "the number of chargeable units"),
            cost=amount(primitive.cost, "the cost"),
            shipped_conditions=enumerated(ill.ShippedConditions, primitive.conditions),
            shipped_via=way.via,
            insured_for=amount(primitive.insured_for, "what it is insured for"),
            return_insurance_require=amount(primitive.return_insurance, "the insurance of the return"),
            no_of_units_per_medium=counted or None,
        ),
        return_to_address=postal_address(primitive.return_to, frame.encoding, "the return address"),
        responder_note=optional_string(way.note, frame.encoding),
    )


def _way(primitive: Ship, frame: Frame, terms: Terms) -> _Way:
    """What a Shipped says of the way: physical, or a link where the partner's profile wants it."""
    transport = optional_string(primitive.shipped_via, frame.encoding)
    physical = None if transport is None else ill.ShippedVia(physical_delivery=transport)
    if primitive.document_url is None:
        return _Way(via=physical, note=primitive.note)
    url = links.checked(primitive.document_url)
    if terms.document_link is DocumentLink.NONE:
        return _Way(via=physical, note=primitive.note)
    # The two ways are alternatives in the syntax, and electronic delivery is of version 2.
    in_details = physical is None and frame.version >= ill.VERSION_2
    if in_details and terms.document_link is DocumentLink.ELECTRONIC_DELIVERY:
        return _Way(via=ill.ShippedVia(electronic_delivery=_electronic(url)), note=primitive.note)
    return _Way(via=physical, note=" ".join(filter(None, ((primitive.note or "").strip(), url))))


def _electronic(url: str) -> ill.ElectronicDeliveryService:
    """Electronic delivery by fetching: the link is the address and, as people see it, the name (inferred)."""
    return ill.ElectronicDeliveryService(
        e_delivery_details=ill.EDeliveryDetails(
            e_delivery_address=ill.SystemAddress(
                telecom_service_identifier=GeneralString.from_text(urlsplit(url).scheme.upper()),
                telecom_service_address=GeneralString.from_text(url),
            )
        ),
        name_or_code=GeneralString.from_text(url),
    )
