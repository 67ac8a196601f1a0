"""libyaz reads every APDU that the gateway sends, to its last octet and with our values in it.

Each APDU is made as in service: a request is received, the use cases answer or are asked to act, and the
octets are those that stand in the outbox (`iso_gateway.half.sending` writes them in a form of its own). What
libyaz must read is written out here by hand, so that no mistake of the codec is made a second time.
"""

import datetime as dt
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, get_args

import pytest

from asn1.codec import encode
from asn1.ill import ILLApdu, ILLServiceType, TransactionResults
from asn1.schema import Apdu
from iso_gateway import compose
from iso_gateway.half.sending import Context, Destination, enqueue
from iso_gateway.protocol import errors
from iso_gateway.protocol.events import ApduType
from iso_gateway.reception import Processed
from iso_gateway.request import primitives
from iso_gateway.services import Arrival
from iso_gateway.site import Site
from iso_gateway.store.records import HalfId, MessageId, Transport
from tests.support import apdus
from tests.support.corpus import Reading
from tests.support.daemon import Installation
from tests.support.yaz import read_with_libyaz

pytestmark = pytest.mark.yaz

#: 10:30 in Vancouver, where the library of the starting configuration is.
NOW: Final = dt.datetime(2026, 11, 18, 18, 30, tzinfo=dt.UTC)
TODAY: Final = "20261118"
DUE: Final = dt.date(2026, 12, 16)

REQUEST: Final = apdus.ill_request(transaction="2026-000117", forwardable=True)

#: What happens after the request, one after the other; the last one makes the APDU that is judged.
Step: TypeAlias = ILLApdu | bytes | primitives.ResponderPrimitive | errors.Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """An APDU that the gateway emits: how it comes about, and what libyaz is to read in it."""

    name: str
    steps: tuple[Step, ...]
    apdu: str
    #: Everything after the components that all APDUs begin with.
    components: Reading
    #: Of those with which they begin, what is not as in REQUEST.
    beginning: Reading = field(default_factory=dict)


def string(value: str) -> Reading:
    """Give the reading of an ILL-String, which is written in UTF-8: a reading has a character per octet."""
    return {"u": {"GeneralString": value.encode("utf-8").decode("latin-1")}}


def institution(symbol: str) -> Reading:
    """Give the reading of a System-Id."""
    return {"person_or_institution_symbol": {"u": {"institution_symbol": string(symbol)}}}


def location(symbol: str) -> Reading:
    """Give the reading of a Location-Info."""
    return {"location_id": institution(symbol)}


TRANSACTION: Final[Reading] = {
    "initial_requester_id": institution("ILLUME:YAZ"),
    "transaction_group_qualifier": string("INTERLENDING"),
    "transaction_qualifier": string("2026-000117"),
}
OPTIONAL_MESSAGES: Final[Reading] = {
    "can_send_SHIPPED": True,
    "can_send_CHECKED_IN": True,
    "responder_RECEIVED": 2,
    "responder_RETURNED": 2,
}
SHIP: Final = primitives.Ship(date_due=DUE)


def answer(name: str, primitive: primitives.Answer, results: int, explanation: Reading) -> Emission:
    """Give the emission of an ILL-Answer."""
    components: Reading = {"transaction_results": results, "u": explanation}
    components["responder_optional_messages"] = OPTIONAL_MESSAGES
    if primitive.note is not None:
        components["responder_note"] = string(primitive.note)
    return Emission(name=name, steps=(primitive,), apdu="illAnswer", components=components)


ANSWERS: Final = (
    answer(
        "conditional",
        primitives.Answer(
            result=TransactionResults.conditional,
            reason="library-use-only",
            date=DUE,
            locations=("ILLUME:SFU",),
            note="In the reading room",
        ),
        1,
        {
            "conditional_results": {
                "conditions": 22,
                "date_for_reply": "20261216",
                "locations": [location("ILLUME:SFU")],
            }
        },
    ),
    answer(
        "retry",
        primitives.Answer(result=TransactionResults.retry, reason="in-use-on-loan", date=DUE),
        2,
        {"retry_results": {"reason_not_available": 1, "retry_date": "20261216"}},
    ),
    answer(
        "unfilled",
        primitives.Answer(result=TransactionResults.unfilled, reason="not-owned"),
        3,
        {"unfilled_results": {"reason_unfilled": 5}},
    ),
    answer(
        "locations-provided",
        primitives.Answer(
            result=TransactionResults.locations_provided, reason="lost", locations=("ILLUME:SFU", "UBC")
        ),
        4,
        {
            "locations_results": {
                "reason_locs_provided": 3,
                "locations": [location("ILLUME:SFU"), location("UBC")],
            }
        },
    ),
    answer(
        "will-supply",
        primitives.Answer(result=TransactionResults.will_supply, date=DUE),
        5,
        {"will_supply_results": {"reason_will_supply": 26, "supply_date": "20261216"}},
    ),
    answer(
        "hold-placed",
        primitives.Answer(result=TransactionResults.hold_placed, date=DUE),
        6,
        {"hold_placed_results": {"estimated_date_available": "20261216"}},
    ),
    answer(
        "estimate",
        primitives.Answer(result=TransactionResults.estimate, cost="20 CAD", note="Überfällig £"),
        7,
        {"estimate_results": {"cost_estimate": string("20 CAD")}},
    ),
)

SERVICES: Final = (
    Emission(
        name="shipped, a loan",
        steps=(primitives.Ship(date_due=DUE, renewable=False, note="By courier"),),
        apdu="Shipped",
        components={
            "transaction_type": 1,
            "shipped_service_type": 1,
            "responder_optional_messages": OPTIONAL_MESSAGES,
            "supply_details": {
                "date_shipped": TODAY,
                "date_due": {"date_due_field": "20261216", "renewable": False},
            },
            "responder_note": string("By courier"),
        },
    ),
    Emission(
        name="shipped, a copy",
        steps=(
            primitives.Ship(
                service_type=ILLServiceType.copy_non_returnable, date_shipped=dt.date(2026, 11, 17)
            ),
        ),
        apdu="Shipped",
        components={
            "transaction_type": 1,
            "shipped_service_type": 2,
            "responder_optional_messages": OPTIONAL_MESSAGES,
            "supply_details": {"date_shipped": "20261117"},
        },
    ),
    Emission(
        name="message",
        steps=(primitives.SendMessage(note="The second volume is lost"),),
        apdu="Message",
        components={"note": string("The second volume is lost")},
    ),
    Emission(
        name="message, as short as can be",
        steps=(primitives.SendMessage(note="?"),),
        apdu="Message",
        components={"note": string("?")},
    ),
    Emission(
        name="cancel-reply, yes",
        steps=(apdus.cancel(REQUEST), primitives.CancelReply(answer=True)),
        apdu="Cancel_Reply",
        components={"answer": True},
    ),
    Emission(
        name="cancel-reply, no",
        steps=(apdus.cancel(REQUEST), primitives.CancelReply(answer=False, note="It is packed")),
        apdu="Cancel_Reply",
        components={"answer": False, "responder_note": string("It is packed")},
    ),
    Emission(
        name="renew-answer, yes",
        steps=(SHIP, apdus.renew(REQUEST), primitives.RenewAnswer(answer=True, date_due=DUE)),
        apdu="Renew_Answer",
        components={"answer": True, "date_due": {"date_due_field": "20261216", "renewable": True}},
    ),
    Emission(
        name="renew-answer, no",
        steps=(SHIP, apdus.renew(REQUEST), primitives.RenewAnswer(answer=False, note="Others wait")),
        apdu="Renew_Answer",
        components={"answer": False, "responder_note": string("Others wait")},
    ),
    Emission(
        name="recall",
        steps=(SHIP, primitives.RecallItem(note="Needed here")),
        apdu="Recall",
        components={"responder_note": string("Needed here")},
    ),
    Emission(
        name="overdue",
        steps=(SHIP, primitives.ReportOverdue(date_due=DUE)),
        apdu="Overdue",
        components={"date_due": {"date_due_field": "20261216", "renewable": False}},
    ),
    Emission(
        name="checked-in",
        steps=(SHIP, primitives.CheckIn(note="With thanks")),
        apdu="Checked_In",
        components={"date_checked_in": TODAY, "responder_note": string("With thanks")},
    ),
    Emission(
        name="lost",
        steps=(SHIP, primitives.ReportLost(note="On the way")),
        apdu="Lost",
        components={"note": string("On the way")},
    ),
    Emission(
        name="damaged",
        steps=(SHIP, primitives.ReportDamaged(note="The spine")),
        apdu="Damaged",
        components={"note": string("The spine")},
    ),
    Emission(
        name="status-query",
        steps=(primitives.QueryStatus(note="Did it arrive?"),),
        apdu="Status_Query",
        components={"note": string("Did it arrive?")},
    ),
)

STATUS: Final = (
    Emission(
        name="status report, of a request",
        steps=(apdus.status_query(REQUEST),),
        apdu="Status_Or_Error_Report",
        components={
            "status_report": {
                "user_status_report": {
                    "date_requested": "20261116",
                    "author": string("Atwood, Margaret"),
                    "title": string("The Penelopiad"),
                    "date_of_last_transition": TODAY,
                    "most_recent_service": 1,
                    "date_of_most_recent_service": TODAY,
                    "initiator_of_most_recent_service": institution("ILLUME:YAZ"),
                },
                "provider_status_report": 3,
            }
        },
    ),
    Emission(
        name="status report, of a loan",
        steps=(
            primitives.Answer(result=TransactionResults.will_supply),
            SHIP,
            apdus.received(REQUEST),
            apdus.status_query(REQUEST),
        ),
        apdu="Status_Or_Error_Report",
        components={
            "status_report": {
                "user_status_report": {
                    "date_requested": "20261116",
                    "author": string("Atwood, Margaret"),
                    "title": string("The Penelopiad"),
                    "date_of_last_transition": TODAY,
                    "most_recent_service": 8,
                    "date_of_most_recent_service": TODAY,
                    "initiator_of_most_recent_service": institution("ILLUME:YAZ"),
                    "shipped_service_type": 1,
                    "transaction_results": 5,
                },
                "provider_status_report": 8,
            }
        },
    ),
)


def error(
    step: Step,
    report: Reading,
    note: str,
    *,
    about: str = "CANCEL 20261116 111500",
    beginning: Reading | None = None,
) -> Emission:
    """Give the emission of an error report: `report` is a user's or a provider's."""
    return Emission(
        name=f"error report: {note}",
        steps=(step,),
        apdu="Status_Or_Error_Report",
        components={
            "error_report": {
                "correlation_information": string(about),
                "report_source": 1 if "user_error_report" in report else 2,
                **report,
            },
            "note": string(note),
        },
        beginning=beginning or {},
    )


def provider(kind: str, value: object) -> Reading:
    """Give the reading of a provider-error-report."""
    return {"provider_error_report": {"u": {kind: value}}}


def user(kind: str, value: object) -> Reading:
    """Give the reading of a user-error-report."""
    return {"user_error_report": {"u": {kind: value}}}


CANCEL: Final = encode(apdus.cancel(REQUEST))
THE_REQUEST: Final = "ILL-REQUEST 20261116 101500"
NOT_SERVED: Final = "The library addressed is not served here"
UNHEARD_OF: Final = apdus.ill_request(transaction="unheard of")

ERRORS: Final = (
    error(
        b"\x7e" + CANCEL[1:],  # [APPLICATION 30]
        provider("general_problem", 1),
        "unrecognized-APDU",
        about="APDU 20261116 111500",
    ),
    error(
        b"\x61" + CANCEL[1:],  # an ILL-Request with the components of a CANCEL
        provider("general_problem", 2),
        "mistyped-APDU",
        about="ILL-REQUEST 20261116 111500",
    ),
    error(CANCEL[:-1], provider("general_problem", 3), "badly-structured-APDU"),
    error(
        apdus.ill_request(version=3),
        provider("general_problem", 4),
        "protocol-version-not-supported",
        about=THE_REQUEST,
    ),
    error(
        apdus.ill_request(title="Another"),
        provider("transaction_id_problem", 1),
        "duplicate-transaction-id",
        about=THE_REQUEST,
    ),
    error(
        apdus.cancel(apdus.ill_request(transaction=" ")),
        provider("transaction_id_problem", 2),
        "invalid-transaction-id",
        beginning={"transaction_id": {**TRANSACTION, "transaction_qualifier": string(" ")}},
    ),
    error(
        apdus.cancel(UNHEARD_OF),
        provider("transaction_id_problem", 3),
        "unknown-transaction-id",
        beginning={"transaction_id": {**TRANSACTION, "transaction_qualifier": string("unheard of")}},
    ),
    error(
        apdus.renew(REQUEST),
        provider("state_transition_prohibited", {"aPDU_type": 13, "current_state": 3}),
        "RENEW is not possible in state IN-PROCESS",
        about="RENEW 20261116 111500",
    ),
    error(
        apdus.cancel(apdus.ill_request(responder="ILLUME:NOWHERE")),
        user("security_problem", string(NOT_SERVED)),
        NOT_SERVED,
        beginning={"responder_id": institution("ILLUME:NOWHERE")},
    ),
    # These the gateway can say, although nothing that can happen in this version makes it.
    error(
        errors.GeneralProblem(code=errors.GeneralProblemCode.OTHER), provider("general_problem", 5), "other"
    ),
    error(
        errors.AlreadyForwarded(),
        user("already_forwarded", {"responder_id": institution("ILLUME:BEX")}),
        "already forwarded",
    ),
    *(
        error(
            errors.UnableToPerform(code=code, note=f"No, because of {code.name}"),
            user("unable_to_perform", int(code)),
            f"No, because of {code.name}",
        )
        for code in errors.UnableToPerformCode
    ),
)

EMISSIONS: Final = (*ANSWERS, *SERVICES, *STATUS, *ERRORS)


class Conversation:
    """A gateway in which one request has been received."""

    def __init__(self, site: Site) -> None:
        self._site = site
        half_id = self._receive(encode(REQUEST)).half_id
        assert half_id is not None
        self._half_id = HalfId(half_id)

    def perform(self, step: Step) -> bytes | None:
        """Let one thing happen, and give what the gateway sends because of it."""
        match step:
            case bytes():
                message_id = self._receive(step).answer
            case Apdu():
                message_id = self._receive(encode(step)).answer
            case (
                errors.GeneralProblem()
                | errors.TransactionIdProblem()
                | errors.StateTransitionProhibited()
                | errors.AlreadyForwarded()
                | errors.SecurityProblem()
                | errors.UnableToPerform()
            ):
                message_id = self._report(step)
            case _:
                message_id = self._act(step)
        if message_id is None:
            return None
        with self._site.store.reading() as uow:
            assert [row.message_id for row in uow.outbox.list(message_id=message_id)] == [message_id]
            return uow.messages.raw(message_id)

    def _receive(self, octets: bytes) -> Processed:
        arrival = Arrival(
            transport=Transport.TCP_TWO_WAY,
            listener="two-way",
            peer_address="127.0.0.1:50000",
            connection_id="c1",
        )
        with self._site.store.unit_of_work() as uow:
            message_id = self._site.gateway.receive(uow, octets, arrival)
            return self._site.gateway.process(uow, message_id)

    def _act(self, primitive: primitives.ResponderPrimitive) -> MessageId:
        with self._site.store.unit_of_work() as uow:
            return self._site.gateway.act(uow, self._half_id, primitive, actor="the test").message_id

    def _report(self, report: errors.Report) -> MessageId:
        partner = self._site.settings.partner("YAZ")
        assert partner is not None
        at = self._site.clock()
        cancel = apdus.cancel(REQUEST)
        correlation = compose.correlation_of(ApduType.CANCEL, cancel.service_date_time)
        local = self._site.settings.local[0]
        frame = compose.frame_for(
            REQUEST, local=local.symbol, partner=partner.symbols[0], at=at.astimezone(local.zone)
        )
        with self._site.store.unit_of_work() as uow:
            return enqueue(
                uow,
                compose.error_report(frame, report, correlation),
                Destination(partner=partner),
                Context(),
                retry=partner.retry,
                at=at,
            )


def emitted(emission: Emission, directory: Path) -> bytes:
    """Give the octets of the APDU as they stand in the outbox."""
    seconds = itertools.count()
    settings = Installation(directory).settings
    site = Site.create_or_open(settings, clock=lambda: NOW + dt.timedelta(seconds=next(seconds)))
    try:
        conversation = Conversation(site)
        octets = [conversation.perform(step) for step in emission.steps][-1]
    finally:
        site.close()
    assert octets is not None, f"nothing was sent for {emission.name}"
    return octets


@pytest.mark.parametrize("emission", EMISSIONS, ids=lambda emission: emission.name)
def test_libyaz_reads_what_we_send_and_reads_our_values_in_it(emission: Emission, tmp_path: Path) -> None:
    octets = emitted(emission, tmp_path)
    [reading] = read_with_libyaz([octets])
    [(apdu, components)] = reading["u"].items()
    assert apdu == emission.apdu
    sent_at = components["service_date_time"].pop("date_time_of_this_service")
    assert sent_at["date"] == TODAY
    assert sent_at["time"].startswith("1030")
    assert components == {
        "protocol_version_num": 2,
        "transaction_id": TRANSACTION,
        "service_date_time": {},
        "requester_id": institution("ILLUME:YAZ"),
        "responder_id": institution("ILLUME:BEX"),
        **emission.beginning,
        **emission.components,
    }
    # libyaz's connection layer would take three printable octets at the start for HTTP (docs/adr/0005).
    assert not all(0x20 <= octet < 0x7F for octet in octets[:3])


def test_every_service_that_can_be_asked_for_is_among_them() -> None:
    performed = {type(step) for emission in EMISSIONS for step in emission.steps}
    assert performed >= set(get_args(primitives.ResponderAnswer))


def test_every_answer_is_among_them() -> None:
    results = {step.result for one in ANSWERS for step in one.steps if isinstance(step, primitives.Answer)}
    assert results == set(TransactionResults)


def test_every_error_report_is_among_them() -> None:
    reports = [emission.components["error_report"] for emission in ERRORS]
    sent = {
        (kind, value if isinstance(value, int) else None)
        for report in reports
        for half in ("user_error_report", "provider_error_report")
        for kind, value in report.get(half, {}).get("u", {}).items()
    }
    assert sent == {
        *(("general_problem", int(code)) for code in errors.GeneralProblemCode),
        *(("transaction_id_problem", int(code)) for code in errors.TransactionIdProblemCode),
        ("state_transition_prohibited", None),
        ("already_forwarded", None),
        ("security_problem", None),
        *(("unable_to_perform", int(code)) for code in errors.UnableToPerformCode),
    }
    assert len(get_args(errors.Report)) == len({kind for kind, _ in sent})
