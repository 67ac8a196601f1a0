"""How single values of a configuration file are read: durations, symbols, names, networks, time zones.

Each is an annotated type, used by `config.settings`. A value that will not do is refused with what is wrong
with it and what was expected; the value itself is escaped. Imports nothing of ours but `config.errors`,
`config.rules` and `config.symbols`.
"""

import re
from datetime import date, datetime, time, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from config.errors import shown
from config.rules import RuleSetting, RuleSeverity
from config.symbols import Symbol

EXPLAINED: Final = "explained"
"""The error type of a refusal that carries its own `problem` and `expected`."""

Network = IPv4Network | IPv6Network

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)", re.ASCII)
_UNITS: Final = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=3660)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_HOST_AND_PORT: Final = "a host and a port, as 'ill.library.example:1611' or '[2001:db8::7]:1611'"
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_REGION = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,3}))?", re.ASCII)
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_ADDRESS = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,255}", re.ASCII)


def refusal(problem: str, expected: str) -> PydanticCustomError:
    """Returns the exception that refuses a value in our own words."""
    return PydanticCustomError(EXPLAINED, "refused", {"problem": problem, "expected": expected})


def _duration(value: object) -> timedelta:
    expected = "a duration above zero, as '30s', '5m', '12h' or '14d' (units ms, s, m, h, d)"
    duration = _duration_or_none(value, expected)
    if not duration:
        raise refusal(f"{shown(value)} is no time at all", expected)
    return duration


def _wait(value: object) -> timedelta:
    return _duration_or_none(value, "a duration, as '0s', '30s' or '10m' (units ms, s, m, h, d)")


def _duration_or_none(value: object, expected: str) -> timedelta:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise refusal(f"{shown(value)} is no duration", expected)
    number = float(match[1])
    seconds = number * (timedelta(**{_UNITS[match[2]]: 1}) / timedelta(seconds=1))
    if seconds > _LONGEST.total_seconds():
        raise refusal(f"{shown(value)} is longer than ten years", expected)
    return timedelta(seconds=seconds)


def duration_as_written(value: timedelta) -> str:
    """A duration as a configuration has it, in the largest unit that is enough: `14d`, `90s`."""
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if value % timedelta(seconds=seconds) == timedelta():
            return f"{value // timedelta(seconds=seconds)}{unit}"
    return f"{value.total_seconds():g}s"


def _symbol(value: object) -> Symbol:
    expected = "a symbol as 'AUTHORITY:SYMBOL', or a bare 'SYMBOL'"
    if not isinstance(value, str):
        raise refusal(f"{shown(value)} is no text", expected)
    symbol = Symbol.parse(value)
    if not symbol.symbol or symbol.authority == "":
        raise refusal(f"{shown(value)} lacks the symbol or the authority", expected)
    if not value.isprintable() or any(
        part != part.strip() for part in (symbol.authority or "", symbol.symbol)
    ):
        raise refusal(f"{shown(value)} begins or ends with a space, or holds a control character", expected)
    return symbol


def _network(value: object) -> Network:
    expected = "an address or network, as '192.0.2.7', '192.0.2.0/24' or '2001:db8::/32'"
    if not isinstance(value, str):
        raise refusal(f"{shown(value)} is no text", expected)
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        meant = ip_network(value, strict=False)
    except ValueError:
        raise refusal(f"{shown(value)} is no address and no network", expected) from None
    raise refusal(f"{shown(value)} has bits set beyond its prefix", f"'{meant}'")


def _zone(value: object) -> str:
    expected = "the name of a time zone, as 'America/Vancouver' or 'UTC'"
    if not isinstance(value, str):
        raise refusal(f"{shown(value)} is no text", expected)
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise refusal(f"no time zone {shown(value)} is known on this machine", expected) from None
    return value


def _name(value: str) -> str:
    if _NAME.fullmatch(value) is None:
        raise refusal(
            f"{shown(value)} is no name",
            "1 to 64 letters, digits, '.', '-' and '_', beginning with a letter or digit",
        )
    return value


def _text(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise refusal(f"{shown(value)} is blank or holds a control character", "one line of text")
    return value


def _host(value: str) -> str:
    expected = "a host name or an address, without port, as '192.0.2.7' or '2001:db8::7'"
    if not value or not value.isascii() or not value.isprintable() or any(sign in value for sign in " /[]@"):
        raise refusal(f"{shown(value)} is no host", expected)
    if ":" in value:
        try:
            ip_address(value)
        except ValueError:
            raise refusal(f"{shown(value)} is no host and no address of IPv6", expected) from None
    return value


def _public_address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    _host(bare)
    numbered = colon and port.isascii() and port.isdigit() and 1 <= int(port) <= 65535
    if not numbered or (":" in bare and bare == host):
        raise refusal(f"{shown(value)} is no host and port", _HOST_AND_PORT)
    return value


def _mail_address(value: str) -> str:
    # Why so narrow: it becomes an envelope and a header of mail, where a line break or comma means more.
    if _ADDRESS.fullmatch(value) is None or "," in value or ";" in value:
        raise refusal(f"{shown(value)} is no e-mail address", "one address, as 'ill@library.example'")
    return value


def _mail_sender(value: str) -> str:
    if value.startswith("@") and _ADDRESS.fullmatch(f"any{value}") is not None:
        return value
    if _ADDRESS.fullmatch(value) is None or "," in value or ";" in value:
        raise refusal(
            f"{shown(value)} is no e-mail address", "one address, or '@library.example' for all of a domain"
        )
    return value


def _path(value: str) -> str:
    expected = "a path, absolute or from the directory of this file"
    if not value.strip() or not value.isprintable():
        raise refusal(f"{shown(value)} is no path", expected)
    if value.startswith("~"):
        raise refusal(f"{shown(value)} begins with a '~', which means no home directory here", expected)
    return value


def _database_url(value: object) -> str:
    # Why the value is never shown: it may hold a password.
    expected = "'sqlite:///PATH' or 'postgresql+psycopg://USER@HOST/NAME'"
    if not isinstance(value, str) or not value.isprintable():
        raise refusal("it is no URL of a database", expected)
    scheme, separator, rest = value.partition("://")
    match scheme:
        case "sqlite" if separator and rest.startswith("/"):
            if rest.split("?")[0] in {"/", "/:memory:"}:
                raise refusal("a database in memory would lose everything", expected)
        case "postgresql" | "postgresql+psycopg" if separator and rest:
            try:
                _ = urlsplit(value).port
            except ValueError:
                problem = "its host and port cannot be told apart"
                raise refusal(problem, f"{expected}; in a password, / is %2F, @ is %40, : is %3A") from None
            return value
        case _:
            raise refusal("it names no database that this version can use", expected)
    return value


def _rules(value: object) -> tuple[RuleSetting, ...]:
    severities = {one.value: one for one in RuleSeverity}
    expected = "a table of rules, each 'error', 'warning' or 'off'"
    if not isinstance(value, dict):
        raise refusal(f"{shown(value)} is no table", expected)
    settings: list[RuleSetting] = []
    # Why sorted: the same settings in another order are the same profile.
    for rule, severity in sorted(value.items()):
        if not isinstance(severity, str) or severity not in severities:
            raise refusal(f"{shown(severity)} cannot follow when {shown(rule)} is broken", expected)
        settings.append(RuleSetting(rule=rule, severity=severities[severity]))
    return tuple(settings)


def _holiday_region(value: object) -> str:
    expected = "a country and its province or state, as 'CA-BC', or a country alone, as 'CA'"
    match = _REGION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise refusal(f"{shown(value)} is no region", expected)
    # Why so late: it knows many calendars, and few configurations name one.
    import holidays

    try:
        holidays.country_holidays(match[1], subdiv=match[2])
    except NotImplementedError:
        raise refusal(f"the holidays of {shown(value)} are not known", expected) from None
    return match[0]


def _day(value: object) -> date:
    expected = "a day, as 2026-12-28"
    # A moment is a day too, for Python.
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise refusal(f"{shown(value)} is no day", expected) from None


def _time_of_day(value: object) -> time:
    expected = "a time of day, as '07:30'"
    if isinstance(value, time):
        found = value
    elif isinstance(value, str) and _TIME.fullmatch(value) is not None:
        found = time.fromisoformat(value)
    else:
        raise refusal(f"{shown(value)} is no time of day", expected)
    if found.second or found.microsecond:
        raise refusal(f"{shown(str(found))} is no whole minute", expected)
    return found


def _hook_url(value: object) -> str:
    expected = "an https:// URL; http:// only to this machine itself, as 'http://127.0.0.1:8080/ill'"
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise refusal("it is no URL", expected)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise refusal("it is no URL", expected) from None
    if not host or parts.username is not None or parts.fragment:
        raise refusal("it names no host, or holds a user or a fragment", expected)
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _THIS_MACHINE):
        raise refusal("what is told would go out in the clear", expected)
    return value


def _described(text: str) -> Any:
    return Field(description=text)


Duration = Annotated[
    timedelta, PlainValidator(_duration), _described("a duration, as '30s', '5m', '12h' or '14d'")
]
Wait = Annotated[timedelta, PlainValidator(_wait), _described("a duration, as '0s', '30s' or '10m'")]
SymbolText = Annotated[
    Symbol, PlainValidator(_symbol), _described("a symbol, as 'ILLUME:SFU' or a bare 'SFU'")
]
NetworkText = Annotated[
    Network, PlainValidator(_network), _described("an address or network, as '192.0.2.7' or '192.0.2.0/24'")
]
RuleSettings = Annotated[
    tuple[RuleSetting, ...],
    PlainValidator(_rules),
    _described("a table of rules, each 'error', 'warning' or 'off'"),
]
ZoneName = Annotated[
    str, PlainValidator(_zone), _described("the name of a time zone, as 'America/Vancouver' or 'UTC'")
]
DatabaseUrl = Annotated[
    str,
    PlainValidator(_database_url),
    _described("'sqlite:///PATH' or 'postgresql+psycopg://USER@HOST/NAME'"),
]
HolidayRegion = Annotated[
    str,
    PlainValidator(_holiday_region),
    _described("a country and its province or state, as 'CA-BC', or a country alone, as 'CA'"),
]
HookUrl = Annotated[
    str, PlainValidator(_hook_url), _described("an https:// URL, or http:// to this machine itself")
]
TimeOfDay = Annotated[time, PlainValidator(_time_of_day), _described("a time of day, as '07:30'")]
CalendarDay = Annotated[date, PlainValidator(_day), _described("a day, as 2026-12-28")]
Name = Annotated[str, AfterValidator(_name), _described("a name of letters, digits, '.', '-' and '_'")]
RouteEnd = Annotated[str, _described("the name of a partner, or '*'")]
Text = Annotated[str, AfterValidator(_text), _described("one line of text")]
PathText = Annotated[
    str, AfterValidator(_path), _described("a path, absolute or from the directory of this file")
]
Host = Annotated[str, AfterValidator(_host), _described("a host name or an address, without port")]
PublicAddress = Annotated[str, AfterValidator(_public_address), _described(_HOST_AND_PORT)]
MailAddress = Annotated[
    str, AfterValidator(_mail_address), _described("one address, as 'ill@library.example'")
]
MailSender = Annotated[
    str, AfterValidator(_mail_sender), _described("one address, or a domain, as '@library.example'")
]
Flag = Annotated[bool, Field(strict=True, description="true or false")]
Port = Annotated[int, Field(strict=True, ge=1, le=65535, description="a whole number from 1 to 65535")]
ListeningPort = Annotated[
    int, Field(strict=True, ge=0, le=65535, description="a whole number from 0 to 65535")
]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
Elements = Annotated[
    int, Field(strict=True, ge=100, le=1_000_000, description="a whole number from 100 to 1000000")
]
Octets = Annotated[
    int, Field(strict=True, ge=1_024, le=67_108_864, description="a whole number from 1024 to 67108864")
]
Depth = Annotated[int, Field(strict=True, ge=8, le=100, description="a whole number from 8 to 100")]
Days = Annotated[int, Field(strict=True, ge=1, le=365, description="a whole number from 1 to 365")]
GraceDays = Annotated[int, Field(strict=True, ge=0, le=365, description="a whole number from 0 to 365")]
Share = Annotated[
    float, Field(strict=True, ge=0, le=1, allow_inf_nan=False, description="a number from 0 to 1")
]
Factor = Annotated[
    float, Field(strict=True, ge=1, le=100, allow_inf_nan=False, description="a number from 1 to 100")
]
