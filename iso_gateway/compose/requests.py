"""ILL-REQUEST: one that we begin, one that we try again, and one that we forward with its notification.

Which parts of a request file go into which component stands here; how single values are written, in `texts`.
Where a value cannot be written, the error names its key in the request file and shows nothing of it.
"""

from dataclasses import replace

from asn1 import ill
from asn1.extensions import (
    APDUDeliveryInfo,
    APDUDeliveryParameters,
    APDUEncoding,
    InternalReference,
    InternalReferenceType,
    OCLCILLRequestExtension,
    OCLCILLService,
    SupplementalClientInfo,
    extension_of,
    make_extension,
    make_external,
)
from asn1.ill import ILLRequest, ILLServiceType
from config.symbols import Symbol
from iso_gateway.compose.citation import item_id
from iso_gateway.compose.frame import Frame
from iso_gateway.compose.terms import Terms
from iso_gateway.compose.texts import (
    amount,
    iso_date,
    library,
    optional_date,
    optional_string,
    postal_address,
    string,
    transcoded,
)
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.message.identity import symbol_of, system_id_of
from iso_gateway.request.new_request import Address, Client, Cost, NewRequest


def ill_request(new: NewRequest, frame: Frame, terms: Terms) -> ILLRequest:
    """The ILL-REQUEST that begins a transaction.

    Nothing of `patron_contact` is in it, and of `client` only where the partner's profile wants it.

    Args:
        new: what is asked for.
        frame: how the APDU begins, from `opening_frame`.
        terms: what our settings and the partner's profile say of it.

    Raises:
        PrimitiveInvalidError: something is missing, or cannot be said in an APDU or to this partner.
    """
    encoding = frame.encoding
    transport = optional_string(new.transport, encoding, field="transport")
    return ILLRequest(
        **frame.components,
        delivery_address=_delivery_address(new.delivery, encoding, "delivery"),
        delivery_service=None if transport is None else ill.DeliveryService(physical_delivery=transport),
        billing_address=_delivery_address(new.billing, encoding, "billing"),
        iLL_service_type=_services(new),
        responder_specific_service=None
        if new.specific_service is None
        else make_external(OCLCILLService(oCLCILLServiceType=new.specific_service)),
        requester_optional_messages=terms.as_requester,
        search_type=_search_type(new, frame),
        supply_medium_info_type=_media(new),
        place_on_hold=new.hold,
        client_id=_client_id(new.client, encoding) if terms.tells_client else None,
        item_id=item_id(new.item, encoding, strict=terms.strict),
        cost_info_type=_cost_info(new.cost, encoding),
        copyright_compliance=optional_string(new.copyright, encoding, field="copyright"),
        third_party_info_type=_third_party_info(new, encoding, terms),
        retry_flag=new.retry_of is not None,
        requester_note=optional_string(new.note, encoding, field="note"),
        iLL_request_extensions=_extensions(new, encoding, terms) or None,
    )


def as_retry(request: ILLRequest, frame: Frame, terms: Terms, *, read_as: str = "utf-8") -> ILLRequest:
    """A request of ours once more, as a new transaction that says that it is a retry.

    Days of the first one that are over by now are left out: the retry would expire as it came.

    Args:
        request: the ILL-REQUEST that was sent and came to nothing.
        frame: how the new one begins, from `opening_frame`; the partner may be another.
        terms: what our settings and that partner's profile say of it.
        read_as: the character set in which `request` was written.

    Source: protocol.md 2.8 (known).
    """
    again = _for_reader(request, frame, terms, read_as)
    return replace(
        again,
        **frame.components,
        requester_optional_messages=terms.as_requester,
        search_type=_still_to_come(request.search_type, iso_date(frame.at)),
        retry_flag=True,
        forward_flag=False,
        forward_note=None,
        iLL_request_extensions=_redirected(again, terms.delivery_info),
    )


def forwarded_request(
    request: ILLRequest,
    frame: Frame,
    terms: Terms,
    *,
    intermediary: Symbol,
    requester_address: ill.SystemAddress,
    note: str | None = None,
    read_as: str = "utf-8",
) -> ILLRequest:
    """The ILL-REQUEST by which a responder hands a request on: the requester's own, marked as forwarded.

    The library that it goes to answers the requester itself, so the requester's address goes with it, and the
    list of those who were tried, ourselves included (protocol.md 2.8; presence seen, flow known).

    Args:
        request: as it came from the requester.
        frame: that of what we send the requester, turned `to` the library that the request goes to.
        terms: those between us and that library.
        intermediary: our own symbol.
        requester_address: where we reach the requester, for a request that does not say it.
        note: forward-note.
        read_as: the requester's character set.

    Raises:
        PrimitiveInvalidError: the library that it goes to reads in a character set that lacks a character.
    """
    onward = _for_reader(request, frame, terms, read_as)
    info = request.third_party_info_type or ill.ThirdPartyInfoType()
    told = _delivery_info_of(request)
    address = info.initial_requester_address or (
        requester_address if told is None or not told.sender_info else told.sender_info[0].transport
    )
    tried = (*(info.already_tried_list or ()), system_id_of(intermediary))
    symbols = [symbol_of(one) for one in tried]
    still_open = tuple(
        one
        for one in info.send_to_list or ()
        if symbol_of(one.system_id) not in (*symbols, symbol_of(frame.responder_id))
    )
    return replace(
        onward,
        **frame.components,
        third_party_info_type=replace(
            info,
            initial_requester_address=address,
            send_to_list=still_open or None,
            already_tried_list=tried,
        ),
        forward_flag=True,
        forward_note=optional_string(note, frame.encoding),
        iLL_request_extensions=_redirected(onward, _delivery_info_onward(told, address, terms)),
    )


def forward_notification(
    frame: Frame, *, to: Symbol, address: ill.SystemAddress | None = None, note: str | None = None
) -> ill.ForwardNotification:
    """The FORWARD-NOTIFICATION that tells the requester who has its request now.

    Args:
        frame: that of what we send the requester.
        to: the library that the request went to.
        address: where that library is reached, where it may be told.
        note: notification-note.
    """
    components = frame.components
    return ill.ForwardNotification(
        protocol_version_num=components["protocol_version_num"],
        transaction_id=components["transaction_id"],
        service_date_time=components["service_date_time"],
        requester_id=components["requester_id"],
        responder_id=system_id_of(to),
        responder_address=address,
        intermediary_id=frame.responder_id or ill.SystemId(),
        notification_note=optional_string(note, frame.encoding),
    )


# -- the components of a new request


def _delivery_address(address: Address | None, encoding: str, key: str) -> ill.DeliveryAddress | None:
    if address is None:
        return None
    electronic = address.electronic
    return ill.DeliveryAddress(
        postal_address=postal_address(address.postal, encoding, f"{key}.postal"),
        electronic_address=None
        if electronic is None
        else ill.SystemAddress(
            telecom_service_identifier=optional_string(
                electronic.service, encoding, field=f"{key}.electronic.service"
            ),
            telecom_service_address=optional_string(
                electronic.address, encoding, field=f"{key}.electronic.address"
            ),
        ),
    )


def _services(new: NewRequest) -> tuple[ILLServiceType, ...]:
    services = tuple(dict.fromkeys(new.services))
    if not services:
        raise PrimitiveInvalidError("services is empty: say what would serve, as loan")
    if (ILLServiceType.responder_specific in services) is (new.specific_service is None):
        raise PrimitiveInvalidError(
            "'responder-specific' among services and specific_service go together: give both or neither"
        )
    return services


def _search_type(new: NewRequest, frame: Frame) -> ill.SearchType | None:
    """Search-type; a request that expires on the day it is needed by says so by that day alone."""
    if new.need_before is None and new.expires is None and new.level_of_service is None:
        return None
    for key, day in (("need_before", new.need_before), ("expires", new.expires)):
        if day is not None and day < frame.at.date():
            raise PrimitiveInvalidError(f"{key} is {day.isoformat()}, which is over: give a day to come")
    level = optional_string(new.level_of_service, frame.encoding)
    if level is not None and len(level.octets) != 1:
        raise PrimitiveInvalidError("level_of_service is longer than one character: give one letter or digit")
    with_need = new.expires is not None and new.expires == new.need_before
    if new.expires is None:
        flag = ill.ExpiryFlag.no_Expiry
    else:
        flag = ill.ExpiryFlag.need_Before_Date if with_need else ill.ExpiryFlag.other_Date
    return ill.SearchType(
        level_of_service=level,
        need_before_date=optional_date(new.need_before),
        expiry_flag=flag,
        expiry_date=None if with_need else optional_date(new.expires),
    )


def _media(new: NewRequest) -> tuple[ill.SupplyMediumInfoType, ...] | None:
    media = tuple(dict.fromkeys(new.media))
    return tuple(ill.SupplyMediumInfoType(supply_medium_type=medium) for medium in media) or None


def _client_id(client: Client | None, encoding: str) -> ill.ClientId | None:
    if client is None:
        return None
    told = ill.ClientId(
        client_name=optional_string(client.name, encoding, field="client.name"),
        client_status=optional_string(client.status, encoding, field="client.status"),
        client_identifier=optional_string(client.identifier, encoding, field="client.identifier"),
    )
    return None if told == ill.ClientId() else told


def _cost_info(cost: Cost | None, encoding: str) -> ill.CostInfoType | None:
    if cost is None:
        return None
    return ill.CostInfoType(
        account_number=optional_string(cost.account, encoding, field="cost.account"),
        maximum_cost=amount(cost.maximum, "cost.maximum"),
        reciprocal_agreement=cost.reciprocal,
        will_pay_fee=cost.will_pay,
        payment_provided=cost.paid,
    )


def _third_party_info(new: NewRequest, encoding: str, terms: Terms) -> ill.ThirdPartyInfoType | None:
    tried = tuple(library(symbol, encoding, what="library in already_tried") for symbol in new.already_tried)
    send_to = tuple(library(symbol, encoding, what="library in send_to") for symbol in new.send_to)
    if not new.may_forward and (send_to or new.send_in_order):
        raise PrimitiveInvalidError(
            "send_to says to whom it may be handed on: set may_forward, or leave it out"
        )
    if new.send_in_order and not send_to:
        raise PrimitiveInvalidError(
            "send_in_order is about the libraries of send_to: give them, or leave it out"
        )
    twice = [str(symbol_of(one)) for one in send_to if symbol_of(one) in map(symbol_of, tried)]
    if twice:
        raise PrimitiveInvalidError(f"{twice[0]} is in send_to and in already_tried: leave it out of one")
    if not new.may_forward and not tried:
        return None
    return ill.ThirdPartyInfoType(
        permission_to_forward=new.may_forward,
        # Whoever gets the request in the end answers us there.
        initial_requester_address=terms.our_address if new.may_forward else None,
        preference=ill.Preference.ordered if new.send_in_order else ill.Preference.unordered,
        send_to_list=tuple(ill.SendToItem(system_id=one) for one in send_to) or None,
        already_tried_list=tried or None,
    )


def _extensions(new: NewRequest, encoding: str, terms: Terms) -> tuple[ill.Extension, ...]:
    extensions: list[ill.Extension] = []
    if terms.delivery_info is not None:
        extensions.append(make_extension(terms.delivery_info))
    if new.reference is not None and new.reference.strip():
        number = string(new.reference.strip(), encoding, field="reference")
        extensions.append(
            make_extension(
                InternalReference(requester_reference=InternalReferenceType(internal_reference=number))
            )
        )
    return tuple(extensions)


# -- a request that goes to another reader, or goes again


def _still_to_come(search: ill.SearchType | None, today: str) -> ill.SearchType | None:
    """What is left of a search-type on a day, as its ISO-Date; None where that is nothing."""
    if search is None:
        return None
    need = _not_over(search.need_before_date, today)
    expiry = _not_over(search.expiry_date, today)
    ends_with_need = search.expiry_flag is ill.ExpiryFlag.need_Before_Date
    expires = need if ends_with_need else expiry
    left = replace(
        search,
        need_before_date=need,
        expiry_date=expiry,
        expiry_flag=ill.ExpiryFlag.no_Expiry if expires is None else search.expiry_flag,
    )
    return None if left == ill.SearchType() else left


def _not_over(day: str | None, today: str) -> str | None:
    # ISO-Dates are in order as texts.
    return None if day is None or day < today else day


def _for_reader(request: ILLRequest, frame: Frame, terms: Terms, read_as: str) -> ILLRequest:
    """A request in another reader's character set, without the patron where that reader is told of none."""
    onward = transcoded(request, read_as, frame.encoding)
    if terms.tells_client:
        return onward
    kept = tuple(filter(None, map(_without_client, onward.iLL_request_extensions or ())))
    return replace(onward, client_id=None, iLL_request_extensions=kept or None)


def _without_client(extension: ill.Extension) -> ill.Extension | None:
    """An extension without what it says about the patron; None where it says nothing else."""
    match extension_of(extension):
        case SupplementalClientInfo():
            return None
        case OCLCILLRequestExtension() as value if value.clientDepartment is not None:
            return make_extension(
                replace(value, clientDepartment=None),
                identifier=extension.identifier,
                critical=extension.critical,
            )
        case _:
            return extension


def _delivery_info_of(request: ILLRequest) -> APDUDeliveryInfo | None:
    readings = map(extension_of, request.iLL_request_extensions or ())
    return next((one for one in readings if isinstance(one, APDUDeliveryInfo)), None)


def _delivery_info_onward(
    told: APDUDeliveryInfo | None, address: ill.SystemAddress, terms: Terms
) -> APDUDeliveryInfo | None:
    """Where the requester is reached, as it said itself if it did, and whom the request goes to."""
    if not terms.theirs:
        return None
    if told is not None:
        return replace(told, recipient_info=terms.theirs)
    sender = APDUDeliveryParameters(encoding=(APDUEncoding.bER,), transport=address)
    return APDUDeliveryInfo(sender_info=(sender,), recipient_info=terms.theirs)


def _redirected(request: ILLRequest, info: APDUDeliveryInfo | None) -> tuple[ill.Extension, ...] | None:
    """The extensions of a request, with other delivery information in place of what it had."""
    others = tuple(
        one
        for one in request.iLL_request_extensions or ()
        if not isinstance(extension_of(one), APDUDeliveryInfo)
    )
    return ((make_extension(info),) if info is not None else ()) + others or None
