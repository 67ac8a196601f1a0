"""Messages are found by their time, requests by their ILL number, the audit by its message.

The digest of an ILL number needs the key ring, which a migration does not have: requests of before have none,
and are found by looking through the newest (`store.searching`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the indexes."""
    op.add_column(
        "transactions",
        sa.Column(
            "number_digest",
            sa.LargeBinary(32),
            nullable=True,
            comment="keyed digest of the ILL number; NULL if it is older",
        ),
    )
    op.create_index("ix_transactions_number_digest", "transactions", ["number_digest"])
    op.create_index("ix_messages_stored_at", "messages", ["stored_at"])
    op.create_index("ix_audit_message_id", "audit", ["message_id"])
