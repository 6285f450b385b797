"""What workers tell of their place, version and clock, and what came of a queued run's rings.

Workers and the pulse are told anew within seconds, so their tables are made anew, which SQLite would do
for an added column of these kinds as well.

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _make_workers()
    _make_pulse()
    op.create_table(
        "ringing",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("unanswered", sa.Integer(), nullable=False),
        sa.Column("passed_over_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refusals", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_ringing_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", name="pk_ringing"),
    )


def _make_workers() -> None:
    op.drop_table("workers")
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("boot_id", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("root_id", sa.String(length=64), nullable=False),
        sa.Column("devices", sa.JSON(), nullable=False),
        sa.Column("free_devices", sa.JSON(), nullable=False),
        sa.Column("holding", sa.JSON(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("place", sa.String(length=64), nullable=False),
        sa.Column("contract", sa.Integer(), nullable=False),
        sa.Column("clock_skews", sa.JSON(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("rival", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )


def _make_pulse() -> None:
    former = sa.table(
        "controller_pulse",
        sa.column("id", sa.Integer()),
        sa.column("seen_at", sa.DateTime(timezone=True)),
        sa.column("set_aside", sa.Integer()),
    )
    pulses = op.get_bind().execute(sa.select(former)).mappings().all()
    op.drop_table("controller_pulse")
    made = op.create_table(
        "controller_pulse",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_aside", sa.Integer(), nullable=False),
        sa.Column("redis_refuses", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_controller_pulse"),
    )
    op.bulk_insert(made, [dict(pulse) for pulse in pulses])
