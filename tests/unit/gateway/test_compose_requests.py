"""ILL-REQUEST: what a new request says to whom, and what becomes of one that is forwarded or tried again."""

import datetime as dt
from dataclasses import replace
from typing import Final

import pytest

from asn1 import ill
from asn1.codec import decode, encode
from asn1.extensions import (
    APDUDeliveryInfo,
    InternalReference,
    InternalReferenceType,
    OCLCILLRequestExtension,
    OCLCILLServiceType,
    SupplementalClientInfo,
    extension_of,
    make_extension,
)
from asn1.ill import ILLRequest, ILLServiceType, SupplyMediumType
from asn1.rules import RULES, Severity, check
from asn1.schema import AnyValue, EDIFACTString, GeneralString
from config.settings import CharacterSet, Dialect
from config.symbols import Symbol
from iso_gateway import compose
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.message.identity import symbol_of, system_id_of
from iso_gateway.request.new_request import (
    Address,
    Client,
    Cost,
    ElectronicAddress,
    Item,
    NewRequest,
    SystemNumber,
)
from iso_gateway.request.primitives import Amount, PostalAddress
from tests.support import apdus
from tests.support.composed import (
    BEX,
    FRAME,
    FULL,
    NOW,
    REQUEST,
    SFU,
    TO_SFU,
    TO_UBC,
    UBC,
    forwarded,
    with_delivery_info,
)

text = GeneralString.from_text
EMMA: Final = NewRequest(item=Item(title="Emma"))
STRICT: Final = compose.Terms.between(BEX, replace(SFU, dialect=Dialect.STRICT))
LATIN: Final = replace(FRAME, encoding=CharacterSet.LATIN_1.value)


def requested(new: NewRequest, frame: compose.Frame = FRAME, terms: compose.Terms = TO_SFU) -> ILLRequest:
    """Give the ILL-REQUEST, read back from its octets."""
    request = compose.ill_request(new, frame, terms)
    assert decode(encode(request)) == request
    return request


def refused(new: NewRequest, frame: compose.Frame = FRAME) -> str:
    with pytest.raises(PrimitiveInvalidError) as caught:
        compose.ill_request(new, frame, TO_SFU)
    return str(caught.value)


def extensions(request: ILLRequest) -> list[object]:
    return [extension_of(one) for one in request.iLL_request_extensions or ()]


class TestNewRequest:
    def test_the_shortest_one_says_what_it_has_to_and_no_more(self) -> None:
        assert requested(EMMA, terms=compose.Terms()) == ILLRequest(
            **FRAME.components,
            iLL_service_type=(ILLServiceType.loan,),
            requester_optional_messages=compose.Terms().as_requester,
            item_id=ill.ItemId(title=text("Emma")),
        )

    def test_the_patron_is_not_in_it(self) -> None:
        octets = encode(requested(FULL))
        assert FULL.client is not None
        for private in (FULL.client.name, FULL.client.status, FULL.client.identifier, FULL.patron_contact):
            assert private is not None
            assert private.encode() not in octets
        assert requested(FULL).client_id is None

    def test_a_partner_that_is_told_the_client_is_not_told_how_to_reach_it(self) -> None:
        request = requested(FULL, terms=TO_UBC)
        assert request.client_id == ill.ClientId(
            client_name=text("Jane Roe"), client_status=text("graduate"), client_identifier=text("29876")
        )
        assert b"jane@roe.example" not in encode(request)

    @pytest.mark.parametrize("client", [None, Client(), Client(name=" ")])
    def test_without_a_client_there_is_nobody_to_tell_of(self, client: Client | None) -> None:
        assert requested(replace(EMMA, client=client), terms=TO_UBC).client_id is None

    def test_the_patron_is_not_in_its_repr_either(self) -> None:
        assert "Jane" not in repr(FULL)
        assert "jane" not in repr(FULL)

    @pytest.mark.parametrize(
        ("need", "expires", "expected"),
        [
            (None, None, None),
            (10, None, ill.SearchType(need_before_date="20261210")),
            (
                10,
                10,
                ill.SearchType(need_before_date="20261210", expiry_flag=ill.ExpiryFlag.need_Before_Date),
            ),
            (
                10,
                5,
                ill.SearchType(
                    need_before_date="20261210",
                    expiry_flag=ill.ExpiryFlag.other_Date,
                    expiry_date="20261205",
                ),
            ),
            (None, 5, ill.SearchType(expiry_flag=ill.ExpiryFlag.other_Date, expiry_date="20261205")),
        ],
    )
    def test_it_expires_when_it_is_to(
        self, need: int | None, expires: int | None, expected: ill.SearchType | None
    ) -> None:
        new = replace(
            EMMA,
            need_before=None if need is None else dt.date(2026, 12, need),
            expires=None if expires is None else dt.date(2026, 12, expires),
        )
        assert requested(new).search_type == expected

    def test_today_is_a_day_to_come_where_the_library_is(self) -> None:
        late = replace(FRAME, at=NOW.replace(hour=23))
        assert late.at.astimezone(dt.UTC).date() == dt.date(2026, 11, 19)
        search = requested(replace(EMMA, expires=dt.date(2026, 11, 18)), late).search_type
        assert search is not None
        assert search.expiry_date == "20261118"

    def test_a_level_of_service_alone_is_a_search_type(self) -> None:
        assert requested(replace(EMMA, level_of_service="X")).search_type == ill.SearchType(
            level_of_service=text("X")
        )

    def test_what_is_said_twice_is_sent_once(self) -> None:
        request = requested(
            replace(
                EMMA,
                services=(ILLServiceType.loan, ILLServiceType.loan),
                media=(SupplyMediumType.printed, SupplyMediumType.printed),
            )
        )
        assert request.iLL_service_type == (ILLServiceType.loan,)
        assert request.supply_medium_info_type == (
            ill.SupplyMediumInfoType(supply_medium_type=SupplyMediumType.printed),
        )

    def test_a_retry_is_marked(self) -> None:
        assert requested(EMMA).retry_flag is False
        assert requested(replace(EMMA, retry_of=17)).retry_flag is True

    def test_permission_to_forward_comes_with_where_to_answer(self) -> None:
        info = requested(replace(EMMA, may_forward=True)).third_party_info_type
        assert info == ill.ThirdPartyInfoType(
            permission_to_forward=True, initial_requester_address=TO_SFU.our_address
        )
        assert requested(EMMA).third_party_info_type is None

    def test_who_was_tried_is_told_without_permission_too(self) -> None:
        info = requested(replace(EMMA, already_tried=("ILLUME:KPU",))).third_party_info_type
        assert info == ill.ThirdPartyInfoType(already_tried_list=(system_id_of(Symbol("ILLUME", "KPU")),))

    def test_our_number_and_our_address_are_extensions(self) -> None:
        delivery, reference = extensions(requested(replace(EMMA, reference=" BEX-1 ")))
        assert delivery == TO_SFU.delivery_info
        assert reference == InternalReference(
            requester_reference=InternalReferenceType(internal_reference=text("BEX-1"))
        )
        assert all(
            not one.critical
            for one in requested(replace(EMMA, reference="BEX-1")).iLL_request_extensions or ()
        )

    def test_without_an_address_of_ours_there_is_no_delivery_info(self) -> None:
        silent = compose.Terms.between(replace(BEX, public_address=None, public_mail=None), SFU)
        assert requested(EMMA, terms=silent).iLL_request_extensions is None
        assert requested(replace(EMMA, reference=" "), terms=silent).iLL_request_extensions is None

    def test_it_is_written_in_the_partners_character_set(self) -> None:
        new = NewRequest(
            item=Item(title="Été"),
            note="Déjà vu",
            delivery=Address(
                postal=PostalAddress(name="Bibliothèque", city="Montréal"),
                electronic=ElectronicAddress(service="SMTP", address="pèb@example"),
            ),
            cost=Cost(account="à"),
            reference="é",
        )
        request = requested(new, LATIN)
        assert request.item_id.title == GeneralString(b"\xc9t\xe9")
        assert request.requester_note == GeneralString(b"D\xe9j\xe0 vu")
        octets = encode(request)
        for word in ("Été", "Déjà", "Bibliothèque", "Montréal", "pèb"):
            assert word.encode("latin-1") in octets
            assert word.encode("utf-8") not in octets


class TestRefused:
    @pytest.mark.parametrize(
        ("new", "message"),
        [
            (
                NewRequest(item=Item(author="Austen", title=" ")),
                (
                    "item says nothing that it could be found by: give title, article_title, isbn, issn,"
                    " other_numbers or system_numbers"
                ),
            ),
            (
                NewRequest(item=Item(isbn="978-1-84195-645-1")),
                (
                    "item.isbn is no ISBN: correct it (the last digit checks the others), or give it in"
                    " other_numbers"
                ),
            ),
            (
                NewRequest(item=Item(issn="1234-5678")),
                (
                    "item.issn is no ISSN: correct it (the last digit checks the others), or give it in"
                    " other_numbers"
                ),
            ),
            (replace(EMMA, services=()), "services is empty: say what would serve, as loan"),
            (
                replace(EMMA, services=(ILLServiceType.responder_specific,)),
                "'responder-specific' among services and specific_service go together: give both or neither",
            ),
            (
                replace(EMMA, specific_service=OCLCILLServiceType.directToLender),
                "'responder-specific' among services and specific_service go together: give both or neither",
            ),
            (
                replace(EMMA, send_to=("ILLUME:KPU",)),
                "send_to says to whom it may be handed on: set may_forward, or leave it out",
            ),
            (
                replace(EMMA, may_forward=True, send_in_order=True),
                "send_in_order is about the libraries of send_to: give them, or leave it out",
            ),
            (
                replace(EMMA, may_forward=True, send_to=("ILLUME:KPU",), already_tried=("ILLUME:KPU",)),
                "ILLUME:KPU is in send_to and in already_tried: leave it out of one",
            ),
            (
                replace(EMMA, may_forward=True, send_to=(" ",)),
                "' ' is no library in send_to: give a library's symbol, as ILLUME:SFU",
            ),
            (
                NewRequest(item=Item(system_numbers=(SystemNumber(system="oclc", number=" "),))),
                "item.system_numbers[0].number is blank: give the number",
            ),
            (
                NewRequest(item=Item(system_numbers=(SystemNumber(system=" ", number="1"),))),
                ("' ' is no system in item.system_numbers[0].system: give a library's symbol, as ILLUME:SFU"),
            ),
            (
                replace(EMMA, need_before=dt.date(2026, 11, 17)),
                "need_before is 2026-11-17, which is over: give a day to come",
            ),
            (
                replace(EMMA, expires=dt.date(2025, 11, 19)),
                "expires is 2025-11-19, which is over: give a day to come",
            ),
            (
                replace(EMMA, level_of_service="XX"),
                "level_of_service is longer than one character: give one letter or digit",
            ),
            (
                replace(EMMA, cost=Cost(maximum=Amount(value="much"))),
                "cost.maximum is no amount: write at most ten digits, dots, commas and blanks, as 12.50",
            ),
            (
                replace(EMMA, already_tried=("ILLUME:",)),
                "'ILLUME:' is no library in already_tried: give a library's symbol, as ILLUME:SFU",
            ),
        ],
    )
    def test_what_cannot_be_asked_is_refused_with_what_to_do(self, new: NewRequest, message: str) -> None:
        assert refused(new) == message

    @pytest.mark.parametrize(
        ("new", "key"),
        [
            (replace(EMMA, note="for 日本"), "note"),
            (replace(EMMA, transport="日"), "transport"),
            (replace(EMMA, reference="日"), "reference"),
            (replace(EMMA, copyright="日"), "copyright"),
            (NewRequest(item=Item(title="日")), "item.title"),
            (replace(EMMA, cost=Cost(account="日")), "cost.account"),
            (
                replace(EMMA, delivery=Address(postal=PostalAddress(postal_code="日"))),
                "delivery.postal.postal_code",
            ),
            (
                replace(EMMA, billing=Address(electronic=ElectronicAddress(service="SMTP", address="日"))),
                "billing.electronic.address",
            ),
        ],
    )
    def test_a_character_that_the_partner_lacks_is_told_by_its_key(self, new: NewRequest, key: str) -> None:
        assert refused(new, LATIN) == (
            f"a character of {key} cannot be written in LATIN-1, which is what this partner reads: write it"
            " otherwise"
        )

    @pytest.mark.parametrize("key", ["name", "status", "identifier"])
    def test_nothing_of_the_patron_is_in_the_error(self, key: str) -> None:
        new = replace(EMMA, client=Client(**{key: "日本"}))
        with pytest.raises(PrimitiveInvalidError) as caught:
            compose.ill_request(new, LATIN, TO_UBC)
        assert str(caught.value).startswith(f"a character of client.{key} cannot be written in LATIN-1")
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    def test_a_nul_is_told_by_its_key(self) -> None:
        assert refused(replace(EMMA, note="a\0b")).startswith("note holds a NUL")


class TestIsbn:
    @pytest.mark.parametrize(
        ("written", "terms", "isbn", "others"),
        [
            ("978-1-84195-645-9", TO_SFU, "9781841956459", "OCLC 7"),
            ("978-1-84195-645-9", STRICT, "1841956457", "9781841956459; OCLC 7"),
            ("979-10-90636-07-1", TO_SFU, "9791090636071", "OCLC 7"),
            ("979-10-90636-07-1", STRICT, None, "9791090636071; OCLC 7"),
            ("0-8044-2957-x", STRICT, "080442957X", "OCLC 7"),
            ("0-8044-2957-X", TO_SFU, "080442957X", "OCLC 7"),
            (" ", TO_SFU, None, "OCLC 7"),
        ],
    )
    def test_it_stands_where_the_partner_looks_for_it(
        self, written: str, terms: compose.Terms, isbn: str | None, others: str
    ) -> None:
        request = requested(NewRequest(item=Item(isbn=written, other_numbers="OCLC 7")), terms=terms)
        item = request.item_id
        assert (None if item.iSBN is None else item.iSBN.text) == isbn
        assert item.additional_no_letters == text(others)
        if terms is STRICT:
            assert check(request, dict.fromkeys(RULES, Severity.ERROR)) == ()

    def test_alone_it_is_enough_to_be_found_by(self) -> None:
        assert requested(NewRequest(item=Item(isbn="979-10-90636-07-1")), terms=STRICT).item_id == (
            ill.ItemId(additional_no_letters=text("9791090636071"))
        )
        assert requested(NewRequest(item=Item(issn="2434-561x"))).item_id == (
            ill.ItemId(iSSN=text("2434561X"))
        )


class TestRetry:
    AGAIN: Final = compose.opening_frame(
        compose.transaction_id_of(BEX.symbol, group="20261201", qualifier="NEXT"),
        local=BEX.symbol,
        partner=UBC.symbols[0],
        at=NOW + dt.timedelta(days=13),
    )

    def test_it_is_a_new_transaction_that_says_that_it_is_a_retry(self) -> None:
        retry = compose.as_retry(REQUEST, self.AGAIN, TO_SFU)
        assert decode(encode(retry)) == retry
        assert self.AGAIN.at.date() < dt.date(2026, 12, 10)
        assert retry == replace(REQUEST, **self.AGAIN.components, retry_flag=True)

    @pytest.mark.parametrize(
        ("search", "left"),
        [
            (None, None),
            (ill.SearchType(need_before_date="20261130"), None),
            (
                ill.SearchType(need_before_date="20261130", level_of_service=text("A")),
                ill.SearchType(level_of_service=text("A")),
            ),
            (ill.SearchType(need_before_date="20261130", expiry_flag=ill.ExpiryFlag.need_Before_Date), None),
            (
                ill.SearchType(need_before_date="20261201", expiry_flag=ill.ExpiryFlag.need_Before_Date),
                ill.SearchType(need_before_date="20261201", expiry_flag=ill.ExpiryFlag.need_Before_Date),
            ),
            (
                ill.SearchType(
                    need_before_date="20261220",
                    expiry_flag=ill.ExpiryFlag.other_Date,
                    expiry_date="20261130",
                ),
                ill.SearchType(need_before_date="20261220"),
            ),
            (
                ill.SearchType(
                    need_before_date="20261130",
                    expiry_flag=ill.ExpiryFlag.other_Date,
                    expiry_date="20261210",
                ),
                ill.SearchType(expiry_flag=ill.ExpiryFlag.other_Date, expiry_date="20261210"),
            ),
        ],
    )
    def test_days_that_are_over_are_left_out(
        self, search: ill.SearchType | None, left: ill.SearchType | None
    ) -> None:
        retry = compose.as_retry(replace(REQUEST, search_type=search), self.AGAIN, TO_SFU)
        assert retry.search_type == left

    def test_another_partner_is_told_how_it_is_reached_itself(self) -> None:
        delivery, reference = extensions(compose.as_retry(REQUEST, self.AGAIN, TO_UBC))
        assert delivery == TO_UBC.delivery_info
        assert isinstance(reference, InternalReference)

    def test_it_is_no_forwarding_though_what_it_tries_again_was(self) -> None:
        retry = compose.as_retry(forwarded(), self.AGAIN, TO_SFU)
        assert (retry.forward_flag, retry.forward_note) == (False, None)

    def test_a_partner_that_is_not_told_the_client_does_not_hear_of_it(self) -> None:
        told = compose.ill_request(FULL, FRAME, TO_UBC)
        assert told.client_id is not None
        assert compose.as_retry(told, self.AGAIN, TO_SFU).client_id is None
        assert compose.as_retry(told, self.AGAIN, TO_UBC).client_id == told.client_id

    def test_it_is_written_in_the_new_partners_character_set(self) -> None:
        latin = compose.as_retry(REQUEST, replace(self.AGAIN, encoding="latin-1"), TO_UBC)
        assert latin.item_id.title_of_article == GeneralString("On été and hiver".encode("latin-1"))
        back = compose.as_retry(latin, self.AGAIN, TO_UBC, read_as="latin-1")
        assert back == compose.as_retry(REQUEST, self.AGAIN, TO_UBC)


class TestForwarded:
    def test_it_is_the_requesters_own_marked_as_forwarded(self) -> None:
        onward = forwarded()
        assert decode(encode(onward)) == onward
        assert onward.transaction_id == REQUEST.transaction_id
        assert symbol_of(onward.requester_id) == BEX.symbol
        assert symbol_of(onward.responder_id) == UBC.symbols[0]
        assert (onward.forward_flag, onward.forward_note) == (True, text("We own it not"))
        assert onward.item_id == REQUEST.item_id
        assert onward.requester_note == REQUEST.requester_note

    def test_it_says_where_to_answer_and_who_was_tried(self) -> None:
        info = forwarded().third_party_info_type
        assert info is not None
        assert info.initial_requester_address == TO_SFU.our_address
        assert [str(symbol_of(one)) for one in info.already_tried_list or ()] == [
            "ILLUME:KPU",
            "RRU",
            "ILLUME:SFU",
        ]
        assert info.permission_to_forward

    def test_the_requesters_address_is_what_it_says_in_its_delivery_info(self) -> None:
        told = with_delivery_info(apdus.ill_request(forwardable=True), "bex.example:4990")
        info = forwarded(told).third_party_info_type
        assert info is not None
        assert info.initial_requester_address is not None
        assert info.initial_requester_address.telecom_service_address == text("bex.example:4990")

    def test_the_requesters_address_is_ours_for_it_where_it_says_none(self) -> None:
        onward = forwarded(apdus.ill_request())
        assert onward.third_party_info_type is not None
        address = ill.SystemAddress(telecom_service_address=text("bex.example:1611"))
        assert onward.third_party_info_type.initial_requester_address == address
        [delivery] = extensions(onward)
        assert isinstance(delivery, APDUDeliveryInfo)
        assert delivery.sender_info[0].transport == address
        assert delivery.recipient_info == TO_UBC.theirs

    def test_its_delivery_info_goes_on_being_the_requesters(self) -> None:
        delivery, reference = extensions(forwarded())
        assert isinstance(delivery, APDUDeliveryInfo)
        assert delivery.sender_info == TO_SFU.ours
        assert delivery.recipient_info == TO_UBC.theirs
        assert isinstance(reference, InternalReference)

    def test_to_a_library_without_an_address_it_goes_without_delivery_info(self) -> None:
        onward = compose.forwarded_request(
            REQUEST,
            FRAME.to(UBC.symbols[0], encoding="utf-8"),
            compose.Terms(),
            intermediary=SFU.symbols[0],
            requester_address=ill.SystemAddress(),
        )
        assert not any(isinstance(one, APDUDeliveryInfo) for one in extensions(onward))

    def test_those_still_to_be_asked_are_those_who_were_not(self) -> None:
        listed = tuple(
            ill.SendToItem(system_id=system_id_of(Symbol("ILLUME", symbol)))
            for symbol in ("SFU", "UBC", "TRU", "KPU")
        )
        info = ill.ThirdPartyInfoType(
            permission_to_forward=True,
            send_to_list=listed,
            already_tried_list=(system_id_of(Symbol("ILLUME", "KPU")),),
        )
        onward = forwarded(replace(REQUEST, third_party_info_type=info)).third_party_info_type
        assert onward is not None
        assert onward.send_to_list == (listed[2],)
        only = replace(info, send_to_list=listed[:2])
        onward = forwarded(replace(REQUEST, third_party_info_type=only)).third_party_info_type
        assert onward is not None
        assert onward.send_to_list is None
        assert check(forwarded(replace(REQUEST, third_party_info_type=info))) == ()

    def test_nothing_about_the_patron_goes_on_unless_the_new_library_is_told(self) -> None:
        supplemental = SupplementalClientInfo(())
        oclc = OCLCILLRequestExtension(clientDepartment=text("History"), volume=text("12"))
        unknown = ill.Extension(identifier=7, item=AnyValue(b"\x05\x00"))
        request = replace(
            REQUEST,
            client_id=ill.ClientId(client_name=text("Jane Roe")),
            iLL_request_extensions=(
                make_extension(supplemental),
                make_extension(oclc, identifier=3),
                make_extension(OCLCILLRequestExtension(volume=text("9"))),
                unknown,
            ),
        )
        kept = self.onward(request, TO_SFU)
        assert kept.client_id is None
        assert extensions(kept)[1:3] == [
            OCLCILLRequestExtension(volume=text("12")),
            OCLCILLRequestExtension(volume=text("9")),
        ]
        assert (kept.iLL_request_extensions or ())[1].identifier == 3
        assert (kept.iLL_request_extensions or ())[3] == unknown
        told = self.onward(request, TO_UBC)
        assert told.client_id == request.client_id
        assert (told.iLL_request_extensions or ())[1:] == request.iLL_request_extensions

    def test_a_request_with_nothing_but_the_patron_in_its_extensions_has_none_left(self) -> None:
        request = replace(REQUEST, iLL_request_extensions=(make_extension(SupplementalClientInfo(())),))
        kept = self.onward(request, replace(TO_SFU, theirs=()))
        assert kept.iLL_request_extensions is None

    def test_it_is_written_in_the_new_librarys_character_set(self) -> None:
        frame = FRAME.to(UBC.symbols[0], encoding="latin-1")
        address = ill.SystemAddress()
        onward = compose.forwarded_request(
            REQUEST, frame, TO_UBC, intermediary=SFU.symbols[0], requester_address=address, note="é"
        )
        assert onward.item_id.title_of_article == GeneralString("On été and hiver".encode("latin-1"))
        assert onward.forward_note == GeneralString(b"\xe9")
        assert onward.transaction_id == REQUEST.transaction_id

    def test_what_the_new_library_cannot_read_is_refused_without_saying_what_it_is(self) -> None:
        request = replace(REQUEST, requester_note=text("日本"))
        frame = FRAME.to(UBC.symbols[0], encoding="latin-1")
        with pytest.raises(PrimitiveInvalidError, match="a character of requester-note cannot be written"):
            compose.forwarded_request(
                request,
                frame,
                TO_UBC,
                intermediary=SFU.symbols[0],
                requester_address=ill.SystemAddress(),
            )

    def test_what_was_not_in_its_writers_character_set_stays_as_it_came(self) -> None:
        broken = GeneralString(b"\xff\xfe")
        edifact = EDIFACTString(b"E")
        request = replace(REQUEST, item_id=ill.ItemId(title=broken, author=edifact, call_number=text("é")))
        frame = FRAME.to(UBC.symbols[0], encoding="latin-1")
        onward = compose.forwarded_request(
            request, frame, TO_UBC, intermediary=SFU.symbols[0], requester_address=ill.SystemAddress()
        )
        assert onward.item_id == ill.ItemId(title=broken, author=edifact, call_number=GeneralString(b"\xe9"))

    def test_the_requester_hears_who_has_it_now_and_from_whom(self) -> None:
        told = compose.forward_notification(
            FRAME, to=UBC.symbols[0], address=TO_UBC.their_address, note="We own it not"
        )
        assert decode(encode(told)) == told
        assert told == ill.ForwardNotification(
            protocol_version_num=2,
            transaction_id=REQUEST.transaction_id,
            service_date_time=FRAME.service_date_time,
            requester_id=FRAME.requester_id,
            responder_id=system_id_of(UBC.symbols[0]),
            responder_address=TO_UBC.theirs[0].transport,
            intermediary_id=system_id_of(SFU.symbols[0]),
            notification_note=text("We own it not"),
        )
        bare = compose.forward_notification(replace(FRAME, responder_id=None), to=UBC.symbols[0])
        assert (bare.responder_address, bare.intermediary_id) == (None, ill.SystemId())

    def onward(self, request: ILLRequest, terms: compose.Terms) -> ILLRequest:
        return compose.forwarded_request(
            request,
            FRAME.to(UBC.symbols[0], encoding="utf-8"),
            terms,
            intermediary=SFU.symbols[0],
            requester_address=ill.SystemAddress(),
        )
