"""What can be asked of runs. Each function works within the transaction of the session that it is given; what is to be
said to the outside follows the commit (see `Parts.announce`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.db.changes import next_change, note_change
from backend.db.tables import Comparison, Run
from backend.errors import Conflict
from backend.runs.configs import check_config
from backend.runs.creation import NewRow, insert_run, valid_config
from backend.runs.inputs import MAX_NAME, NewRun, RunEdit
from backend.runs.queries import get_run
from backend.runs.transitions import change_status, set_desired
from worker.contract.status import Actor, Desired, RunStatus, shown_status
from worker.contract.text import without_faults

_CLONE = "it can be cloned, which makes a new run"
#: What a refusal offers instead, by the status that is shown.
_REMEDIES = {
    "queued": "it can be paused, stopped or deleted",
    "starting": "it can be paused or stopped",
    "running": "it can be paused or stopped",
    "pausing": "it can be resumed or stopped",
    "stopping": "wait until it is stopped; then it can be resumed or deleted",
    "paused": "it can be resumed, stopped or deleted",
    "failed": "it can be resumed from its last checkpoint, cloned or deleted",
    "stopped": "it can be resumed from its last checkpoint, cloned or deleted",
    "completed": f"that is final; {_CLONE}, or deleted",
}


def launch_run(session: Session, new: NewRun) -> Run:
    """Raises BadInput where its images are not there."""
    check_config(session, new.config)
    row = NewRow(name=new.name, config=new.config, tags=new.tags, notes=new.notes)
    return insert_run(session, row, at=datetime.now(UTC))


def clone_run(session: Session, run_id: str) -> Run:
    """A new run with the same configuration. Raises NotFound, and BadInput where that is not valid any more."""
    origin = get_run(session, run_id)
    config = valid_config(origin.config)
    check_config(session, config)
    # Of an older version, which took more than a name may hold today.
    name = without_faults(origin.name)
    again = f"{name} (again)"
    tags = [tag for tag in map(without_faults, origin.tags) if tag]
    row = NewRow(name=again if len(again) <= MAX_NAME else name, config=config, tags=tags)
    return insert_run(session, row, at=datetime.now(UTC))


def edit_run(session: Session, run_id: str, edit: RunEdit) -> Run:
    """Raises NotFound, and BadInput for a new text that holds what it may not."""
    run = get_run(session, run_id)
    changed = edit.changes({"name": run.name, "tags": run.tags, "notes": run.notes})
    for name, value in changed.items():
        setattr(run, name, value)
    if changed:
        run.change = note_change(session, "run", run.id)
    return run


def pause_run(session: Session, run_id: str) -> Run:
    """Raises NotFound, or Conflict where it is final or about to stop. Asked of a paused run it changes nothing."""
    run = get_run(session, run_id)
    match shown_status(RunStatus(run.status), Desired(run.desired)):
        case "starting" | "running":
            set_desired(session, run, Desired.PAUSE)
        case "queued":
            _change(session, run, to=RunStatus.PAUSED, asked="paused")
        case "pausing" | "paused":
            pass
        case _:
            raise _refusal(run, "paused")
    return run


def resume_run(session: Session, run_id: str) -> Run:
    """Raises NotFound, or Conflict where it is completed or about to stop. One that goes on anyway stays as it is."""
    run = get_run(session, run_id)
    match shown_status(RunStatus(run.status), Desired(run.desired)):
        case "pausing":
            set_desired(session, run, Desired.RUN)
        case "paused" | "failed" | "stopped":
            run.not_before, run.crashes = None, 0
            _change(session, run, to=RunStatus.QUEUED, asked="resumed")
        case "queued" | "starting" | "running":
            pass
        case _:
            raise _refusal(run, "resumed")
    return run


def stop_run(session: Session, run_id: str) -> Run:
    """Raises NotFound, or Conflict where it is completed or failed. Asked of a stopped run it changes nothing."""
    run = get_run(session, run_id)
    match shown_status(RunStatus(run.status), Desired(run.desired)):
        case "starting" | "running" | "pausing":
            set_desired(session, run, Desired.STOP)
        case "queued" | "paused":
            _change(session, run, to=RunStatus.STOPPED, asked="stopped")
        case "stopping" | "stopped":
            pass
        case _:
            raise _refusal(run, "stopped")
    return run


def delete_run(session: Session, run_id: str) -> Run:
    """Deletes a run that no worker holds, with all that belongs to it. Raises NotFound or Conflict.

    The run that comes back says, as its last word, that it is stopped: whoever heard its ring reads that.
    """
    run = get_run(session, run_id)
    if RunStatus(run.status).is_live:
        raise _refusal(run, "deleted")
    next_change(session)
    if run.status == RunStatus.QUEUED:
        _change(session, run, to=RunStatus.STOPPED, asked="deleted")
    session.flush()
    _close_gap(session, run)
    session.execute(delete(Run).where(Run.id == run.id).execution_options(synchronize_session=False))
    note_change(session, "deleted", run.id, {"run_id": run.id})
    if run.comparison_id is not None:
        _leave_comparison(session, run.comparison_id)
    session.expunge(run)
    return run


COMMANDS: dict[str, Callable[[Session, str], Run]] = {
    "pause": pause_run,
    "resume": resume_run,
    "stop": stop_run,
    "delete": delete_run,
}


def _close_gap(session: Session, run: Run) -> None:
    """What came after a run that is deleted comes after the one before it."""
    if run.comparison_id is None:
        return
    followers = select(Run).where(Run.comparison_id == run.comparison_id, Run.after_id == run.id)
    for following in session.execute(followers).scalars().all():
        following.after_id = run.after_id
        following.change = note_change(session, "run", following.id)
    session.flush()


def _leave_comparison(session: Session, comparison_id: str) -> None:
    """A comparison without runs is none any more."""
    comparison = session.get(Comparison, comparison_id)
    if comparison is None:
        return
    if session.execute(select(Run.id).where(Run.comparison_id == comparison_id).limit(1)).first() is not None:
        comparison.change = note_change(session, "comparison", comparison_id)
        return
    session.delete(comparison)
    note_change(session, "deleted", comparison_id, {"comparison_id": comparison_id})


def _change(session: Session, run: Run, *, to: RunStatus, asked: str) -> None:
    if not change_status(session, run, to=to, by=Actor.API):
        raise Conflict(f"{run.name} ({run.id}) changed while it was to be {asked}; look at it and ask again")


def _refusal(run: Run, asked: str) -> Conflict:
    shown = shown_status(RunStatus(run.status), Desired(run.desired))
    return Conflict(f"{run.name} ({run.id}) is {shown} and cannot be {asked}; {_REMEDIES[shown]}")
