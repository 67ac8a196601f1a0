"""Where one half of a transaction stands: role, state, and the flags behind the tables' predicates.

Imports nothing of ours. Sources: protocol.md 1 (states, wire values, end states) and 2.7 (optional messages).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final, Self


class Role(StrEnum):
    """Which of the two protocol machines a half runs."""

    #: the borrower's side
    REQUESTER = "requester"
    #: the lender's side
    RESPONDER = "responder"


class TableProfile(StrEnum):
    """How tolerantly a partner's messages meet the tables."""

    #: only what the reconstruction allows without its lenient rows
    STRICT = "strict"
    #: the rows marked lenient apply as well: for partners that leave messages out
    LENIENT = "lenient"


class CurrentState(IntEnum):
    """Current-State as it is written on the wire (ISO-10161-ILL-1, Current-State)."""

    NOT_SUPPLIED = 1
    PENDING = 2
    IN_PROCESS = 3
    FORWARD = 4
    CONDITIONAL = 5
    CANCEL_PENDING = 6
    CANCELLED = 7
    SHIPPED = 8
    RECEIVED = 9
    RENEW_PENDING = 10
    NOT_RECEIVED_OVERDUE = 11
    RENEW_OVERDUE = 12
    OVERDUE = 13
    RETURNED = 14
    CHECKED_IN = 15
    RECALL = 16
    LOST = 17
    UNKNOWN = 18


class State(StrEnum):
    """The states of both machines, under the protocol's own names."""

    IDLE = "IDLE"
    PENDING = "PENDING"
    NOT_SUPPLIED = "NOT-SUPPLIED"
    CONDITIONAL = "CONDITIONAL"
    CANCEL_PENDING = "CANCEL-PENDING"
    CANCELLED = "CANCELLED"
    SHIPPED = "SHIPPED"
    RECEIVED = "RECEIVED"
    RENEW_PENDING = "RENEW/PENDING"
    NOT_RECEIVED_OVERDUE = "NOT-RECEIVED/OVERDUE"
    OVERDUE = "OVERDUE"
    RENEW_OVERDUE = "RENEW/OVERDUE"
    RECALL = "RECALL"
    RETURNED = "RETURNED"
    LOST = "LOST"
    IN_PROCESS = "IN-PROCESS"
    FORWARD = "FORWARD"
    CHECKED_IN = "CHECKED-IN"

    @property
    def wire(self) -> CurrentState:
        """The value for Current-State; IDLE, which the wire cannot say, is UNKNOWN (protocol.md 1)."""
        return CurrentState.UNKNOWN if self is State.IDLE else CurrentState[self.name]


#: The states that each machine has, in the order in which the tables list them (protocol.md 2).
STATES: Final[Mapping[Role, tuple[State, ...]]] = MappingProxyType(
    {
        Role.REQUESTER: (
            State.IDLE,
            State.PENDING,
            State.NOT_SUPPLIED,
            State.CONDITIONAL,
            State.CANCEL_PENDING,
            State.CANCELLED,
            State.SHIPPED,
            State.RECEIVED,
            State.RENEW_PENDING,
            State.NOT_RECEIVED_OVERDUE,
            State.OVERDUE,
            State.RENEW_OVERDUE,
            State.RECALL,
            State.RETURNED,
            State.LOST,
        ),
        Role.RESPONDER: (
            State.IDLE,
            State.IN_PROCESS,
            State.FORWARD,
            State.NOT_SUPPLIED,
            State.CONDITIONAL,
            State.CANCEL_PENDING,
            State.CANCELLED,
            State.SHIPPED,
            State.RENEW_PENDING,
            State.OVERDUE,
            State.RENEW_OVERDUE,
            State.RECALL,
            State.CHECKED_IN,
            State.LOST,
        ),
    }
)

#: End states (protocol.md 1, known). A non-returnable copy ends in SHIPPED as well: HalfState.ended.
TERMINAL: Final[Mapping[Role, frozenset[State]]] = MappingProxyType(
    {
        Role.REQUESTER: frozenset({State.NOT_SUPPLIED, State.CANCELLED, State.RETURNED, State.LOST}),
        Role.RESPONDER: frozenset(
            {State.NOT_SUPPLIED, State.CANCELLED, State.FORWARD, State.CHECKED_IN, State.LOST}
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What a half remembers besides its state: the facts that the tables' predicates ask for.

    The defaults are those of a fresh half.
    """

    #: shipped-service-type is loan: the item is to come back, so there is a tracking phase
    loan: bool = False
    #: SHIPPED was exchanged
    shipped_seen: bool = False
    #: RECEIVED was exchanged
    received_seen: bool = False
    #: RETURNED was exchanged
    returned_seen: bool = False
    #: the responder says that it can send SHIPPED (responder-optional-messages)
    can_send_shipped: bool = True
    #: the requester says that it can send RECEIVED (requester-optional-messages)
    can_send_received: bool = True
    #: the requester says that it can send RETURNED (requester-optional-messages)
    can_send_returned: bool = True
    #: the ILL-REQUEST permits forwarding (third-party-info permission-to-forward)
    may_forward: bool = False
    #: the request was forwarded to another responder
    forwarded: bool = False
    #: the responder's expiry timer is running
    expiry_running: bool = False
    #: a CANCEL crossed a SHIPPED or a final answer of ours, and no CANCEL-REPLY was sent since
    cancel_crossed: bool = False
    #: a RENEW crossed a RECALL (or CHECKED-IN or LOST) of ours, and no RENEW-ANSWER was sent since
    renew_crossed: bool = False
    #: CHECKED-IN was exchanged
    checked_in_seen: bool = False
    #: requester: our CANCEL went to a responder that had forwarded the request, and to no other one since
    cancel_wished: bool = False
    #: the expiry timer fired in CANCEL-PENDING, and waits for the CANCEL-REPLY
    expiry_due: bool = False

    def to_names(self) -> tuple[str, ...]:
        """The names of the flags that are set, in the order of declaration, for storage."""
        return tuple(flag.name for flag in fields(self) if getattr(self, flag.name))

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Self:
        """Flags as stored: those named are set and all others are not.

        Raises ValueError for a name that is no flag: the row was written by a newer version, or is damaged.
        """
        stored = frozenset(names)
        known = tuple(flag.name for flag in fields(cls))
        unknown = sorted(stored.difference(known))
        if unknown:
            raise ValueError(f"unknown flag {unknown[0]!r} in a stored half, known are {', '.join(known)}")
        return cls(**{name: name in stored for name in known})


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfState:
    """One half (transaction, role) as the machine sees it; a fresh one is IDLE."""

    role: Role
    tables: TableProfile
    state: State = State.IDLE
    flags: Flags = field(default_factory=Flags)

    @property
    def ended(self) -> bool:
        """Whether the transaction is over for this half.

        A non-returnable copy is over once it is on its way: SHIPPED, for the requester RECEIVED too
        (protocol.md 1, known).
        """
        if self.state in TERMINAL[self.role]:
            return True
        return self.state in (State.SHIPPED, State.RECEIVED) and not self.flags.loan
