"""SGD as the paper uses it: momentum, and weight decay on every parameter unless the configuration spares some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from worker.contract.config import RunConfig


def sgd(model: nn.Module, config: RunConfig) -> torch.optim.SGD:
    """SGD whose momentum is there before the first step, at zero and laid out like its weight.

    Momentum that torch makes on first use is missing after a skipped first step and takes the layout of whatever
    gradient came first; a fused step then mixes up elements silently.
    """
    fused = next(model.parameters()).is_cuda
    optimizer = torch.optim.SGD(
        _groups(model, config),
        lr=config.peak_lr,
        momentum=config.momentum,
        nesterov=config.nesterov,
        fused=fused,
    )
    if config.momentum:
        for parameter in model.parameters():
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def _groups(model: nn.Module, config: RunConfig) -> list[dict[str, Any]]:
    """Norms and biases are the parameters of one dimension."""
    spared = [] if config.decay_norms else [parameter for parameter in model.parameters() if parameter.ndim == 1]
    decayed = [parameter for parameter in model.parameters() if config.decay_norms or parameter.ndim > 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": spared, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def momentum_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The momentum by the name of its parameter; everything else in the optimizer follows from the configuration."""
    return {
        name: optimizer.state[parameter]["momentum_buffer"]
        for name, parameter in model.named_parameters()
        if "momentum_buffer" in optimizer.state[parameter]
    }


def load_momentum(model: nn.Module, optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Copies into the buffers that are there, so that they keep their layout."""
    buffers = momentum_state(model, optimizer)
    assert buffers.keys() == saved.keys()
    for name, buffer in buffers.items():
        buffer.copy_(saved[name])
