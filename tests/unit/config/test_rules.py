"""The table `[rules]` of a partner: what follows when a rule is broken."""

import pytest

from config.loading import load
from config.rules import RuleSetting, RuleSeverity
from tests.unit.config.conftest import PARTNER, Problems, Site


def test_rules_are_read_in_an_order_of_their_own_and_laid_over_a_profile(site: Site) -> None:
    files = {
        "profiles/house.toml": '[rules]\nstring-spaces = "off"\ndate = "error"\n',
        "partners/aaa.toml": 'base = "house"\n' + PARTNER + '[rules]\ntime = "warning"\ndate = "off"\n',
    }
    [partner] = load(site(files)).partners
    assert partner.rules == (
        RuleSetting(rule="date", severity=RuleSeverity.OFF),
        RuleSetting(rule="string-spaces", severity=RuleSeverity.OFF),
        RuleSetting(rule="time", severity=RuleSeverity.WARNING),
    )
    assert hash(partner) == hash(load(site(files)).partners[0])


def test_without_the_table_every_rule_has_its_default(site: Site) -> None:
    assert load(site({})).partners[0].rules == ()


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ('[rules]\ndate = "fatal"\n', "'fatal' cannot follow when 'date' is broken"),
        ("[rules]\ndate = true\n", "True cannot follow when 'date' is broken"),
        ('[rules]\n"da\\u001bte" = []\n', "a list cannot follow when 'da\\x1bte' is broken"),
    ],
)
def test_a_severity_that_is_none(problems: Problems, rules: str, problem: str) -> None:
    assert problems({"partners/aaa.toml": PARTNER + rules}) == [
        f"partners/aaa.toml: rules: {problem}; expected a table of rules, each 'error', 'warning' or 'off'"
    ]


def test_rules_that_are_no_table(problems: Problems) -> None:
    [line] = problems({"partners/aaa.toml": "rules = [1]\n" + PARTNER})
    assert line.startswith("partners/aaa.toml: rules: a list is no table; expected a table of rules")
