"""`requests new`: our library asks another one for an item."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iso_gateway.cli.shared.options import LARGEST, Again, Config, Json, settings_from
from iso_gateway.cli.shared.typist import Typist

if TYPE_CHECKING:
    from config.settings import Settings
    from iso_gateway.acting.action import Acted
    from iso_gateway.request.new_request import NewRequest
    from iso_gateway.site import Site
    from iso_gateway.store.records import HalfId
    from iso_gateway.store.unit_of_work import UnitOfWork


def new(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="What is asked for, as TOML or JSON (docs/request-file.md); not needed with --retry-of.",
            show_default=False,
        ),
    ] = None,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="PARTNER",
            help="Whom we ask, by its name; without FILE, whoever was asked before is the default.",
            show_default=False,
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME",
            help="For which of our libraries, by its name, where there are several.",
            show_default=False,
        ),
    ] = None,
    number: Annotated[
        str | None,
        typer.Option(
            "--number",
            metavar="TEXT",
            help="Our own number of the request, in place of the file's reference.",
            show_default=False,
        ),
    ] = None,
    retry_of: Annotated[
        int | None,
        typer.Option(
            "--retry-of",
            min=1,
            max=LARGEST,
            metavar="ID",
            help="The request of ours that this one tries again; without FILE, with what that one said.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    again: Again = False,
    json: Json = False,
) -> None:
    """Ask another library for an item: send it an ILL-Request.

    The message is queued, and the running gateway sends it: requests show tells what became of it.
    """
    from iso_gateway.acting import precedent
    from iso_gateway.cli.requests import as_json, as_text, views
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.cli.waiting import notes

    settings = settings_from(context, config)
    asked = _read(file, number=number, retry_of=retry_of)
    if asked is not None and to is None:
        raise typer.BadParameter("say whom we ask; partners list shows the partners", param_hint="--to")
    if asked is None and (retry_of is None or number is not None or from_ is not None):
        raise typer.BadParameter(
            "say in a file what is asked for, or with --retry-of and at most --to which request to try again",
            param_hint="FILE",
        )
    with installation.opened(settings) as site:

        def ask(uow: "UnitOfWork") -> "Acted":
            if asked is None:
                acted = _retried(site, uow, settings, retry_of or 0, to)
            else:
                acted = _asked(site, uow, settings, asked, file, to=to or "", from_=from_)
            earlier = None if again else precedent.same_request(settings, uow, acted)
            if earlier is not None:
                _refuse(earlier.id, earlier.state, earlier.partner, Typist.of(context, config))
            return acted

        acted = site.store.perform(ask)
        with site.store.reading() as uow:
            record = views.read_request(uow, settings, acted.half_id)
            notes.tell(uow, acted.partner)
    if json:
        write_json({**as_json.acted(acted), **as_json.asked(record)})
    else:
        write_lines(*as_text.asked(acted, record, Typist.of(context, config)))


def _read(file: Path | None, *, number: str | None, retry_of: int | None) -> "NewRequest | None":
    """What the file asks for, completed by the command line.

    Raises:
        ConfigErrors: with everything that is wrong in the file.
        typer.BadParameter: the number is none.
    """
    import dataclasses

    from iso_gateway.request import request_file

    if file is None:
        return None
    asked = request_file.read(file)
    if number is not None:
        if not number.strip() or not number.isprintable():
            raise typer.BadParameter("it is blank, or holds a control character", param_hint="--number")
        asked = dataclasses.replace(asked, reference=number.strip())
    return asked if retry_of is None else dataclasses.replace(asked, retry_of=retry_of)


def _asked(
    site: "Site",
    uow: "UnitOfWork",
    settings: "Settings",
    asked: "NewRequest",
    file: Path | None,
    *,
    to: str,
    from_: str | None,
) -> "Acted":
    from iso_gateway.cli.shared import libraries
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.cli.shared.output import complain
    from iso_gateway.errors import PrimitiveInvalidError
    from iso_gateway.store.records import HalfId

    if asked.retry_of is not None:
        _require_ours(uow, HalfId(asked.retry_of))
    try:
        return site.gateway.request(
            uow,
            asked,
            partner=libraries.partner_named(settings, to),
            local=libraries.local_named(settings, from_),
            actor=actor(),
        )
    except PrimitiveInvalidError as error:
        # It can be said, but not to this partner; the file is where that is put right.
        complain(f"{file}: {error}")
        raise typer.Exit(2) from None


def _retried(site: "Site", uow: "UnitOfWork", settings: "Settings", retry_of: int, to: str | None) -> "Acted":
    from iso_gateway.cli.shared import libraries
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.store.records import HalfId

    return site.gateway.retry(
        uow,
        HalfId(retry_of),
        partner=None if to is None else libraries.partner_named(settings, to),
        actor=actor(),
    )


def _require_ours(uow: "UnitOfWork", half_id: "HalfId") -> None:
    """Hold a request that is tried again to be one of ours.

    Raises:
        NotFoundError: in it our library is the lender.
        StoreError: there is none such.
    """
    from iso_gateway.errors import NotFoundError
    from iso_gateway.protocol.states import Role

    if uow.halves.get(half_id).role != Role.REQUESTER:
        raise NotFoundError(
            f"request {half_id} is none of ours, we are its lender: only what we asked for can be tried again"
        )


def _refuse(half_id: int, state: str, partner: str, typist: "Typist") -> None:
    """Say that the same has been asked for; leaving the unit of work so undoes what it did."""
    from iso_gateway.cli.shared import vocabulary
    from iso_gateway.cli.shared.output import complain

    complain(
        f"error: request {half_id} asks {partner} for the same, and is {vocabulary.state_in_words(state)};"
        " nothing was sent"
    )
    complain(f"to see it: {typist.command(f'requests show {half_id}')}")
    complain("to ask once more all the same: the same command with --again")
    raise typer.Exit(1)
