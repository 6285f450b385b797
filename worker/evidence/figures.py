"""What a whole run came to: compute and depth weighted by steps, speed and the time of a step as medians.

A run reports every `log_every` steps, and what it reports is of the steps since its last report. A single report is the
outcome of chance: of the gates that fell into its steps, of what else the machine did meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from worker.contract.names import Metric

#: A step is timed once so many have been made since the training process began: the first ones wait for the loader,
#: for kernels to be chosen and, with `compile`, for blocks to be compiled.
WARMUP_STEPS = 10


class Machine(BaseModel):
    """On what a training process computed, as far as that decides its speed. Two that are equal can be compared."""

    model_config = ConfigDict(frozen=True)

    device: str
    threads: int | None = None
    versions: dict[str, str] = {}


class Quartiles(BaseModel):
    """The median of `n` values, and the quartiles between which their middle half lies."""

    model_config = ConfigDict(frozen=True)

    median: float
    q1: float
    q3: float
    n: int


class RunFigures(BaseModel):
    """None where a run has not got so far.

    `compute` is the share of the full network's compute that its steps took, `depth` the blocks that they ran,
    `images_per_second` the median of all reports. `step_seconds` leaves out evaluations, checkpoints, pauses and the
    steps after each start; `machines` are those that made the steps it counts. `train_loss` is the mean over the last
    epoch.
    """

    model_config = ConfigDict(frozen=True)

    compute: float | None = None
    depth: float | None = None
    images_per_second: float | None = None
    step_seconds: Quartiles | None = None
    train_loss: float | None = None
    machines: list[Machine] = []


@dataclass
class StepWeightedMean:
    """Each reported value stands for the steps since the one before it, the first for those after `begin`.

    A resume does not change that: what was summed up since the last report is part of the checkpoint. Give the steps in
    ascending order. After a rewind begin anew with what is left.
    """

    begin: int = 0
    total: float = 0.0
    #: The last step that is in it; `begin` while there is none.
    through: int = -1

    def __post_init__(self) -> None:
        self.through = max(self.begin, self.through)

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


class Window(NamedTuple):
    """A report of speed: the steps up to `step` since the report before, by the process that began with `start`."""

    step: int
    images_per_second: float
    start: Start


def quartiles(values: Sequence[float]) -> Quartiles | None:
    """By linear interpolation between the ordered values (Hyndman and Fan 1996, definition 7, as in numpy)."""
    if not values:
        return None
    if len(values) == 1:
        return Quartiles(median=values[0], q1=values[0], q3=values[0], n=1)
    q1, middle, q3 = quantiles(values, n=4, method="inclusive")
    return Quartiles(median=middle, q1=q1, q3=q3, n=len(values))


def timed(windows: Iterable[Window]) -> list[Window]:
    """Those whose steps all lie behind the warm-up of their process; `windows` in ascending order of steps."""
    found, before = [], 0
    for window in windows:
        # The report after a resume is in part of steps that the process before has made, so it never counts.
        if before >= window.start.step + WARMUP_STEPS and window.images_per_second > 0:
            found.append(window)
        before = window.step
    return found


def speed_figures(windows: Sequence[Window], *, batch: int) -> RunFigures:
    """Speed, time of a step and machines. A step is one batch of `batch` images."""
    counted = timed(windows)
    machines = [window.start.machine for window in counted]
    return RunFigures(
        images_per_second=median(window.images_per_second for window in windows) if windows else None,
        step_seconds=quartiles([batch / window.images_per_second for window in counted]),
        machines=_distinct([machine for machine in machines if machine is not None]) if all(machines) else [],
    )


def last_epoch_mean(points: Iterable[tuple[int, float]], *, steps_per_epoch: int) -> float | None:
    """Over the last `steps_per_epoch` steps, weighted by steps; `points` are (step, value) in ascending order."""
    told = list(points)
    mean = StepWeightedMean(begin=max(0, told[-1][0] - steps_per_epoch) if told else 0)
    for step, value in told:
        if step > mean.begin:
            mean.add(step, value)
    return mean.mean


def with_full_depth(figures: RunFigures, *, blocks: int | None, has_steps: bool) -> RunFigures:
    """A run that reports no share of compute runs every block in each of its steps."""
    if figures.compute is not None or not has_steps:
        return figures
    return figures.model_copy(update={"compute": 1.0, "depth": float(blocks) if blocks else None})


class RunMeasurements:
    """The figures of a run from all of its points, for who has no database: give starts and points in their order."""

    def __init__(self, *, batch: int, steps_per_epoch: int, blocks: int) -> None:
        self._batch = batch
        self._steps_per_epoch = steps_per_epoch
        self._blocks = blocks
        self._starts: list[Start] = []
        self._means = {Metric.SD_COMPUTE: StepWeightedMean(), Metric.SD_DEPTH: StepWeightedMean()}
        self._windows: list[Window] = []
        self._losses: deque[tuple[int, float]] = deque()

    def started(self, start: Start) -> None:
        self._starts.append(start)

    def add(self, step: int, values: Mapping[str, float | None]) -> None:
        """Metrics of one step. What is None, for not being finite, counts as not reported."""
        for metric, mean in self._means.items():
            if (value := values.get(metric)) is not None:
                mean.add(step, value)
        if (speed := values.get(Metric.IMAGES_PER_SECOND)) is not None:
            self._windows.append(Window(step, speed, self._start_before(step)))
        if (loss := values.get(Metric.TRAIN_LOSS)) is not None:
            self._losses.append((step, loss))
            while self._losses[0][0] <= step - self._steps_per_epoch:
                self._losses.popleft()

    def figures(self) -> RunFigures:
        compute, depth = (mean.mean for mean in self._means.values())
        loss = last_epoch_mean(self._losses, steps_per_epoch=self._steps_per_epoch)
        found = speed_figures(self._windows, batch=self._batch)
        found = found.model_copy(update={"compute": compute, "depth": depth, "train_loss": loss})
        return with_full_depth(found, blocks=self._blocks, has_steps=bool(self._windows))

    def _start_before(self, step: int) -> Start:
        """A later start makes what came after it void, so the process that made a step is the last before it."""
        return max((start for start in self._starts if start.step < step), key=lambda start: start.step, default=_FIRST)


_FIRST = Start(step=0)


def _distinct(machines: Sequence[Machine]) -> list[Machine]:
    found: list[Machine] = []
    for machine in machines:
        if machine not in found:
            found.append(machine)
    return found
