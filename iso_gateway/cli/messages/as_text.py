"""Messages for people."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from iso_gateway.cli.apdu import tree
from iso_gateway.cli.messages.views import Contents, Delivery, ListedMessage, kind_in_words
from iso_gateway.cli.shared import privacy, vocabulary
from iso_gateway.cli.shared.output import shown, text
from iso_gateway.cli.shared.tables import CELL, DISPOSED, lines, local_time, pairs, table
from iso_gateway.cli.waiting.as_text import fate
from iso_gateway.failure import advice
from iso_gateway.protocol.events import Service
from iso_gateway.replay.replaying import Replayed
from iso_gateway.store.records import (
    AuditRecord,
    Direction,
    InputRecord,
    MessageRecord,
    ProcessingRecord,
)

#: The most lines of octets that are shown of a message.
DUMP_LINES = 16
HIDDEN = "Client-Id hidden: --with-patron-data shows it"
OCTETS_HIDDEN = "octets hidden, because they may name the patron: --with-patron-data shows them"


def messages(listed: Sequence[ListedMessage]) -> RenderableType:
    """A list of messages."""
    return table(
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
        lines(text(local_time(message.stored_at)), text(message.direction.value)),
        lines(text("?" if processing is None else processing.apdu_type or "?", "bold"), _fate(one)),
        lines(
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
    yield from pairs(
        ("stored", local_time(record.stored_at)),
        ("transport", record.transport.value),
        ("listener", record.listener),
        ("peer", record.peer_address),
        ("connection", record.connection_id),
        ("side", record.side.value),
        ("size", vocabulary.counted(record.size, "octet")),
        ("relay of message", record.received_as),
    )
    for one in processings:
        yield text(f"Classified {local_time(one.at)}", "bold")
        yield from pairs(
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
        yield text(f"{operation.action} {local_time(operation.at)}", "bold")
        yield from pairs(("by", operation.actor), ("why", operation.reason or None))
    for delivery in deliveries:
        yield from _delivery(delivery)
    yield from _contents(contents, with_patron_data=with_patron_data, full=full)


def _move(record: InputRecord) -> Iterator[Text]:
    yield text(f"Request {record.half_id}, input {record.sequence}", "bold")
    yield from pairs(
        ("service", f"{Service(record.service).phrase}{' as a repeat' if record.repeat else ''}"),
        ("verdict", record.verdict),
        ("state before", vocabulary.state_in_words(record.state_before)),
        ("state after", vocabulary.state_in_words(record.state_after)),
        ("flags after", ", ".join(record.flags_after) or None),
        ("row of the tables", record.provenance),
    )


def _delivery(delivery: Delivery) -> Iterator[Text]:
    row = delivery.row
    yield Text("To be sent", style="bold")
    yield Text.assemble(("  fate: ", "cyan"), fate(row))
    waiting = row.finished_at is None
    yield from pairs(
        ("partner", row.partner),
        ("on connection", row.connection_id),
        ("next attempt", local_time(row.next_attempt_at) if waiting else None),
        ("given up after", local_time(row.expires_at) if waiting else None),
        ("finished", None if row.finished_at is None else local_time(row.finished_at)),
        ("held back by", row.held_by),
        ("what can be done", None if row.failure is None else advice(row.failure)),
    )
    for attempt in delivery.attempts:
        outcome = "under way" if attempt.outcome is None else attempt.outcome.value
        why = "" if attempt.error is None else f": {attempt.error}"
        if attempt.failure is not None:
            why += f" ({attempt.failure.value})"
        yield text(f"  attempt {local_time(attempt.started_at)}: {outcome}{why}")


def _contents(contents: Contents, *, with_patron_data: bool, full: bool) -> Iterator[Text]:
    hiding = not with_patron_data and contents.names_patron
    yield Text("Octets", style="bold")
    if contents.octets is None:
        yield Text(f"  {DISPOSED}")
        return
    if hiding:
        yield Text(f"  {OCTETS_HIDDEN}", style="yellow")
    else:
        for line in tree.dump(contents.octets, most=None if full else DUMP_LINES):
            yield Text(f"  {line}")
    yield Text("Contents", style="bold")
    if contents.error is not None:
        yield text(f"  unreadable: {contents.error}", "red")
        for line in () if hiding else tree.around(contents.octets, contents.error.offset):
            yield Text(f"  {line}")
    if contents.apdu is not None:
        if hiding:
            yield Text(f"  {HIDDEN}", style="yellow")
        apdu = privacy.without_client_id(contents.apdu) if hiding else contents.apdu
        for entry in tree.tree(
            apdu, full=full, with_patron_data=with_patron_data, encoding=contents.encoding
        ):
            yield Text("  ") + entry


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
