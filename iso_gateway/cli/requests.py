"""`iso-gateway requests`: the requests, their history, and what our library does about them."""

import datetime as dt
from enum import StrEnum
from typing import Annotated

import typer

from iso_gateway.cli.options import (
    Before,
    Config,
    Full,
    Json,
    Limit,
    PartnerName,
    Reason,
    RequestId,
    WithPatronData,
    Yes,
    reason_given,
    settings_from,
)

app = typer.Typer(no_args_is_help=True, help="The requests, their history, and what to do about them.")


class ServiceName(StrEnum):
    """What our library can do about a request as its lender."""

    ANSWER = "answer"
    SHIP = "ship"
    MESSAGE = "message"
    CANCEL_REPLY = "cancel-reply"
    RENEW_ANSWER = "renew-answer"
    RECALL = "recall"
    OVERDUE = "overdue"
    CHECK_IN = "check-in"
    LOST = "lost"
    DAMAGED = "damaged"
    STATUS_QUERY = "status-query"


class Result(StrEnum):
    """What an answer can be, in the standard's spelling."""

    CONDITIONAL = "conditional"
    RETRY = "retry"
    UNFILLED = "unfilled"
    LOCATIONS_PROVIDED = "locations-provided"
    WILL_SUPPLY = "will-supply"
    HOLD_PLACED = "hold-placed"
    ESTIMATE = "estimate"


class ShippedAs(StrEnum):
    """Whether what is shipped is to come back."""

    LOAN = "loan"
    COPY = "copy-non-returnable"


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
    limit: Limit = 50,
    before: Before = None,
    json: Json = False,
) -> None:
    """List requests, newest first."""
    from iso_gateway.cli import data, opening, rendering
    from iso_gateway.cli.output import write, write_json
    from iso_gateway.store import records

    settings = settings_from(context, config)
    with opening.reading(settings) as uow:
        listed = uow.halves.list(
            limit=limit,
            before_id=None if before is None else records.HalfId(before),
            partner=partner,
            state=None if state is None else state.upper(),
        )
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
    from iso_gateway.cli import acting, data, ladder, opening, reading, rendering
    from iso_gateway.cli.output import console, write_json
    from iso_gateway.replay.evidence import evidence_of
    from iso_gateway.store import records

    settings = settings_from(context, config)
    with opening.reading(settings) as uow:
        record = reading.read_request(uow, settings, records.HalfId(request_id))
        proof = evidence_of(uow, records.HalfId(request_id)) if evidence else None
    if json and proof is not None:
        write_json([data.plain(one) for one in proof])
        return
    if json:
        possible = acting.commands_for(record.possible)
        write_json(data.request(record, possible, with_patron_data=with_patron_data))
        return
    out = console()
    if proof is not None:
        out.print(rendering.evidence(proof, record.zone))
        return
    for part in ladder.request(record, width=out.width, with_patron_data=with_patron_data, full=full):
        out.print(part)


@app.command()
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
    from iso_gateway.cli import acting, data, opening, rendering
    from iso_gateway.cli.output import write_json, write_lines
    from iso_gateway.replay import rebuilding
    from iso_gateway.store import records

    settings = settings_from(context, config)
    identifier = records.HalfId(request_id)
    with opening.installation(settings) as site:
        with site.store.reading() as uow:
            found = rebuilding.examine(settings, uow, identifier, site.clock())
        applied = apply and found.is_needed
        if applied:
            why = reason_given(reason)
            if not yes:
                write_lines(*rendering.rebuild(found, applied=False))
                typer.confirm("put it right?", abort=True, err=True)
            with site.store.unit_of_work() as uow:
                found = rebuilding.rebuild(
                    settings, uow, identifier, actor=acting.actor(), reason=why, now=site.clock()
                )
    if json:
        write_json(data.rebuild(found, applied=applied))
    else:
        write_lines(*rendering.rebuild(found, applied=applied))


@app.command()
def act(
    context: typer.Context,
    request_id: RequestId,
    service: Annotated[
        ServiceName | None,
        typer.Argument(
            metavar="SERVICE",
            help=f"What to do: {', '.join(ServiceName)}. Without it, what can be done now is listed.",
            show_default=False,
        ),
    ] = None,
    *,
    config: Config = None,
    result: Annotated[
        Result | None, typer.Option("--result", metavar="|".join(Result), help="answer: which one.")
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason",
            metavar="REASON",
            help="answer: the reason or condition in the standard's spelling, as in-use-on-loan.",
        ),
    ] = None,
    date: Annotated[
        dt.datetime | None,
        typer.Option(
            "--date",
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="answer: when to retry, reply by, expect or supply; ship, check-in: when, if not today.",
        ),
    ] = None,
    due: Annotated[
        dt.datetime | None,
        typer.Option(
            "--due",
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="ship, renew-answer, overdue: when the item is or was due.",
        ),
    ] = None,
    renewable: Annotated[
        bool | None,
        typer.Option(
            "--renewable/--not-renewable",
            help="ship, renew-answer, overdue: whether the loan can be renewed.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[
        bool | None,
        typer.Option("--yes/--no", help="cancel-reply, renew-answer: what is answered.", show_default=False),
    ] = None,
    cost: Annotated[
        str | None, typer.Option("--cost", metavar="TEXT", help="answer estimate: the cost, in words.")
    ] = None,
    location: Annotated[
        list[str] | None,
        typer.Option(
            "--location",
            metavar="SYMBOL",
            help="answer: another library that may have the item; may be given several times.",
        ),
    ] = None,
    service_type: Annotated[
        ShippedAs | None,
        typer.Option(
            "--service-type",
            metavar="|".join(ShippedAs),
            help="ship: whether it is to come back; else what was asked for.",
        ),
    ] = None,
    note: Annotated[
        str | None,
        typer.Option("--note", "--text", metavar="TEXT", help="A note for the partner; message: its text."),
    ] = None,
    json: Json = False,
) -> None:
    """Do something about a request as its lender, or list what can be done now.

    The message is queued, and the running gateway sends it: requests show tells what became of it.
    """
    from iso_gateway.cli import acting, data, opening, reading
    from iso_gateway.cli.output import shown, write_json, write_lines
    from iso_gateway.store import records

    settings = settings_from(context, config)
    identifier = records.HalfId(request_id)
    if service is None:
        with opening.reading(settings) as uow:
            possible = acting.commands_for(reading.possible_now(settings, uow.halves.get(identifier)))
        if json:
            write_json(possible)
        else:
            write_lines(*(possible or [f"nothing can be done about request {request_id} now"]))
        return
    fields = acting.Fields(
        result=result,
        reason=reason,
        date=None if date is None else date.date(),
        due=None if due is None else due.date(),
        renewable=renewable,
        yes=yes,
        cost=cost,
        location=tuple(location or ()) or None,
        service_type=service_type,
        note=note,
    )
    try:
        primitive = acting.primitive_for(service, fields)
    except acting.WrongFieldError as error:
        raise typer.BadParameter(str(error)) from None
    with opening.installation(settings) as site, site.store.unit_of_work() as uow:
        acted = site.gateway.act(uow, identifier, primitive, actor=acting.actor())
    if json:
        write_json(data.acted(acted))
    else:
        write_lines(
            f"{acted.apdu.asn1_name.upper()} queued for {shown(acted.partner)} as message {acted.message_id};"
            f" request {acted.half_id} is now {acted.state.value}"
        )
