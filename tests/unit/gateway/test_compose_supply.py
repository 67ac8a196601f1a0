"""SHIPPED and ILL-ANSWER at their fullest: supply details, links to documents, what only some can carry."""

from dataclasses import replace
from typing import Final

import pytest

from asn1 import ill
from asn1.codec import decode, encode
from asn1.extensions import OCLCSpecificResults, OCLCSpecificStatus, ReasonInReview, external_of
from asn1.extensions import ReviewReason as ReviewReasonOnWire
from asn1.ill import ILLServiceType, MediumType, SupplyMediumType, TransactionResults
from asn1.schema import NULL, GeneralString
from config.settings import DocumentLink
from config.symbols import Symbol
from iso_gateway import compose
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.message.identity import system_id_of
from iso_gateway.request.primitives import (
    Amount,
    Answer,
    PostalAddress,
    ReportDamaged,
    ReviewReason,
    Ship,
    SingleApduPrimitive,
    SpecificResults,
    UnitsSupplied,
)
from tests.support.composed import FRAME, REQUEST

text = GeneralString.from_text
URL: Final = "https://illume.example/document/7?key=a%20b"
IN_DETAILS: Final = compose.Terms(document_link=DocumentLink.ELECTRONIC_DELIVERY)
VERSION_1: Final = replace(FRAME, version=ill.VERSION_1)


def shipped(
    primitive: Ship,
    *,
    frame: compose.Frame = FRAME,
    terms: compose.Terms = compose.Terms(),  # noqa: B008
) -> ill.Shipped:
    apdu = compose.apdu_for(primitive, REQUEST, frame, terms)
    assert decode(encode(apdu)) == apdu
    assert isinstance(apdu, ill.Shipped)
    return apdu


def refused(primitive: SingleApduPrimitive, frame: compose.Frame = FRAME) -> str:
    with pytest.raises(PrimitiveInvalidError) as caught:
        compose.apdu_for(primitive, REQUEST, frame)
    return str(caught.value)


class TestShip:
    def test_all_the_details(self) -> None:
        apdu = shipped(
            Ship(
                service_type=ILLServiceType.loan,
                chargeable_units=3,
                cost=Amount(value="12.50", currency="CAD"),
                conditions="library-use-only",
                shipped_via="courier",
                insured_for=Amount(value="1 000,00"),
                return_insurance=Amount(value="80", currency="USD"),
                units=(UnitsSupplied(medium=SupplyMediumType.microform, units=2),),
                return_to=PostalAddress(name="Stacks", city="Burnaby"),
                supplier=" ILLUME:KPU ",
            )
        )
        assert apdu.supply_details == ill.SupplyDetails(
            date_shipped="20261118",
            chargeable_units=3,
            cost=ill.Amount(currency_code="CAD", monetary_value="12.50"),
            shipped_conditions=ill.ShippedConditions.library_use_only,
            shipped_via=ill.ShippedVia(physical_delivery=text("courier")),
            insured_for=ill.Amount(monetary_value="1 000,00"),
            return_insurance_require=ill.Amount(currency_code="USD", monetary_value="80"),
            no_of_units_per_medium=(
                ill.UnitsPerMediumType(medium=SupplyMediumType.microform, no_of_units=2),
            ),
        )
        assert apdu.return_to_address == ill.PostalAddress(
            name_of_person_or_institution=ill.NameOfPersonOrInstitution(name_of_institution=text("Stacks")),
            city=text("Burnaby"),
        )
        assert apdu.supplier_id == system_id_of(Symbol("ILLUME", "KPU"))

    def test_what_we_offer_and_ask_goes_by_the_terms(self) -> None:
        terms = replace(
            IN_DETAILS, optional_messages=replace(IN_DETAILS.optional_messages, sends_checked_in=False)
        )
        assert shipped(Ship(), terms=terms).responder_optional_messages == terms.as_responder
        assert not terms.as_responder.can_send_CHECKED_IN

    @pytest.mark.parametrize(
        ("primitive", "message"),
        [
            (Ship(chargeable_units=0), "the number of chargeable units is 0: say a number from 1 to 9999"),
            (Ship(chargeable_units=10_000), "the number of chargeable units is 10000: say a number from"),
            (
                Ship(units=(UnitsSupplied(medium=SupplyMediumType.printed, units=-1),)),
                "the number of units is -1: say a number from 1 to 9999",
            ),
            (Ship(cost=Amount(value="free")), "the cost is no amount: write at most ten digits"),
            (Ship(insured_for=Amount(value="")), "what it is insured for is no amount"),
            (Ship(return_insurance=Amount(value="x")), "the insurance of the return is no amount"),
            (Ship(conditions="gloves"), "'gloves' is no shipped conditions: say one of library-use-only, "),
            (Ship(supplier=" "), "' ' is no supplier: give a library's symbol, as ILLUME:SFU"),
        ],
    )
    def test_what_the_standard_cannot_say_is_refused(self, primitive: Ship, message: str) -> None:
        assert refused(primitive).startswith(message)


class TestDocument:
    def test_the_link_is_in_the_note_unless_the_profile_says_otherwise(self) -> None:
        apdu = shipped(Ship(document_url=URL, note=" Ready "))
        assert apdu.responder_note == text(f"Ready {URL}")
        assert apdu.supply_details.shipped_via is None
        assert shipped(Ship(document_url=URL)).responder_note == text(URL)

    def test_the_link_is_in_the_details_where_the_profile_wants_it(self) -> None:
        apdu = shipped(Ship(document_url=URL, note="Ready"), terms=IN_DETAILS)
        assert apdu.responder_note == text("Ready")
        assert apdu.supply_details.shipped_via == ill.ShippedVia(
            electronic_delivery=ill.ElectronicDeliveryService(
                e_delivery_details=ill.EDeliveryDetails(
                    e_delivery_address=ill.SystemAddress(
                        telecom_service_identifier=text("HTTPS"), telecom_service_address=text(URL)
                    )
                ),
                name_or_code=text(URL),
            )
        )

    def test_in_version_1_there_are_no_such_details(self) -> None:
        apdu = shipped(Ship(document_url=URL), frame=VERSION_1, terms=IN_DETAILS)
        assert apdu.responder_note == text(URL)
        assert apdu.supply_details.shipped_via is None

    def test_what_travels_as_a_thing_has_its_link_in_the_note(self) -> None:
        apdu = shipped(Ship(document_url=URL, shipped_via="courier"), terms=IN_DETAILS)
        assert apdu.responder_note == text(URL)
        assert apdu.supply_details.shipped_via == ill.ShippedVia(physical_delivery=text("courier"))

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "illume.example/7",
            "ftp://illume.example/7",
            "javascript:alert(1)",
            "https://",
            "https:///7",
            "https://illume.example/a b",
            "https://illume.example/7\r\nBcc: x",
            "https://illume.example/\x1b[2J",
            "https://illume.example/é",
            'https://illume.example/">',
            "https://[illume/7",
        ],
    )
    def test_what_is_no_link_is_refused(self, url: str) -> None:
        assert refused(Ship(document_url=url)).startswith("the link to the document is none: give it whole")


class TestAnswer:
    def explanation(self, answer: Answer) -> object:
        apdu = compose.apdu_for(answer, REQUEST, FRAME)
        assert decode(encode(apdu)) == apdu
        assert isinstance(apdu, ill.ILLAnswer)
        assert apdu.results_explanation is not None
        return apdu.results_explanation.chosen[1]

    def test_a_delivery_can_be_proposed(self) -> None:
        assert self.explanation(
            Answer(
                result=TransactionResults.conditional,
                reason="proposed-delivery-service",
                proposed_delivery=" surface mail ",
            )
        ) == ill.ConditionalResults(
            conditions=ill.Conditions.proposed_delivery_service,
            proposed_delivery_service=ill.DeliveryService(physical_delivery=text("surface mail")),
        )

    def test_where_a_loan_goes_back_to_can_be_said_before_it_comes(self) -> None:
        assert self.explanation(
            Answer(result=TransactionResults.will_supply, return_to=PostalAddress(city="Burnaby"))
        ) == ill.WillSupplyResults(
            reason_will_supply=ill.ReasonWillSupply.being_processed_for_supply,
            return_to_address=ill.PostalAddress(city=text("Burnaby")),
        )

    def test_what_is_on_hold_has_a_medium(self) -> None:
        day = FRAME.at.date()
        assert self.explanation(
            Answer(result=TransactionResults.hold_placed, date=day, medium=MediumType.microform)
        ) == ill.HoldPlacedResults(
            estimated_date_available="20261118", hold_placed_medium_type=MediumType.microform
        )

    @pytest.mark.parametrize("result", TransactionResults)
    @pytest.mark.parametrize(
        ("field", "name", "carried"),
        [
            ({"return_to": PostalAddress()}, "return address", TransactionResults.will_supply),
            ({"medium": MediumType.other}, "medium", TransactionResults.hold_placed),
            ({"proposed_delivery": "x"}, "proposed delivery", TransactionResults.conditional),
        ],
    )
    def test_what_an_answer_has_no_place_for_is_refused(
        self, result: TransactionResults, field: dict[str, object], name: str, carried: TransactionResults
    ) -> None:
        message = f"the answer {result.asn1_name} carries no {name}: leave it out, or say it in the note"
        answer = Answer(result=result, **field)  # type: ignore[arg-type]
        if result is carried:
            assert "carries no" not in self.refused_or_none(answer)
        else:
            assert refused(answer) == message

    @pytest.mark.parametrize(
        ("reason", "proposed"), [("proposed-delivery-service", None), ("other", "surface mail")]
    )
    def test_a_proposal_and_its_condition_go_together(self, reason: str, proposed: str | None) -> None:
        answer = Answer(result=TransactionResults.conditional, reason=reason, proposed_delivery=proposed)
        assert refused(answer) == (
            "the condition proposed-delivery-service and a proposed delivery go together: give both"
            " or neither"
        )

    def test_version_1_has_no_room_for_a_proposal(self) -> None:
        answer = Answer(
            result=TransactionResults.conditional,
            reason="proposed-delivery-service",
            proposed_delivery="surface mail",
        )
        assert refused(answer, VERSION_1) == (
            "a delivery cannot be proposed in version 1 of the protocol, which this request uses: say"
            " 'other', and propose it in the note"
        )

    @pytest.mark.parametrize(
        "result",
        [
            TransactionResults.conditional,
            TransactionResults.retry,
            TransactionResults.unfilled,
            TransactionResults.locations_provided,
            TransactionResults.will_supply,
        ],
    )
    def test_a_reason_of_our_own_making_comes_with_its_results(self, result: TransactionResults) -> None:
        together = (
            "the reason 'responder-specific' and the specific results go together: give both or neither; for"
            " any other reason say 'other', and the reason in the note"
        )
        assert refused(Answer(result=result, reason="responder-specific")) == together
        specific = SpecificResults(
            status=OCLCSpecificStatus.review,
            reasons=(ReviewReason(reason=ReasonInReview.reasonOther, text="as agreed"),),
        )
        # `charges` is no reason of every kind, and `other` is.
        assert refused(Answer(result=result, reason="other", specific=specific)) == together
        apdu = compose.apdu_for(
            Answer(result=result, reason="responder-specific", specific=specific, locations=("ILLUME:KPU",)),
            REQUEST,
            FRAME,
        )
        assert isinstance(apdu, ill.ILLAnswer)
        assert apdu.responder_specific_results is not None
        assert external_of(apdu.responder_specific_results) == OCLCSpecificResults(
            oclcSpecificStatus=OCLCSpecificStatus.review,
            reasonInReviewList=(
                ReviewReasonOnWire(
                    reasonInReview=ReasonInReview.reasonOther, reasonInReviewText=GeneralString(b"as agreed")
                ),
            ),
        )

    def test_answers_without_a_reason_have_no_specific_results(self) -> None:
        specific = SpecificResults(status=OCLCSpecificStatus.saved)
        said = Answer(result=TransactionResults.estimate, cost="12 dollars", specific=specific)
        assert "go together" in refused(said)

    def refused_or_none(self, answer: Answer) -> str:
        try:
            compose.apdu_for(answer, REQUEST, FRAME)
        except PrimitiveInvalidError as error:
            return str(error)
        return ""


class TestDamaged:
    """What is damaged: nothing said, the whole, or some units, and that to partners of version 2."""

    @pytest.mark.parametrize(
        ("primitive", "details"),
        [
            (ReportDamaged(), None),
            (
                ReportDamaged(whole=True),
                ill.DamagedDetails(damaged_portion=ill.DamagedPortion(complete_document=NULL)),
            ),
            (
                ReportDamaged(units=(3, 1, 3)),
                ill.DamagedDetails(damaged_portion=ill.DamagedPortion(specific_units=(3, 1))),
            ),
        ],
    )
    def test_what_is_said(self, primitive: ReportDamaged, details: ill.DamagedDetails | None) -> None:
        apdu = compose.apdu_for(primitive, REQUEST, FRAME)
        assert isinstance(apdu, ill.Damaged)
        assert apdu.damaged_details == details

    @pytest.mark.parametrize(
        ("primitive", "frame", "why"),
        [
            (ReportDamaged(whole=True, units=(1,)), FRAME, "say one of the two"),
            (ReportDamaged(units=(0,)), FRAME, "the number of a unit is 0: say a number from 1 to 9999"),
            (ReportDamaged(whole=True), VERSION_1, "which this request uses: say it in the note"),
            (ReportDamaged(units=(1,)), VERSION_1, "which this request uses: say it in the note"),
        ],
    )
    def test_what_cannot_be_said(self, primitive: ReportDamaged, frame: compose.Frame, why: str) -> None:
        assert why in refused(primitive, frame)
