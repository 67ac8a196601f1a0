"""`iso-gateway messages`, `waiting` and `events`, over a real store."""

from dataclasses import replace
from pathlib import Path

import pytest

from asn1.codec import encode
from asn1.errors import WireError
from asn1.extensions import (
    ClientInfoContent,
    ClientInfoData,
    ClientInfoType,
    StandardClientInfoType,
    SupplementalClientInfo,
    make_extension,
)
from asn1.schema import GeneralString
from iso_gateway.cli.gateway import events
from iso_gateway.request import primitives
from tests.support import apdus
from tests.support.site import Installation
from tests.unit.cli.conftest import Command

HOSTILE = "\x1b]0;owned\x07[red]x[/red]\r\n\u202e"


class TestList:
    def test_messages_are_listed_newest_first_with_what_became_of_them(
        self, place: Installation, command: Command
    ) -> None:
        place.receive(apdus.ill_request())
        place.deliver_all()
        place.receive(b"GET / HTTP/1.1\r\n\r\n")
        ship = place.act(1, primitives.Ship())
        place.fail(ship.message_id, "nobody there")
        rows = command.json("messages", "list")
        ids = [row["id"] for row in rows]
        assert ids == sorted(ids, reverse=True)
        by_id = {row["id"]: row for row in rows}
        assert by_id[1] == {
            "id": 1,
            "direction": "received",
            "at": by_id[1]["at"],
            "type": "ILL-Request",
            "verdict": "applied",
            "partner": "YAZ",
            "size": len(encode(apdus.ill_request())),
            "reason": "ILL-REQUEST received: IDLE to IN-PROCESS",
            "request_id": 1,
            "delivery": None,
        }
        assert by_id[1]["at"].startswith("2026-11-20T20:00:")
        unreadable = next(row for row in rows if row["verdict"] == "unreadable")
        assert (unreadable["type"], unreadable["partner"], unreadable["request_id"]) == (None, None, None)
        assert unreadable["reason"]
        command.columns = 200
        listed = command.text("messages", "list")
        assert "unreadable: " in listed
        assert "waiting to send: nobody there" in listed

    def test_a_message_that_was_not_looked_at_yet(self, place: Installation, command: Command) -> None:
        place.store_only(encode(apdus.ill_request()))
        assert "stored, not looked at yet" in command.text("messages", "list")
        (row,) = command.json("messages", "list")
        assert (row["type"], row["verdict"], row["reason"]) == (None, None, None)
        assert "Message 1" in command.text("messages", "show", 1)

    def test_lists_are_filtered_and_continued(self, place: Installation, command: Command) -> None:
        for number in range(3):
            place.receive(apdus.ill_request(transaction=f"T{number}"))

        def ids(*options: object) -> list[int]:
            return [row["id"] for row in command.json("messages", "list", *options)]

        # Each request is answered by a status report.
        assert ids() == [6, 5, 4, 3, 2, 1]
        assert ids("--limit", 1, "--before", 3) == [2]
        assert ids("--partner", "UBC") == []
        assert ids("--request", 2) == [4, 3]
        assert "no request 9" in command.error("messages", "list", "--request", 9)

    def test_lists_hold_no_patron_data(self, place: Installation, command: Command) -> None:
        place.receive(apdus.ill_request(patron="Ada", street="Secret Street", note="for Ada"))
        for listed in (
            command.text("messages", "list"),
            command.text("messages", "list", "--json"),
            command.text("events"),
            command.text("waiting", "list"),
        ):
            assert "Ada" not in listed
            assert "Secret" not in listed


class TestShow:
    def test_envelope_verdict_and_contents(self, place: Installation, command: Command) -> None:
        place.receive(apdus.ill_request(version=2))
        shown = command.text("messages", "show", 1)
        assert shown.startswith("Message 1: ILL-Request, received\n")
        for line in (
            "  peer: 127.0.0.1:51234",
            "  transport: tcp-two-way",
            "  verdict: applied",
            "  request: 1",
            "    item-id:",
            "      title: The Penelopiad",
            "      item-type: monograph (1)",
            "    place-on-hold: according-to-responder-policy (3)",
        ):
            assert line in shown.splitlines()
        assert f"000000  {encode(apdus.ill_request())[:16].hex(' ')}" in shown

    def test_each_attempt_to_send_it(self, place: Installation, command: Command) -> None:
        place.receive(apdus.ill_request())
        place.deliver_all()
        ship = place.act(1, primitives.Ship())
        place.fail(ship.message_id, "nobody there")
        shown = command.text("messages", "show", ship.message_id)
        assert "fate: waiting to send: nobody there" in shown
        assert ": failed: nobody there" in shown
        assert "next attempt: " in shown
        (row,) = command.json("messages", "show", ship.message_id)["outbox"]
        assert (row["status"], row["attempts"][0]["outcome"]) == ("waiting", "failed")

    def test_the_client_id_is_shown_on_demand_only(self, place: Installation, command: Command) -> None:
        octets = encode(apdus.ill_request(patron="Ada Patron"))
        place.receive(octets)
        shown = command.text("messages", "show", 1)
        assert "Ada" not in shown
        assert b"Ada".hex(" ") not in shown
        assert "Client-Id hidden" in shown
        assert "octets hidden" in shown
        assert "client-name: Ada Patron" in command.text("messages", "show", 1, "--with-patron-data")
        data = command.json("messages", "show", 1)
        assert (data["octets"], data["hidden"]) == (None, ["client-id"])
        assert "client-id" not in data["apdu"]["ILL-Request"]
        told = command.json("messages", "show", 1, "--with-patron-data")
        assert (told["octets"], told["hidden"]) == ({"hex": octets.hex()}, [])

    def test_unreadable_octets_are_shown_where_they_cannot_name_a_patron(
        self, place: Installation, command: Command
    ) -> None:
        place.receive_broken(b"GET / HTTP/1.1\r\n\x1b[2J", WireError("no APDU begins so", offset=0))
        shown = command.text("messages", "show", 1)
        assert "Message 1: unreadable, received" in shown
        assert "GET / HTTP/1.1.." in shown
        assert "\x1b" not in shown
        assert "  reason: no APDU begins so" in shown
        assert "  offset: 0" in shown
        cut_off = encode(apdus.ill_request(patron="Ada Patron"))[:-3]
        place.receive(cut_off)
        assert "Ada" not in command.text("messages", "show", 2)
        assert "Ada" in command.text("messages", "show", 2, "--with-patron-data")
        data = command.json("messages", "show", 2)
        assert data["apdu"] is None
        assert data["error"]["offset"] >= 0
        place.receive(encode(apdus.message(apdus.ill_request()))[:-3])
        assert command.json("messages", "show", 3)["octets"] is not None

    def test_what_is_wrong_has_one_place_and_is_shown_there(
        self, place: Installation, command: Command
    ) -> None:
        # The connection told where it ended; the octets alone cannot.
        place.receive_broken(b"GET / HTTP/1.1\r\n", WireError("it fell silent", offset=6))
        shown = command.text("messages", "show", 1)
        assert "  unreadable: it fell silent (offset 6)\n" in shown
        assert "truncated" not in shown
        octets, mark = shown.splitlines()[-2:]
        assert octets[mark.index("^^") :].startswith("48 54 54 50")
        told = command.json("messages", "show", 1)
        assert told["error"]["offset"] == told["processings"][0]["error_offset"] == 6
        cut_off = encode(apdus.ill_request(patron="Ada Patron"))[:-3]
        place.receive_broken(cut_off, WireError("it fell silent", offset=len(cut_off)))
        assert "^^" not in command.text("messages", "show", 2)
        assert "^^" in command.text("messages", "show", 2, "--patron")

    def test_texts_are_read_in_the_character_set_of_the_partner(
        self, place: Installation, command: Command
    ) -> None:
        # Two letters of Latin-1 that are one of UTF-8.
        place.receive(apdus.ill_request(title=b"caf\xc3\xa9", note=b"d\xc3\xa9j\xc3\xa0"))
        assert "title: caf\u00e9\n" in command.text("messages", "show", 1)
        place.configure('character_set = "latin-1"')
        assert "title: caf\u00c3\u00a9\n" in command.text("messages", "show", 1)
        assert "d\u00c3\u00a9j\u00c3" in command.text("requests", "show", 1)

    def test_octets_go_to_a_new_file_of_the_owner_alone(
        self, place: Installation, command: Command, tmp_path: Path
    ) -> None:
        octets = encode(apdus.ill_request(patron="Ada Patron"))
        place.receive(octets)
        file = tmp_path / "one.ber"
        command("messages", "show", 1, "--raw", file)
        assert file.read_bytes() == octets
        assert file.stat().st_mode & 0o777 == 0o600
        assert "File exists" in command.error("messages", "show", 1, "--raw", file)

    def test_after_disposal(self, place: Installation, command: Command, tmp_path: Path) -> None:
        place.receive(apdus.ill_request())
        place.dispose(1)
        assert "disposed of" in command.text("messages", "show", 1)
        assert command.json("messages", "show", 1)["disposed"] is True
        assert "disposed of" in command.error("messages", "show", 1, "--raw", tmp_path / "x")

    def test_hostile_and_long_text(self, place: Installation, command: Command) -> None:
        place.receive(apdus.ill_request(title=HOSTILE, author="z" * 60_000, note=b"caf\xe9"))
        shown = command.text("messages", "show", 1)
        assert "title: " in shown
        assert "\\x1b]0;owned\\x07[red]x[/red]\\r\\n\\u202e" in shown
        assert not {"\x1b", "\x07", "\r", "\u202e"} & set(shown)
        assert "(60000 characters)" in shown
        assert "octets more" in shown
        assert "requester-note: caf\xe9" in shown
        full = command.text("messages", "show", 1, "--full")
        assert "z" * 60_000 in full
        assert "octets more" not in full

    def test_no_such_message(self, command: Command) -> None:
        assert command.error("messages", "show", 5).startswith("error: there is no message 5")


class TestWaiting:
    def test_what_waits_and_why(self, place: Installation, command: Command) -> None:
        assert command.text("waiting", "list") == "nothing waits to be sent\n"
        place.receive(apdus.ill_request())
        place.receive(apdus.ill_request(transaction="2"))
        place.deliver_all()
        first = place.act(1, primitives.Ship())
        place.act(1, primitives.SendMessage(note="hello"))
        place.act(2, primitives.Ship())
        place.fail(first.message_id, "nobody there")
        rows = command.json("waiting", "list")
        assert [row["why"] for row in rows] == [
            "nobody there",
            "an earlier message of the same request has to be delivered first",
            "it is its turn: is the gateway running?",
        ]
        assert [row["attempts"] for row in rows] == [1, 0, 0]
        listed = command.text("waiting", "list")
        assert "nobody there" in listed
        assert "after the one before it" in listed
        assert command.json("waiting", "list", "--partner", "SFU") == []

    def test_what_is_being_sent_and_what_answers_a_stranger(
        self, place: Installation, command: Command
    ) -> None:
        place.receive(apdus.ill_request(requester="ILLUME:NOBODY"), two_way=True)
        command.columns = 200
        assert "(the connection it answers)" in command.text("waiting", "list")


class TestEvents:
    def test_events_are_told_in_order(self, place: Installation, command: Command) -> None:
        place.receive(apdus.ill_request())
        place.act(1, primitives.Ship())
        kinds = [event["kind"] for event in command.json("events")]
        assert kinds == ["ill-request.indication", "shipped.request"]
        assert [event["sequence"] for event in command.json("events", "--after", 1)] == [2]
        assert len(command.json("events", "--limit", 1)) == 1
        shown = command.text("events")
        assert "ill-request.indication  request 1  message 1  service: ILL-REQUEST" in shown
        assert "actor: tester" in shown

    def test_following_shows_what_comes_after(
        self, place: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place.receive(apdus.ill_request())
        pauses = iter((lambda: place.act(1, primitives.Ship()), _interrupt))

        def pause() -> None:
            next(pauses)()

        monkeypatch.setattr(events, "pause", pause)
        lines = command.text("events", "--follow").splitlines()
        assert ["ill-request.indication" in lines[0], "shipped.request" in lines[1]] == [True, True]
        assert len(lines) == 2

    def test_following_as_data_is_one_object_a_line(
        self, place: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place.receive(apdus.ill_request())
        monkeypatch.setattr(events, "pause", _interrupt)
        event = command.json("events", "--follow")
        assert event["kind"] == "ill-request.indication"

    def test_after_disposal(self, place: Installation, command: Command) -> None:
        place.receive(apdus.ill_request())
        place.dispose(1)
        (event,) = command.json("events")
        assert (event["detail"], event["disposed"]) == (None, True)
        assert "ill-request.indication" in command.text("events")


def _interrupt() -> None:
    raise KeyboardInterrupt


class TestPrivateExtensions:
    """Patron data that stands outside of Client-Id."""

    def test_they_are_hidden_with_their_octets(self, place: Installation, command: Command) -> None:
        patron = make_extension(
            SupplementalClientInfo(
                elements=(
                    ClientInfoData(
                        infoType=ClientInfoType(standard=StandardClientInfoType.wholeName),
                        infoContent=(ClientInfoContent(stringContent=GeneralString(b"A. Patron")),),
                    ),
                )
            )
        )
        place.receive(replace(apdus.ill_request(), iLL_request_extensions=(patron,)))
        octets = b"A. Patron".hex()
        message = command.json("messages", "show", "1")
        assert message["octets"] is None
        assert octets not in str(message)
        assert "A. Patron" not in command.text("messages", "show", "1", "--full")
        asked = command.json("messages", "show", "1", "--with-patron-data")
        assert octets in asked["octets"]["hex"]
        assert octets in str(asked["apdu"])
