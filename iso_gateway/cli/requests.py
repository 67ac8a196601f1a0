"""`iso-gateway requests`: the requests, their history, and what our library does about them."""

from typing import Annotated

import typer

from iso_gateway.cli import asking, doing
from iso_gateway.cli.options import (
    Before,
    Config,
    Full,
    Json,
    Limit,
    PartnerName,
    RequestId,
    WithPatronData,
    settings_from,
    typed_config,
)
from iso_gateway.cli.verbs import Side

app = typer.Typer(no_args_is_help=True, help="The requests, their history, and what to do about them.")


@app.command("list")
def list_(
    context: typer.Context,
    *,
    config: Config = None,
    partner: PartnerName = None,
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="STATE", help="Only those in this state, as IN-PROCESS."),
    ] = None,
    side: Annotated[
        Side | None,
        typer.Option(
            "--as",
            metavar="|".join(Side),
            help="Only those in which our library is this.",
            show_default=False,
        ),
    ] = None,
    limit: Limit = 50,
    before: Before = None,
    json: Json = False,
) -> None:
    """List requests, newest first."""
    from iso_gateway.cli import data, opening, reading, rendering, words
    from iso_gateway.cli.output import write, write_json
    from iso_gateway.store import records

    settings = settings_from(context, config)
    with opening.reading(settings) as uow:
        halves = uow.halves.list(
            limit=limit,
            before_id=None if before is None else records.HalfId(before),
            role=None if side is None else words.role_of(side.value),
            partner=partner,
            state=None if state is None else state.upper(),
        )
        listed = reading.listed_requests(uow, settings, halves)
    if json:
        write_json([data.request_row(one) for one in listed])
    else:
        write(rendering.requests(listed))


@app.command()
def show(
    context: typer.Context,
    request_id: RequestId,
    *,
    config: Config = None,
    with_patron_data: WithPatronData = False,
    full: Full = False,
    json: Json = False,
) -> None:
    """Show one request with its history: borrower left, lender right."""
    from iso_gateway.cli import data, ladder, opening, reading
    from iso_gateway.cli.offering import Typist
    from iso_gateway.cli.output import console, write_json
    from iso_gateway.store import records

    settings = settings_from(context, config)
    with opening.reading(settings) as uow:
        record = reading.read_request(uow, settings, records.HalfId(request_id))
    typist = Typist(config=typed_config(context, config))
    if json:
        offered = reading.offers(record, typist)
        write_json(data.request(record, offered, with_patron_data=with_patron_data))
        return
    out = console()
    shown = ladder.request(record, typist, width=out.width, with_patron_data=with_patron_data, full=full)
    for part in shown:
        out.print(part)


app.command()(asking.new)
app.command()(doing.act)
app.command()(doing.repeat)
app.command()(doing.query)
app.command()(doing.message)
