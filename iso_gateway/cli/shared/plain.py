"""What the command shows, as values for `json.dumps`: for programs, so names are kept once published.

Each group of commands has an `as_json` that makes them of what it shows. APDUs and their components have the
standard's names (`asn1.json`). Times are ISO 8601 with their offset.
"""

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TypeAlias

from asn1.errors import WireError
from config.symbols import Symbol

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def plain(value: object) -> Json:
    """A value of ours as JSON has it: a dataclass as an object, a time as ISO 8601, a duration in seconds.

    Raises:
        TypeError: the value is of none of the types that ours are made of.
    """
    match value:
        case Enum():
            return plain(value.value)
        case None | bool() | int() | float() | str():
            return value
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return {"hex": value.hex()}
        case Symbol() | Path() | IPv4Network() | IPv6Network():
            return str(value)
        case Mapping():
            return {str(name): plain(member) for name, member in value.items()}
        case frozenset():
            return sorted((plain(member) for member in value), key=str)
        case tuple() | list():
            return [plain(member) for member in value]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} has no form in JSON")


def wire_error(error: WireError) -> dict[str, Json]:
    """Why octets are no APDU."""
    return {"reason": error.reason, "offset": error.offset, "path": error.path, "kind": error.kind.value}
