"""`iso-gateway requests`, over a real store."""

import dataclasses
import datetime as dt
import getpass

import pytest

from asn1.codec import decode
from asn1.ill import ILLServiceType, Shipped, TransactionResults
from iso_gateway.request import primitives
from iso_gateway.store.records import HalfId, MessageId
from tests.support import apdus
from tests.support.site import Installation
from tests.unit.cli.conftest import Command

HOSTILE = "\x1b[31mred\x1b[0m [bold]x[/bold]\nrow\u202eidib \x9b2J"


class TestList:
    def test_an_empty_list_says_so(self, command: Command) -> None:
        assert command.text("requests", "list") == "no requests\n"
        assert command.json("requests", "list") == []

    def test_a_request_is_listed_in_words_and_as_data(self, place: Installation, command: Command) -> None:
        place.receive(apdus.ill_request(patron="Ada Patron", street="1 Secret Street", note="for Ada"))
        (row,) = command.json("requests", "list")
        assert (row["id"], row["role"], row["state"], row["partner"]) == (1, "responder", "IN-PROCESS", "YAZ")
        assert (row["title"], row["request_number"]) == ("The Penelopiad", "INTERLENDING/2026-000117")
        assert (row["local"], row["created_at"]) == ("BEX", row["updated_at"])
        listed = command.text("requests", "list")
        assert "lender BEX" in listed
        assert "Pending (IN-PROCESS)" in listed
        assert "The Penelopiad" in listed
        for patron_data in ("Ada", "Secret Street"):
            assert patron_data not in listed
            assert patron_data not in command.text("requests", "list", "--json")

    def test_lists_are_filtered_and_continued(self, place: Installation, command: Command) -> None:
        for number in range(3):
            place.receive(apdus.ill_request(transaction=f"T{number}"))
        place.act(2, primitives.Ship())

        def ids(*options: object) -> list[int]:
            return [row["id"] for row in command.json("requests", "list", *options)]

        assert ids() == [3, 2, 1]
        assert ids("--limit", 1) == [3]
        assert ids("--before", 3, "--limit", 1) == [2]
        assert ids("--state", "shipped") == [2]
        refused = " ".join(command("requests", "list", "--state", "SHIPED", code=2).stderr.split())
        assert "'SHIPED' is no state; states are IDLE, PENDING, " in refused
        misspelt = " ".join(command("requests", "act", 1, "shipp", code=2).stderr.split())
        assert "Invalid value for 'WHAT': 'shipp' is not one of 'answer', 'ship'," in misspelt
        assert (
            "Invalid value for 'ID': it is no whole number" in command("requests", "show", "x", code=2).stderr
        )
        assert ids("--partner", "SFU") == []

    def test_hostile_text_is_escaped_and_long_text_is_cut(
        self, place: Installation, command: Command
    ) -> None:
        place.receive(apdus.ill_request(title=HOSTILE, transaction="1"))
        place.receive(apdus.ill_request(title="x" * 60_000, transaction="2"))
        command.columns = 300
        listed = command.text("requests", "list")
        assert "\\x1b[31mred" in listed
        assert "[bold]x[/bold]" in listed
        assert "\\nrow\\u202e" in listed
        assert not {"\x1b", "\x9b", "\u202e"} & set(listed)
        assert "(60000 characters)" in listed
        assert "x" * 100 not in listed
        assert [row["title"] for row in command.json("requests", "list")] == ["x" * 60_000, HOSTILE]
        assert command.text("requests", "list", "--json").isascii()


def test_a_copy_is_offered_without_a_day_on_which_it_is_due(place: Installation, command: Command) -> None:
    place.receive(apdus.ill_request(service=ILLServiceType.copy_non_returnable))
    place.receive(apdus.ill_request(transaction="2"))
    offered = [command.json("requests", "act", number) for number in (1, 2)]
    commands = [next(one["command"] for one in some if " ship" in one["command"]) for some in offered]
    assert commands == [
        "iso-gateway requests act 1 ship",
        "iso-gateway requests act 2 ship --due YYYY-MM-DD",
    ]
    assert "act 1 ship\n" in command.error("requests", "act", 1, "check-in")
    place.dispose(1)
    assert "ship --due" in command.text("requests", "act", 1)
    assert "ship --due" in command.error("requests", "act", 1, "check-in")


def test_what_keeps_a_message_from_being_sent_is_said_at_once(place: Installation, command: Command) -> None:
    place.receive(apdus.ill_request())
    command("partners", "suspend", "YAZ", "--reason", "they asked", "--yes")
    result = command("requests", "message", 1, "hello")
    assert result.stdout.startswith("MESSAGE queued for YAZ")
    assert result.stderr.endswith(" suspended YAZ: nothing is sent to it before partners resume YAZ\n")
    command("db", "hold", "--reason", "a snapshot")
    result = command("requests", "repeat", 1)
    assert result.stderr.startswith("note: nothing is sent to anybody before 'iso-gateway db resume': ")


class TestUnarrived:
    """A librarian sees in the list that the other library does not have what we sent."""

    @pytest.fixture
    def requests(self, place: Installation) -> None:
        """Of 1 one waits, of 2 one was given up, of 3 a later one arrived after that; of 4 all arrived."""
        for number in range(1, 5):
            place.receive(apdus.ill_request(transaction=str(number)))
            place.deliver_all()
        place.fail(place.act(1, primitives.Ship()).message_id, "cannot connect to 127.0.0.1:1612")
        for half_id in (2, 3):
            place.fail(place.act(half_id, primitives.Ship()).message_id, "it is older than 5 days", last=True)
        place.deliver(place.act(3, primitives.SendMessage(note="sent last week")).message_id)

    @pytest.mark.usefixtures("requests")
    def test_the_list_says_so(self, command: Command) -> None:
        command.columns = 200
        listed = command.text("requests", "list")
        assert "our Shipped [9]: waiting to send: cannot connect to 127.0.0.1:1612" in listed
        assert "our Shipped [10]: not delivered: it is older than 5 days" in listed
        assert listed.count("our Shipped") == 2
        assert [row["unarrived"] for row in command.json("requests", "list")] == [
            [],
            [],
            [
                {
                    "message_id": 10,
                    "type": "Shipped",
                    "status": "not-delivered",
                    "last_error": "it is older than 5 days",
                }
            ],
            [
                {
                    "message_id": 9,
                    "type": "Shipped",
                    "status": "waiting",
                    "last_error": "cannot connect to 127.0.0.1:1612",
                }
            ],
        ]
        assert "our Shipped [10]: not delivered" in command.text("requests", "act", 2)

    @pytest.mark.usefixtures("requests")
    def test_the_list_is_of_those_only(self, command: Command) -> None:
        def listed(*options: str) -> list[int]:
            return [row["id"] for row in command.json("requests", "list", *options)]

        assert listed("--waiting") == [1]
        assert listed("--undelivered") == [2]
        assert listed("--waiting", "--undelivered") == [2, 1]
        assert command.text("requests", "list", "--undelivered", "--as", "borrower") == "no requests\n"
        command("replay", 10, "--reason", "it is back", "--yes")
        assert listed("--undelivered") == []
        assert listed("--waiting") == [2, 1]
        [again] = command.json("requests", "list", "--before", 3, "--limit", 1)
        assert [(one["message_id"], one["status"]) for one in again["unarrived"]] == [(13, "waiting")]


class TestShow:
    @pytest.fixture
    def shipped(self, place: Installation) -> None:
        request = apdus.ill_request(patron="Ada Patron", note="Any edition")
        place.receive(request, two_way=True)
        answer = place.act(
            1, primitives.Answer(result=TransactionResults.will_supply, note=f"soon {HOSTILE}")
        )
        place.deliver(answer.message_id)
        ship = place.act(1, primitives.Ship(date_due=dt.date(2026, 12, 24)))
        place.fail(ship.message_id, "cannot connect to 127.0.0.1:1612")
        place.receive(apdus.message(request, "Is it on its way?"))

    @pytest.mark.usefixtures("shipped")
    @pytest.mark.parametrize("columns", [120, 80])
    def test_the_history_is_a_ladder(self, command: Command, columns: int) -> None:
        command.columns = columns
        lines = command.text("requests", "show", 1).splitlines()
        assert lines[0] == "Request 1: Shipped, we are the lender; times in America/Vancouver"
        ends = next(line for line in lines if "borrower YAZ" in line)
        assert ends.index("borrower YAZ") < ends.index("lender BEX")

        def rung(name: str) -> str:
            return next(line for line in lines if f" {name} [" in line)

        # Noon in Vancouver, in the zone of our library, whatever the zone of this machine is.
        assert rung("ILL-REQUEST").startswith("2026-11-20 12:00:0")
        assert rung("ILL-REQUEST").rpartition(">|")[1]
        assert "|<" in rung("ILL-ANSWER will-supply")
        assert "|<" in rung("SHIPPED")
        assert ">|" in rung("MESSAGE")
        whole = "\n".join(lines)
        assert whole.index("ILL-REQUEST") < whole.index("ILL-ANSWER") < whole.index(" SHIPPED [")
        assert "delivered 2026-11-20 12:" in whole
        assert "waiting to send: cannot connect to 127.0.0.1:1612" in whole
        assert '"Is it on its way?"' in whole
        assert "Pending (IN-PROCESS)" in whole
        assert all(len(line) <= columns for line in lines)

    @pytest.mark.usefixtures("shipped")
    def test_a_narrow_terminal_gets_paragraphs(self, command: Command) -> None:
        command.columns = 40
        lines = command.text("requests", "show", 1).splitlines()
        assert all(len(line) <= 40 for line in lines)
        whole = " ".join(" ".join(lines).split())
        assert "borrower YAZ -> lender BEX ILL-REQUEST [1] Pending (IN-PROCESS)" in whole
        assert "lender BEX -> borrower YAZ SHIPPED" in whole

    @pytest.mark.usefixtures("shipped")
    def test_notes_are_escaped(self, command: Command) -> None:
        shown = command.text("requests", "show", 1, "--with-patron-data")
        assert "\\x1b[31mred" in shown
        assert not {"\x1b", "\x9b", "\u202e"} & set(shown)

    @pytest.mark.usefixtures("shipped")
    def test_the_client_id_is_shown_on_demand_only(self, command: Command) -> None:
        shown = command.text("requests", "show", 1)
        assert "Ada" not in shown
        assert "Client-Id hidden: --with-patron-data shows it" in shown
        assert "Ada Patron" in command.text("requests", "show", 1, "--with-patron-data")
        hidden = command.json("requests", "show", 1)
        assert "Ada" not in str(hidden)
        assert hidden["history"][0]["hidden"] == ["client-id"]
        told = command.json("requests", "show", 1, "--with-patron-data")
        assert told["history"][0]["apdu"]["ILL-Request"]["client-id"]["client-name"] == {
            "general-string": "Ada Patron"
        }

    @pytest.mark.usefixtures("shipped")
    def test_the_same_as_data(self, command: Command) -> None:
        data = command.json("requests", "show", 1)
        steps = [(step["direction"], step["service"], step["state"]) for step in data["history"]]
        assert steps == [
            ("received", "ILL-REQUEST", "IN-PROCESS"),
            ("sent", "STATUS-OR-ERROR-REPORT", None),
            ("sent", "ILL-ANSWER will-supply", "IN-PROCESS"),
            ("sent", "SHIPPED", "SHIPPED"),
            ("received", "MESSAGE", "SHIPPED"),
        ]
        fates = [[row["status"] for row in step["outbox"]] for step in data["history"]]
        assert fates == [[], ["waiting"], ["delivered"], ["waiting"], []]
        assert data["history"][3]["outbox"][0]["last_error"] == "cannot connect to 127.0.0.1:1612"
        assert data["history"][0]["at"].endswith("-08:00")
        assert {
            "service": "MESSAGE",
            "command": 'iso-gateway requests message 1 "TEXT"',
            "meaning": "Write to the other library's staff.",
        } in data["possible"]
        assert data["summary"]["author"] == "Atwood, Margaret"

    def test_what_was_refused_or_not_delivered_says_why(self, place: Installation, command: Command) -> None:
        request = apdus.ill_request()
        place.receive(request)
        place.receive(apdus.returned(request))
        place.deliver_all()
        sent = place.act(1, primitives.SendMessage(note="hello"))
        place.fail(sent.message_id, "refused for good", last=True)
        shown = command.text("requests", "show", 1)
        assert "prohibited" in shown
        assert "error: state-transition-prohibited" in shown
        assert "not delivered: refused for good" in shown

    def test_a_status_report_says_the_state(self, place: Installation, command: Command) -> None:
        request = apdus.ill_request()
        place.receive(request)
        place.receive(apdus.status_query(request))
        assert "status: IN-PROCESS (3)" in command.text("requests", "show", 1)

    def test_after_disposal_the_history_is_left(self, place: Installation, command: Command) -> None:
        place.receive(apdus.ill_request(title="A Secret"))
        place.dispose(1)
        shown = command.text("requests", "show", 1)
        assert "Secret" not in shown
        assert "disposed of" in shown
        assert "ILL-REQUEST" in shown
        assert command.json("requests", "show", 1)["disposed"] is True
        assert "disposed of" in command.text("requests", "list")
        assert command.json("requests", "list")[0]["title"] is None

    def test_long_notes_are_cut_unless_asked_for(self, place: Installation, command: Command) -> None:
        place.receive(apdus.ill_request(note="y" * 60_000, title="t" * 5_000))
        short = command.text("requests", "show", 1)
        assert "(60000 characters)" in short
        assert len(short) < 5_000
        assert command.text("requests", "show", 1, "--full").count("y") >= 60_000

    def test_no_such_request(self, command: Command) -> None:
        assert command.error("requests", "show", 7) == (
            "error: there is no request 7 in the database; requests list shows those there are\n"
        )
        assert "it has to be at most" in command.error("requests", "show", 2**64, code=2)


class TestAct:
    @pytest.fixture(autouse=True)
    def request_1(self, place: Installation) -> None:
        place.receive(apdus.ill_request())

    def test_ship(self, place: Installation, command: Command) -> None:
        said = command.text(
            "requests", "act", 1, "ship", "--due", "2026-12-24", "--date", "2026-11-19", "--not-renewable",
            "--service-type", "loan", "--note", "fragile",
        )  # fmt: skip
        assert said == "SHIPPED queued for YAZ as message 3; request 1 is now Shipped\n"
        with place.site.store.reading() as uow:
            apdu = decode(uow.messages.raw(MessageId(3)))
            (audit,) = uow.audit.list()
            assert uow.halves.get(HalfId(1)).state == "SHIPPED"
        assert isinstance(apdu, Shipped)
        assert apdu.supply_details.date_shipped == "20261119"
        assert apdu.supply_details.date_due is not None
        assert apdu.supply_details.date_due.date_due_field == "20261224"
        assert apdu.supply_details.date_due.renewable is False
        assert audit.action == "SHIPPED"

    def test_the_audit_trail_names_who_called_sudo(
        self, place: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SUDO_USER", raising=False)
        command("requests", "act", 1, "message", "--text", "one")
        monkeypatch.setenv("SUDO_USER", "ann")
        command("requests", "act", 1, "message", "--text", "two")
        with place.site.store.reading() as uow:
            assert [record.actor for record in uow.audit.list()] == ["ann", getpass.getuser()]

    def test_as_data(self, command: Command) -> None:
        assert command.json("requests", "act", 1, "answer", "--result", "unfilled", "--reason", "lost") == {
            "request_id": 1,
            "message_id": 3,
            "type": "ILL-Answer",
            "partner": "YAZ",
            "state": "NOT-SUPPLIED",
            "onward_message_id": None,
            "document": None,
        }

    def test_without_a_service_it_lists_what_can_be_done(self, command: Command) -> None:
        offered = {one["service"]: one["command"] for one in command.json("requests", "act", 1)}
        assert offered["SHIPPED"] == "iso-gateway requests act 1 ship --due YYYY-MM-DD"
        assert "CHECKED-IN" not in offered
        listed = command.text("requests", "act", 1)
        assert listed.startswith("Request 1: Pending (IN-PROCESS); we lend to YAZ\n")
        assert "requests act 1 answer --result will-supply\n      Yes: we are getting it ready.\n" in listed

    def test_what_is_not_possible_now_changes_nothing(self, place: Installation, command: Command) -> None:
        error = command.error("requests", "act", 1, "check-in")
        first, second, *others = error.splitlines()
        assert first == ("error: check-in: it is not possible in Pending (IN-PROCESS); nothing was sent")
        assert second == "possible now:"
        assert "  iso-gateway requests act 1 ship --due YYYY-MM-DD" in others
        with place.site.store.reading() as uow:
            assert uow.halves.get(HalfId(1)).state == "IN-PROCESS"
            assert uow.audit.list() == ()

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (("answer",), "answer needs --result"),
            (("message",), "message needs --note"),
            (("cancel-reply",), "cancel-reply needs --yes or --no"),
            (("renew-answer",), "renew-answer needs --yes or --no"),
            (("overdue",), "overdue needs --due"),
            (("lost", "--cost", "5"), "lost does not take --cost"),
            (("ship", "--yes"), "ship does not take --yes or --no"),
            (("ship", "--due", "tomorrow"), "--due"),
            (("explode",), "explode"),
            (("answer", "--result", "perhaps"), "perhaps"),
        ],
    )
    def test_wrong_arguments(self, command: Command, arguments: tuple[str, ...], complaint: str) -> None:
        error = command.error("requests", "act", 1, *arguments, code=2)
        assert complaint in " ".join(error.replace("│", " ").split())

    def test_a_reason_that_the_standard_does_not_have(self, command: Command) -> None:
        error = command.error("requests", "act", 1, "answer", "--result", "unfilled", "--reason", "boredom")
        assert "'boredom'" in error
        assert "in-use-on-loan" in error

    def test_nothing_to_do(self, place: Installation, command: Command) -> None:
        config = place.config.parent / "partners" / "yaz.toml"
        config.unlink()
        assert command.text("requests", "act", 1).endswith("nothing can be done about it now\n")
        assert command.json("requests", "act", 1) == []
        assert "no longer configured" in command.error("requests", "act", 1, "ship")


EVERY_SERVICE = [
    (("answer", "--result", "conditional", "--reason", "charges", "--date", "2026-12-01"), "ANS-CO"),
    (("answer", "--result", "locations-provided", "--location", "ILLUME:SFU", "--location", "UBC"), "ANS-LP"),
    (("answer", "--result", "estimate", "--cost", "12 CAD"), "ANS-ES"),
    (("message", "--note", "hello"), "MSG"),
    (("query",), "STQ"),
]


@pytest.mark.parametrize(("arguments", "service"), EVERY_SERVICE)
def test_services_of_the_processing_phase(
    place: Installation, command: Command, arguments: tuple[str, ...], service: str
) -> None:
    place.receive(apdus.ill_request())
    command("requests", "act", 1, *arguments)
    with place.site.store.reading() as uow:
        assert uow.inputs.of(HalfId(1))[-1].service == service


def test_services_of_the_tracking_phase(place: Installation, command: Command) -> None:
    request = apdus.ill_request()
    place.receive(request)
    command("requests", "act", 1, "ship")
    command("requests", "act", 1, "damaged")
    place.receive(apdus.renew(request))
    command("requests", "act", 1, "renew-answer", "--yes", "--due", "2026-12-31", "--renewable")
    command("requests", "act", 1, "recall")
    command("requests", "act", 1, "overdue", "--due", "2026-12-31", "--note", "where is it")
    command("requests", "act", 1, "check-in", "--date", "2027-01-02")
    with place.site.store.reading() as uow:
        services = [record.service for record in uow.inputs.of(HalfId(1))]
    assert services == ["ILL", "SHI", "DAM", "REN", "REA+", "RCL", "DUE", "CHK"]


def test_a_cancellation_is_answered(place: Installation, command: Command) -> None:
    request = apdus.ill_request()
    place.receive(request)
    place.receive(dataclasses.replace(apdus.cancel(request)))
    assert command.text("requests", "act", 1, "cancel-reply", "--yes").endswith("is now Cancelled\n")
    assert "CANCEL-REPLY yes" in command.text("requests", "show", 1)


def test_an_item_is_lost(place: Installation, command: Command) -> None:
    place.receive(apdus.ill_request())
    command("requests", "act", 1, "ship")
    assert command.text("requests", "act", 1, "lost").endswith("is now Lost\n")
