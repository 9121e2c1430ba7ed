"""What Alembic runs for a migration: on the connection that `migrate.py` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from signaling.store.tables_ledger import ALL_TABLES

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=ALL_TABLES,
    # SQLite's tables are altered by copying them.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
