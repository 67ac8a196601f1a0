"""What happened, append-only: each half's inputs, the events for the local side, the operators' actions."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from sqlalchemy import CompoundSelect, Row, Select, bindparam, func, insert, or_, select, union_all

from iso_gateway.store.connection import Connection
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.keys import Vault, inserted_id
from iso_gateway.store.records import (
    AuditId,
    AuditRecord,
    EventRecord,
    HalfId,
    InputKind,
    InputRecord,
    KeyId,
    MessageId,
)
from iso_gateway.store.tables import audit, events, inputs

_INSERT_INPUT = insert(inputs)
_LAST_INPUT = select(func.coalesce(func.max(inputs.c.sequence), 0)).where(
    inputs.c.half_id == bindparam("half_id")
)
_INSERT_NEXT_INPUT = (
    insert(inputs)
    .values(
        sequence=select(func.coalesce(func.max(inputs.c.sequence), 0) + 1)
        .where(inputs.c.half_id == bindparam("after_those_of"))
        .scalar_subquery()
    )
    .returning(inputs.c.sequence)
)
_INPUTS_OF = select(inputs).where(inputs.c.half_id == bindparam("half_id")).order_by(inputs.c.sequence)
_ASKED_FOR = (
    select(inputs)
    .where(inputs.c.half_id == bindparam("half_id"), inputs.c.kind == InputKind.PRIMITIVE)
    .order_by(inputs.c.sequence)
)
_SHORT_HISTORY = _INPUTS_OF.limit(bindparam("at_most"))
_FIRST_INPUT = _INPUTS_OF.limit(1)
_LAST_MOVE = (
    select(inputs)
    .where(inputs.c.half_id == bindparam("half_id"), inputs.c.state_after != inputs.c.state_before)
    .order_by(inputs.c.sequence.desc())
    .limit(1)
)

_INPUTS_OF_MESSAGE = (
    select(inputs).where(inputs.c.message_id == bindparam("message_id")).order_by(inputs.c.id)
)

_INSERT_EVENT = insert(events).returning(events.c.sequence)
_EVENTS_AFTER = (
    select(events)
    .where(events.c.sequence > bindparam("after"))
    .order_by(events.c.sequence)
    .limit(bindparam("at_most"))
)
_EVENT_KINDS_ABOUT = select(events.c.kind, events.c.message_id).where(
    events.c.half_id == bindparam("half_id")
)
_EVENTS_OF_KIND = (
    select(events)
    .where(
        events.c.kind == bindparam("wanted"),
        events.c.half_id.between(bindparam("first"), bindparam("last")),
    )
    .order_by(events.c.sequence)
)
_EVENTS_OF_KIND_FROM = (
    select(events)
    .where(events.c.sequence >= bindparam("first"), events.c.kind == bindparam("wanted"))
    .order_by(events.c.sequence)
)
_EVENTS_LOCK = 0x49534F32  # any number that only this program uses: "ISO2"

_INSERT_AUDIT = insert(audit).returning(audit.c.id)
_AUDIT_ABOUT = (
    select(audit)
    .where(
        or_(
            audit.c.message_id == bindparam("message_id"),
            audit.c.half_id == bindparam("half_id"),
        )
    )
    .order_by(audit.c.id)
)
_AUDIT_GET = select(audit).where(audit.c.id == bindparam("audit_id"))
_AUDIT_ACTOR = (
    select(audit.c.actor)
    .where(audit.c.half_id == bindparam("half"), audit.c.message_id == bindparam("sent"))
    .limit(1)
)
_AUDIT_NEWEST = select(audit).order_by(audit.c.id.desc()).limit(bindparam("at_most"))


class Inputs:
    """The inputs of one unit of work."""

    __slots__ = ("_connection", "_vault")

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def append(
        self,
        *,
        half_id: HalfId,
        kind: InputKind,
        at: datetime,
        service: str,
        repeat: bool,
        table_profile: str,
        profile_digest: str | None,
        state_before: str,
        state_after: str,
        flags_before: Iterable[str],
        flags_after: Iterable[str],
        verdict: str,
        provenance: str | None,
        message_id: MessageId | None = None,
        payload: Mapping[str, object] | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> int:
        """Record what moved a half, or was refused by it; gives its number, from 1, within the half.

        `payload` (JSON values, the fields of a primitive) is sealed by the transaction's key. `facts` (JSON
        values, what else the machine was told) stays in plain.
        """
        row = {
            "half_id": half_id,
            "kind": kind,
            "message_id": message_id,
            "at": at,
            "service": service,
            "repeat": repeat,
            "table_profile": table_profile,
            "profile_digest": profile_digest,
            "state_before": state_before,
            "state_after": state_after,
            "flags_before": tuple(flags_before),
            "flags_after": tuple(flags_after),
            "verdict": verdict,
            "provenance": provenance,
            "facts": facts,
        }
        if payload is None:
            following = {**row, "after_those_of": half_id}
            return int(self._connection.execute(_INSERT_NEXT_INPUT, following).scalar_one())
        # What is sealed is tied to its number, which therefore has to be known before.
        sequence = 1 + int(self._connection.execute(_LAST_INPUT, {"half_id": half_id}).scalar_one())
        key = self._vault.key_of_half(half_id)
        sealed = self._vault.seal_json(key, payload, context=_input_place(half_id, sequence))
        self._connection.execute(_INSERT_INPUT, {**row, "sequence": sequence, "payload": sealed})
        return sequence

    def of(self, half_id: HalfId) -> tuple[InputRecord, ...]:
        """Everything that moved a half, in order."""
        rows = self._connection.execute(_INPUTS_OF, {"half_id": half_id}).all()
        return tuple(self._record(row) for row in rows)

    def asked_for(self, half_id: HalfId) -> tuple[InputRecord, ...]:
        """What our own side asked for of a half, in order: a partner cannot make that any longer."""
        rows = self._connection.execute(_ASKED_FOR, {"half_id": half_id}).all()
        return tuple(self._record(row) for row in rows)

    def all_if_few(self, half_id: HalfId, at_most: int) -> tuple[InputRecord, ...] | None:
        """Everything that moved a half, in order; None where that is more than so many inputs."""
        rows = self._connection.execute(_SHORT_HISTORY, {"half_id": half_id, "at_most": at_most + 1}).all()
        return None if len(rows) > at_most else tuple(self._record(row) for row in rows)

    def first(self, half_id: HalfId) -> InputRecord | None:
        """What began a half."""
        return self._one(_FIRST_INPUT, half_id)

    def last_move(self, half_id: HalfId) -> InputRecord | None:
        """What changed the state of a half last."""
        return self._one(_LAST_MOVE, half_id)

    def newest(
        self,
        half_id: HalfId,
        services: Collection[str],
        *,
        verdicts: Collection[str],
        at_most: int,
        kind: InputKind | None = None,
    ) -> tuple[InputRecord, ...]:
        """The newest inputs of some services, in order: what else there is of the half is not gone through.

        Args:
            half_id: whose.
            services: which services, by their codes.
            verdicts: only those with one of these verdicts.
            at_most: how many of each service with each verdict.
            kind: only those of one cause.
        """
        query = _newest(frozenset(services), frozenset(verdicts), at_most, kind)
        rows = self._connection.execute(query, {"half_id": half_id}).all()
        return tuple(self._record(row) for row in sorted(rows, key=lambda row: int(row.sequence)))

    def of_message(self, message_id: MessageId) -> tuple[InputRecord, ...]:
        """Each time that a message moved a half, or was refused by it, or was sent for its move."""
        rows = self._connection.execute(_INPUTS_OF_MESSAGE, {"message_id": message_id}).all()
        return tuple(self._record(row) for row in rows)

    def _one(self, query: Select[*tuple[object, ...]], half_id: HalfId) -> InputRecord | None:
        row = self._connection.execute(query, {"half_id": half_id}).one_or_none()
        return None if row is None else self._record(row)

    def _record(self, row: Row[*tuple[object, ...]]) -> InputRecord:
        payload, disposed = None, False
        if row.payload is not None:
            try:
                key = self._vault.key_of_half(row.half_id)
                place = _input_place(row.half_id, row.sequence)
                payload = self._vault.open_json(key, row.payload, context=place)
            except KeyDisposedError:
                disposed = True
        return InputRecord(
            half_id=row.half_id,
            sequence=row.sequence,
            kind=row.kind,
            message_id=row.message_id,
            payload=payload,
            disposed=disposed,
            at=row.at,
            service=row.service,
            repeat=row.repeat,
            table_profile=row.table_profile,
            profile_digest=row.profile_digest,
            state_before=row.state_before,
            state_after=row.state_after,
            flags_before=row.flags_before,
            flags_after=row.flags_after,
            verdict=row.verdict,
            provenance=row.provenance,
            facts=row.facts,
        )


class Events:
    """The events of one unit of work."""

    __slots__ = ("_connection", "_vault")

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def append(
        self,
        *,
        kind: str,
        half_id: HalfId | None,
        message_id: MessageId | None,
        detail: Mapping[str, object] | None,
        at: datetime,
    ) -> int:
        """Tell the local side something, and give its number. `detail` holds JSON values and is sealed."""
        if self._connection.dialect.name == "postgresql":
            # Numbers are given out before commits, so a reader that has seen n+1 could miss n, committed
            # after it. Held until this transaction ends, the lock makes the order of numbers the order of
            # commits.
            self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_EVENTS_LOCK})")
        key_id, sealed = None, None
        if detail is not None:
            key = self._vault.key_for(half_id)
            key_id = key.id
            sealed = self._vault.seal_json(key, detail, context=event_place(kind, half_id, message_id))
        row = {
            "at": at,
            "kind": kind,
            "half_id": half_id,
            "message_id": message_id,
            "key_id": key_id,
            "detail": sealed,
        }
        return inserted_id(self._connection, _INSERT_EVENT, row)

    def after(self, sequence: int, limit: int = 100) -> tuple[EventRecord, ...]:
        """Events with a greater number than `sequence`, in order; 0 begins at the beginning."""
        return self._found(_EVENTS_AFTER, {"after": sequence, "at_most": limit})

    def kinds_about(self, half_id: HalfId) -> tuple[tuple[str, MessageId | None], ...]:
        """What has been told of a half: of which kind, and about which message. Nothing is opened for it."""
        rows = self._connection.execute(_EVENT_KINDS_ABOUT, {"half_id": half_id})
        return tuple((row.kind, row.message_id) for row in rows)

    def of_kind(self, kind: str, first: HalfId, last: HalfId) -> tuple[EventRecord, ...]:
        """Events of one kind about the halves numbered from `first` to `last`, in order."""
        return self._found(_EVENTS_OF_KIND, {"wanted": kind, "first": first, "last": last})

    def of_kind_from(self, kind: str, first: int) -> tuple[EventRecord, ...]:
        """Events of one kind with this number or a greater one, in order."""
        return self._found(_EVENTS_OF_KIND_FROM, {"wanted": kind, "first": first})

    def _found(
        self, query: Select[*tuple[object, ...]], parameters: Mapping[str, object]
    ) -> tuple[EventRecord, ...]:
        found = []
        for row in self._connection.execute(query, parameters).all():
            place = event_place(row.kind, row.half_id, row.message_id)
            detail, disposed = _open_or_disposed(self._vault, row.key_id, row.detail, place)
            found.append(
                EventRecord(
                    sequence=row.sequence,
                    at=row.at,
                    kind=row.kind,
                    half_id=row.half_id,
                    message_id=row.message_id,
                    detail=detail,
                    disposed=disposed,
                )
            )
        return tuple(found)


class Audit:
    """The operators' actions of one unit of work."""

    __slots__ = ("_connection", "_vault")

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def append(
        self,
        *,
        at: datetime,
        actor: str,
        action: str,
        reason: str,
        half_id: HalfId | None = None,
        message_id: MessageId | None = None,
    ) -> AuditId:
        """Record who did what, and why. The reason is free text, so it is sealed like a patron's data."""
        key = self._vault.key_for(half_id)
        row = {
            "at": at,
            "actor": actor,
            "action": action,
            "half_id": half_id,
            "message_id": message_id,
            "key_id": key.id,
            "reason": self._vault.seal_json(key, {"reason": reason}, context=audit_place(action, half_id)),
        }
        return AuditId(inserted_id(self._connection, _INSERT_AUDIT, row))

    def actor_of(self, half_id: HalfId, message_id: MessageId) -> str | None:
        """Who had a message about a half sent; None where no operator did."""
        parameters = {"half": half_id, "sent": message_id}
        actor: str | None = self._connection.execute(_AUDIT_ACTOR, parameters).scalar()
        return actor

    def list(self, limit: int = 100) -> tuple[AuditRecord, ...]:
        """What operators did, newest first."""
        rows = self._connection.execute(_AUDIT_NEWEST, {"at_most": limit}).all()
        return tuple(self._record(row) for row in rows)

    def about(
        self, *, message_id: MessageId | None = None, half_id: HalfId | None = None
    ) -> tuple[AuditRecord, ...]:
        """What operators did to a message, or to a request, oldest first."""
        parameters = {"message_id": message_id, "half_id": half_id}
        rows = self._connection.execute(_AUDIT_ABOUT, parameters).all()
        return tuple(self._record(row) for row in rows)

    def get(self, audit_id: AuditId) -> AuditRecord | None:
        """One of the things that operators did."""
        row = self._connection.execute(_AUDIT_GET, {"audit_id": audit_id}).one_or_none()
        return None if row is None else self._record(row)

    def _record(self, row: Row[*tuple[object, ...]]) -> AuditRecord:
        place = audit_place(row.action, row.half_id)
        sealed, disposed = _open_or_disposed(self._vault, row.key_id, row.reason, place)
        return AuditRecord(
            id=row.id,
            at=row.at,
            actor=row.actor,
            action=row.action,
            half_id=row.half_id,
            message_id=row.message_id,
            reason=None if sealed is None else str(sealed["reason"]),
            disposed=disposed,
        )


@lru_cache(maxsize=128)
def _newest(
    services: frozenset[str], verdicts: frozenset[str], at_most: int, kind: InputKind | None
) -> CompoundSelect[*tuple[object, ...]]:
    """One search of the index for each service with each verdict, and no further than `at_most`."""
    parts = []
    for service in sorted(services):
        for verdict in sorted(verdicts):
            part = select(inputs).where(
                inputs.c.half_id == bindparam("half_id"),
                inputs.c.service == service,
                inputs.c.verdict == verdict,
            )
            if kind is not None:
                part = part.where(inputs.c.kind == kind)
            newest = part.order_by(inputs.c.sequence.desc()).limit(at_most).subquery("newest")
            parts.append(select(newest))
    return union_all(*parts)


def _open_or_disposed(
    vault: Vault, key_id: KeyId | None, sealed: bytes | None, place: str
) -> tuple[dict[str, object] | None, bool]:
    """The sealed object, and whether it was lost to a disposal: history stays readable without it."""
    if key_id is None or sealed is None:
        return None, False
    try:
        return vault.open_json(vault.key(key_id), sealed, context=place), False
    except KeyDisposedError:
        return None, True


def _input_place(half_id: HalfId, sequence: int) -> str:
    return f"inputs.payload:{half_id}:{sequence}"


def event_place(kind: str, half_id: HalfId | None, message_id: MessageId | None) -> str:
    """The context that an event's detail is sealed in."""
    return f"events.detail:{kind}:{half_id}:{message_id}"


def audit_place(action: str, half_id: HalfId | None) -> str:
    """The context that an audit's reason is sealed in."""
    return f"audit.reason:{action}:{half_id}"
