"""The room on the disks of workers and of the service itself.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worker_storage",
        sa.Column("worker_id", sa.String(length=128), nullable=False),
        sa.Column("unavailable_reason", sa.Text(), nullable=True),
        sa.Column("free_bytes", sa.BigInteger(), nullable=True),
        sa.Column("total_bytes", sa.BigInteger(), nullable=True),
        sa.Column("reserve_bytes", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("worker_id", name="pk_worker_storage"),
    )
    op.create_table(
        "service_holds",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_service_holds"),
    )
