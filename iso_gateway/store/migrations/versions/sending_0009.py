"""What the gateways are sending to a partner is counted by an index, however much waits for it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_SENDING = sa.text("status = 'sending'")


def upgrade() -> None:
    """Make the index."""
    op.create_index(
        "ix_outbox_sending", "outbox", ["partner"], sqlite_where=_SENDING, postgresql_where=_SENDING
    )
