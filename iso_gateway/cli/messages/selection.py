"""The options by which messages are meant: for lists, replays and exports."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from iso_gateway.cli.shared.options import LARGEST, PartnerName, duration

if TYPE_CHECKING:
    from config.settings import Settings
    from iso_gateway.store.records import TransactionId
    from iso_gateway.store.searching import Wanted
    from iso_gateway.store.unit_of_work import UnitOfWork

#: How many of the newest requests are looked through for a title, or a part of an ILL number.
WITHIN: Final = 10_000

_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]


class Way(StrEnum):
    """Which way messages went."""

    RECEIVED = "received"
    SENT = "sent"


ApduType = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="Only this ISO message, as ILL-Request.")
]
VerdictName = Annotated[
    str | None,
    typer.Option("--verdict", metavar="VERDICT", help="Only what was last classified so, as unreadable."),
]
Direction = Annotated[
    Way | None, typer.Option("--direction", metavar="received|sent", help="Only what went this way.")
]
Since = Annotated[
    dt.datetime | None,
    typer.Option(
        "--from",
        "--since",
        formats=_MOMENTS,
        metavar="TIME",
        help="Only what was stored then or later, as 2026-11-20 or '2026-11-20 08:30', local time.",
    ),
]
Until = Annotated[
    dt.datetime | None,
    typer.Option("--until", formats=_MOMENTS, metavar="TIME", help="Only what was stored before then."),
]
OlderThan = Annotated[
    dt.timedelta | None,
    typer.Option(
        "--older-than",
        metavar="DURATION",
        parser=duration,
        help="Only what was stored longer ago than this, as 30m, 12h or 3d.",
    ),
]
Request = Annotated[
    int | None,
    typer.Option("--request", min=1, max=LARGEST, metavar="ID", help="Only those of this request."),
]
Number = Annotated[
    str | None,
    typer.Option(
        "--number", metavar="TEXT", help="Only those of the request with this ILL number, or part of it."
    ),
]
Title = Annotated[
    str | None, typer.Option("--title", metavar="TEXT", help="Only those of requests with this in the title.")
]
Within = Annotated[
    int,
    typer.Option(
        "--within",
        min=1,
        max=10_000_000,
        metavar="N",
        help="How many of the newest requests --title, and a part of --number, are looked for in.",
    ),
]


def moment(at: dt.datetime | None) -> dt.datetime | None:
    """A time that was given in the zone of this machine, aware."""
    return None if at is None else at.astimezone()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the options say; everything that is given has to fit."""

    partner: PartnerName = None
    apdu_type: ApduType = None
    verdict: VerdictName = None
    direction: Direction = None
    since: Since = None
    until: Until = None
    older_than: OlderThan = None
    request: Request = None
    number: Number = None
    title: Title = None
    within: Within = WITHIN

    @property
    def chooses(self) -> bool:
        """Whether any of them is given."""
        return any(getattr(self, field.name) is not None for field in fields(self) if field.name != "within")

    def wanted(self, uow: "UnitOfWork", settings: "Settings", *, ids: Sequence[int] = ()) -> "Wanted":
        """What they mean; says on standard error how far titles were looked for, if not everywhere.

        Args:
            uow: where requests are looked for.
            settings: partners.
            ids: only among these messages; none means all.

        Raises:
            StoreError: there is no such request.
        """
        from iso_gateway.cli.shared.libraries import name_kept
        from iso_gateway.site import utc_now
        from iso_gateway.store import records
        from iso_gateway.store.searching import Wanted

        before = None if self.older_than is None else utc_now() - self.older_than
        return Wanted(
            ids=frozenset(records.MessageId(one) for one in ids),
            direction=None if self.direction is None else records.Direction(self.direction.value),
            partner=name_kept(settings, self.partner),
            apdu_type=self.apdu_type,
            verdict=self.verdict,
            since=moment(self.since),
            until=min((at for at in (moment(self.until), before) if at is not None), default=None),
            transactions=_transactions(uow, self.request, self.number, self.title, self.within),
        )


def _transactions(
    uow: "UnitOfWork", request: int | None, number: str | None, title: str | None, within: int
) -> "frozenset[TransactionId] | None":
    from iso_gateway.cli.shared.output import complain
    from iso_gateway.cli.shared.vocabulary import counted
    from iso_gateway.store.records import HalfId

    meant: frozenset[TransactionId] | None = None
    if request is not None:
        meant = frozenset({uow.halves.get(HalfId(request)).transaction_id})
    for text, find in ((number, uow.search.by_number), (title, uow.search.by_title)):
        if text is None:
            continue
        found = find(text, within=within)
        if not found.all_looked_at:
            complain(
                f"looked through for {text!r}: only the newest {counted(found.looked_at or 0, 'request')};"
                " --within looks through more"
            )
        meant = found.transactions if meant is None else meant & found.transactions
    return meant
