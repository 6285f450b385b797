"""One training run, from its configuration to its outcome."""

from __future__ import annotations

from pathlib import Path

from worker.contract.config import RunConfig
from worker.engine.checkpoint import Checkpoint
from worker.engine.outcome import Outcome
from worker.engine.ports import Control, MetricSink


def train(
    config: RunConfig, *, sink: MetricSink, control: Control, checkpoints: Path, resume: Checkpoint | None = None
) -> Outcome:
    """Trains until the end or until `control` wants otherwise; checkpoints go into the folder `checkpoints`."""
    raise NotImplementedError
