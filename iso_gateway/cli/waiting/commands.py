"""`iso-gateway waiting`: the outbox, what waits to be sent and why, and what an operator does to it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from iso_gateway.cli.shared.audit import Reason, reason_given
from iso_gateway.cli.shared.exit_codes import FAILED
from iso_gateway.cli.shared.menu import menu
from iso_gateway.cli.shared.option_groups import spread
from iso_gateway.cli.shared.options import (
    LARGEST,
    Config,
    Json,
    Limit,
    PartnerName,
    Yes,
    duration,
    settings_from,
)

if TYPE_CHECKING:
    from config.settings import Settings
    from iso_gateway.outbox.operating import Operation
    from iso_gateway.store.records import OutboxRecord

app = menu("What waits to be sent, and why.")

OlderThan = Annotated[
    timedelta | None,
    typer.Option(
        "--older-than",
        metavar="DURATION",
        parser=duration,
        help="Only what was queued longer ago than this, as 30m, 12h or 3d.",
    ),
]
Numbers = Annotated[
    list[int] | None,
    typer.Argument(
        metavar="NUMBER", min=1, max=LARGEST, help="What is meant, as waiting list numbers it; or an option."
    ),
]
All = Annotated[bool, typer.Option("--all", help="Everything that fits, if nothing else says what.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the command line says is meant; everything that is given has to fit."""

    numbers: Numbers = None
    partner: PartnerName = None
    older_than: OlderThan = None
    everything: All = False

    def __post_init__(self) -> None:
        """Hold it to say something: nobody means everything by saying nothing."""
        if not (self.numbers or self.partner or self.older_than or self.everything):
            raise typer.BadParameter("say what is meant: numbers, --partner, --older-than, or --all")


@app.callback()
def group() -> None:
    """What waits to be sent, and why."""


@app.command("list")
def list_(
    context: typer.Context,
    *,
    config: Config = None,
    partner: PartnerName = None,
    older_than: OlderThan = None,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List what waits to be sent, oldest first, with the reason and the next attempt."""
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.libraries import name_kept
    from iso_gateway.cli.shared.output import write, write_json
    from iso_gateway.cli.waiting import as_json, as_text, notes, views
    from iso_gateway.site import utc_now

    settings = settings_from(context, config)
    before = None if older_than is None else utc_now() - older_than
    name = name_kept(settings, partner)
    with installation.reading(settings) as uow:
        rows = uow.outbox.list(limit=limit, partner=name, created_before=before)
        states = uow.partners.all()
        notes.tell(uow)
    waiting = views.waiting(rows, states)
    if json:
        write_json([as_json.waiting_row(one) for one in waiting])
    else:
        write(as_text.waiting(waiting))


@app.command()
@spread
def retry(
    context: typer.Context,
    *,
    config: Config = None,
    chosen: Chosen,
    reason: Reason = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Try now what waits for its next attempt: some, all of a partner, or everything.

    A message that an earlier one of its request stands in front of goes after that.
    """
    from iso_gateway.outbox.operating import Operation

    settings = settings_from(context, config)
    _carry_out(settings, Operation.RETRY, chosen, "tried now", reason, yes=yes, json=json)


@app.command()
@spread
def hold(
    context: typer.Context,
    *,
    config: Config = None,
    chosen: Chosen,
    reason: Reason = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Hold back what waits, until it is released; what follows it in its request waits, too.

    To hold back what is queued later as well, suspend the partner: partners suspend.
    """
    from iso_gateway.outbox.operating import Operation

    settings = settings_from(context, config)
    _carry_out(settings, Operation.HOLD, chosen, "held back", reason, yes=yes, json=json)


@app.command()
@spread
def release(
    context: typer.Context,
    *,
    config: Config = None,
    chosen: Chosen,
    as_delivered: Annotated[
        bool, typer.Option("--as-delivered", help="It has arrived: do not send it, go on behind it.")
    ] = False,
    reason: Reason = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Send what was held back."""
    from iso_gateway.outbox.operating import Operation

    operation = Operation.TAKE_AS_DELIVERED if as_delivered else Operation.RELEASE
    said = "taken as delivered" if as_delivered else "released"
    settings = settings_from(context, config)
    _carry_out(settings, operation, chosen, said, reason, yes=yes, json=json)


def _carry_out(
    settings: "Settings",
    operation: "Operation",
    chosen: Chosen,
    said: str,
    reason: str | None,
    *,
    yes: bool,
    json: bool,
) -> None:
    from iso_gateway.cli.shared import installation
    from iso_gateway.cli.shared.audit import actor
    from iso_gateway.cli.shared.libraries import name_kept
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.cli.waiting import as_json
    from iso_gateway.outbox import operating
    from iso_gateway.store.records import OutboxId

    with installation.opened(settings) as site:
        at = site.clock()
        selection = operating.Selection(
            numbers=frozenset(OutboxId(number) for number in chosen.numbers or ()),
            partner=name_kept(settings, chosen.partner),
            created_before=None if chosen.older_than is None else at - chosen.older_than,
        )
        with site.store.reading() as uow:
            rows = operating.select(uow, selection, operation)
            operating.passed_over(uow, selection, operation, rows)
        done: tuple[OutboxRecord, ...] = ()
        if rows:
            why = reason_given(reason)
            if not yes:
                typer.confirm(f"{len(rows)} will be {said}; go on?", abort=True, err=True)
            done = site.store.perform(
                lambda uow: operating.carry_out(
                    uow, operation, rows, actor=actor(), reason=why, at=site.clock()
                )
            )
        with site.store.reading() as uow:
            # Once more: the gateway may have been faster.
            passed = operating.passed_over(uow, selection, operation, done)
    if json:
        write_json(
            {
                "done": [as_json.outbox_row(row) for row in done],
                "passed_over": [one.id for one in passed],
                "already": [one.id for one in passed if one.already],
                "why": {str(one.id): one.why for one in passed},
            }
        )
    else:
        if done or not passed:
            write_lines(f"{said}: {len(done)}")
        write_lines(*(f"number {one.id} {one.why}" for one in passed))
    if not all(one.already for one in passed):
        raise typer.Exit(FAILED)
