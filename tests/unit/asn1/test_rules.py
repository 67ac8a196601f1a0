"""Each rule beyond syntax: what breaks it, where it says so, what keeps it, and how a sender is told."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from asn1 import ill, rules
from asn1.extensions import (
    AdditionalUserError,
    AdditionalUserErrorReportInfo,
    OCLCShippedExtension,
    UnrecognizedData,
    UnsupportedFieldLength,
    extension_of,
    make_extension,
    make_external,
)
from asn1.ill import ILLApdu
from asn1.rules import (
    MOST_FINDINGS,
    RULES,
    Provenance,
    ReportForm,
    Severity,
    as_user_error_information,
    check,
)
from asn1.schema import (
    AnyValue,
    EDIFACTString,
    External,
    GeneralString,
    ObjectIdentifier,
    OctetAligned,
    SingleASN1Type,
    Unlisted,
)
from tests.support import apdus
from tests.support.apdu_strategies import apdus as any_apdus
from tests.support.apdus import text

REQUEST: Final = apdus.ill_request(patron="A. Patron", street="1 Main St", note="Please hurry")
MESSAGE: Final = apdus.message(REQUEST)
SOMEBODY: Final = apdus.system_id("ILLUME:SFU")
NOBODY: Final = ill.SystemId()
ADDRESS: Final = ill.SystemAddress(
    telecom_service_identifier=text("TCP"), telecom_service_address=text("ill.example:1611")
)
HELD: Final = ill.SendToItem(system_id=SOMEBODY)
ELECTRONIC: Final = ill.ElectronicDeliveryService(
    e_delivery_details=ill.EDeliveryDetails(e_delivery_address=ADDRESS)
)


def beginning(version: int = 2, **others: Any) -> Any:
    """Give the components that every APDU begins with, some of them changed."""
    return {
        "protocol_version_num": version,
        "transaction_id": REQUEST.transaction_id,
        "service_date_time": REQUEST.service_date_time,
        "requester_id": REQUEST.requester_id,
        "responder_id": REQUEST.responder_id,
        **others,
    }


def at(
    date: str = "20261116", time: str | None = "101500", *, original: tuple[str, str | None] | None = None
) -> Any:
    """Give a Message of a moment, a repeat where it has an original."""
    return replace(
        MESSAGE,
        service_date_time=ill.ServiceDateTime(
            date_time_of_this_service=ill.DateTimeOfThisService(date=date, time=time),
            date_time_of_original_service=None
            if original is None
            else ill.DateTimeOfOriginalService(date=original[0], time=original[1]),
        ),
    )


def note(value: bytes | GeneralString | EDIFACTString) -> ill.Message:
    """Give a Message of a text."""
    return replace(MESSAGE, note=GeneralString(value) if isinstance(value, bytes) else value)


def item(**components: Any) -> ill.ILLRequest:
    """Give a request for an item."""
    return replace(REQUEST, item_id=replace(REQUEST.item_id, **components))


def insured(value: str, currency: str | None = None) -> ill.Returned:
    """Give a Returned of something insured."""
    amount = ill.Amount(currency_code=currency, monetary_value=value)
    return replace(apdus.returned(REQUEST), insured_for=amount)


def answer(
    results: ill.TransactionResults | Unlisted, *, specific: External | None = None, **explanation: Any
) -> ill.ILLAnswer:
    """Give an ILL-Answer with one explanation, or none."""
    return ill.ILLAnswer(
        **beginning(),
        transaction_results=results,
        results_explanation=ill.ResultsExplanation(**explanation) if explanation else None,
        responder_specific_results=specific,
    )


def shipped(version: int = 2, kind: Any = ill.ILLServiceType.loan, **details: Any) -> ill.Shipped:
    """Give a Shipped."""
    return ill.Shipped(
        **beginning(version), shipped_service_type=kind, supply_details=ill.SupplyDetails(**details)
    )


def damaged(version: int) -> ill.Damaged:
    """Give a Damaged with details."""
    portion = ill.DamagedPortion(specific_units=(1,))
    return ill.Damaged(**beginning(version), damaged_details=ill.DamagedDetails(damaged_portion=portion))


def searching(**components: Any) -> ill.ILLRequest:
    """Give a request with a Search-Type."""
    return replace(REQUEST, search_type=ill.SearchType(**components))


def third_party(**components: Any) -> ill.ILLRequest:
    """Give a request with a Third-Party-Info-Type."""
    return replace(REQUEST, third_party_info_type=ill.ThirdPartyInfoType(**components))


def identified(*, initial: bool, qualifier: bool, **components: Any) -> ill.ILLRequest:
    """Give a request with or without two members of its Transaction-Id."""
    return replace(
        REQUEST,
        transaction_id=replace(
            REQUEST.transaction_id,
            initial_requester_id=SOMEBODY if initial else None,
            sub_transaction_qualifier=text("1") if qualifier else None,
        ),
        **components,
    )


def report(**components: Any) -> ill.StatusOrErrorReport:
    """Give a Status-Or-Error-Report."""
    return ill.StatusOrErrorReport(**beginning(), **components)


def error_report(
    source: ill.ReportSource | Unlisted, *, user: bool, provider: bool
) -> ill.StatusOrErrorReport:
    """Give a report of an error, with the reports that are asked for."""
    return report(
        error_report=ill.ErrorReport(
            correlation_information=text("CANCEL 20261116"),
            report_source=source,
            user_error_report=ill.UserErrorReport(unable_to_perform=ill.UnableToPerform.other)
            if user
            else None,
            provider_error_report=ill.ProviderErrorReport(general_problem=ill.GeneralProblem.other)
            if provider
            else None,
        )
    )


PAID: Final = make_extension(OCLCShippedExtension(paymentMethod=text("IFM")))
BROKEN: Final = External(
    direct_reference=ObjectIdentifier("1.0.10161.6.1"), encoding=SingleASN1Type(b"\x05\x00")
)
SPECIFIC: Final = External(direct_reference=ObjectIdentifier("1.2.3"), encoding=OctetAligned(b""))
CHAINED: Final = ill.TransactionType.chained
PARTITIONED: Final = ill.TransactionType.partitioned
RESULTS: Final = ill.TransactionResults
USER: Final = ill.ReportSource.user
PROVIDER: Final = ill.ReportSource.provider
UNFILLED: Final = ill.UnfilledResults(reason_unfilled=ill.ReasonUnfilled.lost)
THIS_DATE: Final = "Message.service-date-time.date-time-of-this-service.date"
THIS_TIME: Final = "Message.service-date-time.date-time-of-this-service.time"
ORIGINAL: Final = "Message.service-date-time.date-time-of-original-service"

#: What breaks a rule, with the rule and the path; nothing else is wrong with it.
BREAKING: Final[dict[str, tuple[ILLApdu, str, str]]] = {
    "version 0": (
        replace(MESSAGE, protocol_version_num=0),
        "protocol-version",
        "Message.protocol-version-num",
    ),
    "version 3": (
        replace(MESSAGE, protocol_version_num=3),
        "protocol-version",
        "Message.protocol-version-num",
    ),
    "damaged-details": (damaged(1), "version-2-component", "Damaged.damaged-details"),
    "delivery-service": (
        replace(
            REQUEST,
            protocol_version_num=1,
            delivery_service=ill.DeliveryService(electronic_delivery=(ELECTRONIC,)),
        ),
        "version-2-component",
        "ILL-Request.delivery-service.electronic-delivery",
    ),
    "shipped-via": (
        shipped(1, shipped_via=ill.ShippedVia(electronic_delivery=ELECTRONIC)),
        "version-2-component",
        "Shipped.supply-details.shipped-via.electronic-delivery",
    ),
    "proposed-delivery-service": (
        replace(
            answer(
                RESULTS.conditional,
                conditional_results=ill.ConditionalResults(
                    conditions=ill.Conditions.proposed_delivery_service,
                    proposed_delivery_service=ill.DeliveryService(physical_delivery=text("mail")),
                ),
            ),
            protocol_version_num=1,
        ),
        "version-2-component",
        "ILL-Answer.results-explanation.conditional-results.proposed-delivery-service",
    ),
    "month 13": (at("20261301"), "date", THIS_DATE),
    "30 February": (at("20260230"), "date", THIS_DATE),
    "year 0": (at("00000101"), "date", THIS_DATE),
    "short date": (at("2026111"), "date", THIS_DATE),
    "empty date": (at(""), "date", THIS_DATE),
    "odd digits": (at("²0261116"), "date", THIS_DATE),
    "a line after the date": (at("20261116\n"), "date", THIS_DATE),
    "hour 24": (at(time="240000"), "time", THIS_TIME),
    "minute 60": (at(time="126000"), "time", THIS_TIME),
    "second 60": (at(time="235960"), "time", THIS_TIME),
    "colons": (at(time="10:15"), "time", THIS_TIME),
    "a later original": (at(original=("20261117", None)), "original-date-time", ORIGINAL),
    "an original of later that day": (at(original=("20261116", "101501")), "original-date-time", ORIGINAL),
    "no service": (replace(REQUEST, iLL_service_type=()), "list-length", "ILL-Request.iLL-service-type"),
    "six services": (
        replace(REQUEST, iLL_service_type=(ill.ILLServiceType.loan,) * 6),
        "list-length",
        "ILL-Request.iLL-service-type",
    ),
    "an ISSN with its hyphen": (item(iSSN=text("0378-5955")), "string-length", "ILL-Request.item-id.iSSN"),
    "a currency of four": (insured("1.00", "EURO"), "string-length", "Returned.insured-for.currency-code"),
    "no amount": (insured(""), "string-length", "Returned.insured-for.monetary-value"),
    "level of service": (
        searching(level_of_service=EDIFACTString(b"rush")),
        "string-length",
        "ILL-Request.search-type.level-of-service",
    ),
    "no units": (shipped(chargeable_units=0), "range", "Shipped.supply-details.chargeable-units"),
    "ten thousand units": (
        shipped(chargeable_units=10_000),
        "range",
        "Shipped.supply-details.chargeable-units",
    ),
    "locations shipped": (
        shipped(kind=ill.ILLServiceType.locations),
        "range",
        "Shipped.shipped-service-type",
    ),
    "an unlisted service": (
        replace(REQUEST, iLL_service_type=(ill.ILLServiceType.loan, Unlisted(9))),
        "unlisted-value",
        "ILL-Request.iLL-service-type[1]",
    ),
    "an unlisted service shipped": (
        shipped(kind=Unlisted(9)),
        "unlisted-value",
        "Shipped.shipped-service-type",
    ),
    "nobody": (
        replace(MESSAGE, requester_id=NOBODY),
        "system-id-member",
        "Message.requester-id.person-or-institution-symbol",
    ),
    "an empty note": (note(b""), "string-blank", "Message.note"),
    "a blank note": (note(b"  "), "string-blank", "Message.note"),
    "a note of controls": (note(b"\x01\x7f"), "string-blank", "Message.note"),
    "a space before": (note(b" a"), "string-spaces", "Message.note"),
    "a space after": (note(EDIFACTString(b"a ")), "string-spaces", "Message.note"),
    "a NUL": (note(b"a\0b"), "string-nul", "Message.note"),
    "an accent": (note(EDIFACTString(b"caf\xe9")), "edifact-alphabet", "Message.note"),
    "a hash": (note(EDIFACTString(b"#1")), "edifact-alphabet", "Message.note"),
    "small letters": (insured("1.00", "cad"), "currency-code", "Returned.insured-for.currency-code"),
    "a dollar sign": (insured("$1"), "amount-alphabet", "Returned.insured-for.monetary-value"),
    "a wrong ISBN": (item(iSBN=text("0306406153")), "isbn", "ILL-Request.item-id.iSBN"),
    "no ISBN": (item(iSBN=text("0-30640615")), "isbn", "ILL-Request.item-id.iSBN"),
    "thirteen digits that are wrong": (item(iSBN=text("9780306406158")), "isbn", "ILL-Request.item-id.iSBN"),
    "thirteen digits of a shop": (item(iSBN=text("4006381333931")), "isbn", "ILL-Request.item-id.iSBN"),
    "a wrong ISSN": (item(iSSN=text("03785954")), "issn", "ILL-Request.item-id.iSSN"),
    "another explanation": (
        answer(RESULTS.retry, unfilled_results=UNFILLED),
        "results-explanation-matches",
        "ILL-Answer.results-explanation",
    ),
    "no explanation": (
        answer(RESULTS.conditional),
        "results-explanation-required",
        "ILL-Answer.results-explanation",
    ),
    "nothing specific": (
        answer(
            RESULTS.unfilled,
            unfilled_results=ill.UnfilledResults(reason_unfilled=ill.ReasonUnfilled.responder_specific),
        ),
        "responder-specific-results",
        "ILL-Answer.responder-specific-results",
    ),
    "no locations": (
        answer(RESULTS.locations_provided, locations_results=ill.LocationsResults(locations=())),
        "locations",
        "ILL-Answer.results-explanation.locations-results.locations",
    ),
    "no user report": (
        error_report(USER, user=False, provider=False),
        "error-report-required",
        "Status-Or-Error-Report.error-report.user-error-report",
    ),
    "no provider report": (
        error_report(PROVIDER, user=False, provider=False),
        "error-report-required",
        "Status-Or-Error-Report.error-report.provider-error-report",
    ),
    "a provider report besides": (
        error_report(USER, user=True, provider=True),
        "error-report-matches",
        "Status-Or-Error-Report.error-report.provider-error-report",
    ),
    "a user report besides": (
        error_report(PROVIDER, user=True, provider=True),
        "error-report-matches",
        "Status-Or-Error-Report.error-report.user-error-report",
    ),
    "no report and no reason": (
        report(),
        "reason-no-report-required",
        "Status-Or-Error-Report.reason-no-report",
    ),
    "a report and a reason for none": (
        replace(apdus.error_report(REQUEST), reason_no_report=ill.ReasonNoReport.temporary),
        "reason-no-report-excluded",
        "Status-Or-Error-Report.reason-no-report",
    ),
    "a chained request without qualifier": (
        identified(initial=True, qualifier=False, transaction_type=CHAINED),
        "sub-transaction-id",
        "ILL-Request.transaction-id.sub-transaction-qualifier",
    ),
    "a chained request without initial requester": (
        identified(initial=False, qualifier=True, transaction_type=CHAINED),
        "sub-transaction-id",
        "ILL-Request.transaction-id.initial-requester-id",
    ),
    "a sub-transaction without initial requester": (
        identified(initial=False, qualifier=True),
        "sub-transaction-id",
        "ILL-Request.transaction-id.initial-requester-id",
    ),
    "forwarded without third parties": (
        replace(REQUEST, forward_flag=True),
        "forwarded-request",
        "ILL-Request.third-party-info-type",
    ),
    "forwarded without the list": (
        replace(third_party(initial_requester_address=ADDRESS), forward_flag=True),
        "forwarded-request",
        "ILL-Request.third-party-info-type.already-tried-list",
    ),
    "forwarded without address": (
        replace(third_party(already_tried_list=(SOMEBODY,)), forward_flag=True),
        "forwarded-request",
        "ILL-Request.third-party-info-type.initial-requester-address",
    ),
    "partitioned without third parties": (
        identified(initial=True, qualifier=True, transaction_type=PARTITIONED),
        "partitioned-request",
        "ILL-Request.third-party-info-type",
    ),
    "nobody may send it on": (
        third_party(send_to_list=(HELD,)),
        "send-to-list-permission",
        "ILL-Request.third-party-info-type.send-to-list",
    ),
    "tried already": (
        third_party(
            permission_to_chain=True,
            send_to_list=(ill.SendToItem(system_id=apdus.system_id("ILLUME:UBC")), HELD),
            already_tried_list=(SOMEBODY,),
        ),
        "send-to-list-tried",
        "ILL-Request.third-party-info-type.send-to-list[1].system-id",
    ),
    "an empty list": (
        replace(answer(RESULTS.unfilled, unfilled_results=UNFILLED), send_to_list=()),
        "send-to-list-empty",
        "ILL-Answer.send-to-list",
    ),
    "other-Date without it": (
        searching(expiry_flag=ill.ExpiryFlag.other_Date),
        "expiry-date-required",
        "ILL-Request.search-type.expiry-date",
    ),
    "need-Before-Date without it": (
        searching(expiry_flag=ill.ExpiryFlag.need_Before_Date),
        "expiry-date-required",
        "ILL-Request.search-type.need-before-date",
    ),
    "a date that is not to be": (
        searching(expiry_date="20261224"),
        "expiry-date-excluded",
        "ILL-Request.search-type.expiry-date",
    ),
    "an indirect reference": (
        replace(
            REQUEST, responder_specific_service=External(indirect_reference=1, encoding=OctetAligned(b""))
        ),
        "direct-reference",
        "ILL-Request.responder-specific-service.direct-reference",
    ),
    "a broken extension": (
        replace(
            MESSAGE,
            message_extensions=(
                PAID,
                replace(PAID, item=AnyValue(PAID.item.octets.replace(b"\x1b", b"\x04"))),
            ),
        ),
        "extension-value",
        "Message.message-extensions[1].item",
    ),
    "a broken system-no": (
        item(system_no=BROKEN),
        "extension-value",
        "ILL-Request.item-id.system-no.encoding",
    ),
}

#: What is near to breaking a rule and does not.
KEEPING: Final[tuple[ILLApdu, ...]] = (
    REQUEST,
    MESSAGE,
    apdus.status_query(REQUEST),
    apdus.cancel(REQUEST),
    apdus.conditional_reply(REQUEST),
    apdus.received(REQUEST),
    apdus.renew(REQUEST),
    apdus.returned(REQUEST),
    apdus.lost(REQUEST),
    apdus.error_report(REQUEST),
    apdus.repeat_of(REQUEST),
    damaged(2),
    shipped(chargeable_units=9999, shipped_via=ill.ShippedVia(electronic_delivery=ELECTRONIC)),
    replace(
        shipped(1),
        supply_details=ill.SupplyDetails(shipped_via=ill.ShippedVia(physical_delivery=text("van"))),
    ),
    replace(
        REQUEST, protocol_version_num=1, delivery_service=ill.DeliveryService(physical_delivery=text("van"))
    ),
    ill.Damaged(**beginning(1)),
    at("20240229", "235959"),
    at("20260228", None),
    at(original=("20261116", "101500")),
    at(original=("20261116", None)),
    at(time=None, original=("20261116", "235959")),
    item(iSBN=text("0306406152"), iSSN=text("03785955")),
    item(iSBN=text("9780306406157")),
    item(iSBN=text("0 306 40615 2 (cloth)")),
    item(iSBN=text("080442957X"), iSSN=text("2434561x")),
    item(system_no=SPECIFIC),
    insured("1 000,00", "CAD"),
    searching(expiry_flag=ill.ExpiryFlag.other_Date, expiry_date="20261224", level_of_service=text("R")),
    searching(expiry_flag=ill.ExpiryFlag.need_Before_Date, need_before_date="20261224"),
    note("Añadir, Île-à-la-Crosse 日本".encode()),
    note(b"\xe9t\xe9"),
    note(EDIFACTString(b"""Aa09 .,-()/=!"%&*;<>'+:?""")),
    answer(RESULTS.retry),
    answer(RESULTS.unfilled, unfilled_results=UNFILLED),
    answer(
        RESULTS.unfilled,
        specific=SPECIFIC,
        unfilled_results=ill.UnfilledResults(reason_unfilled=ill.ReasonUnfilled.responder_specific),
    ),
    answer(
        RESULTS.hold_placed,
        hold_placed_results=ill.HoldPlacedResults(estimated_date_available="20261224"),
    ),
    answer(
        RESULTS.locations_provided,
        locations_results=ill.LocationsResults(locations=(ill.LocationInfo(location_id=SOMEBODY),)),
    ),
    error_report(USER, user=True, provider=False),
    error_report(PROVIDER, user=False, provider=True),
    report(reason_no_report=ill.ReasonNoReport.permanent),
    identified(initial=True, qualifier=True, transaction_type=CHAINED),
    identified(initial=False, qualifier=False),
    replace(
        third_party(initial_requester_address=ADDRESS, already_tried_list=(SOMEBODY,)), forward_flag=True
    ),
    identified(
        initial=True,
        qualifier=True,
        transaction_type=PARTITIONED,
        third_party_info_type=ill.ThirdPartyInfoType(initial_requester_address=ADDRESS),
    ),
    third_party(permission_to_forward=True, send_to_list=(HELD,)),
    replace(REQUEST, responder_specific_service=SPECIFIC, supplemental_item_description=(SPECIFIC,)),
    replace(MESSAGE, message_extensions=(PAID,)),
    replace(MESSAGE, message_extensions=()),
    ill.Expired(**beginning()),
)


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_a_rule_is_found_at_its_place_and_nothing_else(name: str) -> None:
    apdu, rule, path = BREAKING[name]
    [finding] = check(apdu)
    assert (finding.rule, finding.path) == (rule, path)
    assert finding.severity is RULES[rule].severity


@pytest.mark.parametrize("place", range(len(KEEPING)))
def test_what_keeps_every_rule_has_no_finding(place: int) -> None:
    assert check(KEEPING[place]) == ()


def test_every_rule_is_broken_by_something_here() -> None:
    assert {rule for _, rule, _ in BREAKING.values()} | {"party-ids", "isbn-length"} == set(RULES)


def test_an_unlisted_result_needs_and_contradicts_no_explanation() -> None:
    for apdu in (answer(Unlisted(9)), answer(Unlisted(9), unfilled_results=UNFILLED)):
        assert [finding.rule for finding in check(apdu)] == ["unlisted-value"]


def test_an_unlisted_source_contradicts_no_report() -> None:
    apdu = error_report(Unlisted(3), user=True, provider=True)
    assert [finding.rule for finding in check(apdu)] == ["unlisted-value"]


def test_a_date_that_is_none_is_compared_with_none() -> None:
    assert [finding.rule for finding in check(at("20269999", original=("99999999", None)))] == [
        "date",
        "date",
    ]


def test_a_rule_can_be_an_error_a_warning_or_off() -> None:
    apdu = note(b"a ")
    assert [finding.severity for finding in check(apdu)] == [Severity.WARNING]
    assert [finding.severity for finding in check(apdu, {"string-spaces": Severity.ERROR})] == [
        Severity.ERROR
    ]
    assert check(apdu, {"string-spaces": Severity.OFF}) == ()


def test_a_rule_that_is_off_can_be_turned_on() -> None:
    apdu = replace(MESSAGE, requester_id=None, responder_id=None)
    assert check(apdu) == ()
    assert [finding.path for finding in check(apdu, {"party-ids": Severity.WARNING})] == [
        "Message.requester-id",
        "Message.responder-id",
    ]


def test_an_isbn_of_today_breaks_the_rule_of_its_length_only_where_that_is_on() -> None:
    today, short = item(iSBN=text("9780306406157")), item(iSBN=text("0306406152"))
    [finding] = check(today, {"isbn-length": Severity.ERROR})
    assert (finding.path, finding.severity) == ("ILL-Request.item-id.iSBN", Severity.ERROR)
    assert as_user_error_information([finding]).elements == (
        AdditionalUserError(
            unsupported_field_length=UnsupportedFieldLength(
                element=text("ILL-REQUEST.item-id.iSBN"), min_length=10, max_length=10
            )
        ),
    )
    assert check(short, {"isbn-length": Severity.ERROR}) == ()
    assert check(REQUEST, {"isbn-length": Severity.ERROR}) == ()


def test_only_what_makes_processing_meaningless_is_an_error_by_default() -> None:
    assert [rule.id for rule in RULES.values() if rule.severity is Severity.ERROR] == ["protocol-version"]


def test_findings_come_in_the_order_of_the_components_and_end_somewhere() -> None:
    apdu = replace(REQUEST, item_id=ill.ItemId(author=text(""), title=text("x ")), requester_note=text(" "))
    assert [finding.path for finding in check(apdu)] == [
        "ILL-Request.item-id.author",
        "ILL-Request.item-id.title",
        "ILL-Request.requester-note",
    ]
    many = replace(answer(RESULTS.unfilled), already_tried_list=(NOBODY,) * 300)
    assert len(check(many)) == MOST_FINDINGS
    assert check(replace(many, responder_note=text(" ")))[-1].path.startswith("ILL-Answer.already-tried-list")


def test_long_lists_are_compared_in_linear_time() -> None:
    # Compared each with each, these would take minutes.
    systems = [apdus.system_id(f"ILLUME:{number}") for number in range(40_000)]
    request = third_party(
        permission_to_chain=True,
        send_to_list=tuple(ill.SendToItem(system_id=system) for system in systems[:20_000]),
        already_tried_list=tuple(systems[20_000:]),
    )
    assert check(request) == ()


def test_a_rule_for_components_is_not_asked_about_an_apdu() -> None:
    with pytest.raises(TypeError, match="Message is no component"):
        _ = rules.Place(apdu=MESSAGE, component=None).marked


def hostile(value: bytes) -> tuple[ILLApdu, ...]:
    """Give APDUs that say something wherever a rule quotes, or could."""
    words = value.decode("latin-1")
    return (
        note(EDIFACTString(b" " + value + b"\0")),
        at(words, words, original=(words, words)),
        insured(words, words),
        insured("1", words[:3]),
        item(iSBN=GeneralString(value[:10]), iSSN=GeneralString(value[:8])),
    )


def test_nothing_of_what_the_apdu_says_is_in_a_message_or_a_repr() -> None:
    for apdu in hostile(b"Q\x1b[2JATRON, Q\x1b[2JATRON"):
        findings = check(apdu)
        assert findings
        for finding in findings:
            assert finding.message.isprintable()
            assert "ATRON" not in repr(finding)
            assert "ATRON" not in finding.message


@pytest.mark.parametrize(
    ("name", "element"),
    [
        (
            "another explanation",
            AdditionalUserError(
                inconsistent_data=text(
                    "ILL-ANSWER.results-explanation: "
                    "the explanation of retry is retry-results, and another is given"
                )
            ),
        ),
        (
            "no explanation",
            AdditionalUserError(missing_required_element=text("ILL-ANSWER.results-explanation")),
        ),
        (
            "month 13",
            AdditionalUserError(
                unrecognized_data=UnrecognizedData(
                    element=text("MESSAGE.service-date-time.date-time-of-this-service.date"),
                    data=text("20261301"),
                    expected_format=text("YYYYMMDD"),
                )
            ),
        ),
        (
            "an unlisted service",
            AdditionalUserError(
                unrecognized_data=UnrecognizedData(
                    element=text("ILL-REQUEST.iLL-service-type"),
                    data=text("9"),
                    supported_values=text(
                        "loan (1), copy-non-returnable (2), locations (3), estimate (4), "
                        "responder-specific (5)"
                    ),
                )
            ),
        ),
        (
            "locations shipped",
            AdditionalUserError(
                unrecognized_data=UnrecognizedData(
                    element=text("SHIPPED.shipped-service-type"),
                    data=text("locations"),
                    supported_values=text("loan, copy-non-returnable"),
                )
            ),
        ),
        (
            "a blank note",
            AdditionalUserError(
                unrecognized_data=UnrecognizedData(
                    element=text("MESSAGE.note"),
                    expected_format=text("text that does not consist of blanks"),
                )
            ),
        ),
        (
            "no service",
            AdditionalUserError(
                unsupported_field_length=UnsupportedFieldLength(
                    element=text("ILL-REQUEST.iLL-service-type"), min_length=1, max_length=5
                )
            ),
        ),
    ],
)
def test_a_sender_is_told_in_the_form_that_the_extension_gives(
    name: str, element: AdditionalUserError
) -> None:
    assert as_user_error_information(check(BREAKING[name][0])) == AdditionalUserErrorReportInfo(
        elements=(element,)
    )


def test_every_finding_can_be_told() -> None:
    for apdu, rule, _ in BREAKING.values():
        information = as_user_error_information(check(apdu))
        assert extension_of(make_extension(information)) == information
        [element] = information.elements
        told: Mapping[ReportForm, object] = {
            ReportForm.MISSING_REQUIRED_ELEMENT: element.missing_required_element,
            ReportForm.UNSUPPORTED_FIELD_LENGTH: element.unsupported_field_length,
            ReportForm.UNRECOGNIZED_DATA: element.unrecognized_data,
            ReportForm.INCONSISTENT_DATA: element.inconsistent_data,
        }
        assert told[RULES[rule].report] is not None


def test_what_a_sender_is_told_of_its_data_is_short() -> None:
    [finding] = check(at("9" * 10_000))
    element = as_user_error_information([finding]).elements[0].unrecognized_data
    assert element is not None
    assert element.data == GeneralString(b"9" * 64)
    huge = replace(shipped(), supply_details=ill.SupplyDetails(chargeable_units=2**2000))
    [element] = [one.unrecognized_data for one in as_user_error_information(check(huge)).elements]
    assert element is not None
    assert element.data is None


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(any_apdus())
def test_any_apdu_can_be_checked_and_told_of(apdu: ILLApdu) -> None:
    everything = dict.fromkeys(RULES, Severity.WARNING)
    findings = check(apdu, everything)
    information = as_user_error_information(findings)
    assert len(information.elements) == len(findings)
    assert extension_of(make_extension(information)) == information


@given(strategies.binary(max_size=12) | strategies.text(" a\0\x7f\n", max_size=4).map(str.encode))
def test_a_string_that_is_said_to_be_clean_keeps_every_rule_for_strings(octets: bytes) -> None:
    value = GeneralString(octets)
    for_strings = [rule for rule in RULES.values() if GeneralString in rule.applies_to]
    assert len(for_strings) == 3, "a rule more or less: look at what is said to be clean, too"
    place = rules.Place(apdu=REQUEST, component=None)
    broken = [rule.id for rule in for_strings if tuple(rule.offences(value, place))]
    assert not (rules._is_clean(value) and broken)
    assert rules._is_clean(GeneralString(b"A title of two\nlines")), "or nothing would be gained"


def test_every_rule_says_where_it_is_from() -> None:
    for identifier, rule in RULES.items():
        assert identifier == rule.id
        assert rule.source
        assert rule.applies_to
        inferred = rule.provenance is Provenance.INFERRED
        assert inferred or "ASN.1" in rule.source or "registered" in rule.source
        if rule.report is ReportForm.UNRECOGNIZED_DATA:
            assert rule.expects is not None or rule.id in {"protocol-version", "range", "unlisted-value"}


def test_what_is_in_an_external_is_only_looked_at_where_its_type_is_registered() -> None:
    paid = make_external(OCLCShippedExtension(paymentMethod=text("IFM")))
    assert check(item(national_bibliography_no=paid)) == ()
