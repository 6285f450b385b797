"""What a network costs, block by block, counted on shapes alone."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from worker.engine.resnet import ResNet, skeleton
from worker.engine.stochastic_depth import Compute


def count_compute(*, depth: int, num_classes: int, image_side: int) -> Compute:
    """Multiply-adds of convolutions and the classifier for one image. Norms and ReLUs are not counted.

    A transition block's first norm and its projection run even when its branch is skipped, so they are fixed.
    """
    model = skeleton(depth=depth, num_classes=num_classes).eval()
    costs = _costs_by_module(model, image_side)
    branches = tuple(
        sum(costs.get(part, 0) for name, part in block.named_children() if name != "shortcut")
        for block in model.blocks()
    )
    return Compute(fixed=sum(costs.values()) - sum(branches), branches=branches)


def _costs_by_module(model: ResNet, image_side: int) -> dict[nn.Module, int]:
    costs: dict[nn.Module, int] = {}

    def count(module: nn.Module, _inputs: Any, output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        # Each output number takes one multiply-add for every weight of its filter.
        costs[module] = output[0].numel() * math.prod(weight.shape[1:])

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        model(torch.empty(1, 3, image_side, image_side, device="meta"))
    return costs
