"""`iso-gateway attention`: what wants a person, clearing it, and the mails that tell of it."""

from pathlib import Path
from typing import Annotated

import typer

from iso_gateway.cli.shared.audit import Reason, reason_given
from iso_gateway.cli.shared.menu import App, Menu
from iso_gateway.cli.shared.options import LARGEST, Config, Json, Limit, settings_from

app = App(cls=Menu, help="What wants a person.")

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
    from iso_gateway.cli.attention import as_json, as_text
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import write, write_json
    from iso_gateway.noticing import keeping

    settings = settings_from(context, config)
    with installation.reading(settings) as uow:
        rows = uow.attention.list(limit) if everything else uow.attention.standing()[:limit]
        listed = [(row, keeping.why_cleared(uow, row)) for row in rows]
    if json:
        write_json([as_json.attention_row(row, why) for row, why in listed])
    else:
        write(as_text.attention(listed))


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
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.noticing import keeping
    from iso_gateway.store.records import AttentionId

    settings = settings_from(context, config)
    with installation.opened(settings) as site:
        meant = [AttentionId(number) for number in sorted(set(numbers))]
        with site.store.reading() as uow:
            standing = [one for one in meant if keeping.require(uow, one).cleared_at is None]
        cleared: list[AttentionId] = []
        if standing:
            why, by = reason_given(reason), actor()
            cleared = site.store.perform(
                lambda uow: [
                    one for one in standing if keeping.clear(uow, one, actor=by, reason=why, at=site.clock())
                ]
            )
        already = [one for one in meant if one not in cleared]
        with site.store.reading() as uow:
            left = len(uow.attention.standing())
    if json:
        write_json({"cleared": cleared, "already": already, "left": left})
        return
    write_lines(*(f"{one} is cleared already" for one in already), f"cleared: {len(cleared)}; left: {left}")


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
    from iso_gateway.cli.attention import as_json, as_text
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import write, write_json

    settings = settings_from(context, config)
    with installation.reading(settings) as uow:
        listed = uow.daily_mails.list(limit)
    if json:
        write_json([as_json.daily_mail(one) for one in listed])
    else:
        write(as_text.daily_mails(listed))


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
    from iso_gateway.cli.attention import as_json, as_text
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import shown, write_json, write_lines
    from iso_gateway.noticing import reporting
    from iso_gateway.noticing.working_days import WorkingDays
    from iso_gateway.site import utc_now

    settings = settings_from(context, config)
    with installation.reading(settings) as uow:
        days = WorkingDays.of(settings.noticing)
        previews = reporting.previews(uow, settings, utc_now(), days, to=to)
    if json:
        write_json([as_json.daily_preview(one) for one in previews])
        return
    for one in previews:
        if html:
            write_lines(*(shown(line) for line in one.report.rendered.html.splitlines()))
        else:
            write_lines(*as_text.daily_preview(one))
