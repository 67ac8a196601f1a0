"""What becomes of a message, and the names under which it is told."""

import enum
from dataclasses import dataclass
from typing import Final

from iso_gateway.store.records import HalfId, MessageId, TransactionId

MESSAGE_UNREADABLE: Final = "message.unreadable"
MESSAGE_REFUSED: Final = "message.refused"
MESSAGE_HELD: Final = "message.held"
REQUEST_FORWARDED: Final = "request.forwarded"
RULES_BROKEN: Final = "message.rules-broken"
INFERRED_CHECK: Final = "protocol.inferred-check"


class Verdict(enum.StrEnum):
    """How a message was classified, before or by the machine."""

    #: a row of the tables allowed it
    APPLIED = "applied"
    #: marked as a repeat, and nothing changed
    REPEATED = "repeated"
    #: the same octets from the same sender as before: nothing changed, the stored answer went out again
    EXACT_DUPLICATE = "exact-duplicate"
    #: the octets are no APDU
    UNREADABLE = "unreadable"
    #: protocol-version-num is neither 1 nor 2
    VERSION_NOT_SUPPORTED = "version-not-supported"
    #: it is addressed to a symbol that is not served here
    UNKNOWN_RECIPIENT = "unknown-recipient"
    #: its sender is no partner, or may not send from where it came
    UNKNOWN_SENDER = "unknown-sender"
    #: it is about another partner's request
    NOT_THE_PARTNER = "not-the-partner"
    #: its Transaction-Id says too little to find a transaction again
    INVALID_TRANSACTION_ID = "invalid-transaction-id"
    #: the tables do not allow it now
    PROHIBITED = "prohibited"
    #: there is no such transaction
    UNKNOWN_TRANSACTION = "unknown-transaction"
    #: a second ILL-Request with one Transaction-Id
    DUPLICATE_TRANSACTION_ID = "duplicate-transaction-id"
    #: the request went on to another responder
    ALREADY_FORWARDED = "already-forwarded"
    #: the tables may allow it once others have come: it waits for them
    HELD = "held"
    #: it begins a chained or partitioned transaction, or a sub-transaction
    TRANSACTION_TYPE_NOT_SUPPORTED = "transaction-type-not-supported"
    #: an extension is critical that is not understood here
    CRITICAL_EXTENSION = "critical-extension"
    #: it breaks a rule beyond syntax that is an error for its sender
    RULE_BROKEN = "rule-broken"
    #: its request was disposed of, so nobody can say any more what it is about
    DISPOSED_OF = "disposed-of"
    #: nothing follows from it and nothing is answered
    IGNORED = "ignored"
    #: a mail that carries no APDU
    NO_APDU = "no-apdu"
    #: a mail that says what became of one that we sent
    MAIL_NOTICE = "mail-notice"


EFFECTIVE: Final = frozenset({Verdict.APPLIED.value, Verdict.REPEATED.value})
"""The verdicts under which a message had its effect, so that the same octets again are a duplicate. What was
refused is classified afresh: it may be allowed by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """What became of a message.

    Args:
        message_id: which one.
        verdict: how it was classified.
        apdu_type: its name in the standard's spelling, where that could be read.
        partner: name of the partner that sent it, where it is known.
        transaction_id: the transaction that it belongs to.
        half_id: the half that it concerns.
        answer: the message that was put into the outbox in answer; for a duplicate, put there again.
    """

    message_id: MessageId
    verdict: Verdict
    apdu_type: str | None = None
    partner: str | None = None
    transaction_id: TransactionId | None = None
    half_id: HalfId | None = None
    answer: MessageId | None = None
