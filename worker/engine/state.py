"""Everything of a training that moves, and its way into a checkpoint and back."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from worker.contract.config import RunConfig
from worker.engine import gradients, resnet
from worker.engine.execution import Execution
from worker.engine.meters import DepthMeter, Meter
from worker.engine.optimizer import load_momentum, momentum_state, sgd
from worker.engine.outcome import Best
from worker.engine.precision import Precision
from worker.engine.stochastic_depth import Rows
from worker.engine.weight_average import WeightAverage

COMPILED_VARIANTS = 512


class TrainingState:
    """`step` steps are done, and `micro` micro-batches of the next; `evaluated` epochs are behind an evaluation.

    The meters hold what is not yet reported.
    """

    def __init__(self, config: RunConfig, *, num_classes: int, execution: Execution) -> None:
        device = execution.device
        self.ranks = execution.ranks
        self.model: resnet.ResNet = build_model(config, num_classes=num_classes).to(
            device=device,
            memory_format=torch.channels_last,  # type: ignore[call-overload]
        )
        self.average = None if config.ema is None else WeightAverage(self.model, decay=config.ema)
        self.optimizer = sgd(self.model, config)
        self.precision = Precision(execution.amp, device)
        self.meter = Meter(device, self.ranks)
        self.depth_meter = DepthMeter()
        self.step = 0
        self.micro = 0
        self.evaluated = 0
        self.best: Best | None = None
        if config.compile:
            compile_blocks(self.model, autotune=config.autotune)

    def evaluated_model(self) -> resnet.ResNet:
        """The network to evaluate, on every rank the same: a copy with the average, where there is one."""
        model = self.model
        if self.average is not None:
            model = copy.deepcopy(self.model)
            model.load_state_dict(self.average.tensors)
        # Each rank has batch-norm statistics of its own, and so has its average.
        self.ranks.take_from_first(model.buffers())
        return model

    def state_dict(self) -> dict[str, Any]:
        """References to the live tensors: write it out before the next step. Every rank has to ask."""
        return {
            "step": self.step,
            "micro": self.micro,
            "evaluated": self.evaluated,
            "best": None if self.best is None else {"top1": self.best.top1, "step": self.best.step},
            "model": dict(self.model.state_dict()),
            "average": None if self.average is None else self.average.tensors,
            "momentum": momentum_state(self.model, self.optimizer),
            "gradients": gradients.gathered(self.ranks, self.model) if self.micro else {},
            "scaler": self.precision.state_dict(),
            "meter": self.meter.state_dict(),
            "depth_meter": self.depth_meter.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.step = int(state["step"])
        self.micro = int(state["micro"])
        self.evaluated = int(state["evaluated"])
        best = state["best"]
        self.best = None if best is None else Best(top1=best["top1"], step=best["step"])
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.load(state["average"])
        load_momentum(self.model, self.optimizer, state["momentum"])
        gradients.restore(self.ranks, self.model, state["gradients"])
        self.precision.load_state_dict(state["scaler"])
        self.meter.load_state_dict(state["meter"])
        self.depth_meter.load_state_dict(state["depth_meter"])


def build_model(config: RunConfig, *, num_classes: int) -> resnet.ResNet:
    """The network of `config` on the CPU with its first weights."""
    return resnet.build(
        depth=config.depth,
        num_classes=num_classes,
        survival=resnet.survival_rule(config),
        zero_init=config.zero_init,
        seed=config.seed,
    )


def compile_blocks(model: resnet.ResNet, *, autotune: bool = False) -> None:
    """Block by block, because the whole network would be compiled anew for every pattern of gates.

    Blocks share one code object, and torch gives up after 8 variants of it; open and closed, in training and in an
    evaluation, with each block's own shape and scale, make more. What is compiled must not depend on which gates come
    first, or a resumed run would end with other bits: kernels are chosen by rule and not by the clock, unless
    `autotune`, and what varies is a variable from the start, and not from its second value on.
    """
    from torch import _dynamo, _inductor

    _inductor.config.deterministic = not autotune
    _dynamo.config.automatic_dynamic_shapes = False
    _dynamo.config.recompile_limit = max(_dynamo.config.recompile_limit, COMPILED_VARIANTS)
    _dynamo.config.accumulated_recompile_limit = max(
        _dynamo.config.accumulated_recompile_limit, COMPILED_VARIANTS * len(model.blocks())
    )
    for block in model.blocks():
        block.compile()
    model.register_forward_pre_hook(_mark_varying, with_kwargs=True)


def _mark_varying(_model: nn.Module, _args: tuple[Any, ...], given: dict[str, Any]) -> None:
    """How many images a block runs, where that differs from step to step, is no reason to compile it anew."""
    from torch import _dynamo

    for gate in given.get("gates") or ():
        if isinstance(gate, Rows) and gate.kept is not None:
            _dynamo.maybe_mark_dynamic(gate.kept, 0)
