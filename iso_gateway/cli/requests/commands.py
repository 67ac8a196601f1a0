"""`iso-gateway requests`: the requests, their history, and what our library does about them."""

from typing import Annotated

import typer

from iso_gateway.cli.requests import act, new
from iso_gateway.cli.requests.verbs import Side
from iso_gateway.cli.shared.audit import Reason, reason_given
from iso_gateway.cli.shared.menu import menu
from iso_gateway.cli.shared.options import (
    Before,
    Config,
    Full,
    Json,
    Limit,
    PartnerName,
    RequestId,
    WithPatronData,
    Yes,
    settings_from,
)

app = menu("The requests, their history, and what to do about them.")


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
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only those of which a message of ours still waits to be sent.")
    ] = False,
    undelivered: Annotated[
        bool,
        typer.Option(
            "--undelivered",
            help="Only those of which a message of ours was given up. With --waiting: either.",
        ),
    ] = False,
    limit: Limit = 50,
    before: Before = None,
    json: Json = False,
) -> None:
    """List requests, newest first, and what each waits for: also a message of ours that has not arrived."""
    from iso_gateway.cli.requests import as_json, as_text, views
    from iso_gateway.cli.shared import installation, vocabulary
    from iso_gateway.cli.shared.libraries import name_kept
    from iso_gateway.cli.shared.output import write, write_json
    from iso_gateway.store import records

    settings = settings_from(context, config)
    wanted = None if state is None else vocabulary.state_named(state)
    name = name_kept(settings, partner)
    unarrived = ((records.Unarrived.WAITING, waiting), (records.Unarrived.NOT_DELIVERED, undelivered))
    with installation.reading(settings) as uow:
        halves = uow.halves.list(
            limit=limit,
            before_id=None if before is None else records.HalfId(before),
            role=None if side is None else vocabulary.role_of(side.value),
            partner=name,
            state=None if wanted is None else wanted.value,
            unarrived=[kind for kind, asked in unarrived if asked],
        )
        listed = views.listed_requests(uow, settings, halves)
    if json:
        write_json([as_json.request_row(one) for one in listed])
    else:
        write(as_text.requests(listed))


@app.command()
def show(
    context: typer.Context,
    request_id: RequestId,
    *,
    config: Config = None,
    with_patron_data: WithPatronData = False,
    full: Full = False,
    evidence: Annotated[
        bool,
        typer.Option(
            "--evidence",
            help="Show when each message was stored, classified, delivered, and confirmed by the partner.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Show one request with its history: borrower left, lender right."""
    from iso_gateway.cli.requests import as_json, as_text, ladder, views
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import console, write, write_json
    from iso_gateway.cli.shared.plain import plain
    from iso_gateway.cli.shared.typist import Typist
    from iso_gateway.replay.evidence import evidence_of
    from iso_gateway.store import records

    settings = settings_from(context, config)
    with installation.reading(settings) as uow:
        record = views.read_request(uow, settings, records.HalfId(request_id))
        proof = evidence_of(uow, records.HalfId(request_id)) if evidence else None
    if json and proof is not None:
        write_json([plain(one) for one in proof])
        return
    typist = Typist.of(context, config)
    if json:
        offered = views.offered(record, typist)
        write_json(as_json.request(record, offered, with_patron_data=with_patron_data))
        return
    if proof is not None:
        write(as_text.evidence(proof, record.zone))
        return
    out = console()
    shown = ladder.request(record, typist, width=out.width, with_patron_data=with_patron_data, full=full)
    for part in shown:
        out.print(part)


def rebuild(
    context: typer.Context,
    request_id: RequestId,
    *,
    config: Config = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Store what is computed, and send what was never sent.")
    ] = False,
    reason: Reason = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Compute a request anew from everything that happened to it, and show what is stored otherwise.

    Nothing is changed without `--apply`. What happened stays as it was recorded.
    """
    from iso_gateway.cli.requests import as_json, as_text
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.replay import rebuilding
    from iso_gateway.store import records

    settings = settings_from(context, config)
    identifier = records.HalfId(request_id)
    with installation.opened(settings) as site:
        with site.store.reading() as uow:
            found = rebuilding.examine(settings, uow, identifier, site.clock())
        applied = apply and found.is_needed
        if applied:
            why = reason_given(reason)
            if not yes:
                write_lines(*as_text.rebuild(found, applied=False))
                typer.confirm("put it right?", abort=True, err=True)
            found = site.store.perform(
                lambda uow: rebuilding.rebuild(
                    settings, uow, identifier, actor=actor(), reason=why, now=site.clock()
                )
            )
    if json:
        write_json(as_json.rebuild(found, applied=applied))
    else:
        write_lines(*as_text.rebuild(found, applied=applied))


app.command()(new.new)
app.command()(act.act)
app.command()(act.repeat)
app.command()(act.query)
app.command()(act.message)
app.command()(rebuild)
