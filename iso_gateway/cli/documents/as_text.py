"""Links and their mails for people."""

from collections.abc import Iterator, Sequence
from typing import assert_never

from rich.console import RenderableType
from rich.text import Text

from iso_gateway.cli.shared.output import text
from iso_gateway.cli.shared.tables import CELL, DISPOSED, local_time, table
from iso_gateway.cli.waiting.as_text import fate
from iso_gateway.documents import Posted, Preview
from iso_gateway.store.records import (
    DocumentRecord,
    Unmailed,
)


def documents(listed: Sequence[DocumentRecord]) -> RenderableType:
    """The links that borrowers were given, and what became of their mails."""
    return table(
        "document",
        "request",
        "given",
        "mail",
        "link",
        rows=(_document_row(one) for one in listed),
        empty="no documents",
    )


def _document_row(one: DocumentRecord) -> tuple[Text, ...]:
    content = one.content or {}
    return (
        text(one.id),
        text(one.half_id),
        text(local_time(one.added_at)),
        mail_fate(one),
        text(DISPOSED if one.disposed else content.get("url"), limit=2 * CELL),
    )


def mail_fate(one: DocumentRecord) -> Text:
    """Whom a document's link was mailed to, and what became of that."""
    if one.mail is None:
        return text("" if one.unmailed is None else unmailed_in_words(one.unmailed))
    recipient = (one.content or {}).get("recipient")
    return fate(one.mail) if recipient is None else Text.assemble(text(f"to {recipient}: "), fate(one.mail))


def posted(result: Posted) -> Text:
    """What became of a link."""
    what = f"document {result.document_id} of request {result.half_id}"
    if result.unmailed is not None:
        return text(f"{what}: {unmailed_in_words(result.unmailed)}")
    return text(f"{what}: the mail with its link is queued for {result.recipient}")


def preview(shown_mail: Preview) -> Iterator[Text]:
    """A mail as people read it; that it would go to nobody stands first."""
    if shown_mail.unmailed is not None:
        yield text(unmailed_in_words(shown_mail.unmailed), "yellow")
    else:
        yield Text.assemble(("To: ", "cyan"), text(shown_mail.recipient))
    yield Text.assemble(("Reply-To: ", "cyan"), text(shown_mail.reply_to))
    yield Text.assemble(("Subject: ", "cyan"), text(shown_mail.rendered.subject))
    yield Text()
    for line in shown_mail.rendered.text.splitlines():
        yield text(line)


def unmailed_in_words(why: Unmailed) -> str:
    """Why no mail says where a document is."""
    match why:
        case Unmailed.LOGIN:
            return "not mailed: its borrower logs in to Illume"
        case Unmailed.NO_ADDRESS:
            return "not mailed: the partner's file has no document_email"
        case Unmailed.NO_MAIL_SERVER:
            return "not mailed: gateway.toml has no [mail], or our library no public_mail"
        case _:
            assert_never(why)
