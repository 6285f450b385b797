"""The orders in which runs, and what belongs to one, are listed."""

from __future__ import annotations

from sqlalchemy import case, func

from backend.cursors import Key, Order, integer, moment, number, text
from backend.db.tables import Checkpoint, Run, RunEvent
from backend.errors import BadInput
from worker.contract.status import RunStatus

#: The share of its epochs that a run has trained; a completed one has trained all that it was to.
_PROGRESS = case((Run.status == RunStatus.COMPLETED, 1.0), else_=Run.epoch / Run.config["epochs"].as_float())


def _progress(run: Run) -> float:
    return 1.0 if run.status == RunStatus.COMPLETED else run.epoch / float(run.config["epochs"])


_ID = Key[Run](Run.id, lambda run: run.id, text)
_SORTS: dict[str, Key[Run]] = {
    "created_at": Key(Run.created_at, lambda run: run.created_at, moment),
    "name": Key(Run.name_folded, lambda run: run.name_folded, text),
    "status": Key(Run.status, lambda run: run.status, text),
    # A run without an accuracy comes below all others.
    "best": Key(
        func.coalesce(Run.best_top1, -1.0), lambda run: run.best_top1 if run.best_top1 is not None else -1.0, number
    ),
    "elapsed": Key(Run.elapsed_seconds, lambda run: run.elapsed_seconds, number),
    "epoch": Key(Run.epoch, lambda run: run.epoch, number),
    "progress": Key(_PROGRESS, _progress, number),
    "change": Key(Run.change, lambda run: run.change, integer),
}
RUN_SORTS = tuple(_SORTS)

#: In the order in which they are rung (see queue.py).
QUEUE = Order[Run]("queue", [_SORTS["created_at"], _ID])


def order_of_runs(sort: str) -> Order[Run]:
    """`sort` begins with - to descend. Raises BadInput."""
    name = sort.removeprefix("-")
    if name not in _SORTS:
        raise BadInput(
            {"sort": [f"unknown sort {sort!r}; choose from {', '.join(_SORTS)}, with - before it to descend"]}
        )
    return Order(f"runs by {sort}", [_SORTS[name], _ID], descends=sort.startswith("-"))


def order_of_events(run_id: str, *, newest_first: bool) -> Order[RunEvent]:
    """As they were recorded."""
    direction = "newest" if newest_first else "oldest"
    key = Key[RunEvent](RunEvent.id, lambda event: event.id, integer)
    return Order(f"events of {run_id}, {direction} first", [key], descends=newest_first)


def order_of_checkpoints(run_id: str) -> Order[Checkpoint]:
    """Newest first: those of a later attempt went on from earlier ones."""
    keys = [
        Key[Checkpoint](Checkpoint.attempt, lambda checkpoint: checkpoint.attempt, integer),
        Key[Checkpoint](Checkpoint.step, lambda checkpoint: checkpoint.step, integer),
        Key[Checkpoint](Checkpoint.id, lambda checkpoint: checkpoint.id, integer),
    ]
    return Order(f"checkpoints of {run_id}", keys, descends=True)
