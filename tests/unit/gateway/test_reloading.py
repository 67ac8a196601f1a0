"""What a configuration that is read anew changes at once, and what waits for a restart."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import pytest

from config.settings import Limits, Listener, ListenerMode, LocalSymbol, Settings, Sharing
from config.symbols import Symbol
from iso_gateway.running.reloading import FOLLOWED, merged

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
    "listeners",
    "mail",
    "sharing",
    "webhooks",
}


def test_of_every_setting_it_is_known_whether_it_waits() -> None:
    assert {one.name for one in fields(Settings) if one.init} == WAITING | FOLLOWED
    assert not WAITING & FOLLOWED


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
