"""Partners for programs."""

import dataclasses

from config.settings import Partner, Settings
from iso_gateway.cli.partners.views import PartnerDelivery
from iso_gateway.cli.shared.plain import Json, plain
from iso_gateway.failure import advice
from iso_gateway.store.records import (
    BreakerState,
)


def partner_row(partner: Partner) -> dict[str, Json]:
    """A partner in a list."""
    return {
        "name": partner.name,
        "display_name": partner.display_name,
        "symbols": plain(partner.symbols),
        "aliases": plain(partner.aliases),
        "transport": plain(partner.transport),
        "side": partner.side.value,
        "tables": partner.tables.value,
        "test": partner.test,
    }


def partner(one: Partner, settings: Settings) -> dict[str, Json]:
    """One partner with every setting and the routes that concern it; durations are in seconds."""
    settings_of = {field.name: plain(getattr(one, field.name)) for field in dataclasses.fields(one)}
    return {**settings_of, "routes": list(routes(one, settings))}


def routes(one: Partner, settings: Settings) -> tuple[Json, ...]:
    """The routes that concern a partner."""
    found = (settings.route(local, one) for local in settings.local)
    return tuple(plain(route) for route in found if route is not None)


def partner_delivery(one: PartnerDelivery) -> dict[str, Json]:
    """How delivery to a partner stands."""
    state = one.state
    return {
        "suspended_at": plain(state.suspended_at),
        "suspended_by": state.suspended_by,
        "reason": one.reason,
        "breaker": state.breaker.value,
        "failures": state.failures,
        "failing_since": plain(state.failing_since),
        "failure": plain(state.failure),
        "last_error": state.last_error,
        "advice": None if state.failure is None else advice(state.failure),
        "next_probe_at": plain(None if state.breaker is BreakerState.CLOSED else state.retry_at),
        "waiting": 0 if one.backlog is None else one.backlog.count,
        "oldest": None if one.backlog is None else plain(one.backlog.oldest),
    }
