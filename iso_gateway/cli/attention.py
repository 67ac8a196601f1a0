"""`iso-gateway attention`: what wants a person, clearing it, and the mails that tell of it."""

from pathlib import Path
from typing import Annotated

import typer

from iso_gateway.cli.options import LARGEST, Config, Json, Limit, Reason, reason_given, settings_from

app = typer.Typer(help="What wants a person.")

All = Annotated[bool, typer.Option("--all", help="Also what is cleared, newest first.")]


@app.callback(invoke_without_command=True)
def group(context: typer.Context) -> None:
    """What wants a person: what is missing, late, doubled or stuck. Without a command, list it."""
    if context.invoked_subcommand is None:
        _list(context, None, everything=False, limit=100, json=False)


@app.command("list")
def list_(
    context: typer.Context,
    *,
    config: Config = None,
    everything: All = False,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List what wants a person, oldest first.

    A running gateway looks every few minutes. What has lost its cause is gone from here by itself.
    """
    _list(context, config, everything=everything, limit=limit, json=json)


def _list(context: typer.Context, config: Path | None, *, everything: bool, limit: int, json: bool) -> None:
    from iso_gateway.cli import data, opening, rendering
    from iso_gateway.cli.output import write, write_json
    from iso_gateway.noticing import keeping

    settings = settings_from(context, config)
    with opening.reading(settings) as uow:
        rows = uow.attention.list(limit) if everything else uow.attention.standing()[:limit]
        listed = [(row, keeping.why_cleared(uow, row)) for row in rows]
    if json:
        write_json([data.attention_row(row, why) for row, why in listed])
    else:
        write(rendering.attention(listed))


@app.command()
def clear(
    context: typer.Context,
    numbers: Annotated[
        list[int],
        typer.Argument(metavar="ID...", min=1, max=LARGEST, help="Which, as attention list numbers them."),
    ],
    *,
    config: Config = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Clear what was seen to; it comes again only when its cause has gone and come again."""
    from iso_gateway.cli import acting, opening
    from iso_gateway.cli.output import write_json, write_lines
    from iso_gateway.noticing import keeping
    from iso_gateway.store.records import AttentionId

    settings = settings_from(context, config)
    with opening.installation(settings) as site:
        why = reason_given(reason)
        with site.store.unit_of_work() as uow:
            for number in sorted(set(numbers)):
                keeping.clear(uow, AttentionId(number), actor=acting.actor(), reason=why, at=site.clock())
        with site.store.reading() as uow:
            left = len(uow.attention.standing())
    if json:
        write_json({"cleared": sorted(set(numbers)), "left": left})
    else:
        write_lines(f"cleared: {len(set(numbers))}; left: {left}")


@app.command()
def mails(
    context: typer.Context,
    *,
    config: Config = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List the daily mails, newest first: who was told when, and whether the mail arrived or came back.

    Who gets one stands in the configuration, as [[noticing.mail]].
    """
    from iso_gateway.cli import data, opening, rendering
    from iso_gateway.cli.output import write, write_json

    settings = settings_from(context, config)
    with opening.reading(settings) as uow:
        listed = uow.daily_mails.list(limit)
    if json:
        write_json([data.daily_mail(one) for one in listed])
    else:
        write(rendering.daily_mails(listed))


@app.command("preview-mail")
def preview_mail(
    context: typer.Context,
    *,
    config: Config = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="ADDRESS", help="Only that to this address; else to all of them."),
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Their HTML, to be looked at in a browser.")] = False,
    json: Json = False,
) -> None:
    """Show the daily mails as they would go out now; nothing is sent and nothing stored."""
    from iso_gateway.cli import data, opening, rendering
    from iso_gateway.cli.output import shown, write_json, write_lines
    from iso_gateway.noticing import reporting
    from iso_gateway.noticing.working_days import WorkingDays
    from iso_gateway.site import utc_now

    settings = settings_from(context, config)
    with opening.reading(settings) as uow:
        days = WorkingDays.of(settings.noticing)
        previews = reporting.previews(uow, settings, utc_now(), days, to=to)
    if json:
        write_json([data.daily_preview(one) for one in previews])
        return
    for one in previews:
        if html:
            write_lines(*(shown(line) for line in one.report.rendered.html.splitlines()))
        else:
            write_lines(*rendering.daily_preview(one))
