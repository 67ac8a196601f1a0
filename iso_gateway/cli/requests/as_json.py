"""Requests for programs."""

from collections.abc import Sequence

from iso_gateway.acting.action import Acted
from iso_gateway.cli.documents.as_json import document, posted
from iso_gateway.cli.messages.as_json import contents_of, delivery
from iso_gateway.cli.requests.offers import Offer
from iso_gateway.cli.requests.views import ListedRequest, RequestRecord, Step
from iso_gateway.cli.shared.plain import Json, plain
from iso_gateway.cli.shared.privacy import summary_of
from iso_gateway.documents import given_in
from iso_gateway.replay.rebuilding import Rebuild


def request_row(one: ListedRequest | RequestRecord) -> dict[str, Json]:
    """A request in a list. What names it is None once its key has been disposed of."""
    half, summary, points = one.listing.half, one.listing.summary or {}, one.open_points
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
        "deadlines": {waiting.kind.value: plain(waiting.at) for waiting in points.deadlines},
        "held": [{"message_id": held.message_id, "until": plain(held.until)} for held in points.held],
        "attention": [notice.reason for notice in points.notices if notice.stands],
        "cancel_wished": points.cancel_wished,
        "unarrived": [
            {
                "message_id": unsent.row.message_id,
                "type": unsent.apdu_type,
                "status": unsent.row.status.value,
                "last_error": unsent.row.last_error,
            }
            for unsent in points.unarrived
        ],
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
            for notice in record.open_points.notices
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
