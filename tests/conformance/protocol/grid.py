"""Reads requester.txt and responder.txt, the second transcription, and judges events by it alone.

The tables under test are not looked at.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: MESSAGE, STATUS-QUERY and STATUS-OR-ERROR-REPORT: both ways, in every state but IDLE, known.
EVERYWHERE: Final = ("MSG", "STQ", "STR", "MSGreq", "STQreq", "STRreq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of the grid."""

    next_state: str
    provenance: str
    #: one of them must hold
    conditions: frozenset[str] = frozenset()
    #: each of them must hold
    also: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the conditions are judged by."""

    received: bool
    repeat: bool
    lenient: bool
    flags: frozenset[str]


Grid = dict[tuple[str, str], Cell]


def load(role: str) -> Grid:
    """The grid of a role by (state, event code); cells without a row are absent."""
    grid: Grid = {}
    states: list[str] = []
    for line in Path(__file__).with_name(f"{role}.txt").read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("@"):
            states = [name.strip() for name in line.removeprefix("@").split("|")]
            for state in states:
                if state != "IDLE":
                    for code in EVERYWHERE:
                        grid[state, code] = Cell(next_state=state, provenance="K")
            continue
        code, *cells = (cell.strip() for cell in line.split("|"))
        for state, text in zip(states, cells, strict=True):
            if text == ".":
                continue
            target, provenance, *rest = text.split()
            if (state, code) in grid:
                raise ValueError(f"{code} is there twice in {state}")
            *also, either = rest[0].split("+") if rest else [""]
            grid[state, code] = Cell(
                next_state=state if target == "=" else target,
                provenance=provenance.strip("[]"),
                conditions=frozenset(filter(None, either.split("/"))),
                also=frozenset(also),
            )
    return grid


def is_met(condition: str, situation: Situation) -> bool:
    """Whether one condition of a cell is met."""
    answers = {
        "rep": situation.repeat,
        "x": situation.received,
        "late": situation.received,
        "both": situation.received,
        "len": situation.lenient,
        "noship": not situation.flags & {"can_send_shipped", "shipped_seen"},
        "loan": "loan" in situation.flags,
        "timer": "expiry_running" in situation.flags,
        "fwd": True,
        "may-fwd": "may_forward" in situation.flags,
        "can-x": "cancel_crossed" in situation.flags,
        "ren-x": "renew_crossed" in situation.flags,
        "fwded": "forwarded" in situation.flags,
        "unrcv": "received_seen" not in situation.flags,
        "skiprcv": not situation.flags & {"can_send_received", "received_seen"},
        "noret": "returned_seen" not in situation.flags,
        "back": "returned_seen" in situation.flags and "checked_in_seen" not in situation.flags,
    }
    return answers[condition]


def allows(cell: Cell | None, state: str, situation: Situation) -> bool:
    """Whether the grid allows an event; a primitive that is a repeat may not change the state."""
    if cell is None:
        return False
    if not situation.received and situation.repeat and cell.next_state != state:
        return False
    if not all(is_met(condition, situation) for condition in cell.also):
        return False
    return not cell.conditions or any(is_met(condition, situation) for condition in cell.conditions)
