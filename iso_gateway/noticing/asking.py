"""Asking partners that are late by Status-Query, where their profile says that they take one."""

from datetime import datetime, timedelta
from typing import Final

import structlog

from config.settings import Settings
from iso_gateway.errors import ConflictError, GatewayError, UnavailableError
from iso_gateway.noticing.facts import Awaited, Facts
from iso_gateway.noticing.rules import answer_days, can_be_asked
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.request import primitives
from iso_gateway.services import Gateway
from iso_gateway.store.records import BreakerState
from iso_gateway.store.unit_of_work import UnitOfWork

log = structlog.stdlib.get_logger(__name__)

QUERY_FAILED: Final = "noticing.query-failed"

#: Who asks, for the audit and the request's history.
ACTOR: Final = "iso-gateway"
#: How long after the last day of an answer a partner is still asked: after that a person has to.
PATIENCE: Final = timedelta(days=14)
#: How many partners' requests are asked about in one unit of work.
MOST: Final = 50


def due(facts: Facts, now: datetime, settings: Settings, days: WorkingDays) -> tuple[Awaited, ...]:
    """The requests whose partners are to be asked now: each once a working day, from the warning on.

    Args:
        facts: what the store says.
        now: the moment, aware.
        settings: partners, and whether anybody is asked at all.
        days: the working days.
    """
    if not settings.noticing.status_queries:
        return ()
    reachable = {
        one.name for one in facts.partners if one.suspended_at is None and one.breaker is BreakerState.CLOSED
    }
    return tuple(
        one for one in facts.awaited if one.partner in reachable and _is_due(one, now, settings, days)
    )[:MOST]


def _is_due(awaited: Awaited, now: datetime, settings: Settings, days: WorkingDays) -> bool:
    partner = settings.partner(awaited.partner)
    if partner is None or not can_be_asked(partner):
        return False
    today = now.astimezone(awaited.zone).date()
    answer = answer_days(awaited, partner, settings, days)
    if today not in days or not answer.warned <= today <= answer.last + PATIENCE:
        return False
    return awaited.queried_at is None or awaited.queried_at.astimezone(awaited.zone).date() < today


def ask(gateway: Gateway, uow: UnitOfWork, late: tuple[Awaited, ...]) -> int:
    """Send a Status-Query about each of some requests; gives how many were queued.

    One that cannot be asked about, because it has moved meanwhile, keeps no other from it.
    """
    asked = 0
    for one in late:
        try:
            with uow.savepoint():
                gateway.act(uow, one.half_id, primitives.QueryStatus(), actor=ACTOR)
        except (ConflictError, UnavailableError):
            raise
        except GatewayError as error:
            log.warning(QUERY_FAILED, half_id=one.half_id, error=type(error).__name__)
        else:
            asked += 1
    return asked
