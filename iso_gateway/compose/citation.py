"""Item-Id: the bibliographic description of what is asked for."""

from collections.abc import Callable

from asn1 import ill
from asn1.extensions import IPIGSystemNumber, SystemNumberSystem, WellKnownSystem, make_external
from asn1.extensions import SystemNumber as SystemNumberOnWire
from asn1.schema import External, GeneralString
from iso_gateway.compose.texts import library, optional_string
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.request import standard_numbers
from iso_gateway.request.new_request import Item, SystemNumber


def item_id(item: Item, encoding: str, *, strict: bool) -> ill.ItemId:
    """The Item-Id of a request.

    An ISBN of thirteen digits is one more than the syntax has room for (SIZE 10). A partner that is strict
    finds it in additional-no-letters, and in its place the ISBN of ten digits where there is one; everybody
    else reads it where it belongs (inferred, protocol.md 3).

    Args:
        item: the description.
        encoding: the partner's character set, as Python names it.
        strict: whether the partner takes nothing but what the syntax allows.

    Raises:
        PrimitiveInvalidError: nothing in it tells the item from others, or a number is none.
    """

    def text(value: str | None, key: str) -> GeneralString | None:
        return optional_string(value, encoding, field=f"item.{key}")

    isbn = _checked(item.isbn, standard_numbers.isbn, "ISBN", "isbn")
    issn = _checked(item.issn, standard_numbers.issn, "ISSN", "issn")
    others = item.other_numbers
    if isbn is not None and len(isbn) > 10 and strict:
        others = "; ".join(filter(None, (isbn, (others or "").strip())))
        isbn = standard_numbers.isbn_10(isbn)
    described = ill.ItemId(
        item_type=item.item_type,
        held_medium_type=item.medium,
        call_number=text(item.call_number, "call_number"),
        author=text(item.author, "author"),
        title=text(item.title, "title"),
        sub_title=text(item.sub_title, "sub_title"),
        sponsoring_body=text(item.sponsoring_body, "sponsoring_body"),
        place_of_publication=text(item.place_of_publication, "place_of_publication"),
        publisher=text(item.publisher, "publisher"),
        series_title_number=text(item.series, "series"),
        volume_issue=text(item.volume_issue, "volume_issue"),
        edition=text(item.edition, "edition"),
        publication_date=text(item.publication_date, "publication_date"),
        publication_date_of_component=text(item.component_date, "component_date"),
        author_of_article=text(item.article_author, "article_author"),
        title_of_article=text(item.article_title, "article_title"),
        pagination=text(item.pages, "pages"),
        iSBN=text(isbn, "isbn"),
        iSSN=text(issn, "issn"),
        system_no=_system_no(item.system_numbers, encoding),
        additional_no_letters=text(others, "other_numbers"),
        verification_reference_source=text(item.verified_in, "verified_in"),
    )
    telling = (
        described.title,
        described.title_of_article,
        described.iSBN,
        described.iSSN,
        described.additional_no_letters,
        described.system_no,
    )
    if not any(telling):
        raise PrimitiveInvalidError(
            "item says nothing that it could be found by: give title, article_title, isbn, issn,"
            " other_numbers or system_numbers"
        )
    return described


def _system_no(numbers: tuple[SystemNumber, ...], encoding: str) -> External | None:
    """System-no in the form of 1.0.10161.6.1, or None without a number."""
    if not numbers:
        return None
    return make_external(
        IPIGSystemNumber(
            tuple(
                SystemNumberOnWire(
                    type=_system(one.system, encoding, f"item.system_numbers[{place}].system"),
                    database_ID=optional_string(
                        one.database, encoding, field=f"item.system_numbers[{place}].database"
                    ),
                    number=_required(one.number, encoding, f"item.system_numbers[{place}].number"),
                )
                for place, one in enumerate(numbers)
            )
        )
    )


def _system(name: str, encoding: str, field: str) -> SystemNumberSystem:
    known = {system.asn1_name.casefold(): system for system in WellKnownSystem}
    system = known.get(name.strip().casefold())
    if system is not None:
        return SystemNumberSystem(well_known=system)
    return SystemNumberSystem(other=library(name, encoding, what=f"system in {field}"))


def _required(text: str, encoding: str, field: str) -> GeneralString:
    written = optional_string(text, encoding, field=field)
    if written is None:
        raise PrimitiveInvalidError(f"{field} is blank: give the number")
    return written


def _checked(written: str | None, read: Callable[[str], str | None], name: str, key: str) -> str | None:
    """A number without what it is printed with, or None without one."""
    if written is None or not written.strip():
        return None
    number = read(written)
    if number is None:
        raise PrimitiveInvalidError(
            f"item.{key} is no {name}: correct it (the last digit checks the others), or give it in"
            " other_numbers"
        )
    return number
