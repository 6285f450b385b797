"""Gradients between micro-batches: their sum over ranks, those of dropped blocks, and their safekeeping."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from worker.engine.ranks import Ranks


def fill_absent(model: nn.Module) -> None:
    """Parameters of dropped blocks get a gradient of zero.

    With none they would stand still, where in the paper weight decay and momentum go on moving them.
    """
    for parameter in model.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)


def sum_over(ranks: Ranks, model: nn.Module, *, gate_per_image: bool) -> None:
    """Adds up the ranks' gradients, those of blocks that no rank ran left out.

    Where gates differ between images, a block may have run on another rank only, so each rank has to bring zeros.
    """
    if ranks.count > 1 and gate_per_image:
        fill_absent(model)
    ranks.sum_in_place(parameter.grad for parameter in model.parameters() if parameter.grad is not None)


def gathered(ranks: Ranks, model: nn.Module) -> dict[str, Tensor]:
    """[ranks, ...] by name: every rank's own sum over the micro-batches so far.

    Gates are the same on all ranks or all bring zeros, so all name the same parameters.
    """
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return {name: ranks.gather(grad) for name, grad in found.items()}


def restore(ranks: Ranks, model: nn.Module, saved: Mapping[str, Tensor]) -> None:
    """In the layout of their parameters, in which backward would have made them."""
    for name, parameter in model.named_parameters():
        if name in saved:
            parameter.grad = torch.empty_like(parameter).copy_(saved[name][ranks.rank])
