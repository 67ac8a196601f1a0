"""Item-Id: the bibliographic description of what is asked for."""

import re

from asn1 import ill
from asn1.schema import GeneralString
from iso_gateway.compose.texts import optional_string
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.new_request import Item


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

    isbn = None if item.isbn is None else _isbn(item.isbn)
    issn = None if item.issn is None else _issn(item.issn)
    others = item.other_numbers
    if isbn is not None and len(isbn) > 10 and strict:
        others = "; ".join(filter(None, (isbn, (others or "").strip())))
        isbn = _isbn_10(isbn)
    described = ill.ItemId(
        item_type=item.kind,
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
        additional_no_letters=text(others, "other_numbers"),
        verification_reference_source=text(item.verified_in, "verified_in"),
    )
    telling = (
        described.title,
        described.title_of_article,
        described.iSBN,
        described.iSSN,
        described.additional_no_letters,
    )
    if not any(telling):
        raise PrimitiveInvalidError(
            "item says nothing that it could be found by: give title, article_title, isbn, issn or"
            " other_numbers"
        )
    return described


def _isbn(written: str) -> str:
    digits = _joined(written)
    if not (_is_isbn_10(digits) or _is_isbn_13(digits)):
        raise PrimitiveInvalidError(
            "item.isbn is no ISBN: correct it (the last digit checks the others), or give it in other_numbers"
        )
    return digits


def _issn(written: str) -> str:
    digits = _joined(written)
    if re.fullmatch(r"[0-9]{7}[0-9X]", digits) is None or _weighted(digits) % 11:
        raise PrimitiveInvalidError(
            "item.issn is no ISSN: correct it (the last digit checks the others), or give it in other_numbers"
        )
    return digits


def _joined(written: str) -> str:
    """A number as it is sent: without the hyphens and blanks by which it is printed."""
    return re.sub(r"[\s-]", "", written).upper()


def _is_isbn_10(digits: str) -> bool:
    return re.fullmatch(r"[0-9]{9}[0-9X]", digits) is not None and _weighted(digits) % 11 == 0


def _is_isbn_13(digits: str) -> bool:
    if re.fullmatch(r"97[89][0-9]{10}", digits) is None:
        return False
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10 == 0


def _isbn_10(isbn: str) -> str | None:
    """The ISBN of ten digits that an ISBN of thirteen had before 2007; None for those that never had one."""
    if not isbn.startswith("978"):
        return None
    stem = isbn[3:12]
    check = -_weighted(stem + "0") % 11
    return stem + ("X" if check == 10 else str(check))


def _weighted(digits: str) -> int:
    """The sum that is a multiple of 11 when the last digit is right (ISO 2108, ISO 3297); X counts ten."""
    values = (10 if digit == "X" else int(digit) for digit in reversed(digits))
    return sum(weight * value for weight, value in enumerate(values, start=1))
