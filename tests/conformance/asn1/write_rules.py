"""Writes docs/rules.md from the rules: `python -m tests.conformance.asn1.write_rules`."""

from pathlib import Path
from typing import Final, assert_never

from asn1.rules import RULES, Rule, Target
from asn1.schema import Apdu, Range, Size

PAGE: Final = Path(__file__).parents[3] / "docs" / "rules.md"

_HEAD: Final = """\
# Rules beyond syntax

<!-- Written by `python -m tests.conformance.asn1.write_rules` from asn1/rules.py. Do not edit. -->

What an APDU must satisfy though it decodes. The codec reads every APDU that the abstract syntax allows; then
each of these rules is looked at. A partner's file decides what follows when one is broken, rule by rule:

```toml
[rules]
results-explanation-matches = "error"
string-spaces = "off"
```

- `error`: the APDU is refused. Its sender gets a Status-Or-Error-Report that names each element, by the
  extension 1.0.10161.13.6.
- `warning`: the APDU is taken, and an event beside it says which rules it breaks and where. Nothing that it
  says is repeated there.
- `off`: nothing.

A rule that is not named has the default below. Nearly all are warnings: real partners break many of these
rules, and a request that can be read is better answered than refused. `protocol-version` cannot be relaxed:
an APDU of another version is refused in any case.

Marks: S, seen in the source named; K, known of the standard, but not held against its text; I, inferred. No
rule is a quotation of the standard. The report is the alternative of Additional-User-Error-Report-Info that
tells the sender.

| rule | what has to hold | looked at in | default | report | source | mark |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """Give the page, made anew from the rules."""
    return _HEAD + "".join(map(_row, RULES.values()))


def _row(rule: Rule) -> str:
    cells = (
        f"`{rule.id}`",
        rule.says,
        ", ".join(dict.fromkeys(map(_shown, rule.applies_to))),
        rule.severity.value,
        rule.report.value,
        rule.source,
        rule.provenance.value,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _shown(target: Target) -> str:
    match target:
        case str():
            return target
        case type() if target is Apdu:
            return "every APDU"
        case type() if target in (Size, Range):
            return "components with a subtype"
        case type():
            return getattr(target, "asn1_name", None) or _NAMES[target.__name__]
        case _:
            assert_never(target)


_NAMES: Final = {
    "GeneralString": "ILL-String",
    "EDIFACTString": "EDIFACTString",
    "Unlisted": "every ENUMERATED",
    "External": "EXTERNAL",
}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
