"""Requests for people; the history of one stands in `ladder`."""

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from rich.console import RenderableType
from rich.text import Text

from iso_gateway.acting.action import Acted
from iso_gateway.cli.documents.as_text import posted
from iso_gateway.cli.requests import open_points
from iso_gateway.cli.requests.offers import Offer
from iso_gateway.cli.requests.views import ListedRequest, RequestRecord
from iso_gateway.cli.shared import vocabulary
from iso_gateway.cli.shared.output import text
from iso_gateway.cli.shared.tables import CELL, DISPOSED, table
from iso_gateway.cli.shared.typist import Typist
from iso_gateway.replay.evidence import Evidence
from iso_gateway.replay.rebuilding import Rebuild

PATRON_HIDDEN = "patron hidden: --patron shows who it is for"


def requests(listed: Sequence[ListedRequest]) -> RenderableType:
    """A list of requests: where each stands, what it is for, and what it waits for."""
    return table(
        "request",
        "we are",
        "state, since",
        "title, ILL number, what matters",
        rows=(_request_row(one) for one in listed),
        empty="no requests",
    )


def _request_row(one: ListedRequest) -> tuple[Text, ...]:
    half, summary = one.listing.half, one.listing.summary
    title = DISPOSED if summary is None else summary.get("title")
    number = None if summary is None else summary.get("request_number")
    item = [text(said, limit=CELL) for said in (title, number) if said is not None]
    item += open_points.unarrived_as_text(one.open_points)
    item += [text(said, "yellow") for said in open_points.in_words(one.open_points, one.zone)]
    return (
        text(half.id),
        Text("\n").join(
            (
                text(f"{vocabulary.role_in_words(half.role)} {half.local}"),
                text(f"{vocabulary.towards(half.role).split()[1]} {half.partner}"),
            )
        ),
        Text("\n").join(
            (
                text(vocabulary.state_in_words(half.state), "bold"),
                text(vocabulary.moment(half.updated_at.astimezone(one.zone))),
            )
        ),
        Text("\n").join(item),
    )


def offers(record: RequestRecord, offered: Sequence[Offer]) -> Iterator[Text]:
    """What can be done about a request, each with the command to type and what it means."""
    half = record.half
    yield Text.assemble(
        text(f"Request {half.id}: {vocabulary.state_in_words(half.state)}", "bold"),
        text(f"; we {vocabulary.towards(half.role)} {half.partner}"),
    )
    for line in open_points.unarrived_as_text(record.open_points):
        yield Text("  ") + line
    for said in open_points.in_words(record.open_points, record.zone):
        yield text(f"  {said}", "yellow")
    if not offered:
        yield Text("nothing can be done about it now")
        return
    yield Text("What can be done now:")
    for offer in offered:
        yield text(f"  {offer.command}", "bold")
        yield text(f"      {offer.meaning}")


def acted(result: Acted, *, again: bool = False) -> Iterator[Text]:
    """What came of a service that was asked for.

    Args:
        result: that.
        again: whether it was sent before.
    """
    name = result.apdu.asn1_name.upper()
    state = vocabulary.state_in_words(result.state.value)
    moved = "stays" if result.before is result.state else "is now"
    onward = "" if result.onward is None else f", and the request handed on as message {result.onward}"
    yield text(
        f"{name} queued{' once more' if again else ''} for {result.partner} as message {result.message_id}"
        f"{onward}; request {result.half_id} {moved} {state}"
    )
    if result.posted is not None:
        yield posted(result.posted)


def asked(result: Acted, record: RequestRecord, typist: Typist) -> Iterator[Text]:
    """What came of a request of ours, and what next."""
    yield from acted(result)
    summary = record.listing.summary or {}
    yield Text.assemble(("  ILL number: ", "cyan"), text(summary.get("request_number")))
    for said in open_points.in_words(record.open_points, record.zone):
        yield text(f"  {said}")
    yield text(f"what becomes of it: {typist.command(f'requests show {result.half_id}')}")
    yield text(f"what can be done:   {typist.command(f'requests act {result.half_id}')}")


def rebuild(found: Rebuild, *, applied: bool) -> Iterator[Text]:
    """A request as it is, and as it follows from its inputs, as lines."""
    half = found.half
    yield text(f"Request {half.id}: {vocabulary.state_in_words(half.state)}", "bold")
    for difference in found.history:
        yield text(
            f"  recorded otherwise: {difference.what} {difference.stored!r}, today {difference.computed!r}"
        )
    for difference in found.differences:
        yield text(
            f"  {difference.what} is {difference.stored!r}, should be {difference.computed!r}", "yellow"
        )
    for one in found.unsent:
        why = "" if one.why_not is None else f", and cannot be: {one.why_not}"
        yield text(
            f"  message {one.message_id} ({one.apdu_type}) for {one.partner} was never sent{why}", "yellow"
        )
    if not found.is_needed:
        yield Text("  nothing is to be put right")
    elif applied:
        yield Text("  put right", style="green")
    else:
        yield Text("  --apply puts it right")


def evidence(found: Sequence[Evidence], zone: tzinfo) -> RenderableType:
    """When each message of a request was stored, classified, delivered and confirmed."""

    def at(value: datetime | None) -> Text:
        return text("" if value is None else vocabulary.moment(value.astimezone(zone)))

    return table(
        "message",
        "direction",
        "ISO message",
        "stored",
        "classified",
        "attempts",
        "delivered",
        "confirmed",
        rows=(
            (
                text(one.message_id),
                text(one.direction.value),
                text(one.apdu_type or "?", "bold"),
                at(one.stored_at),
                Text.assemble(at(one.classified_at), " ", text(one.verdict)),
                text(one.attempts or ""),
                at(one.delivered_at),
                Text.assemble(
                    at(one.confirmed_at),
                    "" if one.confirmed_by is None else f" by message {one.confirmed_by}",
                ),
            )
            for one in found
        ),
        empty="no messages",
    )
