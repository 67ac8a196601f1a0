"""The first data model (docs/data-model.md).

Written out, and importing nothing of ours: a migration must go on making what it made on the day it was
released.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables, and the triggers that keep the evidence unchanged."""
    _create_keys()
    _create_messages()
    _create_message_keys()
    _create_outbox()
    _create_transactions()
    _create_attempts()
    _create_halves()
    _create_audit()
    _create_events()
    _create_inputs()
    _create_processings()
    for table in ("messages", "inputs"):
        _make_immutable(table)


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _instant() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _make_immutable(table: str) -> None:
    refusal = f"rows of {table} are never changed"
    trigger = f"CREATE TRIGGER {table}_immutable BEFORE UPDATE ON {table}"
    if op.get_context().dialect.name == "sqlite":
        op.execute(f"{trigger} BEGIN SELECT RAISE(ABORT, '{refusal}'); END")
        return
    function = f"CREATE FUNCTION {table}_immutable() RETURNS trigger LANGUAGE plpgsql"
    op.execute(f"{function} AS $$ BEGIN RAISE EXCEPTION '{refusal}'; END $$")
    op.execute(f"{trigger} FOR EACH ROW EXECUTE FUNCTION {table}_immutable()")


def _create_keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", _row_id(), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column(
            "wrapped",
            sa.LargeBinary(),
            nullable=True,
            comment="the key, sealed by the master key; NULL once disposed of",
        ),
        sa.Column(
            "master_id",
            sa.String(length=64),
            nullable=False,
            comment="fingerprint of the master key that sealed it",
        ),
        sa.Column("created_at", _instant(), nullable=False),
        sa.Column("disposed_at", _instant(), nullable=True),
        sa.CheckConstraint("purpose IN ('intake', 'transaction', 'digest')", name=op.f("ck_keys_purpose")),
        sa.CheckConstraint("(wrapped IS NULL) = (disposed_at IS NOT NULL)", name=op.f("ck_keys_disposed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
        comment="the keys of the key ring; the master key that seals them is a file outside of the database",
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_keys_digest",
        "keys",
        ["purpose"],
        unique=True,
        sqlite_where=sa.text("purpose = 'digest' AND disposed_at IS NULL"),
        postgresql_where=sa.text("purpose = 'digest' AND disposed_at IS NULL"),
    )


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", _row_id(), nullable=False),
        sa.Column("direction", sa.String(length=32), nullable=False),
        sa.Column("stored_at", _instant(), nullable=False),
        sa.Column("transport", sa.String(length=32), nullable=False),
        sa.Column("listener", sa.String(length=255), nullable=True),
        sa.Column("peer_address", sa.String(length=255), nullable=True),
        sa.Column("connection_id", sa.String(length=255), nullable=True),
        sa.Column("side", sa.String(length=32), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False, comment="octets of the APDU before sealing"),
        sa.Column(
            "raw",
            sa.LargeBinary(),
            nullable=False,
            comment="the octets, sealed by the message's own data key",
        ),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False, comment="keyed digest of the octets"),
        sa.Column("received_as", _row_id(), nullable=True, comment="the message of which this is the relay"),
        sa.CheckConstraint("direction IN ('received', 'sent')", name=op.f("ck_messages_direction")),
        sa.CheckConstraint("received_as IS NULL OR direction = 'sent'", name=op.f("ck_messages_received_as")),
        sa.CheckConstraint("side IN ('partner', 'illume', 'local')", name=op.f("ck_messages_side")),
        sa.CheckConstraint(
            "transport IN ('tcp-one-way', 'tcp-two-way', 'mail', 'local')", name=op.f("ck_messages_transport")
        ),
        sa.CheckConstraint("size >= 0", name=op.f("ck_messages_size")),
        sa.ForeignKeyConstraint(
            ["received_as"], ["messages.id"], name=op.f("fk_messages_received_as_messages")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        comment="every APDU as it came or went; rows are never changed",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_messages_digest", "messages", ["digest"], unique=False)
    op.create_index("ix_messages_direction_id", "messages", ["direction", "id"], unique=False)


def _create_message_keys() -> None:
    op.create_table(
        "message_keys",
        sa.Column("message_id", _row_id(), autoincrement=False, nullable=False),
        sa.Column("key_id", _row_id(), nullable=False),
        sa.Column(
            "wrapped", sa.LargeBinary(), nullable=False, comment="the message's data key, sealed by key_id"
        ),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_message_keys_key_id_keys")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_message_keys_message_id_messages")
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message_keys")),
        comment="apart from messages, so that a data key can pass from the intake key to a transaction's",
    )
    op.create_index("ix_message_keys_key_id", "message_keys", ["key_id"], unique=False)


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _row_id(), nullable=False),
        sa.Column(
            "lane",
            sa.String(length=600),
            nullable=False,
            comment="rows of one lane are sent one after the other",
        ),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("message_id", _row_id(), nullable=True),
        sa.Column("key_id", _row_id(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True, comment="a mail of its own, sealed by key_id"),
        sa.Column("partner", sa.String(length=255), nullable=True),
        sa.Column(
            "connection_id",
            sa.String(length=255),
            nullable=True,
            comment="the open connection to answer on first",
        ),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", _instant(), nullable=False),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", _instant(), nullable=True),
        sa.Column(
            "fence",
            sa.Integer(),
            nullable=False,
            comment="counts the claims; an older claim's result is refused",
        ),
        sa.Column("created_at", _instant(), nullable=False),
        sa.Column("expires_at", _instant(), nullable=False),
        sa.Column("finished_at", _instant(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'message' AND message_id IS NOT NULL AND payload IS NULL)"
            " OR (kind = 'mail' AND payload IS NOT NULL)",
            name=op.f("ck_outbox_content"),
        ),
        sa.CheckConstraint(
            "(status = 'sending') = (lease_owner IS NOT NULL)", name=op.f("ck_outbox_lease_owner")
        ),
        sa.CheckConstraint(
            "(status = 'sending') = (lease_until IS NOT NULL)", name=op.f("ck_outbox_lease_until")
        ),
        sa.CheckConstraint(
            "(status IN ('delivered', 'not-delivered')) = (finished_at IS NOT NULL)",
            name=op.f("ck_outbox_finished_at"),
        ),
        sa.CheckConstraint("kind IN ('message', 'mail')", name=op.f("ck_outbox_kind")),
        sa.CheckConstraint("lane <> ''", name=op.f("ck_outbox_lane")),
        sa.CheckConstraint(
            "status IN ('waiting', 'sending', 'delivered', 'not-delivered', 'held')",
            name=op.f("ck_outbox_status"),
        ),
        sa.CheckConstraint("(key_id IS NULL) = (payload IS NULL)", name=op.f("ck_outbox_payload")),
        sa.CheckConstraint("attempts >= 0 AND fence >= 0", name=op.f("ck_outbox_counts")),
        sa.CheckConstraint(
            "partner IS NOT NULL OR connection_id IS NOT NULL", name=op.f("ck_outbox_destination")
        ),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_outbox_key_id_keys")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_outbox_message_id_messages")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        comment="everything that is to be sent; nothing is sent from anywhere else",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_message_id", "outbox", ["message_id"], unique=False)
    op.create_index(
        "ix_outbox_unfinished",
        "outbox",
        ["lane", "id"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )


def _create_transactions() -> None:
    op.create_table(
        "transactions",
        sa.Column("id", _row_id(), nullable=False),
        sa.Column(
            "key_digest",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="keyed digest of the canonical Transaction-Id",
        ),
        sa.Column("key_id", _row_id(), nullable=False),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=False,
            comment="JSON summary: Transaction-Id, title, author, ...",
        ),
        sa.Column("created_at", _instant(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_transactions_key_id_keys")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transactions")),
        sa.UniqueConstraint("key_digest", name=op.f("uq_transactions_key_digest")),
        sa.UniqueConstraint("key_id", name=op.f("uq_transactions_key_id")),
        comment="ILL transactions; each has a key of its own, and losing that key is its disposal",
        sqlite_autoincrement=True,
    )


def _create_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", _row_id(), nullable=False),
        sa.Column("outbox_id", _row_id(), nullable=False),
        sa.Column("message_id", _row_id(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("started_at", _instant(), nullable=False),
        sa.Column("finished_at", _instant(), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('delivered', 'failed', 'gave-up', 'abandoned')", name=op.f("ck_attempts_outcome")
        ),
        sa.CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)", name=op.f("ck_attempts_finished")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_attempts_message_id_messages")
        ),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_attempts_outbox_id_outbox")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("outbox_id", "fence", name=op.f("uq_attempts_outbox_id_fence")),
        comment="each time an outbox row was sent",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_attempts_message_id", "attempts", ["message_id"], unique=False)


def _create_halves() -> None:
    op.create_table(
        "halves",
        sa.Column("id", _row_id(), nullable=False),
        sa.Column("transaction_id", _row_id(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column(
            "local",
            sa.String(length=255),
            nullable=False,
            comment="name of the local symbol whose half this is",
        ),
        sa.Column(
            "partner", sa.String(length=255), nullable=False, comment="name of the partner at the other end"
        ),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("basis", sa.String(length=32), nullable=False),
        sa.Column(
            "flags", sa.Text(), nullable=False, comment="JSON list of names behind the tables' predicates"
        ),
        sa.Column("tables", sa.String(length=16), nullable=False),
        sa.Column("protocol_version", sa.Integer(), nullable=False),
        sa.Column("expires_at", _instant(), nullable=True),
        sa.Column("reply_by", _instant(), nullable=True),
        sa.Column("created_at", _instant(), nullable=False),
        sa.Column("updated_at", _instant(), nullable=False),
        sa.Column("last_service_at", _instant(), nullable=True),
        sa.CheckConstraint(
            "basis IN ('ours', 'observed', 'reported', 'inferred')", name=op.f("ck_halves_basis")
        ),
        sa.CheckConstraint("role IN ('requester', 'responder')", name=op.f("ck_halves_role")),
        sa.CheckConstraint("state <> '' AND local <> '' AND partner <> ''", name=op.f("ck_halves_named")),
        sa.CheckConstraint("tables IN ('strict', 'lenient')", name=op.f("ck_halves_tables")),
        sa.CheckConstraint("protocol_version >= 0", name=op.f("ck_halves_protocol_version")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transactions.id"], name=op.f("fk_halves_transaction_id_transactions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_halves")),
        sa.UniqueConstraint(
            "transaction_id", "role", "local", name=op.f("uq_halves_transaction_id_role_local")
        ),
        comment="one party's view of a transaction: what the protocol machine moves",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_halves_expires_at", "halves", ["expires_at"], unique=False)
    op.create_index("ix_halves_partner_id", "halves", ["partner", "id"], unique=False)
    op.create_index("ix_halves_reply_by", "halves", ["reply_by"], unique=False)
    op.create_index("ix_halves_state_id", "halves", ["state", "id"], unique=False)


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _row_id(), nullable=False),
        sa.Column("at", _instant(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("half_id", _row_id(), nullable=True),
        sa.Column("message_id", _row_id(), nullable=True),
        sa.Column("key_id", _row_id(), nullable=False),
        sa.Column(
            "reason", sa.LargeBinary(), nullable=False, comment="the operator's words, sealed by key_id"
        ),
        sa.CheckConstraint("actor <> '' AND action <> ''", name=op.f("ck_audit_named")),
        sa.ForeignKeyConstraint(["half_id"], ["halves.id"], name=op.f("fk_audit_half_id_halves")),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_audit_key_id_keys")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_audit_message_id_messages")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        comment="what operators did, and why",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_half_id", "audit", ["half_id"], unique=False)


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("sequence", _row_id(), nullable=False),
        sa.Column("at", _instant(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("half_id", _row_id(), nullable=True),
        sa.Column("message_id", _row_id(), nullable=True),
        sa.Column("key_id", _row_id(), nullable=True),
        sa.Column("detail", sa.LargeBinary(), nullable=True, comment="JSON, sealed by key_id"),
        sa.CheckConstraint("kind <> ''", name=op.f("ck_events_kind")),
        sa.CheckConstraint("(key_id IS NULL) = (detail IS NULL)", name=op.f("ck_events_detail")),
        sa.ForeignKeyConstraint(["half_id"], ["halves.id"], name=op.f("fk_events_half_id_halves")),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_events_key_id_keys")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_events_message_id_messages")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_events")),
        comment="what the local side is told; a sequence number is never used twice",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_half_id", "events", ["half_id"], unique=False)


def _create_inputs() -> None:
    op.create_table(
        "inputs",
        sa.Column("id", _row_id(), nullable=False),
        sa.Column("half_id", _row_id(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("message_id", _row_id(), nullable=True),
        sa.Column(
            "payload",
            sa.LargeBinary(),
            nullable=True,
            comment="JSON fields of a primitive, sealed by the transaction's key",
        ),
        sa.Column("at", _instant(), nullable=False, comment="the machine's now"),
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.Column("repeat", sa.Boolean(), nullable=False),
        sa.Column("table_profile", sa.String(length=16), nullable=False),
        sa.Column("profile_digest", sa.String(length=128), nullable=True),
        sa.Column("state_before", sa.String(length=32), nullable=False),
        sa.Column("state_after", sa.String(length=32), nullable=False),
        sa.Column("flags_before", sa.Text(), nullable=False),
        sa.Column("flags_after", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=64), nullable=False),
        sa.Column(
            "provenance",
            sa.String(length=16),
            nullable=True,
            comment="of the table row used: seen, known or inferred",
        ),
        sa.CheckConstraint("kind <> 'apdu' OR message_id IS NOT NULL", name=op.f("ck_inputs_message")),
        sa.CheckConstraint("kind <> 'timer' OR payload IS NULL", name=op.f("ck_inputs_payload")),
        sa.CheckConstraint("kind IN ('apdu', 'primitive', 'timer')", name=op.f("ck_inputs_kind")),
        sa.CheckConstraint("table_profile IN ('strict', 'lenient')", name=op.f("ck_inputs_table_profile")),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_inputs_sequence")),
        sa.ForeignKeyConstraint(["half_id"], ["halves.id"], name=op.f("fk_inputs_half_id_halves")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_inputs_message_id_messages")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inputs")),
        sa.UniqueConstraint("half_id", "sequence", name=op.f("uq_inputs_half_id_sequence")),
        comment="everything that moved a half, in order; never changed, and replaying it gives the state",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inputs_message_id", "inputs", ["message_id"], unique=False)


def _create_processings() -> None:
    op.create_table(
        "processings",
        sa.Column("id", _row_id(), nullable=False),
        sa.Column("message_id", _row_id(), nullable=False),
        sa.Column("at", _instant(), nullable=False),
        sa.Column("verdict", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="for people; never text out of the message"),
        sa.Column(
            "error_offset", sa.Integer(), nullable=True, comment="octets from the start of the message"
        ),
        sa.Column("error_path", sa.Text(), nullable=True),
        sa.Column("apdu_type", sa.String(length=64), nullable=True),
        sa.Column("partner", sa.String(length=255), nullable=True),
        sa.Column("profile_digest", sa.String(length=128), nullable=True),
        sa.Column("transaction_id", _row_id(), nullable=True),
        sa.Column("half_id", _row_id(), nullable=True),
        sa.Column("answer_message_id", _row_id(), nullable=True),
        sa.CheckConstraint("verdict <> ''", name=op.f("ck_processings_verdict")),
        sa.CheckConstraint(
            "error_offset IS NULL OR error_offset >= 0", name=op.f("ck_processings_error_offset")
        ),
        sa.CheckConstraint("half_id IS NULL OR transaction_id IS NOT NULL", name=op.f("ck_processings_half")),
        sa.ForeignKeyConstraint(
            ["answer_message_id"], ["messages.id"], name=op.f("fk_processings_answer_message_id_messages")
        ),
        sa.ForeignKeyConstraint(["half_id"], ["halves.id"], name=op.f("fk_processings_half_id_halves")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_processings_message_id_messages")
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transactions.id"], name=op.f("fk_processings_transaction_id_transactions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processings")),
        comment="each time a message was classified",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_processings_message_id_id", "processings", ["message_id", "id"], unique=False)
    op.create_index(
        "ix_processings_partner_message_id", "processings", ["partner", "message_id"], unique=False
    )
    op.create_index(
        "ix_processings_transaction_id_message_id",
        "processings",
        ["transaction_id", "message_id"],
        unique=False,
    )
