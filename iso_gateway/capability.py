"""What a partner's software cannot take, by its profile. Pure."""

from dataclasses import dataclass

from config.settings import ApduName, Partner, TransactionResults
from iso_gateway.compose import ANSWER_SERVICES
from iso_gateway.protocol.events import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a service is not sent to a partner."""

    reason: str


def refusal(partner: Partner, service: Service) -> Refusal | None:
    """Why a partner cannot take a service; None where it can."""
    name = ApduName(_NAMES[service.apdu_name.casefold()])
    if name is ApduName.STATUS_OR_ERROR_REPORT:
        return None
    if name not in partner.capabilities.accepts:
        return Refusal(reason=f"the software of {partner.name} takes no {name.value}")
    result = next((one for one, answer in ANSWER_SERVICES.items() if answer is service), None)
    if (
        result is not None
        and TransactionResults(result.asn1_name) not in partner.capabilities.accepts_results
    ):
        return Refusal(reason=f"the software of {partner.name} takes no ILL-Answer {result.asn1_name}")
    return None


_NAMES = {name.value.casefold(): name.value for name in ApduName}
