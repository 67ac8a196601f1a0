"""`replay`, `requests rebuild`, `messages export` and `import`, `db verify`, over a real store."""

import datetime as dt
import json
import stat
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from asn1.codec import decode, encode
from asn1.ill import ILLRequest
from iso_gateway.cli.messages import replay
from iso_gateway.cli.shared import privacy
from iso_gateway.replay.replaying import Replayed, Result
from iso_gateway.request import primitives
from iso_gateway.services import Arrival, Gateway
from iso_gateway.store.records import Direction, MessageId, Transport
from tests.support import apdus
from tests.support.site import Installation, installation
from tests.unit.cli.conftest import Command

REASON = ("--reason", "YAZ was not configured", "--yes")


def refuse(place: Installation, count: int) -> None:
    """Let requests of YAZ come while it is no partner."""
    settings = place.site.settings
    strangers = tuple(one for one in settings.partners if one.name != "YAZ")
    gateway = Gateway(replace(settings, partners=strangers), clock=place.clock)
    arrival = Arrival(
        transport=Transport.TCP_ONE_WAY, listener="one-way", peer_address="127.0.0.1:5", connection_id=None
    )
    with place.site.store.unit_of_work() as uow:
        for number in range(count):
            octets = encode(apdus.ill_request(transaction=f"T{number}", title=f"Title {number}"))
            processed = gateway.process(uow, gateway.receive(uow, octets, arrival))
            assert processed.verdict == "unknown-sender"


def tamper(place: Installation, statement: str) -> None:
    with place.site.store.engine.begin() as connection:
        connection.exec_driver_sql(statement)


class TestReplay:
    def test_a_dry_run_says_what_would_be_and_changes_nothing(
        self, place: Installation, command: Command
    ) -> None:
        refuse(place, 2)
        place.receive(apdus.ill_request())
        said = command.text("replay", "--from", "2026-11-20", "--dry-run")
        assert "message 1  would be applied  unknown-sender -> applied  request 2 IN-PROCESS" in said
        assert (
            "message 3  would be passed-over  request 1 IN-PROCESS  it had its effect already: applied"
            in said
        )
        assert said.endswith("nothing was changed; it would be: 2 applied, 1 passed-over\n")
        assert len(command.json("requests", "list")) == 1

    def test_it_is_done_once_and_kept_in_the_audit_trail(self, place: Installation, command: Command) -> None:
        refuse(place, 2)
        done = command.json("replay", "--verdict", "unknown-sender", *REASON)
        assert [(one["result"], one["partner"], one["state"]) for one in done["messages"]] == [
            ("applied", "YAZ", "IN-PROCESS")
        ] * 2
        assert command.text("replay", "--verdict", "unknown-sender", *REASON) == "no message fits\n"
        assert command.text("replay", 1, 2, *REASON).endswith("2 passed-over\n")
        shown = command.json("messages", "show", 1)
        assert [one["verdict"] for one in shown["processings"]] == ["unknown-sender", "applied"]
        assert [(one["state_before"], one["state_after"]) for one in shown["moves"]] == [
            ("IDLE", "IN-PROCESS")
        ]
        (operation,) = shown["operations"]
        assert (operation["action"], operation["reason"]) == ("message.replay", "YAZ was not configured")
        text = command.text("messages", "show", 1)
        assert "state before: Not begun (IDLE)" in text
        assert "why: YAZ was not configured" in text

    def test_it_asks_for_a_reason_and_a_yes(self, place: Installation, command: Command) -> None:
        refuse(place, 1)
        result = command("replay", 1, stdin="because\nn\n", code=1)
        assert "1 message will be replayed" in result.stderr
        assert "there is no message 99" in command.error("replay", 99, "--reason", "why", "--yes")
        assert command.json("requests", "list") == []
        assert "reason is needed" in command.error("replay", 1, "--reason", " ", code=2)
        command("replay", 1, stdin="because\ny\n")
        assert len(command.json("requests", "list")) == 1

    def test_something_has_to_be_meant(self, command: Command) -> None:
        assert "say what is meant" in command.error("replay", code=2)

    def test_a_rate_paces_it(
        self, place: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refuse(place, 3)
        paused: list[float] = []
        monkeypatch.setattr("time.sleep", paused.append)
        command("replay", "--partner", "nobody", *REASON)
        assert paused == []
        command("replay", "--from", "2026-11-20", "--rate", 60, *REASON)
        assert paused == [3.0]

    def test_many_are_not_shown_one_by_one(
        self, place: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refuse(place, 3)
        monkeypatch.setattr(replay, "SHOWN", 1)
        said = command.text("replay", "--from", "2026-11-20", "--dry-run")
        assert "... and 2 more" in said
        assert "message 3" in command.text("replay", "--from", "2026-11-20", "--dry-run", "--full")

    def test_a_bar_grows_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Terminal(StringIO):
            def isatty(self) -> bool:
                return True

        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr("sys.stderr", terminal := Terminal())
        one = Replayed(
            message_id=MessageId(1), direction=Direction.RECEIVED, result=Result.APPLIED, reason=""
        )
        assert list(replay._watched([one, one], 2)) == [one, one]
        assert "replaying" in terminal.getvalue()
        assert "100%" in terminal.getvalue()


class TestSearch:
    @pytest.fixture
    def listed(self, place: Installation) -> None:
        place.receive(apdus.ill_request(transaction="Alpha-1", title="The Penelopiad"), two_way=False)
        place.receive(apdus.ill_request(transaction="Beta-2", title="Oryx and Crake"), two_way=False)
        place.receive(b"junk", two_way=False)
        place.act(1, primitives.Ship())

    @pytest.mark.usefixtures("listed")
    @pytest.mark.parametrize(
        ("options", "ids"),
        [
            (("--number", "interlending/ALPHA-1"), [4, 1]),
            (("--number", "beta"), [2]),
            (("--title", "penelop"), [4, 1]),
            (("--title", "penelop", "--number", "beta"), []),
            (("--type", "ill-request"), [2, 1]),
            (("--verdict", "unreadable"), [3]),
            (("--direction", "sent"), [4]),
            (("--direction", "received", "--partner", "YAZ"), [2, 1]),
            (("--since", "2026-11-21T00:00"), []),
            (("--until", "2026-11-19"), []),
            (("--since", "2026-11-20", "--until", "2026-11-22 10:00", "--limit", 2), [4, 3]),
            (("--older-than", "3650d"), []),
            (("--request", 1), [4, 1]),
        ],
    )
    def test_messages_are_found(self, command: Command, options: tuple[object, ...], ids: list[int]) -> None:
        assert [row["id"] for row in command.json("messages", "list", *options)] == ids

    @pytest.mark.usefixtures("listed")
    def test_how_far_was_looked_is_said(self, place: Installation, command: Command) -> None:
        result = command("messages", "list", "--title", "penelop", "--within", 1)
        assert "looked through for 'penelop': only the newest 1 request;" in result.stderr
        assert "no messages" in result.stdout
        # A whole number is found however far back it is, in whatever case; disposed of or not.
        place.dispose(1)
        assert len(command.json("messages", "list", "--number", "INTERLENDING/alpha-1", "--within", 1)) == 2
        assert command.json("messages", "list", "--title", "penelop") == []


class TestEvidence:
    def test_what_is_known_of_each_message(self, place: Installation, command: Command) -> None:
        request = apdus.ill_request()
        place.receive(request, two_way=False)
        shipped = place.act(1, primitives.Ship(date_due=dt.date(2026, 12, 24)))
        place.fail(shipped.message_id, "closed")
        waits = command.json("requests", "show", 1, "--evidence")[1]
        assert (waits["attempts"], waits["delivered_at"], waits["confirmed_by"]) == (1, None, None)
        place.clock.now += dt.timedelta(minutes=6)
        place.deliver(shipped.message_id)
        received = place.receive(apdus.received(request), two_way=False)
        rows = command.json("requests", "show", 1, "--evidence")
        assert [(row["apdu_type"], row["verdict"]) for row in rows] == [
            ("ILL-Request", "applied"),
            ("Shipped", "composed"),
            ("Received", "applied"),
        ]
        assert (rows[1]["attempts"], rows[1]["confirmed_by"]) == (2, received.message_id)
        assert rows[1]["stored_at"] < rows[1]["delivered_at"] < rows[1]["confirmed_at"]
        command.columns = 200
        assert f"by message {received.message_id}" in command.text("requests", "show", 1, "--evidence")


class TestRebuild:
    def test_a_request_is_put_right(self, place: Installation, command: Command) -> None:
        place.receive(apdus.ill_request())
        assert "nothing is to be put right" in command.text("requests", "rebuild", 1)
        tamper(place, "UPDATE halves SET state = 'LOST'")
        tamper(place, "DELETE FROM outbox")
        said = command.text("requests", "rebuild", 1)
        assert "state is 'LOST', should be 'IN-PROCESS'" in said
        assert "message 2 (Status-Or-Error-Report) for YAZ was never sent" in said
        assert "--apply puts it right" in said
        assert command.json("requests", "list")[0]["state"] == "LOST"
        refused = command("requests", "rebuild", 1, "--apply", stdin="oops\nn\n", code=1)
        assert "put it right?" in refused.stderr
        told = command.json("requests", "rebuild", 1, "--apply", *REASON)
        assert (told["applied"], told["state"], len(told["unsent"])) == (True, "IN-PROCESS", 1)
        assert command.json("requests", "list")[0]["state"] == "IN-PROCESS"
        assert len(command.json("waiting", "list")) == 1
        again = command.json("requests", "rebuild", 1, "--apply", *REASON)
        assert (again["applied"], again["differences"]) == (False, [])

    def test_what_cannot_be_sent_is_said(self, place: Installation, command: Command) -> None:
        place.receive(apdus.ill_request())
        tamper(place, "DELETE FROM outbox")
        tamper(place, "UPDATE processings SET partner = 'GONE' WHERE message_id = 2")
        said = command.text("requests", "rebuild", 1)
        assert "was never sent, and cannot be: whom it is for is not configured" in said
        tamper(place, "UPDATE processings SET partner = 'YAZ'")
        tamper(place, "UPDATE halves SET state = 'LOST'")
        assert "put right" in command.text("requests", "rebuild", 1, "--apply", *REASON)


class TestVerify:
    def test_a_database_in_order(self, place: Installation, command: Command) -> None:
        assert "0 requests" not in command.text("db", "verify")
        place.receive(apdus.ill_request())
        assert "1 requests: nothing wrong" in command.text("db", "verify")
        told = command.json("db", "verify")
        assert (told["found"], told["problems"], told["rows"]["messages"]) == (0, [], 2)

    def test_what_is_wrong_is_listed(
        self, place: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(3):
            place.receive(apdus.ill_request(transaction=f"T{number}"), two_way=False)
        tamper(place, "UPDATE halves SET state = 'LOST'")
        said = command.text("db", "verify", code=1)
        assert "requests  request 2: state is 'LOST', and follows as 'IN-PROCESS'" in said
        assert said.endswith("3 wrong\n")
        monkeypatch.setattr("iso_gateway.cli.db.verify.MOST", 1)
        assert "... and 2 more" in command.text("db", "verify", code=1)
        assert len(command.json("db", "verify", code=1)["problems"]) == 1


class TestCarrying:
    @pytest.fixture
    def filled(self, place: Installation) -> None:
        request = apdus.ill_request(patron="Ada Patron", street="Elm Street 1", note="for Ada")
        place.receive(request, two_way=False)
        place.receive(apdus.message(request, "Ada calls daily"), two_way=False)
        place.receive(apdus.status_query(apdus.ill_request()), two_way=False)
        place.receive(b"junk about Ada", two_way=False)
        place.act(1, primitives.Ship())

    @staticmethod
    def _lines(path: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]

    @pytest.mark.usefixtures("filled")
    def test_without_patron_data(self, command: Command, tmp_path: Path) -> None:
        file = tmp_path / "out.ndjson"
        said = command.text("messages", "export", file)
        assert "wrote 6 messages" in said
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        lines = self._lines(file)
        assert b"Ada" not in b"".join(bytes.fromhex(line["octets"] or "") for line in lines)
        assert b"Elm" not in b"".join(bytes.fromhex(line["octets"] or "") for line in lines)
        request = decode(bytes.fromhex(lines[0]["octets"]))
        assert isinstance(request, ILLRequest)
        assert request.item_id.title is not None
        assert lines[0]["left_out"] == [
            "client-id or private extensions",
            "delivery-address",
            "requester-note",
        ]
        assert [line["as_on_the_wire"] for line in lines] == [False, False, True, True, False, True]
        assert lines[1]["left_out"] == ["note"]
        assert (lines[4]["octets"], lines[4]["left_out"]) == (None, ["everything"])
        assert "exists" in command.error("messages", "export", file)

    @pytest.mark.usefixtures("filled")
    def test_with_patron_data_and_into_another_gateway(
        self, place: Installation, command: Command, tmp_path: Path
    ) -> None:
        file = tmp_path / "out.ndjson"
        told = command.json("messages", "export", file, "--with-patron-data", "--reason", "for YAZ")
        assert told["not_as_on_the_wire"] == 0
        with place.site.store.reading() as uow:
            assert [(one.action, one.reason) for one in uow.audit.list(1)] == [("messages.export", "for YAZ")]
        with installation(tmp_path / "other") as other:
            there = Command(other.config)
            dry = there.text("messages", "import", file, "--dry-run")
            assert dry == "nothing was changed; it would be: 4 imported, 2 sent-by-others\n"
            assert there.json("messages", "list") == []
            assert "go on?" in there("messages", "import", file, stdin="a try\nn\n", code=1).stderr
            done = there.text("messages", "import", file, *REASON)
            assert "4 imported, 2 sent-by-others" in done
            assert "classified as: 3 applied, 1 unreadable" in done
            again = there.json("messages", "import", file, *REASON)
            assert again["lines"] == {"known": 4, "sent-by-others": 2}
            (first, *_) = there.json("messages", "list", "--type", "ILL-Request")
            assert (first["verdict"], first["partner"]) == ("applied", "YAZ")
            assert there.json("messages", "show", 1)["transport"] == "local"
            assert there.text("db", "verify").endswith("nothing wrong\n")
            with other.site.store.reading() as uow:
                assert [one.action for one in uow.audit.list()] == ["messages.import"]

    @pytest.mark.usefixtures("filled")
    def test_what_was_disposed_of_goes_without_octets(
        self, place: Installation, command: Command, tmp_path: Path
    ) -> None:
        place.dispose(1)
        file = tmp_path / "out.ndjson"
        command("messages", "export", file, "--type", "ILL-Request")
        (line,) = self._lines(file)
        assert (line["octets"], line["left_out"]) == (None, ["disposed-of"])
        assert command.json("messages", "import", file, "--dry-run")["lines"] == {"without-octets": 1}

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"not json\n", "line 1 is no exported message"),
            (b"\n\n{}\n", "line 3 does not say that it is"),
            (b"[]\n", "line 1 does not say that it is"),
            (b'{"format": "iso-gateway-message/1"}\n', "line 1 is no exported message"),
            (b"[" * 100_000 + b"\n", "line 1 is no exported message"),
            ("é\n".encode(), "is not ASCII text"),
        ],
    )
    def test_what_was_not_exported_is_not_imported(
        self, command: Command, tmp_path: Path, content: bytes, said: str
    ) -> None:
        file = tmp_path / "in.ndjson"
        file.write_bytes(content)
        assert said in command.error("messages", "import", file, *REASON)

    def test_a_line_that_is_too_long(
        self, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("iso_gateway.replay.carrying._LONGEST", 10)
        (tmp_path / "in.ndjson").write_text("x" * 11)
        assert "11 characters long" in command.error("messages", "import", tmp_path / "in.ndjson", *REASON)

    def test_a_file_that_is_not_there(self, command: Command, tmp_path: Path) -> None:
        assert "No such file" in command.error("messages", "import", tmp_path / "none", *REASON)

    def test_a_hundred_lines_take_several_units(
        self, place: Installation, command: Command, tmp_path: Path
    ) -> None:
        refuse(place, 60)
        file = tmp_path / "out.ndjson"
        command("messages", "export", file)
        with installation(tmp_path / "other") as other:
            done = Command(other.config).json("messages", "import", file, *REASON)
        assert done["lines"] == {"imported": 60}


def test_masking_leaves_what_is_nobodys_affair_as_it_is() -> None:
    octets = encode(apdus.ill_request())
    assert privacy.masked(octets) == (octets, ())
    assert privacy.as_they_are(b"x") == (b"x", ())
