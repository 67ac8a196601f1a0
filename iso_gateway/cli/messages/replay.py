"""`iso-gateway replay`: messages once more, and what came of each."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from iso_gateway.cli.messages.selection import Selection, Way
from iso_gateway.cli.shared.audit import Reason, reason_given
from iso_gateway.cli.shared.option_groups import spread
from iso_gateway.cli.shared.options import (
    LARGEST,
    Config,
    Json,
    Yes,
    settings_from,
)

if TYPE_CHECKING:
    from iso_gateway.replay.replaying import Replayed

#: How many messages are shown one by one where nothing asks for all.
SHOWN = 200


@spread
def replay(
    context: typer.Context,
    numbers: Annotated[
        list[int] | None,
        typer.Argument(
            metavar="MESSAGE", min=1, max=LARGEST, help="The messages, as messages list numbers them."
        ),
    ] = None,
    *,
    config: Config = None,
    selection: Selection,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only say what would come of it, and why; nothing is changed or sent."
        ),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also do again what a replay has done before.")
    ] = False,
    rate: Annotated[
        int | None,
        typer.Option("--rate", min=1, max=1_000_000, metavar="N", help="At most so many messages a minute."),
    ] = None,
    reason: Reason = None,
    yes: Yes = False,
    full: Annotated[
        bool, typer.Option("--full", help=f"Show each message, not only the first {SHOWN}.")
    ] = False,
    json: Json = False,
) -> None:
    """Replay messages: classify received ones afresh that had no effect, send ours once more.

    What had its effect is never applied twice: it is passed over. Options choose received messages, unless
    `--direction sent` says otherwise. Whoever sent what is refused is not told again.
    """
    import dataclasses
    import time

    from iso_gateway.cli.messages import as_json
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.cli.shared.vocabulary import counted
    from iso_gateway.replay import replaying
    from iso_gateway.store.records import MessageId

    if not numbers and not selection.chooses:
        raise typer.BadParameter(
            "say what is meant: numbers of messages, or options such as --from and --partner"
        )
    chosen = selection
    if selection.direction is None and not numbers:
        chosen = dataclasses.replace(selection, direction=Way.RECEIVED)
    settings = settings_from(context, config)
    with installation.opened(settings) as site:
        with site.store.reading() as uow:
            wanted = chosen.wanted(uow, settings, ids=numbers or ())
            for number in numbers or ():
                # One that there is not is a mistake, one that the options leave out is none.
                uow.messages.get(MessageId(number))
            groups = replaying.groups_of(settings, uow, wanted)
        count = sum(len(group) for group in groups)
        why = ""
        if count and not dry_run:
            why = reason_given(reason)
            if not yes:
                typer.confirm(f"{counted(count, 'message')} will be replayed; go on?", abort=True, err=True)
        order = replaying.Order(actor=actor(), reason=why, again=again, dry_run=dry_run, rate=rate)
        done = replaying.replay(
            settings, site.store, site.gateway, groups, order, clock=site.clock, pause=time.sleep
        )
        replayed = list(_watched(done, count))
    if json:
        write_json({"dry_run": dry_run, "messages": [as_json.replayed(one) for one in replayed]})
        return
    from iso_gateway.cli.messages import as_text

    for one in replayed if full else replayed[:SHOWN]:
        write_lines(as_text.replayed(one, dry_run=dry_run))
    if not full and len(replayed) > SHOWN:
        write_lines(f"... and {len(replayed) - SHOWN} more: --full or --json shows them")
    write_lines(_summary(replayed, dry_run=dry_run))


def _watched(done: "Iterable[Replayed]", count: int) -> "Iterator[Replayed]":
    """What is done, with a bar on standard error that grows, if that is a terminal."""
    import sys

    from iso_gateway.cli.shared.output import console

    if not sys.stderr.isatty():
        yield from done
        return
    from rich.progress import Progress

    with Progress(console=console(sys.stderr), transient=True) as progress:
        yield from progress.track(done, total=count, description="replaying")


def _summary(replayed: "list[Replayed]", *, dry_run: bool) -> str:
    from collections import Counter

    from iso_gateway.replay.replaying import Result

    counted = Counter(one.result for one in replayed)
    told = ", ".join(f"{counted[result]} {result.value}" for result in Result if counted[result])
    would = "nothing was changed; it would be: " if dry_run else ""
    return f"{would}{told}" if replayed else "no message fits"
