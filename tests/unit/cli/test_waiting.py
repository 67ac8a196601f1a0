"""`iso-gateway waiting`, `partners suspend` and `partners resume`, over a real store."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iso_gateway.failure import Failure, advice
from iso_gateway.request import primitives
from iso_gateway.store.leases import Trouble
from iso_gateway.store.records import AuditRecord, BreakerState, OutboxId, OutboxStatus, PartnerStateRecord
from tests.support import apdus
from tests.support.site import Installation
from tests.unit.cli.conftest import Command

FAR = datetime(2099, 1, 1, tzinfo=UTC)
WHY = ("--reason", "the partner asked")


@pytest.fixture
def queued(place: Installation) -> None:
    """Three that wait for YAZ, the second behind the first; their numbers are 3, 4 and 5."""
    place.receive(apdus.ill_request())
    place.receive(apdus.ill_request(transaction="2"))
    place.deliver_all()
    place.act(1, primitives.Ship())
    place.act(1, primitives.SendMessage(note="hello"))
    place.act(2, primitives.Ship())


def audit(place: Installation) -> list[AuditRecord]:
    with place.site.store.reading() as uow:
        return [one for one in uow.audit.list() if one.action.startswith(("waiting.", "partner."))]


def statuses(place: Installation) -> dict[int, OutboxStatus]:
    with place.site.store.reading() as uow:
        return {row.id: row.status for row in uow.outbox.list(finished=True) if row.id > 2}


def waiting(command: Command, *options: object) -> dict[int, Any]:
    return {row["id"]: row for row in command.json("waiting", "list", *options)}


@pytest.mark.usefixtures("queued")
class TestHold:
    def test_what_is_held_holds_its_lane_until_it_is_released(
        self, place: Installation, command: Command
    ) -> None:
        assert command.json("waiting", "hold", 3, *WHY, "--yes")["passed_over"] == []
        assert statuses(place) == {3: OutboxStatus.HELD, 4: OutboxStatus.WAITING, 5: OutboxStatus.WAITING}
        with place.site.store.reading() as uow:
            assert [row.id for row in uow.due.heads(place.clock())] == [5]
        rows = waiting(command)
        assert rows[3]["why"].endswith("holds it back: waiting release lets it go")
        assert rows[3]["held_by"] == audit(place)[0].actor
        assert (rows[3]["next_attempt_at"], rows[4]["next_attempt_at"]) == (None, None)
        assert "when it is let go" in command.text("waiting", "list")
        assert "released: 1" in command.text("waiting", "release", "--all", *WHY, "--yes")
        assert set(statuses(place).values()) == {OutboxStatus.WAITING}
        assert [(one.action, one.reason, one.message_id, one.half_id) for one in audit(place)] == [
            ("waiting.release", "the partner asked", 5, 1),
            ("waiting.hold", "the partner asked", 5, 1),
        ]

    def test_what_arrived_all_the_same_is_taken_as_delivered_and_its_lane_goes_on(
        self, place: Installation, command: Command
    ) -> None:
        with place.site.store.unit_of_work() as uow:
            at = place.clock()
            fence = uow.leases.claim(OutboxId(3), "test", at, at + timedelta(minutes=1))
            assert fence is not None
            trouble = Trouble(error="it broke", failure=Failure.RESET, ambiguous=True)
            assert uow.leases.hold_back(OutboxId(3), fence, at, trouble)
        assert waiting(command)[3]["why"] == (
            "it broke: find out, then waiting release, or waiting release --as-delivered"
        )
        said = command.text("waiting", "release", 3, "--as-delivered", *WHY, "--yes")
        assert said == "taken as delivered: 1\n"
        assert statuses(place)[3] is OutboxStatus.DELIVERED
        assert waiting(command)[4]["next_attempt_at"] is not None
        assert audit(place)[0].action == "waiting.take-as-delivered"

    def test_what_is_so_already_is_no_failure_and_nothing_is_asked_about_it(
        self, place: Installation, command: Command
    ) -> None:
        assert command.json("waiting", "release", 3) == {
            "done": [],
            "passed_over": [3],
            "already": [3],
            "why": {"3": "is not held back"},
        }
        assert command.text("waiting", "release", 3) == "number 3 is not held back\n"
        assert command.text("waiting", "hold", 3, *WHY, "--yes") == "held back: 1\n"
        assert command.text("waiting", "hold", 3) == "number 3 is held back already\n"
        said = command.text("waiting", "hold", 3, 5, *WHY, "--yes")
        assert said == "held back: 1\nnumber 3 is held back already\n"
        assert len(audit(place)) == 2
        command("waiting", "release", 3, 5, *WHY, "--yes")
        with place.site.store.unit_of_work() as uow:
            fence = uow.leases.claim(OutboxId(3), "test", FAR, FAR + timedelta(minutes=1))
            assert fence is not None
            assert uow.leases.delivered(OutboxId(3), fence, FAR)
        assert command.text("waiting", "retry", 3) == "number 3 is delivered already\n"

    def test_what_cannot_be_is_a_failure(self, place: Installation, command: Command) -> None:
        command("waiting", "hold", 3, *WHY, "--yes")
        assert command.text("waiting", "retry", 3, code=1) == (
            "number 3 is held back: waiting release lets it go\n"
        )
        said = command.text("waiting", "retry", 3, 5, *WHY, "--yes", code=1)
        assert said.startswith("tried now: 1\nnumber 3 is held back")
        said = command.text("waiting", "hold", 5, "--partner", "SFU", *WHY, "--yes", code=1)
        assert said == "number 5 is none of those that the other options choose\n"
        assert command.json("waiting", "release", 4, "--as-delivered", code=1)["already"] == []
        with place.site.store.unit_of_work() as uow:
            # By its clock, this machine is later than the test.
            fence = uow.leases.claim(OutboxId(5), "test", FAR, FAR + timedelta(minutes=1))
            assert fence is not None
        assert command.text("waiting", "retry", 5) == "number 5 is being sent now\n"
        assert command.text("waiting", "hold", 5, code=1) == "number 5 is being sent now\n"
        with place.site.store.unit_of_work() as uow:
            assert uow.leases.gave_up(
                OutboxId(5), fence, FAR, Trouble(error="refused", failure=Failure.REFUSED)
            )
        for operation in ("retry", "hold", "release"):
            assert "was given up: replay sends a message once more" in command.text(
                "waiting", operation, 5, code=1
            )

    def test_a_number_that_there_is_not_is_an_error_and_nothing_is_done(
        self, place: Installation, command: Command
    ) -> None:
        said = command.error("waiting", "hold", 3, 99, *WHY, "--yes")
        assert said.startswith("error: nothing that is to be sent has the number 99; waiting list shows")
        # People have the number of the message at hand.
        assert "99" not in command.error("waiting", "hold", 7, *WHY, "--yes")
        assert "message 7 has the number 5" in command.error("waiting", "hold", 7, *WHY, "--yes")
        assert audit(place) == []

    def test_a_whole_partner_or_what_is_old_can_be_meant(self, place: Installation, command: Command) -> None:
        assert "held back: 0" in command.text("waiting", "hold", "--partner", "SFU", *WHY, "--yes")
        # Queued in 2026 by the clock of the test; the command has the same clock only where it writes.
        assert "held back: 3" in command.text("waiting", "hold", "--partner", "YAZ", *WHY, "--yes")
        assert len(audit(place)) == 3
        assert waiting(command, "--older-than", "3650d") == {}
        assert "released: 0" in command.text("waiting", "release", "--older-than", "3650d", *WHY, "--yes")

    def test_it_asks_before_it_is_done_and_why(self, place: Installation, command: Command) -> None:
        result = command("waiting", "hold", "--all", stdin="rehearsal\nn\n", code=1)
        assert "3 will be held back; go on?" in result.stderr
        assert set(statuses(place).values()) == {OutboxStatus.WAITING}
        command("waiting", "hold", "--all", stdin="rehearsal\ny\n")
        assert set(statuses(place).values()) == {OutboxStatus.HELD}
        assert audit(place)[0].reason == "rehearsal"

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("hold", "--yes", *WHY), "say what is meant"),
            (("hold", "--all", "--yes", "--reason", " "), "a reason is needed"),
            (("list", "--older-than", "yesterday"), "is no duration"),
        ],
    )
    def test_what_is_not_said_is_asked_for(
        self, place: Installation, command: Command, arguments: tuple[str, ...], said: str
    ) -> None:
        assert said in " ".join(command("waiting", *arguments, code=2).stderr.split())
        assert set(statuses(place).values()) == {OutboxStatus.WAITING}


@pytest.mark.usefixtures("queued")
class TestRetry:
    def test_what_waits_for_its_retry_is_due_at_once(self, place: Installation, command: Command) -> None:
        with place.site.store.reading() as uow:
            [row] = [one for one in uow.outbox.list() if one.id == 3]
        assert row.message_id is not None
        place.fail(row.message_id, "refused")
        with place.site.store.unit_of_work() as uow:
            uow.partners.set_breaker(
                PartnerStateRecord(
                    partner="YAZ",
                    breaker=BreakerState.OPEN,
                    failures=3,
                    retry_at=FAR,
                    failing_since=place.clock.now,
                    failure=Failure.REFUSED,
                    last_error="connection refused",
                )
            )
            assert [one.id for one in uow.due.heads(place.clock())] == [5]
        rows = waiting(command)
        assert rows[3]["why"] == (
            "YAZ takes nothing now, and one is tried for all: connection refused; " + advice(Failure.REFUSED)
        )
        assert rows[5]["next_attempt_at"] == FAR.isoformat()
        assert "tried now: 1" in command.text("waiting", "retry", 3, *WHY, "--yes")
        with place.site.store.reading() as uow:
            # The next probe goes at once, too, or nothing would be tried.
            probe_at = uow.partners.get("YAZ").retry_at
            assert probe_at is not None
            assert probe_at < FAR
            assert [one.id for one in uow.due.heads(probe_at)] == [5, 3]
        assert audit(place)[0].action == "waiting.retry"

    def test_what_is_being_sent_says_so(self, place: Installation, command: Command) -> None:
        at = place.clock()
        with place.site.store.unit_of_work() as uow:
            assert uow.leases.claim(OutboxId(3), "test", at, at + timedelta(minutes=1)) is not None
        assert waiting(command)[3]["why"] == "it is being tried"
        told = command.json("waiting", "retry", 3, *WHY, "--yes")
        assert (told["done"], told["already"]) == ([], [3])

    def test_the_audit_of_a_disposed_request_is_kept_apart_from_it(
        self, place: Installation, command: Command
    ) -> None:
        place.dispose(2)
        assert "tried now: 1" in command.text("waiting", "retry", 5, *WHY, "--yes")
        assert (audit(place)[0].half_id, audit(place)[0].reason) == (None, "the partner asked")


class TestPartners:
    @pytest.mark.usefixtures("queued")
    def test_a_suspended_partner_is_shown_and_resumed(self, place: Installation, command: Command) -> None:
        told = command.json("partners", "suspend", "yaz", *WHY, "--yes")
        assert (told["partner"], told["changed"], told["delivery"]["waiting"]) == ("YAZ", True, 3)
        assert waiting(command)[3]["partner_suspended"] is True
        assert "suspended its partner: partners resume YAZ goes on" in waiting(command)[3]["why"]
        shown = command.json("partners", "show", "YAZ")["delivery"]
        assert (shown["reason"], shown["waiting"]) == ("the partner asked", 3)
        assert shown["suspended_by"] == audit(place)[0].actor
        assert ": the partner asked\n    to send again: " in command.text("partners", "show", "YAZ")
        said = command.text("partners", "suspend", "YAZ", *WHY, "--yes")
        assert said == f"nothing to do: YAZ is suspended already, by {audit(place)[0].actor}\n"
        # Nothing is asked about what is not done.
        assert "YAZ is suspended already" in command.text("partners", "suspend", "YAZ")
        assert command.text("partners", "resume", "YAZ", *WHY, "--yes") == "YAZ is resumed; waiting: 3\n"
        assert waiting(command)[3]["why"].startswith("what has waited goes out slowly")
        said = command.text("partners", "resume", "YAZ", *WHY, "--yes")
        assert said == "nothing to do: YAZ is not suspended\n"
        assert [one.action for one in audit(place)] == ["partner.resume", "partner.suspend"]

    @pytest.mark.usefixtures("queued")
    def test_one_that_has_another_name_by_now(self, place: Installation, command: Command) -> None:
        text = place.partner_file.read_text(encoding="utf-8")
        assert "still configured" in command.error("partners", "rename", "YAZ", "YAZ", *WHY, "--yes")
        place.partner_file.write_text(text.replace('name = "YAZ"', 'name = "Toronto"'), encoding="utf-8")
        asked = command("partners", "rename", "YAZ", "toronto", *WHY, stdin="n\n", code=1)
        assert "what is stored of YAZ will be Toronto's; go on?" in asked.stderr
        told = command.json("partners", "rename", "YAZ", "toronto", *WHY, "--yes")
        assert told == {"old": "YAZ", "new": "Toronto", "rows": {"halves": 2, "processings": 7, "outbox": 5}}
        assert {row["partner"] for row in waiting(command).values()} == {"Toronto"}
        said = command.text("partners", "rename", "YAZ", "Toronto", *WHY, "--yes")
        assert said == "nothing is stored of YAZ\n"

    def test_it_asks_first_and_nobody_unknown_is_suspended(
        self, place: Installation, command: Command
    ) -> None:
        result = command("partners", "suspend", "YAZ", *WHY, stdin="n\n", code=1)
        assert "YAZ will be suspended; waiting for it: 0; go on?" in result.stderr
        assert "there is no partner 'XYZ'" in command.error("partners", "suspend", "XYZ", *WHY, "--yes")
        with place.site.store.reading() as uow:
            assert uow.partners.all() == {}
