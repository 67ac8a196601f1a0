"""`iso-gateway messages`: every message that was received or made, and what became of it."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iso_gateway.cli.messages.selection import Selection
from iso_gateway.cli.shared.audit import Reason, reason_given
from iso_gateway.cli.shared.menu import menu
from iso_gateway.cli.shared.option_groups import spread
from iso_gateway.cli.shared.options import (
    Before,
    Config,
    Full,
    Json,
    Limit,
    MessageId,
    WithPatronData,
    Yes,
    settings_from,
)

if TYPE_CHECKING:
    from iso_gateway.cli.messages.views import Contents

app = menu("Every message that was received or made.")


@app.command("list")
@spread
def list_(
    context: typer.Context,
    *,
    config: Config = None,
    selection: Selection,
    limit: Limit = 50,
    before: Before = None,
    json: Json = False,
) -> None:
    """List messages, newest first. Options go by how a message was classified last."""
    from iso_gateway.cli.messages import as_json, as_text, views
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import write, write_json
    from iso_gateway.store import records

    settings = settings_from(context, config)
    with installation.reading(settings) as uow:
        wanted = selection.wanted(uow, settings)
        page = uow.search.messages(
            wanted, limit=limit, before_id=None if before is None else records.MessageId(before)
        )
        listed = [views.listed(uow, listing) for listing in page]
    if json:
        write_json([as_json.message_row(one) for one in listed])
    else:
        write(as_text.messages(listed))


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
    from iso_gateway.cli.messages import as_json, as_text, views
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.store import records

    settings = settings_from(context, config)
    identifier = records.MessageId(message_id)
    with installation.reading(settings) as uow:
        record = uow.messages.get(identifier)
        processings = uow.messages.processings(identifier)
        deliveries = views.deliveries_of(uow, identifier)
        moves = uow.inputs.of_message(identifier)
        operations = uow.audit.about(message_id=identifier)
        latest = processings[-1] if processings else None
        contents = views.Contents.read(uow, identifier, settings, latest)
    if raw is not None:
        _write_raw(raw, contents)
    if json:
        write_json(
            as_json.message(
                record,
                processings,
                deliveries,
                contents,
                with_patron_data=with_patron_data,
                moves=moves,
                operations=operations,
            )
        )
    else:
        write_lines(
            *as_text.message(
                record,
                processings,
                deliveries,
                contents,
                with_patron_data=with_patron_data,
                full=full,
                moves=moves,
                operations=operations,
            )
        )


def _write_raw(path: Path, contents: "Contents") -> None:
    """Write a message's octets to a new file that its owner alone may read.

    Raises:
        GatewayError: the octets have been disposed of, or the file exists or cannot be written.
    """
    from iso_gateway.cli.shared.output import new_private
    from iso_gateway.errors import GatewayError

    if contents.octets is None:
        raise GatewayError("the octets of this message have been disposed of: nothing was written")
    with new_private(path) as file:
        file.write(contents.octets)


@app.command()
@spread
def export(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A new file, readable by its owner only.", show_default=False),
    ],
    *,
    config: Config = None,
    selection: Selection,
    with_patron_data: Annotated[
        bool, typer.Option("--with-patron-data", help="The octets as they were on the wire; needs a reason.")
    ] = False,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Write messages to a file, one JSON object a line, oldest first.

    Without `--with-patron-data` each APDU is encoded anew without Client-Id, private extensions, notes and
    addresses, and what cannot be read goes without octets. Such a line says that it is not as on the wire.
    """
    from iso_gateway.cli.shared import installation, privacy
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.cli.shared.output import new_private, shown, write_json, write_lines
    from iso_gateway.cli.shared.vocabulary import counted
    from iso_gateway.replay import carrying

    settings = settings_from(context, config)
    why = reason_given(reason) if with_patron_data else ""
    count = altered = 0
    with installation.opened(settings) as site:
        with site.store.reading() as uow, new_private(file) as out:
            wanted = selection.wanted(uow, settings)
            masking = privacy.as_they_are if with_patron_data else privacy.masked
            for line in carrying.exported(uow, wanted, masking):
                out.write(f"{dumps(line)}\n".encode("ascii"))
                count += 1
                altered += not line["as_on_the_wire"]
        if with_patron_data:
            site.store.perform(
                lambda uow: uow.audit.append(
                    at=site.clock(), actor=actor(), action=carrying.EXPORTED, reason=why
                )
            )
    if json:
        write_json({"file": str(file), "messages": count, "not_as_on_the_wire": altered})
    else:
        write_lines(f"wrote {counted(count, 'message')} to {shown(file)}; not as on the wire: {altered}")


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What messages export wrote.", show_default=False)
    ],
    *,
    config: Config = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be imported; nothing is changed.")
    ] = False,
    reason: Reason = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Store the received messages of a file as received here, and classify them.

    One whose octets were received already is left out. Nobody is told what is refused, and requests are not
    acknowledged; a STATUS-QUERY that is applied is answered.
    """
    from collections import Counter

    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.cli.shared.output import shown, write_json, write_lines
    from iso_gateway.errors import GatewayError
    from iso_gateway.replay import carrying

    settings = settings_from(context, config)
    with installation.opened(settings) as site:
        why = "" if dry_run else reason_given(reason)
        if not dry_run and not yes:
            typer.confirm(f"messages will be received from {shown(file)}; go on?", abort=True, err=True)
        counted: Counter[str] = Counter()
        verdicts: Counter[str] = Counter()
        try:
            with file.open(encoding="ascii") as lines:
                for one in carrying.imported(site.store, site.gateway, lines, dry_run=dry_run):
                    counted[one.result.value] += 1
                    if one.verdict is not None:
                        verdicts[one.verdict] += 1
        except OSError as error:
            raise GatewayError(f"cannot read {shown(file)!r}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise GatewayError(f"{shown(file)!r} is not ASCII text: import what was exported") from None
        finally:
            if counted[carrying.Result.IMPORTED.value] and not dry_run:
                site.store.perform(
                    lambda uow: uow.audit.append(
                        at=site.clock(), actor=actor(), action=carrying.IMPORTED, reason=why
                    )
                )
    if json:
        write_json({"dry_run": dry_run, "lines": dict(counted), "verdicts": dict(verdicts)})
        return
    told = ", ".join(f"{count} {name}" for name, count in counted.items()) or "no lines"
    write_lines(f"{'nothing was changed; it would be: ' if dry_run else ''}{told}")
    if verdicts:
        write_lines("classified as: " + ", ".join(f"{count} {name}" for name, count in verdicts.items()))
