"""How the gateway is, and what it told, for programs."""

from iso_gateway.cli.shared.plain import Json, plain
from iso_gateway.noticing.health import Health
from iso_gateway.store.records import (
    EventRecord,
)


def health(found: Health) -> dict[str, Json]:
    """How the gateway is."""
    return {
        "at": plain(found.at),
        "well": found.well,
        "wrong": plain(found.wrong),
        "gateways": [
            {
                "id": one.id,
                "host": one.host,
                "pid": one.pid,
                "started_at": plain(one.started_at),
                "last_seen_at": plain(one.last_seen_at),
            }
            for one in found.running
        ],
        "sending_held": plain(found.hold),
        "listeners": [
            {"name": one.name, "mode": one.mode.value, "host": one.host, "port": one.port, "tls": one.tls}
            for one in found.listeners
        ],
        "database": found.database,
        "waiting": found.waiting,
        "oldest": plain(found.oldest),
        "attention": plain(found.attention),
        "last_24_hours": plain(found.traffic),
        "partners": plain(found.partners),
    }


def event(record: EventRecord) -> dict[str, Json]:
    """Something that the local side is told."""
    return {
        "sequence": record.sequence,
        "at": plain(record.at),
        "kind": record.kind,
        "request_id": record.half_id,
        "message_id": record.message_id,
        "detail": plain(record.detail),
        "disposed": record.disposed,
    }
