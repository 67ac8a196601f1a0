"""Rows that tests start from: one call each, what matters to the test as arguments."""

from datetime import UTC, datetime, timedelta

from iso_gateway.store.records import (
    Basis,
    Direction,
    HalfId,
    InputKind,
    MessageId,
    OutboxId,
    Side,
    TransactionId,
    Transport,
)
from iso_gateway.store.unit_of_work import UnitOfWork

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
SUMMARY = {"title": "The marker of Zorn", "transaction_id": {"group": "g1", "qualifier": "q1"}}


def add_message(
    uow: UnitOfWork,
    raw: bytes = b"\x61\x03abc",
    *,
    direction: Direction = Direction.RECEIVED,
    transaction_id: TransactionId | None = None,
) -> MessageId:
    return uow.messages.add(
        direction=direction,
        at=NOW,
        transport=Transport.TCP_TWO_WAY,
        listener="two-way",
        peer_address="192.0.2.7",
        connection_id="c-1",
        side=Side.PARTNER,
        raw=raw,
        transaction_id=transaction_id,
    )


def add_transaction(uow: UnitOfWork, canonical: bytes = b"t-1") -> TransactionId:
    return uow.transactions.create(canonical, summary=SUMMARY, at=NOW)


def add_half(
    uow: UnitOfWork, transaction_id: TransactionId, *, local: str = "BEX", partner: str = "SFU"
) -> HalfId:
    return uow.halves.create(
        transaction_id=transaction_id,
        role="responder",
        local=local,
        partner=partner,
        state="IN-PROCESS",
        basis=Basis.OURS,
        flags=("loan", "can_send_shipped"),
        tables="strict",
        protocol_version=2,
        at=NOW,
    ).id


def add_input(
    uow: UnitOfWork, half_id: HalfId, message_id: MessageId | None, payload: dict[str, object] | None = None
) -> int:
    return uow.inputs.append(
        half_id=half_id,
        kind=InputKind.PRIMITIVE if message_id is None else InputKind.APDU,
        at=NOW,
        service="ILL",
        repeat=False,
        table_profile="strict",
        profile_digest="p1",
        state_before="IDLE",
        state_after="IN-PROCESS",
        flags_before=(),
        flags_after=("loan",),
        verdict="applied",
        provenance="S",
        message_id=message_id,
        payload=payload,
    )


def queue(uow: UnitOfWork, message_id: MessageId, lane: str = "1/SFU", *, at: datetime = NOW) -> OutboxId:
    return uow.outbox.add(
        lane=lane,
        message_id=message_id,
        partner="SFU",
        connection_id=None,
        at=at,
        expires_at=at + timedelta(days=14),
    )
