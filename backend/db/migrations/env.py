"""What Alembic runs for each command: the revisions, on the connection that `backend.db.migrate` hands over."""

from __future__ import annotations

from alembic import context

from backend.db.tables import Base

# Our engine sends BEGIN itself, so DDL is transactional on SQLite too: a revision happens as a whole or not at all.
context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
