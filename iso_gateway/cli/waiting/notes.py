"""What keeps everything from being sent, or all that is for a partner, for whoever queues something."""

from collections.abc import Iterator

from iso_gateway.cli.shared.output import complain
from iso_gateway.store.unit_of_work import UnitOfWork


def tell(uow: UnitOfWork, partner: str | None = None) -> None:
    """Say on standard error what keeps things from being sent, if anything does.

    Args:
        uow: where it stands.
        partner: name of the partner that something is for; None leaves out what concerns single partners.
    """
    for note in _notes(uow, partner):
        complain(f"note: {note}")


def _notes(uow: UnitOfWork, partner: str | None) -> Iterator[str]:
    held = uow.sending.held()
    if held is not None:
        yield f"nothing is sent to anybody before 'iso-gateway db resume': {held.reason}"
    state = None if partner is None else uow.partners.get(partner)
    if state is not None and state.suspended:
        who = state.suspended_by
        yield f"{who} suspended {partner}: nothing is sent to it before partners resume {partner}"
