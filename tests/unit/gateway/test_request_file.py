"""The request file: what it says is read, all that is wrong is told, and nothing that it says is repeated."""

import datetime as dt
import json
from dataclasses import fields, is_dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given

from asn1.ill import ILLServiceType, ItemType, PlaceOnHoldType, SupplyMediumType
from config.errors import ConfigErrors
from iso_gateway.request import request_file
from iso_gateway.request.new_request import Address, Client, Cost, ElectronicAddress, Item, NewRequest
from iso_gateway.request.primitives import Amount, PostalAddress
from tests.support.primitive_strategies import new_requests

ROOT: Final = Path(__file__).resolve().parents[3]
TOML: Final = Path("request.toml")
JSON: Final = Path("request.json")


def parsed(text: str, source: Path = TOML) -> NewRequest:
    return request_file.parse(text.encode(), source)


def mistakes(text: str | bytes, source: Path = TOML) -> list[str]:
    """Give what is told of a file, without its name."""
    with pytest.raises(ConfigErrors) as caught:
        request_file.parse(text if isinstance(text, bytes) else text.encode(), source)
    assert all(error.file == source for error in caught.value.errors)
    return [str(error).removeprefix(f"{source}: ") for error in caught.value.errors]


def test_everything_that_a_request_can_say() -> None:
    text = """
        services = ["copy-non-returnable", "loan"]
        need_before = 2026-12-20
        expires = "2026-12-10"
        level_of_service = "A"
        media = ["machine-readable"]
        hold = "no"
        transport = "courier"
        copyright = "CA:fair-dealing"
        may_forward = true
        already_tried = ["ILLUME:KPU", "RRU"]
        reference = "BEX-7"
        note = "two\\nlines"
        retry_of = 17
        patron_contact = "jane@roe.example"
        [item]
        item_type = "serial"
        title = " Journal "
        isbn = "978-1-84195-645-9"
        issn = "1234-5679"
        [delivery.postal]
        name = "Library"
        [delivery.electronic]
        service = "SMTP"
        address = "ill@bex.example"
        [billing.postal]
        city = "Bowen"
        [cost]
        account = "A-7"
        reciprocal = true
        [cost.maximum]
        value = "15.00"
        currency = "CAD"
        [client]
        name = "Jane Roe"
    """
    assert parsed(text) == NewRequest(
        item=Item(item_type=ItemType.serial, title="Journal", isbn="978-1-84195-645-9", issn="1234-5679"),
        services=(ILLServiceType.copy_non_returnable, ILLServiceType.loan),
        need_before=dt.date(2026, 12, 20),
        expires=dt.date(2026, 12, 10),
        level_of_service="A",
        media=(SupplyMediumType.machine_readable,),
        hold=PlaceOnHoldType.no,
        delivery=Address(
            postal=PostalAddress(name="Library"),
            electronic=ElectronicAddress(service="SMTP", address="ill@bex.example"),
        ),
        transport="courier",
        billing=Address(postal=PostalAddress(city="Bowen")),
        cost=Cost(account="A-7", maximum=Amount(value="15.00", currency="CAD"), reciprocal=True),
        copyright="CA:fair-dealing",
        may_forward=True,
        already_tried=("ILLUME:KPU", "RRU"),
        reference="BEX-7",
        note="two\nlines",
        retry_of=17,
        client=Client(name="Jane Roe"),
        patron_contact="jane@roe.example",
    )


def test_what_is_left_out_has_its_default() -> None:
    assert parsed('item = { title = "Emma" }') == NewRequest(item=Item(title="Emma"))
    assert parsed('{"item": {"title": "Emma"}}', JSON) == NewRequest(item=Item(title="Emma"))


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert request_file.parse(b'\xef\xbb\xbfitem = { title = "Emma" }', Path("A.TOML")).item.title == "Emma"


def plain(value: object) -> Any:
    """Give a value as a request file has it."""
    match value:
        case IntEnum():
            return value.name.replace("_", "-")
        case dt.date():
            return value.isoformat()
        case tuple():
            return [plain(one) for one in value]
        case _ if is_dataclass(value):
            members = {one.name: getattr(value, one.name) for one in fields(value)}
            return {name: plain(member) for name, member in members.items() if member is not None}
        case _:
            return value


def stripped(value: object) -> Any:
    """Give what is left of a value in a request file without the blanks around its texts."""
    match value:
        case str():
            return value.strip()
        case list():
            return [stripped(one) for one in value]
        case dict():
            return {key: stripped(one) for key, one in value.items()}
        case _:
            return value


@given(new_requests)
def test_every_request_can_be_written_as_a_file_and_read_again(new: NewRequest) -> None:
    written = plain(new)
    read = request_file.parse(json.dumps(written).encode(), JSON)
    assert plain(read) == stripped(written)


@pytest.mark.parametrize("name", ["request-loan.toml", "request-copy.toml"])
def test_the_examples_can_be_used_as_they_are(name: str) -> None:
    new = request_file.read(ROOT / "examples" / name)
    assert new.item.title


@pytest.mark.parametrize("name", ["request-loan.toml", "request-copy.toml"])
def test_what_is_commented_out_in_the_examples_can_be_used(name: str) -> None:
    text = (ROOT / "examples" / name).read_text()
    lines = [
        line[2:] if line.startswith(("# need_before =", "# expires =")) else line for line in text.split("\n")
    ]
    assert parsed("\n".join(lines)).item.title


MANY_MISTAKES: Final = """
    services = ["loan", "responder specific", 3]
    media = []
    need_before = 2026-11-18T10:00:00
    expires = "2026-02-30"
    level_of_service = "AB"
    hold = "maybe"
    may_forward = "Jane Roe"
    already_tried = ["ILLUME:"]
    reference = " "
    note = "a\\u0000b"
    retry_of = 0
    patron_contact = 17
    client = "Jane Roe"
    copyright = "Jane\\nRoe"
    transport = 2026-01-01
    Jane = 1
    "Jane Roe" = 1
    [item]
    item_type = "book"
    titel = "Jane Roe"
    isbn = "Jane Roe"
    issn = "1234-5678"
    [delivery]
    postal = 7
    [delivery.electronic]
    service = "SMTP"
    [cost]
    paid = 1
    [cost.maximum]
    value = 12.5
    currency = "dollars"
"""

SERVICES: Final = "one of 'loan', 'copy-non-returnable', 'locations', 'estimate', 'responder-specific'"
A_DAY: Final = "a day, as '2026-12-01'"


class TestMistakes:
    def test_all_are_told_with_key_and_what_was_expected(self) -> None:
        told = {one.partition(": ")[0]: one.partition(": ")[2] for one in mistakes(MANY_MISTAKES)}
        keys = ", ".join(repr(one.name) for one in fields(NewRequest))
        names = "it is none of the names that the standard has; expected "
        cannot = "what is written cannot stand here; expected "
        assert told == {
            "item.item_type": names + "one of 'monograph', 'serial', 'other'",
            "item.titel": "unknown key; expected 'title'",
            "item.isbn": "it is no ISBN, or its last digit, which checks the others, is wrong; expected an"
            " ISBN, as '978-1-84195-645-9'; what is none stands in other_numbers",
            "item.issn": "it is no ISSN, or its last digit, which checks the others, is wrong; expected an"
            " ISSN, as '1234-5679'; what is none stands in other_numbers",
            "services[1]": names + SERVICES,
            "services[2]": names + SERVICES,
            "need_before": f"it has a time of day; expected {A_DAY}",
            "expires": f"there is no such day; expected {A_DAY}",
            "level_of_service": "it is not one character; expected one letter or digit",
            "hold": names + "one of 'yes', 'no', 'according-to-responder-policy'",
            "may_forward": cannot + "true or false",
            "already_tried[0]": "it lacks the symbol or the authority, or holds a control character; expected"
            " a library's symbol, as 'ILLUME:SFU' or a bare 'SFU'",
            "reference": "it is blank or holds a control character; expected one line of text",
            "note": "it is blank or holds a control character; expected a text that is not blank",
            "retry_of": cannot + "the number of a request, as `requests list` shows it",
            "patron_contact": cannot + "a text that is not blank",
            "client": cannot + "a table",
            "copyright": "it is blank or holds a control character; expected one line of text",
            "transport": cannot + "one line of text",
            "delivery.postal": cannot + "a table",
            "delivery.electronic.address": "is missing; expected one line of text",
            "cost.paid": cannot + "true or false",
            "cost.maximum.value": cannot
            + "an amount in quotation marks, as '12.50': at most ten digits, dots, commas and blanks",
            "cost.maximum.currency": "it is no currency; expected a currency of three capital letters, as"
            " 'CAD'",
            "Jane": f"unknown key; expected one of {keys}",
            # A key that is no word could be anything, so it is not repeated either.
            "unknown key; expected one of " + keys: "",
        }

    def test_nothing_that_stands_there_is_repeated(self) -> None:
        assert "Jane Roe" not in "\n".join(mistakes(MANY_MISTAKES))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "services = []\nitem = { title = 'x' }",
                f"services: is empty; expected a list, each item {SERVICES}, at least one",
            ),
            (
                f"media = {['printed'] * 8}\nitem = {{ title = 'x' }}",
                (
                    "media: is too long; expected a list, each item one of 'printed', 'photocopy',"
                    " 'microform', 'film-or-video-recording', 'audio-recording', 'machine-readable',"
                    " 'other', at most 7"
                ),
            ),
            ("", "item: is missing; expected a table"),
            (
                "item = { author = 'Austen' }",
                (
                    "item: says nothing that it could be found by; expected title, article_title, isbn,"
                    " issn, other_numbers or system_numbers"
                ),
            ),
            (
                "need_before = 20261118\nitem = { title = 'x' }",
                f"need_before: it is no day; expected {A_DAY}",
            ),
            (
                "cost = { maximum = { value = ' . ' } }\nitem = { title = 'x' }",
                (
                    "cost.maximum.value: it is no amount; expected an amount in quotation marks, as '12.50':"
                    " at most ten digits, dots, commas and blanks"
                ),
            ),
        ],
    )
    def test_one_mistake(self, text: str, message: str) -> None:
        assert mistakes(text) == [message]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("item = Jane", "is not TOML at line 1, column 8"),
            ("item = 'Jane", "is not TOML at end of document"),
            ('note = """Jane', "is not TOML at end of document"),
            ("note = 1\nnote = 2\n", "is not TOML at line 2, column 9"),
            ("a = " + "[" * 5000, "is not TOML"),
        ],
    )
    def test_what_is_no_toml_is_told_by_its_place_alone(self, text: str, message: str) -> None:
        assert mistakes(text) == [f"{message}; expected a TOML file (https://toml.io)"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"item": Jane}', "is not JSON at line 1, column 10"),
            ('{"item": {"title": "Jane", "title": "Roe"}}', "has a key twice in one object"),
            ('["Jane"]', "is no object"),
            ("[" * 100_000, "is not JSON that can be read"),
            ("9" * 5000, "is not JSON that can be read"),
        ],
    )
    def test_what_is_no_json_object_is_told_by_its_place_alone(self, text: str, message: str) -> None:
        assert mistakes(text, JSON) == [f"{message}; expected a JSON object (RFC 8259)"]

    def test_what_is_not_utf_8_is_told_by_its_place(self) -> None:
        assert mistakes(b"note = '\xe9'") == ["is not UTF-8 at octet 8; expected a file in UTF-8"]

    def test_the_name_says_what_it_is(self) -> None:
        assert mistakes("", Path("request.txt")) == [
            "is neither TOML nor JSON by its name; expected a name that ends in .toml or .json"
        ]


class TestFile:
    def test_it_is_read_from_where_it_is(self, tmp_path: Path) -> None:
        path = tmp_path / "request.json"
        path.write_text('{"item": {"title": "Emma"}}')
        assert request_file.read(path).item.title == "Emma"

    def test_one_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigErrors, match="cannot be read: No such file or directory; expected a file"):
            request_file.read(tmp_path / "request.toml")

    def test_one_that_is_too_long_is_not_read_to_its_end(self, tmp_path: Path) -> None:
        path = tmp_path / "request.toml"
        path.write_bytes(b"#" * (request_file.MAX_OCTETS + 5))
        with pytest.raises(ConfigErrors, match="is too long; expected at most 1048576 octets"):
            request_file.read(path)
