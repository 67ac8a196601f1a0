"""Messages for programs."""

from asn1.json import to_json
from iso_gateway.cli.messages.views import Contents, Delivery, ListedMessage
from iso_gateway.cli.shared.plain import Json, plain, wire_error
from iso_gateway.cli.shared.privacy import CLIENT_ID, without_patron
from iso_gateway.cli.waiting.as_json import outbox_row
from iso_gateway.replay.replaying import Replayed
from iso_gateway.store.records import (
    AuditRecord,
    InputRecord,
    MessageRecord,
    ProcessingRecord,
)


def message_row(listed: ListedMessage) -> dict[str, Json]:
    """A message in a list."""
    message, processing = listed.message, listed.processing
    return {
        "id": message.id,
        "direction": message.direction.value,
        "at": plain(message.stored_at),
        "type": None if processing is None else processing.apdu_type,
        "verdict": None if processing is None else processing.verdict,
        "partner": None if processing is None else processing.partner,
        "size": message.size,
        "reason": None if processing is None else processing.reason,
        "request_id": None if processing is None else processing.half_id,
        "delivery": None if listed.delivery is None else listed.delivery.status.value,
    }


def message(
    record: MessageRecord,
    processings: tuple[ProcessingRecord, ...],
    deliveries: tuple[Delivery, ...],
    contents: Contents,
    *,
    with_patron_data: bool,
    moves: tuple[InputRecord, ...] = (),
    operations: tuple[AuditRecord, ...] = (),
) -> dict[str, Json]:
    """One message with everything that is known of it."""
    latest = processings[-1] if processings else None
    row = deliveries[-1].row if deliveries else None
    return {
        **message_row(ListedMessage(message=record, processing=latest, delivery=row)),
        "transport": record.transport.value,
        "listener": record.listener,
        "peer_address": record.peer_address,
        "connection_id": record.connection_id,
        "side": record.side.value,
        "received_as": record.received_as,
        "processings": [_processing(one) for one in processings],
        "moves": [move(one) for one in moves],
        "operations": [operation(one) for one in operations],
        "outbox": [delivery(one) for one in deliveries],
        **contents_of(contents, with_patron_data=with_patron_data),
    }


def contents_of(contents: Contents, *, with_patron_data: bool) -> dict[str, Json]:
    """What a message says: octets, APDU or error, and which components are hidden."""
    hiding = not with_patron_data and contents.names_patron
    octets, apdu = contents.octets, contents.apdu
    if apdu is not None and hiding:
        apdu = without_patron(apdu)
    return {
        "octets": None if octets is None or hiding else {"hex": octets.hex()},
        "disposed": octets is None,
        "apdu": None if apdu is None else to_json(apdu),
        "error": None if contents.error is None else wire_error(contents.error),
        "hidden": [CLIENT_ID] if hiding else [],
    }


def _processing(record: ProcessingRecord) -> dict[str, Json]:
    return {
        "at": plain(record.at),
        "verdict": record.verdict,
        "reason": record.reason,
        "error_offset": record.error_offset,
        "error_path": record.error_path,
        "type": record.apdu_type,
        "partner": record.partner,
        "profile_digest": record.profile_digest,
        "request_id": record.half_id,
        "answer_message_id": record.answer_message_id,
    }


def delivery(one: Delivery) -> dict[str, Json]:
    """One time that a message was put into the outbox, with its attempts in the place of their number."""
    attempts = [
        {
            "started_at": plain(attempt.started_at),
            "finished_at": plain(attempt.finished_at),
            "outcome": plain(attempt.outcome),
            "error": attempt.error,
            "failure": plain(attempt.failure),
            "ambiguous": attempt.ambiguous,
        }
        for attempt in one.attempts
    ]
    return {**outbox_row(one.row), "attempts": plain(attempts)}


def move(record: InputRecord) -> dict[str, Json]:
    """What a message did to a request."""
    return {
        "request_id": record.half_id,
        "number": record.sequence,
        "service": record.service,
        "repeat": record.repeat,
        "verdict": record.verdict,
        "provenance": record.provenance,
        "state_before": record.state_before,
        "state_after": record.state_after,
        "flags_before": plain(record.flags_before),
        "flags_after": plain(record.flags_after),
    }


def operation(record: AuditRecord) -> dict[str, Json]:
    """What an operator did."""
    return {
        "at": plain(record.at),
        "actor": record.actor,
        "action": record.action,
        "reason": record.reason,
        "disposed": record.disposed,
    }


def replayed(one: Replayed) -> dict[str, Json]:
    """What came of replaying a message, or would come of it."""
    return {
        "message_id": one.message_id,
        "direction": one.direction.value,
        "result": one.result.value,
        "reason": one.reason,
        "before": one.before,
        "after": one.after,
        "late": one.late,
        "partner": one.partner,
        "request_id": one.half_id,
        "state": one.state,
        "sends": one.sends,
    }
