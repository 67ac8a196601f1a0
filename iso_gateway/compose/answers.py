"""The seven results of an ILL-ANSWER, each with the explanation that goes with it."""

from typing import assert_never

from asn1 import ill
from asn1.extensions import OCLCSpecificResults, make_external
from asn1.extensions import ReviewReason as ReviewReasonOnWire
from asn1.ill import TransactionResults
from asn1.schema import External
from iso_gateway.compose.texts import (
    enumerated,
    library,
    optional_date,
    optional_string,
    postal_address,
    required,
    string,
)
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.protocol.events import Service
from iso_gateway.request.primitives import Answer

ANSWER_SERVICES = {
    TransactionResults.conditional: Service.ANS_CO,
    TransactionResults.retry: Service.ANS_RY,
    TransactionResults.unfilled: Service.ANS_UN,
    TransactionResults.locations_provided: Service.ANS_LP,
    TransactionResults.will_supply: Service.ANS_WS,
    TransactionResults.hold_placed: Service.ANS_HP,
    TransactionResults.estimate: Service.ANS_ES,
}
"""The seven answers, which the state tables tell apart."""

RESULTS = {service: result for result, service in ANSWER_SERVICES.items()}
"""The same the other way round."""

_CARRIED = {
    TransactionResults.conditional: frozenset({"reason", "date", "proposed delivery"}),
    TransactionResults.retry: frozenset({"reason", "date"}),
    TransactionResults.unfilled: frozenset({"reason"}),
    TransactionResults.locations_provided: frozenset({"reason"}),
    TransactionResults.will_supply: frozenset({"reason", "date", "return address"}),
    TransactionResults.hold_placed: frozenset({"date", "medium"}),
    TransactionResults.estimate: frozenset({"cost"}),
}
"""What each answer has a place for in the abstract syntax, besides locations, which all of them have."""


RESPONDER_SPECIFIC = ill.ReasonUnfilled.responder_specific.asn1_name
"""The reason that says to look into the responder-specific results; every kind of reason has it."""


def explanation(answer: Answer, encoding: str, version: int) -> ill.ResultsExplanation:
    """Results-explanation of an answer.

    Args:
        answer: what the local user says.
        encoding: the partner's character set, as Python names it.
        version: protocol-version-num of the transaction.

    Raises:
        PrimitiveInvalidError: a field is missing, or there is no place for one.
    """
    _refuse_what_is_not_carried(answer)
    date = optional_date(answer.date)
    locations = tuple(ill.LocationInfo(location_id=library(symbol, encoding)) for symbol in answer.locations)
    match answer.result:
        case TransactionResults.conditional:
            conditions = required(ill.Conditions, answer.reason, "a condition")
            return ill.ResultsExplanation(
                conditional_results=ill.ConditionalResults(
                    conditions=conditions,
                    date_for_reply=date,
                    locations=locations or None,
                    proposed_delivery_service=_proposed(answer, conditions, encoding, version),
                )
            )
        case TransactionResults.retry:
            return ill.ResultsExplanation(
                retry_results=ill.RetryResults(
                    reason_not_available=enumerated(ill.ReasonNotAvailable, answer.reason),
                    retry_date=date,
                    locations=locations or None,
                )
            )
        case TransactionResults.unfilled:
            return ill.ResultsExplanation(
                unfilled_results=ill.UnfilledResults(
                    reason_unfilled=required(ill.ReasonUnfilled, answer.reason, "a reason"),
                    locations=locations or None,
                )
            )
        case TransactionResults.locations_provided:
            if not locations:
                raise PrimitiveInvalidError("the answer locations-provided needs at least one location")
            return ill.ResultsExplanation(
                locations_results=ill.LocationsResults(
                    reason_locs_provided=enumerated(ill.ReasonLocsProvided, answer.reason),
                    locations=locations,
                )
            )
        case TransactionResults.will_supply:
            return ill.ResultsExplanation(
                will_supply_results=ill.WillSupplyResults(
                    reason_will_supply=enumerated(ill.ReasonWillSupply, answer.reason)
                    or ill.ReasonWillSupply.being_processed_for_supply,
                    supply_date=date,
                    return_to_address=postal_address(answer.return_to, encoding, "the return address"),
                    locations=locations or None,
                )
            )
        case TransactionResults.hold_placed:
            if date is None:
                raise PrimitiveInvalidError(
                    "the answer hold-placed needs the date on which the item is expected"
                )
            return ill.ResultsExplanation(
                hold_placed_results=ill.HoldPlacedResults(
                    estimated_date_available=date,
                    hold_placed_medium_type=answer.medium,
                    locations=locations or None,
                )
            )
        case TransactionResults.estimate:
            if answer.cost is None or not answer.cost.strip():
                raise PrimitiveInvalidError("the answer estimate needs the cost, in words")
            return ill.ResultsExplanation(
                estimate_results=ill.EstimateResults(
                    cost_estimate=string(answer.cost.strip(), encoding), locations=locations or None
                )
            )
        case _:
            assert_never(answer.result)


def specific_results(answer: Answer, encoding: str) -> External | None:
    """Responder-specific-results of an answer, or None without any.

    OCLC's are the only ones whose form is registered.
    """
    if answer.specific is None:
        return None
    reasons = tuple(
        ReviewReasonOnWire(reasonInReview=one.reason, reasonInReviewText=optional_string(one.text, encoding))
        for one in answer.specific.reasons
    )
    return make_external(
        OCLCSpecificResults(oclcSpecificStatus=answer.specific.status, reasonInReviewList=reasons or None)
    )


def _refuse_what_is_not_carried(answer: Answer) -> None:
    """A date that the partner never sees would be worse than none: the local user would rely on it."""
    given = {
        "reason": answer.reason,
        "date": answer.date,
        "cost": answer.cost,
        "return address": answer.return_to,
        "medium": answer.medium,
        "proposed delivery": answer.proposed_delivery,
    }
    for name, value in given.items():
        if value is not None and name not in _CARRIED[answer.result]:
            raise PrimitiveInvalidError(
                f"the answer {answer.result.asn1_name} carries no {name}: leave it out, or say it in the note"
            )
    if (answer.reason == RESPONDER_SPECIFIC) is (answer.specific is None):
        raise PrimitiveInvalidError(
            f"the reason {RESPONDER_SPECIFIC!r} and the specific results go together: give both or neither;"
            " for any other reason say 'other', and the reason in the note"
        )


def _proposed(
    answer: Answer, conditions: ill.Conditions, encoding: str, version: int
) -> ill.DeliveryService | None:
    transport = optional_string(answer.proposed_delivery, encoding)
    is_condition = conditions is ill.Conditions.proposed_delivery_service
    if is_condition is (transport is None):
        raise PrimitiveInvalidError(
            "the condition proposed-delivery-service and a proposed delivery go together: give"
            " both or neither"
        )
    if transport is None:
        return None
    if version < ill.VERSION_2:
        raise PrimitiveInvalidError(
            "a delivery cannot be proposed in version 1 of the protocol, which this request uses: say"
            " 'other', and propose it in the note"
        )
    return ill.DeliveryService(physical_delivery=transport)
