"""The reference of the request file as Markdown, from the types and the texts under their fields.

`python -m iso_gateway.cli.request_reference docs/request-file.md` writes it; a test holds the file equal to
`render()`.
"""

import sys
from pathlib import Path
from typing import Final

from config.reference import table_of
from iso_gateway.request.new_request import (
    Address,
    Client,
    Cost,
    ElectronicAddress,
    Item,
    NewRequest,
    SystemNumber,
)
from iso_gateway.request.primitives import Amount, PostalAddress

_HEAD: Final = """\
# The request file

<!-- Written by `python -m iso_gateway.cli.request_reference docs/request-file.md`. Do not edit. -->

A request file says what is asked of another library. It is TOML, or JSON with the same keys, in UTF-8, and
its name ends in `.toml` or `.json`. Two to begin with: [a loan](../examples/request-loan.toml) and
[an article](../examples/request-copy.toml).

- A key that is not on this page is an error. All mistakes are told at once, each as
  `FILE: KEY: problem; expected ...`; what stands in the file is in no message, because it may be about a
  patron.
- Days are written `2026-12-01`, with or without quotation marks in TOML. They are days where our library is.
- Amounts are texts, as `"12.50"`, so that nothing is rounded.
- The patron stays here: `patron_contact` goes nowhere, and `client` goes to a partner only whose profile says
  `client_id = "forward"`. Do not write about the patron in `note`, or in an address.
- What a partner's software reads in another character set than UTF-8 is written in that one; a character that
  it does not have is an error, and says in which key.
- A partner whose profile says `dialect = "strict"` finds an ISBN of thirteen digits beside the other numbers,
  because the place for it has room for ten (inferred).
"""


def render() -> str:
    """The whole reference."""
    parts = [
        _HEAD,
        table_of("## The keys", NewRequest),
        table_of("### `[item]`", Item),
        table_of("### `[[item.system_numbers]]`", SystemNumber),
        table_of("### `[delivery]` and `[billing]`", Address),
        table_of("### `[delivery.postal]` and `[billing.postal]`", PostalAddress),
        table_of("### `[delivery.electronic]` and `[billing.electronic]`", ElectronicAddress),
        table_of("### `[cost]`", Cost),
        table_of("### `[cost.maximum]`", Amount),
        table_of("### `[client]`", Client),
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")  # pragma: no cover - what is written is tested
