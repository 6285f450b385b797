"""What a report tells of a comparison, read at one moment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from sqlalchemy.orm import Session

from backend.compare.queries import ComparisonView, comparison_views, get_comparison
from backend.db.tables import Run
from backend.metrics.queries import Axis, Series, read_curves
from backend.runs.results import results_of
from worker.contract import names
from worker.contract.status import RunStatus
from worker.evidence.figures import RunFigures

#: Beyond this a curve of the width of a page shows nothing more.
MOST_POINTS = 400
DRAWN = (names.Metric.VAL_TOP1, names.Metric.VAL_LOSS, names.Metric.TRAIN_LOSS)
_LONGEST_FILE_NAME = 80


@dataclass(frozen=True)
class Member:
    """One run, with what it came to as a whole."""

    run: Run
    status: str
    curves: dict[str, Series]
    results: RunFigures


@dataclass(frozen=True)
class Report:
    comparison: ComparisonView
    members: Sequence[Member]
    made_at: datetime

    @property
    def is_finished(self) -> bool:
        return all(member.run.status == RunStatus.COMPLETED for member in self.members)


def read_report(session: Session, comparison_id: str) -> Report:
    """Raises NotFound."""
    comparison = get_comparison(session, comparison_id)
    view = comparison_views(session, [comparison])[0]
    members = []
    runs = [session.get_one(Run, shown.id) for shown in view.runs]
    results = results_of(session, runs)
    for run, shown in zip(runs, view.runs, strict=True):
        curves = read_curves(session, run.id, names=DRAWN, axis=Axis.EPOCH, max_points=MOST_POINTS).series
        by_name = {series.name: series for series in curves}
        members.append(Member(run=run, status=shown.status, curves=by_name, results=results[run.id]))
    return Report(comparison=view, members=members, made_at=datetime.now(UTC))


def content_disposition(report: Report) -> str:
    """Shown in the browser, and saved under a name that says what it is, whatever letters the comparison's name has."""
    words = re.sub(r"\W+", "-", report.comparison.name).strip("-")[:_LONGEST_FILE_NAME]
    name = f"resdrop-{words}-{report.comparison.id}.html"
    plain = re.sub(r"-{2,}", "-", name.encode("ascii", "ignore").decode())
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name)}"
    return f'inline; filename="{plain}"{extended}'
