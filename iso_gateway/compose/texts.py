"""Single values of an APDU, made of what people write: texts in the partner's character set, dates, names.

Nothing of a value that could be about a patron stands in an error: there the name of the field stands for it.
"""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar, cast

from asn1 import ill
from asn1.schema import Choice, Enumerated, External, GeneralString, Sequence, describe
from config.symbols import Symbol
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.message.identity import system_id_of
from iso_gateway.request.primitives import Amount, PostalAddress

E = TypeVar("E", bound=Enumerated)
S = TypeVar("S", bound=Sequence | Choice)

UNITS = range(1, 10_000)
"""How many units the standard lets one say."""


def iso_date(moment: dt.date) -> str:
    """ISO-Date: YYYYMMDD."""
    # Why not strftime: it leaves the year 202, a slip of the fingers, at three digits.
    return f"{moment.year:04}{moment.month:02}{moment.day:02}"


def optional_date(moment: dt.date | None) -> str | None:
    """ISO-Date of a day, or None without one."""
    return None if moment is None else iso_date(moment)


def iso_time(moment: dt.datetime) -> str:
    """ISO-Time: HHMMSS, in the zone that `moment` is in."""
    return moment.strftime("%H%M%S")


def date_due(date: dt.date | None, *, renewable: bool) -> ill.DateDue | None:
    """Date-Due, or None without a date."""
    return None if date is None else ill.DateDue(date_due_field=iso_date(date), renewable=renewable)


def string(text: str, encoding: str, *, field: str | None = None) -> GeneralString:
    """An ILL-String.

    Args:
        text: what it says.
        encoding: the partner's character set, as Python names it.
        field: what an error calls it, so that it shows nothing of the text; None where the text is not about
            people, and the characters that cannot be written may be shown.

    Raises:
        PrimitiveInvalidError: the partner's character set does not have a character of it.
    """
    try:
        octets = text.encode(encoding)
    except UnicodeEncodeError as error:
        # Also how Python hands on an argument of the command that is not in the terminal's encoding.
        what = repr(text[error.start : error.end]) if field is None else f"a character of {field}"
        raise PrimitiveInvalidError(
            f"{what} cannot be written in {encoding.upper()}, which is what this partner reads: write it"
            " otherwise"
        ) from None
    if b"\0" in octets:
        raise PrimitiveInvalidError(
            f"{field or 'a text'} holds a NUL, at which other software ends the text: leave it out"
        )
    return GeneralString(octets)


def optional_string(text: str | None, encoding: str, *, field: str | None = None) -> GeneralString | None:
    """An ILL-String without blanks around it, as the standard wants it; None where there is nothing to say.

    Raises:
        PrimitiveInvalidError: as `string`.
    """
    if text is None or not text.strip():
        return None
    return string(text.strip(), encoding, field=field)


def enumerated(kind: type[E], name: str | None) -> E | None:
    """The member of an ENUMERATED that the standard gives a name; None without a name.

    Raises:
        PrimitiveInvalidError: the standard has no such name.
    """
    if name is None:
        return None
    for member in kind:
        if member.asn1_name == name:
            return member
    raise PrimitiveInvalidError(f"{name!r} is no {_words(kind)}: say one of {_listed(kind)}")


def required(kind: type[E], name: str | None, what: str) -> E:
    """The same, where an answer cannot do without it.

    Raises:
        PrimitiveInvalidError: there is no name, or the standard has no such name.
    """
    member = enumerated(kind, name)
    if member is None:
        raise PrimitiveInvalidError(f"this answer needs {what}: say one of {_listed(kind)}")
    return member


def _listed(kind: Iterable[Enumerated]) -> str:
    return ", ".join(member.asn1_name for member in kind)


def _words(kind: type[Enumerated]) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).strip()


def library(text: str, encoding: str, *, what: str = "location") -> ill.SystemId:
    """The System-Id of a library that somebody names by its symbol.

    Raises:
        PrimitiveInvalidError: it is no symbol.
    """
    symbol = Symbol.parse(text.strip())
    if not symbol.symbol.strip():
        raise PrimitiveInvalidError(f"{text!r} is no {what}: give a library's symbol, as ILLUME:SFU")
    string(text, encoding)
    return system_id_of(symbol)


def amount(money: Amount | None, what: str) -> ill.Amount | None:
    """Amount, or None without one.

    Raises:
        PrimitiveInvalidError: the standard cannot say it.
    """
    if money is None:
        return None
    value, currency = money.value.strip(), money.currency
    if re.fullmatch(r"[0-9 .,]{1,10}", value) is None or not any(sign.isdigit() for sign in value):
        raise PrimitiveInvalidError(
            f"{what} is no amount: write at most ten digits, dots, commas and blanks, as 12.50"
        )
    if currency is not None and re.fullmatch(r"[A-Z]{3}", currency) is None:
        raise PrimitiveInvalidError(f"the currency of {what} is none: write three capital letters, as CAD")
    return ill.Amount(currency_code=currency, monetary_value=value)


def units(number: int, what: str) -> int:
    """A number of units.

    Raises:
        PrimitiveInvalidError: the standard cannot say it.
    """
    if number not in UNITS:
        raise PrimitiveInvalidError(f"{what} is {number}: say a number from {UNITS[0]} to {UNITS[-1]}")
    return number


def postal_address(address: PostalAddress | None, encoding: str, field: str) -> ill.PostalAddress | None:
    """Postal-Address, or None without one.

    Args:
        address: what to write.
        encoding: the partner's character set.
        field: what an error calls it.

    Raises:
        PrimitiveInvalidError: as `string`.
    """
    if address is None:
        return None
    name = optional_string(address.name, encoding, field=f"{field}.name")
    return ill.PostalAddress(
        name_of_person_or_institution=None
        if name is None
        else ill.NameOfPersonOrInstitution(name_of_institution=name),
        extended_postal_delivery_address=optional_string(
            address.department, encoding, field=f"{field}.department"
        ),
        street_and_number=optional_string(address.street, encoding, field=f"{field}.street"),
        post_office_box=optional_string(address.post_office_box, encoding, field=f"{field}.post_office_box"),
        city=optional_string(address.city, encoding, field=f"{field}.city"),
        region=optional_string(address.region, encoding, field=f"{field}.region"),
        country=optional_string(address.country, encoding, field=f"{field}.country"),
        postal_code=optional_string(address.postal_code, encoding, field=f"{field}.postal_code"),
    )


def transcoded(value: S, read_as: str, write_as: str) -> S:
    """The same in another character set, for a partner who does not read that of whoever wrote it.

    Identifiers stay as they came, since they are compared octet for octet, and so does what is opaque:
    extensions, and texts that are not in the character set of their writer after all.

    Args:
        value: a value of the abstract syntax.
        read_as: the character set of its writer, as Python names it.
        write_as: that of its reader.

    Raises:
        PrimitiveInvalidError: the reader's character set does not have a character of it.
    """
    if read_as == write_as:
        return value
    return cast("S", _transcoded(value, read_as, write_as, value.asn1_name))


_AS_THEY_CAME = (ill.SystemId, ill.TransactionId, ill.Extension, External)


def _transcoded(value: Any, read_as: str, write_as: str, field: str) -> Any:
    match value:
        case GeneralString(octets):
            try:
                text = octets.decode(read_as)
            except UnicodeDecodeError:
                return value
            return string(text, write_as, field=field)
        case tuple():
            return tuple(_transcoded(one, read_as, write_as, field) for one in value)
        case Sequence() | Choice() if not isinstance(value, _AS_THEY_CAME):
            changed = {
                component.attribute: _transcoded(
                    getattr(value, component.attribute), read_as, write_as, component.name
                )
                for component in describe(type(value))
            }
            return replace(cast("Any", value), **changed)
        case _:
            return value
