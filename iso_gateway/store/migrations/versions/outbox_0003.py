"""Delivery: why an attempt failed, when a message is looked at for being late, and each partner's state."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNFINISHED = sa.text("finished_at IS NULL")
_UNFINISHED_ANSWER = sa.text("finished_at IS NULL AND connection_id IS NOT NULL")


def upgrade() -> None:
    """Add the columns, the indexes behind fair claiming, and the table of partners' states."""
    op.add_column(
        "outbox",
        sa.Column("failure", sa.String(32), nullable=True, comment="what went wrong last, by its word"),
    )
    op.add_column(
        "outbox",
        sa.Column(
            "check_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it is looked at next for being late",
        ),
    )
    op.add_column(
        "outbox",
        sa.Column("held_by", sa.String(128), nullable=True, comment="the operator who held it back"),
    )
    # Looked at once, at the next start; that gives each its own moment.
    op.execute("UPDATE outbox SET check_at = next_attempt_at WHERE finished_at IS NULL")
    op.add_column("attempts", sa.Column("failure", sa.String(32), nullable=True))
    op.add_column(
        "attempts",
        sa.Column(
            "ambiguous",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="it may have arrived",
        ),
    )
    _create_indexes()
    _create_partner_states()


def _create_indexes() -> None:
    for name, columns, where in (
        ("ix_outbox_partner_next_attempt_at", ["partner", "next_attempt_at", "id"], _UNFINISHED),
        ("ix_outbox_check_at", ["check_at"], _UNFINISHED),
        ("ix_outbox_connection_id", ["connection_id"], _UNFINISHED_ANSWER),
    ):
        op.create_index(name, "outbox", columns, sqlite_where=where, postgresql_where=where)


def _create_partner_states() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "partner_states",
        sa.Column("partner", sa.String(length=255), nullable=False),
        sa.Column("suspended_at", instant, nullable=True),
        sa.Column("suspended_by", sa.String(length=128), nullable=True),
        sa.Column("audit_id", row_id, nullable=True, comment="says why it was suspended"),
        sa.Column("paced_until", instant, nullable=True, comment="when the next message of a backlog may go"),
        sa.Column(
            "backlog_id",
            row_id,
            nullable=True,
            comment="the newest outbox row of the backlog when it was resumed",
        ),
        sa.Column("breaker", sa.String(length=32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, comment="attempts that failed in a row"),
        sa.Column(
            "retry_at", instant, nullable=True, comment="when the next probe goes, or is taken for lost"
        ),
        sa.Column("failing_since", instant, nullable=True),
        sa.Column("failure", sa.String(length=32), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint("partner <> ''", name=op.f("ck_partner_states_partner")),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_partner_states_failures")),
        sa.CheckConstraint(
            "breaker IN ('closed', 'open', 'half-open')", name=op.f("ck_partner_states_breaker")
        ),
        sa.CheckConstraint(
            "(suspended_at IS NULL) = (suspended_by IS NULL)", name=op.f("ck_partner_states_suspended")
        ),
        sa.CheckConstraint(
            "(paced_until IS NULL) = (backlog_id IS NULL)", name=op.f("ck_partner_states_paced")
        ),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name=op.f("fk_partner_states_audit_id_audit")),
        sa.PrimaryKeyConstraint("partner", name=op.f("pk_partner_states")),
        comment="what stands between us and a partner; a partner without a row has nothing in the way",
    )
