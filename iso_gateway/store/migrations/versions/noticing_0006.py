"""Noticing: what is put before a person, and what each webhook has been told (docs/data-model.md)."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_STANDING = sa.text("gone_at IS NULL")


def upgrade() -> None:
    """Make the tables."""
    _create_attention()
    _create_webhooks()


def _create_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the last event that it has been told of",
        ),
        sa.Column("failures", sa.Integer(), nullable=False, comment="posts that failed in a row"),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True, comment="when it is tried again"),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("name <> ''", name=op.f("ck_webhooks_name")),
        sa.CheckConstraint("sequence >= 0 AND failures >= 0", name=op.f("ck_webhooks_counts")),
        sa.CheckConstraint("(lease_owner IS NULL) = (lease_until IS NULL)", name=op.f("ck_webhooks_lease")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_webhooks")),
        comment="up to which event each webhook has been told, and whether it answers",
    )


def _create_attention() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "attention",
        sa.Column("id", row_id, nullable=False),
        sa.Column(
            "key", sa.String(length=255), nullable=False, comment="what it is about; stands once at a time"
        ),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="for people, in our words"),
        sa.Column("partner", sa.String(length=255), nullable=True),
        sa.Column("half_id", row_id, nullable=True),
        sa.Column("message_id", row_id, nullable=True),
        sa.Column("since", instant, nullable=False, comment="the moment of the cause"),
        sa.Column("raised_at", instant, nullable=False),
        sa.Column("seen_at", instant, nullable=False, comment="when the cause was seen last"),
        sa.Column("cleared_at", instant, nullable=True),
        sa.Column(
            "cleared_by",
            sa.String(length=128),
            nullable=True,
            comment="the operator; NULL if it cleared itself",
        ),
        sa.Column("audit_id", row_id, nullable=True, comment="says why the operator cleared it"),
        sa.Column("gone_at", instant, nullable=True, comment="when the cause was gone"),
        sa.CheckConstraint("key <> '' AND kind <> ''", name=op.f("ck_attention_named")),
        sa.CheckConstraint("cleared_by IS NULL OR cleared_at IS NOT NULL", name=op.f("ck_attention_cleared")),
        sa.CheckConstraint("gone_at IS NULL OR cleared_at IS NOT NULL", name=op.f("ck_attention_gone")),
        sa.CheckConstraint("(cleared_by IS NULL) = (audit_id IS NULL)", name=op.f("ck_attention_audit")),
        sa.ForeignKeyConstraint(["half_id"], ["halves.id"], name=op.f("fk_attention_half_id_halves")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_attention_message_id_messages")
        ),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name=op.f("fk_attention_audit_id_audit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attention")),
        comment="what is put before a person, until its cause is gone or somebody clears it",
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_attention_key",
        "attention",
        ["key"],
        unique=True,
        sqlite_where=_STANDING,
        postgresql_where=_STANDING,
    )
