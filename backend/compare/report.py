"""What a report tells of a comparison, read at one moment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from urllib.parse import quote

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.compare.queries import ComparisonView, comparison_views, get_comparison
from backend.db.tables import Metric, Run
from backend.metrics.queries import Axis, Series, read_curves
from worker.contract import names
from worker.contract.status import RunStatus

#: Beyond this a curve of the width of a page shows nothing more.
MOST_POINTS = 400
DRAWN = (names.Metric.VAL_TOP1, names.Metric.VAL_LOSS, names.Metric.TRAIN_LOSS)
_LONGEST_FILE_NAME = 80


@dataclass(frozen=True)
class Member:
    """One run. `compute` is the mean share of the full network's compute that its training took."""

    run: Run
    status: str
    curves: dict[str, Series]
    compute: float | None


@dataclass(frozen=True)
class Report:
    comparison: ComparisonView
    members: Sequence[Member]
    made_at: datetime

    @property
    def is_finished(self) -> bool:
        return all(member.run.status == RunStatus.COMPLETED for member in self.members)

    @property
    def compute(self) -> float | None:
        """Over the stochastic-depth runs of the finished pairs, whose accuracy and time the verdict tells."""
        verdict = self.comparison.verdict
        told = {pair.sd.run for pair in verdict.pairs} if verdict is not None else set()
        shares = [member.compute for member in self.members if member.run.id in told and member.compute is not None]
        return fmean(shares) if shares else None


def read_report(session: Session, comparison_id: str) -> Report:
    """Raises NotFound."""
    comparison = get_comparison(session, comparison_id)
    view = comparison_views(session, [comparison])[0]
    members = []
    for shown in view.runs:
        run = session.get_one(Run, shown.id)
        curves = read_curves(session, run.id, names=DRAWN, axis=Axis.EPOCH, max_points=MOST_POINTS).series
        by_name = {series.name: series for series in curves}
        members.append(Member(run=run, status=shown.status, curves=by_name, compute=_compute(session, run)))
    return Report(comparison=view, members=members, made_at=datetime.now(UTC))


def _compute(session: Session, run: Run) -> float | None:
    of_run = select(func.avg(Metric.value)).where(Metric.run_id == run.id, Metric.name == names.Metric.SD_COMPUTE)
    mean: float | None = session.execute(of_run).scalar_one()
    return mean


def content_disposition(report: Report) -> str:
    """Shown in the browser, and saved under a name that says what it is, whatever letters the comparison's name has."""
    words = re.sub(r"\W+", "-", report.comparison.name).strip("-")[:_LONGEST_FILE_NAME]
    name = f"resdrop-{words}-{report.comparison.id}.html"
    plain = re.sub(r"-{2,}", "-", name.encode("ascii", "ignore").decode())
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name)}"
    return f'inline; filename="{plain}"{extended}'
