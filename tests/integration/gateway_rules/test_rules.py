"""Checks 11 and 12: critical extensions, and rules beyond syntax, as a partner's profile has them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from asn1 import ill
from asn1.extensions import (
    AdditionalUserError,
    AdditionalUserErrorReportInfo,
    OCLCShippedExtension,
    PromptObject1,
    SuppliersReference,
    UnrecognizedData,
    extension_of,
    make_extension,
)
from asn1.ill import Extension
from asn1.rules import check
from asn1.schema import AnyValue
from config import starter
from config.errors import ConfigErrors
from iso_gateway import configuration
from iso_gateway.reception import INFERRED_CHECK, MESSAGE_REFUSED, RULES_BROKEN, Verdict
from tests.integration.gateway_rules.conftest import Counter, Opened
from tests.support import apdus
from tests.support.apdus import text

REQUEST = apdus.ill_request()
SPACED = apdus.ill_request(title=" Spaced ")
UNKNOWN = Extension(identifier=1, item=AnyValue(bytes.fromhex("280906032a0304a0020500")))
UNDERSTOOD = make_extension(SuppliersReference(supplier_authority=text("BL"), supplier_reference=text("7")))
BROKEN = replace(
    make_extension(OCLCShippedExtension(paymentMethod=text("IFM"))),
    item=AnyValue(bytes.fromhex("2813060828cf310d87680206a0073005a003020101")),
)


def extended(*extensions: Extension) -> ill.ILLRequest:
    """Give a request with extensions."""
    return replace(REQUEST, iLL_request_extensions=extensions)


def critical(extension: Extension) -> Extension:
    """Give an extension that its receiver has to understand."""
    return replace(extension, critical=True)


def told(counter: Counter, kind: str) -> list[object]:
    """Give the details of the events of one kind."""
    return [event.detail for event in counter.events() if event.kind == kind]


class TestCriticalExtensions:
    @pytest.mark.parametrize(
        ("extension", "reason"),
        [
            (UNKNOWN, "the extension 1.2.3.4 is critical, and is not understood here"),
            (
                Extension(identifier=7, item=AnyValue(b"\x05\x00")),
                "an extension without name is critical, and is not understood here",
            ),
            (BROKEN, "the extension 1.0.10161.13.1000.2.6 is critical, and does not hold what it should"),
            (
                make_extension(PromptObject1(response=())),
                "the extension 1.2.840.10003.8.1 is critical, and nobody logs in here",
            ),
        ],
    )
    def test_one_that_is_not_understood_is_refused(
        self, opened: Opened, extension: Extension, reason: str
    ) -> None:
        counter = opened()
        with capture_logs() as logged:
            processed = counter.receive(extended(UNDERSTOOD, critical(extension)))
        assert processed.verdict is Verdict.CRITICAL_EXTENSION
        assert processed.half_id is None
        assert counter.processing(processed).reason == reason
        report = counter.answer(processed)
        assert report.error_report is not None
        assert report.error_report.report_source is ill.ReportSource.user
        assert report.error_report.user_error_report == ill.UserErrorReport(
            unable_to_perform=ill.UnableToPerform.other
        )
        assert report.note == text(reason)
        assert report.status_or_error_report_extensions is None
        assert told(counter, MESSAGE_REFUSED) == [{"verdict": "critical-extension", "reason": reason}]
        [line] = [line for line in logged if line["event"] == INFERRED_CHECK]
        assert line["check"] == "critical-extension"

    def test_what_is_not_critical_or_is_understood_is_no_matter(self, opened: Opened) -> None:
        counter = opened()
        processed = counter.receive(extended(UNKNOWN, critical(UNDERSTOOD), UNDERSTOOD))
        assert processed.verdict is Verdict.APPLIED
        assert counter.state(processed.half_id) == "IN-PROCESS"
        assert told(counter, RULES_BROKEN) == []

    def test_the_state_tables_come_first(self, opened: Opened) -> None:
        counter = opened()
        begun = counter.receive(REQUEST)
        returned = replace(apdus.conditional_reply(REQUEST), answer=False)
        processed = counter.receive(replace(returned, conditional_reply_extensions=(critical(UNKNOWN),)))
        assert processed.verdict is Verdict.PROHIBITED
        assert processed.half_id == begun.half_id

    def test_a_message_about_a_request_is_refused_beside_it_and_moves_nothing(self, opened: Opened) -> None:
        counter = opened()
        begun = counter.receive(REQUEST)
        cancel = replace(apdus.cancel(REQUEST), cancel_extensions=(critical(UNKNOWN),))
        processed = counter.receive(cancel)
        assert processed.verdict is Verdict.CRITICAL_EXTENSION
        assert processed.half_id == begun.half_id
        record = counter.processing(processed)
        assert (record.half_id, record.transaction_id is None) == (begun.half_id, False)
        assert counter.state(begun.half_id) == "IN-PROCESS"
        assert [event.half_id for event in counter.events() if event.kind == MESSAGE_REFUSED] == [
            begun.half_id
        ]
        # Refused is not done: the same again, without what was not understood, is taken.
        assert counter.receive(apdus.cancel(REQUEST)).verdict is Verdict.APPLIED
        assert counter.state(begun.half_id) == "CANCEL-PENDING"

    def test_a_report_is_never_refused(self, opened: Opened) -> None:
        counter = opened(string_spaces="error")
        counter.receive(REQUEST)
        report = apdus.error_report(REQUEST)
        processed = counter.receive(
            replace(report, note=text("x "), status_or_error_report_extensions=(critical(UNKNOWN),))
        )
        assert processed.verdict is Verdict.APPLIED
        assert processed.answer is None
        assert len(told(counter, RULES_BROKEN)) == 1


class TestRules:
    def test_a_warning_is_kept_beside_the_message_and_says_nothing_of_it(self, opened: Opened) -> None:
        counter = opened()
        processed = counter.receive(SPACED)
        assert processed.verdict is Verdict.APPLIED
        assert processed.answer is None
        assert told(counter, RULES_BROKEN) == [
            {
                "findings": [
                    {
                        "rule": "string-spaces",
                        "path": "ILL-Request.item-id.title",
                        "severity": "warning",
                        "message": "it begins or ends with a space",
                    }
                ],
                "more": 0,
            }
        ]

    def test_an_error_is_refused_and_its_sender_told_which_element(self, opened: Opened) -> None:
        counter = opened(string_spaces="error", date="error")
        processed = counter.receive(SPACED)
        assert processed.verdict is Verdict.RULE_BROKEN
        assert processed.half_id is None
        assert counter.processing(processed).reason == (
            "it breaks the rule string-spaces at ILL-Request.item-id.title: it begins or ends with a space"
        )
        report = counter.answer(processed)
        assert check(report) == ()
        assert report.error_report is not None
        assert report.error_report.user_error_report == ill.UserErrorReport(
            unable_to_perform=ill.UnableToPerform.other
        )
        assert report.error_report.correlation_information == text("ILL-REQUEST 20261116 101500")
        assert report.note == text(
            "ILL-Request.item-id.title: an ILL-String neither begins nor ends with a space"
        )
        assert report.status_or_error_report_extensions is not None
        [extension] = report.status_or_error_report_extensions
        assert not extension.critical
        assert extension_of(extension) == AdditionalUserErrorReportInfo(
            elements=(
                AdditionalUserError(
                    unrecognized_data=UnrecognizedData(
                        element=text("ILL-REQUEST.item-id.title"),
                        expected_format=text("text without leading and trailing spaces"),
                    )
                ),
            )
        )

    def test_every_error_is_told_and_no_warning(self, opened: Opened) -> None:
        counter = opened(string_spaces="error")
        spaced = replace(SPACED, requester_note=text(" please"), copyright_compliance=text(""))
        processed = counter.receive(spaced)
        assert counter.processing(processed).reason.endswith("a space, and 1 more")
        [extension] = counter.answer(processed).status_or_error_report_extensions or ()
        information = extension_of(extension)
        assert isinstance(information, AdditionalUserErrorReportInfo)
        assert len(information.elements) == 2

    def test_a_sender_is_told_of_so_many_elements_and_no_more(self, opened: Opened) -> None:
        counter = opened(system_id_member="error")
        tried = (ill.SystemId(),) * 30
        processed = counter.receive(
            replace(REQUEST, third_party_info_type=ill.ThirdPartyInfoType(already_tried_list=tried))
        )
        [extension] = counter.answer(processed).status_or_error_report_extensions or ()
        information = extension_of(extension)
        assert isinstance(information, AdditionalUserErrorReportInfo)
        assert len(information.elements) == 20

    def test_a_rule_that_is_off_says_nothing(self, opened: Opened) -> None:
        counter = opened(string_spaces="off")
        assert counter.receive(SPACED).verdict is Verdict.APPLIED
        assert told(counter, RULES_BROKEN) == []

    def test_no_default_refuses_what_can_be_processed(self, opened: Opened) -> None:
        counter = opened()
        odd = replace(
            SPACED,
            item_id=replace(SPACED.item_id, iSBN=text("978-0-30640615-7"), author=text("")),
            iLL_service_type=(),
            search_type=ill.SearchType(need_before_date="soon", expiry_date="20261301"),
        )
        assert counter.receive(odd).verdict is Verdict.APPLIED

    def test_what_is_told_of_one_message_ends_somewhere(self, opened: Opened) -> None:
        counter = opened()
        tried = (ill.SystemId(),) * 30
        counter.receive(
            replace(REQUEST, third_party_info_type=ill.ThirdPartyInfoType(already_tried_list=tried))
        )
        [detail] = told(counter, RULES_BROKEN)
        assert isinstance(detail, dict)
        assert (len(detail["findings"]), detail["more"]) == (20, 10)


@pytest.mark.parametrize("reading", [configuration.read, configuration.examine])
def test_a_rule_that_there_is_not_is_a_mistake_of_the_file_that_names_it(
    reading: Callable[[Path], object], tmp_path: Path
) -> None:
    gateway, *_ = starter.write(tmp_path)
    partner = tmp_path / "partners" / "yaz.toml"
    with partner.open("a", encoding="utf-8") as file:
        file.write('[rules]\nstring-space = "error"\nmonth = "off"\n')
    with pytest.raises(ConfigErrors) as caught:
        reading(gateway)
    near, far = map(str, caught.value.errors)
    assert near == f"{partner}: rules.string-space: there is no such rule; expected 'string-spaces'"
    assert far.startswith(f"{partner}: rules.month: there is no such rule; expected one of ")
