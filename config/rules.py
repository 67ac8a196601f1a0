"""What follows, for one partner, when an APDU breaks a rule beyond syntax (docs/rules.md).

Which rules there are is the gateway's affair: it checks their names. Imports nothing of ours.
"""

from dataclasses import dataclass
from enum import Enum


class RuleSeverity(Enum):
    """What follows when a rule is broken."""

    ERROR = "error"
    """The APDU is refused."""
    WARNING = "warning"
    """It is taken, and the finding is kept beside it."""
    OFF = "off"
    """Nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSetting:
    """What follows when one rule is broken.

    Args:
        rule: the rule's name.
        severity: what follows.
    """

    rule: str
    severity: RuleSeverity
