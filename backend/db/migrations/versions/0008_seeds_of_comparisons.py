"""The seeds of a comparison, so that a run of it that was deleted can be named.

Of the comparisons that are there already only the seeds whose runs are left are known; they keep none.

Revision ID: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("comparisons", sa.Column("seeds", sa.JSON(), nullable=True))
