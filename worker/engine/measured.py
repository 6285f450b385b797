"""The figures of a whole run, from what it leaves in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from worker.contract.config import RunConfig
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


def measurements(rows: Sequence[Row], starts: Sequence[Start], *, batch: int, steps_per_epoch: int) -> RunMeasurements:
    """`rows` are those of history.csv, `starts` in the order of their steps."""
    measured, later = RunMeasurements(batch=batch, steps_per_epoch=steps_per_epoch), list(starts)
    start = Start(step=0)
    for row in rows:
        step = int(row["step"])
        # A start makes void what came after it, so the process that made a step is the last that began before.
        while later and later[0].step < step:
            start = later.pop(0)
        measured.add(step, {name: float(row[name]) for name in _METRICS if row.get(name)}, start)
    return measured


def figures_of(rows: Sequence[Row], summary: Mapping[str, Any], config: RunConfig) -> RunFigures:
    """Of a run in its folder; nothing is known of one that has not begun."""
    if "steps_per_epoch" not in summary:
        return RunFigures()
    steps_per_epoch = int(summary["steps_per_epoch"])
    measured = measurements(rows, starts_of(summary), batch=config.batch, steps_per_epoch=steps_per_epoch)
    return measured.figures(blocks=int(summary["blocks"]), sd=config.sd)
