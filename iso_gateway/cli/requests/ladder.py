"""The history of a request as a ladder: borrower on the left, lender on the right, a message on each rung."""

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from asn1 import ill
from asn1.ill import ILLApdu
from asn1.schema import Unlisted
from iso_gateway.acting.requesting import CLIENT, PATRON_CONTACT, REFERENCE, RETRY_OF
from iso_gateway.cli.documents.as_text import mail_fate
from iso_gateway.cli.messages.as_text import HIDDEN
from iso_gateway.cli.requests import as_text, open_points, particulars
from iso_gateway.cli.requests.open_points import Notice
from iso_gateway.cli.requests.views import RequestRecord, Step
from iso_gateway.cli.shared import vocabulary
from iso_gateway.cli.shared.output import shown, text
from iso_gateway.cli.shared.tables import DISPOSED
from iso_gateway.cli.shared.typist import Typist
from iso_gateway.cli.waiting.as_text import fate
from iso_gateway.documents import given_in
from iso_gateway.message.identity import read_as, text_of
from iso_gateway.protocol.states import Role
from iso_gateway.replay.replaying import SENT_AGAIN
from iso_gateway.store.records import OutboxRecord, OutboxStatus

#: The narrowest terminal on which both sides stand side by side; that on which the state stands beside them;
#: and the widest that is used.
SIDE_BY_SIDE: Final = 66
STATE_BESIDE: Final = 104
WIDEST: Final = 120

_TIME: Final = len("2026-01-31 12:00:00")
_STATE: Final = 36
_INDENT: Final = _TIME + 3
_NOTE: Final = 500
_NAME: Final = 200

_EFFECTIVE: Final = ("applied", "composed", SENT_AGAIN)


def request(
    record: RequestRecord, typist: Typist | None, *, width: int, with_patron_data: bool, full: bool
) -> Iterator[RenderableType]:
    """A request: what it is, its ladder, and what can be done now.

    Args:
        record: the request.
        typist: how commands are typed; None where there is nothing left to type them about.
        width: of the terminal, in characters.
        with_patron_data: whether the Client-Id and the patron contact are shown.
        full: whether long notes and names are shown as they are.
    """
    yield from _head(record, with_patron_data=with_patron_data, full=full)
    yield Text()
    width = min(width, WIDEST)
    beside = width >= SIDE_BY_SIDE
    if beside:
        yield _ends(record, width)
    indent = _INDENT if beside else 2
    entries: list[Step | Notice] = [*record.steps, *record.open_points.notices]
    for entry in sorted(entries, key=lambda one: one.at):
        if isinstance(entry, Notice):
            yield _notice(entry, record.zone)
            continue
        yield from _rung(entry, record, width) if beside else _paragraph(entry, record)
        for line in _details(entry, record.zone, full=full):
            yield Padding(line, (0, 0, 0, indent), expand=False)
    if record.possible and typist is not None:
        yield Text()
        yield text(f"What can be done now: {typist.command(f'requests act {record.half.id}')}")


def _head(record: RequestRecord, *, with_patron_data: bool, full: bool) -> Iterator[Text]:
    half, summary = record.half, record.listing.summary
    yield Text.assemble(
        (f"Request {half.id}: ", "bold"),
        text(vocabulary.state_in_words(half.state), "bold"),
        f", we are the {vocabulary.role_in_words(half.role)}; times in {record.zone}",
    )
    if summary is None:
        yield Text(f"  what it was for: {DISPOSED}")
        return
    limit = None if full else _NAME
    for name, key in (
        ("ILL number", "request_number"),
        ("our reference", REFERENCE),
        ("tries again", RETRY_OF),
        ("title", "title"),
        ("author", "author"),
        ("article", "title_of_article"),
    ):
        if (value := summary.get(key)) is not None:
            told = f"request {value}" if key == RETRY_OF else value
            yield Text.assemble((f"  {name}: ", "cyan"), text(told, limit=limit))
    yield from _kept(summary, with_patron_data=with_patron_data, limit=limit)
    yield from _patron(record, with_patron_data=with_patron_data, full=full)
    for said in open_points.in_words(record.open_points, record.zone):
        yield text(f"  {said}", "yellow")
    for document in record.documents:
        url = (document.content or {}).get("url", DISPOSED)
        yield Text.assemble((f"  document {document.id}: ", "cyan"), text(url), ", ", mail_fate(document))
    if half.former_partners:
        yield text(f"  was with {', '.join(half.former_partners)} before it was handed on")


def _kept(summary: Mapping[str, object], *, with_patron_data: bool, limit: int | None) -> Iterator[Text]:
    """What is known here of the patron of a request of ours, and told to nobody unasked."""
    client, contact = summary.get(CLIENT), summary.get(PATRON_CONTACT)
    if client is None and contact is None:
        return
    if not with_patron_data:
        yield Text(f"  {as_text.PATRON_HIDDEN}", style="yellow")
        return
    if isinstance(client, Mapping):
        parts = (client.get(name) for name in ("name", "status", "identifier"))
        known = ", ".join(str(part) for part in parts if part is not None)
        yield Text.assemble(("  patron: ", "cyan"), text(known, limit=limit))
    if contact is not None:
        yield Text.assemble(("  patron contact: ", "cyan"), text(contact, limit=limit))


def _notice(notice: Notice, zone: tzinfo) -> Table:
    """What was put before a person, at its time; dim where it is old news."""
    style = "yellow" if notice.stands else "dim"
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_column(no_wrap=True)
    line.add_column()
    at = vocabulary.moment(notice.at.astimezone(zone))
    line.add_row(at, text(f"attention: {notice.reason or DISPOSED}", style))
    return line


def _patron(record: RequestRecord, *, with_patron_data: bool, full: bool) -> Iterator[Text]:
    for step in record.steps:
        if step.contents.apdu is None or not step.contents.names_patron:
            continue
        if not with_patron_data:
            yield Text(f"  {HIDDEN}", style="yellow")
            return
        client = getattr(step.contents.apdu, "client_id", None)
        if isinstance(client, ill.ClientId):
            parts = (client.client_name, client.client_status, client.client_identifier)
            said = ", ".join(read_as(part, step.contents.encoding) for part in parts if part is not None)
            yield Text.assemble(("  Client-Id: ", "cyan"), text(said, limit=None if full else _NAME))
            return


def _names(record: RequestRecord) -> tuple[str, str]:
    """Borrower and lender, by the names that the configuration has for them."""
    half = record.half
    if half.role == Role.REQUESTER:
        return half.local, half.partner
    return half.partner, half.local


def _ends(record: RequestRecord, width: int) -> Text:
    borrower, lender = (
        shown(f"{role} {name}", width // 3)
        for role, name in zip(("borrower", "lender"), _names(record), strict=True)
    )
    rung = _rung_width(width)
    gap = max(1, rung - len(borrower) - len(lender))
    return Text(f"{'':{_TIME + 2}}{borrower}{'':{gap}}{lender}", style="bold", no_wrap=True)


def _rung_width(width: int) -> int:
    return width - _TIME - 2 - (_STATE + 2 if width >= STATE_BESIDE else 0)


def _rightward(step: Step, record: RequestRecord) -> bool:
    """Whether a message went from the borrower to the lender."""
    return step.by_us is (record.half.role == Role.REQUESTER)


def _elsewhere(step: Step, record: RequestRecord) -> str:
    """The other library of a message, where it is not the one that the request is with now."""
    if step.partner in (None, record.half.partner):
        return ""
    if _is_onward(step, record):
        return f" on to {step.partner}"
    return f" {'to' if step.by_us else 'of'} {step.partner}"


def _is_onward(step: Step, record: RequestRecord) -> bool:
    """Whether a message is the request that we, its lender, handed on to another library."""
    elsewhere = step.partner not in (None, record.half.partner)
    return step.by_us and elsewhere and record.half.role == Role.RESPONDER


def _rung(step: Step, record: RequestRecord, width: int) -> Iterator[Text]:
    inner = _rung_width(width) - 2
    label = f" {shown(_label(step))}{shown(_elsewhere(step, record))} "[: inner - 1]
    at = vocabulary.moment(step.at.astimezone(record.zone))
    if step.message_id is None or _is_onward(step, record):
        rung = f"|{label:.^{inner}}|"
    elif _rightward(step, record):
        rung = f"|{label:-^{inner - 1}}>|"
    else:
        rung = f"|<{label:-^{inner - 1}}|"
    line = Text(f"{at}  {rung}", no_wrap=True, overflow="crop")
    state = text(_state(step), "bold")
    if not state:
        yield line
    elif width >= STATE_BESIDE:
        yield line + Text("  ") + state
    else:
        yield line
        yield Text(" " * _INDENT) + state


def _paragraph(step: Step, record: RequestRecord) -> Iterator[Text]:
    borrower, lender = _names(record)
    at = vocabulary.moment(step.at.astimezone(record.zone))
    if step.message_id is None:
        way = "timer"
    elif _is_onward(step, record):
        way = f"lender {lender}{_elsewhere(step, record)}"
    elif _rightward(step, record):
        way = f"borrower {borrower} -> lender {lender}"
    else:
        way = f"lender {lender} -> borrower {borrower}"
    yield text(f"{at} {way}")
    yield Text.assemble("  ", text(_label(step), "bold"))
    if _state(step):
        yield text(f"  {_state(step)}")


def _state(step: Step) -> str:
    return "" if step.state is None else vocabulary.state_in_words(step.state)


def _label(step: Step) -> str:
    number = "" if step.message_id is None else f" [{step.message_id}]"
    again = " again" if step.repeat else ""
    return f"{step.name.replace('answer TRUE', 'yes').replace('answer FALSE', 'no')}{again}{number}"


def _details(step: Step, zone: tzinfo, *, full: bool) -> Iterator[Text]:
    """What stands under a rung: verdict, fate, what a report says, notes."""
    if step.verdict not in _EFFECTIVE:
        yield text(f"{step.verdict}: {step.reason}" if step.reason else step.verdict, "yellow")
    if step.deliveries:
        yield _delivery(step.deliveries[-1].row, zone)
    apdu = step.contents.apdu
    if apdu is None:
        if step.message_id is not None and step.contents.octets is None:
            yield Text(DISPOSED)
        return
    told = particulars.particulars(apdu, step.contents.encoding)
    if told:
        yield text(told, limit=None if full else _NOTE)
    for said in report_in_words(apdu):
        yield text(said)
    for link in () if step.by_us else given_in(apdu, step.contents.encoding):
        yield Text.assemble(("document: ", "cyan"), text(link.url))
    for name in ("requester_note", "responder_note", "note"):
        note = text_of(getattr(apdu, name, None), step.contents.encoding)
        if note is not None:
            yield text(f'"{shown(note, None if full else _NOTE)}"', "italic")


def _delivery(row: OutboxRecord, zone: tzinfo) -> Text:
    line = fate(row)
    if row.status is OutboxStatus.DELIVERED and row.finished_at is not None:
        line.append(f" {vocabulary.moment(row.finished_at.astimezone(zone))}")
    if row.finished_at is None and row.attempts:
        line.append(f", next attempt {vocabulary.moment(row.next_attempt_at.astimezone(zone))}")
    return line


def report_in_words(apdu: ILLApdu) -> Iterator[str]:
    """What a STATUS-OR-ERROR-REPORT says, by the standard's names."""
    if not isinstance(apdu, ill.StatusOrErrorReport):
        return
    if apdu.status_report is not None:
        state = apdu.status_report.provider_status_report
        name = "unlisted" if isinstance(state, Unlisted) else state.asn1_name.upper()
        yield f"status: {name} ({state.value})"
    if apdu.error_report is not None:
        for report in (apdu.error_report.user_error_report, apdu.error_report.provider_error_report):
            if report is not None:
                name, value = report.chosen
                told = getattr(value, "asn1_name", None) or getattr(value, "text", None)
                yield f"error: {name.replace('_', '-')}{'' if told is None else f', {told}'}"
