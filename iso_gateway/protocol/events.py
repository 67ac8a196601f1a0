"""What can happen to a half: an APDU arrives, the local side asks for a service, the expiry timer fires.

Imports nothing of ours. Sources: protocol.md 2 (event codes), ISO-10161-ILL-1 (ILL-APDU-Type values).
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple, assert_never


class ApduType(IntEnum):
    """ILL-APDU-Type as it is written on the wire."""

    ILL_REQUEST = 1
    FORWARD_NOTIFICATION = 2
    SHIPPED = 3
    ILL_ANSWER = 4
    CONDITIONAL_REPLY = 5
    CANCEL = 6
    CANCEL_REPLY = 7
    RECEIVED = 8
    RECALL = 9
    RETURNED = 10
    CHECKED_IN = 11
    OVERDUE = 12
    RENEW = 13
    RENEW_ANSWER = 14
    LOST = 15
    DAMAGED = 16
    MESSAGE = 17
    STATUS_QUERY = 18
    STATUS_OR_ERROR_REPORT = 19
    EXPIRED = 20


class Service(StrEnum):
    """The services, under the codes of the tables; answers that lead elsewhere are services of their own."""

    ILL = "ILL"
    FWN = "FWN"
    SHI = "SHI"
    ANS_CO = "ANS-CO"
    ANS_RY = "ANS-RY"
    ANS_UN = "ANS-UN"
    ANS_LP = "ANS-LP"
    ANS_WS = "ANS-WS"
    ANS_HP = "ANS-HP"
    ANS_ES = "ANS-ES"
    C_REP_YES = "C-REP+"
    C_REP_NO = "C-REP-"
    CAN = "CAN"
    CAR_YES = "CAR+"
    CAR_NO = "CAR-"
    RCV = "RCV"
    RCL = "RCL"
    RET = "RET"
    CHK = "CHK"
    DUE = "DUE"
    REN = "REN"
    REA_YES = "REA+"
    REA_NO = "REA-"
    LST = "LST"
    DAM = "DAM"
    MSG = "MSG"
    STQ = "STQ"
    STR = "STR"
    EXP = "EXP"

    @property
    def apdu_type(self) -> ApduType:
        """The ILL-APDU-Type of the APDU that carries this service."""
        return _APDU_TYPES[self]

    @property
    def apdu_name(self) -> str:
        """The name of the APDU that carries this service, as the standard writes it: `ILL-REQUEST`."""
        return self.apdu_type.name.replace("_", "-")

    @property
    def phrase(self) -> str:
        """The service in words, with the answer it gives: `ILL-ANSWER unfilled`, `LOST`."""
        answer = _ANSWERS.get(self)
        return self.apdu_name if answer is None else f"{self.apdu_name} {answer}"


_APDU_TYPES = {
    Service.ILL: ApduType.ILL_REQUEST,
    Service.FWN: ApduType.FORWARD_NOTIFICATION,
    Service.SHI: ApduType.SHIPPED,
    Service.ANS_CO: ApduType.ILL_ANSWER,
    Service.ANS_RY: ApduType.ILL_ANSWER,
    Service.ANS_UN: ApduType.ILL_ANSWER,
    Service.ANS_LP: ApduType.ILL_ANSWER,
    Service.ANS_WS: ApduType.ILL_ANSWER,
    Service.ANS_HP: ApduType.ILL_ANSWER,
    Service.ANS_ES: ApduType.ILL_ANSWER,
    Service.C_REP_YES: ApduType.CONDITIONAL_REPLY,
    Service.C_REP_NO: ApduType.CONDITIONAL_REPLY,
    Service.CAN: ApduType.CANCEL,
    Service.CAR_YES: ApduType.CANCEL_REPLY,
    Service.CAR_NO: ApduType.CANCEL_REPLY,
    Service.RCV: ApduType.RECEIVED,
    Service.RCL: ApduType.RECALL,
    Service.RET: ApduType.RETURNED,
    Service.CHK: ApduType.CHECKED_IN,
    Service.DUE: ApduType.OVERDUE,
    Service.REN: ApduType.RENEW,
    Service.REA_YES: ApduType.RENEW_ANSWER,
    Service.REA_NO: ApduType.RENEW_ANSWER,
    Service.LST: ApduType.LOST,
    Service.DAM: ApduType.DAMAGED,
    Service.MSG: ApduType.MESSAGE,
    Service.STQ: ApduType.STATUS_QUERY,
    Service.STR: ApduType.STATUS_OR_ERROR_REPORT,
    Service.EXP: ApduType.EXPIRED,
}

_ANSWERS = {
    Service.ANS_CO: "conditional",
    Service.ANS_RY: "retry",
    Service.ANS_UN: "unfilled",
    Service.ANS_LP: "locations-provided",
    Service.ANS_WS: "will-supply",
    Service.ANS_HP: "hold-placed",
    Service.ANS_ES: "estimate",
    Service.C_REP_YES: "answer TRUE",
    Service.C_REP_NO: "answer FALSE",
    Service.CAR_YES: "answer TRUE",
    Service.CAR_NO: "answer FALSE",
    Service.REA_YES: "answer TRUE",
    Service.REA_NO: "answer FALSE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the tables need to know of an APDU's contents; None where the APDU does not say.

    Whoever builds the event takes these from the APDU, so that the machine never sees one. A naive
    `expires_at` raises ValueError.
    """

    #: SHIPPED and RECEIVED: whether shipped-service-type is loan; while no APDU says so it is a copy
    loan: bool | None = None
    #: ILL-REQUEST: third-party-info permission-to-forward
    may_forward: bool | None = None
    #: ILL-ANSWER, SHIPPED: responder-optional-messages can-send-SHIPPED; ILL-REQUEST received: our setting
    can_send_shipped: bool | None = None
    #: ILL-REQUEST: requester-optional-messages can-send-RECEIVED
    can_send_received: bool | None = None
    #: ILL-REQUEST: requester-optional-messages can-send-RETURNED
    can_send_returned: bool | None = None
    #: ILL-REQUEST: when the request expires (the end of the day named by search-type), aware
    expires_at: datetime | None = None
    #: a repeat only: the original, found by type and date-time-of-original-service, had its effect before
    original_seen: bool = False
    #: requester: the sender has the request, and nobody has said yet that it was forwarded (inferred)
    unannounced: bool = False

    def __post_init__(self) -> None:
        if self.expires_at is not None and self.expires_at.utcoffset() is None:
            raise ValueError(f"expires_at {self.expires_at!r} has no time zone, pass an aware datetime")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApduReceived:
    """An APDU of the partner arrived for this half."""

    service: Service
    #: it is marked as a repeat: date-time-of-original-service is there (protocol.md 2.2)
    repeat: bool = False
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequested:
    """The local side asks for a service: the request primitive of that service."""

    service: Service
    #: it is to be sent again as a repeat; the first sending must exist
    repeat: bool = False
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryReached:
    """The expiry timer of the responder fired (protocol.md 2.6)."""


Event = ApduReceived | ServiceRequested | ExpiryReached


class EventKind(StrEnum):
    """Where an event comes from."""

    APDU = "apdu"
    PRIMITIVE = "primitive"
    TIMER = "timer"


class EventKey(NamedTuple):
    """What the tables look an event up by."""

    kind: EventKind
    service: Service

    @property
    def code(self) -> str:
        """The event as the tables spell it: `SHI` arrived, `SHIreq` is asked for, `EXPIRY` fired."""
        if self.kind is EventKind.TIMER:
            return "EXPIRY"
        if self.kind is EventKind.APDU:
            return self.service.value
        if self.service is Service.FWN:
            # Why: the local side asks to forward; the notification is only one of the two APDUs sent.
            return "FWDreq"
        stem, answer = self.service.value, ""
        if stem.endswith(("+", "-")):
            stem, answer = stem[:-1], stem[-1]
        elif stem.startswith("ANS-"):
            stem, answer = "ANS", stem.removeprefix("ANS")
        return f"{stem}req{answer}"


def key_of(event: Event) -> EventKey:
    """The key under which the tables list the event."""
    match event:
        case ApduReceived(service=service):
            return EventKey(EventKind.APDU, service)
        case ServiceRequested(service=service):
            return EventKey(EventKind.PRIMITIVE, service)
        case ExpiryReached():
            return EventKey(EventKind.TIMER, Service.EXP)
        case _:
            assert_never(event)
