"""What a partner's software cannot take, by its profile, and what would say nearly the same to it. Pure.

A service that the partner does not understand would be lost on it at best; so it is refused before anything
is sent, and the local user hears what works instead. What may be sent *now* is the state tables' affair.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from config.settings import ApduName, Capabilities, Partner, TransactionResults
from iso_gateway.protocol.events import ApduType, Service

ALTERNATIVES: Final[Mapping[Service, tuple[Service, ...]]] = MappingProxyType(
    {
        # Who cannot ask for a condition says no, and why in the note, or asks in a message.
        Service.ANS_CO: (Service.ANS_UN, Service.MSG),
        Service.ANS_RY: (Service.ANS_UN, Service.MSG),
        Service.ANS_LP: (Service.ANS_UN, Service.MSG),
        Service.ANS_ES: (Service.ANS_CO, Service.ANS_UN, Service.MSG),
        Service.ANS_HP: (Service.ANS_WS, Service.MSG),
        Service.ANS_WS: (Service.MSG,),
        Service.ANS_UN: (Service.ANS_RY, Service.MSG),
        Service.EXP: (Service.ANS_UN, Service.MSG),
        # A library that cannot follow a forwarding is told where to ask, or no.
        Service.FWN: (Service.ANS_LP, Service.ANS_UN, Service.MSG),
        Service.SHI: (Service.MSG,),
        Service.CAR_YES: (Service.MSG,),
        Service.CAR_NO: (Service.MSG,),
        Service.RCL: (Service.MSG,),
        Service.DUE: (Service.RCL, Service.MSG),
        Service.CHK: (Service.MSG,),
        Service.REA_YES: (Service.MSG,),
        Service.REA_NO: (Service.MSG,),
        Service.C_REP_YES: (Service.MSG,),
        Service.C_REP_NO: (Service.MSG,),
        Service.CAN: (Service.MSG,),
        Service.RCV: (Service.MSG,),
        Service.RET: (Service.MSG,),
        Service.REN: (Service.MSG,),
        Service.LST: (Service.MSG,),
        Service.DAM: (Service.MSG,),
        Service.STQ: (Service.MSG,),
        # A query has room for a note.
        Service.MSG: (Service.STQ,),
        # Nothing stands for a request, and a report is never refused.
        Service.ILL: (),
        Service.STR: (),
    }
)
"""What to offer in place of a service, the nearest first. Inferred: no source says what stands for what."""

_RESULTS: Final[Mapping[Service, TransactionResults]] = MappingProxyType(
    {
        Service.ANS_CO: TransactionResults.CONDITIONAL,
        Service.ANS_RY: TransactionResults.RETRY,
        Service.ANS_UN: TransactionResults.UNFILLED,
        Service.ANS_LP: TransactionResults.LOCATIONS_PROVIDED,
        Service.ANS_WS: TransactionResults.WILL_SUPPLY,
        Service.ANS_HP: TransactionResults.HOLD_PLACED,
        Service.ANS_ES: TransactionResults.ESTIMATE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A service that a partner's software does not understand.

    Args:
        partner: its name.
        service: what it does not understand.
        instead: what it does understand and says nearly the same, the nearest first; may be empty.
    """

    partner: str
    service: Service
    instead: tuple[Service, ...]

    def __str__(self) -> str:
        """In a sentence, for the local user."""
        advice = " or ".join(service.phrase for service in self.instead)
        return f"{self.partner} does not understand {self.service.phrase}, says its profile: " + (
            f"send {advice} instead" if advice else "reach its staff another way"
        )


def refusal(
    partner: Partner, service: Service, *, possible: Collection[Service] | None = None
) -> Refusal | None:
    """Why a service is not to be sent to a partner; None where it may be.

    A STATUS-OR-ERROR-REPORT is never refused: it is how a partner learns that something is wrong.

    Args:
        partner: whom it is for.
        service: what is to be sent; FWN for a forwarding, which the requester has to follow.
        possible: what the state tables allow now, so that nothing else is offered; None asks nobody.
    """
    capabilities = partner.capabilities
    if understands(capabilities, service):
        return None
    instead = tuple(
        one
        for one in ALTERNATIVES[service]
        if understands(capabilities, one) and (possible is None or one in possible)
    )
    return Refusal(partner=partner.name, service=service, instead=instead)


def understands(capabilities: Capabilities, service: Service) -> bool:
    """Whether software with these capabilities takes a service."""
    if service.apdu_type is ApduType.STATUS_OR_ERROR_REPORT:
        return True
    if ApduName[service.apdu_type.name] not in capabilities.accepts:
        return False
    return service not in _RESULTS or _RESULTS[service] in capabilities.accepts_results
