"""`iso-gateway waiting`: the outbox, what waits to be sent and why."""

import typer

from iso_gateway.cli.options import Config, Json, Limit, PartnerName, settings_from

app = typer.Typer(no_args_is_help=True, help="What waits to be sent, and why.")


@app.callback()
def group() -> None:
    """What waits to be sent, and why."""


@app.command("list")
def list_(
    context: typer.Context,
    *,
    config: Config = None,
    partner: PartnerName = None,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List what waits to be sent, oldest first."""
    from iso_gateway.cli import data, opening, reading, rendering
    from iso_gateway.cli.output import write, write_json

    settings = settings_from(context, config)
    with opening.reading(settings) as uow:
        rows = uow.outbox.list(limit=limit, partner=partner)
    if json:
        heads = reading.heads_of(rows)
        write_json(
            [
                {**data.outbox_row(row), "why": rendering.why_waiting(row, first=row.id in heads)}
                for row in rows
            ]
        )
    else:
        write(rendering.waiting(rows))
