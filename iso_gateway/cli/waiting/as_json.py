"""What waits to be sent and why, for programs."""

from iso_gateway.cli.shared.plain import Json, plain
from iso_gateway.cli.waiting.as_text import why_waiting
from iso_gateway.cli.waiting.views import Waiting
from iso_gateway.failure import advice
from iso_gateway.store.records import (
    OutboxRecord,
)


def outbox_row(row: OutboxRecord) -> dict[str, Json]:
    """What is to be sent, or was."""
    return {
        "id": row.id,
        "message_id": row.message_id,
        "partner": row.partner,
        "connection_id": row.connection_id,
        "lane": row.lane,
        "status": row.status.value,
        "attempts": row.attempts,
        "next_attempt_at": plain(row.next_attempt_at),
        "last_error": row.last_error,
        "failure": plain(row.failure),
        "advice": None if row.failure is None else advice(row.failure),
        "held_by": row.held_by,
        "created_at": plain(row.created_at),
        "expires_at": plain(row.expires_at),
        "finished_at": plain(row.finished_at),
    }


def waiting_row(one: Waiting) -> dict[str, Json]:
    """What waits to be sent: why, and when it is tried next (None where no clock decides)."""
    return {
        **outbox_row(one.row),
        "next_attempt_at": plain(one.next_attempt_at),
        "why": why_waiting(one.row, one.state, first=one.first),
        "partner_suspended": one.state.suspended,
        "breaker": one.state.breaker.value,
    }
