"""Any runs beside each other: in which settings they differ, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy.orm import Session

from backend.db.tables import Run
from backend.runs.views import RunView, views_of
from worker.contract.config import RunConfig
from worker.contract.names import Metric
from worker.contract.status import RunStatus


class Difference(BaseModel):
    """One setting that is not the same in all runs, with its value in each."""

    field: str
    label: str
    values: dict[str, Any]


class Result(BaseModel):
    name: str
    label: str
    unit: str
    values: dict[str, float | None]
    better: Literal["higher", "lower"] | None


class SideBySide(BaseModel):
    """`missing` are the ids that were asked for and that no run has: deleted, or mistyped."""

    runs: list[RunView]
    missing: list[str]
    differences: list[Difference]
    results: list[Result]


@dataclass(frozen=True)
class _Row:
    name: str
    label: str
    unit: str
    better: Literal["higher", "lower"] | None
    value: Callable[[Run], float | None]


def _latest(metric: Metric) -> Callable[[Run], float | None]:
    return lambda run: run.latest.get(metric)


_ROWS = (
    _Row("best val/top1", "Best top-1", "%", "higher", lambda run: run.best_top1),
    _Row("val/top1", "Last top-1", "%", "higher", _latest(Metric.VAL_TOP1)),
    _Row("val/top5", "Last top-5", "%", "higher", _latest(Metric.VAL_TOP5)),
    _Row("val/loss", "Last validation loss", "", "lower", _latest(Metric.VAL_LOSS)),
    _Row("train/loss", "Last training loss", "", "lower", _latest(Metric.TRAIN_LOSS)),
    _Row("elapsed_seconds", "Training time", "s", "lower", lambda run: run.elapsed_seconds),
    _Row("images_per_second", "Last speed", "images/s", "higher", _latest(Metric.IMAGES_PER_SECOND)),
    _Row("sd/compute", "Share of full compute", "", "lower", _latest(Metric.SD_COMPUTE)),
    _Row("epoch", "Epochs trained", "", None, lambda run: run.epoch),
    _Row("parameters", "Parameters", "", None, lambda run: run.facts.get("parameters")),
)


def side_by_side(session: Session, runs: Sequence[Run], *, missing: Sequence[str] = ()) -> SideBySide:
    """Of one run or more."""
    return SideBySide(
        runs=views_of(session, runs),
        missing=list(missing),
        differences=_differences(runs),
        results=_results(runs),
    )


def _differences(runs: Sequence[Run]) -> list[Difference]:
    found = []
    for name, field in RunConfig.model_fields.items():
        values = {run.id: run.config.get(name) for run in runs}
        if any(value != runs[0].config.get(name) for value in values.values()):
            extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            found.append(Difference(field=name, label=str(extra.get("label", name)), values=values))
    return found


def _results(runs: Sequence[Run]) -> list[Result]:
    """Only rows of which at least one run has a value; none is better before all have come equally far or ended."""
    found = []
    is_fair = all(RunStatus(run.status).is_final for run in runs) or len({run.epoch for run in runs}) == 1
    for row in _ROWS:
        values = {run.id: row.value(run) for run in runs}
        if any(value is not None for value in values.values()):
            found.append(
                Result(
                    name=row.name, label=row.label, unit=row.unit, values=values, better=row.better if is_fair else None
                )
            )
    return found
