"""The words by which library staff say what they do about a request, as the command line takes them.

Light: `--help` shows them, and must not wait for anything heavy.
"""

from enum import StrEnum


class Verb(StrEnum):
    """What our library can do about a request: as its lender, as its borrower, as either."""

    ANSWER = "answer"
    SHIP = "ship"
    CANCEL_REPLY = "cancel-reply"
    RENEW_ANSWER = "renew-answer"
    RECALL = "recall"
    OVERDUE = "overdue"
    CHECK_IN = "check-in"
    FORWARD = "forward"

    ACCEPT_CONDITION = "accept-condition"
    REFUSE_CONDITION = "refuse-condition"
    CANCEL = "cancel"
    RECEIVE = "receive"
    RETURN = "return"
    RENEW = "renew"

    LOST = "lost"
    DAMAGED = "damaged"
    MESSAGE = "message"
    QUERY = "query"


LENDERS = tuple(Verb)[: tuple(Verb).index(Verb.ACCEPT_CONDITION)]
BORROWERS = tuple(Verb)[len(LENDERS) : tuple(Verb).index(Verb.LOST)]
EITHERS = tuple(Verb)[len(LENDERS) + len(BORROWERS) :]


class Result(StrEnum):
    """What an answer can be, in the standard's spelling."""

    CONDITIONAL = "conditional"
    RETRY = "retry"
    UNFILLED = "unfilled"
    LOCATIONS_PROVIDED = "locations-provided"
    WILL_SUPPLY = "will-supply"
    HOLD_PLACED = "hold-placed"
    ESTIMATE = "estimate"


class SuppliedAs(StrEnum):
    """Whether what is supplied is to come back."""

    LOAN = "loan"
    COPY = "copy-non-returnable"


class Side(StrEnum):
    """On which side of a request our library is."""

    BORROWER = "borrower"
    LENDER = "lender"
