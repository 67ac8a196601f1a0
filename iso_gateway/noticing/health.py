"""The health of a gateway at one moment, for `iso-gateway status`: read out of the store."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from config.settings import Listener, Settings
from iso_gateway.noticing import gathering
from iso_gateway.noticing.facts import PartnerFacts
from iso_gateway.reception import Verdict
from iso_gateway.store.observations import Traffic
from iso_gateway.store.records import GatewayRecord, SendingHold
from iso_gateway.store.unit_of_work import UnitOfWork

#: Over how long traffic is counted.
LATELY: Final = timedelta(hours=24)
#: The verdicts under which a message had no effect, because something is wrong with it.
_REFUSED: Final = frozenset(Verdict) - {
    Verdict.APPLIED,
    Verdict.REPEATED,
    Verdict.EXACT_DUPLICATE,
    Verdict.HELD,
    Verdict.IGNORED,
    Verdict.MAIL_NOTICE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the gateway is.

    Args:
        at: the moment.
        running: the gateways that are there, the last one started first.
        hold: why nothing is sent, if that is so.
        listeners: the ports on which partners reach it, as configured.
        database: which database it is, without a password.
        waiting, oldest: how much waits to be sent, and since when the oldest does.
        partners: how it stands with each.
        attention: how much wants a person, by kind.
        traffic: of the last 24 hours.
    """

    at: datetime
    running: tuple[GatewayRecord, ...]
    hold: SendingHold | None
    listeners: tuple[Listener, ...]
    database: str
    waiting: int
    oldest: datetime | None
    partners: tuple[PartnerFacts, ...]
    attention: Mapping[str, int]
    traffic: Traffic

    @property
    def wrong(self) -> tuple[str, ...]:
        """What is wrong, in words; nothing where all is well."""
        said = []
        if not self.running:
            said.append("no gateway runs: iso-gateway serve starts one")
        if self.hold is not None:
            said.append(f"nothing is sent: {self.hold.reason}; db resume goes on")
        if self.attention:
            said.append("something wants a person: iso-gateway attention list")
        return tuple(said)

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong


def health(uow: UnitOfWork, settings: Settings, now: datetime, *, database: str) -> Health:
    """How the gateway is now.

    Args:
        uow: the store; nothing is written to it.
        settings: the configuration.
        now: the moment, aware.
        database: which one it is, without a password.
    """
    partners = tuple(gathering.partners(uow, settings, heard={one.name for one in settings.partners}))
    backlogs = uow.outbox.backlogs()
    return Health(
        at=now,
        running=uow.gateways.alive(now - settings.sharing.lease),
        hold=uow.sending.held(),
        listeners=settings.listeners,
        database=database,
        waiting=sum(one.count for one in backlogs),
        oldest=min((one.oldest for one in backlogs), default=None),
        partners=partners,
        attention=dict(sorted(Counter(row.kind for row in uow.attention.standing()).items())),
        traffic=uow.observations.traffic(now - LATELY, refusals=_REFUSED),
    )
