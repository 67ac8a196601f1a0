"""Several gateways on one database: who is there, and what is held for all of them (docs/data-model.md)."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and have PostgreSQL tell of what there is to send."""
    _create_gateways()
    _create_site_state()
    if op.get_context().dialect.name == "postgresql":
        _announce()


def _create_gateways() -> None:
    op.create_table(
        "gateways",
        sa.Column(
            "id",
            sa.String(length=16),
            nullable=False,
            comment="of one run; its connections' ids begin with it",
        ),
        sa.Column(
            "state_id", sa.String(length=32), nullable=False, comment="of the state directory that it ran on"
        ),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "stopped_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="it ended, or its successor found that it had",
        ),
        sa.CheckConstraint("length(id) = 16 AND state_id <> ''", name=op.f("ck_gateways_identified")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateways")),
        comment="the gateway processes that use this database, and when each was last heard of",
    )


def _create_site_state() -> None:
    op.create_table(
        "site_state",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("name IN ('sending-held')", name=op.f("ck_site_state_name")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_site_state")),
        comment="what holds for the whole database; as sending-held: nothing is sent until it is resumed",
    )


def _announce() -> None:
    body = "BEGIN PERFORM pg_notify('iso_gateway', TG_TABLE_NAME); RETURN NULL; END"
    op.execute(f"CREATE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    op.execute(
        "CREATE TRIGGER outbox_announce AFTER INSERT OR UPDATE ON outbox"
        " FOR EACH ROW WHEN (NEW.status = 'waiting') EXECUTE FUNCTION announce()"
    )
    for table in ("deadlines", "held", "partner_states"):
        op.execute(
            f"CREATE TRIGGER {table}_announce AFTER INSERT OR UPDATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION announce()"
        )
    op.execute(
        "CREATE TRIGGER site_state_announce AFTER INSERT OR UPDATE OR DELETE ON site_state"
        " FOR EACH STATEMENT EXECUTE FUNCTION announce()"
    )
