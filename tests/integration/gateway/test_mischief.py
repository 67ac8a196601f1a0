"""What partners and the ways between us can do to a conversation, and what it must not do to the request."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from asn1 import ill
from asn1.ill import ILLApdu, ILLServiceType
from config.symbols import Symbol
from iso_gateway import compose
from iso_gateway.errors import PrimitiveInvalidError, PrimitiveRefusedError
from iso_gateway.half.movement import ends_of
from iso_gateway.half.record import original_request
from iso_gateway.message.identity import system_id_of
from iso_gateway.reception import Processed, Verdict
from iso_gateway.request import primitives
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.store.records import HalfId
from tests.support import apdus
from tests.support.apdus import LATER, system_id
from tests.support.gateway import AT_SFU, AT_UBC, AT_YAZ, Desk
from tests.support.libraries import ADDRESSES, BOOK, Libraries, assert_replayable

FROM_SFU = apdus.ill_request(requester="ILLUME:SFU")
FORWARDABLE = replace(BOOK, may_forward=True)
HOUR = timedelta(hours=1)
DUE = date(2026, 12, 24)


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Libraries]:
    """BEX, which asks, SFU, which forwards, and UBC, which lends."""
    with Libraries.open(tmp_path, "BEX", "SFU", "UBC") as libraries:
        yield libraries


def lent(desk: Desk) -> HalfId:
    """Give a loan to SFU."""
    return desk.begin(FROM_SFU, peer=AT_SFU, then=(primitives.Ship(),))


def from_lender(libraries: Libraries, name: str, apdu_type: type[ILLApdu], **components: Any) -> ILLApdu:
    """Give an APDU about BEX's first request from a library that may not be its partner."""
    desk = libraries.desks["BEX"]
    with desk.reading() as uow:
        request = original_request(uow, ends_of(desk.site.settings, uow, HalfId(1)).half)
    begins: compose.Components = compose.frame_for(
        request,
        local=Symbol.parse("ILLUME:BEX"),
        partner=Symbol.parse(f"ILLUME:{name}"),
        at=libraries.clock.now,
    ).components
    ends = {"requester_id": system_id("ILLUME:BEX"), "responder_id": system_id(f"ILLUME:{name}")}
    mine: dict[str, Any] = {**begins, **ends}
    return apdu_type(**{**mine, **components})


def shipped_by(libraries: Libraries, name: str) -> ILLApdu:
    """Give a SHIPPED of a library."""
    return from_lender(
        libraries,
        name,
        ill.Shipped,
        shipped_service_type=ILLServiceType.loan,
        supply_details=ill.SupplyDetails(),
    )


def notified(libraries: Libraries, sender: str, to: str, *, desk: Desk | None = None) -> Processed:
    """Let a library tell BEX, at another desk than its own if there is one, that it handed the request on."""
    apdu = from_lender(
        libraries,
        sender,
        ill.ForwardNotification,
        responder_id=system_id(f"ILLUME:{to}"),
        intermediary_id=system_id(f"ILLUME:{sender}"),
    )
    return (desk or libraries.desks["BEX"]).receive(apdu, peer=ADDRESSES[sender], two_way=False)


class TestRepeats:
    """Each renewal asks once, however often and in whatever order it comes (protocol.md 2.2)."""

    def renewals(self, desk: Desk, half: HalfId) -> int:
        """How often a RENEW has moved the loan."""
        return sum(one.state_after == "RENEW/PENDING" != one.state_before for one in desk.inputs(half))

    def test_a_second_repeat_of_what_was_lost_asks_nothing_again(self, desk: Desk) -> None:
        half = lent(desk)
        lost = apdus.renew(FROM_SFU)
        first = desk.receive(apdus.repeat_of(lost, at=LATER + HOUR), peer=AT_SFU)
        assert first.verdict is Verdict.APPLIED
        desk.act(half, primitives.RenewAnswer(answer=True, date_due=DUE))
        second = desk.receive(apdus.repeat_of(lost, at=LATER + 2 * HOUR), peer=AT_SFU)
        assert (second.verdict, desk.half(half).state) == (Verdict.REPEATED, "SHIPPED")
        assert self.renewals(desk, half) == 1
        assert_replayable(desk)

    def test_nor_does_the_repeat_of_a_repeat(self, desk: Desk) -> None:
        half = lent(desk)
        first = apdus.repeat_of(apdus.renew(FROM_SFU), at=LATER + HOUR)
        desk.receive(first, peer=AT_SFU)
        desk.act(half, primitives.RenewAnswer(answer=True, date_due=DUE))
        # It names the repeat as its original, and not what that repeats.
        second = desk.receive(apdus.repeat_of(first, at=LATER + 2 * HOUR), peer=AT_SFU)
        assert (second.verdict, self.renewals(desk, half)) == (Verdict.REPEATED, 1)

    @pytest.mark.parametrize("two_way", [True, False])
    def test_nor_does_an_original_that_its_repeat_has_overtaken(self, desk: Desk, *, two_way: bool) -> None:
        half = lent(desk)
        late = apdus.renew(FROM_SFU)
        desk.receive(apdus.repeat_of(late, at=LATER + HOUR), peer=AT_SFU, two_way=two_way)
        desk.act(half, primitives.RenewAnswer(answer=True, date_due=DUE))
        came = desk.receive(late, peer=AT_SFU, two_way=two_way)
        assert (came.verdict, desk.half(half).state) == (Verdict.REPEATED, "SHIPPED")
        assert self.renewals(desk, half) == 1
        assert_replayable(desk)

    def test_one_that_comes_while_the_renewal_is_unanswered_is_not_kept_for_later(self, desk: Desk) -> None:
        half = lent(desk)
        late = apdus.renew(FROM_SFU)
        desk.receive(apdus.repeat_of(late, at=LATER + HOUR), peer=AT_SFU, two_way=False)
        assert desk.receive(late, peer=AT_SFU, two_way=False).verdict is Verdict.REPEATED
        desk.act(half, primitives.RenewAnswer(answer=True, date_due=DUE))
        assert (desk.half(half).state, self.renewals(desk, half)) == ("SHIPPED", 1)

    def test_a_request_that_its_repeat_has_overtaken_is_no_second_one(self, desk: Desk) -> None:
        half = desk.begin(apdus.repeat_of(FROM_SFU), peer=AT_SFU)
        came = desk.receive(FROM_SFU, peer=AT_SFU, two_way=False)
        assert (came.verdict, came.half_id) == (Verdict.REPEATED, half)
        assert desk.outgoing() == []

    def test_another_request_with_its_number_is(self, desk: Desk) -> None:
        desk.begin(apdus.repeat_of(FROM_SFU), peer=AT_SFU)
        other = apdus.ill_request(requester="ILLUME:SFU", title="Another book")
        assert desk.receive(other, peer=AT_SFU).verdict is Verdict.DUPLICATE_TRANSACTION_ID

    def test_a_second_renewal_of_a_day_without_times_is_no_late_first(self, desk: Desk) -> None:
        half = lent(desk)
        lost = timeless(apdus.renew(FROM_SFU))
        desk.receive(timeless(apdus.repeat_of(lost, at=LATER + HOUR)), peer=AT_SFU)
        desk.act(half, primitives.RenewAnswer(answer=True, date_due=DUE))
        # Nothing tells it from the first, or the first from it: whoever asks again is heard.
        assert desk.receive(lost, peer=AT_SFU).verdict is Verdict.APPLIED
        assert self.renewals(desk, half) == 2

    def test_one_that_was_taken_for_a_repeat_stands_in_for_nothing(self, desk: Desk) -> None:
        half = lent(desk)
        desk.receive(apdus.renew(FROM_SFU), peer=AT_SFU)
        # The second renewal is late, and its repeat comes while the first is unanswered: that does nothing.
        second = apdus.renew(FROM_SFU, at=LATER + HOUR)
        early = desk.receive(apdus.repeat_of(second, at=LATER + 2 * HOUR), peer=AT_SFU)
        assert early.verdict is Verdict.REPEATED
        desk.act(half, primitives.RenewAnswer(answer=True, date_due=DUE))
        assert desk.receive(second, peer=AT_SFU).verdict is Verdict.APPLIED
        assert self.renewals(desk, half) == 2

    def test_a_held_message_and_its_repeat_are_one(self, desk: Desk) -> None:
        cancel = apdus.cancel(FROM_SFU)
        for one in (apdus.repeat_of(cancel, at=LATER + HOUR), cancel):
            assert desk.receive(one, peer=AT_SFU, two_way=False).verdict is Verdict.HELD
        half = desk.begin(FROM_SFU, peer=AT_SFU)
        assert [(one.service, one.verdict) for one in desk.inputs(half)] == [
            ("ILL", "applied"),
            ("CAN", "applied"),
            ("CAN", "repeated"),
        ]
        desk.act(half, primitives.CancelReply(answer=False))
        assert desk.half(half).state == "IN-PROCESS"
        desk.clock.advance(minutes=11)
        desk.tick()
        assert desk.half(half).state == "IN-PROCESS"
        assert_replayable(desk)


def timeless(apdu: ILLApdu) -> ILLApdu:
    """Give an APDU that says the days of its services only."""
    when = apdu.service_date_time
    original = when.date_time_of_original_service
    return replace(
        apdu,
        service_date_time=ill.ServiceDateTime(
            date_time_of_this_service=replace(when.date_time_of_this_service, time=None),
            date_time_of_original_service=None if original is None else replace(original, time=None),
        ),
    )


class TestNumbers:
    def test_two_libraries_may_give_the_same_number(self, desk: Desk) -> None:
        requests = [apdus.ill_request(requester=f"ILLUME:{name}") for name in ("YAZ", "SFU", "UBC")]
        came = [
            desk.receive(request, peer=peer)
            for request, peer in zip(requests, (AT_YAZ, AT_SFU, AT_UBC), strict=True)
        ]
        assert [one.verdict for one in came] == [Verdict.APPLIED] * 3
        desk.receive(apdus.cancel(requests[1]), peer=AT_SFU)
        assert [desk.half(one.half_id).state for one in came] == [
            "IN-PROCESS",
            "CANCEL-PENDING",
            "IN-PROCESS",
        ]

    def test_our_own_number_may_be_theirs_too(self, desk: Desk) -> None:
        ours = desk.request()
        number = replace(ours.apdu.transaction_id, initial_requester_id=system_id("ILLUME:SFU"))
        theirs = desk.receive(replace(FROM_SFU, transaction_id=number), peer=AT_SFU)
        assert theirs.verdict is Verdict.APPLIED
        assert theirs.half_id != ours.half_id
        assert desk.half(ours.half_id).state == "PENDING"

    @pytest.mark.parametrize("blank", [None, ill.SystemId()])
    def test_a_lender_that_leaves_us_out_means_our_request(
        self, desk: Desk, blank: ill.SystemId | None
    ) -> None:
        asked = desk.request(NewRequest(item=Item(title="A book")))
        number = replace(asked.apdu.transaction_id, initial_requester_id=None)
        beginning: compose.Components = compose.Components(
            protocol_version_num=2,
            transaction_id=number,
            service_date_time=apdus.service_date_time(LATER),
            requester_id=blank,
            responder_id=system_id("ILLUME:SFU"),
        )
        said = desk.receive(ill.Message(**beginning, note=apdus.text("We look for it")), peer=AT_SFU)
        assert (said.verdict, said.half_id) == (Verdict.APPLIED, asked.half_id)
        shipped = ill.Shipped(
            **beginning, shipped_service_type=ILLServiceType.loan, supply_details=ill.SupplyDetails()
        )
        desk.receive(shipped, peer=AT_SFU)
        assert desk.half(asked.half_id).state == "SHIPPED"

    def test_two_of_our_own_libraries_do_not_write_to_each_other(self, desk: Desk) -> None:
        settings = desk.site.settings
        [bex] = settings.local
        other = replace(bex, name="BVI", symbol=Symbol.parse("ILLUME:BVI"), aliases=())
        with desk.under(replace(settings, local=(bex, other))) as both:
            echo = apdus.ill_request(requester="ILLUME:BVI", responder="ILLUME:BEX")
            assert both.receive(echo, peer=AT_SFU, two_way=False).verdict is Verdict.UNKNOWN_SENDER
            assert both.receive(apdus.message(echo), peer=AT_SFU, two_way=False).verdict is (
                Verdict.UNKNOWN_SENDER
            )
            assert both.outgoing() == []

    def test_nor_can_anybody_send_us_our_own_request(self, desk: Desk) -> None:
        asked = desk.request()
        assert desk.receive(asked.apdu, peer=AT_SFU).verdict is Verdict.UNKNOWN_RECIPIENT
        turned = replace(asked.apdu, responder_id=system_id_of(Symbol("ILLUME", "BEX")))
        assert desk.receive(turned, peer=AT_SFU).verdict is Verdict.UNKNOWN_SENDER
        assert desk.half(asked.half_id).state == "PENDING"


class TestForwardedInCircles:
    def forwarded(self, three: Libraries) -> None:
        """BEX's request is with UBC, which got it from SFU."""
        three.request("BEX", "SFU", FORWARDABLE)
        three.act("SFU", primitives.Forward(to="UBC"))

    def test_it_is_not_handed_back_to_a_library_that_handed_it_on(self, three: Libraries) -> None:
        self.forwarded(three)
        with pytest.raises(PrimitiveInvalidError, match="SFU was tried already"):
            three.act("UBC", primitives.Forward(to="SFU"))
        assert three.states() == ("PENDING", "FORWARD", "IN-PROCESS")

    def test_nor_to_one_that_the_requester_has_tried(self, three: Libraries) -> None:
        three.request("BEX", "SFU", replace(FORWARDABLE, already_tried=("ILLUME:UBC",)))
        with pytest.raises(PrimitiveInvalidError, match="UBC was tried already"):
            three.act("SFU", primitives.Forward(to="UBC"))

    def test_nor_to_one_that_the_requester_does_not_name(self, three: Libraries) -> None:
        three.request("BEX", "SFU", replace(FORWARDABLE, send_to=("ILLUME:KPU", "ILLUME:RRU")))
        with pytest.raises(PrimitiveInvalidError, match="UBC is not among them"):
            three.act("SFU", primitives.Forward(to="UBC"))
        assert three.desks["SFU"].half(1).state == "IN-PROCESS"

    def test_one_that_it_names_is_left_out_of_what_remains(self, three: Libraries) -> None:
        three.request("BEX", "SFU", replace(FORWARDABLE, send_to=("ILLUME:UBC", "ILLUME:RRU")))
        three.act("SFU", primitives.Forward(to="UBC"), carried=False)
        onward = three.take("SFU")[0].apdu
        assert isinstance(onward, ill.ILLRequest)
        assert onward.third_party_info_type is not None
        left = onward.third_party_info_type.send_to_list
        assert left == (ill.SendToItem(system_id=system_id("ILLUME:RRU")),)

    def test_where_the_list_may_be_changed_it_may_go_to_any(self, desk: Desk) -> None:
        info = ill.ThirdPartyInfoType(
            permission_to_forward=True,
            permission_to_change_send_to_list=True,
            send_to_list=(ill.SendToItem(system_id=system_id("ILLUME:KPU")),),
        )
        half = desk.begin(replace(FROM_SFU, third_party_info_type=info), peer=AT_SFU)
        assert desk.act(half, primitives.Forward(to="UBC")).state == "FORWARD"

    def test_one_that_handed_it_on_takes_it_no_second_time(self, three: Libraries) -> None:
        self.forwarded(three)
        desk = three.desks["SFU"]
        with desk.reading() as uow:
            request = original_request(uow, uow.halves.get(HalfId(1)))
        tried = ill.ThirdPartyInfoType(already_tried_list=(system_id("ILLUME:UBC"),))
        back = replace(
            request,
            forward_flag=True,
            third_party_info_type=tried,
            service_date_time=apdus.service_date_time(LATER),
        )
        assert desk.receive(back, peer=ADDRESSES["UBC"]).verdict is Verdict.DUPLICATE_TRANSACTION_ID
        assert desk.half(1).state == "FORWARD"

    def test_where_others_do_a_person_is_told_and_the_request_is_with_it_again(
        self, three: Libraries
    ) -> None:
        self.forwarded(three)
        assert notified(three, "UBC", "SFU").verdict is Verdict.APPLIED
        bex = three.desks["BEX"].half(1)
        assert (bex.partner, bex.former_partners) == ("SFU", ("UBC",))
        assert three.attention("BEX") == [
            "the request was forwarded back to SFU, which had forwarded it: ask it whether it lends the item"
        ]
        assert three.desks["BEX"].receive(shipped_by(three, "SFU"), peer=ADDRESSES["SFU"]).verdict is (
            Verdict.APPLIED
        )

    def test_the_one_that_has_it_may_name_itself(self, three: Libraries) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        assert notified(three, "SFU", "SFU").verdict is Verdict.APPLIED
        bex = three.desks["BEX"].half(1)
        assert (bex.partner, bex.former_partners) == ("SFU", ())

    def test_it_is_not_forwarded_to_ourselves(self, three: Libraries) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        assert notified(three, "SFU", "BEX").verdict is Verdict.APPLIED
        assert (three.desks["BEX"].half(1).partner, three.desks["BEX"].half(1).state) == ("SFU", "PENDING")
        [why] = three.attention("BEX")
        assert str(why).startswith("the request was forwarded to a library of ours")

    def test_what_the_old_responder_got_is_not_repeated_to_the_new_one(self, three: Libraries) -> None:
        self.forwarded(three)
        with pytest.raises(PrimitiveRefusedError, match="nothing that was sent about request 1"):
            three.desks["BEX"].repeat(HalfId(1))
        three.act("BEX", primitives.SendMessage(note="Have you got it?"))
        three.clock.advance(minutes=1)
        repeated = three.desks["BEX"].repeat(HalfId(1))
        assert (repeated.partner, repeated.apdu.responder_id) == ("UBC", system_id("ILLUME:UBC"))


class TestNewResponders:
    def test_whoever_only_asks_does_not_get_the_request_by_it(self, three: Libraries) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        desk = three.desks["BEX"]
        for apdu in (
            from_lender(three, "UBC", ill.StatusQuery),
            from_lender(three, "UBC", ill.Message, note=apdus.text("Is it yours?")),
        ):
            assert desk.receive(apdu, peer=ADDRESSES["UBC"]).verdict is Verdict.APPLIED
        assert desk.half(1).partner == "SFU"
        assert desk.receive(shipped_by(three, "SFU"), peer=ADDRESSES["SFU"]).verdict is Verdict.APPLIED

    def test_one_that_becomes_a_partner_later_is_heard_then(self, three: Libraries) -> None:
        three.request("BEX", "SFU")
        desk = three.desks["BEX"]
        settings = desk.site.settings
        without = tuple(one for one in settings.partners if one.name != "UBC")
        with desk.under(replace(settings, partners=without)) as before:
            assert notified(three, "SFU", "UBC", desk=before).verdict is Verdict.APPLIED
            shipped = shipped_by(three, "UBC")
            assert before.receive(shipped, peer=ADDRESSES["UBC"], two_way=False).verdict is (
                Verdict.UNKNOWN_SENDER
            )
        assert desk.receive(shipped, peer=ADDRESSES["UBC"], two_way=False).verdict is Verdict.APPLIED
        half = desk.half(1)
        assert (half.state, half.partner, half.former_partners) == ("SHIPPED", "UBC", ("SFU",))


class TestUnexpectedItems:
    """An item is under way, whoever was to send it."""

    @pytest.mark.parametrize("also", [False, True])
    def test_from_a_library_that_has_forwarded_the_request(self, three: Libraries, *, also: bool) -> None:
        three.request("BEX", "SFU", FORWARDABLE)
        shipped = shipped_by(three, "SFU")
        three.act("SFU", primitives.Forward(to="UBC"))
        if also:
            three.act("UBC", primitives.Ship())
        refused = three.desks["BEX"].receive(shipped, peer=ADDRESSES["SFU"], two_way=False)
        assert refused.verdict is Verdict.NOT_THE_PARTNER
        assert three.attention("BEX") == ["SFU says SHIPPED, but the request is with UBC: ask both"]
        assert three.states()[0] == ("SHIPPED" if also else "PENDING")

    def test_from_one_that_was_never_asked(self, three: Libraries) -> None:
        three.request("BEX", "SFU")
        shipped = shipped_by(three, "UBC")
        refused = three.desks["BEX"].receive(shipped, peer=ADDRESSES["UBC"], two_way=False)
        assert refused.verdict is Verdict.NOT_THE_PARTNER
        assert three.attention("BEX") == ["UBC says SHIPPED, but the request is with SFU: ask both"]
        assert three.desks["BEX"].half(1).state == "PENDING"
