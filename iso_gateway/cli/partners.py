"""`iso-gateway partners`: the libraries that the configuration knows."""

from typing import Annotated

import typer

from iso_gateway.cli.options import Config, Json, settings_from
from iso_gateway.errors import NotFoundError

app = typer.Typer(no_args_is_help=True, help="The libraries that the configuration knows.")


@app.command("list")
def list_(context: typer.Context, *, config: Config = None, json: Json = False) -> None:
    """List partners by name."""
    from iso_gateway.cli import data, rendering
    from iso_gateway.cli.output import write, write_json

    partners = sorted(settings_from(context, config).partners, key=lambda partner: partner.name)
    if json:
        write_json([data.partner_row(partner) for partner in partners])
    else:
        write(rendering.partners(partners))


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The partner's name, in any case of letters.")],
    *,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show one partner with every setting, those of its base profile included."""
    from iso_gateway.cli import data, rendering
    from iso_gateway.cli.output import write_json, write_lines

    settings = settings_from(context, config)
    partner = next((one for one in settings.partners if one.name.casefold() == name.casefold()), None)
    if partner is None:
        raise NotFoundError(f"there is no partner {name!r}; partners list shows those there are")
    if json:
        write_json(data.partner(partner, settings))
    else:
        write_lines(*rendering.partner(partner, settings))
