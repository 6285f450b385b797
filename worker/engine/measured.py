"""The figures of a whole run, from what it leaves in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from worker.contract.names import Metric
from worker.evidence.figures import Machine, RunFigures, RunMeasurements, Start

Row = Mapping[str, str]
_METRICS = tuple(metric.value for metric in Metric)


def starts_of(summary: Mapping[str, Any]) -> list[Start]:
    """When training processes began, as summary.json tells it; one of an earlier version tells only on what the last
    of them trained."""
    if "starts" in summary:
        return [Start.model_validate(start) for start in summary["starts"]]
    if "device" not in summary:
        return []
    machine = Machine(device=summary["device"], threads=summary["threads"], versions=summary["versions"])
    return [Start(step=0, machine=machine)]


def measurements(
    rows: Sequence[Row], starts: Sequence[Start], *, batch: int, steps_per_epoch: int, blocks: int
) -> RunMeasurements:
    """`rows` are those of history.csv."""
    measured = RunMeasurements(batch=batch, steps_per_epoch=steps_per_epoch, blocks=blocks)
    for start in starts:
        measured.started(start)
    for row in rows:
        measured.add(int(row["step"]), {name: float(row[name]) for name in _METRICS if row.get(name)})
    return measured


def figures_of(rows: Sequence[Row], summary: Mapping[str, Any], *, batch: int) -> RunFigures:
    """Of a run in its folder; nothing is known of one that has not begun."""
    if "steps_per_epoch" not in summary:
        return RunFigures()
    facts = {"steps_per_epoch": int(summary["steps_per_epoch"]), "blocks": int(summary["blocks"])}
    return measurements(rows, starts_of(summary), batch=batch, **facts).figures()
