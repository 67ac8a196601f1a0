"""What is told of the database as a whole, for people."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from iso_gateway.cli.db import as_json
from iso_gateway.cli.shared.output import text
from iso_gateway.cli.shared.tables import CELL, local_time, table
from iso_gateway.replay.verifying import Problem
from iso_gateway.store.records import (
    GatewayRecord,
)


def gateways(records: Iterable[GatewayRecord], alive_since: datetime) -> RenderableType:
    """The gateways of the database, as a table."""
    return table(
        "gateway",
        "state",
        "host",
        "process",
        "started",
        "last seen",
        rows=(
            (
                text(one.id),
                text(state := as_json.gateway_state(one, alive_since), "yellow" if state == "silent" else ""),
                text(one.host, limit=CELL),
                text(one.pid),
                text(local_time(one.started_at)),
                text(local_time(one.last_seen_at)),
            )
            for one in records
        ),
        empty="no gateway has used the database yet",
    )


def problem(one: Problem) -> Text:
    """Something that is wrong with the database, as a line."""
    about = "".join(
        f"  {name} {number}"
        for name, number in (("request", one.half_id), ("message", one.message_id))
        if number is not None
    )
    return Text.assemble((f"{one.part.value}{about}: ", "bold"), text(one.text))
