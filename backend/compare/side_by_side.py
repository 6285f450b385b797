"""Any runs beside each other: in which settings they differ, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy.orm import Session

from backend.db.tables import Run
from backend.runs.results import results_of
from backend.runs.views import RunView, views_of
from worker.contract.config import RunConfig
from worker.contract.names import Metric
from worker.contract.status import RunStatus
from worker.evidence.figures import RunFigures


class Difference(BaseModel):
    """One setting that is not the same in all runs, with its value in each."""

    field: str
    label: str
    values: dict[str, Any]


class Result(BaseModel):
    """One figure of the whole runs. `better` says which is to be preferred, null where that is not known or defined."""

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
    value: Callable[[Run, RunFigures], float | None]


def _latest(metric: Metric) -> Callable[[Run, RunFigures], float | None]:
    return lambda run, _: run.latest.get(metric)


def _step_milliseconds(_: Run, results: RunFigures) -> float | None:
    return None if results.step_seconds is None else 1000 * results.step_seconds.median


# Which of two shares of compute, speeds or times is the better is not defined, or was decided by chance: by the gates
# that were drawn, by what else the machine did. Nor is it of the training loss: stochastic depth and MixUp raise it.


_ROWS = (
    _Row("best val/top1", "Best top-1", "%", "higher", lambda run, _: run.best_top1),
    _Row("val/top1", "Last top-1", "%", "higher", _latest(Metric.VAL_TOP1)),
    _Row("val/top5", "Last top-5", "%", "higher", _latest(Metric.VAL_TOP5)),
    _Row("val/loss", "Last validation loss", "", "lower", _latest(Metric.VAL_LOSS)),
    _Row("train/loss", "Training loss, last epoch", "", None, lambda _, results: results.train_loss),
    _Row("elapsed_seconds", "Wall time of training", "s", None, lambda run, _: run.elapsed_seconds),
    _Row("step_milliseconds", "Median step", "ms", None, _step_milliseconds),
    _Row("images_per_second", "Median speed", "images/s", None, lambda _, results: results.images_per_second),
    _Row("sd/compute", "Share of full compute", "share", None, lambda _, results: results.compute),
    _Row("sd/depth", "Blocks run in a step", "", None, lambda _, results: results.depth),
    _Row("epoch", "Epochs trained", "", None, lambda run, _: run.epoch),
    _Row("parameters", "Parameters", "", None, lambda run, _: run.facts.get("parameters")),
)


def side_by_side(session: Session, runs: Sequence[Run], *, missing: Sequence[str] = ()) -> SideBySide:
    """Of one run or more."""
    return SideBySide(
        runs=views_of(session, runs),
        missing=list(missing),
        differences=_differences(runs),
        results=_results(session, runs),
    )


def _differences(runs: Sequence[Run]) -> list[Difference]:
    found = []
    for name, field in RunConfig.model_fields.items():
        values = {run.id: run.config.get(name) for run in runs}
        if any(value != runs[0].config.get(name) for value in values.values()):
            extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            found.append(Difference(field=name, label=str(extra.get("label", name)), values=values))
    return found


def _results(session: Session, runs: Sequence[Run]) -> list[Result]:
    """Only rows of which at least one run has a value."""
    found, figures = [], results_of(session, runs)
    is_fair = _is_fair(runs)
    for row in _ROWS:
        values = {run.id: row.value(run, figures[run.id]) for run in runs}
        if any(value is not None for value in values.values()):
            found.append(
                Result(
                    name=row.name, label=row.label, unit=row.unit, values=values, better=row.better if is_fair else None
                )
            )
    return found


def _is_fair(runs: Sequence[Run]) -> bool:
    """None is better before all have come equally far or ended. Nor is one of the runs of a comparison: which of them
    has the highest accuracy is chance, and what can be said of their arms is in the verdict."""
    if runs[0].comparison_id is not None and len({run.comparison_id for run in runs}) == 1:
        return False
    return all(RunStatus(run.status).is_final for run in runs) or len({run.epoch for run in runs}) == 1
