"""The APDU of each service that the local user asks for; those that begin a transaction are in `requests`."""

from typing import assert_never

from asn1 import ill
from asn1.ill import ILLApdu, ILLRequest, ILLServiceType
from asn1.schema import NULL
from iso_gateway.compose.answers import ANSWER_SERVICES, explanation, specific_results
from iso_gateway.compose.frame import Frame
from iso_gateway.compose.supply import shipped
from iso_gateway.compose.terms import Terms
from iso_gateway.compose.texts import amount, date_due, iso_date, optional_date, optional_string, units
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.protocol.events import Service
from iso_gateway.request import primitives

NO_TERMS = Terms()
"""The terms with a partner of whom nothing is known."""

_SUPPLIED = (ILLServiceType.loan, ILLServiceType.copy_non_returnable)


def service_of(primitive: primitives.Primitive) -> Service:
    """The service, as the state tables name it, that a primitive asks for."""
    match primitive:
        case primitives.ConditionalReply(answer=answer):
            return Service.C_REP_YES if answer else Service.C_REP_NO
        case primitives.Cancel():
            return Service.CAN
        case primitives.Receive():
            return Service.RCV
        case primitives.Return():
            return Service.RET
        case primitives.Renew():
            return Service.REN
        case primitives.Forward():
            # The tables know the wish to forward by the notification that the requester gets.
            return Service.FWN
        case primitives.Answer(result=result):
            return ANSWER_SERVICES[result]
        case primitives.Ship():
            return Service.SHI
        case primitives.SendMessage():
            return Service.MSG
        case primitives.CancelReply(answer=answer):
            return Service.CAR_YES if answer else Service.CAR_NO
        case primitives.RenewAnswer(answer=answer):
            return Service.REA_YES if answer else Service.REA_NO
        case primitives.RecallItem():
            return Service.RCL
        case primitives.ReportOverdue():
            return Service.DUE
        case primitives.CheckIn():
            return Service.CHK
        case primitives.ReportLost():
            return Service.LST
        case primitives.ReportDamaged():
            return Service.DAM
        case primitives.QueryStatus():
            return Service.STQ
        case _:
            assert_never(primitive)


def apdu_for(
    primitive: primitives.SingleApduPrimitive, request: ILLRequest, frame: Frame, terms: Terms = NO_TERMS
) -> ILLApdu:
    """The APDU by which a service is performed; FORWARD, which takes two, is `compose.requests`' affair.

    Args:
        primitive: what the local user asks for.
        request: the ILL-Request that began the transaction.
        frame: how the APDU begins.
        terms: what our settings and the partner's profile say of it.

    Raises:
        PrimitiveInvalidError: a field is missing or says what the standard has no value for.
    """
    common = frame.components
    note = optional_string(primitive.note, frame.encoding)
    match primitive:
        case primitives.ConditionalReply(answer=answer):
            return ill.ConditionalReply(**common, answer=answer, requester_note=note)
        case primitives.Cancel():
            return ill.Cancel(**common, requester_note=note)
        case primitives.Receive():
            return ill.Received(
                **common,
                date_received=iso_date(primitive.date_received or frame.at),
                shipped_service_type=_supplied_service_type(primitive.service_type, request),
                requester_note=note,
            )
        case primitives.Return():
            return ill.Returned(
                **common,
                date_returned=iso_date(primitive.date_returned or frame.at),
                returned_via=optional_string(primitive.via, frame.encoding),
                insured_for=amount(primitive.insured_for, "what it is insured for"),
                requester_note=note,
            )
        case primitives.Renew():
            return ill.Renew(
                **common, desired_due_date=optional_date(primitive.desired_due_date), requester_note=note
            )
        case primitives.Answer():
            return ill.ILLAnswer(
                **common,
                transaction_results=primitive.result,
                results_explanation=explanation(primitive, frame.encoding, frame.version),
                responder_specific_results=specific_results(primitive, frame.encoding),
                responder_optional_messages=terms.as_responder,
                responder_note=note,
            )
        case primitives.Ship():
            return shipped(primitive, _supplied_service_type(primitive.service_type, request), frame, terms)
        case primitives.SendMessage():
            if note is None:
                raise PrimitiveInvalidError("a message needs a text: give one that is not blank")
            return ill.Message(**common, note=note)
        case primitives.CancelReply(answer=answer):
            return ill.CancelReply(**common, answer=answer, responder_note=note)
        case primitives.RenewAnswer(answer=answer):
            if answer and primitive.date_due is None:
                raise PrimitiveInvalidError("a renewal needs its new due date")
            return ill.RenewAnswer(
                **common,
                answer=answer,
                date_due=date_due(primitive.date_due, renewable=primitive.renewable),
                responder_note=note,
            )
        case primitives.RecallItem():
            return ill.Recall(**common, responder_note=note)
        case primitives.ReportOverdue():
            return ill.Overdue(
                **common,
                date_due=ill.DateDue(
                    date_due_field=iso_date(primitive.date_due), renewable=primitive.renewable
                ),
                responder_note=note,
            )
        case primitives.CheckIn():
            return ill.CheckedIn(
                **common, date_checked_in=iso_date(primitive.date or frame.at), responder_note=note
            )
        case primitives.ReportLost():
            return ill.Lost(**common, note=note)
        case primitives.ReportDamaged():
            return ill.Damaged(**common, damaged_details=_damage(primitive, frame.version), note=note)
        case primitives.QueryStatus():
            return ill.StatusQuery(**common, note=note)
        case _:
            assert_never(primitive)


def _damage(primitive: primitives.ReportDamaged, version: int) -> ill.DamagedDetails | None:
    if not primitive.whole and not primitive.units:
        return None
    if primitive.whole and primitive.units:
        raise PrimitiveInvalidError(
            "either the whole item is damaged or some of its units are: say one of the two"
        )
    if version < ill.VERSION_2:
        raise PrimitiveInvalidError(
            "what is damaged cannot be said in version 1 of the protocol, which this request uses: say it in"
            " the note"
        )
    if primitive.whole:
        return ill.DamagedDetails(damaged_portion=ill.DamagedPortion(complete_document=NULL))
    numbers = tuple(units(number, "the number of a unit") for number in dict.fromkeys(primitive.units))
    return ill.DamagedDetails(damaged_portion=ill.DamagedPortion(specific_units=numbers))


def is_loan(primitive: primitives.Primitive, request: ILLRequest) -> bool | None:
    """Whether what is shipped or received is to come back; None for any other service."""
    if not isinstance(primitive, primitives.Ship | primitives.Receive):
        return None
    return _supplied_service_type(primitive.service_type, request) is ILLServiceType.loan


def _supplied_service_type(chosen: ILLServiceType | None, request: ILLRequest) -> ILLServiceType:
    if chosen is None:
        # The requester lists what would serve it in the order of its preference (known).
        wanted = (kind for kind in request.iLL_service_type if isinstance(kind, ILLServiceType))
        chosen = next((kind for kind in wanted if kind in _SUPPLIED), ILLServiceType.loan)
    if chosen not in _SUPPLIED:
        raise PrimitiveInvalidError(
            f"{chosen.asn1_name!r} cannot be supplied: say loan or copy-non-returnable"
        )
    return chosen
