"""How Alembic runs our migrations: on the connection it is given, inside that connection's transaction."""

from alembic import context
from sqlalchemy import Connection

from iso_gateway.store.tables import metadata


def _run() -> None:
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        # SQLite can do this too; Alembic only assumes that it cannot. Half an upgrade is worse than none.
        transactional_ddl=True,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


_run()
