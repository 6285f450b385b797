"""The schema versions that this version knows. Imported by the command line, which starts without SQLAlchemy."""

from __future__ import annotations

#: The newest revision below `migrations/versions`. Stated here so that a database that has it already is recognised
#: without importing Alembic, which takes longer than everything else at a start.
HEAD = "0009"
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", HEAD)

#: What the newest has, by name; a test keeps it equal to the tables themselves.
TABLES = frozenset(
    {
        "attempts",
        "change_counter",
        "changes",
        "checkpoints",
        "comparisons",
        "controller_pulse",
        "datasets",
        "idempotency_keys",
        "log_lines",
        "metric_buckets",
        "metrics",
        "ringing",
        "run_events",
        "run_results",
        "runs",
        "service_holds",
        "set_aside",
        "worker_storage",
        "workers",
    }
)

NEWER_REMEDY = "start the newer ResDrop that made it, or take another home"


def unknown_schema(found: str) -> str:
    """What is to be said of a database that another version has made."""
    return f"schema {found}, and this version knows {', '.join(REVISIONS)}"
