"""Real training steps of a configuration, timed one chunk at a time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worker.contract.config import RunConfig
from worker.contract.fitting import SMALLEST_PART
from worker.engine.data.images import Batch, Dataset
from worker.engine.estimate.memory import Peak
from worker.engine.execution import Execution
from worker.engine.out_of_memory import is_out_of_memory
from worker.engine.plan import Plan
from worker.engine.state import TrainingState
from worker.engine.step import accumulate, finish_step

#: Steps between two looks at the clock: a GPU works ahead of the program, which waits for it to look.
GPU_CHUNK = 5


@dataclass(frozen=True)
class Sample:
    """Seconds for a step of the configured batch, and the share of the full compute that its gates left."""

    seconds: float
    compute: float


class DoesNotFit(RuntimeError):
    """The device has too little memory for a step."""


class Probe:
    """Steps of one arm, of `size` images at a time: the configured micro-batch, or fewer where that is too many.

    A step with fewer takes its share of the time.
    """

    def __init__(self, config: RunConfig, dataset: Dataset, execution: Execution) -> None:
        self.config = config
        self.execution = execution
        self._dataset = dataset
        self._peak = Peak(execution.device)
        before = self._peak.now() or 0
        whole = _of_size(config, config.micro_batch)
        self._state = TrainingState(whole, num_classes=len(dataset.classes), execution=execution)
        #: What it holds between steps, in bytes.
        self.resident = max(0, (self._peak.now() or 0) - before)
        #: The most that was in use in steps of the present size, in bytes; None where the system does not tell.
        self.peak_bytes: int | None = None
        self.resize(config.micro_batch)

    def resize(self, size: int) -> None:
        self.size = size
        self.peak_bytes = None
        self._plan = Plan(_of_size(self.config, size), self._dataset, self.execution)
        self._batch = _on_device(self._dataset.train.plain(np.arange(size)), self.execution.device)

    @property
    def share(self) -> float:
        """Of a configured step in one of these."""
        return self.size / self.config.micro_batch

    @property
    def expected_compute(self) -> float:
        """The mean share of the full compute over all gate patterns as they occur."""
        keeper = self._plan.gate_keeper
        return self._plan.compute.share(keeper.computed_shares(keeper.survival))

    def timed(self, steps: int) -> Sample:
        """The mean of the next `steps` steps with their own keyed gates. Raises DoesNotFit.

        The weights move once in a step, however few of its images are computed.
        """
        self._peak.reset()
        shares = [self._compute(self._state.step + index) for index in range(steps)]
        self.execution.wait()
        start = time.perf_counter()
        moving = sum(self._tried(self._step) for _ in range(steps))
        self.execution.wait()
        elapsed = time.perf_counter() - start
        self._note_peak()
        return Sample(((elapsed - moving) / self.share + moving) / steps, sum(shares) / steps)

    def forward_seconds(self) -> float:
        """For one image at full depth in an evaluation. Raises DoesNotFit."""
        return self._tried(self._forward)

    def _forward(self) -> float:
        model = self._state.evaluated_model().eval()
        self.execution.wait()
        start = time.perf_counter()
        with torch.no_grad(), self._state.precision.autocast():
            model(self._plan.augment.plain(self._batch.images))
        self.execution.wait()
        return (time.perf_counter() - start) / self.size

    def saved_bytes(self) -> float:
        """What a forward pass with all gates open keeps of one image for the backward pass. Raises DoesNotFit."""
        return self._tried(self._saved)

    def _saved(self) -> float:
        model = self._state.model.train()
        held = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
        saved: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            saved[storage.data_ptr()] = storage.nbytes()
            return tensor

        images = self._plan.augment.plain(self._batch.images[:SMALLEST_PART])
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), self._state.precision.autocast():
            logits = model(images)
        del logits
        return sum(count for place, count in saved.items() if place not in held) / len(images)

    @property
    def chunk(self) -> int:
        return GPU_CHUNK if self.execution.device.type == "cuda" else 1

    def _step(self) -> float:
        """The seconds in which the weights moved, where they have to be told from the rest."""
        for _ in range(self.config.accumulation):
            accumulate(self._batch, plan=self._plan, state=self._state)
        return self._finish()

    def _tried(self, work: Callable[[], float]) -> float:
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            message = (str(error) or "MemoryError").splitlines()[0]
        # Outside of the handler, where nothing holds on to the tensors of the failed step any more.
        self._forget_step()
        raise DoesNotFit(message)

    def _finish(self) -> float:
        if self.share == 1.0:
            finish_step(plan=self._plan, state=self._state)
            return 0.0
        self.execution.wait()
        start = time.perf_counter()
        finish_step(plan=self._plan, state=self._state)
        self.execution.wait()
        return time.perf_counter() - start

    def _forget_step(self) -> None:
        self._state.optimizer.zero_grad(set_to_none=True)
        self._state.micro = 0
        gc.collect()
        if self.execution.device.type == "cuda":
            torch.cuda.empty_cache()

    def _compute(self, step: int) -> float:
        keeper = self._plan.gate_keeper
        return self._plan.compute.share(keeper.computed_shares(keeper.open_shares(step=step)))

    def _note_peak(self) -> None:
        peak = self._peak.since_reset()
        if peak is not None:
            self.peak_bytes = max(peak, self.peak_bytes or 0)


def _of_size(config: RunConfig, size: int) -> RunConfig:
    """One device's part of a batch, in as many micro-batches as configured."""
    part = {"devices": 1, "batch": size * config.accumulation, "lr": config.peak_lr}
    return RunConfig.model_validate({**config.model_dump(mode="json"), **part})


def _on_device(batch: Batch, device: torch.device) -> Batch:
    return batch._replace(images=batch.images.to(device), labels=batch.labels.to(device))
