"""The part of a report that says on what it was computed."""

from __future__ import annotations

from collections.abc import Sequence

from backend.db.tables import Run
from worker.report.markup import Markup, element
from worker.report.page import facts

_FACTS = ("device", "threads", "loader_processes", "parameters", "blocks")


def machine_section(runs: Sequence[Run]) -> list[Markup]:
    """Nothing before the first run has told of its machine."""
    told: dict[str, dict[str, None]] = {}
    for run in runs:
        single = {name.replace("_", " "): run.facts.get(name) for name in _FACTS}
        for name, value in {**single, **(run.facts.get("versions") or {})}.items():
            if value is not None:
                told.setdefault(name, {})[f"{value:,}" if isinstance(value, int) else str(value)] = None
    rows = [(name, ", ".join(values)) for name, values in told.items()]
    return [element("h2", "Network and machine"), facts(rows)] if rows else []
