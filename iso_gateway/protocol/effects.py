"""What follows from an event: values that the services carry out, in the order given.

Imports the machine's own data only. One transaction stores them all: docs/protocol.md.
"""

from dataclasses import dataclass
from datetime import datetime

from iso_gateway.protocol.errors import Report
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.tables import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class SendApdu:
    """Send the APDU of a service to the half's partner.

    STR means a STATUS-OR-ERROR-REPORT with a status report; error reports are SendReport.
    """

    service: Service
    #: marked as a repeat: date-time-of-original-service is the first sending's date-time
    repeat: bool = False
    #: to the next responder, not to the half's partner: the ILL-REQUEST of a forwarding
    onward: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicate:
    """Tell the local side that the service happened: the indication primitive."""

    service: Service
    repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReport:
    """Send a STATUS-OR-ERROR-REPORT with an error report."""

    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    """Start the half's expiry timer; it fires at `at` (aware)."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearTimer:
    """Stop the half's expiry timer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteInferred:
    """An inferred row decided: logged, because a partner may see it otherwise (protocol.md 8)."""

    row: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseAttention:
    """Put the half before a person; `reason` is a sentence without patron data."""

    reason: str


Effect = SendApdu | Indicate | SendReport | SetTimer | ClearTimer | NoteInferred | RaiseAttention
