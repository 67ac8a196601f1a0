"""Scenario files: what is refused, and that those which come with the gateway can be played to their ends."""

from pathlib import Path
from typing import Any, Final

import pytest

from config.errors import ConfigErrors
from config.settings import Partner
from config.symbols import Symbol
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import Role, State
from iso_gateway.simulation import scenario
from iso_gateway.simulation.scenario import Scenario, Way
from iso_gateway.simulation.script import Fate, Script, Sending
from tests.unit.simulation.test_script import NOW, SFU

HERE: Final = Path("played.toml")
UBC: Final = Partner(name="UBC", symbols=(Symbol.parse("ILLUME:UBC"),), transport=SFU.transport)

# What happens, for the borrower and for the lender, where one plays a scenario with the other.
ENDS: Final[dict[tuple[str, str], set[tuple[State, State]]]] = {
    ("prompt-borrower", "prompt-lender"): {
        (State.RETURNED, State.CHECKED_IN),
        (State.RECEIVED, State.SHIPPED),
    },
    ("prompt-borrower", "silent-lender"): {(State.PENDING, State.IN_PROCESS)},
    ("prompt-borrower", "conditional-lender"): {
        (State.RETURNED, State.CHECKED_IN),
        (State.RECEIVED, State.SHIPPED),
    },
    ("prompt-borrower", "unfilled-lender"): {(State.NOT_SUPPLIED, State.NOT_SUPPLIED)},
    ("prompt-borrower", "forwarding-lender"): {(State.NOT_SUPPLIED, State.NOT_SUPPLIED)},
    ("renewing-borrower", "prompt-lender"): {(State.RETURNED, State.CHECKED_IN)},
    ("renewing-borrower", "strict-lender"): {(State.RETURNED, State.CHECKED_IN)},
    ("cancelling-borrower", "prompt-lender"): {(State.SHIPPED, State.SHIPPED)},
    ("cancelling-borrower", "crossing-cancel"): {(State.PENDING, State.IN_PROCESS)},
    ("prompt-borrower", "lost-shipped"): {(State.PENDING, State.SHIPPED)},
    ("crossing-cancel", "prompt-lender"): {(State.SHIPPED, State.SHIPPED)},
    ("repeats-everything", "repeats-everything"): {(State.RETURNED, State.CHECKED_IN)},
    ("out-of-order", "out-of-order"): {(State.RETURNED, State.CHECKED_IN)},
}


class Table:
    """Two scripts, and the octets between them: delivered at once, in order."""

    def __init__(self, borrower: Scenario, lender: Scenario) -> None:
        self.borrower = Script(UBC, borrower, new_qualifier=self._qualifier)
        self.lender = Script(SFU, lender, new_qualifier=self._qualifier)
        self._under_way: list[tuple[Script, bytes]] = []
        self._count = 0

    def _qualifier(self) -> str:
        self._count += 1
        return str(self._count)

    def play(self) -> None:
        """Let the borrower begin, and go on until nothing is under way."""
        for order in self.borrower.scenario.requests:
            for _ in range(order.count):
                self._out(self.lender, self.borrower.begin(order, SFU.symbols[0], NOW)[1])
        for _ in range(1000):
            if not self._under_way:
                return
            self._step()
        raise AssertionError("they never end")

    def ends(self) -> set[tuple[State, State]]:
        """The states in which they are: the borrower's, and the lender's."""
        lenders = {one.number: one.state for one in self.lender.conversations if one.role is Role.RESPONDER}
        return {
            (one.state, lenders[one.number])
            for one in self.borrower.conversations
            if one.role is Role.REQUESTER
        }

    def _out(self, to: Script, sendings: tuple[Sending, ...]) -> None:
        self._under_way += [(to, sending.octets) for sending in sendings]

    def _step(self) -> None:
        script, octets = self._under_way.pop(0)
        other = self.lender if script is self.borrower else self.borrower
        taken = script.receive(octets, NOW)
        self._out(other, taken.at_once)
        if taken.conversation is not None:
            for step in taken.steps:
                self._out(other, script.step(taken.conversation, step, NOW))
            self._out(other, script.end(taken.conversation))


@pytest.mark.parametrize("names", ENDS, ids=" and ".join)
def test_a_scenario_plays_with_another(names: tuple[str, str]) -> None:
    table = Table(scenario.load(names[0]), scenario.load(names[1]))
    table.play()
    assert table.ends() == ENDS[names]


def test_every_scenario_is_played() -> None:
    played = {name for names in ENDS for name in names}
    assert played == set(scenario.shipped())


def test_the_lost_shipped_is_found_by_a_status_query() -> None:
    asking = {
        "description": "Asks",
        "requests": [{"request": {"item": {"title": "x"}}}],
        "rules": [{"on": "ILL-ANSWER", "then": [{"send": "STATUS-QUERY"}]}],
    }
    table = Table(scenario.read(asking, HERE), scenario.load("lost-shipped"))
    table.play()
    assert table.ends() == {(State.SHIPPED, State.SHIPPED)}
    reports = [one for one in table.borrower.conversations[0].past if one.service is Service.STR]
    assert [one.fate for one in reports] == [Fate.RECEIVED]


def test_repeats_are_taken_as_such() -> None:
    table = Table(scenario.load("repeats-everything"), scenario.load("repeats-everything"))
    table.play()
    [borrower], [lender] = table.borrower.conversations, table.lender.conversations
    for conversation in (borrower, lender):
        received = [one for one in conversation.past if one.fate is Fate.RECEIVED]
        assert len(received) >= 4
        assert all(one.before is one.after for one in received[1::2]), "a repeat changes nothing"


def broken(text: dict[str, Any]) -> list[str]:
    """Give what is wrong with a scenario, without the name of its file."""
    with pytest.raises(ConfigErrors) as caught:
        scenario.read({"description": "A test", **text}, HERE)
    return [str(error).removeprefix("played.toml: ") for error in caught.value.errors]


def steps(*then: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """Give a scenario of one rule."""
    return {"rules": [{"on": "ILL-REQUEST", "then": list(then), **keys}]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ({"colour": 1}, "colour: unknown key; expected one of 'description', 'way', "),
        ({"way": "sideways"}, "way: 'sideways' cannot stand here; expected one of 'once', 'lost'"),
        ({"rules": [{"on": "ILLREQUEST"}]}, "rules[0].on: 'ILLREQUEST' is no service; expected one of 'ILL-"),
        ({"rules": [{"on": ["x"]}]}, "rules[0].on: a list is no service; expected"),
        (steps({"send": "SHIP"}), "rules[0].then[0].send: 'SHIP' is nothing that a rule can send; expected"),
        (steps({"send": "ILL-REQUEST"}), "rules[0].then[0].send: 'ILL-REQUEST' is nothing that"),
        (steps({"send": "FORWARD-NOTIFICATION"}), "rules[0].then[0].fields.to: is missing; expected a text"),
        (steps({}), "rules[0].then[0]: it does nothing; expected exactly one of 'send', 'repeat', 'copy'"),
        (
            steps({"send": "SHIPPED", "copy": "SHIPPED"}),
            "rules[0].then[0]: send and copy stand together; expected exactly one",
        ),
        (
            steps({"repeat": "SHIPPED", "fields": {"note": "x"}}),
            "rules[0].then[0].fields.note: what is sent again, or made by the machine alone, takes no fields",
        ),
        (steps({"send": "SHIPPED", "fields": 3}), "rules[0].then[0].fields: 3 is no table; expected a table"),
        (
            steps({"send": "SHIPPED", "fields": {"due": "+1d"}}),
            "rules[0].then[0].fields.due: unknown field; expected one of 'service_type', 'date_shipped'",
        ),
        (
            steps({"send": "SHIPPED", "fields": {"date_due": "soon"}}),
            "rules[0].then[0].fields.date_due: 'soon' cannot stand here; expected a date as '2026-12-31', or",
        ),
        (
            steps({"send": "SHIPPED", "fields": {"renewable": "yes", "service_type": "gift"}}),
            "rules[0].then[0].fields.renewable: 'yes' cannot stand here; expected true or false",
        ),
        (
            steps({"send": "SHIPPED", "fields": {"units": [{"medium": "printed", "units": "x"}]}}),
            "rules[0].then[0].fields.units[0].units: 'x' cannot stand here; expected a whole number",
        ),
        (
            steps({"send": "MESSAGE"}),
            "rules[0].then[0].fields.note: is missing; expected a text",
        ),
        (
            steps({"send": "ILL-ANSWER unfilled", "fields": {"reason": "bored"}}),
            "rules[0].then[0].fields: 'bored' is no reason unfilled: say one of in-use-on-loan",
        ),
        (
            steps({"send": "SHIPPED", "after": "soon"}),
            "rules[0].then[0].after: 'soon' is no duration; expected",
        ),
        (
            steps(before=[{"send": "SHIPPED", "after": "1s"}]),
            "rules[0].before: nothing can cross the request that begins everything; expected 'then'",
        ),
        (
            {"rules": [{"on": "CANCEL", "before": [{"send": "SHIPPED", "after": "1s"}]}]},
            "rules[0].before[0].after: a step under 'before' cannot wait; expected no such key, or 'then'",
        ),
        ({"rules": [{"on": "CANCEL", "state": "LATE"}]}, "rules[0].state: 'LATE' is no state; expected one"),
        ({"rules": [{"on": "CANCEL", "state": [["LATE"]]}]}, "rules[0].state: a list is no state; expected"),
        (
            {"requests": [{"request": {"item": {"titel": "x"}}}]},
            "requests[0].request.item.titel: unknown key; expected 'title'",
        ),
        ({"requests": [{"request": {"item": {}}}]}, "requests[0].request: "),
    ],
)
def test_mistakes_are_said_with_their_place(text: dict[str, Any], expected: str) -> None:
    assert any(line.startswith(expected) for line in broken(text)), broken(text)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert len(broken({"colour": 1, **steps({"send": "SHIP"}, {"after": 3})})) == 3


def test_a_file_and_a_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('description = "Mine"\nway = "twice"\n', encoding="utf-8")
    assert scenario.load(str(file)).way is Way.TWICE
    assert scenario.load("prompt-lender").rules
    file.write_text("", encoding="utf-8")
    with pytest.raises(ConfigErrors, match=r"mine.toml: description: is missing"):
        scenario.load(str(file))
    with pytest.raises(ConfigErrors, match="no scenario of this name comes with the gateway"):
        scenario.load("mine")
    with pytest.raises(ConfigErrors, match="cannot be read"):
        scenario.load("./mine.toml")
