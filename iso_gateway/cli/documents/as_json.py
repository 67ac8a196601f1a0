"""Links and their mails for programs."""

from iso_gateway.cli.shared.plain import Json, plain
from iso_gateway.cli.waiting.as_json import outbox_row
from iso_gateway.documents import Posted, Preview
from iso_gateway.store.records import (
    DocumentRecord,
)


def posted(result: Posted) -> dict[str, Json]:
    """What became of a link."""
    return {
        "id": result.document_id,
        "request_id": result.half_id,
        "recipient": result.recipient,
        "unmailed": plain(result.unmailed),
    }


def document(one: DocumentRecord) -> dict[str, Json]:
    """A link that a borrower was given, and what became of its mail; most is None once disposed of."""
    content = one.content or {}
    return {
        "id": one.id,
        "request_id": one.half_id,
        "message_id": one.message_id,
        "added_at": plain(one.added_at),
        "actor": one.actor,
        **{name: plain(content.get(name)) for name in ("url", "note", "recipient", "until", "downloads")},
        "unmailed": plain(one.unmailed),
        "mail": None if one.mail is None else outbox_row(one.mail),
        "disposed": one.disposed,
    }


def preview(shown: Preview) -> dict[str, Json]:
    """A mail as it would go out."""
    return {
        "recipient": shown.recipient,
        "unmailed": plain(shown.unmailed),
        "reply_to": shown.reply_to,
        "subject": shown.rendered.subject,
        "text": shown.rendered.text,
        "html": shown.rendered.html,
    }
