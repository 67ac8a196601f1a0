"""`iso-gateway documents`: the links that borrowers were given, and the mails that say them."""

from typing import Annotated

import typer

from iso_gateway.cli.shared.menu import menu
from iso_gateway.cli.shared.options import LARGEST, Again, Config, Json, Limit, RequestId, settings_from

app = menu("Links to documents, and the mails by which borrowers get them.")

Link = Annotated[str, typer.Argument(metavar="URL", help="Where the document can be fetched.")]


@app.callback()
def group() -> None:
    """Links to documents, and the mails by which borrowers get them."""


@app.command()
def add(
    context: typer.Context,
    request_id: RequestId,
    url: Link,
    *,
    config: Config = None,
    note: Annotated[
        str | None, typer.Option("--note", metavar="TEXT", help="A note for the borrower, in the mail.")
    ] = None,
    again: Again = False,
    json: Json = False,
) -> None:
    """Give the borrower of a shipped item another link: it is mailed, and no APDU is sent.

    The first goes with requests act ID ship --document-url URL. The gateway never fetches a link.
    """
    from iso_gateway.cli.documents import as_json, as_text
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.store import records

    settings = settings_from(context, config)
    half_id = records.HalfId(request_id)
    with installation.opened(settings) as site:
        posted = site.store.perform(
            lambda uow: site.gateway.add_document(uow, half_id, url, actor=actor(), note=note, again=again)
        )
    if json:
        write_json(as_json.posted(posted))
    else:
        write_lines(as_text.posted(posted))


@app.command("list")
def list_(
    context: typer.Context,
    request_id: Annotated[
        int | None,
        typer.Argument(
            metavar="ID", min=1, max=LARGEST, help="Only those of this request, as requests list numbers it."
        ),
    ] = None,
    *,
    config: Config = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List documents, newest first: whom each was mailed to, and whether the mail arrived or came back."""
    from iso_gateway.cli.documents import as_json, as_text
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import write, write_json
    from iso_gateway.store import records

    settings = settings_from(context, config)
    with installation.reading(settings) as uow:
        if request_id is None:
            listed = uow.documents.list(limit)
        else:
            half = uow.halves.get(records.HalfId(request_id))
            listed = uow.documents.of(half.id)[::-1][:limit]
    if json:
        write_json([as_json.document(one) for one in listed])
    else:
        write(as_text.documents(listed))


@app.command()
def preview(
    context: typer.Context,
    request_id: RequestId,
    *,
    config: Config = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--document-url",
            metavar="URL",
            help="With this link; else with the newest given, or with an example.",
        ),
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Its HTML, to be looked at in a browser.")] = False,
    json: Json = False,
) -> None:
    """Show the mail with a request's link as it would go out now; nothing is sent and nothing stored."""
    from iso_gateway.cli.documents import as_json, as_text
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import shown, write_json, write_lines
    from iso_gateway.store import records

    settings = settings_from(context, config)
    with installation.opened(settings) as site, site.store.reading() as uow:
        previewed = site.gateway.preview_document(uow, records.HalfId(request_id), url=url)
    if json:
        write_json(as_json.preview(previewed))
    elif html:
        write_lines(*(shown(line) for line in previewed.rendered.html.splitlines()))
    else:
        write_lines(*as_text.preview(previewed))
