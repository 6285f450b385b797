"""Images taken out of a batch, and what is computed of them added to it again.

torch's own derivatives of both are `index_add`, which on a GPU waits for the device, twice each time, wherever
algorithms have to be deterministic. No image is taken twice, so there a table of places does as well, by reading alone
(see `Rows`); on a CPU `index_add` is quicker. The numbers are the same.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def taken_out(images: Tensor, *, kept: Tensor, places: Tensor) -> Tensor:
    """[N, ...] -> [K, ...], those at `kept`."""
    parts: Tensor = _TakenOut.apply(images, kept, places)
    return parts


def added_back(images: Tensor, parts: Tensor, *, kept: Tensor, places: Tensor) -> Tensor:
    """[N, ...], with `parts` [K, ...] added to those at `kept`."""
    sums: Tensor = _AddedBack.apply(images, parts, kept, places)
    return sums


class _TakenOut(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, kept: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(kept, places)
        return images.index_select(0, kept)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        kept, places = ctx.saved_tensors
        (grad,) = grads
        if grad.device.type == "cpu":
            return grad.new_zeros((len(places), *grad.shape[1:])).index_add_(0, kept, grad), None, None
        return spread(grad, places=places), None, None


class _AddedBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, parts: Tensor, kept: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(kept)
        if images.device.type == "cpu":
            return images.index_add(0, kept, parts)
        return images + spread(parts, places=places)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (kept,) = ctx.saved_tensors
        (grad,) = grads
        return grad, grad.index_select(0, kept), None, None


def spread(parts: Tensor, *, places: Tensor) -> Tensor:
    """[K, ...] -> [N, ...], each where `places` [N] names it, and zero where that names none."""
    nothing = parts.new_zeros((1, *parts.shape[1:]))
    return torch.cat((parts, nothing)).index_select(0, places)
