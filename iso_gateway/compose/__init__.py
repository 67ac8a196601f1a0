"""APDUs that we send, made from what the local user asked for and from the record of the transaction.

Pure: the time of the service comes in, already in the local symbol's zone (service-date-time is the LOCAL
time of the invoking institution), and what a partner can take comes in with the `Terms`. What the requester
wrote in its ILL-Request (Transaction-Id, System-Ids, version) is given back as it came. The names below are
what others use; the modules behind them are this package's own affair.
"""

from iso_gateway.compose.answers import ANSWER_SERVICES
from iso_gateway.compose.frame import (
    SUPPORTED_VERSIONS,
    Components,
    Frame,
    frame_for,
    named,
    opening_frame,
    repeat_of,
    transaction_id_of,
)
from iso_gateway.compose.reports import (
    ServiceRecord,
    correlation_of,
    error_report,
    expired,
    status_report,
)
from iso_gateway.compose.requests import (
    as_retry,
    forward_notification,
    forwarded_request,
    ill_request,
)
from iso_gateway.compose.services import apdu_for, is_loan, service_of
from iso_gateway.compose.terms import Terms
from iso_gateway.compose.texts import iso_date, iso_time

__all__ = [
    "ANSWER_SERVICES",
    "SUPPORTED_VERSIONS",
    "Components",
    "Frame",
    "ServiceRecord",
    "Terms",
    "apdu_for",
    "as_retry",
    "correlation_of",
    "error_report",
    "expired",
    "forward_notification",
    "forwarded_request",
    "frame_for",
    "ill_request",
    "is_loan",
    "iso_date",
    "iso_time",
    "named",
    "opening_frame",
    "repeat_of",
    "service_of",
    "status_report",
    "transaction_id_of",
]
