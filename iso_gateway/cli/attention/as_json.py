"""What wants a person, for programs."""

from iso_gateway.cli.shared.plain import Json, plain
from iso_gateway.store.records import (
    AttentionRecord,
)


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
