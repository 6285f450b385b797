"""Changes to a comparison that is launched: its name, its plan, its seeds."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.compare.design import plan_of
from backend.compare.deviations import Deviation, has_begun, plan_changes, seeds_change
from backend.compare.service import launch_seeds
from backend.db.changes import note_change
from backend.db.clock import service_now
from backend.db.tables import Comparison, Run
from backend.errors import BadInput, Conflict
from backend.runs.inputs import Body, GivenName, Seeds
from worker.contract.plan import Plan, Stopping
from worker.contract.status import RunStatus


class ComparisonEdit(Body):
    """Only what is given is changed. `seeds` are all that it shall have: runs of further ones are launched, and one
    that is left out counts no more, its runs staying as they are. What is changed in plan or seeds after the first run
    has started is kept as a deviation, and mostly costs the plan its claim.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "digits, again"}, {"seeds": "0-6"}, {"plan": {"confidence": 0.99}}]}
    )

    name: GivenName | None = None
    plan: Plan | None = None
    seeds: Seeds | None = Field(default=None)


def edit_comparison(session: Session, comparison: Comparison, edit: ComparisonEdit) -> list[str]:
    """The ids of the runs that are launched. Raises BadInput and Conflict."""
    of_it = select(Run).where(Run.comparison_id == comparison.id).order_by(Run.created_at, Run.id)
    runs = session.execute(of_it).scalars().all()
    now = service_now(session)
    before, seeds = plan_of(comparison), _seeds_of(comparison, runs)
    plan, wanted = edit.plan or before, edit.seeds if edit.seeds is not None else seeds
    if comparison.config is None and wanted != seeds:
        raise Conflict("this comparison is of a version that kept no settings to launch seeds with; create a new one")
    _refuse(plan, wanted, seeds, runs)
    changes = [*plan_changes(before, plan, at=now), *seeds_change(seeds, wanted, at=now)]
    if changes and has_begun(comparison, runs):
        _keep(comparison, changes)
    comparison.name = edit.name or comparison.name
    if edit.plan is not None:
        comparison.plan = plan.model_dump(mode="json")
        comparison.is_open = plan.stopping is Stopping.SEQUENTIAL
        comparison.ended_reason = None
    launched = []
    if edit.seeds is not None:
        comparison.seeds = [seed for seed in seeds if seed in wanted]
        fresh = [seed for seed in wanted if seed not in seeds]
        launched = _launched(session, comparison, fresh, runs)
        comparison.seeds = wanted
    if changes or edit.name is not None:
        comparison.change = note_change(session, "comparison", comparison.id)
    return launched


def _seeds_of(comparison: Comparison, runs: Sequence[Run]) -> list[int]:
    return list(comparison.seeds) if comparison.seeds is not None else sorted({run.config["seed"] for run in runs})


def _launched(session: Session, comparison: Comparison, seeds: list[int], runs: Sequence[Run]) -> list[str]:
    """A seed that was dropped before has its runs already."""
    there = {run.config["seed"] for run in runs}
    new = [seed for seed in seeds if seed not in there]
    if not new:
        return []
    last = runs[-1] if runs else None
    tags, notes = (last.tags, last.notes) if last is not None else ([], "")
    made = launch_seeds(session, comparison, new, at=service_now(session), tags=tags, notes=notes, after=last)
    return [run.id for run in made]


def _keep(comparison: Comparison, changes: list[Deviation]) -> None:
    told = [change.model_dump(mode="json") for change in changes]
    comparison.deviations = [*(comparison.deviations or ()), *told]


def _refuse(plan: Plan, wanted: list[int], seeds: list[int], runs: Sequence[Run]) -> None:
    most = plan.most_seeds
    if most is not None and len(wanted) > most:
        raise BadInput({"seeds": [f"{len(wanted)} seeds exceed the plan's max_seeds of {most}; name fewer"]})
    for seed in seeds:
        if seed not in wanted and any(_is_going_on(run) for run in runs if run.config["seed"] == seed):
            raise Conflict(f"seed {seed} has runs that are not over and cannot be dropped; stop or delete them before")


def _is_going_on(run: Run) -> bool:
    return not RunStatus(run.status).is_final
