"""What a message needs of its request's history is found by an index, however long that has grown."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOVES = sa.text("state_after <> state_before")


def upgrade() -> None:
    """Make the indexes."""
    op.create_index(
        "ix_inputs_half_id_service_verdict_sequence", "inputs", ["half_id", "service", "verdict", "sequence"]
    )
    op.create_index(
        "ix_inputs_moves",
        "inputs",
        ["half_id", "sequence"],
        sqlite_where=_MOVES,
        postgresql_where=_MOVES,
    )
