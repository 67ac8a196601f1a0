"""What wants a person, for people."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from iso_gateway.cli.shared.output import text
from iso_gateway.cli.shared.tables import CELL, DISPOSED, local_time, table
from iso_gateway.cli.waiting.as_text import fate
from iso_gateway.noticing.reporting import Preview
from iso_gateway.store.records import AttentionRecord, DailyMailRecord


def attention(listed: Sequence[tuple[AttentionRecord, str | None]]) -> RenderableType:
    """What wants a person, or did, each with why it was cleared."""
    return table(
        "number",
        "what",
        "since",
        "why, and what to do",
        rows=(
            (
                text(row.id),
                text(row.kind, "yellow" if row.cleared_at is None else ""),
                text(local_time(row.since)),
                Text("\n").join([text(row.reason), *_clearing(row, why)]),
            )
            for row, why in listed
        ),
        empty="nothing wants a person",
    )


def _clearing(row: AttentionRecord, why: str | None) -> Iterator[Text]:
    if row.cleared_at is None:
        return
    if row.cleared_by is None:
        yield text(f"cleared itself {local_time(row.cleared_at)}", "dim")
    else:
        said = f"{row.cleared_by} cleared it {local_time(row.cleared_at)}: {why or DISPOSED}"
        yield text(said, "dim", limit=4 * CELL)


def daily_mails(listed: Sequence[DailyMailRecord]) -> RenderableType:
    """What our own people were told on each morning, and what became of the mails."""
    return table(
        "day",
        "recipient",
        "told of",
        "mail",
        rows=(
            (
                text(one.day),
                text(one.recipient),
                text(one.entries),
                text("none: nothing to tell", "dim") if one.mail is None else fate(one.mail),
            )
            for one in listed
        ),
        empty="no daily mails: [[noticing.mail]] in the configuration says who gets one",
    )


def daily_preview(shown_mail: Preview) -> Iterator[Text]:
    """A daily mail as people read it, and when it goes out."""
    found = shown_mail.report
    yield Text.assemble(("From: ", "cyan"), text(found.author.public_mail))
    yield Text.assemble(("To: ", "cyan"), text(found.mail.to))
    yield Text.assemble(("Subject: ", "cyan"), text(found.rendered.subject))
    yield Text()
    for line in found.rendered.text.splitlines():
        yield text(line)
    yield Text()
    yield text(f"next one due: {local_time(shown_mail.next_at)}", "dim")
    if not found.is_sent:
        yield text("as long as there is nothing to tell, none is sent", "dim")
