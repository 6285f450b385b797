"""Training steps of the engine on images that are in memory already, for benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from worker.contract.config import RunConfig
from worker.engine import execution
from worker.engine.estimate.synthetic import synthetic_dataset
from worker.engine.plan import Plan
from worker.engine.resnet import Block
from worker.engine.state import TrainingState
from worker.engine.step import accumulate, finish_step
from worker.engine.stochastic_depth import survival_probabilities

BOTTLENECKS = (50, 101, 152)
#: So many that the learning rate stays in its warmup.
STEPS_PER_EPOCH = 1000
Mask = Callable[[float], nn.Module]


@dataclass(frozen=True)
class Load:
    depth: int
    image_size: int
    batch: int
    pL: float

    @property
    def is_cifar(self) -> bool:
        return self.depth not in BOTTLENECKS

    @property
    def classes(self) -> int:
        return 10 if self.is_cifar else 1000


@dataclass(frozen=True)
class Way:
    """How steps are computed."""

    sd: bool = False
    amp: str = "off"
    device: str = "cpu"
    sd_mode: str = "batch"
    compiled: bool = False
    autotuned: bool = False

    def __str__(self) -> str:
        words = [self.amp, "SD" if self.sd else "baseline"]
        return ", ".join(words + ["compiled"] * self.compiled + ["autotuned"] * self.autotuned)


def arm_config(load: Load, way: Way) -> RunConfig:
    return RunConfig.model_validate(
        {
            "dataset": "cifar10" if load.is_cifar else "imagenet",
            "data_dir": "/nowhere",
            "depth": load.depth,
            "image_size": load.image_size,
            "batch": load.batch,
            "sd": way.sd,
            "sd_mode": way.sd_mode,
            "pL": load.pL,
            "device": way.device,
            "amp": way.amp,
            "compile": way.compiled,
            "autotune": way.autotuned,
            "lr": 0.01,
        }
    )


class Arm:
    """Steps of one kind, with gates of their own for each."""

    def __init__(self, load: Load, way: Way) -> None:
        config = arm_config(load, way)
        count = load.batch * STEPS_PER_EPOCH
        dataset = synthetic_dataset(train=count, val=1, classes=load.classes, side=load.image_size)
        settled = execution.settle(config)
        self._plan = Plan(config, dataset, settled)
        self._state = TrainingState(config, num_classes=load.classes, execution=settled)
        batch = dataset.train.plain(np.arange(load.batch))
        self._batch = batch._replace(images=batch.images.to(settled.device), labels=batch.labels.to(settled.device))

    def lay_over(self, mask: Mask) -> None:
        """A mask over every branch, which is computed whatever it says."""
        blocks = self._state.model.blocks()
        survival = survival_probabilities(blocks=len(blocks), pL=self._plan.config.pL)
        for block, p in zip(blocks, survival, strict=True):
            block.branch = _masked(block, mask(p).train())

    def step(self) -> float:
        """Its seconds."""
        self._plan.execution.wait()
        start = time.perf_counter()
        self.steps(1)
        self._plan.execution.wait()
        return time.perf_counter() - start

    def steps(self, count: int) -> None:
        """Not waited for."""
        for _ in range(count):
            accumulate(self._batch, plan=self._plan, state=self._state)
            finish_step(plan=self._plan, state=self._state)

    def next_compute(self) -> float:
        """The share of the full compute that the next step's gates leave."""
        keeper = self._plan.gate_keeper
        return self._plan.compute.share(keeper.computed_shares(keeper.open_shares(step=self._state.step)))


def _masked(block: Block, mask: nn.Module) -> Callable[[Tensor], Tensor]:
    branch = block.branch

    def masked(activated: Tensor) -> Tensor:
        kept: Tensor = mask(branch(activated))
        return kept

    return masked
