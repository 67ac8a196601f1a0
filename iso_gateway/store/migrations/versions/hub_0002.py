"""Deadlines and held messages have tables of their own; inputs say what the machine was told.

A half has one deadline of each kind, where it had two columns; those that were set are carried over. An input
of before has no facts: they follow from its APDU, as they did then.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, carry the deadlines over, and drop the columns that held them."""
    _create_deadlines()
    _create_held()
    op.add_column(
        "inputs",
        sa.Column(
            "facts",
            sa.Text(),
            nullable=True,
            comment="JSON: what else the machine and the deadlines went by",
        ),
    )
    op.add_column(
        "halves",
        sa.Column(
            "former_partners",
            sa.Text(),
            nullable=False,
            server_default=sa.text("'[]'"),
            comment="JSON list of the partners that the request was with before it was forwarded",
        ),
    )
    for column, kind in (("expires_at", "expiry"), ("reply_by", "no-answer")):
        op.execute(
            f"INSERT INTO deadlines (half_id, kind, at) SELECT id, '{kind}', {column} FROM halves"  # noqa: S608
            f" WHERE {column} IS NOT NULL"
        )
        op.drop_index(f"ix_halves_{column}", table_name="halves")
        op.drop_column("halves", column)


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _create_deadlines() -> None:
    op.create_table(
        "deadlines",
        sa.Column("half_id", _row_id(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('expiry', 'no-answer', 'reply', 'overdue')", name=op.f("ck_deadlines_kind")
        ),
        sa.ForeignKeyConstraint(["half_id"], ["halves.id"], name=op.f("fk_deadlines_half_id_halves")),
        sa.PrimaryKeyConstraint("half_id", "kind", name=op.f("pk_deadlines")),
        comment="when something happens to a half although nothing comes; one of each kind",
    )
    op.create_index("ix_deadlines_at", "deadlines", ["at"], unique=False)


def _create_held() -> None:
    op.create_table(
        "held",
        sa.Column("message_id", _row_id(), autoincrement=False, nullable=False),
        sa.Column(
            "transaction_digest",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="as transactions.key_digest has it",
        ),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False, comment="when it is decided for good"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_held_message_id_messages")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_held")),
        comment="messages that came too early, and wait for those that they overtook",
    )
    op.create_index(
        "ix_held_transaction_digest_message_id", "held", ["transaction_digest", "message_id"], unique=False
    )
    op.create_index("ix_held_until", "held", ["until"], unique=False)
