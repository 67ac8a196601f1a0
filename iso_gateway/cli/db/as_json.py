"""What is told of the database as a whole, for programs."""

from datetime import datetime

from iso_gateway.cli.shared.plain import Json, plain
from iso_gateway.store.records import (
    GatewayRecord,
)


def gateway(record: GatewayRecord, alive_since: datetime) -> dict[str, Json]:
    """A gateway that uses the database, or did."""
    return {
        "id": record.id,
        "state": gateway_state(record, alive_since),
        "host": record.host,
        "pid": record.pid,
        "started_at": plain(record.started_at),
        "last_seen_at": plain(record.last_seen_at),
        "stopped_at": plain(record.stopped_at),
    }


def gateway_state(record: GatewayRecord, alive_since: datetime) -> str:
    """Whether a gateway is there: `running`, `stopped`, or `silent`, which others take for dead."""
    if record.stopped_at is not None:
        return "stopped"
    return "running" if record.last_seen_at > alive_since else "silent"
