"""libyaz reads everything that can be composed, in both roles, and reads our values in it.

The values are held to our own reading of the APDU, which goes by no schema; the request that says all there
is to say is written out by hand as well.
"""

from typing import Final

import pytest

from asn1.codec import encode
from asn1.ill import ILLApdu, ILLRequest
from iso_gateway.half.sending import unlike_http
from tests.support.composed import APDUS
from tests.support.corpus import Reading
from tests.support.yaz import read_with_libyaz
from tests.support.yaz_reading import reading_of

pytestmark = pytest.mark.yaz


@pytest.fixture(scope="module")
def readings() -> dict[str, Reading]:
    """What libyaz reads in the octets that would be sent."""
    octets = [unlike_http(encode(apdu)) for apdu in APDUS.values()]
    return dict(zip(APDUS, read_with_libyaz(octets), strict=True))


@pytest.mark.parametrize("name", APDUS)
def test_libyaz_reads_it_as_we_meant_it(readings: dict[str, Reading], name: str) -> None:
    apdu: ILLApdu = APDUS[name]
    assert readings[name] == reading_of(apdu)


def string(value: str) -> Reading:
    """Give the reading of an ILL-String: a character for each octet of its UTF-8."""
    return {"u": {"GeneralString": value.encode("utf-8").decode("latin-1")}}


def institution(symbol: str) -> Reading:
    """Give the reading of a System-Id."""
    return {"person_or_institution_symbol": {"u": {"institution_symbol": string(symbol)}}}


def named(name: str) -> Reading:
    """Give the reading of a Name-Of-Person-Or-Institution."""
    return {"u": {"name_of_institution": string(name)}}


def hexadecimal(*parts: str | bytes) -> Reading:
    """Give the reading of a value that libyaz does not look into, written in hexadecimal and in letters."""
    digits = (part.hex() if isinstance(part, bytes) else part.replace(" ", "") for part in parts)
    return {"any": "".join(digits)}


FULL: Final[Reading] = {
    "protocol_version_num": 2,
    "transaction_id": {
        "initial_requester_id": institution("ILLUME:BEX"),
        "transaction_group_qualifier": string("20261118"),
        "transaction_qualifier": string("7F3K9Q"),
    },
    "service_date_time": {"date_time_of_this_service": {"date": "20261118", "time": "103000"}},
    "requester_id": institution("ILLUME:BEX"),
    "responder_id": institution("ILLUME:SFU"),
    "transaction_type": 1,
    "delivery_address": {
        "postal_address": {
            "name_of_person_or_institution": named("Bowen Example Library"),
            "extended_postal_delivery_address": string("Interlibrary Loans"),
            "street_and_number": string("1 Trunk Road"),
            "post_office_box": string("PO Box 7"),
            "city": string("Bowen Example"),
            "region": string("BC"),
            "country": string("Canada"),
            "postal_code": string("V0N 1G0"),
        },
        "electronic_address": {
            "telecom_service_identifier": string("SMTP"),
            "telecom_service_address": string("ill@bex.example"),
        },
    },
    "delivery_service": {"u": {"physical_delivery": string("courier")}},
    "billing_address": {
        "postal_address": {
            "name_of_person_or_institution": named("Accounts"),
            "city": string("Bowen Example"),
        }
    },
    "iLL_service_type": [2, 1, 5],
    "responder_specific_service": {
        "direct_reference": "1.0.10161.4.1000.2.1",
        "single_ASN1_type": {"any": "3003800102"},
    },
    "requester_optional_messages": {
        "can_send_RECEIVED": True,
        "can_send_RETURNED": True,
        "requester_SHIPPED": 2,
        "requester_CHECKED_IN": 2,
    },
    "search_type": {
        "level_of_service": string("A"),
        "need_before_date": "20261220",
        "expiry_flag": 2,
        "expiry_date": "20261210",
    },
    "supply_medium_info_type": [{"supply_medium_type": 6}, {"supply_medium_type": 2}],
    "place_on_hold": 1,
    "item_id": {
        "item_type": 2,
        "held_medium_type": 1,
        "call_number": string("QA 1 .J8"),
        "author": string("Doe, J."),
        "title": string("Journal of Examples"),
        "sub_title": string("Series B"),
        "sponsoring_body": string("Society of Examples"),
        "place_of_publication": string("Victoria"),
        "publisher": string("Example Press"),
        "series_title_number": string("Examples 4"),
        "volume_issue": string("12(3)"),
        "edition": string("2nd"),
        "publication_date": string("2019"),
        "publication_date_of_component": string("March 2019"),
        "author_of_article": string("Roe, R."),
        "title_of_article": string("On été and hiver"),
        "pagination": string("101-119"),
        "iSBN": string("9781841956459"),
        "iSSN": string("12345679"),
        "system_no": {
            "direct_reference": "1.0.10161.6.1",
            # oCLC (4) in WorldCat, and a system that has a symbol only.
            "single_ASN1_type": hexadecimal(
                "3036",
                *("301c a103 0a0104 a30a 1b08", b"WorldCat", "a409 1b07", b"1234567"),
                *("3016 a20e 300c a00a a108 1b06", b"AMICUS", "a404 1b02", b"42"),
            ),
        },
        "additional_no_letters": string("OCLC 1234567"),
        "verification_reference_source": string("AMICUS"),
    },
    "cost_info_type": {
        "account_number": string("A-77"),
        "maximum_cost": {"currency_code": "CAD", "monetary_value": "15.00"},
        "reciprocal_agreement": True,
        "will_pay_fee": True,
        "payment_provided": True,
    },
    "copyright_compliance": string("CA:fair-dealing"),
    "third_party_info_type": {
        "permission_to_forward": True,
        "permission_to_chain": False,
        "permission_to_partition": False,
        "permission_to_change_send_to_list": False,
        "initial_requester_address": {
            "telecom_service_identifier": string("TCP"),
            "telecom_service_address": string("ill.bex.example:1611"),
        },
        "preference": 1,
        "send_to_list": {
            "elements": [{"system_id": institution("ILLUME:UBC")}, {"system_id": institution("ILLUME:TRU")}]
        },
        "already_tried_list": {"elements": [institution("ILLUME:KPU"), institution("RRU")]},
    },
    "retry_flag": False,
    "forward_flag": False,
    "requester_note": string("Colour, please"),
}


def test_libyaz_reads_everything_that_a_request_can_say(readings: dict[str, Reading]) -> None:
    [(apdu, components)] = readings["a full request"]["u"].items()
    assert apdu == "illRequest"
    extensions = components.pop("iLL_request_extensions")
    assert [extension["identifier"] for extension in extensions] == [1, 1]
    assert components == FULL


def test_libyaz_reads_what_is_damaged_and_what_a_responder_says_of_its_own(
    readings: dict[str, Reading],
) -> None:
    apdus = [reading["u"] for reading in readings.values()]
    damaged = [
        one["Damaged"]["damaged_details"] for one in apdus if "damaged_details" in one.get("Damaged", {})
    ]
    assert damaged == [
        {"u": {"complete_document": None}},
        {"u": {"specific_units": {"elements": [1, 3]}}},
    ]
    results = [
        one["illAnswer"]["responder_specific_results"]
        for one in apdus
        if "responder_specific_results" in one.get("illAnswer", {})
    ]
    # review (1); noTitle (27), and reasonOther (2) with its text.
    said = hexadecimal("301c 800101 a117 3003 80011b 3010 800102 a10b 1b09", b"As agreed")
    assert results == [{"direct_reference": "1.0.10161.8.1000.2.1", "single_ASN1_type": said}]


def test_libyaz_reads_the_client_where_the_partner_is_told_it(readings: dict[str, Reading]) -> None:
    told = readings["a full request with its client"]["u"]["illRequest"]
    assert told["client_id"] == {
        "client_name": string("Jane Roe"),
        "client_status": string("graduate"),
        "client_identifier": string("29876"),
    }


def test_every_apdu_that_a_gateway_can_send_is_among_them() -> None:
    assert {type(apdu).asn1_name for apdu in APDUS.values()} >= {
        *("ILL-Request", "Forward-Notification", "Shipped", "ILL-Answer", "Conditional-Reply", "Cancel"),
        *("Cancel-Reply", "Received", "Recall", "Returned", "Checked-In", "Overdue", "Renew"),
        *("Renew-Answer", "Lost", "Damaged", "Message", "Status-Query", "Status-Or-Error-Report", "Expired"),
    }
    assert sum(isinstance(apdu, ILLRequest) for apdu in APDUS.values()) >= 6
