"""Which of the APDUs that are not allowed now may only be early."""

import pytest

from iso_gateway.protocol.events import ApduReceived, Event, ExpiryReached, Service, ServiceRequested
from iso_gateway.protocol.later import could_be_allowed_later
from iso_gateway.protocol.states import Role, State
from tests.unit.protocol.halves import half

REQUESTER, RESPONDER = Role.REQUESTER, Role.RESPONDER


@pytest.mark.parametrize(
    ("role", "state", "service"),
    [
        (REQUESTER, State.PENDING, Service.DUE),
        (REQUESTER, State.PENDING, Service.REA_YES),
        (REQUESTER, State.CONDITIONAL, Service.SHI),
        (RESPONDER, State.IDLE, Service.CAN),
        (RESPONDER, State.IN_PROCESS, Service.RCV),
        (RESPONDER, State.IN_PROCESS, Service.C_REP_YES),
    ],
)
def test_what_overtook_another_message_may_be_held(role: Role, state: State, service: Service) -> None:
    assert could_be_allowed_later(half(state, role=role), ApduReceived(service=service))


@pytest.mark.parametrize(
    ("role", "state", "event"),
    [
        (REQUESTER, State.CANCELLED, ApduReceived(service=Service.SHI)),
        (REQUESTER, State.NOT_SUPPLIED, ApduReceived(service=Service.ANS_WS)),
        (REQUESTER, State.RECEIVED, ApduReceived(service=Service.ANS_UN)),
        (REQUESTER, State.PENDING, ApduReceived(service=Service.CAN)),
        (REQUESTER, State.IDLE, ApduReceived(service=Service.SHI)),
        (REQUESTER, State.PENDING, ApduReceived(service=Service.SHI)),
        (RESPONDER, State.SHIPPED, ApduReceived(service=Service.C_REP_NO)),
        (RESPONDER, State.IN_PROCESS, ApduReceived(service=Service.ILL)),
        (RESPONDER, State.CONDITIONAL, ServiceRequested(service=Service.SHI)),
        (RESPONDER, State.SHIPPED, ExpiryReached()),
    ],
)
def test_what_no_message_can_mend_is_not_held(role: Role, state: State, event: Event) -> None:
    assert not could_be_allowed_later(half(state, role=role), event)
