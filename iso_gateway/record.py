"""A transaction's record as the use cases read it: its request, its half's state, what happened so far."""

from collections.abc import Sequence

from asn1.codec import Dialect, Limits, decode
from asn1.ill import ILLApdu, ILLRequest
from config.settings import LocalSymbol, Partner
from iso_gateway.compose import ServiceRecord
from iso_gateway.errors import StoreError
from iso_gateway.identity import profile_digest, request_number, symbol_of, text_of
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.machine import Verdict
from iso_gateway.protocol.states import Flags, HalfState, Role, State, TableProfile
from iso_gateway.store.records import HalfRecord, InputKind, InputRecord
from iso_gateway.store.unit_of_work import UnitOfWork


def half_state(half: HalfRecord, tables: TableProfile) -> HalfState:
    """The half as the machine sees it, held to the tables that its partner's profile names today."""
    return HalfState(
        role=Role(half.role), tables=tables, state=State(half.state), flags=Flags.from_names(half.flags)
    )


def read_again(octets: bytes) -> ILLApdu:
    """Decode what was accepted when it came, whatever the dialect and the limits of its sender are today."""
    size = len(octets)
    unbounded = Limits(max_octets=size, max_depth=size, max_elements=size, max_string_octets=size)
    return decode(octets, unbounded, Dialect.BIBLIO_ILL)


def original_request(uow: UnitOfWork, half: HalfRecord) -> ILLRequest:
    """The ILL-Request that began a responder's half.

    Raises:
        StoreError: the record does not begin with one, or its key has been disposed of.
    """
    first = uow.inputs.of(half.id)[0].message_id
    request = None if first is None else read_again(uow.messages.raw(first))
    if isinstance(request, ILLRequest):
        return request
    raise StoreError(
        f"the record of request {half.id} does not begin with an ILL-Request: run a check of the database"
    )


def history_of(inputs: Sequence[InputRecord], local: LocalSymbol) -> tuple[ServiceRecord, ...]:
    """The services that had their effect, oldest first, timed in the local symbol's zone."""
    return tuple(
        ServiceRecord(
            service=Service(record.service),
            at=record.at.astimezone(local.zone),
            by_us=record.kind is not InputKind.APDU,
            changed_state=record.state_after != record.state_before,
        )
        for record in inputs
        if record.verdict == Verdict.APPLIED
    )


def summary_of(request: ILLRequest) -> dict[str, object]:
    """What lists and searches know a request by; it is stored sealed."""
    item = request.item_id
    requester = symbol_of(request.requester_id) or symbol_of(request.transaction_id.initial_requester_id)
    responder = symbol_of(request.responder_id)
    return {
        "request_number": request_number(request.transaction_id),
        "requester": None if requester is None else str(requester),
        "responder": None if responder is None else str(responder),
        "title": text_of(item.title) or text_of(item.title_of_article),
        "author": text_of(item.author) or text_of(item.author_of_article),
        "title_of_article": text_of(item.title_of_article),
        "service_types": [kind.value for kind in request.iLL_service_type],
    }


def digest_of(partner: Partner) -> str:
    """A digest of the profile under which a message is classified."""
    return profile_digest(repr(partner))
