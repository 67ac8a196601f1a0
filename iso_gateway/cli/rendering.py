"""Lists and single things for people: tables and lines for rich, made of what was read.

No input, no output. Long cells of lists are cut, and patron data is in none of them.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from config import fields
from config.settings import MailTransport, Partner, Settings, TcpTransport
from config.symbols import Symbol
from iso_gateway.acting.action import Acted
from iso_gateway.cli import data, standing, trees, words
from iso_gateway.cli.offering import Offer, Typist
from iso_gateway.cli.output import shown, text
from iso_gateway.cli.privacy import names_patron, without_client_id
from iso_gateway.cli.reading import (
    Contents,
    Delivery,
    ListedMessage,
    ListedRequest,
    PartnerDelivery,
    RequestRecord,
    Waiting,
    kind_in_words,
)
from iso_gateway.documents import Posted, Preview
from iso_gateway.failure import advice
from iso_gateway.noticing.facts import PartnerFacts
from iso_gateway.noticing.health import Health
from iso_gateway.noticing.posting import plain_detail
from iso_gateway.noticing.reporting import Preview as DailyPreview
from iso_gateway.protocol.events import Service
from iso_gateway.replay.evidence import Evidence
from iso_gateway.replay.rebuilding import Rebuild
from iso_gateway.replay.replaying import Replayed
from iso_gateway.replay.verifying import Problem
from iso_gateway.store.records import (
    AttentionRecord,
    AuditRecord,
    BreakerState,
    DailyMailRecord,
    Direction,
    DocumentRecord,
    EventRecord,
    GatewayRecord,
    InputRecord,
    MessageRecord,
    OutboxRecord,
    OutboxStatus,
    PartnerStateRecord,
    ProcessingRecord,
)

#: The most characters of a cell in a list.
CELL = 60
#: The most lines of octets that are shown of a message.
DUMP_LINES = 16

HIDDEN = "Client-Id hidden: --with-patron-data shows it"
PATRON_HIDDEN = "patron hidden: --patron shows who it is for"
OCTETS_HIDDEN = "octets hidden, because they may name the patron: --with-patron-data shows them"
DISPOSED = "disposed of: nobody can read it any more"


def _local(at: datetime) -> str:
    return words.moment(at.astimezone())


def _table(*columns: str, rows: Iterable[Sequence[RenderableType]], empty: str) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=place == 0)
    for row in rows:
        table.add_row(*row)
    return table if table.row_count else Text(empty)


def _lines(*lines: Text) -> Text:
    """A cell of several lines."""
    return Text("\n").join(lines)


def messages(listed: Sequence[ListedMessage]) -> RenderableType:
    """A list of messages."""
    return _table(
        "message",
        "time",
        "ISO message, what became of it",
        "partner",
        rows=(_message_row(one) for one in listed),
        empty="no messages",
    )


def _message_row(one: ListedMessage) -> tuple[Text, ...]:
    message, processing = one.message, one.processing
    request = None if processing is None else processing.half_id
    return (
        text(message.id),
        _lines(text(_local(message.stored_at)), text(message.direction.value)),
        _lines(text("?" if processing is None else processing.apdu_type or "?", "bold"), _fate(one)),
        _lines(
            text("?" if processing is None else processing.partner or "?"),
            text("" if request is None else f"request {request}"),
        ),
    )


def _fate(one: ListedMessage) -> Text:
    if one.message.direction is Direction.SENT:
        return Text("stored") if one.delivery is None else fate(one.delivery)
    if one.processing is None:
        return Text("stored, not looked at yet", style="yellow")
    verdict = one.processing.verdict
    if verdict == "applied":
        return Text(verdict)
    return text(f"{verdict}: {one.processing.reason}", "yellow", limit=CELL)


def fate(row: OutboxRecord) -> Text:
    """What became of sending a message, in the four words."""
    said = words.fate_in_words(row.status)
    match row.status:
        case OutboxStatus.DELIVERED:
            return Text(said, style="green")
        case OutboxStatus.NOT_DELIVERED:
            return text(f"{said}: {row.last_error}", "red", limit=2 * CELL)
        case _:
            return text(said if row.last_error is None else f"{said}: {row.last_error}", limit=2 * CELL)


def message(
    record: MessageRecord,
    processings: Sequence[ProcessingRecord],
    deliveries: Sequence[Delivery],
    contents: Contents,
    *,
    with_patron_data: bool,
    full: bool,
    moves: Sequence[InputRecord] = (),
    operations: Sequence[AuditRecord] = (),
) -> Iterator[Text]:
    """One message with everything that is known of it, as lines."""
    apdu_type = next((one.apdu_type for one in reversed(processings) if one.apdu_type is not None), None)
    kind = kind_in_words(apdu_type, processings[-1].verdict if processings else None)
    yield text(f"Message {record.id}: {kind}, {record.direction.value}", "bold")
    yield from _pairs(
        ("stored", _local(record.stored_at)),
        ("transport", record.transport.value),
        ("listener", record.listener),
        ("peer", record.peer_address),
        ("connection", record.connection_id),
        ("side", record.side.value),
        ("size", f"{record.size} octets"),
        ("relay of message", record.received_as),
    )
    for one in processings:
        yield text(f"Classified {_local(one.at)}", "bold")
        yield from _pairs(
            ("verdict", one.verdict),
            ("reason", one.reason or None),
            ("offset", one.error_offset),
            ("path", one.error_path),
            ("partner", one.partner),
            ("request", one.half_id),
            ("answered by message", one.answer_message_id),
        )
    for one_move in moves:
        yield from _move(one_move)
    for operation in operations:
        yield text(f"{operation.action} {_local(operation.at)}", "bold")
        yield from _pairs(("by", operation.actor), ("why", operation.reason or None))
    for delivery in deliveries:
        yield from _delivery(delivery)
    yield from _contents(contents, with_patron_data=with_patron_data, full=full)


def _move(record: InputRecord) -> Iterator[Text]:
    yield text(f"Request {record.half_id}, input {record.sequence}", "bold")
    yield from _pairs(
        ("service", f"{Service(record.service).phrase}{' as a repeat' if record.repeat else ''}"),
        ("verdict", record.verdict),
        ("state before", words.state_in_words(record.state_before)),
        ("state after", words.state_in_words(record.state_after)),
        ("flags after", ", ".join(record.flags_after) or None),
        ("row of the tables", record.provenance),
    )


def replayed(one: Replayed, *, dry_run: bool) -> Text:
    """What came of replaying a message, as a line."""
    line = Text.assemble(
        f"message {one.message_id}  ",
        text(f"{'would be ' if dry_run else ''}{one.result.value}", "bold"),
    )
    if one.before != one.after:
        line.append(f"  {shown(one.before)} -> {shown(one.after)}")
    if one.half_id is not None:
        line.append(f"  request {one.half_id} {shown(one.state)}")
    line.append(f"  {'late: ' if one.late else ''}{shown(one.reason, 2 * CELL)}")
    if one.sends is not None and not dry_run:
        line.append(f"  sends message {one.sends}")
    return line


def problem(one: Problem) -> Text:
    """Something that is wrong with the database, as a line."""
    about = "".join(
        f"  {name} {number}"
        for name, number in (("request", one.half_id), ("message", one.message_id))
        if number is not None
    )
    return Text.assemble((f"{one.part.value}{about}: ", "bold"), text(one.text))


def rebuild(found: Rebuild, *, applied: bool) -> Iterator[Text]:
    """A request as it is, and as it follows from its inputs, as lines."""
    half = found.half
    yield text(f"Request {half.id}: {words.state_in_words(half.state)}", "bold")
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
        return text("" if value is None else words.moment(value.astimezone(zone)))

    return _table(
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


def _pairs(*pairs: tuple[str, object]) -> Iterator[Text]:
    for name, value in pairs:
        if value is not None:
            yield Text.assemble((f"  {name}: ", "cyan"), text(value))


def _delivery(delivery: Delivery) -> Iterator[Text]:
    row = delivery.row
    yield Text("To be sent", style="bold")
    yield Text.assemble(("  fate: ", "cyan"), fate(row))
    waiting = row.finished_at is None
    yield from _pairs(
        ("partner", row.partner),
        ("on connection", row.connection_id),
        ("next attempt", _local(row.next_attempt_at) if waiting else None),
        ("given up after", _local(row.expires_at) if waiting else None),
        ("finished", None if row.finished_at is None else _local(row.finished_at)),
        ("held back by", row.held_by),
        ("what can be done", None if row.failure is None else advice(row.failure)),
    )
    for attempt in delivery.attempts:
        outcome = "under way" if attempt.outcome is None else attempt.outcome.value
        why = "" if attempt.error is None else f": {attempt.error}"
        if attempt.failure is not None:
            why += f" ({attempt.failure.value})"
        yield text(f"  attempt {_local(attempt.started_at)}: {outcome}{why}")


def _contents(contents: Contents, *, with_patron_data: bool, full: bool) -> Iterator[Text]:
    hiding = not with_patron_data and names_patron(contents)
    yield Text("Octets", style="bold")
    if contents.octets is None:
        yield Text(f"  {DISPOSED}")
        return
    if hiding:
        yield Text(f"  {OCTETS_HIDDEN}", style="yellow")
    else:
        for line in trees.dump(contents.octets, most=None if full else DUMP_LINES):
            yield Text(f"  {line}")
    yield Text("Contents", style="bold")
    if contents.error is not None:
        yield text(f"  unreadable: {contents.error}", "red")
    if contents.apdu is not None:
        if hiding:
            yield Text(f"  {HIDDEN}", style="yellow")
        apdu = without_client_id(contents.apdu) if hiding else contents.apdu
        for entry in trees.tree(apdu, full=full, with_patron_data=with_patron_data):
            yield Text("  ") + entry


def requests(listed: Sequence[ListedRequest]) -> RenderableType:
    """A list of requests: where each stands, what it is for, and what it waits for."""
    return _table(
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
    item += [text(said, "yellow") for said in standing.in_words(one.standing, one.zone)]
    return (
        text(half.id),
        Text("\n").join(
            (
                text(f"{words.role_in_words(half.role)} {half.local}"),
                text(f"{words.towards(half.role).split()[1]} {half.partner}"),
            )
        ),
        Text("\n").join(
            (
                text(words.state_in_words(half.state), "bold"),
                text(words.moment(half.updated_at.astimezone(one.zone))),
            )
        ),
        Text("\n").join(item),
    )


def offers(record: RequestRecord, offered: Sequence[Offer]) -> Iterator[Text]:
    """What can be done about a request, each with the command to type and what it means."""
    half = record.half
    yield Text.assemble(
        text(f"Request {half.id}: {words.state_in_words(half.state)}", "bold"),
        text(f"; we {words.towards(half.role)} {half.partner}"),
    )
    for said in standing.in_words(record.standing, record.zone):
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
    state = words.state_in_words(result.state.value)
    onward = "" if result.onward is None else f", and the request handed on as message {result.onward}"
    yield text(
        f"{name} queued{' once more' if again else ''} for {result.partner} as message {result.message_id}"
        f"{onward}; request {result.half_id} is now {state}"
    )
    if result.posted is not None:
        yield posted(result.posted)


def posted(result: Posted) -> Text:
    """What became of a link."""
    what = f"document {result.document_id} of request {result.half_id}"
    if result.unmailed is not None:
        return text(f"{what}: {words.unmailed_in_words(result.unmailed)}")
    return text(f"{what}: the mail with its link is queued for {result.recipient}")


def documents(listed: Sequence[DocumentRecord]) -> RenderableType:
    """The links that borrowers were given, and what became of their mails."""
    return _table(
        "document",
        "request",
        "given",
        "mail",
        "link",
        rows=(_document_row(one) for one in listed),
        empty="no documents",
    )


def _document_row(one: DocumentRecord) -> tuple[Text, ...]:
    content = one.content or {}
    return (
        text(one.id),
        text(one.half_id),
        text(_local(one.added_at)),
        mail_fate(one),
        text(DISPOSED if one.disposed else content.get("url"), limit=2 * CELL),
    )


def mail_fate(one: DocumentRecord) -> Text:
    """Whom a document's link was mailed to, and what became of that."""
    if one.mail is None:
        return text("" if one.unmailed is None else words.unmailed_in_words(one.unmailed))
    recipient = (one.content or {}).get("recipient")
    return fate(one.mail) if recipient is None else Text.assemble(text(f"to {recipient}: "), fate(one.mail))


def preview(shown_mail: Preview) -> Iterator[Text]:
    """A mail as people read it; that it would go to nobody stands first."""
    if shown_mail.unmailed is not None:
        yield text(words.unmailed_in_words(shown_mail.unmailed), "yellow")
    else:
        yield Text.assemble(("To: ", "cyan"), text(shown_mail.recipient))
    yield Text.assemble(("Reply-To: ", "cyan"), text(shown_mail.reply_to))
    yield Text.assemble(("Subject: ", "cyan"), text(shown_mail.rendered.subject))
    yield Text()
    for line in shown_mail.rendered.text.splitlines():
        yield text(line)


def daily_mails(listed: Sequence[DailyMailRecord]) -> RenderableType:
    """What our own people were told on each morning, and what became of the mails."""
    return _table(
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


def daily_preview(shown_mail: DailyPreview) -> Iterator[Text]:
    """A daily mail as people read it, and when it goes out."""
    found = shown_mail.report
    yield Text.assemble(("From: ", "cyan"), text(found.author.public_mail))
    yield Text.assemble(("To: ", "cyan"), text(found.mail.to))
    yield Text.assemble(("Subject: ", "cyan"), text(found.rendered.subject))
    yield Text()
    for line in found.rendered.text.splitlines():
        yield text(line)
    yield Text()
    yield text(f"next one due: {_local(shown_mail.next_at)}", "dim")
    if not found.is_sent:
        yield text("as long as there is nothing to tell, none is sent", "dim")


def asked(result: Acted, record: RequestRecord, typist: Typist) -> Iterator[Text]:
    """What came of a request of ours, and what next."""
    yield from acted(result)
    summary = record.listing.summary or {}
    yield Text.assemble(("  ILL number: ", "cyan"), text(summary.get("request_number")))
    for said in standing.in_words(record.standing, record.zone):
        yield text(f"  {said}")
    yield text(f"what becomes of it: {typist.command(f'requests show {result.half_id}')}")
    yield text(f"what can be done:   {typist.command(f'requests act {result.half_id}')}")


def waiting(listed: Sequence[Waiting]) -> RenderableType:
    """What waits to be sent: each in a line, and below it why."""
    if not listed:
        return Text("nothing waits to be sent")
    heads = [
        Text(name, style="bold")
        for name in ("number", "message", "partner", "queued", "tries", "next attempt")
    ]
    rows = [_waiting_row(one) for one in listed]
    widths = [max(cell.cell_len for cell in column) for column in zip(heads, *rows, strict=True)]
    parts: list[RenderableType] = [_spread(heads, widths)]
    for one, row in zip(listed, rows, strict=True):
        held = one.row.status is OutboxStatus.HELD
        why = text(
            words.why_waiting(one.row, one.state, first=one.first), "bold" if held else "", limit=4 * CELL
        )
        parts += [_spread(row, widths), Padding(why, (0, 0, 0, 8), expand=False)]
    return Group(*parts)


def _waiting_row(one: Waiting) -> tuple[Text, ...]:
    row = one.row
    return (
        text(row.id, "bold"),
        text(row.message_id),
        text(row.partner or "(the connection it answers)"),
        text(_local(row.created_at)),
        text(row.attempts),
        text(_next_attempt(one)),
    )


def _spread(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    """Cells side by side, each as wide as the widest of its column."""
    padded = [cell.copy() for cell in cells]
    for cell, width in zip(padded[:-1], widths, strict=False):
        cell.align("left", width)
    return Text("  ").join(padded)


def _next_attempt(one: Waiting) -> str:
    if not one.first:
        return "after the one before it"
    return "when it is let go" if one.next_attempt_at is None else _local(one.next_attempt_at)


def partners(listed: Sequence[Partner], states: Mapping[str, PartnerStateRecord]) -> RenderableType:
    """A list of partners, and what stands between us and each.

    Args:
        listed: the partners.
        states: by the partner's name, as far as there is something to know.
    """
    return _table(
        "partner",
        "library",
        "symbols",
        "reached by",
        rows=(
            (
                _lines(
                    text(one.name, "bold"),
                    *(text(said, "yellow") for said in _in_the_way(states.get(one.name))),
                    *((Text("rehearsal"),) if one.test else ()),
                ),
                text(one.display_name, limit=CELL),
                text(", ".join(str(symbol) for symbol in one.symbols), limit=CELL),
                _lines(*(text(line, limit=CELL) for line in reached_by(one))),
            )
            for one in listed
        ),
        empty="no partners are configured",
    )


def _in_the_way(state: PartnerStateRecord | None) -> Iterator[str]:
    if state is None:
        return
    if state.suspended:
        yield "suspended"
    if state.breaker is not BreakerState.CLOSED:
        yield "takes nothing"


def reached_by(partner: Partner) -> tuple[str, str]:
    """How APDUs reach a partner: in which way, and where."""
    match partner.transport:
        case TcpTransport(host=host, port=port, mode=mode):
            return f"tcp {mode.value}", f"{host}:{port}"
        case MailTransport(address=address):
            return "mail", address


def partner(one: Partner, settings: Settings, delivery: PartnerDelivery | None) -> Iterator[Text]:
    """One partner with every setting, and how delivery to it stands where that is known, as lines."""
    yield text(f"{one.name}: {one.display_name or 'no display name'}", "bold")
    if delivery is not None:
        yield Text("  delivery:", style="cyan")
        for said in _standing_of(delivery):
            yield text(f"    {said}")
    for field in dataclasses.fields(one):
        if field.name not in ("name", "display_name"):
            yield from _setting(field.name, _for_people(getattr(one, field.name)), 1)
    for route in data.routes(one, settings):
        yield from _setting("route", route, 1)


def _standing_of(delivery: PartnerDelivery) -> Iterator[str]:
    """How delivery to a partner stands, what matters most first."""
    state, backlog = delivery.state, delivery.backlog
    if state.suspended_at is not None:
        yield f"suspended by {state.suspended_by} since {_local(state.suspended_at)}: {delivery.reason}"
        yield f"to send again: iso-gateway partners resume {state.partner}"
    if state.failing_since is None:
        yield "nothing failed last time"
    else:
        yield f"failing since {_local(state.failing_since)}, attempts: {state.failures}"
        yield f"the last: {state.last_error}"
        if state.failure is not None:
            yield f"what can be done: {advice(state.failure)}"
    if state.breaker is not BreakerState.CLOSED and state.retry_at is not None and not state.suspended:
        yield f"nothing is sent until one message has been tried for all: {_local(state.retry_at)}"
    yield (
        "waiting: none"
        if backlog is None
        else (f"waiting: {backlog.count}, the oldest since {_local(backlog.oldest)}")
    )


def _for_people(value: object) -> data.Json:
    """A setting as JSON has it, but durations as they are written in a configuration."""
    if isinstance(value, timedelta):
        return fields.duration_as_written(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, Symbol):
        return {field.name: _for_people(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return data.plain(value)


def _setting(name: str, value: data.Json, depth: int) -> Iterator[Text]:
    indent = "  " * depth
    match value:
        case dict():
            yield text(f"{indent}{name}:", "cyan")
            for inner, member in value.items():
                yield from _setting(inner, member, depth + 1)
        case list() if any(isinstance(member, dict) for member in value):
            for member in value:
                yield from _setting(name, member, depth)
        case _:
            yield Text.assemble((f"{indent}{name}: ", "cyan"), text(_setting_value(value)))


def _setting_value(value: data.Json) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(str(member) for member in value) or "none"
        case _:
            return str(value)


def event(record: EventRecord) -> Text:
    """An event, as a line."""
    line = Text.assemble(
        text(f"{record.sequence:>6}  {_local(record.at)}  "), text(record.kind, "bold", limit=CELL)
    )
    if record.half_id is not None:
        line.append(f"  request {record.half_id}")
    if record.message_id is not None:
        line.append(f"  message {record.message_id}")
    for name, value in plain_detail(record).items():
        line.append(f"  {name}: {shown(value, 2 * CELL)}")
    return line


def gateways(records: Iterable[GatewayRecord], alive_since: datetime) -> RenderableType:
    """The gateways of the database, as a table."""
    return _table(
        "gateway",
        "state",
        "host",
        "process",
        "started",
        "last seen",
        rows=(
            (
                text(one.id),
                text(state := data.gateway_state(one, alive_since), "yellow" if state == "silent" else ""),
                text(one.host, limit=CELL),
                text(one.pid),
                text(_local(one.started_at)),
                text(_local(one.last_seen_at)),
            )
            for one in records
        ),
        empty="no gateway has used the database yet",
    )


def attention(listed: Sequence[tuple[AttentionRecord, str | None]]) -> RenderableType:
    """What wants a person, or did, each with why it was cleared."""
    return _table(
        "number",
        "what",
        "since",
        "why, and what to do",
        rows=(
            (
                text(row.id),
                text(row.kind, "yellow" if row.cleared_at is None else ""),
                text(_local(row.since)),
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
        yield text(f"cleared itself {_local(row.cleared_at)}", "dim")
    else:
        said = f"{row.cleared_by} cleared it {_local(row.cleared_at)}: {why or DISPOSED}"
        yield text(said, "dim", limit=4 * CELL)


def health(found: Health) -> RenderableType:
    """How the gateway is, on one screen."""
    return Group(*_health(found))


def _health(found: Health) -> Iterator[RenderableType]:
    yield Text.assemble(
        text(_local(found.at)),
        "  ",
        text("all is well", "green") if found.well else text("WRONG", "bold red"),
    )
    for said in found.wrong:
        yield text(f"  {said}", "yellow", limit=4 * CELL)
    for one in found.running:
        yield text(f"gateway    process {one.pid} on {one.host}, since {_local(one.started_at)}")
    for listener in found.listeners:
        tls = ", TLS" if listener.tls else ""
        yield text(f"listener   {listener.name}: {listener.host}:{listener.port} {listener.mode.value}{tls}")
    yield text(f"database   {found.database}")
    oldest = "" if found.oldest is None else f", the oldest since {_local(found.oldest)}"
    yield text(f"waiting    {found.waiting}{oldest}")
    traffic = found.traffic
    yield text(
        f"last 24 h  {traffic.received} received, {traffic.sent} made to be sent, {traffic.refused} refused"
    )
    wants = ", ".join(f"{number} {kind}" for kind, number in found.attention.items())
    yield text(f"attention  {wants or 'none'}")
    yield _table(
        "partner",
        "last heard",
        "waiting",
        "how it stands",
        rows=(
            (
                text(one.name, "bold"),
                text("never" if one.last_heard is None else _local(one.last_heard)),
                text(one.waiting),
                text(_stands(one), "" if _is_open(one) else "yellow", limit=2 * CELL),
            )
            for one in found.partners
        ),
        empty="no partners are configured",
    )


def _is_open(one: PartnerFacts) -> bool:
    return one.suspended_at is None and one.breaker is BreakerState.CLOSED


def _stands(one: PartnerFacts) -> str:
    if one.suspended_at is not None:
        return f"suspended by {one.suspended_by} since {_local(one.suspended_at)}"
    if one.breaker is not BreakerState.CLOSED:
        since = "" if one.failing_since is None else f" since {_local(one.failing_since)}"
        return f"takes nothing{since}: {one.last_error}"
    return "open"
