"""What a run came to as a whole, kept up to date while points come in, so that showing it costs the same at any length.

What is stored are the measurements of worker/evidence, which take in report after report. After a rewind, or where an
older point comes late or again, they begin anew, so many reports in one transaction, until they have caught up.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, undefer

from backend.db.changes import note_change
from backend.db.tables import Attempt, Metric, Run, RunResults
from worker.contract import names
from worker.contract.messages import Point, Started
from worker.evidence.figures import Machine, RunFigures, RunMeasurements, Start

_MEASURED = (
    names.Metric.IMAGES_PER_SECOND,
    names.Metric.SD_COMPUTE,
    names.Metric.SD_DEPTH,
    names.Metric.TRAIN_LOSS,
)
#: So many reports are read at once, and for so long in one transaction: others wait for the database.
_REPORTS_AT_ONCE = 1000
_CATCH_UP_SECONDS = 0.05
#: So many runs of an earlier version are read for one answer; there is nothing of the others until `catch_up` came.
_READ_ANEW = 10
#: SQLite takes 32,766 values in a statement.
_RUNS_AT_ONCE = 1000


def note_start(session: Session, run: Run, started: Started) -> None:
    """After which step an attempt began, and on what it is trained."""
    machine = Machine(device=started.device, threads=started.threads, versions=started.versions)
    row = _row(session, run)
    row.starts = row.starts | {str(started.attempt): Start(step=started.step, machine=machine).model_dump()}


def note_points(session: Session, run: Run, points: Sequence[Point]) -> None:
    """Points that lie behind what is taken in already make it void. Call it with all that are stored."""
    row = _stored(session, run)
    if row is not None and any(point.step <= row.through and _is_report(point) for point in points):
        forget(session, run)


def forget(session: Session, run: Run) -> None:
    """Points that are taken in are gone, or are others now: all are read again."""
    row = _row(session, run)
    row.through, row.is_behind, row.measurements, row.figures = 0, True, None, {}


def refresh(session: Session, run: Run) -> None:
    """Takes in what is new. Call it at the end of a transaction that stored points of a run."""
    row, until = _row(session, run), time.monotonic() + _CATCH_UP_SECONDS
    while _take_in(session, run, row) and time.monotonic() < until:
        pass


def catch_up(session: Session) -> None:
    """Goes on with runs that are behind, also with those that an earlier version trained, the newest first."""
    until = time.monotonic() + _CATCH_UP_SECONDS
    known = exists().where(RunResults.run_id == Run.id, RunResults.is_behind.is_(False))
    behind = select(Run).where(Run.step > 0, ~known).order_by(Run.change.desc()).limit(_READ_ANEW)
    for run in session.execute(behind).scalars().all():
        refresh(session, run)
        run.change = note_change(session, "run", run.id)
        if time.monotonic() > until:
            break


def results_of(session: Session, runs: Sequence[Run]) -> dict[str, RunFigures]:
    """By run id. Writes nothing."""
    figures: dict[str, dict[str, Any]] = {}
    for start in range(0, len(runs), _RUNS_AT_ONCE):
        ids = [run.id for run in runs[start : start + _RUNS_AT_ONCE]]
        found = session.execute(select(RunResults.run_id, RunResults.figures).where(RunResults.run_id.in_(ids)))
        figures |= {row.run_id: row.figures for row in found}
    for run in [run for run in runs if run.step and run.id not in figures][:_READ_ANEW]:
        figures[run.id] = _read_anew(session, run)
    return {run.id: RunFigures.model_validate(figures.get(run.id, {})) for run in runs}


def _is_report(point: Point) -> bool:
    return any(name in point.values for name in _MEASURED)


def _stored(session: Session, run: Run) -> RunResults | None:
    return session.get(RunResults, run.id, options=[undefer(RunResults.measurements)])


def _row(session: Session, run: Run) -> RunResults:
    row = _stored(session, run)
    if row is None:
        row = _empty(run)
        session.add(row)
    return row


def _empty(run: Run) -> RunResults:
    return RunResults(run_id=run.id, through=0, is_behind=True, measurements=None, figures={}, starts={})


def _read_anew(session: Session, run: Run) -> dict[str, Any]:
    row = _empty(run)
    while _take_in(session, run, row):
        pass
    return row.figures


def _take_in(session: Session, run: Run, row: RunResults) -> bool:
    """The next reports; is there more?"""
    end = row.through + _REPORTS_AT_ONCE * int(run.config.get("log_every", 1))
    reports = _reports(session, run, after=row.through, through=end)
    if reports:
        measured = _measurements(run, row)
        starts = {attempt: _start(session, run, row, attempt) for _, attempt in reports}
        for (step, attempt), values in reports.items():
            measured.add(step, values, starts[attempt])
            row.through = step
        row.measurements = measured.model_dump(mode="json")
        row.figures = measured.figures(blocks=run.facts.get("blocks"), sd=bool(run.config.get("sd"))).stored()
    following = select(func.min(Metric.step)).where(
        Metric.run_id == run.id, Metric.name == names.Metric.IMAGES_PER_SECOND, Metric.step > end
    )
    first = session.execute(following).scalar_one() if run.step > end else None
    if first is not None:
        row.through = max(row.through, first - 1)
    row.is_behind = first is not None
    return row.is_behind


def _reports(session: Session, run: Run, *, after: int, through: int) -> dict[tuple[int, int], dict[str, float | None]]:
    """By step and attempt, in the order of steps."""
    within = (Metric.run_id == run.id, Metric.name.in_(_MEASURED), Metric.step > after, Metric.step <= through)
    found = select(Metric.step, Metric.attempt, Metric.name, Metric.value).where(*within).order_by(Metric.step)
    reports: dict[tuple[int, int], dict[str, float | None]] = defaultdict(dict)
    for step, attempt, name, value in session.execute(found):
        reports[step, attempt][name] = value
    return reports


def _measurements(run: Run, row: RunResults) -> RunMeasurements:
    if row.measurements is not None:
        return RunMeasurements.model_validate(row.measurements)
    return RunMeasurements(batch=run.config.get("batch", 0), steps_per_epoch=run.steps_per_epoch)


def _start(session: Session, run: Run, row: RunResults, attempt: int) -> Start:
    """Of an attempt that an earlier version trained there is only what the last one of its run said of its machine."""
    if told := row.starts.get(str(attempt)):
        return Start.model_validate(told)
    found = session.get(Attempt, (run.id, attempt))
    step = found.started_step if found is not None else None
    if not run.facts.get("device"):
        return Start(step=step or 0)
    facts = {name: run.facts[name] for name in ("device", "threads", "versions") if run.facts.get(name)}
    return Start(step=step or 0, machine=Machine.model_validate(facts))
