"""What can be done, in staff's words: for every service, and nothing that the command does not take."""

import shlex
from collections.abc import Iterator

import pytest

from asn1 import ill
from asn1.extensions import OCLCSpecificStatus, ReasonInReview
from asn1.ill import ILLServiceType, StatusOrErrorReport
from asn1.schema import NULL, GeneralString, Unlisted
from iso_gateway.cli.requests import offers, open_points, particulars
from iso_gateway.cli.requests.act_fields import Fields, WrongFieldError, primitive_for
from iso_gateway.cli.requests.verbs import BORROWERS, EITHERS, LENDERS, Result, Verb
from iso_gateway.cli.shared import vocabulary
from iso_gateway.cli.shared.typist import Typist
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import Role
from iso_gateway.protocol.tables import TABLES
from iso_gateway.request.primitives import Answer, ReportDamaged, ReviewReason, SpecificResults
from tests.support import apdus
from tests.support.command import run

#: What the local user never asks for: a request begins with `requests new`, reports are the gateway's own
#: answers, and EXPIRED is its own doing.
NOT_OFFERED = {Service.ILL, Service.STR, Service.EXP}
OFFERED = [service for service in Service if service not in NOT_OFFERED]


def placeholders_filled(command: str) -> list[str]:
    """A command as somebody types it who has read what is to be filled in."""
    filled = {"YYYY-MM-DD": "2026-12-01", "CONDITION": "charges", "REASON": "lost", "SYMBOL": "ILLUME:SFU"}
    return [filled.get(word, word) for word in shlex.split(command)]


@pytest.mark.parametrize("service", OFFERED)
def test_every_service_is_offered_as_a_command_that_there_is(service: Service) -> None:
    (offer,) = offers.offers(7, [service], Typist())
    _, *arguments = placeholders_filled(offer.command)
    assert offer.meaning.endswith(".")
    assert len(offer.command) <= 80
    # Only the configuration is missing, so the words themselves have been understood.
    result = run(*arguments, "--config", "/nonexistent")
    assert "/nonexistent" in result.stderr, result.output


@pytest.mark.parametrize("service", OFFERED)
def test_whose_service_it_is_says_the_tables_too(service: Service) -> None:
    roles = {
        role
        for role, table in TABLES.items()
        for _, key in table
        if key.kind.value == "primitive" and key.service is service
    }
    doer = offers.done_by(service)
    assert roles == (set(Role) if doer is None else {doer})


def test_verbs_have_no_placeholders() -> None:
    assert offers.verb_of(Service.ANS_UN) == "answer --result unfilled"
    assert offers.verb_of(Service.MSG) == "message"
    assert all(offers.verb_of(service).islower() for service in OFFERED)


def test_every_verb_is_of_one_side_or_of_both() -> None:
    assert (*LENDERS, *BORROWERS, *EITHERS) == tuple(Verb)
    assert (Verb.SHIP in LENDERS, Verb.RENEW in BORROWERS, Verb.QUERY in EITHERS) == (True, True, True)


def test_a_wish_to_cancel_comes_first() -> None:
    first, *_ = offers.offers(1, [Service.CAN, Service.C_REP_YES, Service.MSG], Typist())
    assert first.service is Service.CAN
    first, *_ = offers.offers(1, [Service.C_REP_YES, Service.CAN, Service.MSG], Typist())
    assert first.service is Service.C_REP_YES


def test_a_configuration_is_quoted_as_a_shell_wants_it() -> None:
    assert Typist(config="a b.toml").command("requests list") == (
        "iso-gateway --config 'a b.toml' requests list"
    )


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb not in (Verb.ANSWER, Verb.FORWARD)])
def test_a_note_goes_with_every_verb(verb: Verb) -> None:
    needed = (
        Fields(note="N", yes=True) if verb in (Verb.CANCEL_REPLY, Verb.RENEW_ANSWER) else Fields(note="N")
    )
    if verb is Verb.OVERDUE:
        needed = Fields(note="N", due=apdus.BEGUN.date())
    assert primitive_for(verb, needed).note == "N"


@pytest.mark.parametrize(
    ("portion", "whole", "units"), [(None, False, ()), ("whole", True, ()), ("1,3", False, (1, 3))]
)
def test_what_is_damaged_is_the_whole_or_some_units(
    portion: str | None, *, whole: bool, units: tuple[int, ...]
) -> None:
    assert primitive_for(Verb.DAMAGED, Fields(portion=portion)) == ReportDamaged(whole=whole, units=units)


def test_specific_results_are_a_status_with_reasons() -> None:
    given = Fields(
        result=Result.UNFILLED,
        reason="responder-specific",
        specific="review",
        review_reason=("noTitle", "reasonOther=as agreed"),
    )
    said = primitive_for(Verb.ANSWER, given)
    assert isinstance(said, Answer)
    assert said.specific == SpecificResults(
        status=OCLCSpecificStatus.review,
        reasons=(
            ReviewReason(reason=ReasonInReview.noTitle),
            ReviewReason(reason=ReasonInReview.reasonOther, text="as agreed"),
        ),
    )


@pytest.mark.parametrize(
    ("verb", "given", "why"),
    [
        (
            Verb.DAMAGED,
            Fields(portion="the spine"),
            "--portion is 'whole', or the numbers of the damaged units",
        ),
        (
            Verb.ANSWER,
            Fields(result=Result.UNFILLED, specific="gone"),
            "--specific knows no 'gone'; it knows review, reviewInProcess, saved",
        ),
        (
            Verb.ANSWER,
            Fields(result=Result.UNFILLED, specific="review", review_reason=("why",)),
            "--review-reason knows no 'why'",
        ),
        (
            Verb.ANSWER,
            Fields(result=Result.UNFILLED, review_reason=("noTitle",)),
            "--review-reason goes with --specific",
        ),
    ],
)
def test_what_is_no_portion_and_no_specific_result(verb: Verb, given: Fields, why: str) -> None:
    with pytest.raises(WrongFieldError, match=why):
        primitive_for(verb, given)


class TestTelling:
    def test_a_request(self) -> None:
        assert particulars.particulars(apdus.ill_request()) == "loan"

    def test_what_the_standard_does_not_list_is_told_as_its_number(self) -> None:
        shipped = shipped_as(Unlisted(9))
        assert particulars.particulars(shipped) == "unlisted (9)"

    def test_what_is_no_date_is_shown_as_it_stands_there(self) -> None:
        shipped = shipped_as(ILLServiceType.loan, due="next May")
        assert particulars.particulars(shipped) == "loan; due next May, renewable"

    def test_what_comes_by_network(self) -> None:
        via = ill.ShippedVia(
            electronic_delivery=ill.ElectronicDeliveryService(
                e_delivery_details=ill.EDeliveryDetails(e_delivery_address=ill.SystemAddress())
            )
        )
        shipped = shipped_as(ILLServiceType.copy_non_returnable, via=via)
        assert particulars.particulars(shipped) == "copy-non-returnable; via network"

    @pytest.mark.parametrize(
        ("portion", "told"),
        [
            (ill.DamagedPortion(complete_document=NULL), "damaged as a whole"),
            (ill.DamagedPortion(specific_units=(1, 3)), "damaged units 1, 3"),
        ],
    )
    def test_what_is_damaged(self, portion: ill.DamagedPortion, told: str) -> None:
        details = ill.DamagedDetails(damaged_portion=portion)
        assert particulars.particulars(ill.Damaged(**beginning(), damaged_details=details)) == told  # type: ignore[arg-type]

    def test_a_forwarding_to_a_library_without_a_symbol(self) -> None:
        nobody = ill.SystemId()
        forwarded = ill.ForwardNotification(
            **beginning(),  # type: ignore[arg-type]
            responder_id=nobody,
            intermediary_id=nobody,
        )
        assert particulars.particulars(forwarded) == ""

    def test_where_else_to_ask(self) -> None:
        answer = answered(
            ill.ResultsExplanation(
                locations_results=ill.LocationsResults(
                    locations=(
                        ill.LocationInfo(location_id=apdus.system_id("ILLUME:SFU")),
                        ill.LocationInfo(location_id=ill.SystemId()),
                        ill.LocationInfo(location_id=apdus.system_id("ILLUME:UBC")),
                    )
                )
            )
        )
        assert particulars.particulars(answer) == "ask ILLUME:SFU, ILLUME:UBC"

    def test_what_it_would_cost(self) -> None:
        answer = answered(
            ill.ResultsExplanation(
                estimate_results=ill.EstimateResults(cost_estimate=GeneralString.from_text("12 CAD"))
            )
        )
        assert particulars.particulars(answer) == "cost 12 CAD"

    def test_an_answer_without_an_explanation_and_a_report_say_nothing(self) -> None:
        assert particulars.particulars(answered(None)) == ""
        report: StatusOrErrorReport = apdus.error_report(apdus.ill_request())
        assert particulars.particulars(report) == ""


def beginning() -> dict[str, object]:
    """How an APDU begins."""
    request = apdus.ill_request()
    return {
        "protocol_version_num": 2,
        "transaction_id": request.transaction_id,
        "service_date_time": request.service_date_time,
    }


def shipped_as(
    kind: ILLServiceType | Unlisted, *, due: str | None = None, via: ill.ShippedVia | None = None
) -> ill.Shipped:
    """A SHIPPED."""
    details = ill.SupplyDetails(
        date_due=None if due is None else ill.DateDue(date_due_field=due), shipped_via=via
    )
    return ill.Shipped(**beginning(), shipped_service_type=kind, supply_details=details)  # type: ignore[arg-type]


def answered(explanation: ill.ResultsExplanation | None) -> ill.ILLAnswer:
    """An ILL-ANSWER."""
    return ill.ILLAnswer(
        **beginning(),  # type: ignore[arg-type]
        transaction_results=ill.TransactionResults.unfilled,
        results_explanation=explanation,
    )


def test_no_requests_wait_for_nothing() -> None:
    class NoStore:
        """Anything asked of it fails."""

    assert open_points.of_all(NoStore(), ()) == {}  # type: ignore[arg-type]


def test_both_sides_have_words() -> None:
    def all_words() -> Iterator[tuple[str, str]]:
        for role in Role:
            yield vocabulary.role_in_words(role), vocabulary.towards(role)

    assert dict(all_words()) == {"borrower": "borrow from", "lender": "lend to"}
    assert [vocabulary.role_of(side) for side in ("borrower", "lender")] == [Role.REQUESTER, Role.RESPONDER]
