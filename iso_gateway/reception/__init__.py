"""What becomes of a message that came in: read, checked in the order of protocol.md 5.1, put to the machine.

Every outcome is stored beside the message: its verdict, the reason in words, and what was answered. Nothing
here sends: answers go into the outbox in the same transaction. The names below are what others use; the
modules behind them are this package's own affair: `checking` has checks 1 to 7, `applying` checks 8 to 12.
"""

from iso_gateway.reception.case import header_of
from iso_gateway.reception.checking import Reception
from iso_gateway.reception.outcome import (
    EFFECTIVE,
    INFERRED_CHECK,
    MESSAGE_REFUSED,
    MESSAGE_UNREADABLE,
    RULES_BROKEN,
    Processed,
    Verdict,
)

__all__ = [
    "EFFECTIVE",
    "INFERRED_CHECK",
    "MESSAGE_REFUSED",
    "MESSAGE_UNREADABLE",
    "RULES_BROKEN",
    "Processed",
    "Reception",
    "Verdict",
    "header_of",
]
