"""Gradients between micro-batches: their sum over ranks, those of dropped blocks, and their safekeeping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    """Adds up the ranks' gradients; those of blocks that no rank ran stay absent.

    Where gates differ between images, a block may have run on another rank only; this one brings zeros.
    """
    if ranks.count > 1 and gate_per_image:
        _fill_where_present(model, _presence(ranks, model).any(0).tolist())
    ranks.sum_in_place(parameter.grad for parameter in model.parameters() if parameter.grad is not None)


def gathered(ranks: Ranks, model: nn.Module) -> dict[str, list[Tensor | None]]:
    """By name: every rank's own sum over the micro-batches so far, None where it did not run the block.

    Parameters that no rank has a gradient for are left out, so that every rank gathers the same ones.
    """
    found: dict[str, list[Tensor | None]] = {}
    for (name, parameter), present in zip(model.named_parameters(), _presence(ranks, model).T.tolist(), strict=True):
        if any(present):
            own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parts = ranks.gather(own).unbind()
            found[name] = [part if is_there else None for part, is_there in zip(parts, present, strict=True)]
    return found


def restore(ranks: Ranks, model: nn.Module, saved: Mapping[str, Sequence[Tensor | None]]) -> None:
    """In the layout of their parameters, in which backward would have made them."""
    for name, parameter in model.named_parameters():
        own = saved[name][ranks.rank] if name in saved else None
        if own is not None:
            parameter.grad = torch.empty_like(parameter).copy_(own)


def _presence(ranks: Ranks, model: nn.Module) -> Tensor:
    """[ranks, parameters]: who has a gradient of what. No device is waited for."""
    return ranks.gather(torch.tensor([parameter.grad is not None for parameter in model.parameters()]))


def _fill_where_present(model: nn.Module, present: Sequence[bool]) -> None:
    for parameter, is_present in zip(model.parameters(), present, strict=True):
        if is_present and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
