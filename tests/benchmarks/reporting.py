"""`python -m tests.benchmarks.reporting FILE STEPS PAUSE`: a trainer that reports and does not train.

A worker starts it in the trainer's place. It goes through STEPS steps, `PAUSE` seconds apart, and writes what telling
of each took on this thread, in seconds: a list for what goes to the worker and one for what goes nowhere, in turn.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import torch

from worker.engine import execution
from worker.engine.augment import Targets
from worker.engine.estimate.synthetic import synthetic_dataset
from worker.engine.plan import Plan
from worker.engine.ports import Control, MetricSink, NullControl, NullSink
from worker.engine.progress import Clock
from worker.engine.reporter import Reporter
from worker.engine.state import TrainingState
from worker.jobs.lifeline import Lifeline, die_with_parent
from worker.jobs.pipe import PipeControl, PipeSink
from worker.jobs.wire import Ended, Outcome

CLASSES = 1000
#: So many that no epoch ends.
STEPS_PER_EPOCH = 1_000_000


class Telling:
    """One way of telling, of the same training."""

    def __init__(self, sink: MetricSink, control: Control, *, plan: Plan, state: TrainingState) -> None:
        self.reporter = Reporter(sink, plan=plan, state=state, clock=Clock(already=0.0))
        self._control = control
        self._images = plan.config.batch
        self.reporter.announce(evaluation_due=False)

    def step(self) -> float:
        """The seconds that it took to ask what is wanted and to tell of a step."""
        start = time.perf_counter()
        self._control.desired()
        self.reporter.after_step(images=self._images)
        return time.perf_counter() - start


def main() -> None:
    path, steps, pause = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    die_with_parent()
    lifeline = Lifeline()
    config = lifeline.assignment.spec.config
    dataset = synthetic_dataset(train=config.batch * STEPS_PER_EPOCH, val=1, classes=CLASSES, side=config.image_side)
    settled = execution.settle(config)
    plan = Plan(config, dataset, settled)
    state = TrainingState(config, num_classes=CLASSES, execution=settled)
    told = Telling(PipeSink(lifeline), PipeControl(lifeline), plan=plan, state=state)
    alone = Telling(NullSink(), NullControl(), plan=plan, state=state)
    logits, labels = torch.zeros(config.batch, CLASSES), torch.zeros(config.batch, dtype=torch.int64)
    seconds: dict[str, list[float]] = {"told": [], "alone": []}
    for step in range(steps):
        # As many steps of a kind after each other as make one point.
        is_told = step // config.log_every % 2 == 0
        state.meter.add(mean_loss=torch.tensor(1.0), logits=logits, targets=Targets(labels))
        state.depth_meter.add(blocks=12.0, compute=0.76)
        state.step += 1
        seconds["told" if is_told else "alone"].append((told if is_told else alone).step())
        time.sleep(pause)
    path.write_text(json.dumps(seconds))
    lifeline.say(Ended(outcome=Outcome.COMPLETED, step=state.step))
    os._exit(0)


if __name__ == "__main__":
    main()
