"""Decides when a checkpoint is due, writes it and tells of it; and keeps what the trained network guesses."""

from __future__ import annotations

import time
from pathlib import Path

from worker.engine import checkpoint
from worker.engine.checkpoint import Checkpoint, CheckpointUnwritable
from worker.engine.divergence import refuse_loss, refuse_weights
from worker.engine.execution import versions
from worker.engine.guesses import GuessMeter, keep_predictions
from worker.engine.plan import Plan
from worker.engine.ports import MetricSink, SavedCheckpoint
from worker.engine.progress import Clock
from worker.engine.state import TrainingState

#: After a checkpoint that the disk did not take.
RETRY_SECONDS = 60.0


class Saver:
    def __init__(
        self,
        folder: Path,
        sink: MetricSink,
        *,
        plan: Plan,
        state: TrainingState,
        clock: Clock,
        resumed_from: Checkpoint | None,
        predictions: Path | None = None,
    ) -> None:
        self._folder = folder
        self._predictions = predictions
        self._sink = sink
        self._plan = plan
        self._state = state
        self._clock = clock
        self._newest = self._place() if resumed_from else None
        self._complaint: str | None = None
        self._saved_at = time.monotonic()

    def is_due(self) -> bool:
        """By the first rank's clock. Every rank has to ask, also for `save`."""
        due = time.monotonic() - self._saved_at >= 60.0 * self._plan.config.checkpoint_minutes
        return bool(self._state.ranks.agree(int(due)))

    def save(self) -> None:
        """Writes the state as it is, unless the newest checkpoint holds just that.

        Raises TrainingDiverged, and on the first rank CheckpointUnwritable: the checkpoints before are as they were.
        """
        if self._place() == self._newest:
            return
        refuse_loss(self._plan, self._state)
        refuse_weights(self._plan, self._state)
        elapsed_seconds = self._clock.elapsed_seconds()
        content = self._content(elapsed_seconds)
        refusal = self._try_to_write(content, elapsed_seconds) if self._state.ranks.is_first else None
        # What one rank holds for saved all do, lest they part at the next time.
        if self._state.ranks.agree(int(refusal is None)):
            self._newest = self._place()
            self._saved_at = time.monotonic()
            self._tell(None)
        if refusal is not None:
            raise refusal

    def save_if_possible(self) -> None:
        """As `save`; where the disk does not take it the training goes on, says so and tries again soon."""
        try:
            self.save()
        except CheckpointUnwritable as refusal:
            self._tell(f"{refusal}; the training goes on meanwhile and tries again")
        if self._place() != self._newest:
            every = 60.0 * self._plan.config.checkpoint_minutes
            self._saved_at = time.monotonic() - every + min(every, RETRY_SECONDS)

    def keep_predictions(self, guesses: GuessMeter) -> None:
        """Every rank has to ask. What is not kept for want of a place ends nothing: the result is known without it."""
        table = guesses.gathered()
        if self._predictions is None or not self._state.ranks.is_first:
            return
        try:
            with self._state.ranks.undisturbed():
                keep_predictions(self._predictions, table, self._plan.dataset)
        except OSError as error:
            self._sink.notice(
                f"the predictions of the validation images are not kept: {self._predictions} cannot be written "
                f"({error.strerror or error}). Comparing image by image needs them; everything else goes on"
            )

    def _tell(self, complaint: str | None) -> None:
        """Once for each folder that refuses, and once when it does not any more."""
        if (complaint is None) != (self._complaint is None):
            self._sink.notice(complaint or "checkpoints are written again")
        self._complaint = complaint

    def _try_to_write(self, content: dict[str, object], elapsed_seconds: float) -> CheckpointUnwritable | None:
        try:
            with self._state.ranks.undisturbed():
                self._write(content, elapsed_seconds)
        except CheckpointUnwritable as refusal:
            return refusal
        return None

    def _place(self) -> tuple[int, int, int]:
        return self._state.step, self._state.micro, self._state.evaluated

    def _write(self, content: dict[str, object], elapsed_seconds: float) -> None:
        state = self._state
        path = checkpoint.checkpoint_path(self._folder, state.step, micro=state.micro)
        written = checkpoint.save(content, path)
        self._sink.checkpoint(
            SavedCheckpoint(
                path=path,
                step=state.step,
                epoch=self._plan.epoch(state.step),
                size_bytes=written.size_bytes,
                sha256=written.sha256,
                elapsed_seconds=elapsed_seconds,
                best=state.best is not None and state.best.step == state.step and not state.micro,
            )
        )

    def _content(self, elapsed_seconds: float) -> dict[str, object]:
        plan = self._plan
        return {
            **self._state.state_dict(),
            "elapsed_seconds": elapsed_seconds,
            "damaged": sorted(plan.damage.told),
            "faint": sorted(plan.faint.told),
            "config": plan.config.model_dump(mode="json"),
            "images": plan.dataset.fingerprint,
            "classes": list(plan.dataset.classes),
            "device": plan.device.type,
            "threads": plan.execution.threads,
            "ranks": plan.execution.ranks.count,
            "versions": versions(),
        }
