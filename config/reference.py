"""The reference of every key, as Markdown, from the types and the texts under their fields.

`python -m config.reference docs/configuration.md` writes it; a test holds the file equal to `render()`.
Imports nothing of ours outside `config`.
"""

import dataclasses
import inspect
import sys
from datetime import time, timedelta
from enum import Enum, IntEnum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from config import fields
from config.keys import describe, keys_of, tables_in, texts_of
from config.loading import GatewayFile
from config.settings import (
    Capabilities,
    DailyMail,
    Documents,
    Limits,
    Listener,
    LocalSymbol,
    Logging,
    Mail,
    MailTransport,
    Noticing,
    OptionalMessages,
    Partner,
    RetryPolicy,
    Route,
    Sharing,
    TcpTransport,
    Webhook,
)

_HEAD: Final = """\
# Configuration

<!-- Written by `python -m config.reference docs/configuration.md` from the types in config/. Do not edit. -->

A gateway is configured by `gateway.toml` and by the files it names: one file for each partner, and base
profiles with what is the same for all partners that run the same software. All are TOML. `iso-gateway
init DIR` writes a set to begin with; `iso-gateway check` reads everything and says all that is wrong at
once, each as `FILE: KEY: problem; expected ...`, and then exits with 2.

- A key that is not on this page is an error.
- Durations are texts, a number and a unit: `"250ms"`, `"30s"`, `"5m"`, `"12h"`, `"14d"`.
- Symbols are written `AUTHORITY:SYMBOL`, split at the first colon, or bare. The authority is compared
  without regard to case, the symbol exactly, and a bare symbol matches any authority (inferred, not read
  in the standard). Where a symbol without authority would fit several partners, it names none of them.
- Paths are absolute, or from the directory of `gateway.toml`.
- No two of our local symbols and partners may have the same symbol or alias.

What a partner's file says replaces what its base profile says, and that replaces what `retry` in
`gateway.toml` says, key by key; a list is replaced as a whole, and so is a `transport` of another kind.
An error is reported in the file in which the value stands.
"""

_PARTNER_HEAD: Final = """\
## A partner: `*.toml` in one of `partner_dirs`

One file is one partner; to add a partner, add a file. Files whose names begin with a dot are left out.
Besides the keys below a partner's file may have `base`: the name of a base profile, which is the name of
its file without `.toml`. `relais` and `alma` come with the gateway, `profile_dirs` can add others. A
base profile has the keys of a partner except `base`, and may leave out any of them.

This version of the gateway refuses what it cannot do yet: routes that relay.
"""


def render() -> str:
    """Returns the whole reference."""
    parts = [
        _HEAD,
        table_of("## `gateway.toml`", GatewayFile),
        table_of("### `[[listeners]]`", Listener),
        table_of("### `[[local]]`", LocalSymbol),
        table_of("### `[local.optional_messages]`", OptionalMessages),
        table_of("### `[[routes]]`", Route),
        table_of("### `[limits]`", Limits),
        table_of("### `[retry]`, in `gateway.toml` and for one partner", RetryPolicy),
        table_of("### `[sharing]`", Sharing),
        table_of("### `[noticing]`", Noticing),
        table_of("### `[[noticing.mail]]`", DailyMail),
        table_of("### `[[webhooks]]`", Webhook),
        table_of("### `[logging]`", Logging),
        table_of("### `[mail]`", Mail),
        table_of("### `[documents]`", Documents),
        _PARTNER_HEAD,
        table_of("### The keys of a partner", Partner),
        table_of('### `[transport]` with `kind = "tcp"`', TcpTransport),
        table_of('### `[transport]` with `kind = "mail"`', MailTransport),
        table_of("### `[capabilities]`", Capabilities),
    ]
    return "\n".join(parts)


def table_of(heading: str, table: type) -> str:
    """Returns the section of one table: its keys, and what each value of a closed set means."""
    texts = texts_of(table)
    keys = keys_of(table)
    lines = [heading, "", inspect.cleandoc(table.__doc__ or ""), "", "| key | takes | default | meaning |"]
    lines.append("|---|---|---|---|")
    for key in keys:
        tables = tables_in(key.annotation)
        takes = "see below" if tables else describe(key.annotation)
        if get_origin(_plain(key.annotation)) is tuple and tables:
            takes = "list of tables, see below"
        default = _default(dataclasses.MISSING if key.name == "kind" else key.default)
        cells = (f"`{key.name}`", takes, default, texts[key.name])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    for key in keys:
        lines += _choices(key.name, key.annotation)
    return "\n".join([*lines, ""])


def _choices(name: str, annotation: Any) -> list[str]:
    """Returns what each value of a closed set means, where that is written under its members."""
    choices = _plain(annotation)
    if not (isinstance(choices, type) and issubclass(choices, Enum)):
        return []
    texts = texts_of(choices)
    if not texts:
        return []
    lines = ["", f"`{name}`: {inspect.cleandoc(choices.__doc__ or '')}", ""]
    return lines + [f"- `{member.value}`: {texts[member.name]}" for member in choices if member.name in texts]


def _plain(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = annotation.__origin__
    if get_origin(annotation) in {Union, UnionType}:
        return _plain(get_args(annotation)[0])
    return annotation


def _default(value: object) -> str:
    match value:
        case dataclasses.MISSING:
            return "must be written"
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case timedelta():
            return f"`{fields.duration_as_written(value)}`"
        case time():
            return f"`{value:%H:%M}`"
        case IntEnum():
            return f"`{value.name.replace('_', '-')}`"
        case Enum():
            return f"`{value.value}`"
        case tuple() if value:
            return ", ".join(map(_default, value))
        case tuple():
            return "empty"
        case frozenset():
            return "all"
        case str() | int() | float():
            return f"`{value}`"
        case _:
            return "their defaults"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")  # pragma: no cover - what is written is tested
