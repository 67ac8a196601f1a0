"""`iso-gateway messages`: every message that was received or made, and what became of it."""

from pathlib import Path
from typing import Annotated

import typer

from iso_gateway.cli.options import (
    LARGEST,
    Before,
    Config,
    Full,
    Json,
    Limit,
    MessageId,
    PartnerName,
    WithPatronData,
    settings_from,
)

app = typer.Typer(no_args_is_help=True, help="Every message that was received or made.")


@app.command("list")
def list_(
    context: typer.Context,
    *,
    config: Config = None,
    partner: PartnerName = None,
    request: Annotated[
        int | None,
        typer.Option("--request", min=1, max=LARGEST, metavar="ID", help="Only those of this request."),
    ] = None,
    limit: Limit = 50,
    before: Before = None,
    json: Json = False,
) -> None:
    """List messages, newest first."""
    from iso_gateway.cli import data, opening, reading, rendering
    from iso_gateway.cli.output import write, write_json
    from iso_gateway.store import records

    settings = settings_from(context, config)
    with opening.reading(settings) as uow:
        page = uow.messages.list(
            limit=limit,
            before_id=None if before is None else records.MessageId(before),
            partner=partner,
            transaction_id=None
            if request is None
            else uow.halves.get(records.HalfId(request)).transaction_id,
        )
        listed = [reading.listed(uow, listing) for listing in page]
    if json:
        write_json([data.message_row(one) for one in listed])
    else:
        write(rendering.messages(listed))


@app.command()
def show(
    context: typer.Context,
    message_id: MessageId,
    *,
    config: Config = None,
    with_patron_data: WithPatronData = False,
    full: Full = False,
    raw: Annotated[
        Path | None,
        typer.Option(
            "--raw",
            metavar="FILE",
            help="Write the octets as they were on the wire, patron data included, to a new file.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show one message: envelope, each time it was classified and sent, octets, and what it says."""
    from iso_gateway.cli import data, opening, reading, rendering
    from iso_gateway.cli.output import write_json, write_lines
    from iso_gateway.store import records

    settings = settings_from(context, config)
    identifier = records.MessageId(message_id)
    with opening.reading(settings) as uow:
        record = uow.messages.get(identifier)
        processings = uow.messages.processings(identifier)
        deliveries = reading.deliveries_of(uow, identifier)
        sender = processings[-1].partner if processings else None
        contents = reading.Contents.read(uow, identifier, settings, sender)
    if raw is not None:
        opening.write_private(raw, contents)
    if json:
        write_json(data.message(record, processings, deliveries, contents, with_patron_data=with_patron_data))
    else:
        write_lines(
            *rendering.message(
                record, processings, deliveries, contents, with_patron_data=with_patron_data, full=full
            )
        )
