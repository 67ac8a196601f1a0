"""What the mail about a document says: of the item, of the two libraries, of what Illume allows. Pure.

Most of it was written by the partner. Each value is made one line of visible characters, so that none can
look like a line of ours.
"""

from dataclasses import dataclass
from datetime import date

from asn1.ill import ILLRequest
from asn1.schema import ILLString
from config.settings import LocalSymbol, Partner
from iso_gateway.lettering import visible
from iso_gateway.message.identity import request_number, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What templates can use; a value that is not known is empty.

    Args:
        link: where the document is.
        borrower_number: the number that the borrowing library gave the request.
        lender_number: the number of the request in this gateway.
        title, author, article, article_author, volume, year, pages: of the item.
        borrower, lender: the two libraries' names, for people.
        lender_symbol: the lender's symbol.
        contact: where to ask.
        note: what the lender's staff wrote with it.
        downloads: how often it can be fetched.
        days: for how many days.
        until: the last of them.
    """

    link: str
    borrower_number: str
    lender_number: str
    title: str
    author: str
    article: str
    article_author: str
    volume: str
    year: str
    pages: str
    borrower: str
    lender: str
    lender_symbol: str
    contact: str
    note: str
    downloads: int
    days: int
    until: date


def describe(
    request: ILLRequest,
    *,
    link: str,
    local: LocalSymbol,
    partner: Partner,
    lender_number: int,
    note: str | None,
    downloads: int,
    days: int,
    until: date,
) -> About:
    """What the mail says about a document.

    Args:
        request: the ILL-Request that it answers.
        link: where it is, checked.
        local: the lending library.
        partner: the borrowing one.
        lender_number: the request's number here.
        note: what the lender's staff wrote.
        downloads, days, until: what Illume allows.
    """
    encoding, item = partner.character_set.value, request.item_id

    def said(value: ILLString | None) -> str:
        return visible(text_of(value, encoding) or "")

    return About(
        link=link,
        borrower_number=visible(request_number(request.transaction_id)),
        lender_number=str(lender_number),
        title=said(item.title),
        author=said(item.author),
        article=said(item.title_of_article),
        article_author=said(item.author_of_article),
        volume=said(item.volume_issue),
        year=said(item.publication_date_of_component) or said(item.publication_date),
        pages=said(item.pagination),
        borrower=visible(partner.display_name or partner.name),
        lender=visible(local.display_name or local.name),
        lender_symbol=visible(str(local.symbol)),
        contact=local.document_contact or local.public_mail or "",
        note=visible(note or ""),
        downloads=downloads,
        days=days,
        until=until,
    )
