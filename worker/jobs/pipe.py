"""The pipe twins of the engine's ports: what a training tells goes to the supervisor, what is wanted comes from it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from worker.contract.messages import Point
from worker.contract.status import Desired
from worker.engine.ports import RunStarted, SavedCheckpoint
from worker.jobs.lifeline import Lifeline
from worker.jobs.wire import Measured, Order, Told

_DESIRED = {None: Desired.RUN, Order.PAUSE: Desired.PAUSE, Order.STOP: Desired.STOP}


class PipeControl:
    """Being asked is a sign of life, too: it happens at every step and every batch of an evaluation."""

    def __init__(self, lifeline: Lifeline) -> None:
        self._lifeline = lifeline

    def desired(self) -> Desired:
        self._lifeline.tick()
        return _DESIRED[self._lifeline.order]


class PipeSink:
    def __init__(self, lifeline: Lifeline) -> None:
        self._lifeline = lifeline

    def started(self, run: RunStarted) -> None:
        self._tell(
            "started",
            step=run.step,
            epochs=run.epochs,
            steps_per_epoch=run.steps_per_epoch,
            blocks=run.blocks,
            parameters=run.parameters,
            device=run.device,
            threads=run.threads,
            loader_processes=run.loader_processes,
            versions=dict(run.versions),
        )

    def point(self, point: Point) -> None:
        self._lifeline.say(Measured(point=point))

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        assignment = self._lifeline.assignment
        self._tell(
            "checkpoint",
            root_id=assignment.root_id,
            path=saved.path.relative_to(assignment.files).as_posix(),
            step=saved.step,
            epoch=saved.epoch,
            size_bytes=saved.size_bytes,
            sha256=saved.sha256,
            elapsed_seconds=saved.elapsed_seconds,
            best=saved.best,
        )

    def notice(self, text: str) -> None:
        self._tell("notice", text=text)

    def damaged(self, count: int) -> None:
        """The notices count them."""

    def log(self, line: str) -> None:
        """The supervisor keeps what the process prints."""
        print(f"{datetime.now(UTC):%H:%M:%S} {line}", file=sys.stderr, flush=True)

    def _tell(self, message: str, **body: object) -> None:
        self._lifeline.say(Told(message=message, body={"at": datetime.now(UTC), **body}))
