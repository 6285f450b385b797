"""What a whole run came to: compute and depth weighted by steps, speed and the time of a step as medians.

A run reports every `log_every` steps, and what it reports is of the steps since its last report. A single report is the
outcome of chance: of the gates that fell into its steps, of what else the machine did meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from pydantic import BaseModel, ConfigDict, Field

from worker.contract.names import Metric
from worker.evidence.blocks import Thinned
from worker.evidence.distribution import Distribution, Quartiles

#: A step is timed once so many have been made since the training process began: the first ones wait for the loader,
#: for kernels to be chosen and, with `compile`, for blocks to be compiled.
WARMUP_STEPS = 10
#: Beyond it no measurement lies, and sums of what does might overflow.
LARGEST = 1e100


class Machine(BaseModel):
    """On what a training process computed, as far as that decides its speed. Two that are equal can be compared."""

    model_config = ConfigDict(frozen=True)

    device: str
    threads: int | None = None
    versions: dict[str, str] = {}


class RunFigures(BaseModel):
    """None where a run has not got so far.

    `compute` is the share of the full network's compute that its steps took, `depth` the blocks that they ran,
    `images_per_second` the median of all reports. `step_seconds` leaves out evaluations, checkpoints, pauses and the
    steps after each start; `machines` are those that made the steps it counts. `train_loss` is the mean over the epoch
    that was trained last, so far.
    """

    model_config = ConfigDict(frozen=True)

    compute: float | None = None
    depth: float | None = None
    images_per_second: float | None = None
    step_seconds: Quartiles | None = None
    #: Medians of parts of the run, for `blocks.median_ratio_interval`; no one's answer.
    step_blocks: list[float] = Field(default=[], exclude=True, repr=False)
    train_loss: float | None = None
    machines: list[Machine] = []

    def stored(self) -> dict[str, Any]:
        """All of it as JSON, to be read again with `model_validate`."""
        return self.model_dump(mode="json") | {"step_blocks": self.step_blocks}


class StepWeightedMean(BaseModel):
    """Each reported value stands for the steps since the one before it, the first for those after `begin`.

    A resume does not change that: what was summed up since the last report is part of the checkpoint. Give the steps in
    ascending order. `through` is the last that is in it.
    """

    begin: int = 0
    through: int = 0
    total: float = 0.0

    def add(self, step: int, value: float) -> None:
        self.total += value * (step - self.through)
        self.through = step

    @property
    def mean(self) -> float | None:
        return self.total / (self.through - self.begin) if self.through > self.begin else None


class Start(BaseModel):
    """A training process began after `step`; `machine` is None where it is not recorded."""

    model_config = ConfigDict(frozen=True)

    step: int
    machine: Machine | None = None


class RunMeasurements(BaseModel):
    """The figures of a run from its reports, given in the order of their steps; after a rewind begin anew.

    It is small however long the run is, and can be stored between two reports. A step is one batch of `batch` images; 0
    of them leaves out the time of a step, None of `steps_per_epoch` the training loss.
    """

    batch: int
    steps_per_epoch: int | None
    through: int = 0
    compute: StepWeightedMean = Field(default_factory=StepWeightedMean)
    depth: StepWeightedMean = Field(default_factory=StepWeightedMean)
    loss: StepWeightedMean = Field(default_factory=StepWeightedMean)
    #: Images a second of all reports, and seconds of a step of those that are timed.
    speeds: Distribution = Field(default_factory=Distribution)
    steps: Distribution = Field(default_factory=Distribution)
    step_series: Thinned = Field(default_factory=Thinned)
    machines: list[Machine | None] = []

    def add(self, step: int, values: Mapping[str, float | None], start: Start) -> None:
        """What was reported at `step` by the process that began with `start`; evaluations are passed over."""
        if is_usable(compute := values.get(Metric.SD_COMPUTE)):
            self.compute.add(step, compute)
        if is_usable(depth := values.get(Metric.SD_DEPTH)):
            self.depth.add(step, depth)
        if is_usable(loss := values.get(Metric.TRAIN_LOSS)):
            self._add_loss(step, loss)
        if is_usable(speed := values.get(Metric.IMAGES_PER_SECOND)) and speed > 1 / LARGEST:
            self._add_speed(speed, start)
        if Metric.IMAGES_PER_SECOND in values:
            self.through = step

    def figures(self, *, blocks: int | None, sd: bool) -> RunFigures:
        """`blocks` are the network's; without stochastic depth all of them run in each step."""
        speed, is_full = self.speeds.quartiles(), not sd and self.through > 0
        known = [machine for machine in self.machines if machine is not None]
        return RunFigures(
            compute=1.0 if is_full else self.compute.mean,
            depth=(float(blocks) if blocks else None) if is_full else self.depth.mean,
            images_per_second=speed.median if speed else None,
            step_seconds=self.steps.quartiles(),
            step_blocks=self.step_series.block_medians(),
            train_loss=self.loss.mean,
            machines=known if len(known) == len(self.machines) else [],
        )

    def _add_loss(self, step: int, loss: float) -> None:
        if not self.steps_per_epoch:
            return
        begin = (step - 1) // self.steps_per_epoch * self.steps_per_epoch
        if begin != self.loss.begin:
            # Of a report over the end of an epoch the part behind it counts for the next.
            self.loss = StepWeightedMean(begin=begin, through=begin)
        self.loss.add(step, loss)

    def _add_speed(self, images_per_second: float, start: Start) -> None:
        self.speeds.add(images_per_second)
        # The report after a resume is in part of steps that the process before has made, so it never counts.
        if self.through < start.step + WARMUP_STEPS or not self.batch:
            return
        self.steps.add(self.batch / images_per_second)
        self.step_series.add(self.batch / images_per_second)
        if start.machine not in self.machines:
            self.machines.append(start.machine)


def is_usable(value: float | None) -> TypeGuard[float]:
    """What is not finite, or cannot have been measured, counts as not reported."""
    return value is not None and abs(value) <= LARGEST
