"""`iso-gateway partners`: the libraries that the configuration knows."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from iso_gateway.cli.shared.audit import Reason, reason_given
from iso_gateway.cli.shared.menu import menu
from iso_gateway.cli.shared.options import Config, Json, Yes, settings_from

if TYPE_CHECKING:
    from config.settings import Settings

PartnerArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The partner's name, in any case of letters.")
]

app = menu("The libraries that the configuration knows.")


@app.command("list")
def list_(context: typer.Context, *, config: Config = None, json: Json = False) -> None:
    """List partners by name, and say to which of them nothing is sent now."""
    from iso_gateway.cli.partners import as_json, as_text
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import complain, write, write_json
    from iso_gateway.errors import GatewayError
    from iso_gateway.site import NotInitializedError

    settings = settings_from(context, config)
    partners = sorted(settings.partners, key=lambda partner: partner.name)
    if json:
        write_json([as_json.partner_row(partner) for partner in partners])
        return
    try:
        with installation.reading(settings) as uow:
            states = uow.partners.all()
    except NotInitializedError:
        states = {}
    except GatewayError as error:
        # What is configured can be told all the same.
        complain(f"note: to whom nothing is sent now is not known: {error}")
        states = {}
    write(as_text.partners(partners, states))


@app.command()
def show(
    context: typer.Context,
    name: PartnerArgument,
    *,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show one partner with every setting, its base profile's included, and how delivery to it stands."""
    from iso_gateway.cli.partners import as_json, as_text, views
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.libraries import partner_named
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.site import NotInitializedError

    settings = settings_from(context, config)
    partner = partner_named(settings, name)
    try:
        with installation.reading(settings) as uow:
            delivery = views.partner_delivery(uow, partner.name)
    except NotInitializedError:
        delivery = None
    if json:
        told = None if delivery is None else as_json.partner_delivery(delivery)
        write_json({**as_json.partner(partner, settings), "delivery": told})
    else:
        write_lines(*as_text.partner(partner, settings, delivery))


@app.command()
def suspend(
    context: typer.Context,
    name: PartnerArgument,
    *,
    config: Config = None,
    reason: Reason = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Send nothing to a partner until it is resumed; what is for it is kept, however long that takes.

    What is on its way is finished. What the partner sends is received as always.
    """
    from iso_gateway.cli.shared.libraries import partner_named
    from iso_gateway.outbox import operating

    settings = settings_from(context, config)
    partner = partner_named(settings, name).name
    _change(settings, partner, operating.suspend, "suspended", reason, yes=yes, json=json)


@app.command()
def resume(
    context: typer.Context,
    name: PartnerArgument,
    *,
    config: Config = None,
    reason: Reason = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Send again to a partner that was suspended; what has waited goes out at its retry.resume_rate."""
    from iso_gateway.cli.shared.libraries import partner_named
    from iso_gateway.outbox import operating

    settings = settings_from(context, config)
    partner = partner_named(settings, name).name
    _change(settings, partner, operating.resume, "resumed", reason, yes=yes, json=json)


@app.command()
def rename(
    context: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The name that it had, exactly.")],
    name: Annotated[str, typer.Argument(metavar="NEW", help="The name that its file gives it now.")],
    *,
    config: Config = None,
    reason: Reason = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Have what is stored of a partner go by its new name, after it was given one in its file.

    Until then what it says about its old requests is refused, as another library's. The gateway has to be
    stopped.
    """
    from iso_gateway import upkeep
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.cli.shared.libraries import partner_named
    from iso_gateway.cli.shared.output import shown, write_json, write_lines
    from iso_gateway.cli.shared.vocabulary import counted

    settings = settings_from(context, config)
    new = partner_named(settings, name).name
    why = reason_given(reason)
    if not yes:
        question = f"what is stored of {shown(old)} will be {shown(new)}'s; go on?"
        typer.confirm(question, abort=True, err=True)
    with installation.opened(settings) as site:
        counts = upkeep.rename_partner(site, old, new, actor=actor(), reason=why)
    if json:
        write_json({"old": old, "new": new, "rows": dict(counts)})
    elif not any(counts.values()):
        write_lines(f"nothing is stored of {shown(old)}")
    else:
        write_lines(
            f"{shown(old)} is {shown(new)} now: {counted(counts['halves'], 'request')},"
            f" {counted(counts['processings'], 'message')}, {counts['outbox']} sent or waiting"
        )


def _change(
    settings: "Settings",
    partner: str,
    change: Callable[..., bool],
    said: str,
    reason: str | None,
    *,
    yes: bool,
    json: bool,
) -> None:
    from iso_gateway.cli.partners import as_json, views
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.cli.shared.output import shown, write_json, write_lines

    with installation.opened(settings) as site:
        with site.store.reading() as uow:
            before = views.partner_delivery(uow, partner)
        waiting = 0 if before.backlog is None else before.backlog.count
        changed = False
        if before.state.suspended is not (said == "suspended"):
            why = reason_given(reason)
            if not yes:
                question = f"{shown(partner)} will be {said}; waiting for it: {waiting}; go on?"
                typer.confirm(question, abort=True, err=True)
            changed = site.store.perform(
                lambda uow: change(uow, partner, actor=actor(), reason=why, at=site.clock())
            )
        with site.store.reading() as uow:
            after = views.partner_delivery(uow, partner)
    if json:
        write_json({"partner": partner, "changed": changed, "delivery": as_json.partner_delivery(after)})
    elif changed:
        write_lines(f"{shown(partner)} is {said}; waiting: {waiting}")
    elif said == "suspended":
        by = shown(after.state.suspended_by)
        write_lines(f"nothing to do: {shown(partner)} is suspended already, by {by}")
    else:
        write_lines(f"nothing to do: {shown(partner)} is not suspended")


@app.command("test")
def prove(
    context: typer.Context,
    name: PartnerArgument,
    *,
    wait: Annotated[
        float,
        typer.Option("--wait", min=0.1, max=600, metavar="SECONDS", help="How long an answer is waited for."),
    ] = 10.0,
    config: Config = None,
    json: Json = False,
) -> None:
    """Prove that a partner is alive: connect, and ask about a request that there never was.

    It is asked only where its profile says that it takes a STATUS-QUERY and sends reports; the good answer is
    that the transaction is unknown. A one-way partner answers to the listener of the running gateway, in
    whose store the answer is looked for. No request is recorded. Ends with 0 where the partner is there, with
    1 where it is not, or does not answer.
    """
    import asyncio
    import datetime as dt
    import secrets

    from iso_gateway import probe
    from iso_gateway.cli.shared.installation import quiet
    from iso_gateway.cli.shared.libraries import partner_named
    from iso_gateway.cli.shared.output import shown, write_json, write_lines
    from iso_gateway.cli.shared.plain import plain
    from iso_gateway.site import opened_if_any

    settings = settings_from(context, config)
    partner = partner_named(settings, name)
    quiet()

    async def tested() -> probe.Result:
        return await probe.Probe(
            partner=partner,
            local=settings.local[0],
            qualifier=secrets.token_hex(8),
            at=dt.datetime.now(dt.UTC),
            store=None if site is None else site.store,
            patience=timedelta(seconds=wait),
        ).run()

    with opened_if_any(settings) as site:
        result = asyncio.run(tested())
    if json:
        write_json(plain(result))
    else:
        write_lines(f"{partner.name}: {shown(result.words)}")
    if not result.outcome.good:
        raise typer.Exit(1)
