"""The REST interface of comparisons."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from backend.compare.queries import ComparisonView, comparison_views, get_comparison, list_comparisons
from backend.compare.report import content_disposition, read_report
from backend.compare.report_page import report_page
from backend.compare.service import NewComparison, launch_comparison
from backend.compare.side_by_side import SideBySide, side_by_side
from backend.db.tables import Comparison
from backend.errors import BadInput, NotFound
from backend.idempotency import OnceOf
from backend.parts import DatabaseOf, PartsOf
from backend.runs.queries import find_runs
from worker.contract import VERSION
from worker.report.style import CONTENT_SECURITY_POLICY

router = APIRouter(tags=["comparisons"])

MOST_COMPARED = 100
_MOST_NAMED = 10


class ComparisonList(BaseModel):
    items: list[ComparisonView]
    next: str | None = None


@router.post("/comparisons", status_code=201, summary="Launch a baseline and its stochastic-depth twin for each seed")
def post_comparison(parts: PartsOf, once: OnceOf, new: NewComparison, response: Response) -> ComparisonView:
    with parts.database.write() as session:
        comparison = once.find(session, Comparison, new)
        if comparison is None:
            comparison = launch_comparison(session, new)
            once.remember(session, comparison.id, new)
        view = comparison_views(session, [comparison])[0]
    parts.announce([run.id for run in view.runs])
    response.headers["Location"] = f"/api/v1/comparisons/{view.id}"
    return view


@router.get("/comparisons", summary="Comparisons, newest first")
def get_comparisons(database: DatabaseOf) -> ComparisonList:
    with database.read() as session:
        return ComparisonList(items=comparison_views(session, list_comparisons(session)))


@router.get("/comparisons/{comparison_id}", summary="One comparison with its verdict")
def get_one(database: DatabaseOf, comparison_id: str) -> ComparisonView:
    with database.read() as session:
        return comparison_views(session, [get_comparison(session, comparison_id)])[0]


@router.get(
    "/comparisons/{comparison_id}/report.html",
    response_class=HTMLResponse,
    summary="One comparison as a page that opens without the service or a network",
)
def get_report(database: DatabaseOf, comparison_id: str) -> HTMLResponse:
    with database.read() as session:
        report = read_report(session, comparison_id)
    headers = {
        "Content-Disposition": content_disposition(report),
        "Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; frame-ancestors 'none'",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(report_page(report, version=VERSION), headers=headers)


@router.get("/compare", summary="Any runs beside each other: settings that differ, and results")
def get_side_by_side(
    database: DatabaseOf, runs: Annotated[list[str], Query(description="Run ids, separated by commas or repeated.")]
) -> SideBySide:
    """Runs that there are not are named in `missing`, the others compared; 404 where there is none at all."""
    ids = list(dict.fromkeys(run_id.strip() for part in runs for run_id in part.split(",") if run_id.strip()))
    if not 1 <= len(ids) <= MOST_COMPARED:
        raise BadInput({"runs": [f"runs names {len(ids)} runs; name 1 to {MOST_COMPARED}, separated by commas"]})
    with database.read() as session:
        found, missing = find_runs(session, ids)
        if not found:
            raise NotFound(f"there is none of the runs {', '.join(map(repr, missing[:_MOST_NAMED]))}")
        return side_by_side(session, found, missing=missing)
