"""What the command shows, as values for `json.dumps`: for programs, so names here are kept once published.

APDUs and their components have the standard's names (`asn1.json`). Times are ISO 8601 with their offset.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TypeAlias

from asn1.errors import WireError
from asn1.json import to_json
from config.settings import Partner, Settings
from config.symbols import Symbol
from iso_gateway.acting.action import Acted
from iso_gateway.cli import words
from iso_gateway.cli.offering import Offer
from iso_gateway.cli.privacy import CLIENT_ID, names_patron, summary_of, without_patron
from iso_gateway.cli.reading import (
    Contents,
    Delivery,
    ListedMessage,
    ListedRequest,
    PartnerDelivery,
    RequestRecord,
    Step,
    Waiting,
)
from iso_gateway.documents import Posted, Preview, given_in
from iso_gateway.failure import advice
from iso_gateway.noticing.health import Health
from iso_gateway.noticing.reporting import Preview as DailyPreview
from iso_gateway.replay.rebuilding import Rebuild
from iso_gateway.replay.replaying import Replayed
from iso_gateway.store.records import (
    AttentionRecord,
    AuditRecord,
    BreakerState,
    DailyMailRecord,
    DocumentRecord,
    EventRecord,
    GatewayRecord,
    InputRecord,
    MessageRecord,
    OutboxRecord,
    ProcessingRecord,
)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def plain(value: object) -> Json:
    """A value of ours as JSON has it: a dataclass as an object, a time as ISO 8601, a duration in seconds.

    Raises:
        TypeError: the value is of none of the types that ours are made of.
    """
    match value:
        case Enum():
            return plain(value.value)
        case None | bool() | int() | float() | str():
            return value
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return {"hex": value.hex()}
        case Symbol() | Path() | IPv4Network() | IPv6Network():
            return str(value)
        case Mapping():
            return {str(name): plain(member) for name, member in value.items()}
        case frozenset():
            return sorted((plain(member) for member in value), key=str)
        case tuple() | list():
            return [plain(member) for member in value]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} has no form in JSON")


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
    hiding = not with_patron_data and names_patron(contents)
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


def wire_error(error: WireError) -> dict[str, Json]:
    """Why octets are no APDU."""
    return {"reason": error.reason, "offset": error.offset, "path": error.path, "kind": error.kind.value}


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


def outbox_row(row: OutboxRecord) -> dict[str, Json]:
    """What is to be sent, or was."""
    return {
        "id": row.id,
        "message_id": row.message_id,
        "partner": row.partner,
        "connection_id": row.connection_id,
        "lane": row.lane,
        "status": row.status.value,
        "attempts": row.attempts,
        "next_attempt_at": plain(row.next_attempt_at),
        "last_error": row.last_error,
        "failure": plain(row.failure),
        "advice": None if row.failure is None else advice(row.failure),
        "held_by": row.held_by,
        "created_at": plain(row.created_at),
        "expires_at": plain(row.expires_at),
        "finished_at": plain(row.finished_at),
    }


def waiting_row(one: Waiting) -> dict[str, Json]:
    """What waits to be sent: why, and when it is tried next (None where no clock decides)."""
    return {
        **outbox_row(one.row),
        "next_attempt_at": plain(one.next_attempt_at),
        "why": words.why_waiting(one.row, one.state, first=one.first),
        "partner_suspended": one.state.suspended,
        "breaker": one.state.breaker.value,
    }


def partner_delivery(one: PartnerDelivery) -> dict[str, Json]:
    """How delivery to a partner stands."""
    state = one.state
    return {
        "suspended_at": plain(state.suspended_at),
        "suspended_by": state.suspended_by,
        "reason": one.reason,
        "breaker": state.breaker.value,
        "failures": state.failures,
        "failing_since": plain(state.failing_since),
        "failure": plain(state.failure),
        "last_error": state.last_error,
        "advice": None if state.failure is None else advice(state.failure),
        "next_probe_at": plain(None if state.breaker is BreakerState.CLOSED else state.retry_at),
        "waiting": 0 if one.backlog is None else one.backlog.count,
        "oldest": None if one.backlog is None else plain(one.backlog.oldest),
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


def request_row(one: ListedRequest | RequestRecord) -> dict[str, Json]:
    """A request in a list. What names it is None once its key has been disposed of."""
    half, summary, standing = one.listing.half, one.listing.summary or {}, one.standing
    return {
        "id": half.id,
        "role": half.role,
        "state": half.state,
        "partner": half.partner,
        "local": half.local,
        "title": plain(summary.get("title")),
        "request_number": plain(summary.get("request_number")),
        "created_at": plain(half.created_at),
        "updated_at": plain(half.updated_at),
        "deadlines": {waiting.kind.value: plain(waiting.at) for waiting in standing.deadlines},
        "held": [{"message_id": held.message_id, "until": plain(held.until)} for held in standing.held],
        "attention": [notice.reason for notice in standing.notices if notice.stands],
        "cancel_wished": standing.cancel_wished,
    }


def request(record: RequestRecord, offered: Sequence[Offer], *, with_patron_data: bool) -> dict[str, Json]:
    """One request with its history, oldest first, and what can be done about it now."""
    half, summary = record.half, record.listing.summary
    told = None if summary is None else summary_of(summary, with_patron_data=with_patron_data)
    return {
        **request_row(record),
        "basis": half.basis.value,
        "tables": half.tables,
        "protocol_version": half.protocol_version,
        "flags": plain(half.flags),
        "former_partners": plain(half.former_partners),
        "summary": plain(told),
        "disposed": summary is None,
        "notices": [
            {"at": plain(notice.at.astimezone(record.zone)), "reason": notice.reason, "stands": notice.stands}
            for notice in record.standing.notices
        ],
        "documents": [document(one) for one in record.documents],
        "links": [
            {"url": one.url, "place": one.place, "message_id": step.message_id}
            for step in record.steps
            if not step.by_us and step.contents.apdu is not None
            for one in given_in(step.contents.apdu)
        ],
        "possible": [offer(one) for one in offered],
        "history": [_step(step, record, with_patron_data=with_patron_data) for step in record.steps],
    }


def offer(one: Offer) -> dict[str, Json]:
    """Something that can be done about a request now."""
    return {
        "service": None if one.service is None else one.service.phrase,
        "command": one.command,
        "meaning": one.meaning,
    }


def asked(record: RequestRecord) -> dict[str, Json]:
    """What else is told of a request of ours that was just made."""
    row = request_row(record)
    return {name: row[name] for name in ("request_number", "deadlines")}


def _step(step: Step, record: RequestRecord, *, with_patron_data: bool) -> dict[str, Json]:
    contents = contents_of(step.contents, with_patron_data=with_patron_data)
    return {
        "at": plain(step.at.astimezone(record.zone)),
        "direction": "sent" if step.by_us else "received",
        "service": step.name,
        "repeat": step.repeat,
        "partner": step.partner,
        "message_id": step.message_id,
        "state": step.state,
        "verdict": step.verdict,
        "reason": step.reason,
        "outbox": [delivery(one) for one in step.deliveries],
        "apdu": contents["apdu"],
        "error": contents["error"],
        "hidden": contents["hidden"],
    }


def acted(result: Acted) -> dict[str, Json]:
    """What came of a service that was asked for."""
    return {
        "request_id": result.half_id,
        "message_id": result.message_id,
        "type": result.apdu.asn1_name,
        "partner": result.partner,
        "state": result.state.value,
        "onward_message_id": result.onward,
        "document": None if result.posted is None else posted(result.posted),
    }


def posted(result: Posted) -> dict[str, Json]:
    """What became of a link."""
    return {
        "id": result.document_id,
        "request_id": result.half_id,
        "recipient": result.recipient,
        "unmailed": plain(result.unmailed),
    }


def document(one: DocumentRecord) -> dict[str, Json]:
    """A link that a borrower was given, and what became of its mail; most is None once disposed of."""
    content = one.content or {}
    return {
        "id": one.id,
        "request_id": one.half_id,
        "message_id": one.message_id,
        "added_at": plain(one.added_at),
        "actor": one.actor,
        **{name: plain(content.get(name)) for name in ("url", "note", "recipient", "until", "downloads")},
        "unmailed": plain(one.unmailed),
        "mail": None if one.mail is None else outbox_row(one.mail),
        "disposed": one.disposed,
    }


def preview(shown: Preview) -> dict[str, Json]:
    """A mail as it would go out."""
    return {
        "recipient": shown.recipient,
        "unmailed": plain(shown.unmailed),
        "reply_to": shown.reply_to,
        "subject": shown.rendered.subject,
        "text": shown.rendered.text,
        "html": shown.rendered.html,
    }


def daily_mail(one: DailyMailRecord) -> dict[str, Json]:
    """What somebody was told on a morning, and what became of the mail."""
    return {
        "id": one.id,
        "recipient": one.recipient,
        "day": plain(one.day),
        "made_at": plain(one.made_at),
        "entries": one.entries,
        "mail": None if one.mail is None else outbox_row(one.mail),
    }


def daily_preview(shown: DailyPreview) -> dict[str, Json]:
    """A daily mail as it would go out."""
    found = shown.report
    return {
        "recipient": found.mail.to,
        "next_at": plain(shown.next_at),
        "sent": found.is_sent,
        "total": found.total,
        "new": [entry.number for entry in found.new],
        "standing": [entry.number for entry in found.standing],
        "left": found.left,
        "author": found.author.public_mail,
        "subject": found.rendered.subject,
        "text": found.rendered.text,
        "html": found.rendered.html,
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


def rebuild(found: Rebuild, *, applied: bool) -> dict[str, Json]:
    """A request as it is, and as it follows from its inputs."""
    return {
        "request_id": found.half.id,
        "applied": applied,
        "state": found.state,
        "differences": plain(found.differences),
        "history": plain(found.history),
        "unsent": plain(found.unsent),
    }


def partner_row(partner: Partner) -> dict[str, Json]:
    """A partner in a list."""
    return {
        "name": partner.name,
        "display_name": partner.display_name,
        "symbols": plain(partner.symbols),
        "aliases": plain(partner.aliases),
        "transport": plain(partner.transport),
        "side": partner.side.value,
        "tables": partner.tables.value,
        "test": partner.test,
    }


def partner(one: Partner, settings: Settings) -> dict[str, Json]:
    """One partner with every setting and the routes that concern it; durations are in seconds."""
    settings_of = {field.name: plain(getattr(one, field.name)) for field in dataclasses.fields(one)}
    return {**settings_of, "routes": list(routes(one, settings))}


def routes(one: Partner, settings: Settings) -> tuple[Json, ...]:
    """The routes that concern a partner."""
    found = (settings.route(local, one) for local in settings.local)
    return tuple(plain(route) for route in found if route is not None)


def event(record: EventRecord) -> dict[str, Json]:
    """Something that the local side is told."""
    return {
        "sequence": record.sequence,
        "at": plain(record.at),
        "kind": record.kind,
        "request_id": record.half_id,
        "message_id": record.message_id,
        "detail": plain(record.detail),
        "disposed": record.disposed,
    }


def attention_row(row: AttentionRecord, why_cleared: str | None) -> dict[str, Json]:
    """Something that wants a person, or did."""
    return {
        "id": row.id,
        "kind": row.kind,
        "reason": row.reason,
        "partner": row.partner,
        "request_id": row.half_id,
        "message_id": row.message_id,
        "since": plain(row.since),
        "raised_at": plain(row.raised_at),
        "seen_at": plain(row.seen_at),
        "cleared_at": plain(row.cleared_at),
        "cleared_by": row.cleared_by,
        "why_cleared": why_cleared,
        "gone_at": plain(row.gone_at),
    }


def health(found: Health) -> dict[str, Json]:
    """How the gateway is."""
    return {
        "at": plain(found.at),
        "well": found.well,
        "wrong": plain(found.wrong),
        "gateways": [
            {
                "id": one.id,
                "host": one.host,
                "pid": one.pid,
                "started_at": plain(one.started_at),
                "last_seen_at": plain(one.last_seen_at),
            }
            for one in found.running
        ],
        "sending_held": plain(found.hold),
        "listeners": [
            {"name": one.name, "mode": one.mode.value, "host": one.host, "port": one.port, "tls": one.tls}
            for one in found.listeners
        ],
        "database": found.database,
        "waiting": found.waiting,
        "oldest": plain(found.oldest),
        "attention": plain(found.attention),
        "last_24_hours": plain(found.traffic),
        "partners": plain(found.partners),
    }


def gateway(record: GatewayRecord, alive_since: datetime) -> dict[str, Json]:
    """A gateway that uses the database, or did."""
    return {
        "id": record.id,
        "state": gateway_state(record, alive_since),
        "host": record.host,
        "pid": record.pid,
        "started_at": plain(record.started_at),
        "last_seen_at": plain(record.last_seen_at),
        "stopped_at": plain(record.stopped_at),
    }


def gateway_state(record: GatewayRecord, alive_since: datetime) -> str:
    """Whether a gateway is there: `running`, `stopped`, or `silent`, which others take for dead."""
    if record.stopped_at is not None:
        return "stopped"
    return "running" if record.last_seen_at > alive_since else "silent"
