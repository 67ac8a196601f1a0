"""What `simulate` and `partners test` refuse, and how a line of what happened reads."""

import datetime as dt

import pytest

from config.settings import ListenerMode
from iso_gateway.cli.simulation import simulate
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import Role, State
from iso_gateway.simulation.scenario import Way
from iso_gateway.simulation.script import Fate, Happening
from tests.support.site import Installation
from tests.unit.cli.conftest import Command

AT = dt.datetime(2026, 11, 16, 10, 0, 1, tzinfo=dt.UTC)


def test_a_real_library_is_not_simulated(command: Command) -> None:
    assert "partner 'SFU' is a real library" in command.error("simulate", "SFU")
    assert "there is no partner 'NOBODY'" in command.error("simulate", "NOBODY")


def test_what_is_named_has_to_be_there(command: Command) -> None:
    assert "no scenario of this name comes with the gateway; expected 'cancelling-borrower'" in command.error(
        "simulate", "YAZ", "--scenario", "nothing", code=2
    )
    assert "there is no local symbol 'SFU'; there are 'BEX'" in command.error(
        "simulate", "YAZ", "--gateway", "[::1]:9", "--local", "SFU"
    )


@pytest.mark.parametrize("option", ["--gateway", "--listen"])
@pytest.mark.parametrize("wrong", ["nowhere", "host:-1", "host:x", ":12", "host:65536"])
def test_an_address_has_a_host_and_a_port(option: str, wrong: str, command: Command) -> None:
    assert "is no HOST:PORT" in command.error("simulate", "YAZ", option, wrong, code=2)


def test_without_a_listener_of_its_mode_the_gateway_has_to_be_named(
    place: Installation, command: Command
) -> None:
    text = place.config.read_text(encoding="utf-8")
    place.config.write_text(text.replace("port = 1611", "port = 0"), encoding="utf-8")
    assert "say --gateway HOST:PORT" in command.error("simulate", "YAZ")


def test_the_listener_of_the_partners_mode_is_found(place: Installation) -> None:
    settings = place.site.settings
    partner = settings.partner("YAZ")
    assert partner is not None
    assert simulate._listener(settings, partner) == ("127.0.0.1", 1611)
    assert {one.mode for one in settings.listeners} == set(ListenerMode)


def test_a_partner_that_is_down_is_said_to_be(place: Installation, command: Command) -> None:
    file = place.config.parent / "partners" / "yaz.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("port = 1612", "port = 1"), encoding="utf-8")
    told = command.json("partners", "test", "yaz", code=1)
    assert (told["partner"], told["outcome"]) == ("YAZ", "not-reached")
    assert command.text("partners", "test", "YAZ", code=1).startswith("YAZ: cannot connect to 127.0.0.1:1: ")
    assert "there is no partner 'NOBODY'" in command.error("partners", "test", "NOBODY")


@pytest.mark.parametrize(
    ("happening", "expected"),
    [
        (
            Happening(
                at=AT,
                fate=Fate.SENT,
                service=Service.SHI,
                request="G/1",
                role=Role.RESPONDER,
                before=State.IN_PROCESS,
                after=State.SHIPPED,
                way=Way.LOST,
            ),
            "10:00:01 sent SHIPPED (lost) of G/1 as lender IN-PROCESS to SHIPPED",
        ),
        (
            Happening(
                at=AT,
                fate=Fate.IGNORED,
                service=Service.MSG,
                request="G/1\x1b[2J",
                role=Role.REQUESTER,
                before=State.PENDING,
                after=State.PENDING,
                note="an exact copy",
            ),
            "10:00:01 ignored MESSAGE of G/1\x1b[2J as borrower in PENDING: an exact copy",
        ),
        (Happening(at=AT, fate=Fate.UNREADABLE, note="no tag"), "10:00:01 unreadable: no tag"),
    ],
)
def test_a_line_says_what_happened(happening: Happening, expected: str) -> None:
    assert simulate.line(happening) == expected


def test_nothing_from_the_network_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    happening = Happening(
        at=AT, fate=Fate.RECEIVED, service=Service.MSG, request="\x1b[2J", role=Role.REQUESTER
    )
    simulate._Printer(json=False).happened(happening)
    simulate._Printer(json=True).happened(happening)
    assert "\x1b" not in capsys.readouterr().out
