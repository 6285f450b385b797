"""Tells the sink how the training goes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from worker.contract.messages import Point
from worker.contract.names import Metric
from worker.engine.data.together import DamageLog
from worker.engine.divergence import refuse_loss
from worker.engine.evaluate import Evaluation
from worker.engine.execution import versions
from worker.engine.plan import Plan
from worker.engine.ports import MetricSink, RunStarted
from worker.engine.progress import Clock, Throughput
from worker.engine.resnet import count_parameters
from worker.engine.state import TrainingState

TOP5_FROM_CLASSES = 5
#: So many damaged files are noticed one by one, then each doubling of their number: a run's history is for people.
NOTICED_ONE_BY_ONE = 100


class Reporter:
    """What is told is a pure function of the configuration, but for times and speeds."""

    def __init__(self, sink: MetricSink, *, plan: Plan, state: TrainingState, clock: Clock) -> None:
        self.throughput = Throughput()
        self._sink = sink
        self._plan = plan
        self._state = state
        self._clock = clock

    def announce(self, *, evaluation_due: bool) -> None:
        plan, state = self._plan, self._state
        self.throughput.reset()
        self._sink.started(
            RunStarted(
                step=state.step,
                epochs=plan.config.epochs,
                steps_per_epoch=plan.steps_per_epoch,
                blocks=len(state.model.blocks()),
                parameters=count_parameters(state.model),
                device=plan.execution.device_name,
                threads=plan.execution.threads,
                evaluation_due=evaluation_due,
                versions=versions(),
                loader_processes=plan.loader.count,
                loader=str(plan.loader),
                damaged_files=len(plan.damage.told),
            )
        )
        for sentence in plan.notices():
            self._sink.notice(sentence)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Evaluations and checkpoints are not training; what a GPU has still to do of the steps before them is."""
        self._plan.execution.wait()
        with self.throughput.standing_still():
            yield

    def after_step(self, *, images: int) -> None:
        """A point of the training curves every `log_every` steps, and at the last one."""
        plan, state = self._plan, self._state
        self.throughput.add(images)
        if state.step % plan.config.log_every and state.step != plan.total_steps:
            return
        refuse_loss(plan, state)
        loss, top1, _ = state.meter.means()
        values = {
            Metric.TRAIN_LOSS: loss,
            Metric.TRAIN_TOP1: top1,
            Metric.LR: plan.schedule.lr(state.step - 1),
            Metric.IMAGES_PER_SECOND: self.throughput.images_per_second(),
        }
        if plan.config.sd:
            values[Metric.SD_DEPTH], values[Metric.SD_COMPUTE] = state.depth_meter.means()
        self._tell(values)
        self.tell_damage()
        state.meter.reset()
        state.depth_meter.reset()
        self.throughput.reset()

    def after_evaluation(self, result: Evaluation) -> None:
        values = {Metric.VAL_LOSS: result.loss, Metric.VAL_TOP1: result.top1}
        if len(self._plan.dataset.classes) >= TOP5_FROM_CLASSES:
            values[Metric.VAL_TOP5] = result.top5
        self._tell(values)
        self.tell_damage()
        epoch = self._state.evaluated
        self._sink.log(
            f"epoch {epoch}/{self._plan.config.epochs}: val/top1 {result.top1:.2f} %, val/loss {result.loss:.4f}"
        )

    def tell_damage(self) -> None:
        """Of the files that could not be decoded, or show nearly nothing, since it was last told. Every rank has to."""
        if self._name_each(self._plan.damage, "damaged files", many="files cannot be decoded"):
            self._sink.damaged(len(self._plan.damage.told))
        self._name_each(self._plan.faint, "such images", many="images are seen as nearly one shade")

    def _name_each(self, log: DamageLog, what: str, *, many: str) -> bool:
        """Whether there was any."""
        news = log.news()
        for number, sentence in enumerate(news, start=len(log.told) - len(news) + 1):
            self._name(sentence, number, what, many)
        return bool(news)

    def _name(self, sentence: str, count: int, what: str, many: str) -> None:
        counted = f"{sentence} ({what} so far: {count:,})"
        if count <= NOTICED_ONE_BY_ONE:
            self._sink.notice(counted)
            return
        self._sink.log(counted)
        if count % NOTICED_ONE_BY_ONE == 0 and (count // NOTICED_ONE_BY_ONE).bit_count() == 1:
            self._sink.notice(f"{count:,} {many} so far; the log names each of them")

    def _tell(self, values: dict[Metric, float]) -> None:
        self._sink.point(
            Point(
                step=self._state.step,
                epoch=self._plan.epoch(self._state.step),
                elapsed_seconds=self._clock.elapsed_seconds(),
                at=datetime.now(UTC),
                values={name.value: value if math.isfinite(value) else None for name, value in values.items()},
            )
        )
