"""What a simulated partner says, and what it does wrong when it is told to."""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any, Final

from asn1 import ill
from asn1.codec import decode, encode
from asn1.ill import ILLApdu, ILLRequest, StatusOrErrorReport
from asn1.schema import Unlisted
from config.settings import (
    ApduName,
    Capabilities,
    CharacterSet,
    Partner,
    TableProfile,
    TcpTransport,
    TransactionResults,
)
from config.symbols import Symbol
from iso_gateway import compose
from iso_gateway.half.interpretation import service_of
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import Role, State
from iso_gateway.request import primitives
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.simulation import scenario
from iso_gateway.simulation.scenario import Arrival, Order, Scenario, Way
from iso_gateway.simulation.script import Conversation, Fate, Happening, Script, Sending, Taken
from tests.support import apdus
from tests.support.apdus import LATER

NOW: Final = dt.datetime(2026, 11, 16, 18, 0, tzinfo=dt.UTC)
SFU: Final = Partner(
    name="SFU",
    symbols=(Symbol.parse("ILLUME:SFU"),),
    aliases=(Symbol.parse("SFU"),),
    transport=TcpTransport(host="127.0.0.1", port=1611),
    tables=TableProfile.LENIENT,
    time_zone="Etc/GMT+8",
)
BEX: Final = "ILLUME:BEX"


def read(*rules: dict[str, Any], **keys: Any) -> Scenario:
    """Give a scenario of these rules."""
    return scenario.read({"description": "A test", "rules": list(rules), **keys}, Path("test.toml"))


def rule(on: str, *then: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """Give one rule."""
    return {"on": on, "then": list(then), **keys}


class Play:
    """A script, and everything it said."""

    def __init__(self, *rules: dict[str, Any], profile: Partner = SFU, **keys: Any) -> None:
        self.happenings: list[Happening] = []
        self.script = Script(
            profile, read(*rules, **keys), new_qualifier=lambda: "1", observer=self.happenings.append
        )

    def receive(self, apdu: ILLApdu) -> Taken:
        """Let an APDU come in, and do nothing more."""
        return self.script.receive(encode(apdu), NOW)

    def answer(self, apdu: ILLApdu) -> list[Sending]:
        """Let an APDU come in, and give all that goes out."""
        taken = self.receive(apdu)
        out = list(taken.at_once)
        for step in taken.steps:
            assert taken.conversation is not None
            out += self.script.step(taken.conversation, step, NOW)
        if taken.conversation is not None:
            out += self.script.end(taken.conversation)
        return out

    def services(self, apdu: ILLApdu) -> list[Service | None]:
        """Let an APDU come in, and give the services that go out."""
        return [service_of(decode(sending.octets)) for sending in self.answer(apdu)]

    @property
    def conversation(self) -> Conversation:
        """The only request."""
        [one] = self.script.conversations
        return one

    @property
    def fates(self) -> list[Fate]:
        """What became of everything so far."""
        return [one.fate for one in self.happenings]


def request(**keys: Any) -> ILLRequest:
    """Give a request of ours to SFU."""
    return apdus.ill_request(requester=BEX, responder="ILLUME:SFU", **keys)


SHIP: Final = {"send": "SHIPPED", "fields": {"date_due": "+21d"}}
WILL_SUPPLY: Final = {"send": "ILL-ANSWER will-supply"}
LOST: Final = {"reason": "lost"}
QUICK: Final = rule("ILL-REQUEST", WILL_SUPPLY, SHIP)


def test_a_lender_follows_the_rule_and_the_protocol() -> None:
    play = Play(QUICK, rule("RETURNED", {"send": "CHECKED-IN"}))
    asked = request()
    answer, shipped = (decode(sending.octets) for sending in play.answer(asked))
    assert isinstance(answer, ill.ILLAnswer)
    assert isinstance(shipped, ill.Shipped)
    assert shipped.transaction_id == asked.transaction_id
    assert shipped.supply_details.date_due == ill.DateDue(date_due_field="20261207", renewable=True)
    assert play.conversation.state is State.SHIPPED
    assert play.conversation.role is Role.RESPONDER
    assert play.services(apdus.returned(asked)) == [Service.CHK]
    assert play.conversation.ended


def test_a_copy_is_never_due() -> None:
    asked = request()
    for wanted, due in (
        ((ill.ILLServiceType.copy_non_returnable,), False),
        ((ill.ILLServiceType.locations, ill.ILLServiceType.copy_non_returnable), False),
        ((ill.ILLServiceType.loan, ill.ILLServiceType.copy_non_returnable), True),
    ):
        _, shipped = (
            decode(sending.octets)
            for sending in Play(QUICK).answer(dataclasses.replace(asked, iLL_service_type=wanted))
        )
        assert isinstance(shipped, ill.Shipped)
        assert (shipped.supply_details.date_due is not None) is due
    lent = {"send": "SHIPPED", "fields": {"date_due": "+21d", "service_type": "loan"}}
    copy = dataclasses.replace(asked, iLL_service_type=(ill.ILLServiceType.copy_non_returnable,))
    [sending] = Play(rule("ILL-REQUEST", lent)).answer(copy)
    shipped = decode(sending.octets)
    assert isinstance(shipped, ill.Shipped)
    assert shipped.supply_details.date_due is not None


def test_no_two_services_have_the_same_date_time() -> None:
    play = Play(QUICK)
    times = [
        decode(sending.octets).service_date_time.date_time_of_this_service
        for sending in play.answer(request())
    ]
    assert [one.time for one in times] == ["100000", "100001"]
    assert {one.date for one in times} == {"20261116"}


def test_what_is_not_known_is_reported() -> None:
    play = Play(QUICK)
    [sending] = play.answer(apdus.cancel(request()))
    report = decode(sending.octets)
    assert isinstance(report, StatusOrErrorReport)
    assert report.error_report is not None
    provider = report.error_report.provider_error_report
    assert provider is not None
    assert provider.chosen[1] is ill.TransactionIdProblem.unknown_transaction_id
    assert play.script.conversations == ()


def test_a_status_query_is_answered_with_the_state() -> None:
    play = Play(QUICK)
    play.answer(request())
    [sending] = play.answer(apdus.status_query(request()))
    report = decode(sending.octets)
    assert isinstance(report, StatusOrErrorReport)
    assert report.status_report is not None
    assert report.status_report.provider_status_report is ill.CurrentState.sHIPPED


def test_without_reports_nothing_goes_back() -> None:
    play = Play(QUICK, reports=False)
    play.answer(request())
    assert play.answer(apdus.status_query(request())) == []
    assert play.answer(apdus.status_query(request(transaction="other"))) == []


def test_software_that_cannot_report_does_not() -> None:
    sends = frozenset(ApduName) - {ApduName.STATUS_OR_ERROR_REPORT}
    mute = Partner(
        name="M", symbols=SFU.symbols, transport=SFU.transport, capabilities=Capabilities(sends=sends)
    )
    play = Play(QUICK, profile=mute)
    assert play.answer(apdus.status_query(request())) == []


def test_an_exact_copy_changes_nothing() -> None:
    play = Play(QUICK)
    assert len(play.answer(request())) == 2
    assert play.answer(request()) == []
    assert play.fates[-1] is Fate.IGNORED
    assert play.conversation.state is State.SHIPPED


def test_what_the_software_cannot_say_is_left_out() -> None:
    results = frozenset(TransactionResults) - {TransactionResults.WILL_SUPPLY}
    relais = Partner(
        name="R",
        symbols=SFU.symbols,
        transport=SFU.transport,
        capabilities=Capabilities(sends_results=results),
    )
    play = Play(QUICK, profile=relais)
    assert play.services(request()) == [Service.SHI]
    assert play.fates == [Fate.RECEIVED, Fate.LEFT_OUT, Fate.SENT]
    assert "R's software does not send it" in play.happenings[1].note
    forced = Play(rule("ILL-REQUEST", {**WILL_SUPPLY, "force": True}), profile=relais)
    assert forced.services(request()) == [Service.ANS_WS]


def test_what_the_protocol_does_not_allow_is_left_out_unless_forced() -> None:
    play = Play(rule("ILL-REQUEST", {"send": "CHECKED-IN"}))
    assert play.answer(request()) == []
    assert play.happenings[-1].note == "CHECKED-IN is not possible in IN-PROCESS"
    forced = Play(rule("ILL-REQUEST", {"send": "CHECKED-IN", "force": True}))
    assert forced.services(request()) == [Service.CHK]
    assert forced.conversation.state is State.IN_PROCESS


def test_expiry_and_status_reports_can_be_sent() -> None:
    play = Play(rule("ILL-REQUEST", {"send": "STATUS-OR-ERROR-REPORT"}, {"send": "EXPIRED"}))
    assert play.services(request()) == [Service.STR, Service.EXP]
    assert play.conversation.state is State.NOT_SUPPLIED


def test_ways_of_sending() -> None:
    for way, services in {
        Way.LOST: [],
        Way.ONCE: [Service.SHI],
        Way.TWICE: [Service.SHI, Service.SHI],
        Way.REPEATED: [Service.SHI, Service.SHI],
        Way.CUT: [Service.SHI],
        Way.RESET: [Service.SHI],
        Way.SWAPPED: [Service.SHI],
    }.items():
        play = Play(rule("ILL-REQUEST", {**SHIP, "way": way.value}))
        sendings = play.answer(request())
        assert [service_of(decode(one.octets)) for one in sendings] == services, way
        assert play.conversation.state is State.SHIPPED, way
        assert all(one.way is (way if way in {Way.CUT, Way.RESET} else Way.ONCE) for one in sendings)


def test_twice_is_the_same_octets_and_repeated_is_marked() -> None:
    first, second = Play(rule("ILL-REQUEST", SHIP), way="twice").answer(request())
    assert first.octets == second.octets
    first, second = Play(rule("ILL-REQUEST", SHIP), way="repeated").answer(request())
    original, repeat = decode(first.octets), decode(second.octets)
    this = original.service_date_time.date_time_of_this_service
    named = repeat.service_date_time.date_time_of_original_service
    assert named is not None
    assert (named.date, named.time) == (this.date, this.time)
    assert repeat.service_date_time.date_time_of_this_service.time == "100001"


def test_swapped_goes_out_after_the_next() -> None:
    play = Play(rule("ILL-REQUEST", {**WILL_SUPPLY, "way": "swapped"}, SHIP))
    assert play.services(request()) == [Service.SHI, Service.ANS_WS]


def test_a_repeat_and_a_copy_are_of_what_was_sent() -> None:
    play = Play(
        rule("ILL-REQUEST", {"repeat": "SHIPPED"}, {**SHIP, "way": "lost"}),
        rule("STATUS-QUERY", {"repeat": "SHIPPED"}, {"copy": "SHIPPED"}),
    )
    assert play.answer(request()) == []
    assert play.happenings[1].note == "no SHIPPED was sent before"
    report, repeat, copy = (decode(one.octets) for one in play.answer(apdus.status_query(request())))
    assert isinstance(report, StatusOrErrorReport)
    assert repeat.service_date_time.date_time_of_original_service is not None
    assert copy == repeat


def test_a_lost_service_counts_once_however_often_it_is_repeated() -> None:
    play = Play(QUICK, rule("RENEW", {"send": "RENEW-ANSWER answer FALSE"}))
    asked = request()
    play.answer(asked)
    lost = apdus.renew(asked)
    repeat, again, another = (
        apdus.repeat_of(lost, at=LATER + dt.timedelta(minutes=minutes)) for minutes in (1, 2, 3)
    )
    assert play.services(repeat) == [Service.REA_NO]
    assert play.services(again) == play.services(another) == []
    assert play.services(lost) == [], "what its repeat has overtaken"
    assert play.conversation.state is State.SHIPPED
    assert play.services(apdus.renew(asked, at=LATER + dt.timedelta(hours=1))) == [Service.REA_NO]


def test_rules_are_chosen_by_state_time_role_and_title() -> None:
    play = Play(
        rule("ILL-REQUEST", SHIP, about="Penelopiad"),
        rule("ILL-REQUEST", {"send": "ILL-ANSWER unfilled", "fields": {"reason": "in-use-on-loan"}}),
        rule("MESSAGE", {"send": "RECALL"}, role="requester"),
        rule("MESSAGE", {"send": "RECALL"}, state="IN-PROCESS"),
        rule("MESSAGE", {"send": "MESSAGE", "fields": {"note": "first"}}, time=1),
        rule("MESSAGE", {"send": "MESSAGE", "fields": {"note": "second"}}, time=2),
    )
    assert play.services(request(title="The Penelopiad")) == [Service.SHI]
    assert play.services(request(title="Oryx", transaction="2")) == [Service.ANS_UN]
    notes = []
    for hour in range(3):
        at = apdus.LATER + dt.timedelta(hours=hour)
        notes += [decode(one.octets) for one in play.answer(apdus.message(request(), at=at))]
    assert [note.note.text for note in notes if isinstance(note, ill.Message)] == ["first", "second"]


def test_arrivals() -> None:
    for arrival in (Arrival.LOST, Arrival.REFUSED):
        play = Play(rule("ILL-REQUEST", SHIP, arrival=arrival.value, time=1), QUICK)
        taken = play.receive(request())
        assert (taken.arrival, taken.steps) == (arrival, ())
        assert play.conversation.state is State.IDLE
        assert play.services(request()) == [Service.ANS_WS, Service.SHI], "the second time it is seen"
    broken = Play(rule("ILL-REQUEST", SHIP, arrival="broken"))
    taken = broken.receive(request())
    assert taken.arrival is Arrival.BROKEN
    assert broken.conversation.state is State.IN_PROCESS
    assert len(taken.steps) == 1


def test_what_is_done_before_crosses_what_came_in() -> None:
    play = Play(
        rule("CANCEL", {"send": "CANCEL-REPLY answer FALSE"}, before=[SHIP]),
    )
    play.answer(request())
    assert play.services(apdus.cancel(request())) == [Service.SHI, Service.CAR_NO]
    assert [(one.service, one.before, one.after) for one in play.happenings[1:]] == [
        (Service.SHI, State.IN_PROCESS, State.SHIPPED),
        (Service.CAN, State.SHIPPED, State.SHIPPED),
        (Service.CAR_NO, State.SHIPPED, State.SHIPPED),
    ]


def test_octets_that_are_nothing_are_noted() -> None:
    play = Play(QUICK)
    assert play.script.receive(b"\x30\x00", NOW) == Taken()
    assert play.fates == [Fate.UNREADABLE]


def test_a_repeat_that_the_protocol_does_not_allow_is_left_out_unless_forced() -> None:
    rules = (
        rule("ILL-REQUEST", SHIP),
        rule("RETURNED", {"send": "CHECKED-IN"}, {"repeat": "SHIPPED"}, {"repeat": "SHIPPED", "force": True}),
    )
    play = Play(*rules)
    play.answer(request())
    assert play.services(apdus.returned(request())) == [Service.CHK, Service.SHI]
    assert play.fates[-2:] == [Fate.LEFT_OUT, Fate.SENT]


def test_an_answer_of_no_known_kind_is_noted() -> None:
    play = Play(QUICK)
    [answer, _] = play.answer(request())
    odd = decode(answer.octets)
    assert isinstance(odd, ill.ILLAnswer)
    taken = play.receive(dataclasses.replace(odd, transaction_results=Unlisted(99)))
    assert taken == Taken()
    assert play.happenings[-1].note == "an answer of no known kind"


def test_fields_of_every_kind() -> None:
    fields = {
        "date_shipped": dt.date(2026, 11, 20),
        "service_type": "loan",
        "renewable": False,
        "chargeable_units": 3,
        "cost": {"value": "12.50", "currency": "CAD"},
        "units": [{"medium": "printed", "units": 2}],
        "return_to": {"name": "SFU Library", "city": "Burnaby"},
        "note": "In two parcels",
    }
    [sending] = Play(rule("ILL-REQUEST", {"send": "SHIPPED", "fields": fields})).answer(request())
    shipped = decode(sending.octets)
    assert isinstance(shipped, ill.Shipped)
    details = shipped.supply_details
    assert details.date_shipped == "20261120"
    assert details.chargeable_units == 3
    assert details.cost is not None
    assert details.cost.monetary_value == "12.50"
    [units] = details.no_of_units_per_medium or ()
    assert (units.medium, units.no_of_units) == (ill.SupplyMediumType.printed, 2)


UBC: Final = dataclasses.replace(
    SFU, name="UBC", symbols=(Symbol.parse("ILLUME:UBC"),), aliases=(Symbol.parse("UBC"),)
)
ONWARD: Final = {"send": "FORWARD-NOTIFICATION", "fields": {"to": "UBC", "note": "They have it"}}


class TestForwarding:
    def played(self, *rules: dict[str, Any]) -> Play:
        play = Play(*rules)
        play.script.others = {"UBC": UBC}
        return play

    def test_a_lender_hands_the_request_on_and_tells_the_borrower(self) -> None:
        play = self.played(rule("ILL-REQUEST", ONWARD))
        asked = request(forwardable=True)
        onward, notification = play.answer(asked)
        assert (onward.to, notification.to) == (UBC.symbols[0], Symbol.parse(BEX))
        handed_on, told = decode(onward.octets), decode(notification.octets)
        assert isinstance(handed_on, ILLRequest)
        assert isinstance(told, ill.ForwardNotification)
        assert handed_on.forward_flag
        assert (handed_on.transaction_id, handed_on.responder_id) == (
            asked.transaction_id,
            apdus.system_id("ILLUME:UBC"),
        )
        assert told.responder_id == handed_on.responder_id
        assert play.conversation.state is State.FORWARD

    def test_what_comes_afterwards_is_answered_by_whom_it_went_to(self) -> None:
        play = self.played(rule("ILL-REQUEST", ONWARD))
        asked = request(forwardable=True)
        play.answer(asked)
        [report] = play.answer(apdus.cancel(asked))
        said = decode(report.octets)
        assert isinstance(said, StatusOrErrorReport)
        assert said.error_report is not None
        assert said.error_report.user_error_report == ill.UserErrorReport(
            already_forwarded=ill.AlreadyForwarded(responder_id=apdus.system_id("ILLUME:UBC"))
        )

    def test_the_notification_can_be_lost_and_repeated(self) -> None:
        play = self.played(rule("ILL-REQUEST", {**ONWARD, "way": "lost"}, {"repeat": "FORWARD-NOTIFICATION"}))
        assert play.services(request(forwardable=True)) == [Service.ILL, Service.FWN]

    def test_a_request_that_does_not_permit_it_is_not_handed_on(self) -> None:
        play = self.played(rule("ILL-REQUEST", ONWARD, {"send": "ILL-ANSWER unfilled", "fields": LOST}))
        assert play.services(request()) == [Service.ANS_UN]
        assert play.fates == [Fate.RECEIVED, Fate.LEFT_OUT, Fate.SENT]

    def test_nor_is_one_to_a_library_that_is_not_played(self) -> None:
        play = Play(rule("ILL-REQUEST", ONWARD))
        assert play.answer(request(forwardable=True)) == []
        assert play.happenings[-1].note == "no library 'UBC' is known to forward to; there are: none"
        assert play.conversation.state is State.IN_PROCESS

    def test_nor_is_one_that_cannot_be_written_for_its_reader(self) -> None:
        play = self.played(rule("ILL-REQUEST", {**ONWARD, "fields": {"to": "UBC", "note": "\u0141"}}))
        latin = dataclasses.replace(UBC, character_set=CharacterSet.LATIN_1)
        play.script.others = {"UBC": latin}
        assert play.answer(request(forwardable=True)) == []
        assert "cannot be written in LATIN-1" in play.happenings[-1].note

    def test_a_borrower_talks_to_the_library_that_has_its_request(self) -> None:
        borrower = Play(rule("SHIPPED", {"send": "RECEIVED"}), profile=dataclasses.replace(UBC, name="BOR"))
        order = Order(request=NewRequest(item=Item(title="A book"), may_forward=True))
        asked, _ = borrower.script.begin(order, Symbol.parse(BEX), NOW)
        frame = compose.frame_for(asked.request, local=Symbol.parse(BEX), partner=UBC.symbols[0], at=NOW)
        borrower.answer(compose.forward_notification(frame, to=SFU.symbols[0]))
        assert asked.them == SFU.symbols[0]
        shipped = compose.apdu_for(
            primitives.Ship(), asked.request, frame.to(Symbol.parse("ILLUME:KPU"), encoding="utf-8")
        )
        [received] = borrower.answer(shipped)
        assert received.to == asked.them == Symbol.parse("ILLUME:KPU")
        assert decode(received.octets).responder_id == apdus.system_id("ILLUME:KPU")
