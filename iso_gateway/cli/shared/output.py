"""What the command writes: JSON or text on standard output, everything about failing on standard error.

Nothing that came from the network is ever taken for markup or sent to the terminal as it is: texts go through
`shown`, and the consoles interpret nothing.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from iso_gateway.errors import GatewayError
from iso_gateway.logs import escaped

#: How wide tables are where there is no terminal to ask.
PLAIN_WIDTH: Final = 160


def shown(value: object, limit: int | None = None) -> str:
    """A value as it may stand in a terminal: escaped, and cut at a number of characters.

    Args:
        value: anything; None is shown as nothing.
        limit: the most characters; what is cut off is counted.
    """
    text = "" if value is None else str(value)
    if limit is None or len(text) <= limit:
        return escaped(text)
    return f"{escaped(text[:limit])}... ({len(text)} characters)"


def text(value: object, style: str = "", *, limit: int | None = None) -> Text:
    """As `shown`, for a table or a tree."""
    return Text(shown(value, limit), style=style)


def console(file: TextIO | None = None) -> Console:
    """A console that interprets nothing in what it is given.

    Args:
        file: where it writes; standard output, unless something else is named.
    """
    stream = sys.stdout if file is None else file
    width = None if stream.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def write(renderable: RenderableType) -> None:
    """Write to standard output, as wide as the terminal is; for anything else no line ends in blanks."""
    out = console()
    if out.is_terminal:
        out.print(renderable)
        return
    with out.capture() as captured:
        out.print(renderable)
    for line in captured.get().splitlines():
        sys.stdout.write(f"{line.rstrip()}\n")


def write_lines(*lines: str | Text) -> None:
    """Write lines to standard output that a terminal may wrap, and that nobody else does."""
    out = console()
    for line in lines:
        out.print(line, soft_wrap=True)


def write_json(value: object, *, indent: int | None = 2) -> None:
    """Write JSON in printable ASCII, so that a terminal can show what the network sent.

    Args:
        value: what `json.dumps` takes.
        indent: None writes it on one line.
    """
    line = json.dumps(value, indent=indent).replace("\x7f", "\\u007f")
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(f"{escaped(message)}\n")


@contextmanager
def new_private(path: Path) -> Iterator[BinaryIO]:
    """Open a new file to write, which its owner alone may read.

    Raises:
        GatewayError: the file exists or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise GatewayError(f"cannot write {shown(path)!r}: {error.strerror}; name a new file") from error
    with os.fdopen(descriptor, "wb") as file:
        yield file
