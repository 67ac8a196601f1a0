"""What wants a person, for programs."""

from iso_gateway.cli.shared.plain import Json, plain
from iso_gateway.cli.waiting.as_json import outbox_row
from iso_gateway.noticing.reporting import Preview
from iso_gateway.store.records import AttentionRecord, DailyMailRecord


def attention_row(row: AttentionRecord, why_cleared: str | None) -> dict[str, Json]:
    """Something that wants a person, or did."""
    return {
        "id": row.id,
        "kind": row.kind,
        "reason": row.reason,
        "partner": row.partner,
        "request_id": row.half_id,
        "message_id": row.message_id,
        "since": plain(row.since),
        "raised_at": plain(row.raised_at),
        "seen_at": plain(row.seen_at),
        "cleared_at": plain(row.cleared_at),
        "cleared_by": row.cleared_by,
        "why_cleared": why_cleared,
        "gone_at": plain(row.gone_at),
    }


def daily_mail(one: DailyMailRecord) -> dict[str, Json]:
    """What somebody was told on a morning, and what became of the mail."""
    return {
        "id": one.id,
        "recipient": one.recipient,
        "day": plain(one.day),
        "made_at": plain(one.made_at),
        "entries": one.entries,
        "mail": None if one.mail is None else outbox_row(one.mail),
    }


def daily_preview(shown: Preview) -> dict[str, Json]:
    """A daily mail as it would go out."""
    found = shown.report
    return {
        "recipient": found.mail.to,
        "next_at": plain(shown.next_at),
        "sent": found.is_sent,
        "total": found.total,
        "new": [entry.number for entry in found.new],
        "standing": [entry.number for entry in found.standing],
        "left": found.left,
        "author": found.author.public_mail,
        "subject": found.rendered.subject,
        "text": found.rendered.text,
        "html": found.rendered.html,
    }
