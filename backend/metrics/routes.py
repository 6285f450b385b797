"""The REST interface of curves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from backend.errors import BadInput
from backend.metrics.queries import Axis, Curves, csv_lines, metric_names, read_curves
from backend.parts import DatabaseOf, RunId
from backend.problems import described_file, may_answer
from backend.runs.queries import get_run
from worker.contract.names import Metric

router = APIRouter(tags=["metrics"])

MOST_NAMES = 50
_METRICS = frozenset(metric.value for metric in Metric)


@router.get(
    "/runs/{run_id}/metrics",
    operation_id="get_metrics",
    summary="Curves of a run, whole or what is new",
    responses=may_answer(404),
)
def get_metrics(
    database: DatabaseOf,
    run_id: RunId,
    names: Annotated[str | None, Query(description="Metric names, separated by commas; all without it.")] = None,
    x: Annotated[Axis, Query(description="time is in seconds of training.")] = Axis.STEP,
    max_points: Annotated[
        int | None,
        Query(ge=10, le=100_000, description="So many of each curve at most, extremes kept; all without it."),
    ] = None,
    since: Annotated[
        int | None, Query(ge=0, le=2**53, description="`cursor` of an earlier answer: only what came after it.")
    ] = None,
) -> Curves:
    """Where points are left out, the least and the greatest of each stretch are kept, one gap of it, and the ends."""
    with database.read() as session:
        wanted = _names(session, run_id, names) if names is not None else None
        return read_curves(session, run_id, names=wanted, axis=x, max_points=max_points, since=since)


@router.get(
    "/runs/{run_id}/metrics.csv",
    operation_id="download_metrics",
    summary="All curves of a run as CSV",
    response_class=StreamingResponse,
    responses=may_answer(404)
    | described_file("text/csv", "A header, then a row for each step; empty where a metric has no value there."),
)
def get_csv(database: DatabaseOf, run_id: RunId) -> StreamingResponse:
    """Every point, none left out."""
    with database.read() as session:
        get_run(session, run_id)
        names = metric_names(session, run_id)
    headers = {"Content-Disposition": f'attachment; filename="{run_id}-metrics.csv"'}
    return StreamingResponse(csv_lines(database, run_id, names), media_type="text/csv", headers=headers)


def _names(session: Session, run_id: str, text: str) -> list[str]:
    """Raises BadInput; a metric of the schema may have no points yet, and a run may have others beside."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise BadInput({"names": ["names is empty; name metrics, separated by commas, or leave it out for all"]})
    if len(names) > MOST_NAMES:
        raise BadInput({"names": [f"names has {len(names)} of them; ask for {MOST_NAMES} or fewer at once"]})
    others = [name for name in names if name not in _METRICS]
    unknown = set(others) - set(metric_names(session, run_id)) if others else set()
    if unknown:
        shown = ", ".join(repr(name[:80]) for name in others if name in unknown)
        raise BadInput({"names": [f"names: the run has no metric {shown}; see `metrics` of GET /api/v1/schema"]})
    return names
