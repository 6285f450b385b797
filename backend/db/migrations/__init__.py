"""Alembic's revisions of the database; `backend/db/migrate.py` runs them."""
