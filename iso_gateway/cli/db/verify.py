"""`iso-gateway db verify`: is the database what it should be."""

from typing import TYPE_CHECKING, Final

import typer

from iso_gateway.cli.shared.options import Config, Json, settings_from

if TYPE_CHECKING:
    from iso_gateway.replay.verifying import Problem

#: The most problems that are listed; they are all counted.
MOST: Final = 1_000


def verify(context: typer.Context, *, config: Config = None, json: Json = False) -> None:
    """Replay everything that happened, in memory, and compare: every request, every seal, every reference.

    Nothing is changed, and the gateway may run. Exit code 1 if anything is wrong: requests rebuild puts a
    request right, a backup the rest.
    """
    from collections import Counter

    from iso_gateway.cli.db import as_text
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.cli.shared.plain import plain
    from iso_gateway.replay.verifying import Part
    from iso_gateway.replay.verifying import verify as verified

    rows: Counter[str] = Counter({part.value: 0 for part in Part})
    problems: list[Problem] = []
    found = 0
    with installation.opened(settings_from(context, config)) as site:
        for progress in verified(site.store, site.settings, site.clock()):
            rows[progress.part.value] += progress.rows
            found += len(progress.problems)
            problems += progress.problems[: MOST - len(problems)]
    if json:
        write_json({"rows": dict(rows), "found": found, "problems": [plain(one) for one in problems]})
    else:
        for one in problems:
            write_lines(as_text.problem(one))
        if found > len(problems):
            write_lines(f"... and {found - len(problems)} more")
        looked_at = ", ".join(f"{count} {name}" for name, count in rows.items() if count)
        write_lines(f"looked at {looked_at or 'nothing'}: {found or 'nothing'} wrong")
    if found:
        raise typer.Exit(1)
