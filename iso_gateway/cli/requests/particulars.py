"""What a message says that staff act upon: until when, why, at what cost. Never who the patron is."""

from collections.abc import Iterator
from typing import Final

from asn1 import ill
from asn1.ill import ILLApdu
from asn1.schema import Enumerated, GeneralString, Unlisted
from iso_gateway.message.identity import symbol_of, text_of

#: The components that are told, in this order, and what they are called.
_TOLD: Final = (
    ("iLL_service_type", ""),
    ("need_before_date", "needed by"),
    ("expiry_date", "expires after"),
    ("shipped_service_type", ""),
    ("conditions", "condition"),
    ("reason_not_available", "reason"),
    ("reason_unfilled", "reason"),
    ("reason_locs_provided", "reason"),
    ("reason_will_supply", "reason"),
    ("date_for_reply", "reply by"),
    ("retry_date", "retry on"),
    ("supply_date", "supplied on"),
    ("estimated_date_available", "expected on"),
    ("cost_estimate", "cost"),
    ("locations", "ask"),
    ("date_due", "due"),
    ("desired_due_date", "wanted until"),
    ("shipped_conditions", "lent under"),
    ("cost", "cost"),
    ("shipped_via", "via"),
    ("returned_via", "via"),
    ("insured_for", "insured for"),
    ("return_insurance_require", "insure its return for"),
    ("damaged_portion", "damaged"),
)


def particulars(apdu: ILLApdu, encoding: str = "utf-8") -> str:
    """What an APDU says besides its name, on one line; empty where that is nothing. Not escaped.

    Args:
        apdu: what is told.
        encoding: the character set of whoever wrote it, as Python names it.
    """
    return "; ".join(_told(apdu, encoding))


def _told(apdu: ILLApdu, encoding: str) -> Iterator[str]:
    if isinstance(apdu, ill.ForwardNotification):
        symbol = symbol_of(apdu.responder_id)
        if symbol is not None:
            yield f"it is with {symbol} now"
    for part in _parts(apdu):
        for attribute, name in _TOLD:
            value = getattr(part, attribute, None)
            said = None if value is None else _said(value, encoding)
            if said:
                yield f"{name} {said}".lstrip()


def _parts(apdu: ILLApdu) -> Iterator[object]:
    yield apdu
    if isinstance(apdu, ill.ILLRequest) and apdu.search_type is not None:
        yield apdu.search_type
    if isinstance(apdu, ill.Shipped):
        yield apdu.supply_details
    if isinstance(apdu, ill.ILLAnswer) and apdu.results_explanation is not None:
        yield apdu.results_explanation.chosen[1]
    if isinstance(apdu, ill.Damaged) and apdu.damaged_details is not None:
        yield apdu.damaged_details


def _said(value: object, encoding: str) -> str | None:
    match value:
        case Enumerated():
            return value.asn1_name.lower()
        case Unlisted():
            return f"unlisted ({value.value})"
        case ill.DateDue():
            return f"{_day(value.date_due_field)}, {'renewable' if value.renewable else 'not renewable'}"
        case ill.Amount():
            return f"{value.monetary_value} {value.currency_code or ''}".rstrip()
        case ill.ShippedVia():
            return text_of(value.physical_delivery, encoding) or "network"
        case ill.DamagedPortion(specific_units=None):
            return "as a whole"
        case ill.DamagedPortion(specific_units=tuple() as units):
            return f"units {', '.join(map(str, units))}"
        case GeneralString():
            return text_of(value, encoding)
        case str():
            return _day(value)
        case ill.LocationInfo():
            symbol = symbol_of(value.location_id)
            return None if symbol is None else str(symbol)
        case tuple():
            return ", ".join(said for one in value if (said := _said(one, encoding)) is not None)
        case _:
            return None


def _day(date: str) -> str:
    """An ISO-Date as people write it, or as it stands there if it is none."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdecimal() else date
