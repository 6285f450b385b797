"""Everything of a training that moves, and its way into a checkpoint and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from worker.contract.config import RunConfig
from worker.engine import resnet
from worker.engine.execution import Execution
from worker.engine.meters import DepthMeter, Meter
from worker.engine.optimizer import load_momentum, momentum_state, sgd
from worker.engine.outcome import Best
from worker.engine.precision import Precision


class TrainingState:
    """`step` steps are done; `evaluated` epochs have been evaluated; the meters hold what is not yet reported."""

    def __init__(self, config: RunConfig, *, num_classes: int, execution: Execution) -> None:
        device = execution.device
        model = resnet.build(
            depth=config.depth,
            num_classes=num_classes,
            sd=config.sd,
            pL=config.pL,
            zero_init=config.zero_init,
            seed=config.seed,
        )
        self.model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = sgd(self.model, config)
        self.precision = Precision(execution.amp, device)
        self.meter = Meter(device)
        self.depth_meter = DepthMeter()
        self.step = 0
        self.evaluated = 0
        self.best: Best | None = None

    def state_dict(self) -> dict[str, Any]:
        """References to the live tensors: write it out before the next step."""
        return {
            "step": self.step,
            "evaluated": self.evaluated,
            "best": None if self.best is None else {"top1": self.best.top1, "step": self.best.step},
            "model": dict(self.model.state_dict()),
            "momentum": momentum_state(self.model, self.optimizer),
            "scaler": self.precision.state_dict(),
            "meter": self.meter.state_dict(),
            "depth_meter": self.depth_meter.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.step = int(state["step"])
        self.evaluated = int(state["evaluated"])
        self.best = None if state["best"] is None else Best(**state["best"])
        self.model.load_state_dict(state["model"])
        load_momentum(self.model, self.optimizer, state["momentum"])
        self.precision.load_state_dict(state["scaler"])
        self.meter.load_state_dict(state["meter"])
        self.depth_meter.load_state_dict(state["depth_meter"])
