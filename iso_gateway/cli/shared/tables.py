"""What tables and lines for people are made of; each group of commands has an `as_text` that makes them.

No input, no output. Long cells of lists are cut, and patron data is in none of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from iso_gateway.cli.shared import vocabulary
from iso_gateway.cli.shared.output import text

#: The most characters of a cell in a list.
CELL = 60
#: What stands where a text was, once its key is gone.
DISPOSED = "disposed of: nobody can read it any more"


def local_time(at: datetime) -> str:
    """A time in the zone of this machine."""
    return vocabulary.moment(at.astimezone())


def table(*columns: str, rows: Iterable[Sequence[RenderableType]], empty: str) -> RenderableType:
    """A table with a head; where it has no rows, a line that says so."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        made.add_column(column, overflow="fold", no_wrap=place == 0)
    for row in rows:
        made.add_row(*row)
    return made if made.row_count else Text(empty)


def lines(*parts: Text) -> Text:
    """A cell of several lines."""
    return Text("\n").join(parts)


def pairs(*told: tuple[str, object]) -> Iterator[Text]:
    """Names with their values, a line each; without those that have none."""
    for name, value in told:
        if value is not None:
            yield Text.assemble((f"  {name}: ", "cyan"), text(value))
