"""`requests act|repeat|query|message`: what our library does about a request, as borrower or lender."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from iso_gateway.cli.requests.verbs import BORROWERS, EITHERS, LENDERS, Result, SuppliedAs, Verb
from iso_gateway.cli.shared.options import Again, Config, Json, RequestId, settings_from
from iso_gateway.cli.shared.typist import Typist

if TYPE_CHECKING:
    from iso_gateway.acting.action import Acted
    from iso_gateway.request.primitives import Primitive
    from iso_gateway.site import Site
    from iso_gateway.store.unit_of_work import UnitOfWork


def act(
    context: typer.Context,
    request_id: RequestId,
    verb: Annotated[
        Verb | None,
        typer.Argument(
            metavar="WHAT",
            help=(
                f"What to do. As lender: {', '.join(LENDERS)}. As borrower: {', '.join(BORROWERS)}."
                f" As either: {', '.join(EITHERS)}. Without it, what can be done now is listed."
            ),
            show_default=False,
        ),
    ] = None,
    *,
    config: Config = None,
    result: Annotated[
        Result | None,
        typer.Option("--result", metavar="RESULT", help=f"answer: which one, of {', '.join(Result)}."),
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
            help=(
                "answer: when to retry, reply by, expect or supply;"
                " ship, check-in, receive, return: when, if not today."
            ),
        ),
    ] = None,
    due: Annotated[
        dt.datetime | None,
        typer.Option(
            "--due",
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="ship, renew-answer, overdue: when it is or was due; renew: until when it is wanted.",
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
        str | None,
        typer.Option(
            "--cost",
            metavar="TEXT",
            help="answer estimate: the cost, in words; ship: what is charged, as '12.50 CAD'.",
        ),
    ] = None,
    location: Annotated[
        list[str] | None,
        typer.Option(
            "--location",
            metavar="SYMBOL",
            help="answer: another library that may have the item; may be given several times.",
        ),
    ] = None,
    medium: Annotated[
        str | None,
        typer.Option("--medium", metavar="MEDIUM", help="answer hold-placed: what it is, as printed."),
    ] = None,
    proposed: Annotated[
        str | None,
        typer.Option("--proposed", metavar="TEXT", help="answer conditional: how it could travel instead."),
    ] = None,
    specific: Annotated[
        str | None,
        typer.Option(
            "--specific",
            metavar="STATUS",
            help=(
                "answer: what goes with the reason responder-specific, in OCLC's form: review,"
                " reviewInProcess or saved."
            ),
        ),
    ] = None,
    review_reason: Annotated[
        list[str] | None,
        typer.Option(
            "--review-reason",
            metavar="REASON[=TEXT]",
            help="answer --specific: why, as noTitle or reasonOther=TEXT; may be given several times.",
        ),
    ] = None,
    service_type: Annotated[
        SuppliedAs | None,
        typer.Option(
            "--service-type",
            metavar="|".join(SuppliedAs),
            help="ship, receive: whether it is to come back; else what was asked for or shipped.",
        ),
    ] = None,
    conditions: Annotated[
        str | None,
        typer.Option(
            "--conditions",
            metavar="CONDITIONS",
            help="ship: what it is lent under, in the standard's spelling, as library-use-only.",
        ),
    ] = None,
    via: Annotated[
        str | None,
        typer.Option("--via", metavar="TEXT", help="ship, return: how it travels, as courier."),
    ] = None,
    insured_for: Annotated[
        str | None,
        typer.Option(
            "--insured-for", metavar="AMOUNT", help="ship, return: for how much it is insured on its way."
        ),
    ] = None,
    return_insurance: Annotated[
        str | None,
        typer.Option(
            "--return-insurance", metavar="AMOUNT", help="ship: for how much to insure it on its way back."
        ),
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option(
            "--units",
            metavar="MEDIUM=N",
            help="ship: how many of what, as printed=2; may be given several times.",
        ),
    ] = None,
    charged_units: Annotated[
        int | None,
        typer.Option("--charged-units", metavar="N", help="ship: how many units are charged for."),
    ] = None,
    supplier: Annotated[
        str | None,
        typer.Option(
            "--supplier", metavar="SYMBOL", help="ship: the library that it comes from, if it is another."
        ),
    ] = None,
    link: Annotated[
        str | None,
        typer.Option(
            "--document-url",
            "--link",
            metavar="URL",
            help="ship: where the copy can be fetched; a borrower without a login to Illume gets it by mail.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="PARTNER", help="forward: whom the request is handed on to."),
    ] = None,
    portion: Annotated[
        str | None,
        typer.Option(
            "--portion",
            metavar="whole|N,N",
            help="damaged: what of it, the whole or the units with these numbers.",
        ),
    ] = None,
    note: Annotated[
        str | None,
        typer.Option("--note", "--text", metavar="TEXT", help="A note for the partner; message: its text."),
    ] = None,
    again: Again = False,
    json: Json = False,
) -> None:
    """Do something about a request, or list what can be done now, each with the command to type.

    The message is queued, and the running gateway sends it: requests show tells what became of it.
    """

    from iso_gateway.cli.requests import act_fields

    if verb is None:
        _offer(context, request_id, config, json=json)
        return
    fields = act_fields.Fields(
        result=result,
        reason=reason,
        date=None if date is None else date.date(),
        due=None if due is None else due.date(),
        renewable=renewable,
        yes=yes,
        cost=cost,
        location=tuple(location or ()) or None,
        medium=medium,
        proposed=proposed,
        specific=specific,
        review_reason=tuple(review_reason or ()) or None,
        service_type=service_type,
        conditions=conditions,
        via=via,
        insured_for=insured_for,
        return_insurance=return_insurance,
        units=tuple(units or ()) or None,
        charged_units=charged_units,
        supplier=supplier,
        link=link,
        to=to,
        portion=portion,
        note=note,
    )
    try:
        primitive = act_fields.primitive_for(verb, fields)
    except act_fields.WrongFieldError as error:
        raise typer.BadParameter(str(error)) from None
    _perform(context, request_id, config, primitive, again=again, json=json)


def message(
    context: typer.Context,
    request_id: RequestId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to write.")],
    *,
    config: Config = None,
    again: Again = False,
    json: Json = False,
) -> None:
    """Write to the other library's staff about a request."""
    from iso_gateway.request import primitives

    _perform(context, request_id, config, primitives.SendMessage(note=text), again=again, json=json)


def query(
    context: typer.Context,
    request_id: RequestId,
    *,
    config: Config = None,
    note: Annotated[
        str | None, typer.Option("--note", metavar="TEXT", help="A note for the partner.")
    ] = None,
    again: Again = False,
    json: Json = False,
) -> None:
    """Ask the other library where a request stands; its answer is in requests show."""
    from iso_gateway.request import primitives

    _perform(context, request_id, config, primitives.QueryStatus(note=note), again=again, json=json)


def repeat(
    context: typer.Context, request_id: RequestId, *, config: Config = None, json: Json = False
) -> None:
    """Send our last message about a request once more, marked as a repeat, in case it was lost.

    The other library knows by the mark that it is not something new.
    """
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.store import records

    settings = settings_from(context, config)
    half_id = records.HalfId(request_id)
    with installation.opened(settings) as site:
        acted = site.store.perform(lambda uow: site.gateway.repeat(uow, half_id, actor=actor()))
        _say(site, acted, again=True, json=json)


def _offer(context: typer.Context, request_id: int, config: Path | None, *, json: bool) -> None:
    from iso_gateway.cli.requests import as_json, as_text, views
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.store import records

    settings = settings_from(context, config)
    with installation.reading(settings) as uow:
        record = views.read_request(uow, settings, records.HalfId(request_id))
    offered = views.offered(record, Typist.of(context, config))
    if json:
        write_json([as_json.offer(one) for one in offered])
    else:
        write_lines(*as_text.offers(record, offered))


def _perform(
    context: typer.Context,
    request_id: int,
    config: Path | None,
    primitive: "Primitive",
    *,
    again: bool,
    json: bool,
) -> None:
    from iso_gateway.acting import precedent
    from iso_gateway.acting.action import NotPossibleNowError, NotUnderstoodError
    from iso_gateway.cli.requests import refusals
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.store import records

    settings = settings_from(context, config)
    half_id = records.HalfId(request_id)
    with installation.opened(settings) as site:

        def perform(uow: "UnitOfWork") -> "Acted":
            before = None if again else precedent.standing(uow, half_id, primitive)
            refusal = refusals.Refusing(
                settings=settings, uow=uow, half_id=half_id, typist=Typist.of(context, config)
            )
            if before is not None:
                _refuse(refusal.done_already(before))
            try:
                return site.gateway.act(uow, half_id, primitive, actor=actor())
            except NotPossibleNowError as error:
                _refuse(refusal.not_possible(error))
            except NotUnderstoodError as error:
                _refuse(refusal.not_understood(error))

        acted = site.store.perform(perform)
        _say(site, acted, json=json)


def _refuse(lines: tuple[str, ...]) -> NoReturn:
    """Say why nothing was done. What the unit of work may hold is undone by leaving it so."""
    from iso_gateway.cli.shared.output import complain

    for line in lines:
        complain(line)
    raise typer.Exit(1)


def _say(site: "Site", acted: "Acted", *, again: bool = False, json: bool) -> None:
    from iso_gateway.cli.requests import as_json, as_text
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.cli.waiting import notes

    if json:
        write_json(as_json.acted(acted))
    else:
        write_lines(*as_text.acted(acted, again=again))
    with site.store.reading() as uow:
        notes.tell(uow, acted.partner)
