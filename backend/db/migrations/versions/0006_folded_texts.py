"""What runs are searched and sorted by, folded alike on every database.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.contract.text import folded

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_AT_ONCE = 500
_FOLDED = ("name_folded", "notes_folded", "tags_folded")


def upgrade() -> None:
    kind = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    for name in _FOLDED:
        op.add_column("runs", sa.Column(name, kind, server_default="", nullable=False))
    runs = sa.table(
        "runs",
        *(sa.column(name, sa.Text()) for name in ("id", "name", "notes", *_FOLDED)),
        sa.column("tags", sa.JSON()),
    )
    _fold(op.get_bind(), runs)


def _fold(connection: sa.Connection, runs: sa.TableClause) -> None:
    """In pieces: notes may be long."""
    given = sa.select(runs.c.id, runs.c.name, runs.c.notes, runs.c.tags).order_by(runs.c.id).limit(_AT_ONCE)
    put = sa.update(runs).where(runs.c.id == sa.bindparam("of_run"))
    last = ""
    while rows := connection.execute(given.where(runs.c.id > last)).all():
        values = [
            {
                "of_run": run_id,
                "name_folded": folded(name),
                "notes_folded": folded(notes),
                "tags_folded": "".join(f"\n{folded(tag)}\n" for tag in tags),
            }
            for run_id, name, notes, tags in rows
        ]
        connection.execute(put.values({name: sa.bindparam(name) for name in _FOLDED}), values)
        last = rows[-1].id
