"""The documents whose links borrowers were given, and mails in the outbox (docs/data-model.md)."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and the index by which mails are found."""
    op.create_table(
        "documents",
        sa.Column("id", _row_id(), nullable=False),
        sa.Column("half_id", _row_id(), nullable=False),
        sa.Column(
            "message_id",
            _row_id(),
            nullable=True,
            comment="the SHIPPED that it came with",
        ),
        sa.Column(
            "outbox_id",
            _row_id(),
            nullable=True,
            comment="the mail that says where it is",
        ),
        sa.Column("unmailed", sa.String(length=32), nullable=True, comment="why there is no mail"),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", _row_id(), nullable=False),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=False,
            comment="JSON: the link and what was told, by key_id",
        ),
        sa.CheckConstraint(
            "unmailed IN ('login', 'no-address', 'no-mail-server')", name=op.f("ck_documents_unmailed")
        ),
        sa.CheckConstraint("outbox_id IS NULL OR unmailed IS NULL", name=op.f("ck_documents_mailed")),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_documents_actor")),
        sa.ForeignKeyConstraint(["half_id"], ["halves.id"], name=op.f("fk_documents_half_id_halves")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_documents_message_id_messages")
        ),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_documents_outbox_id_outbox")),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_documents_key_id_keys")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("outbox_id", name=op.f("uq_documents_outbox_id")),
        comment="the documents whose links borrowers were given",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_documents_half_id_id", "documents", ["half_id", "id"])
    op.create_index(
        "ix_outbox_mail",
        "outbox",
        ["next_attempt_at", "id"],
        sqlite_where=sa.text("finished_at IS NULL AND kind = 'mail'"),
        postgresql_where=sa.text("finished_at IS NULL AND kind = 'mail'"),
    )


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")
