"""`iso-gateway attention` and `iso-gateway status`, over a real store."""

import json
from datetime import timedelta

import pytest

from iso_gateway.cli.gateway import status
from iso_gateway.noticing import reporting
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.outbox import operating
from iso_gateway.site import Site
from iso_gateway.store.records import BreakerState, GatewayId, PartnerStateRecord
from tests.support.noticing import Lookout
from tests.support.site import Installation
from tests.unit.cli.conftest import Command

HOSTILE = "203.0.113.9\x1b[31m:40004"


@pytest.fixture
def noticed(place: Installation) -> Lookout:
    """Two things that want a person, of which one has a hostile name in it."""
    place.receive(b"junk", peer="203.0.113.8:40004")
    place.receive(b"junk", peer=HOSTILE)
    lookout = Lookout(place.site)
    lookout.look()
    return lookout


def running(place: Installation) -> None:
    """Have a gateway run."""
    now = place.clock()
    with place.site.store.unit_of_work() as uow:
        uow.gateways.enter(
            GatewayId("0123456789abcdef"), state_id="s", host="here", pid=4711, at=now, alone=True
        )


@pytest.mark.usefixtures("noticed")
class TestAttention:
    def test_list_and_clear(self, place: Installation, command: Command) -> None:
        shown = command.text("attention", "list")
        assert "203.0.113.8" in shown
        assert "\x1b" not in shown
        assert shown == command.text("attention")
        rows = command.json("attention", "list")
        assert [(row["id"], row["kind"], row["message_id"], row["cleared_at"]) for row in rows] == [
            (1, "unreadable", 1, None),
            (2, "unreadable", 2, None),
        ]
        assert command.text("attention", "clear", 1, "--reason", "a scanner") == "cleared: 1; left: 1\n"
        assert [row["id"] for row in command.json("attention", "list")] == [2]
        [newest, cleared] = command.json("attention", "list", "--all")
        assert (newest["id"], cleared["why_cleared"]) == (2, "a scanner")
        assert cleared["cleared_by"] is not None
        assert "cleared it" in command.text("attention", "list", "--all")
        assert command.json("attention", "clear", 2, "--reason", "the same") == {
            "cleared": [2],
            "already": [],
            "left": 0,
        }
        assert "nothing wants a person" in command.text("attention")
        with place.site.store.reading() as uow:
            assert [one.action for one in uow.audit.list()][:2] == ["attention.clear"] * 2

    def test_what_cleared_itself(self, place: Installation, command: Command, noticed: Lookout) -> None:
        place.clock.now += timedelta(days=31)
        noticed.look()
        assert "cleared itself" in command.text("attention", "list", "--all")

    def test_what_is_cleared_already_is_no_failure(self, place: Installation, command: Command) -> None:
        command("attention", "clear", 1, "--reason", "a scanner")
        assert command.text("attention", "clear", 1) == "1 is cleared already\ncleared: 0; left: 1\n"
        said = command.text("attention", "clear", 1, 2, "--reason", "another")
        assert said == "1 is cleared already\ncleared: 1; left: 0\n"
        with place.site.store.reading() as uow:
            assert len(uow.audit.list()) == 2

    def test_what_is_not_there(self, command: Command) -> None:
        assert "there is no attention 9" in command.error("attention", "clear", 1, 9, "--reason", "why")
        assert len(command.json("attention", "list")) == 2


class TestStatus:
    @pytest.fixture(autouse=True)
    def _at_the_time_of_the_place(self, place: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(Site.open.__func__.__kwdefaults__, "clock", place.clock)  # type: ignore[attr-defined]

    def test_all_is_well(self, place: Installation, command: Command) -> None:
        running(place)
        shown = command.text("status")
        assert "all is well" in shown
        assert "process 4711 on here" in shown
        assert "one-way: 127.0.0.1:1611" in shown
        assert "YAZ" in shown
        found = command.json("status")
        assert (found["well"], found["wrong"], found["attention"]) == (True, [], {})
        assert found["gateways"][0]["pid"] == 4711
        assert found["last_24_hours"] == {"received": 0, "sent": 0, "refused": 0}

    @pytest.mark.usefixtures("noticed")
    def test_what_is_wrong(self, place: Installation, command: Command) -> None:
        with place.site.store.unit_of_work() as uow:
            uow.sending.hold("this is a copy", place.clock())
            uow.partners.set_breaker(
                PartnerStateRecord(
                    partner="YAZ",
                    breaker=BreakerState.OPEN,
                    failures=3,
                    failing_since=place.clock.now,
                    last_error="connection refused",
                )
            )
        shown = command.text("status", code=1)
        for said in (
            "WRONG",
            "no gateway runs",
            "nothing is sent: this is a copy",
            "attention  2 unreadable",
            "2 received, 0 made to be sent, 2 refused",
            "takes nothing since",
        ):
            assert said in shown
        found = command.json("status", code=1)
        assert len(found["wrong"]) == 3
        assert found["attention"] == {"unreadable": 2}
        with place.site.store.unit_of_work() as uow:
            operating.suspend(uow, "YAZ", actor="anna", reason="why", at=place.clock())
        assert "suspended by anna since" in command.text("status", code=1)

    @pytest.mark.parametrize("options", [("--watch",), ("--watch", "--json")])
    def test_watching(
        self, command: Command, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
    ) -> None:
        looks = []

        def pause() -> None:
            looks.append(1)
            if len(looks) == 3:
                raise KeyboardInterrupt

        monkeypatch.setattr(status, "pause", pause)
        shown = command("status", *options, code=1).stdout
        if "--json" in options:
            assert [json.loads(line)["well"] for line in shown.splitlines()] == [False] * 3
        else:
            assert shown.count("no gateway runs") == 3


DAILY = """
[mail]
relay_port = 1
[[noticing.mail]]
to = "desk@bex.example"
[[noticing.mail]]
to = "head@bex.example"
kinds = ["silent"]
"""


@pytest.fixture
def telling(place: Installation) -> Installation:
    """The same installation, where two people are told by mail."""
    gateway = place.config.read_text(encoding="utf-8")
    gateway = gateway.replace(
        'symbol = "ILLUME:BEX"', 'symbol = "ILLUME:BEX"\npublic_mail = "ill@bex.example"'
    )
    place.config.write_text(gateway + DAILY, encoding="utf-8")
    # Goes on under that configuration.
    place.configure("")
    return place


@pytest.mark.usefixtures("noticed")
class TestDailyMail:
    def test_preview(self, telling: Installation, command: Command) -> None:
        shown = command.text("attention", "preview-mail")
        assert shown.startswith(
            "From: ill@bex.example\nTo: desk@bex.example\n"
            "Subject: 2 things want a person, new: Bowen Example Library\n\nWhat wants a person at"
        )
        assert "203.0.113.9 [31m" in shown
        assert "\x1b" not in shown
        assert "next one due: " in shown
        assert "To: head@bex.example\n" in shown
        assert "as long as there is nothing to tell, none is sent" in shown
        one = command.text("attention", "preview-mail", "--to", "Head@bex.example")
        assert "desk@" not in one
        html = command.text("attention", "preview-mail", "--html", "--to", "desk@bex.example")
        assert html.startswith("<!DOCTYPE html>\n")
        [first, second] = command.json("attention", "preview-mail")
        assert (first["recipient"], first["new"], first["standing"], first["sent"]) == (
            "desk@bex.example", [1, 2], [], True,
        )  # fmt: skip
        assert (second["total"], second["sent"]) == (0, False)
        said = command.error("attention", "preview-mail", "--to", "x@y.example")
        assert "no daily mail goes to 'x@y.example'" in said
        assert "names desk@bex.example, head@bex.example" in said.replace("\n", " ")
        with telling.site.store.reading() as uow:
            assert uow.daily_mails.list() == ()

    def test_what_was_sent_is_listed_and_waits_like_anything_else(
        self, telling: Installation, command: Command
    ) -> None:
        assert "no daily mails" in command.text("attention", "mails")
        settings, days = telling.site.settings, WorkingDays.of(telling.site.settings.noticing)
        # A Friday afternoon.
        now = telling.clock()
        with telling.site.store.unit_of_work() as uow:
            assert reporting.write(uow, settings, now, days) == 1
        shown = command.text("attention", "mails")
        assert "desk@bex.example" in shown
        assert "waiting to send" in shown
        assert "none: nothing to tell" in shown
        [head, desk] = command.json("attention", "mails")
        assert (head["recipient"], head["day"], head["entries"], head["mail"]) == (
            "head@bex.example", "2026-11-20", 0, None,
        )  # fmt: skip
        assert (desk["entries"], desk["mail"]["status"]) == (2, "waiting")
        assert "desk@bex.example" in command.text("waiting", "list")
        [row] = command.json("waiting", "list")
        assert (row["partner"], row["why"]) == (
            "desk@bex.example",
            "it is its turn: is the gateway running?",
        )
        assert command.json("status", code=1)["waiting"] == 1
        assert command.json("waiting", "list", "--partner", "Desk@bex.example") == [row]
        held = command.text("waiting", "hold", row["id"], "--reason", "not today", "--yes")
        assert held == "held back: 1\n"
        assert "holds it back" in command.json("waiting", "list")[0]["why"]
        released = command.text("waiting", "release", row["id"], "--reason", "today", "--yes")
        assert released == "released: 1\n"
        assert "1 mails" in command.text("db", "verify")
