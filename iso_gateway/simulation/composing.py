"""The APDUs of a simulated partner, by the gateway's own composing.

Where the two ends stand the other way round, that is all the difference. Pure.
"""

import dataclasses
import datetime as dt
from typing import Final

from asn1.ill import ILLApdu, ILLRequest
from config.settings import ApduName, Capabilities, LocalSymbol, OptionalMessages, Partner
from config.symbols import Symbol
from iso_gateway import compose
from iso_gateway.request import primitives
from iso_gateway.request.new_request import Item, NewRequest

GROUP: Final = "SIMULATION"
"""The transaction-group-qualifier of every request that a simulated partner begins."""


def as_local(profile: Partner) -> LocalSymbol:
    """The partner as it sees itself: what its software sends is what its profile says that it sends."""
    sends = profile.capabilities.sends
    return LocalSymbol(
        name=profile.name,
        symbol=profile.symbols[0],
        time_zone=profile.time_zone,
        optional_messages=OptionalMessages(
            sends_shipped=ApduName.SHIPPED in sends,
            sends_checked_in=ApduName.CHECKED_IN in sends,
            sends_received=ApduName.RECEIVED in sends,
            sends_returned=ApduName.RETURNED in sends,
        ),
    )


def terms_of(profile: Partner) -> compose.Terms:
    """What the partner says of itself in an APDU."""
    return compose.Terms(optional_messages=as_local(profile).optional_messages)


def mirrored(profile: Partner, them: Symbol) -> Partner:
    """Whom the partner talks to, as it sees them: they send what it takes, and take what it sends."""
    known = profile.capabilities
    return Partner(
        name="gateway",
        symbols=(them,),
        transport=profile.transport,
        character_set=profile.character_set,
        capabilities=Capabilities(
            sends=known.accepts,
            accepts=known.sends,
            sends_results=known.accepts_results,
            accepts_results=known.sends_results,
        ),
    )


def request_of(
    wished: NewRequest, profile: Partner, *, them: Symbol, qualifier: str, at: dt.datetime
) -> ILLRequest:
    """The ILL-Request by which the partner asks for something.

    Args:
        wished: what it asks for.
        profile: the partner, as borrower.
        them: the symbol of the library that is asked.
        qualifier: a text that no request of this partner had before.
        at: now, in the partner's zone.

    Raises:
        PrimitiveInvalidError: something in the request cannot be said.
    """
    us = profile.symbols[0]
    frame = compose.opening_frame(
        compose.transaction_id_of(us, group=GROUP, qualifier=qualifier),
        local=us,
        partner=them,
        at=at,
        encoding=profile.character_set.value,
    )
    return compose.ill_request(wished, frame, terms_of(profile))


def unknown_request(apdu: ILLApdu) -> ILLRequest:
    """What a request may have been about which something came in that is not known: for the error report."""
    return dataclasses.replace(
        _any_request(),
        protocol_version_num=apdu.protocol_version_num,
        transaction_id=apdu.transaction_id,
        requester_id=apdu.requester_id,
        responder_id=apdu.responder_id,
    )


def try_request(wished: NewRequest) -> None:
    """Compose a request for nobody, to see whether it can be said at all.

    Raises:
        PrimitiveInvalidError: it cannot.
    """
    compose.ill_request(wished, _any_frame(), compose.Terms())


def try_primitive(primitive: primitives.SingleApduPrimitive) -> None:
    """Compose a primitive for nobody, to see whether it can be said at all.

    Raises:
        PrimitiveInvalidError: it cannot.
    """
    compose.apdu_for(primitive, _any_request(), _any_frame())


_ANYBODY: Final = Symbol("EXAMPLE", "ANYBODY")
_ANY_TIME: Final = dt.datetime(2026, 1, 5, 10, tzinfo=dt.UTC)


def _any_frame() -> compose.Frame:
    return compose.opening_frame(
        compose.transaction_id_of(_ANYBODY, group=GROUP, qualifier="1"),
        local=_ANYBODY,
        partner=_ANYBODY,
        at=_ANY_TIME,
    )


def _any_request() -> ILLRequest:
    return compose.ill_request(NewRequest(item=Item(title="A title")), _any_frame(), compose.Terms())
