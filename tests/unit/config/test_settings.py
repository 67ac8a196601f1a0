"""Settings: who and which route is found for an APDU."""

from pathlib import Path
from zoneinfo import ZoneInfo

from config.settings import LocalSymbol, Partner, Route, RouteMode, Settings, TcpTransport
from config.symbols import Symbol

BEX = LocalSymbol(name="BEX", symbol=Symbol("ILLUME", "BEX"), aliases=(Symbol(None, "BOWEN"),))
ISLE = LocalSymbol(name="ISLE", symbol=Symbol("ILLUME", "ISLE"), time_zone="UTC")
SFU = Partner(
    name="SFU",
    symbols=(Symbol("ILLUME", "SFU"), Symbol("OCLC", "BSF")),
    aliases=(Symbol(None, "SIMON"),),
    transport=TcpTransport(host="h", port=1),
)
UBC = Partner(name="UBC", symbols=(Symbol("ILLUME", "UBC"),), transport=TcpTransport(host="h", port=2))


def settings(*routes: Route) -> Settings:
    return Settings(
        source=Path("/gateway.toml"),
        state_dir=Path("/state"),
        database_url="sqlite:////state/gateway.db",
        master_key_file=Path("/state/master.key"),
        local=(BEX, ISLE),
        partners=(SFU, UBC),
        routes=routes,
    )


def test_a_partner_is_found_by_its_name_exactly() -> None:
    assert settings().partner("SFU") is SFU
    assert settings().partner("sfu") is None


def test_a_partner_is_found_by_any_of_its_symbols() -> None:
    for text in ("ILLUME:SFU", "illume:SFU", "SFU", "OCLC:BSF", "SIMON", "ANY:SIMON"):
        assert settings().partner_for(Symbol.parse(text)) is SFU
    for text in ("OCLC:SFU", "ILLUME:sfu", "ILLUME:BEX", ""):
        assert settings().partner_for(Symbol.parse(text)) is None


def test_a_local_symbol_is_found_by_any_of_its_symbols() -> None:
    for text in ("ILLUME:BEX", "BEX", "BOWEN"):
        assert settings().local_for(Symbol.parse(text)) is BEX
    assert settings().local_for(Symbol.parse("ILLUME:SFU")) is None


def test_without_routes_every_local_symbol_serves_every_partner() -> None:
    known = settings()
    for local in (BEX, ISLE):
        for partner in (SFU, UBC):
            assert known.route(local, partner) == Route(local=local.name, partner="*", mode=RouteMode.SERVE)


def test_the_route_to_a_partner_comes_before_that_to_all() -> None:
    to_all = Route(local="BEX", partner="*")
    to_one = Route(local="BEX", partner="SFU", mode=RouteMode.RELAY)
    known = settings(to_all, to_one)
    assert known.route(BEX, SFU) is to_one
    assert known.route(BEX, UBC) is to_all
    assert known.route(ISLE, UBC) is None


def test_the_time_zones_are_at_hand() -> None:
    assert ISLE.zone == ZoneInfo("UTC")
    assert SFU.zone == ZoneInfo("America/Vancouver")
