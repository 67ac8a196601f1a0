"""What each of our own people was told on a morning of what wants a person (docs/data-model.md)."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "daily_mails",
        sa.Column("id", row_id, nullable=False),
        sa.Column(
            "recipient", sa.String(length=255), nullable=False, comment="the address, in small letters"
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="where our library is"),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("newest", row_id, nullable=False, comment="the last number that attention had given then"),
        sa.Column("entries", sa.Integer(), nullable=False, comment="how much it tells of"),
        sa.Column("outbox_id", row_id, nullable=True, comment="the mail; NULL if there was none to send"),
        sa.CheckConstraint("recipient <> ''", name=op.f("ck_daily_mails_recipient")),
        sa.CheckConstraint("newest >= 0 AND entries >= 0", name=op.f("ck_daily_mails_counts")),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_daily_mails_outbox_id_outbox")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_daily_mails")),
        sa.UniqueConstraint("outbox_id", name=op.f("uq_daily_mails_outbox_id")),
        sa.UniqueConstraint("recipient", "day", name=op.f("uq_daily_mails_recipient_day")),
        comment="what each of our own people was told on a morning; one row, and at most one mail, a day",
        sqlite_autoincrement=True,
    )
