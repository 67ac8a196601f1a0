"""`iso-gateway db`: the database as a whole."""

from pathlib import Path
from typing import Annotated, Any

import typer

from iso_gateway.cli.db.verify import verify
from iso_gateway.cli.shared.menu import menu
from iso_gateway.cli.shared.options import Config, Json, settings_from

app = menu("The database as a whole: upgrade, back up, restore, copy.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup, one file.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why, for the audit trail.", show_default=False)
]


@app.command()
def current(context: typer.Context, *, config: Config = None, json: Json = False) -> None:
    """Show at which revision the tables are, and which one this version works with."""
    from iso_gateway import upkeep
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.cli.shared.plain import plain

    found = upkeep.revisions(settings_from(context, config))
    if json:
        write_json(plain(found))
    elif found.current == found.newest:
        write_lines(f"the tables are at revision {found.current}, which this version works with")
    else:
        write_lines(f"the tables are at revision {found.current}; this version works with {found.newest}")


@app.command()
def upgrade(context: typer.Context, *, config: Config = None, json: Json = False) -> None:
    """Bring the tables up to date, with every gateway of the database stopped. `serve` does it, too."""
    from iso_gateway import upkeep
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.cli.shared.plain import plain

    installation.quiet()
    done = upkeep.upgrade(settings_from(context, config))
    if json:
        write_json(plain(done))
    elif done.current == done.newest:
        write_lines(f"the tables are at revision {done.newest} already")
    else:
        write_lines(f"upgraded the tables from revision {done.current} to {done.newest}")


@app.command()
def backup(context: typer.Context, file: File, *, config: Config = None, json: Json = False) -> None:
    """Write a backup to a new file, while the gateway runs; keep the master key file apart from it.

    The backup is one SQLite file, whatever the database is. Nothing is sent from it, or from a database that
    it is restored to, until `db resume`.
    """
    from iso_gateway import upkeep
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import shown, write_lines

    with installation.opened(settings_from(context, config)) as site:
        counts = upkeep.back_up(site, file)
    _report(counts, json=json)
    if not json:
        write_lines(
            f"wrote {shown(file)}: {_rows(counts)}",
            "it cannot be read without the master key, which is not in it: keep a copy of"
            f" {shown(site.settings.master_key_file)} in another place",
        )


@app.command()
def restore(context: typer.Context, file: File, *, config: Config = None, json: Json = False) -> None:
    """Put a backup where the configuration has its database, which must not be there yet (or be empty).

    The master key file has to be the one of the backup. Afterwards the gateway receives and sends nothing
    until `db resume`.
    """
    from iso_gateway import upkeep
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import shown, write_lines

    installation.quiet()
    counts = upkeep.restore(settings_from(context, config), file)
    _report(counts, json=json)
    if not json:
        write_lines(
            f"restored {shown(file)}: {_rows(counts)}", "nothing is sent until 'iso-gateway db resume'"
        )


@app.command()
def copy(
    context: typer.Context,
    *,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="URL",
            envvar="ISO_GATEWAY_COPY_TO",
            help="An empty database, as database_url has it; a URL with a password is better given so:",
            show_default=False,
        ),
    ],
    move: Annotated[
        bool,
        typer.Option("--move", help="The copy takes the place of this one, which sends nothing any more."),
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Copy everything to another database, from SQLite to PostgreSQL or the other way.

    With --move the gateways have to be stopped; change database_url afterwards. Without, nothing is sent from
    the copy until `db resume`.
    """
    from iso_gateway import upkeep
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import write_lines

    with installation.opened(settings_from(context, config)) as site:
        counts = upkeep.copy(site, to, move=move)
    _report(counts, json=json)
    if not json:
        write_lines(
            f"copied {_rows(counts)}",
            "name the other database as database_url, and start the gateway"
            if move
            else "nothing is sent from the copy until 'iso-gateway db resume'",
        )


@app.command()
def hold(context: typer.Context, *, reason: Reason, config: Config = None, json: Json = False) -> None:
    """Send nothing more, by any gateway of the database, until `db resume`; receiving goes on.

    For a database that was put back by other means than `db restore`: do it before the gateway starts.
    """
    from iso_gateway import upkeep
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.cli.shared.output import shown, write_json, write_lines
    from iso_gateway.cli.shared.plain import plain
    from iso_gateway.cli.shared.tables import local_time

    with installation.opened(settings_from(context, config)) as site:
        before = upkeep.hold(site, actor=actor(), reason=reason)
    if json:
        write_json({"held": before is None, "before": plain(before)})
    elif before is not None:
        write_lines(f"held already since {local_time(before.since)}: {shown(before.reason)}")
    else:
        write_lines("nothing is sent until 'iso-gateway db resume'")


@app.command()
def resume(
    context: typer.Context, *, reason: Reason, yes: Yes = False, config: Config = None, json: Json = False
) -> None:
    """Send again from a database that was restored, copied or held: everything that waits.

    What was sent after the backup was made waits in it still, and goes out a second time with identical
    octets: look at `waiting list` first.
    """
    from iso_gateway import upkeep
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.cli.shared.output import complain, shown, write_json, write_lines
    from iso_gateway.cli.shared.vocabulary import counted

    with installation.opened(settings_from(context, config)) as site:
        with site.store.reading() as uow:
            found = upkeep.waiting_to_resume(uow)
        if found is None:
            if json:
                write_json({"resumed": False, "waiting": None, "from_before": None})
            else:
                write_lines("nothing to do: the database is not held, and what waits is being sent")
            return
        held, waiting = found
        old = sum(row.created_at <= held.since for row in waiting)
        complain(f"held since {held.since.astimezone():%Y-%m-%d %H:%M}: {shown(held.reason)}")
        complain(
            f"waiting to be sent: {counted(len(waiting), 'message')}, {old} of them from before; see"
            " 'iso-gateway waiting list'"
        )
        if not yes:
            typer.confirm("Send them all?", abort=True, err=True)
        done = upkeep.resume(site, actor=actor(), reason=reason, at=site.clock())
    if json:
        write_json({"resumed": done, "waiting": len(waiting), "from_before": old})
    else:
        write_lines("sending" if done else "somebody else has resumed it already")


@app.command()
def gateways(context: typer.Context, *, config: Config = None, json: Json = False) -> None:
    """List the gateways that use the database, or did, the last one started first."""
    from iso_gateway.cli.db import as_json, as_text
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import write, write_json

    settings = settings_from(context, config)
    with installation.opened(settings) as site, site.store.reading() as uow:
        found, now = uow.gateways.list(), site.clock()
    alive_since = now - settings.sharing.lease
    if json:
        write_json([as_json.gateway(one, alive_since) for one in found])
    else:
        write(as_text.gateways(found, alive_since))


def _report(counts: Any, *, json: bool) -> None:
    from iso_gateway.cli.shared.output import write_json

    if json:
        write_json({"rows": dict(counts)})


def _rows(counts: Any) -> str:
    from iso_gateway.cli.shared.vocabulary import counted

    messages, requests = counted(counts["messages"], "message"), counted(counts["halves"], "request")
    return f"{messages}, {requests}, {counted(sum(counts.values()), 'row')} in all"


app.command()(verify)
