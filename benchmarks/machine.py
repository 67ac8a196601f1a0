"""The protocol machine: what one event costs, against the least that any machine of this kind would do.

The baseline looks a row up and makes the half that follows, and nothing else: no conditions, no flags, no
effects, no reason. The budget is absolute: under 20 microseconds for an event.
"""

from datetime import UTC, datetime
from typing import Final

from benchmarks.measure import Extent, Round, Row, Unit, cpu_microseconds
from iso_gateway.protocol.events import ApduReceived, Event, Facts, Service, ServiceRequested, key_of
from iso_gateway.protocol.machine import advance
from iso_gateway.protocol.states import HalfState, Role, TableProfile
from iso_gateway.protocol.tables import TABLES

_NOW: Final = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)

_LOAN: Final = Facts(loan=True)

#: A loan, as each side meets it: who sends what, in order.
_CONVERSATION: Final = (
    (Role.REQUESTER, Service.ILL, Facts(may_forward=True, can_send_received=True, expires_at=_NOW)),
    (Role.RESPONDER, Service.ANS_CO, Facts()),
    (Role.REQUESTER, Service.C_REP_YES, Facts()),
    (Role.RESPONDER, Service.SHI, _LOAN),
    (Role.REQUESTER, Service.RCV, _LOAN),
    (Role.REQUESTER, Service.STQ, Facts()),
    (Role.REQUESTER, Service.REN, Facts()),
    (Role.RESPONDER, Service.REA_YES, Facts()),
    (Role.RESPONDER, Service.DUE, Facts()),
    (Role.RESPONDER, Service.RCL, Facts()),
    (Role.REQUESTER, Service.RET, Facts()),
    (Role.RESPONDER, Service.CHK, Facts()),
)

#: How often a pass goes through the conversation.
_TIMES: Final = 50


def measure(extent: Extent) -> list[Row]:
    """Measure the events of a whole loan, and events that are refused."""
    met = [step for role in Role for step in steps(role)]
    refused: list[tuple[HalfState, Event]] = [
        (half, ApduReceived(service=Service.ANS_UN)) for half, _ in steps(Role.RESPONDER)
    ]
    return [
        _row(f"advance: a loan with a renewal, both sides ({len(met)} events)", met, extent),
        _row(f"advance: a message that is refused ({len(refused)} states)", refused, extent),
    ]


def steps(role: Role) -> list[tuple[HalfState, Event]]:
    """The halves of the conversation, each with the event that it meets."""
    half = HalfState(role=role, tables=TableProfile.STRICT)
    found: list[tuple[HalfState, Event]] = []
    for sender, service, facts in _CONVERSATION:
        event: Event = (
            ServiceRequested(service=service, facts=facts)
            if sender is role
            else ApduReceived(service=service, facts=facts)
        )
        found.append((half, event))
        half = advance(half, event, _NOW).state
    return found


def _row(what: str, met: list[tuple[HalfState, Event]], extent: Extent) -> Row:
    def ours() -> None:
        for _ in range(_TIMES):
            for half, event in met:
                advance(half, event, _NOW)

    def bare() -> None:
        for _ in range(_TIMES):
            for half, event in met:
                row = TABLES[half.role].get((half.state, key_of(event)))
                state = half.state if row is None else row.next_state
                HalfState(role=half.role, tables=half.tables, state=state, flags=half.flags)

    events = len(met) * _TIMES
    for work in (ours, bare):
        work()
    return Row(
        what=what,
        against="a look-up and a new half",
        unit=Unit.MICROSECONDS_PER_APDU,
        rounds=[
            Round(
                baseline=cpu_microseconds(bare, extent.codec_passes) / events,
                ours=cpu_microseconds(ours, extent.codec_passes) / events,
            )
            for _ in range(extent.rounds)
        ],
    )
