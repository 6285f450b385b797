"""The REST interface of comparisons."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from backend.compare.design import NewComparison
from backend.compare.edit import ComparisonEdit, edit_comparison
from backend.compare.images import with_images
from backend.compare.preview import ComparisonPreview, preview_of
from backend.compare.queries import (
    ComparisonView,
    comparison_views,
    get_comparison,
    list_comparisons,
    members_of,
)
from backend.compare.report import content_disposition, read_report
from backend.compare.report_page import report_page
from backend.compare.results_csv import results_csv
from backend.compare.service import launch_comparison
from backend.compare.side_by_side import SideBySide, side_by_side
from backend.cursors import PageQuery
from backend.db.tables import Comparison
from backend.errors import BadInput, NotFound
from backend.idempotency import OnceOf
from backend.locations import LocationOf
from backend.parts import DatabaseOf, PartsOf
from backend.problems import described_file, may_answer
from backend.runs.queries import find_runs
from backend.runs.results import results_of
from worker.contract import VERSION
from worker.contract.templates import TEMPLATES, Template
from worker.report.style import CONTENT_SECURITY_POLICY

router = APIRouter(tags=["comparisons"])

MOST_COMPARED = 100
_MOST_NAMED = 10
ComparisonId = Annotated[str, Path(description="The id of a comparison.", examples=["c_1a2b3c4d"])]


class ComparisonList(BaseModel):
    items: list[ComparisonView]
    next: str | None


class TemplateList(BaseModel):
    items: list[Template]


@router.post(
    "/comparisons",
    status_code=201,
    operation_id="create_comparison",
    summary="Launch a run of each arm for each seed",
    responses=may_answer(409),
)
def post_comparison(parts: PartsOf, once: OnceOf, new: NewComparison, location: LocationOf) -> ComparisonView:
    """Alike in everything but what the arms change. The same `Idempotency-Key` is answered with the same one."""
    with parts.database.write() as session:
        comparison = once.find(session, Comparison, new)
        if comparison is None:
            comparison = launch_comparison(session, new)
            once.remember(session, comparison.id, new)
        view = comparison_views(session, [comparison])[0]
    parts.announce([run.id for run in view.runs])
    location.set(f"/comparisons/{view.id}")
    return view


@router.post(
    "/comparisons/preview",
    operation_id="preview_comparison",
    summary="What a new comparison would take and could show",
)
def post_preview(database: DatabaseOf, new: NewComparison) -> ComparisonPreview:
    """The same body as for a launch, with the same refusals. Nothing is launched or kept."""
    with database.read() as session:
        return preview_of(session, new)


@router.get("/comparison-templates", operation_id="list_comparison_templates", summary="Designs to begin from")
def get_templates() -> TemplateList:
    """Named in a new comparison, or changed and sent as its arms."""
    return TemplateList(items=list(TEMPLATES))


@router.get("/comparisons", operation_id="list_comparisons", summary="Comparisons, newest first")
def get_comparisons(database: DatabaseOf, query: Annotated[PageQuery, Query()]) -> ComparisonList:
    """Each with its runs and, where a seed has finished, its verdict."""
    with database.read() as session:
        comparisons, following = list_comparisons(session, cursor=query.cursor, limit=query.limit)
        return ComparisonList(items=comparison_views(session, comparisons), next=following)


@router.get(
    "/comparisons/{comparison_id}",
    operation_id="get_comparison",
    summary="One comparison with its verdict",
    responses=may_answer(404),
)
def get_one(parts: PartsOf, comparison_id: ComparisonId) -> ComparisonView:
    """The verdict is null until all runs of a seed have completed. Here, and not in lists, its contrasts tell of the
    arms image by image."""
    with parts.database.read() as session:
        view = comparison_views(session, [get_comparison(session, comparison_id)])[0]
    return with_images(view, parts.settings.files)


@router.patch(
    "/comparisons/{comparison_id}",
    operation_id="edit_comparison",
    summary="Change name, plan or seeds of a comparison",
    responses=may_answer(404, 409),
)
def patch_one(parts: PartsOf, comparison_id: ComparisonId, edit: ComparisonEdit) -> ComparisonView:
    """Runs of further seeds are launched. Answers 409 where a seed that is left out has runs that are not over."""
    with parts.database.write() as session:
        comparison = get_comparison(session, comparison_id)
        launched = edit_comparison(session, comparison, edit)
        view = comparison_views(session, [comparison])[0]
    parts.announce(launched)
    return view


@router.get(
    "/comparisons/{comparison_id}/report.html",
    operation_id="get_comparison_report",
    response_class=HTMLResponse,
    responses=may_answer(404) | described_file("text/html", "One page that fetches nothing and runs no script."),
    summary="One comparison as a page that opens without the service or a network",
)
def get_report(parts: PartsOf, comparison_id: ComparisonId) -> HTMLResponse:
    """Verdict, results, curves, images, settings and machines, to keep, print or send on."""
    with parts.database.read() as session:
        report = read_report(session, comparison_id)
    report = replace(report, comparison=with_images(report.comparison, parts.settings.files))
    headers = {
        "Content-Disposition": content_disposition(report),
        "Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; frame-ancestors 'none'",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(report_page(report, version=VERSION), headers=headers)


@router.get(
    "/comparisons/{comparison_id}/results.csv",
    operation_id="download_results",
    response_class=Response,
    responses=may_answer(404) | described_file("text/csv", "A header, then a row for each run."),
    summary="The results of a comparison's runs as a table",
)
def get_results(database: DatabaseOf, comparison_id: ComparisonId) -> Response:
    """Its columns arm, seed and value are what `resdrop evidence` takes; `value` is of the plan's metric."""
    with database.read() as session:
        comparison = get_comparison(session, comparison_id)
        runs = members_of(session, [comparison])[comparison.id]
        text = results_csv(comparison, runs, results_of(session, runs))
    headers = {"Content-Disposition": f'attachment; filename="{comparison.id}-results.csv"'}
    return Response(text, media_type="text/csv", headers=headers)


@router.get(
    "/compare",
    operation_id="compare_runs",
    summary="Any runs beside each other: settings that differ, and results",
    responses=may_answer(404),
)
def get_side_by_side(
    database: DatabaseOf, runs: Annotated[list[str], Query(description="Run ids, separated by commas or repeated.")]
) -> SideBySide:
    """The settings in which they are not all the same, and what came of each.

    Runs that there are not are named in `missing`, the others compared; 404 where there is none at all.
    """
    ids = list(dict.fromkeys(run_id.strip() for part in runs for run_id in part.split(",") if run_id.strip()))
    if not 1 <= len(ids) <= MOST_COMPARED:
        raise BadInput({"runs": [f"runs names {len(ids)} runs; name 1 to {MOST_COMPARED}, separated by commas"]})
    with database.read() as session:
        found, missing = find_runs(session, ids)
        if not found:
            raise NotFound(f"none of these runs exist: {', '.join(map(repr, missing[:_MOST_NAMED]))}")
        return side_by_side(session, found, missing=missing)
