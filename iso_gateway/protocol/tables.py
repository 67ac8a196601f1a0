"""The state tables as data: every transition that is allowed, one row each, for both roles.

How to read it. The rows of a role (RESPONDER, then REQUESTER) stand in groups, one per state. In a group

    _got(Service.CAN, State.CANCEL_PENDING, SEEN, HIGH)       a received CANCEL leads to CANCEL-PENDING
    _req(Service.SHI, State.SHIPPED, SEEN, HIGH)              the local side may ship, which leads to SHIPPED
    _timer(State.NOT_SUPPLIED, KNOWN, HIGH, when=(...))       the expiry timer fires

What is received is indicated to the local side; what is asked for is sent under its own name (forwarding
sends an ILL-REQUEST to the next responder and FORWARD-NOTIFICATION to the requester); the timer sends EXPIRED
and indicates it. `when` is any-of: one predicate that holds is enough; a row without it applies always. What
stands in `also` must hold beside it. Where the data says of SHIPPED "not exchanged, or not yet seen", the
second half is what lenient tables add, and only for what a partner sends.
A primitive marked as a repeat only ever repeats: it is refused where its row would change the state.
Whatever has no row is prohibited. SEEN, KNOWN and INFERRED say where a row comes from, and HIGH, MEDIUM and
LOW how sure it is:

    SEEN       in public material (the ASN.1 module, k-int's and Libol's sources, vendors' help)
    KNOWN      from knowledge of the standard, not checked against its text
    INFERRED   a guess of ours, for want of the standard's text; every use is logged

This is a reconstruction and not a transcription of ISO 10161-1 (protocol.md 2, state-tables.json).
MESSAGE, STATUS-QUERY and STATUS-OR-ERROR-REPORT, allowed in every state but IDLE, are in ALWAYS and are added
to each state below.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Final

from iso_gateway.protocol.events import EventKey, EventKind, Service
from iso_gateway.protocol.states import STATES, Role, State


class Provenance(StrEnum):
    """Where a row comes from."""

    SEEN = "S"
    KNOWN = "K"
    INFERRED = "I"


class Confidence(StrEnum):
    """How sure a row is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Predicate(StrEnum):
    """The conditions that rows name; `machine.holds` evaluates them and says what each means."""

    REPEAT = "repeat"
    LOAN = "loan"
    LENIENT = "lenient"
    SHIPPED_NOT_EXCHANGED = "shipped_not_exchanged"
    CROSSING = "crossing"
    LATE = "late"
    FORWARDED = "forwarded"
    MAY_FORWARD = "may_forward"
    EXPIRY_RUNNING = "expiry_running"
    LOST_ON_THE_WAY_BACK = "lost_on_the_way_back"
    RECEIVED_NOT_SENT = "received_not_sent"
    RETURNED_NOT_SENT = "returned_not_sent"


class Answer(StrEnum):
    """What the machine itself answers to an APDU, beside indicating it."""

    NONE = "none"
    #: a status report
    STATUS = "status"
    #: the user error already-forwarded
    ALREADY_FORWARDED = "already-forwarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One transition that is allowed."""

    role: Role
    state: State
    event: EventKey
    next_state: State
    provenance: Provenance
    confidence: Confidence
    #: any-of: one that holds is enough; none named means always
    when: tuple[Predicate, ...] = ()
    #: what must hold as well, all of it
    also: tuple[Predicate, ...] = ()
    note: str = ""
    #: what to tell a person: of a row that names leniency only when nothing else let the event pass
    attention: str = ""
    answer: Answer = Answer.NONE

    @property
    def name(self) -> str:
        """The row in one word for logs and stored inputs: `responder/IN-PROCESS/SHIreq`."""
        return f"{self.role}/{self.state}/{self.event.code}"


SEEN: Final = Provenance.SEEN
KNOWN: Final = Provenance.KNOWN
INFERRED: Final = Provenance.INFERRED
HIGH: Final = Confidence.HIGH
MEDIUM: Final = Confidence.MEDIUM
LOW: Final = Confidence.LOW

_REPEAT: Final = (Predicate.REPEAT,)
_LOAN: Final = (Predicate.LOAN,)
_LENIENT: Final = (Predicate.LENIENT,)
_SHIPPED_NOT_EXCHANGED: Final = (Predicate.SHIPPED_NOT_EXCHANGED,)
_CROSSING: Final = (Predicate.CROSSING,)
_LATE: Final = (Predicate.LATE,)
_FORWARDED: Final = (Predicate.FORWARDED,)
_MAY_FORWARD: Final = (Predicate.MAY_FORWARD,)
_EXPIRY_RUNNING: Final = (Predicate.EXPIRY_RUNNING,)
_REPEAT_OR_CROSSING: Final = (Predicate.REPEAT, Predicate.CROSSING)
_REPEAT_OR_LATE: Final = (Predicate.REPEAT, Predicate.LATE)
_REPEAT_OR_LOST: Final = (Predicate.REPEAT, Predicate.LOST_ON_THE_WAY_BACK)
_CROSSING_OR_LATE: Final = (Predicate.CROSSING, Predicate.LATE)
_CROSSING_OR_FORWARDED: Final = (Predicate.CROSSING, Predicate.FORWARDED)
_LOST_ON_THE_WAY_BACK: Final = (Predicate.LOST_ON_THE_WAY_BACK,)
_RECEIVED_NOT_SENT: Final = (Predicate.RECEIVED_NOT_SENT,)
_RETURNED_NOT_SENT: Final = (Predicate.RETURNED_NOT_SENT,)
#: the tracking phase begins although SHIPPED was never sent
_UNREPORTED: Final = (Predicate.LENIENT, Predicate.SHIPPED_NOT_EXCHANGED)
_NOT_REPORTED: Final = "shipping was not reported"
CANCEL_AGAIN: Final = "the CANCEL went to a responder that forwarded the request, cancel again at the new one"
_TURNED_UP: Final = "an item that was lost has turned up"

_Placed = Callable[[Role, State], Row]


def _row(
    kind: EventKind,
    service: Service,
    next_state: State | None,
    provenance: Provenance,
    confidence: Confidence,
    *,
    when: tuple[Predicate, ...] = (),
    also: tuple[Predicate, ...] = (),
    note: str = "",
    attention: str = "",
    answer: Answer = Answer.NONE,
) -> _Placed:
    """A row that waits for its group's role and state; without a next state it stays where it is."""

    def place(role: Role, state: State) -> Row:
        return Row(
            role=role,
            state=state,
            event=EventKey(kind, service),
            next_state=state if next_state is None else next_state,
            provenance=provenance,
            confidence=confidence,
            when=when,
            also=also,
            note=note,
            attention=attention,
            answer=answer,
        )

    return place


_got: Final = partial(_row, EventKind.APDU)
_req: Final = partial(_row, EventKind.PRIMITIVE)
_timer: Final = partial(_row, EventKind.TIMER, Service.EXP)


def _rows(role: Role, state: State, *rows: _Placed) -> tuple[Row, ...]:
    """The rows of one group."""
    return tuple(row(role, state) for row in rows)


#: Allowed in every state but IDLE, in both directions, never changing the state (protocol.md 2.1).
ALWAYS: Final[tuple[Service, ...]] = (Service.MSG, Service.STQ, Service.STR)

_ALWAYS_ROWS: Final[tuple[_Placed, ...]] = (
    _got(Service.MSG, None, KNOWN, HIGH),
    _got(Service.STQ, None, KNOWN, HIGH, answer=Answer.STATUS, note="answered with a status report"),
    _got(Service.STR, None, KNOWN, HIGH, note="never answered by another error report (inferred)"),
    _req(Service.MSG, None, KNOWN, HIGH),
    _req(Service.STQ, None, KNOWN, HIGH),
    _req(Service.STR, None, KNOWN, HIGH),
)

#: The expiry timer goes on running in these states (protocol.md 2.6; CONDITIONAL inferred). CANCEL-PENDING
#: has no row for it: an expiry that comes due there is remembered until the CANCEL is answered.
EXPIRY_STATES: Final[frozenset[State]] = frozenset(
    {State.IN_PROCESS, State.CONDITIONAL, State.CANCEL_PENDING}
)

#: Answers that stop the expiry timer although the state stays IN-PROCESS (protocol.md 2.6, inferred).
EXPIRY_STOPPED_BY: Final[frozenset[Service]] = frozenset({Service.ANS_WS, Service.ANS_HP})

RESPONDER: Final[tuple[Row, ...]] = (
    *_rows(
        Role.RESPONDER,
        State.IDLE,
        _got(
            Service.ILL,
            State.IN_PROCESS,
            SEEN,
            HIGH,
            note="start expiry timer if search-type asks for it; check optional-message requirements",
        ),
    ),
    *_rows(
        Role.RESPONDER,
        State.IN_PROCESS,
        _got(Service.ILL, State.IN_PROCESS, SEEN, HIGH, when=_REPEAT),
        _got(Service.CAN, State.CANCEL_PENDING, SEEN, HIGH),
        _got(Service.C_REP_YES, State.IN_PROCESS, INFERRED, MEDIUM, when=_REPEAT),
        _got(Service.RCV, State.SHIPPED, INFERRED, LOW, when=_UNREPORTED, attention=_NOT_REPORTED),
        _got(Service.RET, State.SHIPPED, INFERRED, LOW, when=_UNREPORTED, attention=_NOT_REPORTED),
        _got(Service.REN, State.RENEW_PENDING, INFERRED, LOW, when=_UNREPORTED, attention=_NOT_REPORTED),
        _got(Service.LST, State.LOST, INFERRED, LOW, when=_UNREPORTED, attention=_NOT_REPORTED),
        _got(Service.DAM, State.IN_PROCESS, INFERRED, LOW, when=_UNREPORTED, attention=_NOT_REPORTED),
        _req(Service.ANS_CO, State.CONDITIONAL, KNOWN, HIGH),
        _req(Service.ANS_RY, State.NOT_SUPPLIED, KNOWN, HIGH),
        _req(Service.ANS_UN, State.NOT_SUPPLIED, KNOWN, HIGH),
        _req(Service.ANS_LP, State.NOT_SUPPLIED, KNOWN, MEDIUM),
        _req(Service.ANS_ES, State.NOT_SUPPLIED, KNOWN, MEDIUM),
        _req(Service.ANS_WS, State.IN_PROCESS, KNOWN, HIGH, note="stops the expiry timer (inferred)"),
        _req(Service.ANS_HP, State.IN_PROCESS, KNOWN, HIGH, note="stops the expiry timer (inferred)"),
        _req(Service.FWN, State.FORWARD, KNOWN, MEDIUM, when=_MAY_FORWARD),
        _req(Service.SHI, State.SHIPPED, SEEN, HIGH),
        _req(Service.CAR_NO, State.IN_PROCESS, INFERRED, LOW, when=_REPEAT),
        _req(
            Service.CHK,
            State.CHECKED_IN,
            INFERRED,
            LOW,
            when=_SHIPPED_NOT_EXCHANGED,
            note="none of SHIPPED/RECEIVED/RETURNED exchanged",
        ),
        _req(Service.DUE, State.OVERDUE, KNOWN, MEDIUM, when=_UNREPORTED, attention=_NOT_REPORTED),
        _req(Service.RCL, State.RECALL, INFERRED, LOW, when=_UNREPORTED, attention=_NOT_REPORTED),
        _req(Service.LST, State.LOST, INFERRED, LOW, when=_UNREPORTED, attention=_NOT_REPORTED),
        _req(Service.DAM, State.IN_PROCESS, INFERRED, LOW, when=_UNREPORTED, attention=_NOT_REPORTED),
        _timer(
            State.NOT_SUPPLIED,
            KNOWN,
            HIGH,
            when=_EXPIRY_RUNNING,
            note="provider-initiated; EXPIRED goes to the requester and is indicated locally",
        ),
    ),
    *_rows(
        Role.RESPONDER,
        State.CONDITIONAL,
        _got(Service.ILL, State.CONDITIONAL, SEEN, HIGH, when=_REPEAT),
        _got(Service.C_REP_YES, State.IN_PROCESS, SEEN, HIGH),
        _got(Service.C_REP_NO, State.NOT_SUPPLIED, SEEN, HIGH),
        _got(
            Service.CAN,
            State.CANCEL_PENDING,
            INFERRED,
            MEDIUM,
            when=_CROSSING,
            note="requester cancelled before the conditional answer reached it",
        ),
        _req(Service.ANS_CO, State.CONDITIONAL, INFERRED, MEDIUM, when=_REPEAT),
        _req(
            Service.ANS_UN,
            State.NOT_SUPPLIED,
            INFERRED,
            LOW,
            when=_LENIENT,
            note="date-for-reply passed, responder withdraws",
        ),
        _timer(State.NOT_SUPPLIED, INFERRED, LOW, when=_EXPIRY_RUNNING),
    ),
    *_rows(
        Role.RESPONDER,
        State.CANCEL_PENDING,
        _got(Service.CAN, State.CANCEL_PENDING, INFERRED, MEDIUM, when=_REPEAT),
        _got(Service.ILL, State.CANCEL_PENDING, INFERRED, LOW, when=_REPEAT),
        _got(Service.C_REP_YES, State.CANCEL_PENDING, INFERRED, LOW, when=_LATE),
        _req(Service.CAR_YES, State.CANCELLED, KNOWN, HIGH),
        _req(Service.CAR_NO, State.IN_PROCESS, KNOWN, HIGH),
    ),
    *_rows(
        Role.RESPONDER,
        State.CANCELLED,
        _got(Service.CAN, State.CANCELLED, INFERRED, LOW, when=_REPEAT),
        _got(Service.ILL, State.CANCELLED, INFERRED, LOW, when=_REPEAT),
        _req(Service.CAR_YES, State.CANCELLED, INFERRED, LOW, when=_REPEAT),
    ),
    *_rows(
        Role.RESPONDER,
        State.NOT_SUPPLIED,
        _got(Service.ILL, State.NOT_SUPPLIED, SEEN, HIGH, when=_REPEAT),
        _got(
            Service.CAN,
            State.NOT_SUPPLIED,
            INFERRED,
            MEDIUM,
            when=_CROSSING,
            note="crossing with terminal answer or EXPIRED; indicate; a CANCEL-REPLY is optional",
        ),
        _got(
            Service.C_REP_NO,
            State.NOT_SUPPLIED,
            INFERRED,
            LOW,
            when=_REPEAT_OR_CROSSING,
            note="repeat, or crossing with EXPIRED",
        ),
        _got(
            Service.C_REP_YES,
            State.NOT_SUPPLIED,
            INFERRED,
            LOW,
            when=_CROSSING,
            note="crossing with EXPIRED; too late; indicate only",
        ),
        _req(Service.ANS_RY, State.NOT_SUPPLIED, INFERRED, MEDIUM, when=_REPEAT),
        _req(Service.ANS_UN, State.NOT_SUPPLIED, INFERRED, MEDIUM, when=_REPEAT),
        _req(Service.ANS_LP, State.NOT_SUPPLIED, INFERRED, MEDIUM, when=_REPEAT),
        _req(Service.ANS_ES, State.NOT_SUPPLIED, INFERRED, MEDIUM, when=_REPEAT),
        _req(
            Service.CAR_YES,
            State.NOT_SUPPLIED,
            INFERRED,
            LOW,
            when=_CROSSING,
            note="answering a CANCEL that crossed a terminal answer",
        ),
    ),
    *_rows(
        Role.RESPONDER,
        State.FORWARD,
        _got(Service.ILL, State.FORWARD, SEEN, HIGH, when=_REPEAT),
        _got(Service.CAN, State.FORWARD, KNOWN, MEDIUM, when=_FORWARDED, answer=Answer.ALREADY_FORWARDED),
        _got(
            Service.C_REP_YES, State.FORWARD, KNOWN, MEDIUM, when=_FORWARDED, answer=Answer.ALREADY_FORWARDED
        ),
        _got(
            Service.C_REP_NO, State.FORWARD, KNOWN, MEDIUM, when=_FORWARDED, answer=Answer.ALREADY_FORWARDED
        ),
        _got(Service.RCV, State.FORWARD, KNOWN, MEDIUM, when=_FORWARDED, answer=Answer.ALREADY_FORWARDED),
        _got(Service.REN, State.FORWARD, KNOWN, MEDIUM, when=_FORWARDED, answer=Answer.ALREADY_FORWARDED),
        _got(Service.RET, State.FORWARD, KNOWN, MEDIUM, when=_FORWARDED, answer=Answer.ALREADY_FORWARDED),
        _req(Service.FWN, State.FORWARD, INFERRED, LOW, when=_REPEAT),
    ),
    *_rows(
        Role.RESPONDER,
        State.SHIPPED,
        _got(Service.ILL, State.SHIPPED, INFERRED, LOW, when=_REPEAT),
        _got(Service.C_REP_YES, State.SHIPPED, INFERRED, LOW, when=_REPEAT),
        _got(
            Service.RCV,
            State.SHIPPED,
            KNOWN,
            HIGH,
            note="no RECEIVED state on the responder side; Libol keeps a local one",
        ),
        _got(
            Service.RET,
            State.SHIPPED,
            KNOWN,
            HIGH,
            when=_LOAN,
            note="no RETURNED state on the responder side; wait for the check-in",
        ),
        _got(Service.REN, State.RENEW_PENDING, KNOWN, HIGH, when=_LOAN),
        _got(
            Service.CAN,
            State.SHIPPED,
            INFERRED,
            MEDIUM,
            when=_CROSSING,
            note="CANCEL sent before SHIPPED arrived; answer with CANCEL-REPLY answer FALSE",
        ),
        _got(Service.LST, State.LOST, SEEN, HIGH),
        _got(Service.DAM, State.SHIPPED, KNOWN, MEDIUM),
        _req(Service.SHI, State.SHIPPED, INFERRED, MEDIUM, when=_REPEAT),
        _req(Service.CHK, State.CHECKED_IN, SEEN, HIGH, when=_LOAN),
        _req(Service.DUE, State.OVERDUE, KNOWN, HIGH, when=_LOAN),
        _req(Service.RCL, State.RECALL, KNOWN, HIGH, when=_LOAN),
        _req(
            Service.CAR_NO,
            State.SHIPPED,
            INFERRED,
            MEDIUM,
            when=_CROSSING,
            note="answering a CANCEL that crossed SHIPPED",
        ),
        _req(Service.REA_YES, State.SHIPPED, INFERRED, LOW, when=_REPEAT),
        _req(Service.REA_NO, State.SHIPPED, INFERRED, LOW, when=_REPEAT),
        _req(Service.LST, State.LOST, KNOWN, HIGH),
        _req(Service.DAM, State.SHIPPED, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.RESPONDER,
        State.RENEW_PENDING,
        _got(Service.REN, State.RENEW_PENDING, INFERRED, MEDIUM, when=_REPEAT),
        _got(Service.RCV, State.RENEW_PENDING, INFERRED, LOW, when=_LATE),
        _got(
            Service.RET,
            State.RENEW_PENDING,
            INFERRED,
            LOW,
            when=_CROSSING,
            note="returned without waiting for the answer",
        ),
        _got(Service.LST, State.LOST, KNOWN, MEDIUM),
        _got(Service.DAM, State.RENEW_PENDING, KNOWN, MEDIUM),
        _got(
            Service.CAN,
            State.RENEW_PENDING,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late CANCEL overtaken by SHIPPED",
        ),
        _req(Service.REA_YES, State.SHIPPED, KNOWN, HIGH),
        _req(Service.REA_NO, State.SHIPPED, KNOWN, MEDIUM),
        _req(
            Service.DUE,
            State.RENEW_OVERDUE,
            INFERRED,
            LOW,
            note="due date passed while a renewal is unanswered",
        ),
        _req(Service.RCL, State.RECALL, KNOWN, MEDIUM),
        _req(Service.CHK, State.CHECKED_IN, KNOWN, MEDIUM),
        _req(Service.LST, State.LOST, KNOWN, MEDIUM),
        _req(Service.DAM, State.RENEW_PENDING, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.RESPONDER,
        State.OVERDUE,
        _got(Service.REN, State.RENEW_OVERDUE, KNOWN, HIGH),
        _got(Service.RCV, State.OVERDUE, KNOWN, MEDIUM),
        _got(Service.RET, State.OVERDUE, KNOWN, MEDIUM),
        _got(Service.LST, State.LOST, KNOWN, MEDIUM),
        _got(Service.DAM, State.OVERDUE, KNOWN, MEDIUM),
        _got(
            Service.CAN,
            State.OVERDUE,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late CANCEL overtaken by SHIPPED",
        ),
        _req(Service.DUE, State.OVERDUE, KNOWN, MEDIUM, when=_REPEAT, note="second or repeated notice"),
        _req(Service.RCL, State.RECALL, KNOWN, MEDIUM),
        _req(Service.CHK, State.CHECKED_IN, KNOWN, HIGH),
        _req(Service.REA_NO, State.OVERDUE, INFERRED, LOW, when=_REPEAT),
        _req(Service.LST, State.LOST, KNOWN, MEDIUM),
        _req(Service.DAM, State.OVERDUE, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.RESPONDER,
        State.RENEW_OVERDUE,
        _got(Service.REN, State.RENEW_OVERDUE, INFERRED, MEDIUM, when=_REPEAT),
        _got(Service.RET, State.RENEW_OVERDUE, INFERRED, LOW),
        _got(Service.RCV, State.RENEW_OVERDUE, INFERRED, LOW, when=_LATE),
        _got(Service.LST, State.LOST, KNOWN, MEDIUM),
        _got(Service.DAM, State.RENEW_OVERDUE, KNOWN, MEDIUM),
        _got(
            Service.CAN,
            State.RENEW_OVERDUE,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late CANCEL overtaken by SHIPPED",
        ),
        _req(Service.REA_YES, State.SHIPPED, KNOWN, MEDIUM),
        _req(Service.REA_NO, State.OVERDUE, KNOWN, MEDIUM),
        _req(Service.DUE, State.RENEW_OVERDUE, INFERRED, LOW, when=_REPEAT, note="second or repeated notice"),
        _req(Service.RCL, State.RECALL, KNOWN, MEDIUM),
        _req(Service.CHK, State.CHECKED_IN, KNOWN, MEDIUM),
        _req(Service.LST, State.LOST, KNOWN, MEDIUM),
        _req(Service.DAM, State.RENEW_OVERDUE, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.RESPONDER,
        State.RECALL,
        _got(Service.RCV, State.RECALL, KNOWN, MEDIUM),
        _got(Service.RET, State.RECALL, KNOWN, MEDIUM),
        _got(
            Service.REN,
            State.RECALL,
            INFERRED,
            LOW,
            when=_CROSSING,
            note="RENEW and RECALL crossed; indicate; RENEW-ANSWER answer FALSE may be sent",
        ),
        _got(Service.LST, State.LOST, KNOWN, MEDIUM),
        _got(Service.DAM, State.RECALL, KNOWN, MEDIUM),
        _got(
            Service.CAN,
            State.RECALL,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late CANCEL overtaken by SHIPPED",
        ),
        _req(Service.RCL, State.RECALL, KNOWN, MEDIUM, when=_REPEAT, note="second or repeated notice"),
        _req(Service.DUE, State.RECALL, INFERRED, LOW),
        _req(
            Service.REA_NO,
            State.RECALL,
            INFERRED,
            LOW,
            when=_CROSSING,
            note="answering a RENEW that crossed RECALL",
        ),
        _req(Service.CHK, State.CHECKED_IN, KNOWN, HIGH),
        _req(Service.LST, State.LOST, KNOWN, MEDIUM),
        _req(Service.DAM, State.RECALL, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.RESPONDER,
        State.CHECKED_IN,
        _got(Service.RET, State.CHECKED_IN, INFERRED, MEDIUM, when=_REPEAT_OR_LATE, note="late or repeat"),
        _got(Service.RCV, State.CHECKED_IN, INFERRED, LOW, when=_REPEAT_OR_LATE, note="late or repeat"),
        _got(Service.REN, State.CHECKED_IN, INFERRED, LOW, when=_CROSSING),
        _got(Service.DAM, State.CHECKED_IN, KNOWN, MEDIUM),
        _got(
            Service.CAN,
            State.CHECKED_IN,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late CANCEL overtaken by SHIPPED",
        ),
        _got(Service.LST, State.CHECKED_IN, INFERRED, LOW, when=_CROSSING, note="crossing with CHECKED-IN"),
        _req(Service.CHK, State.CHECKED_IN, INFERRED, MEDIUM, when=_REPEAT),
        _req(Service.DAM, State.CHECKED_IN, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.RESPONDER,
        State.LOST,
        _got(
            Service.LST,
            State.LOST,
            INFERRED,
            MEDIUM,
            when=_REPEAT_OR_LOST,
            note="repeat, or both sides reported",
        ),
        _got(Service.DAM, State.LOST, INFERRED, LOW),
        _got(Service.RCV, State.LOST, INFERRED, LOW, when=_CROSSING, note="crossing with LOST"),
        _got(Service.RET, State.LOST, INFERRED, LOW, when=_CROSSING, note="crossing with LOST"),
        _got(Service.REN, State.LOST, INFERRED, LOW, when=_CROSSING, note="crossing with LOST"),
        _got(
            Service.CAN,
            State.LOST,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late CANCEL overtaken by SHIPPED",
        ),
        _req(Service.LST, State.LOST, INFERRED, MEDIUM, when=_REPEAT),
        _req(Service.DAM, State.LOST, INFERRED, LOW),
    ),
)

REQUESTER: Final[tuple[Row, ...]] = (
    *_rows(
        Role.REQUESTER,
        State.IDLE,
        _req(Service.ILL, State.PENDING, SEEN, HIGH, note="creates the transaction"),
    ),
    *_rows(
        Role.REQUESTER,
        State.PENDING,
        _got(
            Service.FWN,
            State.PENDING,
            KNOWN,
            HIGH,
            note="the new responder takes the place of the old one, which is remembered as intermediary",
        ),
        _got(Service.SHI, State.SHIPPED, SEEN, HIGH),
        _got(Service.ANS_CO, State.CONDITIONAL, SEEN, HIGH),
        _got(
            Service.ANS_RY,
            State.NOT_SUPPLIED,
            SEEN,
            HIGH,
            note="a retry is a new transaction with retry-flag TRUE",
        ),
        _got(Service.ANS_UN, State.NOT_SUPPLIED, SEEN, HIGH),
        _got(Service.ANS_LP, State.NOT_SUPPLIED, KNOWN, MEDIUM),
        _got(Service.ANS_WS, State.PENDING, SEEN, HIGH),
        _got(Service.ANS_HP, State.PENDING, SEEN, HIGH),
        _got(Service.ANS_ES, State.NOT_SUPPLIED, KNOWN, MEDIUM),
        _got(Service.CAR_NO, State.PENDING, INFERRED, LOW, when=_REPEAT),
        _got(Service.RCL, State.RECALL, INFERRED, LOW, when=_UNREPORTED, attention=_NOT_REPORTED),
        _got(Service.CHK, State.RETURNED, INFERRED, LOW, when=_SHIPPED_NOT_EXCHANGED),
        _got(
            Service.DUE, State.NOT_RECEIVED_OVERDUE, KNOWN, MEDIUM, when=_UNREPORTED, attention=_NOT_REPORTED
        ),
        _got(Service.LST, State.LOST, INFERRED, LOW, when=_UNREPORTED, attention=_NOT_REPORTED),
        _got(Service.DAM, State.PENDING, INFERRED, LOW, when=_UNREPORTED, attention=_NOT_REPORTED),
        _got(Service.EXP, State.NOT_SUPPLIED, KNOWN, HIGH),
        _req(Service.ILL, State.PENDING, SEEN, HIGH, when=_REPEAT),
        _req(Service.C_REP_YES, State.PENDING, SEEN, HIGH, when=_REPEAT),
        _req(Service.CAN, State.CANCEL_PENDING, SEEN, HIGH),
        _req(
            Service.RCV,
            State.RECEIVED,
            INFERRED,
            LOW,
            when=_SHIPPED_NOT_EXCHANGED,
            note="a partner that sends SHIPPED is waited for: ILLiad queues RECEIVED until then",
        ),
        _req(Service.RET, State.RETURNED, INFERRED, LOW, when=_SHIPPED_NOT_EXCHANGED),
        _req(Service.REN, State.RENEW_PENDING, INFERRED, LOW, when=_SHIPPED_NOT_EXCHANGED),
        _req(Service.LST, State.LOST, INFERRED, LOW, when=_SHIPPED_NOT_EXCHANGED),
        _req(Service.DAM, State.PENDING, INFERRED, LOW, when=_SHIPPED_NOT_EXCHANGED),
    ),
    *_rows(
        Role.REQUESTER,
        State.NOT_SUPPLIED,
        _got(
            Service.FWN,
            State.NOT_SUPPLIED,
            INFERRED,
            LOW,
            when=_LATE,
            note="it comes from the old responder, what follows from the new one",
        ),
        _got(
            Service.ANS_RY,
            State.NOT_SUPPLIED,
            INFERRED,
            MEDIUM,
            when=_REPEAT_OR_CROSSING,
            note="repeat, or crossing with CONDITIONAL-REPLY or CANCEL",
        ),
        _got(
            Service.ANS_UN,
            State.NOT_SUPPLIED,
            INFERRED,
            MEDIUM,
            when=_REPEAT_OR_CROSSING,
            note="repeat, or crossing with CONDITIONAL-REPLY or CANCEL",
        ),
        _got(
            Service.ANS_LP,
            State.NOT_SUPPLIED,
            INFERRED,
            MEDIUM,
            when=_REPEAT_OR_CROSSING,
            note="repeat, or crossing with CONDITIONAL-REPLY or CANCEL",
        ),
        _got(
            Service.ANS_ES,
            State.NOT_SUPPLIED,
            INFERRED,
            MEDIUM,
            when=_REPEAT_OR_CROSSING,
            note="repeat, or crossing with CONDITIONAL-REPLY or CANCEL",
        ),
        _got(
            Service.CAR_YES,
            State.NOT_SUPPLIED,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late reply to a CANCEL that crossed a final answer",
        ),
        _got(
            Service.CAR_NO,
            State.NOT_SUPPLIED,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late reply to a CANCEL that crossed a final answer",
        ),
        _got(
            Service.EXP,
            State.NOT_SUPPLIED,
            INFERRED,
            MEDIUM,
            when=_REPEAT_OR_CROSSING,
            note="repeat, or crossing with CONDITIONAL-REPLY or CANCEL",
        ),
        _req(Service.C_REP_NO, State.NOT_SUPPLIED, INFERRED, MEDIUM, when=_REPEAT),
    ),
    *_rows(
        Role.REQUESTER,
        State.CONDITIONAL,
        _got(
            Service.FWN, State.CONDITIONAL, INFERRED, LOW, when=_LATE, note="the new responder answered first"
        ),
        _got(
            Service.SHI,
            State.SHIPPED,
            INFERRED,
            LOW,
            when=_LENIENT,
            note="the responder changed its mind while it waited for the CONDITIONAL-REPLY",
        ),
        _got(Service.ANS_CO, State.CONDITIONAL, INFERRED, LOW, when=_REPEAT),
        _got(
            Service.ANS_RY,
            State.NOT_SUPPLIED,
            INFERRED,
            LOW,
            when=_LENIENT,
            note="the responder changed its mind while it waited for the CONDITIONAL-REPLY",
        ),
        _got(
            Service.ANS_UN,
            State.NOT_SUPPLIED,
            INFERRED,
            LOW,
            when=_LENIENT,
            note="the responder changed its mind while it waited for the CONDITIONAL-REPLY",
        ),
        _got(
            Service.ANS_WS,
            State.PENDING,
            INFERRED,
            LOW,
            when=_LENIENT,
            note="the responder changed its mind while it waited for the CONDITIONAL-REPLY",
        ),
        _got(Service.EXP, State.NOT_SUPPLIED, INFERRED, LOW),
        _req(Service.C_REP_YES, State.PENDING, SEEN, HIGH),
        _req(Service.C_REP_NO, State.NOT_SUPPLIED, SEEN, HIGH),
    ),
    *_rows(
        Role.REQUESTER,
        State.CANCEL_PENDING,
        _got(
            Service.FWN,
            State.PENDING,
            INFERRED,
            LOW,
            when=_CROSSING_OR_FORWARDED,
            attention=CANCEL_AGAIN,
            note="the old responder answers the CANCEL with already-forwarded; cancel again at the new one",
        ),
        _got(
            Service.SHI,
            State.SHIPPED,
            INFERRED,
            MEDIUM,
            when=_CROSSING,
            note="shipping overrides the pending cancel; a CANCEL-REPLY that follows is absorbed in SHIPPED",
        ),
        _got(
            Service.ANS_CO,
            State.CANCEL_PENDING,
            INFERRED,
            LOW,
            when=_CROSSING,
            note="indicate; the CANCEL-REPLY is still to come",
        ),
        _got(
            Service.ANS_RY,
            State.NOT_SUPPLIED,
            INFERRED,
            MEDIUM,
            when=_CROSSING,
            note="responder has ended the transaction; no CANCEL-REPLY need follow",
        ),
        _got(
            Service.ANS_UN,
            State.NOT_SUPPLIED,
            INFERRED,
            MEDIUM,
            when=_CROSSING,
            note="responder has ended the transaction; no CANCEL-REPLY need follow",
        ),
        _got(
            Service.ANS_LP,
            State.NOT_SUPPLIED,
            INFERRED,
            MEDIUM,
            when=_CROSSING,
            note="responder has ended the transaction; no CANCEL-REPLY need follow",
        ),
        _got(Service.ANS_WS, State.CANCEL_PENDING, INFERRED, LOW, when=_CROSSING),
        _got(Service.ANS_HP, State.CANCEL_PENDING, INFERRED, LOW, when=_CROSSING),
        _got(
            Service.ANS_ES,
            State.NOT_SUPPLIED,
            INFERRED,
            MEDIUM,
            when=_CROSSING,
            note="responder has ended the transaction; no CANCEL-REPLY need follow",
        ),
        _got(Service.CAR_YES, State.CANCELLED, SEEN, HIGH),
        _got(Service.CAR_NO, State.PENDING, SEEN, HIGH),
        _got(
            Service.RCL,
            State.RECALL,
            INFERRED,
            LOW,
            when=_UNREPORTED,
            also=_CROSSING,
            attention=_NOT_REPORTED,
        ),
        _got(
            Service.DUE,
            State.NOT_RECEIVED_OVERDUE,
            INFERRED,
            LOW,
            when=_UNREPORTED,
            also=_CROSSING,
            attention=_NOT_REPORTED,
        ),
        _got(Service.EXP, State.NOT_SUPPLIED, INFERRED, MEDIUM, when=_CROSSING),
        _req(Service.CAN, State.CANCEL_PENDING, SEEN, HIGH, when=_REPEAT),
    ),
    *_rows(
        Role.REQUESTER,
        State.CANCELLED,
        _got(Service.CAR_YES, State.CANCELLED, INFERRED, LOW, when=_REPEAT),
        _req(Service.CAN, State.CANCELLED, INFERRED, LOW, when=_REPEAT),
    ),
    *_rows(
        Role.REQUESTER,
        State.SHIPPED,
        _got(
            Service.FWN,
            State.SHIPPED,
            INFERRED,
            LOW,
            when=_LATE,
            note="it comes from the old responder, what follows from the new one",
        ),
        _got(Service.SHI, State.SHIPPED, INFERRED, MEDIUM, when=_REPEAT),
        _got(Service.ANS_WS, State.SHIPPED, INFERRED, LOW, when=_LATE, note="overtaken by SHIPPED"),
        _got(
            Service.CAR_NO,
            State.SHIPPED,
            INFERRED,
            MEDIUM,
            when=_CROSSING,
            note="SHIPPED overtook the cancel",
        ),
        _got(Service.RCL, State.RECALL, KNOWN, MEDIUM, when=_LOAN),
        _got(
            Service.CHK,
            State.RETURNED,
            INFERRED,
            MEDIUM,
            when=_RETURNED_NOT_SENT,
            note="the item is back although RETURNED was not sent, or was lost",
        ),
        _got(Service.DUE, State.NOT_RECEIVED_OVERDUE, SEEN, HIGH, when=_LOAN),
        _got(Service.LST, State.LOST, SEEN, HIGH),
        _got(Service.DAM, State.SHIPPED, KNOWN, MEDIUM),
        _req(Service.RCV, State.RECEIVED, SEEN, HIGH),
        _req(Service.RET, State.RETURNED, INFERRED, LOW, when=_RECEIVED_NOT_SENT, also=_LOAN),
        _req(Service.REN, State.RENEW_PENDING, INFERRED, LOW, when=_RECEIVED_NOT_SENT, also=_LOAN),
        _req(
            Service.LST, State.LOST, KNOWN, HIGH, note="its note field is neutral, so both roles may send it"
        ),
        _req(Service.DAM, State.SHIPPED, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.REQUESTER,
        State.RECEIVED,
        _got(
            Service.FWN,
            State.RECEIVED,
            INFERRED,
            LOW,
            when=_LATE,
            note="it comes from the old responder, what follows from the new one",
        ),
        _got(Service.SHI, State.RECEIVED, INFERRED, LOW, when=_REPEAT_OR_LATE),
        _got(
            Service.CAR_NO,
            State.RECEIVED,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late reply to a CANCEL overtaken by SHIPPED",
        ),
        _got(Service.RCL, State.RECALL, SEEN, HIGH, when=_LOAN),
        _got(
            Service.CHK,
            State.RETURNED,
            INFERRED,
            MEDIUM,
            when=_RETURNED_NOT_SENT,
            note="the item is back although RETURNED was not sent, or was lost",
        ),
        _got(Service.DUE, State.OVERDUE, SEEN, HIGH, when=_LOAN),
        _got(Service.REA_YES, State.RECEIVED, INFERRED, LOW, when=_REPEAT),
        _got(Service.REA_NO, State.RECEIVED, INFERRED, LOW, when=_REPEAT),
        _got(Service.LST, State.LOST, SEEN, HIGH),
        _got(Service.DAM, State.RECEIVED, KNOWN, MEDIUM),
        _req(Service.RCV, State.RECEIVED, INFERRED, MEDIUM, when=_REPEAT),
        _req(Service.RET, State.RETURNED, KNOWN, HIGH, when=_LOAN),
        _req(Service.REN, State.RENEW_PENDING, KNOWN, HIGH, when=_LOAN),
        _req(Service.LST, State.LOST, KNOWN, HIGH),
        _req(Service.DAM, State.RECEIVED, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.REQUESTER,
        State.RENEW_PENDING,
        _got(Service.SHI, State.RENEW_PENDING, INFERRED, LOW, when=_LATE),
        _got(
            Service.CAR_NO,
            State.RENEW_PENDING,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late reply to a CANCEL overtaken by SHIPPED",
        ),
        _got(Service.RCL, State.RECALL, KNOWN, MEDIUM),
        _got(
            Service.CHK,
            State.RETURNED,
            INFERRED,
            MEDIUM,
            when=_RETURNED_NOT_SENT,
            note="the item is back although RETURNED was not sent, or was lost",
        ),
        _got(Service.DUE, State.RENEW_OVERDUE, KNOWN, MEDIUM),
        _got(Service.REA_YES, State.RECEIVED, KNOWN, HIGH),
        _got(Service.REA_NO, State.RECEIVED, KNOWN, MEDIUM, note="Libol goes to OVERDUE here"),
        _got(Service.LST, State.LOST, KNOWN, MEDIUM),
        _got(Service.DAM, State.RENEW_PENDING, KNOWN, MEDIUM),
        _req(Service.RET, State.RETURNED, KNOWN, MEDIUM),
        _req(Service.REN, State.RENEW_PENDING, INFERRED, MEDIUM, when=_REPEAT),
        _req(Service.LST, State.LOST, KNOWN, MEDIUM),
        _req(Service.DAM, State.RENEW_PENDING, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.REQUESTER,
        State.NOT_RECEIVED_OVERDUE,
        _got(
            Service.FWN,
            State.NOT_RECEIVED_OVERDUE,
            INFERRED,
            LOW,
            when=_LATE,
            note="it comes from the old responder, what follows from the new one",
        ),
        _got(Service.SHI, State.NOT_RECEIVED_OVERDUE, INFERRED, LOW, when=_REPEAT_OR_LATE),
        _got(
            Service.CAR_NO,
            State.NOT_RECEIVED_OVERDUE,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late reply to a CANCEL overtaken by SHIPPED",
        ),
        _got(Service.RCL, State.RECALL, KNOWN, MEDIUM),
        _got(
            Service.CHK,
            State.RETURNED,
            INFERRED,
            MEDIUM,
            when=_RETURNED_NOT_SENT,
            note="the item is back although RETURNED was not sent, or was lost",
        ),
        _got(Service.DUE, State.NOT_RECEIVED_OVERDUE, INFERRED, MEDIUM, when=_REPEAT),
        _got(Service.LST, State.LOST, KNOWN, MEDIUM),
        _got(Service.DAM, State.NOT_RECEIVED_OVERDUE, KNOWN, MEDIUM),
        _req(Service.RCV, State.OVERDUE, KNOWN, MEDIUM),
        _req(Service.RET, State.RETURNED, INFERRED, LOW, when=_RECEIVED_NOT_SENT),
        _req(Service.REN, State.RENEW_OVERDUE, INFERRED, LOW, when=_RECEIVED_NOT_SENT),
        _req(Service.LST, State.LOST, KNOWN, MEDIUM),
        _req(Service.DAM, State.NOT_RECEIVED_OVERDUE, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.REQUESTER,
        State.OVERDUE,
        _got(Service.SHI, State.OVERDUE, INFERRED, LOW, when=_LATE),
        _got(
            Service.CAR_NO,
            State.OVERDUE,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late reply to a CANCEL overtaken by SHIPPED",
        ),
        _got(Service.RCL, State.RECALL, KNOWN, MEDIUM),
        _got(
            Service.CHK,
            State.RETURNED,
            INFERRED,
            MEDIUM,
            when=_RETURNED_NOT_SENT,
            note="the item is back although RETURNED was not sent, or was lost",
        ),
        _got(Service.DUE, State.OVERDUE, KNOWN, MEDIUM, when=_REPEAT, note="second or repeated notice"),
        _got(Service.REA_NO, State.OVERDUE, INFERRED, LOW, when=_REPEAT),
        _got(Service.LST, State.LOST, KNOWN, MEDIUM),
        _got(Service.DAM, State.OVERDUE, KNOWN, MEDIUM),
        _req(Service.RCV, State.OVERDUE, INFERRED, LOW, when=_REPEAT),
        _req(Service.RET, State.RETURNED, KNOWN, HIGH),
        _req(Service.REN, State.RENEW_OVERDUE, KNOWN, HIGH),
        _req(Service.LST, State.LOST, KNOWN, MEDIUM),
        _req(Service.DAM, State.OVERDUE, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.REQUESTER,
        State.RENEW_OVERDUE,
        _got(Service.SHI, State.RENEW_OVERDUE, INFERRED, LOW, when=_LATE),
        _got(
            Service.CAR_NO,
            State.RENEW_OVERDUE,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late reply to a CANCEL overtaken by SHIPPED",
        ),
        _got(Service.RCL, State.RECALL, KNOWN, MEDIUM),
        _got(
            Service.CHK,
            State.RETURNED,
            INFERRED,
            MEDIUM,
            when=_RETURNED_NOT_SENT,
            note="the item is back although RETURNED was not sent, or was lost",
        ),
        _got(Service.DUE, State.RENEW_OVERDUE, KNOWN, MEDIUM, when=_REPEAT, note="second or repeated notice"),
        _got(Service.REA_YES, State.RECEIVED, KNOWN, MEDIUM),
        _got(Service.REA_NO, State.OVERDUE, KNOWN, HIGH),
        _got(Service.LST, State.LOST, KNOWN, MEDIUM),
        _got(Service.DAM, State.RENEW_OVERDUE, KNOWN, MEDIUM),
        _req(Service.RET, State.RETURNED, KNOWN, MEDIUM),
        _req(Service.REN, State.RENEW_OVERDUE, INFERRED, MEDIUM, when=_REPEAT),
        _req(Service.LST, State.LOST, KNOWN, MEDIUM),
        _req(Service.DAM, State.RENEW_OVERDUE, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.REQUESTER,
        State.RECALL,
        _got(Service.SHI, State.RECALL, INFERRED, LOW, when=_LATE),
        _got(
            Service.CAR_NO,
            State.RECALL,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late reply to a CANCEL overtaken by SHIPPED",
        ),
        _got(Service.RCL, State.RECALL, KNOWN, MEDIUM, when=_REPEAT, note="second or repeated notice"),
        _got(
            Service.CHK,
            State.RETURNED,
            INFERRED,
            MEDIUM,
            when=_RETURNED_NOT_SENT,
            note="the item is back although RETURNED was not sent, or was lost",
        ),
        _got(Service.DUE, State.RECALL, INFERRED, LOW, note="recall outranks overdue"),
        _got(Service.REA_YES, State.RECALL, INFERRED, LOW, when=_CROSSING, note="RENEW and RECALL crossed"),
        _got(Service.REA_NO, State.RECALL, INFERRED, LOW, when=_CROSSING, note="RENEW and RECALL crossed"),
        _got(Service.LST, State.LOST, KNOWN, MEDIUM),
        _got(Service.DAM, State.RECALL, KNOWN, MEDIUM),
        _req(
            Service.RCV,
            State.RECALL,
            INFERRED,
            LOW,
            when=_RECEIVED_NOT_SENT,
            note="recalled before receipt was reported",
        ),
        _req(Service.RET, State.RETURNED, KNOWN, HIGH),
        _req(Service.LST, State.LOST, KNOWN, MEDIUM),
        _req(Service.DAM, State.RECALL, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.REQUESTER,
        State.RETURNED,
        _got(
            Service.FWN,
            State.RETURNED,
            INFERRED,
            LOW,
            when=_LATE,
            note="it comes from the old responder, what follows from the new one",
        ),
        _got(Service.SHI, State.RETURNED, INFERRED, LOW, when=_LATE),
        _got(
            Service.CAR_NO,
            State.RETURNED,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late reply to a CANCEL overtaken by SHIPPED",
        ),
        _got(Service.RCL, State.RETURNED, INFERRED, MEDIUM, when=_CROSSING, note="crossing with RETURNED"),
        _got(Service.CHK, State.RETURNED, KNOWN, HIGH, note="end of a loan"),
        _got(Service.DUE, State.RETURNED, INFERRED, MEDIUM, when=_CROSSING, note="crossing with RETURNED"),
        _got(
            Service.REA_YES, State.RETURNED, INFERRED, MEDIUM, when=_CROSSING, note="crossing with RETURNED"
        ),
        _got(Service.REA_NO, State.RETURNED, INFERRED, MEDIUM, when=_CROSSING, note="crossing with RETURNED"),
        _got(Service.LST, State.LOST, KNOWN, MEDIUM, when=_LOST_ON_THE_WAY_BACK, note="lost on the way back"),
        _got(Service.DAM, State.RETURNED, KNOWN, MEDIUM),
        _req(Service.RET, State.RETURNED, INFERRED, MEDIUM, when=_REPEAT),
        _req(Service.LST, State.LOST, INFERRED, LOW, when=_LOST_ON_THE_WAY_BACK, note="lost on the way back"),
        _req(Service.DAM, State.RETURNED, KNOWN, MEDIUM),
    ),
    *_rows(
        Role.REQUESTER,
        State.LOST,
        _got(
            Service.CAR_NO,
            State.LOST,
            INFERRED,
            LOW,
            when=_CROSSING_OR_LATE,
            note="late reply to a CANCEL overtaken by SHIPPED",
        ),
        _got(Service.RCL, State.LOST, INFERRED, LOW, when=_CROSSING, note="crossing with LOST"),
        _got(
            Service.CHK,
            State.LOST,
            INFERRED,
            LOW,
            when=_CROSSING,
            attention=_TURNED_UP,
            note="the item turned up; the protocol has no undo",
        ),
        _got(Service.DUE, State.LOST, INFERRED, LOW, when=_CROSSING, note="crossing with LOST"),
        _got(Service.REA_YES, State.LOST, INFERRED, LOW, when=_CROSSING, note="crossing with LOST"),
        _got(Service.REA_NO, State.LOST, INFERRED, LOW, when=_CROSSING, note="crossing with LOST"),
        _got(
            Service.LST,
            State.LOST,
            INFERRED,
            MEDIUM,
            when=_REPEAT_OR_LOST,
            note="repeat, or both sides reported",
        ),
        _got(Service.DAM, State.LOST, INFERRED, LOW),
        _req(Service.LST, State.LOST, INFERRED, MEDIUM, when=_REPEAT),
        _req(Service.DAM, State.LOST, INFERRED, LOW),
    ),
)


def with_always(role: Role, rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows of a role, and those of ALWAYS in each of its states but IDLE."""
    states = (state for state in STATES[role] if state is not State.IDLE)
    return (*rows, *(row for state in states for row in _rows(role, state, *_ALWAYS_ROWS)))


Table = Mapping[tuple[State, EventKey], Row]


def table_of(rows: Iterable[Row]) -> Table:
    """The rows by what they are looked up with; `validate.problems` finds rows that would hide each other."""
    return MappingProxyType({(row.state, row.event): row for row in rows})


#: What the machine looks events up in.
TABLES: Final[Mapping[Role, Table]] = MappingProxyType(
    {
        Role.REQUESTER: table_of(with_always(Role.REQUESTER, REQUESTER)),
        Role.RESPONDER: table_of(with_always(Role.RESPONDER, RESPONDER)),
    }
)
