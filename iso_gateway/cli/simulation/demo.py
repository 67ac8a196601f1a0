"""`iso-gateway demo`: a gateway, six simulated partners, and forty requests between them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from iso_gateway.cli.shared.options import Json

if TYPE_CHECKING:
    from rich.table import Table

    from iso_gateway.simulation.demo import Line, Report

#: How many histories are shown, one of each of so many kinds.
HISTORIES: Final = 3
#: What is most worth looking at: where something went wrong on the way, or was done again.
_INTERESTING: Final = ("lost on the way", "crossing", "renewed twice")


def demo(
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="DIR",
            help="Keep the gateway's state in this new directory, to look at it with the other commands.",
            show_default=False,
        ),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Start a gateway and six simulated partners on this machine, and play forty requests to their ends.

    Nothing else is touched: state in a directory of its own, ports that the system chooses, no connection to
    anywhere else. Ends with 0 only when every request has reached the end that it should, on both sides.
    """
    import asyncio
    import tempfile

    from iso_gateway.cli.shared.installation import quiet
    from iso_gateway.simulation import demo as demonstration

    quiet()
    with tempfile.TemporaryDirectory(prefix="iso-gateway-demo-") as temporary:
        directory = Path(temporary) / "gateway" if keep is None else keep
        report = asyncio.run(demonstration.play(directory))
        if json:
            _write_json(report)
        else:
            _write(report, keep)
    if not report.as_expected:
        raise typer.Exit(1)


def _write_json(report: "Report") -> None:
    from iso_gateway.cli.shared.output import write_json
    from iso_gateway.cli.shared.plain import plain

    write_json(
        {
            "as_expected": report.as_expected,
            "seconds": report.duration.total_seconds(),
            "apdus": report.apdus,
            "requests": [{**_plain(line), "as_expected": line.as_expected} for line in report.lines],
            "partners": plain(sorted({line.part.partner for line in report.lines})),
        }
    )


def _plain(line: "Line") -> dict[str, object]:
    from iso_gateway.protocol.states import Role

    return {
        "id": line.half_id,
        "partner": line.part.partner,
        "role": (Role.REQUESTER if line.part.lender else Role.RESPONDER).value,
        "scenario": line.part.scenario,
        "title": line.part.title,
        "state": line.ours,
        "partner_state": line.theirs,
    }


def _write(report: "Report", keep: Path | None) -> None:
    import shlex

    from iso_gateway.cli.shared.output import shown, write, write_lines
    from iso_gateway.cli.shared.vocabulary import counted

    write(_table(report))
    for line in _chosen(report):
        write_lines("")
        _write_history(report, line, keep)
    good = sum(line.as_expected for line in report.lines)
    partners = len({line.part.partner for line in report.lines})
    write_lines(
        "",
        f"{good} of {counted(len(report.lines), 'request')} with {counted(partners, 'partner')} ended as they"
        f" should, on both sides: {counted(report.apdus, 'ISO message')} in"
        f" {report.duration.total_seconds():.1f} seconds",
    )
    if keep is not None:
        config = shown(shlex.quote(str(keep / "gateway.toml")))
        write_lines(f"look at the rest: iso-gateway requests list --config {config}")


def _table(report: "Report") -> "Table":
    from rich.table import Table

    from iso_gateway.cli.shared import vocabulary
    from iso_gateway.cli.shared.output import text

    table = Table(box=None, pad_edge=False)
    for name in ("what", "as it should", "here", "there"):
        table.add_column(name, justify="right" if name == "as it should" else "left")
    for part in dict.fromkeys(line.part for line in report.lines):
        lines = [line for line in report.lines if line.part is part]
        good = sum(line.as_expected for line in lines)
        here, there = (
            ", ".join(
                dict.fromkeys(
                    "none" if state is None else vocabulary.state_in_words(state) for state in states
                )
            )
            for states in ([line.ours for line in lines], [line.theirs for line in lines])
        )
        table.add_row(
            text(part.title),
            text(f"{good} of {len(lines)}", "" if good == len(lines) else "bold red"),
            text(here),
            text(there),
        )
    return table


def _chosen(report: "Report") -> list["Line"]:
    """Some histories to show: first of what went wrong, then of what is most worth looking at."""
    wrong = [line for line in report.lines if not line.as_expected]
    interesting = [
        next(line for line in report.lines if word in line.part.title and line.as_expected)
        for word in _INTERESTING
        if any(word in line.part.title and line.as_expected for line in report.lines)
    ]
    return [line for line in (*wrong, *interesting) if line.half_id is not None][:HISTORIES]


def _write_history(report: "Report", line: "Line", keep: Path | None) -> None:
    from iso_gateway.cli.requests import ladder, views
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import console
    from iso_gateway.cli.shared.typist import Typist

    if line.half_id is None:
        raise AssertionError("only requests that came to the gateway are chosen")
    with installation.reading(report.settings) as uow:
        record = views.read_request(uow, report.settings, line.half_id)
    out = console()
    typist = None if keep is None else Typist(config=str(keep / "gateway.toml"))
    for part in ladder.request(record, typist, width=out.width, with_patron_data=False, full=False):
        out.print(part)
