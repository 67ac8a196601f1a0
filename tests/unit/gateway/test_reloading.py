"""What a configuration that is read anew changes at once, and what waits for a restart."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import pytest

from config.settings import Limits, Listener, ListenerMode, LocalSymbol, Settings, Sharing
from config.symbols import Symbol
from iso_gateway.running.reloading import FOLLOWED, FOLLOWED_IN_PART, merged

HELD: Final = Settings(
    source=Path("/etc/iso-gateway/gateway.toml"),
    state_dir=Path("/var/lib/iso-gateway"),
    database_url="sqlite:////var/lib/iso-gateway/gateway.db",
    master_key_file=Path("/etc/iso-gateway/master.key"),
)

#: What is used when the gateway starts. A new setting has to be put into one of the two.
WAITING: Final = {
    "source",
    "state_dir",
    "database_url",
    "master_key_file",
    "mail",
    "sharing",
    "webhooks",
}


def test_of_every_setting_it_is_known_whether_it_waits() -> None:
    names = [one.name for one in fields(Settings) if one.init]
    assert sorted(names) == sorted([*WAITING, *FOLLOWED, *FOLLOWED_IN_PART])


def test_what_is_followed_is_taken_and_nothing_waits() -> None:
    local = LocalSymbol(name="BEX", symbol=Symbol.parse("ILLUME:BEX"))
    found = replace(HELD, limits=Limits(max_depth=8), local=(local,), routes=())
    settings, waiting = merged(HELD, found)
    assert waiting == ()
    assert settings == found
    assert settings.local_for(Symbol.parse("ILLUME:BEX")) == local


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state_dir", Path("/elsewhere")),
        ("database_url", "postgresql:///other"),
        ("master_key_file", Path("/elsewhere/key")),
        ("sharing", Sharing(lease=Sharing().lease * 2)),
        ("listeners", (Listener(name="new", mode=ListenerMode.ONE_WAY, host="::", port=1),)),
    ],
)
def test_what_waits_keeps_its_value_and_is_named(name: str, value: object) -> None:
    changes: dict[str, Any] = {name: value}
    settings, waiting = merged(HELD, replace(HELD, limits=Limits(max_depth=8), **changes))
    assert waiting == (name,)
    assert settings == replace(HELD, limits=Limits(max_depth=8))


PROTECTED: Final = Listener(
    name="two-way",
    mode=ListenerMode.TWO_WAY,
    host="::",
    port=499,
    tls=True,
    certificate_file="/old.pem",
    key_file="/old.key",
)


@pytest.mark.parametrize(
    "files",
    [
        {"certificate_file": "/new.pem", "key_file": "/new.key"},
        {"client_ca_file": "/ca.pem"},
        {},
    ],
)
def test_the_certificates_of_a_listener_are_followed(files: dict[str, Any]) -> None:
    found = replace(HELD, listeners=(replace(PROTECTED, **files),))
    assert merged(replace(HELD, listeners=(PROTECTED,)), found) == (found, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"port": 4990},
        {"name": "other"},
        {"tls": False, "certificate_file": None, "key_file": None},
        {"mode": ListenerMode.ONE_WAY},
    ],
)
def test_nothing_else_of_a_listener_is_followed(changes: dict[str, Any]) -> None:
    held = replace(HELD, listeners=(PROTECTED,))
    found = replace(HELD, listeners=(replace(PROTECTED, **changes),))
    assert merged(held, found) == (held, ("listeners",))


def test_of_a_listener_that_moves_the_certificates_are_followed_all_the_same() -> None:
    moved = replace(PROTECTED, port=4990, key_file="/new.key")
    settings, waiting = merged(replace(HELD, listeners=(PROTECTED,)), replace(HELD, listeners=(moved,)))
    assert (settings.listeners, waiting) == ((replace(PROTECTED, key_file="/new.key"),), ("listeners",))
