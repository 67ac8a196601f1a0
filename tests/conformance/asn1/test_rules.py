"""The rules over the corpus, and docs/rules.md over the rules."""

from typing import Final

import pytest

from asn1.codec import decode
from asn1.rules import RULES, check
from tests.conformance.asn1.write_rules import PAGE, page
from tests.support import corpus
from tests.support.corpus import Expect, Malformed

#: The rule that each message breaks which decodes and is wrong all the same.
BROKEN: Final = {
    "067-sysid-empty": "system-id-member",
    "068-services-0": "list-length",
    "070-version-3": "protocol-version",
    "088-date-month13": "date",
    "089-date-zero": "date",
    "091-date-long": "date",
    "092-date-dashes": "date",
    "094-date-empty": "date",
    "095-time-25h": "time",
    "097-time-colons": "time",
    "098-time-short": "time",
    "100-str-trail-space": "string-spaces",
    "101-str-only-space": "string-blank",
    "103-str-only-ctl": "string-blank",
    "104-str-nul": "string-nul",
    "106-visible-8bit": "edifact-alphabet",
    "107-currency-4": "string-length",
    "109-amount-11": "string-length",
    "110-result-mismatch": "results-explanation-matches",
    "112-report-mismatch": "error-report-matches",
}
DIAGNOSED: Final = [message for message in corpus.malformed() if message.expect is Expect.DIAGNOSE]


def test_every_message_to_diagnose_is_here() -> None:
    assert set(BROKEN) == {message.file for message in DIAGNOSED}


@pytest.mark.parametrize("message", DIAGNOSED, ids=lambda message: message.file)
def test_a_message_to_diagnose_breaks_the_rule_that_it_was_made_to_break(message: Malformed) -> None:
    rules = [finding.rule for finding in check(decode(message.octets))]
    assert BROKEN[message.file] in rules
    # The report that does not go with its source is one too many, and the one that does is missing.
    assert set(rules) - {BROKEN[message.file]} <= {"error-report-required"}


@pytest.mark.parametrize("message", corpus.extra(), ids=lambda message: message.name)
def test_a_message_that_is_legal_but_unusual_breaks_no_rule(message: corpus.Extra) -> None:
    assert check(decode(message.octets)) == ()


def test_the_samples_of_libyaz_can_be_checked() -> None:
    # Their texts are random, so that some rules are broken is no fault of theirs.
    for sample in corpus.samples("yaz") + corpus.samples("yaz-enums"):
        assert {finding.rule for finding in check(decode(sample.octets))} <= set(RULES)


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.conformance.asn1.write_rules"
