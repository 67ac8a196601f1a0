"""Partners for people."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from rich.console import RenderableType
from rich.text import Text

from config import fields
from config.settings import MailTransport, Partner, Settings, TcpTransport
from config.symbols import Symbol
from iso_gateway.cli.partners import as_json
from iso_gateway.cli.partners.views import PartnerDelivery
from iso_gateway.cli.shared.output import text
from iso_gateway.cli.shared.plain import Json, plain
from iso_gateway.cli.shared.tables import CELL, lines, local_time, table
from iso_gateway.failure import advice
from iso_gateway.store.records import (
    BreakerState,
    PartnerStateRecord,
)


def partners(listed: Sequence[Partner], states: Mapping[str, PartnerStateRecord]) -> RenderableType:
    """A list of partners, and what stands between us and each.

    Args:
        listed: the partners.
        states: by the partner's name, as far as there is something to know.
    """
    return table(
        "partner",
        "library",
        "symbols",
        "reached by",
        rows=(
            (
                lines(
                    text(one.name, "bold"),
                    *(text(said, "yellow") for said in _in_the_way(states.get(one.name))),
                    *((Text("rehearsal"),) if one.test else ()),
                ),
                text(one.display_name, limit=CELL),
                text(", ".join(str(symbol) for symbol in one.symbols), limit=CELL),
                lines(*(text(line, limit=CELL) for line in reached_by(one))),
            )
            for one in listed
        ),
        empty="no partners are configured",
    )


def _in_the_way(state: PartnerStateRecord | None) -> Iterator[str]:
    if state is None:
        return
    if state.suspended:
        yield "suspended"
    if state.breaker is not BreakerState.CLOSED:
        yield "takes nothing"


def reached_by(partner: Partner) -> tuple[str, str]:
    """How APDUs reach a partner: in which way, and where."""
    match partner.transport:
        case TcpTransport(host=host, port=port, mode=mode):
            return f"tcp {mode.value}", f"{host}:{port}"
        case MailTransport(address=address):
            return "mail", address


def partner(one: Partner, settings: Settings, delivery: PartnerDelivery | None) -> Iterator[Text]:
    """One partner with every setting, and how delivery to it stands where that is known, as lines."""
    yield text(f"{one.name}: {one.display_name or 'no display name'}", "bold")
    if delivery is not None:
        yield Text("  delivery:", style="cyan")
        for said in _standing_of(delivery):
            yield text(f"    {said}")
    for field in dataclasses.fields(one):
        if field.name not in ("name", "display_name"):
            yield from _setting(field.name, _for_people(getattr(one, field.name)), 1)
    for route in as_json.routes(one, settings):
        yield from _setting("route", route, 1)


def _standing_of(delivery: PartnerDelivery) -> Iterator[str]:
    """How delivery to a partner stands, what matters most first."""
    state, backlog = delivery.state, delivery.backlog
    if state.suspended_at is not None:
        yield f"suspended by {state.suspended_by} since {local_time(state.suspended_at)}: {delivery.reason}"
        yield f"to send again: iso-gateway partners resume {state.partner}"
    if state.failing_since is None:
        yield "nothing failed last time"
    else:
        yield f"failing since {local_time(state.failing_since)}, attempts: {state.failures}"
        yield f"the last: {state.last_error}"
        if state.failure is not None:
            yield f"what can be done: {advice(state.failure)}"
    if state.breaker is not BreakerState.CLOSED and state.retry_at is not None and not state.suspended:
        yield f"nothing is sent until one message has been tried for all: {local_time(state.retry_at)}"
    yield (
        "waiting: none"
        if backlog is None
        else (f"waiting: {backlog.count}, the oldest since {local_time(backlog.oldest)}")
    )


def _for_people(value: object) -> Json:
    """A setting as JSON has it, but durations as they are written in a configuration."""
    if isinstance(value, timedelta):
        return fields.duration_as_written(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, Symbol):
        return {field.name: _for_people(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return plain(value)


def _setting(name: str, value: Json, depth: int) -> Iterator[Text]:
    indent = "  " * depth
    match value:
        case dict():
            yield text(f"{indent}{name}:", "cyan")
            for inner, member in value.items():
                yield from _setting(inner, member, depth + 1)
        case list() if any(isinstance(member, dict) for member in value):
            for member in value:
                yield from _setting(name, member, depth)
        case _:
            yield Text.assemble((f"{indent}{name}: ", "cyan"), text(_setting_value(value)))


def _setting_value(value: Json) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(str(member) for member in value) or "none"
        case _:
            return str(value)
