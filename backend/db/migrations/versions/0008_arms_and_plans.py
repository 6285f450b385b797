"""What a comparison set out to do: its configuration, arms, plan and seeds; longer names of arms.

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
    for name in ("config", "arms", "plan", "seeds"):
        op.add_column("comparisons", sa.Column(name, sa.JSON(), nullable=True))
    op.add_column("comparisons", sa.Column("is_open", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("comparisons", sa.Column("ended_reason", sa.Text(), nullable=True))
    op.create_index("ix_comparisons_is_open", "comparisons", ["is_open"])
    # SQLite changes no column's type, and making the table anew would delete what refers to it.
    op.add_column("runs", sa.Column("arm_name", sa.String(length=64), nullable=True))
    op.execute("UPDATE runs SET arm_name = arm")
    op.drop_column("runs", "arm")
    op.execute("ALTER TABLE runs RENAME COLUMN arm_name TO arm")
