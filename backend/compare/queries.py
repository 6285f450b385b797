"""Reading comparisons, with the verdict that their finished pairs allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.compare.design import arms_of, plan_of
from backend.compare.deviations import Deviation, deviations_of
from backend.compare.verdict import verdict_on
from backend.cursors import Key, Order, moment, text
from backend.db.tables import Comparison, Run
from backend.errors import NotFound
from backend.runs.results import results_of
from backend.runs.views import warnings_of
from worker.contract.arms import ArmSpec
from worker.contract.plan import Plan
from worker.contract.status import Desired, RunStatus, shown_status
from worker.evidence.figures import RunFigures
from worker.evidence.plan_words import plan_sentence
from worker.evidence.verdict import Verdict

_NEWEST_FIRST = Order[Comparison](
    "comparisons",
    [
        Key(Comparison.created_at, lambda comparison: comparison.created_at, moment),
        Key(Comparison.id, lambda comparison: comparison.id, text),
    ],
    descends=True,
)


class ComparedRun(BaseModel):
    id: str
    seed: int
    arm: str | None
    name: str
    status: str


class DeletedRun(BaseModel):
    seed: int
    arm: str


class ComparisonView(BaseModel):
    """`factor` is the one setting in which the arms differ, or "arms" where they may differ in several; the first of
    `arms` is the reference. `verdict` is null until a seed has completed, `headline` says what is known at any time. A
    comparison with a sequential plan `is_open` until it takes no more seeds, as `ended_reason` says.
    `deleted` are the runs that it was launched with and that are no more, `deviations` what was changed in plan and
    seeds after the first run had started.
    """

    id: str
    name: str
    factor: str
    mode: str
    arms: list[ArmSpec]
    plan: Plan
    plan_sentence: str
    seeds: list[int]
    is_open: bool
    ended_reason: str | None
    runs: list[ComparedRun]
    deleted: list[DeletedRun]
    deviations: list[Deviation]
    headline: str
    verdict: Verdict | None
    created_at: datetime
    warnings: list[str]


def get_comparison(session: Session, comparison_id: str) -> Comparison:
    """Raises NotFound."""
    comparison = session.get(Comparison, comparison_id) if comparison_id.isprintable() else None
    if comparison is None:
        raise NotFound(f"there is no comparison {comparison_id!r}")
    return comparison


def list_comparisons(session: Session, *, cursor: str | None, limit: int) -> tuple[list[Comparison], str | None]:
    """Newest first; raises BadInput for a cursor that is none."""
    return _NEWEST_FIRST.page(session, select(Comparison), cursor=cursor, limit=limit)


def comparison_views(session: Session, comparisons: Sequence[Comparison]) -> list[ComparisonView]:
    members = members_of(session, comparisons)
    results = results_of(session, [run for runs in members.values() for run in runs])
    return [_view(comparison, members[comparison.id], results) for comparison in comparisons]


def members_of(session: Session, comparisons: Sequence[Comparison]) -> Mapping[str | None, list[Run]]:
    """Their runs by the comparison's id, in the order of the launch."""
    members: dict[str | None, list[Run]] = defaultdict(list)
    of_them = select(Run).where(Run.comparison_id.in_([comparison.id for comparison in comparisons]))
    for run in session.execute(of_them.order_by(Run.created_at, Run.id)).scalars():
        members[run.comparison_id].append(run)
    return members


def _view(comparison: Comparison, runs: Sequence[Run], results: Mapping[str, RunFigures]) -> ComparisonView:
    verdict, plan = verdict_on(comparison, runs, results), plan_of(comparison)
    seeds = comparison.seeds if comparison.seeds is not None else sorted({run.config["seed"] for run in runs})
    return ComparisonView(
        id=comparison.id,
        name=comparison.name,
        factor=comparison.factor,
        mode=comparison.mode,
        arms=list(arms_of(comparison)),
        plan=plan,
        plan_sentence=plan_sentence(plan, seeds=len(seeds)),
        seeds=seeds,
        is_open=comparison.is_open,
        ended_reason=comparison.ended_reason,
        runs=[_member(run) for run in runs],
        deleted=_deleted(comparison, runs),
        deviations=deviations_of(comparison),
        headline=verdict.headline,
        verdict=verdict if verdict.seeds else None,
        created_at=comparison.created_at,
        warnings=list(dict.fromkeys(warning for run in runs for warning in warnings_of(run))),
    )


def _member(run: Run) -> ComparedRun:
    status = shown_status(RunStatus(run.status), Desired(run.desired))
    return ComparedRun(id=run.id, seed=run.config["seed"], arm=run.arm, name=run.name, status=status)


def _deleted(comparison: Comparison, runs: Sequence[Run]) -> list[DeletedRun]:
    """Of a comparison that does not know its seeds, those of which another arm is left."""
    left = {(run.config["seed"], run.arm) for run in runs}
    arms = [arm.name for arm in arms_of(comparison)]
    seeds = comparison.seeds if comparison.seeds is not None else sorted({seed for seed, _ in left})
    return [DeletedRun(seed=seed, arm=arm) for seed in seeds for arm in arms if (seed, arm) not in left]
