"""How single values of a request file are read: lines, notes, days, amounts, and the standard's own names.

Each is an annotated type. What is refused is never shown: a request file may name a patron, and a mistake in
it is told to logs and terminals. The types mean nothing to code that builds such values itself.
"""

import datetime as dt
import re
from collections.abc import Iterable
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, Field, PlainValidator

from asn1.extensions import OCLCILLServiceType, WellKnownSystem
from asn1.ill import ILLServiceType, ItemType, MediumType, PlaceOnHoldType, SupplyMediumType
from asn1.schema import Enumerated
from config.fields import refusal
from config.symbols import Symbol
from iso_gateway.request import standard_numbers

E = TypeVar("E", bound=Enumerated)

_LINE: Final = "one line of text"
_NOTE: Final = "a text that is not blank"
_DAY: Final = "a day, as '2026-12-01'"
_SYMBOL: Final = "a library's symbol, as 'ILLUME:SFU' or a bare 'SFU'"
_SYSTEM: Final = (
    "one of "
    + ", ".join(repr(system.asn1_name.casefold()) for system in WellKnownSystem)
    + ", or another system's symbol, as 'AMICUS'"
)
_ISBN: Final = "an ISBN, as '978-1-84195-645-9'; what is none stands in other_numbers"
_ISSN: Final = "an ISSN, as '1234-5679'; what is none stands in other_numbers"
_VALUE: Final = "an amount in quotation marks, as '12.50': at most ten digits, dots, commas and blanks"
_CURRENCY: Final = "a currency of three capital letters, as 'CAD'"


def _line(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise refusal("it is blank or holds a control character", _LINE)
    return value.strip()


def _note(value: str) -> str:
    if not value.strip() or not all(sign.isprintable() or sign in "\n\t" for sign in value):
        raise refusal("it is blank or holds a control character", _NOTE)
    return value.strip()


def _day(value: object) -> dt.date:
    match value:
        case dt.datetime():
            raise refusal("it has a time of day", _DAY)
        case dt.date():
            return value
        case str() if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
            try:
                return dt.date.fromisoformat(value)
            except ValueError:
                raise refusal("there is no such day", _DAY) from None
        case _:
            raise refusal("it is no day", _DAY)


def _symbol(value: str) -> str:
    symbol = Symbol.parse(value)
    if not symbol.symbol.strip() or symbol.authority == "" or not value.isprintable():
        raise refusal("it lacks the symbol or the authority, or holds a control character", _SYMBOL)
    return value.strip()


def _value(value: str) -> str:
    if re.fullmatch(r"[0-9 .,]{1,10}", value) is None or not any(sign.isdigit() for sign in value):
        raise refusal("it is no amount", _VALUE)
    return value.strip()


def _currency(value: str) -> str:
    if re.fullmatch(r"[A-Z]{3}", value) is None:
        raise refusal("it is no currency", _CURRENCY)
    return value


def _isbn(value: str) -> str:
    if standard_numbers.isbn(value) is None:
        raise refusal("it is no ISBN, or its last digit, which checks the others, is wrong", _ISBN)
    return value


def _issn(value: str) -> str:
    if standard_numbers.issn(value) is None:
        raise refusal("it is no ISSN, or its last digit, which checks the others, is wrong", _ISSN)
    return value


def _system(value: str) -> str:
    known = {system.asn1_name.casefold() for system in WellKnownSystem}
    return value.strip() if value.strip().casefold() in known else _symbol(value)


def _one_sign(value: str) -> str:
    if len(value) != 1 or not value.isprintable() or not value.isascii() or value == " ":
        raise refusal("it is not one character", "one letter or digit")
    return value


def _reader(kind: Iterable[E]) -> PlainValidator:
    """Gives what reads a member of an ENUMERATED by the name that the standard gives it."""
    members = {member.asn1_name: member for member in kind}

    def read(value: object) -> E:
        member = members.get(value) if isinstance(value, str) else None
        if member is None:
            raise refusal("it is none of the names that the standard has", _names(members.values()))
        return member

    return PlainValidator(read)


def _names(kind: Iterable[Enumerated]) -> str:
    return "one of " + ", ".join(repr(member.asn1_name) for member in kind)


Line = Annotated[str, AfterValidator(_line), Field(description=_LINE)]
NoteText = Annotated[str, AfterValidator(_note), Field(description=_NOTE)]
Day = Annotated[dt.date, PlainValidator(_day), Field(description=_DAY)]
LibrarySymbol = Annotated[str, AfterValidator(_symbol), Field(description=_SYMBOL)]
MonetaryValue = Annotated[str, AfterValidator(_value), Field(description=_VALUE)]
CurrencyCode = Annotated[str, AfterValidator(_currency), Field(description=_CURRENCY)]
IsbnText = Annotated[str, AfterValidator(_isbn), Field(description=_ISBN)]
IssnText = Annotated[str, AfterValidator(_issn), Field(description=_ISSN)]
LevelOfService = Annotated[
    str, AfterValidator(_one_sign), Field(description="the one letter or digit that the libraries agreed on")
]
RequestNumber = Annotated[
    int, Field(strict=True, ge=1, description="the number of a request, as `requests list` shows it")
]
ServiceName = Annotated[ILLServiceType, _reader(ILLServiceType), Field(description=_names(ILLServiceType))]
SpecificServiceName = Annotated[
    OCLCILLServiceType, _reader(OCLCILLServiceType), Field(description=_names(OCLCILLServiceType))
]
SystemName = Annotated[str, AfterValidator(_system), Field(description=_SYSTEM)]
ItemTypeName = Annotated[ItemType, _reader(ItemType), Field(description=_names(ItemType))]
MediumName = Annotated[MediumType, _reader(MediumType), Field(description=_names(MediumType))]
SupplyMediumName = Annotated[
    SupplyMediumType, _reader(SupplyMediumType), Field(description=_names(SupplyMediumType))
]
HoldName = Annotated[PlaceOnHoldType, _reader(PlaceOnHoldType), Field(description=_names(PlaceOnHoldType))]
