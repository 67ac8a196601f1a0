"""How the gateway is, and what it told, for people."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from iso_gateway.cli.shared.output import shown, text
from iso_gateway.cli.shared.tables import CELL, local_time, table
from iso_gateway.noticing.facts import PartnerFacts
from iso_gateway.noticing.health import Health
from iso_gateway.noticing.posting import plain_detail
from iso_gateway.store.records import (
    BreakerState,
    EventRecord,
)


def health(found: Health) -> RenderableType:
    """How the gateway is, on one screen."""
    return Group(*_health(found))


def _health(found: Health) -> Iterator[RenderableType]:
    yield Text.assemble(
        text(local_time(found.at)),
        "  ",
        text("all is well", "green") if found.well else text("WRONG", "bold red"),
    )
    for said in found.wrong:
        yield text(f"  {said}", "yellow", limit=4 * CELL)
    for one in found.running:
        yield text(f"gateway    process {one.pid} on {one.host}, since {local_time(one.started_at)}")
    for listener in found.listeners:
        tls = ", TLS" if listener.tls else ""
        yield text(f"listener   {listener.name}: {listener.host}:{listener.port} {listener.mode.value}{tls}")
    yield text(f"database   {found.database}")
    oldest = "" if found.oldest is None else f", the oldest since {local_time(found.oldest)}"
    yield text(f"waiting    {found.waiting}{oldest}")
    traffic = found.traffic
    yield text(
        f"last 24 h  {traffic.received} received, {traffic.sent} made to be sent, {traffic.refused} refused"
    )
    wants = ", ".join(f"{number} {kind}" for kind, number in found.attention.items())
    yield text(f"attention  {wants or 'none'}")
    yield table(
        "partner",
        "last heard",
        "waiting",
        "how it stands",
        rows=(
            (
                text(one.name, "bold"),
                text("never" if one.last_heard is None else local_time(one.last_heard)),
                text(one.waiting),
                text(_stands(one), "" if _is_open(one) else "yellow", limit=2 * CELL),
            )
            for one in found.partners
        ),
        empty="no partners are configured",
    )


def _is_open(one: PartnerFacts) -> bool:
    return one.suspended_at is None and one.breaker is BreakerState.CLOSED


def _stands(one: PartnerFacts) -> str:
    if one.suspended_at is not None:
        return f"suspended by {one.suspended_by} since {local_time(one.suspended_at)}"
    if one.breaker is not BreakerState.CLOSED:
        since = "" if one.failing_since is None else f" since {local_time(one.failing_since)}"
        return f"takes nothing{since}: {one.last_error}"
    return "open"


def event(record: EventRecord) -> Text:
    """An event, as a line."""
    line = Text.assemble(
        text(f"{record.sequence:>6}  {local_time(record.at)}  "), text(record.kind, "bold", limit=CELL)
    )
    if record.half_id is not None:
        line.append(f"  request {record.half_id}")
    if record.message_id is not None:
        line.append(f"  message {record.message_id}")
    for name, value in plain_detail(record).items():
        line.append(f"  {name}: {shown(value, 2 * CELL)}")
    return line
