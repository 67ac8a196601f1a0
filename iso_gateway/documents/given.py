"""The links that a lender's SHIPPED brings us: in the details of electronic delivery, or in its notes. Pure.

Which component holds the link is the partner's habit (inferred, not read in the standard), so all that are
known are looked at. The links are shown, never fetched.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from asn1.ill import ILLApdu, Shipped
from iso_gateway.links import found_in
from iso_gateway.message.identity import text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A link that an APDU brought.

    Args:
        url: the link.
        place: the component that it stands in.
    """

    url: str
    place: str


def given_in(apdu: ILLApdu, encoding: str = "utf-8") -> tuple[Given, ...]:
    """The links of a SHIPPED, each once; none of any other APDU.

    Args:
        apdu: what came.
        encoding: the character set of its sender, as Python names it.
    """
    if not isinstance(apdu, Shipped):
        return ()
    found: dict[str, Given] = {}
    for place, text in _places(apdu, encoding):
        for url in found_in(text):
            found.setdefault(url, Given(url=url, place=place))
    return tuple(found.values())


def _places(shipped: Shipped, encoding: str) -> Iterator[tuple[str, str]]:
    via = shipped.supply_details.shipped_via
    electronic = None if via is None else via.electronic_delivery
    if electronic is not None:
        yield "name-or-code", text_of(electronic.name_or_code, encoding) or ""
        address = electronic.e_delivery_details.e_delivery_address
        if address is not None:
            yield "e-delivery-address", text_of(address.telecom_service_address, encoding) or ""
    yield "responder-note", text_of(shipped.responder_note, encoding) or ""
